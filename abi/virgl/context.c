// Contexts: creation, submission, and which resources they see.
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct pv_virgl_context *pv_virgl_find_context(uint32_t id)
{
    return pv_virgl_table_find(&pv_virgl.contexts, id);
}

static void destroy(struct pv_virgl_context *context)
{
    pv_context_destroy(context->context); // retires its fences
    pv_virgl_fences_forget_context(context);
    free(context);
}

void pv_virgl_destroy_contexts(void)
{
    struct pv_virgl_table *contexts = &pv_virgl.contexts;
    while (contexts->count > 0) {
        const uint32_t id = contexts->entries[contexts->count - 1].id;
        destroy(pv_virgl_table_remove(contexts, id));
    }
}

// Returns a positive error.
static int create(uint32_t id, uint32_t name_length, const char *name)
{
    struct pv_virgl_context *context = calloc(1, sizeof(*context));
    if (!context) {
        return ENOMEM;
    }
    context->id = id;
    char text[80]; // "42 (vkcube)": the number is what the VMM's log has
    const int length = name_length < 64 ? (int)name_length : 64;
    snprintf(text, sizeof(text), "%u (%.*s)", id, name ? length : 0, name ? name : "");
    context->context = pv_context_create(
        pv_virgl.renderer, &(struct pv_context_params){.name = text,
                                                       .fence_retired = pv_virgl_fence_retired,
                                                       .user = context});
    if (!context->context || !pv_virgl_table_insert(&pv_virgl.contexts, id, context)) {
        destroy(context);
        return ENOMEM;
    }
    return 0;
}

int virgl_renderer_context_create_with_flags(uint32_t ctx_id, uint32_t ctx_flags, uint32_t nlen,
                                             const char *name)
{
    // Venus is the only capset there is: an existing context has it.
    if (ctx_id == 0 || ctx_flags != PV_CAPSET_VENUS || !pv_virgl.renderer) {
        return EINVAL;
    }
    return pv_virgl_find_context(ctx_id) ? 0 : create(ctx_id, nlen, name);
}

int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name)
{
    (void)handle;
    (void)nlen;
    (void)name;
    return EINVAL; // it would be one of OpenGL
}

void virgl_renderer_context_destroy(uint32_t handle)
{
    struct pv_virgl_context *context = pv_virgl_table_remove(&pv_virgl.contexts, handle);
    if (context) {
        destroy(context);
    }
}

int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw)
{
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)ctx_id);
    if (!context || ndw < 0) {
        return EINVAL;
    }
    if ((uintptr_t)buffer % sizeof(uint32_t)) {
        return EFAULT;
    }
    const size_t size = (size_t)ndw * sizeof(uint32_t);
    return pv_context_submit(context->context, buffer, size) ? 0 : EINVAL;
}

void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle)
{
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)ctx_id);
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)res_handle);
    if (context && resource && resource->blob &&
        !pv_context_attach_resource(context->context, resource->blob)) {
        pv_virgl_log(VIRGL_LOG_LEVEL_WARNING, "resource %d cannot be attached to context %d",
                     res_handle, ctx_id);
    }
}

void virgl_renderer_ctx_detach_resource(int ctx_id, int res_handle)
{
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)ctx_id);
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)res_handle);
    if (context && resource && resource->blob) {
        pv_context_detach_resource(context->context, resource->blob);
    }
}

void virgl_renderer_force_ctx_0(void)
{
    // Makes upstream's OpenGL context current. There is none.
}

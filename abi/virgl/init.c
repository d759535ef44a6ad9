// Start and end of the library, capsets.
#include "gl.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

struct pv_virgl_state pv_virgl;

bool pv_virgl_has_callbacks(int version)
{
    return pv_virgl.callbacks && pv_virgl.callbacks->version >= version;
}

// A host without Vulkan keeps its VM: the guest's display works, its Venus contexts do not.
static struct pv_renderer *open_renderer(int flags)
{
    const struct pv_renderer_params params = {
        .log = pv_virgl_renderer_log,
        .log_level = pv_virgl_renderer_log_level(),
        .vulkan_library = getenv("PV_VULKAN_LIBRARY"),
        .fd_only = flags & VIRGL_RENDERER_USE_EXTERNAL_BLOB,
    };
    return pv_renderer_create(&params, NULL, 0); // says why not
}

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *callbacks)
{
    struct pv_virgl_state *state = &pv_virgl;
    if (state->initialized) {
        const bool same =
            state->cookie == cookie && state->flags == flags && state->callbacks == callbacks;
        return same ? 0 : -EBUSY;
    }
    if (!callbacks || callbacks->version < 1) {
        pv_virgl_log(VIRGL_LOG_LEVEL_ERROR, "callbacks of version %d, known are 1 to %d",
                     callbacks ? callbacks->version : 0, VIRGL_RENDERER_CALLBACKS_VERSION);
        return -1;
    }
    if (callbacks->version > VIRGL_RENDERER_CALLBACKS_VERSION) {
        // New versions append to the structure. A failure here would cost the guest its display.
        pv_virgl_log(
            VIRGL_LOG_LEVEL_WARNING,
            "callbacks of version %d: the VMM is newer than this library, which uses those "
            "of version %d",
            callbacks->version, VIRGL_RENDERER_CALLBACKS_VERSION);
    }
    state->cookie = cookie;
    state->flags = flags;
    state->callbacks = callbacks;
    if (flags & VIRGL_RENDERER_VENUS) {
        state->renderer = open_renderer(flags);
    }
    pv_virgl_fences_init();
    pv_virgl_gl_init();
    state->initialized = true;
    return 0;
}

void virgl_renderer_reset(void)
{
    // Contexts first: their end retires fences and drops their references to resources.
    pv_virgl_destroy_contexts();
    pv_virgl_destroy_resources();
    virgl_renderer_poll();
}

void virgl_renderer_cleanup(void *cookie)
{
    (void)cookie;
    struct pv_virgl_state *state = &pv_virgl;
    if (!state->initialized) {
        return;
    }
    virgl_renderer_reset();
    pv_virgl_gl_finish();
    pv_virgl_fences_finish();
    pv_virgl_destroy_orphans();
    pv_virgl_table_finish(&state->contexts);
    pv_virgl_table_finish(&state->resources);
    pv_renderer_destroy(state->renderer);
    *state = (struct pv_virgl_state){0};
}

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size)
{
    *max_ver = set == PV_CAPSET_VENUS ? PV_CAPSET_VENUS_VERSION : 0;
    *max_size = set == PV_CAPSET_VENUS ? PV_CAPSET_VENUS_SIZE : 0;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    (void)version; // there is one
    if (set == PV_CAPSET_VENUS && caps) {
        pv_capset_fill(caps, PV_CAPSET_VENUS_SIZE);
    }
}

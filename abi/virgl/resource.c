// What all resources have: a number, iovecs, the caller's pointer, and answers about them.
#include "gl.h"
#include "image.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct pv_virgl_resource *pv_virgl_find_resource(uint32_t id)
{
    return pv_virgl_table_find(&pv_virgl.resources, id);
}

struct pv_virgl_resource *pv_virgl_add_resource(uint32_t id)
{
    struct pv_virgl_resource *resource = malloc(sizeof(*resource));
    if (!resource) {
        return NULL;
    }
    *resource = (struct pv_virgl_resource){.id = id, .dmabuf_fd = -1};
    if (!pv_virgl_table_insert(&pv_virgl.resources, id, resource)) {
        free(resource);
        return NULL;
    }
    return resource;
}

static void destroy(struct pv_virgl_resource *resource)
{
    pv_resource_unref(resource->blob);
    if (resource->image) {
        pv_virgl_gl_destroy_texture(resource->image);
        pv_virgl_image_destroy(resource->image);
    }
    if (resource->dmabuf_fd >= 0) {
        close(resource->dmabuf_fd);
    }
    free(resource);
}

void pv_virgl_remove_resource(struct pv_virgl_resource *resource)
{
    pv_virgl_table_remove(&pv_virgl.resources, resource->id);
    for (size_t i = 0; resource->blob && i < pv_virgl.contexts.count; i++) {
        struct pv_virgl_context *context = pv_virgl.contexts.entries[i].item;
        pv_context_detach_resource(context->context, resource->blob);
    }
    if (!resource->mapped) {
        destroy(resource);
        return;
    }
    // The guest may still see the mapping in its address space: QEMU, for one, does not unmap
    // when the machine is reset. The memory stays until it is unmapped or the library ends.
    resource->next = pv_virgl.orphans;
    pv_virgl.orphans = resource;
}

// The link to the orphan, or the end of the list.
static struct pv_virgl_resource **orphan_link(uint32_t id)
{
    struct pv_virgl_resource **link = &pv_virgl.orphans;
    while (*link && (*link)->id != id) {
        link = &(*link)->next;
    }
    return link;
}

struct pv_virgl_resource *pv_virgl_find_orphan(uint32_t id)
{
    return *orphan_link(id);
}

void pv_virgl_unmap_orphan(uint32_t id)
{
    struct pv_virgl_resource **link = orphan_link(id), *orphan = *link;
    if (orphan) {
        *link = orphan->next;
        destroy(orphan);
    }
}

void pv_virgl_destroy_orphans(void)
{
    while (pv_virgl.orphans) {
        struct pv_virgl_resource *orphan = pv_virgl.orphans;
        pv_virgl.orphans = orphan->next;
        destroy(orphan);
    }
}

void pv_virgl_destroy_resources(void)
{
    const struct pv_virgl_table *resources = &pv_virgl.resources;
    while (resources->count > 0) {
        struct pv_virgl_resource *resource = resources->entries[resources->count - 1].item;
        resource->lost_in_reset = true;
        pv_virgl_remove_resource(resource);
    }
}

// A guest finds no room for a blob in the VMM's window, and drops it: the host hears of nothing
// else.
static void report_small_window(const struct pv_virgl_resource *resource)
{
    if (resource->unseen && !pv_virgl.window_reported) {
        pv_virgl.window_reported = true;
        pv_virgl_log(VIRGL_LOG_LEVEL_WARNING,
                     "a guest dropped %llu KiB that it could not map: is the window for host "
                     "memory (hostmem) too small?",
                     (unsigned long long)(pv_resource_size(resource->blob) / 1024));
    }
}

void virgl_renderer_resource_unref(uint32_t res_handle)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (resource) {
        report_small_window(resource);
        pv_virgl_remove_resource(resource);
    }
}

void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (resource) {
        resource->priv = priv;
    }
}

void *virgl_renderer_resource_get_priv(uint32_t res_handle)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    return resource ? resource->priv : NULL;
}

// -- iovecs ----------------------------------------------------------------------------------

int virgl_renderer_resource_attach_iov(int res_handle, struct iovec *iov, int num_iovs)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)res_handle);
    if (!resource || resource->iov || num_iovs < 0) {
        return EINVAL;
    }
    resource->iov = iov;
    resource->iov_count = iov ? (unsigned)num_iovs : 0;
    return 0;
}

void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov, int *num_iovs)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)res_handle);
    if (iov) {
        *iov = resource ? resource->iov : NULL;
    }
    if (num_iovs) {
        *num_iovs = resource ? (int)resource->iov_count : 0;
    }
    if (resource) {
        resource->iov = NULL;
        resource->iov_count = 0;
    }
}

// -- answers ---------------------------------------------------------------------------------

// A descriptor for scan-out, lent to the VMM: only dma-bufs will do.
static int lend_dmabuf(struct pv_virgl_resource *resource)
{
    if (resource->dmabuf_fd < 0 && resource->blob) {
        enum pv_fd_type type;
        const int fd = pv_resource_export_fd(resource->blob, &type);
        if (type == PV_FD_DMABUF) {
            resource->dmabuf_fd = fd;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    return resource->dmabuf_fd;
}

int virgl_renderer_resource_get_info(int res_handle, struct virgl_renderer_resource_info *info)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)res_handle);
    if (!resource || !info) {
        return EINVAL;
    }
    *info = (struct virgl_renderer_resource_info){
        .handle = resource->id,
        .fd = lend_dmabuf(resource),
    };
    struct pv_virgl_image *image = resource->image;
    if (image) {
        info->tex_id = pv_virgl_gl_texture(image);
        info->virgl_format = image->format;
        info->width = image->width;
        info->height = image->height;
        info->depth = 1;
        // A texture's first row is the image's: QEMU turns it over when the flag is not set.
        info->flags = info->tex_id ? 0 : image->flags;
        info->stride = image->stride;
        info->drm_fourcc = (int)image->fourcc;
    }
    return 0;
}

int virgl_renderer_resource_get_info_ext(int res_handle,
                                         struct virgl_renderer_resource_info_ext *info)
{
    if (!info) {
        return EINVAL;
    }
    *info = (struct virgl_renderer_resource_info_ext){
        .version = VIRGL_RENDERER_RESOURCE_INFO_EXT_VERSION,
    };
    return virgl_renderer_resource_get_info(res_handle, &info->base);
}

// Returns a negative error.
static int export_query(struct virgl_renderer_export_query *query)
{
    const uint64_t invalid_modifier = (UINT64_C(1) << 56) - 1; // DRM_FORMAT_MOD_INVALID
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(query->in_resource_id);
    // Blobs leave through export_blob(), images not at all.
    if (!resource || query->in_export_fds) {
        return -EINVAL;
    }
    query->out_num_fds = resource->image ? 0 : 1;
    query->out_fourcc = 0;
    query->out_modifier = invalid_modifier;
    for (int i = 0; i < 4; i++) {
        query->out_fds[i] = -1;
        query->out_strides[i] = 0;
        query->out_offsets[i] = 0;
    }
    return 0;
}

int virgl_renderer_execute(void *execute_args, uint32_t execute_size)
{
    const struct virgl_renderer_hdr *header = execute_args;
    if (!header || execute_size < sizeof(*header) || header->stype_version != 0 ||
        header->size != execute_size) {
        return -EINVAL;
    }
    if (header->stype == VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY &&
        execute_size == sizeof(struct virgl_renderer_export_query)) {
        return export_query(execute_args);
    }
    if (header->stype == VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES &&
        execute_size == sizeof(struct virgl_renderer_supported_structures)) {
        struct virgl_renderer_supported_structures *structures = execute_args;
        structures->out_supported_structures_mask =
            structures->in_stype_version == 0
                ? VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY |
                      VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES
                : 0;
        return 0;
    }
    return -EINVAL;
}

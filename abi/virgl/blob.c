// Blobs: memory of the guest, of the host driver, or of somebody else, and the ways to map it.
#include "image.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

// -- creation --------------------------------------------------------------------------------

static bool has_host_memory(uint32_t blob_mem)
{
    return blob_mem == VIRGL_RENDERER_BLOB_MEM_HOST3D ||
           blob_mem == VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST;
}

static bool has_guest_memory(uint32_t blob_mem)
{
    return blob_mem == VIRGL_RENDERER_BLOB_MEM_GUEST ||
           blob_mem == VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST;
}

static bool is_valid(const struct virgl_renderer_resource_create_blob_args *args)
{
    if (args->res_handle == 0 || pv_virgl_find_resource(args->res_handle) || args->size == 0) {
        return false;
    }
    if (!has_guest_memory(args->blob_mem)) {
        return has_host_memory(args->blob_mem) && args->num_iovs == 0;
    }
    return pv_virgl_iov_size(args->iovecs, args->num_iovs) >= args->size;
}

int virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args)
{
    if (!pv_virgl.initialized || !is_valid(args)) {
        return -EINVAL;
    }
    struct pv_resource *blob = NULL;
    if (has_host_memory(args->blob_mem)) {
        struct pv_virgl_context *context = pv_virgl_find_context(args->ctx_id);
        if (!context) {
            return -EINVAL;
        }
        blob = pv_context_create_blob(context->context,
                                      &(struct pv_blob_params){.resource_id = args->res_handle,
                                                               .flags = args->blob_flags,
                                                               .blob_id = args->blob_id,
                                                               .size = args->size});
        if (!blob) {
            return -EINVAL;
        }
    }
    struct pv_virgl_resource *resource = pv_virgl_add_resource(args->res_handle);
    if (!resource) {
        if (blob) {
            pv_context_detach_resource(pv_virgl_find_context(args->ctx_id)->context, blob);
            pv_resource_unref(blob);
        }
        return -ENOMEM;
    }
    resource->blob = blob;
    resource->unseen = blob && (args->blob_flags & VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE);
    // The interface takes a pointer to const and hands the same array back from detach_iov.
    resource->iov = args->num_iovs ? (struct iovec *)args->iovecs : NULL;
    resource->iov_count = args->num_iovs;
    return 0;
}

int virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args)
{
    if (!pv_virgl.renderer || args->res_handle == 0 || pv_virgl_find_resource(args->res_handle) ||
        args->fd < 0 || args->size == 0) {
        return -EINVAL;
    }
    if (args->blob_mem != VIRGL_RENDERER_BLOB_MEM_HOST3D &&
        args->blob_mem != VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM) {
        return -EINVAL;
    }
    if (args->fd_type != VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF &&
        args->fd_type != VIRGL_RENDERER_BLOB_FD_TYPE_SHM) {
        return -EINVAL;
    }
    // The table first: it can fail without taking the descriptor.
    struct pv_virgl_resource *resource = pv_virgl_add_resource(args->res_handle);
    if (!resource) {
        return -ENOMEM;
    }
    resource->blob = pv_resource_import(
        pv_virgl.renderer, &(struct pv_import_params){.resource_id = args->res_handle,
                                                      .type = (enum pv_fd_type)args->fd_type,
                                                      .fd = args->fd,
                                                      .size = args->size});
    if (!resource->blob) {
        pv_virgl_remove_resource(resource);
        return -EINVAL;
    }
    return 0;
}

int virgl_renderer_resource_export_blob(uint32_t res_id, uint32_t *fd_type, int *fd)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_id);
    if (!resource || !resource->blob) {
        return -EINVAL;
    }
    resource->unseen = false;
    enum pv_fd_type type;
    int exported = pv_resource_export_fd(resource->blob, &type);
    const bool mappable = pv_resource_map_cache(resource->blob) != PV_MAP_CACHE_NONE;
    const uint32_t exported_type = pv_virgl_os_export(type, &exported, mappable);
    if (!exported_type) {
        if (exported >= 0) {
            close(exported);
        }
        return -EINVAL;
    }
    *fd_type = exported_type;
    *fd = exported;
    return 0;
}

// -- mapping ---------------------------------------------------------------------------------

int virgl_renderer_resource_get_map_info(uint32_t res_handle, uint32_t *map_info)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (!resource || resource->image) {
        return -EINVAL;
    }
    // Memory of the guest is ordinary memory of the host.
    const uint32_t cache =
        resource->blob ? pv_resource_map_cache(resource->blob) : VIRGL_RENDERER_MAP_CACHE_CACHED;
    if (cache == VIRGL_RENDERER_MAP_CACHE_NONE) {
        return -EINVAL;
    }
    *map_info = cache;
    return 0;
}

int virgl_renderer_resource_map(uint32_t res_handle, void **map, uint64_t *out_size)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (!resource || !resource->blob || resource->mapped) {
        return -EINVAL;
    }
    resource->unseen = false;
    struct pv_virgl_resource *orphan = pv_virgl_find_orphan(res_handle);
    if (orphan && orphan->lost_in_reset) {
        // QEMU 10 names its memory region after the number, still has the one from before the
        // reset, and would abort.
        if (!orphan->reported) {
            orphan->reported = true;
            pv_virgl_log(VIRGL_LOG_LEVEL_ERROR,
                         "resource %u is mapped since before a reset: guests may lack Vulkan until "
                         "the VMM is started again",
                         res_handle);
        }
        return -EINVAL;
    }
    void *address = pv_resource_map(resource->blob);
    if (!address) {
        return -EINVAL;
    }
    resource->mapped = true;
    *map = address;
    *out_size = pv_resource_size(resource->blob);
    return 0;
}

int virgl_renderer_resource_unmap(uint32_t res_handle)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (resource && resource->mapped) {
        // The renderer keeps its mapping until the resource goes: mapping again costs nothing.
        resource->mapped = false;
        return 0;
    }
    if (!pv_virgl_find_orphan(res_handle)) {
        return -EINVAL;
    }
    pv_virgl_unmap_orphan(res_handle);
    return 0;
}

int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (!resource || !resource->blob) {
        return -EINVAL;
    }
    resource->unseen = false;
    return pv_resource_map_fixed(resource->blob, addr) ? 0 : -EOPNOTSUPP;
}

int virgl_renderer_resource_map2(uint32_t res_handle, void *addr, uint64_t size, int32_t prot,
                                 int32_t flags)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    if (!resource || !resource->blob || size == 0) {
        return -EINVAL;
    }
    resource->unseen = false;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t rest = pv_resource_size(resource->blob) % page;
    const uint64_t largest = pv_resource_size(resource->blob) + (rest ? page - rest : 0);
    if (size > largest || pv_resource_map_cache(resource->blob) == PV_MAP_CACHE_NONE) {
        return -EINVAL;
    }
    enum pv_fd_type type;
    const int fd = pv_resource_export_fd(resource->blob, &type);
    int result = -EOPNOTSUPP;
    if (type == PV_FD_SHM || type == PV_FD_DMABUF) {
        result = mmap(addr, (size_t)size, prot, flags, fd, 0) == MAP_FAILED ? -errno : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

int virgl_renderer_resource_get_map_ptr(uint32_t res_handle, uint64_t *map_ptr)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(res_handle);
    void *address = resource && resource->blob ? pv_resource_map(resource->blob) : NULL;
    if (!address) {
        return -EINVAL;
    }
    resource->unseen = false;
    *map_ptr = (uintptr_t)address;
    return 0;
}

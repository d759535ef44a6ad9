#include "gpu.h"

#include <stdlib.h>
#include <unistd.h>

#include "pv/context.h"
#include "pv/renderer.h"
#include "pv/resource.h"

struct context {
    struct gpu *gpu;
    uint32_t id;
    struct pv_context *context;
    struct context *next;
};

struct resource {
    uint32_t id;
    struct pv_resource *resource; // one reference
    bool mapped;
    struct gpu_mapping mapping; // of what is mapped; without the descriptor
    struct resource *next;
};

struct gpu {
    struct pv_renderer *renderer;
    struct gpu_host host;
    struct context *contexts;
    struct resource *resources;
};

struct gpu *gpu_create(struct pv_renderer *renderer, const struct gpu_host *host)
{
    struct gpu *gpu = calloc(1, sizeof(*gpu));
    if (gpu) {
        gpu->renderer = renderer;
        gpu->host = *host;
    }
    return gpu;
}

void gpu_destroy(struct gpu *gpu)
{
    if (!gpu) {
        return;
    }
    // Contexts first: their threads use the resources.
    while (gpu->contexts) {
        gpu_destroy_context(gpu, gpu->contexts->id);
    }
    while (gpu->resources) {
        gpu_unref(gpu, gpu->resources->id);
    }
    free(gpu);
}

// -- contexts ------------------------------------------------------------------------------------

static struct context **find_context(struct gpu *gpu, uint32_t id)
{
    struct context **link = &gpu->contexts;
    while (*link && (*link)->id != id) {
        link = &(*link)->next;
    }
    return link;
}

// From any thread: hands on what it was given and touches nothing else.
static void fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    const struct context *context = user;
    const struct gpu_host *host = &context->gpu->host;
    host->fence_retired(host->user, context->id, ring_idx, fence_id);
}

bool gpu_create_context(struct gpu *gpu, uint32_t context_id, const char *name)
{
    if (*find_context(gpu, context_id)) {
        return false;
    }
    struct context *context = calloc(1, sizeof(*context));
    if (!context) {
        return false;
    }
    context->gpu = gpu;
    context->id = context_id;
    context->context = pv_context_create(
        gpu->renderer,
        &(struct pv_context_params){.name = name, .fence_retired = fence_retired, .user = context});
    if (!context->context) {
        free(context);
        return false;
    }
    context->next = gpu->contexts;
    gpu->contexts = context;
    return true;
}

void gpu_destroy_context(struct gpu *gpu, uint32_t context_id)
{
    struct context **link = find_context(gpu, context_id);
    struct context *context = *link;
    if (context) {
        *link = context->next;
        pv_context_destroy(context->context); // retires what fences it has
        free(context);
    }
}

bool gpu_submit(struct gpu *gpu, uint32_t context_id, const void *bytes, size_t size)
{
    const struct context *context = *find_context(gpu, context_id);
    return context && size % 4 == 0 && pv_context_submit(context->context, bytes, size);
}

bool gpu_create_fence(struct gpu *gpu, uint32_t context_id, uint32_t ring_idx, uint64_t fence_id)
{
    const struct context *context = *find_context(gpu, context_id);
    return context && pv_context_create_fence(context->context, ring_idx, fence_id);
}

// -- resources -----------------------------------------------------------------------------------

static struct resource **find_resource(struct gpu *gpu, uint32_t id)
{
    struct resource **link = &gpu->resources;
    while (*link && (*link)->id != id) {
        link = &(*link)->next;
    }
    return link;
}

bool gpu_create_blob(struct gpu *gpu, uint32_t context_id, uint32_t resource_id, uint32_t flags,
                     uint64_t blob_id, uint64_t size)
{
    const struct context *context = *find_context(gpu, context_id);
    if (!context || resource_id == 0 || *find_resource(gpu, resource_id)) {
        return false;
    }
    struct resource *resource = calloc(1, sizeof(*resource));
    if (!resource) {
        return false;
    }
    resource->id = resource_id;
    resource->resource = pv_context_create_blob(
        context->context,
        &(struct pv_blob_params){
            .resource_id = resource_id, .flags = flags, .blob_id = blob_id, .size = size});
    if (!resource->resource) {
        free(resource);
        return false;
    }
    resource->next = gpu->resources;
    gpu->resources = resource;
    return true;
}

bool gpu_attach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id)
{
    const struct context *context = *find_context(gpu, context_id);
    const struct resource *resource = *find_resource(gpu, resource_id);
    return context && resource && pv_context_attach_resource(context->context, resource->resource);
}

void gpu_detach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id)
{
    const struct context *context = *find_context(gpu, context_id);
    const struct resource *resource = *find_resource(gpu, resource_id);
    if (context && resource) {
        pv_context_detach_resource(context->context, resource->resource);
    }
}

void gpu_unref(struct gpu *gpu, uint32_t resource_id)
{
    struct resource **link = find_resource(gpu, resource_id);
    struct resource *resource = *link;
    if (!resource) {
        return;
    }
    gpu_unmap_blob(gpu, resource_id);
    *link = resource->next;
    // A context that has it attached keeps it from being freed: the guest may do things in any
    // order.
    for (const struct context *context = gpu->contexts; context; context = context->next) {
        pv_context_detach_resource(context->context, resource->resource);
    }
    pv_resource_unref(resource->resource);
    free(resource);
}

// -- the guest's window --------------------------------------------------------------------------

static uint64_t whole_pages(uint64_t size)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE); // 16 KiB on Apple silicon
    return (size + page - 1) / page * page;
}

bool gpu_map_blob(struct gpu *gpu, uint32_t resource_id, uint64_t offset, uint32_t *map_info)
{
    struct resource *resource = *find_resource(gpu, resource_id);
    if (!resource || resource->mapped) {
        return false;
    }
    const enum pv_map_cache cache = pv_resource_map_cache(resource->resource);
    if (cache == PV_MAP_CACHE_NONE) {
        return false;
    }
    enum pv_fd_type type;
    int fd = pv_resource_export_fd(resource->resource, &type);
    if (fd >= 0 && type != PV_FD_SHM && type != PV_FD_DMABUF) {
        close(fd); // cannot be mapped by mmap
        fd = -1;
    }
    resource->mapping = (struct gpu_mapping){
        .offset = offset,
        .size = whole_pages(pv_resource_size(resource->resource)),
        .address = pv_resource_map(resource->resource),
        .fd = fd,
    };
    resource->mapped = gpu->host.map(gpu->host.user, &resource->mapping);
    if (fd >= 0) {
        close(fd);
        resource->mapping.fd = -1;
    }
    *map_info = cache;
    return resource->mapped;
}

bool gpu_unmap_blob(struct gpu *gpu, uint32_t resource_id)
{
    struct resource *resource = *find_resource(gpu, resource_id);
    if (!resource || !resource->mapped) {
        return false;
    }
    gpu->host.unmap(gpu->host.user, &resource->mapping);
    resource->mapped = false;
    return true;
}

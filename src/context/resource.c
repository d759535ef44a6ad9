#include "context/resource.h"

#include <stdlib.h>

struct pv_resource *pv_resource_create(uint32_t id, uint64_t size, struct pv_blob *blob,
                                       bool host_shm)
{
    struct pv_resource *resource = malloc(sizeof(*resource));
    if (!resource) {
        pv_blob_unref(blob);
        return NULL;
    }
    *resource = (struct pv_resource){
        .id = id,
        .size = size,
        .blob = blob,
        .host_shm = host_shm,
    };
    atomic_init(&resource->references, 1);
    return resource;
}

struct pv_resource *pv_resource_ref(struct pv_resource *resource)
{
    atomic_fetch_add_explicit(&resource->references, 1, memory_order_relaxed);
    return resource;
}

void pv_resource_unref(struct pv_resource *resource)
{
    if (resource &&
        atomic_fetch_sub_explicit(&resource->references, 1, memory_order_acq_rel) == 1) {
        pv_blob_unref(resource->blob);
        free(resource);
    }
}

uint32_t pv_resource_id(const struct pv_resource *resource)
{
    return resource->id;
}

uint64_t pv_resource_size(const struct pv_resource *resource)
{
    return resource->size;
}

enum pv_map_cache pv_resource_map_cache(const struct pv_resource *resource)
{
    return pv_blob_map_cache(resource->blob);
}

int pv_resource_export_fd(struct pv_resource *resource, enum pv_fd_type *type)
{
    const int fd = pv_blob_export_fd(resource->blob);
    *type = fd >= 0 ? pv_blob_fd_type(resource->blob) : PV_FD_NONE;
    return fd;
}

void *pv_resource_map(struct pv_resource *resource)
{
    return pv_blob_map(resource->blob);
}

bool pv_resource_map_fixed(struct pv_resource *resource, void *address)
{
    return pv_blob_map_fixed(resource->blob, resource->size, address);
}

uint8_t *pv_resource_range(struct pv_resource *resource, uint64_t offset, uint64_t size)
{
    if (!resource->host_shm || offset > resource->size || size > resource->size - offset) {
        return NULL;
    }
    uint8_t *memory = pv_blob_map(resource->blob);
    return memory ? memory + offset : NULL;
}

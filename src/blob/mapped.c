// Mechanism "mapped pointer": what vkMapMemory returns, for VMMs in this process.
//
// The mapping is the memory's own. When the guest frees memory that was handed out, the blob
// takes the VkDeviceMemory over and frees it with its last reference.
#include "blob/backend.h"

#include "blob/chain.h"

#include <stdlib.h>

struct mapped_blob {
    struct pv_blob base;
    struct pv_blob_device *device; // one reference
    VkDeviceMemory memory;         // adopted after the guest's vkFreeMemory, else VK_NULL_HANDLE
};

static void *mapped_map(struct pv_blob *base)
{
    return base->mapping; // made at export
}

static void mapped_destroy(struct pv_blob *base)
{
    struct mapped_blob *blob = (struct mapped_blob *)base;
    const struct pv_blob_device_params *params = &blob->device->params;
    if (blob->memory) {
        params->vk->vkFreeMemory(params->device, blob->memory, NULL); // unmaps
    }
    pv_blob_device_unref(blob->device);
    pv_blob_finish(base);
    free(blob);
}

static const struct pv_blob_ops mapped_ops = {.map = mapped_map, .destroy = mapped_destroy};

static VkResult mapped_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                uint64_t size, struct pv_blob_memory *memory)
{
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, info, size, 0);
    if (chain.dedicated.image || chain.dedicated.buffer) {
        chain.info.allocationSize = info->allocationSize; // to the byte
    }
    const VkResult result = pv_blob_device_allocate(device, &chain.info, &memory->handle);
    if (result == VK_SUCCESS) {
        memory->size = size; // mappings come in whole pages
    }
    return result;
}

static struct pv_blob *mapped_export(struct pv_blob_device *device, struct pv_blob_memory *memory)
{
    const struct pv_blob_device_params *params = &device->params;
    struct mapped_blob *blob = calloc(1, sizeof(*blob));
    void *mapping = NULL;
    if (!blob || params->vk->vkMapMemory(params->device, memory->handle, 0, VK_WHOLE_SIZE, 0,
                                         &mapping) != VK_SUCCESS) {
        free(blob);
        return NULL;
    }
    pv_blob_init(&blob->base, &mapped_ops, PV_FD_NONE, -1, memory->size,
                 pv_blob_device_map_cache(device, memory->type_index));
    blob->base.mapping = mapping;
    blob->device = pv_blob_device_ref(device);
    return &blob->base;
}

static void mapped_adopt(struct pv_blob *base, VkDeviceMemory handle)
{
    ((struct mapped_blob *)base)->memory = handle;
}

const struct pv_blob_backend pv_blob_backend_mapped = {
    .mechanism = PV_MEMORY_MAPPED,
    .features = PV_BLOB_EXPORT_LATER | PV_BLOB_OWNS_MEMORY,
    .allocate = mapped_allocate,
    .export = mapped_export,
    .adopt = mapped_adopt,
};

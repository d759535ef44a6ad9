// Mechanism "opaque fd": the driver allocates and exports; the blob maps what it exported by
// importing it a second time, so that its mapping does not end with the guest's vkFreeMemory.
// The second import lives in the same VkDevice, which the blob keeps alive.
#include "blob/backend.h"

#include "base/os.h"
#include "blob/chain.h"

#include <stdlib.h>

struct opaque_blob {
    struct pv_blob base;
    struct pv_blob_device *device; // one reference
    uint32_t type_index;
    VkMemoryAllocateFlags flags; // an import repeats those of the export
    VkDeviceMemory imported;     // mapped; VK_NULL_HANDLE until first use
};

static VkResult import_fd(struct pv_blob_device *device, const struct opaque_blob *blob,
                          VkDeviceMemory *handle)
{
    VkImportMemoryFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
        .fd = pv_blob_export_fd(&blob->base),
    };
    if (import.fd < 0) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = blob->flags,
    };
    // Size and type are those of the export: a guest's opinion of them is not asked for.
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = blob->flags ? &flags : NULL,
        .allocationSize = blob->base.size,
        .memoryTypeIndex = blob->type_index,
    };
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, &info, info.allocationSize, 0);
    pv_allocate_chain_add(&chain, &import);
    const VkResult result = pv_blob_device_allocate(device, &chain.info, handle);
    if (result != VK_SUCCESS) {
        pv_os_close(import.fd); // the driver takes it on success only
    }
    return result;
}

static void *opaque_map(struct pv_blob *base)
{
    struct opaque_blob *blob = (struct opaque_blob *)base;
    const struct pv_blob_device_params *params = &blob->device->params;
    VkDeviceMemory imported;
    if (import_fd(blob->device, blob, &imported) != VK_SUCCESS) {
        return NULL;
    }
    void *mapping = NULL;
    if (params->vk->vkMapMemory(params->device, imported, 0, VK_WHOLE_SIZE, 0, &mapping) !=
        VK_SUCCESS) {
        params->vk->vkFreeMemory(params->device, imported, NULL);
        return NULL;
    }
    blob->imported = imported;
    return mapping;
}

static void opaque_destroy(struct pv_blob *base)
{
    struct opaque_blob *blob = (struct opaque_blob *)base;
    const struct pv_blob_device_params *params = &blob->device->params;
    if (blob->imported) {
        params->vk->vkUnmapMemory(params->device, blob->imported);
        params->vk->vkFreeMemory(params->device, blob->imported, NULL);
    }
    pv_blob_device_unref(blob->device);
    pv_blob_finish(base);
    free(blob);
}

static const struct pv_blob_ops opaque_ops = {.map = opaque_map, .destroy = opaque_destroy};

static VkResult opaque_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                uint64_t size, struct pv_blob_memory *memory)
{
    VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    struct pv_allocate_chain chain;
    // The import would have to name the same dedicated resource, which may be gone by then.
    pv_allocate_chain_init(&chain, info, size, PV_CHAIN_DROP_DEDICATED);
    pv_allocate_chain_add(&chain, &export);
    const VkResult result = pv_blob_device_allocate(device, &chain.info, &memory->handle);
    if (result == VK_SUCCESS) {
        memory->size = size;
        memory->flags = chain.flags.flags;
    }
    return result;
}

static struct pv_blob *opaque_export(struct pv_blob_device *device, struct pv_blob_memory *memory)
{
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = memory->handle,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    int fd = -1;
    if (device->params.vk->vkGetMemoryFdKHR(device->params.device, &info, &fd) != VK_SUCCESS) {
        return NULL;
    }
    fd = pv_os_spare_fds(fd, PV_FDS_SPARED_BY_MEMORY);
    if (fd < 0) {
        return NULL;
    }
    struct opaque_blob *blob = calloc(1, sizeof(*blob));
    if (!blob) {
        pv_os_close(fd);
        return NULL;
    }
    pv_blob_init(&blob->base, &opaque_ops, PV_FD_OPAQUE, fd, memory->size,
                 pv_blob_device_map_cache(device, memory->type_index));
    blob->device = pv_blob_device_ref(device);
    blob->type_index = memory->type_index;
    blob->flags = memory->flags;
    return &blob->base;
}

static VkResult opaque_import(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                              uint64_t size, struct pv_blob *base, struct pv_blob_memory *memory)
{
    const struct opaque_blob *blob = (const struct opaque_blob *)base;
    // Another device of ours may import it if it is the same driver and physical device.
    if (blob->device->params.facts != device->params.facts || size > base->size ||
        info->memoryTypeIndex != blob->type_index) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    const VkResult result = import_fd(device, blob, &memory->handle);
    if (result == VK_SUCCESS) {
        memory->blob = pv_blob_ref(base);
        memory->size = base->size;
    }
    return result;
}

const struct pv_blob_backend pv_blob_backend_opaque_fd = {
    .mechanism = PV_MEMORY_OPAQUE_FD,
    .features = PV_BLOB_EXPORT_LATER | PV_BLOB_IMPORT,
    .import_type = PV_FD_OPAQUE,
    .allocate = opaque_allocate,
    .export = opaque_export,
    .import = opaque_import,
};

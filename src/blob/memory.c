// Choosing the mechanism for one allocation, and the life of the VkDeviceMemory around it.
#include "blob/memory.h"

#include "base/arith.h"
#include "base/os.h"
#include "blob/backend.h"
#include "blob/chain.h"

bool pv_blob_wants_export(const VkMemoryAllocateInfo *info)
{
    const VkExportMemoryAllocateInfo *export =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    return export && export->handleTypes != 0;
}

uint64_t pv_blob_capture_address(const VkMemoryAllocateInfo *info)
{
    const VkMemoryOpaqueCaptureAddressAllocateInfo *address = pv_blob_chain_find(
        info->pNext, VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    return address ? address->opaqueCaptureAddress : 0;
}

// `type` is the guest's.
static enum pv_memory_mechanism pick(const struct pv_blob_device *device,
                                     const VkMemoryAllocateInfo *info, uint32_t type)
{
    const struct pv_blob_choice *choice = device->params.choice;
    return pv_blob_wants_export(info) ? choice->share[type] : choice->map[type];
}

// Memory that only the device uses, or that no mechanism can share.
static VkResult allocate_plain(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                               struct pv_blob_memory *memory)
{
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, info, info->allocationSize, 0);
    const VkResult result = pv_blob_device_allocate(device, &chain.info, &memory->handle);
    if (result == VK_SUCCESS) {
        memory->size = info->allocationSize;
    }
    return result;
}

static VkResult allocate_by(enum pv_memory_mechanism mechanism, struct pv_blob_device *device,
                            const VkMemoryAllocateInfo *info, uint64_t size,
                            struct pv_blob_memory *memory)
{
    memory->backend = pv_blob_backend_get(mechanism);
    if (memory->backend) {
        return memory->backend->allocate(device, info, size, memory);
    }
    return pv_blob_wants_export(info) ? VK_ERROR_INVALID_EXTERNAL_HANDLE
                                      : allocate_plain(device, info, memory);
}

VkResult pv_blob_memory_allocate(struct pv_blob_device *device,
                                 const struct pv_blob_allocate_params *params,
                                 struct pv_blob_memory *memory)
{
    const struct pv_blob_choice *choice = device->params.choice;
    const VkPhysicalDeviceMemoryProperties *properties = &device->params.facts->memory.properties;
    const uint32_t type = params->info->memoryTypeIndex;
    if (type >= choice->type_count || params->info->allocationSize == 0) {
        return VK_ERROR_UNKNOWN;
    }
    VkMemoryAllocateInfo host_info = *params->info; // from here on with the host's type
    host_info.memoryTypeIndex = pv_blob_choice_host_type(choice, type);
    const VkMemoryAllocateInfo *info = &host_info;
    const uint32_t heap = properties->memoryTypes[info->memoryTypeIndex].heapIndex;
    uint64_t size;
    // Our own storage knows no heap: without this bound it would promise any number of bytes.
    if (info->allocationSize > properties->memoryHeaps[heap].size ||
        !pv_u64_align_up(info->allocationSize, pv_os_page_size(), &size)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }

    struct pv_blob_memory made = {.type_index = info->memoryTypeIndex};
    VkResult result;
    if (params->import) {
        made.backend = pv_blob_backend_for_import(pv_blob_fd_type(params->import));
        made.imported = true;
        result = made.backend ? made.backend->import(device, info, size, params->import, &made)
                              : VK_ERROR_INVALID_EXTERNAL_HANDLE;
    } else {
        const enum pv_memory_mechanism mechanism = pick(device, info, type);
        result = allocate_by(mechanism, device, info, size, &made);
        if (result == VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS &&
            mechanism == PV_MEMORY_HOST_POINTER) {
            // The region of that address is gone. The driver may still have the address.
            result = allocate_by(choice->share[type] == PV_MEMORY_DMABUF ? PV_MEMORY_DMABUF
                                                                         : PV_MEMORY_NONE,
                                 device, info, size, &made);
        }
    }
    if (result == VK_SUCCESS) {
        pthread_mutex_lock(&device->lock);
        *memory = made;
        pthread_mutex_unlock(&device->lock);
    }
    return result;
}

void pv_blob_memory_free(struct pv_blob_device *device, struct pv_blob_memory *memory)
{
    pthread_mutex_lock(&device->lock);
    struct pv_blob_memory gone = *memory;
    *memory = (struct pv_blob_memory){0};
    if (gone.blob && !gone.imported && (gone.backend->features & PV_BLOB_OWNS_MEMORY)) {
        gone.backend->adopt(gone.blob, gone.handle);
        gone.handle = VK_NULL_HANDLE;
    }
    pthread_mutex_unlock(&device->lock);

    if (gone.handle) {
        device->params.vk->vkFreeMemory(device->params.device, gone.handle, NULL);
    }
    // After vkFreeMemory: until then the driver may use the storage.
    pv_blob_unref(gone.blob);
}

struct pv_blob *pv_blob_memory_export(struct pv_blob_device *device, struct pv_blob_memory *memory)
{
    pthread_mutex_lock(&device->lock);
    if (!memory->blob && memory->handle && memory->backend &&
        (memory->backend->features & PV_BLOB_EXPORT_LATER)) {
        memory->blob = memory->backend->export(device, memory);
    }
    struct pv_blob *blob = memory->blob ? pv_blob_ref(memory->blob) : NULL;
    pthread_mutex_unlock(&device->lock);
    return blob;
}

static uint32_t dmabuf_import_types(struct pv_blob_device *device, struct pv_blob *blob)
{
    const struct pv_blob_device_params *params = &device->params;
    VkMemoryFdPropertiesKHR properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
    };
    if (!params->facts->memory.dmabuf_importable || !params->vk->vkGetMemoryFdPropertiesKHR) {
        return 0;
    }
    const int fd = pv_blob_export_fd(blob);
    if (fd < 0) {
        return 0;
    }
    const VkResult result = params->vk->vkGetMemoryFdPropertiesKHR(
        params->device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, fd, &properties);
    pv_os_close(fd); // a query, not an import: it stays ours
    return result == VK_SUCCESS ? properties.memoryTypeBits : 0;
}

static uint32_t host_import_types(struct pv_blob_device *device, struct pv_blob *blob)
{
    switch (pv_blob_fd_type(blob)) {
    case PV_FD_DMABUF:
        return dmabuf_import_types(device, blob);
    case PV_FD_SHM:
        return device->params.facts->memory.host_pointer_types;
    case PV_FD_OPAQUE: // its one type; only the importing allocation itself can tell
        return device->params.facts->memory.opaque_fd_types;
    case PV_FD_NONE:
        break;
    }
    return 0;
}

uint32_t pv_blob_import_types(struct pv_blob_device *device, struct pv_blob *blob)
{
    return pv_blob_choice_resource_types(device->params.choice, host_import_types(device, blob),
                                         false);
}

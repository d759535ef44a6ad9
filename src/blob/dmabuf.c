// Mechanism "dma-buf": the driver allocates, and exports when the guest asks for the blob.
#include "blob/backend.h"

#include "base/os.h"
#include "blob/chain.h"

static VkResult dmabuf_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                uint64_t size, struct pv_blob_memory *memory)
{
    VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, info, size, 0);
    // A dedicated allocation must have the resource's size to the byte; the driver rounds.
    if (chain.dedicated.image || chain.dedicated.buffer) {
        chain.info.allocationSize = info->allocationSize;
    }
    pv_allocate_chain_add(&chain, &export);
    const VkResult result = pv_blob_device_allocate(device, &chain.info, &memory->handle);
    if (result == VK_SUCCESS) {
        memory->size = size;
    }
    return result;
}

static struct pv_blob *dmabuf_export(struct pv_blob_device *device, struct pv_blob_memory *memory)
{
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = memory->handle,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    int fd = -1;
    if (device->params.vk->vkGetMemoryFdKHR(device->params.device, &info, &fd) != VK_SUCCESS) {
        return NULL;
    }
    fd = pv_os_spare_fds(fd, PV_FDS_SPARED_BY_MEMORY);
    if (fd < 0) {
        return NULL;
    }
    struct pv_blob *blob = NULL;
    if (pv_os_fd_size(fd) >= (int64_t)memory->size) {
        blob = pv_blob_create_file(PV_FD_DMABUF, fd, memory->size,
                                   pv_blob_device_map_cache(device, memory->type_index));
    }
    if (!blob) {
        pv_os_close(fd);
    }
    return blob;
}

static VkResult dmabuf_import(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                              uint64_t size, struct pv_blob *blob, struct pv_blob_memory *memory)
{
    if (!device->params.facts->memory.dmabuf_importable || size > pv_blob_mapped_size(blob)) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    VkImportMemoryFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
        .fd = pv_blob_export_fd(blob),
    };
    if (import.fd < 0) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, info, info->allocationSize, 0);
    pv_allocate_chain_add(&chain, &import);
    const VkResult result = pv_blob_device_allocate(device, &chain.info, &memory->handle);
    if (result != VK_SUCCESS) {
        pv_os_close(import.fd); // the driver takes it on success only
        return result;
    }
    memory->blob = pv_blob_ref(blob);
    memory->size = info->allocationSize;
    return VK_SUCCESS;
}

const struct pv_blob_backend pv_blob_backend_dmabuf = {
    .mechanism = PV_MEMORY_DMABUF,
    .features = PV_BLOB_EXPORT_LATER | PV_BLOB_IMPORT,
    .import_type = PV_FD_DMABUF,
    .allocate = dmabuf_allocate,
    .export = dmabuf_export,
    .import = dmabuf_import,
};

// Mechanism "host pointer": shared memory of ours that the driver imports with
// VK_EXT_external_memory_host.
//
// The storage exists before the VkDeviceMemory and stays mapped at least as long as it: drivers
// use the pages, or the mapping itself, without holding them. The driver gets a chain without
// the guest's export request (the descriptor is ours already) and without a dedicated resource.
// Each allocation takes its storage from storage_create() and lets go of it with
// pv_blob_unref(): the two places that a recycling pool will have to know.
#include "blob/backend.h"

#include "base/arith.h"
#include "base/os.h"
#include "blob/chain.h"

#include <string.h>

static VkResult import_pointer(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                               uint64_t size, void *pointer, VkDeviceMemory *handle)
{
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = pointer,
    };
    struct pv_allocate_chain chain;
    pv_allocate_chain_init(&chain, info, size, PV_CHAIN_DROP_DEDICATED);
    pv_allocate_chain_add(&chain, &import);
    return pv_blob_device_allocate(device, &chain.info, handle);
}

// The import's granularity: what the driver wants, and whole pages in any case.
static uint64_t granularity(const struct pv_blob_device *device)
{
    const uint64_t page = pv_os_page_size();
    const uint64_t alignment = device->params.facts->memory.host_pointer_alignment;
    return alignment > page ? alignment : page;
}

// Mapped shared memory, ready for the driver. Failure: NULL.
static struct pv_blob *storage_create(const struct pv_blob_device *device, uint64_t size)
{
    struct pv_blob *blob = pv_blob_create_shm(size, "pv-memory");
    if (!blob) {
        return NULL;
    }
    void *pointer = pv_blob_map(blob);
    // mmap gives page alignment; a driver that wants more gets it by luck or not at all, and
    // must not see an address that it would refuse (PV_QUIRK_STICKY_IMPORT_FAILURE).
    if (!pointer || !pv_is_aligned((uintptr_t)pointer, granularity(device))) {
        pv_blob_unref(blob);
        return NULL;
    }
    if (device->params.facts->quirks & PV_QUIRK_POPULATE_IMPORTS) {
        pv_os_populate(pointer, size);
    }
    return blob;
}

static VkResult host_ptr_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                  uint64_t size, struct pv_blob_memory *memory)
{
    uint64_t rounded;
    if (!pv_u64_align_up(size, granularity(device), &rounded)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    struct pv_blob *blob = storage_create(device, rounded);
    if (!blob) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    const VkResult result =
        import_pointer(device, info, rounded, pv_blob_map(blob), &memory->handle);
    if (result != VK_SUCCESS) {
        pv_blob_unref(blob);
        return result;
    }
    memory->blob = blob;
    memory->size = rounded;
    return VK_SUCCESS;
}

static VkResult host_ptr_import(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                uint64_t size, struct pv_blob *blob, struct pv_blob_memory *memory)
{
    const uint32_t types = device->params.facts->memory.host_pointer_types;
    uint64_t rounded;
    if (!(types & (1u << info->memoryTypeIndex)) ||
        !pv_u64_align_up(size, granularity(device), &rounded) ||
        rounded > pv_blob_mapped_size(blob)) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    void *pointer = pv_blob_map(blob);
    if (!pointer || !pv_is_aligned((uintptr_t)pointer, granularity(device))) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    const VkResult result = import_pointer(device, info, rounded, pointer, &memory->handle);
    if (result != VK_SUCCESS) {
        return result;
    }
    memory->blob = pv_blob_ref(blob);
    memory->size = rounded;
    return VK_SUCCESS;
}

const struct pv_blob_backend pv_blob_backend_host_ptr = {
    .mechanism = PV_MEMORY_HOST_POINTER,
    .features = PV_BLOB_STORAGE_FIRST | PV_BLOB_IMPORT,
    .import_type = PV_FD_SHM,
    .allocate = host_ptr_allocate,
    .import = host_ptr_import,
};

// Mechanism "host pointer": shared memory of ours that the driver imports with
// VK_EXT_external_memory_host.
//
// The storage exists before the VkDeviceMemory and stays mapped at least as long as it: drivers
// use the pages, or the mapping itself, without holding them. The driver gets a chain without
// the guest's export request (the descriptor is ours already) and without a dedicated resource.
// What the guest frees is kept, import and all, for its next allocation of the kind (recycle.h).
#include "blob/backend.h"

#include "base/arith.h"
#include "base/os.h"
#include "blob/chain.h"
#include "blob/recycle.h"

#include <errno.h>
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

// What the guest's allocation has in common with others. False: it is one of a kind.
static bool find_kind(const VkMemoryAllocateInfo *info, uint64_t size, struct pv_region_kind *kind)
{
    // What later headers call VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT asks for fresh bytes.
    const VkMemoryAllocateFlags never = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT | 0x8u;
    const VkMemoryAllocateFlagsInfo *flags =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    const VkMemoryPriorityAllocateInfoEXT *priority =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
    *kind = (struct pv_region_kind){
        .size = size,
        .type_index = info->memoryTypeIndex,
        .flags = flags ? flags->flags : 0,
        .priority = priority ? priority->priority : -1.0f,
    };
    return !pv_blob_wants_export(info) && !(kind->flags & never);
}

// Says once per device what the host has run out of.
static VkResult report_shortage(struct pv_blob_device *device, uint64_t size, int error)
{
    const bool many = error == EMFILE || error == ENFILE;
    if (!atomic_exchange(&device->said_shortage, true)) {
        pv_log(device->params.log, PV_LOG_ERROR,
               "no shared memory of %llu bytes for a guest: %s%s (said once per device)",
               (unsigned long long)size, strerror(error),
               many ? "; each allocation needs a file descriptor, see ulimit -n"
                    : "; memory is full, or the process has its limit of mappings, see "
                      "vm.max_map_count");
    }
    return many ? VK_ERROR_TOO_MANY_OBJECTS : VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

// Fresh storage and its import. Failure: `*region` is NULL.
static VkResult make_region(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                            const struct pv_region_kind *kind, bool unique,
                            struct pv_region **region, VkDeviceMemory *handle)
{
    struct pv_region *made = pv_region_create(device->recycler, kind, unique);
    if (!made && pv_recycler_flush(device->recycler)) {
        made = pv_region_create(device->recycler, kind, unique);
    }
    *region = NULL;
    if (!made) {
        return report_shortage(device, kind->size, errno);
    }
    // mmap gives page alignment; a driver that wants more gets it by luck or not at all, and
    // must not see an address that it would refuse (PV_QUIRK_STICKY_IMPORT_FAILURE).
    void *pointer = made->base.mapping;
    if (!pv_is_aligned((uintptr_t)pointer, granularity(device))) {
        pv_blob_unref(&made->base);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if (device->params.facts->quirks & PV_QUIRK_POPULATE_IMPORTS) {
        pv_os_populate(pointer, kind->size);
    }
    VkResult result = import_pointer(device, info, kind->size, pointer, handle);
    if (result != VK_SUCCESS && pv_recycler_flush(device->recycler)) {
        result = import_pointer(device, info, kind->size, pointer, handle);
    }
    if (result != VK_SUCCESS) {
        pv_blob_unref(&made->base);
        return result;
    }
    *region = made;
    return VK_SUCCESS;
}

static VkResult host_ptr_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                  uint64_t size, struct pv_blob_memory *memory)
{
    uint64_t rounded;
    if (!pv_region_size(size, granularity(device), &rounded)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    struct pv_region_kind kind;
    const bool unique = !find_kind(info, rounded, &kind);
    const uint64_t address = pv_blob_capture_address(info);
    struct pv_region *region =
        unique ? NULL : pv_recycler_take(device->recycler, &kind, address, &memory->handle);
    if (!region && address) {
        return VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS;
    }
    if (!region) {
        const VkResult result = make_region(device, info, &kind, unique, &region, &memory->handle);
        if (result != VK_SUCCESS) {
            return result;
        }
    }
    memory->blob = &region->base;
    memory->size = rounded;
    return VK_SUCCESS;
}

static void host_ptr_adopt(struct pv_blob *blob, VkDeviceMemory handle)
{
    pv_region_park((struct pv_region *)blob, handle);
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
    pv_blob_mark_shared(blob);
    memory->blob = pv_blob_ref(blob);
    memory->size = rounded;
    return VK_SUCCESS;
}

const struct pv_blob_backend pv_blob_backend_host_ptr = {
    .mechanism = PV_MEMORY_HOST_POINTER,
    .features = PV_BLOB_STORAGE_FIRST | PV_BLOB_OWNS_MEMORY | PV_BLOB_IMPORT,
    .import_type = PV_FD_SHM,
    .allocate = host_ptr_allocate,
    .import = host_ptr_import,
    .adopt = host_ptr_adopt,
};

// VkDeviceMemory for guests: allocation, import, export, free.
#ifndef PV_BLOB_MEMORY_H
#define PV_BLOB_MEMORY_H

#include "blob/device.h"

struct pv_blob_backend;

// Embedded in the context's memory object, zeroed at birth. Guarded by the device's lock, so
// that an export may race with the guest's vkFreeMemory; the struct itself must stay allocated.
struct pv_blob_memory {
    VkDeviceMemory handle;       // VK_NULL_HANDLE before allocate and after free
    uint64_t size;               // of the host's allocation, bytes; at least what was asked for
    uint32_t type_index;         // the host's
    VkMemoryAllocateFlags flags; // VkMemoryAllocateFlagsInfo::flags of exported memory
    const struct pv_blob_backend *backend; // NULL: cannot be exported
    struct pv_blob *blob;                  // the storage, or what was exported; one reference
    bool imported;                         // `blob` is somebody else's
};

struct pv_blob_allocate_params {
    // Decoded vkAllocateMemory with the driver's handles. Its chain is borrowed and not changed;
    // the driver gets a rebuilt one (chain.h). memoryTypeIndex is the guest's and checked here.
    const VkMemoryAllocateInfo *info;
    // The storage of the resource in VkImportMemoryResourceInfoMESA, borrowed; NULL: none.
    struct pv_blob *import;
};

// vkAllocateMemory. Memory types with a mechanism yield memory that pv_blob_memory_export() can
// hand out. Results are meant for the guest as they are: VK_ERROR_UNKNOWN for a memory type out
// of range, VK_ERROR_INVALID_EXTERNAL_HANDLE for an import or export that cannot work.
// Ownership: on success `memory` holds the allocation until pv_blob_memory_free().
// Thread-safety: Safe for different `memory`.
VkResult pv_blob_memory_allocate(struct pv_blob_device *device,
                                 const struct pv_blob_allocate_params *params,
                                 struct pv_blob_memory *memory);

// vkFreeMemory. Blobs handed out before stay valid. Freeing twice has no effect.
// Thread-safety: Safe.
void pv_blob_memory_free(struct pv_blob_device *device, struct pv_blob_memory *memory);

// The memory as a blob: a new reference that the caller owns. The same blob each time.
// Failure: NULL when this memory cannot be shared, is freed, or the driver refuses.
// Thread-safety: Safe.
struct pv_blob *pv_blob_memory_export(struct pv_blob_device *device, struct pv_blob_memory *memory);

// vkGetMemoryResourcePropertiesMESA: the memory types that can import `blob`, 0 if none.
uint32_t pv_blob_import_types(struct pv_blob_device *device, struct pv_blob *blob);

#endif

// Keeping what a guest freed for its next allocation of the same kind.
//
// A region is a blob of the mechanism "host pointer": shared memory of ours, mapped, and once the
// guest has freed it also the driver's import of it. Making one costs half a dozen system calls
// and the driver's import, ending one as many; a region that is taken again costs none of them.
//
// A region becomes idle when both the VkDeviceMemory is freed and the last resource of it is
// gone, in either order. It never leaves its VkDevice, and so neither its context: the bytes that
// a guest finds in it are its own. Regions that others may still look at (exported on the guest's
// request, attached to another context, imported again) are not kept. Idle regions are bounded in
// number and bytes; the oldest go first, and all of them when the host runs short of something.
//
// A guest that replays a capture wants memory at the device address that it had before. A driver
// gives that to its own allocations only (VUID-VkMemoryAllocateInfo-opaqueCaptureAddress-03333),
// and those cannot be mapped by guests; but a region that is still there has its address. It need
// not even be idle: the guest frees memory by its ring and ends the mapping by its socket or
// virtqueue, and whichever comes last must not decide whether the replay succeeds. Private to
// src/blob.
#ifndef PV_BLOB_RECYCLE_H
#define PV_BLOB_RECYCLE_H

#include "blob/backend.h"

// What makes two allocations interchangeable.
struct pv_region_kind {
    uint64_t size; // bytes, as pv_region_size() rounds them
    uint32_t type_index;
    VkMemoryAllocateFlags flags;
    float priority; // -1: none was given
};

struct pv_region {
    struct pv_blob base;
    struct pv_recycler *recycler; // one reference
    struct pv_region_kind kind;
    bool unique; // never kept
    // Guarded by the recycler's lock, and only used after the guest's vkFreeMemory.
    VkDeviceMemory import;           // VK_NULL_HANDLE: the guest's, or gone
    uint64_t capture_address;        // the import's, 0: the guest did not ask for one
    uint64_t cost;                   // bytes that it holds while it is idle
    struct pv_region *older, *newer; // in the list of idle or of parked regions
};

// Counted: regions may outlive their device.
struct pv_recycler;

// Bounds of what is idle: in number, in memory that is really there, and in address space. Of
// memory that a guest wants to find again more is kept, because nothing else has its addresses.
#define PV_RECYCLER_MAX_REGIONS  128u
#define PV_RECYCLER_MAX_CAPTURED 512u
#define PV_RECYCLER_MAX_BYTES    ((uint64_t)64 << 20)
#define PV_RECYCLER_MAX_SPACE    ((uint64_t)1 << 30)

// Borrows `vk` until closed. Failure: NULL.
struct pv_recycler *pv_recycler_create(VkDevice device, const struct pv_device_functions *vk);

// Frees every import, also of regions that guests still map, and drops the owner's reference.
// The VkDevice may be destroyed afterwards. NULL is allowed.
void pv_recycler_close(struct pv_recycler *recycler);

// Frees what is idle. False: there was nothing. Thread-safety: Safe.
bool pv_recycler_flush(struct pv_recycler *recycler);

// Rounds to sizes that are likely to be wanted again, at most an eighth up; multiples of
// `granularity`, a power of two. Failure: false, the result would be too large.
bool pv_region_size(uint64_t size, uint64_t granularity, uint64_t *rounded);

// An idle region of this kind, with one reference, and its import; or, with `capture_address`, one
// that the guest has freed and that has this opaque capture address. NULL: there is none.
// Thread-safety: Safe.
struct pv_region *pv_recycler_take(struct pv_recycler *recycler, const struct pv_region_kind *kind,
                                   uint64_t capture_address, VkDeviceMemory *import);

// A fresh and mapped region with one reference. Failure: NULL, errno says why.
struct pv_region *pv_region_create(struct pv_recycler *recycler, const struct pv_region_kind *kind,
                                   bool unique);

// The guest freed the memory; the caller drops its reference next. Takes the import.
void pv_region_park(struct pv_region *region, VkDeviceMemory import);

#endif

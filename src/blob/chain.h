// Rebuilding the chain of VkMemoryAllocateInfo.
//
// A decoded chain is shared and const, and parts of it must not reach the driver: the guest's
// export and import requests are served by a mechanism that puts its own structures there. So
// each mechanism builds the driver's chain afresh: pv_allocate_chain_init() copies the info and
// those structures that mean the same everywhere, by value, into one struct on the caller's
// stack; pv_allocate_chain_add() puts the mechanism's own in front. Unknown structures are left
// out; the decoder lets none through.
#ifndef PV_BLOB_CHAIN_H
#define PV_BLOB_CHAIN_H

#include <stdbool.h>

#include <vulkan/vulkan_core.h>

// Points into itself: not to be copied or moved.
struct pv_allocate_chain {
    VkMemoryAllocateInfo info; // what the driver gets
    VkMemoryAllocateFlagsInfo flags;
    VkMemoryOpaqueCaptureAddressAllocateInfo capture_address;
    VkMemoryPriorityAllocateInfoEXT priority;
    VkMemoryDedicatedAllocateInfo dedicated;
};

enum pv_allocate_chain_options {
    // Memory of our own serves several resources of the guest and cannot be dedicated.
    PV_CHAIN_DROP_DEDICATED = 1u << 0,
};

void pv_allocate_chain_init(struct pv_allocate_chain *chain, const VkMemoryAllocateInfo *info,
                            VkDeviceSize size, unsigned options);

// Puts `structure`, any Vulkan structure, at the front. It must outlive the chain's use.
void pv_allocate_chain_add(struct pv_allocate_chain *chain, void *structure);

// The structure of a type in a decoded chain, or NULL.
const void *pv_blob_chain_find(const void *chain, VkStructureType type);

#endif

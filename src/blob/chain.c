// Copying the parts of a memory allocation that every mechanism keeps.
#include "blob/chain.h"

#include <stddef.h>

void pv_allocate_chain_add(struct pv_allocate_chain *chain, void *structure)
{
    VkBaseOutStructure *base = structure;
    base->pNext = (VkBaseOutStructure *)chain->info.pNext;
    chain->info.pNext = base;
}

void pv_allocate_chain_init(struct pv_allocate_chain *chain, const VkMemoryAllocateInfo *info,
                            VkDeviceSize size, unsigned options)
{
    *chain = (struct pv_allocate_chain){.info = *info};
    chain->info.pNext = NULL;
    chain->info.allocationSize = size;
    for (const VkBaseInStructure *in = info->pNext; in; in = in->pNext) {
        switch (in->sType) {
        case VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO:
            chain->flags = *(const VkMemoryAllocateFlagsInfo *)in;
            pv_allocate_chain_add(chain, &chain->flags);
            break;
        case VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO:
            chain->capture_address = *(const VkMemoryOpaqueCaptureAddressAllocateInfo *)in;
            pv_allocate_chain_add(chain, &chain->capture_address);
            break;
        case VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT:
            chain->priority = *(const VkMemoryPriorityAllocateInfoEXT *)in;
            pv_allocate_chain_add(chain, &chain->priority);
            break;
        case VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO:
            if (!(options & PV_CHAIN_DROP_DEDICATED)) {
                chain->dedicated = *(const VkMemoryDedicatedAllocateInfo *)in;
                pv_allocate_chain_add(chain, &chain->dedicated);
            }
            break;
        default:
            break;
        }
    }
}

const void *pv_blob_chain_find(const void *chain, VkStructureType type)
{
    for (const VkBaseInStructure *in = chain; in; in = in->pNext) {
        if (in->sType == type) {
            return in;
        }
    }
    return NULL;
}

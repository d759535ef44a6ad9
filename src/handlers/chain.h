// Changing decoded pNext chains. They lie in the command's arena, so this touches nobody else.
#ifndef PV_HANDLERS_CHAIN_H
#define PV_HANDLERS_CHAIN_H

#include <vulkan/vulkan_core.h>

// The node of this type behind a structure, or NULL. `root` is the structure itself.
static inline void *pv_chain_find(const void *root, VkStructureType type)
{
    for (VkBaseOutStructure *node = ((const VkBaseOutStructure *)root)->pNext; node;
         node = node->pNext) {
        if (node->sType == type) {
            return node;
        }
    }
    return NULL;
}

// Takes the node of this type from the chain behind `root`.
static inline void pv_chain_remove(void *root, VkStructureType type)
{
    for (VkBaseOutStructure *node = root; node->pNext; node = node->pNext) {
        if (node->pNext->sType == type) {
            node->pNext = node->pNext->pNext;
            return;
        }
    }
}

// Puts `node` in front of the chain behind `root`.
static inline void pv_chain_add(void *root, void *node)
{
    ((VkBaseOutStructure *)node)->pNext = ((VkBaseOutStructure *)root)->pNext;
    ((VkBaseOutStructure *)root)->pNext = node;
}

#endif

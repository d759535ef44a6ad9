#include "protocol/check.h"

#include "base/arith.h"

static const void *find(const void *next, VkStructureType type)
{
    for (const VkBaseInStructure *node = next; node; node = node->pNext) {
        if (node->sType == type) {
            return node;
        }
    }
    return NULL;
}

// An array beside another one of `count` elements: absent, or no shorter.
static void check_beside(struct pv_decoder *d, uint32_t beside, uint32_t count)
{
    if (beside && beside < count) {
        pv_reader_fail_value(&d->reader, "an array is shorter than the one it belongs to", beside);
    }
}

static void check_semaphore_values(struct pv_decoder *d, const void *next, uint32_t waits,
                                   uint32_t signals)
{
    const VkTimelineSemaphoreSubmitInfo *values =
        find(next, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    if (values) {
        check_beside(d, values->waitSemaphoreValueCount, waits);
        check_beside(d, values->signalSemaphoreValueCount, signals);
    }
}

void pv_check_VkBindSparseInfo(struct pv_decoder *d, const VkBindSparseInfo *info)
{
    check_semaphore_values(d, info->pNext, info->waitSemaphoreCount, info->signalSemaphoreCount);
}

void pv_check_VkSubmitInfo(struct pv_decoder *d, const VkSubmitInfo *info)
{
    check_semaphore_values(d, info->pNext, info->waitSemaphoreCount, info->signalSemaphoreCount);
}

void pv_check_VkDescriptorSetAllocateInfo(struct pv_decoder *d,
                                          const VkDescriptorSetAllocateInfo *info)
{
    const VkDescriptorSetVariableDescriptorCountAllocateInfo *counts =
        find(info->pNext, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_ALLOCATE_INFO);
    if (counts) {
        check_beside(d, counts->descriptorSetCount, info->descriptorSetCount);
    }
}

void pv_check_VkDescriptorSetLayoutCreateInfo(struct pv_decoder *d,
                                              const VkDescriptorSetLayoutCreateInfo *info)
{
    const VkDescriptorSetLayoutBindingFlagsCreateInfo *flags =
        find(info->pNext, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO);
    if (flags) {
        check_beside(d, flags->bindingCount, info->bindingCount);
    }
}

void pv_check_VkRenderPassCreateInfo(struct pv_decoder *d, const VkRenderPassCreateInfo *info)
{
    const VkRenderPassMultiviewCreateInfo *multiview =
        find(info->pNext, VK_STRUCTURE_TYPE_RENDER_PASS_MULTIVIEW_CREATE_INFO);
    if (multiview) {
        check_beside(d, multiview->subpassCount, info->subpassCount);
        check_beside(d, multiview->dependencyCount, info->dependencyCount);
    }
}

// Constants are copied into shaders, which could so show the guest what lies behind the data.
void pv_check_VkSpecializationInfo(struct pv_decoder *d, const VkSpecializationInfo *info)
{
    for (uint32_t i = 0; info->pMapEntries && i < info->mapEntryCount; i++) {
        const VkSpecializationMapEntry *entry = &info->pMapEntries[i];
        if (!pv_range_fits(entry->offset, entry->size, info->pData ? info->dataSize : 0)) {
            pv_reader_fail_value(&d->reader, "a specialization constant lies outside of its data",
                                 entry->constantID);
            return;
        }
    }
}

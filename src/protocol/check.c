#include "protocol/check.h"

#include "base/arith.h"

#include <string.h>

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

// Only the values of timeline semaphores are looked at, but drivers index them by the semaphore's
// place. A program whose semaphores are all binary may send fewer or none: the rest are zeroes.
static void extend_values(struct pv_decoder *d, uint32_t *count, const uint64_t **values,
                          uint32_t semaphores)
{
    const uint32_t sent = *values ? *count : 0;
    if (sent >= semaphores) {
        return;
    }
    uint64_t *extended = pv_decode_alloc(d, semaphores, sizeof(*extended), true);
    if (!extended) {
        return;
    }
    if (sent) {
        memcpy(extended, *values, sent * sizeof(*extended));
    }
    *values = extended;
    *count = semaphores;
}

static void complete_semaphore_values(struct pv_decoder *d, const void *next, uint32_t waits,
                                      uint32_t signals)
{
    // The chain was decoded into the arena just now; only its type is constant.
    VkTimelineSemaphoreSubmitInfo *values = (VkTimelineSemaphoreSubmitInfo *)find(
        next, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    if (values) {
        extend_values(d, &values->waitSemaphoreValueCount, &values->pWaitSemaphoreValues, waits);
        extend_values(d, &values->signalSemaphoreValueCount, &values->pSignalSemaphoreValues,
                      signals);
    }
}

void pv_check_VkBindSparseInfo(struct pv_decoder *d, const VkBindSparseInfo *info)
{
    complete_semaphore_values(d, info->pNext, info->waitSemaphoreCount, info->signalSemaphoreCount);
}

void pv_check_VkSubmitInfo(struct pv_decoder *d, const VkSubmitInfo *info)
{
    complete_semaphore_values(d, info->pNext, info->waitSemaphoreCount, info->signalSemaphoreCount);
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

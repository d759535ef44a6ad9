#include "protocol/check.h"

#include "base/arith.h"
#include "object/lengths.h"

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

// -- render passes -------------------------------------------------------------------------------

// What the driver refused to create has no handle and no lengths.
static bool exists(const struct pv_object *object)
{
    return object && object->handle;
}

static void check_views(struct pv_decoder *d, const struct pv_render_pass *pass, uint32_t views)
{
    if (views < pass->attachment_count) {
        pv_reader_fail_value(&d->reader, "a render pass has more attachments than there are views",
                             pass->attachment_count);
    }
}

// Drivers take an image view for each attachment of the pass, from here or from the framebuffer.
// Which pass that is shows only now: framebuffers are made with a compatible one.
void pv_check_VkRenderPassBeginInfo(struct pv_decoder *d, const VkRenderPassBeginInfo *info)
{
    const struct pv_framebuffer *framebuffer = (const struct pv_framebuffer *)d->framebuffer;
    if (!exists(d->render_pass) || !exists(d->framebuffer)) {
        return;
    }
    const VkRenderPassAttachmentBeginInfo *views =
        find(info->pNext, VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO);
    const uint32_t brought = views && views->pAttachments ? views->attachmentCount : 0;
    check_views(d, (const struct pv_render_pass *)d->render_pass,
                brought ? brought : framebuffer->attachment_count);
}

// The pass that was named last has this subpass.
static void check_subpass(struct pv_decoder *d, uint32_t subpass)
{
    if (exists(d->render_pass) &&
        subpass >= ((const struct pv_render_pass *)d->render_pass)->subpass_count) {
        pv_reader_fail_value(&d->reader, "the render pass has fewer subpasses", subpass);
    }
}

// A framebuffer is optional here. Drivers take the subpass's image views from it.
void pv_check_VkCommandBufferBeginInfo(struct pv_decoder *d, const VkCommandBufferBeginInfo *info)
{
    const VkCommandBufferInheritanceInfo *inherited = info->pInheritanceInfo;
    if (!(info->flags & VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT) || !inherited ||
        !inherited->renderPass) {
        return;
    }
    check_subpass(d, inherited->subpass);
    const struct pv_framebuffer *framebuffer = (const struct pv_framebuffer *)d->framebuffer;
    if (exists(d->render_pass) && exists(d->framebuffer) && !framebuffer->imageless) {
        check_views(d, (const struct pv_render_pass *)d->render_pass,
                    framebuffer->attachment_count);
    }
}

void pv_check_VkGraphicsPipelineCreateInfo(struct pv_decoder *d,
                                           const VkGraphicsPipelineCreateInfo *info)
{
    if (info->renderPass) {
        check_subpass(d, info->subpass);
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

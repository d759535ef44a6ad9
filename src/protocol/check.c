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

// A driver that reads these arrays takes the length from the submission.
static void check_device_group(struct pv_decoder *d, const VkSubmitInfo *info)
{
    const VkDeviceGroupSubmitInfo *group =
        find(info->pNext, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO);
    if (group && (group->waitSemaphoreCount < info->waitSemaphoreCount ||
                  group->commandBufferCount < info->commandBufferCount ||
                  group->signalSemaphoreCount < info->signalSemaphoreCount)) {
        pv_reader_fail(&d->reader, "an array is shorter than the one it belongs to");
    }
}

void pv_check_VkBindSparseInfo(struct pv_decoder *d, const VkBindSparseInfo *info)
{
    complete_semaphore_values(d, info->pNext, info->waitSemaphoreCount, info->signalSemaphoreCount);
}

void pv_check_VkSubmitInfo(struct pv_decoder *d, const VkSubmitInfo *info)
{
    check_device_group(d, info);
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

// A binding's types stand at its own place in the list.
static void check_mutable_types(struct pv_decoder *d, const VkDescriptorSetLayoutCreateInfo *info)
{
    const VkMutableDescriptorTypeCreateInfoEXT *types =
        find(info->pNext, VK_STRUCTURE_TYPE_MUTABLE_DESCRIPTOR_TYPE_CREATE_INFO_EXT);
    for (uint32_t i = 0; info->pBindings && i < info->bindingCount; i++) {
        if (info->pBindings[i].descriptorType == VK_DESCRIPTOR_TYPE_MUTABLE_EXT &&
            (!types || !types->pMutableDescriptorTypeLists ||
             i >= types->mutableDescriptorTypeListCount)) {
            pv_reader_fail_value(&d->reader, "a mutable descriptor has no list of types", i);
            return;
        }
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
    check_mutable_types(d, info);
}

// Drivers take an offset for each dynamic descriptor of the sets, from behind the array if need be.
static void check_offsets(struct pv_decoder *d, uint32_t offsets)
{
    if (__builtin_expect(d->dynamic_descriptors > offsets, 0)) {
        pv_reader_fail_value(&d->reader,
                             "the sets have more dynamic descriptors than there are offsets",
                             d->dynamic_descriptors);
    }
}

void pv_check_vkCmdBindDescriptorSets(struct pv_decoder *d,
                                      const struct pv_cmd_vkCmdBindDescriptorSets *cmd)
{
    check_offsets(d, cmd->pDynamicOffsets ? cmd->dynamicOffsetCount : 0);
}

#ifdef VK_KHR_maintenance6
void pv_check_VkBindDescriptorSetsInfo(struct pv_decoder *d,
                                       const VkBindDescriptorSetsInfoKHR *info)
{
    check_offsets(d, info->pDynamicOffsets ? info->dynamicOffsetCount : 0);
}
#endif

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

// Drivers go to the next subpass without looking whether there is one.
static void begin_subpasses(const struct pv_decoder *d, struct pv_object *command_buffer)
{
    if (command_buffer && exists(d->render_pass)) {
        const uint32_t count = ((const struct pv_render_pass *)d->render_pass)->subpass_count;
        atomic_store_explicit(&((struct pv_command_buffer *)command_buffer)->subpasses_left,
                              count - 1, memory_order_relaxed);
    }
}

static void next_subpass(struct pv_decoder *d, struct pv_object *command_buffer)
{
    if (!command_buffer || d->poisoned) {
        return; // printed only, or not executed
    }
    struct pv_command_buffer *recorded = (struct pv_command_buffer *)command_buffer;
    const uint32_t left = atomic_load_explicit(&recorded->subpasses_left, memory_order_relaxed);
    if (left == 0) {
        pv_reader_fail(&d->reader, "the render pass has no further subpass");
        return;
    }
    atomic_store_explicit(&recorded->subpasses_left, left - 1, memory_order_relaxed);
}

void pv_check_vkCmdBeginRenderPass(struct pv_decoder *d,
                                   const struct pv_cmd_vkCmdBeginRenderPass *cmd)
{
    begin_subpasses(d, cmd->commandBuffer_obj);
}

void pv_check_vkCmdBeginRenderPass2(struct pv_decoder *d,
                                    const struct pv_cmd_vkCmdBeginRenderPass2 *cmd)
{
    begin_subpasses(d, cmd->commandBuffer_obj);
}

void pv_check_vkCmdNextSubpass(struct pv_decoder *d, const struct pv_cmd_vkCmdNextSubpass *cmd)
{
    next_subpass(d, cmd->commandBuffer_obj);
}

void pv_check_vkCmdNextSubpass2(struct pv_decoder *d, const struct pv_cmd_vkCmdNextSubpass2 *cmd)
{
    next_subpass(d, cmd->commandBuffer_obj);
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

static void check_attachment(struct pv_decoder *d, uint32_t attachment, uint32_t count)
{
    if (attachment >= count && attachment != VK_ATTACHMENT_UNUSED) {
        pv_reader_fail_value(&d->reader, "a subpass refers to an attachment that there is not",
                             attachment);
    }
}

static void check_references(struct pv_decoder *d, const VkAttachmentReference *references,
                             uint32_t reference_count, uint32_t count)
{
    for (uint32_t i = 0; references && i < reference_count; i++) {
        check_attachment(d, references[i].attachment, count);
    }
}

static void check_references2(struct pv_decoder *d, const VkAttachmentReference2 *references,
                              uint32_t reference_count, uint32_t count)
{
    for (uint32_t i = 0; references && i < reference_count; i++) {
        check_attachment(d, references[i].attachment, count);
    }
}

static void check_preserved(struct pv_decoder *d, const uint32_t *attachments,
                            uint32_t attachment_count, uint32_t count)
{
    for (uint32_t i = 0; attachments && i < attachment_count; i++) {
        check_attachment(d, attachments[i], count);
    }
}

static void check_dependency(struct pv_decoder *d, uint32_t source, uint32_t destination,
                             uint32_t count)
{
    if ((source >= count && source != VK_SUBPASS_EXTERNAL) ||
        (destination >= count && destination != VK_SUBPASS_EXTERNAL)) {
        pv_reader_fail(&d->reader, "a dependency refers to a subpass that there is not");
    }
}

static void check_aspects(struct pv_decoder *d, const VkRenderPassCreateInfo *info,
                          const VkRenderPassInputAttachmentAspectCreateInfo *aspects)
{
    for (uint32_t i = 0; aspects->pAspectReferences && i < aspects->aspectReferenceCount; i++) {
        const VkInputAttachmentAspectReference *aspect = &aspects->pAspectReferences[i];
        if (!info->pSubpasses || aspect->subpass >= info->subpassCount ||
            aspect->inputAttachmentIndex >=
                info->pSubpasses[aspect->subpass].inputAttachmentCount) {
            pv_reader_fail(&d->reader,
                           "an aspect is that of an input attachment that there is not");
            return;
        }
    }
}

static void check_subpasses_exist(struct pv_decoder *d, uint32_t count)
{
    if (count == 0) {
        pv_reader_fail(&d->reader, "a render pass has no subpass");
    }
}

void pv_check_VkRenderPassCreateInfo(struct pv_decoder *d, const VkRenderPassCreateInfo *info)
{
    check_subpasses_exist(d, info->subpassCount);
    const VkRenderPassMultiviewCreateInfo *multiview =
        find(info->pNext, VK_STRUCTURE_TYPE_RENDER_PASS_MULTIVIEW_CREATE_INFO);
    if (multiview) {
        check_beside(d, multiview->subpassCount, info->subpassCount);
        check_beside(d, multiview->dependencyCount, info->dependencyCount);
    }
    const VkRenderPassInputAttachmentAspectCreateInfo *aspects =
        find(info->pNext, VK_STRUCTURE_TYPE_RENDER_PASS_INPUT_ATTACHMENT_ASPECT_CREATE_INFO);
    if (aspects) {
        check_aspects(d, info, aspects);
    }
    const uint32_t count = info->attachmentCount;
    for (uint32_t i = 0; info->pSubpasses && i < info->subpassCount; i++) {
        const VkSubpassDescription *subpass = &info->pSubpasses[i];
        check_references(d, subpass->pInputAttachments, subpass->inputAttachmentCount, count);
        check_references(d, subpass->pColorAttachments, subpass->colorAttachmentCount, count);
        check_references(d, subpass->pResolveAttachments, subpass->colorAttachmentCount, count);
        check_references(d, subpass->pDepthStencilAttachment, 1, count);
        check_preserved(d, subpass->pPreserveAttachments, subpass->preserveAttachmentCount, count);
    }
    for (uint32_t i = 0; info->pDependencies && i < info->dependencyCount; i++) {
        check_dependency(d, info->pDependencies[i].srcSubpass, info->pDependencies[i].dstSubpass,
                         info->subpassCount);
    }
}

void pv_check_VkRenderPassCreateInfo2(struct pv_decoder *d, const VkRenderPassCreateInfo2 *info)
{
    check_subpasses_exist(d, info->subpassCount);
    const uint32_t count = info->attachmentCount;
    for (uint32_t i = 0; info->pSubpasses && i < info->subpassCount; i++) {
        const VkSubpassDescription2 *subpass = &info->pSubpasses[i];
        check_references2(d, subpass->pInputAttachments, subpass->inputAttachmentCount, count);
        check_references2(d, subpass->pColorAttachments, subpass->colorAttachmentCount, count);
        check_references2(d, subpass->pResolveAttachments, subpass->colorAttachmentCount, count);
        check_references2(d, subpass->pDepthStencilAttachment, 1, count);
        check_preserved(d, subpass->pPreserveAttachments, subpass->preserveAttachmentCount, count);
        const VkSubpassDescriptionDepthStencilResolve *resolve =
            find(subpass->pNext, VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_DEPTH_STENCIL_RESOLVE);
        if (resolve) {
            check_references2(d, resolve->pDepthStencilResolveAttachment, 1, count);
        }
        const VkFragmentShadingRateAttachmentInfoKHR *rate =
            find(subpass->pNext, VK_STRUCTURE_TYPE_FRAGMENT_SHADING_RATE_ATTACHMENT_INFO_KHR);
        if (rate) {
            check_references2(d, rate->pFragmentShadingRateAttachment, 1, count);
        }
    }
    for (uint32_t i = 0; info->pDependencies && i < info->dependencyCount; i++) {
        check_dependency(d, info->pDependencies[i].srcSubpass, info->pDependencies[i].dstSubpass,
                         info->subpassCount);
    }
}

// -- shaders -------------------------------------------------------------------------------------

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

// Groups name shaders by their place among the stages; those of libraries bring theirs along.
void pv_check_VkRayTracingPipelineCreateInfoKHR(struct pv_decoder *d,
                                                const VkRayTracingPipelineCreateInfoKHR *info)
{
    for (uint32_t i = 0; info->pGroups && i < info->groupCount; i++) {
        const VkRayTracingShaderGroupCreateInfoKHR *group = &info->pGroups[i];
        const uint32_t shaders[] = {group->generalShader, group->closestHitShader,
                                    group->anyHitShader, group->intersectionShader};
        for (size_t k = 0; k < sizeof(shaders) / sizeof(shaders[0]); k++) {
            if (shaders[k] != VK_SHADER_UNUSED_KHR && shaders[k] >= info->stageCount) {
                pv_reader_fail_value(&d->reader, "a shader group names a stage that there is not",
                                     shaders[k]);
                return;
            }
        }
    }
}

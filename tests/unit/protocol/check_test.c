// Lengths that must agree across structures.
#include "protocol/check.h"

#include "bytes.h"
#include "protocol/structs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct bytes wire;
static struct decoding d;

static int set_up(void **state)
{
    (void)state;
    bytes_clear(&wire);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    decoding_end(&d);
    return 0;
}

static void begin(void)
{
    decoding_begin(&d, &wire, NULL);
}

static void assert_error(const char *expected)
{
    assert_non_null(decoding_error(&d));
    assert_string_equal(decoding_error(&d), expected);
}

static void specialization(uint32_t offset, uint64_t size)
{
    bytes_clear(&wire);
    bytes_u32(&wire, 1), bytes_u64(&wire, 1);
    bytes_u32(&wire, 5), bytes_u32(&wire, offset), bytes_u64(&wire, size);
    bytes_u64(&wire, 8), bytes_u64(&wire, 8), bytes_u64(&wire, 0x1122334455667788);
    begin();
    VkSpecializationInfo out;
    pv_decode_VkSpecializationInfo(&d.decoder, &out);
}

static void accepts_constants_within_their_data(void **state)
{
    (void)state;
    specialization(4, 4);
    assert_null(decoding_error(&d));
    decoding_end(&d);
    specialization(0, 8);
    assert_null(decoding_error(&d));
}

static void refuses_constants_behind_their_data(void **state)
{
    (void)state;
    const struct {
        uint32_t offset;
        uint64_t size;
    } cases[] = {{8, 1}, {5, 4}, {0, 9}, {UINT32_MAX, 4}, {4, UINT64_MAX - 3}, {9, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        specialization(cases[i].offset, cases[i].size);
        assert_error("a specialization constant lies outside of its data");
        assert_int_equal(d.decoder.reader.error_value, 5);
        decoding_end(&d);
    }
}

static void refuses_constants_without_data(void **state)
{
    (void)state;
    bytes_u32(&wire, 1), bytes_u64(&wire, 1);
    bytes_u32(&wire, 5), bytes_u32(&wire, 0), bytes_u64(&wire, 4);
    bytes_u64(&wire, 0), bytes_u64(&wire, 0);
    begin();
    VkSpecializationInfo out;
    pv_decode_VkSpecializationInfo(&d.decoder, &out);
    assert_error("a specialization constant lies outside of its data");
}

// A submission that waits for two semaphores with `values` values.
static void begin_submit(uint32_t values)
{
    bytes_clear(&wire);
    bytes_u32(&wire, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    bytes_u64(&wire, 1), bytes_u32(&wire, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, values), bytes_u64(&wire, values);
    for (uint32_t i = 0; i < values; i++) {
        bytes_u64(&wire, 7 + i);
    }
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    bytes_u32(&wire, 2), bytes_u64(&wire, 2), bytes_u64(&wire, 11), bytes_u64(&wire, 12);
    bytes_u64(&wire, 2), bytes_u32(&wire, 1), bytes_u32(&wire, 1);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    begin();
}

static void keeps_values_for_all_semaphores(void **state)
{
    (void)state;
    const uint32_t good[] = {2, 3};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        VkSubmitInfo out;
        begin_submit(good[i]);
        pv_decode_VkSubmitInfo(&d.decoder, &out);
        assert_null(decoding_error(&d));
        assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
        const VkTimelineSemaphoreSubmitInfo *values = out.pNext;
        assert_int_equal(values->waitSemaphoreValueCount, good[i]);
        assert_int_equal(values->pWaitSemaphoreValues[1], 8);
        decoding_end(&d);
    }
}

static void fills_up_values_of_binary_semaphores(void **state)
{
    (void)state;
    for (uint32_t sent = 0; sent < 2; sent++) {
        VkSubmitInfo out;
        begin_submit(sent);
        pv_decode_VkSubmitInfo(&d.decoder, &out);
        assert_null(decoding_error(&d));
        const VkTimelineSemaphoreSubmitInfo *values = out.pNext;
        assert_int_equal(values->waitSemaphoreValueCount, 2);
        assert_int_equal(values->pWaitSemaphoreValues[0], sent ? 7 : 0);
        assert_int_equal(values->pWaitSemaphoreValues[1], 0);
        decoding_end(&d);
    }
}

static void refuses_fewer_flags_than_bindings(void **state)
{
    (void)state;
    const VkDescriptorBindingFlags flags[2] = {0};
    VkDescriptorSetLayoutBindingFlagsCreateInfo node = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO,
        .bindingCount = 2,
        .pBindingFlags = flags};
    VkDescriptorSetLayoutCreateInfo info = {.pNext = &node, .bindingCount = 2};
    begin();
    pv_check_VkDescriptorSetLayoutCreateInfo(&d.decoder, &info);
    assert_null(decoding_error(&d));
    info.bindingCount = 3;
    pv_check_VkDescriptorSetLayoutCreateInfo(&d.decoder, &info);
    assert_error("an array is shorter than the one it belongs to");
}

static void refuses_fewer_counts_than_sets(void **state)
{
    (void)state;
    VkDescriptorSetVariableDescriptorCountAllocateInfo node = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_ALLOCATE_INFO,
        .descriptorSetCount = 2};
    VkDescriptorSetAllocateInfo info = {.pNext = &node, .descriptorSetCount = 2};
    begin();
    pv_check_VkDescriptorSetAllocateInfo(&d.decoder, &info);
    assert_null(decoding_error(&d));
    info.descriptorSetCount = 3;
    pv_check_VkDescriptorSetAllocateInfo(&d.decoder, &info);
    assert_error("an array is shorter than the one it belongs to");
}

static void refuses_fewer_view_masks_than_subpasses(void **state)
{
    (void)state;
    VkRenderPassMultiviewCreateInfo node = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_MULTIVIEW_CREATE_INFO, .subpassCount = 1};
    VkRenderPassCreateInfo info = {.pNext = &node, .subpassCount = 1, .dependencyCount = 5};
    begin();
    pv_check_VkRenderPassCreateInfo(&d.decoder, &info);
    assert_null(decoding_error(&d));
    info.subpassCount = 2;
    pv_check_VkRenderPassCreateInfo(&d.decoder, &info);
    assert_error("an array is shorter than the one it belongs to");
}

#define OTHERS "an array is shorter than the one it belongs to"

static void refuses_device_groups_of_fewer_than_are_submitted(void **state)
{
    (void)state;
    VkDeviceGroupSubmitInfo group = {.sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO,
                                     .waitSemaphoreCount = 2,
                                     .commandBufferCount = 3,
                                     .signalSemaphoreCount = 1};
    const VkSubmitInfo good = {.pNext = &group,
                               .waitSemaphoreCount = 2,
                               .commandBufferCount = 3,
                               .signalSemaphoreCount = 1};
    begin();
    pv_check_VkSubmitInfo(&d.decoder, &good);
    assert_null(decoding_error(&d));
    uint32_t *const counts[] = {&group.waitSemaphoreCount, &group.commandBufferCount,
                                &group.signalSemaphoreCount};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        --*counts[i];
        decoding_end(&d);
        begin();
        pv_check_VkSubmitInfo(&d.decoder, &good);
        assert_error(OTHERS);
        ++*counts[i];
    }
}

static void refuses_mutable_descriptors_without_types(void **state)
{
    (void)state;
    const VkMutableDescriptorTypeListEXT lists[2] = {{0}};
    VkMutableDescriptorTypeCreateInfoEXT types = {
        .sType = VK_STRUCTURE_TYPE_MUTABLE_DESCRIPTOR_TYPE_CREATE_INFO_EXT,
        .mutableDescriptorTypeListCount = 2,
        .pMutableDescriptorTypeLists = lists};
    const VkDescriptorSetLayoutBinding bindings[] = {
        {.descriptorType = VK_DESCRIPTOR_TYPE_SAMPLER},
        {.descriptorType = VK_DESCRIPTOR_TYPE_MUTABLE_EXT},
        {.descriptorType = VK_DESCRIPTOR_TYPE_SAMPLER},
    };
    VkDescriptorSetLayoutCreateInfo info = {
        .pNext = &types, .bindingCount = 3, .pBindings = bindings};
    begin();
    pv_check_VkDescriptorSetLayoutCreateInfo(&d.decoder, &info);
    assert_null(decoding_error(&d));
    types.mutableDescriptorTypeListCount = 1;
    pv_check_VkDescriptorSetLayoutCreateInfo(&d.decoder, &info);
    assert_error("a mutable descriptor has no list of types");
    decoding_end(&d);
    begin();
    info.pNext = NULL;
    pv_check_VkDescriptorSetLayoutCreateInfo(&d.decoder, &info);
    assert_error("a mutable descriptor has no list of types");
}

#define NO_ATTACHMENT "a subpass refers to an attachment that there is not"
#define NO_SUBPASS    "a dependency refers to a subpass that there is not"
#define NO_INPUT      "an aspect is that of an input attachment that there is not"

// Checks a render pass with one number out of range after the other, and once with all of them
// good.
static void refuse_each(uint32_t *const *numbers, const char *const *reasons, size_t count,
                        void (*check)(const void *info), const void *info)
{
    for (size_t i = 0; i <= count; i++) {
        decoding_end(&d);
        begin();
        if (i == count) {
            check(info);
            assert_null(decoding_error(&d));
            break;
        }
        const uint32_t good = *numbers[i];
        const uint32_t bad[] = {2, 77, UINT32_MAX - 1};
        for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
            *numbers[i] = bad[k];
            decoding_end(&d);
            begin();
            check(info);
            assert_error(reasons[i]);
        }
        *numbers[i] = good;
    }
}

static void check_pass(const void *info)
{
    pv_check_VkRenderPassCreateInfo(&d.decoder, info);
}

static void check_pass2(const void *info)
{
    pv_check_VkRenderPassCreateInfo2(&d.decoder, info);
}

// Two subpasses, two attachments.
static void refuses_render_passes_that_refer_to_nothing(void **state)
{
    (void)state;
    VkAttachmentReference input[2] = {{.attachment = 0}, {.attachment = VK_ATTACHMENT_UNUSED}};
    VkAttachmentReference color[2] = {{.attachment = 1}, {.attachment = VK_ATTACHMENT_UNUSED}};
    VkAttachmentReference resolve[2] = {{.attachment = VK_ATTACHMENT_UNUSED}, {.attachment = 0}};
    VkAttachmentReference depth = {.attachment = 1};
    uint32_t preserved[] = {0, 1};
    const VkSubpassDescription subpasses[2] = {{0},
                                               {.inputAttachmentCount = 2,
                                                .pInputAttachments = input,
                                                .colorAttachmentCount = 2,
                                                .pColorAttachments = color,
                                                .pResolveAttachments = resolve,
                                                .pDepthStencilAttachment = &depth,
                                                .preserveAttachmentCount = 2,
                                                .pPreserveAttachments = preserved}};
    VkSubpassDependency dependencies[2] = {{.srcSubpass = VK_SUBPASS_EXTERNAL, .dstSubpass = 1},
                                           {.srcSubpass = 0, .dstSubpass = VK_SUBPASS_EXTERNAL}};
    VkInputAttachmentAspectReference aspect = {.subpass = 1, .inputAttachmentIndex = 1};
    const VkRenderPassInputAttachmentAspectCreateInfo aspects = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_INPUT_ATTACHMENT_ASPECT_CREATE_INFO,
        .aspectReferenceCount = 1,
        .pAspectReferences = &aspect};
    const VkRenderPassCreateInfo info = {.pNext = &aspects,
                                         .attachmentCount = 2,
                                         .subpassCount = 2,
                                         .pSubpasses = subpasses,
                                         .dependencyCount = 2,
                                         .pDependencies = dependencies};
    uint32_t *const numbers[] = {
        &input[0].attachment,         &input[1].attachment,        &color[1].attachment,
        &resolve[1].attachment,       &depth.attachment,           &preserved[1],
        &dependencies[0].srcSubpass,  &dependencies[1].dstSubpass, &aspect.subpass,
        &aspect.inputAttachmentIndex,
    };
    const char *const reasons[] = {NO_ATTACHMENT, NO_ATTACHMENT, NO_ATTACHMENT, NO_ATTACHMENT,
                                   NO_ATTACHMENT, NO_ATTACHMENT, NO_SUBPASS,    NO_SUBPASS,
                                   NO_INPUT,      NO_INPUT};
    refuse_each(numbers, reasons, sizeof(numbers) / sizeof(numbers[0]), check_pass, &info);
}

static void refuses_newer_render_passes_that_refer_to_nothing(void **state)
{
    (void)state;
    VkAttachmentReference2 input[2] = {{.attachment = 0}, {.attachment = VK_ATTACHMENT_UNUSED}};
    VkAttachmentReference2 color[2] = {{.attachment = 1}, {.attachment = VK_ATTACHMENT_UNUSED}};
    VkAttachmentReference2 resolve[2] = {{.attachment = VK_ATTACHMENT_UNUSED}, {.attachment = 0}};
    VkAttachmentReference2 depth = {.attachment = 1}, depth_resolve = {.attachment = 0};
    VkAttachmentReference2 rate = {.attachment = VK_ATTACHMENT_UNUSED};
    uint32_t preserved[] = {0, 1};
    const VkFragmentShadingRateAttachmentInfoKHR shading = {
        .sType = VK_STRUCTURE_TYPE_FRAGMENT_SHADING_RATE_ATTACHMENT_INFO_KHR,
        .pFragmentShadingRateAttachment = &rate};
    const VkSubpassDescriptionDepthStencilResolve resolving = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_DEPTH_STENCIL_RESOLVE,
        .pNext = &shading,
        .pDepthStencilResolveAttachment = &depth_resolve};
    const VkSubpassDescription2 subpasses[2] = {{0},
                                                {.pNext = &resolving,
                                                 .inputAttachmentCount = 2,
                                                 .pInputAttachments = input,
                                                 .colorAttachmentCount = 2,
                                                 .pColorAttachments = color,
                                                 .pResolveAttachments = resolve,
                                                 .pDepthStencilAttachment = &depth,
                                                 .preserveAttachmentCount = 2,
                                                 .pPreserveAttachments = preserved}};
    VkSubpassDependency2 dependencies[2] = {{.srcSubpass = VK_SUBPASS_EXTERNAL, .dstSubpass = 1},
                                            {.srcSubpass = 0, .dstSubpass = VK_SUBPASS_EXTERNAL}};
    const VkRenderPassCreateInfo2 info = {.attachmentCount = 2,
                                          .subpassCount = 2,
                                          .pSubpasses = subpasses,
                                          .dependencyCount = 2,
                                          .pDependencies = dependencies};
    uint32_t *const numbers[] = {
        &input[0].attachment,
        &color[1].attachment,
        &resolve[1].attachment,
        &depth.attachment,
        &preserved[1],
        &depth_resolve.attachment,
        &rate.attachment,
        &dependencies[0].srcSubpass,
        &dependencies[1].dstSubpass,
    };
    const char *const reasons[] = {NO_ATTACHMENT, NO_ATTACHMENT, NO_ATTACHMENT,
                                   NO_ATTACHMENT, NO_ATTACHMENT, NO_ATTACHMENT,
                                   NO_ATTACHMENT, NO_SUBPASS,    NO_SUBPASS};
    refuse_each(numbers, reasons, sizeof(numbers) / sizeof(numbers[0]), check_pass2, &info);
}

static void refuses_shader_groups_of_other_stages(void **state)
{
    (void)state;
    VkRayTracingShaderGroupCreateInfoKHR groups[2] = {
        {.generalShader = 1,
         .closestHitShader = VK_SHADER_UNUSED_KHR,
         .anyHitShader = VK_SHADER_UNUSED_KHR,
         .intersectionShader = VK_SHADER_UNUSED_KHR},
        {.generalShader = VK_SHADER_UNUSED_KHR,
         .closestHitShader = 0,
         .anyHitShader = 1,
         .intersectionShader = 0},
    };
    const VkRayTracingPipelineCreateInfoKHR info = {
        .stageCount = 2, .groupCount = 2, .pGroups = groups};
    uint32_t *const shaders[] = {&groups[0].generalShader, &groups[1].generalShader,
                                 &groups[1].closestHitShader, &groups[1].anyHitShader,
                                 &groups[1].intersectionShader};
    begin();
    pv_check_VkRayTracingPipelineCreateInfoKHR(&d.decoder, &info);
    assert_null(decoding_error(&d));
    for (size_t i = 0; i < sizeof(shaders) / sizeof(shaders[0]); i++) {
        const uint32_t good = *shaders[i];
        *shaders[i] = 2;
        decoding_end(&d);
        begin();
        pv_check_VkRayTracingPipelineCreateInfoKHR(&d.decoder, &info);
        assert_error("a shader group names a stage that there is not");
        *shaders[i] = good;
    }
}

static void draw_multi(uint32_t count, uint64_t sent, uint32_t stride)
{
    bytes_clear(&wire);
    bytes_u64(&wire, 33), bytes_u32(&wire, count), bytes_u64(&wire, sent);
    for (uint64_t i = 0; i < sent; i++) {
        bytes_u64(&wire, i);
    }
    bytes_u32(&wire, 1), bytes_u32(&wire, 0), bytes_u32(&wire, stride);
    begin();
    pv_decode_vkCmdDrawMultiEXT(&d.decoder, &d.cmd.vkCmdDrawMultiEXT);
}

static void refuses_strides_that_leave_the_array(void **state)
{
    (void)state;
    draw_multi(3, 3, 8);
    assert_null(decoding_error(&d));
    assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
    decoding_end(&d);
    draw_multi(3, 3, 4096);
    assert_error("a stride differs from the size of an element");
    decoding_end(&d);
    draw_multi(3, 3, 0);
    assert_error("a stride differs from the size of an element");
    decoding_end(&d);
    draw_multi(3, 0, 8);
    assert_error("a required array is missing");
    decoding_end(&d);
    draw_multi(0, 0, 1);
    assert_null(decoding_error(&d));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(accepts_constants_within_their_data),
        CASE(refuses_constants_behind_their_data),
        CASE(refuses_constants_without_data),
        CASE(keeps_values_for_all_semaphores),
        CASE(fills_up_values_of_binary_semaphores),
        CASE(refuses_fewer_flags_than_bindings),
        CASE(refuses_fewer_counts_than_sets),
        CASE(refuses_fewer_view_masks_than_subpasses),
        CASE(refuses_strides_that_leave_the_array),
        CASE(refuses_device_groups_of_fewer_than_are_submitted),
        CASE(refuses_mutable_descriptors_without_types),
        CASE(refuses_render_passes_that_refer_to_nothing),
        CASE(refuses_shader_groups_of_other_stages),
        CASE(refuses_newer_render_passes_that_refer_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

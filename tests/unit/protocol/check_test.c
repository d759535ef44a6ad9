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
        CASE(accepts_constants_within_their_data),  CASE(refuses_constants_behind_their_data),
        CASE(refuses_constants_without_data),       CASE(keeps_values_for_all_semaphores),
        CASE(fills_up_values_of_binary_semaphores), CASE(refuses_fewer_flags_than_bindings),
        CASE(refuses_fewer_counts_than_sets),       CASE(refuses_fewer_view_masks_than_subpasses),
        CASE(refuses_strides_that_leave_the_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

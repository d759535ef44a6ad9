#include "bytes.h"
#include "protocol/structs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

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

// -- counts --------------------------------------------------------------------------------------

static void accepts_a_count_that_is_expected(void **state)
{
    (void)state;
    bytes_u64(&wire, 3);
    begin();
    assert_int_equal(pv_decode_count(&d.decoder, 3, false), 3);
    assert_null(decoding_error(&d));
}

static void accepts_zero_for_optional_arrays_only(void **state)
{
    (void)state;
    bytes_u64(&wire, 0);
    begin();
    assert_int_equal(pv_decode_count(&d.decoder, 3, true), 0);
    assert_null(decoding_error(&d));
    decoding_end(&d);
    begin();
    assert_int_equal(pv_decode_count(&d.decoder, 0, false), 0);
    assert_null(decoding_error(&d));
    decoding_end(&d);
    begin();
    assert_int_equal(pv_decode_count(&d.decoder, 3, false), 0);
    assert_error("a required array is missing");
}

static void refuses_another_count(void **state)
{
    (void)state;
    bytes_u64(&wire, ((uint64_t)1 << 32) + 3); // the same in 32 bits
    begin();
    assert_int_equal(pv_decode_count(&d.decoder, 3, true), 0);
    assert_error("an array's length differs from its length member");
}

static void refuses_another_fixed_count(void **state)
{
    (void)state;
    begin();
    pv_decode_fixed_count(&d.decoder, 4, 4);
    assert_null(decoding_error(&d));
    pv_decode_fixed_count(&d.decoder, 0, 4);
    assert_error("a fixed array has another length");
}

static void refuses_sizes_between_units(void **state)
{
    (void)state;
    begin();
    pv_decode_unit(&d.decoder, 12, 4);
    assert_null(decoding_error(&d));
    pv_decode_unit(&d.decoder, 13, 4);
    assert_error("a size is no multiple of its unit");
}

// -- presence ------------------------------------------------------------------------------------

static void takes_any_word_for_present(void **state)
{
    (void)state;
    bytes_u64(&wire, (uint64_t)1 << 63);
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 0);
    begin();
    assert_true(pv_decode_present(&d.decoder, false));
    assert_false(pv_decode_present(&d.decoder, true));
    assert_null(decoding_error(&d));
    assert_false(pv_decode_present(&d.decoder, false));
    assert_error("a required pointer is null");
}

static void refuses_what_cannot_be_carried(void **state)
{
    (void)state;
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 1);
    begin();
    pv_decode_null(&d.decoder);
    assert_null(decoding_error(&d));
    pv_decode_null(&d.decoder);
    assert_error("a pointer that cannot be carried is not null");
}

// -- memory --------------------------------------------------------------------------------------

static void bounds_the_memory_of_a_command(void **state)
{
    (void)state;
    bytes_u64(&wire, 0);
    begin();
    assert_non_null(pv_decode_alloc(&d.decoder, DECODING_MEMORY / 2, 1, false));
    assert_null(decoding_error(&d));
    assert_null(pv_decode_alloc(&d.decoder, DECODING_MEMORY, 1, false));
    assert_error("the command needs more memory than a command may use");
    // Nothing more is given after an error.
    assert_null(pv_decode_alloc(&d.decoder, 1, 1, false));
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    begin();
    assert_null(pv_decode_alloc(&d.decoder, ((uint64_t)1 << 60) + 1, 16, false));
    assert_error("the command needs more memory than a command may use");
    decoding_end(&d);
    bytes_u64(&wire, 0);
    begin();
    assert_null(pv_decode_bytes(&d.decoder, ((uint64_t)1 << 61) + 1, 8));
    assert_error("an array's size overflows");
}

static void gives_zeroed_memory_when_asked(void **state)
{
    (void)state;
    begin();
    uint8_t *memory = pv_decode_alloc(&d.decoder, 100, 1, false);
    memset(memory, 0xff, 100);
    pv_arena_reset(&d.arena);
    memory = pv_decode_alloc(&d.decoder, 50, 2, true);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(memory[i], 0);
    }
    assert_null(pv_decode_alloc(&d.decoder, 0, 8, true));
    assert_null(decoding_error(&d));
}

static void refuses_more_structures_than_bytes(void **state)
{
    (void)state;
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 0);
    begin();
    assert_non_null(pv_decode_structs(&d.decoder, 2, 100, 12));
    assert_null(decoding_error(&d));
    assert_null(pv_decode_structs(&d.decoder, 3, 100, 12));
    assert_error("an array is longer than the bytes that are there");
}

// -- arrays --------------------------------------------------------------------------------------

static void leaves_arrays_of_words_in_place(void **state)
{
    (void)state;
    bytes_u32(&wire, 5), bytes_u32(&wire, 6);
    begin();
    assert_ptr_equal(pv_decode_bytes(&d.decoder, 2, 4), d.copy);
    assert_int_equal(d.arena.used, 0);
}

static void aligns_arrays_of_double_words(void **state)
{
    (void)state;
    bytes_u32(&wire, 0);
    bytes_u64(&wire, 5), bytes_u64(&wire, 6);
    begin();
    assert_int_equal((uintptr_t)d.copy % 8, 0);
    pv_reader_u32(&d.decoder.reader);
    const uint64_t *copy = pv_decode_copy(&d.decoder, 2, 8);
    assert_int_equal((uintptr_t)copy % 8, 0);
    assert_int_equal(copy[0], 5);
    assert_int_equal(copy[1], 6);
    assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
}

static void pads_arrays_of_small_elements_as_a_whole(void **state)
{
    (void)state;
    bytes_put(&wire, "abcde", 5);
    bytes_put(&wire, "\1\0\2\0\3\0", 6);
    bytes_u32(&wire, 0x12345678);
    begin();
    assert_memory_equal(pv_decode_bytes(&d.decoder, 5, 1), "abcde", 5);
    const uint16_t *shorts = (const uint16_t *)(void *)pv_decode_bytes(&d.decoder, 3, 2);
    assert_int_equal(shorts[2], 3);
    assert_int_equal(pv_reader_u32(&d.decoder.reader), 0x12345678);
    assert_null(decoding_error(&d));
}

static void ids_stand_for_themselves_without_objects(void **state)
{
    (void)state;
    bytes_u64(&wire, 7), bytes_u64(&wire, 0);
    begin();
    const uint64_t *handles = pv_decode_handles(&d.decoder, 2, VK_OBJECT_TYPE_BUFFER, true);
    assert_int_equal(handles[0], 7);
    assert_int_equal(handles[1], 0);
    assert_null(decoding_error(&d));
}

static void refuses_null_handles_in_arrays(void **state)
{
    (void)state;
    bytes_u64(&wire, 7), bytes_u64(&wire, 0);
    begin();
    pv_decode_handles(&d.decoder, 2, VK_OBJECT_TYPE_BUFFER, false);
    assert_error("a required handle is null");
}

// -- strings -------------------------------------------------------------------------------------

static void terminates_strings_itself(void **state)
{
    (void)state;
    bytes_u64(&wire, 5), bytes_put(&wire, "abcde", 5); // the guest's NUL is an e
    bytes_u64(&wire, 8), bytes_put(&wire, "abcdefgh", 8);
    bytes_u64(&wire, 1), bytes_put(&wire, "x", 1);
    begin();
    assert_string_equal(pv_decode_string(&d.decoder, false), "abcd");
    assert_string_equal(pv_decode_string(&d.decoder, false), "abcdefg");
    assert_string_equal(pv_decode_string(&d.decoder, false), "");
    assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
    assert_null(decoding_error(&d));
}

static void accepts_missing_strings_where_optional(void **state)
{
    (void)state;
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 0);
    begin();
    assert_null(pv_decode_string(&d.decoder, true));
    assert_null(decoding_error(&d));
    assert_null(pv_decode_string(&d.decoder, false));
    assert_error("a required string is missing");
}

static void refuses_strings_longer_than_the_bytes(void **state)
{
    (void)state;
    const uint64_t sizes[] = {9, (uint64_t)1 << 32, UINT64_MAX - 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bytes_clear(&wire);
        bytes_u64(&wire, sizes[i]), bytes_put(&wire, "abcdefgh", 8);
        begin();
        assert_null(pv_decode_string(&d.decoder, true));
        assert_error("the bytes end inside the command");
        decoding_end(&d);
    }
}

static void reads_arrays_of_strings(void **state)
{
    (void)state;
    bytes_u64(&wire, 2);
    bytes_u64(&wire, 3), bytes_put(&wire, "ab", 3);
    bytes_u64(&wire, 6), bytes_put(&wire, "cdefg", 6);
    begin();
    char **strings = pv_decode_strings(&d.decoder, 2, true);
    assert_string_equal(strings[0], "ab");
    assert_string_equal(strings[1], "cdefg");
    assert_null(decoding_error(&d));
}

static void refuses_missing_strings_in_arrays(void **state)
{
    (void)state;
    bytes_u64(&wire, 2);
    bytes_u64(&wire, 3), bytes_put(&wire, "ab", 3);
    bytes_u64(&wire, 0);
    begin();
    pv_decode_strings(&d.decoder, 2, true);
    assert_error("a required string is missing");
}

static void refuses_more_strings_than_bytes(void **state)
{
    (void)state;
    bytes_u64(&wire, (uint64_t)1 << 40);
    bytes_u64(&wire, 0);
    begin();
    assert_null(pv_decode_strings(&d.decoder, (uint64_t)1 << 40, true));
    assert_error("an array is longer than the bytes that are there");
}

// -- whole commands ------------------------------------------------------------------------------

static void color(uint32_t tag)
{
    bytes_u64(&wire, 33), bytes_u64(&wire, 34), bytes_u32(&wire, 7);
    bytes_u64(&wire, 1);
    bytes_u32(&wire, tag), bytes_u64(&wire, 4);
    bytes_u64(&wire, 0x200000001), bytes_u64(&wire, 0x400000003);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
}

static void accepts_every_tag_of_a_union(void **state)
{
    (void)state;
    for (uint32_t tag = 0; tag < 3; tag++) {
        bytes_clear(&wire);
        color(tag);
        begin();
        pv_decode_vkCmdClearColorImage(&d.decoder, &d.cmd.vkCmdClearColorImage);
        assert_null(decoding_error(&d));
        assert_int_equal(d.cmd.vkCmdClearColorImage.pColor->uint32[3], 4);
        assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
        decoding_end(&d);
    }
}

static void refuses_unknown_tags_of_unions(void **state)
{
    (void)state;
    color(3);
    begin();
    pv_decode_vkCmdClearColorImage(&d.decoder, &d.cmd.vkCmdClearColorImage);
    assert_error("a union has an unknown tag");
}

static void geometry(uint32_t type, uint32_t tag)
{
    bytes_u32(&wire, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR), bytes_u64(&wire, 0);
    bytes_u32(&wire, type), bytes_u32(&wire, tag);
    // An address is a union of its own; it may be one, too: then it must be NULL.
    bytes_u32(&wire, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0x1000), bytes_u64(&wire, 24);
    bytes_u32(&wire, 0);
}

static const char *decode_geometry(VkAccelerationStructureGeometryKHR *out)
{
    begin();
    pv_decode_VkAccelerationStructureGeometryKHR(&d.decoder, out);
    return decoding_error(&d);
}

static void reads_the_selected_member_of_a_union(void **state)
{
    (void)state;
    VkAccelerationStructureGeometryKHR out;
    geometry(VK_GEOMETRY_TYPE_AABBS_KHR, VK_GEOMETRY_TYPE_AABBS_KHR);
    assert_null(decode_geometry(&out));
    assert_int_equal(out.geometry.aabbs.data.deviceAddress, 0x1000);
    assert_int_equal(out.geometry.aabbs.stride, 24);
}

static void refuses_tags_that_differ_from_their_selector(void **state)
{
    (void)state;
    VkAccelerationStructureGeometryKHR out;
    geometry(VK_GEOMETRY_TYPE_AABBS_KHR, VK_GEOMETRY_TYPE_INSTANCES_KHR);
    assert_string_equal(decode_geometry(&out), "a union's tag differs from its selector");
}

static void refuses_selectors_that_select_nothing(void **state)
{
    (void)state;
    VkAccelerationStructureGeometryKHR out;
    geometry(1234, 1234);
    assert_string_equal(decode_geometry(&out), "a union has an unknown tag");
}

static void refuses_another_stype(void **state)
{
    (void)state;
    bytes_u32(&wire, VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO);
    bytes_u64(&wire, 0);
    begin();
    VkBufferCreateInfo out;
    pv_decode_VkBufferCreateInfo(&d.decoder, &out);
    assert_error("a structure has another sType");
}

static void shader(uint64_t size, uint64_t words)
{
    bytes_u32(&wire, VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO), bytes_u64(&wire, 0);
    bytes_u32(&wire, 0);
    bytes_u64(&wire, size), bytes_u64(&wire, words);
    bytes_u64(&wire, 0x100000002);
}

static void refuses_code_that_ends_inside_a_word(void **state)
{
    (void)state;
    VkShaderModuleCreateInfo out;
    shader(8, 2);
    begin();
    pv_decode_VkShaderModuleCreateInfo(&d.decoder, &out);
    assert_null(decoding_error(&d));
    assert_int_equal(out.pCode[1], 1);
    decoding_end(&d);

    // Four times two words, and three bytes that a driver would read behind them.
    bytes_clear(&wire);
    shader(11, 2);
    begin();
    pv_decode_VkShaderModuleCreateInfo(&d.decoder, &out);
    assert_error("a size is no multiple of its unit");
}

static void refuses_null_handles_in_structures(void **state)
{
    (void)state;
    bytes_u32(&wire, VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2), bytes_u64(&wire, 0);
    bytes_u64(&wire, 5), bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    begin();
    VkCopyBufferInfo2 out;
    pv_decode_VkCopyBufferInfo2(&d.decoder, &out);
    assert_error("a required handle is null");
}

static void pointers_to_nothing_make_lengths_zero(void **state)
{
    (void)state;
    // vkAllocateCommandBuffers without its structure: the length is read through a null pointer.
    bytes_u64(&wire, 3), bytes_u64(&wire, 0);
    bytes_u64(&wire, 1), bytes_u64(&wire, 5);
    begin();
    pv_decode_vkAllocateCommandBuffers(&d.decoder, &d.cmd.vkAllocateCommandBuffers);
    assert_error("a required pointer is null");
    assert_int_equal(d.cmd.vkAllocateCommandBuffers.pCommandBuffers_count, 0);
}

static void bounds_outputs_by_the_memory_of_a_command(void **state)
{
    (void)state;
    // Elements of no bytes: only the memory limit holds.
    bytes_u64(&wire, 2), bytes_u64(&wire, 0);
    bytes_u64(&wire, 1), bytes_u32(&wire, UINT32_MAX), bytes_u64(&wire, UINT32_MAX);
    begin();
    pv_decode_vkEnumerateDeviceExtensionProperties(&d.decoder,
                                                   &d.cmd.vkEnumerateDeviceExtensionProperties);
    assert_error("the command needs more memory than a command may use");
}

static void bounds_outputs_with_headers_by_the_bytes(void **state)
{
    (void)state;
    bytes_u64(&wire, 2);
    bytes_u64(&wire, 1), bytes_u32(&wire, 1000), bytes_u64(&wire, 1000);
    bytes_u64(&wire, 0), bytes_u64(&wire, 0);
    begin();
    pv_decode_vkGetPhysicalDeviceQueueFamilyProperties2(
        &d.decoder, &d.cmd.vkGetPhysicalDeviceQueueFamilyProperties2);
    assert_error("an array is longer than the bytes that are there");
    assert_int_equal(d.arena.used, 65536); // for the count alone
}

static void inner_arrays_must_be_there(void **state)
{
    (void)state;
    // VkAccelerationStructureBuildGeometryInfoKHR with ppGeometries, one of them missing.
    bytes_u32(&wire, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u32(&wire, 0), bytes_u32(&wire, 0);
    bytes_u64(&wire, 0), bytes_u64(&wire, 0);
    bytes_u32(&wire, 2); // geometryCount
    bytes_u64(&wire, 0); // pGeometries
    bytes_u64(&wire, 2), bytes_u64(&wire, 1);
    geometry(VK_GEOMETRY_TYPE_AABBS_KHR, VK_GEOMETRY_TYPE_AABBS_KHR);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    begin();
    VkAccelerationStructureBuildGeometryInfoKHR out;
    pv_decode_VkAccelerationStructureBuildGeometryInfoKHR(&d.decoder, &out);
    assert_error("a required array is missing");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(accepts_a_count_that_is_expected),
        CASE(accepts_zero_for_optional_arrays_only),
        CASE(refuses_another_count),
        CASE(refuses_another_fixed_count),
        CASE(refuses_sizes_between_units),
        CASE(takes_any_word_for_present),
        CASE(refuses_what_cannot_be_carried),
        CASE(bounds_the_memory_of_a_command),
        CASE(refuses_sizes_that_overflow),
        CASE(gives_zeroed_memory_when_asked),
        CASE(refuses_more_structures_than_bytes),
        CASE(leaves_arrays_of_words_in_place),
        CASE(aligns_arrays_of_double_words),
        CASE(pads_arrays_of_small_elements_as_a_whole),
        CASE(ids_stand_for_themselves_without_objects),
        CASE(refuses_null_handles_in_arrays),
        CASE(terminates_strings_itself),
        CASE(accepts_missing_strings_where_optional),
        CASE(refuses_strings_longer_than_the_bytes),
        CASE(reads_arrays_of_strings),
        CASE(refuses_missing_strings_in_arrays),
        CASE(refuses_more_strings_than_bytes),
        CASE(accepts_every_tag_of_a_union),
        CASE(refuses_unknown_tags_of_unions),
        CASE(reads_the_selected_member_of_a_union),
        CASE(refuses_tags_that_differ_from_their_selector),
        CASE(refuses_selectors_that_select_nothing),
        CASE(refuses_another_stype),
        CASE(refuses_code_that_ends_inside_a_word),
        CASE(refuses_null_handles_in_structures),
        CASE(pointers_to_nothing_make_lengths_zero),
        CASE(bounds_outputs_by_the_memory_of_a_command),
        CASE(bounds_outputs_with_headers_by_the_bytes),
        CASE(inner_arrays_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

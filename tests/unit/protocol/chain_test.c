// pNext chains: order, permission, repetition, length.
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

static void header(VkStructureType type)
{
    bytes_u64(&wire, 1), bytes_u32(&wire, (uint32_t)type);
}

static void begin(void)
{
    decoding_begin(&d, &wire, NULL);
}

static void root(VkStructureType type)
{
    bytes_u32(&wire, (uint32_t)type);
}

static void buffer_body(void)
{
    bytes_u32(&wire, 0), bytes_u64(&wire, 4096), bytes_u32(&wire, 3), bytes_u32(&wire, 0);
    bytes_u32(&wire, 0), bytes_u64(&wire, 0);
}

static void keeps_the_order_of_the_guest(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_BUFFER_OPAQUE_CAPTURE_ADDRESS_CREATE_INFO);
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 0x1234); // the last body comes first
    bytes_u32(&wire, 0x200);
    buffer_body();
    begin();
    VkBufferCreateInfo out;
    pv_decode_VkBufferCreateInfo(&d.decoder, &out);
    assert_null(decoding_error(&d));
    assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
    assert_int_equal(out.size, 4096);
    const VkExternalMemoryBufferCreateInfo *first = out.pNext;
    assert_int_equal(first->sType, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    assert_int_equal(first->handleTypes, 0x200);
    const VkBufferOpaqueCaptureAddressCreateInfo *second = first->pNext;
    assert_int_equal(second->sType, VK_STRUCTURE_TYPE_BUFFER_OPAQUE_CAPTURE_ADDRESS_CREATE_INFO);
    assert_int_equal(second->opaqueCaptureAddress, 0x1234);
    assert_null(second->pNext);
}

static void assert_refused(const char *reason, uint64_t value)
{
    begin();
    VkBufferCreateInfo out;
    pv_decode_VkBufferCreateInfo(&d.decoder, &out);
    assert_non_null(decoding_error(&d));
    assert_string_equal(decoding_error(&d), reason);
    assert_int_equal(d.decoder.reader.error_value, value);
}

static void refuses_structures_of_other_roots(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 0);
    buffer_body();
    assert_refused("a structure is not allowed in this pNext chain",
                   VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
}

static void refuses_structures_it_does_not_know(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header((VkStructureType)0x7ffffffe);
    bytes_u64(&wire, 0);
    assert_refused("a structure is not allowed in this pNext chain", 0x7ffffffe);
}

static void refuses_a_root_in_its_own_chain(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    bytes_u64(&wire, 0);
    assert_refused("a structure is not allowed in this pNext chain",
                   VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
}

static void refuses_a_structure_that_stands_twice(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 1), bytes_u32(&wire, 2);
    buffer_body();
    assert_refused("a structure stands twice in a pNext chain",
                   VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
}

static void device_with_private_data(uint32_t count)
{
    root(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    for (uint32_t i = 0; i < count; i++) {
        header(VK_STRUCTURE_TYPE_DEVICE_PRIVATE_DATA_CREATE_INFO);
    }
    bytes_u64(&wire, 0);
    for (uint32_t i = 0; i < count; i++) {
        bytes_u32(&wire, i); // privateDataSlotRequestCount
    }
    bytes_u32(&wire, 0);
    for (uint32_t i = 0; i < 3; i++) { // queues, layers, extensions
        bytes_u32(&wire, 0), bytes_u64(&wire, 0);
    }
    bytes_u64(&wire, 0);
    begin();
    VkDeviceCreateInfo out;
    pv_decode_VkDeviceCreateInfo(&d.decoder, &out);
}

static void allows_twice_what_vulkan_allows_twice(void **state)
{
    (void)state;
    device_with_private_data(2);
    assert_null(decoding_error(&d));
    assert_int_equal(pv_reader_remaining(&d.decoder.reader), 0);
}

static void bounds_the_length_of_a_chain(void **state)
{
    (void)state;
    device_with_private_data(PV_CHAIN_MAX);
    assert_null(decoding_error(&d));
    decoding_end(&d);
    bytes_clear(&wire);
    device_with_private_data(PV_CHAIN_MAX + 1);
    assert_string_equal(decoding_error(&d), "a pNext chain is too long");
}

static void a_chain_cut_short_is_refused(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    assert_refused("the bytes end inside the command", 0);
}

static void any_word_links_a_chain(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    bytes_u64(&wire, UINT64_MAX);
    bytes_u32(&wire, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 1);
    buffer_body();
    begin();
    VkBufferCreateInfo out;
    pv_decode_VkBufferCreateInfo(&d.decoder, &out);
    assert_null(decoding_error(&d));
}

static void inputs_do_not_stand_behind_outputs(void **state)
{
    (void)state;
    // Images know this structure as an input; behind requirements it is none.
    root(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    header(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    bytes_u64(&wire, 0);
    begin();
    VkMemoryRequirements2 out;
    pv_decode_partial_VkMemoryRequirements2(&d.decoder, &out);
    assert_string_equal(decoding_error(&d), "a structure is not allowed in this pNext chain");
}

static void replies_hold_the_nodes_of_the_request(void **state)
{
    (void)state;
    root(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    header(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
    bytes_u64(&wire, 0);
    begin();
    VkMemoryRequirements2 out;
    pv_decode_partial_VkMemoryRequirements2(&d.decoder, &out);
    assert_null(decoding_error(&d));
    out.memoryRequirements.size = 5;
    ((VkMemoryDedicatedRequirements *)out.pNext)->requiresDedicatedAllocation = VK_TRUE;

    uint8_t reply[64];
    struct pv_writer writer = pv_writer_over(reply, sizeof(reply));
    pv_encode_VkMemoryRequirements2(&writer, &out);
    assert_false(writer.overflowed);
    bytes_clear(&wire);
    root(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    header(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
    bytes_u64(&wire, 0);
    bytes_u32(&wire, 0), bytes_u32(&wire, 1);
    bytes_u64(&wire, 5), bytes_u64(&wire, 0), bytes_u32(&wire, 0);
    assert_int_equal(writer.cursor - reply, wire.size);
    assert_memory_equal(reply, wire.data, wire.size);
}

static void all_types_are_sorted(void **state)
{
    (void)state;
    assert_true(pv_chain_type_count > 200);
    for (uint32_t i = 1; i < pv_chain_type_count; i++) {
        assert_true((uint32_t)pv_chain_types[i - 1].type < (uint32_t)pv_chain_types[i].type);
    }
    for (uint32_t i = 0; i < pv_chain_type_count; i++) {
        assert_true(pv_chain_types[i].size >= sizeof(VkBaseInStructure));
        assert_true(pv_chain_types[i].decode || pv_chain_types[i].decode_partial);
        assert_true(!pv_chain_types[i].encode == !pv_chain_types[i].decode_partial);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(keeps_the_order_of_the_guest),
        CASE(refuses_structures_of_other_roots),
        CASE(refuses_structures_it_does_not_know),
        CASE(refuses_a_root_in_its_own_chain),
        CASE(refuses_a_structure_that_stands_twice),
        CASE(allows_twice_what_vulkan_allows_twice),
        CASE(bounds_the_length_of_a_chain),
        CASE(a_chain_cut_short_is_refused),
        CASE(any_word_links_a_chain),
        CASE(inputs_do_not_stand_behind_outputs),
        CASE(replies_hold_the_nodes_of_the_request),
        CASE(all_types_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

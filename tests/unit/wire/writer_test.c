#include "wire/writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint8_t memory[32];

static struct pv_writer over(size_t size)
{
    memset(memory, 0xee, sizeof(memory));
    return pv_writer_over(memory, size);
}

static void writes_in_order(void **state)
{
    (void)state;
    struct pv_writer writer = over(16);
    pv_writer_u32(&writer, 0x03020100);
    pv_writer_u64(&writer, 0x0b0a090807060504);
    pv_writer_u32(&writer, 0x0f0e0d0c);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(memory[i], i);
    }
    assert_false(writer.overflowed);
    assert_ptr_equal(writer.cursor, writer.end);
    assert_int_equal(memory[16], 0xee);
}

static void pads_with_zeros(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 8; size++) {
        struct pv_writer writer = over(sizeof(memory));
        pv_writer_padded(&writer, "abcdefgh", size);
        const size_t padded = (size + 3) / 4 * 4;
        assert_int_equal(writer.cursor - memory, padded);
        assert_memory_equal(memory, "abcdefgh", size);
        for (size_t i = size; i < padded; i++) {
            assert_int_equal(memory[i], 0);
        }
        assert_int_equal(memory[padded], 0xee);
    }
}

static void takes_no_bytes_from_nowhere(void **state)
{
    (void)state;
    struct pv_writer writer = over(4);
    pv_writer_padded(&writer, NULL, 0);
    assert_false(writer.overflowed);
    assert_ptr_equal(writer.cursor, memory);
}

static void writes_nothing_behind_the_end(void **state)
{
    (void)state;
    struct pv_writer writer = over(6);
    pv_writer_u32(&writer, 1);
    pv_writer_u32(&writer, 2);
    assert_true(writer.overflowed);
    for (size_t i = 4; i < sizeof(memory); i++) {
        assert_int_equal(memory[i], 0xee);
    }
}

static void drops_everything_after_an_overflow(void **state)
{
    (void)state;
    struct pv_writer writer = over(8);
    pv_writer_u32(&writer, 1);
    pv_writer_u64(&writer, 2); // does not fit, though four bytes would
    pv_writer_u32(&writer, 3);
    pv_writer_padded(&writer, "x", 1);
    assert_null(pv_writer_reserve(&writer, 1));
    assert_true(writer.overflowed);
    assert_int_equal(memory[4], 0xee);
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    const uint64_t sizes[] = {sizeof(memory) + 1, UINT64_MAX - 3, UINT64_MAX - 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pv_writer writer = over(sizeof(memory));
        pv_writer_padded(&writer, memory, sizes[i]);
        assert_true(writer.overflowed);
        assert_int_equal(memory[0], 0xee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_in_order),
        cmocka_unit_test(pads_with_zeros),
        cmocka_unit_test(takes_no_bytes_from_nowhere),
        cmocka_unit_test(writes_nothing_behind_the_end),
        cmocka_unit_test(drops_everything_after_an_overflow),
        cmocka_unit_test(refuses_sizes_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

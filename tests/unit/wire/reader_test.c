#include "wire/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Exactly `size` bytes 0, 1, 2 ...: sanitizers see a byte read too many.
static uint8_t *counting(size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)i;
    }
    return bytes;
}

static void reads_in_order(void **state)
{
    (void)state;
    uint8_t *bytes = counting(20);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 20);
    assert_int_equal(pv_reader_u32(&reader), 0x03020100);
    assert_int_equal(pv_reader_u64(&reader), 0x0b0a090807060504); // at no multiple of eight
    assert_memory_equal(pv_reader_take(&reader, 8), bytes + 12, 8);
    assert_int_equal(pv_reader_remaining(&reader), 0);
    assert_false(pv_reader_failed(&reader));
    free(bytes);
}

static void gives_zeros_behind_the_end(void **state)
{
    (void)state;
    static const uint8_t zeros[PV_READER_MAX_RUN];
    uint8_t *bytes = counting(6);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 6);
    assert_int_equal(pv_reader_u32(&reader), 0x03020100);
    assert_int_equal(pv_reader_u32(&reader), 0);
    assert_true(pv_reader_failed(&reader));
    assert_int_equal(pv_reader_u64(&reader), 0);
    assert_memory_equal(pv_reader_take(&reader, PV_READER_MAX_RUN), zeros, PV_READER_MAX_RUN);
    free(bytes);
}

static void leaves_nothing_after_an_error(void **state)
{
    (void)state;
    uint8_t *bytes = counting(64);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 64);
    pv_reader_fail(&reader, "first");
    pv_reader_fail_value(&reader, "second", 7);
    assert_string_equal(reader.error, "first");
    assert_int_equal(reader.error_value, 0);
    assert_int_equal(pv_reader_remaining(&reader), 0);
    assert_int_equal(pv_reader_u32(&reader), 0);
    assert_string_equal(reader.error, "first");
    free(bytes);
}

static void remembers_what_an_error_is_about(void **state)
{
    (void)state;
    uint8_t *bytes = counting(4);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 4);
    pv_reader_fail_value(&reader, "an id", 0x123456789ab);
    assert_int_equal(reader.error_value, 0x123456789ab);
    free(bytes);
}

static void takes_padding_with_the_bytes(void **state)
{
    (void)state;
    uint8_t *bytes = counting(16);
    for (size_t size = 0; size <= 8; size++) {
        struct pv_reader reader;
        pv_reader_init(&reader, bytes, 16);
        assert_ptr_equal(pv_reader_take_padded(&reader, size), bytes);
        assert_int_equal(reader.cursor - bytes, (size + 3) / 4 * 4);
        assert_false(pv_reader_failed(&reader));
    }
    free(bytes);
}

static void refuses_bytes_whose_padding_is_missing(void **state)
{
    (void)state;
    uint8_t *bytes = counting(7);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 7);
    assert_null(pv_reader_take_padded(&reader, 5));
    assert_true(pv_reader_failed(&reader));
    free(bytes);
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    uint8_t *bytes = counting(16);
    const uint64_t sizes[] = {
        17,        UINT32_MAX, (uint64_t)1 << 63, UINT64_MAX - 4, UINT64_MAX - 3, UINT64_MAX - 2,
        UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pv_reader reader;
        pv_reader_init(&reader, bytes, 16);
        assert_null(pv_reader_take_padded(&reader, sizes[i]));
        assert_true(pv_reader_failed(&reader));
    }
    free(bytes);
}

static void an_empty_reader_is_good_until_read(void **state)
{
    (void)state;
    uint8_t *bytes = counting(0);
    struct pv_reader reader;
    pv_reader_init(&reader, bytes, 0);
    assert_false(pv_reader_failed(&reader));
    assert_non_null(pv_reader_take_padded(&reader, 0));
    assert_false(pv_reader_failed(&reader));
    pv_reader_u32(&reader);
    assert_true(pv_reader_failed(&reader));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_order),
        cmocka_unit_test(gives_zeros_behind_the_end),
        cmocka_unit_test(leaves_nothing_after_an_error),
        cmocka_unit_test(remembers_what_an_error_is_about),
        cmocka_unit_test(takes_padding_with_the_bytes),
        cmocka_unit_test(refuses_bytes_whose_padding_is_missing),
        cmocka_unit_test(refuses_sizes_that_overflow),
        cmocka_unit_test(an_empty_reader_is_good_until_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

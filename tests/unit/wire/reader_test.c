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

// A reader of `size` shared bytes 0, 1, 2 ..., and what it needs.
struct shared {
    uint8_t *bytes;
    _Alignas(8) uint8_t window[PV_READER_WINDOW];
    struct pv_arena arena;
    struct pv_reader reader;
};

static void shared_open(struct shared *shared, size_t size, uint64_t limit)
{
    shared->bytes = counting(size);
    pv_arena_init(&shared->arena, limit);
    pv_reader_init_shared(&shared->reader, shared->bytes, size, shared->window, &shared->arena);
    pv_reader_begin_command(&shared->reader);
}

static void shared_close(struct shared *shared)
{
    pv_arena_finish(&shared->arena);
    free(shared->bytes);
}

static void reads_shared_bytes_through_the_window(void **state)
{
    (void)state;
    enum { SIZE = 10 * PV_READER_WINDOW + 4 };
    struct shared shared;
    shared_open(&shared, SIZE, 1 << 20);
    for (size_t at = 0; at < SIZE; at += 12) {
        assert_int_equal(pv_reader_offset(&shared.reader), at);
        pv_reader_begin_command(&shared.reader);
        const size_t size = SIZE - at < 12 ? SIZE - at : 12;
        const uint8_t *taken = pv_reader_take(&shared.reader, size);
        assert_memory_equal(taken, shared.bytes + at, size);
        assert_true(taken >= shared.window && taken < shared.window + PV_READER_WINDOW);
    }
    assert_int_equal(pv_reader_remaining(&shared.reader), 0);
    assert_false(pv_reader_failed(&shared.reader));
    assert_int_equal(shared.arena.used, 0);
    shared_close(&shared);
}

static void keeps_what_a_long_command_took(void **state)
{
    (void)state;
    enum { FIELDS = 40, FIELD = 100, SIZE = FIELDS * FIELD };
    struct shared shared;
    shared_open(&shared, SIZE, 1 << 20);
    const uint8_t *taken[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        taken[i] = i % 2 ? pv_reader_take_padded(&shared.reader, FIELD - 1)
                         : pv_reader_take(&shared.reader, FIELD);
        assert_non_null(taken[i]);
    }
    uint8_t expected[SIZE];
    memcpy(expected, shared.bytes, SIZE);
    memset(shared.bytes, 0xee, SIZE); // the guest thinks again
    for (size_t i = 0; i < FIELDS; i++) {
        assert_memory_equal(taken[i], expected + i * FIELD, FIELD);
    }
    shared_close(&shared);
}

static void takes_private_bytes_longer_than_the_window(void **state)
{
    (void)state;
    enum { SIZE = 5 * PV_READER_WINDOW };
    struct shared shared;
    shared_open(&shared, SIZE, 1 << 20);
    assert_int_equal(pv_reader_u32(&shared.reader), 0x03020100);
    const uint8_t *taken = pv_reader_take_padded(&shared.reader, SIZE - 9);
    assert_memory_equal(taken, shared.bytes + 4, SIZE - 9);
    assert_false(taken >= shared.bytes && taken < shared.bytes + SIZE);
    assert_int_equal(pv_reader_remaining(&shared.reader), 4);
    pv_arena_reset(&shared.arena);
    pv_reader_begin_command(&shared.reader); // leaves the arena
    assert_int_equal(pv_reader_u32(&shared.reader), pv_load_u32(shared.bytes + SIZE - 4));
    assert_false(pv_reader_failed(&shared.reader));
    shared_close(&shared);
}

static void bounds_the_memory_of_a_long_command(void **state)
{
    (void)state;
    enum { SIZE = 256 * 1024 };
    struct shared shared;
    shared_open(&shared, SIZE, 128 * 1024);
    assert_null(pv_reader_take_padded(&shared.reader, SIZE));
    assert_true(pv_reader_failed(&shared.reader));
    assert_int_equal(pv_reader_remaining(&shared.reader), 0);
    shared_close(&shared);
}

static void leaves_bulk_data_where_it_is(void **state)
{
    (void)state;
    enum { SIZE = 256 * 1024 };
    struct shared shared;
    shared_open(&shared, SIZE, 0);
    assert_int_equal(pv_reader_u32(&shared.reader), 0x03020100);
    assert_memory_equal(pv_reader_take_bulk(&shared.reader, 5), shared.bytes + 4, 5);
    assert_ptr_equal(pv_reader_take_bulk(&shared.reader, 100001), shared.bytes + 12);
    assert_int_equal(pv_reader_offset(&shared.reader), 100016);
    pv_reader_begin_command(&shared.reader);
    assert_int_equal(pv_reader_u32(&shared.reader), pv_load_u32(shared.bytes + 100016));
    assert_false(pv_reader_failed(&shared.reader));
    assert_null(pv_reader_take_bulk(&shared.reader, SIZE - 100020 + 1));
    assert_true(pv_reader_failed(&shared.reader));
    shared_close(&shared);
}

static void refuses_shared_sizes_that_overflow(void **state)
{
    (void)state;
    const uint64_t sizes[] = {4097, UINT32_MAX, (uint64_t)1 << 63, UINT64_MAX - 3, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct shared shared;
        shared_open(&shared, 4096, UINT64_MAX);
        assert_null(i % 2 ? pv_reader_take_padded(&shared.reader, sizes[i])
                          : pv_reader_take_bulk(&shared.reader, sizes[i]));
        assert_true(pv_reader_failed(&shared.reader));
        shared_close(&shared);
    }
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
        cmocka_unit_test(reads_shared_bytes_through_the_window),
        cmocka_unit_test(keeps_what_a_long_command_took),
        cmocka_unit_test(takes_private_bytes_longer_than_the_window),
        cmocka_unit_test(bounds_the_memory_of_a_long_command),
        cmocka_unit_test(leaves_bulk_data_where_it_is),
        cmocka_unit_test(refuses_shared_sizes_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

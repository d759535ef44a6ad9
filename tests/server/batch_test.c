#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/batch.h"
#include "server/protocol.h"

// One batch with two command dwords and one pair.
static const uint32_t narrow[] = {1, 1, 7, 2, 9, 1, 5, 0xaa, 0xbb, 77, 0x11, 0x22};
static const uint32_t wide[] = {1, 1, 9, 2, 11, 1, 5, 0, 0, 0xaa, 0xbb, 77, 0x11, 0x22};

#define DWORDS(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static void check_the_batch(const struct pv_vtest_submit *submit, uint32_t index)
{
    const struct pv_vtest_batch batch = pv_vtest_submit_batch(submit, index);
    assert_int_equal(batch.flags, PV_VTEST_BATCH_RING_IDX);
    assert_int_equal(batch.ring_idx, 5);
    assert_int_equal(batch.commands_size, 8);
    assert_int_equal(batch.commands[0], 0xaa);
    assert_int_equal(batch.commands[1], 0xbb);
    assert_int_equal(batch.pair_count, 1);
    assert_int_equal(pv_vtest_pair_id(batch.pairs, 0), 77);
    assert_int_equal(pv_vtest_pair_value(batch.pairs, 0), UINT64_C(0x2200000011));
}

static void reads_the_narrow_stride_of_version_3(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, narrow, DWORDS(narrow), 3));
    check_the_batch(&submit, 0);
}

static void reads_the_wide_stride_under_version_3(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, wide, DWORDS(wide), 3));
    check_the_batch(&submit, 0);
}

static void reads_the_wide_stride_of_version_4(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, wide, DWORDS(wide), 4));
    check_the_batch(&submit, 0);
}

static void reads_several_batches_of_version_4(void **state)
{
    (void)state;
    const uint32_t words[] = {
        2,                                   //
        1,    17,   2,  19,   1,    5, 0, 0, // the batch of check_the_batch()
        1,    17,   0,  19,   0,    3, 0, 0, // nothing, on ring 3
        0xaa, 0xbb, 77, 0x11, 0x22,          //
    };
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, words, DWORDS(words), 4));
    assert_int_equal(submit.batch_count, 2);
    check_the_batch(&submit, 0);
    const struct pv_vtest_batch batch = pv_vtest_submit_batch(&submit, 1);
    assert_int_equal(batch.ring_idx, 3);
    assert_int_equal(batch.commands_size, 0);
    assert_int_equal(batch.pair_count, 0);
}

static void accepts_an_empty_command_stream_at_the_end(void **state)
{
    (void)state;
    const uint32_t message[] = {1, 1, 7, 0, 7, 0, 63};
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, message, DWORDS(message), 3));
    assert_int_equal(pv_vtest_submit_batch(&submit, 0).commands_size, 0);
}

static void rejects_malformed_messages(void **state)
{
    (void)state;
    static const struct {
        const char *problem;
        uint32_t version;
        uint32_t dwords;
        uint32_t words[20];
    } cases[] = {
        {"no batch count", 3, 0, {0}},
        {"no batches", 3, 1, {0}},
        {"no batches", 3, 12, {0, 1, 7, 2, 9, 1, 5, 0, 0, 1}},
        {"several batches need protocol version 4", 3, 13, {2}},
        {"batch headers outside the message", 3, 6, {1, 1, 0, 0, 0, 0}},
        {"batch headers outside the message", 4, 7, {1, 1, 0, 0, 0, 0, 0}},
        {"batch headers outside the message", 4, 16, {2}},
        {"batch headers outside the message", 4, 16, {UINT32_MAX}},
        {"batch headers outside the message", 4, 16, {0x20000001}},
        {"unsupported batch flags", 3, 7, {1, 2, 0, 0, 0, 0, 0}},
        {"unsupported batch flags", 3, 7, {1, 4, 0, 0, 0, 0, 0}},
        {"unsupported batch flags", 3, 7, {1, 0x80000001, 0, 0, 0, 0, 0}},
        {"ring_idx out of range", 3, 7, {1, 1, 0, 0, 0, 0, 64}},
        {"ring_idx out of range", 3, 7, {1, 1, 0, 0, 0, 0, UINT32_MAX}},
        {"command bytes outside the message", 3, 7, {1, 1, 7, 1, 0, 0, 0}},
        {"command bytes outside the message", 3, 7, {1, 1, 8, 0, 0, 0, 0}},
        {"command bytes outside the message", 3, 7, {1, 1, UINT32_MAX, 8, 0, 0, 0}},
        {"command bytes outside the message", 3, 7, {1, 1, 8, UINT32_MAX, 0, 0, 0}},
        {"syncs outside the message", 3, 7, {1, 1, 0, 0, 5, 1, 0}},
        {"syncs outside the message", 3, 7, {1, 1, 0, 0, 8, 0, 0}},
        {"syncs outside the message", 3, 7, {1, 1, 0, 0, UINT32_MAX, 1, 0}},
        {"syncs outside the message", 3, 7, {1, 1, 0, 0, 0, 0x55555556, 0}},
        {"syncs outside the message", 3, 7, {1, 1, 0, 0, 0, UINT32_MAX, 0}},
        {"DRM sync objects are not supported", 4, 9, {1, 1, 0, 0, 0, 0, 0, 1, 0}},
        {"DRM sync objects are not supported", 4, 9, {1, 1, 0, 0, 0, 0, 0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pv_vtest_submit submit;
        const char *problem =
            pv_vtest_submit_parse(&submit, cases[i].words, cases[i].dwords, cases[i].version);
        assert_non_null(problem);
        assert_string_equal(problem, cases[i].problem);
    }
}

static void ignores_ring_idx_without_its_flag(void **state)
{
    (void)state;
    const uint32_t message[] = {1, 0, 7, 0, 7, 0, 99};
    struct pv_vtest_submit submit;
    assert_null(pv_vtest_submit_parse(&submit, message, DWORDS(message), 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_narrow_stride_of_version_3),
        cmocka_unit_test(reads_the_wide_stride_under_version_3),
        cmocka_unit_test(reads_the_wide_stride_of_version_4),
        cmocka_unit_test(reads_several_batches_of_version_4),
        cmocka_unit_test(accepts_an_empty_command_stream_at_the_end),
        cmocka_unit_test(rejects_malformed_messages),
        cmocka_unit_test(ignores_ring_idx_without_its_flag),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}

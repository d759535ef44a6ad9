// src/base/arith.h: every function at the edge where it starts to say no.
#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static void adds_until_it_overflows(void **state)
{
    (void)state;
    uint64_t u64;
    assert_true(pv_u64_add(UINT64_MAX - 1, 1, &u64));
    assert_true(u64 == UINT64_MAX);
    assert_false(pv_u64_add(UINT64_MAX, 1, &u64));
    assert_false(pv_u64_add(1, UINT64_MAX, &u64));

    size_t size;
    assert_true(pv_size_add(SIZE_MAX, 0, &size));
    assert_true(size == SIZE_MAX);
    assert_false(pv_size_add(SIZE_MAX, 1, &size));
}

static void multiplies_until_it_overflows(void **state)
{
    (void)state;
    uint64_t u64;
    assert_true(pv_u64_mul(UINT64_C(1) << 32, UINT32_MAX, &u64));
    assert_true(u64 == (uint64_t)UINT32_MAX << 32);
    assert_true(pv_u64_mul(UINT64_MAX, 0, &u64));
    assert_true(u64 == 0);
    assert_false(pv_u64_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &u64));

    size_t size;
    assert_true(pv_size_mul(SIZE_MAX / 2, 2, &size));
    assert_true(size == SIZE_MAX - 1);
    assert_false(pv_size_mul(SIZE_MAX / 2 + 1, 2, &size));
}

static void aligns_up_until_it_overflows(void **state)
{
    (void)state;
    static const struct {
        uint64_t value, alignment, aligned;
    } cases[] = {
        {0, 4096, 0},
        {1, 4096, 4096},
        {4095, 4096, 4096},
        {4096, 4096, 4096},
        {4097, 4096, 8192},
        {7, 1, 7},
        {UINT64_MAX - 4095, 4096, UINT64_MAX - 4095},
        {1, UINT64_C(1) << 63, UINT64_C(1) << 63},
    };
    uint64_t u64;
    size_t size;
    for (size_t i = 0; i < PV_ARRAY_LENGTH(cases); i++) {
        assert_true(pv_u64_align_up(cases[i].value, cases[i].alignment, &u64));
        assert_true(u64 == cases[i].aligned);
    }
    assert_false(pv_u64_align_up(UINT64_MAX - 4094, 4096, &u64));
    assert_false(pv_u64_align_up(UINT64_MAX, 2, &u64));
    assert_true(pv_size_align_up(5, 4, &size));
    assert_true(size == 8);
    assert_false(pv_size_align_up(SIZE_MAX, 4, &size));
}

static void knows_powers_of_two_and_multiples(void **state)
{
    (void)state;
    assert_false(pv_is_power_of_two(0));
    assert_true(pv_is_power_of_two(1));
    assert_false(pv_is_power_of_two(6));
    assert_true(pv_is_power_of_two(UINT64_C(1) << 63));
    assert_true(pv_is_aligned(0, 16));
    assert_true(pv_is_aligned(48, 16));
    assert_false(pv_is_aligned(56, 16));
}

static void a_range_may_touch_the_limit_but_not_pass_it(void **state)
{
    (void)state;
    assert_true(pv_range_fits(0, 100, 100));
    assert_true(pv_range_fits(100, 0, 100));
    assert_true(pv_range_fits(60, 40, 100));
    assert_false(pv_range_fits(60, 41, 100));
    assert_false(pv_range_fits(101, 0, 100));
    assert_false(pv_range_fits(UINT64_MAX, 2, 100)); // the sum wraps to 1
    assert_true(pv_range_fits(1, UINT64_MAX - 1, UINT64_MAX));
}

static void narrows_only_what_fits(void **state)
{
    (void)state;
    size_t size = 0;
    assert_true(pv_size_from_u64(SIZE_MAX, &size));
    assert_true(size == SIZE_MAX);
    assert_int_equal(pv_size_from_u64(UINT64_MAX, &size), SIZE_MAX == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_until_it_overflows),
        cmocka_unit_test(multiplies_until_it_overflows),
        cmocka_unit_test(aligns_up_until_it_overflows),
        cmocka_unit_test(knows_powers_of_two_and_multiples),
        cmocka_unit_test(a_range_may_touch_the_limit_but_not_pass_it),
        cmocka_unit_test(narrows_only_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

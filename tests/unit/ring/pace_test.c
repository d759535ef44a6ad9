#include "ring/pace.h"

#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define US UINT64_C(1000)

// Gaps in microseconds, repeated until they are all the memory holds.
struct pace_case {
    const char *name;
    uint32_t gaps_us[8];
    uint32_t from_us, until_us; // 0, 0: no spin
};

static const struct pace_case cases[] = {
    {"nothing known", {0}, 0, 0},
    {"busy all the time", {1, 2, 5}, 0, 0},
    {"short gaps", {20, 22}, 0, 0}, // spun through in any case
    {"hardly longer gaps", {70, 80}, 64, 96},
    {"gaps of any short length", {49, 70, 100, 170}, 48, 192},
    {"200 us, as usleep(150) makes them", {200, 210}, 192, 256},
    {"on both sides of a border", {250, 260}, 192, 384},
    {"long but regular", {800, 900}, 768, 1024},
    {"a frame of 16 ms", {16000}, 0, 0},
    {"a frame of 16 ms with short gaps in it", {16000, 80, 80, 80}, 64, 96},
    {"mostly long, a short one now and then", {5000, 5000, 5000, 5000, 5000, 60}, 48, 64},
    {"hardly ever in time", {5000, 5000, 5000, 5000, 5000, 5000, 5000, 230}, 0, 0},
    {"scattered over all lengths", {300, 700, 1500, 2500, 4000, 8000}, 0, 0},
};

static void plans_what_pays(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LENGTH(cases); i++) {
        struct pv_pace pace = {0};
        for (int round = 0; round < 100; round++) {
            for (size_t j = 0; j < PV_ARRAY_LENGTH(cases[i].gaps_us); j++) {
                if (cases[i].gaps_us[j]) {
                    pv_pace_note_gap(&pace, cases[i].gaps_us[j] * US);
                }
            }
        }
        const struct pv_pace_plan plan = pv_pace_make_plan(&pace);
        if (plan.spin_from_ns != cases[i].from_us * US ||
            plan.spin_until_ns != cases[i].until_us * US) {
            fail_msg("%s: planned %u to %u us", cases[i].name, (unsigned)(plan.spin_from_ns / US),
                     (unsigned)(plan.spin_until_ns / US));
        }
    }
}

static void forgets_what_was_long_ago(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    for (int i = 0; i < 1000; i++) {
        pv_pace_note_gap(&pace, 800 * US);
    }
    for (int i = 0; i < 60; i++) {
        pv_pace_note_gap(&pace, 70 * US);
    }
    struct pv_pace_plan plan = pv_pace_make_plan(&pace);
    assert_int_equal(plan.spin_until_ns, 96 * US);
    for (int i = 0; i < 200; i++) {
        pv_pace_note_gap(&pace, 50 * 1000 * US);
    }
    plan = pv_pace_make_plan(&pace);
    assert_int_equal(plan.spin_until_ns, 0);
}

static void is_awake_in_time_when_sleeps_end_late(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    for (int i = 0; i < 100; i++) {
        pv_pace_note_gap(&pace, 200 * US);
        pv_pace_note_sleep(&pace, 50 * US);
    }
    struct pv_pace_plan plan = pv_pace_make_plan(&pace);
    assert_in_range(plan.spin_from_ns, (192 - 51) * US, (192 - 49) * US);
    assert_int_equal(plan.spin_until_ns, 256 * US);

    // A thread that was away for a second is no reason to spin for one.
    for (int i = 0; i < 100; i++) {
        pv_pace_note_sleep(&pace, 1000000 * US);
    }
    plan = pv_pace_make_plan(&pace);
    assert_int_equal(plan.spin_from_ns, 0);
    assert_int_equal(plan.spin_until_ns, 256 * US);
}

static void spins_less_when_others_need_the_core(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    int spins = 0;
    for (int i = 0; i < 1000; i++) {
        const struct pv_pace_plan plan = pv_pace_make_plan(&pace);
        if (plan.spin_until_ns != 0) {
            spins++;
            pv_pace_note_contention(&pace);
        }
        pv_pace_note_gap(&pace, 200 * US);
    }
    assert_in_range(spins, 50, 300);
    for (int i = 0; i < 30; i++) { // they have gone
        pv_pace_note_gap(&pace, 200 * US);
    }
    assert_int_equal(pv_pace_make_plan(&pace).spin_until_ns, 256 * US);
}

// Whatever the guest does, one spin is bounded, and so is the share of spins that miss.
static void never_spins_for_long(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct pv_pace pace = {0};
    for (int i = 0; i < 200000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        const uint64_t scale = (random >> 20) % 41; // all magnitudes, in long runs of a kind
        const uint64_t gap_ns = i / 500 % 2 ? (random >> 33) >> scale % 20 : random >> 24 >> scale;
        pv_pace_note_gap(&pace, gap_ns);
        const struct pv_pace_plan plan = pv_pace_make_plan(&pace);
        assert_true(plan.spin_from_ns <= plan.spin_until_ns);
        assert_true(plan.spin_until_ns <= 1024 * US);
        assert_true(plan.spin_until_ns - plan.spin_from_ns <= 640 * US);
    }
}

static void note_long_gaps(struct pv_pace *pace, int count)
{
    for (int i = 0; i < count; i++) {
        pv_pace_note_gap(pace, 5000 * US);
    }
}

static void expects_a_long_gap_after_some(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    assert_false(pv_pace_expects_long_gap(&pace));
    note_long_gaps(&pace, 3);
    assert_true(pv_pace_expects_long_gap(&pace));
    pv_pace_note_gap(&pace, 100 * US);
    assert_false(pv_pace_expects_long_gap(&pace));
    for (int i = 0; i < 1000; i++) { // a frame's long gap, and others in the frame
        note_long_gaps(&pace, 1);
        assert_false(pv_pace_expects_long_gap(&pace));
        pv_pace_note_gap(&pace, 300 * US);
    }
    note_long_gaps(&pace, 3);
    assert_true(pv_pace_expects_long_gap(&pace));
}

// Two long gaps and one that is not, again and again: each of the latter would be found late.
static void is_not_surprised_for_ever(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    int surprises = 0;
    for (int i = 0; i < 1000; i++) {
        note_long_gaps(&pace, 3);
        if (pv_pace_expects_long_gap(&pace)) {
            pv_pace_note_surprise(&pace);
            surprises++;
        } else {
            pv_pace_note_gap(&pace, 300 * US);
        }
    }
    assert_in_range(surprises, 1, 4);
    note_long_gaps(&pace, 1000); // but an idle guest is believed
    assert_true(pv_pace_expects_long_gap(&pace));
}

static void gathers_while_it_brings_more(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    for (int i = 0; i < 1000; i++) {
        assert_true(pv_pace_should_gather(&pace));
        pv_pace_note_gathered(&pace, true);
    }
    int tries = 0;
    for (int i = 0; i < 10000; i++) { // the guest now waits for each answer
        if (pv_pace_should_gather(&pace)) {
            tries++;
            pv_pace_note_gathered(&pace, false);
        }
    }
    assert_in_range(tries, 30, 60);
    while (!pv_pace_should_gather(&pace)) { // and streams again
    }
    for (int i = 0; i < 1000; i++) {
        pv_pace_note_gathered(&pace, true);
        assert_true(pv_pace_should_gather(&pace));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_what_pays),
        cmocka_unit_test(forgets_what_was_long_ago),
        cmocka_unit_test(is_awake_in_time_when_sleeps_end_late),
        cmocka_unit_test(spins_less_when_others_need_the_core),
        cmocka_unit_test(never_spins_for_long),
        cmocka_unit_test(expects_a_long_gap_after_some),
        cmocka_unit_test(is_not_surprised_for_ever),
        cmocka_unit_test(gathers_while_it_brings_more),
    };
    return cmocka_run_group_tests_name("ring pace", tests, NULL, NULL);
}

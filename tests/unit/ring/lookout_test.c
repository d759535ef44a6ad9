// What a ring thread does between two commands, on a clock of our own.
#include "ring/lookout.h"

#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

// A turn of the spin on a machine that nobody else uses, and how late a sleep ends there.
#define TURN_NS 500
#define LATE_NS (60 * US)

struct seen {
    uint32_t spins, sleeps, idles;
    uint64_t idle_after_ns; // the first time; since the work ended or the notification came
    uint64_t found_late_ns;
};

// Work comes after `gap_ns`; `turn_ns` is how long others keep the core from a yielding thread.
static struct seen wait_for(struct pv_pace *pace, uint64_t gap_ns, uint64_t turn_ns,
                            uint64_t late_ns)
{
    struct seen seen = {0};
    const uint64_t begin_ns = 77 * MS, work_ns = begin_ns + gap_ns;
    uint64_t now_ns = begin_ns;
    struct pv_lookout lookout;
    pv_lookout_begin(&lookout, pace, MS, now_ns);
    while (now_ns < work_ns) {
        switch (pv_lookout_next(&lookout)) {
        case PV_LOOKOUT_SPIN:
            seen.spins++;
            now_ns += turn_ns;
            break;
        case PV_LOOKOUT_SLEEP:
            assert_true(lookout.until_ns > now_ns);
            seen.sleeps++;
            now_ns = lookout.until_ns + late_ns;
            break;
        case PV_LOOKOUT_IDLE:
            seen.idle_after_ns = seen.idles++ ? seen.idle_after_ns : now_ns - begin_ns;
            now_ns = work_ns; // the guest notifies
            break;
        }
        pv_lookout_done(&lookout, now_ns, now_ns >= work_ns);
    }
    pv_lookout_end(&lookout);
    seen.found_late_ns = now_ns - work_ns;
    return seen;
}

static void spins_sleeps_and_is_idle(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    const struct seen seen = wait_for(&pace, 3 * MS, TURN_NS, 0);
    assert_int_equal(seen.spins, PV_PACE_MIN_NS / TURN_NS);
    assert_in_range(seen.sleeps, 12, 16);
    assert_int_equal(seen.idles, 1);
    assert_in_range(seen.idle_after_ns, MS, MS + MS / 4);
}

static void finds_work_late_by_a_quarter_of_the_gap(void **state)
{
    (void)state;
    for (uint64_t gap_ns = US; gap_ns < MS; gap_ns += 7 * US) {
        struct pv_pace pace = {0};
        const struct seen seen = wait_for(&pace, gap_ns, TURN_NS, 0);
        assert_true(seen.found_late_ns <= gap_ns / 4 + 10 * US);
        assert_true(gap_ns >= PV_PACE_MIN_NS || seen.found_late_ns <= TURN_NS);
        assert_int_equal(seen.idles, 0);
    }
}

// Once through the time in which IDLE must not be set, and then once in it.
static void sleeps_through_where_gaps_are_long(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    for (int i = 0; i < 3; i++) {
        wait_for(&pace, 3 * MS, TURN_NS, LATE_NS);
    }
    const struct seen seen = wait_for(&pace, 3 * MS, TURN_NS, LATE_NS);
    assert_int_equal(seen.sleeps, 1);
    assert_int_equal(seen.idles, 1);
    assert_int_equal(seen.idle_after_ns, MS + LATE_NS);
}

// A gap that was shorter after all ends that, for some time.
static void looks_again_after_a_surprise(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    for (int i = 0; i < 3; i++) {
        wait_for(&pace, 3 * MS, TURN_NS, LATE_NS);
    }
    assert_int_equal(wait_for(&pace, 300 * US, TURN_NS, LATE_NS).sleeps, 1);
    for (int i = 0; i < 4; i++) {
        assert_in_range(wait_for(&pace, 3 * MS, TURN_NS, LATE_NS).sleeps, 3, 16);
    }
    assert_in_range(wait_for(&pace, 300 * US, TURN_NS, LATE_NS).sleeps, 2, 8);
}

static void leaves_a_core_that_others_need(void **state)
{
    (void)state;
    struct pv_pace calm = {0}, busy = {0};
    const struct seen contended = wait_for(&busy, 900 * US, 300 * US, LATE_NS);
    assert_int_equal(contended.spins, 1);
    assert_true(contended.sleeps > 0);
    // Nor does it plan to spin where it otherwise would.
    for (int i = 0; i < 4; i++) {
        wait_for(&calm, 300 * US, TURN_NS, 0);
        wait_for(&busy, 300 * US, TURN_NS, 0);
    }
    const uint32_t always = PV_PACE_MIN_NS / TURN_NS;
    assert_true(wait_for(&calm, 300 * US, TURN_NS, 0).spins > always);
    assert_int_equal(wait_for(&busy, 300 * US, TURN_NS, 0).spins, always);
}

// By the guest's time stamp of its notification it may send the next one just idle_timeout later.
static void is_not_idle_soon_after_a_notification(void **state)
{
    (void)state;
    for (uint64_t notified_ns = 0; notified_ns < 2 * MS; notified_ns += 93 * US) {
        struct pv_pace pace = {.long_gaps = 100};
        struct pv_lookout lookout;
        uint64_t now_ns = MS, alive_ns = MS;
        bool notified = false;
        pv_lookout_begin(&lookout, &pace, MS, now_ns);
        for (;;) {
            if (!notified && now_ns >= MS + notified_ns) {
                notified = true;
                pv_lookout_notified(&lookout);
                alive_ns = now_ns;
            }
            const enum pv_lookout_step step = pv_lookout_next(&lookout);
            if (step == PV_LOOKOUT_IDLE) {
                break;
            }
            now_ns = step == PV_LOOKOUT_SPIN ? now_ns + TURN_NS : lookout.until_ns;
            pv_lookout_done(&lookout, now_ns, false);
        }
        assert_true(now_ns - alive_ns >= MS);
    }
}

static void waits_for_no_end_of_time(void **state)
{
    (void)state;
    struct pv_pace pace = {0};
    struct pv_lookout lookout;
    uint64_t now_ns = 5, sleeps = 0;
    pv_lookout_begin(&lookout, &pace, UINT64_MAX, now_ns);
    while (now_ns < 1000 * MS) {
        const enum pv_lookout_step step = pv_lookout_next(&lookout);
        assert_true(step != PV_LOOKOUT_IDLE);
        sleeps += step == PV_LOOKOUT_SLEEP;
        now_ns = step == PV_LOOKOUT_SPIN ? now_ns + TURN_NS : lookout.until_ns;
        pv_lookout_done(&lookout, now_ns, false);
    }
    assert_in_range(sleeps, 100, 140); // ten milliseconds each at last
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spins_sleeps_and_is_idle),
        cmocka_unit_test(finds_work_late_by_a_quarter_of_the_gap),
        cmocka_unit_test(sleeps_through_where_gaps_are_long),
        cmocka_unit_test(looks_again_after_a_surprise),
        cmocka_unit_test(leaves_a_core_that_others_need),
        cmocka_unit_test(is_not_idle_soon_after_a_notification),
        cmocka_unit_test(waits_for_no_end_of_time),
    };
    return cmocka_run_group_tests_name("ring lookout", tests, NULL, NULL);
}

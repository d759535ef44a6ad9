// What a ring thread does between two commands, on a clock of our own.
#include "ring/lookout.h"

#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

// Half a microsecond of looking, and a yield to nobody.
#define TURN_NS 1000
// How late a sleep ends on a machine that nobody else uses.
#define LATE_NS (60 * US)

struct machine {
    uint64_t now_ns;
    uint64_t late_ns;
    uint64_t others_ns; // what others take at each yield
    uint64_t driver_ns; // what the driver takes at the first
};

struct seen {
    uint32_t spins, moves, sleeps, idles;
    uint64_t idle_after_ns; // the first time; since the work ended or the notification came
    uint64_t found_late_ns;
};

// Work comes after `gap_ns`.
static struct seen wait_for(struct machine *machine, struct pv_pace *pace, uint64_t gap_ns)
{
    struct seen seen = {0};
    uint64_t now_ns = machine->now_ns, driver_ns = machine->driver_ns;
    const uint64_t begin_ns = now_ns, work_ns = begin_ns + gap_ns;
    struct pv_lookout lookout;
    pv_lookout_begin(&lookout, pace, MS, now_ns);
    while (now_ns < work_ns) {
        switch (pv_lookout_next(&lookout)) {
        case PV_LOOKOUT_SPIN:
            seen.spins++;
            now_ns += TURN_NS + machine->others_ns + driver_ns;
            driver_ns = 0;
            break;
        case PV_LOOKOUT_MOVE:
            seen.moves++;
            break;
        case PV_LOOKOUT_SLEEP:
            assert_true(lookout.until_ns > now_ns);
            seen.sleeps++;
            now_ns = lookout.until_ns + machine->late_ns;
            break;
        case PV_LOOKOUT_IDLE:
            seen.idle_after_ns = seen.idles++ ? seen.idle_after_ns : now_ns - begin_ns;
            now_ns = work_ns; // the guest notifies
            break;
        }
        pv_lookout_done(&lookout, now_ns, now_ns >= work_ns);
    }
    pv_lookout_end(&lookout);
    machine->now_ns = now_ns;
    seen.found_late_ns = now_ns - work_ns;
    return seen;
}

static void wait_often(struct machine *machine, struct pv_pace *pace, uint64_t gap_ns, int times)
{
    for (int i = 0; i < times; i++) {
        wait_for(machine, pace, gap_ns);
    }
}

static void spins_sleeps_and_is_idle(void **state)
{
    (void)state;
    struct machine machine = {0};
    struct pv_pace pace = {0};
    const struct seen seen = wait_for(&machine, &pace, 3 * MS);
    assert_int_equal(seen.spins, PV_PACE_MIN_NS / TURN_NS);
    assert_in_range(seen.sleeps, 12, 16);
    assert_int_equal(seen.idles, 1);
    assert_in_range(seen.idle_after_ns, MS, MS + MS / 4);
}

static void finds_work_late_by_a_quarter_of_the_gap(void **state)
{
    (void)state;
    for (uint64_t gap_ns = US; gap_ns < MS; gap_ns += 7 * US) {
        struct machine machine = {0};
        struct pv_pace pace = {0};
        const struct seen seen = wait_for(&machine, &pace, gap_ns);
        assert_true(seen.found_late_ns <= gap_ns / 4 + 10 * US);
        assert_true(gap_ns >= PV_PACE_MIN_NS || seen.found_late_ns <= US);
        assert_int_equal(seen.idles, 0);
    }
}

// Once through the time in which IDLE must not be set, and then once in it.
static void sleeps_through_where_gaps_are_long(void **state)
{
    (void)state;
    struct machine machine = {.late_ns = LATE_NS};
    struct pv_pace pace = {0};
    wait_often(&machine, &pace, 3 * MS, 3);
    const struct seen seen = wait_for(&machine, &pace, 3 * MS);
    assert_int_equal(seen.sleeps, 1);
    assert_int_equal(seen.idles, 1);
    assert_int_equal(seen.idle_after_ns, MS + LATE_NS);
}

// A gap that was shorter after all ends that, for some time.
static void looks_again_after_a_surprise(void **state)
{
    (void)state;
    struct machine machine = {.late_ns = LATE_NS};
    struct pv_pace pace = {0};
    wait_often(&machine, &pace, 3 * MS, 3);
    assert_int_equal(wait_for(&machine, &pace, 300 * US).sleeps, 1);
    for (int i = 0; i < 4; i++) {
        assert_in_range(wait_for(&machine, &pace, 3 * MS).sleeps, 3, 16);
    }
    assert_in_range(wait_for(&machine, &pace, 300 * US).sleeps, 2, 8);
}

static void leaves_a_core_that_others_need(void **state)
{
    (void)state;
    struct machine alone = {0}, crowd = {.late_ns = LATE_NS, .others_ns = 300 * US};
    struct pv_pace calm = {0}, busy = {0};
    const struct seen contended = wait_for(&crowd, &busy, 900 * US);
    assert_int_equal(contended.spins, 1);
    assert_true(contended.sleeps > 0);
    // Nor does it plan to spin where it otherwise would.
    wait_often(&alone, &calm, 300 * US, 4);
    wait_often(&alone, &busy, 300 * US, 4);
    const uint32_t always = PV_PACE_MIN_NS / TURN_NS;
    assert_true(wait_for(&alone, &calm, 300 * US).spins > always);
    assert_int_equal(wait_for(&alone, &busy, 300 * US).spins, always);
}

// A guest that sleeps while the driver's thread has done its work on the core of the ring.
static void moves_away_from_the_driver(void **state)
{
    (void)state;
    struct machine machine = {.driver_ns = 20 * US};
    struct pv_pace pace = {0};
    assert_int_equal(wait_for(&machine, &pace, 250 * US).moves, 0);
    assert_int_equal(wait_for(&machine, &pace, 250 * US).moves, 0);
    assert_int_equal(wait_for(&machine, &pace, 250 * US).moves, 1);

    // In vain: less and less often.
    uint32_t moves = 0;
    for (int i = 0; i < 4000; i++) { // a second
        moves += wait_for(&machine, &pace, 250 * US).moves;
    }
    assert_in_range(moves, 15, 22);

    // It does help: the driver runs elsewhere, and much later it is here again.
    machine.driver_ns = 0;
    wait_often(&machine, &pace, 20 * US, 500000); // ten seconds
    machine.driver_ns = 20 * US;
    moves = 0;
    for (int i = 0; i < 20; i++) {
        moves += wait_for(&machine, &pace, 250 * US).moves;
    }
    assert_int_equal(moves, 2);
}

static void stays_where_moving_is_no_help(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct machine machine;
        uint64_t gap_ns;
    } cases[] = {
        {"nobody else is here", {0}, 250 * US},
        {"the driver is still at work", {.others_ns = 20 * US}, 250 * US},
        {"the guest would sleep anyway", {.driver_ns = 100 * US}, 400 * US},
        {"the driver works for long", {.driver_ns = 300 * US}, 900 * US},
        {"the guest comes in time", {.driver_ns = 20 * US}, 30 * US},
    };
    for (size_t i = 0; i < PV_ARRAY_LENGTH(cases); i++) {
        struct machine machine = cases[i].machine;
        struct pv_pace pace = {0};
        for (int j = 0; j < 100; j++) {
            if (wait_for(&machine, &pace, cases[i].gap_ns).moves > 0) {
                fail_msg("%s: moved", cases[i].name);
            }
        }
    }
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
            now_ns = step == PV_LOOKOUT_SLEEP ? lookout.until_ns : now_ns + TURN_NS;
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
        now_ns = step == PV_LOOKOUT_SLEEP ? lookout.until_ns : now_ns + TURN_NS;
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
        cmocka_unit_test(moves_away_from_the_driver),
        cmocka_unit_test(stays_where_moving_is_no_help),
        cmocka_unit_test(is_not_idle_soon_after_a_notification),
        cmocka_unit_test(waits_for_no_end_of_time),
    };
    return cmocka_run_group_tests_name("ring lookout", tests, NULL, NULL);
}

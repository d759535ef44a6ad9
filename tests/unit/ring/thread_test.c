// The ring thread as a guest sees it.
#include "fake_guest.h"

#include "base/os.h"
#include "ring/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct fake_guest guest;

static uint32_t random_below(uint32_t bound)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(state >> 33) % bound;
}

static void open_and_start(uint64_t buffer_size, uint64_t idle_timeout_ns)
{
    guest_open(&guest, buffer_size, idle_timeout_ns);
    guest_start(&guest);
}

static void moves_head_after_each_command(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    const uint32_t first = guest_put(&guest, COMMAND_CHECK, 1, 16);
    const uint32_t gate = guest_put(&guest, COMMAND_GATE, 1, 12);
    const uint32_t last = guest_put(&guest, COMMAND_CHECK, 2, 400);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);
    assert_int_equal(guest_head(&guest), first);
    atomic_store(&guest.gate, 1);
    guest_wait_head(&guest, gate);
    guest_wait_head(&guest, last);
    assert_int_equal(guest_head(&guest), last);
    assert_int_equal(atomic_load(&guest.executed), 3);
    assert_int_equal(pv_ring_bytes(guest.ring), 16 + 12 + 400);
    guest_close(&guest);
}

static void shows_replies_before_head(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    for (uint32_t i = 1; i < 5000; i++) {
        const uint32_t seqno = guest_put(&guest, COMMAND_REPLY, i, 12);
        guest_submit_and_notify(&guest);
        guest_wait_head(&guest, seqno);
        assert_int_equal(guest.reply, i);
    }
    guest_close(&guest);
}

static void push_random_commands(uint32_t count, uint32_t largest)
{
    for (uint32_t i = 0; i < count; i++) {
        guest_put(&guest, COMMAND_CHECK, i, COMMAND_MIN_SIZE + 4 * random_below(largest / 4 - 2));
        if (random_below(3) == 0) {
            guest_submit_and_notify(&guest);
        }
    }
    guest_submit_and_notify(&guest);
    guest_wait_head(&guest, guest.tail);
    assert_int_equal(atomic_load(&guest.executed), count);
}

static void reads_commands_across_the_end_of_the_buffer(void **state)
{
    (void)state;
    open_and_start(64, MS);
    push_random_commands(5000, 64);
    guest_close(&guest);
    open_and_start(4096, MS);
    push_random_commands(20000, 1024);
    guest_close(&guest);
}

static void counts_past_four_gigabytes(void **state)
{
    (void)state;
    guest_open(&guest, 256, MS);
    guest_begin_at(&guest, UINT32_MAX - 4095);
    guest_start(&guest);
    push_random_commands(2000, 256);
    assert_true(guest_head(&guest) < UINT32_MAX / 2); // it has wrapped
    guest_close(&guest);
}

static void fills_the_whole_buffer(void **state)
{
    (void)state;
    open_and_start(1 << 16, MS);
    for (uint32_t i = 1; i < 20; i++) {
        guest_put(&guest, COMMAND_CHECK, i, 1 << 16);
        guest_submit_and_notify(&guest);
    }
    guest_wait_head(&guest, guest.tail);
    guest_close(&guest);
}

static void executes_what_was_there_and_not_what_is_there_now(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    guest_put(&guest, COMMAND_GATE, 1, 12);
    const uint32_t last = guest_put(&guest, COMMAND_CHECK, 7, 1024);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);
    memset(guest.memory + guest.layout.buffer_offset, 0xff, 4096); // a second, hostile thread
    atomic_store(&guest.gate, 1);
    guest_wait_head(&guest, last);
    assert_int_equal(atomic_load(&guest.executed), 2);
    guest_close(&guest);
}

static void expect_failure(uint32_t tail, const char *reason)
{
    open_and_start(4096, MS);
    guest_put(&guest, COMMAND_CHECK, 1, 64);
    guest_submit_and_notify(&guest);
    guest_wait_head(&guest, 64);
    guest_wait_status(&guest, PV_RING_STATUS_IDLE); // notify from the worst state

    atomic_store(guest_word(&guest, guest.layout.tail_offset), tail);
    pv_ring_notify(guest.ring);
    guest_wait_status(&guest, PV_RING_STATUS_FATAL);
    assert_non_null(strstr(atomic_load(&guest.failure), reason));
    assert_int_equal(guest_head(&guest), 64);
    assert_int_equal(atomic_load(&guest.executed), 1);
    guest_close(&guest);
}

static void fails_on_a_tail_that_cannot_be(void **state)
{
    (void)state;
    expect_failure(64 + 4096 + 4, "further ahead");
    expect_failure(64 + 0x80000000u, "further ahead");
    expect_failure(60, "further ahead"); // backwards
    expect_failure(64 + 6, "aligned");
    expect_failure(64 + 4095, "aligned");
}

static void stops_when_a_command_fails(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    const uint32_t good = guest_put(&guest, COMMAND_CHECK, 1, 16);
    guest_put(&guest, COMMAND_FAIL, 0, 12);
    guest_put(&guest, COMMAND_CHECK, 2, 16);
    guest_submit_and_notify(&guest);
    guest_wait_status(&guest, PV_RING_STATUS_FATAL);
    assert_int_equal(guest_head(&guest), good);
    assert_null(atomic_load(&guest.failure)); // the owner knows
    guest_submit(&guest);
    pv_ring_notify(guest.ring);
    sleep_ns(2 * MS);
    assert_int_equal(atomic_load(&guest.executed), 1);
    guest_close(&guest);
}

static void becomes_idle_and_wakes_on_notify(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    for (uint32_t i = 1; i < 30; i++) {
        guest_wait_status(&guest, PV_RING_STATUS_IDLE);
        guest_wait_sleep(&guest); // after IDLE it still looks, for some microseconds
        const uint32_t seqno = guest_put(&guest, COMMAND_CHECK, i, 64);
        const bool idle = guest_submit(&guest);
        if (i == 1) {
            sleep_ns(20 * MS);
            assert_true(idle);
            assert_int_equal(guest_head(&guest), 0); // it really sleeps
        }
        pv_ring_notify(guest.ring);
        guest_wait_head(&guest, seqno);
        assert_int_equal(guest_status(&guest) & ~(uint32_t)PV_RING_STATUS_IDLE, 0);
    }
    guest_close(&guest);
}

static void is_awake_while_there_is_work(void **state)
{
    (void)state;
    open_and_start(4096, 200 * MS);
    uint32_t seen_idle = 0;
    for (uint32_t i = 1; i < 100; i++) {
        guest_put(&guest, COMMAND_CHECK, i, 64);
        seen_idle += guest_submit(&guest);
        guest_wait_head(&guest, guest.tail);
        sleep_ns(MS / 4);
    }
    assert_true(seen_idle <= 2); // this machine may have been away for 200 ms
    guest_close(&guest);
}

// The guest will not notify again before that time is over.
static void stays_awake_for_the_idle_time_after_a_notification(void **state)
{
    (void)state;
    const uint64_t timeout_ns = 100 * MS;
    open_and_start(4096, timeout_ns);
    for (int i = 0; i < 5; i++) {
        guest_wait_status(&guest, PV_RING_STATUS_IDLE);
        const uint64_t notified_ns = pv_os_now_ns();
        pv_ring_notify(guest.ring);
        while (guest_status(&guest) & PV_RING_STATUS_IDLE) {
        }
        sleep_ns(random_below(20) * MS);
        // A later one counts as well, and the ring is awake now.
        const bool again = i % 2;
        const uint64_t again_ns = pv_os_now_ns();
        const bool was_idle = guest_status(&guest) & PV_RING_STATUS_IDLE;
        if (again && !was_idle) {
            pv_ring_notify(guest.ring);
        }
        guest_wait_status(&guest, PV_RING_STATUS_IDLE);
        const uint64_t since_ns = again && !was_idle ? again_ns : notified_ns;
        assert_true(pv_os_now_ns() - since_ns >= timeout_ns);
    }
    guest_close(&guest);
}

static void an_idle_ring_sleeps(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    guest_wait_status(&guest, PV_RING_STATUS_IDLE);
    guest_wait_sleep(&guest);
    const uint32_t sleeps = atomic_load(&guest.sleeps);
    sleep_ns(300 * MS);
    assert_int_equal(atomic_load(&guest.sleeps), sleeps);
    assert_int_equal(atomic_load(&guest.wakes), sleeps); // one more at the start
    guest_close(&guest);
}

static void learns_how_long_gaps_are(void **state)
{
    (void)state;
    open_and_start(4096, MS);
    guest_wait_status(&guest, PV_RING_STATUS_IDLE);
    for (uint32_t i = 1; i <= 5; i++) {
        sleep_ns(2 * MS);
        guest_put(&guest, COMMAND_CHECK, 0, 64);
        guest_submit(&guest);
        pv_ring_notify(guest.ring);
        guest_wait_head(&guest, guest.tail);
        guest_wait_status(&guest, PV_RING_STATUS_IDLE);
        assert_int_equal(guest.ring->pace.long_gaps, i);
    }
    guest_close(&guest);
}

static void works_with_any_idle_timeout(void **state)
{
    (void)state;
    open_and_start(4096, 0);
    for (uint32_t i = 1; i < 200; i++) {
        guest_put(&guest, COMMAND_CHECK, i, 64);
        guest_submit_and_notify(&guest);
        guest_wait_head(&guest, guest.tail);
    }
    guest_close(&guest);

    open_and_start(4096, UINT64_MAX);
    for (uint32_t i = 1; i < 20; i++) {
        guest_put(&guest, COMMAND_CHECK, i, 64);
        assert_false(guest_submit(&guest));
        guest_wait_head(&guest, guest.tail);
        sleep_ns(5 * MS);
    }
    guest_close(&guest);
}

// The guest's side of the bargain is Mesa's: a notification if it sees IDLE, at most one in an
// idle time. Pauses of all lengths around that time, to meet every state of the ring.
static void loses_no_submission(void **state)
{
    (void)state;
    const uint64_t timeout_ns = MS / 5;
    open_and_start(4096, timeout_ns);
    for (uint32_t i = 1; i < 3000; i++) {
        const uint32_t seqno = guest_put(&guest, COMMAND_REPLY, i, 12 + 4 * random_below(50));
        guest_submit_and_notify(&guest);
        if (random_below(4) != 0) {
            guest_wait_head(&guest, seqno);
            assert_int_equal(guest.reply, i);
        }
        const uint32_t pause_us = random_below(400);
        if (pause_us > 300) {
            sleep_ns(pause_us * 1000);
        } else {
            const uint64_t until_ns = pv_os_now_ns() + pause_us * 1000;
            while (pv_os_now_ns() < until_ns) {
            }
        }
    }
    guest_wait_head(&guest, guest.tail);
    assert_true(guest.notifications > 10);
    guest_close(&guest);
}

static void stops_in_every_state(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        open_and_start(4096, MS / 2);
        switch (i % 6) {
        case 0: // just started
            break;
        case 1:
            guest_wait_status(&guest, PV_RING_STATUS_IDLE);
            break;
        case 2:
            sleep_ns(random_below(600) * 1000); // about to be idle
            break;
        case 3: // within a command
            guest_put(&guest, COMMAND_GATE, 1, 12);
            guest_put(&guest, COMMAND_CHECK, 1, 12);
            guest_submit_and_notify(&guest);
            guest_wait_gate(&guest, 1);
            pv_ring_stop(guest.ring);
            break;
        case 4: // in a wait
            guest_put(&guest, COMMAND_WAIT, 1, 12);
            guest_submit_and_notify(&guest);
            sleep_ns(random_below(200) * 1000);
            break;
        case 5: // at work
            for (uint32_t j = 0; j < 40; j++) {
                guest_put(&guest, COMMAND_CHECK, j, 64);
                guest_submit_and_notify(&guest);
            }
            break;
        }
        const uint32_t wait = i % 6 == 4;
        struct pv_ring *ring = guest.ring;
        pv_ring_stop(ring);
        pv_ring_stop(ring); // a second time is no harm
        guest_close(&guest);
        assert_true(atomic_load(&guest.waits_lost) <= wait);
        assert_true(i % 6 != 3 || atomic_load(&guest.executed) == 0);
    }
}

static void destroys_a_ring_that_never_ran(void **state)
{
    (void)state;
    guest_open(&guest, 4096, MS);
    guest_close(&guest);
    pv_ring_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_head_after_each_command),
        cmocka_unit_test(shows_replies_before_head),
        cmocka_unit_test(reads_commands_across_the_end_of_the_buffer),
        cmocka_unit_test(counts_past_four_gigabytes),
        cmocka_unit_test(fills_the_whole_buffer),
        cmocka_unit_test(executes_what_was_there_and_not_what_is_there_now),
        cmocka_unit_test(fails_on_a_tail_that_cannot_be),
        cmocka_unit_test(stops_when_a_command_fails),
        cmocka_unit_test(becomes_idle_and_wakes_on_notify),
        cmocka_unit_test(is_awake_while_there_is_work),
        cmocka_unit_test(stays_awake_for_the_idle_time_after_a_notification),
        cmocka_unit_test(an_idle_ring_sleeps),
        cmocka_unit_test(learns_how_long_gaps_are),
        cmocka_unit_test(works_with_any_idle_timeout),
        cmocka_unit_test(loses_no_submission),
        cmocka_unit_test(stops_in_every_state),
        cmocka_unit_test(destroys_a_ring_that_never_ran),
    };
    return cmocka_run_group_tests_name("ring thread", tests, NULL, NULL);
}

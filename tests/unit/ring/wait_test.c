// Waits in both directions between a ring and the context stream, whose part the test plays.
#include "fake_guest.h"

#include "base/arith.h"
#include "base/os.h"
#include "base/thread.h"
#include "ring/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct fake_guest guest;

static int set_up(void **state)
{
    (void)state;
    guest_open(&guest, 4096, MS);
    guest_start(&guest);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guest_close(&guest);
    return 0;
}

// A thread that waits for the ring.
struct waiter {
    uint32_t seqno;
    _Atomic bool returned;
    enum pv_ring_wait_result result;
    struct pv_thread thread;
};

static void waiter_main(void *user)
{
    struct waiter *waiter = user;
    waiter->result = pv_ring_wait_seqno(guest.ring, waiter->seqno);
    atomic_store(&waiter->returned, true);
}

static void waiter_start(struct waiter *waiter, uint32_t seqno)
{
    *waiter = (struct waiter){.seqno = seqno};
    assert_true(pv_thread_start(&waiter->thread, "waiter", waiter_main, waiter));
}

static void expect_result(struct waiter *waiter, enum pv_ring_wait_result result)
{
    pv_thread_join(&waiter->thread);
    assert_int_equal(waiter->result, result);
}

static void returns_at_once_when_done(void **state)
{
    (void)state;
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 0), PV_RING_WAIT_DONE);
    guest_put(&guest, COMMAND_CHECK, 1, 64);
    guest_submit_and_notify(&guest);
    guest_wait_head(&guest, 64);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 64), PV_RING_WAIT_DONE);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 12), PV_RING_WAIT_DONE);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 64 + 0x80000001u), PV_RING_WAIT_DONE);
}

static void wakes_an_idle_ring_without_a_notification(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        guest_wait_status(&guest, PV_RING_STATUS_IDLE);
        guest_wait_sleep(&guest);
        const uint32_t seqno = guest_put(&guest, COMMAND_CHECK, i, 64);
        assert_true(guest_submit(&guest));
        assert_int_equal(pv_ring_wait_seqno(guest.ring, seqno), PV_RING_WAIT_DONE);
        assert_int_equal(guest_head(&guest), seqno);
    }
}

static void returns_when_its_command_is_done_and_a_later_one_is_not(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_GATE, 1, 12);
    const uint32_t wanted = guest_put(&guest, COMMAND_CHECK, 1, 64);
    guest_put(&guest, COMMAND_GATE, 2, 12);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);

    struct waiter waiter;
    waiter_start(&waiter, wanted);
    sleep_ns(5 * MS);
    assert_false(atomic_load(&waiter.returned));
    atomic_store(&guest.gate, 1);
    expect_result(&waiter, PV_RING_WAIT_DONE);
    assert_int_equal(atomic_load(&guest.gate), 1);
    atomic_store(&guest.gate, 2);
}

static void wakes_each_waiter_at_its_own_time(void **state)
{
    (void)state;
    struct waiter waiters[4];
    for (uint32_t i = 0; i < 4; i++) {
        guest_put(&guest, COMMAND_GATE, i + 1, 12);
    }
    guest_submit_and_notify(&guest);
    for (uint32_t i = 0; i < 4; i++) {
        waiter_start(&waiters[i], 12 * (4 - i)); // the latest first
    }
    for (uint32_t i = 0; i < 4; i++) {
        sleep_ns(2 * MS);
        assert_false(atomic_load(&waiters[3 - i].returned));
        atomic_store(&guest.gate, i + 1);
        expect_result(&waiters[3 - i], PV_RING_WAIT_DONE);
    }
}

static void waits_across_the_wrap(void **state)
{
    (void)state;
    tear_down(NULL);
    guest_open(&guest, 4096, MS);
    guest_begin_at(&guest, UINT32_MAX - 63);
    guest_start(&guest);
    guest_put(&guest, COMMAND_GATE, 1, 64);
    const uint32_t seqno = guest_put(&guest, COMMAND_CHECK, 1, 256);
    assert_int_equal(seqno, 256);
    guest_submit_and_notify(&guest);
    struct waiter waiter;
    waiter_start(&waiter, seqno);
    sleep_ns(2 * MS);
    assert_false(atomic_load(&waiter.returned));
    atomic_store(&guest.gate, 1);
    expect_result(&waiter, PV_RING_WAIT_DONE);
    // What was before the wrap is done, too.
    assert_int_equal(pv_ring_wait_seqno(guest.ring, UINT32_MAX - 63), PV_RING_WAIT_DONE);
}

static void detects_an_impossible_wait(void **state)
{
    (void)state;
    // On a ring that has seen nothing, on an idle one, and one byte too far.
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 4), PV_RING_WAIT_IMPOSSIBLE);
    guest_put(&guest, COMMAND_CHECK, 1, 64);
    guest_submit_and_notify(&guest);
    guest_wait_head(&guest, 64);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 65), PV_RING_WAIT_IMPOSSIBLE);
    guest_wait_status(&guest, PV_RING_STATUS_IDLE);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 64 + 0x7fffffffu), PV_RING_WAIT_IMPOSSIBLE);
}

static void detects_an_impossible_wait_when_the_work_runs_out(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_GATE, 1, 12);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);
    struct waiter waiter;
    waiter_start(&waiter, 100);
    sleep_ns(5 * MS);
    assert_false(atomic_load(&waiter.returned)); // who knows what the gate brings
    atomic_store(&guest.gate, 1);
    expect_result(&waiter, PV_RING_WAIT_IMPOSSIBLE);
}

static void ends_when_the_ring_is_stopped(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_GATE, 1, 12);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);
    struct waiter waiter;
    waiter_start(&waiter, 12);
    sleep_ns(5 * MS);
    pv_ring_stop(guest.ring);
    expect_result(&waiter, PV_RING_WAIT_STOPPED);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 12), PV_RING_WAIT_STOPPED);
}

static void ends_when_the_ring_fails(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_GATE, 1, 12);
    guest_put(&guest, COMMAND_FAIL, 0, 12);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 1);
    struct waiter waiter;
    waiter_start(&waiter, 24);
    sleep_ns(5 * MS);
    atomic_store(&guest.gate, 1);
    expect_result(&waiter, PV_RING_WAIT_STOPPED);
}

static void ring_waits_for_the_context_stream(void **state)
{
    (void)state;
    // Published before and after the ring asks; a higher number serves as well.
    static const uint64_t published[] = {1, 2, 7, UINT64_C(1) << 40};
    static const uint32_t wanted[] = {1, 2, 5, 8};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(wanted); i++) {
        if (i % 2 == 0) {
            pv_ring_submit_virtqueue_seqno(guest.ring, published[i]);
        }
        const uint32_t before = guest.tail;
        const uint32_t seqno = guest_put(&guest, COMMAND_WAIT, wanted[i], 12);
        guest_submit_and_notify(&guest);
        if (i % 2 != 0) {
            sleep_ns(5 * MS);
            assert_int_equal(guest_head(&guest), before);
            pv_ring_submit_virtqueue_seqno(guest.ring, published[i]);
        }
        guest_wait_head(&guest, seqno);
    }
    assert_int_equal(atomic_load(&guest.waits_lost), 0);
}

static void a_smaller_number_does_not_release_the_ring(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_WAIT, 5, 12);
    guest_submit_and_notify(&guest);
    for (uint64_t n = 1; n < 5; n++) {
        pv_ring_submit_virtqueue_seqno(guest.ring, n);
        sleep_ns(2 * MS);
        assert_int_equal(guest_head(&guest), 0);
    }
    guest_wait_gate(&guest, 5);
    guest_wait_sleep(&guest); // and holds nothing
    pv_ring_submit_virtqueue_seqno(guest.ring, 5);
    guest_wait_head(&guest, 12);
}

static void stop_releases_a_waiting_ring(void **state)
{
    (void)state;
    guest_put(&guest, COMMAND_WAIT, 5, 12);
    guest_submit_and_notify(&guest);
    guest_wait_gate(&guest, 5);
    guest_wait_sleep(&guest);
    pv_ring_stop(guest.ring);
    tear_down(NULL);
    assert_int_equal(atomic_load(&guest.waits_lost), 1);
    assert_int_equal(atomic_load(&guest.executed), 0);
}

// The ring blocks for the context stream right behind what the context stream waits for: an
// overlooked waiter is a deadlock here.
static void both_directions_at_once_do_not_deadlock(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3000; i++) {
        const uint32_t first = guest_put(&guest, COMMAND_CHECK, i, 12 + 4 * (i % 7));
        const uint32_t last = guest_put(&guest, COMMAND_WAIT, i, 12);
        guest_submit_and_notify(&guest);
        assert_int_equal(pv_ring_wait_seqno(guest.ring, first), PV_RING_WAIT_DONE);
        pv_ring_submit_virtqueue_seqno(guest.ring, i);
        assert_int_equal(pv_ring_wait_seqno(guest.ring, last), PV_RING_WAIT_DONE);
    }
}

// The same with a command that blocks in the driver until the context stream goes on, so that
// only publish and the waiter's own look are left.
static void a_blocked_command_hides_no_progress(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3000; i++) {
        const uint32_t first = guest_put(&guest, COMMAND_CHECK, i, 12 + 4 * (i % 7));
        const uint32_t last = guest_put(&guest, COMMAND_GATE, i, 12);
        guest_submit_and_notify(&guest);
        assert_int_equal(pv_ring_wait_seqno(guest.ring, first), PV_RING_WAIT_DONE);
        atomic_store(&guest.gate, i);
        guest_wait_head(&guest, last);
    }
}

static void writes_only_the_extra_region(void **state)
{
    (void)state;
    const uint64_t extra = guest.layout.extra_offset;
    assert_true(pv_ring_write_extra(guest.ring, 0, 0x11223344));
    assert_true(pv_ring_write_extra(guest.ring, 4, 0x55667788));
    assert_int_equal(atomic_load(guest_word(&guest, extra)), 0x11223344);
    assert_int_equal(atomic_load(guest_word(&guest, extra + 4)), 0x55667788);
    static const uint64_t refused[] = {
        8, 5, 1, 2, 12, UINT64_MAX, UINT64_MAX - 3, UINT64_C(1) << 32};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(refused); i++) {
        assert_false(pv_ring_write_extra(guest.ring, refused[i], 1));
    }
}

static void refuses_words_that_are_not_zero(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0, 128};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(offsets); i++) {
        _Alignas(64) uint8_t memory[512] = {0};
        memory[offsets[i] + 3] = 1;
        const struct pv_ring_params params = {
            .layout = {.size = 512,
                       .tail_offset = 64,
                       .status_offset = 128,
                       .buffer_offset = 192,
                       .buffer_size = 256},
            .memory = memory,
            .ops = guest.ring->ops,
        };
        const char *reason = NULL;
        assert_null(pv_ring_create(&params, &reason));
        assert_non_null(reason);
        memory[offsets[i] + 3] = 0;
        struct pv_ring *ring = pv_ring_create(&params, &reason);
        assert_non_null(ring);
        pv_ring_destroy(ring);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(returns_at_once_when_done),
        TEST(wakes_an_idle_ring_without_a_notification),
        TEST(returns_when_its_command_is_done_and_a_later_one_is_not),
        TEST(wakes_each_waiter_at_its_own_time),
        TEST(waits_across_the_wrap),
        TEST(detects_an_impossible_wait),
        TEST(detects_an_impossible_wait_when_the_work_runs_out),
        TEST(ends_when_the_ring_is_stopped),
        TEST(ends_when_the_ring_fails),
        TEST(ring_waits_for_the_context_stream),
        TEST(a_smaller_number_does_not_release_the_ring),
        TEST(stop_releases_a_waiting_ring),
        TEST(both_directions_at_once_do_not_deadlock),
        TEST(a_blocked_command_hides_no_progress),
        TEST(writes_only_the_extra_region),
        TEST(refuses_words_that_are_not_zero),
    };
#undef TEST
    return cmocka_run_group_tests_name("ring waits", tests, NULL, NULL);
}

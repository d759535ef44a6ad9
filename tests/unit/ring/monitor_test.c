#include "ring/monitor.h"

#include "fake_guest.h"

#include "base/os.h"
#include "ring/state.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS        UINT64_C(1000000)
#define PERIOD_US 50000

static struct fake_guest guests[2];
static struct pv_monitor *monitor;

static int set_up(void **state)
{
    (void)state;
    monitor = pv_monitor_create();
    assert_non_null(monitor);
    for (int i = 0; i < 2; i++) {
        guest_open(&guests[i], 4096, MS);
        guest_start(&guests[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        pv_monitor_remove(monitor, guests[i].ring);
        guest_close(&guests[i]);
    }
    pv_monitor_destroy(monitor);
    return 0;
}

static bool is_alive(const struct fake_guest *guest)
{
    return guest_status(guest) & PV_RING_STATUS_ALIVE;
}

static void clear_alive(const struct fake_guest *guest)
{
    atomic_fetch_and(guest_word(guest, guest->layout.status_offset),
                     ~(uint32_t)PV_RING_STATUS_ALIVE);
}

// How long it takes until the bit is back.
static uint64_t revival_ns(const struct fake_guest *guest)
{
    clear_alive(guest);
    const uint64_t begin_ns = pv_os_now_ns();
    guest_wait_status(guest, PV_RING_STATUS_ALIVE);
    return pv_os_now_ns() - begin_ns;
}

static void sets_alive_at_once_and_again(void **state)
{
    (void)state;
    assert_false(is_alive(&guests[0]));
    assert_true(pv_monitor_add(monitor, guests[0].ring, PERIOD_US));
    assert_true(is_alive(&guests[0]));
    // Not each time on a busy machine.
    uint64_t shortest_ns = UINT64_MAX;
    for (int i = 0; i < 100 && shortest_ns > PERIOD_US * UINT64_C(1000); i++) {
        const uint64_t ns = revival_ns(&guests[0]);
        shortest_ns = ns < shortest_ns ? ns : shortest_ns;
    }
    assert_true(shortest_ns <= PERIOD_US * UINT64_C(1000));
    assert_false(is_alive(&guests[1]));
}

static void reports_while_a_ring_is_blocked(void **state)
{
    (void)state;
    guest_put(&guests[0], COMMAND_GATE, 1, 12);
    guest_submit_and_notify(&guests[0]);
    guest_wait_gate(&guests[0], 1);
    assert_true(pv_monitor_add(monitor, guests[0].ring, PERIOD_US));
    for (int i = 0; i < 3; i++) {
        revival_ns(&guests[0]);
    }
    assert_int_equal(atomic_load(&guests[0].at_gate), 1);
    atomic_store(&guests[0].gate, 1);
}

static void a_shorter_period_counts_from_now(void **state)
{
    (void)state;
    assert_true(pv_monitor_add(monitor, guests[0].ring, 3600u * 1000 * 1000));
    sleep_ns(5 * MS); // the thread has gone to sleep for an hour
    clear_alive(&guests[0]);
    assert_true(pv_monitor_add(monitor, guests[1].ring, PERIOD_US));
    guest_wait_status(&guests[0], PV_RING_STATUS_ALIVE); // ten seconds at most
    revival_ns(&guests[1]);
}

static void leaves_removed_rings_alone(void **state)
{
    (void)state;
    assert_true(pv_monitor_add(monitor, guests[0].ring, PERIOD_US));
    assert_true(pv_monitor_add(monitor, guests[1].ring, PERIOD_US));
    pv_monitor_remove(monitor, guests[0].ring);
    pv_monitor_remove(monitor, guests[0].ring); // unknown by now
    clear_alive(&guests[0]);
    for (int i = 0; i < 3; i++) {
        revival_ns(&guests[1]);
    }
    assert_false(is_alive(&guests[0]));
    pv_monitor_remove(monitor, guests[1].ring);
    assert_true(pv_monitor_add(monitor, guests[0].ring, PERIOD_US)); // from none to one
    revival_ns(&guests[0]);
}

static void a_guest_does_not_choose_the_host_s_wake_ups(void **state)
{
    (void)state;
    assert_true(pv_monitor_add(monitor, guests[0].ring, 1));
    sleep_ns(2 * MS);
    int revivals = 0;
    const uint64_t begin_ns = pv_os_now_ns();
    while (pv_os_now_ns() - begin_ns < 100 * MS) {
        if (is_alive(&guests[0])) {
            clear_alive(&guests[0]);
            revivals++;
        }
        sched_yield();
    }
    assert_true(revivals >= 1 && revivals <= 12);
}

static void needs_no_rings(void **state)
{
    (void)state;
    pv_monitor_destroy(pv_monitor_create());
    pv_monitor_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sets_alive_at_once_and_again),
        TEST(reports_while_a_ring_is_blocked),
        TEST(a_shorter_period_counts_from_now),
        TEST(leaves_removed_rings_alone),
        TEST(a_guest_does_not_choose_the_host_s_wake_ups),
        cmocka_unit_test(needs_no_rings),
    };
#undef TEST
    return cmocka_run_group_tests_name("ring monitor", tests, NULL, NULL);
}

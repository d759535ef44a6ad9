#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <poll.h>

#include "server/os.h"
#include "server/protocol.h"
#include "server/sync.h"
#include "vtest_client.h"

#define FOREVER 0xffffffffu

static int set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    *state = pv_syncs_create();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    pv_syncs_destroy(*state);
    return 0;
}

// Begins a wait and returns a copy of its descriptor, as a client would hold it.
static int begin(struct pv_syncs *syncs, bool any, uint32_t timeout_ms, const uint32_t *pairs,
                 uint32_t count)
{
    struct pv_sync_answer answer;
    assert_int_equal(pv_syncs_wait(syncs, any, timeout_ms, pairs, count, &answer), PV_SYNCS_OK);
    const int fd = dup(answer.fd);
    pv_syncs_answered(syncs, &answer);
    return fd;
}

static void values_go_up_and_down(void **state)
{
    struct pv_syncs *syncs = *state;
    uint64_t value = 0;
    const uint32_t id = pv_syncs_add(syncs, UINT64_MAX);
    assert_int_not_equal(id, 0);
    assert_true(pv_syncs_read(syncs, id, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_true(pv_syncs_write(syncs, id, 0));
    assert_true(pv_syncs_read(syncs, id, &value));
    assert_int_equal(value, 0);
}

static void unknown_numbers_are_refused(void **state)
{
    struct pv_syncs *syncs = *state;
    uint64_t value;
    struct pv_sync_answer answer;
    struct pv_sync_fence *fence;
    const uint32_t id = pv_syncs_add(syncs, 0);
    const uint32_t pairs[6] = {id, 1, 0, 999, 1, 0};
    assert_false(pv_syncs_read(syncs, 999, &value));
    assert_false(pv_syncs_write(syncs, 0, 1));
    assert_false(pv_syncs_remove(syncs, 999));
    assert_int_equal(pv_syncs_wait(syncs, true, FOREVER, pairs, 2, &answer), PV_SYNCS_UNKNOWN);
    assert_int_equal(pv_syncs_prepare(syncs, pairs, 2, &fence), PV_SYNCS_UNKNOWN);
}

static void a_satisfied_wait_is_readable_at_once_and_again(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t pair[3] = {pv_syncs_add(syncs, 5), 5, 0};
    for (int i = 0; i < 600; i++) {
        const int fd = begin(syncs, false, FOREVER, pair, 1);
        uint64_t counter = 0;
        assert_int_equal(vtest_poll(fd, 0), POLLIN);
        assert_int_equal(read(fd, &counter, sizeof(counter)), sizeof(counter));
        assert_int_equal(counter, 1);
        close(fd);
    }
}

static void a_wait_without_time_never_becomes_readable(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t pair[3] = {pv_syncs_add(syncs, 0), 1, 0};
    const int fd = begin(syncs, false, 0, pair, 1);
    assert_true(pv_syncs_write(syncs, pair[0], 1));
    assert_int_equal(vtest_poll(fd, 0), 0);
    close(fd);
}

static void waiting_for_all_needs_all(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t a = pv_syncs_add(syncs, 0);
    const uint32_t b = pv_syncs_add(syncs, 7);
    const uint32_t c = pv_syncs_add(syncs, 0);
    const uint32_t pairs[9] = {a, 1, 0, b, 7, 0, c, 0, 1};
    const int fd = begin(syncs, false, FOREVER, pairs, 3);
    assert_true(pv_syncs_write(syncs, a, 1));
    assert_int_equal(vtest_poll(fd, 0), 0);
    assert_true(pv_syncs_write(syncs, c, UINT32_MAX));
    assert_int_equal(vtest_poll(fd, 0), 0);
    assert_true(pv_syncs_write(syncs, c, UINT64_C(0x100000000)));
    assert_true(vtest_poll(fd, 0) & POLLIN);
    close(fd);
}

static void waiting_for_any_needs_one(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t a = pv_syncs_add(syncs, 0);
    const uint32_t b = pv_syncs_add(syncs, 0);
    const uint32_t pairs[6] = {a, 5, 0, b, 5, 0};
    const int fd = begin(syncs, true, FOREVER, pairs, 2);
    assert_true(pv_syncs_write(syncs, b, 4));
    assert_int_equal(vtest_poll(fd, 0), 0);
    assert_true(pv_syncs_write(syncs, b, 9));
    assert_true(vtest_poll(fd, 0) & POLLIN);
    close(fd);
}

static void one_sync_may_be_named_twice(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t a = pv_syncs_add(syncs, 0);
    const uint32_t pairs[6] = {a, 1, 0, a, 2, 0};
    const int all = begin(syncs, false, FOREVER, pairs, 2);
    const int any = begin(syncs, true, FOREVER, pairs, 2);
    assert_true(pv_syncs_write(syncs, a, 1));
    assert_int_equal(vtest_poll(all, 0), 0);
    assert_true(vtest_poll(any, 0) & POLLIN);
    assert_true(pv_syncs_write(syncs, a, 2));
    assert_true(vtest_poll(all, 0) & POLLIN);
    close(all);
    close(any);
}

static void a_counter_reset_meanwhile_stays_reached(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t a = pv_syncs_add(syncs, 0);
    const uint32_t b = pv_syncs_add(syncs, 0);
    const uint32_t pairs[6] = {a, 1, 0, b, 1, 0};
    const int fd = begin(syncs, false, FOREVER, pairs, 2);
    assert_true(pv_syncs_write(syncs, a, 1));
    assert_true(pv_syncs_write(syncs, a, 0));
    assert_true(pv_syncs_write(syncs, b, 1));
    assert_true(vtest_poll(fd, 0) & POLLIN);
    // A new wait sees the value as it is.
    const int again = begin(syncs, false, FOREVER, pairs, 2);
    assert_int_equal(vtest_poll(again, 0), 0);
    close(fd);
    close(again);
}

static void a_removed_sync_still_serves_waits_and_fences(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t pair[3] = {pv_syncs_add(syncs, 0), 3, 0};
    struct pv_sync_fence *fence;
    const int fd = begin(syncs, false, FOREVER, pair, 1);
    assert_int_equal(pv_syncs_prepare(syncs, pair, 1, &fence), PV_SYNCS_OK);
    assert_true(pv_syncs_remove(syncs, pair[0]));
    assert_int_equal(vtest_poll(fd, 0), 0);
    pv_sync_fence_apply(fence);
    assert_true(vtest_poll(fd, 0) & POLLIN);
    close(fd);
}

static void fences_set_values_in_list_order(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t a = pv_syncs_add(syncs, 0);
    const uint32_t pairs[9] = {a, 9, 0, a, 2, 0, a, 4, 0};
    const uint32_t high[3] = {a, 9, 0};
    struct pv_sync_fence *fence;
    uint64_t value;
    const int fd = begin(syncs, false, FOREVER, high, 1);
    assert_int_equal(pv_syncs_prepare(syncs, pairs, 3, &fence), PV_SYNCS_OK);
    pv_sync_fence_apply(fence);
    assert_true(pv_syncs_read(syncs, a, &value));
    assert_int_equal(value, 4);
    assert_true(vtest_poll(fd, 0) & POLLIN);
    close(fd);
}

static void descriptors_hang_up_when_the_client_is_ended(void **state)
{
    (void)state;
    struct pv_syncs *syncs = pv_syncs_create();
    const uint32_t pair[3] = {pv_syncs_add(syncs, 0), 1, 0};
    const int fd = begin(syncs, false, FOREVER, pair, 1);
    pv_syncs_destroy(syncs);
    assert_int_equal(vtest_poll(fd, 0), POLLHUP);
    close(fd);
}

static void waits_hang_up_when_the_device_is_lost(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t lost = pv_syncs_add(syncs, 1), other = pv_syncs_add(syncs, 0);
    const uint32_t pairs[6] = {lost, 2, 0, other, 1, 0};
    struct pv_sync_fence *fence;
    struct pv_sync_answer answer;
    assert_int_equal(pv_syncs_prepare(syncs, pairs, 1, &fence), PV_SYNCS_OK);
    const int one = begin(syncs, false, FOREVER, pairs, 1);
    const int any = begin(syncs, true, FOREVER, pairs, 2);
    const int without = begin(syncs, false, FOREVER, pairs + 3, 1);
    // Lost before its descriptor is handed out.
    assert_int_equal(pv_syncs_wait(syncs, false, FOREVER, pairs, 1, &answer), PV_SYNCS_OK);
    const int late = dup(answer.fd);
    pv_sync_fence_lose(fence);
    pv_syncs_answered(syncs, &answer);
    assert_int_equal(vtest_poll(one, 0), POLLHUP);
    assert_int_equal(vtest_poll(any, 0), POLLHUP);
    assert_int_equal(vtest_poll(late, 0), POLLHUP);
    assert_int_equal(vtest_poll(without, 0), 0);

    // What begins later, with and without time. Who reads is not kept waiting.
    const int after = begin(syncs, false, FOREVER, pairs, 1);
    const int look = begin(syncs, false, 0, pairs, 1);
    assert_int_equal(vtest_poll(after, 0), POLLHUP);
    assert_int_equal(vtest_poll(look, 0), POLLHUP);
    uint64_t value = 0;
    assert_true(pv_syncs_read(syncs, lost, &value));
    assert_int_equal(value, 2);
    assert_true(pv_syncs_write(syncs, other, 1));
    assert_true(vtest_poll(without, 0) & POLLIN);
    const int fds[] = {one, any, without, late, after, look};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        close(fds[i]);
    }
}

static void an_expired_wait_goes_when_its_client_has_closed_it(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t pair[3] = {pv_syncs_add(syncs, 0), 1, 0};
    const int before = vtest_count_fds(0);
    const int fd = begin(syncs, false, 1, pair, 1);
    assert_int_not_equal(pv_syncs_expire(syncs), UINT64_MAX);
    usleep(3000);
    // The client is late: its descriptor must not hang up yet.
    const uint64_t again = pv_syncs_expire(syncs);
    assert_int_not_equal(again, UINT64_MAX);
    assert_int_equal(vtest_poll(fd, 0), 0);
    close(fd);
    while (pv_server_os_now_ns() < again) {
        usleep(20000);
    }
    assert_int_equal(pv_syncs_expire(syncs), UINT64_MAX);
    assert_int_equal(vtest_count_fds(0), before);
}

static void abandoned_waits_make_room_for_new_ones(void **state)
{
    struct pv_syncs *syncs = *state;
    const uint32_t pair[3] = {pv_syncs_add(syncs, 0), 1, 0};
    for (uint32_t i = 0; i < PV_SYNC_WAIT_LIMIT + 10; i++) {
        close(begin(syncs, false, FOREVER, pair, 1));
    }
}

static void live_waits_are_bounded(void **state)
{
    struct pv_syncs *syncs = *state;
    // Many waits need many descriptors, so the other bound is tested: pairs in all waits.
    const uint32_t count = PV_SYNC_PAIR_LIMIT / 4;
    uint32_t *pairs = test_malloc((size_t)count * 3 * sizeof(*pairs));
    const uint32_t id = pv_syncs_add(syncs, 0);
    for (uint32_t i = 0; i < count; i++) {
        pairs[3 * i] = id;
        pairs[3 * i + 1] = 1;
        pairs[3 * i + 2] = 0;
    }
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = begin(syncs, false, FOREVER, pairs, count);
    }
    struct pv_sync_answer answer;
    struct pv_sync_fence *fence;
    assert_int_equal(pv_syncs_wait(syncs, false, FOREVER, pairs, 1, &answer), PV_SYNCS_TOO_MANY);
    assert_int_equal(pv_syncs_prepare(syncs, pairs, 1, &fence), PV_SYNCS_TOO_MANY);
    assert_true(pv_syncs_write(syncs, id, 1));
    for (int i = 0; i < 4; i++) {
        assert_true(vtest_poll(fds[i], 0) & POLLIN);
        close(fds[i]);
    }
    assert_int_equal(pv_syncs_prepare(syncs, pairs, 1, &fence), PV_SYNCS_OK);
    pv_sync_fence_apply(fence);
    test_free(pairs);
}

static void the_number_of_syncs_is_bounded(void **state)
{
    struct pv_syncs *syncs = *state;
    for (uint32_t i = 0; i < PV_SYNC_LIMIT; i++) {
        assert_int_not_equal(pv_syncs_add(syncs, i), 0);
    }
    assert_int_equal(pv_syncs_add(syncs, 0), 0);
    assert_true(pv_syncs_remove(syncs, 100));
    assert_int_equal(pv_syncs_add(syncs, 0), 100);
}

// The descriptor is handed out while another thread satisfies the wait.
struct race {
    struct pv_syncs *syncs;
    uint32_t id;
};

static void *count_up(void *user)
{
    struct race *race = user;
    for (uint64_t value = 1; value <= 2000; value++) {
        pv_syncs_write(race->syncs, race->id, value);
        usleep(5);
    }
    return NULL;
}

static void a_wait_satisfied_while_it_is_answered_is_seen(void **state)
{
    struct race race = {.syncs = *state, .id = pv_syncs_add(*state, 0)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_up, &race), 0);
    for (uint32_t value = 1; value <= 2000; value++) {
        const uint32_t pair[3] = {race.id, value, 0};
        const int fd = begin(race.syncs, false, FOREVER, pair, 1);
        assert_true(vtest_poll(fd, 5000) & POLLIN);
        close(fd);
    }
    pthread_join(thread, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(values_go_up_and_down),
        CASE(unknown_numbers_are_refused),
        CASE(a_satisfied_wait_is_readable_at_once_and_again),
        CASE(a_wait_without_time_never_becomes_readable),
        CASE(waiting_for_all_needs_all),
        CASE(waiting_for_any_needs_one),
        CASE(one_sync_may_be_named_twice),
        CASE(a_counter_reset_meanwhile_stays_reached),
        CASE(a_removed_sync_still_serves_waits_and_fences),
        CASE(fences_set_values_in_list_order),
        CASE(descriptors_hang_up_when_the_client_is_ended),
        CASE(waits_hang_up_when_the_device_is_lost),
        CASE(an_expired_wait_goes_when_its_client_has_closed_it),
        CASE(abandoned_waits_make_room_for_new_ones),
        CASE(live_waits_are_bounded),
        CASE(the_number_of_syncs_is_bounded),
        CASE(a_wait_satisfied_while_it_is_answered_is_seen),
    };
    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}

// Fence timelines on the mock driver: order, exactly once, whatever happens to the queue.
#include "fence/timeline.h"

#include "base/os.h"
#include "base/thread.h"
#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define MAX_RETIRED 20000

static const uint64_t patience_ns = 20ull * 1000 * 1000 * 1000;

// Linked in the place of pv_thread_start().
bool __real_pv_thread_start(struct pv_thread *thread, const char *name, void (*main)(void *user),
                            void *user);
bool __wrap_pv_thread_start(struct pv_thread *thread, const char *name, void (*main)(void *user),
                            void *user);
static bool threads_fail;

bool __wrap_pv_thread_start(struct pv_thread *thread, const char *name, void (*main)(void *user),
                            void *user)
{
    return !threads_fail && __real_pv_thread_start(thread, name, main, user);
}

struct fixture {
    struct mock_device mock;
    struct pv_host_queue queue;
    struct pv_fence_pool *pool;
    struct pv_queue_timeline *timeline;
    struct pv_log log;

    uint64_t retired[MAX_RETIRED];
    atomic_uint retired_count;
    atomic_int inside; // callbacks running
    atomic_bool overlapped;
    atomic_uint lost_count; // of those retired
    atomic_bool device_lost;
    atomic_uint log_lines;
    unsigned slow_us; // how long each callback takes
};

static void on_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    struct fixture *fixture = user;
    if (atomic_fetch_add(&fixture->inside, 1) != 0) {
        atomic_store(&fixture->overlapped, true);
    }
    if (ring_idx != 7) {
        atomic_store(&fixture->overlapped, true);
    }
    if (fixture->slow_us > 0) {
        usleep(fixture->slow_us);
    }
    const unsigned index = atomic_load(&fixture->retired_count);
    fixture->retired[index] = fence_id;
    atomic_fetch_sub(&fixture->inside, 1);
    atomic_store(&fixture->retired_count, index + 1);
}

static void on_lost(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    struct fixture *fixture = user;
    atomic_fetch_add(&fixture->lost_count, 1);
    on_retired(user, ring_idx, fence_id);
}

static void on_log(void *user, enum pv_log_level level, const char *message)
{
    (void)level;
    (void)message;
    atomic_fetch_add(&((struct fixture *)user)->log_lines, 1);
}

static struct fixture *open_fixture(void)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    mock_device_open(&fixture.mock, NULL);
    pv_host_queue_init(&fixture.queue, fixture.mock.handle, &fixture.mock.vk, fixture.mock.queue,
                       0);
    fixture.pool = pv_fence_pool_create(fixture.mock.handle, &fixture.mock.vk);
    fixture.log = (struct pv_log){on_log, &fixture, PV_LOG_DEBUG};
    fixture.timeline = pv_queue_timeline_create(&(struct pv_queue_timeline_params){
        .queue = &fixture.queue,
        .pool = fixture.pool,
        .log = &fixture.log,
        .ring_idx = 7,
        .retired = on_retired,
        .lost = on_lost,
        .user = &fixture,
        .device_lost = &fixture.device_lost,
    });
    assert_non_null(fixture.timeline);
    return &fixture;
}

static void close_fixture(struct fixture *fixture)
{
    pv_queue_timeline_destroy(fixture->timeline);
    mock_vk_release(UINT32_MAX); // the device becomes idle
    pv_fence_pool_destroy(fixture->pool);
    pv_host_queue_finish(&fixture->queue);
    assert_false(atomic_load(&fixture->overlapped));
    mock_device_close(&fixture->mock);
}

static void await_retired(struct fixture *fixture, unsigned count)
{
    const uint64_t deadline_ns = pv_os_now_ns() + patience_ns;
    while (atomic_load(&fixture->retired_count) < count) {
        if (pv_os_now_ns() > deadline_ns) {
            fail_msg("%u of %u fences retired", atomic_load(&fixture->retired_count), count);
        }
        usleep(100);
    }
}

static void assert_retired_in_order(const struct fixture *fixture, unsigned count)
{
    assert_int_equal(atomic_load(&fixture->retired_count), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(fixture->retired[i], 100 + i);
    }
}

// The guest gives the queue something to do. What, does not matter to the mock.
static void work(struct fixture *fixture)
{
    pv_host_queue_begin(&fixture->queue);
    pv_host_queue_end(&fixture->queue);
}

// Each fence after some work.
static void insert(struct fixture *fixture, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        work(fixture);
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
}

static void retires_on_the_spot_when_the_queue_is_done(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    insert(fixture, 0, 3);
    assert_retired_in_order(fixture, 3);
    assert_int_equal(pv_queue_timeline_pending(fixture->timeline), 0);
    assert_int_equal(mock_vk_call_count("vkWaitForFences"), 0); // no waiter was needed
    close_fixture(fixture);
}

static void asks_the_driver_nothing_about_a_queue_without_new_work(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    assert_true(pv_queue_timeline_insert(fixture->timeline, 100)); // no work ever
    insert(fixture, 1, 1);
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 1);
    assert_true(pv_queue_timeline_insert(fixture->timeline, 102));
    assert_retired_in_order(fixture, 3);
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 1);
    close_fixture(fixture);
}

// As work(), through the driver, with a fence of the timeline's if it wants that. Returns whether.
static bool submit(struct fixture *fixture)
{
    pv_host_queue_begin(&fixture->queue);
    const VkFence fence = pv_queue_timeline_attach(fixture->timeline);
    const VkResult result = fixture->mock.vk.vkQueueSubmit(fixture->queue.handle, 0, NULL, fence);
    if (fence) {
        pv_queue_timeline_attached(fixture->timeline, fence, result);
    }
    pv_host_queue_end(&fixture->queue);
    return fence != VK_NULL_HANDLE;
}

static void lets_submissions_take_fences_along(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    for (unsigned i = 0; i < 2; i++) {
        assert_false(submit(fixture));
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 4);
    mock_vk_hold();
    for (unsigned i = 2; i < 6; i++) {
        assert_true(submit(fixture));
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 8);
    usleep(20000);
    assert_retired_in_order(fixture, 2);
    mock_vk_release(3);
    await_retired(fixture, 5);
    usleep(20000);
    assert_retired_in_order(fixture, 5);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 6);
    assert_retired_in_order(fixture, 6);
    close_fixture(fixture);
}

static void stops_taking_fences_along_that_nobody_asks_for(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    for (unsigned i = 0; i < 3; i++) {
        submit(fixture);
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
    mock_vk_hold();
    assert_true(submit(fixture));
    assert_false(submit(fixture)); // the one before went unused
    const unsigned before = mock_vk_call_count("vkQueueSubmit");
    assert_true(pv_queue_timeline_insert(fixture->timeline, 103));
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), before + 1);
    mock_vk_release(1); // the abandoned fence
    usleep(20000);
    assert_retired_in_order(fixture, 3);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 4);
    assert_retired_in_order(fixture, 4);
    close_fixture(fixture);
}

static void asks_itself_after_a_submission_that_failed(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    for (unsigned i = 0; i < 2; i++) {
        submit(fixture);
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
    mock_vk_fail("vkQueueSubmit", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_true(submit(fixture));
    const unsigned before = mock_vk_call_count("vkQueueSubmit");
    assert_true(pv_queue_timeline_insert(fixture->timeline, 102));
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), before + 1);
    await_retired(fixture, 3);
    assert_retired_in_order(fixture, 3);
    close_fixture(fixture);
}

static void gives_back_an_attached_fence_at_destroy(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    for (unsigned i = 0; i < 2; i++) {
        submit(fixture);
        assert_true(pv_queue_timeline_insert(fixture->timeline, 100 + i));
    }
    mock_vk_hold();
    assert_true(submit(fixture));
    close_fixture(fixture);
}

static void waits_with_the_fence_before_when_there_is_no_new_work(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 1);
    assert_true(pv_queue_timeline_insert(fixture->timeline, 101));
    insert(fixture, 2, 1);
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 2);
    usleep(20000);
    assert_int_equal(atomic_load(&fixture->retired_count), 0);
    mock_vk_release(1);
    await_retired(fixture, 2);
    usleep(20000);
    assert_retired_in_order(fixture, 2);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 3);
    assert_retired_in_order(fixture, 3);
    close_fixture(fixture);
}

static void covers_work_again_after_a_failed_submission(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    work(fixture);
    mock_vk_fail("vkQueueSubmit", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_true(pv_queue_timeline_insert(fixture->timeline, 100));
    mock_vk_hold();
    // The work may still run: this one has to wait for it.
    assert_true(pv_queue_timeline_insert(fixture->timeline, 101));
    usleep(20000);
    assert_int_equal(atomic_load(&fixture->retired_count), 1);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 2);
    assert_retired_in_order(fixture, 2);
    close_fixture(fixture);
}

static void retires_when_the_device_gets_there(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 5);
    usleep(20000);
    assert_int_equal(atomic_load(&fixture->retired_count), 0);
    assert_int_equal(pv_queue_timeline_pending(fixture->timeline), 5);
    mock_vk_release(2);
    await_retired(fixture, 2);
    usleep(20000);
    assert_retired_in_order(fixture, 2);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 5);
    assert_retired_in_order(fixture, 5);
    close_fixture(fixture);
}

static void takes_its_place_before_insert_returns(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 1);
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), 1);
    // Later work does not delay it.
    pthread_mutex_lock(&fixture->queue.lock);
    fixture->mock.vk.vkQueueSubmit(fixture->queue.handle, 0, NULL, VK_NULL_HANDLE);
    pthread_mutex_unlock(&fixture->queue.lock);
    mock_vk_release(1);
    await_retired(fixture, 1);
    close_fixture(fixture);
}

static void waits_longer_than_one_slice(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 1);
    usleep(350000);
    assert_int_equal(atomic_load(&fixture->retired_count), 0);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 1);
    close_fixture(fixture);
}

static void keeps_the_order_of_late_and_early_fences(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    fixture->slow_us = 2000;
    for (unsigned i = 0; i < 30; i++) {
        // Every third is done when it is inserted; the ones before may still be in a callback.
        if (i % 3 == 0) {
            mock_vk_hold();
        }
        insert(fixture, i, 1);
        if (i % 3 == 1) {
            mock_vk_release(UINT32_MAX);
        }
    }
    await_retired(fixture, 30);
    assert_retired_in_order(fixture, 30);
    close_fixture(fixture);
}

struct inserter {
    struct fixture *fixture;
    struct pv_thread thread;
    uint64_t base;
};

static void insert_many(void *user)
{
    struct inserter *inserter = user;
    for (uint64_t i = 0; i < 500; i++) {
        work(inserter->fixture);
        pv_queue_timeline_insert(inserter->fixture->timeline, inserter->base + i);
    }
}

static void await_callback(struct fixture *fixture)
{
    const uint64_t deadline_ns = pv_os_now_ns() + patience_ns;
    while (atomic_load(&fixture->inside) == 0) {
        assert_true(pv_os_now_ns() < deadline_ns);
        usleep(100);
    }
}

static void lets_the_waiter_finish_its_callback(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    fixture->slow_us = 50000;
    mock_vk_hold();
    insert(fixture, 0, 1);
    mock_vk_release(UINT32_MAX);
    await_callback(fixture);
    insert(fixture, 1, 1); // done at once, and yet not retired beside the other
    await_retired(fixture, 2);
    assert_retired_in_order(fixture, 2);
    close_fixture(fixture);
}

static void insert_one(void *user)
{
    insert(user, 0, 1);
}

static void takes_over_after_an_inserting_thread(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    struct pv_thread thread = {0};
    fixture->slow_us = 50000;
    assert_true(pv_thread_start(&thread, "insert", insert_one, fixture));
    await_callback(fixture); // on that thread
    insert(fixture, 1, 1);
    pv_thread_join(&thread);
    await_retired(fixture, 2);
    assert_retired_in_order(fixture, 2);
    close_fixture(fixture);
}

static void retires_each_once_when_threads_insert(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    struct inserter inserters[4];
    mock_vk_hold();
    for (unsigned i = 0; i < 4; i++) {
        inserters[i] = (struct inserter){.fixture = fixture, .base = i * 1000};
        assert_true(pv_thread_start(&inserters[i].thread, "insert", insert_many, &inserters[i]));
    }
    for (unsigned i = 0; i < 50; i++) {
        mock_vk_release(13);
        usleep(500);
    }
    for (unsigned i = 0; i < 4; i++) {
        pv_thread_join(&inserters[i].thread);
    }
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 2000);
    // Each thread's fences come in its order.
    uint64_t next[4] = {0};
    for (unsigned i = 0; i < 2000; i++) {
        const uint64_t thread = fixture->retired[i] / 1000;
        assert_true(thread < 4);
        assert_int_equal(fixture->retired[i] % 1000, next[thread]++);
    }
    close_fixture(fixture);
}

static void reuses_its_fences(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    for (unsigned i = 0; i < 100; i++) {
        mock_vk_hold();
        insert(fixture, i, 1);
        mock_vk_release(UINT32_MAX);
        await_retired(fixture, i + 1);
    }
    assert_true(mock_vk_call_count("vkCreateFence") <= 2);
    close_fixture(fixture);
}

static void retires_after_a_failed_submission(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_fail("vkQueueSubmit", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    mock_vk_fail("vkQueueSubmit", 2, VK_ERROR_OUT_OF_HOST_MEMORY);
    insert(fixture, 0, 3);
    assert_retired_in_order(fixture, 3);
    assert_int_equal(atomic_load(&fixture->log_lines), 1); // said once
    assert_int_equal(atomic_load(&fixture->lost_count), 0);
    close_fixture(fixture);
}

static void retires_a_failed_submission_after_earlier_ones(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 1);
    mock_vk_fail("vkQueueSubmit", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    insert(fixture, 1, 1);
    mock_vk_fail("vkCreateFence", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    insert(fixture, 2, 2);
    usleep(20000);
    assert_int_equal(atomic_load(&fixture->retired_count), 0);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 4);
    assert_retired_in_order(fixture, 4);
    close_fixture(fixture);
}

static void retires_when_waiting_fails(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    mock_vk_fail("vkWaitForFences", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    insert(fixture, 0, 1);
    await_retired(fixture, 1);
    assert_int_equal(atomic_load(&fixture->log_lines), 1);
    // The fence that is still in use is neither reset for the next nor destroyed early.
    insert(fixture, 1, 1);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 2);
    close_fixture(fixture);
}

static void retires_everything_when_the_device_is_lost(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 4);
    mock_vk_lose_device();
    await_retired(fixture, 4);
    insert(fixture, 4, 3);
    await_retired(fixture, 7);
    assert_retired_in_order(fixture, 7);
    assert_int_equal(atomic_load(&fixture->lost_count), 7);
    assert_true(atomic_load(&fixture->device_lost));
    assert_int_equal(atomic_load(&fixture->log_lines), 1); // said once
    close_fixture(fixture);
}

// The loss that others have found, as when the driver refused to create what a submission names.
static void tells_what_was_lost_before(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    insert(fixture, 0, 2);
    await_retired(fixture, 2);
    assert_int_equal(atomic_load(&fixture->lost_count), 0);
    atomic_store(&fixture->device_lost, true);
    insert(fixture, 2, 2);
    await_retired(fixture, 4);
    assert_retired_in_order(fixture, 4);
    assert_int_equal(atomic_load(&fixture->lost_count), 2);
    close_fixture(fixture);
}

static void retires_what_is_left_at_destroy(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    insert(fixture, 0, 50);
    pv_queue_timeline_destroy(fixture->timeline);
    fixture->timeline = NULL;
    assert_retired_in_order(fixture, 50);
    close_fixture(fixture); // pending fences live on in the pool until the device is idle
}

static void reports_a_waiter_that_cannot_start(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    mock_vk_hold();
    threads_fail = true;
    work(fixture);
    assert_false(pv_queue_timeline_insert(fixture->timeline, 1));
    threads_fail = false;
    assert_int_equal(pv_queue_timeline_pending(fixture->timeline), 0);
    // The work is still under way although there is nothing new.
    assert_true(pv_queue_timeline_insert(fixture->timeline, 100));
    usleep(20000);
    assert_int_equal(atomic_load(&fixture->retired_count), 0);
    mock_vk_release(UINT32_MAX);
    await_retired(fixture, 1);
    assert_retired_in_order(fixture, 1); // and no callback for the refused one
    close_fixture(fixture);
    pv_queue_timeline_destroy(NULL);
}

static void stays_silent_without_a_callback(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    struct pv_queue_timeline *silent = pv_queue_timeline_create(
        &(struct pv_queue_timeline_params){.queue = &fixture->queue,
                                           .pool = fixture->pool,
                                           .ring_idx = 1,
                                           .device_lost = &fixture->device_lost});
    work(fixture);
    assert_true(pv_queue_timeline_insert(silent, 1));
    mock_vk_hold();
    work(fixture);
    assert_true(pv_queue_timeline_insert(silent, 2));
    mock_vk_lose_device();
    pv_queue_timeline_destroy(silent);
    close_fixture(fixture);
}

static void shares_the_queue_with_submitting_threads(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture();
    struct inserter inserter = {.fixture = fixture, .base = 100};
    assert_true(pv_thread_start(&inserter.thread, "insert", insert_many, &inserter));
    for (unsigned i = 0; i < 500; i++) {
        pthread_mutex_lock(&fixture->queue.lock);
        fixture->mock.vk.vkQueueSubmit(fixture->queue.handle, 0, NULL, VK_NULL_HANDLE);
        pthread_mutex_unlock(&fixture->queue.lock);
    }
    pv_thread_join(&inserter.thread);
    await_retired(fixture, 500);
    assert_retired_in_order(fixture, 500);
    close_fixture(fixture);
}

static void collect(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    uint64_t *seen = user;
    assert_int_equal(ring_idx, 0);
    seen[0]++;
    seen[seen[0]] = fence_id;
}

static void retires_cpu_fences_at_once(void **state)
{
    (void)state;
    uint64_t seen[4] = {0};
    struct pv_cpu_timeline timeline;
    pv_cpu_timeline_init(&timeline, collect, seen);
    pv_cpu_timeline_insert(&timeline, 30);
    pv_cpu_timeline_insert(&timeline, 10);
    pv_cpu_timeline_insert(&timeline, 20);
    assert_int_equal(seen[0], 3);
    assert_int_equal(seen[1], 30);
    assert_int_equal(seen[2], 10);
    assert_int_equal(seen[3], 20);
    pv_cpu_timeline_finish(&timeline);

    pv_cpu_timeline_init(&timeline, NULL, NULL);
    pv_cpu_timeline_insert(&timeline, 1);
    pv_cpu_timeline_finish(&timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retires_on_the_spot_when_the_queue_is_done),
        cmocka_unit_test(asks_the_driver_nothing_about_a_queue_without_new_work),
        cmocka_unit_test(lets_submissions_take_fences_along),
        cmocka_unit_test(stops_taking_fences_along_that_nobody_asks_for),
        cmocka_unit_test(asks_itself_after_a_submission_that_failed),
        cmocka_unit_test(gives_back_an_attached_fence_at_destroy),
        cmocka_unit_test(waits_with_the_fence_before_when_there_is_no_new_work),
        cmocka_unit_test(covers_work_again_after_a_failed_submission),
        cmocka_unit_test(retires_when_the_device_gets_there),
        cmocka_unit_test(takes_its_place_before_insert_returns),
        cmocka_unit_test(waits_longer_than_one_slice),
        cmocka_unit_test(keeps_the_order_of_late_and_early_fences),
        cmocka_unit_test(lets_the_waiter_finish_its_callback),
        cmocka_unit_test(takes_over_after_an_inserting_thread),
        cmocka_unit_test(retires_each_once_when_threads_insert),
        cmocka_unit_test(reuses_its_fences),
        cmocka_unit_test(retires_after_a_failed_submission),
        cmocka_unit_test(retires_a_failed_submission_after_earlier_ones),
        cmocka_unit_test(retires_when_waiting_fails),
        cmocka_unit_test(retires_everything_when_the_device_is_lost),
        cmocka_unit_test(tells_what_was_lost_before),
        cmocka_unit_test(retires_what_is_left_at_destroy),
        cmocka_unit_test(reports_a_waiter_that_cannot_start),
        cmocka_unit_test(stays_silent_without_a_callback),
        cmocka_unit_test(shares_the_queue_with_submitting_threads),
        cmocka_unit_test(retires_cpu_fences_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

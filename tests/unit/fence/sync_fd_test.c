// The fence pool, and SYNC_FD payload operations without SYNC_FD, on the mock driver.
#include "fence/sync_fd.h"

#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h wants the above first.
#include <cmocka.h>

struct fixture {
    struct mock_device mock;
    struct pv_host_queue queue;
    struct pv_fence_pool *pool;
    bool unlocked; // a submission came without the lock
};

static void open_fixture(struct fixture *fixture)
{
    mock_device_open(&fixture->mock, NULL);
    pv_host_queue_init(&fixture->queue, fixture->mock.handle, &fixture->mock.vk,
                       fixture->mock.queue, 0);
    fixture->pool = pv_fence_pool_create(fixture->mock.handle, &fixture->mock.vk);
    assert_non_null(fixture->pool);
}

static void close_fixture(struct fixture *fixture)
{
    mock_vk_release(UINT32_MAX);
    pv_fence_pool_destroy(fixture->pool);
    pv_host_queue_finish(&fixture->queue);
    mock_device_close(&fixture->mock);
}

static void submit(struct fixture *fixture, VkFence fence)
{
    assert_int_equal(fixture->mock.vk.vkQueueSubmit(fixture->queue.handle, 0, NULL, fence),
                     VK_SUCCESS);
}

// --- The pool ------------------------------------------------------------------------------

static void hands_out_unsignaled_fences(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fence, again;
    open_fixture(&fixture);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_SUCCESS);
    assert_false(mock_vk_fence_signaled(fence));
    submit(&fixture, fence);
    assert_true(mock_vk_fence_signaled(fence));
    pv_fence_pool_recycle(fixture.pool, fence);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &again), VK_SUCCESS);
    assert_ptr_equal(again, fence);
    assert_false(mock_vk_fence_signaled(again));
    pv_fence_pool_recycle(fixture.pool, again);
    close_fixture(&fixture);
}

static void reuses_abandoned_fences_once_they_are_signaled(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fence, other, again;
    open_fixture(&fixture);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_SUCCESS);
    mock_vk_hold();
    submit(&fixture, fence);
    pv_fence_pool_abandon(fixture.pool, fence);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &other), VK_SUCCESS);
    assert_ptr_not_equal(other, fence);
    mock_vk_release(UINT32_MAX);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &again), VK_SUCCESS);
    assert_ptr_equal(again, fence);
    assert_false(mock_vk_fence_signaled(again));
    pv_fence_pool_recycle(fixture.pool, other);
    pv_fence_pool_recycle(fixture.pool, again);
    close_fixture(&fixture);
}

static void keeps_a_bounded_number_of_fences(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fences[1000];
    open_fixture(&fixture);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fences[i]), VK_SUCCESS);
    }
    for (unsigned i = 0; i < 1000; i++) {
        pv_fence_pool_recycle(fixture.pool, fences[i]);
    }
    assert_true(mock_vk_live_count(VK_OBJECT_TYPE_FENCE) < 1000);
    close_fixture(&fixture);
}

static void bounds_the_fences_that_nothing_signals(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fence;
    uint32_t count = 0;
    open_fixture(&fixture);
    mock_vk_hold();
    while (count < 100000 && pv_fence_pool_acquire(fixture.pool, &fence) == VK_SUCCESS) {
        submit(&fixture, fence);
        pv_fence_pool_abandon(fixture.pool, fence);
        count++;
    }
    assert_true(count >= 1000 && count < 100000);
    mock_vk_release(UINT32_MAX);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_SUCCESS); // one came back
    pv_fence_pool_recycle(fixture.pool, fence);
    close_fixture(&fixture);
}

static void reports_what_the_driver_refuses(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fence = VK_NULL_HANDLE;
    open_fixture(&fixture);
    mock_vk_fail("vkCreateFence", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_SUCCESS);
    pv_fence_pool_recycle(fixture.pool, fence);
    mock_vk_fail("vkResetFences", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    close_fixture(&fixture);
    pv_fence_pool_destroy(NULL);
}

// --- Semaphores ----------------------------------------------------------------------------

static VkSemaphore create_semaphore(struct fixture *fixture)
{
    VkSemaphore semaphore;
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    assert_int_equal(
        fixture->mock.vk.vkCreateSemaphore(fixture->mock.handle, &info, NULL, &semaphore),
        VK_SUCCESS);
    return semaphore;
}

static void signals_a_semaphore_once(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    const VkSemaphore semaphore = create_semaphore(&fixture);
    assert_int_equal(pv_sync_fd_signal_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_true(mock_vk_semaphore_signaled(semaphore));
    assert_int_equal(pv_sync_fd_consume_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_false(mock_vk_semaphore_signaled(semaphore));
    assert_int_equal(pv_sync_fd_signal_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_true(mock_vk_semaphore_signaled(semaphore));
    fixture.mock.vk.vkDestroySemaphore(fixture.mock.handle, semaphore, NULL);
    close_fixture(&fixture);
}

static void consumes_a_signal_that_is_still_pending(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    const VkSemaphore semaphore = create_semaphore(&fixture);
    mock_vk_hold();
    assert_int_equal(pv_sync_fd_signal_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_int_equal(pv_sync_fd_consume_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_false(mock_vk_semaphore_signaled(semaphore));
    mock_vk_release(UINT32_MAX);
    fixture.mock.vk.vkDestroySemaphore(fixture.mock.handle, semaphore, NULL);
    close_fixture(&fixture);
}

static void note_lock(void *user, void *const *args)
{
    (void)args;
    struct fixture *fixture = user;
    if (pthread_mutex_trylock(&fixture->queue.lock) == 0) {
        fixture->unlocked = true;
        pthread_mutex_unlock(&fixture->queue.lock);
    }
}

static void holds_the_lock_of_the_queue(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.unlocked = false;
    const VkSemaphore semaphore = create_semaphore(&fixture);
    mock_vk_set_hook("vkQueueSubmit", note_lock, &fixture);
    assert_int_equal(pv_sync_fd_signal_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_int_equal(pv_sync_fd_consume_semaphore(&fixture.queue, semaphore), VK_SUCCESS);
    assert_false(fixture.unlocked);
    fixture.mock.vk.vkDestroySemaphore(fixture.mock.handle, semaphore, NULL);
    close_fixture(&fixture);
}

static void passes_on_the_loss_of_the_device(void **state)
{
    (void)state;
    struct fixture fixture;
    VkFence fence;
    open_fixture(&fixture);
    const VkSemaphore semaphore = create_semaphore(&fixture);
    assert_int_equal(pv_fence_pool_acquire(fixture.pool, &fence), VK_SUCCESS);
    mock_vk_lose_device();
    assert_int_equal(pv_sync_fd_signal_semaphore(&fixture.queue, semaphore), VK_ERROR_DEVICE_LOST);
    assert_int_equal(pv_sync_fd_consume_semaphore(&fixture.queue, semaphore), VK_ERROR_DEVICE_LOST);
    const VkFence before = fence;
    assert_int_equal(
        pv_sync_fd_reset_fence(fixture.pool, fixture.mock.handle, &fixture.mock.vk, &fence),
        VK_ERROR_DEVICE_LOST);
    assert_ptr_equal(fence, before);
    pv_fence_pool_recycle(fixture.pool, fence);
    fixture.mock.vk.vkDestroySemaphore(fixture.mock.handle, semaphore, NULL);
    close_fixture(&fixture);
}

// --- Fences --------------------------------------------------------------------------------

static VkFence create_fence(struct fixture *fixture)
{
    VkFence fence;
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    assert_int_equal(fixture->mock.vk.vkCreateFence(fixture->mock.handle, &info, NULL, &fence),
                     VK_SUCCESS);
    return fence;
}

static void resets_a_signaled_fence_in_place(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    VkFence fence = create_fence(&fixture);
    const VkFence before = fence;
    submit(&fixture, fence);
    assert_int_equal(
        pv_sync_fd_reset_fence(fixture.pool, fixture.mock.handle, &fixture.mock.vk, &fence),
        VK_SUCCESS);
    assert_ptr_equal(fence, before);
    assert_false(mock_vk_fence_signaled(fence));
    fixture.mock.vk.vkDestroyFence(fixture.mock.handle, fence, NULL);
    close_fixture(&fixture);
}

static void replaces_a_fence_that_is_still_in_use(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    VkFence fence = create_fence(&fixture);
    const VkFence before = fence;
    mock_vk_hold();
    submit(&fixture, fence);
    assert_int_equal(
        pv_sync_fd_reset_fence(fixture.pool, fixture.mock.handle, &fixture.mock.vk, &fence),
        VK_SUCCESS);
    assert_ptr_not_equal(fence, before);
    assert_false(mock_vk_fence_signaled(fence));
    submit(&fixture, fence); // usable at once, while the old one is pending
    mock_vk_release(1);
    assert_true(mock_vk_fence_signaled(before));
    assert_false(mock_vk_fence_signaled(fence));
    mock_vk_release(UINT32_MAX);
    fixture.mock.vk.vkDestroyFence(fixture.mock.handle, fence, NULL);
    close_fixture(&fixture);
}

static void keeps_the_fence_when_it_cannot_be_replaced(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    VkFence fence = create_fence(&fixture);
    const VkFence before = fence;
    mock_vk_hold();
    submit(&fixture, fence);
    mock_vk_fail("vkCreateFence", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_int_equal(
        pv_sync_fd_reset_fence(fixture.pool, fixture.mock.handle, &fixture.mock.vk, &fence),
        VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_ptr_equal(fence, before);
    mock_vk_release(UINT32_MAX);
    fixture.mock.vk.vkDestroyFence(fixture.mock.handle, fence, NULL);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_unsignaled_fences),
        cmocka_unit_test(reuses_abandoned_fences_once_they_are_signaled),
        cmocka_unit_test(keeps_a_bounded_number_of_fences),
        cmocka_unit_test(bounds_the_fences_that_nothing_signals),
        cmocka_unit_test(reports_what_the_driver_refuses),
        cmocka_unit_test(signals_a_semaphore_once),
        cmocka_unit_test(consumes_a_signal_that_is_still_pending),
        cmocka_unit_test(holds_the_lock_of_the_queue),
        cmocka_unit_test(passes_on_the_loss_of_the_device),
        cmocka_unit_test(resets_a_signaled_fence_in_place),
        cmocka_unit_test(replaces_a_fence_that_is_still_in_use),
        cmocka_unit_test(keeps_the_fence_when_it_cannot_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

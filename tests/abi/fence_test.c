// Fences: reported by polling or from any thread, merged, in order, never lost.
#include "vmm.h"

#include <poll.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define MERGEABLE VIRGL_RENDERER_FENCE_FLAG_MERGEABLE

static bool is_readable(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

static bool becomes_readable(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 3000) == 1;
}

static void expect(const struct vmm *vmm, uint32_t i, uint32_t ctx_id, uint32_t ring_idx,
                   uint64_t id)
{
    assert_int_equal(vmm->fences[i].ctx_id, ctx_id);
    assert_int_equal(vmm->fences[i].ring_idx, ring_idx);
    assert_int_equal(vmm->fences[i].id, id);
}

static void polling_reports_in_the_callers_thread_and_not_before(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    vmm_open_device(&vmm, 1);
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), -1);
    assert_int_equal(virgl_renderer_create_fence(-1, 0), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 20), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 1, 21), 0);
    // QEMU would not know the commands yet.
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(vmm.fence_count, 0);
    assert_true(vmm_wait_fences(&vmm, 3, true));
    expect(&vmm, 0, 0, 0, UINT32_MAX); // 32 bits
    expect(&vmm, 1, 1, 0, 20);
    expect(&vmm, 2, 1, 1, 21);
    for (int i = 0; i < 3; i++) {
        assert_true(vmm.fences[i].in_callers_thread);
    }
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 3);
    vmm_close(&vmm);
}

static void mergeable_fences_are_reported_once(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_context(2), 0);
    for (uint64_t id = 1; id <= 9; id++) {
        assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, id), 0);
        assert_int_equal(virgl_renderer_context_create_fence(2, MERGEABLE, 0, 100 + id), 0);
        assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 5, 200 + id), 0);
    }
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 3);
    expect(&vmm, 0, 1, 0, 9);
    expect(&vmm, 1, 2, 0, 109);
    expect(&vmm, 2, 1, 5, 209); // no queue is bound to it
    // After a report nothing merges into it.
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 10), 0);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 4);
    expect(&vmm, 3, 1, 0, 10);
    vmm_close(&vmm);
}

static void other_fences_are_reported_each(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, id), 0);
    }
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 4), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, 5), 0);
    virgl_renderer_context_poll(1);
    assert_int_equal(vmm.fence_count, 4);
    for (uint32_t i = 0; i < 3; i++) {
        expect(&vmm, i, 1, 0, i + 1);
    }
    expect(&vmm, 3, 1, 0, 5); // and with it 4
    vmm_close(&vmm);
}

static void unknown_contexts_and_rings_are_refused(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(virgl_renderer_context_create_fence(2, MERGEABLE, 0, 1), -EINVAL);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 64, 1), -EINVAL);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, UINT32_MAX, 1), -EINVAL);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 0);
    vmm_close(&vmm);
}

// What is submitted from here on does not end before mock_vk_release(), and that is something.
static void hold_work(struct vmm *vmm, uint32_t ctx_id)
{
    mock_vk_hold();
    write_submit(&vmm->guest, QUEUE, 0, 0, false);
    assert_int_equal(vmm_submit(vmm, ctx_id), 0);
}

static void poll_descriptors_tell_when_to_poll(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS | VIRGL_RENDERER_THREAD_SYNC, 3);
    vmm_open_device(&vmm, 1);
    assert_int_equal(vmm_create_context(2), 0);
    assert_int_equal(virgl_renderer_context_get_poll_fd(3), -1);
    const int all = virgl_renderer_get_poll_fd();
    const int second = virgl_renderer_context_get_poll_fd(2);
    assert_true(all >= 0 && second >= 0 && all != second);
    assert_false(is_readable(all));

    hold_work(&vmm, 1);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 1, 1), 0);
    assert_false(is_readable(all));
    mock_vk_release(UINT32_MAX);
    assert_true(becomes_readable(all));
    // Asked for when something is ready already.
    const int first = virgl_renderer_context_get_poll_fd(1);
    assert_true(is_readable(first));
    assert_false(is_readable(second));
    assert_int_equal(virgl_renderer_context_create_fence(2, MERGEABLE, 0, 2), 0);
    assert_true(is_readable(second));

    virgl_renderer_context_poll(1);
    assert_int_equal(vmm.fence_count, 1);
    assert_false(is_readable(first));
    assert_true(is_readable(second) && is_readable(all));
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 2);
    assert_false(is_readable(second) || is_readable(all));
    // A VMM may empty it first.
    assert_int_equal(virgl_renderer_context_create_fence(2, MERGEABLE, 0, 3), 0);
    uint64_t value;
    assert_int_equal(read(all, &value, 8), 8);
    virgl_renderer_poll();
    assert_int_equal(virgl_renderer_context_create_fence(2, MERGEABLE, 0, 4), 0);
    assert_true(is_readable(all));
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 4);
    vmm_close(&vmm);
}

static void async_fences_need_no_polling(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 4);
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    vmm_open_device(&vmm, 1);
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), -1);
    hold_work(&vmm, 1);
    for (uint64_t id = 1; id <= 20; id++) {
        assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 1, id), 0);
    }
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 50), 0);
    assert_int_equal(virgl_renderer_create_fence(60, 0), 0);
    assert_int_equal(vmm_fences(&vmm), 2);
    expect(&vmm, 0, 1, 0, 50);
    expect(&vmm, 1, 0, 0, 60);
    mock_vk_release(UINT32_MAX);
    assert_true(vmm_wait_fences(&vmm, 22, false));
    for (uint32_t i = 0; i < 20; i++) {
        expect(&vmm, 2 + i, 1, 1, i + 1);
        assert_false(vmm.fences[2 + i].in_callers_thread);
    }
    vmm_close(&vmm);
}

static void fences_of_a_failed_context_retire(void **state)
{
    (void)state;
    for (int async = 0; async < 2; async++) {
        struct vmm vmm;
        vmm_open(&vmm, async ? QEMU_11_FLAGS : QEMU_10_FLAGS, 3);
        vmm_open_device(&vmm, 1);
        hold_work(&vmm, 1);
        assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 1, 1), 0);
        put_u32(&vmm.guest, 0xffffffff);
        put_u32(&vmm.guest, 0);
        assert_true(vmm_submit(&vmm, 1) > 0);
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, 2), 0);
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 9, 3), 0);
        assert_true(vmm_wait_fences(&vmm, 2, !async));
        mock_vk_release(UINT32_MAX);
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 1, 4), 0);
        // 1 was mergeable: without callbacks at once it may be reported as part of 4.
        const uint64_t deadline = now_ms() + 5000;
        struct vmm_fence last = {0};
        while (last.id != 4 && now_ms() < deadline) {
            virgl_renderer_poll();
            const uint32_t count = vmm_fences(&vmm);
            last = vmm.fences[count - 1];
        }
        assert_int_equal(last.ring_idx, 1);
        assert_int_equal(last.id, 4);
        vmm_close(&vmm);
    }
}

// Lets held submissions go while the main thread is inside the library.
static void *release_later(void *unused)
{
    (void)unused;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    mock_vk_release(UINT32_MAX);
    return NULL;
}

enum ending { DESTROY, RESET, CLEANUP, ENDINGS };

static void pending_fences_retire_at_the_end(void **state)
{
    (void)state;
    for (int how = 0; how < 2 * ENDINGS; how++) {
        const bool async = how >= ENDINGS;
        struct vmm vmm;
        vmm_open(&vmm, async ? QEMU_11_FLAGS : QEMU_10_FLAGS, 3);
        vmm_open_device(&vmm, 1);
        hold_work(&vmm, 1);
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 1, 1), 0);
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 1, 2), 0);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, release_later, NULL), 0);
        if (how % ENDINGS == DESTROY) {
            virgl_renderer_context_destroy(1);
            virgl_renderer_poll();
        } else if (how % ENDINGS == RESET) {
            virgl_renderer_reset();
        } else {
            virgl_renderer_cleanup(&vmm);
        }
        assert_int_equal(vmm.fence_count, 2);
        expect(&vmm, 0, 1, 1, 1);
        expect(&vmm, 1, 1, 1, 2);
        pthread_join(thread, NULL);
        vmm_close(&vmm);
    }
}

// A context's number may be used again while fences of its predecessor are not reported.
static void a_new_context_has_no_part_in_old_fences(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 1), 0);
    virgl_renderer_context_destroy(1);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, MERGEABLE, 0, 2), 0);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 2);
    expect(&vmm, 0, 1, 0, 1);
    expect(&vmm, 1, 1, 0, 2);
    vmm_close(&vmm);
}

static void *signal_slowly(void *user)
{
    _Atomic bool *stop = user;
    while (!atomic_load(stop)) {
        mock_vk_release(3);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    mock_vk_release(UINT32_MAX);
    return NULL;
}

// Fences retire in other threads while this one creates, polls and submits.
static void polling_races_with_retirement(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS | VIRGL_RENDERER_THREAD_SYNC, 3);
    vmm_open_device(&vmm, 1);
    write_get_queue(&vmm.guest, DEVICE, 50, 1, 0, 2);
    assert_int_equal(vmm_submit(&vmm, 1), 0);
    mock_vk_hold();
    _Atomic bool stop = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, signal_slowly, &stop), 0);
    for (uint64_t id = 1; id <= 1000; id++) {
        write_submit(&vmm.guest, id & 1 ? 50 : QUEUE, 0, 0, false);
        assert_int_equal(vmm_submit(&vmm, 1), 0);
        assert_int_equal(virgl_renderer_context_create_fence(1, id & 1, 1 + (id & 1), id), 0);
        if (id % 3 == 0) {
            virgl_renderer_poll();
        } else if (id % 7 == 0) {
            virgl_renderer_context_poll(1);
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    // 500 that do not merge, and the last of those that do.
    uint64_t last[3] = {0};
    const uint64_t deadline = now_ms() + 5000;
    while ((last[1] != 1000 || last[2] != 999) && now_ms() < deadline) {
        virgl_renderer_poll();
        for (uint32_t i = 0; i < vmm.fence_count; i++) {
            last[vmm.fences[i].ring_idx] = vmm.fences[i].id;
        }
    }
    assert_int_equal(last[1], 1000);
    assert_int_equal(last[2], 999);
    uint32_t each = 0;
    memset(last, 0, sizeof(last));
    for (uint32_t i = 0; i < vmm.fence_count; i++) {
        const struct vmm_fence *fence = &vmm.fences[i];
        assert_true(fence->id > last[fence->ring_idx]);
        last[fence->ring_idx] = fence->id;
        each += fence->ring_idx == 1;
    }
    assert_int_equal(each, 500);
    vmm_close(&vmm);
}

static void fences_have_no_descriptors(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    int fd = 5;
    assert_int_equal(virgl_renderer_export_fence(1, &fd), -EINVAL);
    assert_int_equal(fd, -1);
    assert_int_equal(virgl_renderer_export_signalled_fence(), -1);
    assert_int_equal(virgl_renderer_get_fence_fd(1), -1);
    assert_int_equal(virgl_renderer_get_dev_fd(1), -1);
    assert_int_equal(virgl_renderer_attach_fence(9, -1), EINVAL);
    // A descriptor that was handed over is closed.
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(virgl_renderer_attach_fence(1, pipe_fds[1]), -EINVAL);
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
    close(pipe_fds[0]);
    assert_int_equal(virgl_renderer_submit_cmd2(NULL, 1, 0, NULL, 0), 0);
    assert_int_equal(virgl_renderer_submit_cmd2(NULL, 2, 0, NULL, 0), EINVAL);
    vmm_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMM_CASE(polling_reports_in_the_callers_thread_and_not_before),
        VMM_CASE(mergeable_fences_are_reported_once),
        VMM_CASE(other_fences_are_reported_each),
        VMM_CASE(unknown_contexts_and_rings_are_refused),
        VMM_CASE(poll_descriptors_tell_when_to_poll),
        VMM_CASE(async_fences_need_no_polling),
        VMM_CASE(fences_of_a_failed_context_retire),
        VMM_CASE(pending_fences_retire_at_the_end),
        VMM_CASE(a_new_context_has_no_part_in_old_fences),
        VMM_CASE(polling_races_with_retirement),
        VMM_CASE(fences_have_no_descriptors),
    };
    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}

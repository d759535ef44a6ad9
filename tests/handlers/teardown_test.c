// The end, with everything alive: nothing is left in the driver, and nothing waits for ever.
#include "guest.h"

// Sanitizers look for leaks, and a device that hangs leaks by design.
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void write_descriptors(struct guest *g)
{
    begin(g, PV_COMMAND_vkCreateDescriptorSetLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_null(g);
    put_new(g, 120);
    begin(g, PV_COMMAND_vkCreateDescriptorPool, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 16);
    put_u32(g, 0);
    put_null(g);
    put_new(g, 121);
    begin(g, PV_COMMAND_vkAllocateDescriptorSets, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    put_u64(g, 121);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u64(g, 120);
    put_u64(g, 1);
    put_u64(g, 122);
}

static void write_event(struct guest *g, uint64_t id, uint32_t flags)
{
    begin(g, PV_COMMAND_vkCreateEvent, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO);
    put_u32(g, flags);
    put_new(g, id);
}

// One of most things, and one poisoned.
static void fill(struct guest *g)
{
    guest_open_device(g);
    write_get_queue(g, DEVICE, 101, 1, 0, 2);
    write_create_fence(g, 102, false);
    write_create_semaphore(g, 103, false, false);
    write_create_semaphore(g, 104, true, false);
    write_create_buffer(g, 105, false);
    write_create_image(g, 106, false);
    write_allocate_memory(g, 107, 65536, 2, 0, false);
    write_allocate_memory(g, 108, 65536, 1, 0, false);
    write_create_command_pool(g, 109, false);
    write_allocate_command_buffers(g, 109, (uint64_t[]){110, 111}, 2, false);
    write_descriptors(g);
    write_event(g, 130, 0);
    write_begin_command_buffer(g, 110, false);
    write_draw(g, 110);
    write_submit(g, 101, 110, 102, false);
    begin(g, PV_COMMAND_vkCreateQueryPool, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, VK_QUERY_TYPE_OCCLUSION);
    put_u32(g, 4);
    put_u32(g, 0);
    put_new(g, 131);
    submit_well(g);
    mock_vk_fail_always("vkCreateImage", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_image(g, 140, false);
    submit_well(g);
    mock_vk_fail_always("vkCreateImage", VK_SUCCESS);
    assert_true(pv_context_create_fence(g->context, 1, 1));
    assert_true(pv_context_create_fence(g->context, 2, 2));
}

static void a_context_takes_everything_along(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    assert_true(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN) > 12);
    guest_close(&g);
}

static void a_failed_context_takes_everything_along(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    begin(&g, 9999, false);
    assert_false(submit(&g));
    guest_close(&g);
}

static void an_instance_takes_everything_along(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    begin(&g, PV_COMMAND_vkDestroyInstance, false);
    put_u64(&g, INSTANCE);
    put_null(&g);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.objects, 0);
    assert_int_equal(stats.memory, 0);
    guest_close(&g);
}

static void a_device_takes_everything_along(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    begin(&g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(&g, DEVICE);
    put_null(&g);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 1); // the instance
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.objects, 2);
    assert_int_equal(stats.memory, 0);
    guest_close(&g);
}

static void a_lost_device_takes_everything_along(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    mock_vk_hold();
    write_submit(&g, 101, 110, 0, false);
    submit_well(&g);
    mock_vk_lose_device();
    const uint64_t begin_ms = now_ms();
    guest_destroy_context(&g);
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    guest_close(&g);
}

static void blobs_and_rings_may_be_left(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    struct pv_resource *blob = pv_context_create_blob(
        g.context, &(struct pv_blob_params){
                       .resource_id = 50, .flags = PV_BLOB_MAPPABLE, .blob_id = 107, .size = 4096});
    assert_non_null(blob);
    struct test_ring ring = open_ring(&g, 7, RING);
    write_create_fence(&g, 500, false);
    ring_put(&g, &ring);
    pv_resource_unref(blob);
    guest_close(&g);
}

// -- work that does not end
// ------------------------------------------------------------------------

struct release {
    uint64_t handle; // that was signalled
    uint64_t value;
    uint32_t calls;
};

static void release_by_semaphore(void *user, void *const *args)
{
    const VkSemaphoreSignalInfo *info = *(const VkSemaphoreSignalInfo *const *)args[1];
    struct release *release = user;
    release->handle = (uint64_t)(uintptr_t)info->semaphore;
    release->value = info->value;
    release->calls++;
    mock_vk_release(UINT32_MAX);
}

static void release_by_event(void *user, void *const *args)
{
    struct release *release = user;
    release->handle = (uint64_t)(uintptr_t) * (const VkEvent *)args[1];
    release->calls++;
    mock_vk_release(UINT32_MAX);
}

static void waits_for_timelines_are_released(void **state)
{
    (void)state;
    struct guest g;
    fill(&g);
    struct release release = {0};
    mock_vk_set_hook("vkSignalSemaphore", release_by_semaphore, &release);
    mock_vk_hold();
    write_submit(&g, QUEUE, 0, 0, false);
    submit_well(&g);
    assert_true(pv_context_create_fence(g.context, 1, 3));
    const uint64_t begin_ms = now_ms();
    guest_destroy_context(&g);
    assert_in_range(now_ms() - begin_ms, 500, 3000);
    assert_int_equal(release.calls, 1); // the binary one is left alone
    assert_true(release.value > 1u << 30);
    assert_int_equal(retired_fences(&g), 3);
    guest_close(&g);
}

static void waits_for_events_are_released(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_event(&g, 100, VK_EVENT_CREATE_DEVICE_ONLY_BIT);
    write_event(&g, 101, 0);
    struct release release = {0};
    mock_vk_set_hook("vkSetEvent", release_by_event, &release);
    mock_vk_hold();
    write_submit(&g, QUEUE, 0, 0, false);
    submit_well(&g);
    guest_destroy_context(&g);
    assert_int_equal(release.calls, 1);
    guest_close(&g);
}

static void a_device_that_hangs_is_given_up(void **state)
{
    (void)state;
    if (__lsan_disable) {
        __lsan_disable();
    }
    struct guest g;
    fill(&g);
    mock_vk_hold();
    write_submit(&g, QUEUE, 0, 0, false);
    submit_well(&g);
    assert_true(pv_context_create_fence(g.context, 1, 3));
    const uint64_t begin_ms = now_ms();
    guest_destroy_context(&g);
    assert_in_range(now_ms() - begin_ms, 3000, 8000);
    assert_int_equal(retired_fences(&g), 3);
    // What the device may still use was not touched.
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 1);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_BUFFER), 1);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_INSTANCE), 1);
    assert_int_equal(mock_vk_errors(), 0);
    mock_vk_reset();
    guest_close(&g);
    if (__lsan_enable) {
        __lsan_enable();
    }
}

// What hangs is never given back, so a guest must not do it again and again.
static void what_hangs_is_bounded(void **state)
{
    (void)state;
    if (__lsan_disable) {
        __lsan_disable();
    }
    struct guest g;
    guest_open_device(&g);
    for (uint64_t i = 0; i < 5; i++) {
        write_allocate_memory(&g, 110 + i, (uint64_t)1 << 30, 0, 0, true);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateMemory), VK_SUCCESS);
    }
    mock_vk_hold();
    write_submit(&g, QUEUE, 0, 0, false);
    begin(&g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(&g, DEVICE);
    put_null(&g);
    submit_well(&g);
    write_create_device(&g, 200, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_ERROR_OUT_OF_HOST_MEMORY);
    mock_vk_reset();
    guest_close(&g);
    if (__lsan_enable) {
        __lsan_enable();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_context_takes_everything_along),     CASE(a_failed_context_takes_everything_along),
        CASE(an_instance_takes_everything_along),   CASE(a_device_takes_everything_along),
        CASE(a_lost_device_takes_everything_along), CASE(blobs_and_rings_may_be_left),
        CASE(waits_for_timelines_are_released),     CASE(waits_for_events_are_released),
        CASE(a_device_that_hangs_is_given_up),      CASE(what_hangs_is_bounded),
    };
    return cmocka_run_group_tests_name("teardown", tests, NULL, NULL);
}

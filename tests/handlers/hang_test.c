// Work that waits for what the guest never does, on the host's own driver: the context goes, and
// with it the driver's objects. Skipped where there is no Vulkan driver.
#include "guest.h"

#include <stdio.h>
#include <string.h>

#define LOADER "libvulkan.so.1"

static bool gave_up;

static void look_for_leaks(void *user, enum pv_log_level level, const char *message)
{
    (void)user;
    (void)level;
    gave_up = gave_up || strstr(message, "does not come to rest");
}

static void open_device(struct guest *g)
{
    gave_up = false;
    guest_open(g, &(struct pv_renderer_params){.vulkan_library = LOADER, .log = look_for_leaks});
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(g);
    begin(g, PV_COMMAND_vkCreateDevice, true);
    put_u64(g, PHYSICAL_DEVICE);
    put_present(g);
    put_u32(g, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);
    put_u32(g, VK_TRUE);
    put_u32(g, 0);
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype(g, VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_u32(g, 1);
    put_u64(g, 1);
    put_f32(g, 1.0f);
    put_u32(g, 0);
    put_null(g);
    put_u32(g, 0);
    put_null(g);
    put_null(g);
    put_new(g, DEVICE);
    write_get_queue(g, DEVICE, QUEUE, 0, 0, 1);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkCreateDevice), VK_SUCCESS);
}

static void end_quickly(struct guest *g)
{
    assert_true(pv_context_create_fence(g->context, 1, 42));
    assert_int_equal(retired_fences(g), 0); // it does wait
    const uint64_t begin_ms = now_ms();
    guest_destroy_context(g);
    assert_in_range(now_ms() - begin_ms, 0, 4000);
    assert_int_equal(retired_fences(g), 1);
    assert_false(gave_up);
    guest_close(g);
}

static void a_timeline_that_nobody_signals(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g);
    write_create_semaphore(&g, 100, true, false);
    write_create_semaphore(&g, 101, true, false);
    write_submit_timeline(&g, (struct guest_point){100, 1000}, (struct guest_point){0, 0}, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_SUCCESS);
    end_quickly(&g);
}

static void timelines_that_wait_for_each_other(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g);
    write_create_semaphore(&g, 100, true, false);
    write_create_semaphore(&g, 101, true, false);
    write_submit_timeline(&g, (struct guest_point){100, 5}, (struct guest_point){101, 7}, true);
    write_submit_timeline(&g, (struct guest_point){101, 8}, (struct guest_point){100, 6}, true);
    submit_well(&g);
    end_quickly(&g);
}

static void an_event_that_nobody_sets(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g);
    begin(&g, PV_COMMAND_vkCreateEvent, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO);
    put_u32(&g, 0);
    put_new(&g, 100);
    write_create_command_pool(&g, 101, false);
    write_allocate_command_buffers(&g, 101, (uint64_t[]){102}, 1, false);
    write_begin_command_buffer(&g, 102, false);
    begin(&g, PV_COMMAND_vkCmdWaitEvents, false);
    put_u64(&g, 102);
    put_u32(&g, 1);
    put_u64(&g, 1);
    put_u64(&g, 100);
    put_u32(&g, VK_PIPELINE_STAGE_HOST_BIT);
    put_u32(&g, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    for (int i = 0; i < 3; i++) {
        put_u32(&g, 0);
        put_null(&g);
    }
    begin(&g, PV_COMMAND_vkEndCommandBuffer, false);
    put_u64(&g, 102);
    write_submit(&g, QUEUE, 102, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_SUCCESS);
    end_quickly(&g);
}

static bool driver_is_there(void)
{
    struct pv_renderer *renderer =
        pv_renderer_create(&(struct pv_renderer_params){.vulkan_library = LOADER}, NULL, 0);
    const bool there = renderer && pv_renderer_device_count(renderer) > 0;
    pv_renderer_destroy(renderer);
    return there;
}

int main(void)
{
    if (!driver_is_there()) {
        puts("1..0 # SKIP no Vulkan driver on this machine");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        CASE(a_timeline_that_nobody_signals),
        CASE(timelines_that_wait_for_each_other),
        CASE(an_event_that_nobody_sets),
    };
    return cmocka_run_group_tests_name("hang", tests, NULL, NULL);
}

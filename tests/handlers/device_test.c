// Devices and queues.
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>

static void open_physical_device(struct guest *g)
{
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(g);
}

static void a_device_and_its_queues(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_get_queue(&g, DEVICE, 100, 1, 1, 63);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 1);
    begin(&g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(&g, DEVICE);
    put_null(&g);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
    // Names and ring_idx are free again.
    write_create_device(&g, 200, (struct queues[]){{0, 1}}, 1, NULL, 0);
    write_get_queue(&g, 200, 201, 0, 0, 63);
    submit_well(&g);
    guest_close(&g);
}

static void impossible_queues_never_reach_the_driver(void **state)
{
    (void)state;
    static const struct queues impossible[][2] = {
        {{2, 1}, {0, 0}},                            // no such family
        {{UINT32_MAX, 1}, {0, 0}},                   //
        {{0, 5}, {0, 0}},                            // the family has four
        {{0, 2}, {0, 2}},                            // the same queues twice
        {{1, 3}, {0, 1}},          {{0, 0}, {0, 0}}, // none at all
        {{0, 0}, {0, 1}},                            // none of one family
    };
    struct guest g;
    open_physical_device(&g);
    const uint32_t calls = mock_vk_call_count("vkCreateDevice");
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        const uint32_t count = impossible[i][1].count ? 2 : impossible[i][0].count ? 1 : 0;
        write_create_device(&g, DEVICE, impossible[i], count, NULL, 0);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_ERROR_UNKNOWN);
        assert_int_equal(get_u64(&g), 1);
        assert_int_equal(get_u64(&g), NO_ID);
    }
    assert_int_equal(mock_vk_call_count("vkCreateDevice"), calls);
    guest_close(&g);
}

struct enabled {
    uint32_t count, duplicates, host_pointer;
};

static void look_at_extensions(void *user, void *const *args)
{
    const VkDeviceCreateInfo *info = *(const VkDeviceCreateInfo *const *)args[1];
    struct enabled *enabled = user;
    *enabled = (struct enabled){.count = info->enabledExtensionCount};
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        const char *name = info->ppEnabledExtensionNames[i];
        enabled->host_pointer += strcmp(name, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME) == 0;
        for (uint32_t k = 0; k < i; k++) {
            enabled->duplicates += strcmp(name, info->ppEnabledExtensionNames[k]) == 0;
        }
    }
}

static void own_extensions_are_added_once(void **state)
{
    (void)state;
    static const char *const names[] = {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME,
                                        VK_KHR_MAINTENANCE_4_EXTENSION_NAME,
                                        VK_KHR_MAINTENANCE_4_EXTENSION_NAME};
    struct guest g;
    open_physical_device(&g);
    struct enabled without, with;
    mock_vk_set_hook("vkCreateDevice", look_at_extensions, &without);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_well(&g);
    assert_int_equal(without.host_pointer, 1);
    mock_vk_set_hook("vkCreateDevice", look_at_extensions, &with);
    write_create_device(&g, 100, (struct queues[]){{0, 1}}, 1, names, 3);
    submit_well(&g);
    assert_int_equal(with.host_pointer, 1);
    assert_int_equal(with.duplicates, 0);
    assert_int_equal(with.count, without.count + 1);
    guest_close(&g);
}

// A driver may take its time to find out: each name may be compared with all others.
static void unknown_extensions_are_refused_at_once(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    static char text[COUNT][24];
    static const char *names[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof(text[i]), "VK_NONE_such_%05d", i);
        names[i] = text[i];
    }
    struct guest g;
    open_physical_device(&g);
    const uint32_t before = mock_vk_call_count("vkCreateDevice");
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, names, COUNT);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_ERROR_EXTENSION_NOT_PRESENT);
    assert_int_equal(mock_vk_call_count("vkCreateDevice"), before);
    guest_close(&g);
}

static void look_for_semaphore_fd(void *user, void *const *args)
{
    const VkDeviceCreateInfo *info = *(const VkDeviceCreateInfo *const *)args[1];
    uint32_t *found = user;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        *found += strcmp(info->ppEnabledExtensionNames[i],
                         VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME) == 0;
    }
}

// Drivers tailor their devices to the application. What the guest's own instance lacks is emulated
// as if no instance had it, and does not reach the driver.
static void extensions_are_those_of_the_guests_instance(void **state)
{
    (void)state;
    static const char *const names[] = {VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME};
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.semaphore_handle_types &=
        ~(VkExternalSemaphoreHandleTypeFlags)VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
    mock_vk_set_config(&config);
    struct guest g;
    open_physical_device(&g);
    size_t kept = 0;
    for (size_t i = 0; config.device_extensions[i]; i++) {
        if (strcmp(config.device_extensions[i], names[0]) != 0) {
            config.device_extensions[kept++] = config.device_extensions[i];
        }
    }
    config.device_extensions[kept] = NULL;
    mock_vk_set_config(&config);

    uint32_t found = 0;
    mock_vk_set_hook("vkCreateDevice", look_for_semaphore_fd, &found);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, names, 1);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_SUCCESS);
    assert_int_equal(found, 0);
    guest_close(&g);
}

static void the_drivers_refusal_leaves_nothing(void **state)
{
    (void)state;
    struct guest g;
    open_physical_device(&g);
    mock_vk_fail("vkCreateDevice", 1, VK_ERROR_TOO_MANY_OBJECTS);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_ERROR_TOO_MANY_OBJECTS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), NO_ID);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
    // The id is still free.
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateDevice), VK_SUCCESS);
    guest_close(&g);
}

static void too_many_objects_leave_no_device(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.max_objects = 2});
    write_create_instance(&g, INSTANCE, false);
    write_enumerate(&g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(&g);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_badly(&g, "too many objects");
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
    guest_close(&g);
}

static void no_queue_without_a_ring_idx_of_its_own(void **state)
{
    (void)state;
    static const struct {
        uint32_t family, index, ring_idx;
        const char *reason;
    } bad[] = {
        {0, 1, 0, "ring_idx"},          {0, 1, 64, "ring_idx"},
        {0, 1, UINT32_MAX, "ring_idx"}, {0, 1, 1, "bound already"}, // by QUEUE
        {0, 0, 2, "bound already"},                                 // QUEUE itself
        {0, 2, 2, "no such queue"},                                 // only two were created
        {1, 7, 2, "no such queue"},     {3, 0, 2, "no such queue"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open_device(&g);
        write_get_queue(&g, DEVICE, 100, bad[i].family, bad[i].index, bad[i].ring_idx);
        submit_badly(&g, bad[i].reason);
        guest_close(&g);
    }
}

static void a_queue_without_its_timeline_structure_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    begin(&g, PV_COMMAND_vkGetDeviceQueue2, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2);
    put_u32(&g, 0);
    put_u32(&g, 0);
    put_u32(&g, 1);
    put_present(&g);
    put_u64(&g, 100);
    submit_badly(&g, "ring_idx");
    guest_close(&g);
}

static void a_queue_with_a_bad_id_leaves_its_ring_idx_unbound(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.max_objects = 3});
    write_create_instance(&g, INSTANCE, false);
    write_enumerate(&g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(&g);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    submit_well(&g);
    write_get_queue(&g, DEVICE, QUEUE, 0, 0, 1);
    submit_badly(&g, "too many objects");
    assert_true(pv_context_create_fence(g.context, 1, 7));
    assert_int_equal(retired_fences(&g), 1);
    guest_close(&g);
}

static void commands_that_would_block_end_the_context(void **state)
{
    (void)state;
    static const uint32_t commands[] = {PV_COMMAND_vkDeviceWaitIdle, PV_COMMAND_vkQueueWaitIdle,
                                        PV_COMMAND_vkGetDeviceQueue};
    for (size_t i = 0; i < 3; i++) {
        struct guest g;
        guest_open_device(&g);
        begin(&g, commands[i], false);
        put_u64(&g, DEVICE);
        submit_badly(&g, "guests must not send this command");
        guest_close(&g);
    }
}

// -- fences
// ----------------------------------------------------------------------------------------

static bool all_retired(void *user)
{
    return retired_fences(user) == 3;
}

static void fences_retire_in_order_when_the_queue_is_done(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_hold();
    for (uint64_t id = 10; id < 13; id++) {
        write_submit(&g, QUEUE, 0, 0, false);
        submit_well(&g);
        assert_true(pv_context_create_fence(g.context, 1, id));
    }
    assert_int_equal(retired_fences(&g), 0);
    mock_vk_release(UINT32_MAX);
    assert_true(wait_for(all_retired, &g));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(g.retired[i].ring_idx, 1);
        assert_int_equal(g.retired[i].id, 10 + i);
    }
    guest_close(&g);
}

// Of the guest's submissions, not of empty ones.
static void see_fence(void *user, void *const *args)
{
    if (*(uint32_t *)args[1] > 0) {
        *(VkFence *)user = *(VkFence *)args[3];
    }
}

// A submission that waits for the one and signals the other, and a fence of the transport for it:
// whether a fence of ours went along.
static bool fence_goes_along(struct guest *g, uint64_t id, struct guest_point wait,
                             struct guest_point signal)
{
    VkFence fence = VK_NULL_HANDLE;
    mock_vk_set_hook("vkQueueSubmit", see_fence, &fence);
    write_submit_timeline(g, wait, signal, false);
    submit_well(g);
    assert_true(pv_context_create_fence(g->context, 1, id));
    return fence != VK_NULL_HANDLE;
}

static void take_fences_along(VkDriverId driver, bool late_timelines)
{
    enum { BINARY = 300, TIMELINE = 301 };
    const struct guest_point none = {0, 0};
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.driver_id = driver;
    mock_vk_set_config(&config);
    struct guest g;
    guest_open_device(&g);
    write_create_semaphore(&g, BINARY, false, false);
    write_create_semaphore(&g, TIMELINE, true, false);

    // A habit, after two.
    assert_false(fence_goes_along(&g, 10, none, none));
    assert_false(fence_goes_along(&g, 11, none, none));
    assert_true(fence_goes_along(&g, 12, none, (struct guest_point){BINARY, 0}));
    assert_true(fence_goes_along(&g, 13, none, (struct guest_point){TIMELINE, 1}));
    // From now on the driver may have a thread that is late.
    assert_true(fence_goes_along(&g, 14, (struct guest_point){TIMELINE, 1}, none));
    assert_int_equal(!fence_goes_along(&g, 15, none, (struct guest_point){TIMELINE, 2}),
                     late_timelines);
    assert_true(fence_goes_along(&g, 16, none, none));
    guest_close(&g);
}

static void submissions_take_fences_along(void **state)
{
    (void)state;
    take_fences_along(VK_DRIVER_ID_MESA_RADV, false);
}

static void submissions_take_none_where_timelines_are_late(void **state)
{
    (void)state;
    take_fences_along(VK_DRIVER_ID_MESA_LLVMPIPE, true);
}

static void fences_without_a_queue_retire_at_once(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    assert_true(pv_context_create_fence(g.context, 0, 1));
    assert_true(pv_context_create_fence(g.context, 63, 2));
    assert_int_equal(retired_fences(&g), 2);
    assert_int_equal(g.retired[0].ring_idx, 0);
    assert_int_equal(g.retired[1].ring_idx, 63);
    assert_false(pv_context_create_fence(g.context, 64, 3));
    assert_int_equal(retired_fences(&g), 2);
    guest_close(&g);
}

static void failure_does_not_let_fences_overtake(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_hold();
    write_submit(&g, QUEUE, 0, 0, false);
    submit_well(&g);
    assert_true(pv_context_create_fence(g.context, 1, 10));
    begin(&g, 345000, false);
    submit_badly(&g, "there is no such command");
    assert_true(pv_context_create_fence(g.context, 1, 11));
    assert_true(pv_context_create_fence(g.context, 1, 12));
    assert_int_equal(retired_fences(&g), 0);
    mock_vk_release(UINT32_MAX);
    assert_true(wait_for(all_retired, &g));
    assert_int_equal(g.retired[0].id, 10);
    assert_int_equal(g.retired[1].id, 11);
    assert_int_equal(g.retired[2].id, 12);
    guest_close(&g);
}

static void no_fence_is_lost_when_the_context_goes(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_hold();
    for (uint64_t id = 10; id < 13; id++) {
        write_submit(&g, QUEUE, 0, 0, false);
        submit_well(&g);
        assert_true(pv_context_create_fence(g.context, 1, id));
    }
    mock_vk_lose_device(); // else it would wait for the device
    guest_destroy_context(&g);
    assert_int_equal(retired_fences(&g), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(g.retired[i].id, 10 + i);
    }
    guest_close(&g);
}

static void no_fence_is_lost_when_the_device_goes(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_hold();
    for (uint64_t id = 10; id < 12; id++) {
        assert_true(pv_context_create_fence(g.context, 1, id));
    }
    mock_vk_release(UINT32_MAX);
    begin(&g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(&g, DEVICE);
    put_null(&g);
    submit_well(&g);
    assert_true(pv_context_create_fence(g.context, 1, 12));
    assert_int_equal(retired_fences(&g), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(g.retired[i].id, 10 + i);
    }
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_device_and_its_queues),
        CASE(impossible_queues_never_reach_the_driver),
        CASE(own_extensions_are_added_once),
        CASE(unknown_extensions_are_refused_at_once),
        CASE(extensions_are_those_of_the_guests_instance),
        CASE(the_drivers_refusal_leaves_nothing),
        CASE(too_many_objects_leave_no_device),
        CASE(no_queue_without_a_ring_idx_of_its_own),
        CASE(a_queue_without_its_timeline_structure_ends_the_context),
        CASE(a_queue_with_a_bad_id_leaves_its_ring_idx_unbound),
        CASE(commands_that_would_block_end_the_context),
        CASE(fences_retire_in_order_when_the_queue_is_done),
        CASE(submissions_take_fences_along),
        CASE(submissions_take_none_where_timelines_are_late),
        CASE(fences_without_a_queue_retire_at_once),
        CASE(failure_does_not_let_fences_overtake),
        CASE(no_fence_is_lost_when_the_context_goes),
        CASE(no_fence_is_lost_when_the_device_goes),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}

// Ids and what they name; objects that the driver refused to create.
#include "guest.h"

static void a_fence(struct guest *g)
{
    guest_open_device(g);
    write_create_fence(g, 100, false);
    submit_well(g);
}

static void created_objects_echo_their_id(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_fence(&g, 0x123456789abcdef0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateFence), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_true(get_u64(&g) == 0x123456789abcdef0);
    guest_close(&g);
}

static void id_0_names_nothing_new(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    const uint32_t calls = mock_vk_call_count("vkCreateFence");
    write_create_fence(&g, 0, false);
    submit_badly(&g, "the id of a new object is 0");
    assert_int_equal(mock_vk_call_count("vkCreateFence"), calls);
    guest_close(&g);
}

static void ids_in_use_are_not_given_again(void **state)
{
    (void)state;
    static const uint64_t used[] = {100, INSTANCE, PHYSICAL_DEVICE, DEVICE, QUEUE};
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        struct guest g;
        a_fence(&g);
        write_create_semaphore(&g, used[i], false, false);
        submit_badly(&g, "in use");
        guest_close(&g);
    }
}

static void ids_of_other_types_end_the_context(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {100, INSTANCE, DEVICE, QUEUE};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct guest g;
        a_fence(&g);
        write_destroy(&g, PV_COMMAND_vkDestroySemaphore, DEVICE, wrong[i]);
        submit_badly(&g, "another type");
        guest_close(&g);
    }
}

static void scopes_of_other_types_end_the_context(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {0, 100, INSTANCE, QUEUE, 9999};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct guest g;
        a_fence(&g);
        write_destroy(&g, PV_COMMAND_vkDestroyFence, wrong[i], 100);
        submit_badly(&g, wrong[i] && wrong[i] != 9999 ? "another type" : "names no object");
        guest_close(&g);
    }
}

static void objects_belong_to_one_device(void **state)
{
    (void)state;
    struct guest g;
    a_fence(&g);
    write_create_device(&g, 200, (struct queues[]){{0, 1}}, 1, NULL, 0);
    write_destroy(&g, PV_COMMAND_vkDestroyFence, 200, 100);
    submit_badly(&g, "another device (100)");
    guest_close(&g);
}

static void destroyed_objects_are_gone(void **state)
{
    (void)state;
    struct guest g;
    a_fence(&g);
    write_create_semaphore(&g, 101, false, false);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_SEMAPHORE), 1);
    write_destroy(&g, PV_COMMAND_vkDestroySemaphore, DEVICE, 101);
    write_destroy(&g, PV_COMMAND_vkDestroyFence, DEVICE, 100);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_SEMAPHORE), 0);
    begin(&g, PV_COMMAND_vkGetFenceStatus, true);
    put_u64(&g, DEVICE);
    put_u64(&g, 100);
    submit_badly(&g, "an id names no object (100)");
    guest_close(&g);
}

static void destroying_nothing_is_nothing(void **state)
{
    (void)state;
    static const uint32_t commands[] = {
        PV_COMMAND_vkDestroyFence,       PV_COMMAND_vkDestroySemaphore,
        PV_COMMAND_vkDestroyBuffer,      PV_COMMAND_vkDestroyDescriptorPool,
        PV_COMMAND_vkDestroyCommandPool, PV_COMMAND_vkDestroyPipeline,
        PV_COMMAND_vkFreeMemory,         PV_COMMAND_vkDestroyImage,
    };
    struct guest g;
    guest_open_device(&g);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        write_destroy(&g, commands[i], DEVICE, 0);
    }
    submit_well(&g);
    guest_close(&g);
}

static void a_parents_end_is_its_childrens(void **state)
{
    (void)state;
    struct guest g;
    a_fence(&g);
    begin(&g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(&g, DEVICE);
    put_null(&g);
    // The ids are free.
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    write_create_fence(&g, 100, false);
    submit_well(&g);
    guest_close(&g);
}

// -- poison
// ----------------------------------------------------------------------------------------

static void a_refusal_that_the_guest_sees_leaves_no_object(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, 100, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateBuffer), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), NO_ID);
    write_create_buffer(&g, 100, true); // the id is free
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateBuffer), VK_SUCCESS);
    guest_close(&g);
}

static void write_view(struct guest *g, uint64_t id, uint64_t buffer, bool reply)
{
    begin(g, PV_COMMAND_vkCreateBufferView, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO);
    put_u32(g, 0);
    put_u64(g, buffer);
    put_u32(g, VK_FORMAT_R8G8B8A8_UNORM);
    put_u64(g, 0);
    put_u64(g, 256);
    put_new(g, id);
}

static void what_was_refused_unseen_is_skipped(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, 100, false);
    write_view(&g, 101, 100, false); // poisoned in turn
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCreateBufferView"), 0);
    write_view(&g, 102, 100, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateBufferView), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), NO_ID);
    // Types and ids are still minded.
    write_destroy(&g, PV_COMMAND_vkDestroyBufferView, DEVICE, 101);
    write_destroy(&g, PV_COMMAND_vkDestroyBuffer, DEVICE, 100);
    write_create_buffer(&g, 100, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateBuffer), VK_SUCCESS);
    guest_close(&g);
}

static void a_command_buffer(struct guest *g)
{
    guest_open_device(g);
    write_create_command_pool(g, 100, false);
    write_allocate_command_buffers(g, 100, (uint64_t[]){101}, 1, false);
    submit_well(g);
}

static void write_end(struct guest *g, uint64_t id)
{
    begin(g, PV_COMMAND_vkEndCommandBuffer, false);
    put_u64(g, id);
}

static void write_fill(struct guest *g, uint64_t id, uint64_t buffer)
{
    begin(g, PV_COMMAND_vkCmdFillBuffer, false);
    put_u64(g, id);
    put_u64(g, buffer);
    put_u64(g, 0);
    put_u64(g, 64);
    put_u32(g, 0);
}

static void an_incomplete_command_buffer_loses_the_device(void **state)
{
    (void)state;
    struct guest g;
    a_command_buffer(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, 102, false);
    write_begin_command_buffer(&g, 101, false);
    write_fill(&g, 101, 102);
    write_draw(&g, 101);
    write_end(&g, 101);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdFillBuffer"), 0);
    assert_int_equal(mock_vk_call_count("vkCmdDraw"), 0);
    const uint32_t submits = mock_vk_call_count("vkQueueSubmit");
    write_submit(&g, QUEUE, 101, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
    assert_int_equal(mock_vk_call_count("vkQueueSubmit"), submits);
    // Lost is lost, also for what is complete.
    write_submit(&g, QUEUE, 0, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
    guest_close(&g);
}

static void beginning_anew_heals_a_command_buffer(void **state)
{
    (void)state;
    struct guest g;
    a_command_buffer(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, 102, false);
    write_begin_command_buffer(&g, 101, false);
    write_fill(&g, 101, 102);
    write_begin_command_buffer(&g, 101, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBeginCommandBuffer), VK_SUCCESS);
    write_draw(&g, 101);
    write_end(&g, 101);
    write_submit(&g, QUEUE, 101, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_SUCCESS);
    assert_int_equal(mock_vk_call_count("vkCmdDraw"), 1);
    guest_close(&g);
}

static void what_the_driver_did_not_begin_or_end_is_not_used(void **state)
{
    (void)state;
    static const char *const commands[] = {"vkBeginCommandBuffer", "vkEndCommandBuffer"};
    for (size_t i = 0; i < 2; i++) {
        mock_vk_reset();
        struct guest g;
        a_command_buffer(&g);
        mock_vk_fail(commands[i], 1, VK_ERROR_OUT_OF_HOST_MEMORY);
        write_begin_command_buffer(&g, 101, false);
        write_draw(&g, 101);
        write_end(&g, 101);
        write_submit(&g, QUEUE, 101, 0, true);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
        assert_int_equal(mock_vk_call_count("vkCmdDraw"), i);
        guest_close(&g);
    }
}

static void memory_for_a_poisoned_buffer_is_poisoned_whole(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, 100, false);
    write_allocate_memory(&g, 101, 4096, 1, 100, false);
    submit_well(&g);
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.memory, 0);
    assert_null(pv_context_create_blob(
        g.context,
        &(struct pv_blob_params){.resource_id = 50, .flags = 1, .blob_id = 101, .size = 4096}));
    write_destroy(&g, PV_COMMAND_vkFreeMemory, DEVICE, 101);
    submit_well(&g);
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.memory, 0);
    guest_close(&g);
}

static void a_poisoned_pool_and_its_sets(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail("vkCreateCommandPool", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    write_create_command_pool(&g, 100, false);
    write_allocate_command_buffers(&g, 100, (uint64_t[]){101, 102}, 2, false);
    write_begin_command_buffer(&g, 101, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBeginCommandBuffer), VK_ERROR_OUT_OF_HOST_MEMORY);
    write_draw(&g, 101);
    begin(&g, PV_COMMAND_vkFreeCommandBuffers, false);
    put_u64(&g, DEVICE);
    put_u64(&g, 100);
    put_u32(&g, 1);
    put_u64(&g, 1);
    put_u64(&g, 101);
    write_destroy(&g, PV_COMMAND_vkDestroyCommandPool, DEVICE, 100);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkAllocateCommandBuffers"), 0);
    assert_int_equal(mock_vk_call_count("vkFreeCommandBuffers"), 0);
    assert_int_equal(mock_vk_call_count("vkCmdDraw"), 0);
    write_create_fence(&g, 102, true); // went with the pool
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateFence), VK_SUCCESS);
    guest_close(&g);
}

static void a_poisoned_fence_loses_the_device(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail("vkCreateFence", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    write_create_fence(&g, 100, false);
    write_submit(&g, QUEUE, 0, 100, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
    guest_close(&g);
}

static void fences_are_used_again(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    const uint32_t made = mock_vk_call_count("vkCreateFence");
    for (uint64_t id = 100; id < 110; id++) {
        write_create_fence(&g, id, false);
        write_submit(&g, QUEUE, 0, id, true); // signals it at once
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_SUCCESS);
        write_destroy(&g, PV_COMMAND_vkDestroyFence, DEVICE, id);
        submit_well(&g);
    }
    assert_int_equal(mock_vk_call_count("vkCreateFence"), made + 1);
    assert_int_equal(mock_vk_call_count("vkDestroyFence"), 0);
    // Whoever was there before, a new fence is not signalled.
    write_create_fence(&g, 110, false);
    begin(&g, PV_COMMAND_vkGetFenceStatus, true);
    put_u64(&g, DEVICE);
    put_u64(&g, 110);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetFenceStatus), VK_NOT_READY);
    guest_close(&g);
}

static void more_to_a_fence_is_made_by_the_driver(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    for (uint64_t id = 100; id < 104; id++) {
        begin(&g, PV_COMMAND_vkCreateFence, false);
        put_u64(&g, DEVICE);
        put_present(&g);
        put_stype(&g, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
        put_u32(&g, VK_FENCE_CREATE_SIGNALED_BIT);
        put_new(&g, id);
        begin(&g, PV_COMMAND_vkGetFenceStatus, true);
        put_u64(&g, DEVICE);
        put_u64(&g, id);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkGetFenceStatus), VK_SUCCESS);
        write_destroy(&g, PV_COMMAND_vkDestroyFence, DEVICE, id);
        submit_well(&g);
    }
    guest_close(&g);
}

// The guest may not, but what comes of it stays among its own fences.
static void a_fence_destroyed_while_pending_is_the_guests_alone(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_hold();
    write_create_fence(&g, 100, false);
    write_submit(&g, QUEUE, 0, 100, false);
    write_destroy(&g, PV_COMMAND_vkDestroyFence, DEVICE, 100);
    submit_well(&g);
    const uint32_t made = mock_vk_call_count("vkCreateFence");
    assert_true(pv_context_create_fence(g.context, 1, 77));
    assert_int_equal(mock_vk_call_count("vkCreateFence"), made + 1); // not that one
    assert_int_equal(g.retired_count, 0);
    mock_vk_release(UINT32_MAX);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(created_objects_echo_their_id),
        CASE(id_0_names_nothing_new),
        CASE(ids_in_use_are_not_given_again),
        CASE(ids_of_other_types_end_the_context),
        CASE(scopes_of_other_types_end_the_context),
        CASE(objects_belong_to_one_device),
        CASE(destroyed_objects_are_gone),
        CASE(destroying_nothing_is_nothing),
        CASE(a_parents_end_is_its_childrens),
        CASE(a_refusal_that_the_guest_sees_leaves_no_object),
        CASE(what_was_refused_unseen_is_skipped),
        CASE(an_incomplete_command_buffer_loses_the_device),
        CASE(beginning_anew_heals_a_command_buffer),
        CASE(what_the_driver_did_not_begin_or_end_is_not_used),
        CASE(memory_for_a_poisoned_buffer_is_poisoned_whole),
        CASE(a_poisoned_pool_and_its_sets),
        CASE(a_poisoned_fence_loses_the_device),
        CASE(fences_are_used_again),
        CASE(more_to_a_fence_is_made_by_the_driver),
        CASE(a_fence_destroyed_while_pending_is_the_guests_alone),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}

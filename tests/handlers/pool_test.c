// Descriptor sets and command buffers, which live and die with their pools.
#include "guest.h"

#define LAYOUT 100
#define POOL   101
#define OTHER  102

static void write_allocate_sets(struct guest *g, uint64_t pool, const uint64_t *ids, uint32_t count,
                                bool reply)
{
    begin(g, PV_COMMAND_vkAllocateDescriptorSets, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    put_u64(g, pool);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, LAYOUT);
    }
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, ids[i]);
    }
}

static void write_free(struct guest *g, uint32_t command, uint64_t pool, const uint64_t *ids,
                       uint32_t count)
{
    begin(g, command, command == PV_COMMAND_vkFreeDescriptorSets);
    put_u64(g, DEVICE);
    put_u64(g, pool);
    put_u32(g, count);
    put_u64(g, ids ? count : 0);
    for (uint32_t i = 0; ids && i < count; i++) {
        put_u64(g, ids[i]);
    }
}

static void open_pools(struct guest *g)
{
    guest_open_device(g);
    begin(g, PV_COMMAND_vkCreateDescriptorSetLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_null(g);
    put_new(g, LAYOUT);
    write_create_descriptor_pool(g, POOL, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER);
    write_create_descriptor_pool(g, OTHER, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER);
    submit_well(g);
}

static void sets_are_allocated_and_freed(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201, 202}, 3, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateDescriptorSets), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(get_u64(&g), 200 + i);
    }
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_SET), 3);
    write_free(&g, PV_COMMAND_vkFreeDescriptorSets, POOL, (uint64_t[]){202, 0, 200}, 3);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkFreeDescriptorSets), VK_SUCCESS);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_SET), 1);
    // Freed ids are free, the other is not.
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 202}, 2, false);
    submit_well(&g);
    write_allocate_sets(&g, POOL, (uint64_t[]){203, 201}, 2, false);
    submit_badly(&g, "in use");
    guest_close(&g);
}

static void a_refused_allocation_has_no_ids(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    mock_vk_fail("vkAllocateDescriptorSets", 1, VK_ERROR_OUT_OF_POOL_MEMORY);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateDescriptorSets),
                     VK_ERROR_OUT_OF_POOL_MEMORY);
    assert_int_equal(get_u64(&g), 2);
    assert_int_equal(get_u64(&g), NO_ID);
    assert_int_equal(get_u64(&g), NO_ID);
    guest_close(&g);
}

static void a_refusal_that_nobody_saw_can_be_freed(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    mock_vk_fail("vkAllocateDescriptorSets", 1, VK_ERROR_OUT_OF_POOL_MEMORY);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, false);
    write_free(&g, PV_COMMAND_vkFreeDescriptorSets, POOL, (uint64_t[]){200}, 1);
    begin(&g, PV_COMMAND_vkResetDescriptorPool, false);
    put_u64(&g, DEVICE);
    put_u64(&g, POOL);
    put_u32(&g, 0);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateDescriptorSets), VK_SUCCESS);
    guest_close(&g);
}

static void ids_of_one_allocation_differ(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201, 200}, 3, false);
    submit_badly(&g, "an id stands twice");
    assert_int_equal(mock_vk_call_count("vkAllocateDescriptorSets"), 0);
    guest_close(&g);
}

static void an_allocation_needs_a_pool(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_allocate_sets(&g, 0, (uint64_t[]){200}, 1, false);
    assert_false(submit(&g));
    assert_int_equal(mock_vk_call_count("vkAllocateDescriptorSets"), 0);
    guest_close(&g);
}

static void sets_are_freed_once_and_into_their_pool(void **state)
{
    (void)state;
    static const struct {
        uint64_t pool;
        uint64_t ids[2];
        const char *reason;
    } bad[] = {
        {POOL, {200, 200}, "an id stands twice"},
        {OTHER, {200, 201}, "belongs to another pool"},
        {POOL, {200, 999}, "names no object"},
        {POOL, {200, LAYOUT}, "another type"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_pools(&g);
        write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, false);
        write_free(&g, PV_COMMAND_vkFreeDescriptorSets, bad[i].pool, bad[i].ids, 2);
        submit_badly(&g, bad[i].reason);
        assert_int_equal(mock_vk_call_count("vkFreeDescriptorSets"), 0);
        guest_close(&g);
    }
}

static void a_count_without_sets_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_free(&g, PV_COMMAND_vkFreeDescriptorSets, POOL, NULL, 2);
    submit_badly(&g, "to be freed are missing");
    guest_close(&g);
}

static void resetting_a_pool_ends_its_sets(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, false);
    write_allocate_sets(&g, OTHER, (uint64_t[]){202}, 1, false);
    begin(&g, PV_COMMAND_vkResetDescriptorPool, true);
    put_u64(&g, DEVICE);
    put_u64(&g, POOL);
    put_u32(&g, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkResetDescriptorPool), VK_SUCCESS);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_SET), 1);
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.objects, 4 + 3 + 1);
    write_free(&g, PV_COMMAND_vkFreeDescriptorSets, POOL, (uint64_t[]){200}, 1);
    submit_badly(&g, "an id names no object (200)");
    guest_close(&g);
}

static void destroying_a_pool_ends_its_sets(void **state)
{
    (void)state;
    struct guest g;
    open_pools(&g);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, false);
    write_destroy(&g, PV_COMMAND_vkDestroyDescriptorPool, DEVICE, POOL);
    write_create_descriptor_pool(&g, POOL, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER);
    write_allocate_sets(&g, POOL, (uint64_t[]){200, 201}, 2, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateDescriptorSets), VK_SUCCESS);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_POOL), 2);
    guest_close(&g);
}

// -- command buffers
// -------------------------------------------------------------------------------

static void open_command_pools(struct guest *g)
{
    guest_open_device(g);
    write_create_command_pool(g, POOL, false);
    write_create_command_pool(g, OTHER, false);
    write_allocate_command_buffers(g, POOL, (uint64_t[]){200, 201, 202}, 3, false);
    submit_well(g);
}

static void command_buffers_are_freed(void **state)
{
    (void)state;
    struct guest g;
    open_command_pools(&g);
    write_free(&g, PV_COMMAND_vkFreeCommandBuffers, POOL, (uint64_t[]){0, 201, 200}, 3);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_COMMAND_BUFFER), 1);
    write_draw(&g, 201);
    submit_badly(&g, "an id names no object (201)");
    guest_close(&g);
}

static void command_buffers_are_freed_once_and_into_their_pool(void **state)
{
    (void)state;
    static const struct {
        uint64_t pool;
        uint64_t ids[2];
        const char *reason;
    } bad[] = {
        {POOL, {200, 200}, "an id stands twice"},
        {OTHER, {200, 201}, "belongs to another pool"},
        {POOL, {200, QUEUE}, "another type"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_command_pools(&g);
        write_free(&g, PV_COMMAND_vkFreeCommandBuffers, bad[i].pool, bad[i].ids, 2);
        submit_badly(&g, bad[i].reason);
        assert_int_equal(mock_vk_call_count("vkFreeCommandBuffers"), 0);
        guest_close(&g);
    }
}

static void resetting_a_command_pool_keeps_its_buffers(void **state)
{
    (void)state;
    struct guest g;
    open_command_pools(&g);
    begin(&g, PV_COMMAND_vkResetCommandPool, true);
    put_u64(&g, DEVICE);
    put_u64(&g, POOL);
    put_u32(&g, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkResetCommandPool), VK_SUCCESS);
    write_begin_command_buffer(&g, 200, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBeginCommandBuffer), VK_SUCCESS);
    guest_close(&g);
}

static void destroying_a_command_pool_ends_its_buffers(void **state)
{
    (void)state;
    struct guest g;
    open_command_pools(&g);
    write_destroy(&g, PV_COMMAND_vkDestroyCommandPool, DEVICE, POOL);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_COMMAND_POOL), 1);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_COMMAND_BUFFER), 0);
    write_begin_command_buffer(&g, 200, false);
    submit_badly(&g, "an id names no object (200)");
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sets_are_allocated_and_freed),
        CASE(a_refused_allocation_has_no_ids),
        CASE(a_refusal_that_nobody_saw_can_be_freed),
        CASE(ids_of_one_allocation_differ),
        CASE(an_allocation_needs_a_pool),
        CASE(sets_are_freed_once_and_into_their_pool),
        CASE(a_count_without_sets_ends_the_context),
        CASE(resetting_a_pool_ends_its_sets),
        CASE(destroying_a_pool_ends_its_sets),
        CASE(command_buffers_are_freed),
        CASE(command_buffers_are_freed_once_and_into_their_pool),
        CASE(resetting_a_command_pool_keeps_its_buffers),
        CASE(destroying_a_command_pool_ends_its_buffers),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

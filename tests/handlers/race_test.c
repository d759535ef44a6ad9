// Three rings and the virtqueue use the same few ids at once, against all rules of Vulkan. The
// guest may lose its context; the renderer must come out of it clean. What the driver is told is
// the guest's own affair here, as long as nothing is left in it at the end.
#include "guest.h"

#define RINGS    3
#define COMMANDS 4
#define ROUNDS   150

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % limit;
}

// Ids of one kind: 100, 101 ...; few, so that rings meet.
static uint64_t pick(uint32_t *seed, uint64_t first)
{
    return first + random_below(seed, 3);
}

#define FENCES  100
#define POOLS   110
#define BUFFERS 120
#define MEMORY  130
#define COMMAND 140
#define QUEUES  150
#define EVENTS  160

static void write_two_ids(struct guest *g, uint32_t command, uint64_t id)
{
    begin(g, command, false);
    put_u64(g, DEVICE);
    put_u64(g, id);
}

static void write_free(struct guest *g, uint64_t pool, uint64_t a, uint64_t b)
{
    begin(g, PV_COMMAND_vkFreeCommandBuffers, false);
    put_u64(g, DEVICE);
    put_u64(g, pool);
    put_u32(g, 2);
    put_u64(g, 2);
    put_u64(g, a);
    put_u64(g, b);
}

static void write_device(struct guest *g, bool create)
{
    if (create) {
        begin(g, PV_COMMAND_vkCreateDevice, false);
        put_u64(g, PHYSICAL_DEVICE);
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
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
    } else {
        begin(g, PV_COMMAND_vkDestroyDevice, false);
        put_u64(g, DEVICE);
        put_null(g);
    }
}

static void write_something(struct guest *g, uint32_t *seed)
{
    switch (random_below(seed, 24)) {
    case 0:
    case 1:
        write_create_fence(g, pick(seed, FENCES), false);
        break;
    case 2:
    case 3:
        write_destroy(g, PV_COMMAND_vkDestroyFence, DEVICE, pick(seed, FENCES));
        break;
    case 4:
    case 5:
        write_two_ids(g, PV_COMMAND_vkResetFenceResourceMESA, pick(seed, FENCES));
        break;
    case 6:
        write_submit(g, QUEUE, 0, pick(seed, FENCES), false);
        break;
    case 7:
        write_wait_fence(g, pick(seed, FENCES), 1000000);
        break;
    case 8:
    case 9:
        write_create_command_pool(g, pick(seed, POOLS), false);
        break;
    case 10:
        write_destroy(g, PV_COMMAND_vkDestroyCommandPool, DEVICE, pick(seed, POOLS));
        break;
    case 11:
    case 12:
        write_allocate_command_buffers(
            g, pick(seed, POOLS), (uint64_t[]){pick(seed, COMMAND), pick(seed, COMMAND)}, 2, false);
        break;
    case 13:
    case 14:
        write_free(g, pick(seed, POOLS), pick(seed, COMMAND), pick(seed, COMMAND));
        break;
    case 15:
        write_begin_command_buffer(g, pick(seed, COMMAND), false);
        break;
    case 16:
        write_draw(g, pick(seed, COMMAND));
        break;
    case 17:
        write_create_buffer(g, pick(seed, BUFFERS), false);
        break;
    case 18:
        write_destroy(g, PV_COMMAND_vkDestroyBuffer, DEVICE, pick(seed, BUFFERS));
        break;
    case 19:
        write_allocate_memory(g, pick(seed, MEMORY), 4096, 1, pick(seed, BUFFERS), false);
        break;
    case 20:
        write_destroy(g, PV_COMMAND_vkFreeMemory, DEVICE, pick(seed, MEMORY));
        break;
    case 21:
        write_get_queue(g, DEVICE, pick(seed, QUEUES), 0, random_below(seed, 2),
                        1 + random_below(seed, 3));
        break;
    case 22:
        write_device(g, random_below(seed, 2));
        break;
    case 23:
        begin(g, PV_COMMAND_vkQueueBindSparse, false);
        put_u64(g, pick(seed, QUEUES));
        put_u32(g, 0);
        put_null(g);
        put_u64(g, 0);
        break;
    default:
        break;
    }
}

// Most commands fail the context sooner or later, so each begins with the objects it may need.
static void write_beginning(struct guest *g)
{
    for (uint64_t i = 0; i < 3; i++) {
        write_create_fence(g, FENCES + i, false);
        write_create_command_pool(g, POOLS + i, false);
        write_create_buffer(g, BUFFERS + i, false);
    }
    write_allocate_command_buffers(g, POOLS, (uint64_t[]){COMMAND, COMMAND + 1, COMMAND + 2}, 3,
                                   false);
}

static bool is_over(void *user)
{
    const struct test_ring *rings = user;
    for (int i = 0; i < RINGS; i++) {
        if (ring_head(&rings[i]) != rings[i].tail && !(ring_status(&rings[i]) & 2)) {
            return false;
        }
    }
    return true;
}

static void run_round(uint32_t seed)
{
    mock_vk_reset();
    struct guest g;
    guest_open_device(&g);
    write_beginning(&g);
    submit_well(&g);
    struct test_ring rings[RINGS];
    for (int i = 0; i < RINGS; i++) {
        rings[i] = open_ring(&g, 10 + (uint64_t)i, RING + 16384 * (uint64_t)i);
        begin(&g, PV_COMMAND_vkWaitVirtqueueSeqnoMESA, false);
        put_u64(&g, 1);
        for (int k = 0; k < COMMANDS; k++) {
            write_something(&g, &seed);
        }
        ring_put(&g, &rings[i]);
    }
    for (int i = 0; i < RINGS; i++) {
        begin(&g, PV_COMMAND_vkSubmitVirtqueueSeqnoMESA, false);
        put_u64(&g, rings[i].name);
        put_u64(&g, 1);
    }
    (void)submit(&g);
    for (uint64_t i = 0; i < 20; i++) {
        (void)pv_context_create_fence(g.context, 1 + random_below(&seed, 3), i);
        struct pv_resource *blob = pv_context_create_blob(
            g.context, &(struct pv_blob_params){.resource_id = 50 + (uint32_t)i,
                                                .flags = PV_BLOB_MAPPABLE,
                                                .blob_id = pick(&seed, MEMORY),
                                                .size = 4096});
        pv_resource_unref(blob);
        struct pv_context_stats stats;
        pv_context_get_stats(g.context, &stats);
    }
    if (random_below(&seed, 2)) {
        (void)wait_for(is_over, rings);
    }
    guest_destroy_context(&g);
    assert_int_equal(retired_fences(&g), 20);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
    mock_vk_reset(); // and its complaints
    guest_close(&g);
}

static void rings_that_race_leave_nothing(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        run_round(round * 7919 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(rings_that_race_leave_nothing)};
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}

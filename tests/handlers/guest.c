#include "guest.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// -- life ----------------------------------------------------------------------------------------

static void fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    struct guest *g = user;
    pthread_mutex_lock(&g->lock);
    if (g->retired_count < 256) {
        g->retired[g->retired_count].ring_idx = ring_idx;
        g->retired[g->retired_count++].id = fence_id;
    }
    pthread_mutex_unlock(&g->lock);
}

static void failed(void *user, const char *reason)
{
    struct guest *g = user;
    pthread_mutex_lock(&g->lock);
    g->failures++;
    strncpy(g->reason, reason, sizeof(g->reason) - 1);
    pthread_mutex_unlock(&g->lock);
}

// PV_TEST_COMMANDS names a file that collects which test ran which command (scripts/coverage.py).
static void note_command(void *file, const char *name, uint64_t count)
{
    (void)count;
    fprintf(file, "%s %s\n", program_invocation_short_name, name);
}

static void note_commands(const struct pv_context *context)
{
    const char *path = getenv("PV_TEST_COMMANDS");
    FILE *file = path && context ? fopen(path, "a") : NULL;
    if (file) {
        pv_context_visit_commands(context, note_command, file);
        fclose(file);
    }
}

static void hear(void *user, enum pv_log_level level, const char *message)
{
    struct guest *g = user;
    pthread_mutex_lock(&g->lock);
    if (strncmp(message, "context ", 8) == 0) {
        g->said[level]++;
        strncpy(g->last_said, message, sizeof(g->last_said) - 1);
    }
    pthread_mutex_unlock(&g->lock);
}

void guest_open(struct guest *g, const struct pv_renderer_params *params)
{
    *g = (struct guest){.open = true};
    pthread_mutex_init(&g->lock, NULL);
    struct pv_renderer_params defaults = {0};
    if (params) {
        defaults = *params;
    }
    if (!defaults.vulkan_library) {
        defaults.vulkan_library = mock_vk_path();
    }
    if (getenv("PV_TEST_COMMANDS")) {
        defaults.count_commands = true;
    }
    if (!defaults.log) {
        defaults.log = hear;
        defaults.log_user = g;
    }
    char error[256] = "";
    g->renderer = pv_renderer_create(&defaults, error, sizeof(error));
    assert_string_equal(error, "");
    assert_non_null(g->renderer);
    g->context = pv_context_create(
        g->renderer,
        &(struct pv_context_params){
            .name = "test", .fence_retired = fence_retired, .failed = failed, .user = g});
    assert_non_null(g->context);
    g->shm = pv_context_create_blob(
        g->context,
        &(struct pv_blob_params){.resource_id = SHM, .flags = PV_BLOB_MAPPABLE, .size = SHM_SIZE});
    assert_non_null(g->shm);
    g->memory = pv_resource_map(g->shm);
    assert_non_null(g->memory);
}

void guest_destroy_context(struct guest *g)
{
    note_commands(g->context);
    pv_context_destroy(g->context);
    g->context = NULL;
}

void guest_close(struct guest *g)
{
    assert_true(g->open);
    guest_destroy_context(g);
    pv_resource_unref(g->shm);
    pv_renderer_destroy(g->renderer);
    free(g->bytes);
    pthread_mutex_destroy(&g->lock);
    g->open = false;
    assert_string_equal(mock_vk_first_error(), "");
    assert_int_equal(mock_vk_errors(), 0);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
}

void guest_open_device(struct guest *g)
{
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(g);
    write_create_device(g, DEVICE, (struct queues[]){{0, 2}, {1, 2}}, 2, NULL, 0);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkCreateDevice), VK_SUCCESS);
    write_get_queue(g, DEVICE, QUEUE, 0, 0, 1);
    submit_well(g);
}

// -- writing -------------------------------------------------------------------------------------

static uint8_t *reserve(struct guest *g, size_t size)
{
    if (g->size + size > g->capacity) {
        g->capacity = 2 * (g->size + size) + 4096;
        g->bytes = realloc(g->bytes, g->capacity);
        assert_non_null(g->bytes);
    }
    g->size += size;
    return g->bytes + g->size - size;
}

void put_u32(struct guest *g, uint32_t value)
{
    memcpy(reserve(g, 4), &value, 4);
}

void put_u64(struct guest *g, uint64_t value)
{
    memcpy(reserve(g, 8), &value, 8);
}

void put_f32(struct guest *g, float value)
{
    memcpy(reserve(g, 4), &value, 4);
}

void put_data(struct guest *g, const void *data, size_t size)
{
    const size_t padded = (size + 3) & ~(size_t)3;
    uint8_t *to = reserve(g, padded);
    memset(to, 0xee, padded);
    memcpy(to, data, size);
}

void put_string(struct guest *g, const char *string)
{
    put_u64(g, strlen(string) + 1);
    put_data(g, string, strlen(string) + 1);
}

void put_present(struct guest *g)
{
    put_u64(g, 1);
}

void put_null(struct guest *g)
{
    put_u64(g, 0);
}

void put_stype(struct guest *g, uint32_t stype)
{
    put_u32(g, stype);
    put_null(g);
}

void put_new(struct guest *g, uint64_t id)
{
    put_null(g);
    put_present(g);
    put_u64(g, id);
}

void begin(struct guest *g, uint32_t command, bool reply)
{
    if (reply) {
        put_u32(g, 178); // vkSetReplyCommandStreamMESA
        put_u32(g, 0);
        put_present(g);
        put_u32(g, SHM);
        put_u64(g, REPLY_AT);
        put_u64(g, REPLY);
    }
    put_u32(g, command);
    put_u32(g, reply ? 1 : 0);
}

bool submit(struct guest *g)
{
    memset(g->memory + REPLY_AT, 0xcd, REPLY);
    g->read = 0;
    const bool good = pv_context_submit(g->context, g->bytes, g->size);
    g->size = 0;
    return good;
}

void submit_well(struct guest *g)
{
    if (!submit(g)) {
        fail_msg("the context failed: %s", pv_context_failure(g->context));
    }
}

void submit_badly(struct guest *g, const char *reason_part)
{
    assert_false(submit(g));
    const char *reason = pv_context_failure(g->context);
    assert_non_null(reason);
    if (!strstr(reason, reason_part)) {
        fail_msg("it failed for another reason: %s", reason);
    }
    assert_int_equal(g->failures, 1);
    assert_string_equal(g->reason, reason);
}

// -- reading -------------------------------------------------------------------------------------

uint32_t get_u32(struct guest *g)
{
    uint32_t value;
    memcpy(&value, g->memory + REPLY_AT + g->read, 4);
    g->read += 4;
    return value;
}

uint64_t get_u64(struct guest *g)
{
    uint64_t value;
    memcpy(&value, g->memory + REPLY_AT + g->read, 8);
    g->read += 8;
    return value;
}

VkResult get_result(struct guest *g, uint32_t command)
{
    assert_int_equal(get_u32(g), command);
    return (VkResult)get_u32(g);
}

// -- commands ------------------------------------------------------------------------------------

void write_create_instance(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkCreateInstance, reply);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    put_u32(g, 0);
    put_null(g); // pApplicationInfo
    put_u32(g, 0);
    put_null(g); // layers
    put_u32(g, 0);
    put_null(g); // extensions
    put_new(g, id);
}

void write_enumerate(struct guest *g, uint32_t capacity, const uint64_t *ids)
{
    begin(g, PV_COMMAND_vkEnumeratePhysicalDevices, true);
    put_u64(g, INSTANCE);
    put_present(g);
    put_u32(g, capacity);
    put_u64(g, ids ? capacity : 0);
    for (uint32_t i = 0; ids && i < capacity; i++) {
        put_u64(g, ids[i]);
    }
}

void write_create_device(struct guest *g, uint64_t id, const struct queues *queues, uint32_t count,
                         const char *const *extensions, uint32_t extension_count)
{
    begin(g, PV_COMMAND_vkCreateDevice, true);
    put_u64(g, PHYSICAL_DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_stype(g, VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
        put_u32(g, 0);
        put_u32(g, queues[i].family);
        put_u32(g, queues[i].count);
        put_u64(g, queues[i].count);
        for (uint32_t k = 0; k < queues[i].count; k++) {
            put_f32(g, 1.0f);
        }
    }
    put_u32(g, 0);
    put_null(g); // layers
    put_u32(g, extension_count);
    put_u64(g, extension_count);
    for (uint32_t i = 0; i < extension_count; i++) {
        put_string(g, extensions[i]);
    }
    put_null(g); // pEnabledFeatures
    put_new(g, id);
}

void write_get_queue(struct guest *g, uint64_t device, uint64_t id, uint32_t family, uint32_t index,
                     uint32_t ring_idx)
{
    begin(g, PV_COMMAND_vkGetDeviceQueue2, false);
    put_u64(g, device);
    put_present(g);
    put_u32(g, VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2);
    put_present(g);
    put_u32(g, 1000384005); // VkDeviceQueueTimelineInfoMESA
    put_null(g);
    put_u32(g, ring_idx);
    put_u32(g, 0);
    put_u32(g, family);
    put_u32(g, index);
    put_present(g);
    put_u64(g, id);
}

void write_destroy(struct guest *g, uint32_t command, uint64_t device, uint64_t id)
{
    begin(g, command, false);
    put_u64(g, device);
    put_u64(g, id);
    put_null(g);
}

void write_create_fence(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkCreateFence, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    put_u32(g, 0);
    put_new(g, id);
}

void write_create_semaphore(struct guest *g, uint64_t id, bool timeline, bool reply)
{
    begin(g, PV_COMMAND_vkCreateSemaphore, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_u32(g, VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
    if (timeline) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
        put_u32(g, VK_SEMAPHORE_TYPE_TIMELINE);
        put_u64(g, 0); // initialValue
    } else {
        put_null(g);
    }
    put_u32(g, 0);
    put_new(g, id);
}

void write_create_buffer(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkCreateBuffer, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    put_u32(g, 0);
    put_u64(g, 4096);
    put_u32(g, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    put_u32(g, VK_SHARING_MODE_EXCLUSIVE);
    put_u32(g, 0);
    put_null(g);
    put_new(g, id);
}

void write_create_image(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkCreateImage, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, VK_IMAGE_TYPE_2D);
    put_u32(g, VK_FORMAT_R8G8B8A8_UNORM);
    put_u32(g, 64);
    put_u32(g, 32);
    put_u32(g, 1);
    put_u32(g, 2); // mipLevels
    put_u32(g, 3); // arrayLayers
    put_u32(g, VK_SAMPLE_COUNT_1_BIT);
    put_u32(g, VK_IMAGE_TILING_OPTIMAL);
    put_u32(g, VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    put_u32(g, VK_SHARING_MODE_EXCLUSIVE);
    put_u32(g, 0);
    put_null(g);
    put_u32(g, VK_IMAGE_LAYOUT_UNDEFINED);
    put_new(g, id);
}

static void put_ids(struct guest *g, const uint64_t *ids, uint32_t count)
{
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, ids[i]);
    }
}

void write_create_set_layout(struct guest *g, uint64_t id, uint32_t plain, uint32_t dynamic)
{
    const uint32_t types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                              VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC};
    const uint32_t counts[] = {plain, dynamic};
    begin(g, PV_COMMAND_vkCreateDescriptorSetLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 2);
    put_u64(g, 2);
    for (uint32_t i = 0; i < 2; i++) {
        put_u32(g, i);
        put_u32(g, types[i]);
        put_u32(g, counts[i]);
        put_u32(g, VK_SHADER_STAGE_ALL);
        put_null(g); // immutable samplers
    }
    put_new(g, id);
}

void write_create_pipeline_layout(struct guest *g, uint64_t id, const uint64_t *set_layouts,
                                  uint32_t count)
{
    begin(g, PV_COMMAND_vkCreatePipelineLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, count);
    put_ids(g, set_layouts, count);
    put_u32(g, 0);
    put_null(g); // push constants
    put_new(g, id);
}

void write_create_descriptor_pool(struct guest *g, uint64_t id, uint32_t descriptor_type)
{
    begin(g, PV_COMMAND_vkCreateDescriptorPool, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    put_u32(g, VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT);
    put_u32(g, 16); // maxSets
    put_u32(g, 1);
    put_u64(g, 1);
    put_u32(g, descriptor_type);
    put_u32(g, 16);
    put_new(g, id);
}

void write_allocate_descriptor_sets(struct guest *g, uint64_t pool, const uint64_t *layouts,
                                    const uint64_t *ids, uint32_t count)
{
    begin(g, PV_COMMAND_vkAllocateDescriptorSets, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    put_u64(g, pool);
    put_u32(g, count);
    put_ids(g, layouts, count);
    put_ids(g, ids, count);
}

void write_bind_descriptor_sets(struct guest *g, uint64_t command_buffer, uint64_t layout,
                                const uint64_t *sets, uint32_t count, uint32_t offsets)
{
    begin(g, PV_COMMAND_vkCmdBindDescriptorSets, false);
    put_u64(g, command_buffer);
    put_u32(g, VK_PIPELINE_BIND_POINT_GRAPHICS);
    put_u64(g, layout);
    put_u32(g, 0);
    put_u32(g, count);
    put_ids(g, sets, count);
    put_u32(g, offsets);
    put_u64(g, offsets);
    for (uint32_t i = 0; i < offsets; i++) {
        put_u32(g, 0);
    }
}

void write_create_command_pool(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkCreateCommandPool, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_new(g, id);
}

void write_allocate_command_buffers(struct guest *g, uint64_t pool, const uint64_t *ids,
                                    uint32_t count, bool reply)
{
    begin(g, PV_COMMAND_vkAllocateCommandBuffers, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    put_u64(g, pool);
    put_u32(g, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, ids[i]);
    }
}

void write_begin_command_buffer(struct guest *g, uint64_t id, bool reply)
{
    begin(g, PV_COMMAND_vkBeginCommandBuffer, reply);
    put_u64(g, id);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    put_u32(g, 0);
    put_null(g);
}

void write_draw(struct guest *g, uint64_t command_buffer)
{
    begin(g, PV_COMMAND_vkCmdDraw, false);
    put_u64(g, command_buffer);
    put_u32(g, 3);
    put_u32(g, 1);
    put_u32(g, 0);
    put_u32(g, 0);
}

void write_allocate_memory(struct guest *g, uint64_t id, uint64_t size, uint32_t type,
                           uint64_t dedicated_buffer, bool reply)
{
    begin(g, PV_COMMAND_vkAllocateMemory, reply);
    put_u64(g, DEVICE);
    put_present(g);
    put_u32(g, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
    if (dedicated_buffer) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
        put_u64(g, 0);
        put_u64(g, dedicated_buffer);
    } else {
        put_null(g);
    }
    put_u64(g, size);
    put_u32(g, type);
    put_new(g, id);
}

void write_submit(struct guest *g, uint64_t queue, uint64_t command_buffer, uint64_t fence,
                  bool reply)
{
    begin(g, PV_COMMAND_vkQueueSubmit, reply);
    put_u64(g, queue);
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype(g, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    put_u32(g, 0);
    put_null(g);
    put_null(g);
    put_u32(g, command_buffer ? 1 : 0);
    put_u64(g, command_buffer ? 1 : 0);
    if (command_buffer) {
        put_u64(g, command_buffer);
    }
    put_u32(g, 0);
    put_null(g);
    put_u64(g, fence);
}

// An array of at most one element.
static void put_u64_or_none(struct guest *g, bool present, uint64_t value)
{
    put_u64(g, present ? 1 : 0);
    if (present) {
        put_u64(g, value);
    }
}

void write_submit_timeline(struct guest *g, struct guest_point wait, struct guest_point signal,
                           bool reply)
{
    const bool waits = wait.semaphore, signals = signal.semaphore;
    begin(g, PV_COMMAND_vkQueueSubmit, reply);
    put_u64(g, QUEUE);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u32(g, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    put_u32(g, waits);
    put_u64_or_none(g, waits, wait.value);
    put_u32(g, signals);
    put_u64_or_none(g, signals, signal.value);
    put_u32(g, waits);
    put_u64_or_none(g, waits, wait.semaphore);
    put_u64(g, waits);
    if (waits) {
        put_u32(g, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    }
    put_u32(g, 0);
    put_null(g);
    put_u32(g, signals);
    put_u64_or_none(g, signals, signal.semaphore);
    put_u64(g, 0);
}

void write_wait_fence(struct guest *g, uint64_t fence, uint64_t timeout)
{
    begin(g, PV_COMMAND_vkWaitForFences, false);
    put_u64(g, DEVICE);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u64(g, fence);
    put_u32(g, VK_TRUE);
    put_u64(g, timeout);
}

// -- rings ---------------------------------------------------------------------------------------

#define RING_BUFFER 4096
#define RING_SIZE   (192 + RING_BUFFER + 4)

void write_create_ring(struct guest *g, uint64_t name, uint32_t resource, uint64_t offset)
{
    write_create_monitored_ring(g, name, resource, offset, 0);
}

void write_create_monitored_ring(struct guest *g, uint64_t name, uint32_t resource, uint64_t offset,
                                 uint32_t period_us)
{
    begin(g, PV_COMMAND_vkCreateRingMESA, false);
    put_u64(g, name);
    put_present(g);
    if (period_us) {
        put_u32(g, 1000384000);
        put_present(g);
        put_stype(g, 1000384006);
        put_u32(g, period_us);
    } else {
        put_stype(g, 1000384000);
    }
    put_u32(g, 0);
    put_u32(g, resource);
    put_u64(g, offset);
    put_u64(g, RING_SIZE);
    put_u64(g, 1000000); // idleTimeout
    put_u64(g, 0);       // head
    put_u64(g, 64);      // tail
    put_u64(g, 128);     // status
    put_u64(g, 192);     // buffer
    put_u64(g, RING_BUFFER);
    put_u64(g, 192 + RING_BUFFER); // extra
    put_u64(g, 4);
}

struct test_ring open_ring(struct guest *g, uint64_t name, uint64_t offset)
{
    memset(g->memory + offset, 0, RING_SIZE);
    write_create_ring(g, name, SHM, offset);
    submit_well(g);
    return (struct test_ring){.name = name, .memory = g->memory + offset};
}

static _Atomic uint32_t *word(const struct test_ring *ring, size_t offset)
{
    return (_Atomic uint32_t *)(void *)(ring->memory + offset);
}

void ring_put(struct guest *g, struct test_ring *ring)
{
    for (size_t i = 0; i < g->size; i++) {
        ring->memory[192 + (ring->tail + i) % RING_BUFFER] = g->bytes[i];
    }
    ring->tail += (uint32_t)g->size;
    g->size = 0;
    atomic_store(word(ring, 64), ring->tail);
    // Always notifying is more than a guest does, and right.
    begin(g, PV_COMMAND_vkNotifyRingMESA, false);
    put_u64(g, ring->name);
    put_u32(g, ring->tail);
    put_u32(g, 0);
    (void)pv_context_submit(g->context, g->bytes, g->size); // not submit(): the ring replies
    g->size = 0;
    g->read = 0;
}

static bool is_drained(void *user)
{
    const struct test_ring *ring = user;
    return atomic_load(word(ring, 0)) == ring->tail;
}

bool ring_wait(const struct test_ring *ring)
{
    return wait_for(is_drained, (void *)ring);
}

uint32_t ring_head(const struct test_ring *ring)
{
    return atomic_load(word(ring, 0));
}

uint32_t ring_status(const struct test_ring *ring)
{
    return atomic_load(word(ring, 128));
}

// -- other ---------------------------------------------------------------------------------------

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool wait_for(bool (*condition)(void *user), void *user)
{
    const uint64_t deadline = now_ms() + 3000;
    while (!condition(user)) {
        if (now_ms() > deadline) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return true;
}

uint32_t retired_fences(struct guest *g)
{
    pthread_mutex_lock(&g->lock);
    const uint32_t count = g->retired_count;
    pthread_mutex_unlock(&g->lock);
    return count;
}

int fresh_mock(void **state)
{
    (void)state;
    mock_vk_reset();
    return 0;
}

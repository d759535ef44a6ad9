// pv-scale: a client that asks for a lot. An ordinary Vulkan program; scale.py runs it.
//
//     pv-scale threads COUNT      threads that make pipelines, record and submit at the same time
//     pv-scale objects COUNT      live objects
//     pv-scale allocations COUNT  live allocations, all of them mapped
//     pv-scale exhaust COUNT      as many at most; the host's limit comes first, and all goes on
//     pv-scale mapped MIB         mapped at the same time, in 256 MiB allocations
//     pv-scale upload MIB         brought to one buffer of the device and back
//     pv-scale wait SEED          says "ready" once it has a device, works after a line on stdin
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "shaders.h"

#ifdef __SANITIZE_ADDRESS__
// As in tests/e2e/main.c: the guest driver leaves a few bytes in the client.
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

#define MIB ((VkDeviceSize)1 << 20)

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

static VkDeviceMemory allocate(struct e2e *t, VkDeviceSize size, uint32_t type)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    OK(vkAllocateMemory(t->device, &info, NULL, &memory));
    return memory;
}

static uint32_t host_type(struct e2e *t)
{
    const uint32_t type = e2e_memory_type(t, UINT32_MAX, E2E_HOST);
    CHECK(type != UINT32_MAX, "no host-visible coherent memory type, which Vulkan demands");
    return type;
}

// -- threads --

#define ROUNDS        16
#define WORDS         4096
#define UPDATES       32
#define UPDATED_WORDS (WORDS / UPDATES)

struct recorder {
    struct e2e *t;
    pthread_mutex_t *queue_lock;
    pthread_barrier_t *all_there; // so that all rings exist at the same time
    uint32_t number;
    struct e2e_buffer buffer;
    struct e2e_set set;
    VkPipeline pipeline;
};

static void submit_and_wait(const struct recorder *recorder, VkCommandBuffer commands,
                            VkFence fence)
{
    struct e2e *t = recorder->t;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    e2e_barrier(commands);
    OK(vkEndCommandBuffer(commands));
    pthread_mutex_lock(recorder->queue_lock);
    OK(vkQueueSubmit(t->queue, 1, &submit, fence));
    pthread_mutex_unlock(recorder->queue_lock);
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
    OK(vkResetFences(t->device, 1, &fence));
}

static const VkCommandBufferBeginInfo begin = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
};

// A dispatch of this thread's pipeline: words[i] = words[i] * number + i.
static void dispatch(const struct recorder *recorder, VkCommandBuffer commands, VkFence fence)
{
    const uint32_t push[2] = {recorder->number, WORDS};
    uint32_t *words = recorder->buffer.map;
    for (uint32_t i = 0; i < WORDS; i++) {
        words[i] = i;
    }
    OK(vkBeginCommandBuffer(commands, &begin));
    e2e_use(commands, recorder->pipeline, &recorder->set);
    vkCmdPushConstants(commands, recorder->set.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 8, push);
    vkCmdDispatch(commands, WORDS / 64, 1, 1);
    submit_and_wait(recorder, commands, fence);
    for (uint32_t i = 0; i < WORDS; i++) {
        CHECK(words[i] == i * recorder->number + i, "thread %u, word %u: %#x", recorder->number, i,
              words[i]);
    }
}

// One submission of a thread: fills its buffer in small updates.
static void record_and_submit(const struct recorder *recorder, VkCommandBuffer commands,
                              VkFence fence, uint32_t seed)
{
    uint32_t words[UPDATED_WORDS];
    uint32_t state = seed;
    OK(vkBeginCommandBuffer(commands, &begin));
    for (uint32_t i = 0; i < UPDATES; i++) {
        for (uint32_t word = 0; word < UPDATED_WORDS; word++) {
            words[word] = e2e_random(&state);
        }
        vkCmdUpdateBuffer(commands, recorder->buffer.handle, i * sizeof(words), sizeof(words),
                          words);
    }
    submit_and_wait(recorder, commands, fence);
}

static void *recorder_main(void *argument)
{
    struct recorder *recorder = argument;
    struct e2e *t = recorder->t;
    // In a thread that has made no pool yet, the guest driver opens a ring of the thread's own.
    recorder->pipeline = e2e_compute(t, CODE(add_comp), recorder->set.layout, NULL);
    pthread_barrier_wait(recorder->all_there);
    const VkFence fence = e2e_fence(t, 0);
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = t->family,
    };
    VkCommandPool pool = VK_NULL_HANDLE;
    OK(vkCreateCommandPool(t->device, &pool_info, NULL, &pool));
    const VkCommandBufferAllocateInfo allocate_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &allocate_info, &commands));
    dispatch(recorder, commands, fence);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t seed = recorder->number * ROUNDS + round + 1;
        record_and_submit(recorder, commands, fence, seed);
        const uint32_t *words = recorder->buffer.map;
        uint32_t state = seed;
        for (uint32_t i = 0; i < WORDS; i++) {
            const uint32_t expected = e2e_random(&state);
            CHECK(words[i] == expected, "thread %u, round %u, word %u: %#x, not %#x",
                  recorder->number, round, i, words[i], expected);
        }
    }
    vkDestroyCommandPool(t->device, pool, NULL);
    return NULL;
}

static void run_threads(struct e2e *t, uint32_t count)
{
    pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_barrier_t all_there;
    pthread_t *threads = e2e_alloc(count, sizeof(*threads));
    struct recorder *recorders = e2e_alloc(count, sizeof(*recorders));
    e2e_open(t, NULL);
    pthread_barrier_init(&all_there, NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        struct recorder *recorder = &recorders[i];
        *recorder = (struct recorder){
            .t = t, .queue_lock = &queue_lock, .all_there = &all_there, .number = i};
        recorder->buffer =
            e2e_buffer_with(t, NULL, WORDS * 4, copies | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
        const struct e2e_binding binding = e2e_bind_storage(&recorder->buffer);
        recorder->set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_COMPUTE_BIT, 8);
        threads[i] = e2e_thread(recorder_main, &recorders[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        e2e_join(threads[i]);
    }
    pthread_barrier_destroy(&all_there);
    free(recorders);
    free(threads);
}

// -- objects --

enum kind { BUFFER, EVENT, SET_LAYOUT, PIPELINE_LAYOUT, KINDS };

static uint64_t create_object(struct e2e *t, enum kind kind)
{
    switch (kind) {
    case BUFFER:
        return (uint64_t)(uintptr_t)e2e_buffer_bare(t, 256, copies);
    case EVENT: {
        const VkEventCreateInfo info = {.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO};
        VkEvent event = VK_NULL_HANDLE;
        OK(vkCreateEvent(t->device, &info, NULL, &event));
        return (uint64_t)(uintptr_t)event;
    }
    case SET_LAYOUT: {
        const VkDescriptorSetLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        };
        VkDescriptorSetLayout layout = VK_NULL_HANDLE;
        OK(vkCreateDescriptorSetLayout(t->device, &info, NULL, &layout));
        return (uint64_t)(uintptr_t)layout;
    }
    default: {
        const VkPipelineLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        };
        VkPipelineLayout layout = VK_NULL_HANDLE;
        OK(vkCreatePipelineLayout(t->device, &info, NULL, &layout));
        return (uint64_t)(uintptr_t)layout;
    }
    }
}

static void destroy_object(struct e2e *t, enum kind kind, uint64_t handle)
{
    switch (kind) {
    case BUFFER:
        vkDestroyBuffer(t->device, (VkBuffer)(uintptr_t)handle, NULL);
        break;
    case EVENT:
        vkDestroyEvent(t->device, (VkEvent)(uintptr_t)handle, NULL);
        break;
    case SET_LAYOUT:
        vkDestroyDescriptorSetLayout(t->device, (VkDescriptorSetLayout)(uintptr_t)handle, NULL);
        break;
    default:
        vkDestroyPipelineLayout(t->device, (VkPipelineLayout)(uintptr_t)handle, NULL);
        break;
    }
}

// The first half is destroyed in the order of creation, the second is left to the end of the
// device's process: a client that just goes.
static void run_objects(struct e2e *t, uint32_t count)
{
    uint64_t *handles = e2e_alloc(count, sizeof(*handles));
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < count; i++) {
        // Mostly buffers: an event costs the guest driver a slot in mapped memory.
        const enum kind kind = i % 8 ? BUFFER : (enum kind)(i / 8 % KINDS);
        handles[i] = create_object(t, kind);
    }
    // Still alive, and so is the device.
    const VkEvent event = (VkEvent)(uintptr_t)handles[8];
    EXPECT(vkGetEventStatus(t->device, event), VK_EVENT_RESET);
    OK(vkSetEvent(t->device, event));
    EXPECT(vkGetEventStatus(t->device, event), VK_EVENT_SET);
    VkMemoryRequirements needs = {0};
    vkGetBufferMemoryRequirements(t->device, (VkBuffer)(uintptr_t)handles[count - 1], &needs);
    CHECK(needs.size >= 256, "the last buffer needs %" PRIu64 " bytes", needs.size);
    for (uint32_t i = 0; i < count / 2; i++) {
        destroy_object(t, i % 8 ? BUFFER : (enum kind)(i / 8 % KINDS), handles[i]);
    }
    OK(vkDeviceWaitIdle(t->device));
    fflush(stdout);
    _exit(0);
}

// -- memory --

// Allocates, maps, writes; then has the device copy from each to the next; frees in an order
// that has nothing to do with that of creation.
static void run_allocations(struct e2e *t, uint32_t count)
{
    const VkDeviceSize size = 4096;
    VkDeviceMemory *memories = e2e_alloc(count, sizeof(*memories));
    uint64_t **maps = e2e_alloc(count, sizeof(*maps));
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    for (uint32_t i = 0; i < count; i++) {
        void *map = NULL;
        memories[i] = allocate(t, size, type);
        OK(vkMapMemory(t->device, memories[i], 0, VK_WHOLE_SIZE, 0, &map));
        maps[i] = map;
        maps[i][0] = i;
        maps[i][size / sizeof(uint64_t) - 1] = ~(uint64_t)i;
    }
    // A sample of them, first and last included, through the device.
    const uint32_t stride = count > 64 ? count / 64 : 1;
    for (uint32_t i = 0; i < count; i += stride) {
        VkBuffer buffer = e2e_buffer_bare(t, size, copies);
        OK(vkBindBufferMemory(t->device, buffer, memories[i], 0));
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdUpdateBuffer(commands, buffer, 8, sizeof(uint64_t), &(uint64_t){i * 7u});
        e2e_run(t, commands);
        vkDestroyBuffer(t->device, buffer, NULL);
        CHECK(maps[i][1] == i * 7u, "allocation %u was not written by the device", i);
    }
    for (uint32_t i = 0; i < count; i++) {
        CHECK(maps[i][0] == i && maps[i][size / sizeof(uint64_t) - 1] == ~(uint64_t)i,
              "allocation %u has changed", i);
    }
    uint32_t state = 1;
    for (uint32_t left = count; left > 0; left--) {
        const uint32_t i = e2e_random(&state) % left;
        vkFreeMemory(t->device, memories[i], NULL);
        memories[i] = memories[left - 1];
    }
    free(maps);
    free(memories);
}

// One more allocation, mapped and written. Failure: VK_NULL_HANDLE; that it is told is all we ask.
static VkDeviceMemory try_allocation(struct e2e *t, uint32_t type)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 4096,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    if (vkAllocateMemory(t->device, &info, NULL, &memory) != VK_SUCCESS) {
        return VK_NULL_HANDLE;
    }
    uint32_t *map = NULL;
    if (vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map) != VK_SUCCESS) {
        vkFreeMemory(t->device, memory, NULL);
        return VK_NULL_HANDLE;
    }
    *map = 1;
    return memory;
}

// The server has a limit of descriptors (scale.py sets it): allocations fail there, as they do
// where a device is full, and the context lives.
static void run_exhaust(struct e2e *t, uint32_t count)
{
    VkDeviceMemory *memories = e2e_alloc(count, sizeof(*memories));
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t made = 0;
        while (made < count && (memories[made] = try_allocation(t, type))) {
            made++;
        }
        CHECK(made > 16 && made < count, "%u allocations were made", made);
        for (uint32_t i = 0; i < 10; i++) { // a descriptor may have been in use for a moment
            memories[made] = try_allocation(t, type);
            made += memories[made] && made + 1 < count;
        }
        // The guest driver allocates for its fences.
        for (uint32_t i = 0; i < 8; i++) {
            vkFreeMemory(t->device, memories[--made], NULL);
        }
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdFillBuffer(commands, buffer.handle, 0, VK_WHOLE_SIZE, round + 1);
        e2e_run(t, commands);
        CHECK(*(const uint32_t *)buffer.map == round + 1, "the device does not work");
        for (uint32_t i = 0; i < made; i++) {
            vkFreeMemory(t->device, memories[i], NULL);
        }
    }
    free(memories);
}

// Writes one word in each 64 KiB of all the memory and lets the device see each allocation's last.
static void run_mapped(struct e2e *t, uint32_t mib)
{
    enum { EACH_MIB = 256, STEP = 65536 / sizeof(uint64_t) };
    const uint32_t count = (mib + EACH_MIB - 1) / EACH_MIB;
    const VkDeviceSize size = EACH_MIB * MIB;
    const size_t words = size / sizeof(uint64_t);
    VkDeviceMemory *memories = e2e_alloc(count, sizeof(*memories));
    uint64_t **maps = e2e_alloc(count, sizeof(*maps));
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    for (uint32_t i = 0; i < count; i++) {
        void *map = NULL;
        memories[i] = allocate(t, size, type);
        OK(vkMapMemory(t->device, memories[i], 0, VK_WHOLE_SIZE, 0, &map));
        maps[i] = map;
        for (size_t word = 0; word < words; word += STEP) {
            maps[i][word] = (uint64_t)i << 32 | word;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const VkDeviceSize last = (words - STEP) * sizeof(uint64_t);
        VkBuffer buffer = e2e_buffer_bare(t, size, copies);
        OK(vkBindBufferMemory(t->device, buffer, memories[i], 0));
        VkCommandBuffer commands = e2e_begin(t);
        const VkBufferCopy region = {.srcOffset = last, .dstOffset = 8, .size = 8};
        vkCmdCopyBuffer(commands, buffer, buffer, 1, &region);
        e2e_run(t, commands);
        vkDestroyBuffer(t->device, buffer, NULL);
        CHECK(maps[i][1] == maps[i][words - STEP], "allocation %u: the device saw %#" PRIx64, i,
              maps[i][1]);
    }
    for (uint32_t i = 0; i < count; i++) {
        for (size_t word = 0; word < words; word += STEP) {
            CHECK(maps[i][word] == ((uint64_t)i << 32 | word), "allocation %u has changed", i);
        }
        vkFreeMemory(t->device, memories[i], NULL);
    }
    free(maps);
    free(memories);
}

static void run_upload(struct e2e *t, uint32_t mib)
{
    enum { CHUNK_MIB = 64 };
    const uint32_t chunks = (mib + CHUNK_MIB - 1) / CHUNK_MIB;
    const VkDeviceSize chunk = CHUNK_MIB * MIB;
    e2e_open(t, NULL);
    const struct e2e_buffer there = e2e_buffer(t, chunks * chunk, copies, E2E_LOCAL);
    const struct e2e_buffer here = e2e_buffer(t, chunk, copies, E2E_HOST);
    for (uint32_t i = 0; i < chunks; i++) {
        e2e_pattern_fill(here.map, chunk, i + 1);
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdCopyBuffer(commands, here.handle, there.handle, 1,
                        &(VkBufferCopy){.dstOffset = i * chunk, .size = chunk});
        e2e_barrier(commands);
        e2e_run(t, commands);
    }
    for (uint32_t i = 0; i < chunks; i++) {
        memset(here.map, 0, chunk);
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdCopyBuffer(commands, there.handle, here.handle, 1,
                        &(VkBufferCopy){.srcOffset = i * chunk, .size = chunk});
        e2e_barrier(commands);
        e2e_run(t, commands);
        e2e_pattern_check(here.map, chunk, i + 1, "came back");
    }
}

// -- one of many --

static void run_wait(struct e2e *t, uint32_t seed)
{
    const VkDeviceSize size = MIB;
    e2e_open(t, NULL);
    const struct e2e_buffer from = e2e_buffer(t, size, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, size, copies);
    puts("ready");
    fflush(stdout);
    CHECK(getchar() == '\n', "the runner went away");
    for (uint32_t round = 0; round < 8; round++) {
        e2e_pattern_fill(from.map, size, seed + round);
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdCopyBuffer(commands, from.handle, to.handle, 1, &(VkBufferCopy){.size = size});
        e2e_barrier(commands);
        e2e_run(t, commands);
        e2e_pattern_check(to.map, size, seed + round, "copied");
    }
    puts("done");
    fflush(stdout);
    // All of them are alive until the runner has counted.
    CHECK(getchar() == '\n', "the runner went away");
}

static const struct {
    const char *name;
    void (*run)(struct e2e *t, uint32_t count);
} cases[] = {
    {"threads", run_threads}, {"objects", run_objects}, {"allocations", run_allocations},
    {"exhaust", run_exhaust}, {"mapped", run_mapped},   {"upload", run_upload},
    {"wait", run_wait},
};

int main(int argc, char **argv)
{
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < COUNT(cases) && count > 0; i++) {
        if (!strcmp(argv[1], cases[i].name)) {
            struct e2e t = {.name = argv[1], .lock = PTHREAD_MUTEX_INITIALIZER};
            cases[i].run(&t, (uint32_t)count);
            e2e_close(&t);
            return 0;
        }
    }
    fputs("usage: pv-scale threads|objects|allocations|exhaust|mapped|upload|wait COUNT\n", stderr);
    return 2;
}

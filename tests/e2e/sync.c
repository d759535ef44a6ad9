// Fences, semaphores, events and submissions.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

// A command buffer that may be submitted again and again; it lives until the pool goes.
static VkCommandBuffer commands_begin(struct e2e *t, VkCommandBufferUsageFlags usage)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = t->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &info, &commands));
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = usage,
    };
    OK(vkBeginCommandBuffer(commands, &begin));
    return commands;
}

// Fills `buffer` with `value`, visible to whatever comes later.
static VkCommandBuffer fill(struct e2e *t, const struct e2e_buffer *buffer, VkDeviceSize offset,
                            VkDeviceSize size, uint32_t value)
{
    VkCommandBuffer commands = commands_begin(t, VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT);
    vkCmdFillBuffer(commands, buffer->handle, offset, size, value);
    e2e_barrier(commands);
    OK(vkEndCommandBuffer(commands));
    return commands;
}

static void submit(struct e2e *t, VkCommandBuffer commands, VkFence fence)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = commands ? 1 : 0,
        .pCommandBuffers = &commands,
    };
    OK(vkQueueSubmit(t->queue, 1, &info, fence));
}

static VkSemaphore semaphore(struct e2e *t, VkSemaphoreType type, uint64_t value)
{
    const VkSemaphoreTypeCreateInfo type_info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = type,
        .initialValue = value,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = type == VK_SEMAPHORE_TYPE_TIMELINE ? &type_info : NULL,
    };
    VkSemaphore made = VK_NULL_HANDLE;
    OK(vkCreateSemaphore(t->device, &info, NULL, &made));
    KEEP(t, SEMAPHORE, made);
    return made;
}

static void open_timeline(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features12.timelineSemaphore) {
        e2e_skip("no timeline semaphores");
    }
}

// -- fences --

void case_sync_fence_status(struct e2e *t)
{
    e2e_open(t, NULL);
    const VkFence signaled = e2e_fence(t, VK_FENCE_CREATE_SIGNALED_BIT);
    const VkFence fence = e2e_fence(t, 0);
    EXPECT(vkGetFenceStatus(t->device, signaled), VK_SUCCESS);
    EXPECT(vkGetFenceStatus(t->device, fence), VK_NOT_READY);
    OK(vkWaitForFences(t->device, 1, &signaled, VK_TRUE, 0));
    OK(vkResetFences(t->device, 1, &signaled));
    EXPECT(vkGetFenceStatus(t->device, signaled), VK_NOT_READY);
    EXPECT(vkWaitForFences(t->device, 1, &signaled, VK_TRUE, 0), VK_TIMEOUT);
    for (uint32_t i = 0; i < 100; i++) {
        submit(t, VK_NULL_HANDLE, fence);
        OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
        EXPECT(vkGetFenceStatus(t->device, fence), VK_SUCCESS);
        OK(vkResetFences(t->device, 1, &fence));
        EXPECT(vkGetFenceStatus(t->device, fence), VK_NOT_READY);
    }
    e2e_print("100 rounds");
}

void case_sync_fence_timeout(struct e2e *t)
{
    e2e_open(t, NULL);
    const VkFence fence = e2e_fence(t, 0);
    const double start = e2e_seconds();
    EXPECT(vkWaitForFences(t->device, 1, &fence, VK_TRUE, 200000000), VK_TIMEOUT);
    const double waited = e2e_seconds() - start;
    CHECK(waited > 0.19 && waited < 5.0, "waited %.3f s instead of 0.2 s", waited);
    e2e_print("timed out");
}

void case_sync_fence_wait_any_and_all(struct e2e *t)
{
    enum { FENCES = 8 };
    e2e_open(t, NULL);
    VkFence fences[FENCES];
    for (uint32_t i = 0; i < FENCES; i++) {
        fences[i] = e2e_fence(t, 0);
    }
    submit(t, VK_NULL_HANDLE, fences[5]);
    OK(vkWaitForFences(t->device, FENCES, fences, VK_FALSE, UINT64_MAX));
    EXPECT(vkWaitForFences(t->device, FENCES, fences, VK_TRUE, 1000000), VK_TIMEOUT);
    EXPECT(vkGetFenceStatus(t->device, fences[5]), VK_SUCCESS);
    EXPECT(vkGetFenceStatus(t->device, fences[4]), VK_NOT_READY);
    for (uint32_t i = 0; i < FENCES; i++) {
        if (i != 5) {
            submit(t, VK_NULL_HANDLE, fences[i]);
        }
    }
    OK(vkWaitForFences(t->device, FENCES, fences, VK_TRUE, UINT64_MAX));
    OK(vkResetFences(t->device, FENCES, fences));
    EXPECT(vkWaitForFences(t->device, FENCES, fences, VK_FALSE, 0), VK_TIMEOUT);
    e2e_print("%d fences", FENCES);
}

void case_sync_fence_churn(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 64, copies);
    VkCommandBuffer commands = fill(t, &buffer, 0, VK_WHOLE_SIZE, 0x01020304);
    for (uint32_t i = 0; i < 500; i++) {
        const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        VkFence fence = VK_NULL_HANDLE;
        OK(vkCreateFence(t->device, &info, NULL, &fence));
        memset(buffer.map, 0, 64);
        submit(t, commands, fence);
        OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
        CHECK(((uint32_t *)buffer.map)[15] == 0x01020304, "round %u", i);
        vkDestroyFence(t->device, fence, NULL);
    }
    for (uint32_t i = 0; i < 5000; i++) { // never used
        const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        VkFence fence = VK_NULL_HANDLE;
        OK(vkCreateFence(t->device, &info, NULL, &fence));
        vkDestroyFence(t->device, fence, NULL);
    }
    e2e_print("500 used, 5000 not");
}

// Waits for a shader that runs for about `seconds`; the result tells that all of it ran.
static void long_shader(struct e2e *t, double seconds)
{
    e2e_open(t, NULL);
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_COMPUTE_BIT, 4);
    const VkPipeline pipeline = e2e_compute(t, CODE(spin_comp), set.layout, NULL);
    uint32_t turns = 1u << 20, *value = buffer.map;
    double took = 0.0;
    while (true) {
        *value = 1;
        VkCommandBuffer commands = e2e_begin(t);
        e2e_use(commands, pipeline, &set);
        vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &turns);
        vkCmdDispatch(commands, 1, 1, 1);
        const double start = e2e_seconds();
        e2e_run(t, commands);
        took = e2e_seconds() - start;
        uint32_t expected = 1;
        for (uint32_t i = 0; i < turns; i++) {
            expected = expected * 1664525u + 1013904223u;
        }
        CHECK(*value == expected, "%u turns gave 0x%x", turns, *value);
        if (took >= 0.8 * seconds || turns > UINT32_MAX / 4) {
            break;
        }
        double factor = took > 0.02 ? seconds / took : 8.0;
        factor = factor > 8.0 ? 8.0 : factor;
        turns = (double)turns * factor > 4e9 ? 4000000000u : (uint32_t)((double)turns * factor);
    }
    CHECK(took > 0.5 * seconds, "the longest shader took %.2f s only", took);
    e2e_print("ran long enough");
}

void case_sync_long_shader(struct e2e *t)
{
    long_shader(t, 2.0);
}

// Longer than the guest driver waits before it asks whether the device was lost.
void case_sync_very_long_shader(struct e2e *t)
{
    long_shader(t, 6.0);
}

// -- binary semaphores and submissions --

// Each submission waits for the one before and copies its result on.
void case_sync_semaphore_chain(struct e2e *t)
{
    enum { LINKS = 50, SIZE = 4096 };
    e2e_open(t, NULL);
    struct e2e_buffer buffers[LINKS];
    VkSemaphore semaphores[LINKS];
    for (uint32_t i = 0; i < LINKS; i++) {
        buffers[i] = e2e_buffer_with(t, NULL, SIZE, copies);
        semaphores[i] = semaphore(t, VK_SEMAPHORE_TYPE_BINARY, 0);
    }
    e2e_pattern_fill(buffers[0].map, SIZE, 6);
    const VkFence fence = e2e_fence(t, 0);
    const VkPipelineStageFlags at = VK_PIPELINE_STAGE_TRANSFER_BIT;
    for (uint32_t i = 1; i < LINKS; i++) {
        VkCommandBuffer commands = commands_begin(t, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
        vkCmdCopyBuffer(commands, buffers[i - 1].handle, buffers[i].handle, 1,
                        &(VkBufferCopy){.size = SIZE});
        OK(vkEndCommandBuffer(commands));
        const VkSubmitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .waitSemaphoreCount = i > 1 ? 1 : 0,
            .pWaitSemaphores = &semaphores[i - 1],
            .pWaitDstStageMask = &at,
            .commandBufferCount = 1,
            .pCommandBuffers = &commands,
            .signalSemaphoreCount = i < LINKS - 1 ? 1 : 0,
            .pSignalSemaphores = &semaphores[i],
        };
        OK(vkQueueSubmit(t->queue, 1, &info, i == LINKS - 1 ? fence : VK_NULL_HANDLE));
    }
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
    e2e_pattern_check(buffers[LINKS - 1].map, SIZE, 6, "last link");
    e2e_digest("last link", buffers[LINKS - 1].map, SIZE);
}

// Several batches, with and without commands, in one call; and a call with none.
void case_sync_many_batches(struct e2e *t)
{
    enum { BATCHES = 20 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, BATCHES * 4, copies);
    VkCommandBuffer commands[BATCHES];
    VkSubmitInfo infos[BATCHES];
    for (uint32_t i = 0; i < BATCHES; i++) {
        commands[i] = fill(t, &buffer, i * 4, 4, i + 100);
        infos[i] = (VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = i % 5 == 4 ? 0 : 1,
            .pCommandBuffers = &commands[i],
        };
    }
    infos[0].commandBufferCount = 3; // 0, 1, 2
    const VkFence fence = e2e_fence(t, 0);
    OK(vkQueueSubmit(t->queue, BATCHES, infos, fence));
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
    OK(vkResetFences(t->device, 1, &fence));
    OK(vkQueueSubmit(t->queue, 0, NULL, fence));
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
    OK(vkQueueSubmit(t->queue, 0, NULL, VK_NULL_HANDLE));
    for (uint32_t i = 0; i < BATCHES; i++) {
        CHECK(((uint32_t *)buffer.map)[i] == (i % 5 == 4 ? 0 : i + 100), "batch %u", i);
    }
    e2e_digest("batches", buffer.map, buffer.size);
}

void case_sync_wait_idle(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 1 << 20, copies);
    for (uint32_t i = 1; i <= 50; i++) {
        submit(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i), VK_NULL_HANDLE);
        if (i % 2) {
            OK(vkQueueWaitIdle(t->queue));
        } else {
            OK(vkDeviceWaitIdle(t->device));
        }
        CHECK(((uint32_t *)buffer.map)[(1 << 18) - 1] == i, "round %u", i);
    }
    OK(vkQueueWaitIdle(t->queue));
    OK(vkDeviceWaitIdle(t->device));
    e2e_print("50 rounds");
}

// One command buffer, submitted often, reset and recorded again.
void case_sync_command_buffer_reuse(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    VkCommandBuffer commands = commands_begin(t, VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT);
    OK(vkEndCommandBuffer(commands));
    for (uint32_t round = 1; round <= 30; round++) {
        if (round % 3 == 0) {
            OK(vkResetCommandBuffer(commands, VK_COMMAND_BUFFER_RESET_RELEASE_RESOURCES_BIT));
        } else if (round % 3 == 1) {
            OK(vkResetCommandPool(t->device, t->pool, 0));
        }
        const VkCommandBufferBeginInfo begin = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
            .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
        };
        OK(vkBeginCommandBuffer(commands, &begin)); // resets by itself if nothing else did
        vkCmdFillBuffer(commands, buffer.handle, 0, VK_WHOLE_SIZE, round);
        e2e_barrier(commands);
        OK(vkEndCommandBuffer(commands));
        submit(t, commands, VK_NULL_HANDLE);
        submit(t, commands, VK_NULL_HANDLE); // while the first may still run
        OK(vkQueueWaitIdle(t->queue));
        CHECK(((uint32_t *)buffer.map)[1023] == round, "round %u", round);
    }
    vkTrimCommandPool(t->device, t->pool, 0);
    e2e_print("30 rounds");
}

// -- timeline semaphores --

static uint64_t counter(struct e2e *t, VkSemaphore timeline)
{
    uint64_t value = 0;
    OK(vkGetSemaphoreCounterValue(t->device, timeline, &value));
    return value;
}

static VkResult wait_value(struct e2e *t, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &timeline,
        .pValues = &value,
    };
    return vkWaitSemaphores(t->device, &info, timeout_ns);
}

static void signal_value(struct e2e *t, VkSemaphore timeline, uint64_t value)
{
    const VkSemaphoreSignalInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
        .semaphore = timeline,
        .value = value,
    };
    OK(vkSignalSemaphore(t->device, &info));
}

// One side of a submission: `semaphore` reaches `value`. No semaphore: nothing to do.
struct point {
    VkSemaphore semaphore;
    uint64_t value;
};

static const struct point nothing = {VK_NULL_HANDLE, 0};

static void submit_timeline(struct e2e *t, VkCommandBuffer commands, struct point wait,
                            struct point signal)
{
    const VkPipelineStageFlags at = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = wait.semaphore ? 1 : 0,
        .pWaitSemaphoreValues = &wait.value,
        .signalSemaphoreValueCount = signal.semaphore ? 1 : 0,
        .pSignalSemaphoreValues = &signal.value,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = wait.semaphore ? 1 : 0,
        .pWaitSemaphores = &wait.semaphore,
        .pWaitDstStageMask = &at,
        .commandBufferCount = commands ? 1 : 0,
        .pCommandBuffers = &commands,
        .signalSemaphoreCount = signal.semaphore ? 1 : 0,
        .pSignalSemaphores = &signal.semaphore,
    };
    OK(vkQueueSubmit(t->queue, 1, &info, VK_NULL_HANDLE));
}

void case_sync_timeline_host(struct e2e *t)
{
    open_timeline(t);
    const VkSemaphore timeline = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 10);
    CHECK(counter(t, timeline) == 10, "initial value");
    OK(wait_value(t, timeline, 10, 0));
    EXPECT(wait_value(t, timeline, 11, 0), VK_TIMEOUT);
    EXPECT(wait_value(t, timeline, 11, 100000000), VK_TIMEOUT);
    signal_value(t, timeline, 11);
    OK(wait_value(t, timeline, 11, UINT64_MAX));
    signal_value(t, timeline, 1000000000000);
    CHECK(counter(t, timeline) == 1000000000000, "large value");
    OK(wait_value(t, timeline, 999999999999, UINT64_MAX));
    EXPECT(wait_value(t, timeline, 1000000000001, 1000), VK_TIMEOUT);
    e2e_print("counter %llu", (unsigned long long)counter(t, timeline));
}

void case_sync_timeline_gpu(struct e2e *t)
{
    open_timeline(t);
    const VkSemaphore timeline = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    for (uint32_t i = 1; i <= 200; i++) {
        submit_timeline(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i), nothing,
                        (struct point){timeline, i});
        if (i % 10 == 0) {
            OK(wait_value(t, timeline, i, UINT64_MAX));
            CHECK(((uint32_t *)buffer.map)[1023] == i, "step %u", i);
            CHECK(counter(t, timeline) == i, "counter at step %u", i);
        }
    }
    e2e_print("counter %llu", (unsigned long long)counter(t, timeline));
}

// The GPU waits for a value that the host signals later. Host and GPU signal a semaphore each: when
// they share one, Mesa before 26.2 may store the host's value over the GPU's newer one.
void case_sync_timeline_wait_before_signal(struct e2e *t)
{
    open_timeline(t);
    const VkSemaphore go = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    const VkSemaphore done = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    for (uint32_t i = 0; i < 10; i++) {
        submit_timeline(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i + 1),
                        (struct point){go, i * 10 + 5}, (struct point){done, i + 1});
        e2e_sleep_ms(i);
        CHECK(((uint32_t *)buffer.map)[0] == i, "round %u ran before its signal", i);
        CHECK(counter(t, done) == i, "counter before the signal");
        signal_value(t, go, i * 10 + 5);
        OK(wait_value(t, done, i + 1, UINT64_MAX));
        CHECK(((uint32_t *)buffer.map)[1023] == i + 1, "round %u", i);
    }
    e2e_print("counters %llu, %llu", (unsigned long long)counter(t, go),
              (unsigned long long)counter(t, done));
}

struct waiter {
    struct e2e *t;
    VkSemaphore question, answer;
    uint32_t rounds;
};

static struct waiter waiter_make(struct e2e *t, uint32_t rounds)
{
    return (struct waiter){t, semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0),
                           semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0), rounds};
}

// Answers every value of one semaphore with the same value of the other.
static void *answer(void *argument)
{
    const struct waiter *waiter = argument;
    for (uint32_t i = 1; i <= waiter->rounds; i++) {
        OK(wait_value(waiter->t, waiter->question, i, UINT64_MAX));
        signal_value(waiter->t, waiter->answer, i);
    }
    return NULL;
}

void case_sync_timeline_two_threads(struct e2e *t)
{
    open_timeline(t);
    struct waiter waiter = waiter_make(t, 100);
    const pthread_t thread = e2e_thread(answer, &waiter);
    e2e_sleep_ms(30); // the other thread waits before the signal
    for (uint32_t i = 1; i <= waiter.rounds; i++) {
        signal_value(t, waiter.question, i);
        OK(wait_value(t, waiter.answer, i, UINT64_MAX));
    }
    e2e_join(thread);
    e2e_print("counter %llu", (unsigned long long)counter(t, waiter.answer));
}

// One thread waits for what the other has not yet submitted, and the GPU for that thread.
void case_sync_timeline_wait_for_later_submission(struct e2e *t)
{
    open_timeline(t);
    struct waiter waiter = waiter_make(t, 20);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    const pthread_t thread = e2e_thread(answer, &waiter);
    for (uint32_t i = 0; i < waiter.rounds; i++) {
        e2e_sleep_ms(2);
        submit_timeline(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i + 1),
                        (struct point){waiter.answer, i}, (struct point){waiter.question, i + 1});
    }
    e2e_join(thread);
    CHECK(((uint32_t *)buffer.map)[1023] == waiter.rounds, "last fill");
    e2e_print("counter %llu", (unsigned long long)counter(t, waiter.answer));
}

static void *step(void *user)
{
    const struct waiter *waiter = user;
    for (uint32_t i = 0; i < waiter->rounds; i++) {
        OK(wait_value(waiter->t, waiter->question, 2 * i + 1, UINT64_MAX));
        signal_value(waiter->t, waiter->question, 2 * i + 2);
    }
    return NULL;
}

// One timeline that device and host signal in turn; the device has all of its batches from the
// beginning, so that each value of the host's comes just after one of the device's.
void case_sync_timeline_in_turn(struct e2e *t)
{
    open_timeline(t);
    struct waiter waiter = waiter_make(t, 100);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    const pthread_t thread = e2e_thread(step, &waiter);
    for (uint32_t i = 0; i < waiter.rounds; i++) {
        submit_timeline(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i + 1),
                        (struct point){waiter.question, 2 * i},
                        (struct point){waiter.question, 2 * i + 1});
    }
    e2e_join(thread);
    CHECK(((uint32_t *)buffer.map)[1023] == waiter.rounds, "last fill");
    e2e_print("counter %llu", (unsigned long long)counter(t, waiter.question));
}

// The same, but the device waits for nothing: each batch is submitted after the host's signal.
void case_sync_timeline_ping_pong(struct e2e *t)
{
    open_timeline(t);
    const VkSemaphore timeline = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 4096, copies);
    for (uint32_t i = 0; i < 200; i++) {
        submit_timeline(t, fill(t, &buffer, 0, VK_WHOLE_SIZE, i + 1), nothing,
                        (struct point){timeline, 2 * i + 1});
        OK(wait_value(t, timeline, 2 * i + 1, UINT64_MAX));
        CHECK(((uint32_t *)buffer.map)[1023] == i + 1, "round %u", i);
        signal_value(t, timeline, 2 * i + 2);
        OK(wait_value(t, timeline, 2 * i + 2, UINT64_MAX));
    }
    e2e_print("counter %llu", (unsigned long long)counter(t, timeline));
}

void case_sync_timeline_wait_any(struct e2e *t)
{
    open_timeline(t);
    VkSemaphore timelines[4];
    uint64_t values[4] = {1, 1, 1, 1};
    for (uint32_t i = 0; i < 4; i++) {
        timelines[i] = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    }
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .flags = VK_SEMAPHORE_WAIT_ANY_BIT,
        .semaphoreCount = 4,
        .pSemaphores = timelines,
        .pValues = values,
    };
    EXPECT(vkWaitSemaphores(t->device, &info, 1000000), VK_TIMEOUT);
    submit_timeline(t, VK_NULL_HANDLE, nothing, (struct point){timelines[2], 1});
    OK(vkWaitSemaphores(t->device, &info, UINT64_MAX));
    info.flags = 0;
    EXPECT(vkWaitSemaphores(t->device, &info, 1000000), VK_TIMEOUT);
    signal_value(t, timelines[0], 1);
    signal_value(t, timelines[1], 7);
    submit_timeline(t, VK_NULL_HANDLE, nothing, (struct point){timelines[3], 2});
    OK(vkWaitSemaphores(t->device, &info, UINT64_MAX));
    e2e_print("counter %llu", (unsigned long long)counter(t, timelines[3]));
}

// -- events --

static VkEvent event(struct e2e *t)
{
    const VkEventCreateInfo info = {.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO};
    VkEvent made = VK_NULL_HANDLE;
    OK(vkCreateEvent(t->device, &info, NULL, &made));
    KEEP(t, EVENT, made);
    return made;
}

void case_sync_event_host(struct e2e *t)
{
    e2e_open(t, NULL);
    const VkEvent made = event(t);
    for (uint32_t i = 0; i < 100; i++) {
        EXPECT(vkGetEventStatus(t->device, made), VK_EVENT_RESET);
        OK(vkSetEvent(t->device, made));
        EXPECT(vkGetEventStatus(t->device, made), VK_EVENT_SET);
        OK(vkResetEvent(t->device, made));
    }
    e2e_print("100 rounds");
}

void case_sync_event_device(struct e2e *t)
{
    e2e_open(t, NULL);
    const VkEvent made = event(t);
    for (uint32_t i = 0; i < 20; i++) {
        VkCommandBuffer commands = e2e_begin(t);
        if (i % 2) {
            vkCmdResetEvent(commands, made, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
        } else {
            vkCmdSetEvent(commands, made, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
        }
        e2e_run(t, commands);
        EXPECT(vkGetEventStatus(t->device, made), i % 2 ? VK_EVENT_RESET : VK_EVENT_SET);
    }
    e2e_print("20 rounds");
}

// Set and waited for on the GPU, and a wait for what the host had set.
void case_sync_event_wait(struct e2e *t)
{
    e2e_open(t, NULL);
    const VkEvent inner = event(t), outer = event(t);
    const struct e2e_buffer first = e2e_buffer_with(t, NULL, 4096, copies);
    const struct e2e_buffer second = e2e_buffer_with(t, NULL, 4096, copies);
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
    };
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdWaitEvents(commands, 1, &outer, VK_PIPELINE_STAGE_HOST_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
                    0, NULL, 0, NULL, 0, NULL);
    vkCmdFillBuffer(commands, first.handle, 0, VK_WHOLE_SIZE, 0xabcdef01);
    vkCmdSetEvent(commands, inner, VK_PIPELINE_STAGE_TRANSFER_BIT);
    vkCmdWaitEvents(commands, 1, &inner, VK_PIPELINE_STAGE_TRANSFER_BIT,
                    VK_PIPELINE_STAGE_TRANSFER_BIT, 1, &barrier, 0, NULL, 0, NULL);
    vkCmdCopyBuffer(commands, first.handle, second.handle, 1, &(VkBufferCopy){.size = 4096});
    OK(vkSetEvent(t->device, outer));
    e2e_run(t, commands);
    CHECK(((uint32_t *)second.map)[1023] == 0xabcdef01, "copied after the event");
    EXPECT(vkGetEventStatus(t->device, inner), VK_EVENT_SET);
    e2e_digest("copied", second.map, 4096);
}

// -- synchronization2 --

void case_sync_submit2(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features13.synchronization2) {
        e2e_skip("no synchronization2");
    }
    const VkSemaphore timeline = semaphore(t, VK_SEMAPHORE_TYPE_TIMELINE, 0);
    const VkSemaphore binary = semaphore(t, VK_SEMAPHORE_TYPE_BINARY, 0);
    const struct e2e_buffer first = e2e_buffer_with(t, NULL, 4096, copies);
    const struct e2e_buffer second = e2e_buffer_with(t, NULL, 4096, copies);
    const VkFence fence = e2e_fence(t, 0);
    VkCommandBuffer commands[2];
    commands[0] = fill(t, &first, 0, VK_WHOLE_SIZE, 99);
    commands[1] = commands_begin(t, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
    vkCmdCopyBuffer(commands[1], first.handle, second.handle, 1, &(VkBufferCopy){.size = 4096});
    const VkMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
        .srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
        .dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
    };
    const VkDependencyInfo dependency = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .memoryBarrierCount = 1,
        .pMemoryBarriers = &barrier,
    };
    vkCmdPipelineBarrier2(commands[1], &dependency);
    OK(vkEndCommandBuffer(commands[1]));

    const VkCommandBufferSubmitInfo buffers[2] = {
        {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, .commandBuffer = commands[0]},
        {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, .commandBuffer = commands[1]},
    };
    const VkSemaphoreSubmitInfo link = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
                                        .semaphore = binary,
                                        .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT};
    const VkSemaphoreSubmitInfo start = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
                                         .semaphore = timeline,
                                         .value = 3,
                                         .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT};
    const VkSemaphoreSubmitInfo end = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
                                       .semaphore = timeline,
                                       .value = 4,
                                       .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT};
    const VkSubmitInfo2 infos[2] = {
        {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
         .waitSemaphoreInfoCount = 1,
         .pWaitSemaphoreInfos = &start,
         .commandBufferInfoCount = 1,
         .pCommandBufferInfos = &buffers[0],
         .signalSemaphoreInfoCount = 1,
         .pSignalSemaphoreInfos = &link},
        {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
         .waitSemaphoreInfoCount = 1,
         .pWaitSemaphoreInfos = &link,
         .commandBufferInfoCount = 1,
         .pCommandBufferInfos = &buffers[1],
         .signalSemaphoreInfoCount = 1,
         .pSignalSemaphoreInfos = &end},
    };
    signal_value(t, timeline, 3);
    OK(vkQueueSubmit2(t->queue, 2, infos, fence));
    OK(wait_value(t, timeline, 4, UINT64_MAX));
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
    CHECK(((uint32_t *)second.map)[1023] == 99, "copied");
    e2e_print("counter %llu", (unsigned long long)counter(t, timeline));
}

void case_sync_event2(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features13.synchronization2) {
        e2e_skip("no synchronization2");
    }
    const VkEvent made = event(t);
    const struct e2e_buffer first = e2e_buffer_with(t, NULL, 4096, copies);
    const struct e2e_buffer second = e2e_buffer_with(t, NULL, 4096, copies);
    const VkBufferMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_CLEAR_BIT,
        .srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
        .dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .buffer = first.handle,
        .size = VK_WHOLE_SIZE,
    };
    const VkDependencyInfo dependency = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .bufferMemoryBarrierCount = 1,
        .pBufferMemoryBarriers = &barrier,
    };
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdFillBuffer(commands, first.handle, 0, VK_WHOLE_SIZE, 0x12345678);
    vkCmdSetEvent2(commands, made, &dependency);
    vkCmdWaitEvents2(commands, 1, &made, &dependency);
    vkCmdCopyBuffer(commands, first.handle, second.handle, 1, &(VkBufferCopy){.size = 4096});
    vkCmdResetEvent2(commands, made, VK_PIPELINE_STAGE_2_COPY_BIT);
    e2e_run(t, commands);
    CHECK(((uint32_t *)second.map)[1023] == 0x12345678, "copied after the event");
    EXPECT(vkGetEventStatus(t->device, made), VK_EVENT_RESET);
    e2e_digest("copied", second.map, 4096);
}

// Mesa's Venus driver looks for news in memory that the device writes. Without, it asks the host.
void case_sync_without_feedback(struct e2e *t)
{
    setenv("VN_PERF", "no_fence_feedback,no_event_feedback,no_semaphore_feedback,no_timeline_sync",
           1);
    case_sync_fence_status(t);
    e2e_close(t);
    case_sync_event_host(t);
    e2e_close(t);
    case_sync_timeline_gpu(t);
}

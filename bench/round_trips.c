// Question: how long does a program wait for an answer, back to back and after some silence?
// Base case: the same calls on the host's driver. The sync call is the bare way there and back;
// the waits add a submission and what the driver's own threads need for it. "15 yields" is how long
// Mesa 25.0 looks for the end of a wait before it sleeps 160 us: only what comes sooner, as seen in
// memory, can be found at once.
//
// With the argument "waits" only the waits, for guest drivers that are told to have no feedback.
#include "client.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct state {
    VkFence fence;
    VkSemaphore timeline;
    uint64_t value;
    VkCommandBuffer fill; // sets the word at `buffer.mapped`
    struct bench_buffer buffer;
};

static void sync_call(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        bench_call(b);
    }
}

static void yields(const struct bench *b, void *user, uint32_t count)
{
    (void)b, (void)user;
    for (uint32_t i = 0; i < count * 15; i++) {
        sched_yield();
    }
}

static void submit_and_wait(const struct bench *b, void *user, uint32_t count)
{
    struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_submit(b, 0, NULL, state->fence);
        bench_fence_wait(b, state->fence);
    }
}

static void timeline_wait(const struct bench *b, void *user, uint32_t count)
{
    struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        state->value++;
        const VkTimelineSemaphoreSubmitInfo values = {
            .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
            .signalSemaphoreValueCount = 1,
            .pSignalSemaphoreValues = &state->value};
        OK(vkQueueSubmit(b->queue, 1,
                         &(VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                         .pNext = &values,
                                         .signalSemaphoreCount = 1,
                                         .pSignalSemaphores = &state->timeline},
                         VK_NULL_HANDLE));
        OK(vkWaitSemaphores(b->device,
                            &(VkSemaphoreWaitInfo){.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                                   .semaphoreCount = 1,
                                                   .pSemaphores = &state->timeline,
                                                   .pValues = &state->value},
                            UINT64_MAX));
    }
}

// The program looks at memory, not at the driver: what the submission alone costs.
static void submit_and_look(const struct bench *b, void *user, uint32_t count)
{
    struct state *state = user;
    _Atomic uint32_t *word = state->buffer.mapped;
    for (uint32_t i = 0; i < count; i++) {
        atomic_store(word, 0);
        bench_submit(b, 1, &state->fill, VK_NULL_HANDLE);
        const uint64_t begin_ns = bench_now_ns();
        while (atomic_load_explicit(word, memory_order_acquire) != 1) {
            if (bench_now_ns() - begin_ns > UINT64_C(10000000000)) {
                bench_expect("a fill seen through mapped memory", VK_TIMEOUT);
            }
        }
    }
}

static void open_state(const struct bench *b, struct state *state)
{
    state->fence = bench_fence(b);
    bench_buffer_open(b, &state->buffer, 4096, BENCH_VISIBLE);
    state->fill = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    OK(vkBeginCommandBuffer(
        state->fill,
        &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                    .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT}));
    vkCmdFillBuffer(state->fill, state->buffer.handle, 0, 4, 1);
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    vkCmdPipelineBarrier(state->fill, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0,
                         1, &barrier, 0, NULL, 0, NULL);
    OK(vkEndCommandBuffer(state->fill));
    if (b->features12.timelineSemaphore) {
        const VkSemaphoreTypeCreateInfo type = {.sType =
                                                    VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                                .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
        OK(vkCreateSemaphore(b->device,
                             &(VkSemaphoreCreateInfo){
                                 .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type},
                             NULL, &state->timeline));
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    struct state state = {0};
    bench_open(&b);
    open_state(&b, &state);
    const bool only_waits = argc > 1 && strcmp(argv[1], "waits") == 0;
    static const struct {
        const char *name;
        bench_work work;
        bool waits;
    } questions[] = {
        {"sync call", sync_call, false},
        {"15 yields", yields, false},
        {"submit + fence wait", submit_and_wait, true},
        {"timeline wait", timeline_wait, true},
        {"submit seen in memory", submit_and_look, false},
    };
    static const struct {
        const char *name;
        uint64_t ns;
    } silences[] = {{"", 0}, {" after 200 us", 200000}, {" after 10 ms", 10000000}};
    for (size_t i = 0; i < COUNT(questions); i++) {
        if ((questions[i].work == timeline_wait && !state.timeline) ||
            (only_waits && !questions[i].waits)) {
            continue;
        }
        for (size_t j = 0; j < COUNT(silences); j++) {
            char name[96];
            snprintf(name, sizeof(name), "%s%s%s", questions[i].name, silences[j].name,
                     only_waits ? ", no feedback" : "");
            bench_latency(&b, name, questions[i].work, &state, silences[j].ns);
        }
    }
    OK(vkDeviceWaitIdle(b.device));
    vkDestroySemaphore(b.device, state.timeline, NULL);
    vkDestroyFence(b.device, state.fence, NULL);
    bench_buffer_close(&b, &state.buffer);
    bench_close(&b);
    return 0;
}

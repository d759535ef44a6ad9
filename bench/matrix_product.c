// Question: what does work cost that keeps the device busy and hardly needs the wire?
// Base case: the host's driver. Products of two matrices of floats, each waited for.
#include "client.h"

#include "matmul_comp.h"

#include <stdio.h>

struct state {
    uint32_t max_size;
    struct bench_buffer buffers[BENCH_ARGUMENTS];
    struct bench_arguments arguments;
    VkFence fence;
    VkCommandBuffer cb;
};

static void open_state(const struct bench *b, struct state *state)
{
    // The largest takes a tenth of a second on two cores, and some milliseconds on a large GPU.
    state->max_size = b->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ? 512 : 4096;
    bench_arguments_open(b, &state->arguments);
    for (uint32_t i = 0; i < BENCH_ARGUMENTS; i++) {
        bench_buffer_open(b, &state->buffers[i], sizeof(float) * state->max_size * state->max_size,
                          VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        bench_arguments_write(
            b, state->arguments.set, i,
            &(VkDescriptorBufferInfo){state->buffers[i].handle, 0, VK_WHOLE_SIZE});
    }
    state->fence = bench_fence(b);
    state->cb = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
}

static void product(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_submit(b, 1, &state->cb, state->fence);
        bench_waits();
        bench_fence_wait(b, state->fence);
    }
}

static void measure(const struct bench *b, struct state *state, uint32_t size)
{
    const VkShaderModule shader = bench_shader(b, matmul_comp, sizeof(matmul_comp));
    const VkSpecializationInfo constants = {.mapEntryCount = 1,
                                            .pMapEntries =
                                                &(VkSpecializationMapEntry){0, 0, sizeof(size)},
                                            .dataSize = sizeof(size),
                                            .pData = &size};
    const VkPipeline pipeline = bench_compute_pipeline(b, &state->arguments, shader, &constants);
    bench_begin(state->cb);
    vkCmdBindPipeline(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, state->arguments.layout, 0,
                            1, &state->arguments.set, 0, NULL);
    vkCmdDispatch(state->cb, size / 16, size / 16, 1);
    OK(vkEndCommandBuffer(state->cb));
    char name[64];
    snprintf(name, sizeof(name), "matrix product %u", size);
    bench_rate(b, name, product, state, 1000);
    vkDestroyPipeline(b->device, pipeline, NULL);
    vkDestroyShaderModule(b->device, shader, NULL);
}

int main(void)
{
    struct bench b;
    struct state state = {0};
    bench_open(&b);
    open_state(&b, &state);
    for (uint32_t size = 64; size <= state.max_size; size *= 2) {
        measure(&b, &state, size);
    }
    vkDestroyFence(b.device, state.fence, NULL);
    bench_arguments_close(&b, &state.arguments);
    for (size_t i = 0; i < COUNT(state.buffers); i++) {
        bench_buffer_close(&b, &state.buffers[i]);
    }
    bench_close(&b);
    return 0;
}

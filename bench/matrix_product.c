// Question: what does work cost that keeps the device busy and hardly needs the wire?
// Base case: the host's driver. Products of two matrices of floats, each waited for.
#include "client.h"

#include "matmul_comp.h"

#include <stdio.h>

#define MAX_SIZE 512

struct state {
    struct bench_buffer buffers[3];
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkDescriptorPool pool;
    VkDescriptorSet set;
    VkFence fence;
    VkCommandBuffer cb;
};

static void open_state(const struct bench *b, struct state *state)
{
    VkDescriptorSetLayoutBinding bindings[3];
    VkDescriptorBufferInfo ranges[3];
    VkWriteDescriptorSet writes[3];
    for (uint32_t i = 0; i < 3; i++) {
        bench_buffer_open(b, &state->buffers[i], sizeof(float) * MAX_SIZE * MAX_SIZE,
                          BENCH_VISIBLE);
        bindings[i] = (VkDescriptorSetLayoutBinding){i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                     VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    }
    OK(vkCreateDescriptorSetLayout(b->device,
                                   &(VkDescriptorSetLayoutCreateInfo){
                                       .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                       .bindingCount = 3,
                                       .pBindings = bindings},
                                   NULL, &state->set_layout));
    OK(vkCreatePipelineLayout(
        b->device,
        &(VkPipelineLayoutCreateInfo){.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                      .setLayoutCount = 1,
                                      .pSetLayouts = &state->set_layout},
        NULL, &state->layout));
    OK(vkCreateDescriptorPool(
        b->device,
        &(VkDescriptorPoolCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
            .maxSets = 1,
            .poolSizeCount = 1,
            .pPoolSizes = &(VkDescriptorPoolSize){VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3}},
        NULL, &state->pool));
    OK(vkAllocateDescriptorSets(
        b->device,
        &(VkDescriptorSetAllocateInfo){.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                       .descriptorPool = state->pool,
                                       .descriptorSetCount = 1,
                                       .pSetLayouts = &state->set_layout},
        &state->set));
    for (uint32_t i = 0; i < 3; i++) {
        ranges[i] = (VkDescriptorBufferInfo){state->buffers[i].handle, 0, VK_WHOLE_SIZE};
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = state->set,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &ranges[i]};
    }
    vkUpdateDescriptorSets(b->device, 3, writes, 0, NULL);
    state->fence = bench_fence(b);
    state->cb = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
}

static void product(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_submit(b, 1, &state->cb, state->fence);
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
    VkPipeline pipeline;
    OK(vkCreateComputePipelines(
        b->device, VK_NULL_HANDLE, 1,
        &(VkComputePipelineCreateInfo){
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                      .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                      .module = shader,
                      .pName = "main",
                      .pSpecializationInfo = &constants},
            .layout = state->layout},
        NULL, &pipeline));
    bench_begin(state->cb);
    vkCmdBindPipeline(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, state->layout, 0, 1,
                            &state->set, 0, NULL);
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
    for (uint32_t size = 64; size <= MAX_SIZE; size *= 2) {
        measure(&b, &state, size);
    }
    vkDestroyFence(b.device, state.fence, NULL);
    vkDestroyDescriptorPool(b.device, state.pool, NULL);
    vkDestroyPipelineLayout(b.device, state.layout, NULL);
    vkDestroyDescriptorSetLayout(b.device, state.set_layout, NULL);
    for (size_t i = 0; i < COUNT(state.buffers); i++) {
        bench_buffer_close(&b, &state.buffers[i]);
    }
    bench_close(&b);
    return 0;
}

// Question: how fast are command buffers recorded and run?
// Base case: the host's driver. Each row records, submits and waits until all is done, except
// "begin+end", which only records; the caller's share is only that of recording. Draws have no
// area, so that the commands are what costs.
#include "client.h"

#include "flat_frag.h"
#include "matmul_comp.h"
#include "quad_vert.h"

#include <stdlib.h>
#include <string.h>

#define EXTENT 16
#define UPDATE 4096

struct state {
    VkCommandBuffer cb, secondary;
    VkCommandBuffer tiny[256];
    VkFence fence;
    struct bench_buffer buffer;
    VkImage image;
    VkDeviceMemory image_memory;
    VkImageView view;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
    VkPipelineLayout layout;
    VkPipeline pipeline, compute;
    struct bench_arguments arguments;
};

// -- what the rows do --

static void run(const struct bench *b, const struct state *state)
{
    OK(vkEndCommandBuffer(state->cb));
    bench_waits();
    bench_submit(b, 1, &state->cb, state->fence);
    bench_fence_wait(b, state->fence);
}

static void begin_pass(const struct state *state, VkCommandBuffer cb)
{
    bench_begin(cb);
    vkCmdBeginRenderPass(cb,
                         &(VkRenderPassBeginInfo){.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
                                                  .renderPass = state->pass,
                                                  .framebuffer = state->framebuffer,
                                                  .renderArea = {.extent = {EXTENT, EXTENT}}},
                         VK_SUBPASS_CONTENTS_INLINE);
}

static void bind(const struct state *state, VkCommandBuffer cb)
{
    vkCmdBindPipeline(cb, VK_PIPELINE_BIND_POINT_GRAPHICS, state->pipeline);
    vkCmdBindVertexBuffers(cb, 0, 1, &state->buffer.handle, &(VkDeviceSize){0});
}

static void push(const struct state *state, VkCommandBuffer cb, uint32_t i)
{
    const float place[4] = {(float)(i % 2), 0, 0, 1};
    vkCmdPushConstants(cb, state->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(place), place);
}

static void draws(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    begin_pass(state, state->cb);
    bind(state, state->cb);
    push(state, state->cb, 0);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdDraw(state->cb, 3, 1, 0, 0);
    }
    vkCmdEndRenderPass(state->cb);
    run(b, state);
}

static void draws_with_state(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    begin_pass(state, state->cb);
    for (uint32_t i = 0; i < count; i++) {
        bind(state, state->cb);
        push(state, state->cb, i);
        vkCmdDraw(state->cb, 3, 1, 0, 0);
    }
    vkCmdEndRenderPass(state->cb);
    run(b, state);
}

static void dispatches(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    bench_begin(state->cb);
    vkCmdBindPipeline(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, state->compute);
    vkCmdBindDescriptorSets(state->cb, VK_PIPELINE_BIND_POINT_COMPUTE, state->arguments.layout, 0,
                            1, &state->arguments.set, 0, NULL);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdDispatch(state->cb, 0, 1, 1); // no work group at all
    }
    run(b, state);
}

static void barriers(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    const VkBufferMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
                                           .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                           .dstAccessMask = VK_ACCESS_SHADER_READ_BIT,
                                           .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
                                           .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
                                           .buffer = state->buffer.handle,
                                           .size = VK_WHOLE_SIZE};
    bench_begin(state->cb);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdPipelineBarrier(state->cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 0, NULL, 1, &barrier, 0,
                             NULL);
    }
    run(b, state);
}

static void secondaries(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    bench_begin(state->cb);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdExecuteCommands(state->cb, 1, &state->secondary);
    }
    run(b, state);
}

static void updates(const struct bench *b, void *user, uint32_t count)
{
    static const uint8_t bytes[UPDATE];
    const struct state *state = user;
    bench_begin(state->cb);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdUpdateBuffer(state->cb, state->buffer.handle, 0, UPDATE, bytes);
    }
    run(b, state);
}

static void begin_end(const struct bench *b, void *user, uint32_t count)
{
    (void)b;
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_begin(state->cb);
        OK(vkEndCommandBuffer(state->cb));
    }
}

static void submits(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_submit(b, 1, &state->tiny[i % COUNT(state->tiny)],
                     i + 1 == count ? state->fence : VK_NULL_HANDLE);
    }
    bench_waits();
    bench_fence_wait(b, state->fence);
}

static void batched_submits(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    VkSubmitInfo infos[COUNT(state->tiny)];
    for (uint32_t i = 0; i < COUNT(infos); i++) {
        infos[i] = (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = &state->tiny[i]};
    }
    for (uint32_t done = 0; done < count;) {
        const uint32_t left = count - done;
        const uint32_t batch = left < COUNT(infos) ? left : (uint32_t)COUNT(infos);
        OK(vkQueueSubmit(b->queue, batch, infos, state->fence));
        bench_waits();
        bench_fence_wait(b, state->fence);
        done += batch;
    }
}

// -- what they need --

static void open_target(const struct bench *b, struct state *state)
{
    OK(vkCreateImage(b->device,
                     &(VkImageCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                                          .imageType = VK_IMAGE_TYPE_2D,
                                          .format = VK_FORMAT_R8G8B8A8_UNORM,
                                          .extent = {EXTENT, EXTENT, 1},
                                          .mipLevels = 1,
                                          .arrayLayers = 1,
                                          .samples = VK_SAMPLE_COUNT_1_BIT,
                                          .tiling = VK_IMAGE_TILING_OPTIMAL,
                                          .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT},
                     NULL, &state->image));
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(b->device, state->image, &needs);
    OK(vkAllocateMemory(
        b->device,
        &(VkMemoryAllocateInfo){.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                .allocationSize = needs.size,
                                .memoryTypeIndex = bench_memory_type(b, needs.memoryTypeBits, 0)},
        NULL, &state->image_memory));
    OK(vkBindImageMemory(b->device, state->image, state->image_memory, 0));
    OK(vkCreateImageView(
        b->device,
        &(VkImageViewCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
                                 .image = state->image,
                                 .viewType = VK_IMAGE_VIEW_TYPE_2D,
                                 .format = VK_FORMAT_R8G8B8A8_UNORM,
                                 .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}},
        NULL, &state->view));
    const VkAttachmentDescription attachment = {.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                .samples = VK_SAMPLE_COUNT_1_BIT,
                                                .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                                                .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
                                                .finalLayout =
                                                    VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference reference = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    OK(vkCreateRenderPass(
        b->device,
        &(VkRenderPassCreateInfo){.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                  .attachmentCount = 1,
                                  .pAttachments = &attachment,
                                  .subpassCount = 1,
                                  .pSubpasses =
                                      &(VkSubpassDescription){.colorAttachmentCount = 1,
                                                              .pColorAttachments = &reference}},
        NULL, &state->pass));
    OK(vkCreateFramebuffer(
        b->device,
        &(VkFramebufferCreateInfo){.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
                                   .renderPass = state->pass,
                                   .attachmentCount = 1,
                                   .pAttachments = &state->view,
                                   .width = EXTENT,
                                   .height = EXTENT,
                                   .layers = 1},
        NULL, &state->framebuffer));
}

static void open_graphics(const struct bench *b, struct state *state)
{
    OK(vkCreatePipelineLayout(
        b->device,
        &(VkPipelineLayoutCreateInfo){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
            .pushConstantRangeCount = 1,
            .pPushConstantRanges = &(VkPushConstantRange){VK_SHADER_STAGE_VERTEX_BIT, 0, 16}},
        NULL, &state->layout));
    const VkPipelineShaderStageCreateInfo stages[] = {
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_VERTEX_BIT,
         .module = bench_shader(b, quad_vert, sizeof(quad_vert)),
         .pName = "main"},
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
         .module = bench_shader(b, flat_frag, sizeof(flat_frag)),
         .pName = "main"},
    };
    const VkViewport viewport = {0, 0, EXTENT, EXTENT, 0, 1};
    const VkRect2D scissor = {.extent = {EXTENT, EXTENT}};
    const VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .stageCount = COUNT(stages),
        .pStages = stages,
        .pVertexInputState =
            &(VkPipelineVertexInputStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
                .vertexBindingDescriptionCount = 1,
                .pVertexBindingDescriptions = &(VkVertexInputBindingDescription){.stride = 16},
                .vertexAttributeDescriptionCount = 1,
                .pVertexAttributeDescriptions =
                    &(VkVertexInputAttributeDescription){.format = VK_FORMAT_R32G32B32A32_SFLOAT}},
        .pInputAssemblyState =
            &(VkPipelineInputAssemblyStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
                .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST},
        .pViewportState =
            &(VkPipelineViewportStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
                .viewportCount = 1,
                .pViewports = &viewport,
                .scissorCount = 1,
                .pScissors = &scissor},
        .pRasterizationState =
            &(VkPipelineRasterizationStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
                .lineWidth = 1},
        .pMultisampleState =
            &(VkPipelineMultisampleStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
                .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT},
        .pColorBlendState =
            &(VkPipelineColorBlendStateCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
                .attachmentCount = 1,
                .pAttachments = &(VkPipelineColorBlendAttachmentState){.colorWriteMask = 15}},
        .layout = state->layout,
        .renderPass = state->pass,
    };
    OK(vkCreateGraphicsPipelines(b->device, VK_NULL_HANDLE, 1, &info, NULL, &state->pipeline));
    for (size_t i = 0; i < COUNT(stages); i++) {
        vkDestroyShaderModule(b->device, stages[i].module, NULL);
    }
}

static void open_compute(const struct bench *b, struct state *state)
{
    bench_arguments_open(b, &state->arguments);
    for (uint32_t i = 0; i < BENCH_ARGUMENTS; i++) {
        bench_arguments_write(b, state->arguments.set, i,
                              &(VkDescriptorBufferInfo){state->buffer.handle, 0, VK_WHOLE_SIZE});
    }
    const VkShaderModule shader = bench_shader(b, matmul_comp, sizeof(matmul_comp));
    state->compute = bench_compute_pipeline(b, &state->arguments, shader, NULL);
    vkDestroyShaderModule(b->device, shader, NULL);
}

static void open_state(const struct bench *b, struct state *state)
{
    state->fence = bench_fence(b);
    state->cb = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    bench_buffer_open(b, &state->buffer, 65536, 0);
    open_target(b, state);
    open_graphics(b, state);
    open_compute(b, state);

    state->secondary = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_SECONDARY);
    OK(vkBeginCommandBuffer(state->secondary,
                            &(VkCommandBufferBeginInfo){
                                .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
                                .pInheritanceInfo = &(VkCommandBufferInheritanceInfo){
                                    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO}}));
    vkCmdBindPipeline(state->secondary, VK_PIPELINE_BIND_POINT_COMPUTE, state->compute);
    OK(vkEndCommandBuffer(state->secondary));
    for (size_t i = 0; i < COUNT(state->tiny); i++) {
        state->tiny[i] = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
        OK(vkBeginCommandBuffer(
            state->tiny[i],
            &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT}));
        OK(vkEndCommandBuffer(state->tiny[i]));
    }
}

static void close_state(const struct bench *b, struct state *state)
{
    OK(vkDeviceWaitIdle(b->device));
    vkDestroyPipeline(b->device, state->compute, NULL);
    vkDestroyPipeline(b->device, state->pipeline, NULL);
    bench_arguments_close(b, &state->arguments);
    vkDestroyPipelineLayout(b->device, state->layout, NULL);
    vkDestroyFramebuffer(b->device, state->framebuffer, NULL);
    vkDestroyRenderPass(b->device, state->pass, NULL);
    vkDestroyImageView(b->device, state->view, NULL);
    vkDestroyImage(b->device, state->image, NULL);
    vkFreeMemory(b->device, state->image_memory, NULL);
    bench_buffer_close(b, &state->buffer);
    vkDestroyFence(b->device, state->fence, NULL);
}

int main(void)
{
    static struct state state;
    struct bench b;
    bench_open(&b);
    open_state(&b, &state);
    bench_rate(&b, "draw", draws, &state, 10000);
    bench_rate(&b, "bind+push+draw", draws_with_state, &state, 10000);
    bench_rate(&b, "dispatch", dispatches, &state, 10000);
    bench_rate(&b, "barrier", barriers, &state, 10000);
    bench_rate(&b, "secondary executed", secondaries, &state, 10000);
    bench_bandwidth(&b, "vkCmdUpdateBuffer stream", updates, &state, 2000, UPDATE);
    bench_rate(&b, "command buffer begin+end", begin_end, &state, 10000);
    bench_rate(&b, "single submits", submits, &state, 2000);
    bench_rate(&b, "batched submits", batched_submits, &state, 2048);
    close_state(&b, &state);
    bench_close(&b);
    return 0;
}

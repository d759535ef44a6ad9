// The ways to call for a draw, and to begin what it is drawn into.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "grid.h"
#include "shaders.h"

enum { SIZE = GRID_SIZE };
static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkSubpassContents inline_ = VK_SUBPASS_CONTENTS_INLINE;

struct quad {
    float area[4], colour[4], depth, unused[3];
};

void case_draws_instanced(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdDraw(commands, 6, 20, 0, 3);
    vkCmdDraw(commands, 6, 1, 0, 40);
    grid_end(t, &grid, commands, 0xfffffu << 3 | 1ull << 40, "instances");
}

void case_draws_indexed(struct e2e *t)
{
    static const uint16_t narrow[] = {9, 9, 0, 1, 2, 3, 4, 5};
    static const uint32_t wide[] = {6, 7, 8, 9, 10, 11};
    const struct grid grid = grid_open(t, NULL, NULL);
    const struct e2e_buffer a =
        e2e_buffer_with(t, narrow, sizeof(narrow), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    const struct e2e_buffer b =
        e2e_buffer_with(t, wide, sizeof(wide), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdBindIndexBuffer(commands, a.handle, 0, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexed(commands, 6, 8, 2, 0, 8);
    vkCmdBindIndexBuffer(commands, a.handle, 4, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexed(commands, 6, 1, 0, 0, 30);
    vkCmdBindIndexBuffer(commands, b.handle, 0, VK_INDEX_TYPE_UINT32);
    vkCmdDrawIndexed(commands, 6, 2, 0, -6, 50);
    grid_end(t, &grid, commands, 0xff00u | 1ull << 30 | 3ull << 50, "indexed");
}

void case_draws_primitive_restart(struct e2e *t)
{
    static const uint16_t indices[] = {0, 1, 2, 0xffff, 4, 5, 6};
    e2e_open(t, NULL);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, indices, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    uint32_t drawn[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        const VkPipeline pipeline = e2e_graphics(
            t, &target,
            &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                          .fragment = CODE(colour_frag),
                                          .layout = set.layout,
                                          .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP,
                                          .assembled = true,
                                          .restart = true});
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &target, inline_);
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
        vkCmdBindIndexBuffer(commands, buffer.handle, 0, VK_INDEX_TYPE_UINT16);
        vkCmdDrawIndexed(commands, i ? 7 : 3, 1, 0, 0, 0);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        const struct e2e_buffer picture = e2e_target_read(t, &target, "strips");
        for (uint32_t p = 0; p < SIZE * SIZE; p++) {
            drawn[i] += e2e_pixel(&picture, &target, p % SIZE, p / SIZE) != 0;
        }
    }
    CHECK(drawn[1] > drawn[0] * 19 / 10 && drawn[1] < drawn[0] * 21 / 10, "%u and %u pixels",
          drawn[0], drawn[1]);
}

void case_draws_indirect(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    if (!t->features.features.drawIndirectFirstInstance) {
        e2e_skip("no first instance in indirect draws");
    }
    const struct e2e_buffer buffer = e2e_buffer_with(
        t, NULL, 4096, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    const VkDrawIndirectCommand plain[] = {{6, 3, 0, 0}, {6, 0, 0, 5}, {6, 2, 0, 10}};
    const VkDrawIndexedIndirectCommand indexed[] = {{6, 2, 0, 0, 24}, {6, 4, 1, -1, 32}};
    for (uint32_t i = 0; i < COUNT(plain); i++) {
        memcpy((char *)buffer.map + 64 + i * 32, &plain[i], sizeof(plain[i]));
    }
    memcpy((char *)buffer.map + 1024, indexed, sizeof(indexed));
    for (uint32_t i = 0; i < 8; i++) {
        ((uint32_t *)buffer.map)[512 + i] = i;
    }
    VkCommandBuffer commands = grid_begin(t, &grid);
    if (t->features.features.multiDrawIndirect) {
        vkCmdDrawIndirect(commands, buffer.handle, 64, 3, 32);
    } else {
        for (uint32_t i = 0; i < 3; i++) {
            vkCmdDrawIndirect(commands, buffer.handle, 64 + i * 32, 1, 0);
        }
    }
    vkCmdDrawIndirect(commands, buffer.handle, 64, 0, 32);
    vkCmdBindIndexBuffer(commands, buffer.handle, 2048, VK_INDEX_TYPE_UINT32);
    for (uint32_t i = 0; i < 2; i++) {
        vkCmdDrawIndexedIndirect(commands, buffer.handle, 1024 + i * sizeof(indexed[0]), 1, 0);
    }
    grid_end(t, &grid, commands, 0x7ull | 3ull << 10 | 3ull << 24 | 0xfull << 32, "indirect");
}

void case_draws_indirect_count(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    if (!t->features12.drawIndirectCount) {
        e2e_skip("no indirect count");
    }
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, 4096, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT);
    for (uint32_t i = 0; i < 10; i++) {
        const VkDrawIndirectCommand command = {6, 1, 0, i * 3};
        memcpy((char *)buffer.map + 256 + i * 16, &command, sizeof(command));
    }
    ((uint32_t *)buffer.map)[5] = 4;
    ((uint32_t *)buffer.map)[6] = 100;
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdDrawIndirectCount(commands, buffer.handle, 256, buffer.handle, 20, 10, 16);
    vkCmdDrawIndirectCount(commands, buffer.handle, 256 + 8 * 16, buffer.handle, 24, 2, 16);
    grid_end(t, &grid, commands, 1 | 1u << 3 | 1u << 6 | 1u << 9 | 1u << 24 | 1u << 27, "counted");
}

void case_draws_secondary(struct e2e *t)
{
    enum { SECONDARIES = 8 };
    const struct grid grid = grid_open(t, NULL, NULL);
    VkCommandBuffer secondaries[SECONDARIES];
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = t->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_SECONDARY,
        .commandBufferCount = SECONDARIES,
    };
    OK(vkAllocateCommandBuffers(t->device, &allocate, secondaries));
    const VkCommandBufferInheritanceInfo inherited = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .renderPass = grid.target.pass,
    };
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT,
        .pInheritanceInfo = &inherited,
    };
    for (uint32_t i = 0; i < SECONDARIES; i++) {
        OK(vkBeginCommandBuffer(secondaries[i], &begin));
        vkCmdBindPipeline(secondaries[i], VK_PIPELINE_BIND_POINT_GRAPHICS, grid.pipeline);
        vkCmdDraw(secondaries[i], 6, 1, 0, i * 9);
        OK(vkEndCommandBuffer(secondaries[i]));
    }
    for (uint32_t round = 0; round < 3; round++) {
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &grid.target, VK_SUBPASS_CONTENTS_SECONDARY_COMMAND_BUFFERS);
        vkCmdExecuteCommands(commands, SECONDARIES - 1, secondaries);
        vkCmdExecuteCommands(commands, 1, &secondaries[SECONDARIES - 1]);
        grid_end(t, &grid, commands, 0x8040201008040201u, "diagonal");
    }
    vkFreeCommandBuffers(t->device, t->pool, SECONDARIES, secondaries);
}

void case_draws_ten_thousand(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    VkCommandBuffer commands = grid_begin(t, &grid);
    for (uint32_t i = 0; i < 10000; i++) {
        vkCmdDraw(commands, 6, 1, 0, i * 5 % 63);
    }
    grid_end(t, &grid, commands, UINT64_MAX >> 1, "ten thousand");
}

static VkPipeline quad_pipeline(struct e2e *t, const struct e2e_target *target,
                                VkPipelineLayout layout, const VkDynamicState *dynamic,
                                uint32_t count, const void *next)
{
    return e2e_graphics(t, target,
                        &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                      .fragment = CODE(colour_frag),
                                                      .layout = layout,
                                                      .dynamic = dynamic,
                                                      .dynamic_count = count,
                                                      .next = next});
}

static void push_quad(VkCommandBuffer commands, VkPipelineLayout layout, float red, float green,
                      float depth)
{
    const struct quad quad = {{-1, -1, 1, 1}, {red, green, 0, 1}, depth, {0}};
    vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(quad), &quad);
}

void case_draws_dynamic_state(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR,
                                             VK_DYNAMIC_STATE_BLEND_CONSTANTS};
    static const VkPipelineColorBlendAttachmentState blend = {VK_TRUE,
                                                              VK_BLEND_FACTOR_CONSTANT_COLOR,
                                                              VK_BLEND_FACTOR_ONE,
                                                              VK_BLEND_OP_ADD,
                                                              VK_BLEND_FACTOR_ONE,
                                                              VK_BLEND_FACTOR_ZERO,
                                                              VK_BLEND_OP_ADD,
                                                              E2E_ALL_CHANNELS};
    e2e_open(t, NULL);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad));
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .blend = &blend,
                                                   .dynamic = dynamic,
                                                   .dynamic_count = COUNT(dynamic)});
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    push_quad(commands, set.layout, 1, 1, 0.5f);
    for (uint32_t i = 0; i < 16; i++) {
        const VkViewport viewport = {(float)(i % 4 * 16), (float)(i / 4 * 16), 16, 16, 0, 1};
        const VkRect2D scissor = {{(int32_t)(i % 4 * 16 + i % 3), (int32_t)(i / 4 * 16)},
                                  {12, 14 - i % 5}};
        const float constants[4] = {(float)i / 15.0f, 1.0f - (float)i / 15.0f, 0, 1};
        vkCmdSetViewport(commands, 0, 1, &viewport);
        vkCmdSetScissor(commands, 0, 1, &scissor);
        vkCmdSetBlendConstants(commands, constants);
        vkCmdDraw(commands, 6, 1, 0, 0);
    }
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "tiles");
    CHECK(e2e_pixel(&picture, &target, 4, 4) == 0xff00ff00, "first tile");
    CHECK(e2e_pixel(&picture, &target, 54, 54) == 0xff0000ff, "last tile");
    CHECK(e2e_pixel(&picture, &target, 14, 4) == 0, "outside of the scissor");
}

// The states that became dynamic with Vulkan 1.3.
void case_draws_extended_dynamic_state(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_CULL_MODE,
                                             VK_DYNAMIC_STATE_FRONT_FACE,
                                             VK_DYNAMIC_STATE_PRIMITIVE_TOPOLOGY,
                                             VK_DYNAMIC_STATE_VIEWPORT_WITH_COUNT,
                                             VK_DYNAMIC_STATE_SCISSOR_WITH_COUNT,
                                             VK_DYNAMIC_STATE_DEPTH_TEST_ENABLE,
                                             VK_DYNAMIC_STATE_DEPTH_WRITE_ENABLE,
                                             VK_DYNAMIC_STATE_DEPTH_COMPARE_OP,
                                             VK_DYNAMIC_STATE_RASTERIZER_DISCARD_ENABLE};
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){
               .width = SIZE, .height = SIZE, .formats = {rgba}, .depth = VK_FORMAT_D16_UNORM});
    const struct e2e_set set = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad));
    const VkDynamicState *list = dynamic;
    struct e2e_pipeline_params params = {.vertex = CODE(quad_vert),
                                         .fragment = CODE(colour_frag),
                                         .layout = set.layout,
                                         .dynamic = list,
                                         .dynamic_count = COUNT(dynamic),
                                         .no_viewports = true};
    const VkPipeline pipeline = e2e_graphics(t, &target, &params);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdSetPrimitiveTopology(commands, VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST);
    for (uint32_t i = 0; i < 16; i++) {
        const float x = (float)(i % 4 * 16), y = (float)(i / 4 * 16);
        const VkViewport viewport = {x, y, 16, 16, 0, 1};
        const VkRect2D scissor = {{0, 0}, {SIZE, SIZE}};
        vkCmdSetViewportWithCount(commands, 1, &viewport);
        vkCmdSetScissorWithCount(commands, 1, &scissor);
        vkCmdSetCullMode(commands, i & 1 ? VK_CULL_MODE_BACK_BIT : VK_CULL_MODE_NONE);
        vkCmdSetFrontFace(commands,
                          i & 2 ? VK_FRONT_FACE_CLOCKWISE : VK_FRONT_FACE_COUNTER_CLOCKWISE);
        vkCmdSetDepthTestEnable(commands, VK_TRUE);
        vkCmdSetDepthWriteEnable(commands, i & 4 ? VK_TRUE : VK_FALSE);
        vkCmdSetDepthCompareOp(commands, VK_COMPARE_OP_LESS);
        vkCmdSetRasterizerDiscardEnable(commands, i == 15);
        push_quad(commands, set.layout, 1, 0, 0.25f);
        vkCmdDraw(commands, 6, 1, 0, 0);
        vkCmdSetDepthCompareOp(commands, i & 8 ? VK_COMPARE_OP_GREATER : VK_COMPARE_OP_LESS);
        push_quad(commands, set.layout, 0, 1, 0.5f); // behind the first
        vkCmdDraw(commands, 6, 1, 0, 0);
    }
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "tiles");
    static const uint32_t red = 0xff0000ff, green = 0xff00ff00;
    // The quad runs clockwise, so a counter-clockwise front makes it a back face.
    const uint32_t expected[16] = {green, 0, green, green, red,   0, red,   red,
                                   red,   0, red,   red,   green, 0, green, 0};
    for (uint32_t i = 0; i < 16; i++) {
        const uint32_t pixel = e2e_pixel(&picture, &target, i % 4 * 16 + 8, i / 4 * 16 + 8);
        CHECK(pixel == expected[i], "tile %u is 0x%08x", i, pixel);
    }
}

void case_draws_dynamic_rendering(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad));
    const VkPipelineRenderingCreateInfo rendering = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
        .colorAttachmentCount = 1,
        .pColorAttachmentFormats = &rgba,
    };
    const VkPipeline pipeline = quad_pipeline(t, NULL, set.layout, NULL, 0, &rendering);
    const VkRenderingAttachmentInfo colour = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = target.colour[0].view,
        .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .clearValue.color.float32 = {0, 0, 1, 1},
    };
    VkRenderingInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .flags = VK_RENDERING_SUSPENDING_BIT,
        .renderArea = {.extent = {SIZE, SIZE}},
        .layerCount = 1,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };
    const struct quad left = {{-1, -1, 0, 0}, {1, 0, 0, 1}, 0.5f, {0}};
    const struct quad right = {{0, 0, 1, 1}, {0, 1, 0, 1}, 0.5f, {0}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &target.colour[0], VK_IMAGE_LAYOUT_UNDEFINED,
               VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    vkCmdBeginRendering(commands, &info);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(left), &left);
    vkCmdDraw(commands, 6, 1, 0, 0);
    vkCmdEndRendering(commands);
    info.flags = VK_RENDERING_RESUMING_BIT;
    vkCmdBeginRendering(commands, &info);
    vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(right), &right);
    vkCmdDraw(commands, 6, 1, 0, 0);
    vkCmdEndRendering(commands);
    e2e_layout(commands, &target.colour[0], VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
               VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "picture");
    CHECK(e2e_pixel(&picture, &target, 8, 8) == 0xff0000ff, "left quad");
    CHECK(e2e_pixel(&picture, &target, 50, 50) == 0xff00ff00, "right quad");
    CHECK(e2e_pixel(&picture, &target, 50, 8) == 0xffff0000, "clear colour");
}

void case_draws_clear_attachments(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){.width = SIZE,
                                                  .height = SIZE,
                                                  .formats = {rgba, VK_FORMAT_R32_UINT},
                                                  .depth = VK_FORMAT_D16_UNORM});
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    const VkClearAttachment attachments[] = {
        {VK_IMAGE_ASPECT_COLOR_BIT, 0, {.color.float32 = {1, 0, 1, 1}}},
        {VK_IMAGE_ASPECT_COLOR_BIT, 1, {.color.uint32 = {0xcafe}}},
        {VK_IMAGE_ASPECT_DEPTH_BIT, 0, {.depthStencil = {0.25f, 0}}},
    };
    const VkClearRect rects[] = {{{{4, 4}, {10, 20}}, 0, 1}, {{{40, 30}, {20, 30}}, 0, 1}};
    vkCmdClearAttachments(commands, COUNT(attachments), attachments, COUNT(rects), rects);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
    const struct e2e_buffer picture = e2e_target_read(t, &target, "colour");
    const struct e2e_buffer words = e2e_read(t, &target.colour[1], 0, source);
    const struct e2e_buffer depth = e2e_read(t, &target.depth, 0, source);
    CHECK(e2e_pixel(&picture, &target, 5, 5) == 0xffff00ff, "colour");
    CHECK(((const uint32_t *)words.map)[35 * SIZE + 45] == 0xcafe, "integer");
    CHECK(((const uint16_t *)depth.map)[0] == 0xffff, "depth outside");
    e2e_digest("words", words.map, words.size);
    e2e_digest("depth", depth.map, depth.size);
}

void case_draws_imageless_framebuffer(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    if (!t->features12.imagelessFramebuffer) {
        e2e_skip("no imageless framebuffers");
    }
    const VkFramebufferAttachmentImageInfo image = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_ATTACHMENT_IMAGE_INFO,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        .width = SIZE,
        .height = SIZE,
        .layerCount = 1,
        .viewFormatCount = 1,
        .pViewFormats = &rgba,
    };
    const VkFramebufferAttachmentsCreateInfo attachments = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_ATTACHMENTS_CREATE_INFO,
        .attachmentImageInfoCount = 1,
        .pAttachmentImageInfos = &image,
    };
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .pNext = &attachments,
        .flags = VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT,
        .renderPass = grid.target.pass,
        .attachmentCount = 1,
        .width = SIZE,
        .height = SIZE,
        .layers = 1,
    };
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    OK(vkCreateFramebuffer(t->device, &info, NULL, &framebuffer));
    KEEP(t, FRAMEBUFFER, framebuffer);
    const VkRenderPassAttachmentBeginInfo views = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO,
        .attachmentCount = 1,
        .pAttachments = &grid.target.colour[0].view,
    };
    const VkClearValue clear = {.color.float32 = {0}};
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .pNext = &views,
        .renderPass = grid.target.pass,
        .framebuffer = framebuffer,
        .renderArea = {.extent = {SIZE, SIZE}},
        .clearValueCount = 1,
        .pClearValues = &clear,
    };
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdBeginRenderPass(commands, &begin, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, grid.pipeline);
    vkCmdDraw(commands, 6, 5, 0, 10);
    grid_end(t, &grid, commands, 0x1fu << 10, "imageless");
}

static VkRenderPass pass2_create(struct e2e *t)
{
    const VkAttachmentDescription2 attachment = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_DESCRIPTION_2,
        .format = rgba,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
    };
    const VkAttachmentReference2 reference = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_REFERENCE_2,
        .layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
    };
    const VkSubpassDescription2 subpass = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2,
        .colorAttachmentCount = 1,
        .pColorAttachments = &reference,
    };
    const VkSubpassDependency2 dependency = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DEPENDENCY_2,
        .dstSubpass = VK_SUBPASS_EXTERNAL,
        .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
    };
    const VkRenderPassCreateInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2,
        .attachmentCount = 1,
        .pAttachments = &attachment,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 1,
        .pDependencies = &dependency,
    };
    VkRenderPass pass = VK_NULL_HANDLE;
    OK(vkCreateRenderPass2(t->device, &info, NULL, &pass));
    KEEP(t, RENDER_PASS, pass);
    return pass;
}

void case_draws_render_pass2(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    e2e_need_version(t, VK_API_VERSION_1_2);
    const VkRenderPass pass = pass2_create(t);
    const VkFramebufferCreateInfo framebuffer_info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = pass,
        .attachmentCount = 1,
        .pAttachments = &grid.target.colour[0].view,
        .width = SIZE,
        .height = SIZE,
        .layers = 1,
    };
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    OK(vkCreateFramebuffer(t->device, &framebuffer_info, NULL, &framebuffer));
    KEEP(t, FRAMEBUFFER, framebuffer);
    const VkPipeline pipeline = e2e_graphics(
        t,
        &(struct e2e_target){.pass = pass,
                             .extent = grid.target.extent,
                             .colour_count = 1,
                             .samples = VK_SAMPLE_COUNT_1_BIT},
        &(struct e2e_pipeline_params){
            .vertex = CODE(instances_vert), .fragment = CODE(colour_frag), .layout = grid.layout});
    const VkClearValue clear = {.color.float32 = {0}};
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = pass,
        .framebuffer = framebuffer,
        .renderArea = {.extent = {SIZE, SIZE}},
        .clearValueCount = 1,
        .pClearValues = &clear,
    };
    const VkSubpassBeginInfo contents = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_BEGIN_INFO,
        .contents = inline_,
    };
    const VkSubpassEndInfo end = {.sType = VK_STRUCTURE_TYPE_SUBPASS_END_INFO};
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdBeginRenderPass2(commands, &begin, &contents);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdDraw(commands, 6, 7, 0, 17);
    vkCmdEndRenderPass2(commands, &end);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &grid.target, "picture");
    CHECK(e2e_pixel(&picture, &grid.target, 12, 20) && !e2e_pixel(&picture, &grid.target, 4, 20),
          "cells 17 and 16");
}

void case_draws_transform_feedback(struct e2e *t)
{
    static const char *const extension = VK_EXT_TRANSFORM_FEEDBACK_EXTENSION_NAME;
    VkPhysicalDeviceTransformFeedbackFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_FEATURES_EXT,
        .transformFeedback = VK_TRUE,
    };
    e2e_open(t, &(struct e2e_device_params){
                    .extensions = &extension, .extension_count = 1, .features = &feature});
    const PFN_vkCmdBindTransformFeedbackBuffersEXT bind =
        (PFN_vkCmdBindTransformFeedbackBuffersEXT)(void *)vkGetDeviceProcAddr(
            t->device, "vkCmdBindTransformFeedbackBuffersEXT");
    const PFN_vkCmdBeginTransformFeedbackEXT begin =
        (PFN_vkCmdBeginTransformFeedbackEXT)(void *)vkGetDeviceProcAddr(
            t->device, "vkCmdBeginTransformFeedbackEXT");
    const PFN_vkCmdEndTransformFeedbackEXT end =
        (PFN_vkCmdEndTransformFeedbackEXT)(void *)vkGetDeviceProcAddr(
            t->device, "vkCmdEndTransformFeedbackEXT");
    CHECK(bind && begin && end, "functions are missing");
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(captured_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, 6 * 32, VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT);
    const struct e2e_buffer counter =
        e2e_buffer_with(t, NULL, 4, VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_COUNTER_BUFFER_BIT_EXT);
    const VkDeviceSize zero = 0;
    VkCommandBuffer commands = e2e_begin(t);
    bind(commands, 0, 1, &buffer.handle, &zero, &buffer.size);
    e2e_target_begin(commands, &target, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    begin(commands, 0, 0, NULL, NULL);
    vkCmdDraw(commands, 6, 1, 0, 0);
    end(commands, 0, 1, &counter.handle, &zero);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    CHECK(*(const uint32_t *)counter.map == buffer.size, "%u bytes captured",
          *(const uint32_t *)counter.map);
    const float *vertex = buffer.map;
    for (uint32_t i = 0; i < 6; i++) {
        CHECK(vertex[i * 8 + 4] == (float)i && vertex[i * 8 + 7] == 1.0f, "vertex %u", i);
    }
    e2e_digest("vertices", buffer.map, buffer.size);
}

// Graphics pipelines: states, attachments and stages. draws.c has the ways to call for a draw.

#include <string.h>

#include "cases.h"
#include "shaders.h"

enum { SIZE = 64 };
static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkSubpassContents inline_ = VK_SUBPASS_CONTENTS_INLINE;

struct quad {
    float area[4], colour[4], depth, unused[3];
};

static struct e2e_target plain_target(struct e2e *t)
{
    return e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
}

static struct e2e_set quad_set(struct e2e *t)
{
    return e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad));
}

static void draw_quad(VkCommandBuffer commands, VkPipeline pipeline, VkPipelineLayout layout,
                      const struct quad *quad)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(*quad), quad);
    vkCmdDraw(commands, 6, 1, 0, 0);
}

// Draws `vertices` of a pipeline without inputs and prints the picture's digest.
static struct e2e_buffer draw_once(struct e2e *t, const struct e2e_target *target,
                                   VkPipeline pipeline, uint32_t vertices, const char *label)
{
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, target, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdDraw(commands, vertices, 1, 0, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    return e2e_target_read(t, target, label);
}

static void check_pixel(const struct e2e_buffer *picture, const struct e2e_target *target,
                        uint32_t x, uint32_t y, uint32_t expected)
{
    const uint32_t pixel = e2e_pixel(picture, target, x, y);
    CHECK(pixel == expected, "pixel %u, %u is 0x%08x, expected 0x%08x", x, y, pixel, expected);
}

// Each channel may be off by one: rounding is the device's affair.
static void check_near(const struct e2e_buffer *picture, const struct e2e_target *target,
                       uint32_t x, uint32_t y, uint32_t expected)
{
    const uint32_t pixel = e2e_pixel(picture, target, x, y);
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const int difference = (int)(pixel >> shift & 0xff) - (int)(expected >> shift & 0xff);
        CHECK(difference >= -1 && difference <= 1, "pixel %u, %u is 0x%08x, expected 0x%08x", x, y,
              pixel, expected);
    }
}

void case_graphics_triangle(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(triangle_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "triangle");
    check_pixel(&picture, &target, 0, 0, 0);
    check_pixel(&picture, &target, 63, 2, 0);
    const uint32_t top = e2e_pixel(&picture, &target, 32, 6);
    const uint32_t right = e2e_pixel(&picture, &target, 57, 59);
    CHECK((top & 0xff) > 0xd0 && (right >> 8 & 0xff) > 0xd0, "corners: 0x%08x, 0x%08x", top, right);
    CHECK(e2e_pixel(&picture, &target, 32, 32) >> 24 == 0xff, "centre");
}

void case_graphics_vertex_attributes(struct e2e *t)
{
    struct vertex {
        float position[2];
        uint8_t tint[4];
        int16_t offset[2];
    };
    static const struct vertex vertices[] = {
        {{-0.5f, -0.5f}, {255, 0, 0, 255}, {0, 0}},
        {{0.5f, -0.5f}, {0, 255, 0, 255}, {-4, 0}},
        {{0.0f, 0.5f}, {0, 0, 255, 255}, {0, 6}},
    };
    static const float places[] = {-0.5f, -0.5f, 0.8f, 0.5f, -0.5f, 0.5f, 0.0f, 0.5f, 1.0f};
    static const VkVertexInputBindingDescription bindings[] = {
        {0, sizeof(struct vertex), VK_VERTEX_INPUT_RATE_VERTEX},
        {3, 12, VK_VERTEX_INPUT_RATE_INSTANCE},
    };
    static const VkVertexInputAttributeDescription attributes[] = {
        {0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct vertex, position)},
        {1, 0, VK_FORMAT_R8G8B8A8_UNORM, offsetof(struct vertex, tint)},
        {2, 0, VK_FORMAT_R16G16_SINT, offsetof(struct vertex, offset)},
        {3, 3, VK_FORMAT_R32G32B32_SFLOAT, 0},
    };
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const struct e2e_buffer mesh =
        e2e_buffer_with(t, vertices, sizeof(vertices), VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    const struct e2e_buffer instances =
        e2e_buffer_with(t, NULL, sizeof(places) + 64, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    memcpy((char *)instances.map + 64, places, sizeof(places));
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(attributes_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .bindings = bindings,
                                                   .binding_count = COUNT(bindings),
                                                   .attributes = attributes,
                                                   .attribute_count = COUNT(attributes)});
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdBindVertexBuffers(commands, 0, 1, &mesh.handle, &(VkDeviceSize){0});
    vkCmdBindVertexBuffers(commands, 3, 1, &instances.handle, &(VkDeviceSize){64});
    vkCmdDraw(commands, 3, 3, 0, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "triangles");
    CHECK(e2e_pixel(&picture, &target, 32, 50) >> 24 == 0xff, "the third instance is missing");
}

void case_graphics_textured(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                .extent = {4, 4, 1},
                                                .usage = VK_IMAGE_USAGE_SAMPLED_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_DST_BIT});
    uint32_t texels[16];
    for (uint32_t i = 0; i < 16; i++) {
        texels[i] = 0xff000000u | (i * 0x0f1107);
    }
    const struct e2e_buffer from =
        e2e_buffer_with(t, texels, sizeof(texels), VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
    const struct e2e_binding binding = e2e_bind_sampled(
        image.view, e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT));
    const struct e2e_set set =
        e2e_set(t, &binding, 1, VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
                sizeof(struct quad));
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(quad_vert), .fragment = CODE(textured_frag), .layout = set.layout});
    const struct quad quad = {{-1, -1, 1, 1}, {1, 1, 1, 1}, 0.5f, {0}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    e2e_upload(commands, &image, 0, &from);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
               VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    e2e_target_begin(commands, &target, inline_);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, set.layout, 0, 1, &set.set,
                            0, NULL);
    vkCmdPushConstants(commands, set.layout,
                       VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(quad),
                       &quad);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdDraw(commands, 6, 1, 0, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "textured");
    for (uint32_t i = 0; i < 16; i++) {
        check_pixel(&picture, &target, i % 4 * 16 + 8, i / 4 * 16 + 8, texels[i]);
    }
}

void case_graphics_depth(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){
               .width = SIZE, .height = SIZE, .formats = {rgba}, .depth = VK_FORMAT_D16_UNORM});
    const struct e2e_set set = quad_set(t);
    for (VkCompareOp op = VK_COMPARE_OP_NEVER; op <= VK_COMPARE_OP_ALWAYS; op++) {
        const VkPipelineDepthStencilStateCreateInfo depth = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
            .depthTestEnable = VK_TRUE,
            .depthWriteEnable = VK_TRUE,
            .depthCompareOp = op,
        };
        const VkPipeline pipeline = e2e_graphics(t, &target,
                                                 &(struct e2e_pipeline_params){
                                                     .vertex = CODE(quad_vert),
                                                     .fragment = CODE(colour_frag),
                                                     .layout = set.layout,
                                                     .depth = &depth,
                                                 });
        const struct quad quads[] = {
            {{-1, -1, 0.5f, 0.5f}, {1, 0, 0, 1}, 0.50f, {0}},
            {{-0.5f, -0.5f, 1, 1}, {0, 1, 0, 1}, 0.25f, {0}},
            {{-0.75f, -0.25f, 0.75f, 0.75f}, {0, 0, 1, 1}, 0.75f, {0}},
            {{0, 0, 0.25f, 0.25f}, {1, 1, 0, 1}, 0.25f, {0}},
        };
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &target, inline_);
        for (uint32_t i = 0; i < COUNT(quads); i++) {
            draw_quad(commands, pipeline, set.layout, &quads[i]);
        }
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        const struct e2e_buffer picture = e2e_target_read(t, &target, "compare");
        if (op == VK_COMPARE_OP_LESS) {
            check_pixel(&picture, &target, 4, 4, 0xff0000ff);
            check_pixel(&picture, &target, 34, 34, 0xff00ff00);
        }
    }
    const struct e2e_buffer depths =
        e2e_read(t, &target.depth, 0, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    e2e_digest("depth", depths.map, depths.size);
}

void case_graphics_stencil(struct e2e *t)
{
    const VkFormat format = VK_FORMAT_D32_SFLOAT_S8_UINT;
    e2e_open(t, NULL);
    if (!e2e_format_has(t, format, VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT)) {
        e2e_skip("no format with depth and stencil");
    }
    const struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){
                          .width = SIZE, .height = SIZE, .formats = {rgba}, .depth = format});
    const struct e2e_set set = quad_set(t);
    const VkStencilOpState count = {VK_STENCIL_OP_KEEP,
                                    VK_STENCIL_OP_INCREMENT_AND_CLAMP,
                                    VK_STENCIL_OP_KEEP,
                                    VK_COMPARE_OP_ALWAYS,
                                    0xff,
                                    0xff,
                                    0};
    const VkStencilOpState twice = {VK_STENCIL_OP_KEEP,
                                    VK_STENCIL_OP_INVERT,
                                    VK_STENCIL_OP_KEEP,
                                    VK_COMPARE_OP_EQUAL,
                                    0x0f,
                                    0xf0,
                                    2};
    const VkStencilOpState *states[] = {&count, &twice};
    VkPipeline pipelines[2];
    for (uint32_t i = 0; i < 2; i++) {
        const VkPipelineDepthStencilStateCreateInfo depth = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
            .stencilTestEnable = VK_TRUE,
            .front = *states[i],
            .back = *states[i],
        };
        pipelines[i] = e2e_graphics(t, &target,
                                    &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                                  .fragment = CODE(colour_frag),
                                                                  .layout = set.layout,
                                                                  .depth = &depth});
    }
    const struct quad quads[] = {
        {{-1, -1, 0.5f, 0.5f}, {1, 0, 0, 1}, 0.5f, {0}},
        {{-0.5f, -0.5f, 1, 1}, {0, 1, 0, 1}, 0.5f, {0}},
        {{-1, -1, 1, 1}, {0, 0, 1, 1}, 0.5f, {0}}, // only where both of the others are
    };
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    for (uint32_t i = 0; i < COUNT(quads); i++) {
        draw_quad(commands, pipelines[i / 2], set.layout, &quads[i]);
    }
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "picture");
    check_pixel(&picture, &target, 8, 8, 0xff0000ff);
    check_pixel(&picture, &target, 32, 32, 0xffff0000);
    check_pixel(&picture, &target, 60, 60, 0xff00ff00);
    check_pixel(&picture, &target, 60, 4, 0);
    const struct e2e_buffer stencil =
        e2e_buffer_with(t, NULL, SIZE * SIZE, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    commands = e2e_begin(t);
    e2e_download(commands, &target.depth, 0, VK_IMAGE_ASPECT_STENCIL_BIT, &stencil);
    e2e_run(t, commands);
    const unsigned char *value = stencil.map;
    CHECK(value[8 * SIZE + 8] == 1 && value[32 * SIZE + 32] == 0xf2, "stencil: %u, %u",
          value[8 * SIZE + 8], value[32 * SIZE + 32]);
    e2e_digest("stencil", stencil.map, stencil.size);
}

void case_graphics_blend(struct e2e *t)
{
    static const VkPipelineColorBlendAttachmentState blends[] = {
        {VK_TRUE, VK_BLEND_FACTOR_SRC_ALPHA, VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA, VK_BLEND_OP_ADD,
         VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ZERO, VK_BLEND_OP_ADD, E2E_ALL_CHANNELS},
        {VK_TRUE, VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ONE, VK_BLEND_OP_ADD, VK_BLEND_FACTOR_ONE,
         VK_BLEND_FACTOR_ONE, VK_BLEND_OP_MAX, E2E_ALL_CHANNELS},
        {VK_TRUE, VK_BLEND_FACTOR_CONSTANT_COLOR, VK_BLEND_FACTOR_ONE_MINUS_CONSTANT_COLOR,
         VK_BLEND_OP_ADD, VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ZERO, VK_BLEND_OP_ADD,
         E2E_ALL_CHANNELS},
        {VK_TRUE, VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ONE, VK_BLEND_OP_REVERSE_SUBTRACT,
         VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ONE, VK_BLEND_OP_MIN, E2E_ALL_CHANNELS},
        {VK_FALSE, 0, 0, 0, 0, 0, 0, VK_COLOR_COMPONENT_G_BIT | VK_COLOR_COMPONENT_A_BIT},
    };
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = quad_set(t);
    for (uint32_t i = 0; i < COUNT(blends); i++) {
        const VkPipeline pipeline = e2e_graphics(t, &target,
                                                 &(struct e2e_pipeline_params){
                                                     .vertex = CODE(quad_vert),
                                                     .fragment = CODE(colour_frag),
                                                     .layout = set.layout,
                                                     .blend = &blends[i],
                                                 });
        const struct quad a = {{-1, -1, 0.5f, 0.5f}, {0.8f, 0.2f, 0.4f, 0.5f}, 0.5f, {0}};
        const struct quad b = {{-0.5f, -0.5f, 1, 1}, {0.1f, 0.9f, 0.3f, 0.25f}, 0.5f, {0}};
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &target, inline_);
        draw_quad(commands, pipeline, set.layout, &a);
        draw_quad(commands, pipeline, set.layout, &b);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        const struct e2e_buffer picture = e2e_target_read(t, &target, "blend");
        if (i == 1) {
            check_near(&picture, &target, 32, 32, 0x80b3ffe6); // sums, alpha by maximum
        } else if (i == 4) {
            check_near(&picture, &target, 32, 32, 0x4000e600);
        }
    }
}

void case_graphics_multisample(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){.width = SIZE,
                                                  .height = SIZE,
                                                  .formats = {rgba},
                                                  .depth = VK_FORMAT_D16_UNORM,
                                                  .samples = VK_SAMPLE_COUNT_4_BIT});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(triangle_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "resolved");
    uint32_t soft = 0;
    for (uint32_t i = 0; i < SIZE * SIZE; i++) {
        const uint32_t alpha = e2e_pixel(&picture, &target, i % SIZE, i / SIZE) >> 24;
        soft += alpha != 0 && alpha != 0xff;
    }
    CHECK(soft > 20, "%u pixels on the edges", soft);
}

void case_graphics_multiple_targets(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){.width = SIZE,
                                                  .height = SIZE,
                                                  .formats = {rgba, VK_FORMAT_R16G16B16A16_UINT,
                                                              VK_FORMAT_R32G32B32A32_SFLOAT}});
    const struct e2e_set set = quad_set(t);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(quad_vert), .fragment = CODE(targets_frag), .layout = set.layout});
    const struct quad quad = {{-0.5f, -0.5f, 0.5f, 0.5f}, {0.2f, 0.4f, 0.6f, 0.8f}, 0.5f, {0}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, inline_);
    draw_quad(commands, pipeline, set.layout, &quad);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
    for (uint32_t i = 0; i < 3; i++) {
        const struct e2e_buffer picture = e2e_read(t, &target.colour[i], 0, source);
        e2e_digest("target", picture.map, picture.size);
        const uint16_t *words = picture.map;
        CHECK(i != 1 || (words[(20 * SIZE + 30) * 4] == 30 && words[(20 * SIZE + 30) * 4 + 3] == 9),
              "integers");
        const float *floats = picture.map;
        CHECK(i != 2 || (floats[(20 * SIZE + 30) * 4] > 79.9f && floats[0] == 0), "floats");
    }
}

void case_graphics_specialization(struct e2e *t)
{
    const struct {
        float red;
        VkBool32 green;
        int32_t steps;
    } values = {0.5f, VK_TRUE, 4};
    static const VkSpecializationMapEntry entries[] = {{0, 0, 4}, {1, 4, 4}, {2, 8, 4}};
    const VkSpecializationInfo constants = {3, entries, sizeof(values), &values};
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    struct e2e_pipeline_params params = {
        .vertex = CODE(triangle_vert), .fragment = CODE(special_frag), .layout = set.layout};
    struct e2e_buffer picture =
        draw_once(t, &target, e2e_graphics(t, &target, &params), 3, "defaults");
    check_near(&picture, &target, 32, 40, 0xff200000);
    params.constants = &constants;
    picture = draw_once(t, &target, e2e_graphics(t, &target, &params), 3, "special");
    check_near(&picture, &target, 32, 40, 0xff80ff80);
}

void case_graphics_topologies(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    for (VkPrimitiveTopology topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST;
         topology <= VK_PRIMITIVE_TOPOLOGY_TRIANGLE_FAN; topology++) {
        const VkPipeline pipeline =
            e2e_graphics(t, &target,
                         &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                                       .fragment = CODE(colour_frag),
                                                       .layout = set.layout,
                                                       .topology = topology,
                                                       .assembled = true});
        const struct e2e_buffer picture = draw_once(t, &target, pipeline, 8, "topology");
        uint32_t drawn = 0;
        for (uint32_t i = 0; i < SIZE * SIZE; i++) {
            drawn += e2e_pixel(&picture, &target, i % SIZE, i / SIZE) != 0;
        }
        CHECK(drawn > 50, "topology %d drew %u pixels", topology, drawn);
    }
}

void case_graphics_culling(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    for (uint32_t i = 0; i < 8; i++) {
        const VkPipelineRasterizationStateCreateInfo raster = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
            .cullMode = i & 3,
            .frontFace = i & 4 ? VK_FRONT_FACE_CLOCKWISE : VK_FRONT_FACE_COUNTER_CLOCKWISE,
            .lineWidth = 1.0f,
        };
        const VkPipeline pipeline =
            e2e_graphics(t, &target,
                         &(struct e2e_pipeline_params){.vertex = CODE(triangle_vert),
                                                       .fragment = CODE(colour_frag),
                                                       .layout = set.layout,
                                                       .raster = &raster});
        const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "culled");
        // The triangle runs clockwise on the screen.
        const bool front = i & 4, seen = !(i & (front ? 1 : 2));
        CHECK((e2e_pixel(&picture, &target, 32, 40) != 0) == seen, "mode %u", i);
    }
}

void case_graphics_geometry_shader(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features.features.geometryShader) {
        e2e_skip("no geometry shaders");
    }
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                                   .geometry = CODE(grow_geom),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST,
                                                   .assembled = true});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 8, "squares");
    uint32_t drawn = 0;
    for (uint32_t i = 0; i < SIZE * SIZE; i++) {
        drawn += e2e_pixel(&picture, &target, i % SIZE, i / SIZE) != 0;
    }
    CHECK(drawn > 250 && drawn < 400, "eight squares of 41 pixels cover %u", drawn);
}

void case_graphics_tessellation(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features.features.tessellationShader) {
        e2e_skip("no tessellation");
    }
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(triangle_vert),
                                                   .control = CODE(patch_tesc),
                                                   .evaluation = CODE(patch_tese),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .topology = VK_PRIMITIVE_TOPOLOGY_PATCH_LIST,
                                                   .assembled = true});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "patch");
    CHECK(e2e_pixel(&picture, &target, 32, 40) >> 24 == 0xff, "centre");
}

void case_graphics_clip_distance(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features.features.shaderClipDistance) {
        e2e_skip("no clip distances");
    }
    const struct e2e_target target = plain_target(t);
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(clipped_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "clipped");
    check_pixel(&picture, &target, 8, 32, 0);
    check_pixel(&picture, &target, 40, 32, 0xffffff00);
    check_pixel(&picture, &target, 40, 60, 0);
}

void case_graphics_multiview(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features11.multiview) {
        e2e_skip("no multiview");
    }
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){
               .width = SIZE, .height = SIZE, .formats = {rgba}, .layers = 3, .view_mask = 7});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(views_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer picture = draw_once(t, &target, pipeline, 3, "three views");
    const uint32_t *pixel = picture.map;
    for (uint32_t view = 0; view < 3; view++) {
        const uint32_t centre = pixel[(view * SIZE + 36) * SIZE + 32];
        CHECK((centre & 0xff) == view * 0x55 && centre >> 24 == 0xff, "view %u: 0x%08x", view,
              centre);
    }
}

// A pass of two subpasses: the first draws into `first`, the second reads that as its input and
// draws into the target's colour.
static void make_two_subpasses(struct e2e *t, struct e2e_target *target,
                               const struct e2e_image *first)
{
    VkAttachmentDescription attachments[2];
    for (uint32_t i = 0; i < 2; i++) {
        attachments[i] = (VkAttachmentDescription){
            .format = rgba,
            .samples = VK_SAMPLE_COUNT_1_BIT,
            .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
            .storeOp = i ? VK_ATTACHMENT_STORE_OP_STORE : VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .finalLayout =
                i ? VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL : VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
        };
    }
    const VkAttachmentReference drawn[2] = {{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL},
                                            {1, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL}};
    const VkAttachmentReference input = {0, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const VkSubpassDescription subpasses[2] = {
        {.colorAttachmentCount = 1, .pColorAttachments = &drawn[0]},
        {.colorAttachmentCount = 1,
         .pColorAttachments = &drawn[1],
         .inputAttachmentCount = 1,
         .pInputAttachments = &input},
    };
    const VkSubpassDependency dependencies[2] = {
        {0, 1, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
         VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT, VK_ACCESS_INPUT_ATTACHMENT_READ_BIT,
         VK_DEPENDENCY_BY_REGION_BIT},
        {1, VK_SUBPASS_EXTERNAL, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
         VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
         VK_ACCESS_TRANSFER_READ_BIT, 0},
    };
    const VkRenderPassCreateInfo pass = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                         .attachmentCount = 2,
                                         .pAttachments = attachments,
                                         .subpassCount = 2,
                                         .pSubpasses = subpasses,
                                         .dependencyCount = 2,
                                         .pDependencies = dependencies};
    OK(vkCreateRenderPass(t->device, &pass, NULL, &target->pass));
    KEEP(t, RENDER_PASS, target->pass);
    const VkImageView views[2] = {first->view, target->colour[0].view};
    const VkFramebufferCreateInfo framebuffer = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = target->pass,
        .attachmentCount = 2,
        .pAttachments = views,
        .width = SIZE,
        .height = SIZE,
        .layers = 1,
    };
    OK(vkCreateFramebuffer(t->device, &framebuffer, NULL, &target->framebuffer));
    KEEP(t, FRAMEBUFFER, target->framebuffer);
}

// The second subpass reads, pixel by pixel, what the first one drew.
void case_graphics_input_attachment(struct e2e *t)
{
    e2e_open(t, NULL);
    struct e2e_target target = {
        .colour_count = 1, .extent = {SIZE, SIZE}, .layers = 1, .samples = VK_SAMPLE_COUNT_1_BIT};
    const struct e2e_image first =
        e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                .extent = {SIZE, SIZE, 1},
                                                .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                                                         VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT});
    target.colour[0] =
        e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                .extent = {SIZE, SIZE, 1},
                                                .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_SRC_BIT});
    make_two_subpasses(t, &target, &first);
    VkExtent2D granularity;
    vkGetRenderAreaGranularity(t->device, target.pass, &granularity);
    CHECK(granularity.width && granularity.height, "granularity");

    const struct e2e_binding binding = {
        .type = VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT,
        .image = {VK_NULL_HANDLE, first.view, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL}};
    const struct e2e_set set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_FRAGMENT_BIT, 0);
    const VkPipeline draw = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(triangle_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const VkPipeline invert =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(triangle_vert),
                                                   .fragment = CODE(input_frag),
                                                   .layout = set.layout,
                                                   .subpass = 1});
    const VkClearValue clear[2] = {{.color.float32 = {0, 0, 1, 1}}, {.color.float32 = {0}}};
    const VkRenderPassBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
                                         .renderPass = target.pass,
                                         .framebuffer = target.framebuffer,
                                         .renderArea = {.extent = {SIZE, SIZE}},
                                         .clearValueCount = 2,
                                         .pClearValues = clear};
    const VkSubpassBeginInfo contents = {.sType = VK_STRUCTURE_TYPE_SUBPASS_BEGIN_INFO,
                                         .contents = inline_};
    const VkSubpassEndInfo end = {.sType = VK_STRUCTURE_TYPE_SUBPASS_END_INFO};
    // The second time with the commands of Vulkan 1.2.
    for (uint32_t i = 0; i < (t->api_version >= VK_API_VERSION_1_2 ? 2 : 1); i++) {
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdBeginRenderPass(commands, &begin, inline_);
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, draw);
        vkCmdDraw(commands, 3, 1, 0, 0);
        if (i == 0) {
            vkCmdNextSubpass(commands, inline_);
        } else {
            vkCmdNextSubpass2(commands, &contents, &end);
        }
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, invert);
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, set.layout, 0, 1,
                                &set.set, 0, NULL);
        vkCmdDraw(commands, 3, 1, 0, 0);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        const struct e2e_buffer picture = e2e_target_read(t, &target, "inverted");
        check_pixel(&picture, &target, 0, 0, 0);
        CHECK(e2e_pixel(&picture, &target, 32, 6) >> 16 < 0xff30, "top corner");
    }
}

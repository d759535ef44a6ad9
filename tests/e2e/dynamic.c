// Every state that a command buffer can set in the place of the pipeline. One picture for each
// value, all of them part of the result: what a state does is the driver's business, that it
// arrives is ours.

#include <string.h>

#include "cases.h"
#include "shaders.h"

enum { SIZE = 64 };
static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkPipelineBindPoint graphics = VK_PIPELINE_BIND_POINT_GRAPHICS;

struct quad {
    float area[4], colour[4], depth, unused[3];
};

static void draw_quad(VkCommandBuffer commands, VkPipelineLayout layout, const float area[4],
                      const float colour[4], float depth)
{
    struct quad quad = {.depth = depth};
    memcpy(quad.area, area, sizeof(quad.area));
    memcpy(quad.colour, colour, sizeof(quad.colour));
    vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(quad), &quad);
    vkCmdDraw(commands, 6, 1, 0, 0);
}

// A device, a target with depth and stencil, and the layout of quad.vert.
struct stage {
    struct e2e_target target;
    VkPipelineLayout layout;
};

static struct stage stage_open(struct e2e *t, const struct e2e_device_params *params)
{
    struct stage stage;
    e2e_open(t, params);
    VkFormat depth = VK_FORMAT_D32_SFLOAT_S8_UINT;
    if (!e2e_format_has(t, depth, VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT)) {
        depth = VK_FORMAT_D24_UNORM_S8_UINT;
    }
    stage.target =
        e2e_target(t, &(struct e2e_target_params){
                          .width = SIZE, .height = SIZE, .formats = {rgba}, .depth = depth});
    stage.layout = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad)).layout;
    return stage;
}

static VkPipeline stage_pipeline(struct e2e *t, const struct stage *stage,
                                 const VkPipelineDepthStencilStateCreateInfo *depth,
                                 const VkDynamicState *dynamic, uint32_t count)
{
    return e2e_graphics(t, &stage->target,
                        &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                      .fragment = CODE(colour_frag),
                                                      .layout = stage->layout,
                                                      .depth = depth,
                                                      .dynamic = dynamic,
                                                      .dynamic_count = count});
}

static VkCommandBuffer stage_begin(struct e2e *t, const struct stage *stage, VkPipeline pipeline)
{
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &stage->target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, graphics, pipeline);
    return commands;
}

static void stage_end(struct e2e *t, const struct stage *stage, VkCommandBuffer commands,
                      const char *label)
{
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    e2e_target_read(t, &stage->target, label);
}

static void digest_aspect(struct e2e *t, const struct stage *stage, VkImageAspectFlags aspect,
                          const char *label)
{
    const struct e2e_image *image = &stage->target.depth;
    const struct e2e_buffer values = e2e_buffer_with(t, NULL, e2e_level_size(image, 0, aspect),
                                                     VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_download(commands, image, 0, aspect, &values);
    e2e_barrier(commands);
    e2e_run(t, commands);
    e2e_digest(label, values.map, values.size);
}

static const float whole[4] = {-1, -1, 1, 1}, left[4] = {-1, -1, 0, 1}, upper[4] = {-1, -1, 1, 0};
static const float red[4] = {1, 0, 0, 1}, green[4] = {0, 1, 0, 0.5f}, blue[4] = {0, 0, 1, 0.25f};

void case_dynamic_stencil(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {
        VK_DYNAMIC_STATE_STENCIL_COMPARE_MASK, VK_DYNAMIC_STATE_STENCIL_WRITE_MASK,
        VK_DYNAMIC_STATE_STENCIL_REFERENCE, VK_DYNAMIC_STATE_STENCIL_TEST_ENABLE,
        VK_DYNAMIC_STATE_STENCIL_OP};
    static const VkStencilFaceFlags both = VK_STENCIL_FACE_FRONT_AND_BACK;
    const struct stage stage = stage_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
    };
    const VkPipeline pipeline = stage_pipeline(t, &stage, &depth, dynamic, COUNT(dynamic));
    for (uint32_t i = 0; i < 8; i++) {
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        vkCmdSetStencilTestEnable(commands, VK_TRUE);
        vkCmdSetStencilWriteMask(commands, both, i & 1 ? 0x0f : 0xff);
        vkCmdSetStencilCompareMask(commands, both, i & 2 ? 0xf0 : 0xff);
        vkCmdSetStencilReference(commands, both, 0x5a);
        vkCmdSetStencilOp(commands, both, VK_STENCIL_OP_KEEP, VK_STENCIL_OP_REPLACE,
                          VK_STENCIL_OP_KEEP, VK_COMPARE_OP_ALWAYS);
        draw_quad(commands, stage.layout, left, red, 0.5f);
        vkCmdSetStencilReference(commands, VK_STENCIL_FACE_FRONT_BIT, 0x0a);
        vkCmdSetStencilOp(commands, both, VK_STENCIL_OP_ZERO, VK_STENCIL_OP_INVERT,
                          VK_STENCIL_OP_KEEP, VK_COMPARE_OP_EQUAL);
        vkCmdSetStencilTestEnable(commands, !(i & 4));
        draw_quad(commands, stage.layout, upper, green, 0.5f);
        stage_end(t, &stage, commands, "stencil test");
        digest_aspect(t, &stage, VK_IMAGE_ASPECT_STENCIL_BIT, "stencil");
    }
}

void case_dynamic_depth(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {
        VK_DYNAMIC_STATE_DEPTH_BIAS, VK_DYNAMIC_STATE_DEPTH_BIAS_ENABLE,
        VK_DYNAMIC_STATE_LINE_WIDTH, VK_DYNAMIC_STATE_DEPTH_BOUNDS_TEST_ENABLE,
        VK_DYNAMIC_STATE_DEPTH_BOUNDS};
    const struct stage stage = stage_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
        .depthTestEnable = VK_TRUE,
        .depthWriteEnable = VK_TRUE,
        .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    const bool bounds = t->features.features.depthBounds;
    const VkPipeline pipeline = stage_pipeline(t, &stage, &depth, dynamic, bounds ? 5 : 3);
    for (uint32_t i = 0; i < 8; i++) {
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        vkCmdSetLineWidth(commands, 1.0f);
        vkCmdSetDepthBiasEnable(commands, VK_FALSE);
        vkCmdSetDepthBias(commands, 0, 0, 0);
        if (bounds) {
            vkCmdSetDepthBoundsTestEnable(commands, VK_FALSE);
            vkCmdSetDepthBounds(commands, 0.0f, 1.0f);
        }
        draw_quad(commands, stage.layout, left, red, 0.5f);
        vkCmdSetDepthBiasEnable(commands, i & 1 ? VK_TRUE : VK_FALSE);
        vkCmdSetDepthBias(commands, i & 2 ? -4194304.0f : 4194304.0f, 0.0f, 1.0f);
        if (bounds) {
            vkCmdSetDepthBoundsTestEnable(commands, i & 4 ? VK_TRUE : VK_FALSE);
            vkCmdSetDepthBounds(commands, 0.25f, 0.75f);
        }
        draw_quad(commands, stage.layout, whole, green, 0.5f);
        stage_end(t, &stage, commands, "depth bias and bounds");
        digest_aspect(t, &stage, VK_IMAGE_ASPECT_DEPTH_BIT, "depth");
    }
}

void case_dynamic_line_width(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_LINE_WIDTH,
                                             VK_DYNAMIC_STATE_PRIMITIVE_RESTART_ENABLE};
    static const uint16_t indices[] = {0, 3, 6, 0xffff, 1, 4};
    const struct stage stage = stage_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    if (!t->features.features.wideLines) {
        e2e_skip("no wide lines");
    }
    const VkPipeline pipeline =
        e2e_graphics(t, &stage.target,
                     &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = stage.layout,
                                                   .topology = VK_PRIMITIVE_TOPOLOGY_LINE_STRIP,
                                                   .assembled = true,
                                                   .dynamic = dynamic,
                                                   .dynamic_count = COUNT(dynamic)});
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, indices, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    for (uint32_t i = 0; i < 4; i++) {
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        vkCmdBindIndexBuffer(commands, buffer.handle, 0, VK_INDEX_TYPE_UINT16);
        vkCmdSetLineWidth(commands, 1.0f + (float)(i & 1) * 4.0f);
        vkCmdSetPrimitiveRestartEnable(commands, i & 2 ? VK_TRUE : VK_FALSE);
        // Without restart 0xffff would be a vertex: leave it out.
        vkCmdDrawIndexed(commands, i & 2 ? 6 : 3, 1, 0, 0, 0);
        stage_end(t, &stage, commands, "lines");
    }
}

// -- vertices ---------------------------------------------------------------------------------

struct vertex {
    float position[2], tint[4];
};

// Two triangles; `unused` vertices lie between those that are drawn.
static struct e2e_buffer vertices_make(struct e2e *t, uint32_t unused)
{
    static const struct vertex corners[6] = {
        {{-0.9f, -0.9f}, {1, 0, 0, 1}}, {{0.0f, -0.9f}, {0, 1, 0, 1}},
        {{-0.9f, 0.9f}, {0, 0, 1, 1}},  {{0.9f, 0.9f}, {1, 1, 0, 1}},
        {{0.0f, 0.9f}, {0, 1, 1, 1}},   {{0.9f, -0.9f}, {1, 0, 1, 1}}};
    struct vertex vertices[6 * 4] = {0};
    for (uint32_t i = 0; i < 6; i++) {
        vertices[i * (unused + 1)] = corners[i];
    }
    return e2e_buffer_with(t, vertices, sizeof(vertices), VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
}

void case_dynamic_vertex_stride(struct e2e *t)
{
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_VERTEX_INPUT_BINDING_STRIDE};
    static const VkVertexInputBindingDescription binding = {0, 4, VK_VERTEX_INPUT_RATE_VERTEX};
    static const VkVertexInputAttributeDescription attributes[] = {
        {0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct vertex, position)},
        {1, 0, VK_FORMAT_R32G32B32A32_SFLOAT, offsetof(struct vertex, tint)}};
    const struct stage stage = stage_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const VkPipeline pipeline =
        e2e_graphics(t, &stage.target,
                     &(struct e2e_pipeline_params){.vertex = CODE(placed_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = stage.layout,
                                                   .bindings = &binding,
                                                   .binding_count = 1,
                                                   .attributes = attributes,
                                                   .attribute_count = COUNT(attributes),
                                                   .dynamic = dynamic,
                                                   .dynamic_count = COUNT(dynamic)});
    for (uint32_t unused = 0; unused < 4; unused++) {
        const struct e2e_buffer buffer = vertices_make(t, unused);
        const VkDeviceSize offset = 0, stride = sizeof(struct vertex) * (unused + 1);
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        vkCmdBindVertexBuffers2(commands, 0, 1, &buffer.handle, &offset, &buffer.size, &stride);
        vkCmdDraw(commands, 6, 1, 0, 0);
        stage_end(t, &stage, commands, "stride");
    }
}

void case_dynamic_vertex_input(struct e2e *t)
{
    static const char *const extension = VK_EXT_VERTEX_INPUT_DYNAMIC_STATE_EXTENSION_NAME;
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_VERTEX_INPUT_EXT};
    VkPhysicalDeviceVertexInputDynamicStateFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VERTEX_INPUT_DYNAMIC_STATE_FEATURES_EXT,
        .vertexInputDynamicState = VK_TRUE,
    };
    const struct stage stage =
        stage_open(t, &(struct e2e_device_params){
                          .extensions = &extension, .extension_count = 1, .features = &feature});
    E2E_FUNCTION(t, CmdSetVertexInputEXT);
    const VkPipeline pipeline =
        e2e_graphics(t, &stage.target,
                     &(struct e2e_pipeline_params){.vertex = CODE(placed_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = stage.layout,
                                                   .dynamic = dynamic,
                                                   .dynamic_count = COUNT(dynamic)});
    for (uint32_t unused = 0; unused < 3; unused++) {
        const struct e2e_buffer buffer = vertices_make(t, unused);
        const VkVertexInputBindingDescription2EXT binding = {
            .sType = VK_STRUCTURE_TYPE_VERTEX_INPUT_BINDING_DESCRIPTION_2_EXT,
            .binding = unused,
            .stride = (uint32_t)sizeof(struct vertex) * (unused + 1),
            .inputRate = VK_VERTEX_INPUT_RATE_VERTEX,
            .divisor = 1,
        };
        const VkVertexInputAttributeDescription2EXT attributes[] = {
            {.sType = VK_STRUCTURE_TYPE_VERTEX_INPUT_ATTRIBUTE_DESCRIPTION_2_EXT,
             .location = 0,
             .binding = unused,
             .format = VK_FORMAT_R32G32_SFLOAT},
            {.sType = VK_STRUCTURE_TYPE_VERTEX_INPUT_ATTRIBUTE_DESCRIPTION_2_EXT,
             .location = 1,
             .binding = unused,
             .format = unused ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R32G32B32_SFLOAT,
             .offset = offsetof(struct vertex, tint)},
        };
        const VkDeviceSize offset = 0;
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        CmdSetVertexInputEXT(commands, 1, &binding, COUNT(attributes), attributes);
        vkCmdBindVertexBuffers(commands, unused, 1, &buffer.handle, &offset);
        vkCmdDraw(commands, 6, 1, 0, 0);
        stage_end(t, &stage, commands, "vertex input");
    }
}

void case_dynamic_colour_write(struct e2e *t)
{
    static const char *const extension = VK_EXT_COLOR_WRITE_ENABLE_EXTENSION_NAME;
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_COLOR_WRITE_ENABLE_EXT};
    VkPhysicalDeviceColorWriteEnableFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COLOR_WRITE_ENABLE_FEATURES_EXT,
        .colorWriteEnable = VK_TRUE,
    };
    const struct stage stage =
        stage_open(t, &(struct e2e_device_params){
                          .extensions = &extension, .extension_count = 1, .features = &feature});
    E2E_FUNCTION(t, CmdSetColorWriteEnableEXT);
    const VkPipeline pipeline = stage_pipeline(t, &stage, NULL, dynamic, COUNT(dynamic));
    VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
    CmdSetColorWriteEnableEXT(commands, 1, &(VkBool32){VK_TRUE});
    draw_quad(commands, stage.layout, left, red, 0);
    CmdSetColorWriteEnableEXT(commands, 1, &(VkBool32){VK_FALSE});
    draw_quad(commands, stage.layout, whole, green, 0);
    stage_end(t, &stage, commands, "colour write");
}

// -- Vulkan 1.3's and VK_EXT_extended_dynamic_state3's -----------------------------------------

// What the device can do, asked before it is created.
struct abilities {
    VkPhysicalDeviceExtendedDynamicState2FeaturesEXT two;
    VkPhysicalDeviceExtendedDynamicState3FeaturesEXT three;
    bool has_three;
};

static void abilities_ask(struct e2e *t, struct abilities *can)
{
    *can = (struct abilities){
        .two.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTENDED_DYNAMIC_STATE_2_FEATURES_EXT,
        .three.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTENDED_DYNAMIC_STATE_3_FEATURES_EXT,
    };
    e2e_open_instance(t);
    const bool two = e2e_has_extension(t, VK_EXT_EXTENDED_DYNAMIC_STATE_2_EXTENSION_NAME);
    can->has_three = e2e_has_extension(t, VK_EXT_EXTENDED_DYNAMIC_STATE_3_EXTENSION_NAME);
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = two ? (void *)&can->two : NULL,
    };
    can->two.pNext = can->has_three ? &can->three : NULL;
    vkGetPhysicalDeviceFeatures2(t->physical, &features);
    e2e_close(t);
    if (!two) {
        e2e_skip("no extended dynamic state 2");
    }
}

void case_dynamic_tessellation(struct e2e *t)
{
    static const char *const extensions[] = {VK_EXT_EXTENDED_DYNAMIC_STATE_2_EXTENSION_NAME,
                                             VK_EXT_EXTENDED_DYNAMIC_STATE_3_EXTENSION_NAME};
    static const VkDynamicState dynamic[] = {VK_DYNAMIC_STATE_PATCH_CONTROL_POINTS_EXT,
                                             VK_DYNAMIC_STATE_TESSELLATION_DOMAIN_ORIGIN_EXT};
    struct abilities can;
    abilities_ask(t, &can);
    if (!can.two.extendedDynamicState2PatchControlPoints) {
        e2e_skip("no dynamic patch control points");
    }
    const bool origin = can.has_three && can.three.extendedDynamicState3TessellationDomainOrigin;
    const struct stage stage =
        stage_open(t, &(struct e2e_device_params){.extensions = extensions,
                                                  .extension_count = can.has_three ? 2 : 1,
                                                  .features = &can.two});
    if (!t->features.features.tessellationShader) {
        e2e_skip("no tessellation");
    }
    E2E_FUNCTION(t, CmdSetPatchControlPointsEXT);
    const VkPipeline pipeline =
        e2e_graphics(t, &stage.target,
                     &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                                   .control = CODE(patch_tesc),
                                                   .evaluation = CODE(patch_tese),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = stage.layout,
                                                   .topology = VK_PRIMITIVE_TOPOLOGY_PATCH_LIST,
                                                   .assembled = true,
                                                   .dynamic = dynamic,
                                                   .dynamic_count = origin ? 2 : 1});
    for (uint32_t i = 0; i < 4; i++) {
        VkCommandBuffer commands = stage_begin(t, &stage, pipeline);
        CmdSetPatchControlPointsEXT(commands, i & 1 ? 4 : 3);
        if (origin) {
            E2E_FUNCTION(t, CmdSetTessellationDomainOriginEXT);
            CmdSetTessellationDomainOriginEXT(commands,
                                              i & 2 ? VK_TESSELLATION_DOMAIN_ORIGIN_LOWER_LEFT
                                                    : VK_TESSELLATION_DOMAIN_ORIGIN_UPPER_LEFT);
        }
        vkCmdDraw(commands, 12, 1, 0, 0);
        stage_end(t, &stage, commands, "patches");
    }
}

// VK_EXT_extended_dynamic_state3: every state the device has is dynamic in one pipeline. `set`
// gives it its usual value (0), or another one.
struct scene {
    struct e2e *t;
    VkCommandBuffer commands;
};

static void set_depth_clamp(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetDepthClampEnableEXT);
    CmdSetDepthClampEnableEXT(s->commands, value ? VK_TRUE : VK_FALSE);
}

static void set_polygon_mode(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetPolygonModeEXT);
    CmdSetPolygonModeEXT(s->commands, value ? VK_POLYGON_MODE_LINE : VK_POLYGON_MODE_FILL);
}

static void set_samples(const struct scene *s, int value)
{
    (void)value; // the attachments' number is the only valid one
    E2E_FUNCTION(s->t, CmdSetRasterizationSamplesEXT);
    CmdSetRasterizationSamplesEXT(s->commands, VK_SAMPLE_COUNT_1_BIT);
}

static void set_sample_mask(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetSampleMaskEXT);
    CmdSetSampleMaskEXT(s->commands, VK_SAMPLE_COUNT_1_BIT, &(VkSampleMask){value ? 2 : 1});
}

static void set_alpha_to_coverage(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetAlphaToCoverageEnableEXT);
    CmdSetAlphaToCoverageEnableEXT(s->commands, value ? VK_TRUE : VK_FALSE);
}

static void set_alpha_to_one(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetAlphaToOneEnableEXT);
    CmdSetAlphaToOneEnableEXT(s->commands, value ? VK_TRUE : VK_FALSE);
}

static void set_logic_op_enable(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetLogicOpEnableEXT);
    CmdSetLogicOpEnableEXT(s->commands, value ? VK_TRUE : VK_FALSE);
}

static void set_logic_op(const struct scene *s, int value)
{
    // Shows only with the state before.
    E2E_FUNCTION(s->t, CmdSetLogicOpEXT);
    CmdSetLogicOpEXT(s->commands, value ? VK_LOGIC_OP_OR : VK_LOGIC_OP_XOR);
}

static void set_blend_enable(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetColorBlendEnableEXT);
    CmdSetColorBlendEnableEXT(s->commands, 0, 1, &(VkBool32){value ? VK_TRUE : VK_FALSE});
}

static void set_blend_equation(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetColorBlendEquationEXT);
    const VkColorBlendEquationEXT equation = {
        .srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA,
        .dstColorBlendFactor = VK_BLEND_FACTOR_ONE,
        .colorBlendOp = value ? VK_BLEND_OP_REVERSE_SUBTRACT : VK_BLEND_OP_ADD,
        .srcAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
        .dstAlphaBlendFactor = VK_BLEND_FACTOR_ZERO,
        .alphaBlendOp = VK_BLEND_OP_ADD,
    };
    CmdSetColorBlendEquationEXT(s->commands, 0, 1, &equation);
    if (value) {
        set_blend_enable(s, 1);
    }
}

static void set_write_mask(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetColorWriteMaskEXT);
    const VkColorComponentFlags mask = value ? VK_COLOR_COMPONENT_G_BIT : E2E_ALL_CHANNELS;
    CmdSetColorWriteMaskEXT(s->commands, 0, 1, &mask);
}

static void set_stream(const struct scene *s, int value)
{
    (void)value; // others than 0 only with a geometry shader that writes them
    E2E_FUNCTION(s->t, CmdSetRasterizationStreamEXT);
    CmdSetRasterizationStreamEXT(s->commands, 0);
}

static void set_conservative(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetConservativeRasterizationModeEXT);
    CmdSetConservativeRasterizationModeEXT(
        s->commands, value ? VK_CONSERVATIVE_RASTERIZATION_MODE_OVERESTIMATE_EXT
                           : VK_CONSERVATIVE_RASTERIZATION_MODE_DISABLED_EXT);
}

static void set_overestimation(const struct scene *s, int value)
{
    (void)value;
    E2E_FUNCTION(s->t, CmdSetExtraPrimitiveOverestimationSizeEXT);
    CmdSetExtraPrimitiveOverestimationSizeEXT(s->commands, 0.0f);
}

static void set_depth_clip(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetDepthClipEnableEXT);
    CmdSetDepthClipEnableEXT(s->commands, value ? VK_FALSE : VK_TRUE);
}

static void set_sample_locations(const struct scene *s, int value)
{
    (void)value;
    E2E_FUNCTION(s->t, CmdSetSampleLocationsEnableEXT);
    CmdSetSampleLocationsEnableEXT(s->commands, VK_FALSE);
}

static void set_blend_advanced(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetColorBlendAdvancedEXT);
    const VkColorBlendAdvancedEXT advanced = {
        .advancedBlendOp = VK_BLEND_OP_SCREEN_EXT,
        .srcPremultiplied = VK_TRUE,
        .dstPremultiplied = VK_TRUE,
        .blendOverlap = VK_BLEND_OVERLAP_UNCORRELATED_EXT,
    };
    if (value) {
        CmdSetColorBlendAdvancedEXT(s->commands, 0, 1, &advanced);
        set_blend_enable(s, 1);
    }
}

static void set_provoking_vertex(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetProvokingVertexModeEXT);
    CmdSetProvokingVertexModeEXT(s->commands, value ? VK_PROVOKING_VERTEX_MODE_LAST_VERTEX_EXT
                                                    : VK_PROVOKING_VERTEX_MODE_FIRST_VERTEX_EXT);
}

static void set_line_mode(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetLineRasterizationModeEXT);
    CmdSetLineRasterizationModeEXT(s->commands, value ? VK_LINE_RASTERIZATION_MODE_BRESENHAM_EXT
                                                      : VK_LINE_RASTERIZATION_MODE_DEFAULT_EXT);
}

static void set_line_stipple(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetLineStippleEnableEXT);
    E2E_FUNCTION(s->t, CmdSetLineStippleEXT);
    CmdSetLineStippleEnableEXT(s->commands, value ? VK_TRUE : VK_FALSE);
    CmdSetLineStippleEXT(s->commands, 3, 0x3a5c);
    if (value) {
        set_polygon_mode(s, 1);
        set_line_mode(s, 1);
    }
}

static void set_clip_range(const struct scene *s, int value)
{
    E2E_FUNCTION(s->t, CmdSetDepthClipNegativeOneToOneEXT);
    CmdSetDepthClipNegativeOneToOneEXT(s->commands, value ? VK_TRUE : VK_FALSE);
}

#define FEATURE(name)                                                                              \
    offsetof(VkPhysicalDeviceExtendedDynamicState3FeaturesEXT, extendedDynamicState3##name)

// `extension`: the state belongs to one, which is enabled with its feature if the device has it.
static const struct {
    VkDynamicState state;
    void (*set)(const struct scene *scene, int value);
    size_t feature;
    const char *extension, *name;
} states[] = {
    {VK_DYNAMIC_STATE_DEPTH_CLAMP_ENABLE_EXT, set_depth_clamp, FEATURE(DepthClampEnable), NULL,
     "depth clamp"},
    {VK_DYNAMIC_STATE_POLYGON_MODE_EXT, set_polygon_mode, FEATURE(PolygonMode), NULL,
     "polygon mode"},
    {VK_DYNAMIC_STATE_RASTERIZATION_SAMPLES_EXT, set_samples, FEATURE(RasterizationSamples), NULL,
     "samples"},
    {VK_DYNAMIC_STATE_SAMPLE_MASK_EXT, set_sample_mask, FEATURE(SampleMask), NULL, "sample mask"},
    {VK_DYNAMIC_STATE_ALPHA_TO_COVERAGE_ENABLE_EXT, set_alpha_to_coverage,
     FEATURE(AlphaToCoverageEnable), NULL, "alpha to coverage"},
    {VK_DYNAMIC_STATE_ALPHA_TO_ONE_ENABLE_EXT, set_alpha_to_one, FEATURE(AlphaToOneEnable), NULL,
     "alpha to one"},
    {VK_DYNAMIC_STATE_LOGIC_OP_ENABLE_EXT, set_logic_op_enable, FEATURE(LogicOpEnable), NULL,
     "logic op"},
    {VK_DYNAMIC_STATE_COLOR_BLEND_ENABLE_EXT, set_blend_enable, FEATURE(ColorBlendEnable), NULL,
     "blend"},
    {VK_DYNAMIC_STATE_COLOR_BLEND_EQUATION_EXT, set_blend_equation, FEATURE(ColorBlendEquation),
     NULL, "blend equation"},
    {VK_DYNAMIC_STATE_COLOR_WRITE_MASK_EXT, set_write_mask, FEATURE(ColorWriteMask), NULL,
     "write mask"},
    {VK_DYNAMIC_STATE_RASTERIZATION_STREAM_EXT, set_stream, FEATURE(RasterizationStream),
     VK_EXT_TRANSFORM_FEEDBACK_EXTENSION_NAME, "stream"},
    {VK_DYNAMIC_STATE_CONSERVATIVE_RASTERIZATION_MODE_EXT, set_conservative,
     FEATURE(ConservativeRasterizationMode), VK_EXT_CONSERVATIVE_RASTERIZATION_EXTENSION_NAME,
     "conservative"},
    {VK_DYNAMIC_STATE_EXTRA_PRIMITIVE_OVERESTIMATION_SIZE_EXT, set_overestimation,
     FEATURE(ExtraPrimitiveOverestimationSize), VK_EXT_CONSERVATIVE_RASTERIZATION_EXTENSION_NAME,
     "overestimation"},
    {VK_DYNAMIC_STATE_DEPTH_CLIP_ENABLE_EXT, set_depth_clip, FEATURE(DepthClipEnable),
     VK_EXT_DEPTH_CLIP_ENABLE_EXTENSION_NAME, "depth clip"},
    {VK_DYNAMIC_STATE_SAMPLE_LOCATIONS_ENABLE_EXT, set_sample_locations,
     FEATURE(SampleLocationsEnable), VK_EXT_SAMPLE_LOCATIONS_EXTENSION_NAME, "sample locations"},
    {VK_DYNAMIC_STATE_COLOR_BLEND_ADVANCED_EXT, set_blend_advanced, FEATURE(ColorBlendAdvanced),
     VK_EXT_BLEND_OPERATION_ADVANCED_EXTENSION_NAME, "advanced blend"},
    {VK_DYNAMIC_STATE_PROVOKING_VERTEX_MODE_EXT, set_provoking_vertex, FEATURE(ProvokingVertexMode),
     VK_EXT_PROVOKING_VERTEX_EXTENSION_NAME, "provoking vertex"},
    {VK_DYNAMIC_STATE_LINE_RASTERIZATION_MODE_EXT, set_line_mode, FEATURE(LineRasterizationMode),
     VK_EXT_LINE_RASTERIZATION_EXTENSION_NAME, "line mode"},
    {VK_DYNAMIC_STATE_LINE_STIPPLE_ENABLE_EXT, set_line_stipple, FEATURE(LineStippleEnable),
     VK_EXT_LINE_RASTERIZATION_EXTENSION_NAME, "line stipple"},
    {VK_DYNAMIC_STATE_DEPTH_CLIP_NEGATIVE_ONE_TO_ONE_EXT, set_clip_range,
     FEATURE(DepthClipNegativeOneToOne), VK_EXT_DEPTH_CLIP_CONTROL_EXTENSION_NAME, "clip range"},
};
#undef FEATURE

// The features of the extensions above that are more than a name.
struct more_features {
    VkPhysicalDeviceTransformFeedbackFeaturesEXT feedback;
    VkPhysicalDeviceDepthClipEnableFeaturesEXT depth_clip;
    VkPhysicalDeviceBlendOperationAdvancedFeaturesEXT advanced;
    VkPhysicalDeviceProvokingVertexFeaturesEXT provoking;
    VkPhysicalDeviceLineRasterizationFeaturesEXT lines;
    VkPhysicalDeviceDepthClipControlFeaturesEXT clip_control;
};

static bool state_usable(const struct e2e *t, const struct abilities *can, size_t i)
{
    const char *feature = (const char *)&can->three + states[i].feature;
    return *(const VkBool32 *)(const void *)feature &&
           (!states[i].extension || e2e_has_extension(t, states[i].extension));
}

// Opens the device with all there is of extended dynamic state 3.
static struct stage states_open(struct e2e *t, struct abilities *can, struct more_features *more)
{
    const struct {
        const char *extension;
        void *features;
        VkStructureType type;
    } chain[] = {
        {VK_EXT_TRANSFORM_FEEDBACK_EXTENSION_NAME, &more->feedback,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_FEATURES_EXT},
        {VK_EXT_DEPTH_CLIP_ENABLE_EXTENSION_NAME, &more->depth_clip,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEPTH_CLIP_ENABLE_FEATURES_EXT},
        {VK_EXT_BLEND_OPERATION_ADVANCED_EXTENSION_NAME, &more->advanced,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BLEND_OPERATION_ADVANCED_FEATURES_EXT},
        {VK_EXT_PROVOKING_VERTEX_EXTENSION_NAME, &more->provoking,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROVOKING_VERTEX_FEATURES_EXT},
        {VK_EXT_LINE_RASTERIZATION_EXTENSION_NAME, &more->lines,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_LINE_RASTERIZATION_FEATURES_EXT},
        {VK_EXT_DEPTH_CLIP_CONTROL_EXTENSION_NAME, &more->clip_control,
         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEPTH_CLIP_CONTROL_FEATURES_EXT},
        {VK_EXT_CONSERVATIVE_RASTERIZATION_EXTENSION_NAME, NULL, 0},
        {VK_EXT_SAMPLE_LOCATIONS_EXTENSION_NAME, NULL, 0},
    };
    const char *extensions[2 + COUNT(chain)] = {VK_EXT_EXTENDED_DYNAMIC_STATE_2_EXTENSION_NAME,
                                                VK_EXT_EXTENDED_DYNAMIC_STATE_3_EXTENSION_NAME};
    uint32_t count = 2;
    VkBaseOutStructure *last = (VkBaseOutStructure *)&can->three;
    e2e_open_instance(t);
    for (size_t i = 0; i < COUNT(chain); i++) {
        if (e2e_has_extension(t, chain[i].extension)) {
            extensions[count++] = chain[i].extension;
            if (chain[i].features) {
                last->pNext = chain[i].features;
                last = last->pNext;
                last->sType = chain[i].type;
            }
        }
    }
    vkGetPhysicalDeviceFeatures2(
        t->physical,
        &(VkPhysicalDeviceFeatures2){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                     .pNext = &can->two});
    e2e_close(t);
    return stage_open(t, &(struct e2e_device_params){.extensions = extensions,
                                                     .extension_count = count,
                                                     .features = &can->two});
}

void case_dynamic_state_3(struct e2e *t)
{
    struct abilities can;
    abilities_ask(t, &can);
    if (!can.has_three) {
        e2e_skip("no extended dynamic state 3");
    }
    struct more_features more = {0};
    const struct stage stage = states_open(t, &can, &more);
    const bool logic_op = can.two.extendedDynamicState2LogicOp && t->features.features.logicOp;
    VkDynamicState dynamic[COUNT(states) + 2];
    uint32_t count = 0;
    for (size_t i = 0; i < COUNT(states); i++) {
        if (state_usable(t, &can, i)) {
            dynamic[count++] = states[i].state;
        }
    }
    if (can.three.extendedDynamicState3LineStippleEnable) {
        dynamic[count++] = VK_DYNAMIC_STATE_LINE_STIPPLE_EXT;
    }
    if (logic_op) {
        dynamic[count++] = VK_DYNAMIC_STATE_LOGIC_OP_EXT;
    }
    const VkPipeline pipeline = stage_pipeline(t, &stage, NULL, dynamic, count);
    for (size_t changed = 0; changed < COUNT(states); changed++) {
        if (!state_usable(t, &can, changed)) {
            e2e_print("%s: cannot be dynamic", states[changed].name);
            continue;
        }
        const struct scene scene = {t, stage_begin(t, &stage, pipeline)};
        for (size_t i = 0; i < COUNT(states); i++) {
            if (state_usable(t, &can, i)) {
                states[i].set(&scene, 0);
            }
        }
        if (logic_op) {
            set_logic_op(&scene, 0);
        }
        states[changed].set(&scene, 1);
        draw_quad(scene.commands, stage.layout, whole, blue, 0.0f);
        draw_quad(scene.commands, stage.layout, left, red, 1.25f); // behind everything
        if (logic_op) {
            set_logic_op(&scene, 1);
        }
        draw_quad(scene.commands, stage.layout, upper, green, -0.5f); // before
        stage_end(t, &stage, scene.commands, states[changed].name);
    }
}

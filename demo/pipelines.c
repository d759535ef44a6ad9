// Render passes, framebuffers and pipelines of the scene.

#include <stddef.h>

#include "mesh.h"
#include "scene.h"

#include "blur_comp.h"
#include "bright_comp.h"
#include "develop_comp.h"
#include "floor_frag.h"
#include "knot_frag.h"
#include "mesh_vert.h"
#include "particle_frag.h"
#include "particle_vert.h"
#include "particles_comp.h"
#include "shadow_vert.h"
#include "sky_frag.h"
#include "sky_vert.h"
#include "stone_comp.h"

// SPIR-V of one shader; the arrays come from glslangValidator.
struct code {
    const uint32_t *words;
    size_t size;
};
#define CODE(array)                                                                                \
    {                                                                                              \
        array, sizeof(array)                                                                       \
    }

static void shadow_pass_init(struct demo_scene *scene)
{
    const VkAttachmentDescription attachment = {
        .format = scene->shadow.format,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .finalLayout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_READ_ONLY_OPTIMAL,
    };
    const VkAttachmentReference depth = {0, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .pDepthStencilAttachment = &depth,
    };
    const VkPipelineStageFlags tests =
        VK_PIPELINE_STAGE_EARLY_FRAGMENT_TESTS_BIT | VK_PIPELINE_STAGE_LATE_FRAGMENT_TESTS_BIT;
    const VkSubpassDependency dependencies[] = {
        // The frame before may still read the map.
        {VK_SUBPASS_EXTERNAL, 0, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, tests, 0,
         VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_READ_BIT | VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT,
         0},
        {0, VK_SUBPASS_EXTERNAL, tests, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
         VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT, VK_ACCESS_SHADER_READ_BIT, 0},
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &attachment,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 2,
        .pDependencies = dependencies,
    };
    DEMO_CHECK(vkCreateRenderPass(scene->device->device, &info, NULL, &scene->shadow_pass));
}

static void main_pass_init(struct demo_scene *scene)
{
    const VkAttachmentDescription attachments[] = {
        {
            .format = scene->colour.format,
            .samples = VK_SAMPLE_COUNT_4_BIT,
            .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE, // the sky covers all of it
            .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        },
        {
            .format = scene->depth.format,
            .samples = VK_SAMPLE_COUNT_4_BIT,
            .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
            .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .finalLayout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL,
        },
        {
            .format = scene->resolved.format,
            .samples = VK_SAMPLE_COUNT_1_BIT,
            .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .finalLayout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
        },
    };
    const VkAttachmentReference colour = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference depth = {1, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference resolve = {2, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
        .pResolveAttachments = &resolve,
        .pDepthStencilAttachment = &depth,
    };
    const VkPipelineStageFlags written = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT |
                                         VK_PIPELINE_STAGE_EARLY_FRAGMENT_TESTS_BIT |
                                         VK_PIPELINE_STAGE_LATE_FRAGMENT_TESTS_BIT;
    const VkAccessFlags writes =
        VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT;
    const VkSubpassDependency dependencies[] = {
        // The frame before: its attachment writes, and its filters that read the resolved image.
        {VK_SUBPASS_EXTERNAL, 0, written | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, written, writes,
         writes | VK_ACCESS_COLOR_ATTACHMENT_READ_BIT | VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_READ_BIT,
         0},
        {0, VK_SUBPASS_EXTERNAL, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
         VK_ACCESS_SHADER_READ_BIT, 0},
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 3,
        .pAttachments = attachments,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 2,
        .pDependencies = dependencies,
    };
    DEMO_CHECK(vkCreateRenderPass(scene->device->device, &info, NULL, &scene->main_pass));
}

static VkFramebuffer framebuffer_create(struct demo_scene *scene, VkRenderPass pass,
                                        const VkImageView *views, uint32_t count, VkExtent2D extent)
{
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = pass,
        .attachmentCount = count,
        .pAttachments = views,
        .width = extent.width,
        .height = extent.height,
        .layers = 1,
    };
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreateFramebuffer(scene->device->device, &info, NULL, &framebuffer));
    return framebuffer;
}

static VkPipelineLayout layout_create(struct demo_scene *scene, VkDescriptorSetLayout set,
                                      VkShaderStageFlags stages, uint32_t push_size)
{
    const VkPushConstantRange push = {stages, 0, push_size};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &set,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push,
    };
    VkPipelineLayout layout = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreatePipelineLayout(scene->device->device, &info, NULL, &layout));
    return layout;
}

static VkShaderModule module_create(struct demo_scene *scene, struct code code)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code.size,
        .pCode = code.words,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreateShaderModule(scene->device->device, &info, NULL, &module));
    return module;
}

enum vertices { VERTICES_NONE, VERTICES_MESH, VERTICES_PARTICLES };
enum blend { BLEND_NONE, BLEND_OVER, BLEND_ADD };

struct recipe {
    struct code vertex, fragment; // no fragment shader: depth only, in the shadow pass
    enum vertices vertices;
    enum blend blend;
    VkCullModeFlags cull;
    VkFrontFace front;
    VkBool32 depth_test, depth_write;
};

static const struct recipe recipes[DEMO_PIPELINE_COUNT] = {
    [DEMO_PIPELINE_SHADOW] = {.vertex = CODE(shadow_vert),
                              .vertices = VERTICES_MESH,
                              .depth_test = VK_TRUE,
                              .depth_write = VK_TRUE},
    [DEMO_PIPELINE_SKY] = {.vertex = CODE(sky_vert), .fragment = CODE(sky_frag)},
    [DEMO_PIPELINE_KNOT] = {.vertex = CODE(mesh_vert),
                            .fragment = CODE(knot_frag),
                            .vertices = VERTICES_MESH,
                            .cull = VK_CULL_MODE_BACK_BIT,
                            .front = VK_FRONT_FACE_COUNTER_CLOCKWISE,
                            .depth_test = VK_TRUE,
                            .depth_write = VK_TRUE},
    [DEMO_PIPELINE_MIRROR] = {.vertex = CODE(mesh_vert),
                              .fragment = CODE(knot_frag),
                              .vertices = VERTICES_MESH,
                              .cull = VK_CULL_MODE_BACK_BIT,
                              .front = VK_FRONT_FACE_CLOCKWISE,
                              .depth_test = VK_TRUE,
                              .depth_write = VK_TRUE},
    [DEMO_PIPELINE_FLOOR] = {.vertex = CODE(mesh_vert),
                             .fragment = CODE(floor_frag),
                             .vertices = VERTICES_MESH,
                             .blend = BLEND_OVER},
    [DEMO_PIPELINE_PARTICLE] = {.vertex = CODE(particle_vert),
                                .fragment = CODE(particle_frag),
                                .vertices = VERTICES_PARTICLES,
                                .blend = BLEND_ADD,
                                .depth_test = VK_TRUE},
};

static const VkVertexInputBindingDescription bindings[] = {
    [VERTICES_MESH] = {0, sizeof(struct demo_vertex), VK_VERTEX_INPUT_RATE_VERTEX},
    [VERTICES_PARTICLES] = {0, 8 * sizeof(float), VK_VERTEX_INPUT_RATE_INSTANCE},
};
static const VkVertexInputAttributeDescription mesh_attributes[] = {
    {0, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct demo_vertex, position)},
    {1, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct demo_vertex, normal)},
    {2, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct demo_vertex, uv)},
};
static const VkVertexInputAttributeDescription particle_attributes[] = {
    {0, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 0},
    {1, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 4 * sizeof(float)},
};

static VkPipelineVertexInputStateCreateInfo vertex_input(enum vertices vertices, bool position_only)
{
    VkPipelineVertexInputStateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO};
    if (vertices == VERTICES_NONE) {
        return info;
    }
    info.vertexBindingDescriptionCount = 1;
    info.pVertexBindingDescriptions = &bindings[vertices];
    if (vertices == VERTICES_MESH) {
        info.vertexAttributeDescriptionCount = position_only ? 1 : 3;
        info.pVertexAttributeDescriptions = mesh_attributes;
    } else {
        info.vertexAttributeDescriptionCount = 2;
        info.pVertexAttributeDescriptions = particle_attributes;
    }
    return info;
}

static VkPipelineColorBlendAttachmentState blend_state(enum blend blend)
{
    const VkBlendFactor target =
        blend == BLEND_OVER ? VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA : VK_BLEND_FACTOR_ONE;
    return (VkPipelineColorBlendAttachmentState){
        .blendEnable = blend != BLEND_NONE,
        .srcColorBlendFactor =
            blend == BLEND_OVER ? VK_BLEND_FACTOR_SRC_ALPHA : VK_BLEND_FACTOR_ONE,
        .dstColorBlendFactor = target,
        .srcAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
        .dstAlphaBlendFactor = target,
        .colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT |
                          VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT,
    };
}

// Everything a VkGraphicsPipelineCreateInfo points to, so that all of them can be created at once.
struct graphics_state {
    VkPipelineShaderStageCreateInfo stages[2];
    VkPipelineVertexInputStateCreateInfo vertex_input;
    VkPipelineViewportStateCreateInfo viewport;
    VkViewport viewport_area;
    VkRect2D scissor;
    VkPipelineRasterizationStateCreateInfo raster;
    VkPipelineMultisampleStateCreateInfo multisample;
    VkPipelineDepthStencilStateCreateInfo depth;
    VkPipelineColorBlendAttachmentState blend_attachment;
    VkPipelineColorBlendStateCreateInfo blend;
};

static const VkPipelineInputAssemblyStateCreateInfo triangles = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
    .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
};

static void stages_fill(struct demo_scene *scene, const struct recipe *recipe,
                        struct graphics_state *state)
{
    const struct {
        VkShaderStageFlagBits stage;
        struct code code;
    } list[2] = {{VK_SHADER_STAGE_VERTEX_BIT, recipe->vertex},
                 {VK_SHADER_STAGE_FRAGMENT_BIT, recipe->fragment}};
    for (int i = 0; i < 2 && list[i].code.words; i++) {
        state->stages[i] = (VkPipelineShaderStageCreateInfo){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = list[i].stage,
            .module = module_create(scene, list[i].code),
            .pName = "main",
        };
    }
}

static void graphics_fill(struct demo_scene *scene, const struct recipe *recipe,
                          struct graphics_state *state, VkGraphicsPipelineCreateInfo *info)
{
    const bool shadow = !recipe->fragment.words;
    const VkExtent2D extent = shadow ? scene->shadow.extent : scene->extent;
    stages_fill(scene, recipe, state);
    state->vertex_input = vertex_input(recipe->vertices, shadow);
    state->viewport_area =
        (VkViewport){0, 0, (float)extent.width, (float)extent.height, 0.0f, 1.0f};
    state->scissor = (VkRect2D){.extent = extent};
    state->viewport = (VkPipelineViewportStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .pViewports = &state->viewport_area,
        .scissorCount = 1,
        .pScissors = &state->scissor,
    };
    state->raster = (VkPipelineRasterizationStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .cullMode = recipe->cull,
        .frontFace = recipe->front,
        .lineWidth = 1.0f,
    };
    state->multisample = (VkPipelineMultisampleStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = shadow ? VK_SAMPLE_COUNT_1_BIT : VK_SAMPLE_COUNT_4_BIT,
    };
    state->depth = (VkPipelineDepthStencilStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
        .depthTestEnable = recipe->depth_test,
        .depthWriteEnable = recipe->depth_write,
        .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    state->blend_attachment = blend_state(recipe->blend);
    state->blend = (VkPipelineColorBlendStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
        .attachmentCount = shadow ? 0 : 1,
        .pAttachments = &state->blend_attachment,
    };
    *info = (VkGraphicsPipelineCreateInfo){
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .stageCount = shadow ? 1 : 2,
        .pStages = state->stages,
        .pVertexInputState = &state->vertex_input,
        .pInputAssemblyState = &triangles,
        .pViewportState = &state->viewport,
        .pRasterizationState = &state->raster,
        .pMultisampleState = &state->multisample,
        .pDepthStencilState = &state->depth,
        .pColorBlendState = &state->blend,
        .layout = scene->graphics_layout,
        .renderPass = shadow ? scene->shadow_pass : scene->main_pass,
        .basePipelineIndex = -1,
    };
}

static void graphics_init(struct demo_scene *scene)
{
    struct graphics_state states[DEMO_PIPELINE_COUNT] = {0};
    VkGraphicsPipelineCreateInfo infos[DEMO_PIPELINE_COUNT];
    for (int i = 0; i < DEMO_PIPELINE_COUNT; i++) {
        graphics_fill(scene, &recipes[i], &states[i], &infos[i]);
    }
    // The mirrored knot differs from the knot by its winding only.
    infos[DEMO_PIPELINE_KNOT].flags = VK_PIPELINE_CREATE_ALLOW_DERIVATIVES_BIT;
    infos[DEMO_PIPELINE_MIRROR].flags = VK_PIPELINE_CREATE_DERIVATIVE_BIT;
    infos[DEMO_PIPELINE_MIRROR].basePipelineIndex = DEMO_PIPELINE_KNOT;
    DEMO_CHECK(vkCreateGraphicsPipelines(scene->device->device, scene->cache, DEMO_PIPELINE_COUNT,
                                         infos, NULL, scene->graphics));
    for (int i = 0; i < DEMO_PIPELINE_COUNT; i++) {
        vkDestroyShaderModule(scene->device->device, states[i].stages[0].module, NULL);
        vkDestroyShaderModule(scene->device->device, states[i].stages[1].module, NULL);
    }
}

static void compute_init(struct demo_scene *scene)
{
    static const struct code codes[DEMO_PASS_COUNT] = {
        [DEMO_PASS_STONE] = CODE(stone_comp),   [DEMO_PASS_PARTICLES] = CODE(particles_comp),
        [DEMO_PASS_BRIGHT] = CODE(bright_comp), [DEMO_PASS_BLUR_X] = CODE(blur_comp),
        [DEMO_PASS_BLUR_Y] = CODE(blur_comp),   [DEMO_PASS_DEVELOP] = CODE(develop_comp),
    };
    VkComputePipelineCreateInfo infos[DEMO_PASS_COUNT];
    for (int i = 0; i < DEMO_PASS_COUNT; i++) {
        infos[i] = (VkComputePipelineCreateInfo){
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage =
                {
                    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                    .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                    .module = module_create(scene, codes[i]),
                    .pName = "main",
                },
            .layout = scene->dispatch_layout,
            .basePipelineIndex = -1,
        };
    }
    DEMO_CHECK(vkCreateComputePipelines(scene->device->device, scene->cache, DEMO_PASS_COUNT, infos,
                                        NULL, scene->compute));
    for (int i = 0; i < DEMO_PASS_COUNT; i++) {
        vkDestroyShaderModule(scene->device->device, infos[i].stage.module, NULL);
    }
}

void demo_scene_pipelines_init(struct demo_scene *scene)
{
    shadow_pass_init(scene);
    main_pass_init(scene);
    const VkImageView views[] = {scene->colour.view, scene->depth.view, scene->resolved.view};
    scene->shadow_framebuffer =
        framebuffer_create(scene, scene->shadow_pass, &scene->shadow.view, 1, scene->shadow.extent);
    scene->main_framebuffer = framebuffer_create(scene, scene->main_pass, views, 3, scene->extent);

    const VkPipelineCacheCreateInfo cache = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
    };
    DEMO_CHECK(vkCreatePipelineCache(scene->device->device, &cache, NULL, &scene->cache));
    scene->graphics_layout = layout_create(
        scene, scene->frame_layout, VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
        sizeof(struct demo_push_object));
    scene->dispatch_layout = layout_create(scene, scene->compute_layout,
                                           VK_SHADER_STAGE_COMPUTE_BIT, 4 * sizeof(uint32_t));
    graphics_init(scene);
    compute_init(scene);
}

void demo_scene_pipelines_finish(struct demo_scene *scene)
{
    const VkDevice device = scene->device->device;
    for (int i = 0; i < DEMO_PIPELINE_COUNT; i++) {
        vkDestroyPipeline(device, scene->graphics[i], NULL);
    }
    for (int i = 0; i < DEMO_PASS_COUNT; i++) {
        vkDestroyPipeline(device, scene->compute[i], NULL);
    }
    vkDestroyPipelineLayout(device, scene->graphics_layout, NULL);
    vkDestroyPipelineLayout(device, scene->dispatch_layout, NULL);
    vkDestroyPipelineCache(device, scene->cache, NULL);
    vkDestroyFramebuffer(device, scene->main_framebuffer, NULL);
    vkDestroyFramebuffer(device, scene->shadow_framebuffer, NULL);
    vkDestroyRenderPass(device, scene->main_pass, NULL);
    vkDestroyRenderPass(device, scene->shadow_pass, NULL);
}

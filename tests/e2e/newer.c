// Commands of extensions that Debian 12's Vulkan headers do not know yet. Built with them, the
// cases are skipped; they run with the newer headers that scripts/headers.sh finds.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

#ifdef VK_EXT_descriptor_heap // the newest of what is used here

enum { SIZE = 64 };
static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkPipelineBindPoint graphics = VK_PIPELINE_BIND_POINT_GRAPHICS;

// Opens a device with one or two extensions and the feature structure of the first.
static void open_with(struct e2e *t, const char *first, const char *second, void *features)
{
    const char *extensions[] = {first, second};
    e2e_open(t, &(struct e2e_device_params){.extensions = extensions,
                                            .extension_count = second ? 2 : 1,
                                            .features = features});
}

struct quad {
    float area[4], colour[4], depth, unused[3];
};

static void draw_quad(VkCommandBuffer commands, VkPipelineLayout layout, float right, float green,
                      float depth)
{
    const struct quad quad = {{-1, -1, right, 1}, {1, green, 0.5f, 1}, depth, {0}};
    vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(quad), &quad);
    vkCmdDraw(commands, 6, 1, 0, 0);
}

// -- maintenance ------------------------------------------------------------------------------

void case_newer_index_buffer_size(struct e2e *t)
{
    static const uint16_t indices[] = {0, 1, 2, 3, 4, 5, 0, 1, 2};
    VkPhysicalDeviceMaintenance5FeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_5_FEATURES_KHR,
        .maintenance5 = VK_TRUE,
    };
    open_with(t, VK_KHR_MAINTENANCE_5_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, CmdBindIndexBuffer2KHR);
    E2E_FUNCTION(t, GetRenderingAreaGranularityKHR);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(instances_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, indices, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, graphics, pipeline);
    CmdBindIndexBuffer2KHR(commands, buffer.handle, 0, 12, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexed(commands, 6, 3, 0, 0, 4);
    CmdBindIndexBuffer2KHR(commands, buffer.handle, 12, VK_WHOLE_SIZE, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexed(commands, 3, 1, 0, 0, 20);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    e2e_target_read(t, &target, "indices");
    const VkRenderingAreaInfoKHR area = {.sType = VK_STRUCTURE_TYPE_RENDERING_AREA_INFO_KHR,
                                         .colorAttachmentCount = 1,
                                         .pColorAttachmentFormats = &rgba};
    VkExtent2D granularity = {0, 0};
    GetRenderingAreaGranularityKHR(t->device, &area, &granularity);
    e2e_print("granularity %ux%u", granularity.width, granularity.height);
}

void case_newer_subresource_layouts(struct e2e *t)
{
    VkPhysicalDeviceMaintenance5FeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_5_FEATURES_KHR,
        .maintenance5 = VK_TRUE,
    };
    open_with(t, VK_KHR_MAINTENANCE_5_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, GetImageSubresourceLayout2KHR);
    E2E_FUNCTION(t, GetDeviceImageSubresourceLayoutKHR);
    const VkImageCreateInfo info = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                                    .imageType = VK_IMAGE_TYPE_2D,
                                    .format = rgba,
                                    .extent = {61, 47, 1},
                                    .mipLevels = 1,
                                    .arrayLayers = 1,
                                    .samples = VK_SAMPLE_COUNT_1_BIT,
                                    .tiling = VK_IMAGE_TILING_LINEAR,
                                    .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT};
    const VkImageSubresource2KHR first = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_SUBRESOURCE_2_KHR,
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0},
    };
    const VkDeviceImageSubresourceInfoKHR before = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_SUBRESOURCE_INFO_KHR,
        .pCreateInfo = &info,
        .pSubresource = &first,
    };
    VkSubresourceLayout2KHR planned = {.sType = VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2_KHR};
    VkSubresourceLayout2KHR made = planned;
    GetDeviceImageSubresourceLayoutKHR(t->device, &before, &planned);
    VkImage image = VK_NULL_HANDLE;
    OK(vkCreateImage(t->device, &info, NULL, &image));
    GetImageSubresourceLayout2KHR(t->device, image, &first, &made);
    e2e_print("row pitch %u, size %u", (unsigned)made.subresourceLayout.rowPitch,
              (unsigned)made.subresourceLayout.size);
    CHECK(planned.subresourceLayout.rowPitch == made.subresourceLayout.rowPitch, "row pitches");
    vkDestroyImage(t->device, image, NULL);
}

void case_newer_commands_with_structures(struct e2e *t)
{
    VkPhysicalDeviceMaintenance6FeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_6_FEATURES_KHR,
        .maintenance6 = VK_TRUE,
    };
    open_with(t, VK_KHR_MAINTENANCE_6_EXTENSION_NAME, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME,
              &feature);
    E2E_FUNCTION(t, CmdBindDescriptorSets2KHR);
    E2E_FUNCTION(t, CmdPushConstants2KHR);
    E2E_FUNCTION(t, CmdPushDescriptorSet2KHR);
    uint32_t words[29];
    e2e_pattern_fill(words, sizeof(words), 3);
    struct e2e_buffer buffers[2];
    for (uint32_t i = 0; i < 2; i++) {
        buffers[i] = e2e_buffer_with(t, NULL, 112 * 2, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
        const struct e2e_binding binding = e2e_bind_storage(&buffers[i]);
        struct e2e_set set = {0};
        if (i == 0) {
            set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_COMPUTE_BIT, sizeof(words));
        } else {
            const VkDescriptorSetLayoutBinding layout = {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                         VK_SHADER_STAGE_COMPUTE_BIT, NULL};
            set.set_layout = e2e_set_layout(
                t, &layout, 1, VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR, NULL);
            set.layout =
                e2e_pipeline_layout(t, set.set_layout, VK_SHADER_STAGE_COMPUTE_BIT, sizeof(words));
        }
        const VkPipeline pipeline = e2e_compute(t, CODE(push_comp), set.layout, NULL);
        const VkBindDescriptorSetsInfoKHR bind = {
            .sType = VK_STRUCTURE_TYPE_BIND_DESCRIPTOR_SETS_INFO_KHR,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            .layout = set.layout,
            .descriptorSetCount = 1,
            .pDescriptorSets = &set.set,
        };
        const VkWriteDescriptorSet write = {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &binding.buffer,
        };
        const VkPushDescriptorSetInfoKHR push = {
            .sType = VK_STRUCTURE_TYPE_PUSH_DESCRIPTOR_SET_INFO_KHR,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            .layout = set.layout,
            .descriptorWriteCount = 1,
            .pDescriptorWrites = &write,
        };
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        if (i == 0) {
            CmdBindDescriptorSets2KHR(commands, &bind);
        } else {
            CmdPushDescriptorSet2KHR(commands, &push);
        }
        for (uint32_t slot = 0; slot < 2; slot++) {
            words[28] = slot;
            const VkPushConstantsInfoKHR constants = {
                .sType = VK_STRUCTURE_TYPE_PUSH_CONSTANTS_INFO_KHR,
                .layout = set.layout,
                .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                .size = sizeof(words),
                .pValues = words,
            };
            CmdPushConstants2KHR(commands, &constants);
            vkCmdDispatch(commands, 1, 1, 1);
        }
        e2e_barrier(commands);
        e2e_run(t, commands);
        CHECK(!memcmp(buffers[i].map, words, 112), "the first slot");
        e2e_digest("words", buffers[i].map, buffers[i].size);
    }
}

// -- states -----------------------------------------------------------------------------------

// A target with depth, and quad.vert's pipeline with one more dynamic state.
struct stage {
    struct e2e_target target;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

static struct stage stage_make(struct e2e *t, const VkDynamicState *dynamic, uint32_t count,
                               const VkPipelineRasterizationStateCreateInfo *raster)
{
    struct stage stage;
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
        .depthTestEnable = VK_TRUE,
        .depthWriteEnable = VK_TRUE,
        .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    stage.target = e2e_target(
        t, &(struct e2e_target_params){
               .width = SIZE, .height = SIZE, .formats = {rgba}, .depth = VK_FORMAT_D16_UNORM});
    stage.layout = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad)).layout;
    stage.pipeline = e2e_graphics(t, &stage.target,
                                  &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                                .fragment = CODE(colour_frag),
                                                                .layout = stage.layout,
                                                                .depth = &depth,
                                                                .raster = raster,
                                                                .dynamic = dynamic,
                                                                .dynamic_count = count});
    return stage;
}

static VkCommandBuffer stage_begin(struct e2e *t, const struct stage *stage)
{
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &stage->target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, graphics, stage->pipeline);
    return commands;
}

static void stage_end(struct e2e *t, const struct stage *stage, VkCommandBuffer commands,
                      const char *label)
{
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    e2e_target_read(t, &stage->target, label);
    const struct e2e_buffer depth =
        e2e_read(t, &stage->target.depth, 0, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    e2e_digest("depth", depth.map, depth.size);
}

void case_newer_depth_bias(struct e2e *t)
{
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_DEPTH_BIAS;
    static const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .depthBiasEnable = VK_TRUE,
        .lineWidth = 1,
    };
    VkPhysicalDeviceDepthBiasControlFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEPTH_BIAS_CONTROL_FEATURES_EXT,
        .depthBiasControl = VK_TRUE,
        .floatRepresentation = VK_TRUE,
    };
    open_with(t, VK_EXT_DEPTH_BIAS_CONTROL_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, CmdSetDepthBias2EXT);
    const struct stage stage = stage_make(t, &dynamic, 1, &raster);
    const VkDepthBiasRepresentationInfoEXT representation = {
        .sType = VK_STRUCTURE_TYPE_DEPTH_BIAS_REPRESENTATION_INFO_EXT,
        .depthBiasRepresentation = VK_DEPTH_BIAS_REPRESENTATION_FLOAT_EXT,
    };
    for (uint32_t i = 0; i < 4; i++) {
        VkCommandBuffer commands = stage_begin(t, &stage);
        VkDepthBiasInfoEXT bias = {.sType = VK_STRUCTURE_TYPE_DEPTH_BIAS_INFO_EXT};
        CmdSetDepthBias2EXT(commands, &bias);
        draw_quad(commands, stage.layout, 0, 1, 0.5f);
        bias.pNext = i & 2 ? &representation : NULL;
        bias.depthBiasConstantFactor = i & 1 ? 0.125f : -0.125f;
        CmdSetDepthBias2EXT(commands, &bias);
        draw_quad(commands, stage.layout, 1, 0, 0.5f);
        stage_end(t, &stage, commands, "bias");
    }
}

void case_newer_feedback_loop(struct e2e *t)
{
    static const char *const extensions[] = {
        VK_EXT_ATTACHMENT_FEEDBACK_LOOP_DYNAMIC_STATE_EXTENSION_NAME,
        VK_EXT_ATTACHMENT_FEEDBACK_LOOP_LAYOUT_EXTENSION_NAME};
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_ATTACHMENT_FEEDBACK_LOOP_ENABLE_EXT;
    VkPhysicalDeviceAttachmentFeedbackLoopLayoutFeaturesEXT layout = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ATTACHMENT_FEEDBACK_LOOP_LAYOUT_FEATURES_EXT,
        .attachmentFeedbackLoopLayout = VK_TRUE,
    };
    VkPhysicalDeviceAttachmentFeedbackLoopDynamicStateFeaturesEXT feature = {
        .sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ATTACHMENT_FEEDBACK_LOOP_DYNAMIC_STATE_FEATURES_EXT,
        .pNext = &layout,
        .attachmentFeedbackLoopDynamicState = VK_TRUE,
    };
    open_with(t, extensions[0], extensions[1], &feature);
    E2E_FUNCTION(t, CmdSetAttachmentFeedbackLoopEnableEXT);
    const struct stage stage = stage_make(t, &dynamic, 1, NULL);
    VkCommandBuffer commands = stage_begin(t, &stage);
    CmdSetAttachmentFeedbackLoopEnableEXT(commands, 0);
    draw_quad(commands, stage.layout, 0.5f, 1, 0.5f);
    CmdSetAttachmentFeedbackLoopEnableEXT(commands, VK_IMAGE_ASPECT_COLOR_BIT);
    draw_quad(commands, stage.layout, -0.5f, 0, 0.25f);
    stage_end(t, &stage, commands, "loops");
}

void case_newer_depth_clamp_range(struct e2e *t)
{
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_DEPTH_CLAMP_RANGE_EXT;
    static const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .depthClampEnable = VK_TRUE,
        .lineWidth = 1,
    };
    static const VkDepthClampRangeEXT range = {0.25f, 0.75f};
    VkPhysicalDeviceDepthClampControlFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEPTH_CLAMP_CONTROL_FEATURES_EXT,
        .depthClampControl = VK_TRUE,
    };
    open_with(t, VK_EXT_DEPTH_CLAMP_CONTROL_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, CmdSetDepthClampRangeEXT);
    const struct stage stage = stage_make(t, &dynamic, 1, &raster);
    VkCommandBuffer commands = stage_begin(t, &stage);
    CmdSetDepthClampRangeEXT(commands, VK_DEPTH_CLAMP_MODE_USER_DEFINED_RANGE_EXT, &range);
    draw_quad(commands, stage.layout, 0, 1, 1.0f);
    CmdSetDepthClampRangeEXT(commands, VK_DEPTH_CLAMP_MODE_VIEWPORT_RANGE_EXT, NULL);
    draw_quad(commands, stage.layout, 1, 0, 0.9f);
    stage_end(t, &stage, commands, "clamped");
}

void case_newer_attachment_locations(struct e2e *t)
{
    static const VkFormat formats[2] = {VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_UNORM};
    static const uint32_t locations[2] = {VK_ATTACHMENT_UNUSED, 0}, inputs[2] = {1, 0};
    VkPhysicalDeviceDynamicRenderingLocalReadFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DYNAMIC_RENDERING_LOCAL_READ_FEATURES_KHR,
        .dynamicRenderingLocalRead = VK_TRUE,
    };
    open_with(t, VK_KHR_DYNAMIC_RENDERING_LOCAL_READ_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, CmdSetRenderingAttachmentLocationsKHR);
    E2E_FUNCTION(t, CmdSetRenderingInputAttachmentIndicesKHR);
    struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){
                          .width = SIZE, .height = SIZE, .formats = {formats[0], formats[1]}});
    target.pass = VK_NULL_HANDLE; // dynamic rendering instead
    const VkPipelineLayout layout =
        e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad)).layout;
    const VkRenderingInputAttachmentIndexInfoKHR indices = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INPUT_ATTACHMENT_INDEX_INFO_KHR,
        .colorAttachmentCount = 2,
        .pColorAttachmentInputIndices = inputs,
    };
    const VkRenderingAttachmentLocationInfoKHR swapped = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_LOCATION_INFO_KHR,
        .pNext = &indices,
        .colorAttachmentCount = 2,
        .pColorAttachmentLocations = locations,
    };
    VkRenderingAttachmentLocationInfoKHR set_locations = swapped;
    set_locations.pNext = NULL;
    const VkPipelineRenderingCreateInfo rendering = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
        .pNext = &swapped,
        .colorAttachmentCount = 2,
        .pColorAttachmentFormats = formats,
    };
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(quad_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = layout,
                                                   .next = &rendering});
    VkRenderingAttachmentInfo colours[2];
    for (uint32_t i = 0; i < 2; i++) {
        colours[i] = (VkRenderingAttachmentInfo){
            .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
            .imageView = target.colour[i].view,
            .imageLayout = VK_IMAGE_LAYOUT_GENERAL,
            .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
            .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        };
    }
    const VkRenderingInfo begin = {.sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
                                   .renderArea = {.extent = {SIZE, SIZE}},
                                   .layerCount = 1,
                                   .colorAttachmentCount = 2,
                                   .pColorAttachments = colours};
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i < 2; i++) {
        e2e_layout(commands, &target.colour[i], VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    }
    vkCmdBeginRendering(commands, &begin);
    vkCmdBindPipeline(commands, graphics, pipeline);
    CmdSetRenderingAttachmentLocationsKHR(commands, &set_locations);
    CmdSetRenderingInputAttachmentIndicesKHR(commands, &indices);
    draw_quad(commands, layout, 0.5f, 0.25f, 0.5f);
    vkCmdEndRendering(commands);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < 2; i++) {
        const struct e2e_buffer picture =
            e2e_read(t, &target.colour[i], 0, VK_IMAGE_LAYOUT_GENERAL);
        CHECK((*(const uint32_t *)picture.map != 0) == (i == 1), "attachment %u", i);
        e2e_digest("attachment", picture.map, picture.size);
    }
}

// -- host image copies ------------------------------------------------------------------------

void case_newer_host_image_copy(struct e2e *t)
{
    static const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
    VkPhysicalDeviceHostImageCopyFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_IMAGE_COPY_FEATURES_EXT,
        .hostImageCopy = VK_TRUE,
    };
    open_with(t, VK_EXT_HOST_IMAGE_COPY_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, TransitionImageLayoutEXT);
    E2E_FUNCTION(t, CopyMemoryToImageEXT);
    E2E_FUNCTION(t, CopyImageToMemoryEXT);
    E2E_FUNCTION(t, CopyImageToImageEXT);
    struct e2e_image images[2];
    for (uint32_t i = 0; i < 2; i++) {
        images[i] =
            e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                    .extent = {SIZE, SIZE, 1},
                                                    .usage = VK_IMAGE_USAGE_HOST_TRANSFER_BIT_EXT |
                                                             VK_IMAGE_USAGE_TRANSFER_SRC_BIT});
        const VkHostImageLayoutTransitionInfoEXT transition = {
            .sType = VK_STRUCTURE_TYPE_HOST_IMAGE_LAYOUT_TRANSITION_INFO_EXT,
            .image = images[i].handle,
            .oldLayout = VK_IMAGE_LAYOUT_UNDEFINED,
            .newLayout = general,
            .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
        };
        OK(TransitionImageLayoutEXT(t->device, 1, &transition));
    }
    uint8_t *texels = e2e_alloc(SIZE * SIZE, 4), *back = e2e_alloc(SIZE * SIZE, 4);
    e2e_pattern_fill(texels, SIZE * SIZE * 4, 21);
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkMemoryToImageCopyEXT up[2] = {
        {.sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
         .pHostPointer = texels,
         .imageSubresource = layers,
         .imageExtent = {SIZE, SIZE, 1}},
        {.sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
         .pHostPointer = texels + 40,
         .memoryRowLength = 50,
         .imageSubresource = layers,
         .imageOffset = {10, 20, 0},
         .imageExtent = {17, 9, 1}},
    };
    for (uint32_t i = 0; i < 2; i++) {
        const VkCopyMemoryToImageInfoEXT copy = {
            .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_EXT,
            .dstImage = images[i].handle,
            .dstImageLayout = general,
            .regionCount = 2 - i,
            .pRegions = up,
        };
        OK(CopyMemoryToImageEXT(t->device, &copy));
    }
    const VkImageCopy2 part = {.sType = VK_STRUCTURE_TYPE_IMAGE_COPY_2,
                               .srcSubresource = layers,
                               .srcOffset = {8, 16, 0},
                               .dstSubresource = layers,
                               .dstOffset = {32, 4, 0},
                               .extent = {24, 20, 1}};
    const VkCopyImageToImageInfoEXT between = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_IMAGE_INFO_EXT,
        .srcImage = images[0].handle,
        .srcImageLayout = general,
        .dstImage = images[1].handle,
        .dstImageLayout = general,
        .regionCount = 1,
        .pRegions = &part,
    };
    OK(CopyImageToImageEXT(t->device, &between));
    const VkImageToMemoryCopyEXT down = {.sType = VK_STRUCTURE_TYPE_IMAGE_TO_MEMORY_COPY_EXT,
                                         .pHostPointer = back,
                                         .imageSubresource = layers,
                                         .imageExtent = {SIZE, SIZE, 1}};
    const VkCopyImageToMemoryInfoEXT read = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_MEMORY_INFO_EXT,
        .srcImage = images[1].handle,
        .srcImageLayout = general,
        .regionCount = 1,
        .pRegions = &down,
    };
    OK(CopyImageToMemoryEXT(t->device, &read));
    CHECK(!memcmp(back, texels, 32 * 4), "the first row");
    e2e_digest("by the host", back, SIZE * SIZE * 4);
    const struct e2e_buffer pixels = e2e_read(t, &images[1], 0, general);
    CHECK(!memcmp(pixels.map, back, SIZE * SIZE * 4), "host and device see different texels");
    free(texels);
    free(back);
}

// Each region's data spans nearly the whole of the memory, and the guest driver sends it for each:
// one command of 127 MiB.
void case_newer_host_image_copy_regions(struct e2e *t)
{
    enum { DEPTH = 32, STEP = 4, COLUMNS = SIZE / STEP, TEXELS = SIZE * SIZE * DEPTH };
    VkPhysicalDeviceHostImageCopyFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_IMAGE_COPY_FEATURES_EXT,
        .hostImageCopy = VK_TRUE,
    };
    open_with(t, VK_EXT_HOST_IMAGE_COPY_EXTENSION_NAME, NULL, &feature);
    E2E_FUNCTION(t, TransitionImageLayoutEXT);
    E2E_FUNCTION(t, CopyMemoryToImageEXT);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                .extent = {SIZE, SIZE, DEPTH},
                                                .usage = VK_IMAGE_USAGE_HOST_TRANSFER_BIT_EXT |
                                                         VK_IMAGE_USAGE_TRANSFER_SRC_BIT});
    const VkHostImageLayoutTransitionInfoEXT transition = {
        .sType = VK_STRUCTURE_TYPE_HOST_IMAGE_LAYOUT_TRANSITION_INFO_EXT,
        .image = image.handle,
        .newLayout = VK_IMAGE_LAYOUT_GENERAL,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    OK(TransitionImageLayoutEXT(t->device, 1, &transition));

    uint8_t *texels = e2e_alloc(TEXELS, 4);
    e2e_pattern_fill(texels, TEXELS * 4, 22);
    VkMemoryToImageCopyEXT regions[COLUMNS * COLUMNS];
    for (uint32_t i = 0; i < COUNT(regions); i++) {
        const uint32_t x = i % COLUMNS * STEP, y = i / COLUMNS * STEP;
        regions[i] = (VkMemoryToImageCopyEXT){
            .sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
            .pHostPointer = texels + 4 * (y * SIZE + x),
            .memoryRowLength = SIZE,
            .memoryImageHeight = SIZE,
            .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
            .imageOffset = {(int32_t)x, (int32_t)y, 0},
            .imageExtent = {STEP, STEP, DEPTH},
        };
    }
    const VkCopyMemoryToImageInfoEXT copy = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_EXT,
        .dstImage = image.handle,
        .dstImageLayout = VK_IMAGE_LAYOUT_GENERAL,
        .regionCount = COUNT(regions),
        .pRegions = regions,
    };
    OK(CopyMemoryToImageEXT(t->device, &copy));
    const struct e2e_buffer back = e2e_read(t, &image, 0, VK_IMAGE_LAYOUT_GENERAL);
    CHECK(!memcmp(back.map, texels, TEXELS * 4), "the texels");
    e2e_digest("by regions", back.map, TEXELS * 4);
    free(texels);
}

// -- questions --------------------------------------------------------------------------------

void case_newer_cooperative_matrices(struct e2e *t)
{
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .cooperativeMatrix = VK_TRUE,
    };
    open_with(t, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, NULL, &feature);
    const PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR ask =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(void *)vkGetInstanceProcAddr(
            t->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    CHECK(ask, "no function for cooperative matrices");
    uint32_t count = 0;
    OK(ask(t->physical, &count, NULL));
    VkCooperativeMatrixPropertiesKHR *list = e2e_alloc(count, sizeof(*list));
    for (uint32_t i = 0; i < count; i++) {
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    }
    OK(ask(t->physical, &count, list));
    for (uint32_t i = 0; i < count; i++) {
        e2e_print("%ux%ux%u, types %d %d %d %d, scope %d", list[i].MSize, list[i].NSize,
                  list[i].KSize, list[i].AType, list[i].BType, list[i].CType, list[i].ResultType,
                  list[i].scope);
    }
    free(list);
}

#else

#define SKIPPED(name)                                                                              \
    void case_newer_##name(struct e2e *t)                                                          \
    {                                                                                              \
        (void)t;                                                                                   \
        e2e_skip("built with Vulkan headers that are too old");                                    \
    }
SKIPPED(index_buffer_size)
SKIPPED(subresource_layouts)
SKIPPED(commands_with_structures)
SKIPPED(depth_bias)
SKIPPED(feedback_loop)
SKIPPED(depth_clamp_range)
SKIPPED(attachment_locations)
SKIPPED(host_image_copy)
SKIPPED(host_image_copy_regions)
SKIPPED(cooperative_matrices)
#undef SKIPPED

#endif

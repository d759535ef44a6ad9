// The commands of the scene: what runs once, one frame, and reading the picture back.

#include <string.h>

#include "scene.h"

static const VkShaderStageFlags push_stages =
    VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT;
static const float seconds_per_frame = 1.0f / 60.0f;

static void dispatch(struct demo_scene *scene, VkCommandBuffer commands, enum demo_pass pass,
                     uint32_t x, uint32_t y)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, scene->compute[pass]);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, scene->dispatch_layout, 0, 1,
                            &scene->compute_sets[pass], 0, NULL);
    vkCmdDispatch(commands, x, y, 1);
}

// Halves the stone texture level by level; leaves all levels ready for sampling.
static void stone_levels(struct demo_scene *scene, VkCommandBuffer commands)
{
    const VkImage image = scene->stone.handle;
    for (uint32_t level = 1; level < scene->stone.levels; level++) {
        const VkImageMemoryBarrier ready = {
            .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
            .srcAccessMask = level == 1 ? VK_ACCESS_SHADER_WRITE_BIT : VK_ACCESS_TRANSFER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
            .oldLayout = VK_IMAGE_LAYOUT_GENERAL,
            .newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
            .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
            .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
            .image = image,
            .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, level - 1, 1, 0, 1},
        };
        vkCmdPipelineBarrier(commands,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &ready);
        const int32_t from = DEMO_STONE_SIZE >> (level - 1), to = DEMO_STONE_SIZE >> level;
        const VkImageBlit blit = {
            .srcSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, level - 1, 0, 1},
            .srcOffsets = {{0, 0, 0}, {from, from, 1}},
            .dstSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, level, 0, 1},
            .dstOffsets = {{0, 0, 0}, {to, to, 1}},
        };
        vkCmdBlitImage(commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, image,
                       VK_IMAGE_LAYOUT_GENERAL, 1, &blit, VK_FILTER_LINEAR);
    }
    const uint32_t last = scene->stone.levels - 1;
    VkImageMemoryBarrier sampled[2] = {
        {
            .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
            .dstAccessMask = VK_ACCESS_SHADER_READ_BIT,
            .oldLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
            .newLayout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
            .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
            .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
            .image = image,
            .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, last, 0, 1},
        },
    };
    sampled[1] = sampled[0];
    sampled[1].srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    sampled[1].oldLayout = VK_IMAGE_LAYOUT_GENERAL;
    sampled[1].subresourceRange.baseMipLevel = last;
    sampled[1].subresourceRange.levelCount = 1;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, 0, 0, NULL, 0, NULL, 2, sampled);
}

void demo_scene_prepare(struct demo_scene *scene)
{
    // The texture is written through a view of its first level only, as storage images must be.
    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = scene->stone.handle,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = scene->stone.format,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    VkImageView first_level = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreateImageView(scene->device->device, &view, NULL, &first_level));
    const VkDescriptorImageInfo target = {VK_NULL_HANDLE, first_level, VK_IMAGE_LAYOUT_GENERAL};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = scene->compute_sets[DEMO_PASS_STONE],
        .dstBinding = DEMO_BIND_RESULT,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
        .pImageInfo = &target,
    };
    vkUpdateDescriptorSets(scene->device->device, 1, &write, 0, NULL);

    const struct demo_barrier general = {
        .from = VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
        .to = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        .reads = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .new_layout = VK_IMAGE_LAYOUT_GENERAL,
    };
    VkCommandBuffer commands = demo_commands_begin(scene->device);
    demo_barrier_image(commands, scene->stone.handle, &general);
    demo_barrier_image(commands, scene->glow[0].handle, &general);
    demo_barrier_image(commands, scene->glow[1].handle, &general);
    demo_barrier_image(commands, scene->picture.handle, &general);
    dispatch(scene, commands, DEMO_PASS_STONE, DEMO_STONE_SIZE / 8, DEMO_STONE_SIZE / 8);
    stone_levels(scene, commands);
    demo_commands_run(scene->device, commands);
    vkDestroyImageView(scene->device->device, first_level, NULL);
}

static void store(float to[4], struct vec3 v, float w)
{
    to[0] = v.x;
    to[1] = v.y;
    to[2] = v.z;
    to[3] = w;
}

void demo_scene_update(struct demo_scene *scene, uint32_t slot, uint32_t number)
{
    const float t = (float)number * seconds_per_frame;
    const float aspect = (float)scene->extent.width / (float)scene->extent.height;
    const float tan_half = 0.36f;
    const struct vec3 world_up = {0, 1, 0};

    const float orbit = 0.55f + 0.10f * t;
    const struct vec3 eye = {6.4f * sinf(orbit), 2.55f + 0.25f * sinf(0.5f * t),
                             6.4f * cosf(orbit)};
    const struct vec3 target = {0, 1.32f, 0};
    const struct vec3 forward = vec3_normalize(vec3_sub(target, eye));
    const struct vec3 right = vec3_normalize(vec3_cross(forward, world_up));
    const struct vec3 up = vec3_cross(right, forward);
    const struct mat4 view = mat4_view(eye, right, up, forward);
    const struct mat4 projection = mat4_perspective(tan_half, aspect, 0.5f, 140.0f);

    const struct vec3 light = vec3_normalize((struct vec3){0.75f, 0.95f, 0.35f});
    const struct vec3 light_eye = vec3_add((struct vec3){0, 1.0f, 0}, vec3_scale(light, 8.0f));
    const struct vec3 light_forward = vec3_scale(light, -1.0f);
    const struct vec3 light_right = vec3_normalize(vec3_cross(light_forward, world_up));
    const struct mat4 light_view =
        mat4_view(light_eye, light_right, vec3_cross(light_right, light_forward), light_forward);
    const struct mat4 light_projection = mat4_orthographic(3.4f, 1.0f, 16.0f);

    struct demo_uniforms uniforms = {
        .view_projection = mat4_mul(&projection, &view),
        .light_view_projection = mat4_mul(&light_projection, &light_view),
    };
    store(uniforms.eye, eye, 1.0f);
    store(uniforms.light, light, 0.0f);
    store(uniforms.right, right, tan_half);
    store(uniforms.up, up, 0.0f);
    store(uniforms.forward, forward, aspect);
    memcpy((char *)scene->uniforms.map + slot * scene->uniforms_stride, &uniforms,
           sizeof(uniforms));
}

static void bind_frame(struct demo_scene *scene, VkCommandBuffer commands, uint32_t slot)
{
    const uint32_t offset = (uint32_t)(slot * scene->uniforms_stride);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->graphics_layout, 0, 1,
                            &scene->frame_set, 1, &offset);
}

static void draw_mesh(struct demo_scene *scene, VkCommandBuffer commands,
                      enum demo_pipeline pipeline, const struct demo_push_object *object)
{
    const bool floor = pipeline == DEMO_PIPELINE_FLOOR;
    const VkDeviceSize zero = 0;
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->graphics[pipeline]);
    vkCmdPushConstants(commands, scene->graphics_layout, push_stages, 0, sizeof(*object), object);
    vkCmdBindVertexBuffers(commands, 0, 1,
                           floor ? &scene->floor_vertices.handle : &scene->knot_vertices.handle,
                           &zero);
    vkCmdBindIndexBuffer(commands, floor ? scene->floor_indices.handle : scene->knot_indices.handle,
                         0, VK_INDEX_TYPE_UINT32);
    vkCmdDrawIndexed(commands, floor ? scene->floor_index_count : scene->knot_index_count, 1, 0, 0,
                     0);
}

static struct demo_push_object knot_object(uint32_t number, int mirror)
{
    const float t = (float)number * seconds_per_frame;
    const struct vec3 place = {0, 1.42f + 0.06f * sinf(1.7f * t), 0};
    const float shade = mirror ? 0.75f : 1.0f;
    return (struct demo_push_object){
        .model = mat4_turn(0.9f * t, place, mirror),
        .shade = {shade, shade, shade, 1.0f},
    };
}

static void record_main(struct demo_scene *scene, uint32_t slot, uint32_t number,
                        VkCommandBuffer commands)
{
    const VkCommandBufferInheritanceInfo inherited = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .renderPass = scene->main_pass,
        .framebuffer = scene->main_framebuffer,
    };
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT |
                 VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT,
        .pInheritanceInfo = &inherited,
    };
    const struct demo_push_object knot = knot_object(number, 0), mirror = knot_object(number, 1);
    const struct demo_push_object ground = {.model = mat4_turn(0.0f, (struct vec3){0}, 0)};
    const VkDeviceSize zero = 0;

    DEMO_CHECK(vkBeginCommandBuffer(commands, &begin));
    bind_frame(scene, commands, slot);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS,
                      scene->graphics[DEMO_PIPELINE_SKY]);
    vkCmdDraw(commands, 3, 1, 0, 0);
    draw_mesh(scene, commands, DEMO_PIPELINE_MIRROR, &mirror);
    draw_mesh(scene, commands, DEMO_PIPELINE_FLOOR, &ground);
    draw_mesh(scene, commands, DEMO_PIPELINE_KNOT, &knot);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS,
                      scene->graphics[DEMO_PIPELINE_PARTICLE]);
    vkCmdBindVertexBuffers(commands, 0, 1, &scene->particles.handle, &zero);
    vkCmdDraw(commands, 6, DEMO_PARTICLES, 0, 0);
    DEMO_CHECK(vkEndCommandBuffer(commands));
}

static void record_particles(struct demo_scene *scene, VkCommandBuffer commands)
{
    const struct demo_push_step step = {seconds_per_frame, DEMO_PARTICLES};
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    // The frame before has moved the same particles and draws them.
    vkCmdPipelineBarrier(commands,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_VERTEX_INPUT_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    vkCmdPushConstants(commands, scene->dispatch_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       sizeof(step), &step);
    dispatch(scene, commands, DEMO_PASS_PARTICLES, (DEMO_PARTICLES + 63) / 64, 1);
    barrier.dstAccessMask = VK_ACCESS_VERTEX_ATTRIBUTE_READ_BIT;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_VERTEX_INPUT_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
}

static void record_filters(struct demo_scene *scene, VkCommandBuffer commands)
{
    const VkExtent2D full = scene->extent, quarter = scene->glow[0].extent;
    const struct {
        enum demo_pass pass;
        uint32_t x, y;
        struct demo_push_blur push;
    } filters[] = {
        {DEMO_PASS_BRIGHT, (quarter.width + 7) / 8, (quarter.height + 7) / 8, {{0, 0}}},
        {DEMO_PASS_BLUR_X, (quarter.width + 63) / 64, quarter.height, {{1, 0}}},
        {DEMO_PASS_BLUR_Y, (quarter.height + 63) / 64, quarter.width, {{0, 1}}},
        {DEMO_PASS_DEVELOP, (full.width + 7) / 8, (full.height + 7) / 8, {{0, 0}}},
    };
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        // Each filter reads what the one before wrote; the first writes what the last frame read.
        vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0,
                             NULL);
        vkCmdPushConstants(commands, scene->dispatch_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           sizeof(filters[i].push), &filters[i].push);
        dispatch(scene, commands, filters[i].pass, filters[i].x, filters[i].y);
    }
}

static void record_passes(struct demo_scene *scene, uint32_t slot, uint32_t number,
                          VkCommandBuffer primary, VkCommandBuffer secondary)
{
    const VkClearValue far[] = {{.depthStencil = {1.0f, 0}}, {.depthStencil = {1.0f, 0}}};
    const VkRenderPassBeginInfo shadow = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = scene->shadow_pass,
        .framebuffer = scene->shadow_framebuffer,
        .renderArea = {.extent = scene->shadow.extent},
        .clearValueCount = 1,
        .pClearValues = far,
    };
    const struct demo_push_object knot = knot_object(number, 0);
    bind_frame(scene, primary, slot);
    vkCmdBeginRenderPass(primary, &shadow, VK_SUBPASS_CONTENTS_INLINE);
    draw_mesh(scene, primary, DEMO_PIPELINE_SHADOW, &knot);
    vkCmdEndRenderPass(primary);

    const VkRenderPassBeginInfo main_pass = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = scene->main_pass,
        .framebuffer = scene->main_framebuffer,
        .renderArea = {.extent = scene->extent},
        .clearValueCount = 2, // the first attachment is not cleared, the second is the depth
        .pClearValues = far,
    };
    vkCmdBeginRenderPass(primary, &main_pass, VK_SUBPASS_CONTENTS_SECONDARY_COMMAND_BUFFERS);
    vkCmdExecuteCommands(primary, 1, &secondary);
    vkCmdEndRenderPass(primary);
}

void demo_scene_record(struct demo_scene *scene, uint32_t slot, uint32_t number,
                       VkCommandBuffer primary, VkCommandBuffer secondary, VkQueryPool timestamps)
{
    record_main(scene, slot, number, secondary);

    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    DEMO_CHECK(vkBeginCommandBuffer(primary, &begin));
    if (timestamps) {
        vkCmdResetQueryPool(primary, timestamps, slot * 2, 2);
        vkCmdWriteTimestamp(primary, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, timestamps, slot * 2);
    }
    record_particles(scene, primary);
    record_passes(scene, slot, number, primary, secondary);
    record_filters(scene, primary);
    if (timestamps) {
        vkCmdWriteTimestamp(primary, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, timestamps,
                            slot * 2 + 1);
    }
    DEMO_CHECK(vkEndCommandBuffer(primary));
}

void demo_scene_read(struct demo_scene *scene, uint8_t *pixels)
{
    const size_t size = (size_t)scene->extent.width * scene->extent.height * 4;
    struct demo_buffer buffer;
    demo_buffer_init(scene->device, &buffer, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);

    VkCommandBuffer commands = demo_commands_begin(scene->device);
    demo_barrier_image(commands, scene->picture.handle,
                       &(struct demo_barrier){
                           .from = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           .to = VK_PIPELINE_STAGE_TRANSFER_BIT,
                           .wrote = VK_ACCESS_SHADER_WRITE_BIT,
                           .reads = VK_ACCESS_TRANSFER_READ_BIT,
                           .old_layout = VK_IMAGE_LAYOUT_GENERAL,
                           .new_layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                       });
    const VkBufferImageCopy region = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {scene->extent.width, scene->extent.height, 1},
    };
    vkCmdCopyImageToBuffer(commands, scene->picture.handle, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                           buffer.handle, 1, &region);
    const VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                         &to_host, 0, NULL, 0, NULL);
    demo_commands_run(scene->device, commands);
    memcpy(pixels, buffer.map, size);
    demo_buffer_finish(scene->device, &buffer);
}

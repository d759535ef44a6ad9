#include "grid.h"

#include "shaders.h"

struct e2e_target grid_target(struct e2e *t)
{
    return e2e_target(t, &(struct e2e_target_params){.width = GRID_SIZE,
                                                     .height = GRID_SIZE,
                                                     .formats = {VK_FORMAT_R8G8B8A8_UNORM}});
}

struct grid grid_open(struct e2e *t, const char *extension, void *features)
{
    struct grid grid;
    e2e_open(t, &(struct e2e_device_params){.extensions = &extension,
                                            .extension_count = extension ? 1 : 0,
                                            .features = features});
    grid.target = grid_target(t);
    grid.layout = e2e_set(t, NULL, 0, 0, 0).layout;
    grid.pipeline = e2e_graphics(t, &grid.target,
                                 &(struct e2e_pipeline_params){.vertex = CODE(instances_vert),
                                                               .fragment = CODE(colour_frag),
                                                               .layout = grid.layout});
    return grid;
}

VkCommandBuffer grid_begin(struct e2e *t, const struct grid *grid)
{
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &grid->target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, grid->pipeline);
    return commands;
}

void grid_end(struct e2e *t, const struct grid *grid, VkCommandBuffer commands, uint64_t expected,
              const char *label)
{
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &grid->target, label);
    for (uint32_t cell = 0; cell < 64; cell++) {
        const uint32_t pixel =
            e2e_pixel(&picture, &grid->target, cell % 8 * 8 + 4, cell / 8 * 8 + 4);
        CHECK((pixel != 0) == (expected >> cell & 1), "%s: cell %u is 0x%08x", label, cell, pixel);
    }
}

// Mesh and task shaders (VK_EXT_mesh_shader), direct and indirect.

#include <string.h>

#include "cases.h"
#include "grid.h"
#include "shaders.h"

// A grid with a pipeline that draws a cell with each workgroup.
static struct grid mesh_grid_open(struct e2e *t, bool with_tasks)
{
    static const char *const extension = VK_EXT_MESH_SHADER_EXTENSION_NAME;
    VkPhysicalDeviceMeshShaderFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MESH_SHADER_FEATURES_EXT,
        .taskShader = with_tasks,
        .meshShader = VK_TRUE,
    };
    struct grid grid;
    e2e_open(t, &(struct e2e_device_params){
                    .extensions = &extension, .extension_count = 1, .features = &feature});
    grid.target = grid_target(t);
    const VkShaderStageFlags stage =
        with_tasks ? VK_SHADER_STAGE_TASK_BIT_EXT : VK_SHADER_STAGE_MESH_BIT_EXT;
    grid.layout = e2e_set(t, NULL, 0, stage, 4).layout;
    struct e2e_pipeline_params params = {
        .mesh = CODE(plain_mesh), .fragment = CODE(colour_frag), .layout = grid.layout};
    if (with_tasks) {
        params.task = CODE(cells_task);
        params.mesh = CODE(cells_mesh);
    }
    grid.pipeline = e2e_graphics(t, &grid.target, &params);
    return grid;
}

void case_mesh_draws(struct e2e *t)
{
    const struct grid grid = mesh_grid_open(t, false);
    E2E_FUNCTION(t, CmdDrawMeshTasksEXT);
    E2E_FUNCTION(t, CmdDrawMeshTasksIndirectEXT);
    E2E_FUNCTION(t, CmdDrawMeshTasksIndirectCountEXT);
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, 256, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT);
    const VkDrawMeshTasksIndirectCommandEXT draws[] = {{2, 1, 1}, {1, 2, 1}, {4, 1, 1}};
    memcpy(buffer.map, draws, sizeof(draws));
    ((uint32_t *)buffer.map)[32] = 2;
    VkCommandBuffer commands = grid_begin(t, &grid);
    const VkShaderStageFlags stage = VK_SHADER_STAGE_MESH_BIT_EXT;
    vkCmdPushConstants(commands, grid.layout, stage, 0, 4, &(uint32_t){3});
    CmdDrawMeshTasksEXT(commands, 2, 2, 1);
    vkCmdPushConstants(commands, grid.layout, stage, 0, 4, &(uint32_t){32});
    CmdDrawMeshTasksIndirectEXT(commands, buffer.handle, 0, 2, sizeof(draws[0]));
    vkCmdPushConstants(commands, grid.layout, stage, 0, 4, &(uint32_t){50});
    CmdDrawMeshTasksIndirectCountEXT(commands, buffer.handle, sizeof(draws[0]), buffer.handle, 128,
                                     2, sizeof(draws[0]));
    grid_end(t, &grid, commands,
             3u << 3 | 3u << 11 | 3ull << 32 | 1ull << 40 | 15ull << 50 | 1ull << 58, "cells");
}

void case_mesh_tasks(struct e2e *t)
{
    const struct grid grid = mesh_grid_open(t, true);
    E2E_FUNCTION(t, CmdDrawMeshTasksEXT);
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdPushConstants(commands, grid.layout, VK_SHADER_STAGE_TASK_BIT_EXT, 0, 4, &(uint32_t){2});
    CmdDrawMeshTasksEXT(commands, 4, 1, 1);
    grid_end(t, &grid, commands, 0x1c1c1c1cull, "cells");
}

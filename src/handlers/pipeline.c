// Pipelines: arrays of which some may fail, and shader code whose size must be what it says.
#include "handlers/chain.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

// Enters those of `count` pipelines that the driver made. The guest learns of the others through
// a null id in the reply; without a reply they are poisoned.
static void enter_pipelines(struct pv_stream *s, struct pv_object *device, const uint64_t *ids,
                            const VkPipeline *pipelines, uint64_t count)
{
    uint64_t i = 0;
    for (; i < count && !pv_stream_failed(s); i++) {
        pv_stream_created(s, VK_OBJECT_TYPE_PIPELINE, ids[i], (uint64_t)(uintptr_t)pipelines[i],
                          device);
    }
    for (; i < count; i++) {
        pv_device_functions_of(device)->vkDestroyPipeline(pv_device_of(device)->driver->handle,
                                                          pipelines[i], NULL);
    }
}

// The wire has codeSize / 4 words; a driver would read codeSize bytes.
static bool check_code(struct pv_stream *s, const VkShaderModuleCreateInfo *info)
{
    if (info->codeSize % 4 || !info->pCode) {
        pv_stream_fail(s, "shader code is not a number of words");
    }
    return !pv_stream_failed(s);
}

// Stages may bring their code along (VK_KHR_maintenance5, VK_EXT_graphics_pipeline_library).
static bool check_stages(struct pv_stream *s, const VkPipelineShaderStageCreateInfo *stages,
                         uint32_t count)
{
    for (uint32_t i = 0; stages && i < count; i++) {
        const VkShaderModuleCreateInfo *info =
            pv_chain_find(&stages[i], VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
        if (info && !check_code(s, info)) {
            return false;
        }
    }
    return true;
}

// Drivers write how the creation went, for as many stages as the pipeline has. Guests learn nothing
// of it: it is part of what they send, which has no reply.
static void leave_feedback_out(const void *info)
{
    // Decoded just now; only its type is constant.
    pv_chain_remove((void *)(uintptr_t)info,
                    VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO);
}

void pv_handle_vkCreateGraphicsPipelines(struct pv_stream *s,
                                         struct pv_cmd_vkCreateGraphicsPipelines *cmd)
{
    if (!pv_stream_check_new_ids(s, cmd->pPipelines_ids, cmd->pPipelines_count)) {
        return;
    }
    for (uint32_t i = 0; i < cmd->createInfoCount; i++) {
        leave_feedback_out(&cmd->pCreateInfos[i]);
        if (!check_stages(s, cmd->pCreateInfos[i].pStages, cmd->pCreateInfos[i].stageCount)) {
            return;
        }
    }
    cmd->ret =
        pv_device_functions_of(cmd->device_obj)
            ->vkCreateGraphicsPipelines(cmd->device, cmd->pipelineCache, cmd->createInfoCount,
                                        cmd->pCreateInfos, NULL, cmd->pPipelines);
    enter_pipelines(s, cmd->device_obj, cmd->pPipelines_ids, cmd->pPipelines,
                    cmd->pPipelines_count);
}

void pv_handle_vkCreateComputePipelines(struct pv_stream *s,
                                        struct pv_cmd_vkCreateComputePipelines *cmd)
{
    if (!pv_stream_check_new_ids(s, cmd->pPipelines_ids, cmd->pPipelines_count)) {
        return;
    }
    for (uint32_t i = 0; i < cmd->createInfoCount; i++) {
        leave_feedback_out(&cmd->pCreateInfos[i]);
        if (!check_stages(s, &cmd->pCreateInfos[i].stage, 1)) {
            return;
        }
    }
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateComputePipelines(cmd->device, cmd->pipelineCache, cmd->createInfoCount,
                                              cmd->pCreateInfos, NULL, cmd->pPipelines);
    enter_pipelines(s, cmd->device_obj, cmd->pPipelines_ids, cmd->pPipelines,
                    cmd->pPipelines_count);
}

// The shader groups of a pipeline about to be created: its own and its libraries'.
static uint32_t shader_groups(struct pv_stream *s, const struct pv_object *device,
                              const VkRayTracingPipelineCreateInfoKHR *info)
{
    uint64_t count = info->groupCount;
    const VkPipelineLibraryCreateInfoKHR *from = info->pLibraryInfo;
    for (uint32_t i = 0; from && i < from->libraryCount && !pv_stream_cancelled(s); i++) {
        const struct pv_object *library =
            pv_object_table_find_child(s->context->objects, device, VK_OBJECT_TYPE_PIPELINE,
                                       (uint64_t)(uintptr_t)from->pLibraries[i]);
        count += library ? ((const struct pv_pipeline *)library)->shader_group_count : 0;
    }
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

// Enters those of the pipelines that the driver made, with what their infos say.
static void enter_ray_tracing_pipelines(struct pv_stream *s,
                                        struct pv_cmd_vkCreateRayTracingPipelinesKHR *cmd)
{
    uint64_t i = 0;
    for (; i < cmd->pPipelines_count && !pv_stream_failed(s); i++) {
        struct pv_pipeline *pipeline = pv_object_new(s, sizeof(*pipeline), VK_OBJECT_TYPE_PIPELINE,
                                                     cmd->pPipelines_ids[i], 0, cmd->device_obj);
        if (!pipeline) {
            break;
        }
        pipeline->shader_group_count = shader_groups(s, cmd->device_obj, &cmd->pCreateInfos[i]);
        pv_stream_created_object(s, &pipeline->base, (uint64_t)(uintptr_t)cmd->pPipelines[i],
                                 cmd->device_obj);
    }
    for (; i < cmd->pPipelines_count; i++) {
        pv_device_functions_of(cmd->device_obj)
            ->vkDestroyPipeline(cmd->device, cmd->pPipelines[i], NULL);
    }
}

void pv_handle_vkCreateRayTracingPipelinesKHR(struct pv_stream *s,
                                              struct pv_cmd_vkCreateRayTracingPipelinesKHR *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkCreateRayTracingPipelinesKHR || cmd->deferredOperation) {
        pv_stream_fail(s, "the device cannot create ray tracing pipelines so");
        return;
    }
    if (!pv_stream_check_new_ids(s, cmd->pPipelines_ids, cmd->pPipelines_count)) {
        return;
    }
    for (uint32_t i = 0; i < cmd->createInfoCount; i++) {
        leave_feedback_out(&cmd->pCreateInfos[i]);
        if (!check_stages(s, cmd->pCreateInfos[i].pStages, cmd->pCreateInfos[i].stageCount)) {
            return;
        }
    }
    cmd->ret = vk->vkCreateRayTracingPipelinesKHR(cmd->device, VK_NULL_HANDLE, cmd->pipelineCache,
                                                  cmd->createInfoCount, cmd->pCreateInfos, NULL,
                                                  cmd->pPipelines);
    enter_ray_tracing_pipelines(s, cmd);
}

void pv_handle_vkCreateShaderModule(struct pv_stream *s, struct pv_cmd_vkCreateShaderModule *cmd)
{
    if (!check_code(s, cmd->pCreateInfo)) {
        return;
    }
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateShaderModule(cmd->device, cmd->pCreateInfo, NULL, cmd->pShaderModule);
    pv_stream_created(s, VK_OBJECT_TYPE_SHADER_MODULE, cmd->pShaderModule_id,
                      cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pShaderModule : 0,
                      cmd->device_obj);
}

// -- shader groups ------------------------------------------------------------------------------

// Drivers trust that the pipeline has these groups.
static bool groups_exist(struct pv_stream *s, const struct pv_object *pipeline, uint32_t first,
                         uint32_t count)
{
    const uint32_t groups = ((const struct pv_pipeline *)pipeline)->shader_group_count;
    if (first >= groups || count > groups - first) {
        pv_stream_fail(s, "the pipeline has fewer shader groups");
        return false;
    }
    return true;
}

// Drivers write groupCount handles and trust dataSize; the size of a handle is a property.
static bool handles_fit(struct pv_stream *s, const struct pv_object *device_obj, bool replay,
                        uint32_t group_count, uint64_t data_size)
{
    VkPhysicalDeviceRayTracingPipelinePropertiesKHR properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_PROPERTIES_KHR,
    };
    pv_device_query_properties(pv_device_of(device_obj), &properties);
    const uint64_t size =
        replay ? properties.shaderGroupHandleCaptureReplaySize : properties.shaderGroupHandleSize;
    if (!size || (uint64_t)group_count * size > data_size) {
        pv_stream_fail(s, "the shader group handles do not fit");
        return false;
    }
    return true;
}

void pv_handle_vkGetRayTracingShaderGroupHandlesKHR(
    struct pv_stream *s, struct pv_cmd_vkGetRayTracingShaderGroupHandlesKHR *cmd)
{
    if (groups_exist(s, cmd->pipeline_obj, cmd->firstGroup, cmd->groupCount) &&
        handles_fit(s, cmd->device_obj, false, cmd->groupCount, cmd->pData_count)) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkGetRayTracingShaderGroupHandlesKHR(cmd->device, cmd->pipeline,
                                                              cmd->firstGroup, cmd->groupCount,
                                                              cmd->pData_count, cmd->pData);
    }
}

void pv_handle_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR(
    struct pv_stream *s, struct pv_cmd_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR *cmd)
{
    if (groups_exist(s, cmd->pipeline_obj, cmd->firstGroup, cmd->groupCount) &&
        handles_fit(s, cmd->device_obj, true, cmd->groupCount, cmd->pData_count)) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkGetRayTracingCaptureReplayShaderGroupHandlesKHR(
                           cmd->device, cmd->pipeline, cmd->firstGroup, cmd->groupCount,
                           cmd->pData_count, cmd->pData);
    }
}

void pv_handle_vkGetRayTracingShaderGroupStackSizeKHR(
    struct pv_stream *s, struct pv_cmd_vkGetRayTracingShaderGroupStackSizeKHR *cmd)
{
    if (groups_exist(s, cmd->pipeline_obj, cmd->group, 1)) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkGetRayTracingShaderGroupStackSizeKHR(cmd->device, cmd->pipeline,
                                                                cmd->group, cmd->groupShader);
    }
}

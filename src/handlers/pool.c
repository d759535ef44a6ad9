// Pools: descriptor sets and command buffers live and die with them.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

#include <string.h>

// Checks what a "free" names: each belongs to the pool, none stands twice. NULL entries are fine.
static bool may_free(struct pv_stream *s, const struct pv_object *pool,
                     struct pv_object *const *objects, uint32_t count)
{
    uint64_t *ids = pv_stream_alloc(s, count + 1u, sizeof(*ids));
    uint32_t used = 0;
    for (uint32_t i = 0; ids && i < count; i++) {
        if (!objects[i]) {
            continue;
        }
        if (objects[i]->parent != pool) {
            pv_stream_fail(s, "an object to be freed belongs to another pool");
            return false;
        }
        ids[used++] = objects[i]->id;
    }
    return ids && pv_stream_check_distinct(s, ids, used);
}

// Takes the objects from the guest. Handles of those that another ring was first to take become
// VK_NULL_HANDLE, which the driver's "free" skips.
static void take(struct pv_stream *s, struct pv_object *const *objects, uint64_t *handles,
                 uint32_t count)
{
    struct pv_context *context = s->context;
    for (uint32_t i = 0; i < count; i++) {
        struct pv_object *removed =
            objects[i] ? pv_object_table_remove(context->objects, objects[i]) : NULL;
        handles[i] = removed ? removed->handle : 0;
        pv_stream_destroy_removed(s, removed);
    }
}

// -- descriptor set layouts -------------------------------------------------------------------

// Variable descriptor counts cannot be dynamic, so that sets have as many.
static uint32_t count_dynamic(const VkDescriptorSetLayoutCreateInfo *info)
{
    uint64_t count = 0;
    for (uint32_t i = 0; info->pBindings && i < info->bindingCount; i++) {
        const VkDescriptorSetLayoutBinding *binding = &info->pBindings[i];
        if (binding->descriptorType == VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC ||
            binding->descriptorType == VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC) {
            count += binding->descriptorCount;
        }
    }
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

void pv_handle_vkCreateDescriptorSetLayout(struct pv_stream *s,
                                           struct pv_cmd_vkCreateDescriptorSetLayout *cmd)
{
    struct pv_descriptors *layout =
        pv_object_new(s, sizeof(*layout), VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT, cmd->pSetLayout_id,
                      0, cmd->device_obj);
    if (!layout) {
        return;
    }
    layout->dynamic_count = count_dynamic(cmd->pCreateInfo);
    cmd->ret =
        pv_device_functions_of(cmd->device_obj)
            ->vkCreateDescriptorSetLayout(cmd->device, cmd->pCreateInfo, NULL, cmd->pSetLayout);
    pv_stream_created_object(s, &layout->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pSetLayout : 0,
                             cmd->device_obj);
}

// -- descriptor pools ------------------------------------------------------------------------

void pv_handle_vkCreateDescriptorPool(struct pv_stream *s,
                                      struct pv_cmd_vkCreateDescriptorPool *cmd)
{
    cmd->ret =
        pv_device_functions_of(cmd->device_obj)
            ->vkCreateDescriptorPool(cmd->device, cmd->pCreateInfo, NULL, cmd->pDescriptorPool);
    pv_stream_created(s, VK_OBJECT_TYPE_DESCRIPTOR_POOL, cmd->pDescriptorPool_id,
                      cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pDescriptorPool : 0,
                      cmd->device_obj);
}

void pv_handle_vkDestroyDescriptorPool(struct pv_stream *s,
                                       struct pv_cmd_vkDestroyDescriptorPool *cmd)
{
    pv_stream_destroy(s, cmd->descriptorPool_obj);
}

void pv_handle_vkResetDescriptorPool(struct pv_stream *s, struct pv_cmd_vkResetDescriptorPool *cmd)
{
    pv_stream_destroy_removed(
        s, pv_object_table_remove_children(s->context->objects, cmd->descriptorPool_obj));
    cmd->ret = VK_SUCCESS;
    if (cmd->descriptorPool) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkResetDescriptorPool(cmd->device, cmd->descriptorPool, cmd->flags);
    }
}

void pv_handle_vkAllocateDescriptorSets(struct pv_stream *s,
                                        struct pv_cmd_vkAllocateDescriptorSets *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    const uint64_t count = cmd->pDescriptorSets_count;
    struct pv_object *pool_obj = s->decoder.pool;
    struct pv_object *const *layouts = s->decoder.set_layouts;
    if (!pool_obj || count != cmd->pAllocateInfo->descriptorSetCount || (count && !layouts)) {
        pv_stream_fail(s, "an allocation needs a pool and as many ids as sets");
        return;
    }
    if (!pv_stream_check_new_ids(s, cmd->pDescriptorSets_ids, count)) {
        return;
    }
    cmd->ret = vk->vkAllocateDescriptorSets(cmd->device, cmd->pAllocateInfo, cmd->pDescriptorSets);
    if (cmd->ret != VK_SUCCESS) {
        memset(cmd->pDescriptorSets, 0, count * sizeof(*cmd->pDescriptorSets));
        pv_stream_poison_ids(s, VK_OBJECT_TYPE_DESCRIPTOR_SET, cmd->pDescriptorSets_ids, count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct pv_descriptors *set = pv_object_new(
            s, sizeof(*set), VK_OBJECT_TYPE_DESCRIPTOR_SET, cmd->pDescriptorSets_ids[i],
            (uint64_t)(uintptr_t)cmd->pDescriptorSets[i], cmd->device_obj);
        // Sets that cannot be entered go with the pool, together with the failed context.
        if (!set) {
            return;
        }
        set->dynamic_count = ((const struct pv_descriptors *)layouts[i])->dynamic_count;
        if (!pv_object_publish(s, &set->base, pool_obj)) {
            return;
        }
    }
}

void pv_handle_vkFreeDescriptorSets(struct pv_stream *s, struct pv_cmd_vkFreeDescriptorSets *cmd)
{
    cmd->ret = VK_SUCCESS;
    if (cmd->descriptorSetCount && !cmd->pDescriptorSets) {
        pv_stream_fail(s, "the sets to be freed are missing");
        return;
    }
    if (!may_free(s, cmd->descriptorPool_obj, cmd->pDescriptorSets_objs, cmd->descriptorSetCount)) {
        return;
    }
    uint64_t *handles = pv_stream_alloc(s, cmd->descriptorSetCount, sizeof(*handles));
    if (!handles) {
        return;
    }
    take(s, cmd->pDescriptorSets_objs, handles, cmd->descriptorSetCount);
    if (cmd->descriptorPool) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkFreeDescriptorSets(cmd->device, cmd->descriptorPool,
                                              cmd->descriptorSetCount, (VkDescriptorSet *)handles);
    }
}

// -- command pools ---------------------------------------------------------------------------

void pv_handle_vkCreateCommandPool(struct pv_stream *s, struct pv_cmd_vkCreateCommandPool *cmd)
{
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateCommandPool(cmd->device, cmd->pCreateInfo, NULL, cmd->pCommandPool);
    pv_stream_created(s, VK_OBJECT_TYPE_COMMAND_POOL, cmd->pCommandPool_id,
                      cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pCommandPool : 0,
                      cmd->device_obj);
}

void pv_handle_vkDestroyCommandPool(struct pv_stream *s, struct pv_cmd_vkDestroyCommandPool *cmd)
{
    pv_stream_destroy(s, cmd->commandPool_obj);
}

void pv_handle_vkResetCommandPool(struct pv_stream *s, struct pv_cmd_vkResetCommandPool *cmd)
{
    (void)s;
    cmd->ret = VK_SUCCESS;
    if (cmd->commandPool) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkResetCommandPool(cmd->device, cmd->commandPool, cmd->flags);
    }
}

void pv_handle_vkAllocateCommandBuffers(struct pv_stream *s,
                                        struct pv_cmd_vkAllocateCommandBuffers *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    const uint64_t count = cmd->pCommandBuffers_count;
    struct pv_object *pool_obj = s->decoder.pool;
    if (!pool_obj || count != cmd->pAllocateInfo->commandBufferCount) {
        pv_stream_fail(s, "an allocation needs a pool and as many ids as command buffers");
        return;
    }
    if (!pv_stream_check_new_ids(s, cmd->pCommandBuffers_ids, count)) {
        return;
    }
    cmd->ret = vk->vkAllocateCommandBuffers(cmd->device, cmd->pAllocateInfo, cmd->pCommandBuffers);
    if (cmd->ret != VK_SUCCESS) {
        memset(cmd->pCommandBuffers, 0, count * sizeof(*cmd->pCommandBuffers));
        pv_stream_poison_ids(s, VK_OBJECT_TYPE_COMMAND_BUFFER, cmd->pCommandBuffers_ids, count);
        return;
    }
    (void)pv_stream_created_in_pool(s, VK_OBJECT_TYPE_COMMAND_BUFFER, cmd->pCommandBuffers_ids,
                                    (const uint64_t *)cmd->pCommandBuffers, count, pool_obj);
}

void pv_handle_vkFreeCommandBuffers(struct pv_stream *s, struct pv_cmd_vkFreeCommandBuffers *cmd)
{
    if (cmd->commandBufferCount && !cmd->pCommandBuffers) {
        pv_stream_fail(s, "the command buffers to be freed are missing");
        return;
    }
    if (!may_free(s, cmd->commandPool_obj, cmd->pCommandBuffers_objs, cmd->commandBufferCount)) {
        return;
    }
    uint64_t *handles = pv_stream_alloc(s, cmd->commandBufferCount, sizeof(*handles));
    if (!handles) {
        return;
    }
    take(s, cmd->pCommandBuffers_objs, handles, cmd->commandBufferCount);
    if (cmd->commandPool) {
        pv_device_functions_of(cmd->device_obj)
            ->vkFreeCommandBuffers(cmd->device, cmd->commandPool, cmd->commandBufferCount,
                                   (VkCommandBuffer *)handles);
    }
}

// -- recording -------------------------------------------------------------------------------

// Guests record without waiting for results: what follows must not reach a command buffer that is
// not in the recording state, nor a queue one that is not complete.
static void poison_if_failed(struct pv_object *command_buffer, VkResult result)
{
    if (result != VK_SUCCESS) {
        pv_stream_poison_command_buffer(command_buffer);
    }
}

void pv_handle_vkBeginCommandBuffer(struct pv_stream *s, struct pv_cmd_vkBeginCommandBuffer *cmd)
{
    if (!cmd->commandBuffer) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    pv_stream_heal_command_buffer(cmd->commandBuffer_obj);
    struct pv_command_buffer *recorded = (struct pv_command_buffer *)cmd->commandBuffer_obj;
    atomic_store_explicit(&recorded->subpasses_left, 0, memory_order_relaxed);
    if (s->decoder.poisoned && cmd->pBeginInfo->pInheritanceInfo &&
        cmd->pBeginInfo->pInheritanceInfo->renderPass == VK_NULL_HANDLE &&
        cmd->pBeginInfo->flags & VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT) {
        // Inherits from what the driver refused to create.
        pv_stream_poison_command_buffer(cmd->commandBuffer_obj);
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    cmd->ret = pv_device_functions_of(cmd->commandBuffer_obj)
                   ->vkBeginCommandBuffer(cmd->commandBuffer, cmd->pBeginInfo);
    poison_if_failed(cmd->commandBuffer_obj, cmd->ret);
}

void pv_handle_vkEndCommandBuffer(struct pv_stream *s, struct pv_cmd_vkEndCommandBuffer *cmd)
{
    (void)s;
    cmd->ret =
        pv_device_functions_of(cmd->commandBuffer_obj)->vkEndCommandBuffer(cmd->commandBuffer);
    poison_if_failed(cmd->commandBuffer_obj, cmd->ret);
}

void pv_handle_vkResetCommandBuffer(struct pv_stream *s, struct pv_cmd_vkResetCommandBuffer *cmd)
{
    (void)s;
    if (!cmd->commandBuffer) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    cmd->ret = pv_device_functions_of(cmd->commandBuffer_obj)
                   ->vkResetCommandBuffer(cmd->commandBuffer, cmd->flags);
}

// Giving objects their memory and descriptor sets their contents. When these commands are skipped
// because the driver refused to create something they name, the object that misses it looks whole
// to everything that follows: the device counts as lost from then on.
#include "handlers/chain.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

// True when the command must not run.
static bool is_skipped(struct pv_stream *s, const struct pv_object *device_obj)
{
    if (s->decoder.poisoned) {
        pv_stream_lose_device(s, pv_device_of(device_obj),
                              "it names what the driver refused to create");
    }
    return s->decoder.poisoned;
}

void pv_handle_vkBindBufferMemory(struct pv_stream *s, struct pv_cmd_vkBindBufferMemory *cmd)
{
    cmd->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!is_skipped(s, cmd->device_obj)) {
        cmd->ret =
            pv_device_functions_of(cmd->device_obj)
                ->vkBindBufferMemory(cmd->device, cmd->buffer, cmd->memory, cmd->memoryOffset);
    }
}

void pv_handle_vkBindImageMemory(struct pv_stream *s, struct pv_cmd_vkBindImageMemory *cmd)
{
    cmd->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!is_skipped(s, cmd->device_obj)) {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkBindImageMemory(cmd->device, cmd->image, cmd->memory, cmd->memoryOffset);
    }
}

void pv_handle_vkBindBufferMemory2(struct pv_stream *s, struct pv_cmd_vkBindBufferMemory2 *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    cmd->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!vk->vkBindBufferMemory2) {
        pv_stream_fail_missing(s);
    } else if (!is_skipped(s, cmd->device_obj)) {
        cmd->ret = vk->vkBindBufferMemory2(cmd->device, cmd->bindInfoCount, cmd->pBindInfos);
    }
}

void pv_handle_vkBindImageMemory2(struct pv_stream *s, struct pv_cmd_vkBindImageMemory2 *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    cmd->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!vk->vkBindImageMemory2) {
        pv_stream_fail_missing(s);
    } else if (!is_skipped(s, cmd->device_obj)) {
        cmd->ret = vk->vkBindImageMemory2(cmd->device, cmd->bindInfoCount, cmd->pBindInfos);
    }
}

// -- descriptors -----------------------------------------------------------------------------

static bool inline_data_is_there(const VkWriteDescriptorSet *write)
{
    const VkWriteDescriptorSetInlineUniformBlock *block =
        pv_chain_find(write, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK);
    return block && block->pData && block->dataSize == write->descriptorCount;
}

static bool structures_are_there(const VkWriteDescriptorSet *write)
{
    const VkWriteDescriptorSetAccelerationStructureKHR *structures =
        pv_chain_find(write, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_ACCELERATION_STRUCTURE_KHR);
    return structures && structures->pAccelerationStructures &&
           structures->accelerationStructureCount == write->descriptorCount;
}

// Guests send only the array that the type needs, and a driver reads that one without looking.
static bool write_is_whole(const VkWriteDescriptorSet *write)
{
    if (write->descriptorCount == 0) {
        return true;
    }
    switch ((int)write->descriptorType) {
    case VK_DESCRIPTOR_TYPE_SAMPLER:
    case VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER:
    case VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE:
    case VK_DESCRIPTOR_TYPE_STORAGE_IMAGE:
    case VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT:
        return write->pImageInfo;
    case VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER:
    case VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER:
        return write->pTexelBufferView;
    case VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER:
    case VK_DESCRIPTOR_TYPE_STORAGE_BUFFER:
    case VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC:
    case VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC:
        return write->pBufferInfo;
    case VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK:
        return inline_data_is_there(write);
    case VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR:
        return structures_are_there(write);
    default:
        return true;
    }
}

static bool check_writes(struct pv_stream *s, const VkWriteDescriptorSet *writes, uint32_t count)
{
    for (uint32_t i = 0; writes && i < count; i++) {
        if (!write_is_whole(&writes[i])) {
            pv_stream_fail(s, "a descriptor is written without its contents");
            return false;
        }
    }
    return true;
}

void pv_handle_vkUpdateDescriptorSets(struct pv_stream *s,
                                      struct pv_cmd_vkUpdateDescriptorSets *cmd)
{
    if (!is_skipped(s, cmd->device_obj) &&
        check_writes(s, cmd->pDescriptorWrites, cmd->descriptorWriteCount)) {
        pv_device_functions_of(cmd->device_obj)
            ->vkUpdateDescriptorSets(cmd->device, cmd->descriptorWriteCount, cmd->pDescriptorWrites,
                                     cmd->descriptorCopyCount, cmd->pDescriptorCopies);
    }
}

void pv_handle_vkCmdPushDescriptorSet(struct pv_stream *s,
                                      struct pv_cmd_vkCmdPushDescriptorSet *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->commandBuffer_obj);
    if (!vk->vkCmdPushDescriptorSet) {
        pv_stream_fail_missing(s);
    } else if (check_writes(s, cmd->pDescriptorWrites, cmd->descriptorWriteCount)) {
        vk->vkCmdPushDescriptorSet(cmd->commandBuffer, cmd->pipelineBindPoint, cmd->layout,
                                   cmd->set, cmd->descriptorWriteCount, cmd->pDescriptorWrites);
    }
}

#ifdef VK_KHR_maintenance6
void pv_handle_vkCmdPushDescriptorSet2(struct pv_stream *s,
                                       struct pv_cmd_vkCmdPushDescriptorSet2 *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->commandBuffer_obj);
    const VkPushDescriptorSetInfoKHR *info = cmd->pPushDescriptorSetInfo;
    if (!vk->vkCmdPushDescriptorSet2) {
        pv_stream_fail_missing(s);
    } else if (check_writes(s, info->pDescriptorWrites, info->descriptorWriteCount)) {
        vk->vkCmdPushDescriptorSet2(cmd->commandBuffer, info);
    }
}
#endif

// VK_EXT_descriptor_heap where the driver writes to memory. Writing descriptors: private commands
// with one descriptor each, returned inline; the driver writes as many bytes as the descriptor's
// type has.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

#ifdef VK_EXT_descriptor_heap

// False, and the stream failed, unless a descriptor of this type fits into `size` bytes.
static bool check_size(struct pv_stream *s, const struct pv_object *device_obj,
                       VkDescriptorType type, uint64_t size)
{
    const struct pv_instance_functions *vk = pv_stream_instance_functions(s);
    uint64_t needed = 0;
    if (vk->vkGetPhysicalDeviceDescriptorSizeEXT) {
        needed = vk->vkGetPhysicalDeviceDescriptorSizeEXT(pv_device_of(device_obj)->physical_device,
                                                          type);
    }
    if (needed == 0 || needed > size) {
        pv_stream_fail(s, "a descriptor does not fit into its data");
        return false;
    }
    return true;
}

void pv_handle_vkWriteSamplerDescriptorMESA(struct pv_stream *s,
                                            struct pv_cmd_vkWriteSamplerDescriptorMESA *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkWriteSamplerDescriptorsEXT) {
        pv_stream_fail_missing(s);
        return;
    }
    if (check_size(s, cmd->device_obj, VK_DESCRIPTOR_TYPE_SAMPLER, cmd->pData_count)) {
        const VkHostAddressRangeEXT to = {.address = cmd->pData, .size = cmd->pData_count};
        cmd->ret = vk->vkWriteSamplerDescriptorsEXT(cmd->device, 1, cmd->pSampler, &to);
    }
}

void pv_handle_vkWriteResourceDescriptorMESA(struct pv_stream *s,
                                             struct pv_cmd_vkWriteResourceDescriptorMESA *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkWriteResourceDescriptorsEXT) {
        pv_stream_fail_missing(s);
        return;
    }
    if (check_size(s, cmd->device_obj, cmd->pResource->type, cmd->pData_count)) {
        const VkHostAddressRangeEXT to = {.address = cmd->pData, .size = cmd->pData_count};
        cmd->ret = vk->vkWriteResourceDescriptorsEXT(cmd->device, 1, cmd->pResource, &to);
    }
}

// Drivers write as many bytes as the property says, whatever the guest has room for.
void pv_handle_vkGetImageOpaqueCaptureDataEXT(struct pv_stream *s,
                                              struct pv_cmd_vkGetImageOpaqueCaptureDataEXT *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkGetImageOpaqueCaptureDataEXT) {
        pv_stream_fail_missing(s);
        return;
    }
    VkPhysicalDeviceDescriptorHeapPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_HEAP_PROPERTIES_EXT,
    };
    pv_device_query_properties(pv_device_of(cmd->device_obj), &properties);
    for (uint32_t i = 0; i < cmd->imageCount; i++) {
        if (cmd->pDatas[i].size < properties.imageCaptureReplayOpaqueDataSize) {
            pv_stream_fail(s, "an image's captured data does not fit");
            return;
        }
    }
    cmd->ret =
        vk->vkGetImageOpaqueCaptureDataEXT(cmd->device, cmd->imageCount, cmd->pImages, cmd->pDatas);
}

#else // the extension cannot be offered

void pv_handle_vkWriteSamplerDescriptorMESA(struct pv_stream *s,
                                            struct pv_cmd_vkWriteSamplerDescriptorMESA *cmd)
{
    (void)cmd;
    pv_stream_fail(s, "this build does not know descriptor heaps");
}

#endif

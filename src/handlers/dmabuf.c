#include "handlers/dmabuf.h"

#include "handlers/chain.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"
#include "handlers/physical_device.h"

#define DRM_FORMAT_MOD_LINEAR 0

static bool emulates(const struct pv_host_device *host)
{
    return host->emulations & PV_EMULATE_DMABUF;
}

// With modifiers of its own the driver answers about them itself.
static bool emulates_modifiers(const struct pv_host_device *host)
{
    return emulates(host) && !pv_device_facts_find_extension(
                                 &host->facts, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME);
}

void pv_dmabuf_format_properties(const struct pv_host_device *host, VkFormatProperties2 *properties)
{
    if (!emulates_modifiers(host)) {
        return;
    }
    const VkFormatFeatureFlags features = properties->formatProperties.linearTilingFeatures;
    const uint32_t count = features ? 1 : 0;
    VkDrmFormatModifierPropertiesListEXT *list =
        pv_chain_find(properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
    if (list) {
        if (list->pDrmFormatModifierProperties && list->drmFormatModifierCount && count) {
            list->pDrmFormatModifierProperties[0] = (VkDrmFormatModifierPropertiesEXT){
                .drmFormatModifier = DRM_FORMAT_MOD_LINEAR,
                .drmFormatModifierPlaneCount = 1,
                .drmFormatModifierTilingFeatures = features,
            };
            list->drmFormatModifierCount = 1;
        } else {
            list->drmFormatModifierCount = list->pDrmFormatModifierProperties ? 0 : count;
        }
    }
    VkDrmFormatModifierPropertiesList2EXT *list2 =
        pv_chain_find(properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT);
    if (list2) {
        if (list2->pDrmFormatModifierProperties && list2->drmFormatModifierCount && count) {
            list2->pDrmFormatModifierProperties[0] = (VkDrmFormatModifierProperties2EXT){
                .drmFormatModifier = DRM_FORMAT_MOD_LINEAR,
                .drmFormatModifierPlaneCount = 1,
                .drmFormatModifierTilingFeatures = features,
            };
            list2->drmFormatModifierCount = 1;
        } else {
            list2->drmFormatModifierCount = list2->pDrmFormatModifierProperties ? 0 : count;
        }
    }
}

bool pv_dmabuf_begin_image_query(const struct pv_host_device *host,
                                 const VkPhysicalDeviceImageFormatInfo2 *info,
                                 struct pv_dmabuf_image_query *query)
{
    *query = (struct pv_dmabuf_image_query){.info = *info};
    if (!emulates(host)) {
        return true;
    }
    const VkPhysicalDeviceExternalImageFormatInfo *external =
        pv_chain_find(info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
    if (external && external->handleType == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT) {
        query->external = true;
        pv_chain_remove(&query->info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
    }
    if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT && emulates_modifiers(host)) {
        const VkPhysicalDeviceImageDrmFormatModifierInfoEXT *modifier = pv_chain_find(
            info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
        if (!modifier || modifier->drmFormatModifier != DRM_FORMAT_MOD_LINEAR) {
            return false;
        }
        pv_chain_remove(&query->info,
                        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
        query->info.tiling = VK_IMAGE_TILING_LINEAR;
    }
    return true;
}

static void shareable(VkExternalMemoryProperties *properties)
{
    *properties = (VkExternalMemoryProperties){
        .externalMemoryFeatures =
            VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT,
        .exportFromImportedHandleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
        .compatibleHandleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
}

void pv_dmabuf_end_image_query(const struct pv_dmabuf_image_query *query,
                               VkImageFormatProperties2 *properties)
{
    VkExternalImageFormatProperties *external =
        pv_chain_find(properties, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
    if (query->external && external) {
        shareable(&external->externalMemoryProperties);
    }
}

bool pv_dmabuf_buffer_properties(const struct pv_host_device *host,
                                 const VkPhysicalDeviceExternalBufferInfo *info,
                                 VkExternalBufferProperties *properties)
{
    if (!emulates(host) || info->handleType != VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT) {
        return false;
    }
    shareable(&properties->externalMemoryProperties);
    return true;
}

static bool lists_linear(const VkImageDrmFormatModifierListCreateInfoEXT *list)
{
    for (uint32_t i = 0; list && i < list->drmFormatModifierCount; i++) {
        if (list->pDrmFormatModifiers[i] == DRM_FORMAT_MOD_LINEAR) {
            return true;
        }
    }
    return false;
}

bool pv_dmabuf_image(const struct pv_host_device *host, VkImageCreateInfo *info, uint64_t *pitch)
{
    *pitch = 0;
    if (!emulates_modifiers(host) || info->tiling != VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
        return true;
    }
    const VkImageDrmFormatModifierListCreateInfoEXT *list =
        pv_chain_find(info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
    const VkImageDrmFormatModifierExplicitCreateInfoEXT *explicit =
        pv_chain_find(info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
    const bool linear = explicit && explicit->drmFormatModifier == DRM_FORMAT_MOD_LINEAR &&
                        explicit->drmFormatModifierPlaneCount == 1 && explicit->pPlaneLayouts;
    if (!linear && !lists_linear(list)) {
        return false;
    }
    if (linear) {
        *pitch = explicit->pPlaneLayouts[0].rowPitch;
    }
    pv_chain_remove(info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
    pv_chain_remove(info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
    info->tiling = VK_IMAGE_TILING_LINEAR;
    return true;
}

// -- the commands ----------------------------------------------------------------------------

static const struct pv_host_device *host_of(const struct pv_object *physical_device)
{
    return ((const struct pv_physical_device *)physical_device)->host;
}

void pv_handle_vkGetPhysicalDeviceFormatProperties2(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceFormatProperties2 *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceFormatProperties2(
        cmd->physicalDevice, cmd->format, cmd->pFormatProperties);
    pv_dmabuf_format_properties(host_of(cmd->physicalDevice_obj), cmd->pFormatProperties);
}

void pv_handle_vkGetPhysicalDeviceImageFormatProperties2(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceImageFormatProperties2 *cmd)
{
    const struct pv_host_device *host = host_of(cmd->physicalDevice_obj);
    const VkPhysicalDeviceImageFormatInfo2 *info = cmd->pImageFormatInfo;
    struct pv_dmabuf_image_query query;
    if (pv_guest_lacks_image(host, info->tiling, info->flags) ||
        !pv_dmabuf_begin_image_query(host, info, &query)) {
        cmd->ret = VK_ERROR_FORMAT_NOT_SUPPORTED;
        return;
    }
    cmd->ret = pv_stream_instance_functions(s)->vkGetPhysicalDeviceImageFormatProperties2(
        cmd->physicalDevice, &query.info, cmd->pImageFormatProperties);
    if (cmd->ret == VK_SUCCESS) {
        pv_dmabuf_end_image_query(&query, cmd->pImageFormatProperties);
    }
}

void pv_handle_vkGetImageDrmFormatModifierPropertiesEXT(
    struct pv_stream *s, struct pv_cmd_vkGetImageDrmFormatModifierPropertiesEXT *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (emulates_modifiers(device->host)) {
        cmd->pProperties->drmFormatModifier = DRM_FORMAT_MOD_LINEAR;
        cmd->ret = VK_SUCCESS;
    } else if (device->vk->vkGetImageDrmFormatModifierPropertiesEXT) {
        cmd->ret = device->vk->vkGetImageDrmFormatModifierPropertiesEXT(cmd->device, cmd->image,
                                                                        cmd->pProperties);
    } else {
        pv_stream_fail_missing(s);
    }
}

// The only memory plane of a linear image is its only aspect.
static VkImageAspectFlags aspect_of(const struct pv_device *device, VkImageAspectFlags aspect)
{
    return emulates_modifiers(device->host) && aspect == VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT
               ? VK_IMAGE_ASPECT_COLOR_BIT
               : aspect;
}

void pv_handle_vkGetImageSubresourceLayout(struct pv_stream *s,
                                           struct pv_cmd_vkGetImageSubresourceLayout *cmd)
{
    (void)s;
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    VkImageSubresource subresource = *cmd->pSubresource;
    subresource.aspectMask = aspect_of(device, subresource.aspectMask);
    device->vk->vkGetImageSubresourceLayout(cmd->device, cmd->image, &subresource, cmd->pLayout);
}

// -- barriers --------------------------------------------------------------------------------

// Nobody foreign sees memory that only stands in for a dma-buf: such a transfer is one to an
// external queue of the same driver, which every device of Vulkan 1.1 knows.
static uint32_t family_of(uint32_t family)
{
    return family == VK_QUEUE_FAMILY_FOREIGN_EXT ? VK_QUEUE_FAMILY_EXTERNAL : family;
}

void pv_handle_vkCmdPipelineBarrier(struct pv_stream *s, struct pv_cmd_vkCmdPipelineBarrier *cmd)
{
    (void)s;
    const struct pv_device *device = pv_device_of(cmd->commandBuffer_obj);
    if (!device->foreign_queue_family) {
        VkBufferMemoryBarrier *buffers = (VkBufferMemoryBarrier *)cmd->pBufferMemoryBarriers;
        for (uint32_t i = 0; buffers && i < cmd->bufferMemoryBarrierCount; i++) {
            buffers[i].srcQueueFamilyIndex = family_of(buffers[i].srcQueueFamilyIndex);
            buffers[i].dstQueueFamilyIndex = family_of(buffers[i].dstQueueFamilyIndex);
        }
        VkImageMemoryBarrier *images = (VkImageMemoryBarrier *)cmd->pImageMemoryBarriers;
        for (uint32_t i = 0; images && i < cmd->imageMemoryBarrierCount; i++) {
            images[i].srcQueueFamilyIndex = family_of(images[i].srcQueueFamilyIndex);
            images[i].dstQueueFamilyIndex = family_of(images[i].dstQueueFamilyIndex);
        }
    }
    device->vk->vkCmdPipelineBarrier(
        cmd->commandBuffer, cmd->srcStageMask, cmd->dstStageMask, cmd->dependencyFlags,
        cmd->memoryBarrierCount, cmd->pMemoryBarriers, cmd->bufferMemoryBarrierCount,
        cmd->pBufferMemoryBarriers, cmd->imageMemoryBarrierCount, cmd->pImageMemoryBarriers);
}

void pv_handle_vkCmdPipelineBarrier2(struct pv_stream *s, struct pv_cmd_vkCmdPipelineBarrier2 *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->commandBuffer_obj);
    if (!device->vk->vkCmdPipelineBarrier2) {
        pv_stream_fail_missing(s);
        return;
    }
    if (!device->foreign_queue_family) {
        const VkDependencyInfo *info = cmd->pDependencyInfo;
        VkBufferMemoryBarrier2 *buffers = (VkBufferMemoryBarrier2 *)info->pBufferMemoryBarriers;
        for (uint32_t i = 0; buffers && i < info->bufferMemoryBarrierCount; i++) {
            buffers[i].srcQueueFamilyIndex = family_of(buffers[i].srcQueueFamilyIndex);
            buffers[i].dstQueueFamilyIndex = family_of(buffers[i].dstQueueFamilyIndex);
        }
        VkImageMemoryBarrier2 *images = (VkImageMemoryBarrier2 *)info->pImageMemoryBarriers;
        for (uint32_t i = 0; images && i < info->imageMemoryBarrierCount; i++) {
            images[i].srcQueueFamilyIndex = family_of(images[i].srcQueueFamilyIndex);
            images[i].dstQueueFamilyIndex = family_of(images[i].dstQueueFamilyIndex);
        }
    }
    device->vk->vkCmdPipelineBarrier2(cmd->commandBuffer, cmd->pDependencyInfo);
}

// What guests are told about the host's devices: the driver's own words, less what the protocol
// cannot carry and what the guest could not use, plus what the renderer emulates.
#include "handlers/physical_device.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"
#include "protocol/extensions.h"

#include <string.h>

static const struct pv_host_device *host_of(const struct pv_object *physical_device)
{
    return ((const struct pv_physical_device *)physical_device)->host;
}

// -- extensions ------------------------------------------------------------------------------

// Extensions that stand for something the renderer does itself, with the emulation that does it.
static const struct {
    const char *name;
    uint32_t emulation;
} emulated[] = {
    {VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME, PV_EMULATE_SYNC_FD},
    {VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, PV_EMULATE_SYNC_FD},
    {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, PV_EMULATE_DMABUF},
    {VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, PV_EMULATE_DMABUF},
    {VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME, PV_EMULATE_DMABUF},
    {VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME, PV_EMULATE_DMABUF},
};

bool pv_extension_is_emulated(const struct pv_host_device *host, const char *name)
{
    for (size_t i = 0; i < sizeof(emulated) / sizeof(emulated[0]); i++) {
        if (strcmp(emulated[i].name, name) == 0) {
            return host->emulations & emulated[i].emulation;
        }
    }
    return false;
}

// dma-buf sharing that the driver announces and cannot do would only mislead the guest.
static bool works_on_host(const struct pv_host_device *host, const char *name)
{
    if (strcmp(name, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME) == 0) {
        return host->facts.memory.dmabuf_export_types != 0;
    }
    return true;
}

uint32_t pv_guest_extensions(const struct pv_host_device *host,
                             const struct pv_extension_list *available,
                             VkExtensionProperties *properties, uint32_t capacity)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pv_extension_count; i++) {
        const struct pv_extension *extension = &pv_extensions[i];
        const VkExtensionProperties *found = pv_extension_list_find(available, extension->name);
        if (!extension->offered || !((found && works_on_host(host, extension->name)) ||
                                     pv_extension_is_emulated(host, extension->name))) {
            continue;
        }
        if (properties && count < capacity) {
            VkExtensionProperties *out = &properties[count];
            memcpy(out->extensionName, extension->name, strlen(extension->name) + 1);
            out->specVersion = found && found->specVersion < extension->spec_version
                                   ? found->specVersion
                                   : extension->spec_version;
        }
        count++;
    }
    return count;
}

void pv_handle_vkEnumerateDeviceExtensionProperties(
    struct pv_stream *s, struct pv_cmd_vkEnumerateDeviceExtensionProperties *cmd)
{
    if (cmd->pLayerName) {
        pv_stream_fail(s, "guests have no layers on the host");
        return;
    }
    const uint32_t capacity = cmd->pProperties ? (uint32_t)cmd->pProperties_count : 0;
    struct pv_extension_list available;
    if (!pv_extension_list_init(&available, pv_stream_instance_functions(s), cmd->physicalDevice)) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    const uint32_t count = pv_guest_extensions(host_of(cmd->physicalDevice_obj), &available,
                                               cmd->pProperties, capacity);
    pv_extension_list_finish(&available);
    cmd->ret = cmd->pProperties && capacity < count ? VK_INCOMPLETE : VK_SUCCESS;
    *cmd->pPropertyCount = cmd->pProperties && capacity < count ? capacity : count;
}

// -- features --------------------------------------------------------------------------------

// Sparse binding that would silently have no effect is not offered.
static void hide_sparse(const struct pv_host_device *host, VkPhysicalDeviceFeatures *features)
{
    if (host->choice.sparse_types) {
        return;
    }
    features->sparseBinding = VK_FALSE;
    features->sparseResidencyBuffer = VK_FALSE;
    features->sparseResidencyImage2D = VK_FALSE;
    features->sparseResidencyImage3D = VK_FALSE;
    features->sparseResidency2Samples = VK_FALSE;
    features->sparseResidency4Samples = VK_FALSE;
    features->sparseResidency8Samples = VK_FALSE;
    features->sparseResidency16Samples = VK_FALSE;
    features->sparseResidencyAliased = VK_FALSE;
}

void pv_handle_vkGetPhysicalDeviceFeatures(struct pv_stream *s,
                                           struct pv_cmd_vkGetPhysicalDeviceFeatures *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceFeatures(cmd->physicalDevice,
                                                                 cmd->pFeatures);
    hide_sparse(host_of(cmd->physicalDevice_obj), cmd->pFeatures);
}

void pv_handle_vkGetPhysicalDeviceFeatures2(struct pv_stream *s,
                                            struct pv_cmd_vkGetPhysicalDeviceFeatures2 *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceFeatures2(cmd->physicalDevice,
                                                                  cmd->pFeatures);
    hide_sparse(host_of(cmd->physicalDevice_obj), &cmd->pFeatures->features);
}

bool pv_guest_lacks_image(const struct pv_host_device *host, VkImageTiling tiling,
                          VkImageCreateFlags flags)
{
    return (flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT) && tiling == VK_IMAGE_TILING_LINEAR &&
           !host->choice.sparse_linear;
}

void pv_handle_vkGetPhysicalDeviceImageFormatProperties(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceImageFormatProperties *cmd)
{
    if (pv_guest_lacks_image(host_of(cmd->physicalDevice_obj), cmd->tiling, cmd->flags)) {
        cmd->ret = VK_ERROR_FORMAT_NOT_SUPPORTED;
        return;
    }
    cmd->ret = pv_stream_instance_functions(s)->vkGetPhysicalDeviceImageFormatProperties(
        cmd->physicalDevice, cmd->format, cmd->type, cmd->tiling, cmd->usage, cmd->flags,
        cmd->pImageFormatProperties);
}

// -- properties ------------------------------------------------------------------------------

uint32_t pv_guest_api_version(uint32_t host_version)
{
    const uint32_t ours = VK_MAKE_API_VERSION(0, VK_API_VERSION_MAJOR(pv_registry_version),
                                              VK_API_VERSION_MINOR(pv_registry_version), 0xfff);
    return host_version < ours ? host_version : pv_registry_version;
}

void pv_handle_vkGetPhysicalDeviceProperties(struct pv_stream *s,
                                             struct pv_cmd_vkGetPhysicalDeviceProperties *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceProperties(cmd->physicalDevice,
                                                                   cmd->pProperties);
    cmd->pProperties->apiVersion = pv_guest_api_version(cmd->pProperties->apiVersion);
}

void pv_handle_vkGetPhysicalDeviceProperties2(struct pv_stream *s,
                                              struct pv_cmd_vkGetPhysicalDeviceProperties2 *cmd)
{
    VkPhysicalDeviceProperties *properties = &cmd->pProperties->properties;
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceProperties2(cmd->physicalDevice,
                                                                    cmd->pProperties);
    properties->apiVersion = pv_guest_api_version(properties->apiVersion);
}

void pv_handle_vkGetPhysicalDeviceMemoryProperties(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceMemoryProperties *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceMemoryProperties(cmd->physicalDevice,
                                                                         cmd->pMemoryProperties);
    pv_blob_choice_show(&host_of(cmd->physicalDevice_obj)->choice, cmd->pMemoryProperties);
}

void pv_handle_vkGetPhysicalDeviceMemoryProperties2(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceMemoryProperties2 *cmd)
{
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceMemoryProperties2(cmd->physicalDevice,
                                                                          cmd->pMemoryProperties);
    pv_blob_choice_show(&host_of(cmd->physicalDevice_obj)->choice,
                        &cmd->pMemoryProperties->memoryProperties);
}

// -- external payloads -----------------------------------------------------------------------

void pv_handle_vkGetPhysicalDeviceExternalFenceProperties(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceExternalFenceProperties *cmd)
{
    if (cmd->pExternalFenceInfo->handleType == VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT &&
        host_of(cmd->physicalDevice_obj)->emulations & PV_EMULATE_SYNC_FD) {
        VkExternalFenceProperties *out = cmd->pExternalFenceProperties;
        out->exportFromImportedHandleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
        out->compatibleHandleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
        out->externalFenceFeatures =
            VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT;
        return;
    }
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceExternalFenceProperties(
        cmd->physicalDevice, cmd->pExternalFenceInfo, cmd->pExternalFenceProperties);
}

static bool is_timeline(const void *chain)
{
    for (const VkBaseInStructure *node = chain; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO) {
            return ((const VkSemaphoreTypeCreateInfo *)node)->semaphoreType ==
                   VK_SEMAPHORE_TYPE_TIMELINE;
        }
    }
    return false;
}

void pv_handle_vkGetPhysicalDeviceExternalSemaphoreProperties(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceExternalSemaphoreProperties *cmd)
{
    if (cmd->pExternalSemaphoreInfo->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT &&
        !is_timeline(cmd->pExternalSemaphoreInfo->pNext) &&
        host_of(cmd->physicalDevice_obj)->emulations & PV_EMULATE_SYNC_FD) {
        VkExternalSemaphoreProperties *out = cmd->pExternalSemaphoreProperties;
        out->exportFromImportedHandleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
        out->compatibleHandleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
        out->externalSemaphoreFeatures = VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
                                         VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
        return;
    }
    pv_stream_instance_functions(s)->vkGetPhysicalDeviceExternalSemaphoreProperties(
        cmd->physicalDevice, cmd->pExternalSemaphoreInfo, cmd->pExternalSemaphoreProperties);
}

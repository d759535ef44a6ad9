// Instances, physical devices, devices and queues of the mock, and finding its functions.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Finding functions ---------------------------------------------------------------------

VKAPI_ATTR MOCK_VK_API PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance,
                                                                           const char *name);

static int compare_entry(const void *key, const void *element)
{
    return strcmp(key, ((const struct mock_entry *)element)->name);
}

static const struct mock_entry *find_entry(const char *name)
{
    const struct mock_entry *entry =
        bsearch(name, mock_entries, mock_entry_count, sizeof(*entry), compare_entry);
    pthread_mutex_lock(&mock.lock);
    for (uint32_t i = 0; entry && i < mock.hidden_count; i++) {
        if (strcmp(mock.hidden[i], name) == 0) {
            entry = NULL;
        }
    }
    pthread_mutex_unlock(&mock.lock);
    return entry;
}

PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance instance, const char *name)
{
    const struct mock_entry *entry = find_entry(name);
    if (!entry || (!instance && entry->level != MOCK_LEVEL_GLOBAL)) {
        return NULL;
    }
    return entry->function;
}

PFN_vkVoidFunction impl_vkGetInstanceProcAddr(VkInstance instance, const char *pName)
{
    return vkGetInstanceProcAddr(instance, pName);
}

struct device {
    char **extensions;
    uint32_t extension_count;
    struct {
        uint32_t family, index;
        VkQueue queue;
    } queues[64];
    uint32_t queue_count;
};

static void free_device(void *data)
{
    struct device *device = data;
    for (uint32_t i = 0; i < device->extension_count; i++) {
        free(device->extensions[i]);
    }
    free(device->extensions);
    free(device);
}

// Whether `name` is one of the words of `list`.
static bool lists(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

PFN_vkVoidFunction impl_vkGetDeviceProcAddr(VkDevice handle, const char *pName)
{
    const struct mock_entry *entry = find_entry(pName);
    const struct device *device = mock_data(MOCK_HANDLE(handle), VK_OBJECT_TYPE_DEVICE);
    if (!entry || !device) {
        return NULL;
    }
    if (strcmp(pName, "vkGetDeviceProcAddr") == 0) {
        return entry->function;
    }
    if (entry->level != MOCK_LEVEL_DEVICE) {
        return NULL;
    }
    if (entry->core_version <= mock.config.device_version) {
        return entry->function;
    }
    for (uint32_t i = 0; i < device->extension_count; i++) {
        if (lists(entry->extensions, device->extensions[i])) {
            return entry->function;
        }
    }
    return NULL;
}

// --- Instances -----------------------------------------------------------------------------

VkResult impl_vkEnumerateInstanceVersion(uint32_t *pApiVersion)
{
    *pApiVersion = mock.config.instance_version;
    return VK_SUCCESS;
}

static VkResult list_extensions(const char *const *names, uint32_t *count,
                                VkExtensionProperties *properties)
{
    uint32_t total = 0;
    while (names[total]) {
        total++;
    }
    if (!properties) {
        *count = total;
        return VK_SUCCESS;
    }
    const uint32_t written = *count < total ? *count : total;
    for (uint32_t i = 0; i < written; i++) {
        properties[i] = (VkExtensionProperties){.specVersion = 1};
        snprintf(properties[i].extensionName, sizeof(properties[i].extensionName), "%s", names[i]);
    }
    *count = written;
    return written < total ? VK_INCOMPLETE : VK_SUCCESS;
}

VkResult impl_vkEnumerateInstanceExtensionProperties(const char *pLayerName,
                                                     uint32_t *pPropertyCount,
                                                     VkExtensionProperties *pProperties)
{
    (void)pLayerName;
    return list_extensions(mock.config.instance_extensions, pPropertyCount, pProperties);
}

VkResult impl_vkEnumerateDeviceExtensionProperties(VkPhysicalDevice physicalDevice,
                                                   const char *pLayerName, uint32_t *pPropertyCount,
                                                   VkExtensionProperties *pProperties)
{
    (void)physicalDevice;
    (void)pLayerName;
    return list_extensions(mock.config.device_extensions, pPropertyCount, pProperties);
}

VkResult impl_vkCreateInstance(const VkInstanceCreateInfo *pCreateInfo,
                               const VkAllocationCallbacks *pAllocator, VkInstance *pInstance)
{
    (void)pAllocator;
    for (uint32_t i = 0; i < pCreateInfo->enabledExtensionCount; i++) {
        bool known = false;
        for (size_t j = 0; mock.config.instance_extensions[j]; j++) {
            known = known || strcmp(mock.config.instance_extensions[j],
                                    pCreateInfo->ppEnabledExtensionNames[i]) == 0;
        }
        if (!known) {
            return VK_ERROR_EXTENSION_NOT_PRESENT;
        }
    }
    const uint64_t instance = mock_create(VK_OBJECT_TYPE_INSTANCE, 0);
    uint64_t *devices = calloc(8, sizeof(*devices));
    for (uint32_t i = 0; i < mock.config.device_count && i < 8; i++) {
        devices[i] = mock_create(VK_OBJECT_TYPE_PHYSICAL_DEVICE, instance);
    }
    mock_set_data(instance, devices, NULL);
    *pInstance = (VkInstance)(uintptr_t)instance;
    return VK_SUCCESS;
}

static uint32_t device_index(VkPhysicalDevice device)
{
    const uint64_t instance = mock_vk_parent(MOCK_HANDLE(device));
    const uint64_t *devices = mock_data(instance, VK_OBJECT_TYPE_INSTANCE);
    uint32_t i = 0;
    while (devices && i < 8 && devices[i] != MOCK_HANDLE(device)) {
        i++;
    }
    return i;
}

VkResult impl_vkEnumeratePhysicalDevices(VkInstance instance, uint32_t *pPhysicalDeviceCount,
                                         VkPhysicalDevice *pPhysicalDevices)
{
    const uint64_t *devices = mock_data(MOCK_HANDLE(instance), VK_OBJECT_TYPE_INSTANCE);
    const uint32_t total = mock.config.device_count;
    if (!pPhysicalDevices) {
        *pPhysicalDeviceCount = total;
        return VK_SUCCESS;
    }
    const uint32_t count = *pPhysicalDeviceCount < total ? *pPhysicalDeviceCount : total;
    for (uint32_t i = 0; i < count; i++) {
        pPhysicalDevices[i] = (VkPhysicalDevice)(uintptr_t)devices[i];
    }
    *pPhysicalDeviceCount = count;
    return count < total ? VK_INCOMPLETE : VK_SUCCESS;
}

VkResult impl_vkEnumeratePhysicalDeviceGroups(
    VkInstance instance, uint32_t *pPhysicalDeviceGroupCount,
    VkPhysicalDeviceGroupProperties *pPhysicalDeviceGroupProperties)
{
    const uint64_t *devices = mock_data(MOCK_HANDLE(instance), VK_OBJECT_TYPE_INSTANCE);
    const uint32_t total = mock.config.device_count;
    if (!pPhysicalDeviceGroupProperties) {
        *pPhysicalDeviceGroupCount = total;
        return VK_SUCCESS;
    }
    const uint32_t count = *pPhysicalDeviceGroupCount < total ? *pPhysicalDeviceGroupCount : total;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceGroupProperties *group = &pPhysicalDeviceGroupProperties[i];
        group->physicalDeviceCount = 1;
        memset(group->physicalDevices, 0, sizeof(group->physicalDevices));
        group->physicalDevices[0] = (VkPhysicalDevice)(uintptr_t)devices[i];
        group->subsetAllocation = VK_FALSE;
    }
    *pPhysicalDeviceGroupCount = count;
    return count < total ? VK_INCOMPLETE : VK_SUCCESS;
}

// --- What a physical device says -----------------------------------------------------------

void impl_vkGetPhysicalDeviceProperties(VkPhysicalDevice physicalDevice,
                                        VkPhysicalDeviceProperties *pProperties)
{
    *pProperties = (VkPhysicalDeviceProperties){
        .apiVersion = mock.config.device_version,
        .driverVersion = 1,
        .vendorID = VK_VENDOR_ID_MESA,
        .deviceID = 0x1000 + device_index(physicalDevice),
        .deviceType = mock.config.device_type,
        .limits =
            {
                .maxImageDimension1D = 16384,
                .maxImageDimension2D = 16384,
                .maxImageDimension3D = 2048,
                .maxImageDimensionCube = 16384,
                .maxImageArrayLayers = 2048,
                .maxTexelBufferElements = 1u << 27,
                .maxUniformBufferRange = 65536,
                .maxStorageBufferRange = 1u << 30,
                .maxPushConstantsSize = 256,
                .maxMemoryAllocationCount = 4096,
                .maxSamplerAllocationCount = 4000,
                .bufferImageGranularity = 1024,
                .maxBoundDescriptorSets = 8,
                .maxComputeSharedMemorySize = 49152,
                .maxComputeWorkGroupCount = {65535, 65535, 65535},
                .maxComputeWorkGroupInvocations = 1024,
                .maxComputeWorkGroupSize = {1024, 1024, 64},
                .maxViewports = 16,
                .maxViewportDimensions = {16384, 16384},
                .minMemoryMapAlignment = 64,
                .minTexelBufferOffsetAlignment = 16,
                .minUniformBufferOffsetAlignment = 64,
                .minStorageBufferOffsetAlignment = 16,
                .maxFramebufferWidth = 16384,
                .maxFramebufferHeight = 16384,
                .maxFramebufferLayers = 2048,
                .framebufferColorSampleCounts = VK_SAMPLE_COUNT_1_BIT | VK_SAMPLE_COUNT_4_BIT,
                .maxColorAttachments = 8,
                .timestampComputeAndGraphics = VK_TRUE,
                .timestampPeriod = 1.0f,
                .optimalBufferCopyOffsetAlignment = 1,
                .optimalBufferCopyRowPitchAlignment = 1,
                .nonCoherentAtomSize = 64,
            },
    };
    snprintf(pProperties->deviceName, sizeof(pProperties->deviceName), "Mock Vulkan device %u",
             device_index(physicalDevice));
}

static void fill_uuids(VkPhysicalDevice device, uint8_t *device_uuid, uint8_t *driver_uuid)
{
    memset(device_uuid, 0x10 + (int)device_index(device), VK_UUID_SIZE);
    memset(driver_uuid, 0x77, VK_UUID_SIZE);
}

void impl_vkGetPhysicalDeviceProperties2(VkPhysicalDevice physicalDevice,
                                         VkPhysicalDeviceProperties2 *pProperties)
{
    impl_vkGetPhysicalDeviceProperties(physicalDevice, &pProperties->properties);
    for (VkBaseOutStructure *out = pProperties->pNext; out; out = out->pNext) {
        switch (out->sType) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES: {
            VkPhysicalDeviceIDProperties *ids = (void *)out;
            fill_uuids(physicalDevice, ids->deviceUUID, ids->driverUUID);
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES: {
            VkPhysicalDeviceVulkan11Properties *core = (void *)out;
            fill_uuids(physicalDevice, core->deviceUUID, core->driverUUID);
            core->maxMemoryAllocationSize = 1ull << 30;
            core->maxPerSetDescriptors = 1024;
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES: {
            VkPhysicalDeviceVulkan12Properties *core = (void *)out;
            core->driverID = mock.config.driver_id;
            snprintf(core->driverName, sizeof(core->driverName), "mock");
            snprintf(core->driverInfo, sizeof(core->driverInfo), "mock 1");
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES: {
            VkPhysicalDeviceDriverProperties *driver = (void *)out;
            driver->driverID = mock.config.driver_id;
            snprintf(driver->driverName, sizeof(driver->driverName), "mock");
            snprintf(driver->driverInfo, sizeof(driver->driverInfo), "mock 1");
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES: {
            VkPhysicalDeviceMaintenance3Properties *limits = (void *)out;
            limits->maxMemoryAllocationSize = 1ull << 30;
            limits->maxPerSetDescriptors = 1024;
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT: {
            VkPhysicalDeviceExternalMemoryHostPropertiesEXT *host = (void *)out;
            host->minImportedHostPointerAlignment = mock.config.host_pointer_alignment;
            break;
        }
#ifdef VK_EXT_descriptor_heap
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_HEAP_PROPERTIES_EXT: {
            VkPhysicalDeviceDescriptorHeapPropertiesEXT *heap = (void *)out;
            heap->imageCaptureReplayOpaqueDataSize = 12;
            break;
        }
#endif
        default:
            break;
        }
    }
}

#ifdef VK_EXT_descriptor_heap
VkDeviceSize impl_vkGetPhysicalDeviceDescriptorSizeEXT(VkPhysicalDevice physicalDevice,
                                                       VkDescriptorType descriptorType)
{
    (void)physicalDevice;
    (void)descriptorType;
    return 32;
}
#endif

static void enable_all(void *features, size_t size)
{
    VkBool32 *booleans = features;
    for (size_t i = 0; i < size / sizeof(*booleans); i++) {
        booleans[i] = VK_TRUE;
    }
}

void impl_vkGetPhysicalDeviceFeatures(VkPhysicalDevice physicalDevice,
                                      VkPhysicalDeviceFeatures *pFeatures)
{
    (void)physicalDevice;
    enable_all(pFeatures, sizeof(*pFeatures));
}

void impl_vkGetPhysicalDeviceFeatures2(VkPhysicalDevice physicalDevice,
                                       VkPhysicalDeviceFeatures2 *pFeatures)
{
    impl_vkGetPhysicalDeviceFeatures(physicalDevice, &pFeatures->features);
    for (VkBaseOutStructure *out = pFeatures->pNext; out; out = out->pNext) {
        for (size_t i = 0; i < mock_feature_struct_count; i++) {
            if (mock_feature_structs[i].type == out->sType) {
                enable_all(out + 1, mock_feature_structs[i].size - sizeof(*out));
            }
        }
    }
}

void impl_vkGetPhysicalDeviceMemoryProperties(VkPhysicalDevice physicalDevice,
                                              VkPhysicalDeviceMemoryProperties *pMemoryProperties)
{
    (void)physicalDevice;
    *pMemoryProperties = mock.config.memory;
}

void impl_vkGetPhysicalDeviceMemoryProperties2(VkPhysicalDevice physicalDevice,
                                               VkPhysicalDeviceMemoryProperties2 *pMemoryProperties)
{
    (void)physicalDevice;
    pMemoryProperties->memoryProperties = mock.config.memory;
}

void impl_vkGetPhysicalDeviceQueueFamilyProperties(VkPhysicalDevice physicalDevice,
                                                   uint32_t *pQueueFamilyPropertyCount,
                                                   VkQueueFamilyProperties *pQueueFamilyProperties)
{
    (void)physicalDevice;
    const uint32_t total = mock.config.family_count;
    if (!pQueueFamilyProperties) {
        *pQueueFamilyPropertyCount = total;
        return;
    }
    if (*pQueueFamilyPropertyCount > total) {
        *pQueueFamilyPropertyCount = total;
    }
    for (uint32_t i = 0; i < *pQueueFamilyPropertyCount; i++) {
        pQueueFamilyProperties[i] = mock.config.families[i];
    }
}

void impl_vkGetPhysicalDeviceQueueFamilyProperties2(
    VkPhysicalDevice physicalDevice, uint32_t *pQueueFamilyPropertyCount,
    VkQueueFamilyProperties2 *pQueueFamilyProperties)
{
    (void)physicalDevice;
    const uint32_t total = mock.config.family_count;
    if (!pQueueFamilyProperties) {
        *pQueueFamilyPropertyCount = total;
        return;
    }
    if (*pQueueFamilyPropertyCount > total) {
        *pQueueFamilyPropertyCount = total;
    }
    for (uint32_t i = 0; i < *pQueueFamilyPropertyCount; i++) {
        pQueueFamilyProperties[i].queueFamilyProperties = mock.config.families[i];
    }
}

void impl_vkGetPhysicalDeviceFormatProperties(VkPhysicalDevice physicalDevice, VkFormat format,
                                              VkFormatProperties *pFormatProperties)
{
    (void)physicalDevice;
    const VkFormatFeatureFlags image =
        VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT | VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT |
        VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT | VK_FORMAT_FEATURE_BLIT_SRC_BIT |
        VK_FORMAT_FEATURE_BLIT_DST_BIT | VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
        VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
    *pFormatProperties = (VkFormatProperties){0};
    if (format != VK_FORMAT_UNDEFINED) {
        pFormatProperties->linearTilingFeatures = image;
        pFormatProperties->optimalTilingFeatures = image;
        pFormatProperties->bufferFeatures = VK_FORMAT_FEATURE_VERTEX_BUFFER_BIT;
    }
}

void impl_vkGetPhysicalDeviceFormatProperties2(VkPhysicalDevice physicalDevice, VkFormat format,
                                               VkFormatProperties2 *pFormatProperties)
{
    impl_vkGetPhysicalDeviceFormatProperties(physicalDevice, format,
                                             &pFormatProperties->formatProperties);
}

VkResult
impl_vkGetPhysicalDeviceImageFormatProperties(VkPhysicalDevice physicalDevice, VkFormat format,
                                              VkImageType type, VkImageTiling tiling,
                                              VkImageUsageFlags usage, VkImageCreateFlags flags,
                                              VkImageFormatProperties *pImageFormatProperties)
{
    (void)physicalDevice;
    (void)usage;
    (void)flags;
    if (format == VK_FORMAT_UNDEFINED) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    *pImageFormatProperties = (VkImageFormatProperties){
        .maxExtent = {16384, type == VK_IMAGE_TYPE_1D ? 1 : 16384,
                      type == VK_IMAGE_TYPE_3D ? 2048 : 1},
        .maxMipLevels = tiling == VK_IMAGE_TILING_OPTIMAL ? 15 : 1,
        .maxArrayLayers = tiling == VK_IMAGE_TILING_OPTIMAL ? 2048 : 1,
        .sampleCounts = VK_SAMPLE_COUNT_1_BIT,
        .maxResourceSize = 1ull << 31,
    };
    return VK_SUCCESS;
}

static void fill_external(VkExternalMemoryProperties *properties,
                          VkExternalMemoryHandleTypeFlags supported,
                          VkExternalMemoryHandleTypeFlagBits type)
{
    *properties = (VkExternalMemoryProperties){0};
    if (!(supported & type)) {
        return;
    }
    properties->compatibleHandleTypes = type;
    properties->externalMemoryFeatures = VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    if (type != VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT) {
        properties->externalMemoryFeatures |= VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT;
        properties->exportFromImportedHandleTypes = type;
    }
}

VkResult impl_vkGetPhysicalDeviceImageFormatProperties2(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceImageFormatInfo2 *pImageFormatInfo,
    VkImageFormatProperties2 *pImageFormatProperties)
{
    const VkPhysicalDeviceExternalImageFormatInfo *external = mock_chain_find(
        pImageFormatInfo->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
    if (external && external->handleType) {
        VkExternalImageFormatProperties *properties = (void *)(uintptr_t)mock_chain_find(
            pImageFormatProperties->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
        if (!(mock.config.image_handle_types & external->handleType)) {
            return VK_ERROR_FORMAT_NOT_SUPPORTED;
        }
        if (properties) {
            fill_external(&properties->externalMemoryProperties, mock.config.image_handle_types,
                          external->handleType);
        }
    }
    return impl_vkGetPhysicalDeviceImageFormatProperties(
        physicalDevice, pImageFormatInfo->format, pImageFormatInfo->type, pImageFormatInfo->tiling,
        pImageFormatInfo->usage, pImageFormatInfo->flags,
        &pImageFormatProperties->imageFormatProperties);
}

void impl_vkGetPhysicalDeviceExternalBufferProperties(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceExternalBufferInfo *pExternalBufferInfo,
    VkExternalBufferProperties *pExternalBufferProperties)
{
    (void)physicalDevice;
    fill_external(&pExternalBufferProperties->externalMemoryProperties,
                  mock.config.buffer_handle_types, pExternalBufferInfo->handleType);
}

void impl_vkGetPhysicalDeviceExternalFenceProperties(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceExternalFenceInfo *pExternalFenceInfo,
    VkExternalFenceProperties *pExternalFenceProperties)
{
    (void)physicalDevice;
    const bool supported = mock.config.fence_handle_types & pExternalFenceInfo->handleType;
    const VkExternalFenceHandleTypeFlags type = supported ? pExternalFenceInfo->handleType : 0;
    pExternalFenceProperties->exportFromImportedHandleTypes = type;
    pExternalFenceProperties->compatibleHandleTypes = type;
    pExternalFenceProperties->externalFenceFeatures =
        supported
            ? VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT
            : 0;
}

void impl_vkGetPhysicalDeviceExternalSemaphoreProperties(
    VkPhysicalDevice physicalDevice,
    const VkPhysicalDeviceExternalSemaphoreInfo *pExternalSemaphoreInfo,
    VkExternalSemaphoreProperties *pExternalSemaphoreProperties)
{
    (void)physicalDevice;
    const bool supported = mock.config.semaphore_handle_types & pExternalSemaphoreInfo->handleType;
    const VkExternalSemaphoreHandleTypeFlags type =
        supported ? pExternalSemaphoreInfo->handleType : 0;
    pExternalSemaphoreProperties->exportFromImportedHandleTypes = type;
    pExternalSemaphoreProperties->compatibleHandleTypes = type;
    pExternalSemaphoreProperties->externalSemaphoreFeatures =
        supported ? VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
                        VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT
                  : 0;
}

// --- Devices and queues --------------------------------------------------------------------

static bool offers_extension(const char *name)
{
    for (size_t i = 0; mock.config.device_extensions[i]; i++) {
        if (strcmp(mock.config.device_extensions[i], name) == 0) {
            return true;
        }
    }
    return false;
}

VkResult impl_vkCreateDevice(VkPhysicalDevice physicalDevice, const VkDeviceCreateInfo *pCreateInfo,
                             const VkAllocationCallbacks *pAllocator, VkDevice *pDevice)
{
    (void)pAllocator;
    const uint32_t count = pCreateInfo->enabledExtensionCount;
    for (uint32_t i = 0; i < count; i++) {
        if (!offers_extension(pCreateInfo->ppEnabledExtensionNames[i])) {
            return VK_ERROR_EXTENSION_NOT_PRESENT;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(pCreateInfo->ppEnabledExtensionNames[i],
                       pCreateInfo->ppEnabledExtensionNames[j]) == 0) {
                mock_error("vkCreateDevice: %s is enabled twice",
                           pCreateInfo->ppEnabledExtensionNames[i]);
            }
        }
    }
    const uint64_t handle = mock_create(VK_OBJECT_TYPE_DEVICE, MOCK_HANDLE(physicalDevice));
    struct device *device = calloc(1, sizeof(*device));
    device->extensions = calloc(count + 1, sizeof(*device->extensions));
    for (uint32_t i = 0; i < count; i++) {
        device->extensions[i] = strdup(pCreateInfo->ppEnabledExtensionNames[i]);
    }
    device->extension_count = count;
    for (uint32_t i = 0; i < pCreateInfo->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *info = &pCreateInfo->pQueueCreateInfos[i];
        if (info->queueFamilyIndex >= mock.config.family_count ||
            info->queueCount > mock.config.families[info->queueFamilyIndex].queueCount) {
            mock_error("vkCreateDevice: family %u has no %u queues", info->queueFamilyIndex,
                       info->queueCount);
            continue;
        }
        for (uint32_t q = 0; q < info->queueCount && device->queue_count < 64; q++) {
            device->queues[device->queue_count].family = info->queueFamilyIndex;
            device->queues[device->queue_count].index = q;
            device->queues[device->queue_count++].queue =
                (VkQueue)(uintptr_t)mock_create(VK_OBJECT_TYPE_QUEUE, handle);
        }
    }
    mock_set_data(handle, device, free_device);
    *pDevice = (VkDevice)(uintptr_t)handle;
    return VK_SUCCESS;
}

void impl_vkGetDeviceQueue(VkDevice device, uint32_t queueFamilyIndex, uint32_t queueIndex,
                           VkQueue *pQueue)
{
    const struct device *data = mock_data(MOCK_HANDLE(device), VK_OBJECT_TYPE_DEVICE);
    for (uint32_t i = 0; data && i < data->queue_count; i++) {
        if (data->queues[i].family == queueFamilyIndex && data->queues[i].index == queueIndex) {
            *pQueue = data->queues[i].queue;
            return;
        }
    }
    mock_error("vkGetDeviceQueue: there is no queue %u of family %u", queueIndex, queueFamilyIndex);
    *pQueue = VK_NULL_HANDLE;
}

void impl_vkGetDeviceQueue2(VkDevice device, const VkDeviceQueueInfo2 *pQueueInfo, VkQueue *pQueue)
{
    impl_vkGetDeviceQueue(device, pQueueInfo->queueFamilyIndex, pQueueInfo->queueIndex, pQueue);
}

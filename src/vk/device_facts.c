// Asking a physical device for what it says about itself. What its memory really does is tried
// out in memory_probe.c.
#include "vk/device_facts.h"

#include "vk/memory_probe.h"

#include <stdlib.h>
#include <string.h>

static int compare_extensions(const void *a, const void *b)
{
    const VkExtensionProperties *left = a;
    const VkExtensionProperties *right = b;
    return strcmp(left->extensionName, right->extensionName);
}

// Drops repeated names (layers list extensions that the driver lists too), keeping the larger
// specVersion.
static uint32_t drop_duplicates(VkExtensionProperties *extensions, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && compare_extensions(&extensions[kept - 1], &extensions[i]) == 0) {
            if (extensions[kept - 1].specVersion < extensions[i].specVersion) {
                extensions[kept - 1].specVersion = extensions[i].specVersion;
            }
            continue;
        }
        extensions[kept++] = extensions[i];
    }
    return kept;
}

bool pv_extension_list_init(struct pv_extension_list *list, const struct pv_instance_functions *vk,
                            VkPhysicalDevice device)
{
    *list = (struct pv_extension_list){0};
    VkResult result;
    uint32_t count = 0;
    do {
        result = vk->vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL);
        if (result != VK_SUCCESS || count == 0) {
            return result == VK_SUCCESS;
        }
        free(list->items);
        list->items = calloc(count, sizeof(*list->items));
        if (!list->items) {
            return false;
        }
        result = vk->vkEnumerateDeviceExtensionProperties(device, NULL, &count, list->items);
    } while (result == VK_INCOMPLETE);
    if (result != VK_SUCCESS) {
        pv_extension_list_finish(list);
        return false;
    }
    qsort(list->items, count, sizeof(*list->items), compare_extensions);
    list->count = drop_duplicates(list->items, count);
    return true;
}

void pv_extension_list_finish(struct pv_extension_list *list)
{
    free(list->items);
    *list = (struct pv_extension_list){0};
}

const VkExtensionProperties *pv_extension_list_find(const struct pv_extension_list *list,
                                                    const char *name)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(name, list->items[middle].extensionName);
        if (order == 0) {
            return &list->items[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const VkExtensionProperties *pv_device_facts_find_extension(const struct pv_device_facts *facts,
                                                            const char *name)
{
    return pv_extension_list_find(&facts->extensions, name);
}

static void read_properties(struct pv_device_facts *facts, const struct pv_instance_functions *vk,
                            VkPhysicalDevice device)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
    };
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
    };
    const bool has_host =
        pv_device_facts_find_extension(facts, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
    const bool has_driver =
        facts->api_version >= VK_API_VERSION_1_2 ||
        pv_device_facts_find_extension(facts, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
    if (has_host) {
        ids.pNext = &host;
    }
    if (has_driver) {
        driver.pNext = ids.pNext;
        ids.pNext = &driver;
    }
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &ids,
    };
    vk->vkGetPhysicalDeviceProperties2(device, &properties);

    memcpy(facts->device_uuid, ids.deviceUUID, VK_UUID_SIZE);
    memcpy(facts->driver_uuid, ids.driverUUID, VK_UUID_SIZE);
    if (has_driver) {
        facts->driver_id = driver.driverID;
        memcpy(facts->driver_name, driver.driverName, sizeof(facts->driver_name) - 1);
        memcpy(facts->driver_info, driver.driverInfo, sizeof(facts->driver_info) - 1);
    }
    facts->memory.host_pointer_advertised = has_host;
    facts->memory.host_pointer_alignment = has_host ? host.minImportedHostPointerAlignment : 0;
}

static uint32_t quirks_of(const struct pv_device_facts *facts)
{
    uint32_t quirks = 0;
    if (facts->driver_id == VK_DRIVER_ID_NVIDIA_PROPRIETARY) {
        quirks |= PV_QUIRK_STICKY_IMPORT_FAILURE;
    }
    if (facts->driver_id == VK_DRIVER_ID_MESA_LLVMPIPE) {
        quirks |= PV_QUIRK_LATE_TIMELINES;
    }
    if (facts->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU) {
        quirks |= PV_QUIRK_POPULATE_IMPORTS;
    }
    return quirks;
}

static VkExternalMemoryFeatureFlags buffer_features(const struct pv_instance_functions *vk,
                                                    VkPhysicalDevice device,
                                                    VkExternalMemoryHandleTypeFlagBits type)
{
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
        .handleType = type,
    };
    VkExternalBufferProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
    };
    vk->vkGetPhysicalDeviceExternalBufferProperties(device, &info, &properties);
    return properties.externalMemoryProperties.externalMemoryFeatures;
}

static void read_memory(struct pv_device_facts *facts, const struct pv_instance_functions *vk,
                        VkPhysicalDevice device)
{
    struct pv_memory_facts *memory = &facts->memory;
    vk->vkGetPhysicalDeviceMemoryProperties(device, &memory->properties);

    const bool has_fd =
        pv_device_facts_find_extension(facts, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME);
    if (has_fd &&
        pv_device_facts_find_extension(facts, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME)) {
        const VkExternalMemoryFeatureFlags features =
            buffer_features(vk, device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT);
        memory->dmabuf_advertised = features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT;
        memory->dmabuf_importable = features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    }
    if (has_fd) {
        const VkExternalMemoryFeatureFlags features =
            buffer_features(vk, device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT);
        memory->opaque_fd_advertised = (features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) &&
                                       (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
    }
}

static VkExternalFenceFeatureFlags fence_features(const struct pv_instance_functions *vk,
                                                  VkPhysicalDevice device,
                                                  VkExternalFenceHandleTypeFlagBits type)
{
    const VkPhysicalDeviceExternalFenceInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = type,
    };
    VkExternalFenceProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
    };
    vk->vkGetPhysicalDeviceExternalFenceProperties(device, &info, &properties);
    return properties.externalFenceFeatures;
}

static VkExternalSemaphoreFeatureFlags
semaphore_features(const struct pv_instance_functions *vk, VkPhysicalDevice device,
                   VkExternalSemaphoreHandleTypeFlagBits handle_type, const void *semaphore_type)
{
    const VkPhysicalDeviceExternalSemaphoreInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .pNext = semaphore_type,
        .handleType = handle_type,
    };
    VkExternalSemaphoreProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
    };
    vk->vkGetPhysicalDeviceExternalSemaphoreProperties(device, &info, &properties);
    return properties.externalSemaphoreFeatures;
}

static void read_sync(struct pv_device_facts *facts, const struct pv_instance_functions *vk,
                      VkPhysicalDevice device)
{
    facts->fence.sync_fd = fence_features(vk, device, VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT);
    facts->fence.opaque_fd =
        fence_features(vk, device, VK_EXTERNAL_FENCE_HANDLE_TYPE_OPAQUE_FD_BIT);
    facts->binary.sync_fd =
        semaphore_features(vk, device, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT, NULL);
    facts->binary.opaque_fd =
        semaphore_features(vk, device, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT, NULL);
    if (facts->api_version < VK_API_VERSION_1_2 &&
        !pv_device_facts_find_extension(facts, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME)) {
        return;
    }
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    facts->timeline.sync_fd =
        semaphore_features(vk, device, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT, &type);
    facts->timeline.opaque_fd =
        semaphore_features(vk, device, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT, &type);
}

bool pv_device_facts_init(struct pv_device_facts *facts, const struct pv_vk_instance *instance,
                          VkPhysicalDevice physical_device, const struct pv_log *log)
{
    const struct pv_instance_functions *vk = &instance->vk;
    *facts = (struct pv_device_facts){0};
    vk->vkGetPhysicalDeviceProperties(physical_device, &facts->properties);
    facts->api_version = facts->properties.apiVersion;
    vk->vkGetPhysicalDeviceMemoryProperties(physical_device, &facts->memory.properties);
    if (!pv_extension_list_init(&facts->extensions, vk, physical_device)) {
        pv_log(log, PV_LOG_ERROR, "%s: cannot read the device's extensions",
               facts->properties.deviceName);
        pv_device_facts_finish(facts);
        return false;
    }
    facts->portability_subset = pv_device_facts_find_extension(facts, "VK_KHR_portability_subset");
    if (facts->api_version < VK_API_VERSION_1_1) {
        facts->probe_failure = "the device offers Vulkan 1.0 only";
        return true;
    }
    read_properties(facts, vk, physical_device);
    facts->quirks = quirks_of(facts);
    read_memory(facts, vk, physical_device);
    read_sync(facts, vk, physical_device);
    facts->probe_failure = pv_memory_probe(facts, instance, physical_device);
    if (facts->probe_failure) {
        pv_log(log, PV_LOG_WARN, "%s: memory cannot be probed: %s", facts->properties.deviceName,
               facts->probe_failure);
    }
    return true;
}

void pv_device_facts_finish(struct pv_device_facts *facts)
{
    pv_extension_list_finish(&facts->extensions);
    *facts = (struct pv_device_facts){0};
}

bool pv_device_facts_match(const struct pv_device_facts *facts,
                           const struct pv_vk_instance *instance, VkPhysicalDevice physical_device)
{
    VkPhysicalDeviceProperties properties;
    instance->vk.vkGetPhysicalDeviceProperties(physical_device, &properties);
    if (properties.vendorID != facts->properties.vendorID ||
        properties.deviceID != facts->properties.deviceID ||
        strcmp(properties.deviceName, facts->properties.deviceName) != 0) {
        return false;
    }
    if (properties.apiVersion < VK_API_VERSION_1_1) {
        return true;
    }
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties2 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &ids,
    };
    instance->vk.vkGetPhysicalDeviceProperties2(physical_device, &properties2);
    return memcmp(ids.deviceUUID, facts->device_uuid, VK_UUID_SIZE) == 0 &&
           memcmp(ids.driverUUID, facts->driver_uuid, VK_UUID_SIZE) == 0;
}

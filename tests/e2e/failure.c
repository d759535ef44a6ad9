// What programs get that ask for too much: an error, and then they go on.

#include <string.h>

#include "cases.h"

void case_failure_unknown_names(struct e2e *t)
{
    static const char *const nonsense = "VK_PVE_no_such_thing";
    e2e_open_instance(t);
    VkInstanceCreateInfo instance_info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .enabledLayerCount = 1,
        .ppEnabledLayerNames = &nonsense,
    };
    VkInstance instance = VK_NULL_HANDLE;
    EXPECT(vkCreateInstance(&instance_info, NULL, &instance), VK_ERROR_LAYER_NOT_PRESENT);
    instance_info.enabledLayerCount = 0;
    instance_info.enabledExtensionCount = 1;
    instance_info.ppEnabledExtensionNames = &nonsense;
    EXPECT(vkCreateInstance(&instance_info, NULL, &instance), VK_ERROR_EXTENSION_NOT_PRESENT);

    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = 1,
        .ppEnabledExtensionNames = &nonsense,
    };
    VkDevice device = VK_NULL_HANDLE;
    EXPECT(vkCreateDevice(t->physical, &info, NULL, &device), VK_ERROR_EXTENSION_NOT_PRESENT);
    e2e_print("three refusals");
}

void case_failure_missing_feature(struct e2e *t)
{
    e2e_open_instance(t);
    VkPhysicalDeviceFeatures features;
    vkGetPhysicalDeviceFeatures(t->physical, &features);
    VkBool32 bits[sizeof(features) / sizeof(VkBool32)];
    memcpy(bits, &features, sizeof(features));
    uint32_t missing = 0;
    while (missing < COUNT(bits) && bits[missing]) {
        missing++;
    }
    if (missing == COUNT(bits)) {
        e2e_skip("the device has every feature");
    }
    memset(bits, 0, sizeof(bits));
    bits[missing] = VK_TRUE;
    memcpy(&features, bits, sizeof(features));
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .pEnabledFeatures = &features,
    };
    VkDevice device = VK_NULL_HANDLE;
    EXPECT(vkCreateDevice(t->physical, &info, NULL, &device), VK_ERROR_FEATURE_NOT_PRESENT);
    e2e_print("refused");
}

void case_failure_unsupported_images(struct e2e *t)
{
    e2e_open(t, NULL);
    VkImageFormatProperties properties;
    EXPECT(vkGetPhysicalDeviceImageFormatProperties(
               t->physical, VK_FORMAT_R64G64B64A64_SFLOAT, VK_IMAGE_TYPE_2D,
               VK_IMAGE_TILING_OPTIMAL, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, 0, &properties),
           VK_ERROR_FORMAT_NOT_SUPPORTED);
    EXPECT(vkGetPhysicalDeviceImageFormatProperties(
               t->physical, VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, VK_IMAGE_TILING_OPTIMAL,
               VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT, 0, &properties),
           VK_ERROR_FORMAT_NOT_SUPPORTED);
    OK(vkGetPhysicalDeviceImageFormatProperties(t->physical, VK_FORMAT_R8G8B8A8_UNORM,
                                                VK_IMAGE_TYPE_2D, VK_IMAGE_TILING_OPTIMAL,
                                                VK_IMAGE_USAGE_SAMPLED_BIT, 0, &properties));
    e2e_print("up to %u pixels wide, %u layers", properties.maxExtent.width,
              properties.maxArrayLayers);
}

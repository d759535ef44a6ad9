#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "pv-demo: %s\n", what);
    exit(1);
}

void demo_check(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "pv-demo: VkResult %d from %s\n", result, call);
        exit(1);
    }
}

static void instance_init(struct demo_device *device)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "pv-demo",
        .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    const VkResult result = vkCreateInstance(&info, NULL, &device->instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        die("no Vulkan driver found; install one (mesa-vulkan-drivers) or set VK_DRIVER_FILES");
    }
    demo_check(result, "vkCreateInstance");
}

static void physical_init(struct demo_device *device, uint32_t index)
{
    uint32_t count = 0;
    DEMO_CHECK(vkEnumeratePhysicalDevices(device->instance, &count, NULL));
    VkPhysicalDevice *list = calloc(count + 1, sizeof(VkPhysicalDevice));
    if (!list) {
        die("out of memory");
    }
    DEMO_CHECK(vkEnumeratePhysicalDevices(device->instance, &count, list));
    if (index >= count) {
        fprintf(stderr, "pv-demo: there is no device %u, only %u of them\n", index, count);
        exit(1);
    }
    device->physical = list[index];
    free(list);
    vkGetPhysicalDeviceProperties(device->physical, &device->properties);
    vkGetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
}

static void family_init(struct demo_device *device)
{
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & wanted) == wanted) {
            device->family = i;
            device->timestamps = families[i].timestampValidBits > 0;
            return;
        }
    }
    die("the device has no queue that can draw and compute");
}

void demo_device_init(struct demo_device *device, uint32_t index)
{
    *device = (struct demo_device){0};
    instance_init(device);
    physical_init(device, index);
    family_init(device);

    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = device->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    DEMO_CHECK(vkCreateDevice(device->physical, &info, NULL, &device->device));
    vkGetDeviceQueue(device->device, device->family, 0, &device->queue);

    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->family,
    };
    DEMO_CHECK(vkCreateCommandPool(device->device, &pool, NULL, &device->pool));
}

void demo_device_finish(struct demo_device *device)
{
    vkDestroyCommandPool(device->device, device->pool, NULL);
    vkDestroyDevice(device->device, NULL);
    vkDestroyInstance(device->instance, NULL);
    *device = (struct demo_device){0};
}

static VkDeviceMemory memory_allocate(struct demo_device *device, const VkMemoryRequirements *needs,
                                      VkMemoryPropertyFlags flags)
{
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags has = device->memory.memoryTypes[i].propertyFlags;
        if (!(needs->memoryTypeBits & (1u << i)) || (has & flags) != flags) {
            continue;
        }
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = needs->size,
            .memoryTypeIndex = i,
        };
        VkDeviceMemory memory = VK_NULL_HANDLE;
        DEMO_CHECK(vkAllocateMemory(device->device, &info, NULL, &memory));
        return memory;
    }
    die("the device has no memory of the kind needed");
}

void demo_buffer_init(struct demo_device *device, struct demo_buffer *buffer, VkDeviceSize size,
                      VkBufferUsageFlags usage, VkMemoryPropertyFlags flags)
{
    *buffer = (struct demo_buffer){.size = size};
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = usage,
    };
    DEMO_CHECK(vkCreateBuffer(device->device, &info, NULL, &buffer->handle));

    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device->device, buffer->handle, &needs);
    buffer->memory = memory_allocate(device, &needs, flags);
    DEMO_CHECK(vkBindBufferMemory(device->device, buffer->handle, buffer->memory, 0));
    if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        DEMO_CHECK(vkMapMemory(device->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->map));
    }
}

void demo_buffer_upload(struct demo_device *device, struct demo_buffer *buffer, const void *data,
                        VkDeviceSize size, VkBufferUsageFlags usage)
{
    struct demo_buffer staging;
    demo_buffer_init(device, &staging, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    memcpy(staging.map, data, size);
    demo_buffer_init(device, buffer, size, usage | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                     VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);

    VkCommandBuffer commands = demo_commands_begin(device);
    vkCmdCopyBuffer(commands, staging.handle, buffer->handle, 1, &(VkBufferCopy){.size = size});
    demo_commands_run(device, commands);
    demo_buffer_finish(device, &staging);
}

void demo_buffer_finish(struct demo_device *device, struct demo_buffer *buffer)
{
    vkDestroyBuffer(device->device, buffer->handle, NULL);
    vkFreeMemory(device->device, buffer->memory, NULL);
    *buffer = (struct demo_buffer){0};
}

void demo_texture_init(struct demo_device *device, struct demo_texture *texture,
                       const struct demo_texture_params *params)
{
    *texture = (struct demo_texture){
        .format = params->format,
        .extent = params->extent,
        .levels = params->levels ? params->levels : 1,
    };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = params->format,
        .extent = {params->extent.width, params->extent.height, 1},
        .mipLevels = texture->levels,
        .arrayLayers = 1,
        .samples = params->samples ? params->samples : VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = params->usage,
    };
    DEMO_CHECK(vkCreateImage(device->device, &info, NULL, &texture->handle));

    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(device->device, texture->handle, &needs);
    texture->memory = memory_allocate(device, &needs, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    DEMO_CHECK(vkBindImageMemory(device->device, texture->handle, texture->memory, 0));

    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = texture->handle,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = params->format,
        .subresourceRange =
            {
                .aspectMask = params->aspect ? params->aspect : VK_IMAGE_ASPECT_COLOR_BIT,
                .levelCount = texture->levels,
                .layerCount = 1,
            },
    };
    DEMO_CHECK(vkCreateImageView(device->device, &view, NULL, &texture->view));
}

void demo_texture_finish(struct demo_device *device, struct demo_texture *texture)
{
    vkDestroyImageView(device->device, texture->view, NULL);
    vkDestroyImage(device->device, texture->handle, NULL);
    vkFreeMemory(device->device, texture->memory, NULL);
    *texture = (struct demo_texture){0};
}

VkFormat demo_choose_format(struct demo_device *device, const VkFormat *formats, size_t count,
                            VkFormatFeatureFlags features)
{
    for (size_t i = 0; i < count; i++) {
        VkFormatProperties has;
        vkGetPhysicalDeviceFormatProperties(device->physical, formats[i], &has);
        if ((has.optimalTilingFeatures & features) == features) {
            return formats[i];
        }
    }
    die("the device lacks a format the demo needs");
}

VkCommandBuffer demo_commands_begin(struct demo_device *device)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = device->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = VK_NULL_HANDLE;
    DEMO_CHECK(vkAllocateCommandBuffers(device->device, &info, &commands));
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    DEMO_CHECK(vkBeginCommandBuffer(commands, &begin));
    return commands;
}

void demo_commands_run(struct demo_device *device, VkCommandBuffer commands)
{
    const VkMemoryBarrier visible = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
    };
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 1, &visible, 0, NULL, 0, NULL);
    DEMO_CHECK(vkEndCommandBuffer(commands));
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    DEMO_CHECK(vkQueueSubmit(device->queue, 1, &submit, VK_NULL_HANDLE));
    DEMO_CHECK(vkQueueWaitIdle(device->queue));
    vkFreeCommandBuffers(device->device, device->pool, 1, &commands);
}

void demo_barrier_image(VkCommandBuffer commands, VkImage image, const struct demo_barrier *barrier)
{
    const VkImageMemoryBarrier info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = barrier->wrote,
        .dstAccessMask = barrier->reads,
        .oldLayout = barrier->old_layout,
        .newLayout = barrier->new_layout,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, VK_REMAINING_MIP_LEVELS, 0, 1},
    };
    vkCmdPipelineBarrier(commands, barrier->from, barrier->to, 0, 0, NULL, 0, NULL, 1, &info);
}

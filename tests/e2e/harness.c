// Instance, device, checks, memory, buffers and commands. draw.c has the rest of the helpers.

#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// -- results and checks --

void e2e_print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

void e2e_digest(const char *label, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    }
    printf("%s: %016llx\n", label, (unsigned long long)hash);
}

// Other threads and the driver may be in the middle of things: no exit handlers.
static _Noreturn void leave(int status)
{
    fflush(stdout);
    fflush(stderr);
    _exit(status);
}

void e2e_skip(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("skipped: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    leave(77);
}

void e2e_fail(const char *file, int line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    leave(1);
}

void e2e_expect(const char *file, int line, const char *call, VkResult result, VkResult expected)
{
    if (result != expected) {
        e2e_fail(file, line, "VkResult %d, expected %d, from %s", result, expected, call);
    }
}

void *e2e_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    CHECK(memory, "out of memory");
    return memory;
}

void e2e_pattern_fill(void *bytes, size_t size, uint32_t seed)
{
    unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++) {
        byte[i] = (unsigned char)(((uint32_t)i * 2654435761u ^ seed * 0x9e3779b9u) >> 13);
    }
}

void e2e_pattern_check(const void *bytes, size_t size, uint32_t seed, const char *what)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++) {
        const unsigned char expected =
            (unsigned char)(((uint32_t)i * 2654435761u ^ seed * 0x9e3779b9u) >> 13);
        CHECK(byte[i] == expected, "%s: byte %zu of %zu is 0x%02x, expected 0x%02x", what, i, size,
              byte[i], expected);
    }
}

uint32_t e2e_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

// -- instance and device --

void e2e_open_instance(struct e2e *t)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = t->name,
        .pEngineName = "pv-e2e",
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    OK(vkCreateInstance(&info, NULL, &t->instance));
    VkPhysicalDevice list[8];
    uint32_t count = COUNT(list);
    const VkResult result = vkEnumeratePhysicalDevices(t->instance, &count, list);
    CHECK(result == VK_SUCCESS || result == VK_INCOMPLETE, "VkResult %d from enumeration", result);
    CHECK(count > 0, "no Vulkan device");
    t->physical = list[0];
    vkGetPhysicalDeviceProperties(t->physical, &t->properties);
    vkGetPhysicalDeviceMemoryProperties(t->physical, &t->memory);
    t->api_version = t->properties.apiVersion < VK_API_VERSION_1_3 ? t->properties.apiVersion
                                                                   : VK_API_VERSION_1_3;

    uint32_t extensions = 0;
    OK(vkEnumerateDeviceExtensionProperties(t->physical, NULL, &extensions, NULL));
    t->extensions = e2e_alloc(extensions, sizeof(*t->extensions));
    t->extension_count = extensions;
    OK(vkEnumerateDeviceExtensionProperties(t->physical, NULL, &t->extension_count, t->extensions));
}

bool e2e_has_extension(const struct e2e *t, const char *name)
{
    for (uint32_t i = 0; i < t->extension_count; i++) {
        if (!strcmp(t->extensions[i].extensionName, name)) {
            return true;
        }
    }
    return false;
}

void e2e_need_version(const struct e2e *t, uint32_t version)
{
    if (t->api_version < version) {
        e2e_skip("needs Vulkan %u.%u", VK_API_VERSION_MAJOR(version),
                 VK_API_VERSION_MINOR(version));
    }
}

static void choose_family(struct e2e *t)
{
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties families[16];
    uint32_t count = COUNT(families);
    vkGetPhysicalDeviceQueueFamilyProperties(t->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & wanted) == wanted) {
            t->family = i;
            t->family_properties = families[i];
            return;
        }
    }
    e2e_skip("no queue family can draw and compute");
}

static void choose_features(struct e2e *t, bool capture_addresses)
{
    t->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    t->features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    t->features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    t->features13.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES;
    if (t->api_version >= VK_API_VERSION_1_2) {
        t->features.pNext = &t->features11;
        t->features11.pNext = &t->features12;
    }
    if (t->api_version >= VK_API_VERSION_1_3) {
        t->features12.pNext = &t->features13;
    }
    vkGetPhysicalDeviceFeatures2(t->physical, &t->features);
    t->features.features.robustBufferAccess = VK_FALSE;
    t->features11.protectedMemory = VK_FALSE;
    if (!capture_addresses) {
        t->features12.bufferDeviceAddressCaptureReplay = VK_FALSE;
    }
    t->features12.bufferDeviceAddressMultiDevice = VK_FALSE;
    t->features13.robustImageAccess = VK_FALSE;
}

void e2e_open(struct e2e *t, const struct e2e_device_params *params)
{
    static const struct e2e_device_params none = {0};
    params = params ? params : &none;
    e2e_open_instance(t);
    for (uint32_t i = 0; i < params->extension_count; i++) {
        if (!e2e_has_extension(t, params->extensions[i])) {
            e2e_skip("the device lacks %s", params->extensions[i]);
        }
    }
    choose_family(t);
    choose_features(t, params->capture_addresses);

    // The extension structures go in front, so that the chain ends where the core one does.
    VkBaseOutStructure *last = params->features;
    while (last && last->pNext) {
        last = last->pNext;
    }
    if (last) {
        last->pNext = (void *)&t->features;
    }
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = t->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = params->features ? params->features : &t->features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = params->extension_count,
        .ppEnabledExtensionNames = params->extensions,
    };
    OK(vkCreateDevice(t->physical, &info, NULL, &t->device));
    vkGetDeviceQueue(t->device, t->family, 0, &t->queue);
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = t->family,
    };
    OK(vkCreateCommandPool(t->device, &pool, NULL, &t->pool));
}

PFN_vkVoidFunction e2e_function(const struct e2e *t, const char *name)
{
    const PFN_vkVoidFunction function = vkGetDeviceProcAddr(t->device, name);
    CHECK(function, "the driver lacks %s", name);
    return function;
}

void e2e_keep(struct e2e *t, VkObjectType type, uint64_t handle)
{
    pthread_mutex_lock(&t->lock);
    if (t->kept_count == t->kept_room) {
        t->kept_room = t->kept_room ? t->kept_room * 2 : 64;
        t->kept = realloc(t->kept, t->kept_room * sizeof(*t->kept));
        CHECK(t->kept, "out of memory");
    }
    t->kept[t->kept_count++] = (struct e2e_kept){type, handle};
    pthread_mutex_unlock(&t->lock);
}

static void destroy(VkDevice device, const struct e2e_kept *object)
{
    const uintptr_t handle = (uintptr_t)object->handle;
    switch (object->type) {
#define ONE(type, call, kind)                                                                      \
    case VK_OBJECT_TYPE_##type:                                                                    \
        call(device, (kind)handle, NULL);                                                          \
        break
        ONE(BUFFER, vkDestroyBuffer, VkBuffer);
        ONE(BUFFER_VIEW, vkDestroyBufferView, VkBufferView);
        ONE(COMMAND_POOL, vkDestroyCommandPool, VkCommandPool);
        ONE(DESCRIPTOR_POOL, vkDestroyDescriptorPool, VkDescriptorPool);
        ONE(DESCRIPTOR_SET_LAYOUT, vkDestroyDescriptorSetLayout, VkDescriptorSetLayout);
        ONE(DESCRIPTOR_UPDATE_TEMPLATE, vkDestroyDescriptorUpdateTemplate,
            VkDescriptorUpdateTemplate);
        ONE(DEVICE_MEMORY, vkFreeMemory, VkDeviceMemory);
        ONE(EVENT, vkDestroyEvent, VkEvent);
        ONE(FENCE, vkDestroyFence, VkFence);
        ONE(FRAMEBUFFER, vkDestroyFramebuffer, VkFramebuffer);
        ONE(IMAGE, vkDestroyImage, VkImage);
        ONE(IMAGE_VIEW, vkDestroyImageView, VkImageView);
        ONE(PIPELINE, vkDestroyPipeline, VkPipeline);
        ONE(PIPELINE_CACHE, vkDestroyPipelineCache, VkPipelineCache);
        ONE(PIPELINE_LAYOUT, vkDestroyPipelineLayout, VkPipelineLayout);
        ONE(QUERY_POOL, vkDestroyQueryPool, VkQueryPool);
        ONE(RENDER_PASS, vkDestroyRenderPass, VkRenderPass);
        ONE(SAMPLER, vkDestroySampler, VkSampler);
        ONE(SAMPLER_YCBCR_CONVERSION, vkDestroySamplerYcbcrConversion, VkSamplerYcbcrConversion);
        ONE(SEMAPHORE, vkDestroySemaphore, VkSemaphore);
        ONE(SHADER_MODULE, vkDestroyShaderModule, VkShaderModule);
#undef ONE
    default:
        CHECK(false, "object type %d cannot be kept", object->type);
    }
}

void e2e_close(struct e2e *t)
{
    if (t->device) {
        const VkResult idle = vkDeviceWaitIdle(t->device);
        CHECK(idle == VK_SUCCESS || (t->lost && idle == VK_ERROR_DEVICE_LOST), "VkResult %d", idle);
        while (t->kept_count > 0) {
            destroy(t->device, &t->kept[--t->kept_count]);
        }
        vkDestroyCommandPool(t->device, t->pool, NULL);
        vkDestroyDevice(t->device, NULL);
    }
    if (t->instance) {
        vkDestroyInstance(t->instance, NULL);
    }
    free(t->kept);
    free(t->extensions);
    *t = (struct e2e){.name = t->name, .lock = t->lock};
}

// -- memory and buffers --

uint32_t e2e_memory_type(const struct e2e *t, uint32_t bits, VkMemoryPropertyFlags flags)
{
    for (uint32_t i = 0; i < t->memory.memoryTypeCount; i++) {
        if ((bits & (1u << i)) && (t->memory.memoryTypes[i].propertyFlags & flags) == flags) {
            return i;
        }
    }
    return UINT32_MAX;
}

VkDeviceMemory e2e_memory(struct e2e *t, const VkMemoryRequirements *needs,
                          VkMemoryPropertyFlags flags)
{
    const uint32_t type = e2e_memory_type(t, needs->memoryTypeBits, flags);
    if (type == UINT32_MAX) {
        e2e_skip("no memory type has flags 0x%x", flags);
    }
    const VkMemoryAllocateFlagsInfo address = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = t->features12.bufferDeviceAddress ? &address : NULL,
        .allocationSize = needs->size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    OK(vkAllocateMemory(t->device, &info, NULL, &memory));
    KEEP(t, DEVICE_MEMORY, memory);
    return memory;
}

VkBuffer e2e_buffer_bare(struct e2e *t, VkDeviceSize size, VkBufferUsageFlags usage)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = usage,
    };
    VkBuffer buffer = VK_NULL_HANDLE;
    OK(vkCreateBuffer(t->device, &info, NULL, &buffer));
    return buffer;
}

struct e2e_buffer e2e_buffer(struct e2e *t, VkDeviceSize size, VkBufferUsageFlags usage,
                             VkMemoryPropertyFlags flags)
{
    struct e2e_buffer buffer = {.handle = e2e_buffer_bare(t, size, usage), .size = size};
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, buffer.handle, &needs);
    buffer.memory = e2e_memory(t, &needs, flags);
    KEEP(t, BUFFER, buffer.handle);
    OK(vkBindBufferMemory(t->device, buffer.handle, buffer.memory, 0));
    if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        OK(vkMapMemory(t->device, buffer.memory, 0, VK_WHOLE_SIZE, 0, &buffer.map));
    }
    return buffer;
}

struct e2e_buffer e2e_buffer_with(struct e2e *t, const void *data, VkDeviceSize size,
                                  VkBufferUsageFlags usage)
{
    const struct e2e_buffer buffer = e2e_buffer(t, size, usage, E2E_HOST);
    if (data) {
        memcpy(buffer.map, data, size);
    } else {
        memset(buffer.map, 0, size);
    }
    return buffer;
}

// -- commands --

VkFence e2e_fence(struct e2e *t, VkFenceCreateFlags flags)
{
    const VkFenceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .flags = flags,
    };
    VkFence fence = VK_NULL_HANDLE;
    OK(vkCreateFence(t->device, &info, NULL, &fence));
    KEEP(t, FENCE, fence);
    return fence;
}

VkCommandBuffer e2e_begin(struct e2e *t)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = t->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &info, &commands));
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    OK(vkBeginCommandBuffer(commands, &begin));
    return commands;
}

VkResult e2e_try_run(struct e2e *t, VkCommandBuffer commands)
{
    e2e_barrier(commands);
    OK(vkEndCommandBuffer(commands));
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = VK_NULL_HANDLE;
    OK(vkCreateFence(t->device, &info, NULL, &fence));
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    VkResult result = vkQueueSubmit(t->queue, 1, &submit, fence);
    if (result == VK_SUCCESS) {
        result = vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX);
    }
    t->lost = result == VK_ERROR_DEVICE_LOST;
    vkDestroyFence(t->device, fence, NULL);
    vkFreeCommandBuffers(t->device, t->pool, 1, &commands);
    return result;
}

void e2e_run(struct e2e *t, VkCommandBuffer commands)
{
    OK(e2e_try_run(t, commands));
}

void e2e_barrier(VkCommandBuffer commands)
{
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
    };
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT;
    vkCmdPipelineBarrier(commands, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

// -- time and threads --

double e2e_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void e2e_sleep_ms(unsigned milliseconds)
{
    const struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

pthread_t e2e_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, argument) == 0, "no thread");
    return thread;
}

void e2e_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0, "no join");
}

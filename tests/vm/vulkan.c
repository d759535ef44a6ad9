// Memory and contexts through the guest's Vulkan driver.
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <vulkan/vulkan.h>

#define WAIT_NS 120000000000ull // software emulation of the processor is slow

struct device {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool;
    VkFence fence;
};

struct buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *map;
};

static void need(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        vm_fail("%s: %d", call, result);
    }
}
#define OK(call) need((call), #call)

static struct device open_device(void)
{
    struct device d = {0};
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pApplicationName = "pv-vm-guest",
                                           .apiVersion = VK_API_VERSION_1_1};
    OK(vkCreateInstance(&(VkInstanceCreateInfo){.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                                .pApplicationInfo = &application},
                        NULL, &d.instance));
    uint32_t count = 1;
    const VkResult result = vkEnumeratePhysicalDevices(d.instance, &count, &d.physical);
    if ((result != VK_SUCCESS && result != VK_INCOMPLETE) || count == 0) {
        vm_fail("no Vulkan device (%d)", result);
    }
    vkGetPhysicalDeviceMemoryProperties(d.physical, &d.memory);
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    OK(vkCreateDevice(d.physical,
                      &(VkDeviceCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                            .queueCreateInfoCount = 1,
                                            .pQueueCreateInfos = &queue},
                      NULL, &d.device));
    vkGetDeviceQueue(d.device, 0, 0, &d.queue);
    OK(vkCreateCommandPool(
        d.device, &(VkCommandPoolCreateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO},
        NULL, &d.pool));
    OK(vkCreateFence(d.device, &(VkFenceCreateInfo){.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO},
                     NULL, &d.fence));
    return d;
}

static void close_device(struct device *d)
{
    vkDestroyFence(d->device, d->fence, NULL);
    vkDestroyCommandPool(d->device, d->pool, NULL);
    vkDestroyDevice(d->device, NULL);
    vkDestroyInstance(d->instance, NULL);
}

// The first type of `bits` that the guest can map without flushes.
static uint32_t mappable_type(const struct device *d, uint32_t bits)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < d->memory.memoryTypeCount; i++) {
        if ((bits & 1u << i) && (d->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
    }
    vm_fail("no memory that can be mapped");
}

static VkDeviceMemory allocate(const struct device *d, uint32_t type, uint64_t size)
{
    VkDeviceMemory memory;
    OK(vkAllocateMemory(d->device,
                        &(VkMemoryAllocateInfo){.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                                .allocationSize = size,
                                                .memoryTypeIndex = type},
                        NULL, &memory));
    return memory;
}

static struct buffer create_buffer(const struct device *d, uint64_t size)
{
    struct buffer b;
    OK(vkCreateBuffer(d->device,
                      &(VkBufferCreateInfo){.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                            .size = size,
                                            .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                                     VK_BUFFER_USAGE_TRANSFER_DST_BIT},
                      NULL, &b.buffer));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(d->device, b.buffer, &needs);
    b.memory = allocate(d, mappable_type(d, needs.memoryTypeBits), needs.size);
    OK(vkBindBufferMemory(d->device, b.buffer, b.memory, 0));
    OK(vkMapMemory(d->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.map));
    return b;
}

static void destroy_buffer(const struct device *d, struct buffer *b)
{
    vkUnmapMemory(d->device, b->memory);
    vkDestroyBuffer(d->device, b->buffer, NULL);
    vkFreeMemory(d->device, b->memory, NULL);
}

static void copy(const struct device *d, VkBuffer from, VkBuffer to, uint64_t size)
{
    VkCommandBuffer commands;
    OK(vkAllocateCommandBuffers(
        d->device,
        &(VkCommandBufferAllocateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                       .commandPool = d->pool,
                                       .commandBufferCount = 1},
        &commands));
    OK(vkBeginCommandBuffer(commands, &(VkCommandBufferBeginInfo){
                                          .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO}));
    vkCmdCopyBuffer(commands, from, to, 1, &(VkBufferCopy){.size = size});
    OK(vkEndCommandBuffer(commands));
    OK(vkQueueSubmit(d->queue, 1,
                     &(VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                     .commandBufferCount = 1,
                                     .pCommandBuffers = &commands},
                     d->fence));
    OK(vkWaitForFences(d->device, 1, &d->fence, VK_TRUE, WAIT_NS));
    OK(vkResetFences(d->device, 1, &d->fence));
}

// What word `i` of the memory holds, different in each megabyte.
static uint64_t word(uint64_t i, uint64_t seed)
{
    return (i + seed) * 0x9e3779b97f4a7c15ull ^ seed;
}

static int by_time(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void vm_cycles(uint32_t count, uint64_t size)
{
    uint64_t *times = count > 0 ? malloc(count * sizeof(*times)) : NULL;
    if (!times) {
        vm_fail("count %u", count);
    }
    struct device d = open_device();
    const uint32_t type = mappable_type(&d, UINT32_MAX);
    const uint64_t start = vm_now_ns();
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t begin = vm_now_ns();
        const VkDeviceMemory memory = allocate(&d, type, size);
        void *map;
        OK(vkMapMemory(d.device, memory, 0, VK_WHOLE_SIZE, 0, &map));
        // Both ends, so that a mapping of something else, or of nothing, is noticed.
        volatile uint64_t *first = map, *last = first + size / sizeof(*last) - 1;
        *first = word(i, 1);
        *last = word(i, 2);
        if (*first != word(i, 1) || *last != word(i, 2)) {
            vm_fail("cycle %u: the memory does not keep what is written", i);
        }
        vkUnmapMemory(d.device, memory);
        vkFreeMemory(d.device, memory, NULL);
        times[i] = vm_now_ns() - begin;
    }
    const uint64_t all = vm_now_ns() - start;
    qsort(times, count, sizeof(*times), by_time);
    printf("cycles %u bytes %llu median_ms %.3f best_ms %.3f mean_ms %.3f\n", count,
           (unsigned long long)size, (double)times[count / 2] / 1e6, (double)times[0] / 1e6,
           (double)all / count / 1e6);
    free(times);
    close_device(&d);
}

void vm_upload(uint64_t size)
{
    struct device d = open_device();
    struct buffer from = create_buffer(&d, size), to = create_buffer(&d, size);
    uint64_t *source = from.map;
    const uint64_t *result = to.map;
    const uint64_t start = vm_now_ns();
    for (uint64_t i = 0; i < size / sizeof(*source); i++) {
        source[i] = word(i, 7);
    }
    const uint64_t written = vm_now_ns();
    copy(&d, from.buffer, to.buffer, size);
    const uint64_t copied = vm_now_ns();
    for (uint64_t i = 0; i < size / sizeof(*result); i++) {
        if (result[i] != word(i, 7)) {
            vm_fail("byte %llu of %llu is wrong", (unsigned long long)(i * sizeof(*result)),
                    (unsigned long long)size);
        }
    }
    printf("upload %llu bytes: written in %.2f s, copied in %.2f s, read in %.2f s\n",
           (unsigned long long)size, (double)(written - start) / 1e9,
           (double)(copied - written) / 1e9, (double)(vm_now_ns() - copied) / 1e9);
    destroy_buffer(&d, &to);
    destroy_buffer(&d, &from);
    close_device(&d);
}

void vm_contexts(uint32_t count)
{
    const uint64_t size = 65536;
    for (uint32_t i = 0; i < count; i++) {
        struct device d = open_device();
        struct buffer from = create_buffer(&d, size), to = create_buffer(&d, size);
        *(uint64_t *)from.map = word(i, 3);
        copy(&d, from.buffer, to.buffer, size);
        if (*(uint64_t *)to.map != word(i, 3)) {
            vm_fail("context %u: wrong result", i);
        }
        destroy_buffer(&d, &to);
        destroy_buffer(&d, &from);
        close_device(&d);
    }
    printf("contexts %u\n", count);
}

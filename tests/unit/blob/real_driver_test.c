// Every memory mechanism that the installed driver supports, with the device's own reads and
// writes; retirement through a fence timeline. The build points it at lavapipe; any driver does.
#include "base/os.h"
#include "blob/declare.h"
#include "blob/memory.h"
#include "fence/sync_fd.h"
#include "fence/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define BYTES  100000
#define FILLED 0x5afe5afeu

static struct pv_vk_library library;
static struct pv_vk_instance instance;
static VkPhysicalDevice physical_device;
static struct pv_device_facts facts;

struct device {
    struct pv_blob_policy policy;
    struct pv_blob_choice choice;
    VkDevice handle;
    struct pv_device_functions vk;
    struct pv_blob_device *blobs;
    struct pv_host_queue queue;
    struct pv_fence_pool *fences;
    struct pv_queue_timeline *timeline;
    VkCommandPool pool;
    atomic_uint retired;
};

static void on_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    (void)ring_idx;
    atomic_store(&((struct device *)user)->retired, (unsigned)fence_id);
}

static void create_vulkan_device(struct device *device)
{
    const char *names[PV_BLOB_MAX_DEVICE_EXTENSIONS];
    const uint32_t count = pv_blob_device_extensions(&facts, &device->choice, names);
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
        .enabledExtensionCount = count,
        .ppEnabledExtensionNames = names,
    };
    assert_int_equal(instance.vk.vkCreateDevice(physical_device, &info, NULL, &device->handle),
                     VK_SUCCESS);
    pv_device_functions_load(&device->vk, device->handle, instance.vk.vkGetDeviceProcAddr);
}

static void open_device(struct device *device, uint32_t mechanisms)
{
    VkQueue queue;
    *device = (struct device){.policy = {.mechanisms = mechanisms}};
    pv_blob_choose(&facts.memory, &device->policy, &device->choice);
    create_vulkan_device(device);
    device->blobs = pv_blob_device_create(&(struct pv_blob_device_params){
        .device = device->handle,
        .physical_device = physical_device,
        .vk = &device->vk,
        .instance_vk = &instance.vk,
        .facts = &facts,
        .choice = &device->choice,
    });
    assert_non_null(device->blobs);
    device->vk.vkGetDeviceQueue(device->handle, 0, 0, &queue);
    pv_host_queue_init(&device->queue, device->handle, &device->vk, queue, 0);
    device->fences = pv_fence_pool_create(device->handle, &device->vk);
    assert_non_null(device->fences);
    device->timeline = pv_queue_timeline_create(&(struct pv_queue_timeline_params){
        .queue = &device->queue,
        .pool = device->fences,
        .retired = on_retired,
        .ring_idx = 1,
        .user = device,
    });
    assert_non_null(device->timeline);
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    assert_int_equal(device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &device->pool),
                     VK_SUCCESS);
}

static void close_device(struct device *device)
{
    device->vk.vkDestroyCommandPool(device->handle, device->pool, NULL);
    pv_queue_timeline_destroy(device->timeline);
    pv_fence_pool_destroy(device->fences);
    pv_host_queue_finish(&device->queue);
    pv_blob_device_unref(device->blobs);
    device->vk.vkDestroyDevice(device->handle, NULL);
}

static VkBuffer create_buffer(struct device *device, VkMemoryRequirements *requirements)
{
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = BYTES,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = pv_blob_buffer_handle_types(device->blobs, &info),
    };
    info.pNext = external.handleTypes ? &external : NULL;
    VkBuffer buffer;
    assert_int_equal(device->vk.vkCreateBuffer(device->handle, &info, NULL, &buffer), VK_SUCCESS);
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer, requirements);
    return buffer;
}

static VkResult allocate(struct device *device, uint64_t size, uint32_t type,
                         struct pv_blob *import, struct pv_blob_memory *memory)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    *memory = (struct pv_blob_memory){0};
    return pv_blob_memory_allocate(
        device->blobs, &(struct pv_blob_allocate_params){.info = &info, .import = import}, memory);
}

static VkCommandBuffer begin(struct device *device)
{
    VkCommandBuffer commands;
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = device->pool,
        .commandBufferCount = 1,
    };
    assert_int_equal(device->vk.vkAllocateCommandBuffers(device->handle, &info, &commands),
                     VK_SUCCESS);
    const VkCommandBufferBeginInfo begin_info = {.sType =
                                                     VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    assert_int_equal(device->vk.vkBeginCommandBuffer(commands, &begin_info), VK_SUCCESS);
    return commands;
}

// Submits and waits the way a guest does: by a fence of the timeline.
static void run(struct device *device, VkCommandBuffer commands)
{
    static unsigned fence_id;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    device->vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                    VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    assert_int_equal(device->vk.vkEndCommandBuffer(commands), VK_SUCCESS);
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    pv_host_queue_begin(&device->queue);
    assert_int_equal(device->vk.vkQueueSubmit(device->queue.handle, 1, &submit, VK_NULL_HANDLE),
                     VK_SUCCESS);
    pv_host_queue_end(&device->queue);
    assert_true(pv_queue_timeline_insert(device->timeline, ++fence_id));
    const uint64_t deadline_ns = pv_os_now_ns() + 20ull * 1000 * 1000 * 1000;
    while (atomic_load(&device->retired) != fence_id) {
        assert_true(pv_os_now_ns() < deadline_ns);
        usleep(50);
    }
    device->vk.vkFreeCommandBuffers(device->handle, device->pool, 1, &commands);
}

static void fill(struct device *device, VkBuffer buffer, uint32_t value)
{
    const VkCommandBuffer commands = begin(device);
    device->vk.vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, value);
    run(device, commands);
}

static bool is_filled(const void *memory, uint32_t value)
{
    const uint32_t *words = memory;
    for (size_t i = 0; i < BYTES / sizeof(*words); i++) {
        if (words[i] != value) {
            return false;
        }
    }
    return true;
}

// A buffer in memory of one type, with its blob.
struct target {
    VkBuffer buffer;
    struct pv_blob_memory memory;
    struct pv_blob *blob;
};

static bool open_target(struct device *device, uint32_t type, struct pv_blob *import,
                        struct target *target)
{
    VkMemoryRequirements requirements;
    *target = (struct target){.buffer = create_buffer(device, &requirements)};
    if (!(pv_blob_choice_resource_types(&device->choice, requirements.memoryTypeBits, false) &
          (1u << type))) {
        device->vk.vkDestroyBuffer(device->handle, target->buffer, NULL);
        return false;
    }
    assert_int_equal(allocate(device, requirements.size, type, import, &target->memory),
                     VK_SUCCESS);
    assert_int_equal(
        device->vk.vkBindBufferMemory(device->handle, target->buffer, target->memory.handle, 0),
        VK_SUCCESS);
    target->blob = pv_blob_memory_export(device->blobs, &target->memory);
    assert_non_null(target->blob);
    return true;
}

static void close_target(struct device *device, struct target *target)
{
    device->vk.vkDestroyBuffer(device->handle, target->buffer, NULL);
    pv_blob_memory_free(device->blobs, &target->memory);
    pv_blob_unref(target->blob);
}

// The device writes, the host reads; the host writes, the device copies; the mapping outlives
// the memory; a second import shows the same bytes.
static void exercise(struct device *device, uint32_t type)
{
    struct target first, second, again;
    if (!open_target(device, type, NULL, &first)) {
        return;
    }
    assert_true(open_target(device, type, NULL, &second));
    uint32_t *words = pv_blob_map(first.blob);
    assert_non_null(words);
    fill(device, first.buffer, FILLED);
    assert_true(is_filled(words, FILLED));

    for (size_t i = 0; i < BYTES / sizeof(*words); i++) {
        words[i] = 0x01020304;
    }
    const VkCommandBuffer commands = begin(device);
    const VkBufferCopy region = {.size = BYTES};
    device->vk.vkCmdCopyBuffer(commands, first.buffer, second.buffer, 1, &region);
    run(device, commands);
    assert_true(is_filled(pv_blob_map(second.blob), 0x01020304));

    if (pv_blob_fd_type(first.blob) != PV_FD_NONE) {
        assert_true(pv_blob_import_types(device->blobs, first.blob) & (1u << type));
        assert_true(open_target(device, type, first.blob, &again));
        fill(device, again.buffer, 0x77);
        assert_true(is_filled(words, 0x77));
        close_target(device, &again);
    }
    struct pv_blob *kept = pv_blob_ref(second.blob);
    close_target(device, &second);
    assert_true(is_filled(pv_blob_map(kept), 0x01020304));
    pv_blob_unref(kept);
    close_target(device, &first);
}

static void exercise_mechanism(enum pv_memory_mechanism mechanism)
{
    struct device device;
    open_device(&device, 1u << mechanism);
    unsigned types = 0;
    for (uint32_t i = 0; i < device.choice.type_count; i++) {
        if (device.choice.map[i] == mechanism &&
            (facts.memory.properties.memoryTypes[pv_blob_choice_host_type(&device.choice, i)]
                 .propertyFlags &
             VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)) {
            exercise(&device, i);
            types++;
        }
    }
    print_message("# %s: %u memory types\n", pv_memory_mechanism_name(mechanism), types);
    close_device(&device);
}

static void shares_bytes_through_host_pointers(void **state)
{
    (void)state;
    exercise_mechanism(PV_MEMORY_HOST_POINTER);
}

static void shares_bytes_through_dmabufs(void **state)
{
    (void)state;
    exercise_mechanism(PV_MEMORY_DMABUF);
}

static void shares_bytes_through_opaque_fds(void **state)
{
    (void)state;
    exercise_mechanism(PV_MEMORY_OPAQUE_FD);
}

static void shares_bytes_through_mappings(void **state)
{
    (void)state;
    exercise_mechanism(PV_MEMORY_MAPPED);
}

static void finds_a_mechanism_at_all(void **state)
{
    (void)state;
    struct pv_blob_choice choice;
    pv_blob_choose(&facts.memory, &(struct pv_blob_policy){.fd_only = true}, &choice);
    print_message("# %s: %s\n", facts.properties.deviceName, choice.reason);
    assert_null(facts.probe_failure);
    assert_true(choice.usable);
}

static void exercise_image(struct device *device, VkImageTiling tiling)
{
    VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {128, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    const VkExternalMemoryImageCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
        .handleTypes = pv_blob_image_handle_types(device->blobs, &info),
    };
    info.pNext = external.handleTypes ? &external : NULL;
    VkImage image;
    assert_int_equal(device->vk.vkCreateImage(device->handle, &info, NULL, &image), VK_SUCCESS);
    VkMemoryRequirements requirements;
    device->vk.vkGetImageMemoryRequirements(device->handle, image, &requirements);
    uint32_t type = 0;
    while (!(pv_blob_choice_resource_types(&device->choice, requirements.memoryTypeBits, false) &
             (1u << type))) {
        type++;
    }
    struct pv_blob_memory memory;
    assert_int_equal(allocate(device, requirements.size, type, NULL, &memory), VK_SUCCESS);
    assert_int_equal(device->vk.vkBindImageMemory(device->handle, image, memory.handle, 0),
                     VK_SUCCESS);
    device->vk.vkDestroyImage(device->handle, image, NULL);
    pv_blob_memory_free(device->blobs, &memory);
}

static void binds_images_of_both_tilings(void **state)
{
    (void)state;
    struct device device;
    open_device(&device, 0);
    exercise_image(&device, VK_IMAGE_TILING_OPTIMAL);
    exercise_image(&device, VK_IMAGE_TILING_LINEAR);
    close_device(&device);
}

static void emulates_sync_fd_payloads(void **state)
{
    (void)state;
    struct device device;
    open_device(&device, 0);
    VkSemaphore semaphore;
    VkFence fence;
    const VkSemaphoreCreateInfo semaphore_info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    assert_int_equal(device.vk.vkCreateSemaphore(device.handle, &semaphore_info, NULL, &semaphore),
                     VK_SUCCESS);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(pv_sync_fd_signal_semaphore(&device.queue, semaphore), VK_SUCCESS);
        assert_int_equal(pv_sync_fd_consume_semaphore(&device.queue, semaphore), VK_SUCCESS);
    }
    assert_int_equal(pv_fence_pool_acquire(device.fences, &fence), VK_SUCCESS);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(device.vk.vkQueueSubmit(device.queue.handle, 0, NULL, fence), VK_SUCCESS);
        assert_int_equal(pv_sync_fd_reset_fence(device.fences, device.handle, &device.vk, &fence),
                         VK_SUCCESS);
        assert_int_equal(device.vk.vkGetFenceStatus(device.handle, fence), VK_NOT_READY);
    }
    device.vk.vkDeviceWaitIdle(device.handle);
    pv_fence_pool_recycle(device.fences, fence);
    device.vk.vkDestroySemaphore(device.handle, semaphore, NULL);
    close_device(&device);
}

// NULL, or why there is nothing to test.
static const char *find_driver(void)
{
    static char error[256];
    if (!pv_vk_library_open(&library, NULL, error, sizeof(error))) {
        return error;
    }
    if (pv_vk_instance_init(&instance, &library, NULL) != VK_SUCCESS) {
        return "no Vulkan driver is installed";
    }
    uint32_t count = 1;
    if (instance.vk.vkEnumeratePhysicalDevices(instance.handle, &count, &physical_device) <
            VK_SUCCESS ||
        count == 0) {
        return "there is no Vulkan device";
    }
    return pv_device_facts_init(&facts, &instance, physical_device, NULL) ? NULL
                                                                          : "no facts to be had";
}

int main(void)
{
    const char *missing = find_driver();
    if (missing) {
        printf("1..0 # SKIP %s\n", missing);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_mechanism_at_all),
        cmocka_unit_test(shares_bytes_through_host_pointers),
        cmocka_unit_test(shares_bytes_through_dmabufs),
        cmocka_unit_test(shares_bytes_through_opaque_fds),
        cmocka_unit_test(shares_bytes_through_mappings),
        cmocka_unit_test(binds_images_of_both_tilings),
        cmocka_unit_test(emulates_sync_fd_payloads),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pv_device_facts_finish(&facts);
    pv_vk_instance_finish(&instance);
    return failed;
}

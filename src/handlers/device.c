// Devices and queues: creation with what the renderer needs for itself, and their end.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"
#include "handlers/physical_device.h"

#include <stdlib.h>
#include <string.h>

// -- creation --------------------------------------------------------------------------------

// Sums per family; the driver must not be asked for queues that do not exist, nor for a device
// without any (lavapipe reads the first queue without looking at their number).
static bool queue_counts_fit(struct pv_stream *s, VkPhysicalDevice physical_device,
                             const VkDeviceCreateInfo *info, uint32_t *total)
{
    const struct pv_instance_functions *vk = pv_stream_instance_functions(s);
    uint32_t count = 0;
    vk->vkGetPhysicalDeviceQueueFamilyProperties(physical_device, &count, NULL);
    VkQueueFamilyProperties *families = pv_stream_alloc(s, count + 1u, sizeof(*families));
    uint32_t *used = pv_stream_alloc(s, count + 1u, sizeof(*used));
    if (!families || !used) {
        return false;
    }
    vk->vkGetPhysicalDeviceQueueFamilyProperties(physical_device, &count, families);
    *total = 0;
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *queue = &info->pQueueCreateInfos[i];
        if (queue->queueFamilyIndex >= count || queue->queueCount == 0 ||
            queue->queueCount >
                families[queue->queueFamilyIndex].queueCount - used[queue->queueFamilyIndex]) {
            return false;
        }
        // Twice the same queues would be one queue under two locks.
        for (uint32_t k = 0; k < i; k++) {
            if (info->pQueueCreateInfos[k].queueFamilyIndex == queue->queueFamilyIndex &&
                info->pQueueCreateInfos[k].flags == queue->flags) {
                return false;
            }
        }
        used[queue->queueFamilyIndex] += queue->queueCount;
        *total += queue->queueCount;
    }
    return *total > 0;
}

static bool contains(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

// The guest's extensions less the emulated ones, plus what the renderer uses itself. False with
// the command's result in `*result`, or when the stream has failed.
static bool device_extensions(struct pv_stream *s, const struct pv_host_device *host,
                              const struct pv_extension_list *available, VkDeviceCreateInfo *info,
                              VkResult *result)
{
    const char *ours[PV_BLOB_MAX_DEVICE_EXTENSIONS];
    const uint32_t our_count = pv_blob_device_extensions(&host->facts, &host->choice, ours);
    const char **names =
        pv_stream_alloc(s, (uint64_t)info->enabledExtensionCount + our_count + 1, sizeof(*names));
    if (!names) {
        return false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        const char *name = info->ppEnabledExtensionNames[i];
        const bool on_host = pv_extension_list_find(available, name);
        if (!on_host && !pv_extension_is_emulated(host, name)) {
            // The driver would say the same, after all names have been compared with each other.
            *result = VK_ERROR_EXTENSION_NOT_PRESENT;
            return false;
        }
        if (on_host && !contains(names, count, name)) {
            names[count++] = name;
        }
    }
    for (uint32_t i = 0; i < our_count; i++) {
        if (pv_extension_list_find(available, ours[i]) && !contains(names, count, ours[i])) {
            names[count++] = ours[i];
        }
    }
    info->ppEnabledExtensionNames = names;
    info->enabledExtensionCount = count;
    return true;
}

// The driver's device goes when the guest's is gone and no blob needs it any more.
static void driver_destroy(void *user)
{
    struct pv_device_driver *driver = user;
    driver->vk.vkDestroyDevice(driver->handle, NULL);
    pv_instance_unref(driver->instance);
    free(driver);
}

// Takes the driver's new device over.
static void driver_init(struct pv_device_driver *driver, struct pv_instance *instance,
                        VkDevice handle)
{
    driver->handle = handle;
    pv_device_functions_load(&driver->vk, handle, instance->host.vk.vkGetDeviceProcAddr);
    driver->instance = instance;
    atomic_fetch_add(&instance->references, 1);
}

static bool device_fetch_queues(struct pv_device *device, const VkDeviceCreateInfo *info,
                                uint32_t total)
{
    device->queues = calloc(total ? total : 1, sizeof(*device->queues));
    device->queue_keys = calloc(total ? total : 1, sizeof(*device->queue_keys));
    if (!device->queues || !device->queue_keys) {
        return false;
    }
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *queue = &info->pQueueCreateInfos[i];
        for (uint32_t k = 0; k < queue->queueCount; k++) {
            VkQueue handle = VK_NULL_HANDLE;
            if (queue->flags) {
                const VkDeviceQueueInfo2 which = {
                    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
                    .flags = queue->flags,
                    .queueFamilyIndex = queue->queueFamilyIndex,
                    .queueIndex = k,
                };
                device->vk->vkGetDeviceQueue2(device->driver->handle, &which, &handle);
            } else {
                device->vk->vkGetDeviceQueue(device->driver->handle, queue->queueFamilyIndex, k,
                                             &handle);
            }
            const uint32_t n = device->queue_count++;
            pv_host_queue_init(&device->queues[n], device->driver->handle, device->vk, handle,
                               queue->queueFamilyIndex);
            device->queue_keys[n].family = queue->queueFamilyIndex;
            device->queue_keys[n].index = k;
            device->queue_keys[n].flags = queue->flags;
        }
    }
    return true;
}

// Frees what device_fill() made. The driver's device goes with the blobs' last reference.
static void device_empty(struct pv_device *device)
{
    pv_fence_pool_destroy(device->fences);
    pv_fence_pool_destroy(device->guest_fences);
    for (uint32_t i = 0; i < device->queue_count; i++) {
        pv_host_queue_finish(&device->queues[i]);
    }
    free(device->queues);
    free(device->queue_keys);
    if (device->blobs) {
        pv_blob_device_unref(device->blobs);
    } else if (device->driver) {
        driver_destroy(device->driver);
    }
    device->fences = NULL;
    device->guest_fences = NULL;
    device->queues = NULL;
    device->queue_keys = NULL;
    device->queue_count = 0;
    device->blobs = NULL;
    device->driver = NULL;
}

static bool device_fill(struct pv_stream *s, struct pv_device *device,
                        const VkDeviceCreateInfo *info, uint32_t queue_total)
{
    struct pv_device_driver *driver = device->driver;
    device->vk = &driver->vk;
    device->fences = pv_fence_pool_create(driver->handle, device->vk);
    device->guest_fences = pv_fence_pool_create(driver->handle, device->vk);
    if (!device->fences || !device->guest_fences ||
        !device_fetch_queues(device, info, queue_total)) {
        return false;
    }
    device->blobs = pv_blob_device_create(&(struct pv_blob_device_params){
        .device = driver->handle,
        .physical_device = device->physical_device,
        .vk = device->vk,
        .instance_vk = &driver->instance->host.vk,
        .facts = &device->host->facts,
        .choice = &device->host->choice,
        .log = &s->context->host->log,
        .destroy = driver_destroy,
        .user = driver,
    });
    return device->blobs != NULL;
}

void pv_handle_vkCreateDevice(struct pv_stream *s, struct pv_cmd_vkCreateDevice *cmd)
{
    const struct pv_host_device *host =
        ((const struct pv_physical_device *)cmd->physicalDevice_obj)->host;
    VkDeviceCreateInfo info = *cmd->pCreateInfo;
    uint32_t queue_total = 0;
    if (!pv_device_may_come(s->context)) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    if (!queue_counts_fit(s, cmd->physicalDevice, &info, &queue_total)) {
        cmd->ret = VK_ERROR_UNKNOWN;
        return;
    }
    struct pv_extension_list available;
    if (!pv_extension_list_init(&available, pv_stream_instance_functions(s), cmd->physicalDevice)) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    const bool chosen = device_extensions(s, host, &available, &info, &cmd->ret);
    pv_extension_list_finish(&available);
    if (!chosen) {
        return;
    }
    info.enabledLayerCount = 0;
    info.ppEnabledLayerNames = NULL;
    // Our memory first: what the driver makes is then always somebody's.
    struct pv_device_driver *driver = calloc(1, sizeof(*driver));
    struct pv_device *device =
        driver ? pv_object_new(s, sizeof(*device), VK_OBJECT_TYPE_DEVICE, cmd->pDevice_id, 0, NULL)
               : NULL;
    cmd->ret = device ? pv_stream_instance_functions(s)->vkCreateDevice(cmd->physicalDevice, &info,
                                                                        NULL, cmd->pDevice)
                      : VK_ERROR_OUT_OF_HOST_MEMORY;
    if (cmd->ret != VK_SUCCESS) {
        free(device);
        free(driver);
        *cmd->pDevice = VK_NULL_HANDLE;
        return;
    }
    driver_init(driver, s->context->instance, *cmd->pDevice);
    device->base.handle = (uint64_t)(uintptr_t)*cmd->pDevice;
    device->base.device = &device->base;
    device->host = host;
    device->physical_device = cmd->physicalDevice;
    device->driver = driver;
    if (!device_fill(s, device, &info, queue_total)) {
        device_empty(device);
        free(device);
        *cmd->pDevice = VK_NULL_HANDLE;
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    const struct pv_device parts = *device; // publish frees the object when it fails
    if (!pv_object_publish(s, &device->base, cmd->physicalDevice_obj)) {
        device_empty(&(struct pv_device){.driver = parts.driver,
                                         .blobs = parts.blobs,
                                         .fences = parts.fences,
                                         .guest_fences = parts.guest_fences,
                                         .queues = parts.queues,
                                         .queue_keys = parts.queue_keys,
                                         .queue_count = parts.queue_count});
    }
}

// -- the end ---------------------------------------------------------------------------------

void pv_device_end(struct pv_context *context, struct pv_device *device)
{
    (void)context;
    if (!atomic_load(&device->abandoned)) {
        // Fences of the VMM may have put empty batches into queues until these were unbound.
        device->vk->vkDeviceWaitIdle(device->driver->handle);
        device_empty(device);
    }
}

void pv_handle_vkDestroyDevice(struct pv_stream *s, struct pv_cmd_vkDestroyDevice *cmd)
{
    if (!cmd->device_obj) {
        return;
    }
    struct pv_object *first = pv_object_table_remove(s->context->objects, cmd->device_obj);
    pv_stream_begin_block(s);
    pv_destroy_objects(s->context, first);
    pv_stream_end_block(s);
}

// -- queues ----------------------------------------------------------------------------------

void pv_handle_vkGetDeviceQueue2(struct pv_stream *s, struct pv_cmd_vkGetDeviceQueue2 *cmd)
{
    struct pv_context *context = s->context;
    struct pv_device *device = pv_device_of(cmd->device_obj);
    const VkDeviceQueueInfo2 *info = cmd->pQueueInfo;
    if (!pv_stream_wants_reply(s)) {
        atomic_store_explicit(&context->guest_uses_feedback, true, memory_order_relaxed);
    }
    uint32_t ring_idx = 0;
    for (const VkBaseInStructure *node = info->pNext; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA) {
            ring_idx = ((const VkDeviceQueueTimelineInfoMESA *)node)->ringIdx;
        }
    }
    if (ring_idx == 0 || ring_idx >= PV_TIMELINE_COUNT) {
        pv_stream_fail(s, "a queue needs a ring_idx from 1 to 63");
        return;
    }
    uint32_t n = 0;
    while (n < device->queue_count && !(device->queue_keys[n].family == info->queueFamilyIndex &&
                                        device->queue_keys[n].index == info->queueIndex &&
                                        device->queue_keys[n].flags == info->flags)) {
        n++;
    }
    if (n == device->queue_count) {
        pv_stream_fail(s, "the device has no such queue");
        return;
    }
    struct pv_queue *queue =
        pv_object_new(s, sizeof(*queue), VK_OBJECT_TYPE_QUEUE, cmd->pQueue_id,
                      (uint64_t)(uintptr_t)device->queues[n].handle, cmd->device_obj);
    if (!queue) {
        return;
    }
    queue->host = &device->queues[n];
    queue->key = &device->queue_keys[n];
    queue->ring_idx = ring_idx;
    queue->timeline = pv_queue_timeline_create(&(struct pv_queue_timeline_params){
        .queue = queue->host,
        .pool = device->fences,
        .log = &context->host->log,
        .ring_idx = ring_idx,
        .retired = context->params.fence_retired,
        .lost = context->params.fence_lost,
        .device_lost = &device->lost,
        .user = context->params.user,
    });
    if (!queue->timeline) {
        free(queue);
        pv_stream_fail(s, "no memory for a queue");
        return;
    }
    // Under the lock a fence finds either no queue or one that is there to stay.
    struct pv_queue_timeline *timeline = queue->timeline;
    pthread_mutex_lock(&context->fence_lock);
    const bool free_to_bind = !queue->key->bound && !context->queues[ring_idx];
    if (!free_to_bind) {
        free(queue);
        pv_stream_fail(s, "the queue or its ring_idx is bound already");
    } else if (pv_object_publish(s, &queue->base, cmd->device_obj)) {
        queue->key->bound = true;
        context->queues[ring_idx] = queue;
        timeline = NULL;
    }
    pthread_mutex_unlock(&context->fence_lock);
    if (timeline) {
        pv_queue_timeline_destroy(timeline);
        return;
    }
    *cmd->pQueue = device->queues[n].handle;
}

void pv_queue_end(struct pv_context *context, struct pv_queue *queue)
{
    // Fences that come now wait for the lock, and so retire after those that are pending. A
    // callback must not wait for whoever creates them (pv_fence_fn): its thread is joined here.
    pthread_mutex_lock(&context->fence_lock);
    if (context->queues[queue->ring_idx] == queue) {
        context->queues[queue->ring_idx] = NULL;
    }
    queue->key->bound = false;
    pv_queue_timeline_destroy(queue->timeline);
    pthread_mutex_unlock(&context->fence_lock);
}

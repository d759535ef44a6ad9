// How a device comes to rest before its objects go.
//
// The guest may have left anything behind: long work, batches that wait for a timeline semaphore
// or an event that only the guest would have signalled, or a wait for a fence on another ring.
// Work gets some time. Then what the host can signal is signalled, so that queues drain. What
// hangs even so (a binary semaphore that nobody signals, a shader that never ends) costs the
// driver's objects of that device: they cannot be destroyed while in use.
#include "base/os.h"
#include "handlers/dispatch.h"
#include "protocol/commands.h"

#include <stdlib.h>
#include <time.h>

// What all devices that end together may wait. A wait counts as a slice at most: while the whole
// process stands still, in a paused container or a debugger, work does not go on either.
#define PATIENCE_NS     ((uint64_t)1000 * 1000 * 1000) // then waits are released
#define STOP_TIMEOUT_NS ((uint64_t)5000 * 1000 * 1000) // then the device is given up
#define SLICE_NS        ((uint64_t)100 * 1000 * 1000)

// Of devices given up, and of their memory: after as much there are no new ones.
#define MAX_ABANDONED_DEVICES 64u
#define MAX_ABANDONED_MEMORY  ((uint64_t)4 << 30)

// -- waiting commands ------------------------------------------------------------------------

void pv_device_begin_wait(struct pv_stream *stream, struct pv_device *device)
{
    atomic_fetch_add(&device->waiters, 1);
    pv_stream_begin_block(stream);
}

void pv_device_end_wait(struct pv_stream *stream, struct pv_device *device)
{
    pv_stream_end_block(stream);
    atomic_fetch_sub(&device->waiters, 1); // the device may be gone from here on
}

static void wait_for_waiters(struct pv_context *context, struct pv_device *device)
{
    atomic_store(&device->ending, true);
    // Who decoded the device before it was removed is now offline or done with it. Offline are
    // those that wait; they counted themselves before, and look at `ending` between slices.
    pv_quiesce_synchronize(context->quiesce, NULL);
    while (atomic_load(&device->waiters)) {
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

void pv_stream_lose_device(struct pv_stream *stream, struct pv_device *device, const char *why)
{
    const struct pv_context *context = stream->context;
    if (!atomic_exchange(&device->lost, true)) {
        pv_log(&context->host->log, PV_LOG_WARN, "context %s: the device is lost by %s: %s",
               context->params.name, pv_command_name(stream->command), why);
    }
}

// -- queues ----------------------------------------------------------------------------------

// Puts an empty batch behind everything the guest submitted. The fence stays VK_NULL_HANDLE when
// there is nothing to wait for. False: the driver refused.
static bool mark_queue(struct pv_device *device, struct pv_host_queue *queue, VkFence *fence)
{
    VkFence mark;
    if (pv_fence_pool_acquire(device->fences, &mark) != VK_SUCCESS) {
        return false;
    }
    pthread_mutex_lock(&queue->lock);
    const VkResult result = device->vk->vkQueueSubmit(queue->handle, 0, NULL, mark);
    pthread_mutex_unlock(&queue->lock);
    if (result == VK_SUCCESS) {
        *fence = mark;
        return true;
    }
    pv_fence_pool_recycle(device->fences, mark);
    return result == VK_ERROR_DEVICE_LOST;
}

// A lost device counts as done: it will not touch anything any more.
static bool is_done(VkResult result)
{
    return result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST;
}

static uint64_t largest_step(const struct pv_device *device)
{
    VkPhysicalDeviceTimelineSemaphoreProperties timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_PROPERTIES,
    };
    pv_device_query_properties(device, &timeline);
    // Vulkan promises at least this.
    const uint64_t least = INT32_MAX;
    return timeline.maxTimelineSemaphoreValueDifference > least
               ? timeline.maxTimelineSemaphoreValueDifference
               : least;
}

// Lets every wait for this timeline be satisfied. Signals that are pending may find a value they
// must not lower; all that can come of it is a lost device, and this one is at its end.
static void raise(const struct pv_device *device, VkSemaphore semaphore, uint64_t step)
{
    uint64_t value = 0;
    const struct pv_device_functions *vk = device->vk;
    if (!vk->vkGetSemaphoreCounterValue || !vk->vkSignalSemaphore ||
        vk->vkGetSemaphoreCounterValue(device->driver->handle, semaphore, &value) != VK_SUCCESS ||
        value == UINT64_MAX) {
        return;
    }
    const VkSemaphoreSignalInfo signal = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
        .semaphore = semaphore,
        .value = value > UINT64_MAX - step ? UINT64_MAX : value + step,
    };
    vk->vkSignalSemaphore(device->driver->handle, &signal);
}

static void release_waits(const struct pv_device *device, const struct pv_object *removed)
{
    const uint64_t step = largest_step(device);
    for (const struct pv_object *object = removed; object; object = object->next_sibling) {
        if (object->device != &device->base || !object->handle) {
            continue;
        }
        if (object->type == VK_OBJECT_TYPE_SEMAPHORE &&
            ((const struct pv_signal *)object)->host_signals) {
            raise(device, (VkSemaphore)(uintptr_t)object->handle, step);
        } else if (object->type == VK_OBJECT_TYPE_EVENT &&
                   ((const struct pv_signal *)object)->host_signals) {
            device->vk->vkSetEvent(device->driver->handle, (VkEvent)(uintptr_t)object->handle);
        }
    }
}

// Waits for one fence. Adds what that took to `*waited_ns`.
static VkResult wait_a_slice(const struct pv_device *device, VkFence fence, uint64_t *waited_ns)
{
    const uint64_t begin_ns = pv_os_now_ns();
    const VkResult result =
        device->vk->vkWaitForFences(device->driver->handle, 1, &fence, VK_TRUE, SLICE_NS);
    const uint64_t took_ns = pv_os_now_ns() - begin_ns;
    *waited_ns += took_ns < SLICE_NS ? took_ns : SLICE_NS;
    return result;
}

// Whether the fences, some of them null, are signalled before all waits are too long.
static bool wait_for_marks(const struct pv_device *device, VkFence *fences, uint32_t count,
                           const struct pv_object *removed, uint64_t *waited_ns)
{
    uint32_t done = 0;
    for (;;) {
        VkResult result = VK_SUCCESS;
        while (done < count && is_done(result)) {
            if (fences[done]) {
                result = wait_a_slice(device, fences[done], waited_ns);
            }
            done += is_done(result);
        }
        if (done == count) {
            return true;
        }
        if (result != VK_TIMEOUT || *waited_ns > STOP_TIMEOUT_NS) {
            return false;
        }
        if (*waited_ns > PATIENCE_NS) {
            // Again and again: the device may reset an event, or lower a semaphore.
            release_waits(device, removed);
        }
    }
}

static bool queues_fall_silent(struct pv_device *device, const struct pv_object *removed,
                               uint64_t *waited_ns)
{
    VkFence *fences = calloc(device->queue_count + 1u, sizeof(*fences));
    bool silent = fences != NULL;
    for (uint32_t i = 0; silent && i < device->queue_count; i++) {
        silent = mark_queue(device, &device->queues[i], &fences[i]);
    }
    silent = silent && wait_for_marks(device, fences, device->queue_count, removed, waited_ns);
    for (uint32_t i = 0; fences && i < device->queue_count; i++) {
        if (fences[i] && silent) {
            pv_fence_pool_recycle(device->fences, fences[i]);
        } else if (fences[i]) {
            pv_fence_pool_abandon(device->fences, fences[i]);
        }
    }
    free(fences);
    return silent;
}

void pv_device_stop(struct pv_context *context, struct pv_device *device,
                    const struct pv_object *removed, uint64_t *waited_ns)
{
    wait_for_waiters(context, device);
    if (queues_fall_silent(device, removed, waited_ns)) {
        device->vk->vkDeviceWaitIdle(device->driver->handle); // sparse bindings heed no fence
        return;
    }
    atomic_store(&device->abandoned, true);
    atomic_fetch_add(&context->host->abandoned_devices, 1);
    pv_log(&context->host->log, PV_LOG_ERROR,
           "context %s: a device does not come to rest; its driver objects are leaked",
           context->params.name);
}

bool pv_device_may_come(struct pv_context *context)
{
    struct pv_host *host = context->host;
    if (atomic_load(&host->abandoned_devices) < MAX_ABANDONED_DEVICES &&
        atomic_load(&host->abandoned_memory) < MAX_ABANDONED_MEMORY) {
        return true;
    }
    if (!atomic_exchange(&host->said_abandoned, true)) {
        pv_log(&host->log, PV_LOG_ERROR,
               "context %s: too many devices did not come to rest, there are no new ones until "
               "this process ends",
               context->params.name);
    }
    return false;
}

// Queue timelines and the CPU timeline; see timeline.h.
//
// A pending fence is an entry in a list, oldest first. Whoever retires takes entries from the
// front while it holds the `retiring` role, so that callbacks never overlap and keep their order:
// either the inserting thread, when nothing is pending and the device is done already, or the
// waiter thread.
#include "fence/timeline.h"

#include "base/os.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <stdlib.h>

// The longest time that a stopping timeline may have to wait for its waiter.
#define WAIT_SLICE_NS (100ull * 1000 * 1000)

// No number of submissions.
#define UNCOVERED UINT64_MAX

// Guest fences that must have followed a submission directly before submissions take fences along.
#define ATTACH_AFTER 2

struct pending_fence {
    uint64_t fence_id;
    VkFence fence;      // VK_NULL_HANDLE: nothing to wait for but the entries before this one
    VkResult submitted; // what the submission said
    struct pending_fence *next;
};

struct pv_queue_timeline {
    struct pv_queue_timeline_params params;
    struct pv_thread waiter; // started by the first insert that needs it; joined by destroy
    // The queue's submissions that a fence of ours follows. Set under queue->lock; a fence that is
    // given up unsets it under `lock`.
    _Atomic uint64_t covered;

    // A fence that went with the submission of this number and that no guest fence has asked for
    // yet. Under queue->lock.
    VkFence attached;
    uint64_t attached_to;
    uint32_t followed; // guest fences in a row that one submission each came before

    // After queue->lock, before the pool's lock. Never held in a callback.
    pthread_mutex_t lock;
    struct pv_cond changed; // `first` was NULL, `retiring` was true, or `stop` was false
    struct pending_fence *first, *last;
    uint32_t count; // of the list and of what is being retired
    bool retiring;  // somebody is in, or about to enter, a callback
    bool stop;
    bool complained; // one line in the log is enough; likewise
};

struct pv_queue_timeline *pv_queue_timeline_create(const struct pv_queue_timeline_params *params)
{
    struct pv_queue_timeline *timeline = calloc(1, sizeof(*timeline));
    if (!timeline) {
        return NULL;
    }
    timeline->params = *params;
    pthread_mutex_init(&timeline->lock, NULL);
    pv_cond_init(&timeline->changed);
    return timeline;
}

// Tells the owner about a result that is not success. In the `retiring` role.
static void report(struct pv_queue_timeline *timeline, VkResult result)
{
    if (result == VK_SUCCESS || result == VK_NOT_READY) { // not ready: cut short by destroy
        return;
    }
    if (result == VK_ERROR_DEVICE_LOST) {
        if (!atomic_exchange(timeline->params.device_lost, true)) {
            pv_log(timeline->params.log, PV_LOG_WARN,
                   "a device is lost: the driver says so of a fence of ring_idx %u",
                   timeline->params.ring_idx);
        }
        return;
    }
    if (!timeline->complained) {
        timeline->complained = true;
        pv_log(timeline->params.log, PV_LOG_ERROR,
               "fences of ring_idx %u retire early: the driver failed with VkResult %d",
               timeline->params.ring_idx, result);
    }
}

// Gives the fence back. After a failed wait nobody knows whether it will still be signalled.
static void give_back(struct pv_queue_timeline *timeline, VkFence fence, bool signaled)
{
    if (!fence) {
        return;
    }
    if (signaled) {
        pv_fence_pool_recycle(timeline->params.pool, fence);
    } else {
        pv_fence_pool_abandon(timeline->params.pool, fence);
    }
}

// In the `retiring` role: the end of a fence that is done with `result`. Frees the entry.
static void retire(struct pv_queue_timeline *timeline, struct pending_fence *entry, VkResult result)
{
    report(timeline, result);
    give_back(timeline, entry->fence, result == VK_SUCCESS);
    const struct pv_queue_timeline_params *params = &timeline->params;
    const bool lost = params->lost && atomic_load(params->device_lost);
    const pv_fence_fn done = lost ? params->lost : params->retired;
    if (done) {
        done(params->user, params->ring_idx, entry->fence_id);
    }
    free(entry);
}

static VkResult wait_slice(const struct pv_queue_timeline *timeline,
                           const struct pending_fence *entry)
{
    if (!entry->fence) {
        return entry->submitted;
    }
    const struct pv_host_queue *queue = timeline->params.queue;
    return queue->vk->vkWaitForFences(queue->device, 1, &entry->fence, VK_TRUE, WAIT_SLICE_NS);
}

// Under the lock, in the `retiring` role: takes the oldest entry off the list.
static struct pending_fence *pop(struct pv_queue_timeline *timeline)
{
    struct pending_fence *entry = timeline->first;
    timeline->first = entry->next;
    if (!timeline->first) {
        timeline->last = NULL;
    }
    return entry;
}

static void waiter_main(void *user)
{
    struct pv_queue_timeline *timeline = user;
    pv_os_thread_set_low_latency();
    pthread_mutex_lock(&timeline->lock);
    while (!timeline->stop) {
        if (!timeline->first || timeline->retiring) {
            pv_cond_wait(&timeline->changed, &timeline->lock);
            continue;
        }
        // Only the waiter takes entries off a list that is not empty: `first` stays.
        const struct pending_fence *oldest = timeline->first;
        pthread_mutex_unlock(&timeline->lock);
        const VkResult result = wait_slice(timeline, oldest);
        pthread_mutex_lock(&timeline->lock);
        if (result == VK_TIMEOUT) {
            continue;
        }
        struct pending_fence *entry = pop(timeline);
        timeline->retiring = true;
        pthread_mutex_unlock(&timeline->lock);
        retire(timeline, entry, result);
        pthread_mutex_lock(&timeline->lock);
        timeline->retiring = false;
        timeline->count--;
    }
    pthread_mutex_unlock(&timeline->lock);
}

// Under the queue's lock: nothing is new since the last fence, so that the next is done with it.
static bool is_covered(const struct pv_queue_timeline *timeline)
{
    return atomic_load(&timeline->covered) == timeline->params.queue->submissions;
}

// Under the queue's lock: puts a fence into the queue, or leaves `entry` without one.
static void submit(struct pv_queue_timeline *timeline, struct pending_fence *entry)
{
    const struct pv_host_queue *queue = timeline->params.queue;
    const bool alone = queue->submissions == atomic_load(&timeline->covered) + 1;
    timeline->followed = alone ? timeline->followed + 1 : 0;
    if (timeline->attached && timeline->attached_to == queue->submissions) {
        entry->fence = timeline->attached;
        timeline->attached = VK_NULL_HANDLE;
        atomic_store(&timeline->covered, queue->submissions);
        return;
    }
    entry->submitted = pv_fence_pool_acquire(timeline->params.pool, &entry->fence);
    if (entry->submitted != VK_SUCCESS) {
        entry->fence = VK_NULL_HANDLE;
        return;
    }
    entry->submitted = queue->vk->vkQueueSubmit(queue->handle, 0, NULL, entry->fence);
    if (entry->submitted != VK_SUCCESS) {
        // A failed submission leaves the fence as it was, a lost device may not.
        give_back(timeline, entry->fence, entry->submitted != VK_ERROR_DEVICE_LOST);
        entry->fence = VK_NULL_HANDLE;
        return;
    }
    atomic_store(&timeline->covered, queue->submissions);
}

// VK_NOT_READY, or how the fence ended.
static VkResult status_of(const struct pv_queue_timeline *timeline,
                          const struct pending_fence *entry)
{
    const struct pv_host_queue *queue = timeline->params.queue;
    return entry->fence ? queue->vk->vkGetFenceStatus(queue->device, entry->fence)
                        : entry->submitted;
}

// Under the lock. Failure: false when the waiter cannot be started.
static bool ensure_waiter(struct pv_queue_timeline *timeline)
{
    return timeline->waiter.running ||
           pv_thread_start(&timeline->waiter, "pv-fence", waiter_main, timeline);
}

// Under the lock, which it gives up for the callback: retires on the inserting thread, which
// spares the guest the waiter's wake-up when the device has nothing left to do.
static void retire_now(struct pv_queue_timeline *timeline, struct pending_fence *entry,
                       VkResult status)
{
    timeline->retiring = true;
    pthread_mutex_unlock(&timeline->lock);
    retire(timeline, entry, status);
    pthread_mutex_lock(&timeline->lock);
    timeline->retiring = false;
    timeline->count--;
    if (timeline->first) {
        pv_cond_signal(&timeline->changed);
    }
}

// Under the queue's lock. A submission may still signal the fence.
static void abandon_attached(struct pv_queue_timeline *timeline)
{
    if (timeline->attached) {
        pv_fence_pool_abandon(timeline->params.pool, timeline->attached);
        timeline->attached = VK_NULL_HANDLE;
    }
}

VkFence pv_queue_timeline_attach(struct pv_queue_timeline *timeline)
{
    VkFence fence = VK_NULL_HANDLE;
    if (timeline->attached) {
        timeline->followed = 0;
        abandon_attached(timeline);
    }
    if (timeline->followed < ATTACH_AFTER ||
        pv_fence_pool_acquire(timeline->params.pool, &fence) != VK_SUCCESS) {
        return VK_NULL_HANDLE;
    }
    return fence;
}

void pv_queue_timeline_attached(struct pv_queue_timeline *timeline, VkFence fence, VkResult result)
{
    if (result == VK_SUCCESS) {
        timeline->attached = fence;
        timeline->attached_to = timeline->params.queue->submissions;
    } else {
        // A failed submission leaves the fence as it was, a lost device may not.
        give_back(timeline, fence, result != VK_ERROR_DEVICE_LOST);
    }
}

bool pv_queue_timeline_insert(struct pv_queue_timeline *timeline, uint64_t fence_id)
{
    struct pv_host_queue *queue = timeline->params.queue;
    struct pending_fence *entry = malloc(sizeof(*entry));
    if (!entry) {
        return false;
    }
    *entry = (struct pending_fence){.fence_id = fence_id, .submitted = VK_SUCCESS};

    // The order in the queue and the order in the list are one: both locks.
    pthread_mutex_lock(&queue->lock);
    const bool covered = is_covered(timeline);
    if (!covered) {
        submit(timeline, entry);
    }
    pthread_mutex_lock(&timeline->lock);
    if (covered && !is_covered(timeline)) { // that fence has just been given up
        submit(timeline, entry);
    }
    pthread_mutex_unlock(&queue->lock);

    timeline->count++;
    if (!timeline->first && !timeline->retiring) {
        const VkResult status = status_of(timeline, entry);
        if (status != VK_NOT_READY) {
            retire_now(timeline, entry, status);
            pthread_mutex_unlock(&timeline->lock);
            return true;
        }
    }

    if (!ensure_waiter(timeline)) {
        timeline->count--;
        atomic_store(&timeline->covered, UNCOVERED);
        pthread_mutex_unlock(&timeline->lock);
        give_back(timeline, entry->fence, false);
        free(entry);
        return false;
    }
    if (timeline->last) {
        timeline->last->next = entry;
    } else {
        timeline->first = entry;
        pv_cond_signal(&timeline->changed);
    }
    timeline->last = entry;
    pthread_mutex_unlock(&timeline->lock);
    return true;
}

void pv_queue_timeline_destroy(struct pv_queue_timeline *timeline)
{
    if (!timeline) {
        return;
    }
    pthread_mutex_lock(&timeline->lock);
    timeline->stop = true;
    pv_cond_broadcast(&timeline->changed);
    pthread_mutex_unlock(&timeline->lock);
    pv_thread_join(&timeline->waiter);

    abandon_attached(timeline);
    while (timeline->first) {
        struct pending_fence *entry = pop(timeline);
        retire(timeline, entry, status_of(timeline, entry));
    }
    pv_cond_finish(&timeline->changed);
    pthread_mutex_destroy(&timeline->lock);
    free(timeline);
}

uint32_t pv_queue_timeline_pending(struct pv_queue_timeline *timeline)
{
    pthread_mutex_lock(&timeline->lock);
    const uint32_t count = timeline->count;
    pthread_mutex_unlock(&timeline->lock);
    return count;
}

void pv_cpu_timeline_init(struct pv_cpu_timeline *timeline, pv_fence_fn retired, void *user)
{
    timeline->retired = retired;
    timeline->user = user;
    pthread_mutex_init(&timeline->lock, NULL);
}

void pv_cpu_timeline_finish(struct pv_cpu_timeline *timeline)
{
    pthread_mutex_destroy(&timeline->lock);
}

void pv_cpu_timeline_insert(struct pv_cpu_timeline *timeline, uint64_t fence_id)
{
    if (!timeline->retired) {
        return;
    }
    pthread_mutex_lock(&timeline->lock);
    timeline->retired(timeline->user, 0, fence_id);
    pthread_mutex_unlock(&timeline->lock);
}

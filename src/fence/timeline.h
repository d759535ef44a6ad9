// Fence timelines: how guest fences with a ring_idx retire.
//
// A queue timeline puts an empty batch with a VkFence into its queue for each guest fence, under
// the queue's lock, so that the fence's place in the queue is fixed when insert returns. A fence
// that follows no new work needs none: it is done when the one before it is, often at once. Where a
// guest fence has followed each submission so far, the next submission takes a VkFence along, which
// spares the batch (where the driver keeps their order: src/handlers/queue.c). One waiter thread
// per queue, started with the first fence that is not done at once, waits for them in order and
// calls back. Every inserted fence retires exactly once and in order: on success, on error, when
// the device is lost, and when the timeline is destroyed.
#ifndef PV_FENCE_TIMELINE_H
#define PV_FENCE_TIMELINE_H

#include "base/log.h"
#include "fence/pool.h"
#include "fence/queue.h"
#include "pv/fence.h"

struct pv_queue_timeline;

struct pv_queue_timeline_params {
    struct pv_host_queue *queue; // borrowed until destroy
    struct pv_fence_pool *pool;  // borrowed until destroy
    const struct pv_log *log;    // borrowed until destroy
    uint32_t ring_idx;           // passed to the callbacks
    pv_fence_fn retired;         // NULL: fences retire silently
    pv_fence_fn lost;            // called instead when the device is lost; NULL: `retired` is
    void *user;
    // Shared by whoever learns that the device is lost; read before each callback. Borrowed until
    // destroy.
    _Atomic bool *device_lost;
};

// Failure: NULL.
struct pv_queue_timeline *pv_queue_timeline_create(const struct pv_queue_timeline_params *params);

// Stops the waiter and retires what is left, without waiting for the device. Fences that the
// device has not signalled yet go to the pool as abandoned. NULL is allowed.
// Thread-safety: no insert may be in progress.
void pv_queue_timeline_destroy(struct pv_queue_timeline *timeline);

// Retires `fence_id` when everything submitted to the queue so far is done. May call back before
// it returns. A failing submission retires the fence as soon as the earlier ones have retired.
// Failure: false, memory or threads are short; there will be no callback.
// Thread-safety: Safe.
bool pv_queue_timeline_insert(struct pv_queue_timeline *timeline, uint64_t fence_id);

// For a submission of the guest that has no fence of its own: one of ours to go with it, or
// VK_NULL_HANDLE. The caller holds the queue's lock from pv_host_queue_begin() until it has told
// how the submission went.
VkFence pv_queue_timeline_attach(struct pv_queue_timeline *timeline);
// `fence`: what pv_queue_timeline_attach() gave.
void pv_queue_timeline_attached(struct pv_queue_timeline *timeline, VkFence fence, VkResult result);

// Fences inserted and not yet retired. Thread-safety: Safe, a snapshot.
uint32_t pv_queue_timeline_pending(struct pv_queue_timeline *timeline);

// The timeline with ring_idx 0: a fence is done when it is inserted.
struct pv_cpu_timeline {
    pthread_mutex_t lock; // held around `retired`: never two callbacks at once
    pv_fence_fn retired;
    void *user;
};

void pv_cpu_timeline_init(struct pv_cpu_timeline *timeline, pv_fence_fn retired, void *user);
void pv_cpu_timeline_finish(struct pv_cpu_timeline *timeline);
// Calls back before it returns. Thread-safety: Safe.
void pv_cpu_timeline_insert(struct pv_cpu_timeline *timeline, uint64_t fence_id);

#endif

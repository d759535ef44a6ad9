// A VkQueue of the host with its lock: ring threads submit to it while fences submit empty
// batches. Owned by the context's device object, one per (family, index).
#ifndef PV_FENCE_QUEUE_H
#define PV_FENCE_QUEUE_H

#include "vk/functions.h"

#include <pthread.h>

struct pv_host_queue {
    VkDevice device;
    const struct pv_device_functions *vk; // borrowed
    VkQueue handle;
    uint32_t family;

    // Held around every vkQueue* call. Taken before the locks of pv_queue_timeline and
    // pv_fence_pool, never after.
    pthread_mutex_t lock;
    // What pv_host_queue_begin() has counted, and so what fences must wait for. Under `lock`.
    uint64_t submissions;
};

void pv_host_queue_init(struct pv_host_queue *queue, VkDevice device,
                        const struct pv_device_functions *vk, VkQueue handle, uint32_t family);
void pv_host_queue_finish(struct pv_host_queue *queue);

// Around a call that gives the queue work of the guest.
void pv_host_queue_begin(struct pv_host_queue *queue);
void pv_host_queue_end(struct pv_host_queue *queue);

#endif

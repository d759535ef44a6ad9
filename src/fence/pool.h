// VkFences of one VkDevice, kept for reuse: creating one costs up to 420 us (NVIDIA).
#ifndef PV_FENCE_POOL_H
#define PV_FENCE_POOL_H

#include "vk/functions.h"

struct pv_fence_pool;

// Failure: NULL.
struct pv_fence_pool *pv_fence_pool_create(VkDevice device, const struct pv_device_functions *vk);

// Destroys every fence in the pool. No queue may still be going to signal one: the device is
// idle or lost. NULL is allowed.
void pv_fence_pool_destroy(struct pv_fence_pool *pool);

// An unsignalled fence that the caller owns until it gives it back or destroys it.
// Thread-safety: Safe.
VkResult pv_fence_pool_acquire(struct pv_fence_pool *pool, VkFence *fence);

// Takes a fence that no submission will touch any more. Thread-safety: Safe.
void pv_fence_pool_recycle(struct pv_fence_pool *pool, VkFence fence);

// Takes a fence that a submission may still signal; it is reused when it has been signalled.
// Thread-safety: Safe.
void pv_fence_pool_abandon(struct pv_fence_pool *pool, VkFence fence);

#endif

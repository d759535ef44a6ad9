// SYNC_FD payload operations without SYNC_FD support in the host driver.
//
// Mesa before 26.2 never passes a sync file to the host. It only asks the host to consume or to
// supply a payload (commands 244 to 246), and that empty submissions and fence resets can do on
// any driver. Results are VkResults of the driver calls made; a device loss shows as such.
#ifndef PV_FENCE_SYNC_FD_H
#define PV_FENCE_SYNC_FD_H

#include "fence/pool.h"
#include "fence/queue.h"

// vkImportSemaphoreResourceMESA: signals the binary semaphore once. The semaphore must be
// unsignalled without a pending signal, as for any signal operation. Takes the queue's lock.
VkResult pv_sync_fd_signal_semaphore(struct pv_host_queue *queue, VkSemaphore semaphore);

// vkWaitSemaphoreResourceMESA: consumes the payload of the binary semaphore, pending or there,
// without blocking the caller. Takes the queue's lock. Best given the queue that signals it:
// another one waits for it.
VkResult pv_sync_fd_consume_semaphore(struct pv_host_queue *queue, VkSemaphore semaphore);

// vkResetFenceResourceMESA: leaves an unsignalled fence in `*fence`, without blocking. A fence
// that a submission may still signal cannot be reset; it is replaced by another one and goes to
// the pool. `*fence` is exchanged atomically, and left alone when somebody else has changed it
// meanwhile; it is unchanged on failure. Thread-safety: as for vkResetFences.
VkResult pv_sync_fd_reset_fence(struct pv_fence_pool *pool, VkDevice device,
                                const struct pv_device_functions *vk, VkFence *fence);

#endif

// SYNC_FD payload operations as empty batches and fence swaps.
#include "fence/sync_fd.h"

#include <stdbool.h>

static VkResult submit_empty(struct pv_host_queue *queue, const VkSubmitInfo *info)
{
    pv_host_queue_begin(queue);
    const VkResult result = queue->vk->vkQueueSubmit(queue->handle, 1, info, VK_NULL_HANDLE);
    pv_host_queue_end(queue);
    return result;
}

VkResult pv_sync_fd_signal_semaphore(struct pv_host_queue *queue, VkSemaphore semaphore)
{
    return submit_empty(queue, &(VkSubmitInfo){
                                   .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                   .signalSemaphoreCount = 1,
                                   .pSignalSemaphores = &semaphore,
                               });
}

VkResult pv_sync_fd_consume_semaphore(struct pv_host_queue *queue, VkSemaphore semaphore)
{
    // As the destination of a wait, BOTTOM_OF_PIPE names no work at all: what follows on the
    // queue need not wait for the semaphore.
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT;
    return submit_empty(queue, &(VkSubmitInfo){
                                   .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                   .waitSemaphoreCount = 1,
                                   .pWaitSemaphores = &semaphore,
                                   .pWaitDstStageMask = &stage,
                               });
}

// The guest may destroy or reset the fence on another ring meanwhile: whoever takes a handle out of
// the object owns it.
typedef uint64_t __attribute__((may_alias)) handle_word;
_Static_assert(sizeof(VkFence) == sizeof(handle_word), "fences are handles of 64 bits");

VkResult pv_sync_fd_reset_fence(struct pv_fence_pool *pool, VkDevice device,
                                const struct pv_device_functions *vk, VkFence *fence)
{
    handle_word *word = (handle_word *)fence;
    uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    const VkFence present = (VkFence)(uintptr_t)old;
    const VkResult status = present ? vk->vkGetFenceStatus(device, present) : VK_NOT_READY;
    if (status == VK_SUCCESS) {
        return vk->vkResetFences(device, 1, &present);
    }
    if (status != VK_NOT_READY || !present) {
        return status;
    }
    VkFence fresh = VK_NULL_HANDLE;
    const VkResult result = pv_fence_pool_acquire(pool, &fresh);
    if (result != VK_SUCCESS) {
        return result;
    }
    if (__atomic_compare_exchange_n(word, &old, (uint64_t)(uintptr_t)fresh, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
        pv_fence_pool_abandon(pool, present);
    } else {
        pv_fence_pool_recycle(pool, fresh);
    }
    return VK_SUCCESS;
}

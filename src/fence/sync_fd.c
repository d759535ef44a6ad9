// SYNC_FD payload operations as empty batches and fence swaps.
#include "fence/sync_fd.h"

static VkResult submit_empty(struct pv_host_queue *queue, const VkSubmitInfo *info)
{
    pthread_mutex_lock(&queue->lock);
    const VkResult result = queue->vk->vkQueueSubmit(queue->handle, 1, info, VK_NULL_HANDLE);
    pthread_mutex_unlock(&queue->lock);
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

VkResult pv_sync_fd_reset_fence(struct pv_fence_pool *pool, VkDevice device,
                                const struct pv_device_functions *vk, VkFence *fence)
{
    const VkResult status = vk->vkGetFenceStatus(device, *fence);
    if (status == VK_SUCCESS) {
        return vk->vkResetFences(device, 1, fence);
    }
    if (status != VK_NOT_READY) {
        return status;
    }
    VkFence fresh = VK_NULL_HANDLE;
    const VkResult result = pv_fence_pool_acquire(pool, &fresh);
    if (result == VK_SUCCESS) {
        pv_fence_pool_abandon(pool, *fence);
        *fence = fresh;
    }
    return result;
}

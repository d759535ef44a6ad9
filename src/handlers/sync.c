// Fences and semaphores with SYNC_FD payloads, for Mesa before 26.2. No sync file ever reaches the
// host: the guest only asks to consume or to supply a payload. Where the driver knows nothing of
// SYNC_FD, its structures are taken out of creations and the payloads are moved by empty
// submissions (fence/sync_fd.h).
#include "fence/sync_fd.h"
#include "handlers/chain.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

static bool emulates_sync_fd(const struct pv_object *device)
{
    return pv_device_of(device)->host->emulations & PV_EMULATE_SYNC_FD;
}

void pv_handle_vkCreateFence(struct pv_stream *s, struct pv_cmd_vkCreateFence *cmd)
{
    VkFenceCreateInfo info = *cmd->pCreateInfo;
    if (emulates_sync_fd(cmd->device_obj)) {
        pv_chain_remove(&info, VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO);
    }
    struct pv_object *fence =
        pv_object_new(s, sizeof(*fence), VK_OBJECT_TYPE_FENCE, cmd->pFence_id, 0, cmd->device_obj);
    if (!fence) {
        return;
    }
    // Whatever its first state, a fence without more to it can be reset and become another.
    const bool pooled = !info.pNext;
    if (pooled && !info.flags) {
        cmd->ret = pv_fence_pool_acquire(pv_device_of(cmd->device_obj)->guest_fences, cmd->pFence);
    } else {
        cmd->ret = pv_device_functions_of(cmd->device_obj)
                       ->vkCreateFence(cmd->device, &info, NULL, cmd->pFence);
    }
    const bool made = cmd->ret == VK_SUCCESS;
    fence->flags = made && pooled ? PV_OBJECT_POOLED : 0;
    pv_stream_created_object(s, fence, made ? (uint64_t)(uintptr_t)*cmd->pFence : 0,
                             cmd->device_obj);
}

void pv_handle_vkCreateSemaphore(struct pv_stream *s, struct pv_cmd_vkCreateSemaphore *cmd)
{
    VkSemaphoreCreateInfo info = *cmd->pCreateInfo;
    if (emulates_sync_fd(cmd->device_obj)) {
        pv_chain_remove(&info, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);
    }
    struct pv_signal *semaphore = pv_object_new(s, sizeof(*semaphore), VK_OBJECT_TYPE_SEMAPHORE,
                                                cmd->pSemaphore_id, 0, cmd->device_obj);
    if (!semaphore) {
        return;
    }
    const VkSemaphoreTypeCreateInfo *type =
        pv_chain_find(&info, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    semaphore->host_signals = type && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE;
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateSemaphore(cmd->device, &info, NULL, cmd->pSemaphore);
    pv_stream_created_object(s, &semaphore->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pSemaphore : 0,
                             cmd->device_obj);
}

void pv_handle_vkCreateEvent(struct pv_stream *s, struct pv_cmd_vkCreateEvent *cmd)
{
    struct pv_signal *event =
        pv_object_new(s, sizeof(*event), VK_OBJECT_TYPE_EVENT, cmd->pEvent_id, 0, cmd->device_obj);
    if (!event) {
        return;
    }
    event->host_signals = !(cmd->pCreateInfo->flags & VK_EVENT_CREATE_DEVICE_ONLY_BIT);
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateEvent(cmd->device, cmd->pCreateInfo, NULL, cmd->pEvent);
    pv_stream_created_object(s, &event->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pEvent : 0,
                             cmd->device_obj);
}

static struct pv_host_queue *any_queue(struct pv_stream *s, struct pv_device *device)
{
    if (device->queue_count == 0) {
        pv_stream_fail(s, "a device without queues has no payloads");
        return NULL;
    }
    return &device->queues[0];
}

// The driver's own SYNC_FD support, where it has it, keeps the order of its payloads itself.
void pv_handle_vkResetFenceResourceMESA(struct pv_stream *s,
                                        struct pv_cmd_vkResetFenceResourceMESA *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    const VkResult result = pv_sync_fd_reset_fence(device->guest_fences, cmd->device, device->vk,
                                                   (VkFence *)(void *)&cmd->fence_obj->handle);
    if (result == VK_ERROR_DEVICE_LOST) {
        pv_stream_lose_device(s, device, "the driver says so");
    } else if (result != VK_SUCCESS) {
        pv_stream_fail(s, "the fence's payload cannot be consumed");
    }
}

static void check_payload(struct pv_stream *s, struct pv_device *device, VkResult result)
{
    if (result == VK_ERROR_DEVICE_LOST) {
        pv_stream_lose_device(s, device, "the driver says so");
    } else if (result != VK_SUCCESS) {
        pv_stream_fail(s, "the semaphore's payload cannot be moved");
    }
}

void pv_handle_vkWaitSemaphoreResourceMESA(struct pv_stream *s,
                                           struct pv_cmd_vkWaitSemaphoreResourceMESA *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    if (((const struct pv_signal *)cmd->semaphore_obj)->host_signals) {
        pv_stream_fail(s, "a timeline semaphore has no payload to take");
        return;
    }
    struct pv_host_queue *queue = any_queue(s, device);
    if (queue) {
        check_payload(s, device, pv_sync_fd_consume_semaphore(queue, cmd->semaphore));
    }
}

void pv_handle_vkImportSemaphoreResourceMESA(struct pv_stream *s,
                                             struct pv_cmd_vkImportSemaphoreResourceMESA *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    const VkImportSemaphoreResourceInfoMESA *info = cmd->pImportSemaphoreResourceInfo;
    if (info->resourceId || !info->semaphore) {
        pv_stream_fail(s, "a semaphore payload comes from no resource");
        return;
    }
    struct pv_host_queue *queue = any_queue(s, device);
    if (queue) {
        check_payload(s, device, pv_sync_fd_signal_semaphore(queue, info->semaphore));
    }
}

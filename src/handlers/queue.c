// Submission, and the waits that Mesa before 26.2 sends after it has seen the feedback.
#include "blob/chain.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

#include <time.h>

// A wait looks up from the driver this often, so that a context can end meanwhile.
#define WAIT_SLICE_NS ((uint64_t)100 * 1000 * 1000)
// On the caller's thread, which other contexts may need, a submission may wait this long in all.
// Mesa waits on its rings only, and there for what has happened already.
#define STREAM_WAIT_NS ((uint64_t)1000 * 1000 * 1000)

static void count_submit(struct pv_stream *s)
{
    atomic_fetch_add_explicit(&s->counters.queue_submits, 1, memory_order_relaxed);
}

// A guest driver that has fences on the host and does not ask for their status (Mesa before 26.2)
// waits for feedback in its memory. What a lost submission does not write there it waits for
// without end, and hears of nothing but the end of its ring.
static void tell_loss(struct pv_stream *s, const struct pv_device *device, VkFence fence)
{
    if (fence && !pv_stream_wants_reply(s) &&
        !atomic_load_explicit(&device->asks_status, memory_order_relaxed)) {
        pv_stream_fail(s, "the device is lost, and the guest would wait for this fence for ever");
    }
}

// A submission that names what the driver refused to create cannot be run as the guest meant it.
// The guest was not told of the refusal, so it is told now, in Vulkan's words.
static bool submission_is_lost(struct pv_stream *s, struct pv_device *device, VkFence fence,
                               VkResult *result)
{
    if (s->decoder.poisoned) {
        pv_stream_lose_device(s, device, "it names what the driver refused to create");
    }
    if (atomic_load_explicit(&device->lost, memory_order_relaxed)) {
        *result = VK_ERROR_DEVICE_LOST;
        tell_loss(s, device, fence);
        return true;
    }
    return false;
}

static void note_loss(struct pv_stream *s, struct pv_device *device, VkResult result)
{
    if (result == VK_ERROR_DEVICE_LOST) {
        pv_stream_lose_device(s, device, "the driver says so");
    }
}

static void note_lost_submission(struct pv_stream *s, struct pv_device *device, VkFence fence,
                                 VkResult result)
{
    note_loss(s, device, result);
    if (result == VK_ERROR_DEVICE_LOST) {
        tell_loss(s, device, fence);
    }
}

// What a submission does with timeline semaphores.
struct timeline_use {
    bool waits, signals;
};

static bool any_value(const uint64_t *values, uint32_t count)
{
    for (uint32_t i = 0; values && i < count; i++) {
        if (values[i] != 0) { // those of binary semaphores are 0
            return true;
        }
    }
    return false;
}

static bool any_value2(const VkSemaphoreSubmitInfo *infos, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (infos[i].value != 0) {
            return true;
        }
    }
    return false;
}

// `next` is the chain of a VkSubmitInfo or a VkBindSparseInfo.
static void add_timelines(struct timeline_use *use, const void *next)
{
    const VkTimelineSemaphoreSubmitInfo *values =
        pv_blob_chain_find(next, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    if (values) {
        use->waits |= any_value(values->pWaitSemaphoreValues, values->waitSemaphoreValueCount);
        use->signals |=
            any_value(values->pSignalSemaphoreValues, values->signalSemaphoreValueCount);
    }
}

static void add_timelines2(struct timeline_use *use, const VkSubmitInfo2 *info)
{
    use->waits |= any_value2(info->pWaitSemaphoreInfos, info->waitSemaphoreInfoCount);
    use->signals |= any_value2(info->pSignalSemaphoreInfos, info->signalSemaphoreInfoCount);
}

static void begin_queue(struct pv_device *device, struct pv_queue *queue, struct timeline_use use)
{
    if (use.waits) {
        atomic_store_explicit(&device->timelines_waited, true, memory_order_relaxed);
    }
    pv_host_queue_begin(queue->host);
}

// The fence to submit with: the guest's, or one of ours if a fence of the transport will follow.
//
// To the guest that fence stands for the timeline semaphores that the submission signals. Where the
// driver may raise them later than the fence, it would lower a value again that the guest signals
// meanwhile; there they need the empty batch behind them.
static VkFence begin_submission(struct pv_device *device, struct pv_queue *queue,
                                VkFence guest_fence, struct timeline_use use)
{
    begin_queue(device, queue, use);
    const bool late = use.signals && device->host->facts.quirks & PV_QUIRK_LATE_TIMELINES &&
                      atomic_load_explicit(&device->timelines_waited, memory_order_relaxed);
    return guest_fence || late ? guest_fence : pv_queue_timeline_attach(queue->timeline);
}

static void end_submission(struct pv_queue *queue, VkFence guest_fence, VkFence fence,
                           VkResult result)
{
    if (fence && !guest_fence) {
        pv_queue_timeline_attached(queue->timeline, fence, result);
    }
    pv_host_queue_end(queue->host);
}

void pv_handle_vkQueueSubmit(struct pv_stream *s, struct pv_cmd_vkQueueSubmit *cmd)
{
    struct pv_queue *queue = (struct pv_queue *)cmd->queue_obj;
    struct pv_device *device = pv_device_of(cmd->queue_obj);
    if (submission_is_lost(s, device, cmd->fence, &cmd->ret)) {
        return;
    }
    count_submit(s);
    struct timeline_use use = {0};
    for (uint32_t i = 0; i < cmd->submitCount; i++) {
        add_timelines(&use, cmd->pSubmits[i].pNext);
    }
    const VkFence fence = begin_submission(device, queue, cmd->fence, use);
    cmd->ret = device->vk->vkQueueSubmit(cmd->queue, cmd->submitCount, cmd->pSubmits, fence);
    end_submission(queue, cmd->fence, fence, cmd->ret);
    note_lost_submission(s, device, cmd->fence, cmd->ret);
}

void pv_handle_vkQueueSubmit2(struct pv_stream *s, struct pv_cmd_vkQueueSubmit2 *cmd)
{
    struct pv_queue *queue = (struct pv_queue *)cmd->queue_obj;
    struct pv_device *device = pv_device_of(cmd->queue_obj);
    if (!device->vk->vkQueueSubmit2) {
        pv_stream_fail_missing(s);
        return;
    }
    if (submission_is_lost(s, device, cmd->fence, &cmd->ret)) {
        return;
    }
    count_submit(s);
    struct timeline_use use = {0};
    for (uint32_t i = 0; i < cmd->submitCount; i++) {
        add_timelines2(&use, &cmd->pSubmits[i]);
    }
    const VkFence fence = begin_submission(device, queue, cmd->fence, use);
    cmd->ret = device->vk->vkQueueSubmit2(cmd->queue, cmd->submitCount, cmd->pSubmits, fence);
    end_submission(queue, cmd->fence, fence, cmd->ret);
    note_lost_submission(s, device, cmd->fence, cmd->ret);
}

void pv_handle_vkQueueBindSparse(struct pv_stream *s, struct pv_cmd_vkQueueBindSparse *cmd)
{
    struct pv_queue *queue = (struct pv_queue *)cmd->queue_obj;
    struct pv_device *device = pv_device_of(cmd->queue_obj);
    if (submission_is_lost(s, device, cmd->fence, &cmd->ret)) {
        return;
    }
    count_submit(s);
    struct timeline_use use = {0};
    for (uint32_t i = 0; i < cmd->bindInfoCount; i++) {
        add_timelines(&use, cmd->pBindInfo[i].pNext);
    }
    begin_queue(device, queue, use);
    cmd->ret =
        device->vk->vkQueueBindSparse(cmd->queue, cmd->bindInfoCount, cmd->pBindInfo, cmd->fence);
    pv_host_queue_end(queue->host);
    note_lost_submission(s, device, cmd->fence, cmd->ret);
}

// A wait of the guest's, cut into slices.
struct guest_wait {
    uint64_t left_ns, slice_ns;
    bool begun; // no time at all is one slice, too
};

// Whether another slice is due: what the driver said of the last one, and what happened meanwhile.
static bool wait_goes_on(struct pv_stream *s, struct pv_device *device, struct guest_wait *wait,
                         VkResult *result)
{
    wait->left_ns -= wait->slice_ns;
    if (atomic_load_explicit(&device->lost, memory_order_relaxed) ||
        atomic_load_explicit(&device->ending, memory_order_relaxed)) {
        *result = VK_ERROR_DEVICE_LOST;
    }
    if (*result != VK_TIMEOUT || (wait->begun && wait->left_ns == 0) || pv_stream_cancelled(s)) {
        return false;
    }
    wait->begun = true;
    wait->slice_ns = wait->left_ns < WAIT_SLICE_NS ? wait->left_ns : WAIT_SLICE_NS;
    if (!s->ring && (s->waited_ns += wait->slice_ns) > STREAM_WAIT_NS) {
        pv_stream_fail(s, "waits for longer than the context stream may");
        return false;
    }
    return true;
}

void pv_handle_vkWaitForFences(struct pv_stream *s, struct pv_cmd_vkWaitForFences *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    struct guest_wait wait = {.left_ns = cmd->timeout};
    cmd->ret = VK_TIMEOUT;
    pv_device_begin_wait(s, device);
    while (wait_goes_on(s, device, &wait, &cmd->ret)) {
        cmd->ret = device->vk->vkWaitForFences(cmd->device, cmd->fenceCount, cmd->pFences,
                                               cmd->waitAll, wait.slice_ns);
    }
    pv_device_end_wait(s, device);
}

void pv_handle_vkWaitSemaphores(struct pv_stream *s, struct pv_cmd_vkWaitSemaphores *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkWaitSemaphores) {
        pv_stream_fail_missing(s);
        return;
    }
    struct guest_wait wait = {.left_ns = cmd->timeout};
    cmd->ret = VK_TIMEOUT;
    pv_device_begin_wait(s, device);
    while (wait_goes_on(s, device, &wait, &cmd->ret)) {
        cmd->ret = device->vk->vkWaitSemaphores(cmd->device, cmd->pWaitInfo, wait.slice_ns);
    }
    pv_device_end_wait(s, device);
}

// -- status ----------------------------------------------------------------------------------

// A guest that has waited for long asks for the status to learn whether the device is lost. The
// driver does not know of a loss that is ours (see submission_is_lost()).
static bool is_lost(const struct pv_device *device, VkResult *result)
{
    const bool lost = atomic_load_explicit(&device->lost, memory_order_relaxed);
    if (lost) {
        *result = VK_ERROR_DEVICE_LOST;
    }
    return lost;
}

void pv_handle_vkGetFenceStatus(struct pv_stream *s, struct pv_cmd_vkGetFenceStatus *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    atomic_store_explicit(&device->asks_status, true, memory_order_relaxed);
    if (!is_lost(device, &cmd->ret)) {
        cmd->ret = device->vk->vkGetFenceStatus(cmd->device, cmd->fence);
        note_loss(s, device, cmd->ret);
    }
}

void pv_handle_vkGetSemaphoreCounterValue(struct pv_stream *s,
                                          struct pv_cmd_vkGetSemaphoreCounterValue *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetSemaphoreCounterValue) {
        pv_stream_fail_missing(s);
    } else if (!is_lost(device, &cmd->ret)) {
        cmd->ret = device->vk->vkGetSemaphoreCounterValue(cmd->device, cmd->semaphore, cmd->pValue);
        note_loss(s, device, cmd->ret);
    }
}

// Mesa before 26.2 stores the new value in its feedback slot *after* it has sent this command. Work
// that the signal releases may write the slot, too, and when that comes first, the guest's late
// store hides it for ever. So the guest gets the time of a few instructions, without our thread
// in the way.
#define FEEDBACK_GRACE_NS 50000

void pv_handle_vkSignalSemaphore(struct pv_stream *s, struct pv_cmd_vkSignalSemaphore *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkSignalSemaphore) {
        pv_stream_fail_missing(s);
        return;
    }
    if (atomic_load_explicit(&s->context->guest_uses_feedback, memory_order_relaxed)) {
        nanosleep(&(struct timespec){.tv_nsec = FEEDBACK_GRACE_NS}, NULL);
    }
    cmd->ret = vk->vkSignalSemaphore(cmd->device, cmd->pSignalInfo);
}

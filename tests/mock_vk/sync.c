// Fences, semaphores, events and submissions of the mock. Work is done when it is submitted,
// unless the test holds it; then it is done in order when the test releases it.
#include "state.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct fence {
    bool signaled, pending;
};

struct semaphore {
    bool timeline, signaled;
    uint64_t value;
};

// --- Waiting -------------------------------------------------------------------------------

// Under the lock. false once `timeout_ns` has passed since `start`.
static bool wait_for_change(const struct timespec *start, uint64_t timeout_ns)
{
    if (timeout_ns > 3600ull * 1000000000) {
        pthread_cond_wait(&mock.changed, &mock.lock);
        return true;
    }
    struct timespec deadline = *start;
    deadline.tv_sec += (time_t)(timeout_ns / 1000000000);
    deadline.tv_nsec += (long)(timeout_ns % 1000000000);
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    return pthread_cond_timedwait(&mock.changed, &mock.lock, &deadline) != ETIMEDOUT;
}

// Waits until `done` says so. Takes the lock.
static VkResult wait_until(bool (*done)(const void *what), const void *what, uint64_t timeout_ns)
{
    struct timespec start;
    clock_gettime(CLOCK_REALTIME, &start); // what pthread_cond_timedwait() counts in
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&mock.lock);
    while (!mock.lost && !done(what)) {
        if (timeout_ns == 0 || !wait_for_change(&start, timeout_ns)) {
            result = done(what) ? VK_SUCCESS : VK_TIMEOUT;
            break;
        }
    }
    if (mock.lost) {
        result = VK_ERROR_DEVICE_LOST;
    }
    pthread_mutex_unlock(&mock.lock);
    return result;
}

// --- Fences --------------------------------------------------------------------------------

// Under the lock.
static struct fence *find_fence(VkFence fence)
{
    const struct mock_object *object = mock_find(MOCK_HANDLE(fence), VK_OBJECT_TYPE_FENCE);
    return object ? object->data : NULL;
}

VkResult impl_vkCreateFence(VkDevice device, const VkFenceCreateInfo *pCreateInfo,
                            const VkAllocationCallbacks *pAllocator, VkFence *pFence)
{
    (void)pAllocator;
    const uint64_t handle = mock_create(VK_OBJECT_TYPE_FENCE, MOCK_HANDLE(device));
    struct fence *fence = calloc(1, sizeof(*fence));
    fence->signaled = pCreateInfo->flags & VK_FENCE_CREATE_SIGNALED_BIT;
    mock_set_data(handle, fence, NULL);
    *pFence = (VkFence)(uintptr_t)handle;
    return VK_SUCCESS;
}

static bool is_pending(VkFence fence)
{
    pthread_mutex_lock(&mock.lock);
    const struct fence *data = find_fence(fence);
    const bool pending = data && data->pending && !mock.lost;
    pthread_mutex_unlock(&mock.lock);
    return pending;
}

void impl_vkDestroyFence(VkDevice device, VkFence fence, const VkAllocationCallbacks *pAllocator)
{
    (void)device;
    (void)pAllocator;
    if (is_pending(fence)) {
        mock_error("vkDestroyFence: a submission is going to signal the fence");
    }
    mock_destroy(MOCK_HANDLE(fence), VK_OBJECT_TYPE_FENCE, "vkDestroyFence");
}

VkResult impl_vkResetFences(VkDevice device, uint32_t fenceCount, const VkFence *pFences)
{
    (void)device;
    for (uint32_t i = 0; i < fenceCount; i++) {
        if (is_pending(pFences[i])) {
            mock_error("vkResetFences: a submission is going to signal the fence");
        }
        pthread_mutex_lock(&mock.lock);
        struct fence *fence = find_fence(pFences[i]);
        if (fence) {
            fence->signaled = false;
        }
        pthread_mutex_unlock(&mock.lock);
    }
    return VK_SUCCESS;
}

bool mock_vk_fence_signaled(VkFence fence)
{
    pthread_mutex_lock(&mock.lock);
    const struct fence *data = find_fence(fence);
    const bool signaled = data && data->signaled;
    pthread_mutex_unlock(&mock.lock);
    return signaled;
}

static bool is_lost(void)
{
    pthread_mutex_lock(&mock.lock);
    const bool lost = mock.lost;
    pthread_mutex_unlock(&mock.lock);
    return lost;
}

VkResult impl_vkGetFenceStatus(VkDevice device, VkFence fence)
{
    (void)device;
    if (is_lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    return mock_vk_fence_signaled(fence) ? VK_SUCCESS : VK_NOT_READY;
}

struct fence_wait {
    uint32_t count;
    const VkFence *fences;
    bool all;
};

static bool fences_done(const void *what)
{
    const struct fence_wait *wait = what;
    uint32_t signaled = 0;
    for (uint32_t i = 0; i < wait->count; i++) {
        const struct fence *fence = find_fence(wait->fences[i]);
        signaled += fence && fence->signaled;
    }
    return wait->all ? signaled == wait->count : signaled > 0;
}

VkResult impl_vkWaitForFences(VkDevice device, uint32_t fenceCount, const VkFence *pFences,
                              VkBool32 waitAll, uint64_t timeout)
{
    (void)device;
    const struct fence_wait wait = {fenceCount, pFences, waitAll};
    return wait_until(fences_done, &wait, timeout);
}

// --- Semaphores ----------------------------------------------------------------------------

// Under the lock.
static struct semaphore *find_semaphore(VkSemaphore semaphore)
{
    const struct mock_object *object = mock_find(MOCK_HANDLE(semaphore), VK_OBJECT_TYPE_SEMAPHORE);
    return object ? object->data : NULL;
}

VkResult impl_vkCreateSemaphore(VkDevice device, const VkSemaphoreCreateInfo *pCreateInfo,
                                const VkAllocationCallbacks *pAllocator, VkSemaphore *pSemaphore)
{
    (void)pAllocator;
    const VkSemaphoreTypeCreateInfo *type =
        mock_chain_find(pCreateInfo->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    const uint64_t handle = mock_create(VK_OBJECT_TYPE_SEMAPHORE, MOCK_HANDLE(device));
    struct semaphore *semaphore = calloc(1, sizeof(*semaphore));
    semaphore->timeline = type && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE;
    semaphore->value = type ? type->initialValue : 0;
    mock_set_data(handle, semaphore, NULL);
    *pSemaphore = (VkSemaphore)(uintptr_t)handle;
    return VK_SUCCESS;
}

bool mock_vk_semaphore_signaled(VkSemaphore semaphore)
{
    pthread_mutex_lock(&mock.lock);
    const struct semaphore *data = find_semaphore(semaphore);
    const bool signaled = data && data->signaled;
    pthread_mutex_unlock(&mock.lock);
    return signaled;
}

uint64_t mock_vk_semaphore_value(VkSemaphore semaphore)
{
    pthread_mutex_lock(&mock.lock);
    const struct semaphore *data = find_semaphore(semaphore);
    const uint64_t value = data ? data->value : 0;
    pthread_mutex_unlock(&mock.lock);
    return value;
}

VkResult impl_vkGetSemaphoreCounterValue(VkDevice device, VkSemaphore semaphore, uint64_t *pValue)
{
    (void)device;
    if (is_lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    *pValue = mock_vk_semaphore_value(semaphore);
    return VK_SUCCESS;
}

VkResult impl_vkSignalSemaphore(VkDevice device, const VkSemaphoreSignalInfo *pSignalInfo)
{
    (void)device;
    pthread_mutex_lock(&mock.lock);
    struct semaphore *semaphore = find_semaphore(pSignalInfo->semaphore);
    if (semaphore) {
        semaphore->value = pSignalInfo->value;
        pthread_cond_broadcast(&mock.changed);
    }
    pthread_mutex_unlock(&mock.lock);
    return VK_SUCCESS;
}

static bool semaphores_done(const void *what)
{
    const VkSemaphoreWaitInfo *wait = what;
    uint32_t reached = 0;
    for (uint32_t i = 0; i < wait->semaphoreCount; i++) {
        const struct semaphore *semaphore = find_semaphore(wait->pSemaphores[i]);
        reached += semaphore && semaphore->value >= wait->pValues[i];
    }
    return wait->flags & VK_SEMAPHORE_WAIT_ANY_BIT ? reached > 0 : reached == wait->semaphoreCount;
}

VkResult impl_vkWaitSemaphores(VkDevice device, const VkSemaphoreWaitInfo *pWaitInfo,
                               uint64_t timeout)
{
    (void)device;
    return wait_until(semaphores_done, pWaitInfo, timeout);
}

// --- Events --------------------------------------------------------------------------------

static VkResult set_event(VkEvent event, bool set)
{
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = mock_find(MOCK_HANDLE(event), VK_OBJECT_TYPE_EVENT);
    if (object) {
        free(object->data);
        object->data = set ? calloc(1, 1) : NULL;
    }
    pthread_mutex_unlock(&mock.lock);
    return VK_SUCCESS;
}

VkResult impl_vkSetEvent(VkDevice device, VkEvent event)
{
    (void)device;
    return set_event(event, true);
}

VkResult impl_vkResetEvent(VkDevice device, VkEvent event)
{
    (void)device;
    return set_event(event, false);
}

VkResult impl_vkGetEventStatus(VkDevice device, VkEvent event)
{
    (void)device;
    return mock_data(MOCK_HANDLE(event), VK_OBJECT_TYPE_EVENT) ? VK_EVENT_SET : VK_EVENT_RESET;
}

// --- Submissions ---------------------------------------------------------------------------

// Under the lock.
static void finish_submission(const struct mock_submission *submission)
{
    for (uint32_t i = 0; i < submission->semaphore_count; i++) {
        struct semaphore *semaphore = find_semaphore(submission->semaphores[i]);
        if (semaphore) {
            semaphore->value = submission->values[i];
        }
    }
    struct fence *fence = find_fence(submission->fence);
    if (fence) {
        fence->pending = false;
        fence->signaled = true;
    }
    pthread_cond_broadcast(&mock.changed);
}

// Under the lock: waits for a binary semaphore, which uses up its signal.
static bool consume(VkSemaphore handle)
{
    struct semaphore *semaphore = find_semaphore(handle);
    if (!semaphore || semaphore->timeline) {
        return true;
    }
    const bool signaled = semaphore->signaled;
    semaphore->signaled = false;
    return signaled;
}

// Under the lock: adds a signal; false when a binary semaphore is signalled already.
static bool add_signal(struct mock_submission *submission, VkSemaphore handle, uint64_t value)
{
    struct semaphore *semaphore = find_semaphore(handle);
    if (!semaphore) {
        return true;
    }
    if (!semaphore->timeline) {
        const bool fresh = !semaphore->signaled;
        semaphore->signaled = true;
        return fresh;
    }
    if (submission->semaphore_count == 16) {
        abort(); // enlarge the mock
    }
    submission->semaphores[submission->semaphore_count] = handle;
    submission->values[submission->semaphore_count++] = value;
    return true;
}

// Checks the fence and hands the submission in.
static VkResult enqueue(const struct mock_submission *submission)
{
    const char *error = NULL;
    pthread_mutex_lock(&mock.lock);
    struct fence *fence = find_fence(submission->fence);
    if (fence) {
        if (fence->signaled || fence->pending) {
            error = "the fence is signalled or in use";
        }
        fence->pending = true;
    }
    if (mock.hold) {
        if (mock.held_count == mock.held_capacity) {
            mock.held_capacity = mock.held_capacity ? 2 * mock.held_capacity : 16;
            mock.held = realloc(mock.held, mock.held_capacity * sizeof(*mock.held));
            if (!mock.held) {
                abort();
            }
        }
        mock.held[mock.held_count++] = *submission;
    } else {
        finish_submission(submission);
    }
    pthread_mutex_unlock(&mock.lock);
    if (error) {
        mock_error("vkQueueSubmit: %s", error);
    }
    return VK_SUCCESS;
}

// Queues are externally synchronised: two threads inside one are an error.
static void enter_queue(VkQueue queue)
{
    bool busy = false;
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = mock_find(MOCK_HANDLE(queue), VK_OBJECT_TYPE_QUEUE);
    if (object) {
        busy = object->busy;
        object->busy = true;
    }
    pthread_mutex_unlock(&mock.lock);
    if (busy) {
        mock_error("two threads use a queue at once");
    }
    sched_yield(); // gives the other one its chance
}

static VkResult leave_queue(VkQueue queue, VkResult result)
{
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = mock_find(MOCK_HANDLE(queue), VK_OBJECT_TYPE_QUEUE);
    if (object) {
        object->busy = false;
    }
    pthread_mutex_unlock(&mock.lock);
    return result;
}

static void wait_on(VkSemaphore semaphore)
{
    mock_use(MOCK_HANDLE(semaphore), VK_OBJECT_TYPE_SEMAPHORE, false, "vkQueueSubmit");
    pthread_mutex_lock(&mock.lock);
    const bool signaled = consume(semaphore);
    pthread_mutex_unlock(&mock.lock);
    if (!signaled) {
        mock_error("vkQueueSubmit: nobody signals a semaphore that is waited for");
    }
}

static void signal_on(struct mock_submission *submission, VkSemaphore semaphore, uint64_t value)
{
    mock_use(MOCK_HANDLE(semaphore), VK_OBJECT_TYPE_SEMAPHORE, false, "vkQueueSubmit");
    pthread_mutex_lock(&mock.lock);
    const bool fresh = add_signal(submission, semaphore, value);
    pthread_mutex_unlock(&mock.lock);
    if (!fresh) {
        mock_error("vkQueueSubmit: a semaphore that is to be signalled is signalled already");
    }
}

static void use_command_buffer(VkCommandBuffer buffer)
{
    mock_use(MOCK_HANDLE(buffer), VK_OBJECT_TYPE_COMMAND_BUFFER, false, "vkQueueSubmit");
}

VkResult impl_vkQueueSubmit(VkQueue queue, uint32_t submitCount, const VkSubmitInfo *pSubmits,
                            VkFence fence)
{
    struct mock_submission submission = {.fence = fence};
    if (is_lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    enter_queue(queue);
    for (uint32_t i = 0; i < submitCount; i++) {
        const VkSubmitInfo *info = &pSubmits[i];
        const VkTimelineSemaphoreSubmitInfo *timeline =
            mock_chain_find(info->pNext, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
        for (uint32_t j = 0; j < info->waitSemaphoreCount; j++) {
            wait_on(info->pWaitSemaphores[j]);
        }
        for (uint32_t j = 0; j < info->commandBufferCount; j++) {
            use_command_buffer(info->pCommandBuffers[j]);
        }
        for (uint32_t j = 0; j < info->signalSemaphoreCount; j++) {
            const bool has_value = timeline && j < timeline->signalSemaphoreValueCount;
            signal_on(&submission, info->pSignalSemaphores[j],
                      has_value ? timeline->pSignalSemaphoreValues[j] : 0);
        }
    }
    return leave_queue(queue, enqueue(&submission));
}

VkResult impl_vkQueueSubmit2(VkQueue queue, uint32_t submitCount, const VkSubmitInfo2 *pSubmits,
                             VkFence fence)
{
    struct mock_submission submission = {.fence = fence};
    if (is_lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    enter_queue(queue);
    for (uint32_t i = 0; i < submitCount; i++) {
        const VkSubmitInfo2 *info = &pSubmits[i];
        for (uint32_t j = 0; j < info->waitSemaphoreInfoCount; j++) {
            wait_on(info->pWaitSemaphoreInfos[j].semaphore);
        }
        for (uint32_t j = 0; j < info->commandBufferInfoCount; j++) {
            use_command_buffer(info->pCommandBufferInfos[j].commandBuffer);
        }
        for (uint32_t j = 0; j < info->signalSemaphoreInfoCount; j++) {
            signal_on(&submission, info->pSignalSemaphoreInfos[j].semaphore,
                      info->pSignalSemaphoreInfos[j].value);
        }
    }
    return leave_queue(queue, enqueue(&submission));
}

VkResult impl_vkQueueBindSparse(VkQueue queue, uint32_t bindInfoCount,
                                const VkBindSparseInfo *pBindInfo, VkFence fence)
{
    struct mock_submission submission = {.fence = fence};
    if (is_lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    enter_queue(queue);
    for (uint32_t i = 0; i < bindInfoCount; i++) {
        const VkBindSparseInfo *info = &pBindInfo[i];
        const VkTimelineSemaphoreSubmitInfo *timeline =
            mock_chain_find(info->pNext, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
        for (uint32_t j = 0; j < info->waitSemaphoreCount; j++) {
            wait_on(info->pWaitSemaphores[j]);
        }
        for (uint32_t j = 0; j < info->signalSemaphoreCount; j++) {
            const bool has_value = timeline && j < timeline->signalSemaphoreValueCount;
            signal_on(&submission, info->pSignalSemaphores[j],
                      has_value ? timeline->pSignalSemaphoreValues[j] : 0);
        }
    }
    return leave_queue(queue, enqueue(&submission));
}

static bool nothing_held(const void *what)
{
    (void)what;
    return mock.held_count == 0;
}

VkResult impl_vkQueueWaitIdle(VkQueue queue)
{
    (void)queue;
    return wait_until(nothing_held, NULL, UINT64_MAX);
}

VkResult impl_vkDeviceWaitIdle(VkDevice device)
{
    (void)device;
    return wait_until(nothing_held, NULL, UINT64_MAX);
}

void mock_vk_hold(void)
{
    pthread_mutex_lock(&mock.lock);
    mock.hold = true;
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_release(uint32_t count)
{
    pthread_mutex_lock(&mock.lock);
    if (count == UINT32_MAX) {
        mock.hold = false;
    }
    size_t released = 0;
    while (released < mock.held_count && released < count) {
        finish_submission(&mock.held[released++]);
    }
    mock.held_count -= released;
    if (mock.held_count > 0) {
        memmove(mock.held, mock.held + released, mock.held_count * sizeof(*mock.held));
    }
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_lose_device(void)
{
    pthread_mutex_lock(&mock.lock);
    mock.lost = true;
    pthread_cond_broadcast(&mock.changed);
    pthread_mutex_unlock(&mock.lock);
}

// Fences. With ASYNC_FENCE_CB a fence is reported where it retires. Without, it waits in a list
// for the next poll, and never earlier: QEMU calls create_fence before it has noted the command
// that the fence belongs to, and would miss a report from inside that call.
//
// The entry of a fence is allocated when it is created, so that nothing can fail when it retires.
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pv_virgl_fence {
    struct pv_virgl_fence *next; // pv_virgl_state.first_ready
    uint32_t ctx_id;             // 0: of virgl_renderer_create_fence()
    uint32_t ring_idx;
    uint64_t id;
    bool mergeable;
};

pthread_mutex_t pv_virgl_fence_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_async(void)
{
    return pv_virgl.flags & VIRGL_RENDERER_ASYNC_FENCE_CB;
}

// Whether the VMM wants descriptors to poll.
static bool has_poll_fds(void)
{
    return (pv_virgl.flags & VIRGL_RENDERER_THREAD_SYNC) && !is_async();
}

void pv_virgl_fences_init(void)
{
    pv_virgl.ready_end = &pv_virgl.first_ready;
    if (has_poll_fds() && !pv_virgl_signal_init(&pv_virgl.signal)) {
        pv_virgl_log(VIRGL_LOG_LEVEL_WARNING, "no descriptor to tell of fences: poll with a timer");
    }
}

void pv_virgl_fences_finish(void)
{
    pv_virgl_signal_finish(&pv_virgl.signal);
}

void pv_virgl_fences_forget_context(struct pv_virgl_context *context)
{
    pv_virgl_signal_finish(&context->signal);
}

// -- reporting -------------------------------------------------------------------------------

// Tells the VMM, and frees the fence.
static void report(struct pv_virgl_fence *fence)
{
    const struct virgl_renderer_callbacks *callbacks = pv_virgl.callbacks;
    if (fence->ctx_id) {
        // Old bindings take ring_idx as 64 bits. A word loaded from memory fills the register.
        callbacks->write_context_fence(pv_virgl.cookie, fence->ctx_id, fence->ring_idx, fence->id);
    } else {
        callbacks->write_fence(pv_virgl.cookie, (uint32_t)fence->id);
    }
    free(fence);
}

// Under the lock. `context` is NULL for fences without one.
static void make_ready(struct pv_virgl_fence *fence, struct pv_virgl_context *context)
{
    struct pv_virgl_fence *last = context ? context->last_ready[fence->ring_idx] : NULL;
    if (last && last->mergeable) {
        last->id = fence->id;
        last->mergeable = fence->mergeable;
        free(fence);
        return;
    }
    fence->next = NULL;
    *pv_virgl.ready_end = fence;
    pv_virgl.ready_end = &fence->next;
    if (context) {
        context->last_ready[fence->ring_idx] = fence;
        pv_virgl_signal_raise(&context->signal);
    }
    pv_virgl_signal_raise(&pv_virgl.signal);
}

static void retire(struct pv_virgl_fence *fence, struct pv_virgl_context *context)
{
    if (is_async()) {
        report(fence);
        return;
    }
    pthread_mutex_lock(&pv_virgl_fence_lock);
    make_ready(fence, context);
    pthread_mutex_unlock(&pv_virgl_fence_lock);
}

void pv_virgl_fence_retired(void *user, uint32_t ring_idx, uint64_t cookie)
{
    (void)ring_idx; // the fence knows
    retire((struct pv_virgl_fence *)(uintptr_t)cookie, user);
}

// -- creation --------------------------------------------------------------------------------

int virgl_renderer_create_fence(int client_fence_id, uint32_t ctx_id)
{
    (void)ctx_id; // QEMU passes other things
    if (!pv_virgl.initialized || !pv_virgl.callbacks->write_fence) {
        return EINVAL;
    }
    struct pv_virgl_fence *fence = malloc(sizeof(*fence));
    if (!fence) {
        return ENOMEM;
    }
    // All commands outside of contexts are done when they return.
    *fence = (struct pv_virgl_fence){.id = (uint32_t)client_fence_id};
    retire(fence, NULL);
    return 0;
}

int virgl_renderer_context_create_fence(uint32_t ctx_id, uint32_t flags, uint32_t ring_idx,
                                        uint64_t fence_id)
{
    struct pv_virgl_context *context = pv_virgl_find_context(ctx_id);
    if (!context || ring_idx >= PV_TIMELINE_COUNT || !pv_virgl_has_callbacks(3) ||
        !pv_virgl.callbacks->write_context_fence) {
        return -EINVAL;
    }
    struct pv_virgl_fence *fence = malloc(sizeof(*fence));
    if (!fence) {
        return -ENOMEM;
    }
    *fence = (struct pv_virgl_fence){
        .ctx_id = ctx_id,
        .ring_idx = ring_idx,
        .id = fence_id,
        .mergeable = flags & VIRGL_RENDERER_FENCE_FLAG_MERGEABLE,
    };
    if (!pv_context_create_fence(context->context, ring_idx, (uintptr_t)fence)) {
        // The host has no thread or memory to wait with. A VMM leaves the guest's command without
        // an answer for ever if it gets an error; an early answer is the smaller evil.
        pv_virgl_log(VIRGL_LOG_LEVEL_ERROR, "context %u: a fence retires early, nothing can wait",
                     ctx_id);
        retire(fence, context);
    }
    return 0;
}

// -- polling ---------------------------------------------------------------------------------

static void report_all(struct pv_virgl_fence *fence)
{
    while (fence) {
        struct pv_virgl_fence *next = fence->next;
        report(fence);
        fence = next;
    }
}

// Under the lock.
static void nothing_ready(struct pv_virgl_context *context)
{
    memset(context->last_ready, 0, sizeof(context->last_ready));
    pv_virgl_signal_lower(&context->signal);
}

void virgl_renderer_poll(void)
{
    if (!pv_virgl.initialized) {
        return;
    }
    pthread_mutex_lock(&pv_virgl_fence_lock);
    struct pv_virgl_fence *ready = pv_virgl.first_ready;
    if (ready) {
        pv_virgl.first_ready = NULL;
        pv_virgl.ready_end = &pv_virgl.first_ready;
        for (size_t i = 0; i < pv_virgl.contexts.count; i++) {
            nothing_ready(pv_virgl.contexts.entries[i].item);
        }
        pv_virgl_signal_lower(&pv_virgl.signal);
    }
    pthread_mutex_unlock(&pv_virgl_fence_lock);
    report_all(ready);
}

// Under the lock: takes the fences of one context out of the list, in order.
static struct pv_virgl_fence *take_ready(uint32_t ctx_id)
{
    struct pv_virgl_fence *taken = NULL, **taken_end = &taken;
    struct pv_virgl_fence **link = &pv_virgl.first_ready;
    while (*link) {
        struct pv_virgl_fence *fence = *link;
        if (fence->ctx_id == ctx_id) {
            *link = fence->next;
            fence->next = NULL;
            *taken_end = fence;
            taken_end = &fence->next;
        } else {
            link = &fence->next;
        }
    }
    pv_virgl.ready_end = link;
    return taken;
}

void virgl_renderer_context_poll(uint32_t ctx_id)
{
    struct pv_virgl_context *context = pv_virgl_find_context(ctx_id);
    if (!context) {
        return;
    }
    pthread_mutex_lock(&pv_virgl_fence_lock);
    struct pv_virgl_fence *ready = take_ready(ctx_id);
    nothing_ready(context);
    if (!pv_virgl.first_ready) {
        pv_virgl_signal_lower(&pv_virgl.signal);
    }
    pthread_mutex_unlock(&pv_virgl_fence_lock);
    report_all(ready);
}

int virgl_renderer_get_poll_fd(void)
{
    return pv_virgl_signal_fd(&pv_virgl.signal);
}

int virgl_renderer_context_get_poll_fd(uint32_t ctx_id)
{
    struct pv_virgl_context *context = pv_virgl_find_context(ctx_id);
    if (!context || !has_poll_fds()) {
        return -1;
    }
    pthread_mutex_lock(&pv_virgl_fence_lock);
    if (!context->signal.open && pv_virgl_signal_init(&context->signal)) {
        for (uint32_t i = 0; i < PV_TIMELINE_COUNT; i++) {
            if (context->last_ready[i]) {
                pv_virgl_signal_raise(&context->signal);
            }
        }
    }
    const int fd = pv_virgl_signal_fd(&context->signal);
    pthread_mutex_unlock(&pv_virgl_fence_lock);
    return fd;
}

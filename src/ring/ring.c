// A ring as the rest of the renderer sees it: made, notified, waited for, stopped.
#include "ring/ring.h"

#include "base/arith.h"
#include "base/os.h"
#include "base/pause.h"
#include "ring/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Before a wait blocks it polls, some microseconds: most waits are that short.
#define POLLS 256
// How long a waiter trusts that pv_ring_publish() has seen it; doubles at each look.
#define FIRST_LOOK_NS 50000
#define LAST_LOOK_NS  16000000

struct pv_ring *pv_ring_create(const struct pv_ring_params *params, const char **reason)
{
    const struct pv_ring_layout *layout = &params->layout;
    const struct pv_ring_ops *ops = params->ops;
    assert(ops->execute && ops->sleep && ops->wake && ops->failed);

    uint8_t *base = (uint8_t *)params->memory + layout->offset;
    _Atomic uint32_t *head = (_Atomic uint32_t *)(void *)(base + layout->head_offset);
    _Atomic uint32_t *status = (_Atomic uint32_t *)(void *)(base + layout->status_offset);
    if (atomic_load(head) != 0 || atomic_load(status) != 0) {
        *reason = "the ring's head or status is not 0 at its creation";
        return NULL;
    }

    struct pv_ring *ring = aligned_alloc(_Alignof(struct pv_ring), sizeof(*ring));
    uint8_t *copy = malloc((size_t)layout->buffer_size);
    if (ring) {
        memset(ring, 0, sizeof(*ring));
    }
    if (!ring || !copy || pthread_mutex_init(&ring->lock, NULL) != 0) {
        free(copy);
        free(ring);
        *reason = "no memory for a ring";
        return NULL;
    }
    pv_cond_init(&ring->changed);

    ring->ops = ops;
    ring->user = params->user;
    ring->head = head;
    ring->tail = (_Atomic uint32_t *)(void *)(base + layout->tail_offset);
    ring->status = status;
    ring->buffer = base + layout->buffer_offset;
    ring->buffer_size = (uint32_t)layout->buffer_size;
    ring->extra = base + layout->extra_offset;
    ring->extra_size = layout->extra_size;
    ring->idle_timeout_ns = layout->idle_timeout_ns;
    ring->priority = layout->priority;
    if (params->thread_name) {
        strncpy(ring->thread_name, params->thread_name, sizeof(ring->thread_name) - 1);
    }
    ring->copy = copy;
    atomic_init(&ring->wake_at, PV_RING_NOBODY_WAITS);
    return ring;
}

void pv_ring_destroy(struct pv_ring *ring)
{
    if (!ring) {
        return;
    }
    pv_ring_stop(ring);
    pv_thread_join(&ring->thread);
    pv_cond_finish(&ring->changed);
    pthread_mutex_destroy(&ring->lock);
    free(ring->copy);
    free(ring);
}

bool pv_ring_start(struct pv_ring *ring)
{
    return pv_thread_start(&ring->thread, ring->thread_name, pv_ring_main, ring);
}

bool pv_ring_is_current_thread(const struct pv_ring *ring)
{
    return pv_thread_is_current(&ring->thread);
}

bool pv_ring_is_stopping(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->stop, memory_order_relaxed);
}

uint64_t pv_ring_bytes(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->done, memory_order_relaxed);
}

void pv_ring_notify(struct pv_ring *ring)
{
    // The thread sets `asleep` and then lets the kernel compare `signals`; we change `signals`
    // and then read `asleep`. In the one order of all these, either we see it asleep or the
    // comparison fails.
    atomic_fetch_add(&ring->signals, 1);
    if (atomic_load(&ring->asleep)) {
        pv_os_wake(&ring->signals);
    }
}

void pv_ring_stop(struct pv_ring *ring)
{
    atomic_store(&ring->stop, true);
    pv_ring_notify(ring);
    pthread_mutex_lock(&ring->lock);
    pv_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}

bool pv_ring_write_extra(struct pv_ring *ring, uint64_t offset, uint32_t value)
{
    if (!pv_range_fits(offset, sizeof(value), ring->extra_size) || !pv_is_aligned(offset, 4)) {
        return false;
    }
    // Pairs with whatever the guest does to learn of it.
    atomic_store_explicit((_Atomic uint32_t *)(void *)(ring->extra + offset), value,
                          memory_order_release);
    return true;
}

// Status bits are shared with the guest, which clears ALIVE: read-modify-write, never a store.
void pv_ring_set_fatal(struct pv_ring *ring)
{
    atomic_fetch_or(ring->status, PV_RING_STATUS_FATAL);
}

void pv_ring_set_alive(struct pv_ring *ring)
{
    atomic_fetch_or(ring->status, pv_ring_alive_bits());
}

uint32_t pv_ring_alive_bits(void)
{
    return PV_RING_STATUS_ALIVE;
}

void pv_ring_publish(struct pv_ring *ring, size_t consumed)
{
    assert(pv_ring_is_current_thread(ring) && consumed <= ring->batch_size);
    const uint64_t done = ring->batch_begin + consumed;

    // Pairs with the guest's acquire load of head: it finds its reply complete.
    atomic_store_explicit(ring->head, (uint32_t)done, memory_order_release);
    atomic_store_explicit(&ring->done, done, memory_order_release);

    // Nothing keeps this load behind the stores: a fence here would cost each command the time
    // of a cache miss whenever the guest polls head. So a waiter that registers at this very
    // moment can be overlooked. It is found by the next publish, by the ring thread when it
    // runs out of work or blocks in a wait (both take the lock), or else, while a command is stuck
    // in the driver, by its own timed look.
    if (done >= atomic_load_explicit(&ring->wake_at, memory_order_relaxed)) {
        pthread_mutex_lock(&ring->lock);
        pv_ring_wake_waiters(ring);
        pthread_mutex_unlock(&ring->lock);
    }
}

void pv_ring_wake_waiters(struct pv_ring *ring)
{
    if (atomic_load_explicit(&ring->wake_at, memory_order_relaxed) != PV_RING_NOBODY_WAITS) {
        // Those who still wait register again.
        atomic_store_explicit(&ring->wake_at, PV_RING_NOBODY_WAITS, memory_order_relaxed);
        pv_cond_broadcast(&ring->changed);
    }
}

// Positions are compared modulo 2^32.
static bool is_reached(uint64_t done, uint32_t seqno)
{
    return (uint32_t)done - seqno <= INT32_MAX;
}

static bool wait_look(struct pv_ring *ring, uint32_t seqno, enum pv_ring_wait_result *result)
{
    const uint64_t done = atomic_load_explicit(&ring->done, memory_order_acquire);
    if (is_reached(done, seqno)) {
        *result = PV_RING_WAIT_DONE;
        return true;
    }
    if (atomic_load_explicit(&ring->stop, memory_order_acquire)) {
        *result = PV_RING_WAIT_STOPPED;
        return true;
    }
    // Only those who ask here end the ring's own wait, one after the other: nobody is left to.
    if (ring->awaited_seqno > ring->virtqueue_seqno) {
        *result = PV_RING_WAIT_IMPOSSIBLE;
        return true;
    }
    // A guest stores tail before it asks us to wait for it. So if everything up to tail is done
    // and this is not enough, nobody is on the way to make it so.
    if (atomic_load_explicit(ring->tail, memory_order_acquire) == (uint32_t)done) {
        *result = PV_RING_WAIT_IMPOSSIBLE;
        return true;
    }

    const uint64_t target = done + (seqno - (uint32_t)done);
    if (target < atomic_load_explicit(&ring->wake_at, memory_order_relaxed)) {
        atomic_store_explicit(&ring->wake_at, target, memory_order_relaxed);
    }
    return false;
}

enum pv_ring_wait_result pv_ring_wait_seqno(struct pv_ring *ring, uint32_t seqno)
{
    assert(!pv_ring_is_current_thread(ring));

    // The guest's own notification may be queued behind this very wait.
    pv_ring_notify(ring);
    for (int i = 0; i < POLLS; i++) {
        if (is_reached(atomic_load_explicit(&ring->done, memory_order_acquire), seqno)) {
            return PV_RING_WAIT_DONE;
        }
        pv_pause();
    }

    enum pv_ring_wait_result result;
    uint64_t look_ns = FIRST_LOOK_NS;
    pthread_mutex_lock(&ring->lock);
    while (!wait_look(ring, seqno, &result)) {
        pv_cond_wait_until(&ring->changed, &ring->lock, pv_os_now_ns() + look_ns);
        look_ns = look_ns < LAST_LOOK_NS ? look_ns * 2 : LAST_LOOK_NS;
    }
    pthread_mutex_unlock(&ring->lock);
    return result;
}

void pv_ring_submit_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno)
{
    pthread_mutex_lock(&ring->lock);
    ring->virtqueue_seqno = seqno;
    pv_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}

bool pv_ring_wait_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno)
{
    assert(pv_ring_is_current_thread(ring));

    pthread_mutex_lock(&ring->lock);
    bool reached = ring->virtqueue_seqno >= seqno;
    if (reached) {
        pthread_mutex_unlock(&ring->lock);
        return true;
    }
    // The context stream may be waiting for what we did just before, and be the one to end this.
    pv_ring_wake_waiters(ring);
    ring->awaited_seqno = seqno;
    pthread_mutex_unlock(&ring->lock);

    ring->ops->sleep(ring->user);
    pthread_mutex_lock(&ring->lock);
    while (!(reached = ring->virtqueue_seqno >= seqno) && !pv_ring_is_stopping(ring)) {
        pv_cond_wait(&ring->changed, &ring->lock);
    }
    ring->awaited_seqno = 0;
    pthread_mutex_unlock(&ring->lock);
    ring->ops->wake(ring->user);
    return reached;
}

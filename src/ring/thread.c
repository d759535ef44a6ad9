// The ring thread: finds new bytes, copies them once, has them executed, and waits well.
//
// Commands that follow a batch at once are let gather for a microsecond, as long as that brings
// more of them: a ring that keeps up with its guest reads from lines that the guest is still
// writing, and both wait for them.
#include "ring/state.h"

#include "base/arith.h"
#include "base/os.h"
#include "base/pause.h"
#include "ring/lookout.h"

#include <sched.h>
#include <string.h>

// Polls between two yields, about half a microsecond: a guest that shares our core and yields until
// it sees its reply gets it at once.
#define POLLS 16
// As much of a stream of commands is enough at a time, or what comes within this time.
#define GATHER_BYTES 4096u
#define GATHER_NS    1000

static uint32_t load_tail(const struct pv_ring *ring)
{
    // Pairs with the guest's store of tail after it wrote the commands.
    return atomic_load_explicit(ring->tail, memory_order_acquire);
}

static uint32_t position(const struct pv_ring *ring)
{
    return (uint32_t)ring->batch_begin;
}

static bool has_work(const struct pv_ring *ring)
{
    return load_tail(ring) != position(ring);
}

// True as soon as there is work.
static bool poll_tail(const struct pv_ring *ring)
{
    for (int i = 0; i < POLLS; i++) {
        if (has_work(ring)) {
            return true;
        }
        pv_pause();
    }
    return false;
}

// Sleeps until `signals` is no longer `expected`, at most until `deadline_ns`.
static void sleep_until(struct pv_ring *ring, uint32_t expected, uint64_t deadline_ns)
{
    ring->ops->sleep(ring->user);
    atomic_store(&ring->asleep, true); // see pv_ring_notify()
    pv_os_wait(&ring->signals, expected, deadline_ns);
    atomic_store(&ring->asleep, false);
    ring->ops->wake(ring->user);
}

// Tells the guest to notify us and sleeps until it does, unless it has been busy meanwhile.
static void idle(struct pv_ring *ring, uint32_t expected)
{
    // The guest stores tail and then loads status; we set IDLE and then load tail. With full
    // barriers on both sides one of us sees the other. Guests before Mesa 26.2 lack theirs, so
    // their store may come out late by the time a core takes to empty its store buffer: keep
    // looking for some microseconds before trusting the answer.
    atomic_fetch_or(ring->status, PV_RING_STATUS_IDLE);
    if (atomic_load(ring->tail) == position(ring) && !poll_tail(ring)) {
        while (atomic_load(&ring->signals) == expected) {
            sleep_until(ring, expected, UINT64_MAX);
        }
    }
    atomic_fetch_and(ring->status, ~(uint32_t)PV_RING_STATUS_IDLE);
}

// Returns when there is work or the ring has been stopped.
static void wait_for_work(struct pv_ring *ring)
{
    // Whoever waits for this ring may have been overlooked by pv_ring_publish(), or wait for
    // what will never come.
    pthread_mutex_lock(&ring->lock);
    pv_ring_wake_waiters(ring);
    pthread_mutex_unlock(&ring->lock);

    struct pv_lookout lookout;
    pv_lookout_begin(&lookout, &ring->pace, ring->idle_timeout_ns, pv_os_now_ns());
    for (;;) {
        // Read before `stop` and tail: what changes after this ends any sleep below.
        const uint32_t signals = atomic_load(&ring->signals);
        if (pv_ring_is_stopping(ring)) {
            return;
        }
        if (has_work(ring)) {
            pv_lookout_end(&lookout);
            return;
        }
        if (signals != ring->signals_seen) {
            ring->signals_seen = signals;
            pv_lookout_notified(&lookout);
        }
        switch (pv_lookout_next(&lookout)) {
        case PV_LOOKOUT_SPIN:
            if (poll_tail(ring)) {
                continue;
            }
            sched_yield();
            break;
        case PV_LOOKOUT_MOVE:
            pv_os_thread_change_core();
            break;
        case PV_LOOKOUT_SLEEP:
            sleep_until(ring, signals, lookout.until_ns);
            break;
        case PV_LOOKOUT_IDLE:
            idle(ring, signals);
            break;
        }
        pv_lookout_done(&lookout, pv_os_now_ns(), has_work(ring));
    }
}

static void copy_batch(struct pv_ring *ring, uint32_t size)
{
    const uint32_t begin = position(ring) & (ring->buffer_size - 1);
    const uint32_t until_end = ring->buffer_size - begin;
    const uint32_t first = size < until_end ? size : until_end;
    memcpy(ring->copy, ring->buffer + begin, first);
    memcpy(ring->copy + first, ring->buffer, size - first);
}

static void fail(struct pv_ring *ring, const char *reason)
{
    ring->ops->failed(ring->user, reason);
    pv_ring_set_fatal(ring);
    pv_ring_stop(ring);
}

// `size` is the guest's word for how much there is.
static void run_batch(struct pv_ring *ring, uint32_t size)
{
    if (size > ring->buffer_size) {
        fail(ring, "the ring's tail is further ahead than its buffer is long");
        return;
    }
    if (!pv_is_aligned(size, 4)) {
        fail(ring, "the ring's tail is not aligned to 4");
        return;
    }

    copy_batch(ring, size);
    ring->batch_size = size;
    if (!ring->ops->execute(ring->user, ring->copy, size)) {
        pv_ring_set_fatal(ring);
        pv_ring_stop(ring);
        return;
    }
    // Stopping, it may have returned early.
    if (!pv_ring_is_stopping(ring)) {
        pv_ring_publish(ring, size);
        ring->batch_begin += size;
    }
    ring->batch_size = 0;
}

// Lets more come of what follows the last batch.
static void gather(struct pv_ring *ring)
{
    const uint32_t before = load_tail(ring);
    if (before - position(ring) >= GATHER_BYTES || !pv_pace_should_gather(&ring->pace)) {
        return;
    }
    const uint64_t until_ns = pv_os_now_ns() + GATHER_NS;
    while (pv_os_now_ns() < until_ns) {
        pv_pause();
    }
    pv_pace_note_gathered(&ring->pace, load_tail(ring) != before);
}

void pv_ring_main(void *user)
{
    struct pv_ring *ring = user;
    pv_os_thread_set_low_latency();
    if (ring->priority > 0) { // a guest may lower itself, not raise
        pv_os_thread_set_nice(ring->priority);
    }

    ring->ops->wake(ring->user);
    while (!pv_ring_is_stopping(ring)) {
        if (poll_tail(ring)) {
            gather(ring);
        } else {
            wait_for_work(ring);
        }
        const uint32_t size = load_tail(ring) - position(ring);
        if (size != 0) {
            run_batch(ring, size);
        }
    }
    ring->ops->sleep(ring->user);
}

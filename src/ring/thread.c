// The ring thread: finds new bytes, copies them once, has them executed, and waits well.
//
// Commands that follow a batch at once are let gather for a microsecond, as long as that brings
// more of them: a ring that keeps up with its guest reads from lines that the guest is still
// writing, and both wait for them.
//
// Waiting has three stages, counted from when the ring ran out of work.
//
// 1. Spin, first for 48 us and then as ring/pace.h has learned. Every few microseconds the thread
//    yields; a turn that took long means that somebody else needs this core (the guest, or the
//    host driver's own threads when it renders on the CPU), and ends the spin.
// 2. Sleep and look again. Each sleep is a quarter of the time since the last sign of life, so
//    commands are found late by a quarter of the gap at most, and a millisecond takes a dozen
//    wake-ups. No status bit is set, so the guest does not pay for a notification, which in a
//    virtual machine is far dearer than one of our short sleeps. A ring whose latest gaps were all
//    longer than this stage sleeps through it.
// 3. Set IDLE and sleep until notified. A guest that sees IDLE after it stored tail sends
//    vkNotifyRingMESA, unless it sent one less than idle_timeout ago. So IDLE must not be set
//    sooner than idle_timeout after a notification came in: the guest took its time stamp before
//    that, and is free to send again by then. (One that is still under way will wake us.) Apart
//    from this IDLE may be set at any time; we wait idle_timeout after the last work as well,
//    because stage 2 is cheap. A wait for our seqno counts as a notification.
#include "ring/state.h"

#include "base/arith.h"
#include "base/os.h"
#include "base/pause.h"

#include <sched.h>
#include <string.h>

// Polls between two yields, about half a microsecond: a guest that shares our core and yields until
// it sees its reply gets it at once.
#define POLLS 16
// A turn of the spin that takes longer has lost the core to somebody who does not yield, unlike the
// guest and other rings, of which several can pass by.
#define CONTENDED_NS 200000
#define MIN_SLEEP_NS 10000
// As much of a stream of commands is enough at a time, or what comes within this time.
#define GATHER_BYTES 4096u
#define GATHER_NS    1000
#define MAX_SLEEP_NS 10000000

// Waiting for work, since the ring ran out of it.
struct wait {
    uint64_t begin_ns;
    uint64_t now_ns;
    uint64_t alive_ns; // the last sign of life: `begin_ns`, or a notification
    struct pv_pace_plan plan;
    bool planned;
    bool contended;
    bool overslept; // work came while a long gap was expected
};

static uint32_t load_tail(const struct pv_ring *ring)
{
    // Pairs with the guest's store of tail after it wrote the commands.
    return atomic_load_explicit(ring->tail, memory_order_acquire);
}

static uint32_t position(const struct pv_ring *ring)
{
    return (uint32_t)ring->batch_begin;
}

// True as soon as there is work.
static bool poll_tail(const struct pv_ring *ring)
{
    for (int i = 0; i < POLLS; i++) {
        if (load_tail(ring) != position(ring)) {
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

static bool should_spin(struct pv_ring *ring, struct wait *wait)
{
    const uint64_t gap_ns = wait->now_ns - wait->begin_ns;
    if (wait->contended) {
        return false;
    }
    if (gap_ns < PV_PACE_MIN_NS) {
        return true;
    }
    if (!wait->planned) {
        wait->plan = pv_pace_make_plan(&ring->pace);
        wait->planned = true;
    }
    return gap_ns + MIN_SLEEP_NS > wait->plan.spin_from_ns && gap_ns < wait->plan.spin_until_ns;
}

static void spin(struct pv_ring *ring, struct wait *wait)
{
    if (poll_tail(ring)) {
        return;
    }
    sched_yield();
    const uint64_t before_ns = wait->now_ns;
    wait->now_ns = pv_os_now_ns();
    if (wait->now_ns - before_ns > CONTENDED_NS) {
        wait->contended = true;
        pv_pace_note_contention(&ring->pace);
    }
}

// The second stage in one sleep. Not if it lasts longer than what counts as a long gap.
static bool should_sleep_through(const struct pv_ring *ring, const struct wait *wait)
{
    return wait->alive_ns == wait->begin_ns && ring->idle_timeout_ns <= PV_PACE_LONG_NS &&
           pv_pace_expects_long_gap(&ring->pace);
}

static void sleep_through(struct pv_ring *ring, struct wait *wait, uint32_t expected)
{
    sleep_until(ring, expected, wait->begin_ns + ring->idle_timeout_ns);
    wait->now_ns = pv_os_now_ns();
    wait->overslept = load_tail(ring) != position(ring);
}

static void nap(struct pv_ring *ring, struct wait *wait, uint32_t expected)
{
    uint64_t nap_ns = (wait->now_ns - wait->alive_ns) / 4;
    nap_ns = nap_ns < MIN_SLEEP_NS ? MIN_SLEEP_NS : nap_ns;
    nap_ns = nap_ns > MAX_SLEEP_NS ? MAX_SLEEP_NS : nap_ns;
    // Not beyond the time when we want to spin.
    const uint64_t gap_ns = wait->now_ns - wait->begin_ns;
    const uint64_t from_ns = wait->plan.spin_from_ns;
    if (!wait->contended && gap_ns < from_ns && nap_ns > from_ns - gap_ns) {
        nap_ns = from_ns - gap_ns;
    }

    const uint64_t deadline_ns = wait->now_ns + nap_ns;
    sleep_until(ring, expected, deadline_ns);
    wait->now_ns = pv_os_now_ns();
    if (wait->now_ns > deadline_ns) {
        pv_pace_note_sleep(&ring->pace, wait->now_ns - deadline_ns);
    }
}

// Tells the guest to notify us and sleeps until it does, unless it has been busy meanwhile.
static void idle(struct pv_ring *ring, struct wait *wait, uint32_t expected)
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
    wait->now_ns = pv_os_now_ns();
    wait->alive_ns = wait->now_ns;
}

// Returns when there is work or the ring has been stopped.
static void wait_for_work(struct pv_ring *ring)
{
    // Whoever waits for this ring may have been overlooked by pv_ring_publish(), or wait for
    // what will never come.
    pthread_mutex_lock(&ring->lock);
    pv_ring_wake_waiters(ring);
    pthread_mutex_unlock(&ring->lock);

    struct wait wait = {.begin_ns = pv_os_now_ns()};
    wait.now_ns = wait.alive_ns = wait.begin_ns;
    for (;;) {
        // Read before `stop` and tail: what changes after this ends any sleep below.
        const uint32_t signals = atomic_load(&ring->signals);
        if (pv_ring_is_stopping(ring)) {
            return;
        }
        if (load_tail(ring) != position(ring)) {
            if (wait.overslept) {
                pv_pace_note_surprise(&ring->pace);
            } else {
                pv_pace_note_gap(&ring->pace, wait.now_ns - wait.begin_ns);
            }
            return;
        }
        if (signals != ring->signals_seen) {
            ring->signals_seen = signals;
            wait.alive_ns = wait.now_ns;
        }
        if (should_spin(ring, &wait)) {
            spin(ring, &wait);
        } else if (wait.now_ns - wait.alive_ns >= ring->idle_timeout_ns) {
            idle(ring, &wait, signals);
        } else if (should_sleep_through(ring, &wait)) {
            sleep_through(ring, &wait, signals);
        } else {
            nap(ring, &wait, signals);
        }
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

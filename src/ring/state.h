// Inside a ring: what ring.c (everybody's side) and thread.c (the ring thread's side) share.
#ifndef PV_RING_STATE_H
#define PV_RING_STATE_H

#include "base/thread.h"
#include "ring/pace.h"
#include "ring/ring.h"

#include <stdatomic.h>

// Bits of the status word.
enum {
    PV_RING_STATUS_IDLE = 1u << 0,
    PV_RING_STATUS_FATAL = 1u << 1,
    PV_RING_STATUS_ALIVE = 1u << 2,
};

#define PV_RING_NOBODY_WAITS UINT64_MAX

// What others look at is kept off the lines that the ring thread writes all the time.
#define PV_CACHE_LINE 64

struct pv_ring {
    // Constant. The pointers lead into guest memory.
    const struct pv_ring_ops *ops;
    void *user;
    _Atomic uint32_t *head, *tail, *status;
    const uint8_t *buffer;
    uint32_t buffer_size;
    uint8_t *extra;
    uint64_t extra_size;
    uint64_t idle_timeout_ns;
    int32_t priority;
    char thread_name[16];

    // The ring thread's own.
    uint8_t *copy;         // the batch, `buffer_size` bytes
    uint64_t batch_begin;  // in bytes since the ring began, like all u64 positions
    uint32_t batch_size;   // 0 between batches
    uint32_t signals_seen; // value of `signals` that the thread has taken note of
    struct pv_pace pace;

    // Bytes executed; the low half is head. Private, because the guest can write to its head.
    // Written by the ring thread. Pairs with the acquire loads of those who wait for the ring.
    _Alignas(PV_CACHE_LINE) _Atomic uint64_t done;
    // The smallest position that somebody waits for. Changed under `lock`; pv_ring_publish()
    // reads it without, see there.
    _Atomic uint64_t wake_at;

    // Counts notifications. The ring thread sleeps on it, in the kernel.
    _Atomic uint32_t signals;
    _Atomic bool asleep; // the ring thread is, or is about to
    _Atomic bool stop;   // set once

    pthread_mutex_t lock;
    struct pv_cond changed; // of everything below, of `done` as far as `wake_at` asks, of `stop`
    uint64_t virtqueue_seqno;
    uint64_t awaited_seqno; // that the ring thread blocks for; 0: it does not

    struct pv_thread thread;
};

// The ring thread.
void pv_ring_main(void *user);

// Wakes those who wait for this ring's progress, to look again. `lock` is held.
void pv_ring_wake_waiters(struct pv_ring *ring);

#endif

// A ring: shared memory in which the guest writes commands, and the host thread that runs them.
// Venus rings: vkCreateRingMESA and the commands around it; docs/wire.md.
//
// The ring knows bytes, counters and status bits; what a command is, its owner says through
// pv_ring_ops. Head, tail and status are free-running u32 words in guest memory, reached only
// through atomics; the layout is checked once and never read from the guest again.
#ifndef PV_RING_RING_H
#define PV_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_ring;

// The guest's VkRingCreateInfoMESA with its chain, decoded. Offsets are relative to `offset`.
struct pv_ring_layout {
    uint64_t offset, size;
    uint64_t idle_timeout_ns;
    uint64_t head_offset, tail_offset, status_offset;
    uint64_t buffer_offset, buffer_size;
    uint64_t extra_offset, extra_size;
    uint32_t monitor_period_us; // 0: not monitored
    int32_t priority;           // nice value
};

// Checks a layout against a resource of `resource_size` bytes (regions inside, aligned, disjoint,
// buffer a power of two up to 16 MiB). Returns NULL when it is good, else the reason.
const char *pv_ring_layout_check(const struct pv_ring_layout *layout, uint64_t resource_size);

// What the ring's owner supplies. Called on the ring thread.
struct pv_ring_ops {
    // Executes the commands in `bytes`, a private copy that it may modify. After each command it
    // calls pv_ring_publish(), and returns early if pv_ring_is_stopping(). What it has not
    // published is published when it returns.
    // false: the context has failed; the ring becomes FATAL and stops.
    bool (*execute)(void *user, uint8_t *bytes, size_t size);
    // Around every sleep, also while waiting for a virtqueue seqno: between `sleep` and `wake` the
    // thread holds no shared pointers. It begins with `wake` and ends with `sleep`.
    void (*sleep)(void *user);
    void (*wake)(void *user);
    // The ring itself broke a rule (a tail too far ahead ...); `reason` is static.
    // The owner marks its context failed.
    void (*failed)(void *user, const char *reason);
};

struct pv_ring_params {
    struct pv_ring_layout layout; // checked
    void *memory;                 // the resource's mapping; stays valid until destroy
    const struct pv_ring_ops *ops;
    void *user;
    const char *thread_name; // at most 15 bytes are used
};

// Head and status must read 0 in `memory`, else `*reason` says so. The ring is not running yet.
// Failure: NULL, `*reason` is a static string.
struct pv_ring *pv_ring_create(const struct pv_ring_params *params, const char **reason);

// Stops and joins the thread (also when it is blocked in a ring wait), frees the ring.
// Must not be called on the ring's own thread. NULL is allowed.
void pv_ring_destroy(struct pv_ring *ring);

// Starts the thread. Failure: false, the ring stays stopped.
bool pv_ring_start(struct pv_ring *ring);

// Tells the thread to stop at the next command boundary and releases its waits; does not join.
// Thread-safety: Safe.
void pv_ring_stop(struct pv_ring *ring);

// True once the ring was told to stop. Thread-safety: Safe.
bool pv_ring_is_stopping(const struct pv_ring *ring);

// Moves head: `consumed` bytes of the current execute() call are done. Release order: replies
// written before are visible to a guest that sees this head. Thread-safety: ring thread only.
void pv_ring_publish(struct pv_ring *ring, size_t consumed);

// vkNotifyRingMESA: wakes an idle ring and keeps it awake for its idle time.
// Thread-safety: Safe.
void pv_ring_notify(struct pv_ring *ring);

// vkWriteRingExtraMESA: stores `value` in the extra region. false when out of bounds or unaligned.
// Thread-safety: Safe.
bool pv_ring_write_extra(struct pv_ring *ring, uint64_t offset, uint32_t value);

enum pv_ring_wait_result {
    PV_RING_WAIT_DONE,
    PV_RING_WAIT_STOPPED, // the ring was stopped or failed
    // The ring is out of work and its tail is before the awaited value, or it waits for a
    // virtqueue seqno that only the caller could submit.
    PV_RING_WAIT_IMPOSSIBLE,
};

// vkWaitRingSeqnoMESA: blocks the caller until head has reached `seqno` (modular order). Wakes
// the ring first. Thread-safety: the thread that calls pv_ring_submit_virtqueue_seqno().
enum pv_ring_wait_result pv_ring_wait_seqno(struct pv_ring *ring, uint32_t seqno);

// vkSubmitVirtqueueSeqnoMESA and vkWaitVirtqueueSeqnoMESA. The wait blocks the ring thread until
// the published value is at least `seqno`; false when the ring was stopped instead.
void pv_ring_submit_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);
bool pv_ring_wait_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);

// Sets status bits for the guest: FATAL when the context failed, ALIVE from the monitor.
// Thread-safety: Safe.
void pv_ring_set_fatal(struct pv_ring *ring);
void pv_ring_set_alive(struct pv_ring *ring);
uint32_t pv_ring_alive_bits(void); // what that sets in the status word

// True on the ring's own thread.
bool pv_ring_is_current_thread(const struct pv_ring *ring);

// Bytes executed so far. Thread-safety: Safe.
uint64_t pv_ring_bytes(const struct pv_ring *ring);

#endif

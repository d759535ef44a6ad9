// Sync objects of one client: u64 counters that fences and SYNC_WRITE set and waits watch.
//
// A counter may decrease. A wait remembers which of its counters have reached their values, as a
// kernel's wait for several fences does, so a counter that is reset meanwhile loses nothing.
// Thread-safety: Safe, except create and destroy; fences are applied from the renderer's threads.
#ifndef PV_SERVER_SYNC_H
#define PV_SERVER_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#define PV_SYNC_LIMIT       65536u  // live sync objects of a client
#define PV_SYNC_WAIT_LIMIT  4096u   // pending waits, each holds a descriptor
#define PV_SYNC_FENCE_LIMIT 65536u  // fences not retired
#define PV_SYNC_PAIR_LIMIT  262144u // pairs in pending waits and fences together

struct pv_syncs;
struct pv_sync_fence;

// Failure: NULL, memory or descriptors are short.
struct pv_syncs *pv_syncs_create(void);
// Drops pending waits unsignalled. Every fence must have been applied. NULL is allowed.
void pv_syncs_destroy(struct pv_syncs *syncs);

// Returns the new sync's number, or 0: the limit is reached or memory is short.
uint32_t pv_syncs_add(struct pv_syncs *syncs, uint64_t value);
// These return false for an unknown number. Waits and fences keep a removed sync alive.
bool pv_syncs_remove(struct pv_syncs *syncs, uint32_t id);
bool pv_syncs_read(struct pv_syncs *syncs, uint32_t id, uint64_t *value);
bool pv_syncs_write(struct pv_syncs *syncs, uint32_t id, uint64_t value);

enum pv_syncs_error {
    PV_SYNCS_OK = 0,
    PV_SYNCS_UNKNOWN,  // a number that is no sync
    PV_SYNCS_TOO_MANY, // a limit above
    PV_SYNCS_NO_MEMORY,
};

const char *pv_syncs_error_text(enum pv_syncs_error error);

// Prepares values to be set later, in the order of `pairs` (see protocol.h). On success *fence
// must be passed to pv_sync_fence_apply() or pv_sync_fence_lose() exactly once.
enum pv_syncs_error pv_syncs_prepare(struct pv_syncs *syncs, const uint32_t *pairs, uint32_t count,
                                     struct pv_sync_fence **fence);
// Sets the values, wakes the waits they satisfy, and ends `fence`.
void pv_sync_fence_apply(struct pv_sync_fence *fence);
// The same when the device is lost: waits for these counters hang up, now and from now on.
void pv_sync_fence_lose(struct pv_sync_fence *fence);

// A wait's answer. The descriptor becomes readable once the wait is satisfied, and hangs up
// without becoming readable if it never will be, because the client is being ended or a device is
// lost.
// The process must ignore SIGPIPE.
struct pv_sync_answer {
    int fd;     // to hand out with its reply; borrowed until pv_syncs_answered()
    void *wait; // NULL: nothing is pending
};

// Waits until all pairs (or any) have reached their values. `timeout_ms` of 0 only looks; a
// value above PV_VTEST_SYNC_WAIT_MAX_TIMEOUT is no time-out. On success pv_syncs_answered()
// must follow before any other wait.
enum pv_syncs_error pv_syncs_wait(struct pv_syncs *syncs, bool any, uint32_t timeout_ms,
                                  const uint32_t *pairs, uint32_t count,
                                  struct pv_sync_answer *answer);
void pv_syncs_answered(struct pv_syncs *syncs, struct pv_sync_answer *answer);

// Drops waits whose time is over and whose descriptor the client has closed. Returns when to come
// again, UINT64_MAX: not before the next wait. Times are those of pv_server_os_now_ns().
uint64_t pv_syncs_expire(struct pv_syncs *syncs);

#endif

// Fences: how a VMM learns that guest work is done (virtio-gpu fences with a ring_idx).
#ifndef PV_FENCE_H
#define PV_FENCE_H

#include "pv/api.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pv_context;

#define PV_TIMELINE_COUNT 64 // ring_idx 0 is the CPU timeline, 1..63 belong to queues

// Called when a fence retires. Fences of one (context, ring_idx) retire in the order of their
// creation, each exactly once, also when the context has failed or is being destroyed.
// Must not call back into the context, nor wait for a thread that does, for example by taking a
// lock that is held around pv_context_create_fence(). Thread-safety: called from any thread; never
// twice at once for one ring_idx.
typedef void (*pv_fence_fn)(void *user, uint32_t ring_idx, uint64_t fence_id);

// Requests a callback once everything submitted so far on `ring_idx` is done: for 0 what
// pv_context_submit() has returned from, else all work of the VkQueue bound to it. When this
// returns, the fence has its place in the queue: later submissions do not delay it.
// An unbound ring_idx retires the fence at once. In a failed context the fence still waits for its
// queue, so that it does not overtake older ones. `fence_id` is returned as is.
// Failure: false when ring_idx is out of range or memory is short; no callback will come.
// Thread-safety: like pv_context_submit().
PV_API bool pv_context_create_fence(struct pv_context *context, uint32_t ring_idx,
                                    uint64_t fence_id);

#ifdef __cplusplus
}
#endif
#endif

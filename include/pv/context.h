// Contexts: one guest process's use of Vulkan (virtio-gpu CTX_CREATE with capset 4).
//
// A context owns its objects, rings and threads. Bytes that break the protocol end this context
// alone: it is marked failed, its rings get the FATAL bit, later submissions are refused, fences
// still retire, and pv_context_failure() gives the reason.
#ifndef PV_CONTEXT_H
#define PV_CONTEXT_H

#include "pv/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pv/fence.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pv_context;
struct pv_renderer;
struct pv_resource;

struct pv_context_params {
    const char *name; // for the log, copied; the guest's process name if known

    pv_fence_fn fence_retired; // NULL: fences are not reported
    // Called instead for fences of a queue whose device is lost, so that a transport which can tell
    // its guest does: their work may never have been done. NULL: fence_retired is called.
    pv_fence_fn fence_lost;
    // Called once, when the context fails. `reason` is one line, borrowed for the call.
    // Thread-safety: called from any thread.
    void (*failed)(void *user, const char *reason);
    void *user; // for all callbacks
};

// Failure: NULL with a line in the log.
// Thread-safety: Safe.
PV_API struct pv_context *pv_context_create(struct pv_renderer *renderer,
                                            const struct pv_context_params *params);

// Stops the rings, waits for the device, destroys what the guest left behind and retires every
// outstanding fence. Waits that a guest left pending are cancelled. NULL is allowed.
// Thread-safety: no other call on `context` may be in progress.
PV_API void pv_context_destroy(struct pv_context *context);

// Fails the context from outside, as if the guest had broken the protocol: a submission that waits
// for a ring returns, the guest's waits end, fences retire. For a VMM that cannot wait any longer.
// `reason` is one line, copied. No effect on a context that has failed.
// Thread-safety: Safe, also while another thread is inside pv_context_submit().
PV_API void pv_context_cancel(struct pv_context *context, const char *reason);

// Runs a context stream (virtio-gpu SUBMIT_3D). `bytes` is borrowed and never written; `size`
// is a multiple of 4 and may be 0. Blocks while the stream waits for a ring, at most until the
// ring gets there or the context fails, and for a second at most while it waits for fences or
// semaphores; then the context fails.
// Failure: false when the context is, or becomes, failed.
// Thread-safety: one thread at a time per context; different contexts are independent.
PV_API bool pv_context_submit(struct pv_context *context, const void *bytes, size_t size);

// Makes `resource` visible to the context's commands under its id; keeps a reference.
// Attaching again is no error. Failure: false, memory is short or the id is taken.
// Thread-safety: like pv_context_submit().
PV_API bool pv_context_attach_resource(struct pv_context *context, struct pv_resource *resource);

// Takes the resource from the context's commands. A ring that lives in it fails the context.
// Thread-safety: like pv_context_submit().
PV_API void pv_context_detach_resource(struct pv_context *context, struct pv_resource *resource);

// NULL while the context is healthy, else the reason, valid until the context is destroyed.
// Thread-safety: Safe.
PV_API const char *pv_context_failure(const struct pv_context *context);

struct pv_context_stats {
    uint64_t commands;      // executed, in rings, command streams and the context stream
    uint64_t ring_bytes;    // read from rings
    uint64_t stream_bytes;  // read from command streams and submissions
    uint64_t queue_submits; // vkQueueSubmit, vkQueueSubmit2, vkQueueBindSparse
    uint64_t objects;       // live now
    uint64_t memory;        // bytes of live VkDeviceMemory
    uint32_t rings;         // live now
};

// Thread-safety: Safe. The figures are a snapshot, not consistent with each other.
PV_API void pv_context_get_stats(const struct pv_context *context, struct pv_context_stats *stats);

// Calls `visit` for each command that the context has run, with how often it did, in the order of
// their numbers. Never, unless the renderer was created with `count_commands`. `name` is static.
// Thread-safety: Safe.
PV_API void pv_context_visit_commands(const struct pv_context *context,
                                      void (*visit)(void *user, const char *name, uint64_t count),
                                      void *user);

#ifdef __cplusplus
}
#endif
#endif

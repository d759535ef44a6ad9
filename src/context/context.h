// One guest context: its objects, resources, rings and timelines, and its end. Implements
// pv/context.h, pv/fence.h and pv_context_create_blob().
//
// Locks, outermost first: `fence_lock` (queues' ring_idx, the order of fences), `lock` (rings,
// resources, the instance), a host queue's, then those inside object table, rings and timelines.
// None is held while a ring thread is joined or bytes are executed, and only `fence_lock` around
// callbacks.
#ifndef PV_CONTEXT_CONTEXT_H
#define PV_CONTEXT_CONTEXT_H

#include "base/quiesce.h"
#include "context/host.h"
#include "context/objects.h"
#include "context/resource.h"
#include "context/stream.h"
#include "context/tally.h"
#include "object/table.h"
#include "pv/context.h"
#include "ring/monitor.h"
#include "ring/ring.h"

#include <pthread.h>
#include <stdatomic.h>

// A ring with the stream that runs its bytes. Owned by the context; the context stream's thread
// creates and destroys it.
struct pv_context_ring {
    uint64_t name; // the guest's
    struct pv_ring *ring;
    struct pv_resource *resource; // its memory, one reference
    struct pv_stream stream;
    bool monitored;
    uint64_t pulse;               // begun by the VMM instead; 0: none
    _Atomic bool stopping;        // waits of its commands give up
    struct pv_context_ring *next; // pv_context.rings
};

// What the renderer supplies from the layers above.
struct pv_context_ops {
    const struct pv_command *commands; // PV_COMMAND_COUNT entries
    // Destroys the driver's handles of removed objects, in order, and releases the objects.
    void (*destroy_objects)(struct pv_context *context, struct pv_object *first);
};

struct pv_context {
    struct pv_host *host;
    const struct pv_context_ops *ops;
    const struct pv_command *commands; // the ops', or the tally's around them
    struct pv_tally *tally;            // NULL: nobody counts
    struct pv_context_params params;   // `name` is `name_storage`
    char name_storage[64];

    struct pv_quiesce *quiesce;
    struct pv_object_table *objects;
    struct pv_instance *instance; // NULL before vkCreateInstance; changed under `lock`
    struct pv_stream stream;      // the context stream
    struct pv_cpu_timeline cpu_timeline;
    struct pv_monitor *monitor;

    pthread_mutex_t lock;
    struct pv_context_ring *rings;
    uint32_t ring_count;
    struct pv_resource **resources; // attached, sorted by id, one reference each
    uint32_t resource_count, resource_capacity;
    struct pv_stream_counters retired_counters; // of streams that are gone

    // Held while fences are made, and while queues come and go with their timelines: also around
    // callbacks, so that those of one ring_idx keep their order. Taken before all other locks.
    pthread_mutex_t fence_lock;
    struct pv_queue *queues[PV_TIMELINE_COUNT]; // by ring_idx; 0 is never bound

    // Changes whenever a resource goes, so that streams may cache one without the lock.
    _Atomic uint32_t resource_generation;
    _Atomic bool failed;
    char failure[256]; // written before `failed`, by the one who sets it
    _Atomic bool failing;
    _Atomic bool complained; // about a bad request of the guest, outside of its streams
    // The guest binds queues without waiting for the reply, as Mesa before 26.2 does: it learns of
    // signals through feedback slots.
    _Atomic bool guest_uses_feedback;
    _Atomic uint64_t memory; // bytes of live VkDeviceMemory
};

// Failure: NULL, logged.
struct pv_context *pv_context_create_with(struct pv_host *host, const struct pv_context_ops *ops,
                                          const struct pv_context_params *params);

// Marks the context failed for good: the first reason is kept, logged and reported; rings get the
// FATAL bit and stop; waits are released. Thread-safety: Safe, also on ring threads.
void pv_context_fail(struct pv_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline bool pv_context_has_failed(const struct pv_context *context)
{
    return atomic_load_explicit(&context->failed, memory_order_acquire);
}

// The attached resource with this id and a new reference, or NULL. Thread-safety: Safe.
struct pv_resource *pv_context_find_resource(struct pv_context *context, uint32_t id);

// Rings, by the guest's name. Thread-safety: the context stream's thread.
const char *pv_context_create_ring(struct pv_context *context, uint64_t name, uint32_t resource_id,
                                   const struct pv_ring_layout *layout); // NULL or the reason
bool pv_context_destroy_ring(struct pv_context *context, uint64_t name);
struct pv_ring *pv_context_find_ring(struct pv_context *context, uint64_t name);

#endif

// What libvirglrenderer remembers between calls: the only global of the project, because the
// interface it serves has no handle for an instance.
//
// The interface is single-threaded but for callbacks, so no lock guards the tables. What a fence
// that retires in another thread touches is guarded by `fence_lock`.
#ifndef PV_VIRGL_STATE_H
#define PV_VIRGL_STATE_H

#include "virglrenderer.h"

#include "os.h"
#include "table.h"

#include <pthread.h>

#include "pv/context.h"
#include "pv/renderer.h"
#include "pv/resource.h"

struct pv_virgl_fence;
struct pv_virgl_image;

struct pv_virgl_context {
    uint32_t id;
    struct pv_context *context;

    // Guarded by fence_lock:
    struct pv_virgl_fence *last_ready[PV_TIMELINE_COUNT]; // where younger fences may merge into
    struct pv_virgl_signal signal;                        // of context_get_poll_fd()
};

struct pv_virgl_resource {
    uint32_t id;
    void *priv;        // the caller's
    struct iovec *iov; // borrowed from attach until detach, or NULL
    unsigned iov_count;

    // One of: memory of the host, an image in plain memory, or neither (memory of the guest).
    struct pv_resource *blob; // one reference
    struct pv_virgl_image *image;

    bool mapped;   // by virgl_renderer_resource_map()
    bool unseen;   // the guest wants to map it, and nobody has asked for the memory
    int dmabuf_fd; // lent by get_info, -1 until asked for

    struct pv_virgl_resource *next; // pv_virgl_state.orphans
    bool lost_in_reset;             // an orphan that the VMM was not asked about
    bool reported;                  // as being in somebody's way
};

struct pv_virgl_state {
    bool initialized;
    void *cookie;
    int flags;
    const struct virgl_renderer_callbacks *callbacks;

    struct pv_renderer *renderer; // NULL without Venus
    struct pv_virgl_table contexts;
    struct pv_virgl_table resources;
    // Resources that went while mapped: the VMM may still look at the memory. Newest first.
    struct pv_virgl_resource *orphans;
    bool window_reported; // as being too small

    // Fences that have retired and wait for a poll. Guarded by fence_lock.
    struct pv_virgl_fence *first_ready, **ready_end;
    struct pv_virgl_signal signal; // of get_poll_fd()
};

extern struct pv_virgl_state pv_virgl;
extern pthread_mutex_t pv_virgl_fence_lock;

// NULL for unknown ids.
struct pv_virgl_context *pv_virgl_find_context(uint32_t id);
struct pv_virgl_resource *pv_virgl_find_resource(uint32_t id);

// context.c and resource.c: destroy all there are.
void pv_virgl_destroy_contexts(void);
void pv_virgl_destroy_resources(void);
void pv_virgl_destroy_orphans(void);

// resource.c: a new resource in the table with nothing in it. NULL: no memory.
struct pv_virgl_resource *pv_virgl_add_resource(uint32_t id);
void pv_virgl_remove_resource(struct pv_virgl_resource *resource);

// resource.c: the resource that had this id and went while mapped, or NULL; ends its mapping.
struct pv_virgl_resource *pv_virgl_find_orphan(uint32_t id);
void pv_virgl_unmap_orphan(uint32_t id);

// fence.c: start and end with the library; the callback of contexts.
void pv_virgl_fences_init(void);
void pv_virgl_fences_finish(void); // reports what is ready
void pv_virgl_fence_retired(void *user, uint32_t ring_idx, uint64_t cookie);
// Before the context's memory goes.
void pv_virgl_fences_forget_context(struct pv_virgl_context *context);

// Whether callbacks of `version` may be used.
bool pv_virgl_has_callbacks(int version);

#endif

// Deferred freeing for lock-free readers (quiescent-state based reclamation).
//
// Readers are ring threads. Between two commands a reader holds no pointer into shared tables
// and says so with pv_quiesce_checkpoint(); memory retired earlier may then be freed. A reader
// that sleeps or blocks without holding such pointers goes offline so that it delays nobody.
#ifndef PV_BASE_QUIESCE_H
#define PV_BASE_QUIESCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Memory that is taken again would hide from the sanitizer that somebody still holds it.
#define PV_QUIESCE_TAKES_AGAIN true
#if defined(__SANITIZE_ADDRESS__)
#undef PV_QUIESCE_TAKES_AGAIN
#define PV_QUIESCE_TAKES_AGAIN false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef PV_QUIESCE_TAKES_AGAIN
#define PV_QUIESCE_TAKES_AGAIN false
#endif
#endif

struct pv_quiesce;

struct pv_quiesce_batch;

// One reading thread. Owned by the thread's owner, zeroed before pv_quiesce_add_reader().
struct pv_quiesce_reader {
    // 0 while offline, else the domain's epoch at the last checkpoint.
    // Pairs with the acquire loads in pv_quiesce_retire().
    _Atomic uint64_t seen;
    struct pv_quiesce *domain;
    struct pv_quiesce_reader *next; // pv_quiesce.readers

    // What this thread retired for itself.
    struct pv_quiesce_batch *open;              // being filled
    struct pv_quiesce_batch *oldest, *youngest; // closed
    struct pv_quiesce_batch *ready;             // nobody can hold it: to be taken again
};

struct pv_quiesce *pv_quiesce_create(void);

// All readers must be removed. Frees everything retired. NULL is allowed.
void pv_quiesce_destroy(struct pv_quiesce *domain);

// Adds a reader, offline. Thread-safety: Safe.
void pv_quiesce_add_reader(struct pv_quiesce *domain, struct pv_quiesce_reader *reader);
// What the reader retired for itself goes like anything else.
void pv_quiesce_remove_reader(struct pv_quiesce_reader *reader);

// Thread-safety: the reader's own thread only.
void pv_quiesce_online(struct pv_quiesce_reader *reader);
void pv_quiesce_offline(struct pv_quiesce_reader *reader);
void pv_quiesce_checkpoint(struct pv_quiesce_reader *reader);

// Calls release(memory) once no reader can hold it, at the latest at pv_quiesce_destroy().
// May run earlier retirements now. Thread-safety: Safe.
void pv_quiesce_retire(struct pv_quiesce *domain, void *memory, void (*release)(void *memory));

// The same for memory from malloc() of which the thread will want more of this kind: without a
// lock, but for each sixtieth. Thread-safety: the reader's own thread only.
void pv_quiesce_retire_own(struct pv_quiesce_reader *reader, void *memory);
// Some of it that nobody can hold any more, its bytes as they were. NULL: there is none, or a
// sanitizer looks for those who still hold it. Thread-safety: the reader's own thread only.
void *pv_quiesce_take_own(struct pv_quiesce_reader *reader);

// Waits until every other reader has passed a checkpoint or is offline: nobody then holds what was
// removed from the shared tables before the call. For rare, large removals; it polls.
// `reader` is the caller's, offline meanwhile, or NULL. Thread-safety: Safe.
void pv_quiesce_synchronize(struct pv_quiesce *domain, struct pv_quiesce_reader *reader);

#endif

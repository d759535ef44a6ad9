// Retired memory is noted in batches. A full batch is closed: the epoch advances, and the batch may
// go once every online reader has passed a checkpoint that saw this epoch. Batches are closed and
// freed in order, so one comparison with the slowest reader decides.
//
// Why a reader cannot miss a removal: whoever retires has removed the memory from the shared
// tables before, and then advances the epoch with a read-modify-write. A reader that reads that
// epoch (checkpoint) or that touches it with a later read-modify-write (going online) sees the
// removal. A reader whose read-modify-write came first stored `seen` before it, so the closing
// thread finds it online and waits for its next checkpoint. No fence is needed for either.
#include "base/quiesce.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_ITEMS 62 // a batch fills 1 KiB

struct batch {
    struct batch *next; // younger
    uint64_t epoch;     // all readers must have seen it
    struct {
        void *memory;
        void (*release)(void *memory);
    } items[BATCH_ITEMS];
};

struct pv_quiesce {
    _Atomic uint64_t epoch; // starts at 1: 0 means offline in a reader

    pthread_mutex_t lock;
    // Guarded by `lock`.
    struct pv_quiesce_reader *readers;
    struct batch *open; // being filled; NULL until needed
    unsigned open_count;
    struct batch *oldest, *youngest; // closed
};

struct pv_quiesce *pv_quiesce_create(void)
{
    struct pv_quiesce *domain = calloc(1, sizeof(*domain));
    if (!domain) {
        return NULL;
    }
    if (pthread_mutex_init(&domain->lock, NULL) != 0) {
        free(domain);
        return NULL;
    }
    atomic_init(&domain->epoch, 1);
    return domain;
}

static void batch_release(struct batch *batch, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        batch->items[i].release(batch->items[i].memory);
    }
    free(batch);
}

// Frees a list of closed batches. Called without the lock: release functions may take others.
static void batches_release(struct batch *batch)
{
    while (batch) {
        struct batch *next = batch->next;
        batch_release(batch, BATCH_ITEMS);
        batch = next;
    }
}

void pv_quiesce_destroy(struct pv_quiesce *domain)
{
    if (!domain) {
        return;
    }
    assert(!domain->readers);
    batches_release(domain->oldest);
    if (domain->open) {
        batch_release(domain->open, domain->open_count);
    }
    pthread_mutex_destroy(&domain->lock);
    free(domain);
}

void pv_quiesce_add_reader(struct pv_quiesce *domain, struct pv_quiesce_reader *reader)
{
    atomic_init(&reader->seen, 0);
    reader->domain = domain;

    pthread_mutex_lock(&domain->lock);
    reader->next = domain->readers;
    domain->readers = reader;
    pthread_mutex_unlock(&domain->lock);
}

void pv_quiesce_remove_reader(struct pv_quiesce_reader *reader)
{
    struct pv_quiesce *domain = reader->domain;

    pthread_mutex_lock(&domain->lock);
    struct pv_quiesce_reader **link = &domain->readers;
    while (*link != reader) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = reader->next;
    pthread_mutex_unlock(&domain->lock);
    reader->next = NULL;
}

void pv_quiesce_online(struct pv_quiesce_reader *reader)
{
    _Atomic uint64_t *epoch = &reader->domain->epoch;
    atomic_store_explicit(&reader->seen, atomic_load_explicit(epoch, memory_order_relaxed),
                          memory_order_release);
    // Pairs with the same in batch_close(): one of the two sees what the other did before it.
    atomic_fetch_add_explicit(epoch, 0, memory_order_acq_rel);
}

void pv_quiesce_offline(struct pv_quiesce_reader *reader)
{
    // Pairs with the acquire load in slowest_reader(), like the store in pv_quiesce_checkpoint():
    // what the reader read until now is read before it is freed.
    atomic_store_explicit(&reader->seen, 0, memory_order_release);
}

void pv_quiesce_checkpoint(struct pv_quiesce_reader *reader)
{
    // Pairs with batch_close(): who sees the epoch sees the removals before it.
    const uint64_t epoch = atomic_load_explicit(&reader->domain->epoch, memory_order_acquire);
    if (epoch != atomic_load_explicit(&reader->seen, memory_order_relaxed)) {
        atomic_store_explicit(&reader->seen, epoch, memory_order_release);
    }
}

// Moves the full batch to the closed ones.
static void batch_close(struct pv_quiesce *domain)
{
    struct batch *batch = domain->open;
    batch->epoch = atomic_fetch_add_explicit(&domain->epoch, 1, memory_order_acq_rel) + 1;
    if (domain->youngest) {
        domain->youngest->next = batch;
    } else {
        domain->oldest = batch;
    }
    domain->youngest = batch;
    domain->open = NULL;
    domain->open_count = 0;
}

// The epoch that every online reader has seen.
static uint64_t slowest_reader(const struct pv_quiesce *domain)
{
    uint64_t slowest = UINT64_MAX;
    for (const struct pv_quiesce_reader *reader = domain->readers; reader; reader = reader->next) {
        const uint64_t seen = atomic_load_explicit(&reader->seen, memory_order_acquire);
        if (seen != 0 && seen < slowest) {
            slowest = seen;
        }
    }
    return slowest;
}

// Takes the batches that no reader can reach from the list.
static struct batch *take_unreachable(struct pv_quiesce *domain)
{
    const uint64_t slowest = slowest_reader(domain);
    struct batch *first = domain->oldest, *last = NULL;
    while (domain->oldest && domain->oldest->epoch <= slowest) {
        last = domain->oldest;
        domain->oldest = last->next;
    }
    if (!domain->oldest) {
        domain->youngest = NULL;
    }
    if (!last) {
        return NULL;
    }
    last->next = NULL;
    return first;
}

void pv_quiesce_retire(struct pv_quiesce *domain, void *memory, void (*release)(void *memory))
{
    struct batch *unreachable = NULL;

    pthread_mutex_lock(&domain->lock);
    if (!domain->open) {
        domain->open = malloc(sizeof(*domain->open));
    }
    // Without memory for the note, leaking is the only safe answer: the caller may itself be a
    // reader, so waiting for the readers could wait for ever.
    if (domain->open) {
        domain->open->next = NULL;
        domain->open->items[domain->open_count].memory = memory;
        domain->open->items[domain->open_count].release = release;
        if (++domain->open_count == BATCH_ITEMS) {
            batch_close(domain);
            unreachable = take_unreachable(domain);
        }
    }
    pthread_mutex_unlock(&domain->lock);

    batches_release(unreachable);
}

void pv_quiesce_synchronize(struct pv_quiesce *domain, struct pv_quiesce_reader *reader)
{
    const bool online = reader && atomic_load_explicit(&reader->seen, memory_order_relaxed) != 0;
    if (online) {
        // Two readers that wait for each other would wait for ever.
        pv_quiesce_offline(reader);
    }
    const uint64_t epoch = atomic_fetch_add_explicit(&domain->epoch, 1, memory_order_acq_rel) + 1;
    for (;;) {
        pthread_mutex_lock(&domain->lock);
        const uint64_t slowest = slowest_reader(domain);
        pthread_mutex_unlock(&domain->lock);
        if (slowest >= epoch) {
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    if (online) {
        pv_quiesce_online(reader);
    }
}

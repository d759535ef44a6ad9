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

struct pv_quiesce_batch {
    struct pv_quiesce_batch *next; // younger
    uint64_t epoch;                // all readers must have seen it
    uint32_t count;                // of items
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
    struct pv_quiesce_batch *open;              // being filled; NULL until needed
    struct pv_quiesce_batch *oldest, *youngest; // closed
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

static struct pv_quiesce_batch *batch_create(void)
{
    struct pv_quiesce_batch *batch = malloc(sizeof(*batch));
    if (batch) {
        batch->next = NULL;
        batch->count = 0;
    }
    return batch;
}

// True: it is full now.
static bool batch_add(struct pv_quiesce_batch *batch, void *memory, void (*release)(void *memory))
{
    batch->items[batch->count].memory = memory;
    batch->items[batch->count].release = release;
    return ++batch->count == BATCH_ITEMS;
}

// Frees a list of batches. Called without the lock: release functions may take others.
static void batches_release(struct pv_quiesce_batch *batch)
{
    while (batch) {
        struct pv_quiesce_batch *next = batch->next;
        for (uint32_t i = 0; i < batch->count; i++) {
            batch->items[i].release(batch->items[i].memory);
        }
        free(batch);
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
    batches_release(domain->open);
    pthread_mutex_destroy(&domain->lock);
    free(domain);
}

// Moves a batch to the closed ones.
static void batch_close(struct pv_quiesce *domain, struct pv_quiesce_batch *batch,
                        struct pv_quiesce_batch **oldest, struct pv_quiesce_batch **youngest)
{
    batch->epoch = atomic_fetch_add_explicit(&domain->epoch, 1, memory_order_acq_rel) + 1;
    batch->next = NULL;
    if (*oldest) {
        (*youngest)->next = batch;
    } else {
        *oldest = batch;
    }
    *youngest = batch;
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
    // The newest epoch for all of them, so that the domain's list stays sorted.
    for (struct pv_quiesce_batch *batch = reader->oldest; batch; batch = reader->oldest) {
        reader->oldest = batch->next;
        batch_close(domain, batch, &domain->oldest, &domain->youngest);
    }
    if (reader->open) {
        batch_close(domain, reader->open, &domain->oldest, &domain->youngest);
    }
    pthread_mutex_unlock(&domain->lock);
    batches_release(reader->ready);
    *reader = (struct pv_quiesce_reader){0};
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
static struct pv_quiesce_batch *take_unreachable(struct pv_quiesce *domain)
{
    const uint64_t slowest = slowest_reader(domain);
    struct pv_quiesce_batch *first = domain->oldest, *last = NULL;
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
    struct pv_quiesce_batch *unreachable = NULL;

    pthread_mutex_lock(&domain->lock);
    if (!domain->open) {
        domain->open = batch_create();
    }
    // Without memory for the note, leaking is the only safe answer: the caller may itself be a
    // reader, so waiting for the readers could wait for ever.
    if (domain->open && batch_add(domain->open, memory, release)) {
        batch_close(domain, domain->open, &domain->oldest, &domain->youngest);
        domain->open = NULL;
        unreachable = take_unreachable(domain);
    }
    pthread_mutex_unlock(&domain->lock);

    batches_release(unreachable);
}

// Closes the reader's full batch, makes one that nobody can reach ready to be taken, and frees
// the rest of these.
static void turn_over(struct pv_quiesce_reader *reader)
{
    struct pv_quiesce *domain = reader->domain;
    batch_close(domain, reader->open, &reader->oldest, &reader->youngest);
    reader->open = NULL;
    pthread_mutex_lock(&domain->lock);
    const uint64_t slowest = slowest_reader(domain);
    pthread_mutex_unlock(&domain->lock);

    while (reader->oldest && reader->oldest->epoch <= slowest) {
        struct pv_quiesce_batch *batch = reader->oldest;
        reader->oldest = batch->next;
        batch->next = NULL;
        if (PV_QUIESCE_TAKES_AGAIN && (!reader->ready || reader->ready->count == 0)) {
            struct pv_quiesce_batch *empty = reader->ready;
            reader->ready = batch;
            batch = empty;
        }
        if (batch && batch->count == 0 && !reader->open) {
            reader->open = batch;
        } else {
            batches_release(batch);
        }
    }
}

void pv_quiesce_retire_own(struct pv_quiesce_reader *reader, void *memory)
{
    if (!reader->open) {
        reader->open = batch_create();
    }
    // As above.
    if (reader->open && batch_add(reader->open, memory, free)) {
        turn_over(reader);
    }
}

void *pv_quiesce_take_own(struct pv_quiesce_reader *reader)
{
    struct pv_quiesce_batch *ready = reader->ready;
    return ready && ready->count > 0 ? ready->items[--ready->count].memory : NULL;
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

#include "base/parking.h"

#include "base/arith.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>

struct bucket {
    pthread_mutex_t mutex;
    // Signalled for every word of this bucket; those who wait for another one return early, which
    // the contract allows. Guarded by `mutex`.
    struct pv_cond woken;
    uint32_t waiters; // guarded by `mutex`
};

static struct bucket buckets[64];
static pthread_once_t buckets_once = PTHREAD_ONCE_INIT;

static void init_buckets(void)
{
    for (size_t i = 0; i < PV_ARRAY_LENGTH(buckets); i++) {
        pthread_mutex_init(&buckets[i].mutex, NULL);
        pv_cond_init(&buckets[i].woken);
    }
}

static struct bucket *find_bucket(const _Atomic uint32_t *word)
{
    pthread_once(&buckets_once, init_buckets);
    // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
    return &buckets[(uint64_t)(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15) >> 58];
}

void pv_parking_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct bucket *bucket = find_bucket(word);
    pthread_mutex_lock(&bucket->mutex);
    // A waker changes the word before it takes the mutex: either it is changed here already, or
    // the waker comes after us and finds us waiting.
    if (atomic_load_explicit(word, memory_order_relaxed) == expected) {
        bucket->waiters++;
        pv_cond_wait_until(&bucket->woken, &bucket->mutex, deadline_ns);
        bucket->waiters--;
    }
    pthread_mutex_unlock(&bucket->mutex);
}

void pv_parking_wake(const _Atomic uint32_t *word)
{
    struct bucket *bucket = find_bucket(word);
    pthread_mutex_lock(&bucket->mutex);
    if (bucket->waiters > 0) {
        pv_cond_broadcast(&bucket->woken);
    }
    pthread_mutex_unlock(&bucket->mutex);
}

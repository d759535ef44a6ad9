// Question: how long is a cache line on its way from one core to another and back, right now?
// Base case: there is none; this is the base of all that a guest and the thread of a ring hand
// over.
//
//     core_distance
//
// Prints nanoseconds, the median of short bursts. The cores of a virtual machine may be two threads
// of one core at one time and far apart a minute later. bench/run.py asks before and after each
// program, so that what it compares was measured on one and the same kind of machine.
#include "base/os.h"
#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BURSTS 51
#define TURNS  2000
// Turns without an answer before a yield: both may share a core for a while.
#define PATIENCE 10000

static struct {
    _Alignas(128) _Atomic uint32_t there;
    _Alignas(128) _Atomic uint32_t back;
    _Atomic uint32_t stop;
} line;

static void wait_for(const _Atomic uint32_t *word, uint32_t value)
{
    for (uint32_t i = 1; atomic_load_explicit(word, memory_order_acquire) != value; i++) {
        if (i % PATIENCE == 0) {
            if (atomic_load(&line.stop)) {
                return;
            }
            sched_yield();
        }
    }
}

static void answer(void *user)
{
    (void)user;
    for (uint32_t i = 1; !atomic_load(&line.stop); i++) {
        wait_for(&line.there, i);
        atomic_store_explicit(&line.back, i, memory_order_release);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct pv_thread thread;
    if (!pv_thread_start(&thread, "answer", answer, NULL)) {
        fprintf(stderr, "core_distance: no thread\n");
        return 1;
    }
    uint64_t burst_ns[BURSTS];
    uint32_t turn = 0;
    for (int i = 0; i < BURSTS; i++) {
        const uint64_t begin_ns = pv_os_now_ns();
        for (int j = 0; j < TURNS; j++) {
            atomic_store_explicit(&line.there, ++turn, memory_order_release);
            wait_for(&line.back, turn);
        }
        burst_ns[i] = pv_os_now_ns() - begin_ns;
    }
    atomic_store(&line.stop, 1);
    pv_thread_join(&thread);
    qsort(burst_ns, BURSTS, sizeof(burst_ns[0]), compare);
    printf("%.0f\n", (double)burst_ns[BURSTS / 2] / TURNS);
    return 0;
}

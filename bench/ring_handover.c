// Question: how long does a command take from the guest's store of tail to the guest's view of the
// new head, after the guest has been silent for some time? What does waiting for it cost?
// Base case: two threads that spin on each other's word, the least that any ring can do.
//
//     ring_handover [SAMPLES]
//
// The guest is silent in two ways: busy (it holds a core) or asleep. It notifies as Mesa does, and
// waits by yielding; "slow" are the calls that took more than Mesa's 15 yields, after which it
// would sleep for 160 us. CPU is what the ring thread used, in percent of the wall time;
// notifications and its sleeps are per call.
#include "base/os.h"
#include "base/pause.h"
#include "base/thread.h"
#include "ring/state.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMMAND_SIZE    32
#define BUFFER_SIZE     131072
#define IDLE_TIMEOUT_NS 1000000
#define MAX_SAMPLES     100000

struct guest {
    uint8_t *memory;
    _Atomic uint32_t *head, *tail, *status;
    uint8_t *buffer;
    struct pv_ring *ring;
    uint32_t written;
    uint64_t last_notify_ns;
    uint32_t notifications;
    _Atomic uint32_t sleeps;
};

static uint64_t samples_ns[MAX_SAMPLES];

static int compare_samples(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// What all threads but this one have used. The two clocks are read one after the other: a
// difference of two results can be slightly negative.
static double others_cpu_ns(void)
{
    return (double)cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - (double)cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

static bool execute(void *user, uint8_t *bytes, size_t size)
{
    struct guest *guest = user;
    (void)bytes;
    for (size_t at = COMMAND_SIZE; at <= size; at += COMMAND_SIZE) {
        pv_ring_publish(guest->ring, at);
    }
    return true;
}

static void note_sleep(void *user)
{
    atomic_fetch_add(&((struct guest *)user)->sleeps, 1);
}

static void note_wake(void *user)
{
    (void)user;
}

static void note_failure(void *user, const char *reason)
{
    (void)user;
    fprintf(stderr, "ring_handover: %s\n", reason);
    abort();
}

static void guest_open(struct guest *guest)
{
    static const struct pv_ring_ops ops = {execute, note_sleep, note_wake, note_failure};
    const struct pv_ring_layout layout = {
        .size = 192 + BUFFER_SIZE,
        .idle_timeout_ns = IDLE_TIMEOUT_NS,
        .tail_offset = 64,
        .status_offset = 128,
        .buffer_offset = 192,
        .buffer_size = BUFFER_SIZE,
    };
    *guest = (struct guest){.memory = aligned_alloc(64, layout.size)};
    if (!guest->memory) {
        abort();
    }
    memset(guest->memory, 0, layout.size);
    guest->head = (_Atomic uint32_t *)(void *)guest->memory;
    guest->tail = (_Atomic uint32_t *)(void *)(guest->memory + 64);
    guest->status = (_Atomic uint32_t *)(void *)(guest->memory + 128);
    guest->buffer = guest->memory + 192;

    const char *reason = NULL;
    guest->ring = pv_ring_create(
        &(struct pv_ring_params){layout, guest->memory, &ops, guest, "ring"}, &reason);
    if (!guest->ring || !pv_ring_start(guest->ring)) {
        abort();
    }
}

static void guest_close(struct guest *guest)
{
    pv_ring_destroy(guest->ring);
    free(guest->memory);
}

static void guest_write(struct guest *guest)
{
    memset(guest->buffer + guest->written % BUFFER_SIZE, 1, COMMAND_SIZE);
    guest->written += COMMAND_SIZE;
}

static void guest_submit(struct guest *guest)
{
    atomic_store(guest->tail, guest->written);
    if (atomic_load(guest->status) & PV_RING_STATUS_IDLE) {
        const uint64_t now_ns = pv_os_now_ns();
        if (now_ns - guest->last_notify_ns >= IDLE_TIMEOUT_NS) {
            guest->last_notify_ns = now_ns;
            guest->notifications++;
            pv_ring_notify(guest->ring);
        }
    }
}

// Returns the yields it took.
static uint32_t guest_wait(struct guest *guest)
{
    uint32_t yields = 0;
    while (atomic_load_explicit(guest->head, memory_order_acquire) != guest->written) {
        sched_yield();
        yields++;
    }
    return yields;
}

static void be_busy(uint64_t duration_ns)
{
    const uint64_t until_ns = pv_os_now_ns() + duration_ns;
    while (pv_os_now_ns() < until_ns) {
    }
}

static void be_asleep(uint64_t duration_ns)
{
    const struct timespec duration = {.tv_nsec = (long)duration_ns};
    nanosleep(&duration, NULL);
}

struct row {
    double slow_percent, cpu_percent;
    double notifications, sleeps;
};

static void print_row(const char *name, uint32_t count, const struct row *row)
{
    qsort(samples_ns, count, sizeof(samples_ns[0]), compare_samples);
    printf("%-28s %8.2f %8.2f %8.2f %8.2f %5.1f%% %5.0f%% %9.2f %9.2f\n", name,
           (double)samples_ns[count / 2] / 1000, (double)samples_ns[count * 9 / 10] / 1000,
           (double)samples_ns[count * 99ull / 100] / 1000,
           (double)samples_ns[count * 999ull / 1000] / 1000, row->slow_percent, row->cpu_percent,
           row->notifications, row->sleeps);
}

static void measure_calls(const char *name, uint32_t count, void (*silence)(uint64_t),
                          uint64_t silence_ns)
{
    struct guest guest;
    guest_open(&guest);
    const uint32_t warm_up = count / 10 + 20;
    uint64_t begin_ns = 0;
    double begin_cpu_ns = 0;
    uint32_t begin_sleeps = 0, slow = 0;
    for (uint32_t i = 0; i < warm_up + count; i++) {
        if (i == warm_up) {
            begin_ns = pv_os_now_ns();
            begin_cpu_ns = others_cpu_ns();
            begin_sleeps = atomic_load(&guest.sleeps);
            guest.notifications = 0;
            slow = 0;
        }
        if (silence) {
            silence(silence_ns);
        }
        const uint64_t sent_ns = pv_os_now_ns();
        guest_write(&guest);
        guest_submit(&guest);
        slow += guest_wait(&guest) > 15;
        samples_ns[i < warm_up ? 0 : i - warm_up] = pv_os_now_ns() - sent_ns;
    }
    const double wall_ns = (double)(pv_os_now_ns() - begin_ns);
    const struct row row = {
        .slow_percent = slow * 100.0 / count,
        .cpu_percent = (others_cpu_ns() - begin_cpu_ns) * 100 / wall_ns,
        .notifications = (double)guest.notifications / count,
        .sleeps = (double)(atomic_load(&guest.sleeps) - begin_sleeps) / count,
    };
    print_row(name, count, &row);
    guest_close(&guest);
}

static struct {
    _Alignas(64) _Atomic uint32_t ping;
    _Alignas(64) _Atomic uint32_t pong;
    _Alignas(64) uint32_t rounds;
} base;

static void base_partner(void *user)
{
    (void)user;
    for (uint32_t i = 1; i <= base.rounds; i++) {
        while (atomic_load_explicit(&base.ping, memory_order_acquire) != i) {
            pv_pause();
        }
        atomic_store_explicit(&base.pong, i, memory_order_release);
    }
}

static void measure_base(uint32_t count)
{
    struct pv_thread thread = {0};
    base.rounds = count;
    if (!pv_thread_start(&thread, "partner", base_partner, NULL)) {
        abort();
    }
    for (uint32_t i = 1; i <= count; i++) {
        const uint64_t sent_ns = pv_os_now_ns();
        atomic_store_explicit(&base.ping, i, memory_order_release);
        while (atomic_load_explicit(&base.pong, memory_order_acquire) != i) {
            pv_pause();
        }
        samples_ns[i - 1] = pv_os_now_ns() - sent_ns;
    }
    pv_thread_join(&thread);
    print_row("two spinning threads (base)", count, &(struct row){.cpu_percent = 100});
}

// One-way traffic: what the ring itself costs per command.
static void measure_stream(uint32_t batch)
{
    struct guest guest;
    guest_open(&guest);
    const uint32_t count = 4000000;
    const uint64_t begin_ns = pv_os_now_ns();
    for (uint32_t sent = 0; sent < count; sent += batch) {
        while (guest.written + batch * COMMAND_SIZE -
                   atomic_load_explicit(guest.head, memory_order_acquire) >
               BUFFER_SIZE) {
            sched_yield();
        }
        for (uint32_t i = 0; i < batch; i++) {
            guest_write(&guest);
        }
        guest_submit(&guest);
    }
    guest_wait(&guest);
    printf("stream, %4u commands a batch %8.1f ns per command\n", batch,
           (double)(pv_os_now_ns() - begin_ns) / count);
    guest_close(&guest);
}

static void measure_idleness(void)
{
    struct guest guest;
    guest_open(&guest);
    guest_write(&guest);
    guest_submit(&guest);
    guest_wait(&guest);
    be_asleep(100000000);
    const uint32_t sleeps = atomic_load(&guest.sleeps);
    const double used_ns = others_cpu_ns();
    be_asleep(900000000);
    printf("idle ring                    %8u wake-ups, %.3f ms of CPU in 0.9 s\n",
           atomic_load(&guest.sleeps) - sleeps, (others_cpu_ns() - used_ns) / 1e6);
    guest_close(&guest);
}

int main(int argc, char **argv)
{
    const int samples = argc > 1 ? atoi(argv[1]) : 2000;
    if (samples < 100 || samples > MAX_SAMPLES) {
        fprintf(stderr, "usage: ring_handover [SAMPLES], 100 to %d\n", MAX_SAMPLES);
        return 2;
    }
    const uint32_t count = (uint32_t)samples;
    printf("%-28s %8s %8s %8s %8s %6s %6s %9s %9s\n", "round trip in us, silent for", "p50", "p90",
           "p99", "p99.9", "slow", "CPU", "notified", "sleeps");
    measure_base(count);
    measure_calls("  not at all", count, NULL, 0);
    measure_calls("  5 us, busy", count, be_busy, 5000);
    measure_calls("  20 us, busy", count, be_busy, 20000);
    measure_calls("  50 us, busy", count, be_busy, 50000);
    measure_calls("  200 us, busy", count, be_busy, 200000);
    measure_calls("  200 us, asleep", count, be_asleep, 200000);
    measure_calls("  700 us, busy", count, be_busy, 700000);
    measure_calls("  3 ms, busy", count / 10, be_busy, 3000000);
    measure_calls("  10 ms, asleep", count / 20, be_asleep, 10000000);
    measure_stream(1);
    measure_stream(16);
    measure_stream(1024);
    measure_idleness();
    return 0;
}

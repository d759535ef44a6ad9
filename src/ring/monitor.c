#include "ring/monitor.h"

#include "base/os.h"
#include "base/thread.h"
#include "ring/ring.h"

#include <assert.h>
#include <stdlib.h>

// Whatever period a guest asks for, we do not wake up more often than this.
#define MIN_INTERVAL_NS 10000000

struct member {
    struct pv_ring *ring;
    uint32_t period_us;
    struct member *next; // pv_monitor.members
};

struct pv_monitor {
    pthread_mutex_t lock;
    // Guarded by `lock`.
    struct pv_cond changed; // members, stop
    struct member *members;
    bool stop;

    struct pv_thread thread; // started with the first ring, joined at destroy
};

struct pv_monitor *pv_monitor_create(void)
{
    struct pv_monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor || pthread_mutex_init(&monitor->lock, NULL) != 0) {
        free(monitor);
        return NULL;
    }
    pv_cond_init(&monitor->changed);
    return monitor;
}

void pv_monitor_destroy(struct pv_monitor *monitor)
{
    if (!monitor) {
        return;
    }
    assert(!monitor->members);
    pthread_mutex_lock(&monitor->lock);
    monitor->stop = true;
    pv_cond_signal(&monitor->changed);
    pthread_mutex_unlock(&monitor->lock);
    pv_thread_join(&monitor->thread);

    pv_cond_finish(&monitor->changed);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

// Time between two reports. An eighth is left for a host that is slow to schedule us.
static uint64_t report_interval_ns(const struct pv_monitor *monitor)
{
    uint32_t period_us = UINT32_MAX;
    for (const struct member *member = monitor->members; member; member = member->next) {
        period_us = member->period_us < period_us ? member->period_us : period_us;
    }
    const uint64_t interval_ns = (uint64_t)period_us * 875;
    return interval_ns > MIN_INTERVAL_NS ? interval_ns : MIN_INTERVAL_NS;
}

static void monitor_main(void *user)
{
    struct pv_monitor *monitor = user;
    uint64_t reported_ns = pv_os_now_ns();

    pthread_mutex_lock(&monitor->lock);
    while (!monitor->stop) {
        if (!monitor->members) {
            pv_cond_wait(&monitor->changed, &monitor->lock);
            continue;
        }
        const uint64_t now_ns = pv_os_now_ns();
        const uint64_t due_ns = reported_ns + report_interval_ns(monitor);
        if (now_ns < due_ns) {
            pv_cond_wait_until(&monitor->changed, &monitor->lock, due_ns);
            continue;
        }
        for (const struct member *member = monitor->members; member; member = member->next) {
            pv_ring_set_alive(member->ring);
        }
        reported_ns = now_ns;
    }
    pthread_mutex_unlock(&monitor->lock);
}

bool pv_monitor_add(struct pv_monitor *monitor, struct pv_ring *ring, uint32_t period_us)
{
    struct member *member = calloc(1, sizeof(*member));
    if (!member) {
        return false;
    }
    member->ring = ring;
    member->period_us = period_us;

    pthread_mutex_lock(&monitor->lock);
    const bool started = monitor->thread.running ||
                         pv_thread_start(&monitor->thread, "pv-monitor", monitor_main, monitor);
    if (started) {
        pv_ring_set_alive(ring);
        member->next = monitor->members;
        monitor->members = member;
        pv_cond_signal(&monitor->changed);
    }
    pthread_mutex_unlock(&monitor->lock);

    if (!started) {
        free(member);
    }
    return started;
}

void pv_monitor_remove(struct pv_monitor *monitor, struct pv_ring *ring)
{
    // The thread touches rings only under the lock.
    pthread_mutex_lock(&monitor->lock);
    for (struct member **link = &monitor->members; *link; link = &(*link)->next) {
        if ((*link)->ring == ring) {
            struct member *member = *link;
            *link = member->next;
            free(member);
            break;
        }
    }
    pthread_mutex_unlock(&monitor->lock);
}

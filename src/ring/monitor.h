// The monitor: one thread per context that sets ALIVE on all monitored rings, at least once in
// the shortest period any of them asked for, whatever their ring threads are doing. Periods
// below some 11 ms are not kept: a guest does not choose how often the host wakes up.
#ifndef PV_RING_MONITOR_H
#define PV_RING_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

struct pv_monitor;
struct pv_ring;

struct pv_monitor *pv_monitor_create(void);
void pv_monitor_destroy(struct pv_monitor *monitor); // no rings left; NULL is allowed

// Sets ALIVE at once and from then on. Starts the thread with the first ring; a shorter period
// than the present one takes effect immediately. Failure: false, thread or memory is missing.
// Thread-safety: Safe.
bool pv_monitor_add(struct pv_monitor *monitor, struct pv_ring *ring, uint32_t period_us);

// Returns when the monitor no longer touches `ring`. Unknown rings are ignored.
void pv_monitor_remove(struct pv_monitor *monitor, struct pv_ring *ring);

#endif

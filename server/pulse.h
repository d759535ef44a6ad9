// Signs of life: the bits that guests want to see set in their rings once in a while, for all
// workers by one timer. docs/performance.md has the reason.
// Thread-safety: one thread.
#ifndef PV_SERVER_PULSE_H
#define PV_SERVER_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include <pv/renderer.h>

// What is not taken, the worker does itself. Guests do not choose how often the server wakes up.
#define PV_PULSE_MIN_PERIOD_US  1000000u
#define PV_PULSE_MAX_PER_CLIENT 64u

struct pv_pulses {
    struct pv_beating *first; // all of them
    uint64_t last_ns;         // when the bits were set
};

// Takes care of `pulse` from now on. The worker is not trusted: what could harm this process is
// refused. Failure: false.
bool pv_pulses_add(struct pv_pulses *pulses, uint32_t client, const struct pv_pulse *pulse);
// Its memory is not touched any more.
void pv_pulses_remove(struct pv_pulses *pulses, uint32_t client, uint64_t id);
void pv_pulses_remove_client(struct pv_pulses *pulses, uint32_t client);

// Sets the bits if it is time. Returns the milliseconds until it is; -1: there is nothing to do.
int pv_pulses_beat(struct pv_pulses *pulses, uint64_t now_ns);

#endif

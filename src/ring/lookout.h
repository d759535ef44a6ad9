// How a ring thread waits for work: three stages, counted from when the ring ran out of it. This
// part decides, ring/thread.c does.
//
// 1. Spin, first for 48 us and then as ring/pace.h has learned. Each turn looks and then yields; if
//    that took long, somebody else needs this core (the guest, or the host driver's own threads
//    when it renders on the CPU), and the spin ends.
// 2. Sleep and look again. Each sleep is a quarter of the time since the last sign of life, so
//    commands are found late by a quarter of the gap at most, and a millisecond takes a dozen
//    wake-ups. No status bit is set, so the guest does not pay for a notification, which in a
//    virtual machine is far dearer than one of our short sleeps. A ring whose latest gaps were all
//    longer than this stage sleeps through it.
// 3. Set IDLE and sleep until notified. A guest that sees IDLE after it stored tail sends
//    vkNotifyRingMESA, unless it sent one less than idle_timeout ago. So IDLE must not be set
//    sooner than idle_timeout after a notification came in: the guest took its time stamp before
//    that, and is free to send again by then. (One that is still under way will wake us.) Apart
//    from this IDLE may be set at any time; we wait idle_timeout after the last work as well,
//    because stage 2 is cheap. A wait for our seqno counts as a notification.
//
// Between the first two the thread may move to another core. A driver that renders on the CPU has
// threads of its own, and the scheduler wakes a thread where it last ran. If that is our core, the
// guest has its own for itself, yields 15 times in no time and sleeps for 160 us, each time. If it
// is the guest's, the guest yields to it, and finds its work done. So if the driver ran on our core
// in a wait, has soon finished, and the guest does not come, three times in a row, then we leave
// that core, and the guest, which wakes up where it is free, shares it with the driver. Where that
// does not help, it is tried less and less often.
#ifndef PV_RING_LOOKOUT_H
#define PV_RING_LOOKOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/pace.h"

enum pv_lookout_step {
    PV_LOOKOUT_SPIN,  // look for half a microsecond, then yield
    PV_LOOKOUT_MOVE,  // to another core
    PV_LOOKOUT_SLEEP, // until `until_ns`
    PV_LOOKOUT_IDLE,  // tell the guest, sleep until notified
};

// One wait, of one thread. The clock is the caller's; all times are its nanoseconds.
struct pv_lookout {
    struct pv_pace *pace;
    uint64_t idle_timeout_ns;

    uint64_t begin_ns;
    uint64_t now_ns;
    uint64_t alive_ns; // the last sign of life: `begin_ns`, or a notification
    struct pv_pace_plan plan;
    bool planned;
    bool shared;          // somebody else ran on our core,
    uint64_t shared_ns;   // until then
    uint32_t turns_alone; // of the spin, since then
    bool contended;
    bool spun; // the first stage is over

    enum pv_lookout_step step; // the latest
    uint64_t until_ns;         // of a sleep
    bool through;              // it is the whole second stage
    bool overslept;            // work came while a long gap was expected
};

// The ring has just run out of work. `pace` is borrowed until the wait is over.
void pv_lookout_begin(struct pv_lookout *lookout, struct pv_pace *pace, uint64_t idle_timeout_ns,
                      uint64_t now_ns);

// What to do next; `until_ns` is set with it.
enum pv_lookout_step pv_lookout_next(struct pv_lookout *lookout);

// That was done; did it end with work? A spin that did need not be told.
void pv_lookout_done(struct pv_lookout *lookout, uint64_t now_ns, bool work);

// Somebody notified the ring, or waits for it.
void pv_lookout_notified(struct pv_lookout *lookout);

// The wait is over: there is work.
void pv_lookout_end(struct pv_lookout *lookout);

#endif

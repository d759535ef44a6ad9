#include "ring/lookout.h"

// A turn of the spin that takes longer has lost the core to somebody who does not yield, unlike the
// guest and other rings, of which several can pass by.
#define CONTENDED_NS 200000
#define MIN_SLEEP_NS 10000
#define MAX_SLEEP_NS 10000000

void pv_lookout_begin(struct pv_lookout *lookout, struct pv_pace *pace, uint64_t idle_timeout_ns,
                      uint64_t now_ns)
{
    *lookout = (struct pv_lookout){
        .pace = pace,
        .idle_timeout_ns = idle_timeout_ns,
        .begin_ns = now_ns,
        .now_ns = now_ns,
        .alive_ns = now_ns,
    };
}

static bool should_spin(struct pv_lookout *lookout)
{
    const uint64_t gap_ns = lookout->now_ns - lookout->begin_ns;
    if (lookout->contended) {
        return false;
    }
    if (gap_ns < PV_PACE_MIN_NS) {
        return true;
    }
    if (!lookout->planned) {
        lookout->plan = pv_pace_make_plan(lookout->pace);
        lookout->planned = true;
    }
    return gap_ns + MIN_SLEEP_NS > lookout->plan.spin_from_ns &&
           gap_ns < lookout->plan.spin_until_ns;
}

// The second stage in one sleep. Not if it lasts longer than what counts as a long gap.
static bool should_sleep_through(const struct pv_lookout *lookout)
{
    return lookout->alive_ns == lookout->begin_ns && lookout->idle_timeout_ns <= PV_PACE_LONG_NS &&
           pv_pace_expects_long_gap(lookout->pace);
}

static uint64_t nap_ns(const struct pv_lookout *lookout)
{
    uint64_t nap_ns = (lookout->now_ns - lookout->alive_ns) / 4;
    nap_ns = nap_ns < MIN_SLEEP_NS ? MIN_SLEEP_NS : nap_ns;
    nap_ns = nap_ns > MAX_SLEEP_NS ? MAX_SLEEP_NS : nap_ns;
    // Not beyond the time when we want to spin.
    const uint64_t gap_ns = lookout->now_ns - lookout->begin_ns;
    const uint64_t from_ns = lookout->plan.spin_from_ns;
    if (!lookout->contended && gap_ns < from_ns && nap_ns > from_ns - gap_ns) {
        nap_ns = from_ns - gap_ns;
    }
    return nap_ns;
}

enum pv_lookout_step pv_lookout_next(struct pv_lookout *lookout)
{
    lookout->through = false;
    if (should_spin(lookout)) {
        lookout->step = PV_LOOKOUT_SPIN;
    } else if (lookout->now_ns - lookout->alive_ns >= lookout->idle_timeout_ns) {
        lookout->step = PV_LOOKOUT_IDLE;
    } else {
        lookout->step = PV_LOOKOUT_SLEEP;
        lookout->through = should_sleep_through(lookout);
        lookout->until_ns = lookout->through ? lookout->begin_ns + lookout->idle_timeout_ns
                                             : lookout->now_ns + nap_ns(lookout);
    }
    return lookout->step;
}

void pv_lookout_done(struct pv_lookout *lookout, uint64_t now_ns, bool work)
{
    const uint64_t before_ns = lookout->now_ns;
    lookout->now_ns = now_ns;
    switch (lookout->step) {
    case PV_LOOKOUT_SPIN:
        if (now_ns - before_ns > CONTENDED_NS) {
            lookout->contended = true;
            pv_pace_note_contention(lookout->pace);
        }
        break;
    case PV_LOOKOUT_SLEEP:
        if (lookout->through) {
            lookout->overslept = work;
        } else if (now_ns > lookout->until_ns) {
            pv_pace_note_sleep(lookout->pace, now_ns - lookout->until_ns);
        }
        break;
    case PV_LOOKOUT_IDLE:
        lookout->alive_ns = now_ns;
        break;
    }
}

void pv_lookout_notified(struct pv_lookout *lookout)
{
    lookout->alive_ns = lookout->now_ns;
}

void pv_lookout_end(struct pv_lookout *lookout)
{
    if (lookout->overslept) {
        pv_pace_note_surprise(lookout->pace);
    } else {
        pv_pace_note_gap(lookout->pace, lookout->now_ns - lookout->begin_ns);
    }
}

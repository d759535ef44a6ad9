#include "ring/lookout.h"

// A turn of the spin that takes longer has lost the core to somebody who does not yield, unlike the
// guest and other rings, of which several can pass by.
#define CONTENDED_NS 200000
// Half a microsecond of looking and a yield to nobody take 1 us; with somebody in between, 4.
#define ALONE_NS 2500
// It counts as finished after so many turns alone.
#define ALONE_TURNS 2u
// Of such waits in a row, and the time between two moves.
#define WAITS_TO_MOVE 3u
#define MIN_PAUSE_NS  2000000
#define MAX_PAUSE_NS  64000000
// A guest that waits for more than this sleeps wherever its driver runs.
#define SMALL_WORK_NS 80000
#define MIN_SLEEP_NS  10000
#define MAX_SLEEP_NS  10000000

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

// Has the driver done its work on our core, and the guest not come for it?
static bool should_move(struct pv_lookout *lookout)
{
    struct pv_pace *pace = lookout->pace;
    if (!lookout->shared || lookout->contended || lookout->turns_alone < ALONE_TURNS ||
        lookout->shared_ns - pace->work_ns > SMALL_WORK_NS) {
        pace->shared_waits = 0;
        return false;
    }
    const uint64_t since_ns = lookout->now_ns - pace->moved_ns;
    if (++pace->shared_waits < WAITS_TO_MOVE || since_ns < pace->pause_ns) {
        return false;
    }
    const bool helped = since_ns / 8 > pace->pause_ns;
    const uint64_t pause_ns = helped ? MIN_PAUSE_NS : 2 * pace->pause_ns;
    pace->pause_ns = pause_ns < MAX_PAUSE_NS ? pause_ns : MAX_PAUSE_NS;
    pace->moved_ns = lookout->now_ns;
    pace->shared_waits = 0;
    return true;
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
        return lookout->step;
    }
    const bool just_spun = !lookout->spun;
    lookout->spun = true;
    if (just_spun && should_move(lookout)) {
        lookout->step = PV_LOOKOUT_MOVE;
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

static void note_turn(struct pv_lookout *lookout, uint64_t turn_ns)
{
    if (turn_ns > ALONE_NS) {
        lookout->turns_alone = 0;
        lookout->shared = true;
        lookout->shared_ns = lookout->now_ns;
    } else {
        lookout->turns_alone++;
    }
    if (turn_ns > CONTENDED_NS) {
        lookout->contended = true;
        pv_pace_note_contention(lookout->pace);
    }
}

void pv_lookout_done(struct pv_lookout *lookout, uint64_t now_ns, bool work)
{
    const uint64_t before_ns = lookout->now_ns;
    lookout->now_ns = now_ns;
    switch (lookout->step) {
    case PV_LOOKOUT_SPIN:
        note_turn(lookout, now_ns - before_ns);
        break;
    case PV_LOOKOUT_MOVE:
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
    if (lookout->now_ns - lookout->begin_ns >= PV_PACE_MIN_NS) {
        lookout->pace->work_ns = lookout->now_ns;
    }
    if (lookout->overslept) {
        pv_pace_note_surprise(lookout->pace);
    } else {
        pv_pace_note_gap(lookout->pace, lookout->now_ns - lookout->begin_ns);
    }
}

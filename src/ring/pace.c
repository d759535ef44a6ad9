#include "ring/pace.h"

#include <stddef.h>

#define HIT_VALUE_NS 250000

// About this many of the latest gaps count.
#define MEMORY 32
#define UNIT   1024 // the weight of the latest
// A lost core counts as so many gaps that were too long to spin through. Under constant contention
// about one wait in four spins, to find out whether it still holds.
#define CONTENTION_GAPS 12
// After so many long gaps in a row the next is expected to be long; after each surprise four times
// as many. A guest that goes around several rings makes the gaps of the others long when it finds
// one late, and would find all of them late in turn for ever.
#define LONG_GAPS     2u
#define MAX_SURPRISES 4u
// Each lull doubles the times that no stream is asked for.
#define MAX_LULLS 8u

// Ends of the intervals; each begins where the one before it ends.
static const uint32_t interval_end_ns[PV_PACE_INTERVALS + 1] = {
    64000, 96000, 128000, 192000, 256000, 384000, 512000, 768000, PV_PACE_LONG_NS, UINT32_MAX};

static uint64_t interval_begin_ns(size_t i)
{
    return i == 0 ? PV_PACE_MIN_NS : interval_end_ns[i - 1];
}

static void note(struct pv_pace *pace, size_t interval, uint32_t weight)
{
    for (size_t i = 0; i <= PV_PACE_INTERVALS; i++) {
        pace->gaps[i] -= pace->gaps[i] / MEMORY;
    }
    pace->gaps[interval] += weight;
}

void pv_pace_note_gap(struct pv_pace *pace, uint64_t gap_ns)
{
    if (gap_ns < PV_PACE_MIN_NS) {
        return;
    }
    size_t at = 0;
    while (at < PV_PACE_INTERVALS && gap_ns >= interval_end_ns[at]) {
        at++;
    }
    note(pace, at, UNIT);
    pace->long_gaps = at < PV_PACE_INTERVALS ? 0 : pace->long_gaps + 1;
}

void pv_pace_note_contention(struct pv_pace *pace)
{
    note(pace, PV_PACE_INTERVALS, CONTENTION_GAPS * UNIT);
}

void pv_pace_note_sleep(struct pv_pace *pace, uint64_t late_ns)
{
    // A thread that lost its core to others says little about timers.
    const uint64_t bounded_ns = late_ns < 200000 ? late_ns : 200000;
    pace->late_ns = pace->late_ns - pace->late_ns / 8 + bounded_ns / 8;
}

struct pv_pace_plan pv_pace_make_plan(const struct pv_pace *pace)
{
    // Weights times nanoseconds: below 2^52.
    int64_t best_gain = 0;
    size_t best_from = 0, best_until = 0;

    int64_t remaining = 0; // weight of the gaps that reach `from`
    for (size_t from = PV_PACE_INTERVALS + 1; from-- > 0;) {
        remaining += pace->gaps[from];
        const int64_t begin_ns = (int64_t)interval_begin_ns(from);
        int64_t hit_gain = 0, later = remaining;
        for (size_t i = from; i < PV_PACE_INTERVALS; i++) {
            const int64_t end_ns = interval_end_ns[i];
            const int64_t middle_ns = ((int64_t)interval_begin_ns(i) + end_ns) / 2;
            hit_gain += pace->gaps[i] * (HIT_VALUE_NS - (middle_ns - begin_ns));
            later -= pace->gaps[i];
            const int64_t gain = hit_gain - later * (end_ns - begin_ns);
            if (gain > best_gain) {
                best_gain = gain;
                best_from = from;
                best_until = i + 1;
            }
        }
    }
    if (best_gain == 0) {
        return (struct pv_pace_plan){0};
    }
    // Sleeps end late: plan to be awake in time.
    const uint64_t from_ns = interval_begin_ns(best_from);
    return (struct pv_pace_plan){
        .spin_from_ns = from_ns > pace->late_ns ? from_ns - pace->late_ns : 0,
        .spin_until_ns = interval_end_ns[best_until - 1],
    };
}

bool pv_pace_expects_long_gap(const struct pv_pace *pace)
{
    return pace->long_gaps >= LONG_GAPS << (2 * pace->surprises);
}

void pv_pace_note_surprise(struct pv_pace *pace)
{
    pace->long_gaps = 0;
    if (pace->surprises < MAX_SURPRISES) {
        pace->surprises++;
    }
}

bool pv_pace_should_gather(struct pv_pace *pace)
{
    if (pace->unasked == 0) {
        return true;
    }
    pace->unasked--;
    return false;
}

void pv_pace_note_gathered(struct pv_pace *pace, bool more)
{
    if (more) {
        pace->lulls = 0;
        return;
    }
    if (pace->lulls < MAX_LULLS) {
        pace->lulls++;
    }
    pace->unasked = (1u << pace->lulls) - 1;
}

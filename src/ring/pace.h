// When will the next commands come? Learned from when the last ones did.
//
// A ring that is out of work can spin, which finds new commands at once and burns a core, or sleep,
// which costs nothing and is late. A guest that is answered late pays more than the lateness: after
// 15 yields it sleeps at least 160 us itself, and who sleeps wakes up late. So a spin that ends
// with an arrival is worth HIT_VALUE_NS of a core's time, one that does not is a loss, and the plan
// is the interval with the largest gain on the recent gaps: perhaps "until 96 us", perhaps "sleep
// until 190 us, then spin until 256 us", often nothing.
#ifndef PV_RING_PACE_H
#define PV_RING_PACE_H

#include <stdbool.h>
#include <stdint.h>

// Gaps below this are always spun through and not recorded: two or three sleeps would cost as much.
// A guest that goes around several rings finds all of them awake, or all of them late: with less
// than this, rings that once were late made the gaps of the others too long to learn from.
#define PV_PACE_MIN_NS 48000
// Intervals of half an octave, from 48 us to 1,024 us, and one for all that is longer.
#define PV_PACE_INTERVALS 9
#define PV_PACE_LONG_NS   1024000

// Zeroed before use. One thread's.
struct pv_pace {
    uint32_t gaps[PV_PACE_INTERVALS + 1]; // weights, decaying
    uint64_t late_ns;                     // how late a sleep ends, typically
    uint32_t long_gaps;                   // the latest ones in a row
    uint32_t surprises;                   // long gaps that were none, bounded
    uint32_t lulls;                       // times in a row that no stream came, bounded
    uint32_t unasked;                     // times to go without asking for one

    // What ring/lookout.h keeps from wait to wait.
    uint32_t shared_waits; // in a row, in which the driver ran on our core
    uint64_t work_ns;      // when work came after the last gap that was not spun through
    uint64_t moved_ns;     // when the thread changed its core
    uint64_t pause_ns;     // and how long not to again
};

// Times since the ring ran out of work. Equal times: do not spin.
struct pv_pace_plan {
    uint64_t spin_from_ns, spin_until_ns;
};

// The ring was out of work for `gap_ns`.
void pv_pace_note_gap(struct pv_pace *pace, uint64_t gap_ns);

// A spin found that somebody else needs the core: worse than a spin in vain.
void pv_pace_note_contention(struct pv_pace *pace);

// A sleep ended `late_ns` after its deadline.
void pv_pace_note_sleep(struct pv_pace *pace, uint64_t late_ns);

struct pv_pace_plan pv_pace_make_plan(const struct pv_pace *pace);

// Whether the next commands will come after PV_PACE_LONG_NS, as the latest did: to look for them
// before would be for nothing.
bool pv_pace_expects_long_gap(const struct pv_pace *pace);

// They came before, and nobody looked. Instead of noting the gap.
void pv_pace_note_surprise(struct pv_pace *pace);

// Whether to let more commands come before those are run that followed the last ones at once. In a
// stream this pays: the guest looks at head for every command, and misses its cache whenever we
// have moved it. A guest that waits for each answer only loses.
bool pv_pace_should_gather(struct pv_pace *pace);

// More did come.
void pv_pace_note_gathered(struct pv_pace *pace, bool more);

#endif

// Whether to stay awake for the client's next message.
//
// Waking a thread that sleeps costs the client's own write(), on a virtual machine more than all
// else it does there, and takes the message 10 to 20 us. A message that follows soon is better
// waited for awake. Whether one will is learned from the last ones: only after several that came
// soon, and no longer after the first that did not. An idle client's thread sleeps.
// Pure; one thread at a time.
#ifndef PV_SERVER_PATIENCE_H
#define PV_SERVER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

// As long as a client's own work between two requests may take to be worth waiting for.
#define PV_PATIENCE_NS 50000u
// A turn of the wait that took longer has lost the core to somebody who needs it more.
#define PV_PATIENCE_TURN_NS 50000u

struct pv_patience { // zeroed before use
    uint32_t soon;   // latest messages in a row that came soon, bounded
};

// The next message came `gap_ns` after the thread ran out of them.
void pv_patience_note(struct pv_patience *patience, uint64_t gap_ns);

// Somebody else needed the core.
void pv_patience_lose(struct pv_patience *patience);

// How long to stay awake; 0: not at all.
uint64_t pv_patience_ns(const struct pv_patience *patience);

#endif

// Numbers handed out to a client for what it owns: small, dense, never 0, and after a removal
// the number that has been free for longest comes next.
// Thread-safety: the caller's.
#ifndef PV_SERVER_SLOTS_H
#define PV_SERVER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct pv_slot;

struct pv_slots {
    struct pv_slot *slots; // slots[id - 1]
    uint32_t capacity;
    uint32_t used; // live items
    uint32_t limit;
    uint32_t oldest_free, newest_free; // ids, 0: none
};

void pv_slots_init(struct pv_slots *slots, uint32_t limit);
void pv_slots_finish(struct pv_slots *slots); // the items are the caller's

// Returns the new number, or 0 when the limit is reached or memory is short. `item` is not NULL.
uint32_t pv_slots_insert(struct pv_slots *slots, void *item);
void *pv_slots_find(const struct pv_slots *slots, uint32_t id); // NULL: unknown
void *pv_slots_remove(struct pv_slots *slots, uint32_t id);     // NULL: unknown
// The first live number at or after `id` and its item, or 0. To walk: next(s, id + 1, ...).
uint32_t pv_slots_next(const struct pv_slots *slots, uint32_t id, void **item);

#endif

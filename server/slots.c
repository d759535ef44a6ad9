#include "slots.h"

#include <assert.h>
#include <stdlib.h>

struct pv_slot {
    void *item;         // NULL: free
    uint32_t next_free; // id of the slot freed after this one, 0: none
};

void pv_slots_init(struct pv_slots *slots, uint32_t limit)
{
    *slots = (struct pv_slots){.limit = limit};
}

void pv_slots_finish(struct pv_slots *slots)
{
    free(slots->slots);
    *slots = (struct pv_slots){0};
}

static void push_free(struct pv_slots *slots, uint32_t id)
{
    slots->slots[id - 1] = (struct pv_slot){0};
    if (slots->newest_free) {
        slots->slots[slots->newest_free - 1].next_free = id;
    } else {
        slots->oldest_free = id;
    }
    slots->newest_free = id;
}

static int grow(struct pv_slots *slots)
{
    if (slots->capacity >= slots->limit) {
        return 0;
    }
    uint32_t capacity = slots->capacity ? slots->capacity : 32;
    capacity = capacity > slots->limit / 2 ? slots->limit : capacity * 2;
    struct pv_slot *grown = realloc(slots->slots, (size_t)capacity * sizeof(*grown));
    if (!grown) {
        return 0;
    }
    const uint32_t first = slots->capacity + 1;
    slots->slots = grown;
    slots->capacity = capacity;
    for (uint32_t id = first; id <= capacity; id++) {
        push_free(slots, id);
    }
    return 1;
}

uint32_t pv_slots_insert(struct pv_slots *slots, void *item)
{
    assert(item);
    if (!slots->oldest_free && !grow(slots)) {
        return 0;
    }
    const uint32_t id = slots->oldest_free;
    struct pv_slot *slot = &slots->slots[id - 1];
    slots->oldest_free = slot->next_free;
    if (!slots->oldest_free) {
        slots->newest_free = 0;
    }
    *slot = (struct pv_slot){.item = item};
    slots->used++;
    return id;
}

void *pv_slots_find(const struct pv_slots *slots, uint32_t id)
{
    return id && id <= slots->capacity ? slots->slots[id - 1].item : NULL;
}

void *pv_slots_remove(struct pv_slots *slots, uint32_t id)
{
    void *item = pv_slots_find(slots, id);
    if (item) {
        push_free(slots, id);
        slots->used--;
    }
    return item;
}

uint32_t pv_slots_next(const struct pv_slots *slots, uint32_t id, void **item)
{
    for (; id && id <= slots->capacity; id++) {
        if (slots->slots[id - 1].item) {
            *item = slots->slots[id - 1].item;
            return id;
        }
    }
    return 0;
}

#include "patience.h"

// So many in a row make us wait awake. A message of Mesa's arrives in two or three pieces, and so
// a lonely request is not enough.
#define ENOUGH 8u
#define MOST   16u

void pv_patience_note(struct pv_patience *patience, uint64_t gap_ns)
{
    if (gap_ns > PV_PATIENCE_NS) {
        patience->soon /= 4;
    } else if (patience->soon < MOST) {
        patience->soon++;
    }
}

void pv_patience_lose(struct pv_patience *patience)
{
    patience->soon = 0;
}

uint64_t pv_patience_ns(const struct pv_patience *patience)
{
    return patience->soon >= ENOUGH ? PV_PATIENCE_NS : 0;
}

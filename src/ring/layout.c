// What vkCreateRingMESA may ask for. Offsets and sizes are any u64 of the guest's.
#include "ring/ring.h"

#include "base/arith.h"

#define MAX_BUFFER_SIZE (UINT64_C(16) << 20)

struct region {
    uint64_t begin, size; // relative to the ring
    const char *outside, *unaligned;
};

static bool overlap(const struct region *a, const struct region *b)
{
    // Both lie inside the ring: the sums do not overflow.
    return a->size != 0 && b->size != 0 && a->begin < b->begin + b->size &&
           b->begin < a->begin + a->size;
}

const char *pv_ring_layout_check(const struct pv_ring_layout *layout, uint64_t resource_size)
{
    if (!pv_range_fits(layout->offset, layout->size, resource_size)) {
        return "the ring is not inside its resource";
    }
    if (!pv_is_power_of_two(layout->buffer_size)) {
        return "the size of the ring's buffer is not a power of two";
    }
    if (layout->buffer_size > MAX_BUFFER_SIZE) {
        return "the ring's buffer is larger than 16 MiB";
    }

    const struct region regions[] = {
        {layout->head_offset, 4, "the ring's head is outside of the ring",
         "the ring's head is not aligned to 4"},
        {layout->tail_offset, 4, "the ring's tail is outside of the ring",
         "the ring's tail is not aligned to 4"},
        {layout->status_offset, 4, "the ring's status is outside of the ring",
         "the ring's status is not aligned to 4"},
        {layout->buffer_offset, layout->buffer_size, "the ring's buffer is outside of the ring",
         "the ring's buffer is not aligned to 4"},
        {layout->extra_offset, layout->extra_size, "the ring's extra region is outside of the ring",
         "the ring's extra region is not aligned to 4"},
    };
    for (size_t i = 0; i < PV_ARRAY_LENGTH(regions); i++) {
        if (!pv_range_fits(regions[i].begin, regions[i].size, layout->size)) {
            return regions[i].outside;
        }
        if (!pv_is_aligned(layout->offset + regions[i].begin, 4) ||
            !pv_is_aligned(regions[i].size, 4)) {
            return regions[i].unaligned;
        }
        for (size_t j = 0; j < i; j++) {
            if (overlap(&regions[i], &regions[j])) {
                return "regions of the ring overlap";
            }
        }
    }
    return NULL;
}

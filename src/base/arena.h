// Memory for one command: allocated bit by bit, given back as a whole.
//
// A ring thread owns one arena. The first chunk is kept between commands, so that ordinary
// commands never reach the system's allocator.
#ifndef PV_BASE_ARENA_H
#define PV_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct pv_arena_chunk;

struct pv_arena {
    uint8_t *cursor, *end;         // free space of the newest chunk
    uint8_t *start;                // of the only chunk, while there is one of ordinary size
    struct pv_arena_chunk *newest; // linked to the older ones
    uint64_t used, limit;          // bytes of all chunks; the most allowed
};

// Alignment of everything handed out; enough for any Vulkan structure.
#define PV_ARENA_ALIGNMENT 8u

// No memory is taken before the first allocation. Failure: none.
void pv_arena_init(struct pv_arena *arena, uint64_t limit);
// Gives everything back. A zeroed arena is allowed.
void pv_arena_finish(struct pv_arena *arena);
void pv_arena_reset_slow(struct pv_arena *arena);
// Forgets all allocations; keeps at most one chunk of ordinary size.
static inline void pv_arena_reset(struct pv_arena *arena)
{
    if (__builtin_expect(arena->start != NULL, 1)) {
        arena->cursor = arena->start;
    } else {
        pv_arena_reset_slow(arena);
    }
}

void *pv_arena_alloc_slow(struct pv_arena *arena, size_t size);

// `size` bytes, contents undefined. NULL when the limit is reached or memory is short.
static inline void *pv_arena_alloc(struct pv_arena *arena, size_t size)
{
    if (__builtin_expect(size <= (size_t)(arena->end - arena->cursor), 1)) {
        // The end is aligned, so rounding up never passes it.
        uint8_t *memory = arena->cursor;
        arena->cursor += (size + (PV_ARENA_ALIGNMENT - 1)) & ~(size_t)(PV_ARENA_ALIGNMENT - 1);
        return memory;
    }
    return pv_arena_alloc_slow(arena, size);
}

#endif

#include "base/arena.h"

#include <stdlib.h>

struct pv_arena_chunk {
    struct pv_arena_chunk *older;
    uint64_t size; // of `bytes`
    _Alignas(PV_ARENA_ALIGNMENT) uint8_t bytes[];
};

#define CHUNK_SIZE ((uint64_t)64 * 1024)

void pv_arena_init(struct pv_arena *arena, uint64_t limit)
{
    *arena = (struct pv_arena){.limit = limit};
}

void pv_arena_finish(struct pv_arena *arena)
{
    struct pv_arena_chunk *chunk = arena->newest;
    while (chunk) {
        struct pv_arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    *arena = (struct pv_arena){.limit = arena->limit};
}

// Starts over in `chunk`.
static void arena_use(struct pv_arena *arena, struct pv_arena_chunk *chunk)
{
    arena->newest = chunk;
    arena->start = !chunk->older && chunk->size == CHUNK_SIZE ? chunk->bytes : NULL;
    arena->cursor = chunk->bytes;
    arena->end = chunk->bytes + chunk->size;
    arena->used += chunk->size;
}

void pv_arena_reset_slow(struct pv_arena *arena)
{
    struct pv_arena_chunk *oldest = arena->newest;
    if (!oldest) {
        return;
    }
    while (oldest->older) {
        struct pv_arena_chunk *older = oldest->older;
        free(oldest);
        oldest = older;
    }
    arena->newest = NULL;
    arena->used = 0;
    if (oldest->size > CHUNK_SIZE) {
        free(oldest);
        arena->cursor = arena->end = arena->start = NULL;
        return;
    }
    arena_use(arena, oldest);
}

void *pv_arena_alloc_slow(struct pv_arena *arena, size_t size)
{
    if (size > arena->limit) {
        return NULL;
    }
    uint64_t wanted =
        ((uint64_t)size + (PV_ARENA_ALIGNMENT - 1)) & ~(uint64_t)(PV_ARENA_ALIGNMENT - 1);
    const uint64_t chunk_size = wanted > CHUNK_SIZE ? wanted : CHUNK_SIZE;
    if (chunk_size > arena->limit || arena->used > arena->limit - chunk_size) {
        return NULL;
    }
    struct pv_arena_chunk *chunk = malloc(sizeof(*chunk) + chunk_size);
    if (!chunk) {
        return NULL;
    }
    chunk->older = arena->newest;
    chunk->size = chunk_size;
    arena_use(arena, chunk);
    return pv_arena_alloc(arena, size);
}

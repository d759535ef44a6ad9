// Reading the wire: little-endian, in units of four bytes, from private copies of guest bytes.
//
// The error is sticky: a read past the end gives zeros, sets the error and leaves nothing to
// read, so that decoding stays straight-line and asks once per command.
//
// A reader has either private bytes, which belong to its owner and which the guest cannot reach,
// or memory shared with the guest, which it copies through a small window as decoding goes on. In
// both cases decoders may hand out pointers to what they took, good until the command is done:
// when a command outgrows the window, its bytes come from the arena. Every shared byte that is
// decoded is read once. Bulk data, which nobody interprets, is not copied at all.
#ifndef PV_WIRE_READER_H
#define PV_WIRE_READER_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Bytes of a window, and how few may be left in it when a command begins.
#define PV_READER_WINDOW 1024u
#define PV_READER_LOW    192u

struct pv_reader {
    uint8_t *cursor, *end; // private bytes
    // What follows them and is still in shared memory: empty for private input.
    const uint8_t *source, *source_end;
    size_t size;            // of the whole input
    uint8_t *window;        // NULL for private input
    struct pv_arena *arena; // of what does not fit in the window
    bool gathered;          // cursor and end are in the arena
    bool sparse;            // bulk data made up most of the last command: fill the window less
    const char *error;      // static string, the first reason; NULL while all is well
    uint64_t error_value;   // what it is about (an id, an sType), 0 if nothing
};

// The longest run of bytes that pv_reader_take() serves: zeros of this length exist.
#define PV_READER_MAX_RUN 1024u

void pv_reader_init(struct pv_reader *reader, void *bytes, size_t size);

// Reads memory that the guest can write. `window`: PV_READER_WINDOW bytes, aligned to 8, used until
// the reader is not. `arena`: reset by the caller after each command. Begin each command with
// pv_reader_begin_command().
void pv_reader_init_shared(struct pv_reader *reader, const void *bytes, size_t size,
                           uint8_t *window, struct pv_arena *arena);

// Records `reason` unless there is one already, and ends the input.
void pv_reader_fail(struct pv_reader *reader, const char *reason);
// The same, and what it is about.
void pv_reader_fail_value(struct pv_reader *reader, const char *reason, uint64_t value);

static inline bool pv_reader_failed(const struct pv_reader *reader)
{
    return reader->error != NULL;
}

// Private bytes that are left.
static inline size_t pv_reader_at_hand(const struct pv_reader *reader)
{
    return (size_t)(reader->end - reader->cursor);
}

static inline size_t pv_reader_remaining(const struct pv_reader *reader)
{
    return pv_reader_at_hand(reader) + (size_t)(reader->source_end - reader->source);
}

// How far into the input.
static inline size_t pv_reader_offset(const struct pv_reader *reader)
{
    return reader->size - pv_reader_remaining(reader);
}

void pv_reader_slide(struct pv_reader *reader);

// Before each command, when nothing that was taken is needed any more.
static inline void pv_reader_begin_command(struct pv_reader *reader)
{
    if (reader->window &&
        (pv_reader_at_hand(reader) < PV_READER_LOW || __builtin_expect(reader->gathered, 0))) {
        pv_reader_slide(reader);
    }
}

const uint8_t *pv_reader_take_slow(struct pv_reader *reader, size_t size);
uint8_t *pv_reader_take_padded_slow(struct pv_reader *reader, uint64_t size);

// The next `size` bytes, at most PV_READER_MAX_RUN; zeros when they are not there.
static inline const uint8_t *pv_reader_take(struct pv_reader *reader, size_t size)
{
    if (__builtin_expect(size > pv_reader_at_hand(reader), 0)) {
        return pv_reader_take_slow(reader, size);
    }
    const uint8_t *bytes = reader->cursor;
    reader->cursor += size;
    return bytes;
}

// The next `size` bytes plus padding to a multiple of four, private and of any length; NULL when
// they are not there.
static inline uint8_t *pv_reader_take_padded(struct pv_reader *reader, uint64_t size)
{
    const uint64_t at_hand = pv_reader_at_hand(reader);
    const uint64_t padded = size <= at_hand ? (size + 3) & ~(uint64_t)3 : UINT64_MAX;
    if (__builtin_expect(padded > at_hand, 0)) {
        return pv_reader_take_padded_slow(reader, size);
    }
    uint8_t *bytes = reader->cursor;
    reader->cursor += padded;
    return bytes;
}

// The same, left in shared memory when it is longer than what is at hand: the guest may change it
// at any time. For data that is only carried, and that nobody looks into.
const uint8_t *pv_reader_take_bulk(struct pv_reader *reader, uint64_t size);

static inline uint32_t pv_load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t pv_load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t pv_reader_u32(struct pv_reader *reader)
{
    return pv_load_u32(pv_reader_take(reader, 4));
}

static inline uint64_t pv_reader_u64(struct pv_reader *reader)
{
    return pv_load_u64(pv_reader_take(reader, 8));
}

#endif

// Reading the wire: little-endian, in units of four bytes, from a private copy of guest bytes.
//
// The error is sticky: a read past the end gives zeros, sets the error and leaves nothing to
// read, so that decoding stays straight-line and asks once per command. The bytes belong to the
// reader's owner and must not be reachable by the guest; decoders may hand out pointers into them.
#ifndef PV_WIRE_READER_H
#define PV_WIRE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pv_reader {
    uint8_t *cursor, *end;
    const uint8_t *begin;
    const char *error;    // static string, the first reason; NULL while all is well
    uint64_t error_value; // what it is about (an id, an sType), 0 if nothing
};

// The longest run of bytes that pv_reader_take() serves: zeros of this length exist.
#define PV_READER_MAX_RUN 1024u

void pv_reader_init(struct pv_reader *reader, void *bytes, size_t size);

// Records `reason` unless there is one already, and ends the input.
void pv_reader_fail(struct pv_reader *reader, const char *reason);
// The same, and what it is about.
void pv_reader_fail_value(struct pv_reader *reader, const char *reason, uint64_t value);

static inline bool pv_reader_failed(const struct pv_reader *reader)
{
    return reader->error != NULL;
}

static inline size_t pv_reader_remaining(const struct pv_reader *reader)
{
    return (size_t)(reader->end - reader->cursor);
}

// Fails with "truncated" and returns PV_READER_MAX_RUN zeros.
const uint8_t *pv_reader_truncated(struct pv_reader *reader);

// The next `size` bytes, at most PV_READER_MAX_RUN; zeros when they are not there.
static inline const uint8_t *pv_reader_take(struct pv_reader *reader, size_t size)
{
    if (__builtin_expect(size > pv_reader_remaining(reader), 0)) {
        return pv_reader_truncated(reader);
    }
    const uint8_t *bytes = reader->cursor;
    reader->cursor += size;
    return bytes;
}

// The next `size` bytes plus padding to a multiple of four, in place, of any length; NULL when
// they are not there.
static inline uint8_t *pv_reader_take_padded(struct pv_reader *reader, uint64_t size)
{
    const uint64_t remaining = pv_reader_remaining(reader);
    const uint64_t padded = size <= remaining ? (size + 3) & ~(uint64_t)3 : UINT64_MAX;
    if (__builtin_expect(padded > remaining, 0)) {
        pv_reader_truncated(reader);
        return NULL;
    }
    uint8_t *bytes = reader->cursor;
    reader->cursor += padded;
    return bytes;
}

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

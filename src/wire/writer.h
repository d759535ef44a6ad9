// Writing replies: straight into memory shared with the guest, never past the announced range.
//
// The memory is only written, never read back. The error is sticky: what does not fit is dropped
// and the owner asks once per reply.
#ifndef PV_WIRE_WRITER_H
#define PV_WIRE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pv_writer {
    uint8_t *cursor, *end;
    bool overflowed;
};

static inline struct pv_writer pv_writer_over(void *bytes, size_t size)
{
    return (struct pv_writer){.cursor = bytes, .end = (uint8_t *)bytes + size};
}

// Room for `size` bytes, or NULL.
static inline uint8_t *pv_writer_reserve(struct pv_writer *writer, size_t size)
{
    if (__builtin_expect(size > (size_t)(writer->end - writer->cursor), 0)) {
        writer->overflowed = true;
        writer->cursor = writer->end;
        return NULL;
    }
    uint8_t *bytes = writer->cursor;
    writer->cursor += size;
    return bytes;
}

static inline void pv_writer_u32(struct pv_writer *writer, uint32_t value)
{
    uint8_t *bytes = pv_writer_reserve(writer, sizeof(value));
    if (bytes) {
        memcpy(bytes, &value, sizeof(value));
    }
}

static inline void pv_writer_u64(struct pv_writer *writer, uint64_t value)
{
    uint8_t *bytes = pv_writer_reserve(writer, sizeof(value));
    if (bytes) {
        memcpy(bytes, &value, sizeof(value));
    }
}

// `size` bytes and zeros up to a multiple of four.
static inline void pv_writer_padded(struct pv_writer *writer, const void *data, uint64_t size)
{
    const uint64_t padded = size <= UINT64_MAX - 3 ? (size + 3) & ~(uint64_t)3 : UINT64_MAX;
    uint8_t *bytes = padded <= SIZE_MAX ? pv_writer_reserve(writer, (size_t)padded) : NULL;
    if (!bytes) {
        writer->overflowed = true;
        return;
    }
    if (size) {
        memcpy(bytes, data, (size_t)size);
    }
    memset(bytes + size, 0, (size_t)(padded - size));
}

#endif

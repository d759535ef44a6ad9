// A command put together word by word, and a decoder over it.
#ifndef TESTS_PROTOCOL_BYTES_H
#define TESTS_PROTOCOL_BYTES_H

#include "protocol/commands.h"

struct bytes {
    uint8_t data[16384];
    size_t size;
};

void bytes_clear(struct bytes *bytes);
void bytes_u32(struct bytes *bytes, uint32_t value);
void bytes_u64(struct bytes *bytes, uint64_t value);
void bytes_put(struct bytes *bytes, const void *data, size_t size); // padded with 0xff

// The decoder works on a copy of exactly the right size, so that sanitizers see reads too many.
struct decoding {
    struct pv_arena arena;
    struct pv_decoder decoder;
    uint8_t *copy;
    union pv_any_command cmd;
};

#define DECODING_MEMORY ((uint64_t)1 << 20)

void decoding_begin(struct decoding *decoding, const struct bytes *bytes,
                    struct pv_object_table *objects);
// The reason why it failed, or NULL.
const char *decoding_error(const struct decoding *decoding);
void decoding_end(struct decoding *decoding);

#endif

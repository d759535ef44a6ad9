#include "bytes.h"

#include <assert.h>
#include <stdlib.h>

void bytes_clear(struct bytes *bytes)
{
    bytes->size = 0;
}

static void append(struct bytes *bytes, const void *data, size_t size)
{
    assert(size <= sizeof(bytes->data) - bytes->size);
    if (size) {
        memcpy(bytes->data + bytes->size, data, size);
    }
    bytes->size += size;
}

void bytes_u32(struct bytes *bytes, uint32_t value)
{
    append(bytes, &value, sizeof(value));
}

void bytes_u64(struct bytes *bytes, uint64_t value)
{
    append(bytes, &value, sizeof(value));
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    append(bytes, data, size);
    append(bytes, "\xff\xff\xff", (4 - size % 4) % 4);
}

void decoding_begin(struct decoding *decoding, const struct bytes *bytes,
                    struct pv_object_table *objects)
{
    *decoding = (struct decoding){.copy = malloc(bytes->size ? bytes->size : 1)};
    assert(decoding->copy);
    memcpy(decoding->copy, bytes->data, bytes->size);
    pv_arena_init(&decoding->arena, DECODING_MEMORY);
    decoding->decoder.arena = &decoding->arena;
    decoding->decoder.objects = objects;
    pv_reader_init(&decoding->decoder.reader, decoding->copy, bytes->size);
    pv_decoder_begin(&decoding->decoder);
}

const char *decoding_error(const struct decoding *decoding)
{
    return decoding->decoder.reader.error;
}

void decoding_end(struct decoding *decoding)
{
    pv_arena_finish(&decoding->arena);
    free(decoding->copy);
    *decoding = (struct decoding){0};
}

#include "wire/reader.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little endian and read with plain loads: this host is not supported"
#endif

void pv_reader_init(struct pv_reader *reader, void *bytes, size_t size)
{
    uint8_t *end = (uint8_t *)bytes + size;
    *reader = (struct pv_reader){
        .cursor = bytes, .end = end, .source = end, .source_end = end, .size = size};
}

void pv_reader_init_shared(struct pv_reader *reader, const void *bytes, size_t size,
                           uint8_t *window, struct pv_arena *arena)
{
    *reader = (struct pv_reader){
        .cursor = window,
        .end = window,
        .source = bytes,
        .source_end = (const uint8_t *)bytes + size,
        .size = size,
        .window = window,
        .arena = arena,
    };
}

void pv_reader_fail_value(struct pv_reader *reader, const char *reason, uint64_t value)
{
    if (!reader->error) {
        reader->error = reason;
        reader->error_value = value;
    }
    reader->cursor = reader->end;
    reader->source = reader->source_end;
}

void pv_reader_fail(struct pv_reader *reader, const char *reason)
{
    pv_reader_fail_value(reader, reason, 0);
}

static void truncated(struct pv_reader *reader)
{
    pv_reader_fail(reader, "the bytes end inside the command");
}

// Moves the next `size` bytes of shared memory behind `to`.
static void copy_from_source(struct pv_reader *reader, uint8_t *to, size_t size)
{
    memcpy(to, reader->source, size);
    reader->source += size;
    reader->end = to + size;
}

void pv_reader_slide(struct pv_reader *reader)
{
    const size_t at_hand = pv_reader_at_hand(reader);
    if (reader->source == reader->source_end && !reader->gathered) {
        return;
    }
    // What is at hand has not been decoded, so reading it again is reading it for the first time.
    reader->source -= at_hand;
    const size_t left = (size_t)(reader->source_end - reader->source);
    const size_t wanted = reader->sparse ? PV_READER_LOW : PV_READER_WINDOW;
    reader->cursor = reader->window;
    copy_from_source(reader, reader->window, left < wanted ? left : wanted);
    reader->gathered = false;
    reader->sparse = false;
}

// Has at least `size` bytes at hand, in one piece that lives as long as the command.
static bool gather(struct pv_reader *reader, uint64_t size)
{
    const size_t at_hand = pv_reader_at_hand(reader);
    const size_t left = pv_reader_remaining(reader);
    if (size > left) {
        truncated(reader);
        return false;
    }
    // More than is asked for: the next field is probably wanted, too.
    size_t wanted = size < PV_READER_WINDOW ? PV_READER_WINDOW : (size_t)size;
    wanted = wanted < left ? wanted : left;
    uint8_t *memory = pv_arena_alloc(reader->arena, wanted);
    if (!memory) {
        pv_reader_fail(reader, "the command needs more memory than a command may use");
        return false;
    }
    memcpy(memory, reader->cursor, at_hand);
    reader->cursor = memory;
    reader->gathered = true;
    copy_from_source(reader, memory + at_hand, wanted - at_hand);
    return true;
}

const uint8_t *pv_reader_take_slow(struct pv_reader *reader, size_t size)
{
    static const uint8_t zeros[PV_READER_MAX_RUN];
    if (!gather(reader, size)) {
        return zeros;
    }
    const uint8_t *bytes = reader->cursor;
    reader->cursor += size;
    return bytes;
}

// `size` with its padding; UINT64_MAX, and the error set, when it is not there.
static uint64_t padded_size(struct pv_reader *reader, uint64_t size)
{
    const uint64_t left = pv_reader_remaining(reader);
    const uint64_t padded = size <= left ? (size + 3) & ~(uint64_t)3 : UINT64_MAX;
    if (padded > left) {
        truncated(reader);
        return UINT64_MAX;
    }
    return padded;
}

uint8_t *pv_reader_take_padded_slow(struct pv_reader *reader, uint64_t size)
{
    const uint64_t padded = padded_size(reader, size);
    if (padded == UINT64_MAX || !gather(reader, padded)) {
        return NULL;
    }
    uint8_t *bytes = reader->cursor;
    reader->cursor += padded;
    return bytes;
}

const uint8_t *pv_reader_take_bulk(struct pv_reader *reader, uint64_t size)
{
    const uint64_t padded = padded_size(reader, size);
    if (padded == UINT64_MAX) {
        return NULL;
    }
    const size_t at_hand = pv_reader_at_hand(reader);
    if (padded <= at_hand) {
        const uint8_t *bytes = reader->cursor;
        reader->cursor += padded;
        return bytes;
    }
    const uint8_t *bytes = reader->source - at_hand;
    reader->source = bytes + padded;
    reader->cursor = reader->end;
    reader->sparse = true;
    return bytes;
}

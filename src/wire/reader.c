#include "wire/reader.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little endian and read with plain loads: this host is not supported"
#endif

void pv_reader_init(struct pv_reader *reader, void *bytes, size_t size)
{
    *reader = (struct pv_reader){.cursor = bytes, .end = (uint8_t *)bytes + size, .begin = bytes};
}

void pv_reader_fail_value(struct pv_reader *reader, const char *reason, uint64_t value)
{
    if (!reader->error) {
        reader->error = reason;
        reader->error_value = value;
    }
    reader->cursor = reader->end;
}

void pv_reader_fail(struct pv_reader *reader, const char *reason)
{
    pv_reader_fail_value(reader, reason, 0);
}

const uint8_t *pv_reader_truncated(struct pv_reader *reader)
{
    static const uint8_t zeros[PV_READER_MAX_RUN];
    pv_reader_fail(reader, "the bytes end inside the command");
    return zeros;
}

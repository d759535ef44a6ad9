#include "wire/reader.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little endian and read with plain loads: this host is not supported"
#endif

void pv_reader_init(struct pv_reader *reader, void *bytes, size_t size)
{
    *reader = (struct pv_reader){.cursor = bytes, .end = (uint8_t *)bytes + size, .begin = bytes};
}

void pv_reader_fail(struct pv_reader *reader, const char *reason)
{
    if (!reader->error) {
        reader->error = reason;
    }
    reader->cursor = reader->end;
}

const uint8_t *pv_reader_truncated(struct pv_reader *reader)
{
    static const uint8_t zeros[PV_READER_MAX_RUN];
    pv_reader_fail(reader, "the bytes end inside the command");
    return zeros;
}

#include "protocol/decoder.h"

#include "base/arith.h"
#include "object/lengths.h"

void *pv_decode_alloc(struct pv_decoder *decoder, uint64_t count, size_t size, bool zero)
{
    uint64_t bytes;
    if (count == 0 || pv_reader_failed(&decoder->reader)) {
        return NULL;
    }
    void *memory = NULL;
    if (!__builtin_mul_overflow(count, (uint64_t)size, &bytes)) {
        memory = pv_arena_alloc(decoder->arena, bytes);
    }
    if (!memory) {
        pv_reader_fail(&decoder->reader, "the command needs more memory than a command may use");
        return NULL;
    }
    if (zero) {
        memset(memory, 0, bytes);
    }
    return memory;
}

struct pv_object *pv_decode_object_slow(struct pv_decoder *decoder, uint64_t id, VkObjectType type)
{
    struct pv_object *object = pv_object_table_lookup(decoder->objects, id);
    if (!object) {
        pv_reader_fail_value(&decoder->reader, "an id names no object", id);
        return NULL;
    }
    if (object->type != type) {
        pv_reader_fail_value(&decoder->reader, "an id names an object of another type", id);
        return NULL;
    }
    if (object->device && object->device != decoder->device) {
        pv_reader_fail_value(&decoder->reader, "an object belongs to another device", id);
        return NULL;
    }
    if (object->flags & PV_OBJECT_POISONED) {
        decoder->poisoned = true;
    }
    return object;
}

struct pv_object *pv_decode_scope(struct pv_decoder *decoder, uint64_t id, VkObjectType type)
{
    if (!decoder->objects) {
        return NULL;
    }
    struct pv_object *object = pv_object_table_lookup(decoder->objects, id);
    if (!object || object->type != type) {
        pv_reader_fail_value(
            &decoder->reader,
            object ? "an id names an object of another type" : "an id names no object", id);
        return NULL;
    }
    decoder->device = object->device;
    if (object->flags & PV_OBJECT_POISONED) {
        decoder->poisoned = true;
    }
    return object;
}

void pv_decode_check_new_id(struct pv_decoder *decoder, uint64_t id)
{
    if (!decoder->objects) {
        return;
    }
    if (id == 0) {
        pv_reader_fail(&decoder->reader, "the id of a new object is 0");
    } else if (pv_object_table_lookup(decoder->objects, id)) {
        pv_reader_fail_value(&decoder->reader, "the id of a new object is in use", id);
    }
}

void pv_decode_bad_count(struct pv_decoder *decoder, uint64_t count, uint64_t expected,
                         bool optional)
{
    if (count != 0) {
        pv_reader_fail(&decoder->reader, "an array's length differs from its length member");
    } else if (expected != 0 && !optional) {
        pv_reader_fail(&decoder->reader, "a required array is missing");
    }
}

const uint8_t *pv_decode_bulk(struct pv_decoder *decoder, uint64_t count)
{
    return count ? pv_reader_take_bulk(&decoder->reader, count) : NULL;
}

uint8_t *pv_decode_bytes(struct pv_decoder *decoder, uint64_t count, size_t element_size)
{
    uint64_t bytes;
    if (count == 0) {
        return NULL;
    }
    if (__builtin_mul_overflow(count, (uint64_t)element_size, &bytes)) {
        pv_reader_fail(&decoder->reader, "an array's size overflows");
        return NULL;
    }
    return pv_reader_take_padded(&decoder->reader, bytes);
}

void *pv_decode_copy(struct pv_decoder *decoder, uint64_t count, size_t element_size)
{
    const uint8_t *bytes = pv_decode_bytes(decoder, count, element_size);
    if (!bytes) {
        return NULL;
    }
    if ((uintptr_t)bytes % 8 == 0) {
        return (void *)bytes;
    }
    void *copy = pv_decode_alloc(decoder, count, element_size, false);
    if (copy) {
        memcpy(copy, bytes, count * element_size);
    }
    return copy;
}

void *pv_decode_structs(struct pv_decoder *decoder, uint64_t count, size_t size, size_t wire_size)
{
    if (wire_size && count > pv_reader_remaining(&decoder->reader) / wire_size) {
        pv_reader_fail(&decoder->reader, "an array is longer than the bytes that are there");
        return NULL;
    }
    return pv_decode_alloc(decoder, count, size, wire_size == 0);
}

char *pv_decode_string(struct pv_decoder *decoder, bool optional)
{
    const uint64_t size = pv_reader_u64(&decoder->reader);
    if (size == 0) {
        if (!optional) {
            pv_reader_fail(&decoder->reader, "a required string is missing");
        }
        return NULL;
    }
    char *string = (char *)pv_reader_take_padded(&decoder->reader, size);
    if (string) {
        string[size - 1] = '\0';
    }
    return string;
}

char **pv_decode_strings(struct pv_decoder *decoder, uint64_t expected, bool optional)
{
    const uint64_t count = pv_decode_count(decoder, expected, optional);
    char **strings = pv_decode_structs(decoder, count, sizeof(*strings), 8);
    if (!strings) {
        return NULL;
    }
    for (uint64_t i = 0; i < count; i++) {
        strings[i] = pv_decode_string(decoder, false);
    }
    return strings;
}

uint64_t *pv_decode_handles(struct pv_decoder *decoder, uint64_t count, VkObjectType type,
                            bool nullable)
{
    const uint8_t *ids = pv_decode_bytes(decoder, count, sizeof(uint64_t));
    uint64_t *handles = ids ? pv_decode_alloc(decoder, count, sizeof(*handles), false) : NULL;
    struct pv_object **layouts = NULL;
    if (!handles) {
        return NULL;
    }
    if (type == VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT) {
        layouts = pv_decode_alloc(decoder, count, sizeof(*layouts), true);
        decoder->set_layouts = layouts;
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t id = pv_load_u64(ids + i * 8);
        if (!nullable) {
            pv_decode_require_id(decoder, id);
        }
        struct pv_object *object = pv_decode_object(decoder, id, type);
        handles[i] = object ? object->handle : decoder->objects ? 0 : id;
        if (type == VK_OBJECT_TYPE_DESCRIPTOR_SET && object) {
            decoder->dynamic_descriptors += ((const struct pv_descriptors *)object)->dynamic_count;
        }
        if (layouts) {
            layouts[i] = object;
        }
    }
    return handles;
}

// Walks the generated descriptions (describe.h) over decoded structures. The structures come from
// the decoder, so pointers and lengths are sound; they are still as large as the guest likes, hence
// the bounds on everything printed.
#include "protocol/print.h"

#include "protocol/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

// What of an output is shown.
enum mode {
    WHOLE, // all of it
    SHAPE, // what its request carries
};

static void put_bytes(struct pv_text *text, const char *bytes, size_t size)
{
    if (text->cut) {
        return;
    }
    const size_t room = text->limit - text->length;
    if (size > room) {
        text->cut = true;
        size = room;
    }
    if (text->bytes) {
        memcpy(text->bytes + text->length, bytes, size);
        text->length += size;
        if (text->cut) {
            memcpy(text->bytes + text->length - 3, "...", 3);
        }
        text->bytes[text->length] = '\0';
    } else {
        fwrite(bytes, 1, size, text->file);
        text->length += size;
        if (text->cut) {
            fputs("...", text->file);
        }
    }
}

static void put(struct pv_text *text, const char *string)
{
    put_bytes(text, string, strlen(string));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct pv_text *text,
                                                             const char *format, ...)
{
    char buffer[64];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    put(text, buffer);
}

struct pv_text pv_text_over(char *bytes, size_t size)
{
    bytes[0] = '\0';
    return (struct pv_text){.bytes = bytes, .limit = size - 1};
}

struct pv_text pv_text_to(FILE *file, size_t limit)
{
    return (struct pv_text){.file = file, .limit = limit};
}

static const char *name_at(uint32_t offset)
{
    return pv_described_names + offset;
}

// -- scalars -------------------------------------------------------------------------------------

static uint64_t load_unsigned(const void *at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, at, size < sizeof(value) ? size : sizeof(value)); // little endian
    return value;
}

static int64_t load_signed(const void *at, size_t size)
{
    const unsigned unused_bits = size < 8 ? 64 - 8 * (unsigned)size : 0;
    return (int64_t)(load_unsigned(at, size) << unused_bits) >> unused_bits;
}

static const char *find_name(const struct pv_described_type *type, uint64_t value)
{
    const struct pv_described_value *values = &pv_described_values[type->first];
    uint32_t low = 0, high = type->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (values[middle].value == value) {
            return name_at(values[middle].name);
        }
        if (values[middle].value < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void print_enum(struct pv_text *text, const struct pv_described_type *type, int64_t value)
{
    const char *name = find_name(type, (uint64_t)value);
    if (name) {
        put(text, name);
    } else {
        put_format(text, "%" PRId64, value);
    }
}

static void print_flags(struct pv_text *text, const struct pv_described_type *type, uint64_t value)
{
    const char *whole = find_name(type, value);
    if (whole || value == 0) {
        put(text, whole ? whole : "0");
        return;
    }
    uint64_t unnamed = 0;
    const char *separator = "";
    for (uint64_t rest = value; rest; rest &= rest - 1) {
        const uint64_t bit = rest & -rest;
        const char *name = find_name(type, bit);
        if (name) {
            put(text, separator);
            put(text, name);
            separator = "|";
        } else {
            unnamed |= bit;
        }
    }
    if (unnamed) {
        put_format(text, "%s%#" PRIx64, separator, unnamed);
    }
}

static void print_float(struct pv_text *text, const void *at, size_t size)
{
    char buffer[40];
    if (size == sizeof(double)) {
        double value;
        memcpy(&value, at, sizeof(value));
        snprintf(buffer, sizeof(buffer), "%.17g", value);
    } else {
        float value;
        memcpy(&value, at, sizeof(value));
        snprintf(buffer, sizeof(buffer), "%.9g", (double)value);
    }
    char *comma = strchr(buffer, ','); // some locales'
    if (comma) {
        *comma = '.';
    }
    put(text, buffer);
}

// A union that nothing selects: 16 bytes of a colour, 8 of an address.
static void print_words(struct pv_text *text, const uint8_t *at, size_t size)
{
    if (size == 8) {
        put_format(text, "%#" PRIx64, load_unsigned(at, 8));
        return;
    }
    put(text, "[");
    for (size_t i = 0; i < size; i += 4) {
        put_format(text, "%s0x%08" PRIx64, i ? ", " : "", load_unsigned(at + i, 4));
    }
    put(text, "]");
}

static void print_string(struct pv_text *text, const char *string, size_t most)
{
    put(text, "\"");
    size_t i = 0;
    for (; i < most && i < PV_PRINT_CHARACTERS && string[i]; i++) {
        const unsigned char c = (unsigned char)string[i];
        if (c == '"' || c == '\\') {
            put_format(text, "\\%c", c);
        } else if (c < 0x20 || c >= 0x7f) {
            put_format(text, "\\x%02x", c);
        } else {
            put_bytes(text, &string[i], 1);
        }
    }
    put(text, i == PV_PRINT_CHARACTERS && i < most && string[i] ? "\"..." : "\"");
}

static void print_blob(struct pv_text *text, const uint8_t *bytes, uint64_t count)
{
    put_format(text, "%" PRIu64 " bytes", count);
    for (uint64_t i = 0; i < count && i < PV_PRINT_BYTES; i++) {
        put_format(text, "%s%02x", i % 4 ? "" : " ", bytes[i]);
    }
    if (count > PV_PRINT_BYTES) {
        put(text, "...");
    }
}

// -- structures ----------------------------------------------------------------------------------

static void print_struct(struct pv_text *text, const struct pv_described_type *type,
                         const uint8_t *at, enum mode mode);

static void print_union(struct pv_text *text, uint16_t number, const uint8_t *at,
                        uint64_t selector);

static void print_value(struct pv_text *text, uint16_t number, const void *at, enum mode mode)
{
    const struct pv_described_type *type = &pv_described_types[number];
    switch ((enum pv_described_kind)type->kind) {
    case PV_KIND_STRUCT:
        print_struct(text, type, at, mode);
        return;
    case PV_KIND_ENUM:
        print_enum(text, type, load_signed(at, type->size));
        return;
    case PV_KIND_FLAGS:
        print_flags(text, type, load_unsigned(at, type->size));
        return;
    case PV_KIND_SIGNED:
    case PV_KIND_CHAR:
        put_format(text, "%" PRId64, load_signed(at, type->size));
        return;
    case PV_KIND_HEX:
        put_format(text, "%#" PRIx64, load_unsigned(at, type->size));
        return;
    case PV_KIND_FLOAT:
        print_float(text, at, type->size);
        return;
    case PV_KIND_BOOL: {
        const uint64_t value = load_unsigned(at, type->size);
        put_format(text, value > 1 ? "%" PRIu64 : value ? "true" : "false", value);
        return;
    }
    case PV_KIND_WORDS:
        print_words(text, at, type->size);
        return;
    case PV_KIND_UNSIGNED:
    case PV_KIND_BYTE:
    case PV_KIND_HANDLE:
    case PV_KIND_UNION: // only members with a selector have such a type
        put_format(text, "%" PRIu64, load_unsigned(at, type->size));
        return;
    }
}

// [a, b, ... n in all]; `stride` bytes apart.
static void print_elements(struct pv_text *text, uint16_t number, const uint8_t *at, uint64_t count,
                           size_t stride, enum mode mode)
{
    put(text, "[");
    for (uint64_t i = 0; i < count && i < PV_PRINT_ELEMENTS && !text->cut; i++) {
        put(text, i ? ", " : "");
        print_value(text, number, at + i * stride, mode);
    }
    if (count > PV_PRINT_ELEMENTS) {
        put_format(text, ", ... %" PRIu64 " in all", count);
    }
    put(text, "]");
}

static void print_array(struct pv_text *text, uint16_t number, const void *array, uint64_t count,
                        enum mode mode)
{
    const struct pv_described_type *type = &pv_described_types[number];
    if (!array) {
        put(text, "NULL");
    } else if (mode == SHAPE && !type->partial) {
        put_format(text, "?[%" PRIu64 "]", count);
    } else if (type->kind == PV_KIND_BYTE) {
        print_blob(text, array, count);
    } else {
        print_elements(text, number, array, count, type->size, mode);
    }
}

// Never more than there is room for, whatever a driver has made of the length.
static uint64_t array_length(const struct pv_described_field *field, const uint8_t *owner)
{
    const uint64_t length = pv_described_length(field->length, owner, 0);
    if (field->flow != PV_FLOW_OUT || !field->length) {
        return length;
    }
    const uint64_t room = load_unsigned(owner + field->count, 8);
    return length < room ? length : room;
}

static const void *load_pointer(const uint8_t *at)
{
    const void *pointer;
    memcpy(&pointer, at, sizeof(pointer));
    return pointer;
}

static void print_nested(struct pv_text *text, const struct pv_described_field *field,
                         const uint8_t *owner, const void *const *arrays, uint64_t count)
{
    put(text, "[");
    for (uint64_t i = 0; i < count && i < PV_PRINT_ELEMENTS && !text->cut; i++) {
        put(text, i ? ", " : "");
        print_array(text, field->type, arrays[i], pv_described_length(field->other, owner, i),
                    WHOLE);
    }
    put(text, count > PV_PRINT_ELEMENTS ? ", ...]" : "]");
}

static void print_strings(struct pv_text *text, const char *const *strings, uint64_t count)
{
    put(text, "[");
    for (uint64_t i = 0; i < count && i < PV_PRINT_ELEMENTS && !text->cut; i++) {
        put(text, i ? ", " : "");
        print_string(text, strings[i], SIZE_MAX);
    }
    if (count > PV_PRINT_ELEMENTS) {
        put_format(text, ", ... %" PRIu64 " in all", count);
    }
    put(text, "]");
}

static void print_fixed(struct pv_text *text, const struct pv_described_field *field,
                        const uint8_t *at, enum mode mode)
{
    const struct pv_described_type *type = &pv_described_types[field->type];
    if (type->kind == PV_KIND_CHAR) {
        print_string(text, (const char *)at, field->count);
    } else {
        print_array(text, field->type, at, field->count, mode);
    }
}

static void print_field(struct pv_text *text, const struct pv_described_field *field,
                        const uint8_t *owner, enum mode mode)
{
    const uint8_t *at = owner + field->offset;
    const struct pv_described_type *type = &pv_described_types[field->type];
    if (field->shape == PV_SHAPE_VALUE) {
        if (type->kind == PV_KIND_UNION) {
            print_union(text, field->type, at, load_unsigned(owner + field->other, 4));
        } else {
            print_value(text, field->type, at, mode);
        }
        return;
    }
    if (field->shape == PV_SHAPE_FIXED) {
        print_fixed(text, field, at, mode);
        return;
    }
    const void *pointer = load_pointer(at);
    if (!pointer || field->shape == PV_SHAPE_NULL) {
        put(text, "NULL");
        return;
    }
    const uint64_t count = array_length(field, owner);
    switch ((enum pv_described_shape)field->shape) {
    case PV_SHAPE_POINTER:
        if (mode == SHAPE && !type->partial) {
            put(text, "?");
        } else {
            print_value(text, field->type, pointer, mode);
        }
        break;
    case PV_SHAPE_ARRAY:
        print_array(text, field->type, pointer, count, mode);
        break;
    case PV_SHAPE_NESTED:
        print_nested(text, field, owner, pointer, count);
        break;
    case PV_SHAPE_STRING:
        print_string(text, pointer, SIZE_MAX);
        break;
    case PV_SHAPE_STRINGS:
        print_strings(text, pointer, count);
        break;
    default:
        break;
    }
}

static void print_union(struct pv_text *text, uint16_t number, const uint8_t *at, uint64_t selector)
{
    const uint32_t index = pv_described_case(number, selector);
    if (index == UINT32_MAX) {
        put(text, "?");
        return;
    }
    const struct pv_described_field *field =
        &pv_described_fields[pv_described_types[number].first + index];
    put_format(text, "{%s = ", name_at(field->name));
    print_field(text, field, at, WHOLE);
    put(text, "}");
}

// Whether the request for an output carries anything of this member.
static bool carried_in_shape(const struct pv_described_field *field)
{
    switch ((enum pv_described_shape)field->shape) {
    case PV_SHAPE_VALUE:
        return field->flow == PV_FLOW_LENGTH || pv_described_types[field->type].partial;
    case PV_SHAPE_FIXED:
        return pv_described_types[field->type].partial;
    default:
        return true;
    }
}

static const struct pv_described_type *describe_stype(uint32_t stype)
{
    uint32_t low = 0, high = pv_chain_type_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if ((uint32_t)pv_chain_types[middle].type == stype) {
            return &pv_described_types[pv_described_chain_types[middle]];
        }
        if ((uint32_t)pv_chain_types[middle].type < stype) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static const char *print_members(struct pv_text *text, const struct pv_described_type *type,
                                 const uint8_t *at, enum mode mode)
{
    const char *separator = "";
    for (uint32_t i = 0; i < type->count && !text->cut; i++) {
        const struct pv_described_field *field = &pv_described_fields[type->first + i];
        if (mode == WHOLE || carried_in_shape(field)) {
            put(text, separator);
            put(text, name_at(field->name));
            put(text, " = ");
            print_field(text, field, at, field->flow == PV_FLOW_LENGTH ? WHOLE : mode);
            separator = ", ";
        }
    }
    return separator;
}

static void print_struct(struct pv_text *text, const struct pv_described_type *type,
                         const uint8_t *at, enum mode mode)
{
    put(text, "{");
    const char *separator = print_members(text, type, at, mode);
    const VkBaseInStructure *node =
        type->chained ? ((const VkBaseInStructure *)(const void *)at)->pNext : NULL;
    if (node) {
        put(text, separator);
        put(text, "pNext = [");
        for (const char *comma = ""; node && !text->cut; node = node->pNext, comma = ", ") {
            const struct pv_described_type *next = describe_stype((uint32_t)node->sType);
            put(text, comma);
            if (!next) {
                put_format(text, "sType %u", (unsigned)node->sType);
                continue;
            }
            put(text, name_at(next->name));
            put(text, " {");
            print_members(text, next, (const uint8_t *)node, mode);
            put(text, "}");
        }
        put(text, "]");
    }
    put(text, "}");
}

// -- commands ------------------------------------------------------------------------------------

static void print_new_ids(struct pv_text *text, const struct pv_described_field *field,
                          const uint8_t *cmd)
{
    if (field->shape == PV_SHAPE_NEW_ID) {
        put_format(text, "%" PRIu64, load_unsigned(cmd + field->other, 8));
        return;
    }
    const uint8_t *ids = load_pointer(cmd + field->other);
    const uint64_t count = ids ? array_length(field, cmd) : 0;
    if (!ids) {
        put(text, "NULL");
        return;
    }
    print_elements(text, field->type, ids, count, sizeof(uint64_t), WHOLE);
}

static bool is_new_id(const struct pv_described_field *field)
{
    return field->shape == PV_SHAPE_NEW_ID || field->shape == PV_SHAPE_NEW_IDS;
}

static bool begin(struct pv_text *text, uint32_t number)
{
    const char *name = pv_command_name(number);
    if (!name) {
        put_format(text, "command %" PRIu32, number);
        return false;
    }
    put(text, name);
    return pv_described_commands[number].known;
}

void pv_print_request(struct pv_text *text, uint32_t number, const union pv_any_command *cmd)
{
    if (!begin(text, number)) {
        put(text, "(?)");
        return;
    }
    const struct pv_described_command *command = &pv_described_commands[number];
    const uint8_t *at = (const uint8_t *)cmd;
    put(text, "(");
    for (uint32_t i = 0; i < command->count && !text->cut; i++) {
        const struct pv_described_field *field = &pv_described_fields[command->first + i];
        const bool out = field->flow == PV_FLOW_OUT;
        put(text, i ? ", " : "");
        put(text, name_at(field->name));
        put(text, out ? " -> " : " = ");
        if (is_new_id(field)) {
            print_new_ids(text, field, at);
        } else {
            print_field(text, field, at, out ? SHAPE : WHOLE);
        }
    }
    put(text, ")");
}

void pv_print_reply(struct pv_text *text, uint32_t number, const union pv_any_command *cmd)
{
    if (!begin(text, number)) {
        return;
    }
    const struct pv_described_command *command = &pv_described_commands[number];
    const uint8_t *at = (const uint8_t *)cmd;
    if (command->has_result) {
        put(text, " = ");
        print_value(text, command->result_type, at + command->result_offset, WHOLE);
    }
    for (uint32_t i = 0; i < command->count && !text->cut; i++) {
        const struct pv_described_field *field = &pv_described_fields[command->first + i];
        if (field->flow != PV_FLOW_OUT && field->flow != PV_FLOW_IN_OUT) {
            continue;
        }
        put(text, ", ");
        put(text, name_at(field->name));
        put(text, " -> ");
        if (is_new_id(field)) {
            print_new_ids(text, field, at);
        } else {
            print_field(text, field, at, WHOLE);
        }
    }
}

bool pv_print_next(struct pv_text *text, struct pv_decoder *decoder)
{
    union pv_any_command cmd;
    const uint8_t *header = pv_reader_take(&decoder->reader, 8);
    const uint32_t number = pv_load_u32(header);
    pv_decoder_begin(decoder);
    if (!pv_decode_command(decoder, number, &cmd)) {
        pv_reader_fail_value(&decoder->reader, "this build does not know the command", number);
    }
    if (pv_reader_failed(&decoder->reader)) {
        return false;
    }
    pv_print_request(text, number, &cmd);
    return true;
}

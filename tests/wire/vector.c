#include "vector.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((uint64_t)1 << 20)

static _Noreturn void die(const char *name, const char *why)
{
    fprintf(stderr, "%s.hex: %s\n", name, why);
    exit(1);
}

static int hex_digit(int c)
{
    return isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The next hexadecimal digit; -1 at the end, -2 at anything else.
static int next_digit(FILE *file)
{
    int c;
    while ((c = fgetc(file)) != EOF) {
        if (c == '#') {
            while ((c = fgetc(file)) != EOF && c != '\n') {
            }
        } else if (!isspace(c)) {
            const int digit = hex_digit(c);
            return digit < 0 ? -2 : digit;
        }
    }
    return -1;
}

struct vector vector_load(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.hex", WIRE_VECTORS, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        die(name, "cannot be opened");
    }
    uint8_t bytes[4096];
    size_t size = 0;
    int high;
    while ((high = next_digit(file)) >= 0) {
        const int low = next_digit(file);
        if (low < 0 || size == sizeof(bytes)) {
            die(name, "is not whole bytes, or too long");
        }
        bytes[size++] = (uint8_t)(high << 4 | low);
    }
    if (high == -2 || size == 0 || size % 4) {
        die(name, "is not a sequence of hexadecimal words");
    }
    fclose(file);
    return vector_copy(&(struct vector){bytes, size}, size);
}

struct vector vector_copy(const struct vector *vector, size_t size)
{
    struct vector copy = {malloc(size ? size : 1), size};
    if (!copy.bytes) {
        abort();
    }
    memcpy(copy.bytes, vector->bytes, size);
    return copy;
}

void vector_free(struct vector *vector)
{
    free(vector->bytes);
    *vector = (struct vector){0};
}

void wire_init(struct wire *wire, const struct vector *vector)
{
    *wire = (struct wire){0};
    pv_arena_init(&wire->arena, ARENA_LIMIT);
    wire->decoder.arena = &wire->arena;
    pv_reader_init(&wire->decoder.reader, vector->bytes, vector->size);
}

void wire_finish(struct wire *wire)
{
    pv_arena_finish(&wire->arena);
}

void wire_decode(struct wire *wire)
{
    wire->number = pv_reader_u32(&wire->decoder.reader);
    wire->flags = pv_reader_u32(&wire->decoder.reader);
    pv_decoder_begin(&wire->decoder);
    if (!pv_decode_command(&wire->decoder, wire->number, &wire->cmd)) {
        pv_reader_fail_value(&wire->decoder.reader, "no such command", wire->number);
    }
}

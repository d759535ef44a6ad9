// Vectors: commands as bytes, from files of hexadecimal words with comments behind `#`. The bytes
// come from the driver's own encoder, or from the written rules where that has none.
#ifndef TESTS_WIRE_VECTOR_H
#define TESTS_WIRE_VECTOR_H

#include "protocol/print.h"

#include <stddef.h>
#include <stdint.h>

struct vector {
    uint8_t *bytes; // from malloc, exactly `size`
    size_t size;
};

// The vector `name` of WIRE_VECTORS. Ends the program when it is missing or malformed.
struct vector vector_load(const char *name);
// An exact copy of the first `size` bytes, so that sanitizers see any byte read too many.
struct vector vector_copy(const struct vector *vector, size_t size);
void vector_free(struct vector *vector);

// A decoder over a vector, with memory of its own and without objects.
struct wire {
    struct pv_arena arena;
    struct pv_decoder decoder;
    union pv_any_command cmd;
    uint32_t number, flags;
};

void wire_init(struct wire *wire, const struct vector *vector);
void wire_finish(struct wire *wire);
// Reads the header and decodes the arguments.
void wire_decode(struct wire *wire);

#endif

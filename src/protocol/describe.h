// Descriptions of commands, structures and values, for print.c. The tables are generated; they hold
// numbers and offsets instead of pointers, so that loading the library costs nothing for them.
#ifndef PV_PROTOCOL_DESCRIBE_H
#define PV_PROTOCOL_DESCRIBE_H

#include <stdbool.h>
#include <stdint.h>

enum pv_described_kind {
    PV_KIND_UNSIGNED,
    PV_KIND_SIGNED,
    PV_KIND_HEX, // addresses
    PV_KIND_FLOAT,
    PV_KIND_BOOL,
    PV_KIND_CHAR,
    PV_KIND_BYTE,
    PV_KIND_HANDLE,
    PV_KIND_ENUM,
    PV_KIND_FLAGS,
    PV_KIND_WORDS, // a union that nothing selects
    PV_KIND_STRUCT,
    PV_KIND_UNION, // selected by a sibling
};

enum pv_described_shape {
    PV_SHAPE_VALUE,
    PV_SHAPE_FIXED, // T name[count]
    PV_SHAPE_POINTER,
    PV_SHAPE_ARRAY,
    PV_SHAPE_NESTED, // an array of arrays
    PV_SHAPE_STRING,
    PV_SHAPE_STRINGS,
    PV_SHAPE_NULL, // cannot be carried
    PV_SHAPE_NEW_ID,
    PV_SHAPE_NEW_IDS,
};

enum pv_described_flow {
    PV_FLOW_IN,
    PV_FLOW_OUT,
    PV_FLOW_IN_OUT,
    PV_FLOW_LENGTH, // in structures: the length of another member, so requests carry it always
};

// A member of a structure, a case of a union, or a parameter of a command.
struct pv_described_field {
    uint32_t name; // offset in pv_described_names
    uint16_t type; // index in pv_described_types
    uint16_t offset;
    uint16_t length; // for pv_described_length(); 0: none
    // NESTED: the inner length. NEW_ID, NEW_IDS: offset of the id or of the pointer to the ids.
    // A union: offset of its selector.
    uint16_t other;
    // FIXED: elements. Outputs with a length: offset of how many the request has room for.
    uint16_t count;
    uint8_t shape, flow;
};

struct pv_described_type {
    uint32_t name;
    uint16_t first, count; // in pv_described_fields, or in pv_described_values
    uint16_t size;
    uint8_t kind;
    bool chained; // has sType and pNext
    bool partial; // requests carry something of it though it is an output
};

struct pv_described_value {
    uint64_t value; // sign-extended
    uint32_t name;
};

struct pv_described_command {
    uint16_t first, count; // in pv_described_fields
    uint16_t result_offset, result_type;
    bool has_result;
    bool known; // this build can decode it
};

extern const char pv_described_names[];
extern const struct pv_described_value pv_described_values[]; // sorted by value for each type
extern const struct pv_described_field pv_described_fields[];
extern const struct pv_described_type pv_described_types[];
extern const struct pv_described_command pv_described_commands[]; // PV_COMMAND_COUNT
extern const uint16_t pv_described_chain_types[];                 // as pv_chain_types

// The length of an array in `owner`; `i` is the index in the outer array of nested ones.
uint64_t pv_described_length(uint32_t number, const void *owner, uint64_t i);

// Which member of a union is meant; UINT32_MAX: none.
uint32_t pv_described_case(uint32_t type, uint64_t selector);

#endif

// Decoding: the generated functions turn wire bytes into Vulkan structures with these.
//
// Results live in the arena, or in the reader's private bytes where the layout allows it, until
// the command is done. Ids become the driver's handles on the way. Errors stick to the reader; a
// failed decode leaves structures that must not be used. See docs/wire.md for the encoding.
#ifndef PV_PROTOCOL_DECODER_H
#define PV_PROTOCOL_DECODER_H

#include "base/arena.h"
#include "object/table.h"
#include "protocol/venus.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan_core.h>

_Static_assert(sizeof(void *) == 8, "handles, size_t and arena layouts assume 64 bits");

struct pv_decoder {
    struct pv_reader reader;
    struct pv_arena *arena;
    // Where ids are looked up. NULL: ids stand for themselves (printing without a context).
    struct pv_object_table *objects;
    // The device of the current command; every object in it must belong to this device.
    struct pv_object *device;
    // The pool the current command allocates from, named inside a structure.
    struct pv_object *pool;
    // Those named last, in whatever structure.
    struct pv_object *image, *buffer, *render_pass, *framebuffer;
    struct pv_object *const *set_layouts; // the array named last; it has NULLs where that has
    // Of all descriptor sets that the command names in arrays.
    uint64_t dynamic_descriptors;
    // The command names an object that the driver refused to create: skip it.
    bool poisoned;
};

// The most nodes a pNext chain may have; no root of the registry is extended by more in practice.
#define PV_CHAIN_MAX 256

// Starts a command: forgets the scope of the one before.
static inline void pv_decoder_begin(struct pv_decoder *decoder)
{
    decoder->device = NULL;
    decoder->pool = NULL;
    decoder->image = NULL;
    decoder->buffer = NULL;
    decoder->render_pass = NULL;
    decoder->framebuffer = NULL;
    decoder->set_layouts = NULL;
    decoder->dynamic_descriptors = 0;
    decoder->poisoned = false;
}

// `count` elements of `size` bytes; zeroed when `zero`. NULL, and the error set, when the bytes
// exceed the arena's limit; NULL also for count 0.
void *pv_decode_alloc(struct pv_decoder *decoder, uint64_t count, size_t size, bool zero);

// The object with this id if its type and device fit. NULL for id 0 and on failure.
struct pv_object *pv_decode_object_slow(struct pv_decoder *decoder, uint64_t id, VkObjectType type);

static inline struct pv_object *pv_decode_object(struct pv_decoder *decoder, uint64_t id,
                                                 VkObjectType type)
{
    if (id == 0 || !decoder->objects) {
        return NULL;
    }
    struct pv_object *object = pv_object_table_lookup(decoder->objects, id);
    if (__builtin_expect(!object || object->type != type ||
                             atomic_load_explicit(&object->flags, memory_order_relaxed) ||
                             (object->device && object->device != decoder->device),
                         0)) {
        return pv_decode_object_slow(decoder, id, type);
    }
    return object;
}

// The driver's handle for `id`.
static inline uint64_t pv_decode_handle(struct pv_decoder *decoder, uint64_t id, VkObjectType type)
{
    if (!decoder->objects) {
        return id;
    }
    struct pv_object *object = pv_decode_object(decoder, id, type);
    if (type == VK_OBJECT_TYPE_DESCRIPTOR_POOL || type == VK_OBJECT_TYPE_COMMAND_POOL) {
        decoder->pool = object;
    }
    if (type == VK_OBJECT_TYPE_IMAGE) {
        decoder->image = object;
    }
    if (type == VK_OBJECT_TYPE_BUFFER) {
        decoder->buffer = object;
    }
    if (type == VK_OBJECT_TYPE_RENDER_PASS) {
        decoder->render_pass = object;
    }
    if (type == VK_OBJECT_TYPE_FRAMEBUFFER) {
        decoder->framebuffer = object;
    }
    return object ? object->handle : 0;
}

// The object a command is called on: it must exist, and it sets the scope.
struct pv_object *pv_decode_scope(struct pv_decoder *decoder, uint64_t id, VkObjectType type);

// Fails when a handle that must not be VK_NULL_HANDLE is.
static inline void pv_decode_require_id(struct pv_decoder *decoder, uint64_t id)
{
    if (__builtin_expect(id == 0, 0)) {
        pv_reader_fail(&decoder->reader, "a required handle is null");
    }
}

// The driver's handle for `id`, which must not be VK_NULL_HANDLE.
static inline uint64_t pv_decode_required_handle(struct pv_decoder *decoder, uint64_t id,
                                                 VkObjectType type)
{
    pv_decode_require_id(decoder, id);
    return pv_decode_handle(decoder, id, type);
}

// A length in bytes of an array whose elements have `unit` bytes: the driver reads all of them.
static inline void pv_decode_unit(struct pv_decoder *decoder, uint64_t size, uint32_t unit)
{
    if (__builtin_expect(size % unit != 0, 0)) {
        pv_reader_fail(&decoder->reader, "a size is no multiple of its unit");
    }
}

// An id the guest has chosen for a new object: not 0 and not in use.
void pv_decode_check_new_id(struct pv_decoder *decoder, uint64_t id);

// The presence word of a pointer.
static inline bool pv_decode_present(struct pv_decoder *decoder, bool optional)
{
    const bool present = pv_reader_u64(&decoder->reader) != 0;
    if (__builtin_expect(!present && !optional, 0)) {
        pv_reader_fail(&decoder->reader, "a required pointer is null");
    }
    return present;
}

// The presence word of something that cannot be carried.
static inline void pv_decode_null(struct pv_decoder *decoder)
{
    if (__builtin_expect(pv_reader_u64(&decoder->reader) != 0, 0)) {
        pv_reader_fail(&decoder->reader, "a pointer that cannot be carried is not null");
    }
}

void pv_decode_bad_count(struct pv_decoder *decoder, uint64_t count, uint64_t expected,
                         bool optional);

// The count word of an array whose length member says `expected`: that, or 0 for NULL.
static inline uint64_t pv_decode_count(struct pv_decoder *decoder, uint64_t expected, bool optional)
{
    const uint64_t count = pv_reader_u64(&decoder->reader);
    if (__builtin_expect(count != expected, 0)) {
        pv_decode_bad_count(decoder, count, expected, optional);
        return 0;
    }
    return count;
}

// The count word of a fixed array.
static inline void pv_decode_fixed_count(struct pv_decoder *decoder, uint64_t count,
                                         uint64_t expected)
{
    if (__builtin_expect(count != expected, 0)) {
        pv_reader_fail(&decoder->reader, "a fixed array has another length");
    }
}

// `count` elements of `element_size` bytes on the wire, padded as a whole, in place.
// NULL for count 0 and on failure.
uint8_t *pv_decode_bytes(struct pv_decoder *decoder, uint64_t count, size_t element_size);

// `count` bytes, padded as a whole, that may be in memory which the guest goes on changing: see
// pv_reader_take_bulk(). NULL for count 0 and on failure.
const uint8_t *pv_decode_bulk(struct pv_decoder *decoder, uint64_t count);

// The same as pv_decode_bytes(), copied to memory aligned for 8-byte elements.
void *pv_decode_copy(struct pv_decoder *decoder, uint64_t count, size_t element_size);

// Room for `count` structures, each at least `wire_size` bytes on the wire, not zeroed.
void *pv_decode_structs(struct pv_decoder *decoder, uint64_t count, size_t size, size_t wire_size);

// Strings: terminated by us. NULL for length 0.
char *pv_decode_string(struct pv_decoder *decoder, bool optional);
char **pv_decode_strings(struct pv_decoder *decoder, uint64_t expected, bool optional);

// `count` ids as driver handles. NULL for count 0 and on failure. `nullable`: ids may be 0.
uint64_t *pv_decode_handles(struct pv_decoder *decoder, uint64_t count, VkObjectType type,
                            bool nullable);

// A structure that can stand in a pNext chain.
struct pv_chain_type {
    VkStructureType type;
    uint32_t size;   // sizeof the C structure
    bool repeatable; // may stand several times in one chain
    // The members behind pNext. NULL where the registry needs no such direction.
    void (*decode)(struct pv_decoder *decoder, void *body);
    void (*decode_partial)(struct pv_decoder *decoder, void *body);
    void (*encode)(struct pv_writer *writer, const void *body);
};

// Those allowed behind one root structure, sorted by sType; indices into pv_chain_types.
struct pv_chain_set {
    const uint16_t *members;
    uint32_t count;
};

extern const struct pv_chain_type pv_chain_types[];
extern const uint32_t pv_chain_type_count;

// The chain behind a root: what it may contain, each structure once. `partial` for out-structures.
void *pv_decode_chain(struct pv_decoder *decoder, const struct pv_chain_set *allowed, bool partial);

static inline void pv_decode_stype(struct pv_decoder *decoder, uint32_t value,
                                   VkStructureType expected)
{
    if (__builtin_expect(value != (uint32_t)expected, 0)) {
        pv_reader_fail(&decoder->reader, "a structure has another sType");
    }
}

#endif

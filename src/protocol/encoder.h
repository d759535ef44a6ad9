// Encoding replies: the generated functions write Vulkan structures with these.
#ifndef PV_PROTOCOL_ENCODER_H
#define PV_PROTOCOL_ENCODER_H

#include "protocol/venus.h"
#include "wire/writer.h"

#include <stdint.h>
#include <vulkan/vulkan_core.h>

static inline void pv_store_u32(uint8_t *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

static inline void pv_store_u64(uint8_t *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

// `size` bytes and zeros up to a multiple of four; room for both is there.
static inline void pv_store_padded(uint8_t *bytes, const void *data, size_t size)
{
    memcpy(bytes, data, size);
    memset(bytes + size, 0, (4 - size % 4) % 4);
}

// Never more elements than the request had room for, whatever the driver says.
static inline uint64_t pv_encode_clamp(uint64_t count, uint64_t capacity)
{
    return count < capacity ? count : capacity;
}

// The pNext chain of an out-structure: the nodes of the request, in their order.
void pv_encode_chain(struct pv_writer *writer, const void *next);

// Ids of created objects: 0 where the driver gave no handle.
void pv_encode_ids(struct pv_writer *writer, const uint64_t *ids, const uint64_t *handles,
                   uint64_t count);

#endif

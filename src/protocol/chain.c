// pNext chains. On the wire the headers of a chain come first and in order, the bodies after them
// in reverse: both directions are loops over a list of the nodes, never recursion.
#include "protocol/decoder.h"
#include "protocol/encoder.h"

static const struct pv_chain_type *find_in_set(const struct pv_chain_set *set, uint32_t stype)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const struct pv_chain_type *type = &pv_chain_types[set->members[middle]];
        if ((uint32_t)type->type == stype) {
            return type;
        }
        if ((uint32_t)type->type < stype) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static const struct pv_chain_type *find_type(uint32_t stype)
{
    uint32_t low = 0, high = pv_chain_type_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if ((uint32_t)pv_chain_types[middle].type == stype) {
            return &pv_chain_types[middle];
        }
        if ((uint32_t)pv_chain_types[middle].type < stype) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

void *pv_decode_chain(struct pv_decoder *decoder, const struct pv_chain_set *allowed, bool partial)
{
    struct node {
        const struct pv_chain_type *type;
        VkBaseOutStructure *memory;
    } nodes[PV_CHAIN_MAX];
    uint32_t count = 0;

    while (pv_reader_u64(&decoder->reader)) {
        const uint32_t stype = pv_reader_u32(&decoder->reader);
        const struct pv_chain_type *type = find_in_set(allowed, stype);
        if (!type || (partial ? !type->decode_partial : !type->decode)) {
            pv_reader_fail_value(&decoder->reader, "a structure is not allowed in this pNext chain",
                                 stype);
            return NULL;
        }
        for (uint32_t i = 0; i < count && !type->repeatable; i++) {
            if (nodes[i].type == type) {
                pv_reader_fail_value(&decoder->reader, "a structure stands twice in a pNext chain",
                                     stype);
                return NULL;
            }
        }
        if (count == PV_CHAIN_MAX) {
            pv_reader_fail(&decoder->reader, "a pNext chain is too long");
            return NULL;
        }
        VkBaseOutStructure *memory = pv_decode_alloc(decoder, 1, type->size, true);
        if (!memory) {
            return NULL;
        }
        memory->sType = (VkStructureType)stype;
        if (count) {
            nodes[count - 1].memory->pNext = memory;
        }
        nodes[count++] = (struct node){type, memory};
    }
    for (uint32_t i = count; i-- > 0;) {
        if (partial) {
            nodes[i].type->decode_partial(decoder, nodes[i].memory);
        } else {
            nodes[i].type->decode(decoder, nodes[i].memory);
        }
    }
    return count ? nodes[0].memory : NULL;
}

void pv_encode_chain(struct pv_writer *writer, const void *next)
{
    const VkBaseInStructure *nodes[PV_CHAIN_MAX];
    const struct pv_chain_type *types[PV_CHAIN_MAX];
    uint32_t count = 0;

    for (const VkBaseInStructure *node = next; node && count < PV_CHAIN_MAX; node = node->pNext) {
        const struct pv_chain_type *type = find_type((uint32_t)node->sType);
        if (type && type->encode) {
            pv_writer_u64(writer, 1);
            pv_writer_u32(writer, (uint32_t)node->sType);
            types[count] = type;
            nodes[count++] = node;
        }
    }
    pv_writer_u64(writer, 0);
    for (uint32_t i = count; i-- > 0;) {
        types[i]->encode(writer, nodes[i]);
    }
}

void pv_encode_ids(struct pv_writer *writer, const uint64_t *ids, const uint64_t *handles,
                   uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pv_writer_u64(writer, handles[i] ? ids[i] : 0);
    }
}

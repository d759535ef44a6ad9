// Reading the batches of a SUBMIT_CMD2 message. Pure functions over a private copy of it.
#ifndef PV_SERVER_BATCH_H
#define PV_SERVER_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct pv_vtest_submit {
    const uint32_t *payload; // borrowed
    uint32_t dwords;
    uint32_t batch_count;
    uint32_t stride;
};

struct pv_vtest_batch {
    uint32_t flags;
    uint32_t ring_idx; // only with PV_VTEST_BATCH_RING_IDX
    const uint32_t *commands;
    size_t commands_size; // bytes
    const uint32_t *pairs;
    uint32_t pair_count;
};

// Checks the whole message. Returns NULL, or what is wrong with it.
//
// Clients built for version 4 use the wide stride even where version 3 was agreed upon, so with
// version 3 the stride is known only while there is one batch.
const char *pv_vtest_submit_parse(struct pv_vtest_submit *submit, const uint32_t *payload,
                                  uint32_t dwords, uint32_t version);

// Batch `index` < batch_count of a message that parsed.
struct pv_vtest_batch pv_vtest_submit_batch(const struct pv_vtest_submit *submit, uint32_t index);

// The parts of pair `index` of a list of pairs.
uint32_t pv_vtest_pair_id(const uint32_t *pairs, uint32_t index);
uint64_t pv_vtest_pair_value(const uint32_t *pairs, uint32_t index);

#endif

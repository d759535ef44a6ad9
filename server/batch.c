#include "batch.h"

#include <pv/fence.h>

#include "protocol.h"

enum {
    BATCH_FLAGS = 0,
    BATCH_CMD_OFFSET = 1,
    BATCH_CMD_SIZE = 2,
    BATCH_SYNC_OFFSET = 3,
    BATCH_SYNC_COUNT = 4,
    BATCH_RING_IDX = 5,
    BATCH_NUM_IN_SYNCOBJ = 6,
    BATCH_NUM_OUT_SYNCOBJ = 7,
};

static const uint32_t *batch_header(const struct pv_vtest_submit *submit, uint32_t index)
{
    return submit->payload + 1 + (size_t)index * submit->stride;
}

static const char *check_batch(const struct pv_vtest_submit *submit, uint32_t index)
{
    const uint32_t *batch = batch_header(submit, index);
    const uint32_t flags = batch[BATCH_FLAGS];
    if (flags & ~PV_VTEST_BATCH_RING_IDX) {
        return "unsupported batch flags";
    }
    if ((flags & PV_VTEST_BATCH_RING_IDX) && batch[BATCH_RING_IDX] >= PV_TIMELINE_COUNT) {
        return "ring_idx out of range";
    }
    if ((uint64_t)batch[BATCH_CMD_OFFSET] + batch[BATCH_CMD_SIZE] > submit->dwords) {
        return "command bytes outside the message";
    }
    const uint64_t pair_dwords = (uint64_t)batch[BATCH_SYNC_COUNT] * PV_VTEST_PAIR_DWORDS;
    if (batch[BATCH_SYNC_OFFSET] + pair_dwords > submit->dwords) {
        return "syncs outside the message";
    }
    if (submit->stride == PV_VTEST_BATCH_DWORDS_V4 &&
        (batch[BATCH_NUM_IN_SYNCOBJ] || batch[BATCH_NUM_OUT_SYNCOBJ])) {
        return "DRM sync objects are not supported";
    }
    return NULL;
}

const char *pv_vtest_submit_parse(struct pv_vtest_submit *submit, const uint32_t *payload,
                                  uint32_t dwords, uint32_t version)
{
    if (dwords == 0) {
        return "no batch count";
    }
    *submit = (struct pv_vtest_submit){
        .payload = payload,
        .dwords = dwords,
        .batch_count = payload[0],
        .stride = version >= 4 ? PV_VTEST_BATCH_DWORDS_V4 : PV_VTEST_BATCH_DWORDS_V3,
    };
    if (submit->batch_count == 0) {
        return "no batches";
    }
    if (submit->batch_count > 1 && version < 4) {
        return "several batches need protocol version 4";
    }
    if (1 + (uint64_t)submit->batch_count * submit->stride > dwords) {
        return "batch headers outside the message";
    }
    for (uint32_t i = 0; i < submit->batch_count; i++) {
        const char *problem = check_batch(submit, i);
        if (problem) {
            return problem;
        }
    }
    return NULL;
}

struct pv_vtest_batch pv_vtest_submit_batch(const struct pv_vtest_submit *submit, uint32_t index)
{
    const uint32_t *batch = batch_header(submit, index);
    return (struct pv_vtest_batch){
        .flags = batch[BATCH_FLAGS],
        .ring_idx = batch[BATCH_RING_IDX],
        .commands = submit->payload + batch[BATCH_CMD_OFFSET],
        .commands_size = (size_t)batch[BATCH_CMD_SIZE] * sizeof(uint32_t),
        .pairs = submit->payload + batch[BATCH_SYNC_OFFSET],
        .pair_count = batch[BATCH_SYNC_COUNT],
    };
}

uint32_t pv_vtest_pair_id(const uint32_t *pairs, uint32_t index)
{
    return pairs[(size_t)index * PV_VTEST_PAIR_DWORDS];
}

uint64_t pv_vtest_pair_value(const uint32_t *pairs, uint32_t index)
{
    const uint32_t *pair = pairs + (size_t)index * PV_VTEST_PAIR_DWORDS;
    return pair[1] | (uint64_t)pair[2] << 32;
}

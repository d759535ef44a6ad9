// Resources as contexts see them: a number and a blob. Implements pv/resource.h.
#ifndef PV_CONTEXT_RESOURCE_H
#define PV_CONTEXT_RESOURCE_H

#include "blob/blob.h"
#include "pv/resource.h"

#include <stdatomic.h>

// Counted; immutable but for the count.
struct pv_resource {
    _Atomic uint32_t references;
    uint32_t id;
    uint64_t size;        // bytes, as the VMM asked; at most the blob's
    struct pv_blob *blob; // one reference
    bool host_shm;        // fresh shared memory: rings, streams and replies may live in it
};

// Ownership: takes the reference to `blob` on success and failure alike. Failure: NULL.
struct pv_resource *pv_resource_create(uint32_t id, uint64_t size, struct pv_blob *blob,
                                       bool host_shm);

// [offset, offset + size) of host shared memory in this process; NULL when it is not that or
// out of bounds.
uint8_t *pv_resource_range(struct pv_resource *resource, uint64_t offset, uint64_t size);

#endif

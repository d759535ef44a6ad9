// What the cases of share.c and share_sync.c have in common: two instances of one program, which
// are to the driver what two processes are. They know nothing of each other but file descriptors.
#ifndef E2E_SHARE_H
#define E2E_SHARE_H

#include "harness.h"

struct e2e_pair {
    struct e2e *here, there; // `there` is the case's to close
};

struct e2e_pair e2e_pair_open(struct e2e *t, const char *const *extensions, uint32_t count);

// Skips the case unless dma-bufs of buffers can be exported and imported.
void e2e_need_shared_buffers(const struct e2e *t);
// A buffer in new memory, which the host can map, or in that of a dma-buf, whose descriptor stays
// the caller's; not kept.
struct e2e_buffer e2e_shared_buffer(struct e2e *t, VkDeviceSize size, int fd);
void e2e_shared_buffer_destroy(struct e2e *t, const struct e2e_buffer *buffer);
// A descriptor of a dma-buf, the caller's.
int e2e_export_memory(struct e2e *t, VkDeviceMemory memory);

#endif

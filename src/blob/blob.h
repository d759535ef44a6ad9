// A blob: memory that can be shared with the guest and the VMM, whoever made it.
//
// A blob is counted. It outlives the VkDeviceMemory it came from, because the guest's mapping
// stays valid after vkFreeMemory. One blob has one size and one kind of file descriptor (or
// none), and at most one mapping in this process, made on first use and kept to the end.
#ifndef PV_BLOB_BLOB_H
#define PV_BLOB_BLOB_H

#include "pv/resource.h"

#include <stddef.h>

struct pv_blob;

// Fresh zeroed shared memory of exactly `size` bytes (blob_id 0). Failure: NULL.
struct pv_blob *pv_blob_create_shm(uint64_t size, const char *name);

// A blob around somebody else's PV_FD_DMABUF or PV_FD_SHM. Checks that the file has `size`
// bytes. Ownership: takes `fd` on success, leaves it on failure. Failure: NULL, `*reason` is a
// static string.
struct pv_blob *pv_blob_import_fd(enum pv_fd_type type, int fd, uint64_t size, const char **reason);

// Thread-safety: Safe.
struct pv_blob *pv_blob_ref(struct pv_blob *blob);
void pv_blob_unref(struct pv_blob *blob); // NULL is allowed

// Says that others than the context that made the blob may see it, now or later. Its storage is
// then not used again when it is freed. Thread-safety: Safe.
void pv_blob_mark_shared(struct pv_blob *blob);

uint64_t pv_blob_size(const struct pv_blob *blob); // bytes
enum pv_map_cache pv_blob_map_cache(const struct pv_blob *blob);
enum pv_fd_type pv_blob_fd_type(const struct pv_blob *blob); // PV_FD_NONE: no descriptor

// A new descriptor that the caller owns. Failure: -1. Thread-safety: Safe.
int pv_blob_export_fd(const struct pv_blob *blob);

// The memory in this process, valid until the last reference goes. Failure: NULL, also when the
// memory cannot be mapped at all. Thread-safety: Safe.
void *pv_blob_map(struct pv_blob *blob);

// Maps the first `size` bytes over `address` with MAP_FIXED. Failure: false, nothing changed:
// `size` is larger than the blob or there is no descriptor that maps. Thread-safety: Safe.
bool pv_blob_map_fixed(const struct pv_blob *blob, uint64_t size, void *address);

#endif

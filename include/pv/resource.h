// Resources: memory shared between the guest, the VMM and the host driver (virtio-gpu blobs).
#ifndef PV_RESOURCE_H
#define PV_RESOURCE_H

#include "pv/api.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pv_context;
struct pv_renderer;
struct pv_resource;

// virtio-gpu 5.7.6.8, VIRTIO_GPU_BLOB_FLAG_*.
#define PV_BLOB_MAPPABLE     (1u << 0)
#define PV_BLOB_SHAREABLE    (1u << 1)
#define PV_BLOB_CROSS_DEVICE (1u << 2)

enum pv_fd_type {
    PV_FD_NONE = 0,
    PV_FD_DMABUF = 1, // mmap at offset 0, importable by other devices
    PV_FD_OPAQUE = 2, // only the same Vulkan driver can import it; mmap is wrong
    PV_FD_SHM = 3,    // shared memory, mmap at offset 0
};

// Cache attributes for the guest's mapping; values of VIRTIO_GPU_MAP_CACHE_*.
enum pv_map_cache {
    PV_MAP_CACHE_NONE = 0, // not mappable
    PV_MAP_CACHE_CACHED = 1,
    PV_MAP_CACHE_UNCACHED = 2,
    PV_MAP_CACHE_WC = 3,
};

struct pv_blob_params {
    uint32_t resource_id; // the VMM's number, non-zero, unique among attached resources
    uint32_t flags;       // PV_BLOB_*
    uint64_t blob_id;     // 0: fresh shared memory; else the guest's id of a VkDeviceMemory
    uint64_t size;        // bytes
};

// RESOURCE_CREATE_BLOB with blob_mem HOST3D: fresh shared memory (`blob_id` 0, flags exactly
// PV_BLOB_MAPPABLE) or the memory behind a VkDeviceMemory of the context. The new resource is
// attached to `context`; the caller owns one reference. Runs after everything submitted to the
// context so far.
// Failure: NULL with a line in the log; the context goes on.
// Thread-safety: like pv_context_submit().
PV_API struct pv_resource *pv_context_create_blob(struct pv_context *context,
                                                  const struct pv_blob_params *params);

struct pv_import_params {
    uint32_t resource_id;
    enum pv_fd_type type; // PV_FD_DMABUF or PV_FD_SHM
    int fd;               // taken on success, left with the caller on failure
    uint64_t size;        // bytes; at most the size of the file
};

// A resource around memory that somebody else made. Failure: NULL with a line in the log.
// Thread-safety: Safe.
PV_API struct pv_resource *pv_resource_import(struct pv_renderer *renderer,
                                              const struct pv_import_params *params);

// Resources are counted. A mapping handed out by pv_resource_map() ends with the last reference.
// Thread-safety: Safe.
PV_API struct pv_resource *pv_resource_ref(struct pv_resource *resource);
PV_API void pv_resource_unref(struct pv_resource *resource); // NULL is allowed

PV_API uint32_t pv_resource_id(const struct pv_resource *resource);
PV_API uint64_t pv_resource_size(const struct pv_resource *resource); // bytes
PV_API enum pv_map_cache pv_resource_map_cache(const struct pv_resource *resource);

// A new file descriptor that the caller owns, and its type. Failure: -1, type PV_FD_NONE.
// Thread-safety: Safe.
PV_API int pv_resource_export_fd(struct pv_resource *resource, enum pv_fd_type *type);

// The resource's memory in this process, mapped on first use, valid until the last reference
// goes. Failure: NULL when it cannot be mapped here.
// Thread-safety: Safe.
PV_API void *pv_resource_map(struct pv_resource *resource);

// Maps the resource over [address, address + size) with MAP_FIXED; the caller unmaps it.
// Failure: false when the memory has no file that can be mapped; nothing was changed.
// Thread-safety: Safe.
PV_API bool pv_resource_map_fixed(struct pv_resource *resource, void *address);

#ifdef __cplusplus
}
#endif
#endif

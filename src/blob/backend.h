// What the mechanisms share among themselves: the inside of blobs and devices, and the
// interface that each mechanism (host_ptr.c, dmabuf.c, opaque_fd.c, mapped.c) implements.
// Private to src/blob.
#ifndef PV_BLOB_BACKEND_H
#define PV_BLOB_BACKEND_H

#include "blob/memory.h"

#include <pthread.h>
#include <stdatomic.h>

// --- Blobs ---------------------------------------------------------------------------------

struct pv_blob_ops {
    // Maps the blob in this process; called once, under the lock. NULL: mmap of `fd`.
    void *(*map)(struct pv_blob *blob);
    // Ends the mapping and frees the blob with all it holds.
    void (*destroy)(struct pv_blob *blob);
};

// Mechanisms that need more embed this as their first member.
struct pv_blob {
    const struct pv_blob_ops *ops;
    atomic_uint refs;
    enum pv_fd_type fd_type;
    int fd; // -1: none
    uint64_t size;
    enum pv_map_cache cache; // PV_MAP_CACHE_NONE: cannot be mapped
    atomic_bool shared;      // others than one context may look at it, for good

    pthread_mutex_t lock;
    void *mapping; // NULL until first use; guarded by `lock`
};

// Takes `fd`.
void pv_blob_init(struct pv_blob *blob, const struct pv_blob_ops *ops, enum pv_fd_type type, int fd,
                  uint64_t size, enum pv_map_cache cache);
// Closes the descriptor; the mapping must be gone.
void pv_blob_finish(struct pv_blob *blob);

// A blob that is nothing but a file. Takes `fd` on success. Failure: NULL.
struct pv_blob *pv_blob_create_file(enum pv_fd_type type, int fd, uint64_t size,
                                    enum pv_map_cache cache);

// Bytes that the mapping of a blob covers: `size` in whole pages.
uint64_t pv_blob_mapped_size(const struct pv_blob *blob);

// --- Devices -------------------------------------------------------------------------------

// Answers that declare.c keeps, and places in which one may lie.
#define PV_DECLARE_ENTRIES 256u
#define PV_DECLARE_PROBES  4u

struct pv_blob_device {
    struct pv_blob_device_params params;
    atomic_uint refs;
    struct pv_recycler *recycler;                                  // of freed memory; see recycle.h
    struct pv_declare_entry *_Atomic declared[PV_DECLARE_ENTRIES]; // what declare.c has asked
    atomic_bool said_shortage;                                     // in the log, once

    pthread_mutex_t lock; // guards every pv_blob_memory of the device, and `sacrifices`
    // PV_QUIRK_STICKY_IMPORT_FAILURE: something to free after a failed import, in each memory
    // type that is imported into.
    VkDeviceMemory sacrifices[VK_MAX_MEMORY_TYPES];
};

// vkAllocateMemory, and once more if a sticky import failure may be in the way.
VkResult pv_blob_device_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                 VkDeviceMemory *memory);

// Of one of the host's types.
VkMemoryPropertyFlags pv_blob_device_type_flags(const struct pv_blob_device *device,
                                                uint32_t type_index);

// Frees the answers.
void pv_declare_finish(struct pv_blob_device *device);

// Whether the guest asked for memory that it may share with others.
bool pv_blob_wants_export(const VkMemoryAllocateInfo *info);
// The device address that a guest wants again, 0: none.
uint64_t pv_blob_capture_address(const VkMemoryAllocateInfo *info);

// How a guest should map memory of a type that the driver allocated.
enum pv_map_cache pv_blob_device_map_cache(const struct pv_blob_device *device,
                                           uint32_t type_index);

// --- Mechanisms ----------------------------------------------------------------------------

enum pv_blob_backend_features {
    // allocate() leaves the storage in memory->blob; there is nothing left to export.
    PV_BLOB_STORAGE_FIRST = 1u << 0,
    // export() makes a blob of memory that was allocated without one.
    PV_BLOB_EXPORT_LATER = 1u << 1,
    // free() hands the handle to the blob: the bytes live in the VkDeviceMemory itself, or the
    // handle will be used again with the storage.
    PV_BLOB_OWNS_MEMORY = 1u << 2,
    // import() makes memory of a blob with `import_type`.
    PV_BLOB_IMPORT = 1u << 3,
};

struct pv_blob_backend {
    enum pv_memory_mechanism mechanism;
    uint32_t features; // enum pv_blob_backend_features
    enum pv_fd_type import_type;

    // Each fills memory->handle (and ->blob) on success and leaves `memory` alone on failure.
    // `size` is info->allocationSize in whole pages; `memory->size` may become larger.
    VkResult (*allocate)(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                         uint64_t size, struct pv_blob_memory *memory);
    VkResult (*import)(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                       uint64_t size, struct pv_blob *blob, struct pv_blob_memory *memory);

    // Under the device's lock. A new blob with one reference, or NULL.
    struct pv_blob *(*export)(struct pv_blob_device *device, struct pv_blob_memory *memory);
    // Under the device's lock, for PV_BLOB_OWNS_MEMORY. Takes the handle.
    void (*adopt)(struct pv_blob *blob, VkDeviceMemory handle);
};

extern const struct pv_blob_backend pv_blob_backend_host_ptr;
extern const struct pv_blob_backend pv_blob_backend_dmabuf;
extern const struct pv_blob_backend pv_blob_backend_opaque_fd;
extern const struct pv_blob_backend pv_blob_backend_mapped;

// NULL for PV_MEMORY_NONE.
const struct pv_blob_backend *pv_blob_backend_get(enum pv_memory_mechanism mechanism);
// The mechanism that imports blobs of this kind, or NULL.
const struct pv_blob_backend *pv_blob_backend_for_import(enum pv_fd_type type);

// Whether functions and features agree: a half-written mechanism shows at start.
bool pv_blob_backend_validate(const struct pv_blob_backend *backend);

#endif

// A virtio-gpu device's 3D half on libpv-venus, to be copied into a VMM.
//
// The VMM has the virtqueue; each function here is one command of it, with the fields of the
// command as arguments (virtio 1.3, section 5.7.6). What only the VMM can do is asked of it through
// struct gpu_host: put host memory where the guest sees it, and answer a command whose fence has
// retired.
//
// All functions are called by one thread, the one that reads the control queue. A function returns
// false when the command is to be answered with an error (VIRTIO_GPU_RESP_ERR_UNSPEC).
#ifndef EXAMPLE_GPU_H
#define EXAMPLE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_renderer;
struct pv_resource;

// The memory of one blob, and where in the guest's window for host memory it belongs. The VMM takes
// whichever form of it suits: `address` is its mapping in this process (hv_vm_map, a KVM memslot),
// `fd` is its file, to be mapped from offset 0 (SHMEM_MAP of vhost-user, a VMM's other process,
// mmap over a slot that is there already).
struct gpu_mapping {
    uint64_t offset; // in the window; multiple of the page size
    uint64_t size;   // bytes, whole pages
    void *address;   // NULL: this process cannot map it
    int fd;          // -1: there is no file that can be mapped; borrowed for the call
};

struct gpu_host {
    // RESOURCE_MAP_BLOB, UNMAP_BLOB: make the memory appear to the guest, and disappear. The memory
    // stays until `unmap` has returned.
    bool (*map)(void *user, const struct gpu_mapping *mapping);
    void (*unmap)(void *user, const struct gpu_mapping *mapping);

    // All commands of the context and ring whose fence is `fence_id` or older are to be answered.
    // Called from any thread, also from inside of a function of this file: a VMM posts it to the
    // thread that owns the virtqueue, with an eventfd for example.
    void (*fence_retired)(void *user, uint32_t context_id, uint32_t ring_idx, uint64_t fence_id);

    void *user;
};

struct gpu;

// Borrows the renderer, keeps `host`. Failure: NULL.
struct gpu *gpu_create(struct pv_renderer *renderer, const struct gpu_host *host);
void gpu_destroy(struct gpu *gpu); // unmaps and ends what is left; also at the device's reset

// GET_CAPSET_INFO and GET_CAPSET need no device: PV_CAPSET_* and pv_capset_fill().

bool gpu_create_context(struct gpu *gpu, uint32_t context_id, const char *name); // capset 4
void gpu_destroy_context(struct gpu *gpu, uint32_t context_id);

bool gpu_create_blob(struct gpu *gpu, uint32_t context_id, uint32_t resource_id, uint32_t flags,
                     uint64_t blob_id, uint64_t size); // HOST3D
bool gpu_attach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id);
void gpu_detach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id);
void gpu_unref(struct gpu *gpu, uint32_t resource_id);

// `map_info` is what the answer to RESOURCE_MAP_BLOB carries.
bool gpu_map_blob(struct gpu *gpu, uint32_t resource_id, uint64_t offset, uint32_t *map_info);
bool gpu_unmap_blob(struct gpu *gpu, uint32_t resource_id);

// `bytes` is a copy of the command's: the guest can change its own while they are read.
bool gpu_submit(struct gpu *gpu, uint32_t context_id, const void *bytes, size_t size);

// For a command with VIRTIO_GPU_FLAG_FENCE and INFO_RING_IDX, after it has been carried out. False:
// answer it now.
bool gpu_create_fence(struct gpu *gpu, uint32_t context_id, uint32_t ring_idx, uint64_t fence_id);

#endif

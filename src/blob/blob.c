// Counting and mapping blobs; blobs that are plain files.
#include "blob/blob.h"

#include "base/arith.h"
#include "base/os.h"
#include "blob/backend.h"

#include <assert.h>
#include <stdlib.h>

void pv_blob_init(struct pv_blob *blob, const struct pv_blob_ops *ops, enum pv_fd_type type, int fd,
                  uint64_t size, enum pv_map_cache cache)
{
    assert((fd >= 0) == (type != PV_FD_NONE));
    *blob = (struct pv_blob){.ops = ops, .fd_type = type, .fd = fd, .size = size, .cache = cache};
    atomic_init(&blob->refs, 1);
    atomic_init(&blob->shared, false);
    pthread_mutex_init(&blob->lock, NULL);
}

void pv_blob_finish(struct pv_blob *blob)
{
    pv_os_close(blob->fd);
    pthread_mutex_destroy(&blob->lock);
}

static void file_destroy(struct pv_blob *blob)
{
    pv_os_unmap(blob->mapping, blob->size);
    pv_blob_finish(blob);
    free(blob);
}

static const struct pv_blob_ops file_ops = {.destroy = file_destroy};

struct pv_blob *pv_blob_create_file(enum pv_fd_type type, int fd, uint64_t size,
                                    enum pv_map_cache cache)
{
    struct pv_blob *blob = malloc(sizeof(*blob));
    if (blob) {
        pv_blob_init(blob, &file_ops, type, fd, size, cache);
    }
    return blob;
}

struct pv_blob *pv_blob_create_shm(uint64_t size, const char *name)
{
    const int fd = pv_os_spare_fds(pv_os_shm_create(name, size), PV_FDS_SPARED_BY_RINGS);
    if (fd < 0) {
        return NULL;
    }
    struct pv_blob *blob = pv_blob_create_file(PV_FD_SHM, fd, size, PV_MAP_CACHE_CACHED);
    if (!blob) {
        pv_os_close(fd);
    }
    return blob;
}

struct pv_blob *pv_blob_import_fd(enum pv_fd_type type, int fd, uint64_t size, const char **reason)
{
    if (type != PV_FD_DMABUF && type != PV_FD_SHM) {
        *reason = "only dma-bufs and shared memory can be imported";
        return NULL;
    }
    const int64_t file_size = pv_os_fd_size(fd);
    if (file_size < 0) {
        *reason = "the descriptor has no size";
        return NULL;
    }
    if (size == 0 || size > (uint64_t)file_size) {
        *reason = "the descriptor has fewer bytes than the resource";
        return NULL;
    }
    struct pv_blob *blob = pv_blob_create_file(type, fd, size, PV_MAP_CACHE_CACHED);
    if (!blob) {
        *reason = "out of memory";
    }
    return blob;
}

struct pv_blob *pv_blob_ref(struct pv_blob *blob)
{
    const unsigned before = atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return blob;
}

void pv_blob_unref(struct pv_blob *blob)
{
    // Acquire and release: whoever destroys sees what the others did before they let go.
    if (blob && atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1) {
        blob->ops->destroy(blob);
    }
}

void pv_blob_mark_shared(struct pv_blob *blob)
{
    atomic_store(&blob->shared, true);
}

uint64_t pv_blob_size(const struct pv_blob *blob)
{
    return blob->size;
}

uint64_t pv_blob_mapped_size(const struct pv_blob *blob)
{
    uint64_t size;
    return pv_u64_align_up(blob->size, pv_os_page_size(), &size) ? size : blob->size;
}

enum pv_map_cache pv_blob_map_cache(const struct pv_blob *blob)
{
    return blob->cache;
}

enum pv_fd_type pv_blob_fd_type(const struct pv_blob *blob)
{
    return blob->fd_type;
}

int pv_blob_export_fd(const struct pv_blob *blob)
{
    return blob->fd >= 0 ? pv_os_dup(blob->fd) : -1;
}

void *pv_blob_map(struct pv_blob *blob)
{
    if (blob->cache == PV_MAP_CACHE_NONE) {
        return NULL;
    }
    pthread_mutex_lock(&blob->lock);
    if (!blob->mapping) {
        blob->mapping = blob->ops->map ? blob->ops->map(blob) : pv_os_map(blob->fd, 0, blob->size);
    }
    void *mapping = blob->mapping;
    pthread_mutex_unlock(&blob->lock);
    return mapping;
}

bool pv_blob_map_fixed(const struct pv_blob *blob, uint64_t size, void *address)
{
    if (blob->cache == PV_MAP_CACHE_NONE || size == 0 || size > pv_blob_mapped_size(blob)) {
        return false;
    }
    // An opaque fd may well accept mmap, and then show something else: lavapipe's has a header in
    // front.
    if (blob->fd_type != PV_FD_SHM && blob->fd_type != PV_FD_DMABUF) {
        return false;
    }
    return pv_os_map_fixed(blob->fd, size, address);
}

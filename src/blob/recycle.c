#include "blob/recycle.h"

#include "base/os.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

// A doubly linked list, newest last.
struct region_list {
    struct pv_region *oldest, *newest;
};

// Regions that nobody has a reference to, and their bounds.
struct shelf {
    struct region_list list;
    uint32_t count, max_count;
    uint64_t bytes, max_bytes; // of memory
    uint64_t space, max_space; // of addresses
};

struct pv_recycler {
    atomic_uint refs;
    VkDevice device;
    const struct pv_device_functions *vk;

    // A leaf, but for the driver's vkFreeMemory: an import must not outlive the device, so that
    // whoever frees one keeps close() waiting.
    pthread_mutex_t lock;
    bool closed;
    struct shelf idle, captured; // captured: allocated so that a replay can find them again
    struct region_list parked;   // freed by the guest, still mapped by it
};

static void list_add(struct region_list *list, struct pv_region *region)
{
    region->newer = NULL;
    region->older = list->newest;
    if (list->newest) {
        list->newest->newer = region;
    } else {
        list->oldest = region;
    }
    list->newest = region;
}

static void list_remove(struct region_list *list, struct pv_region *region)
{
    if (region->older) {
        region->older->newer = region->newer;
    } else {
        list->oldest = region->newer;
    }
    if (region->newer) {
        region->newer->older = region->older;
    } else {
        list->newest = region->older;
    }
    region->older = region->newer = NULL;
}

static void recycler_unref(struct pv_recycler *recycler)
{
    if (atomic_fetch_sub_explicit(&recycler->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&recycler->lock);
        free(recycler);
    }
}

// `lock` is held, so that the device is still there.
static void free_import(struct pv_recycler *recycler, struct pv_region *region)
{
    if (region->import) {
        recycler->vk->vkFreeMemory(recycler->device, region->import, NULL);
        region->import = VK_NULL_HANDLE;
    }
}

// The region is in no list and has no import: the storage goes, without any lock.
static void end_storage(struct pv_region *region)
{
    pv_os_unmap(region->base.mapping, region->base.size);
    pv_blob_finish(&region->base);
    recycler_unref(region->recycler);
    free(region);
}

static void end_storages(struct pv_region *gone)
{
    while (gone) {
        struct pv_region *next = gone->newer;
        end_storage(gone);
        gone = next;
    }
}

static struct shelf *shelf_of(struct pv_recycler *recycler, const struct pv_region_kind *kind)
{
    return kind->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT ? &recycler->captured
                                                                              : &recycler->idle;
}

static void shelf_add(struct shelf *shelf, struct pv_region *region)
{
    list_add(&shelf->list, region);
    shelf->count++;
    shelf->bytes += region->cost;
    shelf->space += region->base.size;
}

static void shelf_remove(struct shelf *shelf, struct pv_region *region)
{
    list_remove(&shelf->list, region);
    shelf->count--;
    shelf->bytes -= region->cost;
    shelf->space -= region->base.size;
}

// Takes the oldest out until the bounds hold, or all; puts them before `gone`, a chain by `newer`.
// `lock` is held.
static struct pv_region *evict(struct pv_recycler *recycler, struct shelf *shelf, bool all,
                               struct pv_region *gone)
{
    while (shelf->list.oldest &&
           (all || shelf->count > shelf->max_count || shelf->bytes > shelf->max_bytes ||
            shelf->space > shelf->max_space)) {
        struct pv_region *region = shelf->list.oldest;
        shelf_remove(shelf, region);
        free_import(recycler, region);
        region->newer = gone;
        gone = region;
    }
    return gone;
}

static struct pv_region *evict_all(struct pv_recycler *recycler)
{
    return evict(recycler, &recycler->captured, true, evict(recycler, &recycler->idle, true, NULL));
}

// What keeping a region costs. A large one whose pages were hardly touched costs hardly more than
// its addresses; of a small one it is not worth asking.
static uint64_t cost_of(const struct pv_region *region)
{
    const uint64_t size = region->base.size;
    const int64_t resident =
        size > PV_RECYCLER_MAX_BYTES / 16 ? pv_os_shm_resident(region->base.fd) : -1;
    return resident >= 0 && (uint64_t)resident < size ? (uint64_t)resident : size;
}

static bool is_reusable(struct pv_region *region)
{
    return !region->unique && !atomic_load(&region->base.shared);
}

// The last reference is gone: the guest has freed the memory and maps it no more.
static void region_destroy(struct pv_blob *base)
{
    struct pv_region *region = (struct pv_region *)base;
    struct pv_recycler *recycler = region->recycler;
    struct pv_region *gone = NULL;
    region->cost = cost_of(region);
    pthread_mutex_lock(&recycler->lock);
    const bool parked = region->import != VK_NULL_HANDLE;
    if (parked) {
        list_remove(&recycler->parked, region);
    }
    if (parked && is_reusable(region) && region->cost <= PV_RECYCLER_MAX_BYTES &&
        base->size <= PV_RECYCLER_MAX_SPACE) {
        struct shelf *shelf = shelf_of(recycler, &region->kind);
        shelf_add(shelf, region);
        gone = evict(recycler, shelf, false, NULL);
    } else {
        free_import(recycler, region);
        gone = region;
    }
    pthread_mutex_unlock(&recycler->lock);
    end_storages(gone);
}

static const struct pv_blob_ops region_ops = {.destroy = region_destroy};

struct pv_recycler *pv_recycler_create(VkDevice device, const struct pv_device_functions *vk)
{
    struct pv_recycler *recycler = calloc(1, sizeof(*recycler));
    if (recycler) {
        recycler->device = device;
        recycler->vk = vk;
        recycler->idle = (struct shelf){.max_count = PV_RECYCLER_MAX_REGIONS,
                                        .max_bytes = PV_RECYCLER_MAX_BYTES,
                                        .max_space = PV_RECYCLER_MAX_SPACE};
        recycler->captured = (struct shelf){.max_count = PV_RECYCLER_MAX_CAPTURED,
                                            .max_bytes = 4 * PV_RECYCLER_MAX_BYTES,
                                            .max_space = PV_RECYCLER_MAX_SPACE};
        atomic_init(&recycler->refs, 1);
        pthread_mutex_init(&recycler->lock, NULL);
    }
    return recycler;
}

void pv_recycler_close(struct pv_recycler *recycler)
{
    if (!recycler) {
        return;
    }
    pthread_mutex_lock(&recycler->lock);
    struct pv_region *gone = evict_all(recycler);
    while (recycler->parked.oldest) {
        struct pv_region *region = recycler->parked.oldest;
        list_remove(&recycler->parked, region);
        free_import(recycler, region);
    }
    recycler->closed = true;
    pthread_mutex_unlock(&recycler->lock);
    end_storages(gone);
    recycler_unref(recycler);
}

bool pv_recycler_flush(struct pv_recycler *recycler)
{
    pthread_mutex_lock(&recycler->lock);
    struct pv_region *gone = evict_all(recycler);
    pthread_mutex_unlock(&recycler->lock);
    end_storages(gone);
    return gone != NULL;
}

bool pv_region_size(uint64_t size, uint64_t granularity, uint64_t *rounded)
{
    uint64_t step = granularity;
    // Of larger ones the eighth is no longer small change.
    while (size <= PV_RECYCLER_MAX_BYTES && step * 2 <= size / 8) {
        step *= 2;
    }
    return pv_u64_align_up(size, step, rounded);
}

static bool same_kind(const struct pv_region_kind *a, const struct pv_region_kind *b)
{
    return a->size == b->size && a->type_index == b->type_index && a->flags == b->flags &&
           a->priority >= b->priority && a->priority <= b->priority;
}

static bool fits(const struct pv_region *region, const struct pv_region_kind *kind,
                 uint64_t capture_address)
{
    return same_kind(&region->kind, kind) &&
           (capture_address == 0 || region->capture_address == capture_address);
}

// The newest first: its pages are the likeliest to be in some cache.
static struct pv_region *find(const struct region_list *list, const struct pv_region_kind *kind,
                              uint64_t capture_address)
{
    struct pv_region *region = list->newest;
    while (region && !fits(region, kind, capture_address)) {
        region = region->older;
    }
    return region;
}

static VkDeviceMemory take_import(struct pv_region *region)
{
    const VkDeviceMemory import = region->import;
    region->import = VK_NULL_HANDLE;
    return import;
}

// False: the last reference is gone, and region_destroy() waits for the lock.
static bool try_ref(struct pv_blob *blob)
{
    unsigned refs = atomic_load(&blob->refs);
    while (refs != 0 && !atomic_compare_exchange_weak(&blob->refs, &refs, refs + 1)) {
    }
    return refs != 0;
}

// Under the lock. The guest has freed the memory, but word of the end of its mapping, which comes
// another way, is not here yet. `*soon`: it is idle in a moment.
static struct pv_region *take_parked(struct pv_recycler *recycler,
                                     const struct pv_region_kind *kind, uint64_t capture_address,
                                     VkDeviceMemory *import, bool *soon)
{
    struct pv_region *region = find(&recycler->parked, kind, capture_address);
    if (!region || !is_reusable(region)) {
        return NULL;
    }
    *soon = !try_ref(&region->base);
    if (*soon) {
        return NULL;
    }
    list_remove(&recycler->parked, region);
    *import = take_import(region);
    return region;
}

struct pv_region *pv_recycler_take(struct pv_recycler *recycler, const struct pv_region_kind *kind,
                                   uint64_t capture_address, VkDeviceMemory *import)
{
    struct pv_region *region;
    bool soon;
    do {
        soon = false;
        pthread_mutex_lock(&recycler->lock);
        struct shelf *shelf = shelf_of(recycler, kind);
        region = find(&shelf->list, kind, capture_address);
        if (region) {
            shelf_remove(shelf, region);
            *import = take_import(region);
            atomic_store_explicit(&region->base.refs, 1, memory_order_relaxed);
        } else if (capture_address) {
            region = take_parked(recycler, kind, capture_address, import, &soon);
        }
        pthread_mutex_unlock(&recycler->lock);
        if (soon) {
            sched_yield();
        }
    } while (soon);
    return region;
}

struct pv_region *pv_region_create(struct pv_recycler *recycler, const struct pv_region_kind *kind,
                                   bool unique)
{
    const int fd =
        pv_os_spare_fds(pv_os_shm_create("pv-memory", kind->size), PV_FDS_SPARED_BY_MEMORY);
    if (fd < 0) {
        return NULL;
    }
    void *mapping = pv_os_map(fd, 0, kind->size);
    struct pv_region *region = mapping ? calloc(1, sizeof(*region)) : NULL;
    if (!region) {
        const int error = errno;
        pv_os_unmap(mapping, kind->size);
        pv_os_close(fd);
        errno = error;
        return NULL;
    }
    pv_blob_init(&region->base, &region_ops, PV_FD_SHM, fd, kind->size, PV_MAP_CACHE_CACHED);
    region->base.mapping = mapping;
    region->kind = *kind;
    region->unique = unique;
    region->recycler = recycler;
    atomic_fetch_add_explicit(&recycler->refs, 1, memory_order_relaxed);
    return region;
}

static uint64_t capture_address_of(const struct pv_region *region, VkDeviceMemory import)
{
    const struct pv_recycler *recycler = region->recycler;
    const VkDeviceMemoryOpaqueCaptureAddressInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO,
        .memory = import,
    };
    if (!(region->kind.flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT) ||
        !recycler->vk->vkGetDeviceMemoryOpaqueCaptureAddress) {
        return 0;
    }
    return recycler->vk->vkGetDeviceMemoryOpaqueCaptureAddress(recycler->device, &info);
}

void pv_region_park(struct pv_region *region, VkDeviceMemory import)
{
    struct pv_recycler *recycler = region->recycler;
    region->capture_address = capture_address_of(region, import);
    pthread_mutex_lock(&recycler->lock);
    assert(!region->import && !recycler->closed);
    region->import = import;
    list_add(&recycler->parked, region);
    pthread_mutex_unlock(&recycler->lock);
}

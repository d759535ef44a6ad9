// The counted device side of memory, and the list of mechanisms.
#include "blob/device.h"

#include "base/os.h"
#include "blob/backend.h"
#include "blob/recycle.h"

#include <assert.h>
#include <stdlib.h>

static const struct pv_blob_backend *const backends[] = {
    &pv_blob_backend_host_ptr,
    &pv_blob_backend_dmabuf,
    &pv_blob_backend_opaque_fd,
    &pv_blob_backend_mapped,
};

const struct pv_blob_backend *pv_blob_backend_get(enum pv_memory_mechanism mechanism)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (backends[i]->mechanism == mechanism) {
            return backends[i];
        }
    }
    return NULL;
}

const struct pv_blob_backend *pv_blob_backend_for_import(enum pv_fd_type type)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if ((backends[i]->features & PV_BLOB_IMPORT) && backends[i]->import_type == type) {
            return backends[i];
        }
    }
    return NULL;
}

bool pv_blob_backend_validate(const struct pv_blob_backend *backend)
{
    const bool storage_first = backend->features & PV_BLOB_STORAGE_FIRST;
    const bool export_later = backend->features & PV_BLOB_EXPORT_LATER;
    const bool owns_memory = backend->features & PV_BLOB_OWNS_MEMORY;
    const bool import = backend->features & PV_BLOB_IMPORT;
    return backend->mechanism != PV_MEMORY_NONE && backend->allocate &&
           storage_first != export_later && export_later == (backend->export != NULL) &&
           owns_memory == (backend->adopt != NULL) && import == (backend->import != NULL) &&
           import == (backend->import_type != PV_FD_NONE);
}

static bool chooses(const struct pv_blob_choice *choice, enum pv_memory_mechanism mechanism)
{
    for (uint32_t i = 0; i < choice->type_count; i++) {
        if (choice->map[i] == mechanism || choice->share[i] == mechanism) {
            return true;
        }
    }
    return false;
}

uint32_t pv_blob_device_extensions(const struct pv_device_facts *facts,
                                   const struct pv_blob_choice *choice,
                                   const char *names[PV_BLOB_MAX_DEVICE_EXTENSIONS])
{
    const bool dmabuf =
        (facts->memory.dmabuf_importable || chooses(choice, PV_MEMORY_DMABUF)) &&
        pv_device_facts_find_extension(facts, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME);
    uint32_t count = 0;
    if (dmabuf || chooses(choice, PV_MEMORY_OPAQUE_FD)) {
        names[count++] = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME;
    }
    if (dmabuf) {
        names[count++] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME;
    }
    if (chooses(choice, PV_MEMORY_HOST_POINTER)) {
        names[count++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    }
    if (facts->portability_subset) {
        names[count++] = "VK_KHR_portability_subset";
    }
    assert(count <= PV_BLOB_MAX_DEVICE_EXTENSIONS);
    return count;
}

static bool is_imported_into(const struct pv_blob_choice *choice, uint32_t type)
{
    return choice->map[type] == PV_MEMORY_HOST_POINTER || choice->map[type] == PV_MEMORY_OPAQUE_FD;
}

// Allocates a page of plain memory per imported type, to be freed when an import failure sticks.
static void make_sacrifices(struct pv_blob_device *device)
{
    const struct pv_blob_device_params *params = &device->params;
    for (uint32_t guest_type = 0; guest_type < params->choice->type_count; guest_type++) {
        const uint32_t i = pv_blob_choice_host_type(params->choice, guest_type);
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = pv_os_page_size(),
            .memoryTypeIndex = i,
        };
        if (!is_imported_into(params->choice, guest_type) || device->sacrifices[i]) {
            continue;
        }
        if (params->vk->vkAllocateMemory(params->device, &info, NULL, &device->sacrifices[i]) !=
            VK_SUCCESS) {
            device->sacrifices[i] = VK_NULL_HANDLE;
        }
    }
}

// false when there were none.
static bool free_sacrifices(struct pv_blob_device *device)
{
    bool freed = false;
    for (uint32_t i = 0; i < VK_MAX_MEMORY_TYPES; i++) {
        if (device->sacrifices[i]) {
            device->params.vk->vkFreeMemory(device->params.device, device->sacrifices[i], NULL);
            device->sacrifices[i] = VK_NULL_HANDLE;
            freed = true;
        }
    }
    return freed;
}

struct pv_blob_device *pv_blob_device_create(const struct pv_blob_device_params *params)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        assert(pv_blob_backend_validate(backends[i]));
    }
    struct pv_blob_device *device = calloc(1, sizeof(*device));
    if (!device) {
        return NULL;
    }
    device->params = *params;
    atomic_init(&device->refs, 1);
    pthread_mutex_init(&device->lock, NULL);
    device->recycler = pv_recycler_create(params->device, params->vk);
    if (!device->recycler) {
        pthread_mutex_destroy(&device->lock);
        free(device);
        return NULL;
    }
    if (params->facts->quirks & PV_QUIRK_STICKY_IMPORT_FAILURE) {
        make_sacrifices(device);
    }
    return device;
}

struct pv_blob_device *pv_blob_device_ref(struct pv_blob_device *device)
{
    atomic_fetch_add_explicit(&device->refs, 1, memory_order_relaxed);
    return device;
}

void pv_blob_device_unref(struct pv_blob_device *device)
{
    if (!device || atomic_fetch_sub_explicit(&device->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    free_sacrifices(device);
    pv_recycler_close(device->recycler);
    pv_declare_finish(device);
    pthread_mutex_destroy(&device->lock);
    const struct pv_blob_device_params params = device->params;
    free(device);
    if (params.destroy) {
        params.destroy(params.user);
    }
}

static bool may_be_sticky(VkResult result)
{
    return result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY ||
           result == VK_ERROR_INVALID_EXTERNAL_HANDLE;
}

VkResult pv_blob_device_allocate(struct pv_blob_device *device, const VkMemoryAllocateInfo *info,
                                 VkDeviceMemory *memory)
{
    const struct pv_device_functions *vk = device->params.vk;
    VkDeviceMemory handle = VK_NULL_HANDLE;
    VkResult result = vk->vkAllocateMemory(device->params.device, info, NULL, &handle);
    if (may_be_sticky(result) && (device->params.facts->quirks & PV_QUIRK_STICKY_IMPORT_FAILURE)) {
        pthread_mutex_lock(&device->lock);
        if (free_sacrifices(device)) {
            result = vk->vkAllocateMemory(device->params.device, info, NULL, &handle);
            if (result != VK_SUCCESS) {
                // It was the real thing, and may stick in its turn: free once more. A page is
                // smaller than what failed, unless that was a page too.
                make_sacrifices(device);
                free_sacrifices(device);
            }
        }
        make_sacrifices(device);
        pthread_mutex_unlock(&device->lock);
    }
    if (result == VK_SUCCESS) {
        *memory = handle;
    }
    return result;
}

VkMemoryPropertyFlags pv_blob_device_type_flags(const struct pv_blob_device *device,
                                                uint32_t type_index)
{
    return device->params.facts->memory.properties.memoryTypes[type_index].propertyFlags;
}

enum pv_map_cache pv_blob_device_map_cache(const struct pv_blob_device *device, uint32_t type_index)
{
    const VkMemoryPropertyFlags flags = pv_blob_device_type_flags(device, type_index);
    const VkMemoryPropertyFlags cached =
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (!(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)) {
        return PV_MAP_CACHE_NONE;
    }
    return (flags & cached) == cached ? PV_MAP_CACHE_CACHED : PV_MAP_CACHE_WC;
}

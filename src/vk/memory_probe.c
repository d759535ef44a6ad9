// Trying memory mechanisms out: drivers advertise some that fail (lavapipe exports dma-bufs only
// where /dev/udmabuf exists), and say of none which memory types it works with.
//
// Everything happens on a temporary VkDevice with one queue and with allocations of one page.
#include "vk/memory_probe.h"

#include "base/os.h"
#include "vk/sparse_probe.h"

#include <stdlib.h>
#include <string.h>

struct probe {
    struct pv_device_facts *facts;
    const struct pv_instance_functions *instance_vk;
    VkPhysicalDevice physical_device;
    VkDevice device;
    struct pv_device_functions vk;
    uint64_t size; // of every allocation: a page, or the host pointer alignment if larger
    bool sparse;   // the queue, of family 0, binds sparse memory
    // Memory of the type that is being tried, freed after a failed import so that later
    // allocations work (PV_QUIRK_STICKY_IMPORT_FAILURE).
    VkDeviceMemory sacrifice;
};

static bool first_family_binds_sparse(const struct probe *probe)
{
    const VkQueueFlags wanted = VK_QUEUE_SPARSE_BINDING_BIT | VK_QUEUE_GRAPHICS_BIT;
    VkQueueFamilyProperties family = {0};
    uint32_t count = 1;
    probe->instance_vk->vkGetPhysicalDeviceQueueFamilyProperties(probe->physical_device, &count,
                                                                 &family);
    return count == 1 && (family.queueFlags & wanted) == wanted;
}

static const char *create_device(struct probe *probe)
{
    static const char *const wanted[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME,
        "VK_KHR_portability_subset",
    };
    const char *names[sizeof(wanted) / sizeof(wanted[0])];
    uint32_t name_count = 0;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (pv_device_facts_find_extension(probe->facts, wanted[i])) {
            names[name_count++] = wanted[i];
        }
    }
    VkPhysicalDeviceFeatures features, enabled = {0};
    probe->instance_vk->vkGetPhysicalDeviceFeatures(probe->physical_device, &features);
    probe->sparse = features.sparseBinding && first_family_binds_sparse(probe);
    enabled.sparseBinding = probe->sparse;
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = name_count,
        .ppEnabledExtensionNames = names,
        .pEnabledFeatures = &enabled,
    };
    if (probe->instance_vk->vkCreateDevice(probe->physical_device, &info, NULL, &probe->device) !=
        VK_SUCCESS) {
        probe->device = VK_NULL_HANDLE;
        return "the driver refuses to create a device";
    }
    pv_device_functions_load(&probe->vk, probe->device, probe->instance_vk->vkGetDeviceProcAddr);
    return NULL;
}

static void free_sacrifice(struct probe *probe)
{
    if (probe->sacrifice) {
        probe->vk.vkFreeMemory(probe->device, probe->sacrifice, NULL);
        probe->sacrifice = VK_NULL_HANDLE;
    }
}

static VkResult allocate(struct probe *probe, uint32_t type, const void *chain,
                         VkDeviceMemory *memory)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = chain,
        .allocationSize = probe->size,
        .memoryTypeIndex = type,
    };
    const VkResult result = probe->vk.vkAllocateMemory(probe->device, &info, NULL, memory);
    if (result != VK_SUCCESS) {
        *memory = VK_NULL_HANDLE;
        free_sacrifice(probe);
    }
    return result;
}

// Imports into memory of `type`, with something at hand to free should that fail.
static VkResult import_memory(struct probe *probe, uint32_t type, const void *chain,
                              VkDeviceMemory *memory)
{
    if (probe->facts->quirks & PV_QUIRK_STICKY_IMPORT_FAILURE) {
        allocate(probe, type, NULL, &probe->sacrifice);
    }
    const VkResult result = allocate(probe, type, chain, memory);
    free_sacrifice(probe);
    return result;
}

static VkMemoryPropertyFlags type_flags(const struct probe *probe, uint32_t type)
{
    return probe->facts->memory.properties.memoryTypes[type].propertyFlags;
}

static bool is_host_visible(const struct probe *probe, uint32_t type)
{
    return type_flags(probe, type) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
}

// Whether two mappings show the same memory, both ways. Types that are not coherent are taken
// on trust: their bytes may legitimately arrive late.
static bool shows_same_bytes(const struct probe *probe, uint32_t type, void *a, void *b)
{
    if (!(type_flags(probe, type) & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)) {
        return true;
    }
    volatile uint32_t *left = a;
    volatile uint32_t *right = b;
    const size_t last = (size_t)probe->size / sizeof(*left) - 1;
    left[0] = 0x50656172;
    right[last] = 0x56697361;
    return right[0] == 0x50656172 && left[last] == 0x56697361;
}

static bool memory_shows(struct probe *probe, uint32_t type, VkDeviceMemory memory, void *other)
{
    void *mapped = NULL;
    if (probe->vk.vkMapMemory(probe->device, memory, 0, VK_WHOLE_SIZE, 0, &mapped) != VK_SUCCESS) {
        return false;
    }
    const bool same = shows_same_bytes(probe, type, mapped, other);
    probe->vk.vkUnmapMemory(probe->device, memory);
    return same;
}

static bool create_buffer(struct probe *probe, VkExternalMemoryHandleTypeFlags handle_types,
                          VkBuffer *buffer, VkMemoryRequirements *requirements)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = handle_types,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = handle_types ? &external : NULL,
        .size = probe->size,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                 VK_BUFFER_USAGE_INDEX_BUFFER_BIT | VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
    };
    if (probe->vk.vkCreateBuffer(probe->device, &info, NULL, buffer) != VK_SUCCESS) {
        return false;
    }
    probe->vk.vkGetBufferMemoryRequirements(probe->device, *buffer, requirements);
    return true;
}

// Binds imported memory to a buffer, where the type serves buffers at all.
static bool binds(struct probe *probe, uint32_t type, VkDeviceMemory memory)
{
    VkBuffer buffer;
    VkMemoryRequirements requirements;
    const VkExternalMemoryHandleTypeFlags declared =
        probe->facts->declare.buffer_types & VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    if (!create_buffer(probe, declared, &buffer, &requirements)) {
        return false;
    }
    bool bound = true;
    if ((requirements.memoryTypeBits & (1u << type)) && requirements.size <= probe->size) {
        bound = probe->vk.vkBindBufferMemory(probe->device, buffer, memory, 0) == VK_SUCCESS;
    }
    probe->vk.vkDestroyBuffer(probe->device, buffer, NULL);
    return bound;
}

static bool try_host_pointer(struct probe *probe, uint32_t type, void *pointer)
{
    const VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = pointer,
    };
    VkDeviceMemory memory;
    if (import_memory(probe, type, &import, &memory) != VK_SUCCESS) {
        return false;
    }
    // In this order: after a successful bind the buffer is gone, the memory is still ours.
    const bool works = memory_shows(probe, type, memory, pointer) && binds(probe, type, memory);
    probe->vk.vkFreeMemory(probe->device, memory, NULL);
    return works;
}

static void probe_host_pointer(struct probe *probe)
{
    struct pv_memory_facts *memory = &probe->facts->memory;
    if (!memory->host_pointer_advertised || !probe->vk.vkGetMemoryHostPointerPropertiesEXT) {
        return;
    }
    const int fd = pv_os_shm_create("pv-probe", probe->size);
    void *pointer = fd >= 0 ? pv_os_map(fd, 0, probe->size) : NULL;
    if (pointer) {
        VkMemoryHostPointerPropertiesEXT properties = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
        };
        pv_os_populate(pointer, probe->size);
        const VkResult result = probe->vk.vkGetMemoryHostPointerPropertiesEXT(
            probe->device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, pointer,
            &properties);
        for (uint32_t i = 0; result == VK_SUCCESS && i < memory->properties.memoryTypeCount; i++) {
            if ((properties.memoryTypeBits & (1u << i)) && is_host_visible(probe, i) &&
                try_host_pointer(probe, i, pointer)) {
                memory->host_pointer_types |= 1u << i;
            }
        }
    }
    pv_os_unmap(pointer, probe->size);
    pv_os_close(fd);
}

// Exports a fresh allocation. Returns the descriptor or -1; `*memory` is freed by the caller.
static int export_page(struct probe *probe, uint32_t type,
                       VkExternalMemoryHandleTypeFlagBits handle_type, VkDeviceMemory *memory)
{
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = handle_type,
    };
    if (allocate(probe, type, &export, memory) != VK_SUCCESS) {
        return -1;
    }
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = *memory,
        .handleType = handle_type,
    };
    int fd = -1;
    const VkResult result = probe->vk.vkGetMemoryFdKHR(probe->device, &info, &fd);
    return result == VK_SUCCESS ? fd : -1;
}

static void try_dmabuf(struct probe *probe, uint32_t type)
{
    struct pv_memory_facts *facts = &probe->facts->memory;
    VkDeviceMemory memory;
    const int fd =
        export_page(probe, type, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, &memory);
    if (fd >= 0 && pv_os_fd_size(fd) >= (int64_t)probe->size) {
        facts->dmabuf_export_types |= 1u << type;
        void *mapped = is_host_visible(probe, type) ? pv_os_map(fd, 0, probe->size) : NULL;
        if (mapped && memory_shows(probe, type, memory, mapped)) {
            facts->dmabuf_map_types |= 1u << type;
        }
        pv_os_unmap(mapped, probe->size);
    }
    pv_os_close(fd);
    probe->vk.vkFreeMemory(probe->device, memory, NULL);
}

static void try_opaque_fd(struct probe *probe, uint32_t type)
{
    VkDeviceMemory memory;
    int fd = export_page(probe, type, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, &memory);
    if (fd >= 0) {
        const VkImportMemoryFdInfoKHR import = {
            .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
            .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
            .fd = fd,
        };
        VkDeviceMemory imported;
        if (import_memory(probe, type, &import, &imported) == VK_SUCCESS) {
            fd = -1; // the driver took it
            void *mapped = NULL;
            if (probe->vk.vkMapMemory(probe->device, imported, 0, VK_WHOLE_SIZE, 0, &mapped) ==
                VK_SUCCESS) {
                if (memory_shows(probe, type, memory, mapped)) {
                    probe->facts->memory.opaque_fd_types |= 1u << type;
                }
                probe->vk.vkUnmapMemory(probe->device, imported);
            }
            probe->vk.vkFreeMemory(probe->device, imported, NULL);
        }
        pv_os_close(fd);
    }
    probe->vk.vkFreeMemory(probe->device, memory, NULL);
}

static void probe_descriptors(struct probe *probe)
{
    struct pv_memory_facts *memory = &probe->facts->memory;
    if (!probe->vk.vkGetMemoryFdKHR) {
        memory->dmabuf_advertised = false;
        memory->dmabuf_importable = false;
        memory->opaque_fd_advertised = false;
        return;
    }
    for (uint32_t i = 0; i < memory->properties.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = type_flags(probe, i);
        // Protected memory needs a protected queue, lazily allocated memory has no bytes.
        if (flags & (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT)) {
            continue;
        }
        if (memory->dmabuf_advertised) {
            try_dmabuf(probe, i);
        }
        if (memory->opaque_fd_advertised && is_host_visible(probe, i)) {
            try_opaque_fd(probe, i);
        }
    }
}

static bool same_requirements(const VkMemoryRequirements *a, const VkMemoryRequirements *b)
{
    return a->memoryTypeBits == b->memoryTypeBits && a->size == b->size &&
           a->alignment == b->alignment;
}

static bool buffer_may_declare(struct probe *probe, VkExternalMemoryHandleTypeFlagBits type,
                               VkExternalMemoryHandleTypeFlags *compatible)
{
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
        .handleType = type,
    };
    VkExternalBufferProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
    };
    probe->instance_vk->vkGetPhysicalDeviceExternalBufferProperties(probe->physical_device, &info,
                                                                    &properties);
    *compatible = properties.externalMemoryProperties.compatibleHandleTypes | type;
    const VkExternalMemoryFeatureFlags features =
        properties.externalMemoryProperties.externalMemoryFeatures;
    if (!(features & (VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT |
                      VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT)) ||
        (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT)) {
        return false;
    }
    VkBuffer buffer;
    VkMemoryRequirements plain, declared;
    if (!create_buffer(probe, 0, &buffer, &plain)) {
        return false;
    }
    probe->vk.vkDestroyBuffer(probe->device, buffer, NULL);
    if (!create_buffer(probe, type, &buffer, &declared)) {
        return false;
    }
    probe->vk.vkDestroyBuffer(probe->device, buffer, NULL);
    return same_requirements(&plain, &declared);
}

// Requirements of a small colour image; false when the driver cannot make it.
static bool image_requirements(struct probe *probe, VkImageTiling tiling,
                               VkExternalMemoryHandleTypeFlags handle_types,
                               VkMemoryRequirements *requirements)
{
    const VkExternalMemoryImageCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
        .handleTypes = handle_types,
    };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .pNext = handle_types ? &external : NULL,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {64, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    VkImage image;
    if (probe->vk.vkCreateImage(probe->device, &info, NULL, &image) != VK_SUCCESS) {
        return false;
    }
    probe->vk.vkGetImageMemoryRequirements(probe->device, image, requirements);
    probe->vk.vkDestroyImage(probe->device, image, NULL);
    return true;
}

static bool image_may_declare(struct probe *probe, VkExternalMemoryHandleTypeFlagBits type,
                              VkImageTiling tiling)
{
    const VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .handleType = type,
    };
    const VkPhysicalDeviceImageFormatInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &external,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .type = VK_IMAGE_TYPE_2D,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    VkExternalImageFormatProperties external_properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &external_properties,
    };
    if (probe->instance_vk->vkGetPhysicalDeviceImageFormatProperties2(probe->physical_device, &info,
                                                                      &properties) != VK_SUCCESS ||
        (external_properties.externalMemoryProperties.externalMemoryFeatures &
         VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT)) {
        return false;
    }
    VkMemoryRequirements plain, declared;
    return image_requirements(probe, tiling, 0, &plain) &&
           image_requirements(probe, tiling, type, &declared) &&
           same_requirements(&plain, &declared);
}

static void probe_declarations(struct probe *probe)
{
    struct pv_declare_facts *declare = &probe->facts->declare;
    const struct pv_memory_facts *memory = &probe->facts->memory;
    const struct {
        VkExternalMemoryHandleTypeFlagBits type;
        VkExternalMemoryHandleTypeFlags *compatible;
        bool present;
    } candidates[] = {
        {VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
         &declare->compatible.host_allocation, memory->host_pointer_advertised},
        {VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, &declare->compatible.dma_buf,
         memory->dmabuf_advertised || memory->dmabuf_importable},
        {VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, &declare->compatible.opaque_fd,
         memory->opaque_fd_advertised},
    };
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        const VkExternalMemoryHandleTypeFlagBits type = candidates[i].type;
        if (!candidates[i].present) {
            continue;
        }
        if (buffer_may_declare(probe, type, candidates[i].compatible)) {
            declare->buffer_types |= type;
        }
        if (image_may_declare(probe, type, VK_IMAGE_TILING_LINEAR)) {
            declare->linear_image_types |= type;
        }
        if (image_may_declare(probe, type, VK_IMAGE_TILING_OPTIMAL)) {
            declare->optimal_image_types |= type;
        }
    }
}

const char *pv_memory_probe(struct pv_device_facts *facts, const struct pv_vk_instance *instance,
                            VkPhysicalDevice physical_device)
{
    struct probe probe = {
        .facts = facts,
        .instance_vk = &instance->vk,
        .physical_device = physical_device,
        .size = pv_os_page_size(),
    };
    if (facts->memory.host_pointer_alignment > probe.size) {
        probe.size = facts->memory.host_pointer_alignment;
    }
    const char *failure = create_device(&probe);
    if (failure) {
        return failure;
    }
    probe_declarations(&probe);
    probe_host_pointer(&probe);
    probe_descriptors(&probe);
    if (probe.sparse) {
        pv_sparse_probe(facts, &probe.vk, probe.device);
    }
    probe.vk.vkDestroyDevice(probe.device, NULL);
    return NULL;
}

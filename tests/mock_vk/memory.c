// Memory, buffers and images of the mock. Exportable memory lives in unlinked files, so that
// descriptors really share bytes; an opaque descriptor's bytes begin at offset 4096, as with
// lavapipe, so that whoever maps it directly sees something else.
#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPAQUE_HEADER 4096

struct memory {
    struct mock_vk_memory info;
    int fd; // -1: plain
    off_t offset;
    bool mapped;
};

static void free_memory(void *data)
{
    struct memory *memory = data;
    if (memory->fd >= 0) {
        munmap(memory->info.data, memory->info.size);
        close(memory->fd);
    } else if (!memory->info.host_pointer) {
        free(memory->info.data);
    }
    free(memory);
}

static int create_file(off_t size)
{
    char path[] = "/tmp/mock_vk.XXXXXX";
    const int fd = mkstemp(path);
    if (fd >= 0) {
        unlink(path);
        if (ftruncate(fd, size) != 0) {
            abort();
        }
    }
    return fd;
}

static bool map_file(struct memory *memory)
{
    void *data = mmap(NULL, memory->info.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd,
                      memory->offset);
    if (data == MAP_FAILED) {
        return false;
    }
    memory->info.data = data;
    return true;
}

static void read_chain(const VkMemoryAllocateInfo *info, struct mock_vk_memory *out,
                       const VkImportMemoryFdInfoKHR **import)
{
    const VkBaseInStructure *seen[32];
    size_t seen_count = 0;
    *import = NULL;
    for (const VkBaseInStructure *in = info->pNext; in; in = in->pNext) {
        for (size_t i = 0; i < seen_count; i++) {
            if (seen[i]->sType == in->sType) {
                mock_error("vkAllocateMemory: sType %d appears twice", in->sType);
            }
        }
        seen[seen_count < 31 ? seen_count++ : 31] = in;
        switch (in->sType) {
        case VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO:
            out->export_types = ((const VkExportMemoryAllocateInfo *)in)->handleTypes;
            break;
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT:
            out->import_type = ((const VkImportMemoryHostPointerInfoEXT *)in)->handleType;
            out->host_pointer = ((const VkImportMemoryHostPointerInfoEXT *)in)->pHostPointer;
            break;
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR:
            *import = (const VkImportMemoryFdInfoKHR *)in;
            out->import_type = (*import)->handleType;
            break;
        case VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO:
            out->dedicated_buffer = ((const VkMemoryDedicatedAllocateInfo *)in)->buffer;
            out->dedicated_image = ((const VkMemoryDedicatedAllocateInfo *)in)->image;
            break;
        case VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO:
            out->flags = ((const VkMemoryAllocateFlagsInfo *)in)->flags;
            break;
        case VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO:
            out->opaque_capture_address =
                ((const VkMemoryOpaqueCaptureAddressAllocateInfo *)in)->opaqueCaptureAddress;
            break;
        case VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT:
            out->priority = ((const VkMemoryPriorityAllocateInfoEXT *)in)->priority;
            break;
        default:
            mock_error("vkAllocateMemory: unexpected sType %d", in->sType);
            break;
        }
    }
}

static VkResult import_pointer(struct memory *memory)
{
    const struct mock_vk_config *config = &mock.config;
    if (!(config->host_pointer_types & (1u << memory->info.type_index))) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    if ((uintptr_t)memory->info.host_pointer % config->host_pointer_alignment != 0 ||
        memory->info.size % config->host_pointer_alignment != 0) {
        mock_error("vkAllocateMemory: a host pointer or its size is not aligned");
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    if (memory->info.dedicated_buffer || memory->info.dedicated_image) {
        mock_error("vkAllocateMemory: an imported host pointer is dedicated");
    }
    if (memory->info.opaque_capture_address) {
        mock_error("vkAllocateMemory: an imported host pointer wants a capture address");
    }
    memory->info.data = memory->info.host_pointer;
    return VK_SUCCESS;
}

// Takes the descriptor on success.
static VkResult import_descriptor(struct memory *memory, const VkImportMemoryFdInfoKHR *import)
{
    const bool opaque = import->handleType == VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    struct stat file;
    memory->offset = opaque ? OPAQUE_HEADER : 0;
    if (fstat(import->fd, &file) != 0 || file.st_size < (off_t)memory->info.size + memory->offset) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    memory->fd = import->fd;
    if (!map_file(memory)) {
        memory->fd = -1;
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    return VK_SUCCESS;
}

static VkResult make_exportable(struct memory *memory)
{
    const uint32_t bit = 1u << memory->info.type_index;
    const VkExternalMemoryHandleTypeFlags types = memory->info.export_types;
    if (((types & VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT) &&
         !(mock.config.dmabuf_types & bit)) ||
        ((types & VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT) &&
         !(mock.config.opaque_fd_types & bit))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    memory->offset = types & VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT ? OPAQUE_HEADER : 0;
    // A driver rounds to pages, so that the descriptor can be mapped.
    const off_t size = (off_t)((memory->info.size + 4095) & ~(VkDeviceSize)4095);
    memory->fd = create_file(size + memory->offset);
    return memory->fd >= 0 && map_file(memory) ? VK_SUCCESS : VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static VkResult fill_memory(struct memory *memory, const VkImportMemoryFdInfoKHR *import)
{
    if (memory->info.host_pointer) {
        return import_pointer(memory);
    }
    if (import) {
        return import_descriptor(memory, import);
    }
    if (memory->info.export_types) {
        return make_exportable(memory);
    }
    memory->info.data = calloc(1, memory->info.size);
    return memory->info.data ? VK_SUCCESS : VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static bool fails_by_stickiness(uint32_t type, VkDeviceSize size)
{
    pthread_mutex_lock(&mock.lock);
    const bool fails = mock.sticky_sizes[type] > 0 && size >= mock.sticky_sizes[type];
    pthread_mutex_unlock(&mock.lock);
    return fails;
}

static void set_sticky_size(uint32_t type, VkDeviceSize size)
{
    pthread_mutex_lock(&mock.lock);
    mock.sticky_sizes[type] = mock.config.sticky_import_failure ? size : 0;
    pthread_mutex_unlock(&mock.lock);
}

VkResult impl_vkAllocateMemory(VkDevice device, const VkMemoryAllocateInfo *pAllocateInfo,
                               const VkAllocationCallbacks *pAllocator, VkDeviceMemory *pMemory)
{
    (void)pAllocator;
    const VkPhysicalDeviceMemoryProperties *properties = &mock.config.memory;
    if (pAllocateInfo->memoryTypeIndex >= properties->memoryTypeCount ||
        pAllocateInfo->allocationSize == 0) {
        mock_error("vkAllocateMemory: no such memory type, or no size");
        return VK_ERROR_UNKNOWN;
    }
    struct memory *memory = calloc(1, sizeof(*memory));
    memory->fd = -1;
    memory->info.size = pAllocateInfo->allocationSize;
    memory->info.type_index = pAllocateInfo->memoryTypeIndex;
    memory->info.priority = -1.0f;
    const VkImportMemoryFdInfoKHR *import;
    read_chain(pAllocateInfo, &memory->info, &import);
    const uint32_t heap = properties->memoryTypes[memory->info.type_index].heapIndex;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (memory->info.size <= properties->memoryHeaps[heap].size + 65536 &&
        !fails_by_stickiness(memory->info.type_index, memory->info.size)) {
        result = fill_memory(memory, import);
        if (result != VK_SUCCESS && memory->info.import_type) {
            set_sticky_size(memory->info.type_index, memory->info.size);
        }
    }
    if (result != VK_SUCCESS) {
        if (memory->fd >= 0) {
            close(memory->fd);
        }
        free(memory);
        return result;
    }
    const uint64_t handle = mock_create(VK_OBJECT_TYPE_DEVICE_MEMORY, MOCK_HANDLE(device));
    mock_set_data(handle, memory, free_memory);
    *pMemory = (VkDeviceMemory)(uintptr_t)handle;
    return VK_SUCCESS;
}

void impl_vkFreeMemory(VkDevice device, VkDeviceMemory memory,
                       const VkAllocationCallbacks *pAllocator)
{
    (void)device;
    (void)pAllocator;
    struct memory *data = mock_data(MOCK_HANDLE(memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    if (data && data->info.host_pointer) {
        // Faults when the importer unmapped it too early.
        volatile uint8_t *byte = data->info.host_pointer;
        *byte = *byte;
    }
    if (data) {
        set_sticky_size(data->info.type_index, 0);
    }
    mock_destroy(MOCK_HANDLE(memory), VK_OBJECT_TYPE_DEVICE_MEMORY, "vkFreeMemory");
}

VkResult impl_vkMapMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                          VkDeviceSize size, VkMemoryMapFlags flags, void **ppData)
{
    (void)device;
    (void)size;
    (void)flags;
    struct memory *data = mock_data(MOCK_HANDLE(memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    if (!data) {
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    const VkMemoryPropertyFlags properties =
        mock.config.memory.memoryTypes[data->info.type_index].propertyFlags;
    if (!(properties & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)) {
        mock_error("vkMapMemory: the memory is not host visible");
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    if (data->mapped) {
        mock_error("vkMapMemory: the memory is mapped already");
    }
    data->mapped = true;
    *ppData = (char *)data->info.data + offset;
    return VK_SUCCESS;
}

void impl_vkUnmapMemory(VkDevice device, VkDeviceMemory memory)
{
    (void)device;
    struct memory *data = mock_data(MOCK_HANDLE(memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    if (data && !data->mapped) {
        mock_error("vkUnmapMemory: the memory is not mapped");
    } else if (data) {
        data->mapped = false;
    }
}

VkResult impl_vkGetMemoryFdKHR(VkDevice device, const VkMemoryGetFdInfoKHR *pGetFdInfo, int *pFd)
{
    (void)device;
    const struct memory *data =
        mock_data(MOCK_HANDLE(pGetFdInfo->memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    if (!data || !(data->info.export_types & pGetFdInfo->handleType)) {
        mock_error("vkGetMemoryFdKHR: the memory was not allocated for this");
        return VK_ERROR_TOO_MANY_OBJECTS;
    }
    *pFd = fcntl(data->fd, F_DUPFD_CLOEXEC, 0);
    return *pFd >= 0 ? VK_SUCCESS : VK_ERROR_TOO_MANY_OBJECTS;
}

VkResult impl_vkGetMemoryFdPropertiesKHR(VkDevice device,
                                         VkExternalMemoryHandleTypeFlagBits handleType, int fd,
                                         VkMemoryFdPropertiesKHR *pMemoryFdProperties)
{
    (void)device;
    if (handleType == VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT || fcntl(fd, F_GETFD) < 0) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    pMemoryFdProperties->memoryTypeBits = mock.config.dmabuf_types;
    return VK_SUCCESS;
}

VkResult impl_vkGetMemoryHostPointerPropertiesEXT(
    VkDevice device, VkExternalMemoryHandleTypeFlagBits handleType, const void *pHostPointer,
    VkMemoryHostPointerPropertiesEXT *pMemoryHostPointerProperties)
{
    (void)device;
    (void)handleType;
    if ((uintptr_t)pHostPointer % mock.config.host_pointer_alignment != 0) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    pMemoryHostPointerProperties->memoryTypeBits = mock.config.host_pointer_types;
    return VK_SUCCESS;
}

bool mock_vk_get_memory(VkDeviceMemory memory, struct mock_vk_memory *info)
{
    const struct memory *data = mock_data(MOCK_HANDLE(memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    if (data) {
        *info = data->info;
    }
    return data != NULL;
}

// --- Buffers and images --------------------------------------------------------------------

static VkMemoryRequirements requirements_of(VkDeviceSize size,
                                            VkExternalMemoryHandleTypeFlags declared)
{
    const VkDeviceSize alignment = 256;
    uint32_t bits = (1u << mock.config.memory.memoryTypeCount) - 1;
    if ((declared & VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT) &&
        mock.config.declared_type_bits) {
        bits = mock.config.declared_type_bits;
    }
    return (VkMemoryRequirements){
        .size = (size + alignment - 1) & ~(alignment - 1),
        .alignment = alignment,
        .memoryTypeBits = bits,
    };
}

static VkMemoryRequirements buffer_requirements(const VkBufferCreateInfo *info)
{
    const VkExternalMemoryBufferCreateInfo *external =
        mock_chain_find(info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    const VkExternalMemoryHandleTypeFlags declared = external ? external->handleTypes : 0;
    if (declared & ~mock.config.buffer_handle_types) {
        mock_error("vkCreateBuffer: handle types 0x%x are not supported", declared);
    }
    return requirements_of(info->size, declared);
}

static VkMemoryRequirements image_requirements(const VkImageCreateInfo *info)
{
    const VkExternalMemoryImageCreateInfo *external =
        mock_chain_find(info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    const VkExternalMemoryHandleTypeFlags declared = external ? external->handleTypes : 0;
    if (declared & ~mock.config.image_handle_types) {
        mock_error("vkCreateImage: handle types 0x%x are not supported", declared);
    }
    // Four bytes a texel and room for the mip levels.
    const VkDeviceSize texels =
        (VkDeviceSize)info->extent.width * info->extent.height * info->extent.depth;
    return requirements_of(8 * texels * info->arrayLayers, declared);
}

static uint64_t create_resource(VkDevice device, VkObjectType type,
                                const VkMemoryRequirements *requirements)
{
    const uint64_t handle = mock_create(type, MOCK_HANDLE(device));
    VkMemoryRequirements *data = malloc(sizeof(*data));
    *data = *requirements;
    mock_set_data(handle, data, NULL);
    return handle;
}

VkResult impl_vkCreateBuffer(VkDevice device, const VkBufferCreateInfo *pCreateInfo,
                             const VkAllocationCallbacks *pAllocator, VkBuffer *pBuffer)
{
    (void)pAllocator;
    const VkMemoryRequirements requirements = buffer_requirements(pCreateInfo);
    *pBuffer = (VkBuffer)(uintptr_t)create_resource(device, VK_OBJECT_TYPE_BUFFER, &requirements);
    return VK_SUCCESS;
}

VkResult impl_vkCreateImage(VkDevice device, const VkImageCreateInfo *pCreateInfo,
                            const VkAllocationCallbacks *pAllocator, VkImage *pImage)
{
    (void)pAllocator;
    const VkMemoryRequirements requirements = image_requirements(pCreateInfo);
    *pImage = (VkImage)(uintptr_t)create_resource(device, VK_OBJECT_TYPE_IMAGE, &requirements);
    return VK_SUCCESS;
}

static VkMemoryRequirements stored_requirements(uint64_t handle, VkObjectType type)
{
    const VkMemoryRequirements *data = mock_data(handle, type);
    return data ? *data : (VkMemoryRequirements){.size = 256, .alignment = 256};
}

void impl_vkGetBufferMemoryRequirements(VkDevice device, VkBuffer buffer,
                                        VkMemoryRequirements *pMemoryRequirements)
{
    (void)device;
    *pMemoryRequirements = stored_requirements(MOCK_HANDLE(buffer), VK_OBJECT_TYPE_BUFFER);
}

void impl_vkGetBufferMemoryRequirements2(VkDevice device,
                                         const VkBufferMemoryRequirementsInfo2 *pInfo,
                                         VkMemoryRequirements2 *pMemoryRequirements)
{
    impl_vkGetBufferMemoryRequirements(device, pInfo->buffer,
                                       &pMemoryRequirements->memoryRequirements);
}

void impl_vkGetImageMemoryRequirements(VkDevice device, VkImage image,
                                       VkMemoryRequirements *pMemoryRequirements)
{
    (void)device;
    *pMemoryRequirements = stored_requirements(MOCK_HANDLE(image), VK_OBJECT_TYPE_IMAGE);
}

void impl_vkGetImageMemoryRequirements2(VkDevice device,
                                        const VkImageMemoryRequirementsInfo2 *pInfo,
                                        VkMemoryRequirements2 *pMemoryRequirements)
{
    impl_vkGetImageMemoryRequirements(device, pInfo->image,
                                      &pMemoryRequirements->memoryRequirements);
}

void impl_vkGetDeviceBufferMemoryRequirements(VkDevice device,
                                              const VkDeviceBufferMemoryRequirements *pInfo,
                                              VkMemoryRequirements2 *pMemoryRequirements)
{
    (void)device;
    pMemoryRequirements->memoryRequirements = buffer_requirements(pInfo->pCreateInfo);
}

void impl_vkGetDeviceImageMemoryRequirements(VkDevice device,
                                             const VkDeviceImageMemoryRequirements *pInfo,
                                             VkMemoryRequirements2 *pMemoryRequirements)
{
    (void)device;
    pMemoryRequirements->memoryRequirements = image_requirements(pInfo->pCreateInfo);
}

VkDeviceAddress impl_vkGetBufferDeviceAddress(VkDevice device,
                                              const VkBufferDeviceAddressInfo *pInfo)
{
    (void)device;
    return MOCK_HANDLE(pInfo->buffer) << 20;
}

// An address of each memory's own, or the one that it was allocated for.
uint64_t
impl_vkGetDeviceMemoryOpaqueCaptureAddress(VkDevice device,
                                           const VkDeviceMemoryOpaqueCaptureAddressInfo *pInfo)
{
    (void)device;
    const struct memory *memory =
        mock_data(MOCK_HANDLE(pInfo->memory), VK_OBJECT_TYPE_DEVICE_MEMORY);
    return memory->info.opaque_capture_address ? memory->info.opaque_capture_address
                                               : MOCK_HANDLE(pInfo->memory) << 20;
}

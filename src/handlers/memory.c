// Device memory, and the buffers and images that must know how it was made.
#include "blob/declare.h"
#include "handlers/chain.h"
#include "handlers/dispatch.h"
#include "handlers/dmabuf.h"
#include "handlers/handlers.h"

#include <stdlib.h>

void pv_handle_vkAllocateMemory(struct pv_stream *s, struct pv_cmd_vkAllocateMemory *cmd)
{
    struct pv_context *context = s->context;
    struct pv_device *device = pv_device_of(cmd->device_obj);
    struct pv_blob_allocate_params params = {.info = cmd->pAllocateInfo};
    const VkImportMemoryResourceInfoMESA *import =
        pv_chain_find(cmd->pAllocateInfo, VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA);
    if (import) {
        struct pv_resource *resource = pv_stream_find_resource(s, import->resourceId);
        if (!resource) {
            pv_stream_fail(s, "there is no such resource to import");
            return;
        }
        params.import = resource->blob;
    }
    struct pv_memory *memory = pv_object_new(s, sizeof(*memory), VK_OBJECT_TYPE_DEVICE_MEMORY,
                                             cmd->pMemory_id, 0, cmd->device_obj);
    if (!memory) {
        return;
    }
    cmd->ret = pv_blob_memory_allocate(device->blobs, &params, &memory->memory);
    if (cmd->ret == VK_SUCCESS) {
        memory->base.handle = (uint64_t)(uintptr_t)memory->memory.handle;
        atomic_store(&memory->counted, memory->memory.size);
    } else if (pv_stream_wants_reply(s)) {
        free(memory);
        return;
    } else {
        memory->base.flags = PV_OBJECT_POISONED;
    }
    *cmd->pMemory = memory->memory.handle;
    const uint64_t size = memory->memory.size;
    struct pv_blob_memory parts = memory->memory; // publish frees the object when it fails
    if (!pv_object_publish(s, &memory->base, cmd->device_obj)) {
        pv_blob_memory_free(device->blobs, &parts);
        return;
    }
    atomic_fetch_add_explicit(&context->memory, size, memory_order_relaxed);
}

void pv_memory_end(struct pv_context *context, struct pv_memory *memory)
{
    struct pv_device *device = pv_device_of(&memory->base);
    atomic_fetch_sub_explicit(&context->memory, atomic_load(&memory->counted),
                              memory_order_relaxed);
    if (!atomic_load(&device->abandoned)) {
        pv_blob_memory_free(device->blobs, &memory->memory);
    } else {
        atomic_fetch_add(&context->host->abandoned_memory, memory->memory.size);
    }
}

void pv_handle_vkFreeMemory(struct pv_stream *s, struct pv_cmd_vkFreeMemory *cmd)
{
    pv_stream_destroy(s, cmd->memory_obj);
}

void pv_handle_vkGetMemoryResourcePropertiesMESA(
    struct pv_stream *s, struct pv_cmd_vkGetMemoryResourcePropertiesMESA *cmd)
{
    struct pv_device *device = pv_device_of(cmd->device_obj);
    struct pv_resource *resource = pv_stream_find_resource(s, cmd->resourceId);
    if (!resource) {
        pv_stream_fail(s, "there is no such resource");
        return;
    }
    VkMemoryResourcePropertiesMESA *out = cmd->pMemoryResourceProperties;
    out->memoryTypeBits = pv_blob_import_types(device->blobs, resource->blob);
    cmd->ret = out->memoryTypeBits ? VK_SUCCESS : VK_ERROR_INVALID_EXTERNAL_HANDLE;
    VkMemoryResourceAllocationSizePropertiesMESA *size =
        pv_chain_find(out, VK_STRUCTURE_TYPE_MEMORY_RESOURCE_ALLOCATION_SIZE_PROPERTIES_MESA);
    if (size) {
        size->allocationSize = resource->size;
    }
}

// -- buffers and images ----------------------------------------------------------------------

// Replaces the guest's external-memory declaration with what the driver must know.
static void declare_buffer(const struct pv_device *device, VkBufferCreateInfo *info,
                           VkExternalMemoryBufferCreateInfo *external)
{
    const VkExternalMemoryHandleTypeFlags types = pv_blob_buffer_handle_types(device->blobs, info);
    pv_chain_remove(info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    if (types) {
        *external = (VkExternalMemoryBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
            .handleTypes = types,
        };
        pv_chain_add(info, external);
    }
}

static void declare_image(const struct pv_device *device, VkImageCreateInfo *info,
                          VkExternalMemoryImageCreateInfo *external)
{
    const VkExternalMemoryHandleTypeFlags types = pv_blob_image_handle_types(device->blobs, info);
    pv_chain_remove(info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    if (types) {
        *external = (VkExternalMemoryImageCreateInfo){
            .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
            .handleTypes = types,
        };
        pv_chain_add(info, external);
    }
}

void pv_handle_vkCreateBuffer(struct pv_stream *s, struct pv_cmd_vkCreateBuffer *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    struct pv_object *buffer = pv_object_new(s, sizeof(*buffer), VK_OBJECT_TYPE_BUFFER,
                                             cmd->pBuffer_id, 0, cmd->device_obj);
    if (!buffer) {
        return;
    }
    VkBufferCreateInfo info = *cmd->pCreateInfo;
    VkExternalMemoryBufferCreateInfo external;
    declare_buffer(device, &info, &external);
    buffer->flags = info.flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT ? PV_OBJECT_SPARSE : 0;
    cmd->ret = device->vk->vkCreateBuffer(cmd->device, &info, NULL, cmd->pBuffer);
    pv_stream_created_object(s, buffer,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pBuffer : 0,
                             cmd->device_obj);
}

// A linear image whose rows do not lie as an explicit modifier demands would show a skewed picture.
static bool has_pitch(const struct pv_device *device, VkImage image, uint64_t pitch)
{
    const VkImageSubresource subresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT};
    VkSubresourceLayout layout = {0};
    device->vk->vkGetImageSubresourceLayout(device->driver->handle, image, &subresource, &layout);
    return layout.rowPitch == pitch;
}

static VkResult create_image(const struct pv_device *device, VkImageCreateInfo info, VkImage *image)
{
    uint64_t pitch = 0;
    if (!pv_dmabuf_image(device->host, &info, &pitch)) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    VkExternalMemoryImageCreateInfo external;
    declare_image(device, &info, &external);
    const VkResult result = device->vk->vkCreateImage(device->driver->handle, &info, NULL, image);
    if (result == VK_SUCCESS && pitch && !has_pitch(device, *image, pitch)) {
        device->vk->vkDestroyImage(device->driver->handle, *image, NULL);
        *image = VK_NULL_HANDLE;
        return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
    }
    return result;
}

void pv_handle_vkCreateImage(struct pv_stream *s, struct pv_cmd_vkCreateImage *cmd)
{
    struct pv_image *image = pv_image_new(s, cmd->pImage_id, cmd->pCreateInfo, cmd->device_obj);
    if (!image) {
        return;
    }
    if (cmd->pCreateInfo->flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT) {
        image->base.flags = PV_OBJECT_SPARSE;
    }
    cmd->ret = create_image(pv_device_of(cmd->device_obj), *cmd->pCreateInfo, cmd->pImage);
    pv_stream_created_object(s, &image->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pImage : 0,
                             cmd->device_obj);
}

// -- requirements -----------------------------------------------------------------------------

// Memory types as the guest numbers them.
static void show_types(const struct pv_device *device, bool sparse, VkMemoryRequirements *out)
{
    out->memoryTypeBits =
        pv_blob_choice_resource_types(&device->host->choice, out->memoryTypeBits, sparse);
}

static bool is_sparse(const struct pv_object *object)
{
    return object && atomic_load_explicit(&object->flags, memory_order_relaxed) & PV_OBJECT_SPARSE;
}

void pv_handle_vkGetBufferMemoryRequirements(struct pv_stream *s,
                                             struct pv_cmd_vkGetBufferMemoryRequirements *cmd)
{
    (void)s;
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    device->vk->vkGetBufferMemoryRequirements(cmd->device, cmd->buffer, cmd->pMemoryRequirements);
    show_types(device, is_sparse(cmd->buffer_obj), cmd->pMemoryRequirements);
}

void pv_handle_vkGetImageMemoryRequirements(struct pv_stream *s,
                                            struct pv_cmd_vkGetImageMemoryRequirements *cmd)
{
    (void)s;
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    device->vk->vkGetImageMemoryRequirements(cmd->device, cmd->image, cmd->pMemoryRequirements);
    show_types(device, is_sparse(cmd->image_obj), cmd->pMemoryRequirements);
}

void pv_handle_vkGetBufferMemoryRequirements2(struct pv_stream *s,
                                              struct pv_cmd_vkGetBufferMemoryRequirements2 *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetBufferMemoryRequirements2) {
        pv_stream_fail_missing(s);
        return;
    }
    device->vk->vkGetBufferMemoryRequirements2(cmd->device, cmd->pInfo, cmd->pMemoryRequirements);
    show_types(device, is_sparse(s->decoder.buffer), &cmd->pMemoryRequirements->memoryRequirements);
}

void pv_handle_vkGetImageMemoryRequirements2(struct pv_stream *s,
                                             struct pv_cmd_vkGetImageMemoryRequirements2 *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetImageMemoryRequirements2) {
        pv_stream_fail_missing(s);
        return;
    }
    device->vk->vkGetImageMemoryRequirements2(cmd->device, cmd->pInfo, cmd->pMemoryRequirements);
    show_types(device, is_sparse(s->decoder.image), &cmd->pMemoryRequirements->memoryRequirements);
}

// The requirements of a buffer or image that does not exist yet are those of one created as above.

void pv_handle_vkGetDeviceBufferMemoryRequirements(
    struct pv_stream *s, struct pv_cmd_vkGetDeviceBufferMemoryRequirements *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetDeviceBufferMemoryRequirements) {
        pv_stream_fail_missing(s);
        return;
    }
    VkDeviceBufferMemoryRequirements query = *cmd->pInfo;
    VkBufferCreateInfo info = *query.pCreateInfo;
    VkExternalMemoryBufferCreateInfo external;
    declare_buffer(device, &info, &external);
    query.pCreateInfo = &info;
    device->vk->vkGetDeviceBufferMemoryRequirements(cmd->device, &query, cmd->pMemoryRequirements);
    show_types(device, info.flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT,
               &cmd->pMemoryRequirements->memoryRequirements);
}

// The question about an image as it would be created; lives as long as the call.
struct image_query {
    VkDeviceImageMemoryRequirements info;
    VkImageCreateInfo image;
    VkExternalMemoryImageCreateInfo external;
};

static void image_query_init(struct image_query *query, const struct pv_device *device,
                             const VkDeviceImageMemoryRequirements *info)
{
    uint64_t pitch;
    query->info = *info;
    query->image = *info->pCreateInfo;
    query->info.pCreateInfo = &query->image;
    if (pv_dmabuf_image(device->host, &query->image, &pitch)) {
        declare_image(device, &query->image, &query->external);
    } else {
        // Creating it fails; the driver must not meet a tiling that it does not know.
        query->image.tiling = VK_IMAGE_TILING_LINEAR;
    }
}

void pv_handle_vkGetDeviceImageMemoryRequirements(
    struct pv_stream *s, struct pv_cmd_vkGetDeviceImageMemoryRequirements *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetDeviceImageMemoryRequirements) {
        pv_stream_fail_missing(s);
        return;
    }
    struct image_query query;
    image_query_init(&query, device, cmd->pInfo);
    device->vk->vkGetDeviceImageMemoryRequirements(cmd->device, &query.info,
                                                   cmd->pMemoryRequirements);
    show_types(device, query.image.flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT,
               &cmd->pMemoryRequirements->memoryRequirements);
}

void pv_handle_vkGetDeviceImageSparseMemoryRequirements(
    struct pv_stream *s, struct pv_cmd_vkGetDeviceImageSparseMemoryRequirements *cmd)
{
    const struct pv_device *device = pv_device_of(cmd->device_obj);
    if (!device->vk->vkGetDeviceImageSparseMemoryRequirements) {
        pv_stream_fail_missing(s);
        return;
    }
    struct image_query query;
    image_query_init(&query, device, cmd->pInfo);
    device->vk->vkGetDeviceImageSparseMemoryRequirements(cmd->device, &query.info,
                                                         cmd->pSparseMemoryRequirementCount,
                                                         cmd->pSparseMemoryRequirements);
}

// What a guest asks about dma-bufs is a question about what stands in for them.

void pv_handle_vkGetPhysicalDeviceExternalBufferProperties(
    struct pv_stream *s, struct pv_cmd_vkGetPhysicalDeviceExternalBufferProperties *cmd)
{
    const struct pv_physical_device *device =
        (const struct pv_physical_device *)cmd->physicalDevice_obj;
    if (!pv_dmabuf_buffer_properties(device->host, cmd->pExternalBufferInfo,
                                     cmd->pExternalBufferProperties)) {
        pv_stream_instance_functions(s)->vkGetPhysicalDeviceExternalBufferProperties(
            cmd->physicalDevice, cmd->pExternalBufferInfo, cmd->pExternalBufferProperties);
    }
}

// Copies between images and memory that the host's CPU does (VK_EXT_host_image_copy): private
// commands with the data inline.
//
// The driver touches what the region implies and trusts the pointer. So the region is checked
// against the image as it was created, and the data against the region, before the driver sees
// either. The data itself may be in memory that the guest goes on changing: it is texels, and no
// length or offset depends on it.
#include "base/arith.h"
#include "handlers/dispatch.h"
#include "handlers/handlers.h"
#include "vk/formats.h"

struct pv_image *pv_image_new(struct pv_stream *stream, uint64_t id, const VkImageCreateInfo *info,
                              struct pv_object *device)
{
    struct pv_image *image =
        pv_object_new(stream, sizeof(*image), VK_OBJECT_TYPE_IMAGE, id, 0, device);
    if (image) {
        image->format = info->format;
        image->type = info->imageType;
        image->extent = info->extent;
        image->mip_levels = info->mipLevels;
        image->array_layers = info->arrayLayers;
        image->samples = info->samples;
        image->tiling = info->tiling;
    }
    return image;
}

#ifdef VK_EXT_host_image_copy

// What the two private structures have in common.
struct region {
    const struct pv_image *image;
    VkHostImageCopyFlagsEXT flags;
    uint32_t row_length, image_height; // texels, 0: tight
    VkImageSubresourceLayers subresource;
    VkOffset3D offset;
    VkExtent3D extent;
};

static uint32_t mip_size(uint32_t size, uint32_t level, uint32_t divisor)
{
    const uint32_t divided = size / divisor + (size % divisor != 0);
    const uint32_t mip = divided >> level;
    return mip ? mip : 1;
}

static uint32_t blocks(uint32_t texels, uint32_t block)
{
    return texels / block + (texels % block != 0);
}

// One dimension of a region: inside the image and made of whole blocks, but for the image's edge.
static bool range_is_good(int32_t offset, uint32_t size, uint32_t image_size, uint32_t block)
{
    return offset >= 0 && size > 0 && (uint32_t)offset <= image_size &&
           size <= image_size - (uint32_t)offset && (uint32_t)offset % block == 0 &&
           (size % block == 0 || (uint32_t)offset + size == image_size);
}

// A pitch given by the guest: not shorter than the region, and of whole blocks. 0 is tight.
static bool pitch_is_good(uint32_t pitch, uint32_t size, uint32_t block)
{
    return pitch == 0 || (pitch >= size && pitch % block == 0);
}

static uint32_t layers_of(const struct region *region)
{
    const VkImageSubresourceLayers *subresource = &region->subresource;
    return subresource->layerCount == VK_REMAINING_ARRAY_LAYERS &&
                   subresource->baseArrayLayer < region->image->array_layers
               ? region->image->array_layers - subresource->baseArrayLayer
               : subresource->layerCount;
}

static bool subresource_is_good(const struct region *region)
{
    const VkImageSubresourceLayers *subresource = &region->subresource;
    const uint32_t layers = layers_of(region);
    return region->image->samples == VK_SAMPLE_COUNT_1_BIT &&
           subresource->mipLevel < region->image->mip_levels && layers > 0 &&
           subresource->baseArrayLayer <= region->image->array_layers &&
           layers <= region->image->array_layers - subresource->baseArrayLayer;
}

// The bytes that a copy row by row touches, see Vulkan, "Buffer and Image Addressing".
static bool size_by_rows(const struct region *region, const struct pv_format_aspect *aspect,
                         uint64_t *size)
{
    const uint32_t *block = aspect->block_extent;
    const uint64_t row =
        blocks(region->row_length ? region->row_length : region->extent.width, block[0]);
    const uint64_t slice =
        blocks(region->image_height ? region->image_height : region->extent.height, block[1]);
    const uint64_t slices = (uint64_t)layers_of(region) * blocks(region->extent.depth, block[2]);
    // The last row of the last slice ends with the region, the others with the pitch.
    uint64_t before, rows;
    return pv_u64_mul(slices - 1, slice, &before) &&
           pv_u64_add(before, blocks(region->extent.height, block[1]) - 1u, &before) &&
           pv_u64_mul(before, row, &rows) &&
           pv_u64_add(rows, blocks(region->extent.width, block[0]), &rows) &&
           pv_u64_mul(rows, aspect->block_size, size);
}

// The bytes of whole subresources in the driver's own layout.
static bool size_by_memcpy(const struct region *region, uint64_t *size)
{
    const struct pv_image *image = region->image;
    const struct pv_device *device = pv_device_of(&image->base);
    if (!device->vk->vkGetImageSubresourceLayout2) {
        return false;
    }
    *size = 0;
    for (uint32_t i = 0; i < layers_of(region); i++) {
        const VkImageSubresource2KHR subresource = {
            .sType = VK_STRUCTURE_TYPE_IMAGE_SUBRESOURCE_2_KHR,
            .imageSubresource = {region->subresource.aspectMask, region->subresource.mipLevel,
                                 region->subresource.baseArrayLayer + i},
        };
        VkSubresourceHostMemcpySizeEXT layer = {
            .sType = VK_STRUCTURE_TYPE_SUBRESOURCE_HOST_MEMCPY_SIZE_EXT,
        };
        VkSubresourceLayout2KHR layout = {
            .sType = VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2_KHR,
            .pNext = &layer,
        };
        device->vk->vkGetImageSubresourceLayout2(
            device->driver->handle, (VkImage)(uintptr_t)image->base.handle, &subresource, &layout);
        if (layer.size == 0 || !pv_u64_add(*size, layer.size, size)) {
            return false;
        }
    }
    return true;
}

static bool is_whole(const struct region *region, const uint32_t *mip)
{
    return !region->row_length && !region->image_height && region->offset.x == 0 &&
           region->offset.y == 0 && region->offset.z == 0 && region->extent.width == mip[0] &&
           region->extent.height == mip[1] && region->extent.depth == mip[2];
}

// False, and the stream failed, unless the region lies in the image and in `data_size` bytes.
static bool check_region(struct pv_stream *s, const struct region *region, uint64_t data_size)
{
    const struct pv_image *image = region->image;
    const struct pv_format_aspect *aspect =
        pv_format_find_aspect(image->format, region->subresource.aspectMask);
    if (!aspect || !subresource_is_good(region)) {
        pv_stream_fail(s, "the image has no such subresource to copy");
        return false;
    }
    const uint32_t level = region->subresource.mipLevel;
    const uint32_t *block = aspect->block_extent;
    const uint32_t mip[3] = {
        mip_size(image->extent.width, level, aspect->divisors[0]),
        mip_size(image->extent.height, level, aspect->divisors[1]),
        mip_size(image->extent.depth, level, 1),
    };
    if (!range_is_good(region->offset.x, region->extent.width, mip[0], block[0]) ||
        !range_is_good(region->offset.y, region->extent.height, mip[1], block[1]) ||
        !range_is_good(region->offset.z, region->extent.depth, mip[2], block[2]) ||
        !pitch_is_good(region->row_length, region->extent.width, block[0]) ||
        !pitch_is_good(region->image_height, region->extent.height, block[1])) {
        pv_stream_fail(s, "a region to copy does not lie in its image");
        return false;
    }
    uint64_t needed = 0;
    bool known;
    if (region->flags & VK_HOST_IMAGE_COPY_MEMCPY_EXT) {
        known = is_whole(region, mip) && size_by_memcpy(region, &needed);
    } else {
        known = size_by_rows(region, aspect, &needed);
    }
    if (!known || needed > data_size || region->flags & ~(uint32_t)VK_HOST_IMAGE_COPY_MEMCPY_EXT) {
        pv_stream_fail(s, "the data of an image copy is shorter than its region");
        return false;
    }
    return true;
}

// The one image that the command names.
static const struct pv_image *image_of(const struct pv_stream *s)
{
    return (const struct pv_image *)s->decoder.image;
}

void pv_handle_vkCopyImageToMemoryMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyImageToMemoryMESA *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    const VkCopyImageToMemoryInfoMESA *info = cmd->pCopyImageToMemoryInfo;
    const struct region region = {
        .image = image_of(s),
        .flags = info->flags,
        .row_length = info->memoryRowLength,
        .image_height = info->memoryImageHeight,
        .subresource = info->imageSubresource,
        .offset = info->imageOffset,
        .extent = info->imageExtent,
    };
    if (!vk->vkCopyImageToMemoryEXT || !region.image) {
        pv_stream_fail_missing(s);
        return;
    }
    if (!check_region(s, &region, cmd->pData_count)) {
        return;
    }
    const VkImageToMemoryCopyEXT copy = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_TO_MEMORY_COPY_EXT,
        .pHostPointer = cmd->pData,
        .memoryRowLength = info->memoryRowLength,
        .memoryImageHeight = info->memoryImageHeight,
        .imageSubresource = info->imageSubresource,
        .imageOffset = info->imageOffset,
        .imageExtent = info->imageExtent,
    };
    const VkCopyImageToMemoryInfoEXT copies = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_MEMORY_INFO_EXT,
        .flags = info->flags,
        .srcImage = info->srcImage,
        .srcImageLayout = info->srcImageLayout,
        .regionCount = 1,
        .pRegions = &copy,
    };
    cmd->ret = vk->vkCopyImageToMemoryEXT(cmd->device, &copies);
}

void pv_handle_vkCopyMemoryToImageMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyMemoryToImageMESA *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    const VkCopyMemoryToImageInfoMESA *info = cmd->pCopyMemoryToImageInfo;
    const struct pv_image *image = image_of(s);
    if (!vk->vkCopyMemoryToImageEXT || !image) {
        pv_stream_fail_missing(s);
        return;
    }
    VkMemoryToImageCopyEXT *copies =
        pv_stream_alloc(s, (uint64_t)info->regionCount + 1, sizeof(*copies));
    if (!copies) {
        return;
    }
    for (uint32_t i = 0; i < info->regionCount; i++) {
        const VkMemoryToImageCopyMESA *from = &info->pRegions[i];
        const struct region region = {
            .image = image,
            .flags = info->flags,
            .row_length = from->memoryRowLength,
            .image_height = from->memoryImageHeight,
            .subresource = from->imageSubresource,
            .offset = from->imageOffset,
            .extent = from->imageExtent,
        };
        if (!check_region(s, &region, from->pData ? from->dataSize : 0)) {
            return;
        }
        copies[i] = (VkMemoryToImageCopyEXT){
            .sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
            .pHostPointer = from->pData,
            .memoryRowLength = from->memoryRowLength,
            .memoryImageHeight = from->memoryImageHeight,
            .imageSubresource = from->imageSubresource,
            .imageOffset = from->imageOffset,
            .imageExtent = from->imageExtent,
        };
    }
    const VkCopyMemoryToImageInfoEXT all = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_EXT,
        .flags = info->flags,
        .dstImage = info->dstImage,
        .dstImageLayout = info->dstImageLayout,
        .regionCount = info->regionCount,
        .pRegions = copies,
    };
    cmd->ret = vk->vkCopyMemoryToImageEXT(cmd->device, &all);
}

#else // the extension cannot be offered

void pv_handle_vkCopyImageToMemoryMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyImageToMemoryMESA *cmd)
{
    (void)cmd;
    pv_stream_fail(s, "this build does not know host image copies");
}

void pv_handle_vkCopyMemoryToImageMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyMemoryToImageMESA *cmd)
{
    (void)cmd;
    pv_stream_fail(s, "this build does not know host image copies");
}

#endif

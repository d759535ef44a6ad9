// Images and formats for the cases.

#include "harness.h"

static const struct {
    VkFormat first, last;
    uint32_t size;
} sizes[] = {
    {VK_FORMAT_R4G4_UNORM_PACK8, VK_FORMAT_R4G4_UNORM_PACK8, 1},
    {VK_FORMAT_R4G4B4A4_UNORM_PACK16, VK_FORMAT_A1R5G5B5_UNORM_PACK16, 2},
    {VK_FORMAT_R8_UNORM, VK_FORMAT_R8_SRGB, 1},
    {VK_FORMAT_R8G8_UNORM, VK_FORMAT_R8G8_SRGB, 2},
    {VK_FORMAT_R8G8B8_UNORM, VK_FORMAT_B8G8R8_SRGB, 3},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_A2B10G10R10_SINT_PACK32, 4},
    {VK_FORMAT_R16_UNORM, VK_FORMAT_R16_SFLOAT, 2},
    {VK_FORMAT_R16G16_UNORM, VK_FORMAT_R16G16_SFLOAT, 4},
    {VK_FORMAT_R16G16B16_UNORM, VK_FORMAT_R16G16B16_SFLOAT, 6},
    {VK_FORMAT_R16G16B16A16_UNORM, VK_FORMAT_R16G16B16A16_SFLOAT, 8},
    {VK_FORMAT_R32_UINT, VK_FORMAT_R32_SFLOAT, 4},
    {VK_FORMAT_R32G32_UINT, VK_FORMAT_R32G32_SFLOAT, 8},
    {VK_FORMAT_R32G32B32_UINT, VK_FORMAT_R32G32B32_SFLOAT, 12},
    {VK_FORMAT_R32G32B32A32_UINT, VK_FORMAT_R32G32B32A32_SFLOAT, 16},
    {VK_FORMAT_R64_UINT, VK_FORMAT_R64_SFLOAT, 8},
    {VK_FORMAT_R64G64_UINT, VK_FORMAT_R64G64_SFLOAT, 16},
    {VK_FORMAT_R64G64B64_UINT, VK_FORMAT_R64G64B64_SFLOAT, 24},
    {VK_FORMAT_R64G64B64A64_UINT, VK_FORMAT_R64G64B64A64_SFLOAT, 32},
    {VK_FORMAT_B10G11R11_UFLOAT_PACK32, VK_FORMAT_E5B9G9R9_UFLOAT_PACK32, 4},
    {VK_FORMAT_D16_UNORM, VK_FORMAT_D16_UNORM, 2},
    {VK_FORMAT_X8_D24_UNORM_PACK32, VK_FORMAT_D32_SFLOAT, 4},
    {VK_FORMAT_S8_UINT, VK_FORMAT_S8_UINT, 1},
    {VK_FORMAT_A4R4G4B4_UNORM_PACK16, VK_FORMAT_A4B4G4R4_UNORM_PACK16, 2},
};

VkImageAspectFlags e2e_format_aspect(VkFormat format)
{
    switch (format) {
    case VK_FORMAT_D16_UNORM:
    case VK_FORMAT_X8_D24_UNORM_PACK32:
    case VK_FORMAT_D32_SFLOAT:
        return VK_IMAGE_ASPECT_DEPTH_BIT;
    case VK_FORMAT_S8_UINT:
        return VK_IMAGE_ASPECT_STENCIL_BIT;
    case VK_FORMAT_D16_UNORM_S8_UINT:
    case VK_FORMAT_D24_UNORM_S8_UINT:
    case VK_FORMAT_D32_SFLOAT_S8_UINT:
        return VK_IMAGE_ASPECT_DEPTH_BIT | VK_IMAGE_ASPECT_STENCIL_BIT;
    default:
        return VK_IMAGE_ASPECT_COLOR_BIT;
    }
}

uint32_t e2e_format_size(VkFormat format, VkImageAspectFlags aspect)
{
    if (aspect == VK_IMAGE_ASPECT_STENCIL_BIT) {
        return 1;
    }
    if (aspect == VK_IMAGE_ASPECT_DEPTH_BIT) {
        return format == VK_FORMAT_D16_UNORM || format == VK_FORMAT_D16_UNORM_S8_UINT ? 2 : 4;
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        if (format >= sizes[i].first && format <= sizes[i].last) {
            return sizes[i].size;
        }
    }
    return 0;
}

bool e2e_format_has(const struct e2e *t, VkFormat format, VkFormatFeatureFlags features)
{
    VkFormatProperties has;
    vkGetPhysicalDeviceFormatProperties(t->physical, format, &has);
    return (has.optimalTilingFeatures & features) == features;
}

static VkImageViewType view_type(const struct e2e_image_params *params, VkImageType type)
{
    if (params->viewed) {
        return params->view_type;
    }
    const bool array = params->layers > 1;
    switch (type) {
    case VK_IMAGE_TYPE_1D:
        return array ? VK_IMAGE_VIEW_TYPE_1D_ARRAY : VK_IMAGE_VIEW_TYPE_1D;
    case VK_IMAGE_TYPE_3D:
        return VK_IMAGE_VIEW_TYPE_3D;
    default:
        return array ? VK_IMAGE_VIEW_TYPE_2D_ARRAY : VK_IMAGE_VIEW_TYPE_2D;
    }
}

static void make_view(struct e2e *t, struct e2e_image *image, VkImageViewType type,
                      VkImageAspectFlags aspect)
{
    const VkImageViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->handle,
        .viewType = type,
        .format = image->format,
        .subresourceRange = {aspect, 0, image->levels, 0, image->layers},
    };
    OK(vkCreateImageView(t->device, &info, NULL, &image->view));
    KEEP(t, IMAGE_VIEW, image->view);
}

struct e2e_image e2e_image(struct e2e *t, const struct e2e_image_params *params)
{
    const VkImageUsageFlags viewable = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_STORAGE_BIT |
                                       VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                                       VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT |
                                       VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT;
    struct e2e_image image = {
        .format = params->format,
        .aspect = e2e_format_aspect(params->format),
        .extent = params->extent,
        .levels = params->levels ? params->levels : 1,
        .layers = params->layers ? params->layers : 1,
    };
    image.extent.height = image.extent.height ? image.extent.height : 1;
    image.extent.depth = image.extent.depth ? image.extent.depth : 1;
    const VkImageType type = params->typed            ? params->type
                             : image.extent.depth > 1 ? VK_IMAGE_TYPE_3D
                                                      : VK_IMAGE_TYPE_2D;
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .flags = params->flags,
        .imageType = type,
        .format = params->format,
        .extent = image.extent,
        .mipLevels = image.levels,
        .arrayLayers = image.layers,
        .samples = params->samples ? params->samples : VK_SAMPLE_COUNT_1_BIT,
        .tiling = params->tiling,
        .usage = params->usage,
    };
    OK(vkCreateImage(t->device, &info, NULL, &image.handle));
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(t->device, image.handle, &needs);
    image.memory = e2e_memory(t, &needs, params->memory);
    KEEP(t, IMAGE, image.handle);
    OK(vkBindImageMemory(t->device, image.handle, image.memory, 0));
    if (params->usage & viewable) {
        make_view(t, &image, view_type(params, type),
                  params->view_aspect ? params->view_aspect : image.aspect);
    }
    return image;
}

VkSampler e2e_sampler(struct e2e *t, VkFilter filter, VkSamplerAddressMode address)
{
    const VkSamplerCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = filter,
        .minFilter = filter,
        .mipmapMode = filter == VK_FILTER_LINEAR ? VK_SAMPLER_MIPMAP_MODE_LINEAR
                                                 : VK_SAMPLER_MIPMAP_MODE_NEAREST,
        .addressModeU = address,
        .addressModeV = address,
        .addressModeW = address,
        .maxLod = VK_LOD_CLAMP_NONE,
        .borderColor = VK_BORDER_COLOR_FLOAT_OPAQUE_WHITE,
    };
    VkSampler sampler = VK_NULL_HANDLE;
    OK(vkCreateSampler(t->device, &info, NULL, &sampler));
    KEEP(t, SAMPLER, sampler);
    return sampler;
}

void e2e_layout(VkCommandBuffer commands, const struct e2e_image *image, VkImageLayout from,
                VkImageLayout to)
{
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
        .oldLayout = from,
        .newLayout = to,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image->handle,
        .subresourceRange = {image->aspect, 0, image->levels, 0, image->layers},
    };
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL, 0, NULL, 1, &barrier);
}

VkExtent3D e2e_level_extent(const struct e2e_image *image, uint32_t level)
{
    const VkExtent3D full = image->extent;
    return (VkExtent3D){
        full.width >> level ? full.width >> level : 1,
        full.height >> level ? full.height >> level : 1,
        full.depth >> level ? full.depth >> level : 1,
    };
}

VkDeviceSize e2e_level_size(const struct e2e_image *image, uint32_t level,
                            VkImageAspectFlags aspect)
{
    const VkExtent3D extent = e2e_level_extent(image, level);
    return (VkDeviceSize)extent.width * extent.height * extent.depth * image->layers *
           e2e_format_size(image->format, aspect);
}

void e2e_upload(VkCommandBuffer commands, const struct e2e_image *image, uint32_t level,
                const struct e2e_buffer *from)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {image->aspect, level, 0, image->layers},
        .imageExtent = e2e_level_extent(image, level),
    };
    vkCmdCopyBufferToImage(commands, from->handle, image->handle,
                           VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
}

void e2e_download(VkCommandBuffer commands, const struct e2e_image *image, uint32_t level,
                  VkImageAspectFlags aspect, const struct e2e_buffer *to)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {aspect, level, 0, image->layers},
        .imageExtent = e2e_level_extent(image, level),
    };
    vkCmdCopyImageToBuffer(commands, image->handle, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                           to->handle, 1, &region);
}

struct e2e_buffer e2e_read(struct e2e *t, const struct e2e_image *image, uint32_t level,
                           VkImageLayout layout)
{
    const struct e2e_buffer buffer = e2e_buffer_with(
        t, NULL, e2e_level_size(image, level, image->aspect), VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    VkCommandBuffer commands = e2e_begin(t);
    const bool change = layout != VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
    if (change) {
        e2e_layout(commands, image, layout, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    } else {
        e2e_barrier(commands);
    }
    e2e_download(commands, image, level, image->aspect, &buffer);
    if (change) {
        e2e_layout(commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, layout);
    }
    e2e_run(t, commands);
    return buffer;
}

// Images: copies, clears, blits, resolves and formats. sampling.c reads them in shaders.

#include <stdlib.h>
#include <string.h>

#include "cases.h"

static const VkImageUsageFlags copies =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
static const VkImageLayout undefined = VK_IMAGE_LAYOUT_UNDEFINED;
static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

// Fills all levels with a pattern, each with its own, and leaves the image in `layout`.
static void fill_image(struct e2e *t, const struct e2e_image *image, uint32_t seed,
                       VkImageLayout layout)
{
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, image, undefined, destination);
    for (uint32_t level = 0; level < image->levels; level++) {
        const struct e2e_buffer from = e2e_buffer(t, e2e_level_size(image, level, image->aspect),
                                                  VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
        e2e_pattern_fill(from.map, from.size, seed + level);
        e2e_upload(commands, image, level, &from);
    }
    e2e_layout(commands, image, destination, layout);
    e2e_run(t, commands);
}

static void check_roundtrip(struct e2e *t, const char *label, const struct e2e_image_params *params)
{
    const struct e2e_image image = e2e_image(t, params);
    fill_image(t, &image, 17, source);
    for (uint32_t level = 0; level < image.levels; level++) {
        const struct e2e_buffer back = e2e_read(t, &image, level, source);
        e2e_pattern_check(back.map, back.size, 17 + level, label);
    }
    e2e_print("%s", label);
}

void case_image_roundtrip_formats(struct e2e *t)
{
    e2e_open(t, NULL);
    for (VkFormat format = VK_FORMAT_R4G4_UNORM_PACK8; format <= VK_FORMAT_E5B9G9R9_UFLOAT_PACK32;
         format++) {
        if (e2e_format_size(format, VK_IMAGE_ASPECT_COLOR_BIT) == 0 ||
            !e2e_format_has(t, format,
                            VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_DST_BIT)) {
            continue;
        }
        const struct e2e_image_params params = {
            .format = format, .extent = {37, 19, 1}, .usage = copies};
        const struct e2e_image image = e2e_image(t, &params);
        VkCommandBuffer commands = e2e_begin(t);
        const struct e2e_buffer from =
            e2e_buffer_with(t, NULL, e2e_level_size(&image, 0, VK_IMAGE_ASPECT_COLOR_BIT),
                            VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
        // Small positive numbers in every format, so that no float bits are special.
        for (VkDeviceSize i = 0; i < from.size; i++) {
            ((unsigned char *)from.map)[i] = (unsigned char)(i * 5 % 59);
        }
        e2e_layout(commands, &image, undefined, destination);
        e2e_upload(commands, &image, 0, &from);
        e2e_layout(commands, &image, destination, source);
        e2e_run(t, commands);
        const struct e2e_buffer back = e2e_read(t, &image, 0, source);
        CHECK(!memcmp(from.map, back.map, from.size), "format %d changed in copies", format);
        e2e_print("format %d", format);
    }
}

void case_image_roundtrip_shapes(struct e2e *t)
{
    const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
    e2e_open(t, NULL);
    check_roundtrip(
        t, "2D",
        &(struct e2e_image_params){.format = rgba, .extent = {100, 60, 1}, .usage = copies});
    check_roundtrip(
        t, "1x1", &(struct e2e_image_params){.format = rgba, .extent = {1, 1, 1}, .usage = copies});
    check_roundtrip(
        t, "2048x2048",
        &(struct e2e_image_params){.format = rgba, .extent = {2048, 2048, 1}, .usage = copies});
    check_roundtrip(t, "mip levels",
                    &(struct e2e_image_params){
                        .format = rgba, .extent = {130, 70, 1}, .levels = 8, .usage = copies});
    check_roundtrip(
        t, "array",
        &(struct e2e_image_params){
            .format = rgba, .extent = {33, 17, 1}, .levels = 3, .layers = 7, .usage = copies});
    check_roundtrip(t, "3D",
                    &(struct e2e_image_params){
                        .format = rgba, .extent = {20, 30, 40}, .levels = 4, .usage = copies});
    check_roundtrip(t, "1D",
                    &(struct e2e_image_params){.format = rgba,
                                               .extent = {1000, 1, 1},
                                               .type = VK_IMAGE_TYPE_1D,
                                               .typed = true,
                                               .layers = 3,
                                               .usage = copies});
    check_roundtrip(t, "cube",
                    &(struct e2e_image_params){.format = rgba,
                                               .extent = {32, 32, 1},
                                               .layers = 12,
                                               .levels = 2,
                                               .flags = VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT,
                                               .usage = copies});
    check_roundtrip(t, "16 bytes a texel",
                    &(struct e2e_image_params){.format = VK_FORMAT_R32G32B32A32_UINT,
                                               .extent = {50, 50, 1},
                                               .usage = copies});
}

// A part of an image, to and from a part of a buffer with rows and slices wider than needed.
void case_image_copy_with_strides(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){
                         .format = VK_FORMAT_R8G8_UNORM, .extent = {64, 48, 8}, .usage = copies});
    const VkBufferImageCopy region = {
        .bufferOffset = 100,
        .bufferRowLength = 50,
        .bufferImageHeight = 40,
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageOffset = {10, 5, 2},
        .imageExtent = {33, 21, 4},
    };
    const VkDeviceSize size = 100 + 50 * 40 * 4 * 2;
    const struct e2e_buffer from = e2e_buffer(t, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
    const struct e2e_buffer back = e2e_buffer_with(t, NULL, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    e2e_pattern_fill(from.map, size, 23);
    const VkClearColorValue zero = {.float32 = {0}};
    const VkImageSubresourceRange whole = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, undefined, destination);
    vkCmdClearColorImage(commands, image.handle, destination, &zero, 1, &whole);
    e2e_barrier(commands);
    vkCmdCopyBufferToImage(commands, from.handle, image.handle, destination, 1, &region);
    e2e_layout(commands, &image, destination, source);
    vkCmdCopyImageToBuffer(commands, image.handle, source, back.handle, 1, &region);
    e2e_run(t, commands);
    const unsigned char *a = from.map, *b = back.map;
    for (uint32_t i = 0; i < size; i++) {
        const uint32_t texel = (i - 100) / 2;
        const bool inside = i >= 100 && texel % 50 < 33 && texel / 50 % 40 < 21;
        CHECK(b[i] == (inside ? a[i] : 0), "byte %u", i);
    }
    const struct e2e_buffer all = e2e_read(t, &image, 0, source);
    e2e_digest("image", all.map, all.size);
}

void case_image_copy_image(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image_params params = {.format = VK_FORMAT_R8G8B8A8_UNORM,
                                            .extent = {64, 64, 1},
                                            .levels = 3,
                                            .layers = 4,
                                            .usage = copies};
    const struct e2e_image a = e2e_image(t, &params), b = e2e_image(t, &params);
    fill_image(t, &a, 1, source);
    fill_image(t, &b, 50, destination);
    const VkImageCopy regions[] = {
        {{VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 4},
         {0, 0, 0},
         {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 4},
         {32, 32, 0},
         {32, 32, 1}},
        {{VK_IMAGE_ASPECT_COLOR_BIT, 0, 3, 1},
         {5, 7, 0},
         {VK_IMAGE_ASPECT_COLOR_BIT, 1, 1, 1},
         {3, 4, 0},
         {20, 11, 1}},
        {{VK_IMAGE_ASPECT_COLOR_BIT, 2, 2, 1},
         {0, 0, 0},
         {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
         {1, 1, 0},
         {16, 16, 1}},
    };
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyImage(commands, a.handle, source, b.handle, destination, COUNT(regions), regions);
    e2e_layout(commands, &b, destination, source);
    e2e_run(t, commands);
    const struct e2e_buffer from = e2e_read(t, &a, 0, source);
    const struct e2e_buffer to = e2e_read(t, &b, 0, source);
    for (uint32_t y = 0; y < 32; y++) {
        CHECK(!memcmp((char *)from.map + y * 256, (char *)to.map + (y + 32) * 256 + 128, 128),
              "row %u of the first region", y);
    }
    e2e_digest("level 0", to.map, to.size);
    const struct e2e_buffer one = e2e_read(t, &b, 1, source);
    e2e_digest("level 1", one.map, one.size);
}

void case_image_copy2(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const struct e2e_image_params params = {
        .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {64, 64, 1}, .usage = copies};
    const struct e2e_image a = e2e_image(t, &params), b = e2e_image(t, &params);
    fill_image(t, &a, 1, source);
    fill_image(t, &b, 50, destination);
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCopy2 copy = {.sType = VK_STRUCTURE_TYPE_IMAGE_COPY_2,
                               .srcSubresource = layers,
                               .dstSubresource = layers,
                               .dstOffset = {8, 8, 0},
                               .extent = {16, 16, 1}};
    const VkCopyImageInfo2 copy_info = {.sType = VK_STRUCTURE_TYPE_COPY_IMAGE_INFO_2,
                                        .srcImage = a.handle,
                                        .srcImageLayout = source,
                                        .dstImage = b.handle,
                                        .dstImageLayout = destination,
                                        .regionCount = 1,
                                        .pRegions = &copy};
    const VkImageBlit2 blit = {.sType = VK_STRUCTURE_TYPE_IMAGE_BLIT_2,
                               .srcSubresource = layers,
                               .srcOffsets = {{0, 0, 0}, {64, 64, 1}},
                               .dstSubresource = layers,
                               .dstOffsets = {{32, 32, 0}, {64, 64, 1}}};
    const VkBlitImageInfo2 blit_info = {.sType = VK_STRUCTURE_TYPE_BLIT_IMAGE_INFO_2,
                                        .srcImage = a.handle,
                                        .srcImageLayout = source,
                                        .dstImage = b.handle,
                                        .dstImageLayout = destination,
                                        .regionCount = 1,
                                        .pRegions = &blit,
                                        .filter = VK_FILTER_NEAREST};
    const VkImageMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        .srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        .dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT,
        .oldLayout = destination,
        .newLayout = source,
        .image = b.handle,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    const VkDependencyInfo dependency = {.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
                                         .imageMemoryBarrierCount = 1,
                                         .pImageMemoryBarriers = &barrier};
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyImage2(commands, &copy_info);
    vkCmdBlitImage2(commands, &blit_info);
    vkCmdPipelineBarrier2(commands, &dependency);
    e2e_run(t, commands);
    const struct e2e_buffer from = e2e_read(t, &a, 0, source);
    const struct e2e_buffer to = e2e_read(t, &b, 0, source);
    CHECK(!memcmp(from.map, (char *)to.map + 8 * 256 + 32, 64), "first row of the copy");
    e2e_digest("image", to.map, to.size);
}

void case_image_blit(struct e2e *t)
{
    static const struct {
        VkFilter filter;
        VkFormat to;
        VkOffset3D from[2], at[2];
    } blits[] = {
        {VK_FILTER_NEAREST,
         VK_FORMAT_R8G8B8A8_UNORM,
         {{0, 0, 0}, {64, 64, 1}},
         {{0, 0, 0}, {100, 30, 1}}},
        {VK_FILTER_LINEAR,
         VK_FORMAT_R8G8B8A8_UNORM,
         {{0, 0, 0}, {64, 64, 1}},
         {{0, 0, 0}, {100, 30, 1}}},
        {VK_FILTER_LINEAR,
         VK_FORMAT_B8G8R8A8_UNORM,
         {{64, 0, 0}, {0, 64, 1}},
         {{10, 30, 0}, {90, 2, 1}}},
        {VK_FILTER_NEAREST,
         VK_FORMAT_R16G16B16A16_SFLOAT,
         {{8, 8, 0}, {24, 24, 1}},
         {{0, 0, 0}, {100, 30, 1}}},
        {VK_FILTER_LINEAR,
         VK_FORMAT_R8G8B8A8_SRGB,
         {{3, 5, 0}, {61, 50, 1}},
         {{7, 3, 0}, {50, 25, 1}}},
    };
    e2e_open(t, NULL);
    const struct e2e_image from = e2e_image(
        t, &(struct e2e_image_params){
               .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {64, 64, 1}, .usage = copies});
    fill_image(t, &from, 3, source);
    for (uint32_t i = 0; i < COUNT(blits); i++) {
        if (!e2e_format_has(t, blits[i].to, VK_FORMAT_FEATURE_BLIT_DST_BIT)) {
            continue;
        }
        const struct e2e_image to =
            e2e_image(t, &(struct e2e_image_params){
                             .format = blits[i].to, .extent = {100, 30, 1}, .usage = copies});
        const VkClearColorValue clear = {.float32 = {0.5f, 0.25f, 1.0f, 0.75f}};
        const VkImageSubresourceRange whole = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
        VkImageBlit region = {.srcSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                              .dstSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1}};
        memcpy(region.srcOffsets, blits[i].from, sizeof(region.srcOffsets));
        memcpy(region.dstOffsets, blits[i].at, sizeof(region.dstOffsets));
        VkCommandBuffer commands = e2e_begin(t);
        e2e_layout(commands, &to, undefined, destination);
        vkCmdClearColorImage(commands, to.handle, destination, &clear, 1, &whole);
        e2e_barrier(commands);
        vkCmdBlitImage(commands, from.handle, source, to.handle, destination, 1, &region,
                       blits[i].filter);
        e2e_layout(commands, &to, destination, source);
        e2e_run(t, commands);
        const struct e2e_buffer pixels = e2e_read(t, &to, 0, source);
        e2e_digest("blit", pixels.map, pixels.size);
    }
}

// A chain of halved levels, as textures get them.
void case_image_mip_chain(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                .extent = {256, 128, 1},
                                                .levels = 9,
                                                .usage = copies});
    const struct e2e_buffer from =
        e2e_buffer(t, 256 * 128 * 4, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
    for (uint32_t i = 0; i < 256 * 128; i++) {
        ((uint32_t *)from.map)[i] = 0xff000000u | (i * 3 & 0xffffff);
    }
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, undefined, VK_IMAGE_LAYOUT_GENERAL);
    const VkBufferImageCopy whole = {.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                                     .imageExtent = {256, 128, 1}};
    vkCmdCopyBufferToImage(commands, from.handle, image.handle, VK_IMAGE_LAYOUT_GENERAL, 1, &whole);
    for (uint32_t level = 1; level < 9; level++) {
        const VkExtent3D a = e2e_level_extent(&image, level - 1);
        const VkExtent3D b = e2e_level_extent(&image, level);
        const VkImageBlit blit = {
            .srcSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, level - 1, 0, 1},
            .srcOffsets = {{0, 0, 0}, {(int32_t)a.width, (int32_t)a.height, 1}},
            .dstSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, level, 0, 1},
            .dstOffsets = {{0, 0, 0}, {(int32_t)b.width, (int32_t)b.height, 1}},
        };
        e2e_barrier(commands);
        vkCmdBlitImage(commands, image.handle, VK_IMAGE_LAYOUT_GENERAL, image.handle,
                       VK_IMAGE_LAYOUT_GENERAL, 1, &blit, VK_FILTER_LINEAR);
    }
    e2e_run(t, commands);
    for (uint32_t level = 0; level < 9; level++) {
        const struct e2e_buffer pixels = e2e_read(t, &image, level, VK_IMAGE_LAYOUT_GENERAL);
        e2e_digest("level", pixels.map, pixels.size);
    }
}

void case_image_clear_formats(struct e2e *t)
{
    e2e_open(t, NULL);
    for (VkFormat format = VK_FORMAT_R4G4_UNORM_PACK8; format <= VK_FORMAT_E5B9G9R9_UFLOAT_PACK32;
         format++) {
        if (e2e_format_size(format, VK_IMAGE_ASPECT_COLOR_BIT) == 0 ||
            !e2e_format_has(t, format,
                            VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_DST_BIT |
                                VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT)) {
            continue;
        }
        const struct e2e_image image =
            e2e_image(t, &(struct e2e_image_params){.format = format,
                                                    .extent = {16, 16, 1},
                                                    .levels = 2,
                                                    .layers = 2,
                                                    .usage = copies});
        const VkClearColorValue clear = {.float32 = {0.25f, 0.5f, 0.75f, 1.0f}};
        const VkImageSubresourceRange ranges[] = {{VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 2},
                                                  {VK_IMAGE_ASPECT_COLOR_BIT, 1, 1, 1, 1}};
        VkCommandBuffer commands = e2e_begin(t);
        e2e_layout(commands, &image, undefined, destination);
        vkCmdClearColorImage(commands, image.handle, destination, &clear, 2, ranges);
        e2e_layout(commands, &image, destination, source);
        e2e_run(t, commands);
        const struct e2e_buffer pixels = e2e_read(t, &image, 0, source);
        const uint32_t size = e2e_format_size(format, VK_IMAGE_ASPECT_COLOR_BIT);
        CHECK(!memcmp(pixels.map, (char *)pixels.map + size, pixels.size - size),
              "format %d: texels differ from each other", format);
        e2e_print("format %d", format);
        e2e_digest("  texel", pixels.map, size);
    }
}

void case_image_depth_stencil(struct e2e *t)
{
    static const VkFormat formats[] = {VK_FORMAT_D16_UNORM,         VK_FORMAT_X8_D24_UNORM_PACK32,
                                       VK_FORMAT_D32_SFLOAT,        VK_FORMAT_S8_UINT,
                                       VK_FORMAT_D16_UNORM_S8_UINT, VK_FORMAT_D24_UNORM_S8_UINT,
                                       VK_FORMAT_D32_SFLOAT_S8_UINT};
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < COUNT(formats); i++) {
        if (!e2e_format_has(t, formats[i],
                            VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_DST_BIT)) {
            continue;
        }
        const struct e2e_image_params params = {
            .format = formats[i],
            .extent = {40, 24, 1},
            .usage = copies | VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT};
        const struct e2e_image a = e2e_image(t, &params), b = e2e_image(t, &params);
        const VkClearDepthStencilValue clear = {0.375f, 0xa5};
        const VkImageSubresourceRange range = {a.aspect, 0, 1, 0, 1};
        const VkImageCopy copy = {.srcSubresource = {a.aspect, 0, 0, 1},
                                  .dstSubresource = {a.aspect, 0, 0, 1},
                                  .extent = {40, 24, 1}};
        VkCommandBuffer commands = e2e_begin(t);
        e2e_layout(commands, &a, undefined, destination);
        e2e_layout(commands, &b, undefined, destination);
        vkCmdClearDepthStencilImage(commands, a.handle, destination, &clear, 1, &range);
        e2e_layout(commands, &a, destination, source);
        vkCmdCopyImage(commands, a.handle, source, b.handle, destination, 1, &copy);
        e2e_layout(commands, &b, destination, source);
        e2e_run(t, commands);
        e2e_print("format %d", formats[i]);
        for (uint32_t bit = 0; bit < 2; bit++) {
            const VkImageAspectFlags aspect =
                bit ? VK_IMAGE_ASPECT_STENCIL_BIT : VK_IMAGE_ASPECT_DEPTH_BIT;
            if (!(a.aspect & aspect)) {
                continue;
            }
            const struct e2e_buffer back = e2e_buffer_with(t, NULL, e2e_level_size(&b, 0, aspect),
                                                           VK_BUFFER_USAGE_TRANSFER_DST_BIT);
            commands = e2e_begin(t);
            e2e_download(commands, &b, 0, aspect, &back);
            e2e_run(t, commands);
            CHECK(bit == 0 || *(unsigned char *)back.map == 0xa5, "stencil");
            CHECK(bit == 1 || formats[i] != VK_FORMAT_D32_SFLOAT || *(float *)back.map == 0.375f,
                  "depth");
            e2e_digest(bit ? "  stencil" : "  depth", back.map,
                       e2e_format_size(formats[i], aspect));
        }
    }
}

void case_image_resolve(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image many = e2e_image(
        t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                      .extent = {64, 64, 1},
                                      .samples = VK_SAMPLE_COUNT_4_BIT,
                                      .usage = copies | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT});
    const struct e2e_image one = e2e_image(
        t, &(struct e2e_image_params){
               .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {64, 64, 1}, .usage = copies});
    const VkClearColorValue red = {.float32 = {1, 0, 0, 1}}, blue = {.float32 = {0, 0, 1, 1}};
    const VkImageSubresourceRange whole = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    const VkImageResolve region = {.srcSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                                   .srcOffset = {16, 16, 0},
                                   .dstSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                                   .dstOffset = {0, 32, 0},
                                   .extent = {32, 32, 1}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &many, undefined, destination);
    e2e_layout(commands, &one, undefined, destination);
    vkCmdClearColorImage(commands, many.handle, destination, &red, 1, &whole);
    vkCmdClearColorImage(commands, one.handle, destination, &blue, 1, &whole);
    e2e_layout(commands, &many, destination, source);
    e2e_barrier(commands);
    vkCmdResolveImage(commands, many.handle, source, one.handle, destination, 1, &region);
    e2e_layout(commands, &one, destination, source);
    e2e_run(t, commands);
    const struct e2e_buffer pixels = e2e_read(t, &one, 0, source);
    const uint32_t *pixel = pixels.map;
    for (uint32_t i = 0; i < 64 * 64; i++) {
        const bool inside = i % 64 < 32 && i / 64 >= 32;
        CHECK(pixel[i] == (inside ? 0xff0000ffu : 0xffff0000u), "pixel %u: 0x%08x", i, pixel[i]);
    }
    e2e_digest("resolved", pixels.map, pixels.size);
}

// The host writes the texels of a linear image itself, by the layout the driver tells.
void case_image_linear(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                .extent = {61, 47, 1},
                                                .tiling = VK_IMAGE_TILING_LINEAR,
                                                .usage = copies,
                                                .memory = E2E_HOST});
    const VkImageSubresource first = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0};
    VkSubresourceLayout layout;
    vkGetImageSubresourceLayout(t->device, image.handle, &first, &layout);
    CHECK(layout.rowPitch >= 61 * 4, "row pitch %llu", (unsigned long long)layout.rowPitch);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    e2e_run(t, commands);
    char *map = NULL;
    OK(vkMapMemory(t->device, image.memory, 0, VK_WHOLE_SIZE, 0, (void **)&map));
    for (uint32_t y = 0; y < 47; y++) {
        e2e_pattern_fill(map + layout.offset + y * layout.rowPitch, 61 * 4, y);
    }
    const struct e2e_buffer pixels = e2e_read(t, &image, 0, VK_IMAGE_LAYOUT_GENERAL);
    for (uint32_t y = 0; y < 47; y++) {
        e2e_pattern_check((char *)pixels.map + y * 61 * 4, 61 * 4, y, "row");
    }
    e2e_digest("image", pixels.map, pixels.size);
    e2e_print("row pitch %llu, size %llu", (unsigned long long)layout.rowPitch,
              (unsigned long long)layout.size);
}

// Block-compressed data goes through copies unchanged.
void case_image_compressed(struct e2e *t)
{
    static const struct {
        VkFormat format;
        uint32_t block;
    } formats[] = {{VK_FORMAT_BC1_RGB_UNORM_BLOCK, 8},
                   {VK_FORMAT_BC3_UNORM_BLOCK, 16},
                   {VK_FORMAT_BC7_UNORM_BLOCK, 16},
                   {VK_FORMAT_ETC2_R8G8B8_UNORM_BLOCK, 8},
                   {VK_FORMAT_ASTC_4x4_UNORM_BLOCK, 16}};
    e2e_open(t, NULL);
    uint32_t found = 0;
    for (uint32_t i = 0; i < COUNT(formats); i++) {
        if (!e2e_format_has(t, formats[i].format,
                            VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_DST_BIT |
                                VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT)) {
            continue;
        }
        found++;
        const VkDeviceSize size = 15 * 11 * formats[i].block; // 58x42 in blocks of 4x4
        const struct e2e_image image =
            e2e_image(t, &(struct e2e_image_params){
                             .format = formats[i].format, .extent = {58, 42, 1}, .usage = copies});
        const struct e2e_buffer from =
            e2e_buffer(t, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
        const struct e2e_buffer back =
            e2e_buffer_with(t, NULL, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
        e2e_pattern_fill(from.map, size, i);
        VkCommandBuffer commands = e2e_begin(t);
        e2e_layout(commands, &image, undefined, destination);
        e2e_upload(commands, &image, 0, &from);
        e2e_layout(commands, &image, destination, source);
        e2e_download(commands, &image, 0, VK_IMAGE_ASPECT_COLOR_BIT, &back);
        e2e_run(t, commands);
        e2e_pattern_check(back.map, size, i, "blocks");
        e2e_print("format %d", formats[i].format);
    }
    if (!found) {
        e2e_skip("no compressed formats");
    }
}

void case_image_many(struct e2e *t)
{
    enum { LIVE = 500 };
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < LIVE; i++) {
        const struct e2e_image image =
            e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                    .extent = {1 + i % 40, 1 + i % 33, 1},
                                                    .usage = copies | VK_IMAGE_USAGE_SAMPLED_BIT});
        if (i % 100 == 0) {
            fill_image(t, &image, i, source);
            const struct e2e_buffer pixels = e2e_read(t, &image, 0, source);
            e2e_pattern_check(pixels.map, pixels.size, i, "image");
        }
    }
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {64, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = copies,
    };
    for (uint32_t i = 0; i < 10000; i++) {
        VkImage image = VK_NULL_HANDLE;
        OK(vkCreateImage(t->device, &info, NULL, &image));
        vkDestroyImage(t->device, image, NULL);
    }
    e2e_print("%d live, 10000 in passing", LIVE);
}

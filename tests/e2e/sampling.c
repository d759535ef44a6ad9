// What shaders see of images: samplers, views, shapes.

#include <string.h>

#include "cases.h"
#include "shaders.h"

static const VkImageLayout read_only = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;

// An image with a pattern in its first level, and in smaller ones if it has some; ready to sample.
static struct e2e_image sampled_image(struct e2e *t, struct e2e_image_params params)
{
    params.usage |= VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    const struct e2e_image image = e2e_image(t, &params);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    for (uint32_t level = 0; level < image.levels; level++) {
        const struct e2e_buffer from = e2e_buffer(t, e2e_level_size(&image, level, image.aspect),
                                                  VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
        e2e_pattern_fill(from.map, from.size, 31 + level);
        e2e_upload(commands, &image, level, &from);
    }
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, read_only);
    e2e_run(t, commands);
    return image;
}

// Runs one of the sample_* shaders and prints the digest of what it saw.
static struct e2e_buffer sample(struct e2e *t, const char *label, struct e2e_code code,
                                VkImageView view, VkSampler sampler, float level,
                                const uint32_t groups[3], uint32_t texels)
{
    const struct e2e_buffer result =
        e2e_buffer_with(t, NULL, texels * 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding bindings[] = {e2e_bind_sampled(view, sampler),
                                           e2e_bind_storage(&result)};
    const struct e2e_set set = e2e_set(t, bindings, 2, VK_SHADER_STAGE_COMPUTE_BIT, 4);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, code, set.layout, NULL), &set);
    vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &level);
    vkCmdDispatch(commands, groups[0], groups[1], groups[2]);
    e2e_run(t, commands);
    e2e_digest(label, result.map, result.size);
    return result;
}

void case_sampling_samplers(struct e2e *t)
{
    static const struct {
        const char *label;
        VkFilter filter;
        VkSamplerAddressMode address;
        float level;
    } kinds[] = {
        {"nearest, repeat", VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT, 0},
        {"linear, repeat", VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT, 0},
        {"linear, mirror", VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_MIRRORED_REPEAT, 0},
        {"nearest, edge", VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE, 0},
        {"linear, border", VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER, 0},
        {"level 2", VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT, 2},
        {"level 1.5", VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT, 1.5f},
    };
    const uint32_t groups[3] = {4, 4, 1};
    e2e_open(t, NULL);
    const struct e2e_image image = sampled_image(
        t, (struct e2e_image_params){
               .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {32, 32, 1}, .levels = 6});
    for (uint32_t i = 0; i < COUNT(kinds); i++) {
        const VkSampler sampler = e2e_sampler(t, kinds[i].filter, kinds[i].address);
        const struct e2e_buffer seen = sample(t, kinds[i].label, CODE(sample_2d_comp), image.view,
                                              sampler, kinds[i].level, groups, 32 * 32);
        const float *corner = seen.map;
        const bool border = kinds[i].address == VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER;
        CHECK(!border || (corner[0] == 1 && corner[3] == 1), "no white border");
    }
}

void case_sampling_formats(struct e2e *t)
{
    static const VkFormat formats[] = {VK_FORMAT_R8_UNORM,
                                       VK_FORMAT_R8G8_UNORM,
                                       VK_FORMAT_R8G8B8A8_SRGB,
                                       VK_FORMAT_B8G8R8A8_UNORM,
                                       VK_FORMAT_R5G6B5_UNORM_PACK16,
                                       VK_FORMAT_A1R5G5B5_UNORM_PACK16,
                                       VK_FORMAT_A2B10G10R10_UNORM_PACK32,
                                       VK_FORMAT_R16_UNORM,
                                       VK_FORMAT_R8G8B8A8_SNORM};
    const uint32_t groups[3] = {4, 4, 1};
    e2e_open(t, NULL);
    const VkSampler sampler = e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT);
    for (uint32_t i = 0; i < COUNT(formats); i++) {
        if (!e2e_format_has(t, formats[i],
                            VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT |
                                VK_FORMAT_FEATURE_TRANSFER_DST_BIT)) {
            continue;
        }
        const struct e2e_image image = sampled_image(
            t, (struct e2e_image_params){.format = formats[i], .extent = {32, 32, 1}});
        e2e_print("format %d", formats[i]);
        sample(t, "  seen", CODE(sample_2d_comp), image.view, sampler, 0, groups, 32 * 32);
    }
}

void case_sampling_cube(struct e2e *t)
{
    const uint32_t groups[3] = {2, 2, 6};
    e2e_open(t, NULL);
    const struct e2e_image image =
        sampled_image(t, (struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                   .extent = {16, 16, 1},
                                                   .layers = 6,
                                                   .flags = VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT,
                                                   .view_type = VK_IMAGE_VIEW_TYPE_CUBE,
                                                   .viewed = true});
    const VkSampler sampler =
        e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE);
    const struct e2e_buffer seen =
        sample(t, "cube", CODE(sample_cube_comp), image.view, sampler, 0, groups, 16 * 16 * 6);
    // With one sample per texel the faces come back as they were written.
    unsigned char pattern[16 * 16 * 6 * 4];
    e2e_pattern_fill(pattern, sizeof(pattern), 31);
    for (uint32_t i = 0; i < sizeof(pattern); i++) {
        const float f = ((const float *)seen.map)[i] * 255.0f + 0.5f;
        CHECK((unsigned char)f == pattern[i], "face %u, value %u", i / 1024, i % 1024);
    }
}

void case_sampling_3d(struct e2e *t)
{
    const uint32_t groups[3] = {4, 4, 4};
    e2e_open(t, NULL);
    const struct e2e_image image = sampled_image(
        t, (struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {16, 16, 16}});
    const VkSampler linear = e2e_sampler(t, VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT);
    sample(t, "3D, linear", CODE(sample_3d_comp), image.view, linear, 0, groups, 16 * 16 * 16);
}

void case_sampling_array(struct e2e *t)
{
    const uint32_t groups[3] = {2, 2, 9};
    e2e_open(t, NULL);
    const struct e2e_image image = sampled_image(
        t, (struct e2e_image_params){
               .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = {16, 16, 1}, .layers = 9});
    const VkSampler nearest = e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT);
    sample(t, "array", CODE(sample_array_comp), image.view, nearest, 0, groups, 16 * 16 * 9);
}

// Views that swizzle, that look at a part, and that read another format.
void case_sampling_views(struct e2e *t)
{
    const uint32_t groups[3] = {4, 4, 1}, small[3] = {2, 2, 1};
    e2e_open(t, NULL);
    const struct e2e_image image =
        sampled_image(t, (struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                   .extent = {32, 32, 1},
                                                   .levels = 4,
                                                   .layers = 3,
                                                   .flags = VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT});
    const VkSampler nearest = e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT);
    VkImageViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image.handle,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .components = {VK_COMPONENT_SWIZZLE_B, VK_COMPONENT_SWIZZLE_ONE, VK_COMPONENT_SWIZZLE_R,
                       VK_COMPONENT_SWIZZLE_ZERO},
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 1, 1},
    };
    VkImageView view = VK_NULL_HANDLE;
    OK(vkCreateImageView(t->device, &info, NULL, &view));
    KEEP(t, IMAGE_VIEW, view);
    const struct e2e_buffer seen =
        sample(t, "swizzled, layer 1", CODE(sample_2d_comp), view, nearest, 0, groups, 32 * 32);
    CHECK(((const float *)seen.map)[1] == 1 && ((const float *)seen.map)[3] == 0, "swizzle");

    info.components = (VkComponentMapping){0, 0, 0, 0};
    info.subresourceRange = (VkImageSubresourceRange){VK_IMAGE_ASPECT_COLOR_BIT, 2, 2, 2, 1};
    OK(vkCreateImageView(t->device, &info, NULL, &view));
    KEEP(t, IMAGE_VIEW, view);
    sample(t, "levels 2 and 3 of layer 2", CODE(sample_2d_comp), view, nearest, 1, groups, 32 * 32);

    info.format = VK_FORMAT_R32_UINT;
    info.subresourceRange = (VkImageSubresourceRange){VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    OK(vkCreateImageView(t->device, &info, NULL, &view));
    KEEP(t, IMAGE_VIEW, view);
    const struct e2e_buffer words =
        sample(t, "as 32-bit words", CODE(sample_uint_comp), view, nearest, 0, small, 16 * 16);
    uint32_t pattern[32];
    e2e_pattern_fill(pattern, sizeof(pattern), 31);
    CHECK(((const uint32_t *)words.map)[3 * 4] == pattern[3], "word 3");
}

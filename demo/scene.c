#include "scene.h"

#include <stdlib.h>

#include "mesh.h"

static void geometry_init(struct demo_scene *scene)
{
    struct demo_mesh mesh;
    demo_mesh_knot(&mesh, 480, 32);
    scene->knot_index_count = mesh.index_count;
    demo_buffer_upload(scene->device, &scene->knot_vertices, mesh.vertices,
                       mesh.vertex_count * sizeof(*mesh.vertices),
                       VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    demo_buffer_upload(scene->device, &scene->knot_indices, mesh.indices,
                       mesh.index_count * sizeof(*mesh.indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    demo_mesh_finish(&mesh);

    demo_mesh_floor(&mesh, 60.0f);
    scene->floor_index_count = mesh.index_count;
    demo_buffer_upload(scene->device, &scene->floor_vertices, mesh.vertices,
                       mesh.vertex_count * sizeof(*mesh.vertices),
                       VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    demo_buffer_upload(scene->device, &scene->floor_indices, mesh.indices,
                       mesh.index_count * sizeof(*mesh.indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    demo_mesh_finish(&mesh);
}

// A number from 0 to 1 out of a counter; the same on every machine.
static float scatter(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

static void particles_init(struct demo_scene *scene)
{
    const size_t size = DEMO_PARTICLES * 8 * sizeof(float);
    float *particle = malloc(size);
    if (!particle) {
        demo_check(VK_ERROR_OUT_OF_HOST_MEMORY, "malloc");
        return;
    }
    uint32_t state = 7;
    for (uint32_t i = 0; i < DEMO_PARTICLES; i++) {
        const float angle = 6.2831853f * scatter(&state), radius = 2.2f + 1.6f * scatter(&state);
        const float bright = scatter(&state);
        float *p = particle + i * 8;
        p[0] = radius * cosf(angle);
        p[1] = 0.4f + 2.6f * scatter(&state);
        p[2] = radius * sinf(angle);
        p[3] = 0.010f + 0.030f * bright * bright * bright;
        p[4] = -sinf(angle);
        p[5] = 0.6f * (scatter(&state) - 0.5f);
        p[6] = cosf(angle);
        p[7] = scatter(&state) < 0.6f ? 0.0f : 1.0f;
    }
    demo_buffer_upload(scene->device, &scene->particles, particle, size,
                       VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    free(particle);
}

static void uniforms_init(struct demo_scene *scene)
{
    const VkDeviceSize align = scene->device->properties.limits.minUniformBufferOffsetAlignment - 1;
    scene->uniforms_stride = (sizeof(struct demo_uniforms) + align) & ~align;
    demo_buffer_init(scene->device, &scene->uniforms, scene->uniforms_stride * DEMO_SLOTS,
                     VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
}

static void textures_init(struct demo_scene *scene)
{
    static const VkFormat depth_formats[] = {VK_FORMAT_D32_SFLOAT, VK_FORMAT_D16_UNORM};
    const VkFormat depth = demo_choose_format(scene->device, depth_formats, 2,
                                              VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT |
                                                  VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT);
    const VkExtent2D extent = scene->extent;
    const VkExtent2D quarter = {(extent.width + 3) / 4, (extent.height + 3) / 4};
    const struct {
        struct demo_texture *texture;
        struct demo_texture_params params;
    } list[] = {
        {&scene->stone,
         {.format = VK_FORMAT_R8G8B8A8_UNORM,
          .extent = {DEMO_STONE_SIZE, DEMO_STONE_SIZE},
          .levels = 10,
          .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_SAMPLED_BIT |
                   VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT}},
        {&scene->shadow,
         {.format = depth,
          .extent = {DEMO_SHADOW_SIZE, DEMO_SHADOW_SIZE},
          .usage = VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT,
          .aspect = VK_IMAGE_ASPECT_DEPTH_BIT}},
        {&scene->colour,
         {.format = VK_FORMAT_R16G16B16A16_SFLOAT,
          .extent = extent,
          .samples = VK_SAMPLE_COUNT_4_BIT,
          .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT}},
        {&scene->depth,
         {.format = depth,
          .extent = extent,
          .samples = VK_SAMPLE_COUNT_4_BIT,
          .usage =
              VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT,
          .aspect = VK_IMAGE_ASPECT_DEPTH_BIT}},
        {&scene->resolved,
         {.format = VK_FORMAT_R16G16B16A16_SFLOAT,
          .extent = extent,
          .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT}},
        {&scene->glow[0],
         {.format = VK_FORMAT_R16G16B16A16_SFLOAT,
          .extent = quarter,
          .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_SAMPLED_BIT}},
        {&scene->glow[1],
         {.format = VK_FORMAT_R16G16B16A16_SFLOAT,
          .extent = quarter,
          .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_SAMPLED_BIT}},
        {&scene->picture,
         {.format = VK_FORMAT_R8G8B8A8_UNORM,
          .extent = extent,
          .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT}},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
        demo_texture_init(scene->device, list[i].texture, &list[i].params);
    }
}

static VkSampler sampler_create(struct demo_scene *scene, VkFilter filter,
                                VkSamplerAddressMode address, VkBool32 compare)
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
        .compareEnable = compare,
        .compareOp = VK_COMPARE_OP_LESS_OR_EQUAL,
        .borderColor = VK_BORDER_COLOR_FLOAT_OPAQUE_WHITE,
    };
    VkSampler sampler = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreateSampler(scene->device->device, &info, NULL, &sampler));
    return sampler;
}

static VkDescriptorSetLayout layout_create(struct demo_scene *scene, const VkDescriptorType *types,
                                           uint32_t count, VkShaderStageFlags stages)
{
    VkDescriptorSetLayoutBinding bindings[DEMO_BIND_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = types[i],
            .descriptorCount = 1,
            .stageFlags = stages,
        };
    }
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout layout = VK_NULL_HANDLE;
    DEMO_CHECK(vkCreateDescriptorSetLayout(scene->device->device, &info, NULL, &layout));
    return layout;
}

static void write_image(struct demo_scene *scene, VkDescriptorSet set, uint32_t binding,
                        VkDescriptorType type, VkImageView view, VkImageLayout layout,
                        VkSampler sampler)
{
    const VkDescriptorImageInfo image = {sampler, view, layout};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .descriptorCount = 1,
        .descriptorType = type,
        .pImageInfo = &image,
    };
    vkUpdateDescriptorSets(scene->device->device, 1, &write, 0, NULL);
}

static void write_buffer(struct demo_scene *scene, VkDescriptorSet set, uint32_t binding,
                         VkDescriptorType type, VkBuffer buffer, VkDeviceSize range)
{
    const VkDescriptorBufferInfo info = {buffer, 0, range};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .descriptorCount = 1,
        .descriptorType = type,
        .pBufferInfo = &info,
    };
    vkUpdateDescriptorSets(scene->device->device, 1, &write, 0, NULL);
}

static void sets_allocate(struct demo_scene *scene)
{
    static const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, 1},
        {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 2 + 2 * DEMO_PASS_COUNT},
        {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, DEMO_PASS_COUNT},
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, DEMO_PASS_COUNT},
    };
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1 + DEMO_PASS_COUNT,
        .poolSizeCount = sizeof(sizes) / sizeof(*sizes),
        .pPoolSizes = sizes,
    };
    DEMO_CHECK(vkCreateDescriptorPool(scene->device->device, &pool, NULL, &scene->descriptors));

    VkDescriptorSetLayout layouts[1 + DEMO_PASS_COUNT] = {scene->frame_layout};
    for (uint32_t i = 0; i < DEMO_PASS_COUNT; i++) {
        layouts[1 + i] = scene->compute_layout;
    }
    VkDescriptorSet sets[1 + DEMO_PASS_COUNT];
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = scene->descriptors,
        .descriptorSetCount = 1 + DEMO_PASS_COUNT,
        .pSetLayouts = layouts,
    };
    DEMO_CHECK(vkAllocateDescriptorSets(scene->device->device, &info, sets));
    scene->frame_set = sets[0];
    for (uint32_t i = 0; i < DEMO_PASS_COUNT; i++) {
        scene->compute_sets[i] = sets[1 + i];
    }
}

static void descriptors_init(struct demo_scene *scene)
{
    static const VkDescriptorType frame_types[] = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
                                                   VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                                                   VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER};
    static const VkDescriptorType compute_types[DEMO_BIND_COUNT] = {
        [DEMO_BIND_SOURCE] = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
        [DEMO_BIND_GLOW] = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
        [DEMO_BIND_RESULT] = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
        [DEMO_BIND_BUFFER] = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
    };
    scene->frame_layout = layout_create(scene, frame_types, 3,
                                        VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT);
    scene->compute_layout =
        layout_create(scene, compute_types, DEMO_BIND_COUNT, VK_SHADER_STAGE_COMPUTE_BIT);
    sets_allocate(scene);

    const VkDescriptorType sampled = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
    const VkDescriptorType storage = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
    const VkImageLayout read_only = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
    const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
    const VkSampler clamp = scene->clamp_sampler;
    VkDescriptorSet *sets = scene->compute_sets;

    write_buffer(scene, scene->frame_set, 0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
                 scene->uniforms.handle, sizeof(struct demo_uniforms));
    write_image(scene, scene->frame_set, 1, sampled, scene->stone.view, read_only,
                scene->stone_sampler);
    write_image(scene, scene->frame_set, 2, sampled, scene->shadow.view,
                VK_IMAGE_LAYOUT_DEPTH_STENCIL_READ_ONLY_OPTIMAL, scene->shadow_sampler);

    write_buffer(scene, sets[DEMO_PASS_PARTICLES], DEMO_BIND_BUFFER,
                 VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, scene->particles.handle, VK_WHOLE_SIZE);
    const struct {
        enum demo_pass pass;
        VkImageView source, result;
        VkImageLayout source_layout;
    } filters[] = {
        {DEMO_PASS_BRIGHT, scene->resolved.view, scene->glow[0].view, read_only},
        {DEMO_PASS_BLUR_X, scene->glow[0].view, scene->glow[1].view, general},
        {DEMO_PASS_BLUR_Y, scene->glow[1].view, scene->glow[0].view, general},
        {DEMO_PASS_DEVELOP, scene->resolved.view, scene->picture.view, read_only},
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        const VkDescriptorSet set = sets[filters[i].pass];
        write_image(scene, set, DEMO_BIND_SOURCE, sampled, filters[i].source,
                    filters[i].source_layout, clamp);
        write_image(scene, set, DEMO_BIND_RESULT, storage, filters[i].result, general,
                    VK_NULL_HANDLE);
    }
    write_image(scene, sets[DEMO_PASS_DEVELOP], DEMO_BIND_GLOW, sampled, scene->glow[0].view,
                general, clamp);
}

void demo_scene_init(struct demo_scene *scene, struct demo_device *device, VkExtent2D extent)
{
    *scene = (struct demo_scene){.device = device, .extent = extent};
    geometry_init(scene);
    particles_init(scene);
    uniforms_init(scene);
    textures_init(scene);
    scene->stone_sampler =
        sampler_create(scene, VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT, VK_FALSE);
    scene->shadow_sampler =
        sampler_create(scene, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER, VK_TRUE);
    scene->clamp_sampler =
        sampler_create(scene, VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE, VK_FALSE);
    descriptors_init(scene);
    demo_scene_pipelines_init(scene);
    demo_scene_prepare(scene);
}

void demo_scene_finish(struct demo_scene *scene)
{
    struct demo_device *device = scene->device;
    demo_scene_pipelines_finish(scene);
    vkDestroyDescriptorPool(device->device, scene->descriptors, NULL);
    vkDestroyDescriptorSetLayout(device->device, scene->compute_layout, NULL);
    vkDestroyDescriptorSetLayout(device->device, scene->frame_layout, NULL);
    vkDestroySampler(device->device, scene->clamp_sampler, NULL);
    vkDestroySampler(device->device, scene->shadow_sampler, NULL);
    vkDestroySampler(device->device, scene->stone_sampler, NULL);

    struct demo_texture *textures[] = {&scene->stone,   &scene->shadow,   &scene->colour,
                                       &scene->depth,   &scene->resolved, &scene->glow[0],
                                       &scene->glow[1], &scene->picture};
    for (size_t i = 0; i < sizeof(textures) / sizeof(*textures); i++) {
        demo_texture_finish(device, textures[i]);
    }
    struct demo_buffer *buffers[] = {&scene->knot_vertices,  &scene->knot_indices,
                                     &scene->floor_vertices, &scene->floor_indices,
                                     &scene->particles,      &scene->uniforms};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
        demo_buffer_finish(device, buffers[i]);
    }
}

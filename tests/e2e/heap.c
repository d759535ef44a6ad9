// Descriptors in the application's own memory (VK_EXT_descriptor_heap): every way from a binding of
// a shader to a descriptor or to data, and every kind of descriptor.

#include <string.h>

#include "cases.h"
#include "shaders.h"

#ifdef VK_EXT_descriptor_heap

enum {
    SLOTS = 16, // of either heap
    VALUES = 64,
};

// A buffer of `SLOTS` descriptors, `stride` bytes each, and the range that the driver reserves.
struct heap {
    struct e2e_buffer buffer;
    VkDeviceSize stride, reserved;
};

struct heaps {
    struct heap resources, samplers;
};

static VkDeviceAddress address_of(struct e2e *t, const struct e2e_buffer *buffer)
{
    return vkGetBufferDeviceAddress(t->device,
                                    &(VkBufferDeviceAddressInfo){
                                        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                        .buffer = buffer->handle,
                                    });
}

static VkDeviceSize largest(VkDeviceSize a, VkDeviceSize b)
{
    return a > b ? a : b;
}

static VkDeviceSize round_up(VkDeviceSize size, VkDeviceSize alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

static struct heap heap_make(struct e2e *t, VkDeviceSize stride, VkDeviceSize reserved)
{
    const VkBufferUsageFlags usage =
        VK_BUFFER_USAGE_DESCRIPTOR_HEAP_BIT_EXT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    return (struct heap){
        .buffer = e2e_buffer(t, stride * SLOTS + reserved, usage, E2E_HOST),
        .stride = stride,
        .reserved = reserved,
    };
}

static struct heaps heaps_open(struct e2e *t)
{
    static const char *const extensions[] = {
        VK_EXT_DESCRIPTOR_HEAP_EXTENSION_NAME,
        VK_KHR_MAINTENANCE_5_EXTENSION_NAME,
        VK_EXT_CUSTOM_BORDER_COLOR_EXTENSION_NAME,
    };
    VkPhysicalDeviceCustomBorderColorFeaturesEXT borders = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_CUSTOM_BORDER_COLOR_FEATURES_EXT,
        .customBorderColors = VK_TRUE,
        .customBorderColorWithoutFormat = VK_TRUE,
    };
    VkPhysicalDeviceMaintenance5FeaturesKHR maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_5_FEATURES_KHR,
        .pNext = &borders,
        .maintenance5 = VK_TRUE,
    };
    VkPhysicalDeviceDescriptorHeapFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_HEAP_FEATURES_EXT,
        .pNext = &maintenance,
        .descriptorHeap = VK_TRUE,
    };
    e2e_open(t, &(struct e2e_device_params){.extensions = extensions,
                                            .extension_count = COUNT(extensions),
                                            .features = &feature});
    VkPhysicalDeviceDescriptorHeapPropertiesEXT limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_HEAP_PROPERTIES_EXT,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &limits,
    };
    vkGetPhysicalDeviceProperties2(t->physical, &properties);
    const VkDeviceSize resource =
        round_up(largest(limits.imageDescriptorSize, limits.bufferDescriptorSize),
                 largest(limits.imageDescriptorAlignment, limits.bufferDescriptorAlignment));
    const VkDeviceSize sampler =
        round_up(limits.samplerDescriptorSize, limits.samplerDescriptorAlignment);
    return (struct heaps){
        .resources = heap_make(t, resource, limits.minResourceHeapReservedRange),
        .samplers = heap_make(t, sampler, limits.minSamplerHeapReservedRangeWithEmbedded),
    };
}

static VkHostAddressRangeEXT slot_of(struct e2e *t, const struct heap *heap, uint32_t slot,
                                     VkDescriptorType type)
{
    const PFN_vkGetPhysicalDeviceDescriptorSizeEXT ask =
        (PFN_vkGetPhysicalDeviceDescriptorSizeEXT)(void *)vkGetInstanceProcAddr(
            t->instance, "vkGetPhysicalDeviceDescriptorSizeEXT");
    CHECK(ask, "no function for the size of descriptors");
    const VkDeviceSize size = ask(t->physical, type);
    CHECK(size > 0 && size <= heap->stride, "descriptors of type %d have %u bytes", type,
          (unsigned)size);
    return (VkHostAddressRangeEXT){
        .address = (char *)heap->buffer.map + slot * heap->stride,
        .size = size,
    };
}

// Descriptors of two buffers in one call.
static void write_buffers(struct e2e *t, const struct heap *heap, const uint32_t slots[2],
                          const VkDescriptorType types[2], const struct e2e_buffer *buffers[2])
{
    E2E_FUNCTION(t, WriteResourceDescriptorsEXT);
    VkDeviceAddressRangeEXT ranges[2];
    VkResourceDescriptorInfoEXT infos[2];
    VkHostAddressRangeEXT to[2];
    for (uint32_t i = 0; i < 2; i++) {
        ranges[i] = (VkDeviceAddressRangeEXT){address_of(t, buffers[i]), buffers[i]->size};
        infos[i] = (VkResourceDescriptorInfoEXT){
            .sType = VK_STRUCTURE_TYPE_RESOURCE_DESCRIPTOR_INFO_EXT,
            .type = types[i],
            .data.pAddressRange = &ranges[i],
        };
        to[i] = slot_of(t, heap, slots[i], types[i]);
    }
    OK(WriteResourceDescriptorsEXT(t->device, 2, infos, to));
}

static void write_resource(struct e2e *t, const struct heap *heap, uint32_t slot,
                           VkDescriptorType type, VkResourceDescriptorDataEXT data)
{
    E2E_FUNCTION(t, WriteResourceDescriptorsEXT);
    const VkResourceDescriptorInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_RESOURCE_DESCRIPTOR_INFO_EXT,
        .type = type,
        .data = data,
    };
    const VkHostAddressRangeEXT to = slot_of(t, heap, slot, type);
    OK(WriteResourceDescriptorsEXT(t->device, 1, &info, &to));
}

static void write_buffer(struct e2e *t, const struct heap *heap, uint32_t slot,
                         VkDescriptorType type, const struct e2e_buffer *buffer)
{
    const VkDeviceAddressRangeEXT range = {address_of(t, buffer), buffer->size};
    write_resource(t, heap, slot, type, (VkResourceDescriptorDataEXT){.pAddressRange = &range});
}

static VkBindHeapInfoEXT heap_binding(struct e2e *t, const struct heap *heap)
{
    return (VkBindHeapInfoEXT){
        .sType = VK_STRUCTURE_TYPE_BIND_HEAP_INFO_EXT,
        .heapRange = {address_of(t, &heap->buffer), heap->buffer.size},
        .reservedRangeOffset = heap->stride * SLOTS,
        .reservedRangeSize = heap->reserved,
    };
}

static void bind_heaps(struct e2e *t, VkCommandBuffer commands, const struct heaps *heaps)
{
    E2E_FUNCTION(t, CmdBindResourceHeapEXT);
    E2E_FUNCTION(t, CmdBindSamplerHeapEXT);
    const VkBindHeapInfoEXT resources = heap_binding(t, &heaps->resources);
    const VkBindHeapInfoEXT samplers = heap_binding(t, &heaps->samplers);
    CmdBindResourceHeapEXT(commands, &resources);
    CmdBindSamplerHeapEXT(commands, &samplers);
}

static void push(struct e2e *t, VkCommandBuffer commands, const void *data, size_t size)
{
    E2E_FUNCTION(t, CmdPushDataEXT);
    CmdPushDataEXT(commands, &(VkPushDataInfoEXT){.sType = VK_STRUCTURE_TYPE_PUSH_DATA_INFO_EXT,
                                                  .data = {data, size}});
}

// A binding of set 0, of any type.
static VkDescriptorSetAndBindingMappingEXT mapping(uint32_t binding,
                                                   VkDescriptorMappingSourceEXT source,
                                                   VkDescriptorMappingSourceDataEXT data)
{
    return (VkDescriptorSetAndBindingMappingEXT){
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_AND_BINDING_MAPPING_EXT,
        .firstBinding = binding,
        .bindingCount = 1,
        .resourceMask = VK_SPIRV_RESOURCE_TYPE_ALL_EXT,
        .source = source,
        .sourceData = data,
    };
}

// A binding with its descriptors at a fixed place.
static VkDescriptorSetAndBindingMappingEXT fixed(const struct heaps *heaps, uint32_t binding,
                                                 uint32_t slot, uint32_t sampler_slot)
{
    return mapping(binding, VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_CONSTANT_OFFSET_EXT,
                   (VkDescriptorMappingSourceDataEXT){
                       .constantOffset = {
                           .heapOffset = (uint32_t)(slot * heaps->resources.stride),
                           .heapArrayStride = (uint32_t)heaps->resources.stride,
                           .samplerHeapOffset = (uint32_t)(sampler_slot * heaps->samplers.stride),
                           .samplerHeapArrayStride = (uint32_t)heaps->samplers.stride,
                       }});
}

static VkPipeline pipeline_make(struct e2e *t, struct e2e_code code,
                                const VkDescriptorSetAndBindingMappingEXT *mappings, uint32_t count)
{
    const VkShaderDescriptorSetAndBindingMappingInfoEXT map = {
        .sType = VK_STRUCTURE_TYPE_SHADER_DESCRIPTOR_SET_AND_BINDING_MAPPING_INFO_EXT,
        .mappingCount = count,
        .pMappings = mappings,
    };
    const VkPipelineCreateFlags2CreateInfoKHR flags = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CREATE_FLAGS_2_CREATE_INFO_KHR,
        .flags = VK_PIPELINE_CREATE_2_DESCRIPTOR_HEAP_BIT_EXT,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .pNext = &flags,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = &map,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = e2e_module(t, code),
                  .pName = "main"},
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    KEEP(t, PIPELINE, pipeline);
    return pipeline;
}

static struct e2e_buffer values_make(struct e2e *t)
{
    return e2e_buffer(
        t, VALUES * 4,
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, E2E_HOST);
}

// -- from a binding to a descriptor ------------------------------------------------------------

// What is pushed: add.comp's own words, then what the mappings look for.
struct pushed {
    uint32_t factor, count, index, unused;
    VkDeviceAddress address;
};

// Runs add.comp over the buffer that `slot` describes, which the mapping has to find.
static void run_add(struct e2e *t, const struct heaps *heaps, const char *label, uint32_t slot,
                    VkDescriptorMappingSourceEXT source, VkDescriptorMappingSourceDataEXT data,
                    VkDeviceAddress address)
{
    const struct e2e_buffer values = values_make(t), other = values_make(t);
    uint32_t *words = values.map;
    e2e_pattern_fill(words, VALUES * 4, slot);
    memset(other.map, 0, VALUES * 4);
    uint32_t expected[VALUES];
    for (uint32_t i = 0; i < VALUES; i++) {
        expected[i] = words[i] * (slot + 2) + i;
    }
    const VkDescriptorType storage = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write_buffers(t, &heaps->resources, (uint32_t[]){slot, slot + 1},
                  (VkDescriptorType[]){storage, storage},
                  (const struct e2e_buffer *[]){&values, &other});
    const VkDescriptorSetAndBindingMappingEXT map = mapping(0, source, data);
    const VkPipeline pipeline = pipeline_make(t, CODE(add_comp), &map, 1);
    const struct pushed words_pushed = {
        .factor = slot + 2,
        .count = VALUES,
        .index = slot,
        .address = address ? address : address_of(t, &values),
    };
    VkCommandBuffer commands = e2e_begin(t);
    bind_heaps(t, commands, heaps);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    push(t, commands, &words_pushed, sizeof(words_pushed));
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    CHECK(!memcmp(words, expected, sizeof(expected)), "%s: value 1 is 0x%08x", label, words[1]);
    e2e_digest(label, words, sizeof(expected));
    e2e_digest("the neighbour", other.map, VALUES * 4);
}

void case_heap_mappings(struct e2e *t)
{
    const struct heaps heaps = heaps_open(t);
    const uint32_t stride = (uint32_t)heaps.resources.stride;
    run_add(t, &heaps, "constant offset", 3,
            VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_CONSTANT_OFFSET_EXT,
            (VkDescriptorMappingSourceDataEXT){
                .constantOffset = {.heapOffset = 3 * stride, .heapArrayStride = stride}},
            0);
    run_add(t, &heaps, "pushed index", 5, VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_PUSH_INDEX_EXT,
            (VkDescriptorMappingSourceDataEXT){
                .pushIndex = {.pushOffset = offsetof(struct pushed, index),
                              .heapIndexStride = stride,
                              .heapArrayStride = stride}},
            0);
    // Indices in a buffer whose address is pushed.
    const uint32_t indices[] = {0, 7, 8};
    const struct e2e_buffer table = e2e_buffer_with(t, indices, sizeof(indices),
                                                    VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
                                                        VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
    run_add(t, &heaps, "index in memory", 8,
            VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_INDIRECT_INDEX_EXT,
            (VkDescriptorMappingSourceDataEXT){
                .indirectIndex = {.heapOffset = stride,
                                  .pushOffset = offsetof(struct pushed, address),
                                  .addressOffset = 4,
                                  .heapIndexStride = stride,
                                  .heapArrayStride = stride}},
            address_of(t, &table));
    run_add(t, &heaps, "index per element", 8,
            VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_INDIRECT_INDEX_ARRAY_EXT,
            (VkDescriptorMappingSourceDataEXT){
                .indirectIndexArray = {.pushOffset = offsetof(struct pushed, address),
                                       .addressOffset = 8,
                                       .heapIndexStride = stride}},
            address_of(t, &table));
    run_add(
        t, &heaps, "pushed address", 1, VK_DESCRIPTOR_MAPPING_SOURCE_PUSH_ADDRESS_EXT,
        (VkDescriptorMappingSourceDataEXT){.pushAddressOffset = offsetof(struct pushed, address)},
        0);
}

// -- data instead of descriptors ---------------------------------------------------------------

enum { BLOCK_WORDS = 16 };

// What is pushed for block.comp, which has no words of its own.
struct pushed_block {
    uint32_t data[BLOCK_WORDS];
    uint32_t offset, unused;
    VkDeviceAddress address;
};

// Runs block.comp with a uniform block whose words are the pattern of `seed`.
static void run_block(struct e2e *t, const struct heaps *heaps, const char *label,
                      VkDescriptorMappingSourceEXT source, VkDescriptorMappingSourceDataEXT data,
                      const struct pushed_block *pushed, uint32_t seed)
{
    const struct e2e_buffer result = values_make(t);
    memset(result.map, 0, result.size);
    write_buffer(t, &heaps->resources, 15, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, &result);
    const VkDescriptorSetAndBindingMappingEXT maps[] = {mapping(0, source, data),
                                                        fixed(heaps, 1, 15, 0)};
    const VkPipeline pipeline = pipeline_make(t, CODE(block_comp), maps, COUNT(maps));
    VkCommandBuffer commands = e2e_begin(t);
    bind_heaps(t, commands, heaps);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    push(t, commands, pushed, sizeof(*pushed));
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    uint32_t pattern[BLOCK_WORDS];
    e2e_pattern_fill(pattern, sizeof(pattern), seed);
    const uint32_t *words = result.map;
    for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
        CHECK(words[i] == pattern[i] * 3 + i, "%s: word %u is 0x%08x", label, i, words[i]);
    }
    e2e_digest(label, words, sizeof(pattern));
}

void case_heap_data(struct e2e *t)
{
    const struct heaps heaps = heaps_open(t);
    const VkBufferUsageFlags usage =
        VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    const struct e2e_buffer block = e2e_buffer(t, BLOCK_WORDS * 4, usage, E2E_HOST);
    e2e_pattern_fill(block.map, block.size, 1);
    const VkDeviceAddress pointers[] = {0, address_of(t, &block)};
    const struct e2e_buffer table = e2e_buffer_with(t, pointers, sizeof(pointers), usage);
    struct pushed_block pushed = {.address = address_of(t, &table)};

    write_buffer(t, &heaps.resources, 4, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, &block);
    run_block(t, &heaps, "uniform buffer",
              VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_CONSTANT_OFFSET_EXT,
              fixed(&heaps, 0, 4, 0).sourceData, &pushed, 1);
    run_block(t, &heaps, "address in memory", VK_DESCRIPTOR_MAPPING_SOURCE_INDIRECT_ADDRESS_EXT,
              (VkDescriptorMappingSourceDataEXT){
                  .indirectAddress = {.pushOffset = offsetof(struct pushed_block, address),
                                      .addressOffset = sizeof(pointers[0])}},
              &pushed, 1);
    pushed.address = address_of(t, &block);
    run_block(t, &heaps, "pushed address", VK_DESCRIPTOR_MAPPING_SOURCE_PUSH_ADDRESS_EXT,
              (VkDescriptorMappingSourceDataEXT){.pushAddressOffset =
                                                     offsetof(struct pushed_block, address)},
              &pushed, 1);
    e2e_pattern_fill(pushed.data, sizeof(pushed.data), 2);
    run_block(
        t, &heaps, "pushed data", VK_DESCRIPTOR_MAPPING_SOURCE_PUSH_DATA_EXT,
        (VkDescriptorMappingSourceDataEXT){.pushDataOffset = offsetof(struct pushed_block, data)},
        &pushed, 2);
    // Slots that hold no descriptor, aligned as a uniform buffer is.
    const uint32_t at = (uint32_t)round_up(8 * heaps.resources.stride,
                                           t->properties.limits.minUniformBufferOffsetAlignment);
    e2e_pattern_fill((char *)heaps.resources.buffer.map + at, BLOCK_WORDS * 4, 3);
    pushed.offset = at;
    run_block(t, &heaps, "data of the heap", VK_DESCRIPTOR_MAPPING_SOURCE_RESOURCE_HEAP_DATA_EXT,
              (VkDescriptorMappingSourceDataEXT){
                  .heapData = {.pushOffset = offsetof(struct pushed_block, offset)}},
              &pushed, 3);
}

// -- kinds of descriptors ----------------------------------------------------------------------

static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;

static VkImageViewCreateInfo view_of(const struct e2e_image *image)
{
    return (VkImageViewCreateInfo){
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->handle,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = image->format,
        .subresourceRange = {image->aspect, 0, 1, 0, 1},
    };
}

static void write_image(struct e2e *t, const struct heaps *heaps, uint32_t slot,
                        VkDescriptorType type, const struct e2e_image *image, VkImageLayout layout)
{
    const VkImageViewCreateInfo view = view_of(image);
    const VkImageDescriptorInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DESCRIPTOR_INFO_EXT,
        .pView = &view,
        .layout = layout,
    };
    write_resource(t, &heaps->resources, slot, type,
                   (VkResourceDescriptorDataEXT){.pImage = &info});
}

static VkSamplerCreateInfo sampler_info(VkFilter filter, VkSamplerAddressMode address)
{
    return (VkSamplerCreateInfo){
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = filter,
        .minFilter = filter,
        .addressModeU = address,
        .addressModeV = address,
        .addressModeW = address,
        .maxLod = VK_LOD_CLAMP_NONE,
    };
}

// 32 x 32 texels in GENERAL, of a pattern.
static struct e2e_image picture(struct e2e *t)
{
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = rgba,
                                                .extent = {32, 32, 1},
                                                .usage = VK_IMAGE_USAGE_SAMPLED_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_DST_BIT});
    const struct e2e_buffer from = e2e_buffer(t, e2e_level_size(&image, 0, image.aspect),
                                              VK_BUFFER_USAGE_TRANSFER_SRC_BIT, E2E_HOST);
    e2e_pattern_fill(from.map, from.size, 9);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    e2e_upload(commands, &image, 0, &from);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_IMAGE_LAYOUT_GENERAL);
    e2e_run(t, commands);
    return image;
}

// Runs one of the sampling shaders, which writes to the buffer of slot 15.
static struct e2e_buffer run_sampling(struct e2e *t, const struct heaps *heaps, const char *label,
                                      struct e2e_code code,
                                      const VkDescriptorSetAndBindingMappingEXT *maps,
                                      uint32_t count, uint32_t groups)
{
    const struct e2e_buffer seen = e2e_buffer(
        t, 32 * 32 * 16,
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, E2E_HOST);
    memset(seen.map, 0, seen.size);
    write_buffer(t, &heaps->resources, 15, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, &seen);
    const VkPipeline pipeline = pipeline_make(t, code, maps, count);
    VkCommandBuffer commands = e2e_begin(t);
    bind_heaps(t, commands, heaps);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    push(t, commands, &(float){0}, sizeof(float));
    vkCmdDispatch(commands, groups, groups, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    e2e_digest(label, seen.map, seen.size);
    return seen;
}

void case_heap_samplers(struct e2e *t)
{
    const struct heaps heaps = heaps_open(t);
    E2E_FUNCTION(t, WriteSamplerDescriptorsEXT);
    E2E_FUNCTION(t, RegisterCustomBorderColorEXT);
    E2E_FUNCTION(t, UnregisterCustomBorderColorEXT);
    const struct e2e_image image = picture(t);
    write_image(t, &heaps, 2, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, &image, VK_IMAGE_LAYOUT_GENERAL);

    // The colour of the border is the application's, under an index of the driver's choice.
    const VkSamplerCustomBorderColorCreateInfoEXT colour = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CUSTOM_BORDER_COLOR_CREATE_INFO_EXT,
        .customBorderColor = {.float32 = {0.25f, 0.5f, 0.75f, 1}},
        .format = rgba,
    };
    uint32_t index = 0;
    OK(RegisterCustomBorderColorEXT(t->device, &colour, VK_FALSE, &index));
    const VkSamplerCustomBorderColorIndexCreateInfoEXT chosen = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CUSTOM_BORDER_COLOR_INDEX_CREATE_INFO_EXT,
        .pNext = &colour,
        .index = index,
    };
    VkSamplerCreateInfo samplers[] = {
        sampler_info(VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER),
        sampler_info(VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT),
    };
    samplers[0].pNext = &chosen;
    samplers[0].borderColor = VK_BORDER_COLOR_FLOAT_CUSTOM_EXT;
    const VkHostAddressRangeEXT to[] = {
        slot_of(t, &heaps.samplers, 1, VK_DESCRIPTOR_TYPE_SAMPLER),
        slot_of(t, &heaps.samplers, 6, VK_DESCRIPTOR_TYPE_SAMPLER),
    };
    OK(WriteSamplerDescriptorsEXT(t->device, 2, samplers, to));

    VkDescriptorSetAndBindingMappingEXT maps[] = {
        fixed(&heaps, 0, 2, 1),
        fixed(&heaps, 1, 15, 0),
        fixed(&heaps, 2, 15, 0),
    };
    const struct e2e_buffer border =
        run_sampling(t, &heaps, "border", CODE(sample_2d_comp), maps, 2, 4);
    const float *texel = border.map;
    CHECK(texel[0] == 0.25f && texel[1] == 0.5f && texel[2] == 0.75f, "the colour of the border");
    maps[0] = fixed(&heaps, 0, 2, 6);
    run_sampling(t, &heaps, "linear", CODE(sample_2d_comp), maps, 2, 4);
    samplers[1].addressModeU = VK_SAMPLER_ADDRESS_MODE_MIRRORED_REPEAT;
    maps[0].sourceData.constantOffset.pEmbeddedSampler = &samplers[1];
    run_sampling(t, &heaps, "embedded", CODE(sample_2d_comp), maps, 2, 4);

    // separate.comp: image and sampler are two bindings; the sampler's is at an offset of its heap.
    const VkDescriptorSetAndBindingMappingEXT apart[] = {
        fixed(&heaps, 0, 2, 0),
        mapping(1, VK_DESCRIPTOR_MAPPING_SOURCE_HEAP_WITH_CONSTANT_OFFSET_EXT,
                (VkDescriptorMappingSourceDataEXT){
                    .constantOffset = {.heapOffset = (uint32_t)(6 * heaps.samplers.stride)}}),
        fixed(&heaps, 2, 15, 0),
    };
    run_sampling(t, &heaps, "separate", CODE(separate_comp), apart, 3, 1);
    UnregisterCustomBorderColorEXT(t->device, index);
}

static void write_texels(struct e2e *t, const struct heaps *heaps, uint32_t slot,
                         VkDescriptorType type, VkFormat format, const struct e2e_buffer *buffer)
{
    const VkTexelBufferDescriptorInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_TEXEL_BUFFER_DESCRIPTOR_INFO_EXT,
        .format = format,
        .addressRange = {address_of(t, buffer), buffer->size},
    };
    write_resource(t, &heaps->resources, slot, type,
                   (VkResourceDescriptorDataEXT){.pTexelBuffer = &info});
}

void case_heap_storage(struct e2e *t)
{
    const struct heaps heaps = heaps_open(t);
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                                     VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT |
                                     VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    const struct e2e_buffer from = e2e_buffer(t, VALUES * 4, usage, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer(t, VALUES * 4, usage, E2E_HOST);
    e2e_pattern_fill(from.map, from.size, 4);
    memset(to.map, 0, to.size);
    write_texels(t, &heaps, 1, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, rgba, &from);
    write_texels(t, &heaps, 2, VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, VK_FORMAT_R32_UINT, &to);
    const struct e2e_image_params params = {.format = rgba,
                                            .extent = {32, 32, 1},
                                            .usage = VK_IMAGE_USAGE_STORAGE_BIT |
                                                     VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                                                     VK_IMAGE_USAGE_TRANSFER_DST_BIT};
    struct e2e_image_params counting = params;
    counting.format = VK_FORMAT_R32_UINT;
    const struct e2e_image images[] = {e2e_image(t, &params), e2e_image(t, &counting)};
    const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
    write_image(t, &heaps, 4, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, &images[0], general);
    write_image(t, &heaps, 5, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, &images[1], general);

    const VkDescriptorSetAndBindingMappingEXT texels[] = {fixed(&heaps, 0, 1, 0),
                                                          fixed(&heaps, 1, 2, 0)};
    const VkDescriptorSetAndBindingMappingEXT paint[] = {fixed(&heaps, 0, 4, 0),
                                                         fixed(&heaps, 1, 5, 0)};
    const VkPipeline pipelines[] = {pipeline_make(t, CODE(texel_comp), texels, 2),
                                    pipeline_make(t, CODE(paint_comp), paint, 2)};
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i < COUNT(images); i++) {
        e2e_layout(commands, &images[i], VK_IMAGE_LAYOUT_UNDEFINED, general);
        vkCmdClearColorImage(commands, images[i].handle, general, &(VkClearColorValue){0}, 1,
                             &(VkImageSubresourceRange){images[i].aspect, 0, 1, 0, 1});
        e2e_barrier(commands);
    }
    bind_heaps(t, commands, &heaps);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines[0]);
    vkCmdDispatch(commands, 1, 1, 1);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines[1]);
    vkCmdDispatch(commands, 4, 4, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    e2e_digest("texels", to.map, to.size);
    for (uint32_t i = 0; i < COUNT(images); i++) {
        const struct e2e_buffer read = e2e_read(t, &images[i], 0, general);
        e2e_digest(i == 0 ? "picture" : "counter", read.map, read.size);
    }
}

// A secondary command buffer uses the heaps of the primary one.
void case_heap_inherited(struct e2e *t)
{
    const struct heaps heaps = heaps_open(t);
    const struct e2e_buffer values = values_make(t);
    uint32_t *words = values.map;
    e2e_pattern_fill(words, values.size, 8);
    const uint32_t before = words[1];
    write_buffer(t, &heaps.resources, 3, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, &values);
    const VkDescriptorSetAndBindingMappingEXT map = fixed(&heaps, 0, 3, 0);
    const VkPipeline pipeline = pipeline_make(t, CODE(add_comp), &map, 1);
    const VkCommandBufferAllocateInfo secondary = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = t->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_SECONDARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer inner = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &secondary, &inner));
    const VkBindHeapInfoEXT resources = heap_binding(t, &heaps.resources);
    const VkBindHeapInfoEXT samplers = heap_binding(t, &heaps.samplers);
    const VkCommandBufferInheritanceDescriptorHeapInfoEXT bound = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_DESCRIPTOR_HEAP_INFO_EXT,
        .pSamplerHeapBindInfo = &samplers,
        .pResourceHeapBindInfo = &resources,
    };
    const VkCommandBufferInheritanceInfo inherited = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .pNext = &bound,
    };
    OK(vkBeginCommandBuffer(
        inner, &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .pInheritanceInfo = &inherited}));
    vkCmdBindPipeline(inner, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    push(t, inner, (uint32_t[]){5, VALUES}, 8);
    vkCmdDispatch(inner, 1, 1, 1);
    OK(vkEndCommandBuffer(inner));
    VkCommandBuffer commands = e2e_begin(t);
    bind_heaps(t, commands, &heaps);
    vkCmdExecuteCommands(commands, 1, &inner);
    e2e_barrier(commands);
    e2e_run(t, commands);
    CHECK(words[1] == before * 5 + 1, "value 1 is 0x%08x", words[1]);
    e2e_digest("values", words, values.size);
}

#else

#define SKIPPED(name)                                                                              \
    void case_heap_##name(struct e2e *t)                                                           \
    {                                                                                              \
        (void)t;                                                                                   \
        e2e_skip("built with Vulkan headers that are too old");                                    \
    }
SKIPPED(mappings)
SKIPPED(data)
SKIPPED(samplers)
SKIPPED(storage)
SKIPPED(inherited)
#undef SKIPPED

#endif

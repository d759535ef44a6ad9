// Commands of extensions, and of newer versions, that do what older ones do in another way: one
// case each.

#include <string.h>

#include "cases.h"
#include "grid.h"
#include "shaders.h"

enum { SIZE = GRID_SIZE };
static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkImageLayout undefined = VK_IMAGE_LAYOUT_UNDEFINED;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkPipelineBindPoint graphics = VK_PIPELINE_BIND_POINT_GRAPHICS;

void case_extension_multi_draw(struct e2e *t)
{
    static const uint16_t indices[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const VkMultiDrawInfoEXT draws[] = {{0, 6}, {6, 3}, {3, 3}};
    static const VkMultiDrawIndexedInfoEXT indexed[] = {{0, 6, 0}, {6, 6, -6}};
    VkPhysicalDeviceMultiDrawFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MULTI_DRAW_FEATURES_EXT,
        .multiDraw = VK_TRUE,
    };
    const struct grid grid = grid_open(t, VK_EXT_MULTI_DRAW_EXTENSION_NAME, &feature);
    E2E_FUNCTION(t, CmdDrawMultiEXT);
    E2E_FUNCTION(t, CmdDrawMultiIndexedEXT);
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, indices, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    VkCommandBuffer commands = grid_begin(t, &grid);
    CmdDrawMultiEXT(commands, COUNT(draws), draws, 2, 5, sizeof(draws[0]));
    vkCmdBindIndexBuffer(commands, buffer.handle, 0, VK_INDEX_TYPE_UINT16);
    CmdDrawMultiIndexedEXT(commands, COUNT(indexed), indexed, 3, 20, sizeof(indexed[0]), NULL);
    CmdDrawMultiIndexedEXT(commands, 1, indexed, 1, 40, sizeof(indexed[0]), &(int32_t){6});
    grid_end(t, &grid, commands, 3u << 5 | 7u << 20 | 1ull << 40, "many draws");
}

void case_extension_conditional_rendering(struct e2e *t)
{
    static const uint32_t conditions[] = {0, 1, 0, 7};
    VkPhysicalDeviceConditionalRenderingFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_CONDITIONAL_RENDERING_FEATURES_EXT,
        .conditionalRendering = VK_TRUE,
    };
    const struct grid grid = grid_open(t, VK_EXT_CONDITIONAL_RENDERING_EXTENSION_NAME, &feature);
    E2E_FUNCTION(t, CmdBeginConditionalRenderingEXT);
    E2E_FUNCTION(t, CmdEndConditionalRenderingEXT);
    const struct e2e_buffer buffer = e2e_buffer_with(t, conditions, sizeof(conditions),
                                                     VK_BUFFER_USAGE_CONDITIONAL_RENDERING_BIT_EXT);
    VkCommandBuffer commands = grid_begin(t, &grid);
    for (uint32_t i = 0; i < 8; i++) {
        const VkConditionalRenderingBeginInfoEXT begin = {
            .sType = VK_STRUCTURE_TYPE_CONDITIONAL_RENDERING_BEGIN_INFO_EXT,
            .buffer = buffer.handle,
            .offset = i % 4 * 4,
            .flags = i < 4 ? 0 : VK_CONDITIONAL_RENDERING_INVERTED_BIT_EXT,
        };
        CmdBeginConditionalRenderingEXT(commands, &begin);
        vkCmdDraw(commands, 6, 1, 0, i);
        CmdEndConditionalRenderingEXT(commands);
    }
    vkCmdDraw(commands, 6, 1, 0, 63);
    grid_end(t, &grid, commands, 0x5a | 1ull << 63, "conditions");
}

void case_extension_indexed_indirect_count(struct e2e *t)
{
    const struct grid grid = grid_open(t, NULL, NULL);
    if (!t->features12.drawIndirectCount) {
        e2e_skip("no indirect count");
    }
    const struct e2e_buffer buffer = e2e_buffer_with(
        t, NULL, 4096, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    for (uint32_t i = 0; i < 10; i++) {
        const VkDrawIndexedIndirectCommand command = {6, 1, 0, 0, i * 3};
        memcpy((char *)buffer.map + 256 + i * 32, &command, sizeof(command));
    }
    for (uint32_t i = 0; i < 6; i++) {
        ((uint32_t *)buffer.map)[512 + i] = i;
    }
    ((uint32_t *)buffer.map)[5] = 4;
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdBindIndexBuffer(commands, buffer.handle, 2048, VK_INDEX_TYPE_UINT32);
    vkCmdDrawIndexedIndirectCount(commands, buffer.handle, 256, buffer.handle, 20, 10, 32);
    grid_end(t, &grid, commands, 1 | 1u << 3 | 1u << 6 | 1u << 9, "counted");
}

void case_extension_device_mask(struct e2e *t)
{
    // A group of one, as every device is.
    const struct grid grid = grid_open(t, NULL, NULL);
    VkCommandBuffer commands = grid_begin(t, &grid);
    vkCmdSetDeviceMask(commands, 1);
    vkCmdDraw(commands, 6, 3, 0, 7);
    grid_end(t, &grid, commands, 7u << 7, "one device");
}

void case_extension_indexed_query(struct e2e *t)
{
    static const char *const extension = VK_EXT_TRANSFORM_FEEDBACK_EXTENSION_NAME;
    VkPhysicalDeviceTransformFeedbackFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_FEATURES_EXT,
        .transformFeedback = VK_TRUE,
    };
    e2e_open(t, &(struct e2e_device_params){
                    .extensions = &extension, .extension_count = 1, .features = &feature});
    VkPhysicalDeviceTransformFeedbackPropertiesEXT can = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_PROPERTIES_EXT,
    };
    vkGetPhysicalDeviceProperties2(
        t->physical, &(VkPhysicalDeviceProperties2){
                         .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &can});
    if (!can.transformFeedbackQueries) {
        e2e_skip("no queries of transform feedback");
    }
    E2E_FUNCTION(t, CmdBindTransformFeedbackBuffersEXT);
    E2E_FUNCTION(t, CmdBeginTransformFeedbackEXT);
    E2E_FUNCTION(t, CmdEndTransformFeedbackEXT);
    E2E_FUNCTION(t, CmdBeginQueryIndexedEXT);
    E2E_FUNCTION(t, CmdEndQueryIndexedEXT);
    E2E_FUNCTION(t, CmdDrawIndirectByteCountEXT);
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline capture = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(captured_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    const VkPipeline draw = e2e_graphics(
        t, &target,
        &(struct e2e_pipeline_params){
            .vertex = CODE(shape_vert), .fragment = CODE(colour_frag), .layout = set.layout});
    // Room for 6 of 9 vertices.
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, 6 * 32, VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT);
    const struct e2e_buffer counter =
        e2e_buffer_with(t, NULL, 4,
                        VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_COUNTER_BUFFER_BIT_EXT |
                            VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT);
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TRANSFORM_FEEDBACK_STREAM_EXT,
        .queryCount = 2,
    };
    VkQueryPool pool = VK_NULL_HANDLE;
    OK(vkCreateQueryPool(t->device, &info, NULL, &pool));
    KEEP(t, QUERY_POOL, pool);
    const VkDeviceSize zero = 0;
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, 2);
    CmdBindTransformFeedbackBuffersEXT(commands, 0, 1, &buffer.handle, &zero, &buffer.size);
    e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, graphics, capture);
    CmdBeginQueryIndexedEXT(commands, pool, 1, 0, 0);
    CmdBeginTransformFeedbackEXT(commands, 0, 0, NULL, NULL);
    vkCmdDraw(commands, 9, 1, 0, 0);
    CmdEndTransformFeedbackEXT(commands, 0, 1, &counter.handle, &zero);
    CmdEndQueryIndexedEXT(commands, pool, 1, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    uint64_t results[2] = {0};
    OK(vkGetQueryPoolResults(t->device, pool, 1, 1, sizeof(results), results, sizeof(results),
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    e2e_print("%u primitives written, %u needed", (unsigned)results[0], (unsigned)results[1]);

    if (can.transformFeedbackDraw) {
        commands = e2e_begin(t);
        e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
        vkCmdBindPipeline(commands, graphics, draw);
        CmdDrawIndirectByteCountEXT(commands, 1, 0, counter.handle, 0, 0, 32);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        e2e_target_read(t, &target, "as many vertices");
    }
}

// -- copies -----------------------------------------------------------------------------------

void case_extension_copies2(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    struct e2e_image_params params = {
        .format = rgba,
        .extent = {SIZE, SIZE, 1},
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    const struct e2e_image one = e2e_image(t, &params);
    params.samples = VK_SAMPLE_COUNT_4_BIT;
    params.usage |= VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
    const struct e2e_image many = e2e_image(t, &params);
    const struct e2e_buffer from =
        e2e_buffer_with(t, NULL, SIZE * SIZE * 4, VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
    const struct e2e_buffer to =
        e2e_buffer_with(t, NULL, SIZE * SIZE * 4, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    e2e_pattern_fill(from.map, from.size, 5);
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkBufferImageCopy2 region = {.sType = VK_STRUCTURE_TYPE_BUFFER_IMAGE_COPY_2,
                                       .bufferOffset = 64,
                                       .bufferRowLength = 40,
                                       .imageSubresource = layers,
                                       .imageOffset = {3, 5, 0},
                                       .imageExtent = {32, 24, 1}};
    const VkCopyBufferToImageInfo2 up = {.sType = VK_STRUCTURE_TYPE_COPY_BUFFER_TO_IMAGE_INFO_2,
                                         .srcBuffer = from.handle,
                                         .dstImage = one.handle,
                                         .dstImageLayout = destination,
                                         .regionCount = 1,
                                         .pRegions = &region};
    const VkCopyImageToBufferInfo2 down = {.sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_BUFFER_INFO_2,
                                           .srcImage = one.handle,
                                           .srcImageLayout = source,
                                           .dstBuffer = to.handle,
                                           .regionCount = 1,
                                           .pRegions = &region};
    const VkImageResolve2 part = {.sType = VK_STRUCTURE_TYPE_IMAGE_RESOLVE_2,
                                  .srcSubresource = layers,
                                  .srcOffset = {8, 8, 0},
                                  .dstSubresource = layers,
                                  .dstOffset = {40, 32, 0},
                                  .extent = {16, 24, 1}};
    const VkResolveImageInfo2 resolve = {.sType = VK_STRUCTURE_TYPE_RESOLVE_IMAGE_INFO_2,
                                         .srcImage = many.handle,
                                         .srcImageLayout = source,
                                         .dstImage = one.handle,
                                         .dstImageLayout = destination,
                                         .regionCount = 1,
                                         .pRegions = &part};
    const VkClearColorValue red = {.float32 = {1, 0, 0, 1}}, blue = {.float32 = {0, 0, 1, 1}};
    const VkImageSubresourceRange whole = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &many, undefined, destination);
    e2e_layout(commands, &one, undefined, destination);
    vkCmdClearColorImage(commands, many.handle, destination, &red, 1, &whole);
    vkCmdClearColorImage(commands, one.handle, destination, &blue, 1, &whole);
    e2e_layout(commands, &many, destination, source);
    e2e_barrier(commands);
    vkCmdCopyBufferToImage2(commands, &up);
    e2e_barrier(commands);
    vkCmdResolveImage2(commands, &resolve);
    e2e_layout(commands, &one, destination, source);
    vkCmdCopyImageToBuffer2(commands, &down);
    e2e_barrier(commands);
    e2e_run(t, commands);
    CHECK(!memcmp((char *)from.map + 64, (char *)to.map + 64, 32 * 4), "first row");
    e2e_digest("buffer", to.map, to.size);
    const struct e2e_buffer pixels = e2e_read(t, &one, 0, source);
    e2e_digest("image", pixels.map, pixels.size);
}

// -- time -------------------------------------------------------------------------------------

void case_extension_timestamps2(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    if (t->family_properties.timestampValidBits == 0) {
        e2e_skip("no timestamps");
    }
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2,
    };
    VkQueryPool pool = VK_NULL_HANDLE;
    OK(vkCreateQueryPool(t->device, &info, NULL, &pool));
    KEEP(t, QUERY_POOL, pool);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, 2);
    vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_TOP_OF_PIPE_BIT, pool, 0);
    e2e_barrier(commands);
    vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool, 1);
    e2e_run(t, commands);
    uint64_t times[2] = {0};
    OK(vkGetQueryPoolResults(t->device, pool, 0, 2, sizeof(times), times, sizeof(times[0]),
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    CHECK(times[0] && times[0] <= times[1], "%llu and %llu", (unsigned long long)times[0],
          (unsigned long long)times[1]);
}

void case_extension_calibrated_timestamps(struct e2e *t)
{
    static const char *const extension = VK_EXT_CALIBRATED_TIMESTAMPS_EXTENSION_NAME;
    e2e_open(t, &(struct e2e_device_params){.extensions = &extension, .extension_count = 1});
    const PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT get_domains =
        (PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT)(void *)vkGetInstanceProcAddr(
            t->instance, "vkGetPhysicalDeviceCalibrateableTimeDomainsEXT");
    CHECK(get_domains, "no function for time domains");
    E2E_FUNCTION(t, GetCalibratedTimestampsEXT);
    VkTimeDomainEXT domains[16];
    uint32_t count = COUNT(domains);
    OK(get_domains(t->physical, &count, domains));
    CHECK(count > 0, "no time domain");
    VkCalibratedTimestampInfoEXT infos[16];
    for (uint32_t i = 0; i < count; i++) {
        infos[i] = (VkCalibratedTimestampInfoEXT){
            .sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT,
            .timeDomain = domains[i],
        };
        e2e_print("time domain %d", domains[i]);
    }
    uint64_t first[16], second[16], deviation = 0;
    OK(GetCalibratedTimestampsEXT(t->device, count, infos, first, &deviation));
    e2e_sleep_ms(2);
    OK(GetCalibratedTimestampsEXT(t->device, count, infos, second, &deviation));
    for (uint32_t i = 0; i < count; i++) {
        CHECK(first[i] < second[i], "domain %d stands still", domains[i]);
    }
}

// -- questions --------------------------------------------------------------------------------

void case_extension_requirements_without_objects(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const VkBufferCreateInfo buffer = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                       .size = 12345,
                                       .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
    const VkDeviceBufferMemoryRequirements of_buffer = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS, .pCreateInfo = &buffer};
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    vkGetDeviceBufferMemoryRequirements(t->device, &of_buffer, &needs);
    CHECK(needs.memoryRequirements.size >= 12345 && needs.memoryRequirements.memoryTypeBits,
          "the buffer's requirements");
    const VkImageCreateInfo image = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                                     .imageType = VK_IMAGE_TYPE_2D,
                                     .format = rgba,
                                     .extent = {100, 50, 1},
                                     .mipLevels = 3,
                                     .arrayLayers = 2,
                                     .samples = VK_SAMPLE_COUNT_1_BIT,
                                     .usage = VK_IMAGE_USAGE_SAMPLED_BIT};
    const VkDeviceImageMemoryRequirements of_image = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS, .pCreateInfo = &image};
    vkGetDeviceImageMemoryRequirements(t->device, &of_image, &needs);
    e2e_print("image: %u bytes, alignment %u", (unsigned)needs.memoryRequirements.size,
              (unsigned)needs.memoryRequirements.alignment);
    // Of images that are not sparse nothing is required. Some drivers leave the number alone then.
    uint32_t count = 0;
    vkGetDeviceImageSparseMemoryRequirements(t->device, &of_image, &count, NULL);
    e2e_print("%u sparse requirements", count);
    const struct e2e_image made = e2e_image(
        t, &(struct e2e_image_params){
               .format = rgba, .extent = {16, 16, 1}, .usage = VK_IMAGE_USAGE_SAMPLED_BIT});
    const VkImageSparseMemoryRequirementsInfo2 of_made = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_SPARSE_MEMORY_REQUIREMENTS_INFO_2, .image = made.handle};
    vkGetImageSparseMemoryRequirements2(t->device, &of_made, &count, NULL);
    e2e_print("%u sparse requirements", count);
}

void case_extension_external_buffers(struct e2e *t)
{
    e2e_open(t, NULL);
    // What can be shared is between guest and VMM, so only consistent answers are expected.
    static const VkExternalMemoryHandleTypeFlagBits types[] = {
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
    for (uint32_t i = 0; i < COUNT(types); i++) {
        const VkPhysicalDeviceExternalBufferInfo info = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
            .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
            .handleType = types[i],
        };
        VkExternalBufferProperties properties = {
            .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
        };
        vkGetPhysicalDeviceExternalBufferProperties(t->physical, &info, &properties);
        const VkExternalMemoryProperties *found = &properties.externalMemoryProperties;
        CHECK(!found->externalMemoryFeatures || found->compatibleHandleTypes & types[i],
              "type 0x%x is not compatible with itself", types[i]);
    }
}

void case_extension_ycbcr(struct e2e *t)
{
    static const VkFormat format = VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM;
    e2e_open(t, NULL);
    const bool midpoint = e2e_format_has(t, format, VK_FORMAT_FEATURE_MIDPOINT_CHROMA_SAMPLES_BIT);
    const VkChromaLocation location =
        midpoint ? VK_CHROMA_LOCATION_MIDPOINT : VK_CHROMA_LOCATION_COSITED_EVEN;
    if (!t->features11.samplerYcbcrConversion ||
        (!midpoint && !e2e_format_has(t, format, VK_FORMAT_FEATURE_COSITED_CHROMA_SAMPLES_BIT))) {
        e2e_skip("no conversion of three planes");
    }
    const VkSamplerYcbcrConversionCreateInfo convert = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_CREATE_INFO,
        .format = format,
        .ycbcrModel = VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601,
        .ycbcrRange = VK_SAMPLER_YCBCR_RANGE_ITU_NARROW,
        .xChromaOffset = location,
        .yChromaOffset = location,
        .chromaFilter = VK_FILTER_NEAREST,
    };
    VkSamplerYcbcrConversion conversion = VK_NULL_HANDLE;
    OK(vkCreateSamplerYcbcrConversion(t->device, &convert, NULL, &conversion));
    const VkSamplerYcbcrConversionInfo with = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO, .conversion = conversion};
    const VkSamplerCreateInfo sampler_info = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .pNext = &with,
        .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
    };
    VkSampler sampler = VK_NULL_HANDLE;
    OK(vkCreateSampler(t->device, &sampler_info, NULL, &sampler));
    const VkImageCreateInfo image_info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = format,
        .extent = {16, 16, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    VkImage image = VK_NULL_HANDLE;
    OK(vkCreateImage(t->device, &image_info, NULL, &image));
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(t->device, image, &needs);
    OK(vkBindImageMemory(t->device, image, e2e_memory(t, &needs, 0), 0));
    const VkImageViewCreateInfo view_info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .pNext = &with,
        .image = image,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = format,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    VkImageView view = VK_NULL_HANDLE;
    OK(vkCreateImageView(t->device, &view_info, NULL, &view));

    // Texels of 16x16, 8x8 and 8x8, one plane after the other.
    const struct e2e_buffer planes =
        e2e_buffer_with(t, NULL, 256 + 64 + 64, VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
    e2e_pattern_fill(planes.map, planes.size, 9);
    const VkDescriptorSetLayoutBinding layout[] = {
        {0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_COMPUTE_BIT, &sampler},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL}};
    struct e2e_set set = {.set_layout = e2e_set_layout(t, layout, COUNT(layout), 0, NULL)};
    set.layout = e2e_pipeline_layout(t, set.set_layout, 0, 0);
    const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 4},
                                          {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1}};
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = e2e_pool(t, 1, sizes, COUNT(sizes), 0, NULL),
        .descriptorSetCount = 1,
        .pSetLayouts = &set.set_layout,
    };
    OK(vkAllocateDescriptorSets(t->device, &allocate, &set.set));
    const struct e2e_buffer result =
        e2e_buffer_with(t, NULL, 16 * 16 * 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding texture = e2e_bind_sampled(view, sampler);
    const struct e2e_binding storage = e2e_bind_storage(&result);
    e2e_set_write(t, set.set, 0, 0, &texture);
    e2e_set_write(t, set.set, 1, 0, &storage);
    const VkPipeline pipeline = e2e_compute(t, CODE(ycbcr_comp), set.layout, NULL);

    const struct e2e_image whole = {.handle = image,
                                    .format = format,
                                    .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
                                    .extent = {16, 16, 1},
                                    .levels = 1,
                                    .layers = 1};
    const VkBufferImageCopy regions[] = {
        {0, 0, 0, {VK_IMAGE_ASPECT_PLANE_0_BIT, 0, 0, 1}, {0, 0, 0}, {16, 16, 1}},
        {256, 0, 0, {VK_IMAGE_ASPECT_PLANE_1_BIT, 0, 0, 1}, {0, 0, 0}, {8, 8, 1}},
        {320, 0, 0, {VK_IMAGE_ASPECT_PLANE_2_BIT, 0, 0, 1}, {0, 0, 0}, {8, 8, 1}}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &whole, undefined, destination);
    vkCmdCopyBufferToImage(commands, planes.handle, image, destination, COUNT(regions), regions);
    e2e_layout(commands, &whole, destination, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    e2e_use(commands, pipeline, &set);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    e2e_digest("converted", result.map, result.size);
    vkDestroyImageView(t->device, view, NULL);
    vkDestroyImage(t->device, image, NULL);
    vkDestroySampler(t->device, sampler, NULL);
    vkDestroySamplerYcbcrConversion(t->device, conversion, NULL);
}

// -- where and how often fragments are shaded ----------------------------------------------------

void case_extension_sample_locations(struct e2e *t)
{
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_SAMPLE_LOCATIONS_EXT;
    static const VkSampleLocationEXT sets[2][4] = {
        {{0.125f, 0.125f}, {0.25f, 0.125f}, {0.125f, 0.25f}, {0.25f, 0.25f}},
        {{0.75f, 0.75f}, {0.875f, 0.75f}, {0.75f, 0.875f}, {0.875f, 0.875f}}};
    static const char *const extension = VK_EXT_SAMPLE_LOCATIONS_EXTENSION_NAME;
    e2e_open(t, &(struct e2e_device_params){.extensions = &extension, .extension_count = 1});
    const PFN_vkGetPhysicalDeviceMultisamplePropertiesEXT ask =
        (PFN_vkGetPhysicalDeviceMultisamplePropertiesEXT)(void *)vkGetInstanceProcAddr(
            t->instance, "vkGetPhysicalDeviceMultisamplePropertiesEXT");
    CHECK(ask, "no function for sample locations");
    E2E_FUNCTION(t, CmdSetSampleLocationsEXT);
    VkMultisamplePropertiesEXT grid = {.sType = VK_STRUCTURE_TYPE_MULTISAMPLE_PROPERTIES_EXT};
    ask(t->physical, VK_SAMPLE_COUNT_4_BIT, &grid);
    e2e_print("grid of %ux%u", grid.maxSampleLocationGridSize.width,
              grid.maxSampleLocationGridSize.height);
    if (!grid.maxSampleLocationGridSize.width) {
        return;
    }
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){
               .width = SIZE, .height = SIZE, .formats = {rgba}, .samples = VK_SAMPLE_COUNT_4_BIT});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipelineSampleLocationsStateCreateInfoEXT state = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SAMPLE_LOCATIONS_STATE_CREATE_INFO_EXT,
        .sampleLocationsEnable = VK_TRUE,
        .sampleLocationsInfo = {.sType = VK_STRUCTURE_TYPE_SAMPLE_LOCATIONS_INFO_EXT},
    };
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(shape_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .multisample_next = &state,
                                                   .dynamic = &dynamic,
                                                   .dynamic_count = 1});
    for (uint32_t i = 0; i < 2; i++) {
        const VkSampleLocationsInfoEXT locations = {
            .sType = VK_STRUCTURE_TYPE_SAMPLE_LOCATIONS_INFO_EXT,
            .sampleLocationsPerPixel = VK_SAMPLE_COUNT_4_BIT,
            .sampleLocationGridSize = {1, 1},
            .sampleLocationsCount = 4,
            .pSampleLocations = sets[i],
        };
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
        vkCmdBindPipeline(commands, graphics, pipeline);
        CmdSetSampleLocationsEXT(commands, &locations);
        vkCmdDraw(commands, 6, 1, 0, 0);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        e2e_target_read(t, &target, "resolved");
    }
}

void case_extension_fragment_shading_rate(struct e2e *t)
{
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_FRAGMENT_SHADING_RATE_KHR;
    VkPhysicalDeviceFragmentShadingRateFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FRAGMENT_SHADING_RATE_FEATURES_KHR,
        .pipelineFragmentShadingRate = VK_TRUE,
    };
    static const char *const extension = VK_KHR_FRAGMENT_SHADING_RATE_EXTENSION_NAME;
    e2e_open(t, &(struct e2e_device_params){
                    .extensions = &extension, .extension_count = 1, .features = &feature});
    const PFN_vkGetPhysicalDeviceFragmentShadingRatesKHR ask =
        (PFN_vkGetPhysicalDeviceFragmentShadingRatesKHR)(void *)vkGetInstanceProcAddr(
            t->instance, "vkGetPhysicalDeviceFragmentShadingRatesKHR");
    CHECK(ask, "no function for shading rates");
    E2E_FUNCTION(t, CmdSetFragmentShadingRateKHR);
    VkPhysicalDeviceFragmentShadingRateKHR rates[32];
    uint32_t count = COUNT(rates);
    for (uint32_t i = 0; i < count; i++) {
        rates[i] = (VkPhysicalDeviceFragmentShadingRateKHR){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FRAGMENT_SHADING_RATE_KHR};
    }
    OK(ask(t->physical, &count, rates));
    const struct e2e_target target = e2e_target(
        t, &(struct e2e_target_params){.width = SIZE, .height = SIZE, .formats = {rgba}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    const VkPipeline pipeline =
        e2e_graphics(t, &target,
                     &(struct e2e_pipeline_params){.vertex = CODE(triangle_vert),
                                                   .fragment = CODE(colour_frag),
                                                   .layout = set.layout,
                                                   .dynamic = &dynamic,
                                                   .dynamic_count = 1});
    static const VkFragmentShadingRateCombinerOpKHR keep[2] = {
        VK_FRAGMENT_SHADING_RATE_COMBINER_OP_KEEP_KHR,
        VK_FRAGMENT_SHADING_RATE_COMBINER_OP_KEEP_KHR};
    for (uint32_t i = 0; i < count; i++) {
        e2e_print("rate %ux%u, samples 0x%x", rates[i].fragmentSize.width,
                  rates[i].fragmentSize.height, rates[i].sampleCounts);
        if (rates[i].sampleCounts & VK_SAMPLE_COUNT_1_BIT) {
            VkCommandBuffer commands = e2e_begin(t);
            e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
            vkCmdBindPipeline(commands, graphics, pipeline);
            CmdSetFragmentShadingRateKHR(commands, &rates[i].fragmentSize, keep);
            vkCmdDraw(commands, 3, 1, 0, 0);
            vkCmdEndRenderPass(commands);
            e2e_run(t, commands);
            e2e_target_read(t, &target, "shaded");
        }
    }
}

// Compute pipelines: what shaders can read, write, count and be called with.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

static const VkBufferUsageFlags storage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
static const VkShaderStageFlags stage = VK_SHADER_STAGE_COMPUTE_BIT;

void case_compute_storage_buffer(struct e2e *t)
{
    enum { WORDS = 1 << 20 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, WORDS * 4, storage);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 8);
    const VkPipeline pipeline = e2e_compute(t, CODE(add_comp), set.layout, NULL);
    const uint32_t push[2] = {5, WORDS - 7};
    e2e_pattern_fill(buffer.map, WORDS * 4, 1);
    uint32_t *expected = e2e_alloc(WORDS, 4);
    memcpy(expected, buffer.map, WORDS * 4);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, pipeline, &set);
    vkCmdPushConstants(commands, set.layout, stage, 0, 8, push);
    vkCmdDispatch(commands, WORDS / 64, 1, 1);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < WORDS - 7; i++) {
        expected[i] = expected[i] * 5 + i;
    }
    CHECK(!memcmp(expected, buffer.map, WORDS * 4), "values differ");
    free(expected);
    e2e_digest("values", buffer.map, WORDS * 4);
}

// 200 dispatches, each reading what the one before wrote.
void case_compute_dispatch_chain(struct e2e *t)
{
    enum { WORDS = 1024, STEPS = 200 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, WORDS * 4, storage);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 8);
    const VkPipeline pipeline = e2e_compute(t, CODE(add_comp), set.layout, NULL);
    uint32_t expected[WORDS] = {0};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, pipeline, &set);
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint32_t push[2] = {step | 1, WORDS};
        vkCmdPushConstants(commands, set.layout, stage, 0, 8, push);
        vkCmdDispatch(commands, WORDS / 64, 1, 1);
        e2e_barrier(commands);
        for (uint32_t i = 0; i < WORDS; i++) {
            expected[i] = expected[i] * (step | 1) + i;
        }
    }
    e2e_run(t, commands);
    CHECK(!memcmp(expected, buffer.map, sizeof(expected)), "values differ");
    e2e_digest("values", buffer.map, WORDS * 4);
}

void case_compute_atomics(struct e2e *t)
{
    enum { WORDS = 65536 };
    struct result {
        uint32_t least, most, ored, tickets, bins[256];
    };
    e2e_open(t, NULL);
    const struct e2e_buffer values = e2e_buffer(t, WORDS * 4, storage, E2E_HOST);
    const struct e2e_buffer result = e2e_buffer_with(t, NULL, sizeof(struct result), storage);
    struct result *got = result.map;
    struct result expected = {.least = UINT32_MAX};
    got->least = UINT32_MAX;
    uint32_t *value = values.map, state = 3;
    for (uint32_t i = 0; i < WORDS; i++) {
        value[i] = e2e_random(&state);
        expected.least = value[i] < expected.least ? value[i] : expected.least;
        expected.most = value[i] > expected.most ? value[i] : expected.most;
        expected.ored |= value[i];
        expected.tickets++;
        expected.bins[value[i] & 255]++;
    }
    const struct e2e_binding bindings[] = {e2e_bind_storage(&values), e2e_bind_storage(&result)};
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(histogram_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, WORDS / 64, 1, 1);
    e2e_run(t, commands);
    CHECK(!memcmp(got, &expected, sizeof(expected)), "counts differ");
    e2e_digest("counts", got, sizeof(*got));
}

void case_compute_shared_memory(struct e2e *t)
{
    enum { GROUPS = 256 };
    e2e_open(t, NULL);
    const struct e2e_buffer values = e2e_buffer(t, GROUPS * 256 * 4, storage, E2E_HOST);
    const struct e2e_buffer sums = e2e_buffer_with(t, NULL, GROUPS * 4, storage);
    e2e_pattern_fill(values.map, values.size, 1);
    const struct e2e_binding bindings[] = {e2e_bind_storage(&values), e2e_bind_storage(&sums)};
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(reduce_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, GROUPS, 1, 1);
    e2e_run(t, commands);
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < 256; i++) {
            sum += ((const uint32_t *)values.map)[g * 256 + i];
        }
        CHECK(((const uint32_t *)sums.map)[g] == sum, "sum of group %u", g);
    }
    e2e_digest("sums", sums.map, sums.size);
}

// The GPU writes the arguments, then dispatches by them.
void case_compute_indirect(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer arguments =
        e2e_buffer(t, 12, storage | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT, E2E_LOCAL);
    const struct e2e_buffer ran = e2e_buffer_with(t, NULL, 16 * 16 * 4 * 4, storage);
    const struct e2e_binding argument_binding = e2e_bind_storage(&arguments);
    const struct e2e_binding ran_binding = e2e_bind_storage(&ran);
    const struct e2e_set writer = e2e_set(t, &argument_binding, 1, stage, 12);
    const struct e2e_set reader = e2e_set(t, &ran_binding, 1, stage, 0);
    const uint32_t counts[3] = {5, 7, 3};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(arguments_comp), writer.layout, NULL), &writer);
    vkCmdPushConstants(commands, writer.layout, stage, 0, 12, counts);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_barrier(commands);
    e2e_use(commands, e2e_compute(t, CODE(groups_comp), reader.layout, NULL), &reader);
    vkCmdDispatchIndirect(commands, arguments.handle, 0);
    e2e_run(t, commands);
    const uint32_t *count = ran.map;
    for (uint32_t i = 0; i < 16 * 16 * 4; i++) {
        const bool inside = i % 16 < 5 && i / 16 % 16 < 7 && i / 256 < 3;
        CHECK(count[i] == (inside ? 8u : 0u), "group %u ran %u times", i, count[i]);
    }
    e2e_digest("groups", ran.map, ran.size);
}

void case_compute_dispatch_base(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer ran = e2e_buffer_with(t, NULL, 16 * 16 * 4 * 4, storage);
    const struct e2e_binding binding = e2e_bind_storage(&ran);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 0);
    const VkShaderModule module = e2e_module(t, CODE(groups_comp));
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = stage,
                  .module = module,
                  .pName = "main"},
        .layout = set.layout,
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    KEEP(t, PIPELINE, pipeline);
    vkDestroyShaderModule(t->device, module, NULL);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, pipeline, &set);
    vkCmdDispatchBase(commands, 2, 3, 1, 4, 5, 2);
    e2e_run(t, commands);
    const uint32_t *count = ran.map;
    for (uint32_t i = 0; i < 16 * 16 * 4; i++) {
        const uint32_t x = i % 16, y = i / 16 % 16, z = i / 256;
        const bool inside = x >= 2 && x < 6 && y >= 3 && y < 8 && z >= 1 && z < 3;
        CHECK(count[i] == (inside ? 8u : 0u), "group %u ran %u times", i, count[i]);
    }
    e2e_digest("groups", ran.map, ran.size);
}

void case_compute_specialization(struct e2e *t)
{
    enum { WORDS = 96 };
    struct {
        uint32_t size, factor;
        VkBool32 negate;
        float scale;
        int32_t offset;
    } values = {32, 3, VK_TRUE, 0.5f, -4};
    VkSpecializationMapEntry entries[5];
    for (uint32_t i = 0; i < COUNT(entries); i++) {
        entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    }
    const VkSpecializationInfo constants = {COUNT(entries), entries, sizeof(values), &values};
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, WORDS * 4, storage);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(special_comp), set.layout, &constants), &set);
    vkCmdDispatch(commands, WORDS / 32, 1, 1);
    e2e_run(t, commands);
    for (int i = 0; i < WORDS; i++) {
        const int expected = -((int)((float)(i * 3) * 0.5f) - 4);
        CHECK(((const int *)buffer.map)[i] == expected, "value %d", i);
    }
    e2e_digest("values", buffer.map, buffer.size);
}

// Push constants in pieces: each dispatch changes a part and keeps the rest.
void case_compute_push_constants(struct e2e *t)
{
    enum { STEPS = 28 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, STEPS * 112, storage);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 116);
    uint32_t words[28] = {0}, expected[STEPS * 28];
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(push_comp), set.layout, NULL), &set);
    vkCmdPushConstants(commands, set.layout, stage, 0, sizeof(words), words);
    for (uint32_t step = 0; step < STEPS; step++) {
        words[step] = step * 2654435761u + 1;
        vkCmdPushConstants(commands, set.layout, stage, step * 4, 4, &words[step]);
        vkCmdPushConstants(commands, set.layout, stage, 112, 4, &step);
        vkCmdDispatch(commands, 1, 1, 1);
        memcpy(expected + step * 28, words, sizeof(words));
    }
    e2e_run(t, commands);
    CHECK(!memcmp(expected, buffer.map, sizeof(expected)), "values differ");
    e2e_digest("values", buffer.map, buffer.size);
}

static VkBufferView texel_view(struct e2e *t, const struct e2e_buffer *buffer, VkFormat format)
{
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = buffer->handle,
        .format = format,
        .range = VK_WHOLE_SIZE,
    };
    VkBufferView view = VK_NULL_HANDLE;
    OK(vkCreateBufferView(t->device, &info, NULL, &view));
    KEEP(t, BUFFER_VIEW, view);
    return view;
}

void case_compute_texel_buffers(struct e2e *t)
{
    enum { TEXELS = 4096 };
    e2e_open(t, NULL);
    const struct e2e_buffer from =
        e2e_buffer(t, TEXELS * 4, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT, E2E_HOST);
    const struct e2e_buffer to =
        e2e_buffer_with(t, NULL, (TEXELS + 1) * 4, VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT);
    e2e_pattern_fill(from.map, from.size, 11);
    const struct e2e_binding bindings[] = {
        {.type = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
         .texel = texel_view(t, &from, VK_FORMAT_R8G8B8A8_UNORM)},
        {.type = VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER,
         .texel = texel_view(t, &to, VK_FORMAT_R32_UINT)},
    };
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(texel_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, TEXELS / 64, 1, 1);
    e2e_run(t, commands);
    const uint32_t *source = from.map, *result = to.map;
    for (uint32_t i = 0; i < TEXELS; i++) {
        CHECK(result[i] == __builtin_bswap32(source[i]), "texel %u: 0x%08x", i, result[i]);
    }
    CHECK(result[TEXELS] == TEXELS, "%u texels counted", result[TEXELS]);
    e2e_digest("texels", to.map, to.size);
}

void case_compute_storage_image(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image picture =
        e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                .extent = {250, 130, 1},
                                                .usage = VK_IMAGE_USAGE_STORAGE_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_SRC_BIT});
    const struct e2e_image counter =
        e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R32_UINT,
                                                .extent = {16, 16, 1},
                                                .usage = VK_IMAGE_USAGE_STORAGE_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_DST_BIT});
    const struct e2e_binding bindings[] = {e2e_bind_image(picture.view),
                                           e2e_bind_image(counter.view)};
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    const VkClearColorValue zero = {.uint32 = {0}};
    const VkImageSubresourceRange whole = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &picture, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    e2e_layout(commands, &counter, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    vkCmdClearColorImage(commands, counter.handle, VK_IMAGE_LAYOUT_GENERAL, &zero, 1, &whole);
    e2e_barrier(commands);
    e2e_use(commands, e2e_compute(t, CODE(paint_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, (250 + 7) / 8, (130 + 7) / 8, 1);
    e2e_run(t, commands);
    const struct e2e_buffer pixels = e2e_read(t, &picture, 0, VK_IMAGE_LAYOUT_GENERAL);
    const struct e2e_buffer counts = e2e_read(t, &counter, 0, VK_IMAGE_LAYOUT_GENERAL);
    const unsigned char *pixel = pixels.map;
    for (uint32_t y = 0; y < 130; y++) {
        for (uint32_t x = 0; x < 250; x++, pixel += 4) {
            CHECK(pixel[0] == x && pixel[1] == y && pixel[2] == (x ^ y) && pixel[3] == 255,
                  "pixel %u, %u", x, y);
        }
    }
    const uint32_t *count = counts.map;
    CHECK(count[0] == 256 && count[15] == 10 * 16 && count[8 * 16] == 16 * 2, "counts differ");
    CHECK(count[15 * 16] == 249 * 1000 + 129, "maximum is %u", count[15 * 16]);
    e2e_digest("picture", pixels.map, pixels.size);
    e2e_digest("counts", counts.map, counts.size);
}

void case_compute_wide_types(struct e2e *t)
{
    enum { VALUES = 1024 };
    e2e_open(t, NULL);
    if (!t->features.features.shaderInt64 || !t->features.features.shaderFloat64) {
        e2e_skip("no 64-bit types in shaders");
    }
    const struct e2e_buffer integers = e2e_buffer(t, VALUES * 8, storage, E2E_HOST);
    const struct e2e_buffer doubles = e2e_buffer(t, VALUES * 8, storage, E2E_HOST);
    for (uint32_t i = 0; i < VALUES; i++) {
        ((uint64_t *)integers.map)[i] = i * 0x9e3779b97f4a7c15u;
        ((double *)doubles.map)[i] = (double)i * i;
    }
    const struct e2e_binding bindings[] = {e2e_bind_storage(&integers), e2e_bind_storage(&doubles)};
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(wide_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, VALUES / 64, 1, 1);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < VALUES; i++) {
        const uint64_t expected =
            i * 0x9e3779b97f4a7c15u * 6364136223846793005u + 1442695040888963407u;
        CHECK(((const uint64_t *)integers.map)[i] == expected, "integer %u", i);
        const double d = ((const double *)doubles.map)[i] - (i + i / 3.0);
        CHECK(d > -1e-6 && d < 1e-6, "double %u is off by %g", i, d);
    }
    e2e_digest("integers", integers.map, integers.size);
    e2e_digest("doubles", doubles.map, doubles.size);
}

// llvmpipe calls functions of the C library for these, and wants to find them in its process.
void case_compute_half_functions(struct e2e *t)
{
    enum { VALUES = 1024 };
    e2e_open(t, NULL);
    if (!t->features12.shaderFloat16) {
        e2e_skip("no 16-bit floats in shaders");
    }
    const struct e2e_buffer values = e2e_buffer(t, VALUES * 16, storage, E2E_HOST);
    float(*value)[4] = values.map;
    for (uint32_t i = 0; i < VALUES; i++) {
        value[i][0] = (float)(i + 256) / 256;
    }
    const struct e2e_binding binding = e2e_bind_storage(&values);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(half_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, VALUES / 64, 1, 1);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < VALUES; i++) {
        const float x = (float)(i + 256) / 256;
        const float expected[] = {exp2f(x), log2f(x), sinf(x), powf(x, 3)};
        for (uint32_t k = 0; k < 4; k++) {
            const float off = fabsf(value[i][k] - expected[k]);
            CHECK(off <= 0.01f + 0.01f * fabsf(expected[k]), "function %u of %g is %g, not %g", k,
                  (double)x, (double)value[i][k], (double)expected[k]);
        }
    }
    e2e_digest("values", values.map, values.size);
}

void case_compute_subgroups(struct e2e *t)
{
    e2e_open(t, NULL);
    VkPhysicalDeviceSubgroupProperties subgroups = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &subgroups,
    };
    vkGetPhysicalDeviceProperties2(t->physical, &properties);
    const VkSubgroupFeatureFlags wanted = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                          VK_SUBGROUP_FEATURE_VOTE_BIT |
                                          VK_SUBGROUP_FEATURE_BALLOT_BIT;
    if ((subgroups.supportedOperations & wanted) != wanted ||
        !(subgroups.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)) {
        e2e_skip("no subgroup ballots");
    }
    const struct e2e_buffer result = e2e_buffer_with(t, NULL, 64 * 16, storage);
    const struct e2e_binding binding = e2e_bind_storage(&result);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 0);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(subgroup_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_run(t, commands);
    const uint32_t *word = result.map;
    CHECK(word[3] == subgroups.subgroupSize && word[2] == 1, "subgroup of %u", word[3]);
    e2e_digest("votes", result.map, result.size);
}

void case_compute_dynamic_offsets(struct e2e *t)
{
    enum { STEPS = 50 };
    e2e_open(t, NULL);
    const VkDeviceSize stride = 256; // the most any device asks for
    const struct e2e_buffer blocks =
        e2e_buffer(t, stride * STEPS, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, E2E_HOST);
    const struct e2e_buffer results = e2e_buffer_with(t, NULL, stride * STEPS, storage);
    const struct e2e_binding bindings[] = {
        {.type = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, .buffer = {blocks.handle, 0, 16}},
        {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC, .buffer = {results.handle, 0, 16}},
    };
    const struct e2e_set set = e2e_set(t, bindings, 2, stage, 0);
    const VkPipeline pipeline = e2e_compute(t, CODE(scale_comp), set.layout, NULL);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    for (uint32_t i = 0; i < STEPS; i++) {
        *(uint32_t *)((char *)blocks.map + i * stride) = i * 1000 + 7;
        const uint32_t offsets[2] = {(uint32_t)(i * stride), (uint32_t)((STEPS - 1 - i) * stride)};
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, set.layout, 0, 1,
                                &set.set, 2, offsets);
        vkCmdDispatch(commands, 1, 1, 1);
    }
    e2e_run(t, commands);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t word;
        memcpy(&word, (char *)results.map + (STEPS - 1 - i) * stride, 4);
        CHECK(word == (i * 1000 + 7) * 2, "step %u gave %u", i, word);
    }
    e2e_digest("results", results.map, results.size);
}

void case_compute_push_descriptors(struct e2e *t)
{
    static const char *const extension = VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME;
    enum { STEPS = 20 };
    e2e_open(t, &(struct e2e_device_params){.extensions = &extension, .extension_count = 1});
    const PFN_vkCmdPushDescriptorSetKHR push =
        (PFN_vkCmdPushDescriptorSetKHR)(void *)vkGetDeviceProcAddr(t->device,
                                                                   "vkCmdPushDescriptorSetKHR");
    CHECK(push, "no vkCmdPushDescriptorSetKHR");
    const VkDescriptorSetLayoutBinding layout_bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1, stage, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL},
    };
    const VkDescriptorSetLayout set_layout = e2e_set_layout(
        t, layout_bindings, 2, VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR, NULL);
    const VkPipelineLayout layout = e2e_pipeline_layout(t, set_layout, stage, 0);
    const VkPipeline pipeline = e2e_compute(t, CODE(scale_comp), layout, NULL);
    const struct e2e_buffer blocks =
        e2e_buffer(t, 256 * STEPS, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, E2E_HOST);
    const struct e2e_buffer results = e2e_buffer_with(t, NULL, 256 * STEPS, storage);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    for (uint32_t i = 0; i < STEPS; i++) {
        *(uint32_t *)((char *)blocks.map + i * 256) = i + 5;
        const VkDescriptorBufferInfo buffers[2] = {{blocks.handle, i * 256, 16},
                                                   {results.handle, i * 256, 16}};
        VkWriteDescriptorSet writes[2];
        for (uint32_t b = 0; b < 2; b++) {
            writes[b] = (VkWriteDescriptorSet){
                .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                .dstBinding = b,
                .descriptorCount = 1,
                .descriptorType = layout_bindings[b].descriptorType,
                .pBufferInfo = &buffers[b],
            };
        }
        push(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 2, writes);
        vkCmdDispatch(commands, 1, 1, 1);
    }
    e2e_run(t, commands);
    for (uint32_t i = 0; i < STEPS; i++) {
        CHECK(*(uint32_t *)((char *)results.map + i * 256) == (i + 5) * 2, "step %u", i);
    }
    e2e_digest("results", results.map, results.size);
}

// A runtime-sized, partly written array of buffers, filled after it was bound.
void case_compute_descriptor_indexing(struct e2e *t)
{
    enum { TABLE = 64, VALUES = 256, ROOM = 100 };
    e2e_open(t, NULL);
    const VkPhysicalDeviceVulkan12Features *has = &t->features12;
    if (!has->runtimeDescriptorArray || !has->descriptorBindingPartiallyBound ||
        !has->descriptorBindingStorageBufferUpdateAfterBind ||
        !has->descriptorBindingVariableDescriptorCount ||
        !has->shaderStorageBufferArrayNonUniformIndexing) {
        e2e_skip("no descriptor indexing");
    }
    const VkDescriptorSetLayoutBinding bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 4 * ROOM, stage, NULL},
    };
    const VkDescriptorBindingFlags flags[] = {
        0, VK_DESCRIPTOR_BINDING_PARTIALLY_BOUND_BIT | VK_DESCRIPTOR_BINDING_UPDATE_AFTER_BIND_BIT |
               VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT};
    const VkDescriptorSetLayoutBindingFlagsCreateInfo flags_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO,
        .bindingCount = 2,
        .pBindingFlags = flags,
    };
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 + ROOM};
    struct e2e_set set = {0};
    set.set_layout = e2e_set_layout(
        t, bindings, 2, VK_DESCRIPTOR_SET_LAYOUT_CREATE_UPDATE_AFTER_BIND_POOL_BIT, &flags_info);
    set.layout = e2e_pipeline_layout(t, set.set_layout, stage, 0);
    const uint32_t room = ROOM;
    const VkDescriptorSetVariableDescriptorCountAllocateInfo variable = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_ALLOCATE_INFO,
        .descriptorSetCount = 1,
        .pDescriptorCounts = &room,
    };
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .pNext = &variable,
        .descriptorPool =
            e2e_pool(t, 1, &size, 1, VK_DESCRIPTOR_POOL_CREATE_UPDATE_AFTER_BIND_BIT, NULL),
        .descriptorSetCount = 1,
        .pSetLayouts = &set.set_layout,
    };
    OK(vkAllocateDescriptorSets(t->device, &allocate, &set.set));

    const struct e2e_buffer result = e2e_buffer_with(t, NULL, VALUES * 4, storage);
    const struct e2e_binding result_binding = e2e_bind_storage(&result);
    e2e_set_write(t, set.set, 0, 0, &result_binding);
    const VkPipeline pipeline = e2e_compute(t, CODE(indexing_comp), set.layout, NULL);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, pipeline, &set);
    vkCmdDispatch(commands, VALUES / 64, 1, 1);
    for (uint32_t i = 0; i < TABLE; i++) { // after the bind, before the submission
        const uint32_t value = i * i + 1;
        const struct e2e_buffer buffer = e2e_buffer_with(t, &value, 4, storage);
        const struct e2e_binding binding = e2e_bind_storage(&buffer);
        e2e_set_write(t, set.set, 1, i, &binding);
    }
    e2e_run(t, commands);
    for (uint32_t i = 0; i < VALUES; i++) {
        const uint32_t slot = i * 7 % TABLE;
        CHECK(((const uint32_t *)result.map)[i] == slot * slot + 1, "value %u", i);
    }
    e2e_digest("values", result.map, result.size);
}

void case_compute_buffer_device_address(struct e2e *t)
{
    enum { NODES = 100 };
    struct node {
        uint64_t next;
        uint32_t value, visited;
    };
    e2e_open(t, NULL);
    if (!t->features12.bufferDeviceAddress) {
        e2e_skip("no buffer device addresses");
    }
    struct e2e_buffer nodes[NODES];
    VkDeviceAddress addresses[NODES];
    for (uint32_t i = 0; i < NODES; i++) { // each node in memory of its own
        nodes[i] = e2e_buffer_with(t, NULL, sizeof(struct node),
                                   storage | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
        const VkBufferDeviceAddressInfo info = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = nodes[i].handle,
        };
        addresses[i] = vkGetBufferDeviceAddress(t->device, &info);
        CHECK(addresses[i], "address 0");
    }
    uint32_t expected = 0;
    for (uint32_t i = 0; i < NODES; i++) { // visited in steps of 37
        const uint32_t at = i * 37 % NODES, next = (i + 1) * 37 % NODES;
        *(struct node *)nodes[at].map = (struct node){addresses[next], at * at, 0};
        expected = expected * 31 + at * at;
    }
    const struct e2e_buffer result = e2e_buffer_with(t, NULL, 8, storage);
    const struct e2e_binding binding = e2e_bind_storage(&result);
    const struct e2e_set set = e2e_set(t, &binding, 1, stage, 16);
    const struct {
        VkDeviceAddress first;
        uint32_t length, unused;
    } push = {addresses[0], NODES, 0};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(address_comp), set.layout, NULL), &set);
    vkCmdPushConstants(commands, set.layout, stage, 0, sizeof(push), &push);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_run(t, commands);
    CHECK(((const uint32_t *)result.map)[0] == expected, "sum differs");
    for (uint32_t i = 0; i < NODES; i++) {
        CHECK(((struct node *)nodes[i * 37 % NODES].map)->visited == i + 1, "node %u", i);
    }
    e2e_digest("sum", result.map, result.size);
}

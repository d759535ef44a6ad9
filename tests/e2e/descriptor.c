// Descriptor pools, sets and the ways to write them.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

static const VkShaderStageFlags stage = VK_SHADER_STAGE_COMPUTE_BIT;

static VkDescriptorPool pool_create(struct e2e *t, uint32_t sets, VkDescriptorPoolCreateFlags flags)
{
    const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, sets * 8},
                                          {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, sets}};
    return e2e_pool(t, sets, sizes, 2, flags, NULL);
}

// A layout of `uniforms` uniform buffers and a storage buffer, with its pipeline layout.
static struct e2e_set layouts(struct e2e *t, uint32_t uniforms)
{
    struct e2e_set set = {0};
    const VkDescriptorSetLayoutBinding bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, uniforms, stage, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL},
    };
    set.set_layout = e2e_set_layout(t, bindings, 2, 0, NULL);
    set.layout = e2e_pipeline_layout(t, set.set_layout, stage, 0);
    return set;
}

static VkResult allocate(struct e2e *t, VkDescriptorPool pool, VkDescriptorSetLayout layout,
                         uint32_t count, VkDescriptorSet *sets)
{
    VkDescriptorSetLayout *list = e2e_alloc(count, sizeof(VkDescriptorSetLayout));
    for (uint32_t i = 0; i < count; i++) {
        list[i] = layout;
    }
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = count,
        .pSetLayouts = list,
    };
    const VkResult result = vkAllocateDescriptorSets(t->device, &info, sets);
    free(list);
    return result;
}

// Blocks with values at 256-byte steps, results at the same steps, and the `scale` pipeline.
struct bench {
    struct e2e_set set; // layouts only
    struct e2e_buffer blocks, results;
    VkPipeline pipeline;
};

static struct bench bench_open(struct e2e *t, uint32_t slots)
{
    struct bench bench;
    e2e_open(t, NULL);
    bench.set = layouts(t, 1);
    bench.blocks = e2e_buffer_with(t, NULL, slots * 256, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT);
    bench.results = e2e_buffer_with(t, NULL, slots * 256, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    bench.pipeline = e2e_compute(t, CODE(scale_comp), bench.set.layout, NULL);
    for (uint32_t i = 0; i < slots; i++) {
        *(uint32_t *)((char *)bench.blocks.map + i * 256) = i * 3 + 1;
    }
    return bench;
}

static void bench_write(struct e2e *t, const struct bench *bench, VkDescriptorSet set,
                        uint32_t slot)
{
    const VkDescriptorBufferInfo block = {bench->blocks.handle, slot * 256, 16};
    const VkDescriptorBufferInfo result = {bench->results.handle, slot * 256, 16};
    const VkWriteDescriptorSet writes[2] = {
        {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
         .dstSet = set,
         .descriptorCount = 1,
         .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
         .pBufferInfo = &block},
        {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
         .dstSet = set,
         .dstBinding = 1,
         .descriptorCount = 1,
         .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
         .pBufferInfo = &result},
    };
    vkUpdateDescriptorSets(t->device, 2, writes, 0, NULL);
}

static void bench_run(struct e2e *t, const struct bench *bench, const VkDescriptorSet *sets,
                      uint32_t count)
{
    memset(bench->results.map, 0, bench->results.size);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, bench->pipeline);
    for (uint32_t i = 0; i < count; i++) {
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, bench->set.layout, 0, 1,
                                &sets[i], 0, NULL);
        vkCmdDispatch(commands, 1, 1, 1);
    }
    e2e_run(t, commands);
}

static void bench_check(const struct bench *bench, uint32_t slot, uint32_t expected)
{
    const uint32_t word = *(const uint32_t *)((const char *)bench->results.map + slot * 256);
    CHECK(word == expected, "slot %u holds %u, expected %u", slot, word, expected);
}

// Drivers may serve more than the pool promises (lavapipe does); only then is there no error.
void case_descriptor_pool_exhaustion(struct e2e *t)
{
    enum { SETS = 16 };
    const struct bench bench = bench_open(t, SETS);
    const VkDescriptorPool pool = pool_create(t, SETS, 0);
    VkDescriptorSet sets[SETS + 1];
    for (uint32_t round = 0; round < 5; round++) {
        OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
        VkDescriptorSet extra = VK_NULL_HANDLE;
        const VkResult result = allocate(t, pool, bench.set.set_layout, 1, &extra);
        CHECK(result == VK_SUCCESS || result == VK_ERROR_OUT_OF_POOL_MEMORY, "VkResult %d", result);
        for (uint32_t i = 0; i < SETS; i++) {
            bench_write(t, &bench, sets[i], i);
        }
        bench_run(t, &bench, sets, SETS);
        for (uint32_t i = 0; i < SETS; i++) {
            bench_check(&bench, i, (i * 3 + 1) * 2);
        }
        OK(vkResetDescriptorPool(t->device, pool, 0));
    }
    // More than fit, all at once: none is made.
    const VkResult result = allocate(t, pool, bench.set.set_layout, SETS + 1, sets);
    CHECK(result == VK_SUCCESS || result == VK_ERROR_OUT_OF_POOL_MEMORY, "VkResult %d", result);
    if (result != VK_SUCCESS) {
        OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
    }
    e2e_digest("results", bench.results.map, bench.results.size);
}

void case_descriptor_pool_free(struct e2e *t)
{
    enum { SETS = 16 };
    const struct bench bench = bench_open(t, SETS);
    const VkDescriptorPool pool =
        pool_create(t, SETS, VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT);
    VkDescriptorSet sets[SETS];
    OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
    for (uint32_t round = 0; round < 200; round++) {
        VkDescriptorSet freed[3];
        uint32_t slots[3];
        for (uint32_t i = 0; i < 3; i++) {
            slots[i] = (round * 5 + i * 5) % SETS;
            freed[i] = sets[slots[i]];
        }
        freed[1] = round % 4 ? freed[1] : VK_NULL_HANDLE; // may be among them
        OK(vkFreeDescriptorSets(t->device, pool, 3, freed));
        for (uint32_t i = 0; i < 3; i++) {
            if (freed[i]) {
                OK(allocate(t, pool, bench.set.set_layout, 1, &sets[slots[i]]));
            }
        }
    }
    for (uint32_t i = 0; i < SETS; i++) {
        bench_write(t, &bench, sets[i], i);
    }
    bench_run(t, &bench, sets, SETS);
    for (uint32_t i = 0; i < SETS; i++) {
        bench_check(&bench, i, (i * 3 + 1) * 2);
    }
    e2e_digest("results", bench.results.map, bench.results.size);
}

void case_descriptor_thousand_sets(struct e2e *t)
{
    enum { SETS = 1000 };
    const struct bench bench = bench_open(t, SETS);
    const VkDescriptorPool pool = pool_create(t, SETS, 0);
    VkDescriptorSet *sets = e2e_alloc(SETS, sizeof(VkDescriptorSet));
    for (uint32_t round = 0; round < 3; round++) {
        OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
        for (uint32_t i = 0; i < SETS; i++) {
            bench_write(t, &bench, sets[i], i);
        }
        bench_run(t, &bench, sets, SETS);
        for (uint32_t i = 0; i < SETS; i++) {
            bench_check(&bench, i, (i * 3 + 1) * 2);
        }
        OK(vkResetDescriptorPool(t->device, pool, 0));
    }
    free(sets);
    e2e_digest("results", bench.results.map, bench.results.size);
}

void case_descriptor_copies(struct e2e *t)
{
    enum { SETS = 8 };
    const struct bench bench = bench_open(t, SETS);
    const VkDescriptorPool pool = pool_create(t, SETS, 0);
    VkDescriptorSet sets[SETS];
    OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
    for (uint32_t i = 0; i < SETS; i++) {
        bench_write(t, &bench, sets[i], i);
    }
    // The first four take the blocks of the last four and keep their own results.
    VkCopyDescriptorSet copies[4];
    for (uint32_t i = 0; i < 4; i++) {
        copies[i] = (VkCopyDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET,
            .srcSet = sets[i + 4],
            .dstSet = sets[i],
            .descriptorCount = 1,
        };
    }
    vkUpdateDescriptorSets(t->device, 0, NULL, 4, copies);
    bench_run(t, &bench, sets, SETS);
    for (uint32_t i = 0; i < SETS; i++) {
        bench_check(&bench, i, ((i < 4 ? i + 4 : i) * 3 + 1) * 2);
    }
    e2e_digest("results", bench.results.map, bench.results.size);
}

void case_descriptor_update_template(struct e2e *t)
{
    enum { SETS = 20 };
    struct data {
        uint64_t unused;
        VkDescriptorBufferInfo result, block;
    };
    const struct bench bench = bench_open(t, SETS);
    const VkDescriptorPool pool = pool_create(t, SETS, 0);
    VkDescriptorSet sets[SETS];
    OK(allocate(t, pool, bench.set.set_layout, SETS, sets));
    const VkDescriptorUpdateTemplateEntry entries[] = {
        {0, 0, 1, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, offsetof(struct data, block), 0},
        {1, 0, 1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, offsetof(struct data, result), 0},
    };
    const VkDescriptorUpdateTemplateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO,
        .descriptorUpdateEntryCount = 2,
        .pDescriptorUpdateEntries = entries,
        .templateType = VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET,
        .descriptorSetLayout = bench.set.set_layout,
    };
    VkDescriptorUpdateTemplate template = VK_NULL_HANDLE;
    OK(vkCreateDescriptorUpdateTemplate(t->device, &info, NULL, &template));
    KEEP(t, DESCRIPTOR_UPDATE_TEMPLATE, template);
    for (uint32_t i = 0; i < SETS; i++) {
        const struct data data = {.result = {bench.results.handle, i * 256, 16},
                                  .block = {bench.blocks.handle, (SETS - 1 - i) * 256, 16}};
        vkUpdateDescriptorSetWithTemplate(t->device, sets[i], template, &data);
    }
    bench_run(t, &bench, sets, SETS);
    for (uint32_t i = 0; i < SETS; i++) {
        bench_check(&bench, i, ((SETS - 1 - i) * 3 + 1) * 2);
    }
    e2e_digest("results", bench.results.map, bench.results.size);
}

// Elements of an array, written one by one, in a piece, and copied about.
void case_descriptor_arrays(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_set set = layouts(t, 8);
    const VkDescriptorPool pool = pool_create(t, 1, 0);
    VkDescriptorSet sets[1];
    OK(allocate(t, pool, set.set_layout, 1, sets));
    const struct e2e_buffer blocks =
        e2e_buffer_with(t, NULL, 8 * 256, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT);
    const struct e2e_buffer result =
        e2e_buffer_with(t, NULL, 32, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    VkDescriptorBufferInfo infos[8];
    for (uint32_t i = 0; i < 8; i++) {
        *(uint32_t *)((char *)blocks.map + i * 256) = 100 + i;
        infos[i] = (VkDescriptorBufferInfo){blocks.handle, i * 256, 16};
    }
    const VkWriteDescriptorSet writes[] = {
        {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
         .dstSet = sets[0],
         .dstArrayElement = 3,
         .descriptorCount = 5,
         .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
         .pBufferInfo = &infos[3]},
        {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
         .dstSet = sets[0],
         .descriptorCount = 2,
         .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
         .pBufferInfo = infos},
    };
    const struct e2e_binding storage = e2e_bind_storage(&result);
    vkUpdateDescriptorSets(t->device, 2, writes, 0, NULL);
    e2e_set_write(t, sets[0], 1, 0, &storage);
    const VkCopyDescriptorSet copy = {.sType = VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET,
                                      .srcSet = sets[0],
                                      .srcArrayElement = 7,
                                      .dstSet = sets[0],
                                      .dstArrayElement = 2,
                                      .descriptorCount = 1};
    vkUpdateDescriptorSets(t->device, 0, NULL, 1, &copy);
    const struct e2e_set used = {set.set_layout, set.layout, sets[0]};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(array_comp), set.layout, NULL), &used);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK(((const uint32_t *)result.map)[i] == (i == 2 ? 107 : 100 + i), "element %u", i);
    }
    e2e_digest("values", result.map, result.size);
}

// Images and samplers apart; the sampler is part of the layout in the second round.
void case_descriptor_separate_samplers(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_image image =
        e2e_image(t, &(struct e2e_image_params){.format = VK_FORMAT_R8G8B8A8_UNORM,
                                                .extent = {4, 1, 1},
                                                .usage = VK_IMAGE_USAGE_SAMPLED_BIT |
                                                         VK_IMAGE_USAGE_TRANSFER_DST_BIT});
    const uint32_t texels[4] = {0xff, 0xff00, 0xff0000, 0xff000000};
    const struct e2e_buffer from = e2e_buffer_with(t, texels, 16, VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
    const struct e2e_buffer result =
        e2e_buffer_with(t, NULL, 64, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const VkSampler sampler = e2e_sampler(t, VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_REPEAT);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    e2e_upload(commands, &image, 0, &from);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
               VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    e2e_run(t, commands);
    for (uint32_t round = 0; round < 2; round++) {
        const VkDescriptorSetLayoutBinding bindings[] = {
            {0, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, 1, stage, NULL},
            {1, VK_DESCRIPTOR_TYPE_SAMPLER, 1, stage, round ? &sampler : NULL},
            {2, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL},
        };
        const VkDescriptorSetLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
            .bindingCount = 3,
            .pBindings = bindings,
        };
        VkDescriptorSetLayoutSupport support = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_SUPPORT,
        };
        vkGetDescriptorSetLayoutSupport(t->device, &info, &support);
        CHECK(support.supported, "layout %u is not supported", round);
        struct e2e_set set = {0};
        set.set_layout = e2e_set_layout(t, bindings, 3, 0, NULL);
        set.layout = e2e_pipeline_layout(t, set.set_layout, stage, 0);
        const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, 1},
                                              {VK_DESCRIPTOR_TYPE_SAMPLER, 1},
                                              {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1}};
        const VkDescriptorPool pool = e2e_pool(t, 1, sizes, 3, 0, NULL);
        OK(allocate(t, pool, set.set_layout, 1, &set.set));
        const struct e2e_binding values[] = {
            {.type = VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
             .image = {VK_NULL_HANDLE, image.view, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL}},
            {.type = VK_DESCRIPTOR_TYPE_SAMPLER, .image = {sampler, VK_NULL_HANDLE, 0}},
            e2e_bind_storage(&result),
        };
        for (uint32_t i = 0; i < 3; i++) {
            if (i != 1 || !round) {
                e2e_set_write(t, set.set, i, 0, &values[i]);
            }
        }
        memset(result.map, 0, result.size);
        commands = e2e_begin(t);
        e2e_use(commands, e2e_compute(t, CODE(separate_comp), set.layout, NULL), &set);
        vkCmdDispatch(commands, 1, 1, 1);
        e2e_run(t, commands);
        for (uint32_t i = 0; i < 16; i++) {
            CHECK(((const float *)result.map)[i] == (i % 5 ? 0.0f : 1.0f), "value %u", i);
        }
        e2e_digest("values", result.map, result.size);
    }
}

void case_descriptor_inline_uniform(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features13.inlineUniformBlock) {
        e2e_skip("no inline uniform blocks");
    }
    const VkDescriptorSetLayoutBinding bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, 16, stage, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL},
    };
    struct e2e_set set = {0};
    set.set_layout = e2e_set_layout(t, bindings, 2, 0, NULL);
    set.layout = e2e_pipeline_layout(t, set.set_layout, stage, 0);
    const VkDescriptorPoolInlineUniformBlockCreateInfo blocks = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_INLINE_UNIFORM_BLOCK_CREATE_INFO,
        .maxInlineUniformBlockBindings = 1,
    };
    const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, 16},
                                          {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1}};
    const VkDescriptorPool pool = e2e_pool(t, 1, sizes, 2, 0, &blocks);
    OK(allocate(t, pool, set.set_layout, 1, &set.set));
    const uint32_t words[4] = {4242, 1, 2, 3};
    const VkWriteDescriptorSetInlineUniformBlock data = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK,
        .dataSize = sizeof(words),
        .pData = words,
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .pNext = &data,
        .dstSet = set.set,
        .descriptorCount = sizeof(words),
        .descriptorType = VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK,
    };
    const struct e2e_buffer result =
        e2e_buffer_with(t, NULL, 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding storage = e2e_bind_storage(&result);
    vkUpdateDescriptorSets(t->device, 1, &write, 0, NULL);
    e2e_set_write(t, set.set, 1, 0, &storage);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, e2e_compute(t, CODE(scale_comp), set.layout, NULL), &set);
    vkCmdDispatch(commands, 1, 1, 1);
    e2e_run(t, commands);
    CHECK(*(const uint32_t *)result.map == 8484, "%u", *(const uint32_t *)result.map);
    e2e_digest("value", result.map, 4);
}

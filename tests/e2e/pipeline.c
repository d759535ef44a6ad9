// Creating pipelines: caches, many at once, from many threads, and with failures among them.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

static const VkShaderStageFlags stage = VK_SHADER_STAGE_COMPUTE_BIT;

// A buffer that the `constant` shader writes `value * value + slot` to, at `slot`.
struct board {
    struct e2e_buffer buffer;
    struct e2e_set set;
    VkShaderModule module;
};

static struct board board_open(struct e2e *t, uint32_t slots)
{
    struct board board;
    e2e_open(t, NULL);
    board.buffer = e2e_buffer_with(t, NULL, slots * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding binding = e2e_bind_storage(&board.buffer);
    board.set = e2e_set(t, &binding, 1, stage, 0);
    board.module = e2e_module(t, CODE(constant_comp));
    KEEP(t, SHADER_MODULE, board.module);
    return board;
}

// The parts of a create info that must stay where they are.
struct recipe {
    uint32_t values[2];
    VkSpecializationInfo constants;
};

static const VkSpecializationMapEntry entries[2] = {{0, 0, 4}, {1, 4, 4}};

static VkComputePipelineCreateInfo recipe_fill(struct recipe *recipe, const struct board *board,
                                               uint32_t slot, uint32_t value)
{
    recipe->values[0] = slot;
    recipe->values[1] = value;
    recipe->constants = (VkSpecializationInfo){2, entries, 8, recipe->values};
    return (VkComputePipelineCreateInfo){
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = stage,
                  .module = board->module,
                  .pName = "main",
                  .pSpecializationInfo = &recipe->constants},
        .layout = board->set.layout,
        .basePipelineIndex = -1,
    };
}

// Runs all of them and checks what each wrote; value is slot + `base`.
static void board_run(struct e2e *t, const struct board *board, const VkPipeline *pipelines,
                      uint32_t count, uint32_t base)
{
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i < count; i++) {
        if (pipelines[i]) {
            e2e_use(commands, pipelines[i], &board->set);
            vkCmdDispatch(commands, 1, 1, 1);
        }
    }
    e2e_run(t, commands);
    const uint32_t *words = board->buffer.map;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t expected = pipelines[i] ? (i + base) * (i + base) + i : 0;
        CHECK(words[i] == expected, "pipeline %u wrote %u, expected %u", i, words[i], expected);
    }
}

void case_pipeline_many_in_one_call(struct e2e *t)
{
    enum { PIPELINES = 64 };
    const struct board board = board_open(t, PIPELINES);
    VkComputePipelineCreateInfo infos[PIPELINES];
    struct recipe recipes[PIPELINES];
    VkPipeline pipelines[PIPELINES];
    for (uint32_t i = 0; i < PIPELINES; i++) {
        infos[i] = recipe_fill(&recipes[i], &board, i, i + 3);
    }
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, PIPELINES, infos, NULL, pipelines));
    for (uint32_t i = 0; i < PIPELINES; i++) {
        KEEP(t, PIPELINE, pipelines[i]);
    }
    board_run(t, &board, pipelines, PIPELINES, 3);
    e2e_digest("values", board.buffer.map, board.buffer.size);
}

void case_pipeline_cache(struct e2e *t)
{
    enum { PIPELINES = 8 };
    const struct board board = board_open(t, PIPELINES);
    const VkPipelineCacheCreateInfo empty = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
    };
    VkPipelineCache caches[3] = {0};
    OK(vkCreatePipelineCache(t->device, &empty, NULL, &caches[0]));
    KEEP(t, PIPELINE_CACHE, caches[0]);
    VkComputePipelineCreateInfo infos[PIPELINES];
    struct recipe recipes[PIPELINES];
    VkPipeline pipelines[PIPELINES];
    for (uint32_t i = 0; i < PIPELINES; i++) {
        infos[i] = recipe_fill(&recipes[i], &board, i, i + 9);
    }
    OK(vkCreateComputePipelines(t->device, caches[0], PIPELINES, infos, NULL, pipelines));
    for (uint32_t i = 0; i < PIPELINES; i++) {
        KEEP(t, PIPELINE, pipelines[i]);
    }

    size_t size = 0;
    OK(vkGetPipelineCacheData(t->device, caches[0], &size, NULL));
    CHECK(size >= sizeof(VkPipelineCacheHeaderVersionOne), "%zu bytes of cache", size);
    unsigned char *data = e2e_alloc(size, 1);
    OK(vkGetPipelineCacheData(t->device, caches[0], &size, data));
    VkPipelineCacheHeaderVersionOne header;
    memcpy(&header, data, sizeof(header));
    CHECK(header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
              header.vendorID == t->properties.vendorID &&
              header.deviceID == t->properties.deviceID &&
              !memcmp(header.pipelineCacheUUID, t->properties.pipelineCacheUUID, VK_UUID_SIZE),
          "the header does not name this device");

    const VkPipelineCacheCreateInfo filled = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    OK(vkCreatePipelineCache(t->device, &filled, NULL, &caches[1]));
    KEEP(t, PIPELINE_CACHE, caches[1]);
    for (size_t i = sizeof(header); i < size; i++) {
        data[i] ^= 0x5a; // damaged contents must be survived
    }
    OK(vkCreatePipelineCache(t->device, &filled, NULL, &caches[2]));
    KEEP(t, PIPELINE_CACHE, caches[2]);
    free(data);
    OK(vkMergePipelineCaches(t->device, caches[0], 2, &caches[1]));
    for (uint32_t round = 0; round < 3; round++) {
        VkPipeline again[PIPELINES];
        memset(board.buffer.map, 0, board.buffer.size);
        OK(vkCreateComputePipelines(t->device, caches[round], PIPELINES, infos, NULL, again));
        board_run(t, &board, again, PIPELINES, 9);
        for (uint32_t i = 0; i < PIPELINES; i++) {
            vkDestroyPipeline(t->device, again[i], NULL);
        }
    }
    e2e_digest("values", board.buffer.map, board.buffer.size);
}

// "Fail rather than compile" gives a partial result: some handles, some nulls.
void case_pipeline_partial_failure(struct e2e *t)
{
    enum { PIPELINES = 5 };
    const struct board board = board_open(t, PIPELINES);
    if (!t->features13.pipelineCreationCacheControl) {
        e2e_skip("no pipeline creation cache control");
    }
    for (uint32_t early = 0; early < 2; early++) {
        VkComputePipelineCreateInfo infos[PIPELINES];
        struct recipe recipes[PIPELINES];
        VkPipeline pipelines[PIPELINES];
        memset(pipelines, 0x77, sizeof(pipelines));
        for (uint32_t i = 0; i < PIPELINES; i++) {
            infos[i] = recipe_fill(&recipes[i], &board, i, i + 20 + early);
        }
        infos[2].flags = VK_PIPELINE_CREATE_FAIL_ON_PIPELINE_COMPILE_REQUIRED_BIT |
                         (early ? VK_PIPELINE_CREATE_EARLY_RETURN_ON_FAILURE_BIT : 0u);
        const VkResult result =
            vkCreateComputePipelines(t->device, VK_NULL_HANDLE, PIPELINES, infos, NULL, pipelines);
        CHECK(result == VK_SUCCESS || result == VK_PIPELINE_COMPILE_REQUIRED, "VkResult %d",
              result);
        e2e_print("result %d", result);
        for (uint32_t i = 0; i < PIPELINES; i++) {
            e2e_print("  pipeline %u: %s", i, pipelines[i] ? "made" : "none");
            CHECK(result == VK_SUCCESS || (i < 2) == (pipelines[i] != VK_NULL_HANDLE) ||
                      (i > 2 && !early),
                  "pipeline %u", i);
        }
        memset(board.buffer.map, 0, board.buffer.size);
        board_run(t, &board, pipelines, PIPELINES, 20 + early);
        for (uint32_t i = 0; i < PIPELINES; i++) {
            vkDestroyPipeline(t->device, pipelines[i], NULL);
        }
    }
}

void case_pipeline_derivatives(struct e2e *t)
{
    const struct board board = board_open(t, 4);
    VkComputePipelineCreateInfo infos[3], last;
    struct recipe recipes[4];
    VkPipeline pipelines[4];
    for (uint32_t i = 0; i < 3; i++) {
        infos[i] = recipe_fill(&recipes[i], &board, i, i + 1);
        infos[i].flags =
            i ? VK_PIPELINE_CREATE_DERIVATIVE_BIT : VK_PIPELINE_CREATE_ALLOW_DERIVATIVES_BIT;
        infos[i].basePipelineIndex = i ? 0 : -1;
    }
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 3, infos, NULL, pipelines));
    last = recipe_fill(&recipes[3], &board, 3, 4);
    last.flags = VK_PIPELINE_CREATE_DERIVATIVE_BIT;
    last.basePipelineHandle = pipelines[0];
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 1, &last, NULL, &pipelines[3]));
    for (uint32_t i = 0; i < 4; i++) {
        KEEP(t, PIPELINE, pipelines[i]);
    }
    board_run(t, &board, pipelines, 4, 1);
    e2e_digest("values", board.buffer.map, board.buffer.size);
}

enum { THREADS = 8, PER_THREAD = 24 };

struct maker {
    struct e2e *t;
    const struct board *board;
    VkPipelineCache cache;
    uint32_t first;
    VkPipeline *pipelines;
};

static void *make_pipelines(void *argument)
{
    const struct maker *maker = argument;
    for (uint32_t i = 0; i < PER_THREAD; i++) {
        struct recipe recipe;
        const uint32_t slot = maker->first + i;
        const VkComputePipelineCreateInfo info = recipe_fill(&recipe, maker->board, slot, slot + 5);
        OK(vkCreateComputePipelines(maker->t->device, i % 2 ? maker->cache : VK_NULL_HANDLE, 1,
                                    &info, NULL, &maker->pipelines[slot]));
        KEEP(maker->t, PIPELINE, maker->pipelines[slot]);
    }
    return NULL;
}

void case_pipeline_many_threads(struct e2e *t)
{
    const struct board board = board_open(t, THREADS * PER_THREAD);
    VkPipeline pipelines[THREADS * PER_THREAD];
    struct maker makers[THREADS];
    pthread_t threads[THREADS];
    const VkPipelineCacheCreateInfo empty = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
    };
    VkPipelineCache cache = VK_NULL_HANDLE;
    OK(vkCreatePipelineCache(t->device, &empty, NULL, &cache));
    KEEP(t, PIPELINE_CACHE, cache);
    for (uint32_t i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){t, &board, cache, i * PER_THREAD, pipelines};
        threads[i] = e2e_thread(make_pipelines, &makers[i]);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        e2e_join(threads[i]);
    }
    board_run(t, &board, pipelines, THREADS * PER_THREAD, 5);
    e2e_digest("values", board.buffer.map, board.buffer.size);
}

void case_pipeline_shader_modules(struct e2e *t)
{
    e2e_open(t, NULL);
    VkShaderModule modules[200];
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < COUNT(modules); i++) {
            modules[i] = e2e_module(t, i % 2 ? CODE(constant_comp) : CODE(spin_comp));
        }
        for (uint32_t i = 0; i < COUNT(modules); i++) {
            vkDestroyShaderModule(t->device, modules[i * 7 % COUNT(modules)], NULL);
        }
    }
    e2e_print("2000 modules");
}

// A graphics pipeline linked from four libraries.
void case_pipeline_libraries(struct e2e *t)
{
    static const char *const extensions[] = {VK_KHR_PIPELINE_LIBRARY_EXTENSION_NAME,
                                             VK_EXT_GRAPHICS_PIPELINE_LIBRARY_EXTENSION_NAME};
    VkPhysicalDeviceGraphicsPipelineLibraryFeaturesEXT feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GRAPHICS_PIPELINE_LIBRARY_FEATURES_EXT,
        .graphicsPipelineLibrary = VK_TRUE,
    };
    e2e_open(t, &(struct e2e_device_params){
                    .extensions = extensions, .extension_count = 2, .features = &feature});
    const struct e2e_target target =
        e2e_target(t, &(struct e2e_target_params){
                          .width = 64, .height = 64, .formats = {VK_FORMAT_R8G8B8A8_UNORM}});
    const struct e2e_set set = e2e_set(t, NULL, 0, 0, 0);
    static const VkGraphicsPipelineLibraryFlagsEXT parts[4] = {
        VK_GRAPHICS_PIPELINE_LIBRARY_VERTEX_INPUT_INTERFACE_BIT_EXT,
        VK_GRAPHICS_PIPELINE_LIBRARY_PRE_RASTERIZATION_SHADERS_BIT_EXT,
        VK_GRAPHICS_PIPELINE_LIBRARY_FRAGMENT_SHADER_BIT_EXT,
        VK_GRAPHICS_PIPELINE_LIBRARY_FRAGMENT_OUTPUT_INTERFACE_BIT_EXT,
    };
    VkPipeline libraries[4];
    for (uint32_t i = 0; i < 4; i++) {
        const VkGraphicsPipelineLibraryCreateInfoEXT part = {
            .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_LIBRARY_CREATE_INFO_EXT,
            .flags = parts[i],
        };
        struct e2e_pipeline_params params = {
            .layout = set.layout, .next = &part, .flags = VK_PIPELINE_CREATE_LIBRARY_BIT_KHR};
        if (i == 1) {
            params.vertex = CODE(triangle_vert);
        } else if (i == 2) {
            params.fragment = CODE(colour_frag);
        }
        libraries[i] = e2e_graphics(t, &target, &params);
    }
    const VkPipelineLibraryCreateInfoKHR link = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LIBRARY_CREATE_INFO_KHR,
        .libraryCount = 4,
        .pLibraries = libraries,
    };
    const VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .pNext = &link,
        .layout = set.layout,
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(vkCreateGraphicsPipelines(t->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    KEEP(t, PIPELINE, pipeline);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_target_begin(commands, &target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    vkCmdDraw(commands, 3, 1, 0, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    const struct e2e_buffer picture = e2e_target_read(t, &target, "linked");
    CHECK(e2e_pixel(&picture, &target, 32, 40) >> 24 == 0xff, "centre");
}

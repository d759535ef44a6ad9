// Query pools: occlusion, statistics and timestamps, read back by every way there is.

#include <string.h>

#include "cases.h"
#include "shaders.h"

struct quad {
    float area[4], colour[4], depth, unused[3];
};

// A 64x64 target and a pipeline that draws quads into it.
struct stage {
    struct e2e_target target;
    struct e2e_set set;
    VkPipeline pipeline;
};

static struct stage stage_open(struct e2e *t)
{
    struct stage stage;
    e2e_open(t, NULL);
    stage.target = e2e_target(t, &(struct e2e_target_params){
                                     .width = 64,
                                     .height = 64,
                                     .formats = {VK_FORMAT_R8G8B8A8_UNORM},
                                     .depth = VK_FORMAT_D16_UNORM,
                                 });
    stage.set = e2e_set(t, NULL, 0, VK_SHADER_STAGE_VERTEX_BIT, sizeof(struct quad));
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
        .depthTestEnable = VK_TRUE,
        .depthWriteEnable = VK_TRUE,
        .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    stage.pipeline = e2e_graphics(t, &stage.target,
                                  &(struct e2e_pipeline_params){
                                      .vertex = CODE(quad_vert),
                                      .fragment = CODE(colour_frag),
                                      .layout = stage.set.layout,
                                      .depth = &depth,
                                  });
    return stage;
}

static void draw(VkCommandBuffer commands, const struct stage *stage, const struct quad *quad)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, stage->pipeline);
    vkCmdPushConstants(commands, stage->set.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(*quad),
                       quad);
    vkCmdDraw(commands, 6, 1, 0, 0);
}

// Covers 32x32 pixels.
static const struct quad quarter = {{-1, -1, 0, 0}, {1, 0, 0, 1}, 0.5f, {0}};
// Behind it and four times as large: three quarters of it are seen.
static const struct quad behind = {{-1, -1, 1, 1}, {0, 1, 0, 1}, 0.75f, {0}};
static const struct quad hidden = {{-1, -1, 0, 0}, {0, 0, 1, 1}, 0.9f, {0}};

static VkQueryPool pool_create(struct e2e *t, VkQueryType type, uint32_t count,
                               VkQueryPipelineStatisticFlags statistics)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = type,
        .queryCount = count,
        .pipelineStatistics = statistics,
    };
    VkQueryPool pool = VK_NULL_HANDLE;
    OK(vkCreateQueryPool(t->device, &info, NULL, &pool));
    KEEP(t, QUERY_POOL, pool);
    return pool;
}

// Records three occlusion queries: 1024, 3072 and 0 samples.
static void record_occlusion(VkCommandBuffer commands, const struct stage *stage, VkQueryPool pool,
                             VkQueryControlFlags control)
{
    const struct quad *quads[] = {&quarter, &behind, &hidden};
    vkCmdResetQueryPool(commands, pool, 0, 3);
    e2e_target_begin(commands, &stage->target, VK_SUBPASS_CONTENTS_INLINE);
    for (uint32_t i = 0; i < 3; i++) {
        vkCmdBeginQuery(commands, pool, i, control);
        draw(commands, stage, quads[i]);
        vkCmdEndQuery(commands, pool, i);
    }
    vkCmdEndRenderPass(commands);
}

void case_query_occlusion(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    if (!t->features.features.occlusionQueryPrecise) {
        e2e_skip("no precise occlusion queries");
    }
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 3, 0);
    for (uint32_t round = 0; round < 10; round++) {
        VkCommandBuffer commands = e2e_begin(t);
        record_occlusion(commands, &stage, pool, VK_QUERY_CONTROL_PRECISE_BIT);
        e2e_run(t, commands);
        uint64_t samples[3];
        OK(vkGetQueryPoolResults(t->device, pool, 0, 3, sizeof(samples), samples, 8,
                                 VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
        CHECK(samples[0] == 1024 && samples[1] == 3072 && samples[2] == 0,
              "round %u: %llu, %llu, %llu samples", round, (unsigned long long)samples[0],
              (unsigned long long)samples[1], (unsigned long long)samples[2]);
    }
    e2e_print("1024, 3072, 0 samples");
}

// The same results in every form the API has.
void case_query_result_forms(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 4, 0);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 3, 1);
    record_occlusion(commands, &stage, pool, 0);
    e2e_run(t, commands);

    uint32_t narrow[3];
    OK(vkGetQueryPoolResults(t->device, pool, 0, 3, sizeof(narrow), narrow, 4, 0));
    CHECK(narrow[0] && narrow[1] && !narrow[2], "32 bit");
    uint32_t with_availability[3][2];
    OK(vkGetQueryPoolResults(t->device, pool, 0, 3, sizeof(with_availability), with_availability, 8,
                             VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
    CHECK(with_availability[0][0] == narrow[0] && with_availability[0][1], "32 bit, availability");
    uint64_t strided[3][4];
    memset(strided, 0x5a, sizeof(strided));
    OK(vkGetQueryPoolResults(t->device, pool, 0, 3, sizeof(strided), strided, 32,
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
    CHECK(strided[1][0] == narrow[1] && strided[1][1] && strided[2][0] == 0 && strided[2][1],
          "64 bit, availability, stride");
    CHECK(strided[0][2] == 0x5a5a5a5a5a5a5a5a && strided[1][3] == 0x5a5a5a5a5a5a5a5a,
          "bytes between the results were written");

    // Query 3 was reset and never used.
    uint64_t unused[2] = {7, 7};
    EXPECT(vkGetQueryPoolResults(t->device, pool, 3, 1, sizeof(uint64_t), unused, 8,
                                 VK_QUERY_RESULT_64_BIT),
           VK_NOT_READY);
    EXPECT(vkGetQueryPoolResults(t->device, pool, 3, 1, sizeof(unused), unused, 16,
                                 VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT),
           VK_NOT_READY);
    CHECK(unused[1] == 0, "an unused query is available");
    e2e_print("all forms agree");
}

void case_query_copy_results(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    if (!t->features.features.occlusionQueryPrecise) {
        e2e_skip("no precise occlusion queries");
    }
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 3, 0);
    const struct e2e_buffer results =
        e2e_buffer_with(t, NULL, 256, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    VkCommandBuffer commands = e2e_begin(t);
    record_occlusion(commands, &stage, pool, VK_QUERY_CONTROL_PRECISE_BIT);
    vkCmdCopyQueryPoolResults(commands, pool, 0, 3, results.handle, 16, 24,
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT |
                                  VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    vkCmdCopyQueryPoolResults(commands, pool, 1, 2, results.handle, 128, 4,
                              VK_QUERY_RESULT_WAIT_BIT);
    e2e_run(t, commands);
    const uint64_t *wide = results.map;
    const uint32_t *narrow = (const uint32_t *)((const char *)results.map + 128);
    CHECK(wide[2] == 1024 && wide[3] && wide[5] == 3072 && wide[6] && wide[8] == 0 && wide[9],
          "64 bit results");
    CHECK(narrow[0] == 3072 && narrow[1] == 0, "32 bit results");
    e2e_print("1024, 3072, 0 samples");
}

void case_query_pipeline_statistics(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    if (!t->features.features.pipelineStatisticsQuery) {
        e2e_skip("no pipeline statistics");
    }
    const VkQueryPool pool =
        pool_create(t, VK_QUERY_TYPE_PIPELINE_STATISTICS, 1,
                    VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_VERTICES_BIT |
                        VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_PRIMITIVES_BIT |
                        VK_QUERY_PIPELINE_STATISTIC_VERTEX_SHADER_INVOCATIONS_BIT |
                        VK_QUERY_PIPELINE_STATISTIC_FRAGMENT_SHADER_INVOCATIONS_BIT);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, 1);
    e2e_target_begin(commands, &stage.target, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBeginQuery(commands, pool, 0, 0);
    draw(commands, &stage, &quarter);
    draw(commands, &stage, &behind);
    vkCmdEndQuery(commands, pool, 0);
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    uint64_t counts[4];
    OK(vkGetQueryPoolResults(t->device, pool, 0, 1, sizeof(counts), counts, sizeof(counts),
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    CHECK(counts[0] == 12 && counts[1] == 4, "%llu vertices, %llu primitives",
          (unsigned long long)counts[0], (unsigned long long)counts[1]);
    CHECK(counts[2] >= 8 && counts[3] >= 4096, "%llu vertex, %llu fragment invocations",
          (unsigned long long)counts[2], (unsigned long long)counts[3]);
    e2e_print("12 vertices, 4 primitives");
}

void case_query_timestamps(struct e2e *t)
{
    enum { COUNT_ = 64 };
    const struct stage stage = stage_open(t);
    if (!t->family_properties.timestampValidBits) {
        e2e_skip("no timestamps");
    }
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_TIMESTAMP, COUNT_, 0);
    const double start = e2e_seconds();
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, COUNT_);
    for (uint32_t i = 0; i < COUNT_; i++) {
        vkCmdWriteTimestamp(commands,
                            i % 2 ? VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT
                                  : VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
                            pool, i);
        if (i % 2 == 0) {
            e2e_target_begin(commands, &stage.target, VK_SUBPASS_CONTENTS_INLINE);
            draw(commands, &stage, &behind);
            vkCmdEndRenderPass(commands);
        }
    }
    e2e_run(t, commands);
    const double took = e2e_seconds() - start;
    uint64_t ticks[COUNT_];
    OK(vkGetQueryPoolResults(t->device, pool, 0, COUNT_, sizeof(ticks), ticks, 8,
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    for (uint32_t i = 1; i < COUNT_; i += 2) {
        CHECK(ticks[i] >= ticks[i - 1], "timestamp %u is before the one above it", i);
    }
    const double seconds = (double)(ticks[COUNT_ - 1] - ticks[0]) *
                           (double)t->properties.limits.timestampPeriod * 1e-9;
    CHECK(seconds > 0 && seconds <= took, "%.6f s on the GPU, %.6f s on the host", seconds, took);
    e2e_print("%d timestamps in order", COUNT_);
}

void case_query_host_reset(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    if (!t->features12.hostQueryReset) {
        e2e_skip("no host query reset");
    }
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 2, 0);
    vkResetQueryPool(t->device, pool, 0, 2);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t value[2];
        EXPECT(vkGetQueryPoolResults(t->device, pool, 0, 1, 8, value, 8,
                                     VK_QUERY_RESULT_WITH_AVAILABILITY_BIT),
               VK_NOT_READY);
        CHECK(value[1] == 0, "available after a reset, round %u", round);
        VkCommandBuffer commands = e2e_begin(t);
        e2e_target_begin(commands, &stage.target, VK_SUBPASS_CONTENTS_INLINE);
        vkCmdBeginQuery(commands, pool, 0, 0);
        draw(commands, &stage, round % 2 ? &quarter : &behind);
        vkCmdEndQuery(commands, pool, 0);
        vkCmdEndRenderPass(commands);
        e2e_run(t, commands);
        OK(vkGetQueryPoolResults(t->device, pool, 0, 1, 8, value, 8,
                                 VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
        CHECK(value[0] && value[1], "round %u", round);
        vkResetQueryPool(t->device, pool, 0, 1);
    }
    e2e_print("20 rounds");
}

// A query that is active in the primary counts what the secondary draws.
void case_query_inherited(struct e2e *t)
{
    const struct stage stage = stage_open(t);
    if (!t->features.features.inheritedQueries || !t->features.features.occlusionQueryPrecise) {
        e2e_skip("no inherited queries");
    }
    const VkQueryPool pool = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 1, 0);
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = t->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_SECONDARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer secondary = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &allocate, &secondary));
    const VkCommandBufferInheritanceInfo inherited = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .renderPass = stage.target.pass,
        .framebuffer = stage.target.framebuffer,
        .occlusionQueryEnable = VK_TRUE,
        .queryFlags = VK_QUERY_CONTROL_PRECISE_BIT,
    };
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT,
        .pInheritanceInfo = &inherited,
    };
    OK(vkBeginCommandBuffer(secondary, &begin));
    draw(secondary, &stage, &quarter);
    OK(vkEndCommandBuffer(secondary));
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, 1);
    vkCmdBeginQuery(commands, pool, 0, VK_QUERY_CONTROL_PRECISE_BIT);
    e2e_target_begin(commands, &stage.target, VK_SUBPASS_CONTENTS_SECONDARY_COMMAND_BUFFERS);
    vkCmdExecuteCommands(commands, 1, &secondary);
    vkCmdEndRenderPass(commands);
    vkCmdEndQuery(commands, pool, 0);
    e2e_run(t, commands);
    uint64_t samples = 0;
    OK(vkGetQueryPoolResults(t->device, pool, 0, 1, 8, &samples, 8,
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    CHECK(samples == 1024, "%llu samples", (unsigned long long)samples);
    e2e_print("1024 samples");
}

void case_query_many_pools(struct e2e *t)
{
    enum { POOLS = 300 };
    const struct stage stage = stage_open(t);
    VkQueryPool pools[POOLS];
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i < POOLS; i++) {
        pools[i] = pool_create(t, VK_QUERY_TYPE_OCCLUSION, 1 + i % 50, 0);
        vkCmdResetQueryPool(commands, pools[i], 0, 1 + i % 50);
    }
    e2e_target_begin(commands, &stage.target, VK_SUBPASS_CONTENTS_INLINE);
    for (uint32_t i = 0; i < POOLS; i++) {
        vkCmdBeginQuery(commands, pools[i], i % 50, 0);
        if (i % 3 == 0) {
            vkCmdClearAttachments(commands, 1,
                                  &(VkClearAttachment){.aspectMask = VK_IMAGE_ASPECT_DEPTH_BIT,
                                                       .clearValue.depthStencil.depth = 1.0f},
                                  1, &(VkClearRect){.rect = {{0, 0}, {64, 64}}, .layerCount = 1});
            draw(commands, &stage, &quarter);
        }
        vkCmdEndQuery(commands, pools[i], i % 50);
    }
    vkCmdEndRenderPass(commands);
    e2e_run(t, commands);
    for (uint32_t i = 0; i < POOLS; i++) {
        uint32_t value = 0;
        OK(vkGetQueryPoolResults(t->device, pools[i], i % 50, 1, 4, &value, 4,
                                 VK_QUERY_RESULT_WAIT_BIT));
        CHECK((value != 0) == (i % 3 == 0), "pool %u: %u samples", i, value);
    }
    e2e_print("%d pools", POOLS);
}

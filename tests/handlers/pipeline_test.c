// Pipelines, of which some may fail; shader code; and how much queries write.
#include "guest.h"

#include <string.h>

#define LAYOUT 100
#define MODULE 101

static void write_module(struct guest *g, uint64_t id, uint64_t code_size, uint32_t words)
{
    begin(g, PV_COMMAND_vkCreateShaderModule, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
    put_u32(g, 0);
    put_u64(g, code_size);
    put_u64(g, words);
    for (uint32_t i = 0; i < words; i++) {
        put_u32(g, 0x07230203);
    }
    put_new(g, id);
}

static void write_layout_and_module(struct guest *g)
{
    begin(g, PV_COMMAND_vkCreatePipelineLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_null(g);
    put_u32(g, 0);
    put_null(g);
    put_new(g, LAYOUT);
    write_module(g, MODULE, 16, 4);
}

static void open_module(struct guest *g)
{
    guest_open_device(g);
    write_layout_and_module(g);
    submit_well(g);
}

static void open_ray_tracing(struct guest *g)
{
    static const char *const extensions[] = {VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME};
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    write_create_device(g, DEVICE, (struct queues[]){{0, 1}}, 1, extensions, 1);
    write_layout_and_module(g);
    submit_well(g);
}

// A structure's sType and its chain: VkPipelineCreationFeedbackCreateInfo alone, or nothing.
static void put_stype_with_feedback(struct guest *g, uint32_t stype, bool feedback)
{
    if (!feedback) {
        put_stype(g, stype);
        return;
    }
    put_u32(g, stype);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO);
    put_present(g);
    put_u32(g, 0);
    put_u64(g, 0);
    put_u32(g, 1); // stages
    put_u64(g, 1);
    put_u32(g, 0);
    put_u64(g, 0);
}

static bool with_feedback; // what is written from now on

// `code_size`: of code in the stage's own VkShaderModuleCreateInfo, -1 for a module.
static void write_pipelines(struct guest *g, const uint64_t *ids, uint32_t count, uint64_t module,
                            int64_t code_size, bool reply)
{
    begin(g, PV_COMMAND_vkCreateComputePipelines, reply);
    put_u64(g, DEVICE);
    put_u64(g, 0); // cache
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_stype_with_feedback(g, VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, with_feedback);
        put_u32(g, 0);
        put_u32(g, VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
        if (code_size >= 0) {
            put_present(g);
            put_stype(g, VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
            put_u32(g, 0);
            put_u64(g, (uint64_t)code_size);
            put_u64(g, (uint64_t)code_size / 4);
            for (int64_t k = 0; k < code_size / 4; k++) {
                put_u32(g, 0x07230203);
            }
        } else {
            put_null(g);
        }
        put_u32(g, 0);
        put_u32(g, VK_SHADER_STAGE_COMPUTE_BIT);
        put_u64(g, module);
        put_string(g, "main");
        put_null(g); // specialisation
        put_u64(g, LAYOUT);
        put_u64(g, 0); // base
        put_u32(g, 0);
    }
    put_null(g); // pAllocator
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, ids[i]);
    }
}

static void shader_code_is_a_number_of_words(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        uint32_t words;
    } bad[] = {{17, 4}, {19, 4}, {15, 3}, {3, 0}, {0, 0}, {16, 3}, {16, 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_module(&g);
        write_module(&g, 200, bad[i].size, bad[i].words);
        assert_false(submit(&g));
        assert_int_equal(mock_vk_call_count("vkCreateShaderModule"), 1);
        guest_close(&g);
    }
}

static void shader_code_in_a_stage_as_well(void **state)
{
    (void)state;
    static const int64_t bad[] = {17, 19, 3, 0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_module(&g);
        write_pipelines(&g, (uint64_t[]){200}, 1, 0, bad[i], false);
        assert_false(submit(&g));
        assert_int_equal(mock_vk_call_count("vkCreateComputePipelines"), 0);
        guest_close(&g);
    }
    mock_vk_reset();
    struct guest g;
    open_module(&g);
    write_pipelines(&g, (uint64_t[]){200}, 1, 0, 16, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateComputePipelines), VK_SUCCESS);
    guest_close(&g);
}

static void pipelines_echo_their_ids(void **state)
{
    (void)state;
    struct guest g;
    open_module(&g);
    write_pipelines(&g, (uint64_t[]){200, 201, 202}, 3, MODULE, -1, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateComputePipelines), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(get_u64(&g), 200 + i);
    }
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_PIPELINE), 3);
    guest_close(&g);
}

// The driver makes all pipelines but the first.
static void lose_first(void *user, void *const *args)
{
    (void)user;
    --*(uint32_t *)args[2];
    ++*(const VkComputePipelineCreateInfo **)args[3];
    ++*(VkPipeline **)args[5];
}

static void a_failed_pipeline_has_no_id(void **state)
{
    (void)state;
    struct guest g;
    open_module(&g);
    mock_vk_set_hook("vkCreateComputePipelines", lose_first, NULL);
    write_pipelines(&g, (uint64_t[]){200, 201, 202}, 3, MODULE, -1, true);
    submit_well(&g);
    get_result(&g, PV_COMMAND_vkCreateComputePipelines);
    assert_int_equal(get_u64(&g), 3);
    assert_int_equal(get_u64(&g), NO_ID);
    assert_int_equal(get_u64(&g), 201);
    assert_int_equal(get_u64(&g), 202);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_PIPELINE), 2);
    // Its id stayed free, the others' did not.
    write_create_fence(&g, 200, false);
    submit_well(&g);
    write_create_fence(&g, 201, false);
    submit_badly(&g, "in use");
    guest_close(&g);
}

static void write_bind(struct guest *g, uint64_t command_buffer, uint64_t pipeline)
{
    begin(g, PV_COMMAND_vkCmdBindPipeline, false);
    put_u64(g, command_buffer);
    put_u32(g, VK_PIPELINE_BIND_POINT_COMPUTE);
    put_u64(g, pipeline);
}

static void a_failed_pipeline_that_nobody_saw_is_skipped(void **state)
{
    (void)state;
    struct guest g;
    open_module(&g);
    mock_vk_set_hook("vkCreateComputePipelines", lose_first, NULL);
    write_pipelines(&g, (uint64_t[]){200, 201}, 2, MODULE, -1, false);
    write_create_command_pool(&g, 300, false);
    write_allocate_command_buffers(&g, 300, (uint64_t[]){301, 302}, 2, false);
    write_begin_command_buffer(&g, 301, false);
    write_bind(&g, 301, 201);
    write_submit(&g, QUEUE, 301, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_SUCCESS);
    assert_int_equal(mock_vk_call_count("vkCmdBindPipeline"), 1);
    write_begin_command_buffer(&g, 302, false);
    write_bind(&g, 302, 200);
    write_submit(&g, QUEUE, 302, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
    assert_int_equal(mock_vk_call_count("vkCmdBindPipeline"), 1);
    write_destroy(&g, PV_COMMAND_vkDestroyPipeline, DEVICE, 200);
    write_destroy(&g, PV_COMMAND_vkDestroyPipeline, DEVICE, 201);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_PIPELINE), 0);
    guest_close(&g);
}

static void pipelines_beyond_the_limit_are_destroyed(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.max_objects = 6});
    write_create_instance(&g, INSTANCE, false);
    write_enumerate(&g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(&g);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    begin(&g, PV_COMMAND_vkCreatePipelineLayout, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    put_u32(&g, 0);
    put_u32(&g, 0);
    put_null(&g);
    put_u32(&g, 0);
    put_null(&g);
    put_new(&g, LAYOUT);
    write_module(&g, MODULE, 16, 4);
    submit_well(&g);
    write_pipelines(&g, (uint64_t[]){200, 201, 202, 203}, 4, MODULE, -1, false);
    submit_badly(&g, "too many objects");
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_PIPELINE), 1);
    guest_close(&g); // which looks for what is left
}

static void ids_of_one_creation_differ(void **state)
{
    (void)state;
    struct guest g;
    open_module(&g);
    write_pipelines(&g, (uint64_t[]){200, 201, 200}, 3, MODULE, -1, false);
    submit_badly(&g, "an id stands twice");
    assert_int_equal(mock_vk_call_count("vkCreateComputePipelines"), 0);
    guest_close(&g);
}

// A ray tracing pipeline of `groups` general shaders and of another pipeline's, if `library` is
// one.
static void write_ray_tracing(struct guest *g, uint64_t id, uint32_t groups, uint64_t library)
{
    begin(g, PV_COMMAND_vkCreateRayTracingPipelinesKHR, false);
    put_u64(g, DEVICE);
    put_u64(g, 0); // deferred operation
    put_u64(g, 0); // cache
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype_with_feedback(g, VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR,
                            with_feedback);
    put_u32(g, library ? 0 : VK_PIPELINE_CREATE_LIBRARY_BIT_KHR);
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype(g, VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, VK_SHADER_STAGE_RAYGEN_BIT_KHR);
    put_u64(g, MODULE);
    put_string(g, "main");
    put_null(g); // specialisation
    put_u32(g, groups);
    put_u64(g, groups);
    for (uint32_t i = 0; i < groups; i++) {
        put_stype(g, VK_STRUCTURE_TYPE_RAY_TRACING_SHADER_GROUP_CREATE_INFO_KHR);
        put_u32(g, VK_RAY_TRACING_SHADER_GROUP_TYPE_GENERAL_KHR);
        put_u32(g, 0);
        put_u32(g, VK_SHADER_UNUSED_KHR);
        put_u32(g, VK_SHADER_UNUSED_KHR);
        put_u32(g, VK_SHADER_UNUSED_KHR);
        put_null(g); // capture and replay
    }
    put_u32(g, 1); // depth
    if (library) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_PIPELINE_LIBRARY_CREATE_INFO_KHR);
        put_u32(g, 1);
        put_u64(g, 1);
        put_u64(g, library);
    } else {
        put_null(g);
    }
    put_null(g); // interface
    put_null(g); // dynamic state
    put_u64(g, LAYOUT);
    put_u64(g, 0); // base
    put_u32(g, 0);
    put_null(g); // pAllocator
    put_u64(g, 1);
    put_u64(g, id);
}

static void write_stack_size(struct guest *g, uint64_t pipeline, uint32_t group)
{
    begin(g, PV_COMMAND_vkGetRayTracingShaderGroupStackSizeKHR, true);
    put_u64(g, DEVICE);
    put_u64(g, pipeline);
    put_u32(g, group);
    put_u32(g, VK_SHADER_GROUP_SHADER_GENERAL_KHR);
}

static void shader_groups_exist(void **state)
{
    (void)state;
    // (pipeline, the first group that it has not)
    static const struct {
        uint64_t pipeline;
        uint32_t groups;
    } cases[] = {{200, 2}, {201, 5}, {202, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guest g;
        open_ray_tracing(&g);
        write_ray_tracing(&g, 200, 2, 0);
        write_ray_tracing(&g, 201, 3, 200);
        write_pipelines(&g, (uint64_t[]){202}, 1, MODULE, -1, false);
        submit_well(&g);
        if (cases[i].groups) {
            write_stack_size(&g, cases[i].pipeline, cases[i].groups - 1);
            submit_well(&g);
            assert_int_equal(mock_vk_call_count("vkGetRayTracingShaderGroupStackSizeKHR"), i + 1);
        }
        write_stack_size(&g, cases[i].pipeline, cases[i].groups);
        submit_badly(&g, "fewer shader groups");
        guest_close(&g);
    }
}

static void shader_group_handles_exist(void **state)
{
    (void)state;
    struct guest g;
    open_ray_tracing(&g);
    write_ray_tracing(&g, 200, 2, 0);
    submit_well(&g);
    begin(&g, PV_COMMAND_vkGetRayTracingShaderGroupHandlesKHR, true);
    put_u64(&g, DEVICE);
    put_u64(&g, 200);
    put_u32(&g, 1); // first
    put_u32(&g, 2);
    put_u64(&g, 64);
    put_u64(&g, 64);
    submit_badly(&g, "fewer shader groups");
    assert_int_equal(mock_vk_call_count("vkGetRayTracingShaderGroupHandlesKHR"), 0);
    guest_close(&g);
}

static void write_graphics(struct guest *g, uint64_t id)
{
    begin(g, PV_COMMAND_vkCreateGraphicsPipelines, false);
    put_u64(g, DEVICE);
    put_u64(g, 0); // cache
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype_with_feedback(g, VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO, with_feedback);
    put_u32(g, VK_PIPELINE_CREATE_LIBRARY_BIT_KHR);
    put_u32(g, 0);
    for (uint32_t i = 0; i < 10; i++) {
        put_null(g); // stages and states
    }
    put_u64(g, LAYOUT);
    put_u64(g, 0); // render pass
    put_u32(g, 0);
    put_u64(g, 0); // base
    put_u32(g, 0);
    put_null(g); // pAllocator
    put_u64(g, 1);
    put_u64(g, id);
}

static void expect_no_chain(void *user, void *const *args)
{
    // The structures begin alike.
    const VkBaseInStructure *info = *(const VkBaseInStructure **)args[*(const size_t *)user];
    assert_null(info->pNext);
}

static void drivers_write_no_feedback(void **state)
{
    (void)state;
    struct guest g;
    size_t third = 3, fourth = 4; // where the structures stand
    open_ray_tracing(&g);
    mock_vk_set_hook("vkCreateGraphicsPipelines", expect_no_chain, &third);
    mock_vk_set_hook("vkCreateComputePipelines", expect_no_chain, &third);
    mock_vk_set_hook("vkCreateRayTracingPipelinesKHR", expect_no_chain, &fourth);
    with_feedback = true;
    write_graphics(&g, 200);
    write_pipelines(&g, (uint64_t[]){201}, 1, MODULE, -1, false);
    write_ray_tracing(&g, 202, 1, 0);
    with_feedback = false;
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_PIPELINE), 3);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(shader_code_is_a_number_of_words),
        CASE(shader_code_in_a_stage_as_well),
        CASE(pipelines_echo_their_ids),
        CASE(a_failed_pipeline_has_no_id),
        CASE(a_failed_pipeline_that_nobody_saw_is_skipped),
        CASE(pipelines_beyond_the_limit_are_destroyed),
        CASE(ids_of_one_creation_differ),
        CASE(shader_groups_exist),
        CASE(shader_group_handles_exist),
        CASE(drivers_write_no_feedback),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}

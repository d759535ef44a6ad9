// Render passes: the driver takes as many image views as the pass has attachments.
#include "guest.h"

#define IMAGE       100
#define VIEW        101
#define POOL        102
#define BATCH       103 // a command buffer
#define FRAMEBUFFER 104
#define PASS        105
#define WIDER_PASS  106

static void write_attachments(struct guest *g, uint32_t count, bool second)
{
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        if (second) {
            put_stype(g, VK_STRUCTURE_TYPE_ATTACHMENT_DESCRIPTION_2);
        }
        put_u32(g, 0);
        put_u32(g, VK_FORMAT_R8G8B8A8_UNORM);
        put_u32(g, VK_SAMPLE_COUNT_1_BIT);
        for (uint32_t k = 0; k < 4; k++) {
            put_u32(g, 0); // load and store
        }
        put_u32(g, VK_IMAGE_LAYOUT_GENERAL);
        put_u32(g, VK_IMAGE_LAYOUT_GENERAL);
    }
}

// Subpasses that use nothing.
static void write_subpasses(struct guest *g, uint32_t count, bool second)
{
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        if (second) {
            put_stype(g, VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2);
        }
        put_u32(g, 0);
        put_u32(g, VK_PIPELINE_BIND_POINT_GRAPHICS);
        if (second) {
            put_u32(g, 0); // views
        }
        put_u32(g, 0);
        put_null(g); // input
        put_u32(g, 0);
        put_null(g); // color
        put_null(g); // resolve
        put_null(g); // depth and stencil
        put_u32(g, 0);
        put_null(g); // preserve
    }
}

static void write_pass_of(struct guest *g, uint64_t id, uint32_t attachments, uint32_t subpasses,
                          bool second)
{
    begin(g, second ? PV_COMMAND_vkCreateRenderPass2 : PV_COMMAND_vkCreateRenderPass, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, second ? VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2
                        : VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO);
    put_u32(g, 0);
    write_attachments(g, attachments, second);
    write_subpasses(g, subpasses, second);
    put_u32(g, 0);
    put_null(g); // dependencies
    if (second) {
        put_u32(g, 0);
        put_null(g); // correlated views
    }
    put_new(g, id);
}

static void write_pass(struct guest *g, uint64_t id, uint32_t attachments, bool second)
{
    write_pass_of(g, id, attachments, 1, second);
}

static void write_views(struct guest *g, uint32_t count)
{
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, VIEW);
    }
}

static void write_framebuffer(struct guest *g, uint64_t id, uint32_t attachments, bool imageless)
{
    begin(g, PV_COMMAND_vkCreateFramebuffer, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO);
    put_u32(g, imageless ? VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT : 0);
    put_u64(g, PASS);
    if (imageless) {
        put_u32(g, attachments);
        put_null(g); // as the guest driver does
    } else {
        write_views(g, attachments);
    }
    put_u32(g, 16);
    put_u32(g, 16);
    put_u32(g, 1);
    put_new(g, id);
}

// `views`: of VkRenderPassAttachmentBeginInfo, -1 without one.
static void write_begin(struct guest *g, uint64_t pass, int views, bool second)
{
    begin(g, second ? PV_COMMAND_vkCmdBeginRenderPass2 : PV_COMMAND_vkCmdBeginRenderPass, false);
    put_u64(g, BATCH);
    put_present(g);
    if (views < 0) {
        put_stype(g, VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO);
    } else {
        put_u32(g, VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO);
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO);
        write_views(g, (uint32_t)views);
    }
    put_u64(g, pass);
    put_u64(g, FRAMEBUFFER);
    put_u32(g, 0);
    put_u32(g, 0);
    put_u32(g, 16);
    put_u32(g, 16);
    put_u32(g, 0);
    put_null(g); // clear values
    if (second) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_SUBPASS_BEGIN_INFO);
    }
    put_u32(g, VK_SUBPASS_CONTENTS_INLINE);
}

// PASS has two attachments, WIDER_PASS three.
static void open_batch(struct guest *g, bool second)
{
    guest_open_device(g);
    write_create_image(g, IMAGE, false);
    begin(g, PV_COMMAND_vkCreateImageView, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO);
    put_u32(g, 0);
    put_u64(g, IMAGE);
    put_u32(g, VK_IMAGE_VIEW_TYPE_2D);
    put_u32(g, VK_FORMAT_R8G8B8A8_UNORM);
    for (uint32_t i = 0; i < 4; i++) {
        put_u32(g, VK_COMPONENT_SWIZZLE_IDENTITY);
    }
    put_u32(g, VK_IMAGE_ASPECT_COLOR_BIT);
    put_u32(g, 0);
    put_u32(g, 1);
    put_u32(g, 0);
    put_u32(g, 1);
    put_new(g, VIEW);
    write_pass(g, PASS, 2, second);
    write_pass(g, WIDER_PASS, 3, second);
    write_create_command_pool(g, POOL, false);
    write_allocate_command_buffers(g, POOL, (uint64_t[]){BATCH}, 1, false);
    write_begin_command_buffer(g, BATCH, false);
    submit_well(g);
}

static uint32_t begun(void)
{
    return mock_vk_call_count("vkCmdBeginRenderPass") + mock_vk_call_count("vkCmdBeginRenderPass2");
}

static const struct {
    uint32_t attachments; // of the framebuffer
    bool imageless;
    int views;
    uint64_t pass;
} enough[] =
    {
        {2, false, -1, PASS}, {2, false, 0, PASS},        {3, false, -1, PASS}, {2, true, 2, PASS},
        {2, true, 3, PASS},   {3, false, -1, WIDER_PASS}, {0, false, 2, PASS},
},
  too_few[] = {
      {1, false, -1, PASS}, {0, false, -1, PASS},       {1, false, 0, PASS},
      {2, false, 1, PASS},  {2, true, 1, PASS},         {2, true, 0, PASS},
      {2, true, -1, PASS},  {2, true, 2, WIDER_PASS},   {3, true, 1, PASS},
      {3, false, 1, PASS},  {2, false, -1, WIDER_PASS},
};

static void a_view_for_each_attachment_is_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(enough) / sizeof(enough[0]); i++) {
        const size_t k = i / 2;
        struct guest g;
        mock_vk_reset();
        open_batch(&g, i % 2);
        write_framebuffer(&g, FRAMEBUFFER, enough[k].attachments, enough[k].imageless);
        write_begin(&g, enough[k].pass, enough[k].views, i % 2);
        submit_well(&g);
        assert_int_equal(begun(), 1);
        guest_close(&g);
    }
}

static void fewer_views_than_attachments_end_the_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(too_few) / sizeof(too_few[0]); i++) {
        const size_t k = i / 2;
        struct guest g;
        mock_vk_reset();
        open_batch(&g, i % 2);
        write_framebuffer(&g, FRAMEBUFFER, too_few[k].attachments, too_few[k].imageless);
        submit_well(&g);
        write_begin(&g, too_few[k].pass, too_few[k].views, i % 2);
        submit_badly(&g, "more attachments than there are views");
        assert_int_equal(begun(), 0);
        guest_close(&g);
    }
}

// What the driver refused has no attachments, and nothing is executed.
static void what_the_driver_refused_is_not_compared(void **state)
{
    (void)state;
    static const char *const refused[] = {"vkCreateFramebuffer", "vkCreateRenderPass"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct guest g;
        mock_vk_reset();
        open_batch(&g, false);
        mock_vk_fail(refused[i], 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        write_pass(&g, 200, 3, false);
        write_framebuffer(&g, FRAMEBUFFER, 2, false);
        write_begin(&g, i ? 200 : PASS, -1, false);
        submit_well(&g);
        assert_int_equal(begun(), 0);
        write_submit(&g, QUEUE, BATCH, 0, true);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
        write_destroy(&g, PV_COMMAND_vkDestroyFramebuffer, DEVICE, FRAMEBUFFER);
        write_destroy(&g, PV_COMMAND_vkDestroyRenderPass, DEVICE, 200);
        submit_well(&g);
        guest_close(&g);
    }
}

// A secondary command buffer that continues PASS.
static void write_continue(struct guest *g, uint32_t flags, uint64_t pass, uint32_t subpass,
                           uint64_t framebuffer)
{
    begin(g, PV_COMMAND_vkBeginCommandBuffer, false);
    put_u64(g, BATCH);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    put_u32(g, flags);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO);
    put_u64(g, pass);
    put_u32(g, subpass);
    put_u64(g, framebuffer);
    put_u32(g, 0);
    put_u32(g, 0);
    put_u32(g, 0);
}

#define CONTINUE VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT

static void what_is_inherited_fits(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags, subpass, attachments;
        bool imageless;
        uint64_t pass, framebuffer;
        const char *reason;
    } cases[] = {
        {CONTINUE, 0, 2, false, PASS, FRAMEBUFFER, NULL},
        {CONTINUE, 0, 2, true, PASS, FRAMEBUFFER, NULL},
        {CONTINUE, 0, 1, false, PASS, 0, NULL},
        {CONTINUE, 7, 2, false, 0, 0, NULL},
        {0, 7, 1, false, PASS, FRAMEBUFFER, NULL}, // ignored
        {CONTINUE, 1, 2, false, PASS, 0, "the render pass has fewer subpasses"},
        {CONTINUE, UINT32_MAX, 2, false, PASS, 0, "the render pass has fewer subpasses"},
        {CONTINUE, 0, 1, false, PASS, FRAMEBUFFER, "more attachments than there are views"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guest g;
        mock_vk_reset();
        open_batch(&g, false);
        write_framebuffer(&g, FRAMEBUFFER, cases[i].attachments, cases[i].imageless);
        write_continue(&g, cases[i].flags, cases[i].pass, cases[i].subpass, cases[i].framebuffer);
        if (cases[i].reason) {
            submit_badly(&g, cases[i].reason);
        } else {
            submit_well(&g);
        }
        assert_int_equal(mock_vk_call_count("vkBeginCommandBuffer"), cases[i].reason ? 1 : 2);
        guest_close(&g);
    }
}

static void write_pipeline(struct guest *g, uint64_t pass, uint32_t subpass)
{
    begin(g, PV_COMMAND_vkCreateGraphicsPipelines, false);
    put_u64(g, DEVICE);
    put_u64(g, 0); // cache
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype(g, VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO);
    put_u32(g, VK_PIPELINE_CREATE_LIBRARY_BIT_KHR);
    put_u32(g, 0);
    for (uint32_t i = 0; i < 10; i++) {
        put_null(g); // stages and states
    }
    put_u64(g, 0); // layout
    put_u64(g, pass);
    put_u32(g, subpass);
    put_u64(g, 0); // base
    put_u32(g, 0);
    put_null(g); // pAllocator
    put_u64(g, 1);
    put_u64(g, 200);
}

static void a_pipelines_subpass_exists(void **state)
{
    (void)state;
    struct guest g;
    open_batch(&g, true);
    write_pipeline(&g, PASS, 0);
    submit_well(&g);
    write_destroy(&g, PV_COMMAND_vkDestroyPipeline, DEVICE, 200);
    write_pipeline(&g, 0, 7); // ignored
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCreateGraphicsPipelines"), 2);
    write_destroy(&g, PV_COMMAND_vkDestroyPipeline, DEVICE, 200);
    write_pipeline(&g, PASS, 1);
    submit_badly(&g, "the render pass has fewer subpasses");
    assert_int_equal(mock_vk_call_count("vkCreateGraphicsPipelines"), 2);
    guest_close(&g);
}

static void write_next(struct guest *g, bool second)
{
    begin(g, second ? PV_COMMAND_vkCmdNextSubpass2 : PV_COMMAND_vkCmdNextSubpass, false);
    put_u64(g, BATCH);
    if (second) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_SUBPASS_BEGIN_INFO);
    }
    put_u32(g, VK_SUBPASS_CONTENTS_INLINE);
    if (second) {
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_SUBPASS_END_INFO);
    }
}

static uint32_t gone_on(void)
{
    return mock_vk_call_count("vkCmdNextSubpass") + mock_vk_call_count("vkCmdNextSubpass2");
}

static void subpasses_end(void **state)
{
    (void)state;
    for (int second = 0; second < 2; second++) {
        struct guest g;
        mock_vk_reset();
        open_batch(&g, second);
        write_framebuffer(&g, FRAMEBUFFER, 2, false);
        write_pass_of(&g, 200, 2, 3, second);
        for (uint32_t i = 0; i < 2; i++) {
            write_begin(&g, 200, -1, second);
            write_next(&g, second);
            write_next(&g, !second);
        }
        submit_well(&g);
        assert_int_equal(gone_on(), 4);
        write_next(&g, second);
        submit_badly(&g, "no further subpass");
        assert_int_equal(gone_on(), 4);
        guest_close(&g);
    }
}

static void subpasses_begin_with_a_render_pass(void **state)
{
    (void)state;
    struct guest g;
    open_batch(&g, false);
    write_framebuffer(&g, FRAMEBUFFER, 2, false);
    write_pass_of(&g, 200, 2, 3, false);
    write_begin(&g, 200, -1, false);
    write_begin_command_buffer(&g, BATCH, false);
    submit_well(&g);
    write_next(&g, false);
    submit_badly(&g, "no further subpass");
    assert_int_equal(gone_on(), 0);
    guest_close(&g);
}

static void subpasses_of_a_refused_render_pass_are_skipped(void **state)
{
    (void)state;
    struct guest g;
    open_batch(&g, false);
    write_framebuffer(&g, FRAMEBUFFER, 2, false);
    mock_vk_fail("vkCreateRenderPass", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    write_pass_of(&g, 200, 2, 3, false);
    write_begin(&g, 200, -1, false);
    write_next(&g, false);
    write_next(&g, false);
    submit_well(&g);
    assert_int_equal(gone_on(), 0);
    guest_close(&g);
}

static void a_render_pass_has_a_subpass(void **state)
{
    (void)state;
    for (int second = 0; second < 2; second++) {
        struct guest g;
        mock_vk_reset();
        open_batch(&g, second);
        write_pass_of(&g, 200, 2, 0, second);
        submit_badly(&g, "a render pass has no subpass");
        guest_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_view_for_each_attachment_is_enough),
        CASE(fewer_views_than_attachments_end_the_context),
        CASE(what_the_driver_refused_is_not_compared),
        CASE(subpasses_end),
        CASE(subpasses_begin_with_a_render_pass),
        CASE(subpasses_of_a_refused_render_pass_are_skipped),
        CASE(a_render_pass_has_a_subpass),
        CASE(what_is_inherited_fits),
        CASE(a_pipelines_subpass_exists),
    };
    return cmocka_run_group_tests_name("render_pass", tests, NULL, NULL);
}

// Memory bound to objects and descriptors written to sets: not to be skipped unseen, and not to be
// written without contents.
#include "guest.h"

#define BUFFER 100
#define MEMORY 101
#define LAYOUT 102
#define POOL   103
#define SET    104

static void write_bind(struct guest *g, bool reply)
{
    begin(g, PV_COMMAND_vkBindBufferMemory, reply);
    put_u64(g, DEVICE);
    put_u64(g, BUFFER);
    put_u64(g, MEMORY);
    put_u64(g, 0);
}

static void write_bind2(struct guest *g, bool reply)
{
    begin(g, PV_COMMAND_vkBindBufferMemory2, reply);
    put_u64(g, DEVICE);
    put_u32(g, 1);
    put_u64(g, 1);
    put_stype(g, VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO);
    put_u64(g, BUFFER);
    put_u64(g, MEMORY);
    put_u64(g, 0);
}

static uint32_t bind_calls(void)
{
    return mock_vk_call_count("vkBindBufferMemory") + mock_vk_call_count("vkBindBufferMemory2");
}

static void memory_is_bound(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    const uint32_t calls = bind_calls(); // the renderer tries memory out
    write_create_buffer(&g, BUFFER, false);
    write_allocate_memory(&g, MEMORY, 4096, 1, 0, false);
    write_bind(&g, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBindBufferMemory), VK_SUCCESS);
    write_bind2(&g, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBindBufferMemory2), VK_SUCCESS);
    assert_int_equal(bind_calls(), calls + 2);
    guest_close(&g);
}

static void write_counter(struct guest *g, uint64_t semaphore)
{
    begin(g, PV_COMMAND_vkGetSemaphoreCounterValue, true);
    put_u64(g, DEVICE);
    put_u64(g, semaphore);
    put_present(g);
}

static void expect_loss(struct guest *g)
{
    write_submit(g, QUEUE, 0, 0, true);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkQueueSubmit), VK_ERROR_DEVICE_LOST);
    write_create_fence(g, 200, false);
    begin(g, PV_COMMAND_vkGetFenceStatus, true);
    put_u64(g, DEVICE);
    put_u64(g, 200);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkGetFenceStatus), VK_ERROR_DEVICE_LOST);
    write_create_semaphore(g, 201, true, false);
    write_counter(g, 201);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkGetSemaphoreCounterValue), VK_ERROR_DEVICE_LOST);
    const uint64_t begin_ms = now_ms();
    write_wait_fence(g, 200, UINT64_MAX);
    submit_well(g);
    assert_in_range(now_ms() - begin_ms, 0, 500);
}

// Mesa before 26.2 waits for what the fence's submission writes into its memory.
static void a_guest_that_cannot_be_told_is_ended(void **state)
{
    (void)state;
    for (int asks = 0; asks <= 1; asks++) {
        struct guest g;
        guest_open_device(&g);
        write_create_fence(&g, 200, false);
        if (asks) {
            begin(&g, PV_COMMAND_vkGetFenceStatus, true);
            put_u64(&g, DEVICE);
            put_u64(&g, 200);
        }
        submit_well(&g);
        mock_vk_lose_device();
        write_submit(&g, QUEUE, 0, 200, false);
        assert_int_equal(submit(&g), asks);
        assert_int_equal(g.failures, !asks);
        guest_close(&g);
    }
}

static void memory_that_was_refused_unseen_loses_the_device(void **state)
{
    (void)state;
    void (*const binds[])(struct guest * g, bool reply) = {write_bind, write_bind2};
    for (size_t i = 0; i < 2; i++) {
        mock_vk_reset();
        struct guest g;
        guest_open_device(&g);
        const uint32_t calls = bind_calls();
        write_create_buffer(&g, BUFFER, false);
        submit_well(&g);
        mock_vk_fail_always("vkAllocateMemory", VK_ERROR_OUT_OF_DEVICE_MEMORY);
        write_allocate_memory(&g, MEMORY, 4096, 1, 0, false);
        binds[i](&g, true);
        submit_well(&g);
        get_u32(&g);
        assert_int_equal((int32_t)get_u32(&g), VK_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(bind_calls(), calls);
        expect_loss(&g);
        guest_close(&g);
    }
}

static void status_comes_from_the_driver_while_all_is_well(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_fence(&g, 200, false);
    begin(&g, PV_COMMAND_vkGetFenceStatus, true);
    put_u64(&g, DEVICE);
    put_u64(&g, 200);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetFenceStatus), VK_NOT_READY);
    write_create_semaphore(&g, 201, true, false);
    begin(&g, PV_COMMAND_vkSignalSemaphore, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO);
    put_u64(&g, 201);
    put_u64(&g, 77);
    write_counter(&g, 201);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetSemaphoreCounterValue), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), 77);
    guest_close(&g);
}

// -- descriptors
// -----------------------------------------------------------------------------------

static void open_set(struct guest *g)
{
    guest_open_device(g);
    begin(g, PV_COMMAND_vkCreateDescriptorSetLayout, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 0);
    put_null(g);
    put_new(g, LAYOUT);
    begin(g, PV_COMMAND_vkCreateDescriptorPool, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, 16);
    put_u32(g, 0);
    put_null(g);
    put_new(g, POOL);
    begin(g, PV_COMMAND_vkAllocateDescriptorSets, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    put_u64(g, POOL);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u64(g, LAYOUT);
    put_u64(g, 1);
    put_u64(g, SET);
    submit_well(g);
}

enum contents { NOTHING, BUFFERS, IMAGES, INLINE, INLINE_SHORT };

static void write_update(struct guest *g, uint32_t type, uint32_t count, enum contents contents)
{
    begin(g, PV_COMMAND_vkUpdateDescriptorSets, false);
    put_u64(g, DEVICE);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u32(g, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    if (contents >= INLINE) {
        const uint32_t size = contents == INLINE ? count : count - 4;
        put_present(g);
        put_stype(g, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK);
        put_u32(g, size);
        put_u64(g, size);
        for (uint32_t i = 0; i < size / 4; i++) {
            put_u32(g, i);
        }
    } else {
        put_null(g);
    }
    put_u64(g, SET);
    put_u32(g, 0);
    put_u32(g, 0);
    put_u32(g, count);
    put_u32(g, type);
    put_u64(g, contents == IMAGES ? count : 0);
    for (uint32_t i = 0; contents == IMAGES && i < count; i++) {
        put_u64(g, 0);
        put_u64(g, 0);
        put_u32(g, VK_IMAGE_LAYOUT_GENERAL);
    }
    put_u64(g, contents == BUFFERS ? count : 0);
    for (uint32_t i = 0; contents == BUFFERS && i < count; i++) {
        put_u64(g, BUFFER);
        put_u64(g, 0);
        put_u64(g, VK_WHOLE_SIZE);
    }
    put_u64(g, 0); // texel buffer views
    put_u32(g, 0);
    put_null(g); // copies
}

static void descriptors_are_written(void **state)
{
    (void)state;
    struct guest g;
    open_set(&g);
    write_create_buffer(&g, BUFFER, false);
    write_update(&g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3, BUFFERS);
    write_update(&g, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 2, IMAGES);
    write_update(&g, VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, 16, INLINE);
    write_update(&g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 0, NOTHING);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkUpdateDescriptorSets"), 4);
    guest_close(&g);
}

static void descriptors_without_contents_end_the_context(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        enum contents contents;
    } bad[] = {
        {VK_DESCRIPTOR_TYPE_SAMPLER, NOTHING},
        {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, BUFFERS},
        {VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, NOTHING},
        {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, NOTHING},
        {VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, NOTHING},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, BUFFERS},
        {VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, IMAGES},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, NOTHING},
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, IMAGES},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, NOTHING},
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC, INLINE},
        {VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, NOTHING},
        {VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, INLINE_SHORT},
        {VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR, NOTHING},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_set(&g);
        write_create_buffer(&g, BUFFER, false);
        write_update(&g, bad[i].type, 8, bad[i].contents);
        submit_badly(&g, "written without its contents");
        assert_int_equal(mock_vk_call_count("vkUpdateDescriptorSets"), 0);
        guest_close(&g);
    }
}

static void descriptors_of_what_was_refused_lose_the_device(void **state)
{
    (void)state;
    struct guest g;
    open_set(&g);
    mock_vk_fail("vkCreateBuffer", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_create_buffer(&g, BUFFER, false);
    write_update(&g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3, BUFFERS);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkUpdateDescriptorSets"), 0);
    expect_loss(&g);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(memory_is_bound),
        CASE(a_guest_that_cannot_be_told_is_ended),
        CASE(memory_that_was_refused_unseen_loses_the_device),
        CASE(status_comes_from_the_driver_while_all_is_well),
        CASE(descriptors_are_written),
        CASE(descriptors_without_contents_end_the_context),
        CASE(descriptors_of_what_was_refused_lose_the_device),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}

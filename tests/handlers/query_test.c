// Query results: what the driver writes is bounded before it writes.
#include "guest.h"

#define POOL 100

static void write_pool(struct guest *g, uint32_t type, uint32_t count, uint32_t statistics)
{
    begin(g, PV_COMMAND_vkCreateQueryPool, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, type);
    put_u32(g, count);
    put_u32(g, statistics);
    put_new(g, POOL);
}

static void write_results(struct guest *g, uint32_t first, uint32_t count, uint64_t size,
                          uint64_t stride, uint32_t flags)
{
    begin(g, PV_COMMAND_vkGetQueryPoolResults, true);
    put_u64(g, DEVICE);
    put_u64(g, POOL);
    put_u32(g, first);
    put_u32(g, count);
    put_u64(g, size);
    put_u64(g, size); // of pData
    put_u64(g, stride);
    put_u32(g, flags);
}

// Writes as much as a driver would.
static void fill(void *user, void *const *args)
{
    const uint64_t query_size = *(const uint64_t *)user;
    const uint32_t count = *(const uint32_t *)args[3];
    const size_t size = *(const size_t *)args[4];
    uint8_t *data = *(uint8_t **)args[5];
    const uint64_t stride = *(const VkDeviceSize *)args[6];
    assert_false(*(const VkQueryResultFlags *)args[7] & VK_QUERY_RESULT_WAIT_BIT);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(i * stride + query_size <= size);
        memset(data + i * stride, 0x5a, query_size);
    }
}

#define WITH VK_QUERY_RESULT_WITH_AVAILABILITY_BIT
#define WIDE VK_QUERY_RESULT_64_BIT
#define WAIT VK_QUERY_RESULT_WAIT_BIT

static const struct {
    uint32_t type, statistics, flags;
    uint32_t first, count;
    uint64_t stride, query_size, least; // bytes
} fits[] = {
    {VK_QUERY_TYPE_OCCLUSION, 0, 0, 0, 1, 0, 4, 4},
    {VK_QUERY_TYPE_OCCLUSION, 0, WAIT, 7, 1, 4, 4, 4},
    {VK_QUERY_TYPE_OCCLUSION, 0, WIDE, 0, 8, 8, 8, 64},
    {VK_QUERY_TYPE_TIMESTAMP, 0, WIDE | WITH, 0, 8, 16, 16, 128},
    {VK_QUERY_TYPE_TIMESTAMP, 0, WIDE | WITH, 2, 3, 100, 16, 216},
    {VK_QUERY_TYPE_PIPELINE_STATISTICS, 0x7ff, 0, 0, 1, 0, 44, 44},
    {VK_QUERY_TYPE_PIPELINE_STATISTICS, 0x7ff, WIDE | WITH, 0, 2, 96, 96, 192},
    {VK_QUERY_TYPE_PIPELINE_STATISTICS, 0x5, WITH, 0, 2, 12, 12, 24},
    {VK_QUERY_TYPE_TRANSFORM_FEEDBACK_STREAM_EXT, 0, WIDE, 0, 2, 16, 16, 32},
    {VK_QUERY_TYPE_OCCLUSION, 0, WIDE, 0, 8, 0, 8, 8}, // all in one place
};

static void results_that_fit_exactly_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        mock_vk_reset();
        struct guest g;
        guest_open_device(&g);
        write_pool(&g, fits[i].type, 8, fits[i].statistics);
        uint64_t query_size = fits[i].query_size;
        mock_vk_set_hook("vkGetQueryPoolResults", fill, &query_size);
        write_results(&g, fits[i].first, fits[i].count, fits[i].least, fits[i].stride,
                      fits[i].flags);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkGetQueryPoolResults), VK_SUCCESS);
        assert_int_equal(get_u64(&g), fits[i].least);
        assert_int_equal(get_u32(&g), 0x5a5a5a5a);
        guest_close(&g);
    }
}

static void results_that_do_not_fit_end_the_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        mock_vk_reset();
        struct guest g;
        guest_open_device(&g);
        write_pool(&g, fits[i].type, 8, fits[i].statistics);
        write_results(&g, fits[i].first, fits[i].count, fits[i].least - 1, fits[i].stride,
                      fits[i].flags);
        submit_badly(&g, "do not fit");
        assert_int_equal(mock_vk_call_count("vkGetQueryPoolResults"), 0);
        guest_close(&g);
    }
}

static void bad_results(uint32_t type, uint32_t first, uint32_t count, uint64_t stride,
                        uint32_t flags, const char *reason)
{
    mock_vk_reset();
    struct guest g;
    guest_open_device(&g);
    write_pool(&g, type, 8, 0);
    write_results(&g, first, count, 4096, stride, flags);
    submit_badly(&g, reason);
    assert_int_equal(mock_vk_call_count("vkGetQueryPoolResults"), 0);
    guest_close(&g);
}

static void queries_beyond_the_pool_end_the_context(void **state)
{
    (void)state;
    bad_results(VK_QUERY_TYPE_OCCLUSION, 8, 1, 8, 0, "fewer queries");
    bad_results(VK_QUERY_TYPE_OCCLUSION, 0, 9, 8, 0, "fewer queries");
    bad_results(VK_QUERY_TYPE_OCCLUSION, 1, UINT32_MAX, 8, 0, "fewer queries");
    bad_results(VK_QUERY_TYPE_OCCLUSION, UINT32_MAX, 1, 8, 0, "fewer queries");
}

static void overflowing_strides_end_the_context(void **state)
{
    (void)state;
    bad_results(VK_QUERY_TYPE_OCCLUSION, 0, 8, UINT64_MAX / 7 + 1, 0, "do not fit");
    bad_results(VK_QUERY_TYPE_OCCLUSION, 0, 8, UINT64_MAX / 4, 0, "do not fit");
    bad_results(VK_QUERY_TYPE_OCCLUSION, 0, 2, UINT64_MAX, 0, "do not fit");
}

static void what_cannot_be_bounded_ends_the_context(void **state)
{
    (void)state;
    bad_results(VK_QUERY_TYPE_PERFORMANCE_QUERY_KHR, 0, 1, 8, 0, "do not fit");
    bad_results(VK_QUERY_TYPE_OCCLUSION, 0, 1, 8, 0x100, "do not fit");
}

static void no_queries_need_no_room(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_pool(&g, VK_QUERY_TYPE_OCCLUSION, 8, 0);
    write_results(&g, 8, 0, 0, 0, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetQueryPoolResults), VK_SUCCESS);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(results_that_fit_exactly_are_written),
        CASE(results_that_do_not_fit_end_the_context),
        CASE(queries_beyond_the_pool_end_the_context),
        CASE(overflowing_strides_end_the_context),
        CASE(what_cannot_be_bounded_ends_the_context),
        CASE(no_queries_need_no_room),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}

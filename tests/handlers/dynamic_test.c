// Dynamic descriptors: the driver takes an offset for each of the sets that are bound.
#include "guest.h"

#define PLAIN           100 // a layout without dynamic descriptors
#define TWO             101 // with two
#define FIVE            102 // with five
#define PIPELINE_LAYOUT 103
#define POOL            104
#define COMMAND_POOL    105
#define BATCH           106 // a command buffer
#define PLAIN_SET       107
#define TWO_SET         108
#define FIVE_SET        109

#ifdef VK_KHR_maintenance6
static const char *const extensions[] = {"VK_KHR_maintenance6"};
#define EXTENSION_COUNT 1
#else
#define extensions      NULL
#define EXTENSION_COUNT 0
#endif

static void open_sets(struct guest *g)
{
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    write_create_device(g, DEVICE, (struct queues[]){{0, 1}}, 1, extensions, EXTENSION_COUNT);
    write_create_set_layout(g, PLAIN, 3, 0);
    write_create_set_layout(g, TWO, 3, 2);
    write_create_set_layout(g, FIVE, 0, 5);
    write_create_pipeline_layout(g, PIPELINE_LAYOUT, (uint64_t[]){PLAIN, TWO, FIVE}, 3);
    write_create_descriptor_pool(g, POOL, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC);
    write_allocate_descriptor_sets(g, POOL, (uint64_t[]){PLAIN, TWO, FIVE},
                                   (uint64_t[]){PLAIN_SET, TWO_SET, FIVE_SET}, 3);
    write_create_command_pool(g, COMMAND_POOL, false);
    write_allocate_command_buffers(g, COMMAND_POOL, (uint64_t[]){BATCH}, 1, false);
    write_begin_command_buffer(g, BATCH, false);
    submit_well(g);
}

// The newer command, which has the same in a structure. Without it in the headers: the older.
static void write_bind2(struct guest *g, const uint64_t *sets, uint32_t count, uint32_t offsets)
{
#ifdef VK_KHR_maintenance6
    begin(g, PV_COMMAND_vkCmdBindDescriptorSets2, false);
    put_u64(g, BATCH);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_BIND_DESCRIPTOR_SETS_INFO_KHR);
    put_u32(g, VK_SHADER_STAGE_ALL_GRAPHICS);
    put_u64(g, PIPELINE_LAYOUT);
    put_u32(g, 0);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u64(g, sets[i]);
    }
    put_u32(g, offsets);
    put_u64(g, offsets);
    for (uint32_t i = 0; i < offsets; i++) {
        put_u32(g, 0);
    }
#else
    write_bind_descriptor_sets(g, BATCH, PIPELINE_LAYOUT, sets, count, offsets);
#endif
}

static void write_bind(struct guest *g, bool second, const uint64_t *sets, uint32_t count,
                       uint32_t offsets)
{
    if (second) {
        write_bind2(g, sets, count, offsets);
    } else {
        write_bind_descriptor_sets(g, BATCH, PIPELINE_LAYOUT, sets, count, offsets);
    }
}

static uint32_t bound(void)
{
    uint32_t count = mock_vk_call_count("vkCmdBindDescriptorSets");
#ifdef VK_KHR_maintenance6
    count += mock_vk_call_count("vkCmdBindDescriptorSets2");
#endif
    return count;
}

static const struct {
    uint64_t sets[3];
    uint32_t count, least; // offsets
} cases[] = {
    {{PLAIN_SET}, 1, 0},
    {{TWO_SET}, 1, 2},
    {{FIVE_SET}, 1, 5},
    {{PLAIN_SET, TWO_SET, FIVE_SET}, 3, 7},
    {{TWO_SET, TWO_SET, TWO_SET}, 3, 6},
    {{PLAIN_SET, 0, FIVE_SET}, 3, 5},
};

static void an_offset_for_each_dynamic_descriptor_is_enough(void **state)
{
    (void)state;
    struct guest g;
    open_sets(&g);
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t more = 0; more < 2; more++) {
            write_bind(&g, false, cases[i].sets, cases[i].count, cases[i].least + more);
            write_bind(&g, true, cases[i].sets, cases[i].count, cases[i].least + more);
        }
        submit_well(&g);
        assert_int_equal(bound(), 4 * (i + 1));
    }
    guest_close(&g);
}

static void fewer_offsets_end_the_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t k = i / 2;
        if (!cases[k].least) {
            continue;
        }
        struct guest g;
        mock_vk_reset();
        open_sets(&g);
        write_bind(&g, i % 2, cases[k].sets, cases[k].count, cases[k].least - 1);
        submit_badly(&g, "more dynamic descriptors than there are offsets");
        assert_int_equal(bound(), 0);
        guest_close(&g);
    }
}

// Sets keep what they were made with; new ones under the same id have what is theirs.
static void sets_outlive_their_layout(void **state)
{
    (void)state;
    struct guest g;
    open_sets(&g);
    write_destroy(&g, PV_COMMAND_vkDestroyDescriptorSetLayout, DEVICE, TWO);
    write_bind(&g, false, (uint64_t[]){TWO_SET}, 1, 2);
    begin(&g, PV_COMMAND_vkResetDescriptorPool, false);
    put_u64(&g, DEVICE);
    put_u64(&g, POOL);
    put_u32(&g, 0);
    write_allocate_descriptor_sets(&g, POOL, (uint64_t[]){FIVE, PLAIN},
                                   (uint64_t[]){TWO_SET, FIVE_SET}, 2);
    write_bind(&g, false, (uint64_t[]){FIVE_SET}, 1, 0);
    write_bind(&g, false, (uint64_t[]){TWO_SET}, 1, 5);
    submit_well(&g);
    assert_int_equal(bound(), 3);
    write_bind(&g, false, (uint64_t[]){TWO_SET}, 1, 4);
    submit_badly(&g, "more dynamic descriptors than there are offsets");
    guest_close(&g);
}

static void refused_sets_are_skipped(void **state)
{
    (void)state;
    static const char *const refused[] = {"vkAllocateDescriptorSets",
                                          "vkCreateDescriptorSetLayout"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct guest g;
        mock_vk_reset();
        open_sets(&g);
        mock_vk_fail(refused[i], 1, VK_ERROR_OUT_OF_HOST_MEMORY);
        write_create_set_layout(&g, 200, 0, 3);
        write_allocate_descriptor_sets(&g, POOL, (uint64_t[]){200}, (uint64_t[]){201}, 1);
        write_bind(&g, false, (uint64_t[]){201}, 1, 3);
        submit_well(&g);
        assert_int_equal(bound(), 0);
        guest_close(&g);
    }
}

static void counts_do_not_wrap(void **state)
{
    (void)state;
    struct guest g;
    open_sets(&g);
    write_create_set_layout(&g, 200, 0, UINT32_MAX);
    write_allocate_descriptor_sets(&g, POOL, (uint64_t[]){200}, (uint64_t[]){201}, 1);
    submit_well(&g);
    write_bind(&g, false, (uint64_t[]){201, TWO_SET}, 2, 1);
    submit_badly(&g, "more dynamic descriptors than there are offsets");
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_offset_for_each_dynamic_descriptor_is_enough),
        CASE(fewer_offsets_end_the_context),
        CASE(sets_outlive_their_layout),
        CASE(refused_sets_are_skipped),
        CASE(counts_do_not_wrap),
    };
    return cmocka_run_group_tests_name("dynamic", tests, NULL, NULL);
}

// Device memory: allocation, import of resources, and export as blobs.
#include "guest.h"

#include <sys/mman.h>
#include <unistd.h>

#define COHERENT 2 // a type of the mock that is HOST_VISIBLE and HOST_COHERENT

static struct pv_resource *create_blob(struct guest *g, uint32_t resource, uint64_t id,
                                       uint64_t size)
{
    return pv_context_create_blob(g->context, &(struct pv_blob_params){.resource_id = resource,
                                                                       .flags = PV_BLOB_MAPPABLE,
                                                                       .blob_id = id,
                                                                       .size = size});
}

static uint64_t live_memory(struct guest *g)
{
    struct pv_context_stats stats;
    pv_context_get_stats(g->context, &stats);
    return stats.memory;
}

static void memory_types_out_of_range_never_reach_the_driver(void **state)
{
    (void)state;
    static const uint32_t types[] = {5, 32, UINT32_MAX};
    struct guest g;
    guest_open_device(&g);
    const uint32_t calls = mock_vk_call_count("vkAllocateMemory");
    for (size_t i = 0; i < 3; i++) {
        write_allocate_memory(&g, 100, 4096, types[i], 0, true);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateMemory), VK_ERROR_UNKNOWN);
        assert_int_equal(get_u64(&g), 1);
        assert_int_equal(get_u64(&g), NO_ID);
    }
    assert_int_equal(mock_vk_call_count("vkAllocateMemory"), calls);
    guest_close(&g);
}

static void memory_is_counted_and_freed(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    const uint32_t before = mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY);
    write_allocate_memory(&g, 100, 8192, 1, 0, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkAllocateMemory), VK_SUCCESS);
    assert_int_equal(live_memory(&g), 8192);
    write_destroy(&g, PV_COMMAND_vkFreeMemory, DEVICE, 100);
    submit_well(&g);
    assert_int_equal(live_memory(&g), 0);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), before);
    guest_close(&g);
}

static void memory_that_nobody_knew_was_refused(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    mock_vk_fail_always("vkAllocateMemory", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_allocate_memory(&g, 100, 8192, COHERENT, 0, false);
    submit_well(&g);
    assert_int_equal(live_memory(&g), 0);
    assert_null(create_blob(&g, 50, 100, 8192));
    assert_null(pv_context_failure(g.context));
    write_destroy(&g, PV_COMMAND_vkFreeMemory, DEVICE, 100);
    submit_well(&g);
    guest_close(&g);
}

static void write_import(struct guest *g, uint64_t id, uint64_t size, uint32_t type,
                         uint32_t resource)
{
    begin(g, PV_COMMAND_vkAllocateMemory, true);
    put_u64(g, DEVICE);
    put_present(g);
    put_u32(g, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
    put_present(g);
    put_stype(g, 1000384002); // VkImportMemoryResourceInfoMESA
    put_u32(g, resource);
    put_u64(g, size);
    put_u32(g, type);
    put_new(g, id);
}

static void importing_an_unknown_resource_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_import(&g, 100, 4096, COHERENT, 77);
    submit_badly(&g, "there is no such resource to import");
    guest_close(&g);
}

static void write_resource_properties(struct guest *g, uint32_t resource)
{
    begin(g, PV_COMMAND_vkGetMemoryResourcePropertiesMESA, true);
    put_u64(g, DEVICE);
    put_u32(g, resource);
    put_present(g);
    put_u32(g, 1000384001);
    put_present(g);
    put_stype(g, 1000384003); // allocation size
}

static void resources_tell_which_memory_can_import_them(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_resource_properties(&g, SHM);
    submit_well(&g);
    const VkResult result = get_result(&g, PV_COMMAND_vkGetMemoryResourcePropertiesMESA);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 1000384001);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 1000384003);
    assert_int_equal(get_u64(&g), 0);
    assert_int_equal(get_u64(&g), SHM_SIZE);
    const uint32_t types = get_u32(&g);
    assert_int_equal(result, types ? VK_SUCCESS : VK_ERROR_INVALID_EXTERNAL_HANDLE);
    write_resource_properties(&g, 77);
    submit_badly(&g, "there is no such resource");
    guest_close(&g);
}

static void exported_memory_is_shared_with_the_driver(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_allocate_memory(&g, 100, 8192, COHERENT, 0, false);
    submit_well(&g);
    struct pv_resource *first = create_blob(&g, 50, 100, 8192);
    assert_non_null(first);
    struct pv_resource *second = create_blob(&g, 51, 100, 4096);
    assert_non_null(second);
    uint8_t *a = pv_resource_map(first), *b = pv_resource_map(second);
    assert_non_null(a);
    a[17] = 0x42;
    assert_int_equal(b[17], 0x42);

    // The mapping outlives the memory.
    write_destroy(&g, PV_COMMAND_vkFreeMemory, DEVICE, 100);
    submit_well(&g);
    assert_int_equal(a[17], 0x42);
    assert_null(create_blob(&g, 52, 100, 8192));
    pv_resource_unref(first);
    pv_resource_unref(second);
    guest_close(&g);
}

static void a_blob_is_no_larger_than_its_memory(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_allocate_memory(&g, 100, 8192, COHERENT, 0, false);
    submit_well(&g);
    assert_null(create_blob(&g, 50, 100, 8192 + 4096));
    assert_null(create_blob(&g, 50, 100, UINT64_MAX));
    assert_null(create_blob(&g, 50, 100, 0));
    assert_null(create_blob(&g, 0, 100, 4096));
    assert_null(create_blob(&g, SHM, 100, 4096)); // the number is taken
    assert_null(create_blob(&g, 50, QUEUE, 4096));
    assert_null(create_blob(&g, 50, 999, 4096));
    assert_null(pv_context_failure(g.context));
    guest_close(&g);
}

static void exported_memory_is_no_place_for_commands(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_allocate_memory(&g, 100, 65536, COHERENT, 0, false);
    submit_well(&g);
    struct pv_resource *blob = create_blob(&g, 50, 100, 65536);
    assert_non_null(blob);
    write_create_ring(&g, 1, 50, 0);
    submit_badly(&g, "not in shared memory");
    pv_resource_unref(blob);
    guest_close(&g);
}

static void memory_of_a_failed_context_stays_mapped(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_allocate_memory(&g, 100, 8192, COHERENT, 0, false);
    submit_well(&g);
    struct pv_resource *blob = create_blob(&g, 50, 100, 8192);
    uint8_t *memory = pv_resource_map(blob);
    guest_destroy_context(&g);
    memory[8191] = 1;
    pv_resource_unref(blob);
    guest_close(&g);
}

static void the_device_outlives_the_guests_for_its_blobs(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.memory_mechanisms = 1u << PV_MEMORY_MAPPED});
    write_create_instance(&g, INSTANCE, false);
    write_enumerate(&g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(&g);
    write_create_device(&g, DEVICE, (struct queues[]){{0, 1}}, 1, NULL, 0);
    write_allocate_memory(&g, 100, 8192, COHERENT, 0, false);
    submit_well(&g);
    struct pv_resource *blob = create_blob(&g, 50, 100, 8192);
    assert_non_null(blob);
    uint8_t *memory = pv_resource_map(blob);
    assert_non_null(memory);
    begin(&g, PV_COMMAND_vkDestroyInstance, false);
    put_u64(&g, INSTANCE);
    put_null(&g);
    submit_well(&g);
    pv_context_detach_resource(g.context, blob);
    memory[100] = 7;
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 1);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_INSTANCE), 1);
    pv_resource_unref(blob);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_INSTANCE), 0);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(memory_types_out_of_range_never_reach_the_driver),
        CASE(memory_is_counted_and_freed),
        CASE(memory_that_nobody_knew_was_refused),
        CASE(importing_an_unknown_resource_ends_the_context),
        CASE(resources_tell_which_memory_can_import_them),
        CASE(exported_memory_is_shared_with_the_driver),
        CASE(a_blob_is_no_larger_than_its_memory),
        CASE(exported_memory_is_no_place_for_commands),
        CASE(memory_of_a_failed_context_stays_mapped),
        CASE(the_device_outlives_the_guests_for_its_blobs),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}

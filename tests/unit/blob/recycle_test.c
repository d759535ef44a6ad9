// Freed host-pointer memory that serves the next allocation of its kind, on the mock driver.
#include "blob/recycle.h"

#include "base/os.h"
#include "mock_device.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define CACHED 3 // a type of the mock that is HOST_VISIBLE, COHERENT and CACHED

struct fixture {
    struct mock_device mock;
    struct pv_blob_choice choice;
    struct pv_blob_device *device;
};

static void open_fixture(struct fixture *fixture)
{
    const struct pv_blob_policy policy = {.fd_only = true};
    *fixture = (struct fixture){0};
    mock_device_open(&fixture->mock, NULL);
    pv_blob_choose(&fixture->mock.facts.memory, &policy, &fixture->choice);
    fixture->device = pv_blob_device_create(&(struct pv_blob_device_params){
        .device = fixture->mock.handle,
        .physical_device = fixture->mock.physical_device,
        .vk = &fixture->mock.vk,
        .instance_vk = &fixture->mock.instance.vk,
        .facts = &fixture->mock.facts,
        .choice = &fixture->choice,
    });
    assert_non_null(fixture->device);
}

static void close_fixture(struct fixture *fixture)
{
    pv_blob_device_unref(fixture->device);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    mock_device_close(&fixture->mock);
}

static VkResult try_allocate(struct fixture *fixture, const void *chain, uint64_t size,
                             uint32_t type, struct pv_blob_memory *memory)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = chain,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    *memory = (struct pv_blob_memory){0};
    return pv_blob_memory_allocate(fixture->device,
                                   &(struct pv_blob_allocate_params){.info = &info}, memory);
}

static struct pv_blob_memory allocate(struct fixture *fixture, uint64_t size)
{
    struct pv_blob_memory memory;
    assert_int_equal(try_allocate(fixture, NULL, size, CACHED, &memory), VK_SUCCESS);
    return memory;
}

static void give_back(struct fixture *fixture, struct pv_blob_memory *memory)
{
    pv_blob_memory_free(fixture->device, memory);
}

static uint32_t imports(void)
{
    return mock_vk_call_count("vkAllocateMemory");
}

static void serves_the_next_allocation_with_what_was_freed(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 5000);
    const VkDeviceMemory handle = memory.handle;
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    void *mapping = pv_blob_map(blob);
    pv_blob_unref(blob);
    give_back(&fixture, &memory);
    const uint32_t before = imports(), freed = mock_vk_call_count("vkFreeMemory");

    memory = allocate(&fixture, 8192); // as many pages
    assert_ptr_equal(memory.handle, handle);
    assert_int_equal(memory.size, 8192);
    blob = pv_blob_memory_export(fixture.device, &memory);
    assert_ptr_equal(pv_blob_map(blob), mapping);
    assert_int_equal(pv_blob_size(blob), 8192);
    pv_blob_unref(blob);
    assert_int_equal(imports(), before);
    assert_int_equal(mock_vk_call_count("vkFreeMemory"), freed);
    give_back(&fixture, &memory);
    close_fixture(&fixture);
}

static void waits_until_the_guest_maps_it_no_more(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 4096);
    const VkDeviceMemory handle = memory.handle;
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    give_back(&fixture, &memory);

    struct pv_blob_memory other = allocate(&fixture, 4096);
    assert_ptr_not_equal(other.handle, handle);
    strcpy(pv_blob_map(blob), "still mine");
    pv_blob_unref(blob);
    struct pv_blob_memory again = allocate(&fixture, 4096);
    assert_ptr_equal(again.handle, handle);
    give_back(&fixture, &again);
    give_back(&fixture, &other);
    close_fixture(&fixture);
}

static void tells_kinds_apart(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 4096), other;
    give_back(&fixture, &memory);
    const VkMemoryPriorityAllocateInfoEXT priority = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT, .priority = 0.5f};
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    const struct {
        const void *chain;
        uint64_t size;
        uint32_t type;
    } kinds[] = {
        {&priority, 4096, CACHED}, {&flags, 4096, CACHED}, {NULL, 4097, CACHED}, {NULL, 4096, 2}};
    for (size_t i = 0; i < 4; i++) {
        const uint32_t before = imports();
        assert_int_equal(
            try_allocate(&fixture, kinds[i].chain, kinds[i].size, kinds[i].type, &other),
            VK_SUCCESS);
        assert_int_equal(imports(), before + 1);
        give_back(&fixture, &other);
        assert_int_equal(
            try_allocate(&fixture, kinds[i].chain, kinds[i].size, kinds[i].type, &other),
            VK_SUCCESS);
        assert_int_equal(imports(), before + 1);
        give_back(&fixture, &other);
    }
    close_fixture(&fixture);
}

static void keeps_nothing_that_others_may_see(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory, import = {0};

    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    assert_int_equal(try_allocate(&fixture, &export, 4096, CACHED, &memory), VK_SUCCESS);
    give_back(&fixture, &memory);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);

    memory = allocate(&fixture, 4096);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    pv_blob_mark_shared(blob);
    pv_blob_unref(blob);
    give_back(&fixture, &memory);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);

    memory = allocate(&fixture, 4096);
    blob = pv_blob_memory_export(fixture.device, &memory);
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 4096,
        .memoryTypeIndex = CACHED,
    };
    assert_int_equal(pv_blob_memory_allocate(
                         fixture.device,
                         &(struct pv_blob_allocate_params){.info = &info, .import = blob}, &import),
                     VK_SUCCESS);
    pv_blob_unref(blob);
    give_back(&fixture, &memory);
    memset(pv_blob_map(import.blob), 1, 4096);
    give_back(&fixture, &import);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    close_fixture(&fixture);
}

// VK_EXT_zero_initialize_device_memory.
static void gives_fresh_bytes_to_those_who_ask(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = 0x8};
    for (int i = 0; i < 2; i++) {
        struct pv_blob_memory memory;
        assert_int_equal(try_allocate(&fixture, &flags, 4096, CACHED, &memory), VK_SUCCESS);
        char *bytes = pv_blob_map(memory.blob);
        assert_int_equal(bytes[100], 0);
        bytes[100] = 1;
        give_back(&fixture, &memory);
    }
    close_fixture(&fixture);
}

// What a guest that captures and replays chains to its allocations.
struct capture {
    VkMemoryAllocateFlagsInfo flags;
    VkMemoryOpaqueCaptureAddressAllocateInfo at;
};

static void capture_init(struct capture *capture)
{
    *capture = (struct capture){
        .flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                  .pNext = &capture->at,
                  .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT |
                           VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT},
        .at = {.sType = VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO}};
}

static uint64_t capture_address(struct fixture *fixture, const struct pv_blob_memory *memory)
{
    const VkDeviceMemoryOpaqueCaptureAddressInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO,
        .memory = memory->handle};
    return fixture->mock.vk.vkGetDeviceMemoryOpaqueCaptureAddress(fixture->mock.handle, &info);
}

// The address that a driver gave to an import, it gives to no other.
static void finds_the_address_of_a_capture(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct capture capture;
    capture_init(&capture);
    struct pv_blob_memory memory[3];
    uint64_t addresses[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_allocate(&fixture, &capture.flags, 4096, CACHED, &memory[i]),
                         VK_SUCCESS);
        addresses[i] = capture_address(&fixture, &memory[i]);
    }
    const VkDeviceMemory first = memory[0].handle;
    for (int i = 0; i < 3; i++) {
        give_back(&fixture, &memory[i]);
    }

    capture.at.opaqueCaptureAddress = addresses[0]; // not the newest
    assert_int_equal(try_allocate(&fixture, &capture.flags, 4096, CACHED, &memory[0]), VK_SUCCESS);
    assert_ptr_equal(memory[0].handle, first);
    assert_non_null(pv_blob_map(memory[0].blob));

    // In use: the driver is asked, for memory of its own.
    assert_int_equal(try_allocate(&fixture, &capture.flags, 4096, CACHED, &memory[1]), VK_SUCCESS);
    assert_null(memory[1].blob);
    struct mock_vk_memory info;
    assert_true(mock_vk_get_memory(memory[1].handle, &info));
    assert_int_equal(info.opaque_capture_address, addresses[0]);
    assert_int_equal(info.import_type, 0);
    give_back(&fixture, &memory[1]);

    // Freed, but the guest's resource is not gone yet: word of it comes by another way.
    struct pv_blob *resource = pv_blob_memory_export(fixture.device, &memory[0]);
    give_back(&fixture, &memory[0]);
    assert_int_equal(try_allocate(&fixture, &capture.flags, 4096, CACHED, &memory[0]), VK_SUCCESS);
    assert_ptr_equal(memory[0].handle, first);
    pv_blob_unref(resource);
    assert_non_null(pv_blob_map(memory[0].blob));
    give_back(&fixture, &memory[0]);
    assert_true(mock_vk_is_alive((uint64_t)(uintptr_t)first)); // idle again
    close_fixture(&fixture);
}

// More than is kept of others, as the Vulkan CTS does it (capture_replay_stress).
static void finds_many_addresses(void **state)
{
    (void)state;
    enum { MANY = 150 };
    struct fixture fixture;
    open_fixture(&fixture);
    struct capture capture;
    capture_init(&capture);
    struct pv_blob_memory memory[MANY];
    uint64_t addresses[MANY], total = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        const uint64_t size = UINT64_C(4096) << (i * 7 % 11);
        assert_int_equal(try_allocate(&fixture, &capture.flags, size, CACHED, &memory[i]),
                         VK_SUCCESS);
        addresses[i] = capture_address(&fixture, &memory[i]);
        total += size;
    }
    assert_true(total > PV_RECYCLER_MAX_BYTES && MANY > PV_RECYCLER_MAX_REGIONS);
    for (uint32_t i = 0; i < MANY; i++) {
        give_back(&fixture, &memory[i]);
    }
    const uint32_t before = imports();
    for (uint32_t i = MANY; i-- > 0;) {
        capture.at.opaqueCaptureAddress = addresses[i];
        const uint64_t size = UINT64_C(4096) << (i * 7 % 11);
        assert_int_equal(try_allocate(&fixture, &capture.flags, size, CACHED, &memory[i]),
                         VK_SUCCESS);
        assert_int_equal(capture_address(&fixture, &memory[i]), addresses[i]);
        assert_non_null(memory[i].blob);
    }
    assert_int_equal(imports(), before);
    for (uint32_t i = 0; i < MANY; i++) {
        give_back(&fixture, &memory[i]);
    }
    close_fixture(&fixture);
}

static void keeps_a_bounded_number(void **state)
{
    (void)state;
    enum { MANY = PV_RECYCLER_MAX_REGIONS + 20 };
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        memory[i] = allocate(&fixture, 4096);
    }
    const VkDeviceMemory first = memory[0].handle;
    for (uint32_t i = 0; i < MANY; i++) {
        give_back(&fixture, &memory[i]);
    }
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), PV_RECYCLER_MAX_REGIONS);
    assert_false(mock_vk_is_alive((uint64_t)(uintptr_t)first)); // the oldest
    close_fixture(&fixture);
}

static void touch_all(const struct pv_blob_memory *memory)
{
    memset(pv_blob_map(memory->blob), 1, (size_t)memory->size);
}

// What was never touched is not there, however large it is.
static void keeps_large_regions_that_are_empty(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.mock.facts.quirks &= ~(uint32_t)PV_QUIRK_POPULATE_IMPORTS;
    struct pv_blob_memory large = allocate(&fixture, 4 * PV_RECYCLER_MAX_BYTES);
    const VkDeviceMemory import = large.handle;
    *(uint8_t *)pv_blob_map(large.blob) = 1;
    give_back(&fixture, &large);
    large = allocate(&fixture, 4 * PV_RECYCLER_MAX_BYTES);
    assert_ptr_equal(large.handle, import);
    give_back(&fixture, &large);

    // Only the address space counts then.
    enum { MANY = PV_RECYCLER_MAX_SPACE / (4 * PV_RECYCLER_MAX_BYTES) + 2 };
    struct pv_blob_memory memory[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        memory[i] = allocate(&fixture, 4 * PV_RECYCLER_MAX_BYTES);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        give_back(&fixture, &memory[i]);
    }
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), MANY - 2);
    close_fixture(&fixture);
}

static void keeps_bounded_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory large = allocate(&fixture, PV_RECYCLER_MAX_BYTES + 4096);
    touch_all(&large);
    give_back(&fixture, &large);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);

    struct pv_blob_memory memory[5];
    for (uint32_t i = 0; i < 5; i++) {
        memory[i] = allocate(&fixture, PV_RECYCLER_MAX_BYTES / 4);
        touch_all(&memory[i]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        give_back(&fixture, &memory[i]);
    }
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 4);
    close_fixture(&fixture);
}

static void lets_go_when_the_driver_is_short(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 4096);
    give_back(&fixture, &memory);
    mock_vk_fail("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    memory = allocate(&fixture, 65536);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 1);
    give_back(&fixture, &memory);
    close_fixture(&fixture);
}

static void lets_go_when_descriptors_are_short(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 4096), other;
    give_back(&fixture, &memory);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const int next = dup(0);
    close(next);
    // All numbers below are taken: one of them by what is idle. The last quarter is not for memory.
    rlim_t enough = (rlim_t)next;
    while (enough - enough / 4 < (rlim_t)next) {
        enough++;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){enough, limit.rlim_max}), 0);
    const VkResult recovered = try_allocate(&fixture, NULL, 65536, CACHED, &memory);
    const VkResult refused = try_allocate(&fixture, NULL, 65536, CACHED, &other);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(recovered, VK_SUCCESS);
    assert_int_equal(refused, VK_ERROR_TOO_MANY_OBJECTS);
    give_back(&fixture, &memory);
    close_fixture(&fixture);
}

static void frees_imports_with_the_device_and_leaves_mappings(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct pv_blob_memory memory = allocate(&fixture, 4096);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    strcpy(pv_blob_map(blob), "written by the GPU");
    give_back(&fixture, &memory);
    pv_blob_device_unref(fixture.device);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    assert_string_equal(pv_blob_map(blob), "written by the GPU");
    pv_blob_unref(blob);
    mock_device_close(&fixture.mock);
}

static void rounds_sizes_up_by_an_eighth_at_most(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1,       4096,    4097,      65536,          100000,
                                     1000000, 1048576, 16u << 20, (16u << 20) + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t rounded;
        assert_true(pv_region_size(sizes[i], 4096, &rounded));
        assert_true(rounded >= sizes[i] && rounded % 4096 == 0);
        assert_true(rounded <= sizes[i] + sizes[i] / 8 || rounded - sizes[i] < 4096);
        uint64_t again;
        assert_true(pv_region_size(rounded, 4096, &again));
        assert_int_equal(again, rounded);
    }
    uint64_t rounded;
    assert_true(pv_region_size(PV_RECYCLER_MAX_BYTES + 1, 4096, &rounded));
    assert_int_equal(rounded, PV_RECYCLER_MAX_BYTES + 4096);
    assert_false(pv_region_size(UINT64_MAX - 100, 4096, &rounded));
}

static void *cycle(void *data)
{
    struct fixture *fixture = data;
    for (uint32_t i = 0; i < 500; i++) {
        struct pv_blob_memory memory;
        if (try_allocate(fixture, NULL, 4096u << i % 3, CACHED, &memory) != VK_SUCCESS) {
            return NULL;
        }
        struct pv_blob *blob = pv_blob_memory_export(fixture->device, &memory);
        *(volatile uint32_t *)pv_blob_map(blob) = i;
        pv_blob_memory_free(fixture->device, &memory);
        pv_blob_unref(blob);
    }
    return data;
}

static void serves_several_threads(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, cycle, &fixture), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    assert_true(mock_vk_call_count("vkAllocateMemory") < 3 * 500);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_the_next_allocation_with_what_was_freed),
        cmocka_unit_test(waits_until_the_guest_maps_it_no_more),
        cmocka_unit_test(tells_kinds_apart),
        cmocka_unit_test(keeps_nothing_that_others_may_see),
        cmocka_unit_test(gives_fresh_bytes_to_those_who_ask),
        cmocka_unit_test(finds_the_address_of_a_capture),
        cmocka_unit_test(finds_many_addresses),
        cmocka_unit_test(keeps_a_bounded_number),
        cmocka_unit_test(keeps_bounded_bytes),
        cmocka_unit_test(keeps_large_regions_that_are_empty),
        cmocka_unit_test(lets_go_when_the_driver_is_short),
        cmocka_unit_test(lets_go_when_descriptors_are_short),
        cmocka_unit_test(frees_imports_with_the_device_and_leaves_mappings),
        cmocka_unit_test(rounds_sizes_up_by_an_eighth_at_most),
        cmocka_unit_test(serves_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

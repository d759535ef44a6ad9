// Device memory through each mechanism, on the mock driver.
#include "blob/memory.h"

#include "base/os.h"
#include "blob/backend.h"
#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define DMA_BUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT

struct fixture {
    struct mock_device mock;
    struct pv_blob_policy policy;
    struct pv_blob_choice choice;
    struct pv_blob_device *device;
    uint32_t destroyed; // calls of `destroy`
};

static void count_destroy(void *user)
{
    ((struct fixture *)user)->destroyed++;
}

static void open_fixture(struct fixture *fixture, uint32_t mechanisms, bool fd_only,
                         void (*change)(struct mock_vk_config *config))
{
    *fixture = (struct fixture){.policy = {mechanisms, fd_only}};
    mock_device_open(&fixture->mock, change);
    pv_blob_choose(&fixture->mock.facts.memory, &fixture->policy, &fixture->choice);
    fixture->device = pv_blob_device_create(&(struct pv_blob_device_params){
        .device = fixture->mock.handle,
        .physical_device = fixture->mock.physical_device,
        .vk = &fixture->mock.vk,
        .instance_vk = &fixture->mock.instance.vk,
        .facts = &fixture->mock.facts,
        .choice = &fixture->choice,
        .destroy = count_destroy,
        .user = fixture,
    });
    assert_non_null(fixture->device);
}

static void close_fixture(struct fixture *fixture)
{
    pv_blob_device_unref(fixture->device);
    assert_int_equal(fixture->destroyed, 1);
    mock_device_close(&fixture->mock);
}

static VkResult allocate_with(struct fixture *fixture, const void *chain, uint64_t size,
                              uint32_t type, struct pv_blob *import, struct pv_blob_memory *memory)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = chain,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    *memory = (struct pv_blob_memory){0};
    return pv_blob_memory_allocate(
        fixture->device, &(struct pv_blob_allocate_params){.info = &info, .import = import},
        memory);
}

static VkResult allocate(struct fixture *fixture, uint64_t size, uint32_t type,
                         struct pv_blob_memory *memory)
{
    return allocate_with(fixture, NULL, size, type, NULL, memory);
}

static struct mock_vk_memory look_at(VkDeviceMemory handle)
{
    struct mock_vk_memory info;
    assert_true(mock_vk_get_memory(handle, &info));
    return info;
}

// --- Host pointers -------------------------------------------------------------------------

static void imports_shared_memory_in_whole_pages(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    assert_int_equal(allocate(&fixture, 5000, 2, &memory), VK_SUCCESS);
    assert_int_equal(memory.size, 8192);
    const struct mock_vk_memory seen = look_at(memory.handle);
    assert_int_equal(seen.size, 8192);
    assert_int_equal(seen.import_type, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT);
    assert_int_equal(seen.export_types, 0);

    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(pv_blob_fd_type(blob), PV_FD_SHM);
    assert_int_equal(pv_blob_size(blob), 8192);
    assert_int_equal(pv_blob_map_cache(blob), PV_MAP_CACHE_CACHED);
    assert_ptr_equal(pv_blob_map(blob), seen.data);
    pv_blob_unref(blob);
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

static void strips_the_chain_of_what_an_import_must_not_have(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    VkBuffer buffer;
    const VkBufferCreateInfo buffer_info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = 4096, .usage = 1};
    fixture.mock.vk.vkCreateBuffer(fixture.mock.handle, &buffer_info, NULL, &buffer);
    const VkMemoryPriorityAllocateInfoEXT priority = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT, .priority = 0.75f};
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .pNext = &priority,
        .buffer = buffer,
    };
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .pNext = &dedicated,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .pNext = &flags,
        .handleTypes = DMA_BUF,
    };
    assert_int_equal(allocate_with(&fixture, &export, 4096, 2, NULL, &memory), VK_SUCCESS);
    const struct mock_vk_memory seen = look_at(memory.handle);
    assert_int_equal(seen.export_types, 0);
    assert_null(seen.dedicated_buffer);
    assert_int_equal(seen.flags, VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT);
    assert_true(seen.priority == 0.75f);
    pv_blob_memory_free(fixture.device, &memory);
    fixture.mock.vk.vkDestroyBuffer(fixture.mock.handle, buffer, NULL);
    close_fixture(&fixture);
}

static void keeps_the_guest_mapping_after_free(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    assert_int_equal(allocate(&fixture, 4096, 3, &memory), VK_SUCCESS);
    strcpy(look_at(memory.handle).data, "written by the GPU");
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    pv_blob_memory_free(fixture.device, &memory);
    assert_string_equal(pv_blob_map(blob), "written by the GPU");
    pv_blob_unref(blob);
    close_fixture(&fixture);
}

static void exports_the_same_blob_each_time(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    assert_int_equal(allocate(&fixture, 4096, 2, &memory), VK_SUCCESS);
    struct pv_blob *first = pv_blob_memory_export(fixture.device, &memory);
    struct pv_blob *second = pv_blob_memory_export(fixture.device, &memory);
    assert_ptr_equal(first, second);
    pv_blob_unref(first);
    pv_blob_unref(second);
    pv_blob_memory_free(fixture.device, &memory);
    assert_null(pv_blob_memory_export(fixture.device, &memory));
    pv_blob_memory_free(fixture.device, &memory); // no effect
    close_fixture(&fixture);
}

static void imports_what_it_exported(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory, imported;
    open_fixture(&fixture, 0, true, NULL);
    assert_int_equal(allocate(&fixture, 10000, 2, &memory), VK_SUCCESS);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(pv_blob_import_types(fixture.device, blob), 0xc);

    assert_int_equal(allocate_with(&fixture, NULL, 10000, 3, blob, &imported), VK_SUCCESS);
    assert_ptr_equal(look_at(imported.handle).data, look_at(memory.handle).data);
    struct pv_blob *again = pv_blob_memory_export(fixture.device, &imported);
    assert_ptr_equal(again, blob);
    pv_blob_unref(again);
    pv_blob_unref(blob);
    // The import keeps the storage.
    pv_blob_memory_free(fixture.device, &memory);
    memset(look_at(imported.handle).data, 1, 10000);
    pv_blob_memory_free(fixture.device, &imported);
    close_fixture(&fixture);
}

static void refuses_imports_that_do_not_fit(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    struct pv_blob *blob = pv_blob_create_shm(5000, "test");
    const uint32_t before = mock_vk_call_count("vkAllocateMemory");
    assert_int_equal(allocate_with(&fixture, NULL, 8193, 2, blob, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate_with(&fixture, NULL, 5000, 1, blob, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate_with(&fixture, NULL, 5000, 4, blob, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(mock_vk_call_count("vkAllocateMemory"), before); // the driver saw none
    assert_int_equal(allocate_with(&fixture, NULL, 5000, 2, blob, &memory), VK_SUCCESS);
    pv_blob_unref(blob);
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

static void refuses_host_pointers_for_capture_addresses(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    const VkMemoryOpaqueCaptureAddressAllocateInfo address = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO,
        .opaqueCaptureAddress = 0x5000,
    };
    assert_int_equal(allocate_with(&fixture, &address, 4096, 2, NULL, &memory), VK_SUCCESS);
    assert_int_equal(look_at(memory.handle).import_type, 0);
    assert_int_equal(look_at(memory.handle).opaque_capture_address, 0x5000);
    assert_null(pv_blob_memory_export(fixture.device, &memory));
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

// --- What every mechanism has in common ----------------------------------------------------

static void refuses_nonsense_without_asking_the_driver(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    const uint32_t before = mock_vk_call_count("vkAllocateMemory");
    assert_int_equal(allocate(&fixture, 4096, 5, &memory), VK_ERROR_UNKNOWN);
    assert_int_equal(allocate(&fixture, 4096, UINT32_MAX, &memory), VK_ERROR_UNKNOWN);
    assert_int_equal(allocate(&fixture, 0, 2, &memory), VK_ERROR_UNKNOWN);
    assert_int_equal(allocate(&fixture, UINT64_MAX, 2, &memory), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(allocate(&fixture, (1ull << 30) + 1, 2, &memory),
                     VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(mock_vk_call_count("vkAllocateMemory"), before);
    assert_null(memory.handle);
    close_fixture(&fixture);
}

static void leaves_device_memory_to_the_driver(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    assert_int_equal(allocate(&fixture, 5000, 1, &memory), VK_SUCCESS);
    assert_int_equal(memory.size, 5000);
    assert_int_equal(look_at(memory.handle).size, 5000);
    assert_int_equal(look_at(memory.handle).import_type, 0);
    assert_null(pv_blob_memory_export(fixture.device, &memory));
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

static void refuses_exports_that_nothing_serves(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL);
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, .handleTypes = DMA_BUF};
    assert_int_equal(allocate_with(&fixture, &export, 4096, 1, NULL, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    close_fixture(&fixture);
}

static void leaks_nothing_when_the_driver_refuses(void **state)
{
    (void)state;
    static const uint32_t masks[] = {1u << PV_MEMORY_HOST_POINTER, 1u << PV_MEMORY_OPAQUE_FD,
                                     1u << PV_MEMORY_MAPPED};
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct fixture fixture;
        struct pv_blob_memory memory;
        open_fixture(&fixture, masks[i], false, NULL);
        const int files = count_open_files();
        mock_vk_fail("vkAllocateMemory", 1, VK_ERROR_TOO_MANY_OBJECTS);
        assert_int_equal(allocate(&fixture, 4096, 2, &memory), VK_ERROR_TOO_MANY_OBJECTS);
        assert_null(memory.handle);
        assert_null(memory.blob);
        assert_int_equal(count_open_files(), files);
        close_fixture(&fixture);
    }
}

static void declares_its_features_truthfully(void **state)
{
    (void)state;
    for (int i = PV_MEMORY_HOST_POINTER; i <= PV_MEMORY_MAPPED; i++) {
        const struct pv_blob_backend *backend = pv_blob_backend_get((enum pv_memory_mechanism)i);
        assert_non_null(backend);
        assert_true(pv_blob_backend_validate(backend));
        struct pv_blob_backend half = *backend;
        half.allocate = NULL;
        assert_false(pv_blob_backend_validate(&half));
        half = *backend;
        half.features ^= PV_BLOB_IMPORT;
        assert_false(pv_blob_backend_validate(&half));
        half = *backend;
        half.features ^= PV_BLOB_EXPORT_LATER;
        assert_false(pv_blob_backend_validate(&half));
    }
    assert_null(pv_blob_backend_get(PV_MEMORY_NONE));
}

// --- Sticky import failures ----------------------------------------------------------------

static void stick_like_nvidia(struct mock_vk_config *config)
{
    config->driver_id = VK_DRIVER_ID_NVIDIA_PROPRIETARY;
    config->sticky_import_failure = true;
}

static void refuse_pointers_now(struct fixture *fixture, uint32_t types)
{
    (void)fixture;
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.host_pointer_types = types;
    mock_vk_set_config(&config);
}

static void clears_an_import_failure_that_sticks(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, stick_like_nvidia);
    refuse_pointers_now(&fixture, 0);
    assert_int_equal(allocate(&fixture, 65536, 2, &memory), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    refuse_pointers_now(&fixture, 0xc);
    // The driver is as good as new: a plain allocation and an import, without an error between.
    assert_int_equal(allocate(&fixture, 1 << 20, 1, &memory), VK_SUCCESS);
    pv_blob_memory_free(fixture.device, &memory);
    assert_int_equal(allocate(&fixture, 1 << 20, 2, &memory), VK_SUCCESS);
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

static void retries_what_somebody_elses_failure_made_fail(void **state)
{
    (void)state;
    for (uint32_t type = 2; type <= 3; type++) {
        struct fixture fixture;
        struct pv_blob_memory memory;
        open_fixture(&fixture, 0, true, stick_like_nvidia);
        // Another context of this process makes an import fail behind our back.
        const VkImportMemoryHostPointerInfoEXT import = {
            .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
            .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
            .pHostPointer = (void *)4096,
        };
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = &import,
            .allocationSize = 4096,
            .memoryTypeIndex = type,
        };
        VkDeviceMemory handle;
        refuse_pointers_now(&fixture, 0);
        assert_int_equal(
            fixture.mock.vk.vkAllocateMemory(fixture.mock.handle, &info, NULL, &handle),
            VK_ERROR_INVALID_EXTERNAL_HANDLE);
        refuse_pointers_now(&fixture, 0xc);
        assert_int_equal(allocate(&fixture, 65536, type, &memory), VK_SUCCESS);
        pv_blob_memory_free(fixture.device, &memory);
        close_fixture(&fixture);
    }
}

// --- dma-bufs ------------------------------------------------------------------------------

static void offer_dmabuf(struct mock_vk_config *config)
{
    config->device_extensions[0] = "VK_KHR_external_memory_fd";
    config->device_extensions[1] = "VK_EXT_external_memory_dma_buf";
    config->device_extensions[2] = "VK_EXT_external_memory_host";
    config->device_extensions[3] = NULL;
    config->buffer_handle_types |= DMA_BUF;
    config->dmabuf_types = 0x1e;
}

static void exports_dmabufs_when_asked(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_DMABUF, true, offer_dmabuf);
    assert_int_equal(allocate(&fixture, 5000, 2, &memory), VK_SUCCESS);
    assert_int_equal(memory.size, 8192);
    const uint32_t before = mock_vk_call_count("vkGetMemoryFdKHR");
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    struct pv_blob *again = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(mock_vk_call_count("vkGetMemoryFdKHR"), before + 1);
    assert_ptr_equal(blob, again);
    assert_int_equal(pv_blob_fd_type(blob), PV_FD_DMABUF);
    assert_int_equal(pv_blob_map_cache(blob), PV_MAP_CACHE_WC); // type 2 is not cached
    strcpy(look_at(memory.handle).data, "by the GPU");
    assert_string_equal(pv_blob_map(blob), "by the GPU");
    pv_blob_memory_free(fixture.device, &memory);
    assert_string_equal(pv_blob_map(blob), "by the GPU");
    pv_blob_unref(again);
    pv_blob_unref(blob);
    close_fixture(&fixture);
}

static void shares_device_memory_that_nobody_maps(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, offer_dmabuf);
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, .handleTypes = DMA_BUF};
    assert_int_equal(allocate_with(&fixture, &export, 4096, 1, NULL, &memory), VK_SUCCESS);
    assert_int_equal(look_at(memory.handle).export_types, DMA_BUF);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_non_null(blob);
    assert_int_equal(pv_blob_map_cache(blob), PV_MAP_CACHE_NONE);
    assert_null(pv_blob_map(blob));
    assert_false(pv_blob_map_fixed(blob, 4096, (void *)4096));
    pv_blob_unref(blob);
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

static void imports_dmabufs_and_owns_descriptors_rightly(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, offer_dmabuf);
    const char *reason;
    struct pv_blob *blob =
        pv_blob_import_fd(PV_FD_DMABUF, pv_os_shm_create("a dma-buf", 8192), 8192, &reason);
    assert_int_equal(pv_blob_import_types(fixture.device, blob), 0x1e);

    const int files = count_open_files();
    mock_vk_fail("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(allocate_with(&fixture, NULL, 8192, 2, blob, &memory),
                     VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(count_open_files(), files);

    assert_int_equal(allocate_with(&fixture, NULL, 8193, 2, blob, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate_with(&fixture, NULL, 8192, 2, blob, &memory), VK_SUCCESS);
    strcpy(pv_blob_map(blob), "from the other device");
    assert_string_equal(look_at(memory.handle).data, "from the other device");
    pv_blob_memory_free(fixture.device, &memory);
    pv_blob_unref(blob);
    close_fixture(&fixture);
}

static void refuses_dmabufs_that_the_driver_cannot_import(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 0, true, NULL); // without the extension
    const char *reason;
    struct pv_blob *blob =
        pv_blob_import_fd(PV_FD_DMABUF, pv_os_shm_create("a dma-buf", 4096), 4096, &reason);
    assert_int_equal(pv_blob_import_types(fixture.device, blob), 0);
    assert_int_equal(allocate_with(&fixture, NULL, 4096, 2, blob, &memory),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    pv_blob_unref(blob);
    close_fixture(&fixture);
}

// --- Opaque descriptors --------------------------------------------------------------------

static void maps_opaque_memory_by_importing_it(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_OPAQUE_FD, false, NULL);
    assert_int_equal(allocate(&fixture, 5000, 3, &memory), VK_SUCCESS);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(pv_blob_fd_type(blob), PV_FD_OPAQUE);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 1);
    strcpy(look_at(memory.handle).data, "by the GPU");
    assert_string_equal(pv_blob_map(blob), "by the GPU");
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 2);
    // Mapping the file itself would show its header.
    assert_false(pv_blob_map_fixed(blob, 4096, (void *)4096));

    pv_blob_memory_free(fixture.device, &memory);
    assert_string_equal(pv_blob_map(blob), "by the GPU");
    pv_blob_unref(blob);
    close_fixture(&fixture);
}

static void keeps_the_device_for_an_opaque_mapping(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_OPAQUE_FD, false, NULL);
    assert_int_equal(allocate(&fixture, 4096, 3, &memory), VK_SUCCESS);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_non_null(pv_blob_map(blob));
    pv_blob_memory_free(fixture.device, &memory);
    pv_blob_device_unref(fixture.device);
    assert_int_equal(fixture.destroyed, 0);
    strcpy(pv_blob_map(blob), "still there");
    pv_blob_unref(blob);
    assert_int_equal(fixture.destroyed, 1);
    mock_device_close(&fixture.mock);
}

static void imports_opaque_memory_as_it_was_exported(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory, imported;
    open_fixture(&fixture, 1u << PV_MEMORY_OPAQUE_FD, false, NULL);
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    assert_int_equal(allocate_with(&fixture, &flags, 5000, 3, NULL, &memory), VK_SUCCESS);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(allocate_with(&fixture, NULL, 5000, 2, blob, &imported),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE); // another type
    assert_int_equal(allocate_with(&fixture, NULL, 100000, 3, blob, &imported),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE); // larger
    assert_int_equal(allocate_with(&fixture, NULL, 5000, 3, blob, &imported), VK_SUCCESS);
    assert_int_equal(look_at(imported.handle).size, 8192);
    assert_int_equal(look_at(imported.handle).flags, VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT);
    strcpy(look_at(memory.handle).data, "shared");
    assert_string_equal(look_at(imported.handle).data, "shared");
    pv_blob_unref(blob);
    pv_blob_memory_free(fixture.device, &imported);
    pv_blob_memory_free(fixture.device, &memory);
    close_fixture(&fixture);
}

// --- The driver's mappings -----------------------------------------------------------------

static void hands_out_the_drivers_mapping(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_MAPPED, false, NULL);
    assert_int_equal(allocate(&fixture, 4096, 4, &memory), VK_SUCCESS);
    void *data = look_at(memory.handle).data;
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    assert_int_equal(pv_blob_fd_type(blob), PV_FD_NONE);
    assert_int_equal(pv_blob_export_fd(blob), -1);
    assert_ptr_equal(pv_blob_map(blob), data);
    pv_blob_unref(blob);
    pv_blob_memory_free(fixture.device, &memory);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    close_fixture(&fixture);
}

static void frees_mapped_memory_after_its_last_user(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_MAPPED, false, NULL);
    assert_int_equal(allocate(&fixture, 4096, 2, &memory), VK_SUCCESS);
    struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
    pv_blob_memory_free(fixture.device, &memory);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 1);
    pv_blob_device_unref(fixture.device);
    assert_int_equal(fixture.destroyed, 0);
    strcpy(pv_blob_map(blob), "still there");
    pv_blob_unref(blob);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    assert_int_equal(fixture.destroyed, 1);
    mock_device_close(&fixture.mock);
}

static void frees_mapped_memory_that_was_never_handed_out(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pv_blob_memory memory;
    open_fixture(&fixture, 1u << PV_MEMORY_MAPPED, false, NULL);
    assert_int_equal(allocate(&fixture, 4096, 2, &memory), VK_SUCCESS);
    pv_blob_memory_free(fixture.device, &memory);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    close_fixture(&fixture);
}

static void survives_a_mapping_that_fails(void **state)
{
    (void)state;
    static const uint32_t masks[] = {1u << PV_MEMORY_OPAQUE_FD, 1u << PV_MEMORY_MAPPED};
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct fixture fixture;
        struct pv_blob_memory memory;
        open_fixture(&fixture, masks[i], false, NULL);
        assert_int_equal(allocate(&fixture, 4096, 2, &memory), VK_SUCCESS);
        mock_vk_fail("vkMapMemory", 1, VK_ERROR_MEMORY_MAP_FAILED);
        struct pv_blob *blob = pv_blob_memory_export(fixture.device, &memory);
        if (blob) { // the opaque one maps later
            assert_null(pv_blob_map(blob));
            assert_non_null(pv_blob_map(blob));
        }
        pv_blob_unref(blob);
        pv_blob_memory_free(fixture.device, &memory);
        close_fixture(&fixture);
    }
}

// --- Extensions ----------------------------------------------------------------------------

static bool names_extension(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void enables_what_its_mechanisms_need(void **state)
{
    (void)state;
    const char *names[PV_BLOB_MAX_DEVICE_EXTENSIONS];
    struct fixture fixture;
    open_fixture(&fixture, 0, true, NULL);
    uint32_t count = pv_blob_device_extensions(&fixture.mock.facts, &fixture.choice, names);
    assert_int_equal(count, 1);
    assert_string_equal(names[0], "VK_EXT_external_memory_host");
    close_fixture(&fixture);

    open_fixture(&fixture, 0, true, offer_dmabuf);
    count = pv_blob_device_extensions(&fixture.mock.facts, &fixture.choice, names);
    assert_int_equal(count, 3);
    assert_true(names_extension(names, count, "VK_KHR_external_memory_fd"));
    assert_true(names_extension(names, count, "VK_EXT_external_memory_dma_buf"));
    assert_true(names_extension(names, count, "VK_EXT_external_memory_host"));
    close_fixture(&fixture);

    open_fixture(&fixture, 1u << PV_MEMORY_MAPPED, false, NULL);
    assert_int_equal(pv_blob_device_extensions(&fixture.mock.facts, &fixture.choice, names), 0);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_shared_memory_in_whole_pages),
        cmocka_unit_test(strips_the_chain_of_what_an_import_must_not_have),
        cmocka_unit_test(keeps_the_guest_mapping_after_free),
        cmocka_unit_test(exports_the_same_blob_each_time),
        cmocka_unit_test(imports_what_it_exported),
        cmocka_unit_test(refuses_imports_that_do_not_fit),
        cmocka_unit_test(refuses_host_pointers_for_capture_addresses),
        cmocka_unit_test(refuses_nonsense_without_asking_the_driver),
        cmocka_unit_test(leaves_device_memory_to_the_driver),
        cmocka_unit_test(refuses_exports_that_nothing_serves),
        cmocka_unit_test(leaks_nothing_when_the_driver_refuses),
        cmocka_unit_test(declares_its_features_truthfully),
        cmocka_unit_test(clears_an_import_failure_that_sticks),
        cmocka_unit_test(retries_what_somebody_elses_failure_made_fail),
        cmocka_unit_test(exports_dmabufs_when_asked),
        cmocka_unit_test(shares_device_memory_that_nobody_maps),
        cmocka_unit_test(imports_dmabufs_and_owns_descriptors_rightly),
        cmocka_unit_test(refuses_dmabufs_that_the_driver_cannot_import),
        cmocka_unit_test(maps_opaque_memory_by_importing_it),
        cmocka_unit_test(keeps_the_device_for_an_opaque_mapping),
        cmocka_unit_test(imports_opaque_memory_as_it_was_exported),
        cmocka_unit_test(hands_out_the_drivers_mapping),
        cmocka_unit_test(frees_mapped_memory_after_its_last_user),
        cmocka_unit_test(frees_mapped_memory_that_was_never_handed_out),
        cmocka_unit_test(survives_a_mapping_that_fails),
        cmocka_unit_test(enables_what_its_mechanisms_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

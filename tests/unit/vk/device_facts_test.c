// Gathering the facts of a device: what is advertised, what works when tried, what is left behind.
#include "vk/device_facts.h"

#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static void finds_extensions_whatever_their_order(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, NULL);
    for (uint32_t i = 1; i < device.facts.extensions.count; i++) {
        assert_true(strcmp(device.facts.extensions.items[i - 1].extensionName,
                           device.facts.extensions.items[i].extensionName) < 0);
    }
    for (uint32_t i = 0; i < device.facts.extensions.count; i++) {
        assert_ptr_equal(pv_device_facts_find_extension(
                             &device.facts, device.facts.extensions.items[i].extensionName),
                         &device.facts.extensions.items[i]);
    }
    assert_null(pv_device_facts_find_extension(&device.facts, ""));
    assert_null(pv_device_facts_find_extension(&device.facts, "VK_AAA"));
    assert_null(pv_device_facts_find_extension(&device.facts, "VK_KHR_zzz"));
    assert_null(pv_device_facts_find_extension(&device.facts, "VK_ZZZ"));
    mock_device_close(&device);
}

static void list_extension_twice(struct mock_vk_config *config)
{
    config->device_extensions[0] = "VK_KHR_external_memory_fd";
    config->device_extensions[1] = "VK_EXT_external_memory_host";
    config->device_extensions[2] = "VK_KHR_external_memory_fd";
    config->device_extensions[3] = NULL;
}

static void lists_an_extension_once(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, list_extension_twice);
    assert_int_equal(device.facts.extensions.count, 2);
    assert_string_equal(device.facts.extensions.items[0].extensionName,
                        "VK_EXT_external_memory_host");
    mock_device_close(&device);
}

static void tries_host_pointers_on_each_visible_type(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, NULL);
    assert_true(device.facts.memory.host_pointer_advertised);
    assert_int_equal(device.facts.memory.host_pointer_alignment, 4096);
    assert_int_equal(device.facts.memory.host_pointer_types, 0xc);
    assert_true(device.facts.memory.opaque_fd_advertised);
    assert_int_equal(device.facts.memory.opaque_fd_types, 0x1c); // the visible ones
    assert_false(device.facts.memory.dmabuf_advertised);
    assert_null(device.facts.probe_failure);
    mock_device_close(&device);
}

static void accept_all_pointers(struct mock_vk_config *config)
{
    config->host_pointer_types = 0x1f;
}

static void leaves_types_out_that_are_not_visible(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, accept_all_pointers);
    assert_int_equal(device.facts.memory.host_pointer_types, 0x1c);
    mock_device_close(&device);
}

static void want_large_alignment(struct mock_vk_config *config)
{
    config->host_pointer_alignment = 65536;
}

static void tries_with_the_alignment_that_the_driver_wants(void **state)
{
    (void)state;
    struct mock_device device;
    // mmap may or may not return such an address; either way the driver reports no misuse.
    mock_device_open(&device, want_large_alignment);
    assert_int_equal(device.facts.memory.host_pointer_alignment, 65536);
    mock_device_close(&device);
}

static void offer_dmabuf(struct mock_vk_config *config)
{
    config->device_extensions[0] = "VK_KHR_external_memory_fd";
    config->device_extensions[1] = "VK_EXT_external_memory_dma_buf";
    config->device_extensions[2] = "VK_EXT_external_memory_host";
    config->device_extensions[3] = NULL;
    config->buffer_handle_types |= VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    config->dmabuf_types = 0x1a;
}

static void tells_exportable_dmabufs_from_mappable_ones(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, offer_dmabuf);
    assert_true(device.facts.memory.dmabuf_advertised);
    assert_true(device.facts.memory.dmabuf_importable);
    assert_int_equal(device.facts.memory.dmabuf_export_types, 0x1a);
    assert_int_equal(device.facts.memory.dmabuf_map_types, 0x18);
    mock_device_close(&device);
}

static void offer_broken_dmabuf(struct mock_vk_config *config)
{
    offer_dmabuf(config);
    config->dmabuf_types = 0; // as lavapipe without /dev/udmabuf
}

static void believes_no_dmabuf_that_fails(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, offer_broken_dmabuf);
    assert_true(device.facts.memory.dmabuf_advertised);
    assert_int_equal(device.facts.memory.dmabuf_export_types, 0);
    assert_int_equal(device.facts.memory.dmabuf_map_types, 0);
    mock_device_close(&device);
}

static void stick_like_nvidia(struct mock_vk_config *config)
{
    config->driver_id = VK_DRIVER_ID_NVIDIA_PROPRIETARY;
    config->sticky_import_failure = true;
    config->host_pointer_types = 0;
}

// The query says yes to every type; the import itself will refuse.
static void accept_every_pointer(void *user, void *const *args)
{
    (void)user;
    VkMemoryHostPointerPropertiesEXT *properties = *(VkMemoryHostPointerPropertiesEXT **)args[3];
    properties->memoryTypeBits = 0x1f;
}

static void recovers_from_an_import_failure_that_sticks(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, stick_like_nvidia);
    assert_true(device.facts.quirks & PV_QUIRK_STICKY_IMPORT_FAILURE);

    struct pv_device_facts facts;
    mock_vk_set_hook("vkGetMemoryHostPointerPropertiesEXT", accept_every_pointer, NULL);
    mock_vk_fail("vkGetMemoryHostPointerPropertiesEXT", 1, VK_SUCCESS);
    assert_true(pv_device_facts_init(&facts, &device.instance, device.physical_device, NULL));
    assert_int_equal(facts.memory.host_pointer_types, 0);
    // What is tried afterwards is not damaged.
    assert_int_equal(facts.memory.opaque_fd_types, 0x1c);
    pv_device_facts_finish(&facts);
    mock_device_close(&device);
}

static void be_lavapipe(struct mock_vk_config *config)
{
    config->driver_id = VK_DRIVER_ID_MESA_LLVMPIPE;
}

// A device that writes through sparse bindings, of imported memory too or not.
static struct {
    bool to_imports;
    VkDeviceMemory bound;
} sparse;

static void bind_sparse(void *user, void *const *args)
{
    (void)user;
    const VkBindSparseInfo *info = *(const VkBindSparseInfo *const *)args[2];
    sparse.bound = info->pBufferBinds->pBinds->memory;
}

static void write_sparse(void *user, void *const *args)
{
    (void)user;
    (void)args;
    struct mock_vk_memory memory;
    if (sparse.bound && mock_vk_get_memory(sparse.bound, &memory) &&
        (sparse.to_imports || !memory.import_type)) {
        *(uint32_t *)memory.data = 0x53706172;
    }
}

static void bind_without_effect(struct mock_vk_config *config)
{
    config->families[0].queueFlags |= VK_QUEUE_SPARSE_BINDING_BIT;
}

static void ignore_imports(struct mock_vk_config *config)
{
    be_lavapipe(config);
    bind_without_effect(config);
    mock_vk_set_hook("vkQueueBindSparse", bind_sparse, NULL);
    mock_vk_set_hook("vkQueueSubmit", write_sparse, NULL);
    sparse.to_imports = false;
}

static void write_to_imports(struct mock_vk_config *config)
{
    ignore_imports(config);
    sparse.to_imports = true;
}

static void tries_sparse_binding_out(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, bind_without_effect);
    const uint32_t invisible = device.facts.memory.sparse_types;
    assert_int_equal(invisible & device.facts.memory.host_pointer_types, 0);
    assert_int_equal(device.facts.memory.sparse_import_types, 0);
    mock_device_close(&device);
    mock_device_open(&device, ignore_imports);
    assert_int_equal(device.facts.memory.sparse_types & 0xc, 0xc);
    assert_int_equal(device.facts.memory.sparse_import_types, 0);
    mock_device_close(&device);
    mock_device_open(&device, write_to_imports);
    assert_int_equal(device.facts.memory.sparse_types & 0xc, 0xc);
    assert_int_equal(device.facts.memory.sparse_import_types, 0xc);
    mock_device_close(&device);
}

static void restrict_declared(struct mock_vk_config *config)
{
    config->declared_type_bits = 0xc;
}

static void declares_only_what_changes_no_requirement(void **state)
{
    (void)state;
    const VkExternalMemoryHandleTypeFlags host =
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    struct mock_device device;
    mock_device_open(&device, NULL);
    assert_true(device.facts.declare.buffer_types & host);
    assert_true(device.facts.declare.linear_image_types & host);
    assert_true(device.facts.declare.optimal_image_types & host);
    assert_int_equal(device.facts.declare.compatible.host_allocation, host);
    mock_device_close(&device);

    mock_device_open(&device, restrict_declared);
    assert_false(device.facts.declare.buffer_types & host);
    assert_false(device.facts.declare.linear_image_types & host);
    assert_false(device.facts.declare.optimal_image_types & host);
    mock_device_close(&device);
}

static void reads_what_fences_and_semaphores_can_carry(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, NULL);
    assert_int_equal(device.facts.fence.sync_fd, 0);
    assert_int_not_equal(device.facts.fence.opaque_fd, 0);
    assert_int_equal(device.facts.binary.sync_fd, 0);
    assert_int_not_equal(device.facts.binary.opaque_fd, 0);
    assert_int_not_equal(device.facts.timeline.opaque_fd, 0);
    mock_device_close(&device);
}

static void use_version_1_0(struct mock_vk_config *config)
{
    config->device_version = VK_API_VERSION_1_0;
}

static void asks_a_vulkan_1_0_device_for_little(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, use_version_1_0);
    assert_non_null(device.facts.probe_failure);
    assert_int_equal(device.facts.memory.properties.memoryTypeCount, 5);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceProperties2"), 0);
    mock_device_close(&device);
}

static void survives_a_device_that_cannot_be_created(void **state)
{
    (void)state;
    struct mock_device device;
    struct pv_device_facts facts;
    mock_device_open(&device, NULL);
    mock_vk_fail("vkCreateDevice", 1, VK_ERROR_INITIALIZATION_FAILED);
    assert_true(pv_device_facts_init(&facts, &device.instance, device.physical_device, NULL));
    assert_non_null(facts.probe_failure);
    assert_int_equal(facts.memory.host_pointer_types, 0);
    pv_device_facts_finish(&facts);
    mock_device_close(&device);
}

static void reports_a_device_that_does_not_list_its_extensions(void **state)
{
    (void)state;
    struct mock_device device;
    struct pv_device_facts facts;
    mock_device_open(&device, NULL);
    mock_vk_fail("vkEnumerateDeviceExtensionProperties", 2, VK_ERROR_OUT_OF_HOST_MEMORY);
    assert_false(pv_device_facts_init(&facts, &device.instance, device.physical_device, NULL));
    assert_null(facts.extensions.items);
    mock_device_close(&device);
}

static void survives_failures_at_every_step_of_the_probe(void **state)
{
    (void)state;
    static const char *const commands[] = {"vkAllocateMemory",   "vkMapMemory",
                                           "vkCreateBuffer",     "vkCreateImage",
                                           "vkBindBufferMemory", "vkGetMemoryFdKHR"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        for (uint32_t nth = 1; nth <= 12; nth++) {
            struct mock_device device;
            struct pv_device_facts facts;
            mock_device_open(&device, NULL);
            mock_vk_fail(commands[i], nth, VK_ERROR_OUT_OF_HOST_MEMORY);
            assert_true(
                pv_device_facts_init(&facts, &device.instance, device.physical_device, NULL));
            pv_device_facts_finish(&facts);
            mock_device_close(&device);
        }
    }
}

static void have_two_devices(struct mock_vk_config *config)
{
    config->device_count = 2;
}

static void knows_its_device_in_another_instance(void **state)
{
    (void)state;
    struct mock_device device;
    mock_device_open(&device, have_two_devices);
    struct pv_vk_instance other;
    VkPhysicalDevice devices[2];
    uint32_t count = 2;
    assert_int_equal(pv_vk_instance_init(&other, &device.library, NULL), VK_SUCCESS);
    assert_int_equal(other.vk.vkEnumeratePhysicalDevices(other.handle, &count, devices),
                     VK_SUCCESS);
    assert_true(pv_device_facts_match(&device.facts, &other, devices[0]));
    assert_false(pv_device_facts_match(&device.facts, &other, devices[1]));
    pv_vk_instance_finish(&other);
    mock_device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_extensions_whatever_their_order),
        cmocka_unit_test(lists_an_extension_once),
        cmocka_unit_test(tries_host_pointers_on_each_visible_type),
        cmocka_unit_test(leaves_types_out_that_are_not_visible),
        cmocka_unit_test(tries_with_the_alignment_that_the_driver_wants),
        cmocka_unit_test(tells_exportable_dmabufs_from_mappable_ones),
        cmocka_unit_test(believes_no_dmabuf_that_fails),
        cmocka_unit_test(recovers_from_an_import_failure_that_sticks),
        cmocka_unit_test(tries_sparse_binding_out),
        cmocka_unit_test(declares_only_what_changes_no_requirement),
        cmocka_unit_test(reads_what_fences_and_semaphores_can_carry),
        cmocka_unit_test(asks_a_vulkan_1_0_device_for_little),
        cmocka_unit_test(survives_a_device_that_cannot_be_created),
        cmocka_unit_test(reports_a_device_that_does_not_list_its_extensions),
        cmocka_unit_test(survives_failures_at_every_step_of_the_probe),
        cmocka_unit_test(knows_its_device_in_another_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

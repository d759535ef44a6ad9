// Replies: requests are decoded from vectors, outputs are filled in as a driver would, and the
// bytes are compared with what the guest's decoder expects, spelled out here by hand.
#include "vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct vector request;
static struct wire wire;
static uint8_t reply[8192], expected[8192];
static size_t expected_size;

static void load(const char *name)
{
    request = vector_load(name);
    wire_init(&wire, &request);
    wire_decode(&wire);
    assert_false(pv_reader_failed(&wire.decoder.reader));
    assert_int_equal(wire.flags & PV_COMMAND_GENERATE_REPLY, PV_COMMAND_GENERATE_REPLY);
    expected_size = 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_finish(&wire);
    vector_free(&request);
    return 0;
}

static void put(const void *bytes, size_t size)
{
    assert_true(size <= sizeof(expected) - expected_size);
    memcpy(expected + expected_size, bytes, size);
    expected_size += size;
}

static void u32(uint32_t value)
{
    put(&value, sizeof(value));
}

static void u64(uint64_t value)
{
    put(&value, sizeof(value));
}

static void zeros(size_t size)
{
    static const uint8_t none[1024];
    put(none, size);
}

// Encodes the reply and compares it with what has been put together.
static void compare(size_t size)
{
    // Into a buffer of exactly that size: a longer reply overflows.
    memset(reply, 0xee, sizeof(reply));
    struct pv_writer writer = pv_writer_over(reply, size);
    assert_true(pv_encode_command(&writer, wire.number, &wire.cmd));
    assert_false(writer.overflowed);
    assert_int_equal(writer.cursor - reply, size);
    assert_int_equal(expected_size, size);
    assert_memory_equal(reply, expected, size);
}

static void tells_the_instance_version(void **state)
{
    (void)state;
    load("enumerate_instance_version");
    *wire.cmd.vkEnumerateInstanceVersion.pApiVersion = VK_MAKE_API_VERSION(0, 1, 4, 341);
    u32(137), u32(VK_SUCCESS), u64(1), u32(0x00404155);
    compare(20);
}

static void repeats_the_id_of_a_new_object(void **state)
{
    (void)state;
    load("create_instance");
    struct pv_cmd_vkCreateInstance *cmd = &wire.cmd.vkCreateInstance;
    *cmd->pInstance = (VkInstance)(uintptr_t)0xabcdef;
    u32(0), u32(VK_SUCCESS), u64(1), u64(1);
    compare(24);
}

static void keeps_the_shape_when_a_creation_failed(void **state)
{
    (void)state;
    load("create_instance");
    wire.cmd.vkCreateInstance.ret = VK_ERROR_INCOMPATIBLE_DRIVER;
    u32(0), u32((uint32_t)VK_ERROR_INCOMPATIBLE_DRIVER), u64(1), u64(0);
    compare(24);
}

static void writes_chain_bodies_in_reverse(void **state)
{
    (void)state;
    load("get_features2");
    VkPhysicalDeviceFeatures2 *features =
        (VkPhysicalDeviceFeatures2 *)wire.cmd.vkGetPhysicalDeviceFeatures2.pFeatures;
    VkPhysicalDeviceVulkan12Features *v12 = features->pNext;
    VkPhysicalDeviceVulkan11Features *v11 = v12->pNext;
    assert_null(v11->pNext);
    features->features.robustBufferAccess = 7;
    features->features.inheritedQueries = 8;
    v12->samplerMirrorClampToEdge = 5;
    v12->subgroupBroadcastDynamicId = 6;
    v11->storageBuffer16BitAccess = 3;
    v11->shaderDrawParameters = 4;

    u32(147), u64(1), u32(1000059000);
    u64(1), u32(51), u64(1), u32(49), u64(0);
    u32(3), zeros(10 * 4), u32(4);
    u32(5), zeros(45 * 4), u32(6);
    u32(7), zeros(53 * 4), u32(8);
    compare(504);
}

static void writes_fixed_arrays_whole(void **state)
{
    (void)state;
    load("get_memory_properties2");
    VkPhysicalDeviceMemoryProperties *memory =
        &wire.cmd.vkGetPhysicalDeviceMemoryProperties2.pMemoryProperties->memoryProperties;
    memory->memoryTypeCount = 1;
    memory->memoryTypes[0] = (VkMemoryType){.propertyFlags = 15, .heapIndex = 1};
    memory->memoryTypes[31] = (VkMemoryType){.propertyFlags = 9, .heapIndex = 2};
    memory->memoryHeapCount = 2;
    memory->memoryHeaps[0] = (VkMemoryHeap){.size = 0x123456789ab, .flags = 1};

    u32(152), u64(1), u32(1000059006), u64(0);
    u32(1), u64(32), u32(15), u32(1), zeros(30 * 8), u32(9), u32(2);
    u32(2), u64(16), u64(0x123456789ab), u32(1), zeros(15 * 12);
    compare(496);
}

static void fill_families(void)
{
    VkQueueFamilyProperties2 *families =
        wire.cmd.vkGetPhysicalDeviceQueueFamilyProperties2.pQueueFamilyProperties;
    for (uint32_t i = 0; i < 2; i++) {
        families[i].queueFamilyProperties =
            (VkQueueFamilyProperties){.queueFlags = i + 1,
                                      .queueCount = 16,
                                      .timestampValidBits = 64,
                                      .minImageTransferGranularity = {1, 2, 3}};
    }
}

static void writes_an_array_of_structures(void **state)
{
    (void)state;
    load("get_queue_families2");
    fill_families();
    u32(151), u64(1), u32(2), u64(2);
    for (uint32_t i = 0; i < 2; i++) {
        u32(1000059005), u64(0), u32(i + 1), u32(16), u32(64), u32(1), u32(2), u32(3);
    }
    compare(96);
}

static void writes_fewer_elements_than_asked_for(void **state)
{
    (void)state;
    load("get_queue_families2");
    fill_families();
    *wire.cmd.vkGetPhysicalDeviceQueueFamilyProperties2.pQueueFamilyPropertyCount = 1;
    u32(151), u64(1), u32(1), u64(1);
    u32(1000059005), u64(0), u32(1), u32(16), u32(64), u32(1), u32(2), u32(3);
    compare(60);
}

static void never_writes_more_elements_than_asked_for(void **state)
{
    (void)state;
    load("enumerate_devices");
    struct pv_cmd_vkEnumeratePhysicalDevices *cmd = &wire.cmd.vkEnumeratePhysicalDevices;
    for (uintptr_t i = 0; i < 3; i++) {
        cmd->pPhysicalDevices[i] = (VkPhysicalDevice)(i + 0x1000);
    }
    *cmd->pPhysicalDeviceCount = 1000;
    cmd->ret = VK_INCOMPLETE;
    u32(2), u32(VK_INCOMPLETE), u64(1), u32(3), u64(3), u64(2), u64(3), u64(4);
    compare(52);
}

static void answers_a_question_for_the_count(void **state)
{
    (void)state;
    load("enumerate_devices_count");
    *wire.cmd.vkEnumeratePhysicalDevices.pPhysicalDeviceCount = 1;
    u32(2), u32(VK_SUCCESS), u64(1), u32(1), u64(0);
    compare(28);
}

static void writes_memory_requirements(void **state)
{
    (void)state;
    load("get_buffer_memory_requirements2");
    VkMemoryRequirements2 *requirements =
        wire.cmd.vkGetBufferMemoryRequirements2.pMemoryRequirements;
    requirements->memoryRequirements = (VkMemoryRequirements){4096, 64, 3};
    VkMemoryDedicatedRequirements *dedicated = requirements->pNext;
    dedicated->prefersDedicatedAllocation = VK_TRUE;
    u32(145), u64(1), u32(1000146003);
    u64(1), u32(1000127000), u64(0), u32(1), u32(0);
    u64(4096), u64(64), u32(3);
    compare(64);
}

static void writes_query_results(void **state)
{
    (void)state;
    load("get_query_pool_results");
    struct pv_cmd_vkGetQueryPoolResults *cmd = &wire.cmd.vkGetQueryPoolResults;
    assert_int_equal(cmd->pData_count, 16);
    memcpy(cmd->pData, "0123456789abcdef", 16);
    u32(49), u32(VK_SUCCESS), u64(16), put("0123456789abcdef", 16);
    compare(32);
}

static void tells_the_size_of_a_blob(void **state)
{
    (void)state;
    load("get_pipeline_cache_size");
    assert_null(wire.cmd.vkGetPipelineCacheData.pData);
    *wire.cmd.vkGetPipelineCacheData.pDataSize = 1234;
    u32(63), u32(VK_SUCCESS), u64(1), u64(1234), u64(0);
    compare(32);
}

static void pads_a_blob_with_zeros(void **state)
{
    (void)state;
    load("get_pipeline_cache_data");
    memcpy(wire.cmd.vkGetPipelineCacheData.pData, "0123456789", 10);
    u32(63), u32(VK_SUCCESS), u64(1), u64(10), u64(10), put("0123456789\0\0", 12);
    compare(44);
}

static void writes_device_properties(void **state)
{
    (void)state;
    load("get_device_properties");
    VkPhysicalDeviceProperties *properties = wire.cmd.vkGetPhysicalDeviceProperties.pProperties;
    properties->apiVersion = 1;
    properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_CPU;
    strcpy(properties->deviceName, "device");
    properties->pipelineCacheUUID[15] = 0xff;
    properties->limits.maxImageDimension1D = 11;
    properties->limits.nonCoherentAtomSize = 12;
    properties->sparseProperties.residencyNonResidentStrict = 1;

    u32(6), u64(1);
    u32(1), zeros(12), u32(VK_PHYSICAL_DEVICE_TYPE_CPU);
    u64(256), put("device", 6), zeros(250);
    u64(16), zeros(15), put("\xff", 1);
    const size_t limits = expected_size; // 540 bytes; their fixed arrays bring lengths
    u32(11), zeros(540 - 4 - 8), u64(12);
    zeros(16), u32(1);
    assert_int_equal(expected_size, 880);

    memset(reply, 0xee, sizeof(reply));
    struct pv_writer writer = pv_writer_over(reply, 880);
    assert_true(pv_encode_command(&writer, wire.number, &wire.cmd));
    assert_false(writer.overflowed);
    assert_int_equal(writer.cursor - reply, 880);
    assert_memory_equal(reply, expected, limits + 4);
    assert_memory_equal(reply + 880 - 28, expected + 880 - 28, 28);
}

static void writes_extension_properties(void **state)
{
    (void)state;
    load("enumerate_device_extensions");
    VkExtensionProperties *extensions = wire.cmd.vkEnumerateDeviceExtensionProperties.pProperties;
    strcpy(extensions[1].extensionName, "VK_KHR_x");
    extensions[1].specVersion = 3;
    u32(14), u32(VK_SUCCESS), u64(1), u32(2), u64(2);
    u64(256), zeros(256), u32(0);
    u64(256), put("VK_KHR_x", 8), zeros(248), u32(3);
    compare(564);
}

static void tells_how_many_extensions_there_are(void **state)
{
    (void)state;
    load("enumerate_device_extensions_count");
    *wire.cmd.vkEnumerateDeviceExtensionProperties.pPropertyCount = 5;
    u32(14), u32(VK_SUCCESS), u64(1), u32(5), u64(0);
    compare(28);
}

static void writes_device_groups(void **state)
{
    (void)state;
    load("enumerate_device_groups");
    VkPhysicalDeviceGroupProperties *group =
        wire.cmd.vkEnumeratePhysicalDeviceGroups.pPhysicalDeviceGroupProperties;
    group->physicalDeviceCount = 1;
    group->physicalDevices[0] = (VkPhysicalDevice)(uintptr_t)2; // the handler puts ids there
    group->subsetAllocation = VK_TRUE;
    u32(143), u32(VK_SUCCESS), u64(1), u32(1), u64(1);
    u32(1000070000), u64(0), u32(1), u64(32), u64(2), zeros(31 * 8), u32(1);
    compare(312);
}

static void writes_memory_resource_properties(void **state)
{
    (void)state;
    load("get_memory_resource_properties");
    VkMemoryResourcePropertiesMESA *properties =
        wire.cmd.vkGetMemoryResourcePropertiesMESA.pMemoryResourceProperties;
    properties->memoryTypeBits = 0xb;
    ((VkMemoryResourceAllocationSizePropertiesMESA *)properties->pNext)->allocationSize = 65536;
    u32(192), u32(VK_SUCCESS), u64(1), u32(1000384001);
    u64(1), u32(1000384003), u64(0), u64(65536), u32(0xb);
    compare(52);
}

static void fails_when_the_reply_does_not_fit(void **state)
{
    (void)state;
    load("enumerate_device_extensions");
    for (size_t size = 0; size < 564; size += 4) {
        memset(reply, 0xee, sizeof(reply));
        struct pv_writer writer = pv_writer_over(reply, size);
        assert_true(pv_encode_command(&writer, wire.number, &wire.cmd));
        assert_true(writer.overflowed);
        assert_int_equal(reply[size], 0xee);
    }
}

// The host's calls end in fixed tables: what the guest must not see is not there.
static void prints_results(void **state)
{
    (void)state;
    char text[512];
    load("get_buffer_memory_requirements2");
    wire.cmd.vkGetBufferMemoryRequirements2.pMemoryRequirements->memoryRequirements =
        (VkMemoryRequirements){4096, 64, 3};
    struct pv_text out = pv_text_over(text, sizeof(text));
    pv_print_reply(&out, wire.number, &wire.cmd);
    assert_string_equal(text,
                        "vkGetBufferMemoryRequirements2, pMemoryRequirements -> "
                        "{memoryRequirements = {size = 4096, alignment = 64, memoryTypeBits = 3}, "
                        "pNext = [VkMemoryDedicatedRequirements {prefersDedicatedAllocation = "
                        "false, requiresDedicatedAllocation = false}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(tells_the_instance_version, tear_down),
        cmocka_unit_test_teardown(repeats_the_id_of_a_new_object, tear_down),
        cmocka_unit_test_teardown(keeps_the_shape_when_a_creation_failed, tear_down),
        cmocka_unit_test_teardown(writes_chain_bodies_in_reverse, tear_down),
        cmocka_unit_test_teardown(writes_fixed_arrays_whole, tear_down),
        cmocka_unit_test_teardown(writes_an_array_of_structures, tear_down),
        cmocka_unit_test_teardown(writes_fewer_elements_than_asked_for, tear_down),
        cmocka_unit_test_teardown(never_writes_more_elements_than_asked_for, tear_down),
        cmocka_unit_test_teardown(answers_a_question_for_the_count, tear_down),
        cmocka_unit_test_teardown(writes_memory_requirements, tear_down),
        cmocka_unit_test_teardown(writes_query_results, tear_down),
        cmocka_unit_test_teardown(tells_the_size_of_a_blob, tear_down),
        cmocka_unit_test_teardown(pads_a_blob_with_zeros, tear_down),
        cmocka_unit_test_teardown(writes_device_properties, tear_down),
        cmocka_unit_test_teardown(writes_extension_properties, tear_down),
        cmocka_unit_test_teardown(tells_how_many_extensions_there_are, tear_down),
        cmocka_unit_test_teardown(writes_device_groups, tear_down),
        cmocka_unit_test_teardown(writes_memory_resource_properties, tear_down),
        cmocka_unit_test_teardown(fails_when_the_reply_does_not_fit, tear_down),
        cmocka_unit_test_teardown(prints_results, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

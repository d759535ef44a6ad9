// Commands that no Mesa driver sends, or no driver at hand executes: what the host's driver gets is
// what the guest wrote, and what the guest reads is what the driver said.
#include "guest.h"

#define IMAGE  100
#define MEMORY 101
#define BUFFER 102
#define POOL   103
#define BATCH  104 // a command buffer
#define EVENT  105

static const char *const extensions[] = {
    "VK_EXT_image_drm_format_modifier",  "VK_EXT_extended_dynamic_state3",
    "VK_EXT_conservative_rasterization", "VK_EXT_transform_feedback",
    "VK_KHR_fragment_shading_rate",
};

static void open_with(struct guest *g, const char *const *names, uint32_t count)
{
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(g);
    write_create_device(g, DEVICE, (struct queues[]){{0, 1}}, 1, names, count);
    submit_well(g);
    assert_int_equal(get_result(g, PV_COMMAND_vkCreateDevice), VK_SUCCESS);
    write_get_queue(g, DEVICE, QUEUE, 0, 0, 1);
    submit_well(g);
}

static void open_batch(struct guest *g, const char *const *names, uint32_t count)
{
    open_with(g, names, count);
    write_create_command_pool(g, POOL, false);
    write_allocate_command_buffers(g, POOL, (uint64_t[]){BATCH}, 1, false);
    submit_well(g);
}

// -- questions about the physical device -------------------------------------------------------

static void say_features(void *user, void *const *args)
{
    (void)user;
    VkPhysicalDeviceFeatures *features = *(VkPhysicalDeviceFeatures **)args[1];
    *features = (VkPhysicalDeviceFeatures){.geometryShader = VK_TRUE};
}

static void old_features_are_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    mock_vk_set_hook("vkGetPhysicalDeviceFeatures", say_features, NULL);
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceFeatures, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_present(&g);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceFeatures);
    assert_int_equal(get_u64(&g), 1);
    for (size_t i = 0; i < sizeof(VkPhysicalDeviceFeatures) / 4; i++) {
        const uint32_t value = get_u32(&g);
        if (i == offsetof(VkPhysicalDeviceFeatures, geometryShader) / 4) {
            assert_true(value == VK_TRUE);
        }
    }
    assert_int_equal(get_u32(&g), 0xcdcdcdcd);
    guest_close(&g);
}

static void check_format(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(VkFormat *)args[1], VK_FORMAT_R8G8B8A8_UNORM);
}

static void check_image_format(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(VkImageTiling *)args[3], VK_IMAGE_TILING_LINEAR);
    assert_int_equal(*(VkImageUsageFlags *)args[4], VK_IMAGE_USAGE_SAMPLED_BIT);
}

static void ask_image_format(struct guest *g, uint32_t create_flags)
{
    begin(g, PV_COMMAND_vkGetPhysicalDeviceImageFormatProperties, true);
    put_u64(g, PHYSICAL_DEVICE);
    put_u32(g, VK_FORMAT_R8G8B8A8_UNORM);
    put_u32(g, VK_IMAGE_TYPE_2D);
    put_u32(g, VK_IMAGE_TILING_LINEAR);
    put_u32(g, VK_IMAGE_USAGE_SAMPLED_BIT);
    put_u32(g, create_flags);
    put_present(g);
    submit_well(g);
}

static void old_format_questions_are_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    mock_vk_set_hook("vkGetPhysicalDeviceFormatProperties", check_format, NULL);
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceFormatProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_u32(&g, VK_FORMAT_R8G8B8A8_UNORM);
    put_present(&g);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceFormatProperties);
    assert_int_equal(get_u64(&g), 1);

    mock_vk_set_hook("vkGetPhysicalDeviceImageFormatProperties", check_image_format, NULL);
    ask_image_format(&g, 0);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetPhysicalDeviceImageFormatProperties),
                     VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceImageFormatProperties"), 1);

    // Nothing that is mapped can be bound to sparse images, so linear ones do not exist.
    ask_image_format(&g, VK_IMAGE_CREATE_SPARSE_BINDING_BIT);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetPhysicalDeviceImageFormatProperties),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceImageFormatProperties"), 1);

    // Formats of sparse images: the driver has none.
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceSparseImageFormatProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_u32(&g, VK_FORMAT_R8G8B8A8_UNORM);
    put_u32(&g, VK_IMAGE_TYPE_2D);
    put_u32(&g, VK_SAMPLE_COUNT_1_BIT);
    put_u32(&g, VK_IMAGE_USAGE_SAMPLED_BIT);
    put_u32(&g, VK_IMAGE_TILING_OPTIMAL);
    put_present(&g);
    put_u32(&g, 3);
    put_u64(&g, 3);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceSparseImageFormatProperties);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 0);
    assert_int_equal(get_u64(&g), 0);
    guest_close(&g);
}

static void old_queue_families_and_memory_are_answered(void **state)
{
    (void)state;
    struct guest g;
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    open_with(&g, NULL, 0);
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceQueueFamilyProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_present(&g);
    put_u32(&g, 1);
    put_u64(&g, 1);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceQueueFamilyProperties);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 1);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), config.families[0].queueFlags);

    begin(&g, PV_COMMAND_vkGetPhysicalDeviceMemoryProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_present(&g);
    put_u64(&g, VK_MAX_MEMORY_TYPES);
    put_u64(&g, VK_MAX_MEMORY_HEAPS);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceMemoryProperties);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), config.memory.memoryTypeCount);
    guest_close(&g);
}

static void say_rates(void *user, void *const *args)
{
    (void)user;
    VkPhysicalDeviceFragmentShadingRateKHR *rates =
        *(VkPhysicalDeviceFragmentShadingRateKHR **)args[2];
    assert_int_equal(rates[0].sType, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FRAGMENT_SHADING_RATE_KHR);
    rates[0].sampleCounts = 5;
    rates[0].fragmentSize = (VkExtent2D){2, 4};
}

static void shading_rates_are_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    mock_vk_set_hook("vkGetPhysicalDeviceFragmentShadingRatesKHR", say_rates, NULL);
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceFragmentShadingRatesKHR, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_present(&g);
    put_u32(&g, 1);
    put_u64(&g, 1);
    put_stype(&g, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FRAGMENT_SHADING_RATE_KHR);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetPhysicalDeviceFragmentShadingRatesKHR),
                     VK_SUCCESS);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceFragmentShadingRatesKHR"), 1);
    guest_close(&g);
}

// -- questions about objects -------------------------------------------------------------------

static void memory_commitment_is_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    write_allocate_memory(&g, MEMORY, 65536, 0, 0, false);
    begin(&g, PV_COMMAND_vkGetDeviceMemoryCommitment, true);
    put_u64(&g, DEVICE);
    put_u64(&g, MEMORY);
    put_present(&g);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetDeviceMemoryCommitment);
    assert_int_equal(get_u64(&g), 1);
    assert_true(get_u64(&g) == 0); // as the mock says
    assert_int_equal(mock_vk_call_count("vkGetDeviceMemoryCommitment"), 1);
    guest_close(&g);
}

static void ask_requirements(struct guest *g, uint32_t command, uint64_t object)
{
    begin(g, command, true);
    put_u64(g, DEVICE);
    put_u64(g, object);
    put_present(g);
    submit_well(g);
    assert_int_equal(get_u32(g), command);
    assert_int_equal(get_u64(g), 1);
    assert_true(get_u64(g) > 0); // size
    assert_true(get_u64(g) > 0); // alignment
    assert_true(get_u32(g) > 0); // types
}

static void old_requirements_are_answered_and_images_bound(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    write_create_buffer(&g, BUFFER, false);
    write_create_image(&g, IMAGE, false);
    submit_well(&g);
    ask_requirements(&g, PV_COMMAND_vkGetBufferMemoryRequirements, BUFFER);
    ask_requirements(&g, PV_COMMAND_vkGetImageMemoryRequirements, IMAGE);

    begin(&g, PV_COMMAND_vkGetImageSparseMemoryRequirements, true);
    put_u64(&g, DEVICE);
    put_u64(&g, IMAGE);
    put_present(&g);
    put_u32(&g, 2);
    put_u64(&g, 2);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetImageSparseMemoryRequirements);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 0);
    assert_int_equal(get_u64(&g), 0);

    write_allocate_memory(&g, MEMORY, 1 << 20, 0, 0, false);
    begin(&g, PV_COMMAND_vkBindImageMemory, true);
    put_u64(&g, DEVICE);
    put_u64(&g, IMAGE);
    put_u64(&g, MEMORY);
    put_u64(&g, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkBindImageMemory), VK_SUCCESS);
    guest_close(&g);
}

static void say_modifier(void *user, void *const *args)
{
    (void)user;
    VkImageDrmFormatModifierPropertiesEXT *properties =
        *(VkImageDrmFormatModifierPropertiesEXT **)args[2];
    properties->drmFormatModifier = 0xfedcba9876;
}

static void an_images_modifier_is_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, extensions, 1);
    write_create_image(&g, IMAGE, false);
    mock_vk_set_hook("vkGetImageDrmFormatModifierPropertiesEXT", say_modifier, NULL);
    begin(&g, PV_COMMAND_vkGetImageDrmFormatModifierPropertiesEXT, true);
    put_u64(&g, DEVICE);
    put_u64(&g, IMAGE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetImageDrmFormatModifierPropertiesEXT),
                     VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT);
    assert_int_equal(get_u64(&g), 0);
    assert_true(get_u64(&g) == 0xfedcba9876);
    guest_close(&g);
}

static void say_peer(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(uint32_t *)args[1], 1);
    assert_int_equal(*(uint32_t *)args[2], 2);
    assert_int_equal(*(uint32_t *)args[3], 3);
    **(VkPeerMemoryFeatureFlags **)args[4] = VK_PEER_MEMORY_FEATURE_COPY_DST_BIT;
}

static void peer_memory_is_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    mock_vk_set_hook("vkGetDeviceGroupPeerMemoryFeatures", say_peer, NULL);
    begin(&g, PV_COMMAND_vkGetDeviceGroupPeerMemoryFeatures, true);
    put_u64(&g, DEVICE);
    put_u32(&g, 1);
    put_u32(&g, 2);
    put_u32(&g, 3);
    put_present(&g);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetDeviceGroupPeerMemoryFeatures);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), VK_PEER_MEMORY_FEATURE_COPY_DST_BIT);
    guest_close(&g);
}

static void capture_addresses_are_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    write_create_buffer(&g, BUFFER, false);
    write_allocate_memory(&g, MEMORY, 65536, 0, 0, false);
    begin(&g, PV_COMMAND_vkGetBufferOpaqueCaptureAddress, true);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
    put_u64(&g, BUFFER);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetBufferOpaqueCaptureAddress);
    assert_int_equal(mock_vk_call_count("vkGetBufferOpaqueCaptureAddress"), 1);
    begin(&g, PV_COMMAND_vkGetDeviceMemoryOpaqueCaptureAddress, true);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO);
    put_u64(&g, MEMORY);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetDeviceMemoryOpaqueCaptureAddress);
    assert_int_equal(mock_vk_call_count("vkGetDeviceMemoryOpaqueCaptureAddress"), 1);
    guest_close(&g);
}

static void an_events_status_is_answered(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    begin(&g, PV_COMMAND_vkCreateEvent, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO);
    put_u32(&g, 0);
    put_new(&g, EVENT);
    mock_vk_fail("vkGetEventStatus", 1, VK_EVENT_SET);
    begin(&g, PV_COMMAND_vkGetEventStatus, true);
    put_u64(&g, DEVICE);
    put_u64(&g, EVENT);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetEventStatus), VK_EVENT_SET);
    guest_close(&g);
}

static void extensions_of_the_instance_are_counted(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    begin(&g, PV_COMMAND_vkEnumerateInstanceExtensionProperties, true);
    put_null(&g); // pLayerName
    put_present(&g);
    put_u32(&g, 0);
    put_null(&g); // pProperties
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumerateInstanceExtensionProperties), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_in_range(get_u32(&g), 1, 64);
    guest_close(&g);
}

// -- objects and payloads ----------------------------------------------------------------------

static void check_template(void *user, void *const *args)
{
    (void)user;
    const VkDescriptorUpdateTemplateCreateInfo *info =
        *(const VkDescriptorUpdateTemplateCreateInfo **)args[1];
    assert_int_equal(info->descriptorUpdateEntryCount, 1);
    assert_int_equal(info->pDescriptorUpdateEntries[0].descriptorCount, 3);
    assert_int_equal(info->pDescriptorUpdateEntries[0].stride, 24);
}

static void update_templates_are_created(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    begin(&g, PV_COMMAND_vkCreateDescriptorSetLayout, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    put_u32(&g, 0);
    put_u32(&g, 0);
    put_null(&g); // bindings
    put_new(&g, 106);
    mock_vk_set_hook("vkCreateDescriptorUpdateTemplate", check_template, NULL);
    begin(&g, PV_COMMAND_vkCreateDescriptorUpdateTemplate, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO);
    put_u32(&g, 0);
    put_u32(&g, 1);
    put_u64(&g, 1);
    put_u32(&g, 0); // dstBinding
    put_u32(&g, 0);
    put_u32(&g, 3);
    put_u32(&g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER);
    put_u64(&g, 0);
    put_u64(&g, 24);
    put_u32(&g, VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET);
    put_u64(&g, 106);
    put_u32(&g, VK_PIPELINE_BIND_POINT_COMPUTE);
    put_u64(&g, NO_ID);
    put_u32(&g, 0);
    put_new(&g, 107);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_UPDATE_TEMPLATE), 1);
    write_destroy(&g, PV_COMMAND_vkDestroyDescriptorUpdateTemplate, DEVICE, 107);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DESCRIPTOR_UPDATE_TEMPLATE), 0);
    guest_close(&g);
}

// The guest hands a sync file on, and takes one that has signalled: only the payload changes here.
static void semaphore_payloads_come_and_go(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    write_create_semaphore(&g, 108, false, false);
    begin(&g, PV_COMMAND_vkImportSemaphoreResourceMESA, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, 1000384004); // VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_RESOURCE_INFO_MESA
    put_u64(&g, 108);
    put_u32(&g, 0);
    begin(&g, PV_COMMAND_vkWaitSemaphoreResourceMESA, false);
    put_u64(&g, DEVICE);
    put_u64(&g, 108);
    submit_well(&g);
    assert_int_equal(g.failures, 0);
    guest_close(&g);
}

static void empty_sparse_binds_reach_the_queue(void **state)
{
    (void)state;
    struct guest g;
    open_with(&g, NULL, 0);
    begin(&g, PV_COMMAND_vkQueueBindSparse, true);
    put_u64(&g, QUEUE);
    put_u32(&g, 0);
    put_null(&g);
    put_u64(&g, NO_ID);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkQueueBindSparse), VK_SUCCESS);
    guest_close(&g);
}

// -- states ------------------------------------------------------------------------------------

static void check_value(void *user, void *const *args)
{
    assert_memory_equal(args[1], user, 4);
}

static void check_rate(void *user, void *const *args)
{
    (void)user;
    const VkExtent2D *size = *(const VkExtent2D **)args[1];
    const VkFragmentShadingRateCombinerOpKHR *ops =
        *(const VkFragmentShadingRateCombinerOpKHR **)args[2];
    assert_int_equal(size->width, 2);
    assert_int_equal(size->height, 4);
    assert_int_equal(ops[0], VK_FRAGMENT_SHADING_RATE_COMBINER_OP_MAX_KHR);
    assert_int_equal(ops[1], VK_FRAGMENT_SHADING_RATE_COMBINER_OP_MIN_KHR);
}

static void rare_states_arrive(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t command;
        uint32_t value; // of its one parameter
    } states[] = {
        {"vkCmdSetRasterizationStreamEXT", PV_COMMAND_vkCmdSetRasterizationStreamEXT, 3},
        {"vkCmdSetConservativeRasterizationModeEXT",
         PV_COMMAND_vkCmdSetConservativeRasterizationModeEXT, 2},
        {"vkCmdSetExtraPrimitiveOverestimationSizeEXT",
         PV_COMMAND_vkCmdSetExtraPrimitiveOverestimationSizeEXT, 0x3f400000},
    };
    struct guest g;
    open_batch(&g, extensions, sizeof(extensions) / sizeof(extensions[0]));
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        uint32_t expected = states[i].value;
        mock_vk_set_hook(states[i].name, check_value, &expected);
        begin(&g, states[i].command, false);
        put_u64(&g, BATCH);
        put_u32(&g, states[i].value);
        submit_well(&g);
        assert_int_equal(mock_vk_call_count(states[i].name), 1);
    }
    mock_vk_set_hook("vkCmdSetFragmentShadingRateKHR", check_rate, NULL);
    begin(&g, PV_COMMAND_vkCmdSetFragmentShadingRateKHR, false);
    put_u64(&g, BATCH);
    put_present(&g);
    put_u32(&g, 2);
    put_u32(&g, 4);
    put_u64(&g, 2);
    put_u32(&g, VK_FRAGMENT_SHADING_RATE_COMBINER_OP_MAX_KHR);
    put_u32(&g, VK_FRAGMENT_SHADING_RATE_COMBINER_OP_MIN_KHR);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdSetFragmentShadingRateKHR"), 1);
    guest_close(&g);
}

static void check_build(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(uint32_t *)args[1], 1);
    const VkAccelerationStructureBuildGeometryInfoKHR *info =
        *(const VkAccelerationStructureBuildGeometryInfoKHR **)args[2];
    assert_int_equal(info->geometryCount, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const VkAccelerationStructureGeometryKHR *geometry = &info->pGeometries[i];
        assert_int_equal(geometry->geometryType, VK_GEOMETRY_TYPE_AABBS_KHR);
        assert_true(geometry->geometry.aabbs.data.deviceAddress == 0x20000 + i);
        assert_true(geometry->geometry.aabbs.stride == 24);
    }
    assert_true(info->scratchData.deviceAddress == 0x30000);
    assert_true(**(const VkDeviceAddress **)args[3] == 0x40000);
    assert_int_equal(**(const uint32_t **)args[4], 16);
    const uint32_t *const *limits = *(const uint32_t *const **)args[5];
    assert_int_equal(limits[0][0], 5);
    assert_int_equal(limits[0][1], 6);
}

static void an_indirect_build_arrives(void **state)
{
    (void)state;
    struct guest g;
    open_batch(&g, (const char *[]){"VK_KHR_acceleration_structure"}, 1);
    mock_vk_set_hook("vkCmdBuildAccelerationStructuresIndirectKHR", check_build, NULL);
    begin(&g, PV_COMMAND_vkCmdBuildAccelerationStructuresIndirectKHR, false);
    put_u64(&g, BATCH);
    put_u32(&g, 1);
    put_u64(&g, 1);
    put_stype(&g, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR);
    put_u32(&g, VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR);
    put_u32(&g, 0);
    put_u32(&g, VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR);
    put_u64(&g, 0);
    put_u64(&g, 0);
    put_u32(&g, 2);
    put_u64(&g, 2);
    for (uint32_t i = 0; i < 2; i++) {
        put_stype(&g, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR);
        put_u32(&g, VK_GEOMETRY_TYPE_AABBS_KHR);
        put_u32(&g, VK_GEOMETRY_TYPE_AABBS_KHR); // the union's case
        put_stype(&g, VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR);
        put_u32(&g, 0); // the union's case: an address of the device
        put_u64(&g, 0x20000 + i);
        put_u64(&g, 24);
        put_u32(&g, VK_GEOMETRY_OPAQUE_BIT_KHR);
    }
    put_null(&g);
    put_u32(&g, 0);
    put_u64(&g, 0x30000);
    put_u64(&g, 1);
    put_u64(&g, 0x40000);
    put_u64(&g, 1);
    put_u32(&g, 16);
    put_u64(&g, 1);
    put_u64(&g, 2);
    put_u32(&g, 5);
    put_u32(&g, 6);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdBuildAccelerationStructuresIndirectKHR"), 1);
    guest_close(&g);
}

#ifdef VK_EXT_descriptor_heap

static void check_range(void *user, void *const *args)
{
    (void)user;
    const VkDepthClampRangeEXT *range = *(const VkDepthClampRangeEXT **)args[2];
    assert_int_equal(*(VkDepthClampModeEXT *)args[1], VK_DEPTH_CLAMP_MODE_USER_DEFINED_RANGE_EXT);
    assert_true(range->minDepthClamp == 0.25f && range->maxDepthClamp == 0.5f);
}

static void a_range_of_depths_arrives(void **state)
{
    (void)state;
    struct guest g;
    open_batch(&g, (const char *[]){"VK_EXT_depth_clamp_control"}, 1);
    mock_vk_set_hook("vkCmdSetDepthClampRangeEXT", check_range, NULL);
    begin(&g, PV_COMMAND_vkCmdSetDepthClampRangeEXT, false);
    put_u64(&g, BATCH);
    put_u32(&g, VK_DEPTH_CLAMP_MODE_USER_DEFINED_RANGE_EXT);
    put_present(&g);
    put_f32(&g, 0.25f);
    put_f32(&g, 0.5f);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdSetDepthClampRangeEXT"), 1);
    guest_close(&g);
}

static void check_heap(void *user, void *const *args)
{
    (void)user;
    const VkBindHeapInfoEXT *info = *(const VkBindHeapInfoEXT **)args[1];
    assert_true(info->heapRange.address == 0x10000 && info->heapRange.size == 4096);
    assert_true(info->reservedRangeOffset == 3072 && info->reservedRangeSize == 1024);
}

static void check_pushed(void *user, void *const *args)
{
    (void)user;
    const VkPushDataInfoEXT *info = *(const VkPushDataInfoEXT **)args[1];
    assert_int_equal(info->offset, 16);
    assert_int_equal(info->data.size, 7);
    assert_memory_equal(info->data.address, "seven!", 7);
}

static void heaps_and_pushed_data_arrive(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t command;
    } binds[] = {{"vkCmdBindSamplerHeapEXT", PV_COMMAND_vkCmdBindSamplerHeapEXT},
                 {"vkCmdBindResourceHeapEXT", PV_COMMAND_vkCmdBindResourceHeapEXT}};
    struct guest g;
    open_batch(&g, (const char *[]){"VK_EXT_descriptor_heap"}, 1);
    for (size_t i = 0; i < 2; i++) {
        mock_vk_set_hook(binds[i].name, check_heap, NULL);
        begin(&g, binds[i].command, false);
        put_u64(&g, BATCH);
        put_present(&g);
        put_stype(&g, VK_STRUCTURE_TYPE_BIND_HEAP_INFO_EXT);
        put_u64(&g, 0x10000);
        put_u64(&g, 4096);
        put_u64(&g, 3072);
        put_u64(&g, 1024);
        submit_well(&g);
        assert_int_equal(mock_vk_call_count(binds[i].name), 1);
    }
    mock_vk_set_hook("vkCmdPushDataEXT", check_pushed, NULL);
    begin(&g, PV_COMMAND_vkCmdPushDataEXT, false);
    put_u64(&g, BATCH);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_PUSH_DATA_INFO_EXT);
    put_u32(&g, 16);
    put_u64(&g, 7); // the size comes before the array that it counts
    put_u64(&g, 7);
    put_data(&g, "seven!", 7);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdPushDataEXT"), 1);
    guest_close(&g);
}

static void say_index(void *user, void *const *args)
{
    (void)user;
    const VkSamplerCustomBorderColorCreateInfoEXT *colour =
        *(const VkSamplerCustomBorderColorCreateInfoEXT **)args[1];
    assert_true(colour->customBorderColor.float32[2] == 0.5f);
    **(uint32_t **)args[3] = 9;
}

static void border_colours_are_registered(void **state)
{
    (void)state;
    struct guest g;
    uint32_t nine = 9;
    open_with(&g, (const char *[]){"VK_EXT_descriptor_heap", "VK_EXT_custom_border_color"}, 2);
    mock_vk_set_hook("vkRegisterCustomBorderColorEXT", say_index, NULL);
    begin(&g, PV_COMMAND_vkRegisterCustomBorderColorEXT, true);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_SAMPLER_CUSTOM_BORDER_COLOR_CREATE_INFO_EXT);
    put_u32(&g, 2); // the union's case: words
    put_u64(&g, 4);
    put_f32(&g, 0);
    put_f32(&g, 0);
    put_f32(&g, 0.5f);
    put_f32(&g, 1);
    put_u32(&g, VK_FORMAT_R8G8B8A8_UNORM);
    put_u32(&g, VK_TRUE);
    put_present(&g);
    put_u32(&g, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkRegisterCustomBorderColorEXT), VK_SUCCESS);
    assert_int_equal(mock_vk_call_count("vkRegisterCustomBorderColorEXT"), 1);
    mock_vk_set_hook("vkUnregisterCustomBorderColorEXT", check_value, &nine);
    begin(&g, PV_COMMAND_vkUnregisterCustomBorderColorEXT, false);
    put_u64(&g, DEVICE);
    put_u32(&g, 9);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkUnregisterCustomBorderColorEXT"), 1);
    guest_close(&g);
}

static void sizes_of_descriptors_are_answered(void **state)
{
    (void)state;
    struct guest g;
    uint32_t type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    open_with(&g, (const char *[]){"VK_EXT_descriptor_heap"}, 1);
    mock_vk_set_hook("vkGetPhysicalDeviceDescriptorSizeEXT", check_value, &type);
    begin(&g, PV_COMMAND_vkGetPhysicalDeviceDescriptorSizeEXT, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_u32(&g, type);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkGetPhysicalDeviceDescriptorSizeEXT);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceDescriptorSizeEXT"), 1);
    guest_close(&g);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(old_features_are_answered),
        CASE(old_format_questions_are_answered),
        CASE(old_queue_families_and_memory_are_answered),
        CASE(shading_rates_are_answered),
        CASE(memory_commitment_is_answered),
        CASE(old_requirements_are_answered_and_images_bound),
        CASE(an_images_modifier_is_answered),
        CASE(peer_memory_is_answered),
        CASE(capture_addresses_are_answered),
        CASE(an_events_status_is_answered),
        CASE(extensions_of_the_instance_are_counted),
        CASE(update_templates_are_created),
        CASE(semaphore_payloads_come_and_go),
        CASE(empty_sparse_binds_reach_the_queue),
        CASE(rare_states_arrive),
        CASE(an_indirect_build_arrives),
#ifdef VK_EXT_descriptor_heap
        CASE(a_range_of_depths_arrives),
        CASE(heaps_and_pushed_data_arrive),
        CASE(border_colours_are_registered),
        CASE(sizes_of_descriptors_are_answered),
#endif
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}

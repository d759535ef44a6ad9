// Instances and the enumeration of physical devices.
#include "guest.h"

static void a_second_instance_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_create_instance(&g, INSTANCE, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateInstance), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), INSTANCE);
    write_create_instance(&g, 100, true);
    submit_badly(&g, "vkCreateInstance (0) at byte 36 of a submission: a context has one instance");
    guest_close(&g);
}

static void an_instance_can_follow_another(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_create_instance(&g, INSTANCE, false);
    begin(&g, PV_COMMAND_vkDestroyInstance, true);
    put_u64(&g, INSTANCE);
    put_null(&g);
    submit_well(&g);
    assert_int_equal(get_u32(&g), PV_COMMAND_vkDestroyInstance);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_INSTANCE), 0);
    write_create_instance(&g, 100, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateInstance), VK_SUCCESS);
    guest_close(&g);
}

static void refused_instance(const char *layer, const char *extension, VkResult expected)
{
    struct guest g;
    guest_open(&g, NULL);
    begin(&g, PV_COMMAND_vkCreateInstance, true);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    put_u32(&g, 0);
    put_null(&g);
    put_u32(&g, layer ? 1 : 0);
    put_u64(&g, layer ? 1 : 0);
    if (layer) {
        put_string(&g, layer);
    }
    put_u32(&g, extension ? 1 : 0);
    put_u64(&g, extension ? 1 : 0);
    if (extension) {
        put_string(&g, extension);
    }
    put_new(&g, INSTANCE);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateInstance), expected);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u64(&g), NO_ID);
    assert_int_equal(mock_vk_call_count("vkCreateInstance"), 0);
    guest_close(&g);
}

static void layers_are_refused(void **state)
{
    (void)state;
    refused_instance("VK_LAYER_KHRONOS_validation", NULL, VK_ERROR_LAYER_NOT_PRESENT);
}

static void instance_extensions_are_refused(void **state)
{
    (void)state;
    refused_instance(NULL, "VK_KHR_surface", VK_ERROR_EXTENSION_NOT_PRESENT);
}

static void the_drivers_refusal_reaches_the_guest(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    // The first instance of the host is for probing.
    mock_vk_fail("vkCreateInstance", 2, VK_ERROR_INCOMPATIBLE_DRIVER);
    write_create_instance(&g, INSTANCE, true);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCreateInstance), VK_ERROR_INCOMPATIBLE_DRIVER);
    guest_close(&g);
}

static void open_three_devices(struct guest *g)
{
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.device_count = 3;
    mock_vk_set_config(&config);
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
}

static void devices_are_counted_whatever_the_count_word_says(void **state)
{
    (void)state;
    struct guest g;
    open_three_devices(&g);
    write_enumerate(&g, 0xdeadbeef, NULL);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumeratePhysicalDevices), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 3);
    assert_int_equal(get_u64(&g), 0);
    guest_close(&g);
}

static void enumeration_is_cut_to_what_was_asked_for(void **state)
{
    (void)state;
    struct guest g;
    open_three_devices(&g);
    write_enumerate(&g, 2, (uint64_t[]){100, 101});
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumeratePhysicalDevices), VK_INCOMPLETE);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 2);
    assert_int_equal(get_u64(&g), 2);
    assert_int_equal(get_u64(&g), 100);
    assert_int_equal(get_u64(&g), 101);
    guest_close(&g);
}

static void enumeration_repeats_with_the_same_ids(void **state)
{
    (void)state;
    struct guest g;
    open_three_devices(&g);
    for (int i = 0; i < 2; i++) {
        write_enumerate(&g, 3, (uint64_t[]){100, 101, 102});
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkEnumeratePhysicalDevices), VK_SUCCESS);
    }
    guest_close(&g);
}

static void enumeration_must_not_change_ids(void **state)
{
    (void)state;
    static const uint64_t others[][3] = {
        {101, 100, 102}, {200, 201, 202}, {100, 101, INSTANCE}, {100, 100, 102}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct guest g;
        open_three_devices(&g);
        write_enumerate(&g, 3, (uint64_t[]){100, 101, 102});
        submit_well(&g);
        write_enumerate(&g, 3, others[i]);
        submit_badly(&g, "a physical device");
        guest_close(&g);
    }
}

static void groups_name_devices_by_their_ids(void **state)
{
    (void)state;
    struct guest g;
    open_three_devices(&g);
    write_enumerate(&g, 2, (uint64_t[]){100, 101});
    submit_well(&g);
    begin(&g, PV_COMMAND_vkEnumeratePhysicalDeviceGroups, true);
    put_u64(&g, INSTANCE);
    put_present(&g);
    put_u32(&g, 3);
    put_u64(&g, 3);
    for (int i = 0; i < 3; i++) {
        put_stype(&g, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES);
        put_u64(&g, 32);
        for (int k = 0; k < 32; k++) {
            put_u64(&g, 0);
        }
    }
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumeratePhysicalDeviceGroups), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 1);
    assert_int_equal(get_u32(&g), 2); // the third device is unknown to the guest
    assert_int_equal(get_u64(&g), 2);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(get_u32(&g), VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES);
        assert_int_equal(get_u64(&g), 0);
        assert_int_equal(get_u32(&g), 1);
        assert_int_equal(get_u64(&g), 32);
        assert_int_equal(get_u64(&g), 100 + i);
        for (int k = 1; k < 32; k++) {
            assert_int_equal(get_u64(&g), 0);
        }
        get_u32(&g); // subsetAllocation
    }
    guest_close(&g);
}

static void device_extensions_are_those_of_both(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_create_instance(&g, INSTANCE, false);
    write_enumerate(&g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    begin(&g, PV_COMMAND_vkEnumerateDeviceExtensionProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_null(&g);
    put_present(&g);
    put_u32(&g, 77);
    put_null(&g);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumerateDeviceExtensionProperties), VK_SUCCESS);
    get_u64(&g);
    const uint32_t count = get_u32(&g);
    assert_in_range(count, 50, 300);

    // Fewer than there are: cut, and said so.
    begin(&g, PV_COMMAND_vkEnumerateDeviceExtensionProperties, true);
    put_u64(&g, PHYSICAL_DEVICE);
    put_null(&g);
    put_present(&g);
    put_u32(&g, count - 1);
    put_u64(&g, count - 1);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkEnumerateDeviceExtensionProperties),
                     VK_INCOMPLETE);
    get_u64(&g);
    assert_int_equal(get_u32(&g), count - 1);
    assert_int_equal(get_u64(&g), count - 1);
    for (uint32_t i = 0; i < count - 1; i++) {
        assert_int_equal(get_u64(&g), 256);
        const char *name = (const char *)g.memory + REPLY_AT + g.read;
        assert_int_equal(strncmp(name, "VK_", 3), 0);
        assert_string_not_equal(name, VK_KHR_SWAPCHAIN_EXTENSION_NAME);
        assert_string_not_equal(name, "VK_EXT_tooling_info");
        g.read += 256;
        assert_int_not_equal(get_u32(&g), 0);
    }
    guest_close(&g);
}

static void layer_names_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    begin(&g, PV_COMMAND_vkEnumerateInstanceExtensionProperties, true);
    put_string(&g, "VK_LAYER_x");
    put_present(&g);
    put_u32(&g, 0);
    put_null(&g);
    submit_badly(&g, "guests have no layers on the host");
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_second_instance_ends_the_context),
        CASE(an_instance_can_follow_another),
        CASE(layers_are_refused),
        CASE(instance_extensions_are_refused),
        CASE(the_drivers_refusal_reaches_the_guest),
        CASE(devices_are_counted_whatever_the_count_word_says),
        CASE(enumeration_is_cut_to_what_was_asked_for),
        CASE(enumeration_repeats_with_the_same_ids),
        CASE(enumeration_must_not_change_ids),
        CASE(groups_name_devices_by_their_ids),
        CASE(device_extensions_are_those_of_both),
        CASE(layer_names_end_the_context),
    };
    return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}

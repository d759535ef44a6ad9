// Opening a Vulkan library and making instances, on the mock driver.
#include "vk/library.h"

#include "mock_vk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static int reset(void **state)
{
    (void)state;
    mock_vk_reset();
    return 0;
}

static void open_mock(struct pv_vk_library *library)
{
    char error[256] = "";
    assert_true(pv_vk_library_open(library, mock_vk_path(), error, sizeof(error)));
}

static void opens_a_library_without_loading_a_driver(void **state)
{
    (void)state;
    struct pv_vk_library library;
    open_mock(&library);
    assert_int_equal(library.instance_version, VK_API_VERSION_1_3);
    assert_false(library.portability_enumeration);
    assert_int_equal(mock_vk_call_count("vkCreateInstance"), 0);
}

static void says_why_a_library_cannot_be_opened(void **state)
{
    (void)state;
    struct pv_vk_library library;
    char error[256] = "";
    assert_false(pv_vk_library_open(&library, "/nonexistent/libvulkan.so", error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/libvulkan.so"));
}

static void refuses_a_library_with_vulkan_1_0(void **state)
{
    (void)state;
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.instance_version = VK_API_VERSION_1_0;
    mock_vk_set_config(&config);
    struct pv_vk_library library;
    char error[256] = "";
    assert_false(pv_vk_library_open(&library, mock_vk_path(), error, sizeof(error)));
    assert_non_null(strstr(error, "1.0"));
    assert_null(library.get_instance_proc_addr);
}

static void refuses_a_library_from_before_vulkan_1_1(void **state)
{
    (void)state;
    struct pv_vk_library library;
    char error[256] = "";
    mock_vk_hide("vkEnumerateInstanceVersion");
    assert_false(pv_vk_library_open(&library, mock_vk_path(), error, sizeof(error)));
    assert_non_null(strstr(error, "1.0"));
}

struct seen_instance {
    uint32_t api_version;
    VkInstanceCreateFlags flags;
    uint32_t extension_count;
    char extension[64];
    char application[64];
};

static void look_at_instance(void *user, void *const *args)
{
    struct seen_instance *seen = user;
    const VkInstanceCreateInfo *info = *(const VkInstanceCreateInfo **)args[0];
    seen->api_version = info->pApplicationInfo->apiVersion;
    seen->flags = info->flags;
    seen->extension_count = info->enabledExtensionCount;
    if (info->enabledExtensionCount > 0) {
        strncpy(seen->extension, info->ppEnabledExtensionNames[0], sizeof(seen->extension) - 1);
    }
    if (info->pApplicationInfo->pApplicationName) {
        strncpy(seen->application, info->pApplicationInfo->pApplicationName,
                sizeof(seen->application) - 1);
    }
}

static void asks_for_the_newest_version_and_keeps_the_application(void **state)
{
    (void)state;
    struct seen_instance seen = {0};
    struct pv_vk_library library;
    struct pv_vk_instance instance;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "guest",
        .apiVersion = VK_API_VERSION_1_0,
    };
    open_mock(&library);
    mock_vk_set_hook("vkCreateInstance", look_at_instance, &seen);
    assert_int_equal(pv_vk_instance_init(&instance, &library, &application), VK_SUCCESS);
    assert_int_equal(seen.api_version, VK_API_VERSION_1_3);
    assert_int_equal(instance.api_version, VK_API_VERSION_1_3);
    assert_string_equal(seen.application, "guest");
    assert_int_equal(seen.flags, 0);
    assert_int_equal(seen.extension_count, 0);
    assert_non_null(instance.vk.vkGetPhysicalDeviceProperties2);

    pv_vk_instance_finish(&instance);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
    assert_int_equal(mock_vk_errors(), 0);
}

static void enumerates_portability_devices_where_it_can(void **state)
{
    (void)state;
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.instance_extensions[0] = "VK_EXT_debug_utils";
    config.instance_extensions[1] = "VK_KHR_portability_enumeration";
    mock_vk_set_config(&config);
    struct seen_instance seen = {0};
    struct pv_vk_library library;
    struct pv_vk_instance instance;
    open_mock(&library);
    assert_true(library.portability_enumeration);
    mock_vk_set_hook("vkCreateInstance", look_at_instance, &seen);
    assert_int_equal(pv_vk_instance_init(&instance, &library, NULL), VK_SUCCESS);
    assert_int_equal(seen.flags, VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR);
    assert_int_equal(seen.extension_count, 1);
    assert_string_equal(seen.extension, "VK_KHR_portability_enumeration");
    pv_vk_instance_finish(&instance);
}

static void leaves_a_failed_instance_empty(void **state)
{
    (void)state;
    struct pv_vk_library library;
    struct pv_vk_instance instance;
    open_mock(&library);
    mock_vk_fail("vkCreateInstance", 1, VK_ERROR_INCOMPATIBLE_DRIVER);
    assert_int_equal(pv_vk_instance_init(&instance, &library, NULL), VK_ERROR_INCOMPATIBLE_DRIVER);
    assert_null(instance.handle);
    pv_vk_instance_finish(&instance);
    assert_int_equal(mock_vk_call_count("vkDestroyInstance"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opens_a_library_without_loading_a_driver, reset),
        cmocka_unit_test_setup(says_why_a_library_cannot_be_opened, reset),
        cmocka_unit_test_setup(refuses_a_library_with_vulkan_1_0, reset),
        cmocka_unit_test_setup(refuses_a_library_from_before_vulkan_1_1, reset),
        cmocka_unit_test_setup(asks_for_the_newest_version_and_keeps_the_application, reset),
        cmocka_unit_test_setup(enumerates_portability_devices_where_it_can, reset),
        cmocka_unit_test_setup(leaves_a_failed_instance_empty, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

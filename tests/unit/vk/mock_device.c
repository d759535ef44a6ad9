#include "mock_device.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
// cmocka.h wants the above first.
#include <cmocka.h>

int count_open_files(void)
{
    DIR *directory = opendir("/dev/fd");
    if (!directory) {
        return -1;
    }
    int count = 0;
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

void count_call(void *user, void *const *args)
{
    (void)args;
    (*(uint32_t *)user)++;
}

static void create_device(struct mock_device *device)
{
    const char *names[MOCK_VK_MAX_EXTENSIONS];
    for (uint32_t i = 0; i < device->facts.extensions.count; i++) {
        names[i] = device->facts.extensions.items[i].extensionName;
    }
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = device->facts.extensions.count,
        .ppEnabledExtensionNames = names,
    };
    const struct pv_instance_functions *vk = &device->instance.vk;
    assert_int_equal(vk->vkCreateDevice(device->physical_device, &info, NULL, &device->handle),
                     VK_SUCCESS);
    pv_device_functions_load(&device->vk, device->handle, vk->vkGetDeviceProcAddr);
    device->vk.vkGetDeviceQueue(device->handle, 0, 0, &device->queue);
}

void mock_device_open(struct mock_device *device, void (*change)(struct mock_vk_config *config))
{
    char error[256];
    *device = (struct mock_device){0};
    mock_vk_reset();
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    if (change) {
        change(&config);
        mock_vk_set_config(&config);
    }
    device->open_files = count_open_files();
    assert_true(pv_vk_library_open(&device->library, mock_vk_path(), error, sizeof(error)));
    assert_int_equal(pv_vk_instance_init(&device->instance, &device->library, NULL), VK_SUCCESS);
    uint32_t count = 1;
    // VK_INCOMPLETE where the mock has more.
    assert_true(device->instance.vk.vkEnumeratePhysicalDevices(
                    device->instance.handle, &count, &device->physical_device) >= VK_SUCCESS);
    assert_true(
        pv_device_facts_init(&device->facts, &device->instance, device->physical_device, NULL));
    create_device(device);
}

void mock_device_close(struct mock_device *device)
{
    device->vk.vkDestroyDevice(device->handle, NULL);
    pv_device_facts_finish(&device->facts);
    pv_vk_instance_finish(&device->instance);
    assert_string_equal(mock_vk_first_error(), "");
    assert_int_equal(mock_vk_errors(), 0);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
    assert_int_equal(count_open_files(), device->open_files);
}

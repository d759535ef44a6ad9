// A VkDevice of the mock driver with its facts, for the tests of src/vk, src/blob and src/fence.
#ifndef MOCK_DEVICE_H
#define MOCK_DEVICE_H

#include "mock_vk.h"
#include "vk/device_facts.h"

struct mock_device {
    struct pv_vk_library library;
    struct pv_vk_instance instance;
    VkPhysicalDevice physical_device;
    struct pv_device_facts facts;
    VkDevice handle;
    struct pv_device_functions vk;
    VkQueue queue;
    int open_files; // when opened
};

// Resets the mock, applies `change` to its configuration (may be NULL), gathers the facts and
// makes a device with every extension of the mock. Fails the test when anything goes wrong.
void mock_device_open(struct mock_device *device, void (*change)(struct mock_vk_config *config));

// Destroys the device and asserts that the driver saw no error, that nothing is alive and that no
// file descriptor leaked.
void mock_device_close(struct mock_device *device);

// File descriptors that this process has open.
int count_open_files(void);

// A mock_vk_hook_fn that counts: `user` is a uint32_t.
void count_call(void *user, void *const *args);

#endif

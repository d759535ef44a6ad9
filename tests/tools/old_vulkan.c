// A Vulkan library of the wrong version: 1.0, which has no vkEnumerateInstanceVersion. Creating an
// instance works, as it did then.
#include <stdint.h>
#include <string.h>

typedef void (*function)(void);

__attribute__((visibility("default"))) function vkGetInstanceProcAddr(void *instance,
                                                                      const char *name);

static int32_t create_instance(const void *info, const void *allocator, void **instance)
{
    static int one;
    (void)info;
    (void)allocator;
    *instance = &one;
    return 0;
}

static int32_t enumerate(void *instance, uint32_t *count, void **devices)
{
    (void)instance;
    (void)devices;
    *count = 0;
    return 0;
}

static void destroy(void *instance, const void *allocator)
{
    (void)instance;
    (void)allocator;
}

function vkGetInstanceProcAddr(void *instance, const char *name)
{
    (void)instance;
    if (strcmp(name, "vkCreateInstance") == 0) {
        return (function)create_instance;
    }
    if (strcmp(name, "vkEnumeratePhysicalDevices") == 0) {
        return (function)enumerate;
    }
    return strcmp(name, "vkDestroyInstance") == 0 ? (function)destroy : NULL;
}

// Libraries for vulkan_library_test.c. The build makes several from this file, each with the entry
// points that its FAKE_* macros name.
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#ifdef FAKE_LOADER
EXPORT void *vkGetInstanceProcAddr(void *instance, const char *name);
void *vkGetInstanceProcAddr(void *instance, const char *name)
{
    (void)instance;
    (void)name;
    return 0;
}
#endif

#ifdef FAKE_DRIVER
EXPORT uint32_t fake_negotiated_version;
uint32_t fake_negotiated_version;

EXPORT int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version);
int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version)
{
    fake_negotiated_version = *version;
    return 0;
}

EXPORT void *vk_icdGetInstanceProcAddr(void *instance, const char *name);
void *vk_icdGetInstanceProcAddr(void *instance, const char *name)
{
    (void)instance;
    (void)name;
    return 0;
}
#endif

#ifdef FAKE_STRANGER
EXPORT int something_else(void);
int something_else(void)
{
    return 1;
}
#endif

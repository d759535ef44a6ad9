// A Vulkan driver that crashes when it is first asked for anything, as some do on machines that
// their authors did not have.
#include <stdlib.h>

__attribute__((visibility("default"))) void (*vk_icdGetInstanceProcAddr(void *instance,
                                                                        const char *name))(void);

void (*vk_icdGetInstanceProcAddr(void *instance, const char *name))(void)
{
    (void)instance;
    (void)name;
    abort();
}

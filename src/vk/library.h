// The host's Vulkan library, and instances made from it.
//
// The library is a loader or a driver such as MoltenVK, opened with dlopen and never closed:
// drivers do not survive unloading. Opening it loads no driver; creating an instance does, so
// a process that wants to fork does it before that.
#ifndef PV_VK_LIBRARY_H
#define PV_VK_LIBRARY_H

#include "base/log.h"
#include "vk/functions.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Owned by the renderer, immutable once open.
struct pv_vk_library {
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    struct pv_global_functions vk;
    uint32_t instance_version; // VK_MAKE_API_VERSION encoding, at least 1.1
    // VK_KHR_portability_enumeration exists: without it MoltenVK's devices stay hidden.
    bool portability_enumeration;
};

// Opens `path`, or the platform's usual names when NULL. Nothing needs to be closed.
// Failure: false, one sentence in `error`: no library, or one without Vulkan 1.1.
bool pv_vk_library_open(struct pv_vk_library *library, const char *path, char *error,
                        size_t error_size);

struct pv_vk_instance {
    VkInstance handle; // VK_NULL_HANDLE when zeroed or failed
    uint32_t api_version;
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    struct pv_instance_functions vk;
};

// Creates an instance with the portability extension and flag where the library has them, and
// loads its functions. `application` may be NULL; its apiVersion is raised to the newest that
// both the library and this build know, so that the driver offers all it has. It must outlive
// the call only.
VkResult pv_vk_instance_init(struct pv_vk_instance *instance, const struct pv_vk_library *library,
                             const VkApplicationInfo *application);

// Zeroed and failed instances are allowed. All devices must be gone.
void pv_vk_instance_finish(struct pv_vk_instance *instance);

#endif

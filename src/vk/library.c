// Opening the Vulkan library and making instances. Relies on base/os.h for dlopen.
#include "vk/library.h"

#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME
#define VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME "VK_KHR_portability_enumeration"
#endif

// VkInstanceCreateFlagBits::ENUMERATE_PORTABILITY, by value: older headers lack it.
#define INSTANCE_CREATE_ENUMERATE_PORTABILITY ((VkInstanceCreateFlags)1)

static bool library_has_extension(const struct pv_global_functions *vk, const char *name)
{
    VkExtensionProperties *extensions = NULL;
    uint32_t count = 0;
    bool found = false;
    if (vk->vkEnumerateInstanceExtensionProperties(NULL, &count, NULL) != VK_SUCCESS ||
        count == 0) {
        return false;
    }
    extensions = calloc(count, sizeof(*extensions));
    if (!extensions) {
        return false;
    }
    // VK_INCOMPLETE still fills `count` entries.
    if (vk->vkEnumerateInstanceExtensionProperties(NULL, &count, extensions) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count && !found; i++) {
            found = strcmp(extensions[i].extensionName, name) == 0;
        }
    }
    free(extensions);
    return found;
}

bool pv_vk_library_open(struct pv_vk_library *library, const char *path, char *error,
                        size_t error_size)
{
    *library = (struct pv_vk_library){0};
    PFN_vkGetInstanceProcAddr get =
        (PFN_vkGetInstanceProcAddr)pv_os_open_vulkan(path, error, error_size);
    if (!get) {
        return false;
    }
    pv_global_functions_load(&library->vk, get);
    if (!library->vk.vkCreateInstance || !library->vk.vkEnumerateInstanceExtensionProperties) {
        snprintf(error, error_size, "%s is no Vulkan library: it has no vkCreateInstance",
                 path ? path : "the installed library");
        return false;
    }

    uint32_t version = VK_API_VERSION_1_0;
    if (library->vk.vkEnumerateInstanceVersion) {
        const VkResult result = library->vk.vkEnumerateInstanceVersion(&version);
        if (result != VK_SUCCESS) {
            snprintf(error, error_size, "vkEnumerateInstanceVersion failed (VkResult %d)", result);
            return false;
        }
    }
    if (version < VK_API_VERSION_1_1) {
        snprintf(error, error_size, "%s offers Vulkan %u.%u; 1.1 is needed",
                 path ? path : "the Vulkan library", VK_API_VERSION_MAJOR(version),
                 VK_API_VERSION_MINOR(version));
        return false;
    }

    library->get_instance_proc_addr = get;
    library->instance_version = version;
    library->portability_enumeration =
        library_has_extension(&library->vk, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    return true;
}

// The newest version that this build's headers know.
static uint32_t newest_known_version(void)
{
    return VK_HEADER_VERSION_COMPLETE & ~(uint32_t)0xfff; // without the patch number
}

VkResult pv_vk_instance_init(struct pv_vk_instance *instance, const struct pv_vk_library *library,
                             const VkApplicationInfo *application)
{
    *instance = (struct pv_vk_instance){0};
    VkApplicationInfo info = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO};
    if (application) {
        info = *application;
    }
    const uint32_t library_version = library->instance_version & ~(uint32_t)0xfff;
    const uint32_t known = newest_known_version();
    const uint32_t offered = library_version < known ? library_version : known;
    if (info.apiVersion < offered) {
        info.apiVersion = offered;
    }

    const char *const portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    const VkInstanceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .flags = library->portability_enumeration ? INSTANCE_CREATE_ENUMERATE_PORTABILITY : 0,
        .pApplicationInfo = &info,
        .enabledExtensionCount = library->portability_enumeration ? 1 : 0,
        .ppEnabledExtensionNames = &portability,
    };
    VkInstance handle = VK_NULL_HANDLE;
    const VkResult result = library->vk.vkCreateInstance(&create, NULL, &handle);
    if (result != VK_SUCCESS) {
        return result;
    }
    instance->handle = handle;
    instance->api_version = info.apiVersion;
    instance->get_instance_proc_addr = library->get_instance_proc_addr;
    pv_instance_functions_load(&instance->vk, handle, library->get_instance_proc_addr);
    return VK_SUCCESS;
}

void pv_vk_instance_finish(struct pv_vk_instance *instance)
{
    if (instance->handle) {
        instance->vk.vkDestroyInstance(instance->handle, NULL);
    }
    *instance = (struct pv_vk_instance){0};
}

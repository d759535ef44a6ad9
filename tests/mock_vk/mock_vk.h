// A Vulkan driver in this process, for tests: it draws nothing, records every call, fails on
// demand and knows what is alive.
//
// libmock_vk exports vkGetInstanceProcAddr, so that it can be opened as "the Vulkan library"
// (mock_vk_path()), and the control interface below, so that tests link with it; both are the
// same library in memory. Everything here may be called at any time from any thread; counters
// and objects are global, so mock_vk_reset() opens a test.
//
// What it checks on its own and reports through mock_vk_errors(): handles that are unknown, dead
// or of the wrong type; destroying twice; destroying a parent before its children; fences reset
// or destroyed while a submission will signal them; two threads in one queue; imported
// host pointers that are misaligned, or gone before their memory.
#ifndef MOCK_VK_H
#define MOCK_VK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MOCK_VK_API __attribute__((visibility("default")))

// The file name of the loaded mock library, for pv_os_open_vulkan().
MOCK_VK_API const char *mock_vk_path(void);

// Forgets objects, calls, failures, hooks and errors; configuration becomes the default.
MOCK_VK_API void mock_vk_reset(void);

// --- What the driver looks like ------------------------------------------------------------

#define MOCK_VK_MAX_EXTENSIONS 512
#define MOCK_VK_MAX_FAMILIES   4

struct mock_vk_config {
    uint32_t instance_version; // default: VK_API_VERSION_1_3
    uint32_t device_version;   // default: VK_API_VERSION_1_3
    uint32_t device_count;     // default: 1
    VkPhysicalDeviceType device_type;
    VkDriverId driver_id;
    const char *instance_extensions[MOCK_VK_MAX_EXTENSIONS]; // ends with NULL
    // Ends with NULL. Default: all of the registry but VK_EXT_external_memory_dma_buf,
    // VK_EXT_physical_device_drm and VK_KHR_portability_subset.
    const char *device_extensions[MOCK_VK_MAX_EXTENSIONS];
    VkPhysicalDeviceMemoryProperties memory; // default: NVIDIA-like, 5 types
    VkQueueFamilyProperties families[MOCK_VK_MAX_FAMILIES];
    uint32_t family_count;

    VkDeviceSize host_pointer_alignment; // 4096
    uint32_t host_pointer_types;         // types that accept host pointers
    uint32_t dmabuf_types;               // types whose dma-buf export works
    uint32_t opaque_fd_types;            // types whose opaque fd export works
    // Handle types that buffers, images, fences and semaphores support.
    VkExternalMemoryHandleTypeFlags buffer_handle_types;
    VkExternalMemoryHandleTypeFlags image_handle_types;
    VkExternalFenceHandleTypeFlags fence_handle_types;
    VkExternalSemaphoreHandleTypeFlags semaphore_handle_types;
    // memoryTypeBits of buffers and images that declare a host pointer type; 0: as without.
    uint32_t declared_type_bits;
    // As NVIDIA's driver does: after a failed import of some size, allocations of at least that
    // size in the same memory type fail until memory of that type is freed.
    bool sticky_import_failure;
};

MOCK_VK_API void mock_vk_get_config(struct mock_vk_config *config);
MOCK_VK_API void
mock_vk_set_config(const struct mock_vk_config *config); // copied; strings are borrowed

// --- Failing and holding -------------------------------------------------------------------

// The nth next call (1: the next) of `command` does nothing and returns `result`.
// Several may be pending. Only for commands that return VkResult.
MOCK_VK_API void mock_vk_fail(const char *command, uint32_t nth, VkResult result);
// Every call of `command` returns `result` until mock_vk_reset(); VK_SUCCESS ends it.
MOCK_VK_API void mock_vk_fail_always(const char *command, VkResult result);

// vkGet*ProcAddr returns NULL for this name, until mock_vk_reset(). Aliases stay.
MOCK_VK_API void mock_vk_hide(const char *command);

// Submissions from now on signal nothing until mock_vk_release(); the default is to signal at
// once. vkWaitForFences, vkQueueWaitIdle and vkDeviceWaitIdle block meanwhile.
MOCK_VK_API void mock_vk_hold(void);
// Finishes the `count` oldest held submissions and goes on holding new ones; UINT32_MAX finishes
// all and ends the holding.
MOCK_VK_API void mock_vk_release(uint32_t count);
// From now on waits, submissions and status queries return VK_ERROR_DEVICE_LOST.
MOCK_VK_API void mock_vk_lose_device(void);

// --- What happened -------------------------------------------------------------------------

// Calls of `command` since reset. NULL: of all commands.
MOCK_VK_API uint32_t mock_vk_call_count(const char *command);

// The command names in order of calling, at most `capacity`. Returns how many there were.
MOCK_VK_API uint32_t mock_vk_calls(const char **names, uint32_t capacity);

// Called on each call of `command` before the mock acts, with pointers to the parameters in
// order: *(VkDevice *)args[0] and so on. NULL removes the hook.
typedef void (*mock_vk_hook_fn)(void *user, void *const *args);
MOCK_VK_API void mock_vk_set_hook(const char *command, mock_vk_hook_fn hook, void *user);

// --- What is alive -------------------------------------------------------------------------

MOCK_VK_API bool mock_vk_is_alive(uint64_t handle);
// Live handles of a type; VK_OBJECT_TYPE_UNKNOWN: of every type that must be destroyed (not
// physical devices and queues).
MOCK_VK_API uint32_t mock_vk_live_count(VkObjectType type);
MOCK_VK_API VkObjectType mock_vk_type(uint64_t handle); // also of dead ones
MOCK_VK_API uint64_t mock_vk_parent(uint64_t handle);

// Errors found since reset, and the first one as text ("" if none).
MOCK_VK_API uint32_t mock_vk_errors(void);
MOCK_VK_API const char *mock_vk_first_error(void);

// --- Details of some objects ---------------------------------------------------------------

struct mock_vk_memory {
    VkDeviceSize size;
    uint32_t type_index;
    VkExternalMemoryHandleTypeFlags export_types;
    VkExternalMemoryHandleTypeFlags import_type; // 0: none
    void *host_pointer;                          // imported
    VkBuffer dedicated_buffer;
    VkImage dedicated_image;
    VkMemoryAllocateFlags flags;
    uint64_t opaque_capture_address;
    float priority; // -1 without VkMemoryPriorityAllocateInfoEXT
    void *data;     // what vkMapMemory returns
};
MOCK_VK_API bool mock_vk_get_memory(VkDeviceMemory memory, struct mock_vk_memory *info);

MOCK_VK_API bool mock_vk_fence_signaled(VkFence fence);
// Binary semaphores: signalled, or with a pending held signal. Timeline: the counter.
MOCK_VK_API bool mock_vk_semaphore_signaled(VkSemaphore semaphore);
MOCK_VK_API uint64_t mock_vk_semaphore_value(VkSemaphore semaphore);

#ifdef __cplusplus
}
#endif
#endif

// A Vulkan layer that holds a program after a certain frame, so that a test can look at the screen.
//
// After the present number $PV_HOLD_FRAME of the process it waits until the queue is idle, creates
// the file $PV_HOLD_FILE and waits until somebody removes that file again. It changes nothing else
// and works the same on any driver: programs stay unmodified on both sides of a comparison.

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

enum { MAX_OBJECTS = 64 };

// What the layer needs of each instance and device. Dispatchable handles of one instance or device
// begin with the same pointer: the key.
struct next {
    void *key;
    PFN_vkGetInstanceProcAddr instance_proc;
    PFN_vkGetDeviceProcAddr device_proc;
    PFN_vkQueuePresentKHR present;
    PFN_vkQueueWaitIdle wait_idle;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct next nexts[MAX_OBJECTS]; // guarded by lock

static atomic_int presents;

static void *key_of(const void *handle)
{
    return *(void *const *)handle;
}

static struct next next_of(const void *handle)
{
    struct next found = {0};
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_OBJECTS; i++) {
        if (nexts[i].key == key_of(handle)) {
            found = nexts[i];
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

// A key that comes again is a new object at the place of an old one.
static void enter(const struct next *next)
{
    pthread_mutex_lock(&lock);
    int place = -1;
    for (int i = MAX_OBJECTS - 1; i >= 0; i--) {
        if (nexts[i].key == next->key || (place < 0 && !nexts[i].key)) {
            place = i;
        }
    }
    if (place >= 0) {
        nexts[place] = *next;
    }
    pthread_mutex_unlock(&lock);
}

static void hold(void)
{
    const char *path = getenv("PV_HOLD_FILE");
    const int fd = path ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd < 0) {
        return;
    }
    close(fd);
    // Half an hour at most, should the test be gone.
    for (int i = 0; i < 180000 && access(path, F_OK) == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL hold_QueuePresentKHR(VkQueue queue,
                                                           const VkPresentInfoKHR *info)
{
    const struct next next = next_of(queue);
    const VkResult result = next.present(queue, info);
    const char *frame = getenv("PV_HOLD_FRAME");
    if (frame && atomic_fetch_add(&presents, 1) + 1 == atoi(frame)) {
        next.wait_idle(queue);
        hold();
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL hold_CreateInstance(const VkInstanceCreateInfo *info,
                                                          const VkAllocationCallbacks *allocator,
                                                          VkInstance *instance)
{
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)(uintptr_t)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO &&
                     link->function == VK_LAYER_LINK_INFO)) {
        link = (VkLayerInstanceCreateInfo *)(uintptr_t)link->pNext;
    }
    if (!link) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    struct next next = {.instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr};
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)next.instance_proc(VK_NULL_HANDLE, "vkCreateInstance");
    const VkResult result = create(info, allocator, instance);
    if (result == VK_SUCCESS) {
        next.key = key_of(*instance);
        enter(&next);
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL hold_CreateDevice(VkPhysicalDevice physical,
                                                        const VkDeviceCreateInfo *info,
                                                        const VkAllocationCallbacks *allocator,
                                                        VkDevice *device)
{
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)(uintptr_t)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO &&
                     link->function == VK_LAYER_LINK_INFO)) {
        link = (VkLayerDeviceCreateInfo *)(uintptr_t)link->pNext;
    }
    if (!link) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    const PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    struct next next = {.device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr};
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const PFN_vkCreateDevice create =
        (PFN_vkCreateDevice)instance_proc(VK_NULL_HANDLE, "vkCreateDevice");
    const VkResult result = create(physical, info, allocator, device);
    if (result == VK_SUCCESS) {
        next.key = key_of(*device);
        next.present = (PFN_vkQueuePresentKHR)next.device_proc(*device, "vkQueuePresentKHR");
        next.wait_idle = (PFN_vkQueueWaitIdle)next.device_proc(*device, "vkQueueWaitIdle");
        enter(&next);
    }
    return result;
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetDeviceProcAddr(VkDevice device,
                                                                    const char *name)
{
    const struct next next = next_of(device);
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
        return (PFN_vkVoidFunction)vkGetDeviceProcAddr;
    }
    if (strcmp(name, "vkQueuePresentKHR") == 0 && next.present) {
        return (PFN_vkVoidFunction)hold_QueuePresentKHR;
    }
    return next.device_proc(device, name);
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance,
                                                                      const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } ours[] = {
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)vkGetInstanceProcAddr},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)vkGetDeviceProcAddr},
        {"vkCreateInstance", (PFN_vkVoidFunction)hold_CreateInstance},
        {"vkCreateDevice", (PFN_vkVoidFunction)hold_CreateDevice},
        {"vkQueuePresentKHR", (PFN_vkVoidFunction)hold_QueuePresentKHR},
    };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i].name) == 0) {
            return ours[i].function;
        }
    }
    return instance ? next_of(instance).instance_proc(instance, name) : NULL;
}

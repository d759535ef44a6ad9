// Runs in a process of its own, see trial.h. Vulkan 1.1 is enough for all of it.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vulkan_core.h>

#include "os.h"
#include "trial.h"

#define SIZE       65536u
#define TIMEOUT_NS 20000000000u
#define ONE(name)  name,
const char *const pv_trial_extensions[] = {PV_TRIAL_EXTENSIONS(ONE) NULL};
#undef ONE

struct user {
    int fd;
    void *library;
    PFN_vkGetInstanceProcAddr get_instance;
    VkInstance instance;
    PFN_vkGetDeviceProcAddr get_device;
    VkDevice device;
};

static void send_message(const struct user *user, const struct pv_trial_message *message)
{
    const ssize_t written = write(user->fd, message, sizeof(*message)); // atomic, below PIPE_BUF
    (void)written;                                                      // nobody reads any more
}

static void say(const struct user *user, int kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct user *user, int kind, const char *format, ...)
{
    struct pv_trial_message message = {.kind = kind};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message.text, sizeof(message.text), format, arguments);
    va_end(arguments);
    send_message(user, &message);
}

#define INSTANCE(user, name) ((PFN_##name)(user)->get_instance((user)->instance, #name))
#define DEVICE(user, name)   ((PFN_##name)(user)->get_device((user)->device, #name))

static bool open_library(struct user *user, const char *wanted)
{
    char reason[384] = "";
    say(user, PV_TRIAL_STAGE, "opening the Vulkan library");
    for (size_t i = 0; pv_tool_vulkan_libraries[i] && !user->library; i++) {
        const char *name = wanted ? wanted : pv_tool_vulkan_libraries[i];
        user->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        const char *error = user->library ? NULL : dlerror();
        if (error && !reason[0]) {
            snprintf(reason, sizeof(reason), "%s", error);
        }
        if (wanted) {
            break;
        }
    }
    if (user->library) {
        *(void **)&user->get_instance = dlsym(user->library, "vkGetInstanceProcAddr");
        snprintf(reason, sizeof(reason), "it has no vkGetInstanceProcAddr");
    }
    if (!user->get_instance) {
        say(user, PV_TRIAL_PROBLEM, "%s", reason);
        return false;
    }
    struct pv_trial_message message = {.kind = PV_TRIAL_LIBRARY, .version = VK_API_VERSION_1_0};
    const PFN_vkEnumerateInstanceVersion version = INSTANCE(user, vkEnumerateInstanceVersion);
    if (version) {
        version(&message.version);
    }
    send_message(user, &message);
    return true;
}

static bool create_instance(struct user *user)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "pv-venus doctor",
        .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    say(user, PV_TRIAL_STAGE, "creating an instance");
    const PFN_vkCreateInstance create = INSTANCE(user, vkCreateInstance);
    const VkResult result =
        create ? create(&info, NULL, &user->instance) : VK_ERROR_INITIALIZATION_FAILED;
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        say(user, PV_TRIAL_PROBLEM, "no driver could be loaded (VK_ERROR_INCOMPATIBLE_DRIVER)");
    } else if (result != VK_SUCCESS) {
        say(user, PV_TRIAL_PROBLEM, "vkCreateInstance failed (VkResult %d)", result);
    }
    if (result == VK_SUCCESS) {
        *(void **)&user->get_device =
            (void *)(uintptr_t)user->get_instance(user->instance, "vkGetDeviceProcAddr");
    }
    return result == VK_SUCCESS;
}

static void list_extensions(const struct user *user, VkPhysicalDevice physical,
                            struct pv_trial_device *device, bool *has_driver_properties)
{
    const PFN_vkEnumerateDeviceExtensionProperties enumerate =
        INSTANCE(user, vkEnumerateDeviceExtensionProperties);
    uint32_t count = 0;
    if (enumerate(physical, NULL, &count, NULL) != VK_SUCCESS || count == 0) {
        return;
    }
    VkExtensionProperties *all = calloc(count, sizeof(*all));
    if (all && enumerate(physical, NULL, &count, all) >= 0) {
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t bit = 0; pv_trial_extensions[bit]; bit++) {
                if (strcmp(all[i].extensionName, pv_trial_extensions[bit]) == 0) {
                    device->extensions |= 1u << bit;
                }
            }
            *has_driver_properties |=
                strcmp(all[i].extensionName, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME) == 0;
        }
    }
    free(all);
}

static void describe(const struct user *user, VkPhysicalDevice physical,
                     struct pv_trial_device *device)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
    };
    INSTANCE(user, vkGetPhysicalDeviceProperties)(physical, &properties.properties);
    const uint32_t api_version = properties.properties.apiVersion;
    bool has_driver_properties = api_version >= VK_API_VERSION_1_2;
    list_extensions(user, physical, device, &has_driver_properties);
    const PFN_vkGetPhysicalDeviceProperties2 get = INSTANCE(user, vkGetPhysicalDeviceProperties2);
    if (get && api_version >= VK_API_VERSION_1_1 && has_driver_properties) {
        properties.pNext = &driver;
        get(physical, &properties);
    }
    snprintf(device->name, sizeof(device->name), "%s", properties.properties.deviceName);
    snprintf(device->driver, sizeof(device->driver), "%.120s%s%.120s", driver.driverInfo,
             driver.driverInfo[0] && driver.driverName[0] ? ", " : "", driver.driverName);
    device->api_version = api_version;
    device->device_type = properties.properties.deviceType;
}

// -- a submission that writes memory ---------------------------------------------------------

struct work {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    VkQueue queue;
    uint32_t family;
    uint32_t *map;
};

#define TRY(call, what)                                                                            \
    do {                                                                                           \
        say(user, PV_TRIAL_STAGE, "%s", what);                                                     \
        const VkResult result_ = (call);                                                           \
        if (result_ != VK_SUCCESS) {                                                               \
            snprintf(device->problem, sizeof(device->problem), "%s failed (VkResult %d)", what,    \
                     result_);                                                                     \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

static bool create_device(struct user *user, VkPhysicalDevice physical, struct work *work,
                          struct pv_trial_device *device)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    INSTANCE(user, vkGetPhysicalDeviceQueueFamilyProperties)(physical, &count, families);
    work->family = UINT32_MAX;
    for (uint32_t i = 0; i < count && work->family == UINT32_MAX; i++) {
        if (families[i].queueFlags &
            (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT)) {
            work->family = i;
        }
    }
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = work->family,
        .queueCount = 1,
        .pQueuePriorities = &(float){1.0f},
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    TRY(INSTANCE(user, vkCreateDevice)(physical, &info, NULL, &user->device), "creating a device");
    DEVICE(user, vkGetDeviceQueue)(user->device, work->family, 0, &work->queue);
    return true;
}

static bool create_memory(const struct user *user, VkPhysicalDevice physical, struct work *work,
                          struct pv_trial_device *device)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkMemoryRequirements needs = {0};
    VkPhysicalDeviceMemoryProperties types;
    INSTANCE(user, vkGetPhysicalDeviceMemoryProperties)(physical, &types);
    TRY(DEVICE(user, vkCreateBuffer)(user->device, &buffer, NULL, &work->buffer),
        "creating a buffer");
    DEVICE(user, vkGetBufferMemoryRequirements)(user->device, work->buffer, &needs);
    uint32_t type = 0;
    while (type < types.memoryTypeCount &&
           (!(needs.memoryTypeBits & 1u << type) ||
            (types.memoryTypes[type].propertyFlags & wanted) != wanted)) {
        type++;
    }
    if (type == types.memoryTypeCount) {
        snprintf(device->problem, sizeof(device->problem), "no memory that can be mapped");
        return false;
    }
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = type,
    };
    void *map = NULL;
    TRY(DEVICE(user, vkAllocateMemory)(user->device, &info, NULL, &work->memory),
        "allocating memory");
    TRY(DEVICE(user, vkBindBufferMemory)(user->device, work->buffer, work->memory, 0),
        "binding memory");
    TRY(DEVICE(user, vkMapMemory)(user->device, work->memory, 0, VK_WHOLE_SIZE, 0, &map),
        "mapping memory");
    work->map = map;
    return true;
}

static bool record(const struct user *user, struct work *work, struct pv_trial_device *device)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = work->family,
    };
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    TRY(DEVICE(user, vkCreateFence)(user->device, &fence, NULL, &work->fence), "creating a fence");
    TRY(DEVICE(user, vkCreateCommandPool)(user->device, &pool, NULL, &work->pool),
        "creating a command pool");
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = work->pool,
        .commandBufferCount = 1,
    };
    TRY(DEVICE(user, vkAllocateCommandBuffers)(user->device, &allocate, &work->commands),
        "allocating a command buffer");
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    TRY(DEVICE(user, vkBeginCommandBuffer)(work->commands, &begin), "recording");
    DEVICE(user, vkCmdCopyBuffer)
    (work->commands, work->buffer, work->buffer, 1,
     &(VkBufferCopy){.dstOffset = SIZE / 2, .size = SIZE / 2});
    DEVICE(user, vkCmdPipelineBarrier)
    (work->commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0,
     NULL, 0, NULL);
    TRY(DEVICE(user, vkEndCommandBuffer)(work->commands), "recording");
    return true;
}

static bool submit(const struct user *user, const struct work *work, struct pv_trial_device *device)
{
    const uint32_t half = SIZE / 2 / sizeof(uint32_t);
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &work->commands,
    };
    for (uint32_t i = 0; i < half; i++) {
        work->map[i] = i * 2654435761u + 1;
        work->map[half + i] = 0;
    }
    TRY(DEVICE(user, vkQueueSubmit)(work->queue, 1, &info, work->fence), "submitting");
    TRY(DEVICE(user, vkWaitForFences)(user->device, 1, &work->fence, VK_TRUE, TIMEOUT_NS),
        "waiting for the device");
    for (uint32_t i = 0; i < half; i++) {
        if (work->map[half + i] != i * 2654435761u + 1) {
            snprintf(device->problem, sizeof(device->problem),
                     "what the device wrote is not what is seen in mapped memory");
            return false;
        }
    }
    return true;
}

static bool try_device(struct user *user, VkPhysicalDevice physical, struct pv_trial_device *device)
{
    struct work work = {0};
    user->device = VK_NULL_HANDLE;
    const bool worked = create_device(user, physical, &work, device) &&
                        create_memory(user, physical, &work, device) &&
                        record(user, &work, device) && submit(user, &work, device);
    if (user->device && worked) { // else the process ends soon enough
        say(user, PV_TRIAL_STAGE, "destroying what was made");
        DEVICE(user, vkDestroyFence)(user->device, work.fence, NULL);
        DEVICE(user, vkDestroyCommandPool)(user->device, work.pool, NULL);
        DEVICE(user, vkDestroyBuffer)(user->device, work.buffer, NULL);
        DEVICE(user, vkFreeMemory)(user->device, work.memory, NULL);
        DEVICE(user, vkDestroyDevice)(user->device, NULL);
    }
    return worked;
}

void pv_trial_use_vulkan(const struct pv_trial_params *params, int fd)
{
    struct user user = {.fd = fd};
    if (!open_library(&user, params->library) || !create_instance(&user)) {
        return;
    }
    VkPhysicalDevice physical[PV_TRIAL_DEVICES];
    uint32_t count = PV_TRIAL_DEVICES;
    say(&user, PV_TRIAL_STAGE, "looking for devices");
    const VkResult result =
        INSTANCE(&user, vkEnumeratePhysicalDevices)(user.instance, &count, physical);
    if (result < 0) {
        say(&user, PV_TRIAL_PROBLEM, "vkEnumeratePhysicalDevices failed (VkResult %d)", result);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pv_trial_message message = {.kind = PV_TRIAL_DEVICE, .index = i};
        describe(&user, physical[i], &message.device);
        send_message(&user, &message);
        if (params->tries) {
            message.device.worked = try_device(&user, physical[i], &message.device);
            send_message(&user, &message);
        }
    }
    say(&user, PV_TRIAL_STAGE, "destroying the instance");
    INSTANCE(&user, vkDestroyInstance)(user.instance, NULL);
}

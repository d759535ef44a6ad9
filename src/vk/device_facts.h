// Facts about one physical device of the host, gathered once and shared by all contexts.
//
// Each context has its own VkInstance and so its own VkPhysicalDevice handles; facts belong to
// the device behind them and are found by its position in vkEnumeratePhysicalDevices, which is
// the same for every instance of a process, and checked with pv_device_facts_match().
#ifndef PV_VK_DEVICE_FACTS_H
#define PV_VK_DEVICE_FACTS_H

#include "base/log.h"
#include "vk/library.h"
#include "vk/memory_facts.h"

// Drivers that need to be treated with care, as measured.
enum pv_driver_quirk {
    // After a failed import, allocations of at least that size fail in the same memory type (and
    // in others alike) until memory of that type is freed.
    PV_QUIRK_STICKY_IMPORT_FAILURE = 1u << 0,
    // Imported pages get pinned one by one: making them present first is cheaper.
    PV_QUIRK_POPULATE_IMPORTS = 1u << 1,
    // Once a submission has waited for a timeline semaphore, fences may be signalled before the
    // timeline semaphores of the same submission, against the order that Vulkan gives. (Mesa then
    // submits by a thread, which raises the semaphores after the driver has signalled the fence.)
    PV_QUIRK_LATE_TIMELINES = 1u << 2,
};

// The extensions that a device offers to one instance. Drivers tailor their devices to the name of
// the application or engine (lavapipe has no dma-buf for Zink), so two instances may see two lists.
struct pv_extension_list {
    VkExtensionProperties *items; // sorted by name, no duplicates; owned
    uint32_t count;
};

// Failure: false, out of memory or refused by the driver; `list` is then empty.
bool pv_extension_list_init(struct pv_extension_list *list, const struct pv_instance_functions *vk,
                            VkPhysicalDevice device);
void pv_extension_list_finish(struct pv_extension_list *list); // zeroed is allowed

// The driver's entry for an extension, or NULL.
const VkExtensionProperties *pv_extension_list_find(const struct pv_extension_list *list,
                                                    const char *name);

struct pv_device_facts {
    uint32_t api_version; // of the device
    VkPhysicalDeviceProperties properties;
    VkDriverId driver_id; // 0 below Vulkan 1.2 without VK_KHR_driver_properties
    char driver_name[VK_MAX_DRIVER_NAME_SIZE];
    char driver_info[VK_MAX_DRIVER_INFO_SIZE];
    uint8_t device_uuid[VK_UUID_SIZE];
    uint8_t driver_uuid[VK_UUID_SIZE];
    uint32_t quirks; // enum pv_driver_quirk

    struct pv_extension_list extensions; // of an instance without a name
    bool portability_subset;             // VK_KHR_portability_subset must be enabled on devices

    struct pv_memory_facts memory;
    struct pv_declare_facts declare;

    // External payloads of fences, binary and timeline semaphores.
    struct {
        VkExternalFenceFeatureFlags sync_fd, opaque_fd;
    } fence;
    struct {
        VkExternalSemaphoreFeatureFlags sync_fd, opaque_fd;
    } binary, timeline;

    // Why the probing of memory stopped early, a static string, or NULL when it did not.
    const char *probe_failure;
};

// Asks the driver, and tries memory out on a temporary VkDevice.
// Failure: false, out of memory or the extension list could not be read; `facts` is zeroed. A
// device that refuses the temporary VkDevice succeeds with `probe_failure`.
bool pv_device_facts_init(struct pv_device_facts *facts, const struct pv_vk_instance *instance,
                          VkPhysicalDevice physical_device, const struct pv_log *log);
void pv_device_facts_finish(struct pv_device_facts *facts); // zeroed is allowed

// The driver's entry for an extension, or NULL. Thread-safety: Safe.
const VkExtensionProperties *pv_device_facts_find_extension(const struct pv_device_facts *facts,
                                                            const char *name);

// True when `physical_device` of another instance is the device of these facts.
bool pv_device_facts_match(const struct pv_device_facts *facts,
                           const struct pv_vk_instance *instance, VkPhysicalDevice physical_device);

#endif

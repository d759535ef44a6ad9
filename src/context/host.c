#include "context/host.h"

#include <stdlib.h>
#include <string.h>

static uint64_t or_default(uint64_t value, uint64_t standard)
{
    return value ? value : standard;
}

bool pv_host_init(struct pv_host *host, const struct pv_renderer_params *params, char *error,
                  size_t error_size)
{
    *host = (struct pv_host){
        .log = {params->log, params->log_user, params->log_level ? params->log_level : PV_LOG_INFO},
        .blob_policy = {.mechanisms = params->memory_mechanisms, .fd_only = params->fd_only},
        .allowed_emulations = ~params->disabled_emulations,
        .max_command_memory = or_default(params->max_command_memory, (uint64_t)256 << 20),
        .max_submission_size = or_default(params->max_submission_size, (uint64_t)64 << 20),
        .max_objects = (uint32_t)or_default(params->max_objects, 4u << 20),
        .max_rings = (uint32_t)or_default(params->max_rings, 256),
        .count_commands = params->count_commands,
        .begin_pulse = params->begin_pulse,
        .end_pulse = params->end_pulse,
        .pulse_user = params->pulse_user,
    };
    pthread_mutex_init(&host->lock, NULL);
    if (!pv_vk_library_open(&host->library, params->vulkan_library, error, error_size)) {
        pv_log(&host->log, PV_LOG_ERROR, "%s", error);
        pthread_mutex_destroy(&host->lock);
        return false;
    }
    return true;
}

void pv_host_finish(struct pv_host *host)
{
    for (uint32_t i = 0; i < host->device_count; i++) {
        pv_device_facts_finish(&host->devices[i].facts);
    }
    free(host->devices);
    pthread_mutex_destroy(&host->lock);
}

static uint32_t needed_emulations(const struct pv_device_facts *facts,
                                  const struct pv_blob_choice *choice)
{
    uint32_t needed = 0;
    const VkExternalSemaphoreFeatureFlags both =
        VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    if ((facts->binary.sync_fd & both) != both ||
        !(facts->fence.sync_fd & VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT)) {
        needed |= PV_EMULATE_SYNC_FD;
    }
    if (choice->fd_types &&
        (!facts->memory.dmabuf_export_types ||
         !pv_device_facts_find_extension(facts, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME) ||
         !pv_device_facts_find_extension(facts, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME))) {
        needed |= PV_EMULATE_DMABUF;
    }
    return needed;
}

static bool host_device_init(struct pv_host *host, const struct pv_vk_instance *instance,
                             VkPhysicalDevice physical_device, struct pv_host_device *device)
{
    if (!pv_device_facts_init(&device->facts, instance, physical_device, &host->log)) {
        return false;
    }
    pv_blob_choose(&device->facts.memory, &host->blob_policy, &device->choice);
    device->emulations =
        needed_emulations(&device->facts, &device->choice) & host->allowed_emulations;
    pv_log(&host->log, PV_LOG_DEBUG, "device %s: memory by %s: %s",
           device->facts.properties.deviceName, pv_memory_mechanism_name(device->choice.mechanism),
           device->choice.reason);
    return true;
}

static void host_probe_locked(struct pv_host *host)
{
    struct pv_vk_instance instance;
    const VkResult result = pv_vk_instance_init(&instance, &host->library, NULL);
    if (result != VK_SUCCESS) {
        pv_log(&host->log, PV_LOG_ERROR,
               "the host's Vulkan driver does not start (VkResult %d): check that a driver is "
               "installed and that VK_DRIVER_FILES, if set, names it",
               result);
        return;
    }
    uint32_t count = 0;
    if (instance.vk.vkEnumeratePhysicalDevices(instance.handle, &count, NULL) != VK_SUCCESS) {
        count = 0;
    }
    VkPhysicalDevice *handles = calloc(count ? count : 1, sizeof(*handles));
    host->devices = calloc(count ? count : 1, sizeof(*host->devices));
    if (handles && host->devices &&
        instance.vk.vkEnumeratePhysicalDevices(instance.handle, &count, handles) >= 0) {
        for (uint32_t i = 0; i < count; i++) {
            // A device that cannot be described is none; it does not hide the others.
            if (host_device_init(host, &instance, handles[i], &host->devices[host->device_count])) {
                host->device_count++;
            }
        }
    }
    free(handles);
    pv_vk_instance_finish(&instance);
}

void pv_host_probe(struct pv_host *host)
{
    pthread_mutex_lock(&host->lock);
    if (!host->probed) {
        host_probe_locked(host);
        host->probed = true;
    }
    pthread_mutex_unlock(&host->lock);
}

const struct pv_host_device *pv_host_find_device(struct pv_host *host,
                                                 const struct pv_vk_instance *instance,
                                                 VkPhysicalDevice physical_device, uint32_t index)
{
    pv_host_probe(host);
    if (index < host->device_count &&
        pv_device_facts_match(&host->devices[index].facts, instance, physical_device)) {
        return &host->devices[index];
    }
    // A device came or went between two instances: look for it by its identity.
    for (uint32_t i = 0; i < host->device_count; i++) {
        if (pv_device_facts_match(&host->devices[i].facts, instance, physical_device)) {
            return &host->devices[i];
        }
    }
    return NULL;
}

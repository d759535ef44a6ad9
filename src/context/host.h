// What the contexts of a renderer share: the host's Vulkan library, the facts of its devices,
// limits and policy. Owned by the renderer; immutable after pv_host_init() but for the devices.
#ifndef PV_CONTEXT_HOST_H
#define PV_CONTEXT_HOST_H

#include "base/log.h"
#include "blob/choose.h"
#include "pv/renderer.h"
#include "vk/device_facts.h"
#include "vk/library.h"

#include <pthread.h>

// Known to every context by its position in vkEnumeratePhysicalDevices.
struct pv_host_device {
    struct pv_device_facts facts;
    struct pv_blob_choice choice;
    uint32_t emulations; // enum pv_emulation bits that this device needs and may use
};

struct pv_host {
    struct pv_log log;
    struct pv_vk_library library;
    struct pv_blob_policy blob_policy;
    uint32_t allowed_emulations; // enum pv_emulation
    uint64_t max_command_memory, max_submission_size;
    uint32_t max_objects, max_rings;
    bool (*begin_pulse)(void *user, const struct pv_pulse *pulse); // as in pv_renderer_params
    void (*end_pulse)(void *user, uint64_t id);
    void *pulse_user;
    _Atomic uint64_t last_pulse;
    // Of devices that never came to rest: they stay until the process ends.
    _Atomic uint32_t abandoned_devices;
    _Atomic uint64_t abandoned_memory; // bytes
    _Atomic bool said_abandoned;
    bool count_commands;

    pthread_mutex_t lock;
    // Probed when first asked for; NULL before. Guarded by `lock` until probed, then immutable.
    struct pv_host_device *devices;
    uint32_t device_count;
    bool probed;
};

// Failure: false, one sentence in `error`.
bool pv_host_init(struct pv_host *host, const struct pv_renderer_params *params, char *error,
                  size_t error_size);
void pv_host_finish(struct pv_host *host);

// Gathers the devices' facts unless that is done. Loads drivers. Thread-safety: Safe.
void pv_host_probe(struct pv_host *host);

// The facts behind `physical_device`, the `index`th of `instance`; NULL if it is unknown or
// cannot serve guests. Thread-safety: Safe.
const struct pv_host_device *pv_host_find_device(struct pv_host *host,
                                                 const struct pv_vk_instance *instance,
                                                 VkPhysicalDevice physical_device, uint32_t index);

#endif

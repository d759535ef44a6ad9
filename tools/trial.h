// Using Vulkan like any program would, in a process of its own: drivers crash and hang.
#ifndef PV_TOOLS_TRIAL_H
#define PV_TOOLS_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#define PV_TRIAL_DEVICES 16

// What a host's driver may have that guests profit from; bits of pv_trial_device.extensions.
#define PV_TRIAL_EXTENSIONS(ONE)                                                                   \
    ONE("VK_EXT_external_memory_host")                                                             \
    ONE("VK_KHR_external_memory_fd")                                                               \
    ONE("VK_EXT_external_memory_dma_buf")                                                          \
    ONE("VK_KHR_external_semaphore_fd")                                                            \
    ONE("VK_KHR_external_fence_fd")                                                                \
    ONE("VK_EXT_image_drm_format_modifier")                                                        \
    ONE("VK_EXT_queue_family_foreign")
extern const char *const pv_trial_extensions[];

struct pv_trial_device {
    char name[256];
    char driver[256]; // name and version, "" if unknown
    uint32_t api_version;
    uint32_t device_type;
    uint32_t extensions;
    bool worked;       // memory was allocated, mapped, and written by a submission
    char problem[256]; // why not
};

struct pv_trial {
    bool has_library;
    uint32_t library_version; // of instances
    uint32_t device_count;
    struct pv_trial_device devices[PV_TRIAL_DEVICES];
    char stage[64];    // the last thing that was begun
    char problem[512]; // "" if all went well
    bool died;         // the process crashed or hung
};

struct pv_trial_params {
    const char *library; // NULL: the platform's loader
    bool tries;          // allocate, map and submit on each device, not only list them
    int timeout_ms;
    // Runs first in the new process, to set its environment. false: no memory.
    bool (*enter)(void *user);
    void *user;
};

void pv_trial_run(const struct pv_trial_params *params, struct pv_trial *trial);

// The process itself, see trial_vulkan.c: reports to `fd` in whole struct pv_trial_message.
struct pv_trial_message {
    enum { PV_TRIAL_STAGE, PV_TRIAL_LIBRARY, PV_TRIAL_DEVICE, PV_TRIAL_PROBLEM } kind;
    uint32_t index; // DEVICE: which; a later message about it replaces an earlier one
    uint32_t version;
    char text[512];
    struct pv_trial_device device;
};
void pv_trial_use_vulkan(const struct pv_trial_params *params, int fd);

#endif

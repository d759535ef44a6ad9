// The renderer: the host's Vulkan driver, shared by the contexts of one process.
//
// A VMM creates one pv_renderer, one pv_context per guest context (virtio-gpu CTX_CREATE with
// capset 4) and one pv_resource per blob. There are no globals: several renderers may live in a
// process. Lifetimes nest: destroy contexts and drop resources before the renderer.
//
//     struct pv_renderer *renderer = pv_renderer_create(NULL, NULL, 0);
//     struct pv_context *context = pv_context_create(renderer, &context_params);
//     pv_context_submit(context, bytes, size);
//     pv_context_destroy(context);
//     pv_renderer_destroy(renderer);
#ifndef PV_RENDERER_H
#define PV_RENDERER_H

#include "pv/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pv/log.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pv_renderer;

// The virtio-gpu capset that Venus guests look for (virtio-gpu GET_CAPSET).
#define PV_CAPSET_VENUS         4
#define PV_CAPSET_VENUS_VERSION 0
#define PV_CAPSET_VENUS_SIZE    160

// How memory of a host driver becomes memory that a guest can map. docs/architecture.md says
// how the choice is made; pv_renderer_get_device() tells what was chosen.
enum pv_memory_mechanism {
    PV_MEMORY_NONE = 0,         // the guest cannot map memory of this device
    PV_MEMORY_HOST_POINTER = 1, // our shared memory, imported (VK_EXT_external_memory_host)
    PV_MEMORY_DMABUF = 2,       // exported by the driver as a dma-buf
    PV_MEMORY_OPAQUE_FD = 3,    // exported as opaque fd, mapped by import into a device
    PV_MEMORY_MAPPED = 4,       // vkMapMemory's pointer; only for VMMs in this process
};

// A sign of life: bits that a guest wants to see set in shared memory at least once in a period; it
// ends its programs otherwise. A thread of the renderer sets them for each context, unless the
// caller does, who may know many renderers and use one timer for all.
struct pv_pulse {
    uint64_t id;        // unique within the renderer
    uint64_t offset;    // of the 32-bit word in the memory
    uint32_t bits;      // to be set by an atomic operation; they are when the pulse begins
    uint32_t period_us; // what the guest asked for
    int fd;             // the memory, PV_FD_SHM; borrowed
};

struct pv_renderer_params {
    pv_log_fn log; // NULL: silent
    void *log_user;
    enum pv_log_level log_level; // 0: PV_LOG_INFO

    // The Vulkan library to open with dlopen: a loader, or a driver such as MoltenVK.
    // NULL: the platform's usual names, in order.
    const char *vulkan_library;

    // Only these mechanisms are considered, as bits 1u << enum pv_memory_mechanism. 0: all.
    uint32_t memory_mechanisms;

    // The VMM maps blobs only through file descriptors (pv_resource_export_fd with type
    // PV_FD_SHM or PV_FD_DMABUF), as vtest clients and sandboxed VMMs do. Memory that can only
    // be mapped in this process is then shown to guests without HOST_VISIBLE.
    bool fd_only;

    // Switch single emulations off; see docs/emulations.md. Bits of enum pv_emulation.
    uint32_t disabled_emulations;

    // Bounds for each context, protecting the host from one guest. 0: the default.
    uint64_t max_command_memory;  // bytes of decoded data for one command; 256 MiB
    uint64_t max_submission_size; // bytes of one pv_context_submit(), which copies them; 64 MiB
    uint32_t max_objects;         // live Vulkan objects; 4 Mi
    uint32_t max_rings;           // rings, the primary one included; 256

    // Contexts count how often they run each command, for pv_context_visit_commands(). Costs a
    // little for each command.
    bool count_commands;

    // Who sets the bits of pulses instead of the renderer; NULL: nobody. end_pulse() returns when
    // the memory will not be touched any more. Called from any thread, for one pulse by one at a
    // time.
    // Failure: false, and the renderer does it.
    bool (*begin_pulse)(void *user, const struct pv_pulse *pulse);
    void (*end_pulse)(void *user, uint64_t id);
    void *pulse_user;
};

// Services the host driver lacks and the renderer supplies.
enum pv_emulation {
    // SYNC_FD fences and semaphores for guests that never pass the file descriptor itself
    // (Mesa before 26.2); without it those guests see Vulkan 1.2 and no swapchain.
    PV_EMULATE_SYNC_FD = 1u << 0,
    // dma-buf, DRM modifier and foreign queue family for linear images in shared memory, as
    // the guest's window-system code wants them.
    PV_EMULATE_DMABUF = 1u << 1,
};

// Opens the host's Vulkan library. Devices are probed when the first context or
// pv_renderer_get_device() asks for them. `params` is borrowed; NULL means all defaults.
// Failure: NULL, and one line in the log (and in `error` if given, at most `error_size` bytes).
// Thread-safety: Safe.
PV_API struct pv_renderer *pv_renderer_create(const struct pv_renderer_params *params, char *error,
                                              size_t error_size);

// All contexts and resources of the renderer must be gone. NULL is allowed.
PV_API void pv_renderer_destroy(struct pv_renderer *renderer);

// Writes the Venus capset, 160 bytes, little endian. `size` may be smaller; then it is cut.
// Needs no renderer because some VMMs ask before they initialise one. Returns the bytes written.
// Thread-safety: Safe.
PV_API size_t pv_capset_fill(void *capset, size_t size);

// What a host device offers and what guests will see of it, for people and for tools.
struct pv_device_info {
    char name[256];
    char driver[256];          // driver name and its own version text, "" if unknown
    uint32_t host_api_version; // VK_MAKE_API_VERSION encoding
    uint32_t guest_api_version;
    uint32_t device_type; // VkPhysicalDeviceType
    uint32_t vendor_id;
    uint32_t device_id;
    uint32_t host_extension_count;
    uint32_t guest_extension_count;
    uint32_t memory_type_count;
    enum pv_memory_mechanism memory_mechanism;
    char memory_reason[256]; // one sentence: why this mechanism, what the better ones lack
    uint32_t emulations;     // enum pv_emulation bits in use on this device
};

// Number of physical devices of the host. 0 also when the instance cannot be created.
PV_API uint32_t pv_renderer_device_count(struct pv_renderer *renderer);

// Fills `info` for device `index`. Failure: false when there is no such device.
PV_API bool pv_renderer_get_device(struct pv_renderer *renderer, uint32_t index,
                                   struct pv_device_info *info);

// The project's version, "MAJOR.MINOR.PATCH". Static storage.
PV_API const char *pv_version(void);

// The newest Vulkan registry this build understands, "1.3.239" for example. Static storage.
PV_API const char *pv_vulkan_registry_version(void);

#ifdef __cplusplus
}
#endif
#endif

// What this build can carry: the extensions of the protocol that the installed registry knows.
#ifndef PV_PROTOCOL_EXTENSIONS_H
#define PV_PROTOCOL_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan_core.h>

struct pv_extension {
    const char *name;
    uint32_t number; // in the Vulkan registry
    uint32_t spec_version;
    bool offered; // shown to guests when the host's device has it
};

extern const struct pv_extension pv_extensions[]; // sorted by name
extern const uint32_t pv_extension_count;

// VK_MAKE_API_VERSION of the registry this build was generated from.
extern const uint32_t pv_registry_version;
extern const char pv_registry_version_text[];

// NULL for extensions outside the protocol.
const struct pv_extension *pv_extension_find(const char *name);

#endif

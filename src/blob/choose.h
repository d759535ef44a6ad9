// Which memory mechanism serves which memory type: a pure function over facts.
//
// Preference (docs/architecture.md has the reasons): our own shared memory imported as a host
// pointer; dma-buf; opaque fd; the pointer of vkMapMemory. The last two only work for VMMs that
// map in this process. A HOST_VISIBLE type that nothing can serve is shown to guests without
// HOST_VISIBLE.
#ifndef PV_BLOB_CHOOSE_H
#define PV_BLOB_CHOOSE_H

#include "pv/renderer.h"
#include "vk/memory_facts.h"

struct pv_blob_policy {
    uint32_t mechanisms; // bits 1u << enum pv_memory_mechanism; 0: all
    bool fd_only;        // the VMM maps through file descriptors alone
};

struct pv_blob_choice {
    // For each memory type: how its memory becomes mappable for the guest. PV_MEMORY_NONE for
    // types that are not HOST_VISIBLE, or that are hidden.
    enum pv_memory_mechanism map[VK_MAX_MEMORY_TYPES];
    // For each memory type: how memory is allocated when the guest asks for dma-buf export.
    // PV_MEMORY_DMABUF where the driver's export works, else what `map` says.
    enum pv_memory_mechanism share[VK_MAX_MEMORY_TYPES];
    // One sentence per memory type. Static storage.
    const char *type_reason[VK_MAX_MEMORY_TYPES];

    uint32_t type_count;
    uint32_t hidden_types; // HOST_VISIBLE on the host, not for guests
    // A HOST_VISIBLE | HOST_COHERENT type is left. Mesa's driver writes out of bounds without
    // one, so a device that lacks it must not be shown.
    bool usable;
    // Bit i: share[i] yields a descriptor that maps at offset 0, a real dma-buf or shared memory.
    // PV_EMULATE_DMABUF needs linear images that can use one of these types.
    uint32_t fd_types;

    enum pv_memory_mechanism mechanism; // the one of the first usable type
    char reason[256];                   // one sentence for pv_device_info
};

void pv_blob_choose(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                    struct pv_blob_choice *choice);

// Takes HOST_VISIBLE, HOST_COHERENT and HOST_CACHED from hidden types, in the driver's answer to
// vkGetPhysicalDeviceMemoryProperties(2). Count and order of the types stay.
void pv_blob_choice_hide(const struct pv_blob_choice *choice,
                         VkPhysicalDeviceMemoryProperties *properties);

// "host pointer", "dma-buf" ...; for logs and tools. Static storage.
const char *pv_memory_mechanism_name(enum pv_memory_mechanism mechanism);

#endif

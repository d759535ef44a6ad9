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

// Guests see the host's memory types in the host's order, and sometimes one more. Where sparse
// binding does not work with shared memory and every type's memory is shared, as with lavapipe's
// only type, the first type that can be sparse-bound is shown twice: first as memory that cannot
// be mapped, which the driver allocates without us and sparse resources alone want; then as it is.
// Arrays and masks here are indexed by the guest's type.
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
    uint32_t plain_type;   // shown twice: this one cannot be mapped, the next can; or UINT32_MAX
    uint32_t sparse_types; // that sparse resources may be bound to; 0: sparse binding is hidden
    // One of them is HOST_VISIBLE and HOST_COHERENT for guests. Vulkan demands that of linear
    // images, sparse or not, so without it there are no sparse ones.
    bool sparse_linear;
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

// Turns the driver's answer to vkGetPhysicalDeviceMemoryProperties(2) into the guest's: hidden
// types lose HOST_VISIBLE, HOST_COHERENT and HOST_CACHED, and the plain type comes in.
void pv_blob_choice_show(const struct pv_blob_choice *choice,
                         VkPhysicalDeviceMemoryProperties *properties);

// The host's memory type behind a guest's below type_count.
uint32_t pv_blob_choice_host_type(const struct pv_blob_choice *choice, uint32_t type);

// The memoryTypeBits of an ordinary or a sparse resource as the guest sees them.
uint32_t pv_blob_choice_resource_types(const struct pv_blob_choice *choice, uint32_t host_types,
                                       bool sparse);

// "host pointer", "dma-buf" ...; for logs and tools. Static storage.
const char *pv_memory_mechanism_name(enum pv_memory_mechanism mechanism);

#endif

// The decision which mechanism serves which memory type. No driver calls, no state.
#include "blob/choose.h"

#include <stdio.h>
#include <string.h>

// A verdict on one mechanism for the whole device: NULL when it works for some type.
struct lacks {
    const char *host_pointer, *dmabuf, *opaque_fd, *mapped;
};

static bool allows(const struct pv_blob_policy *policy, enum pv_memory_mechanism mechanism)
{
    return policy->mechanisms == 0 || (policy->mechanisms & (1u << mechanism));
}

static struct lacks find_lacks(const struct pv_memory_facts *facts,
                               const struct pv_blob_policy *policy)
{
    struct lacks lacks = {0};
    if (!allows(policy, PV_MEMORY_HOST_POINTER)) {
        lacks.host_pointer = "switched off";
    } else if (!facts->host_pointer_advertised) {
        lacks.host_pointer = "not offered by the driver";
    } else if (facts->host_pointer_types == 0) {
        lacks.host_pointer = "refused for shared memory";
    }
    if (!allows(policy, PV_MEMORY_DMABUF)) {
        lacks.dmabuf = "switched off";
    } else if (!facts->dmabuf_advertised) {
        lacks.dmabuf = "not exported by the driver";
    } else if (facts->dmabuf_map_types == 0) {
        lacks.dmabuf = facts->dmabuf_export_types ? "not mappable" : "failing when exported";
    }
    if (!allows(policy, PV_MEMORY_OPAQUE_FD)) {
        lacks.opaque_fd = "switched off";
    } else if (policy->fd_only) {
        lacks.opaque_fd = "not mappable by descriptor";
    } else if (!facts->opaque_fd_advertised) {
        lacks.opaque_fd = "not offered by the driver";
    } else if (facts->opaque_fd_types == 0) {
        lacks.opaque_fd = "failing when imported";
    }
    if (!allows(policy, PV_MEMORY_MAPPED)) {
        lacks.mapped = "switched off";
    } else if (policy->fd_only) {
        lacks.mapped = "of use in this process only";
    }
    return lacks;
}

static enum pv_memory_mechanism choose_map(const struct pv_memory_facts *facts,
                                           const struct pv_blob_policy *policy, uint32_t type,
                                           const char **reason)
{
    const uint32_t bit = 1u << type;
    if (allows(policy, PV_MEMORY_HOST_POINTER) && (facts->host_pointer_types & bit)) {
        *reason = "shared memory, imported into the driver as a host pointer";
        return PV_MEMORY_HOST_POINTER;
    }
    if (allows(policy, PV_MEMORY_DMABUF) && (facts->dmabuf_map_types & bit)) {
        *reason = "exported as a dma-buf, as host pointers are not to be had for this type";
        return PV_MEMORY_DMABUF;
    }
    if (policy->fd_only) {
        *reason = "shown without HOST_VISIBLE, as no descriptor of this type can be mapped";
        return PV_MEMORY_NONE;
    }
    if (allows(policy, PV_MEMORY_OPAQUE_FD) && (facts->opaque_fd_types & bit)) {
        *reason = "exported as an opaque fd, mapped by importing it again";
        return PV_MEMORY_OPAQUE_FD;
    }
    if (allows(policy, PV_MEMORY_MAPPED)) {
        *reason = "the driver's own mapping, shared within this process";
        return PV_MEMORY_MAPPED;
    }
    *reason = "shown without HOST_VISIBLE, as no allowed mechanism serves this type";
    return PV_MEMORY_NONE;
}

static enum pv_memory_mechanism choose_share(const struct pv_memory_facts *facts,
                                             const struct pv_blob_policy *policy, uint32_t type,
                                             enum pv_memory_mechanism map)
{
    const uint32_t bit = 1u << type;
    if (!allows(policy, PV_MEMORY_DMABUF) || !(facts->dmabuf_export_types & bit)) {
        return map;
    }
    // Memory that the guest may also map must not lose that by being shared.
    if (map != PV_MEMORY_NONE && !(facts->dmabuf_map_types & bit)) {
        return map;
    }
    return PV_MEMORY_DMABUF;
}

static uint32_t count_bits(uint32_t bits)
{
    return (uint32_t)__builtin_popcount(bits);
}

// "; 2 of 3 host-visible types are shown without HOST_VISIBLE", or nothing.
static void describe_hidden(const struct pv_blob_choice *choice, uint32_t visible_types, char *text,
                            size_t size)
{
    text[0] = '\0';
    if (choice->hidden_types != 0 && choice->hidden_types != visible_types) {
        snprintf(text, size, "; %u of %u host-visible types shown without HOST_VISIBLE",
                 count_bits(choice->hidden_types), count_bits(visible_types));
    }
}

static void describe(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                     uint32_t visible_types, struct pv_blob_choice *choice)
{
    const struct lacks lacks = find_lacks(facts, policy);
    char hidden[96];
    describe_hidden(choice, visible_types, hidden, sizeof(hidden));
    const size_t size = sizeof(choice->reason);
    switch (choice->mechanism) {
    case PV_MEMORY_HOST_POINTER:
        snprintf(choice->reason, size,
                 "shared memory imported through VK_EXT_external_memory_host works%s", hidden);
        break;
    case PV_MEMORY_DMABUF:
        snprintf(choice->reason, size, "dma-bufs work; host pointers are %s%s",
                 lacks.host_pointer ? lacks.host_pointer : "of use for other types only", hidden);
        break;
    case PV_MEMORY_OPAQUE_FD:
        snprintf(choice->reason, size,
                 "opaque fds work by import; host pointers are %s, dma-bufs %s%s",
                 lacks.host_pointer ? lacks.host_pointer : "of use for other types only",
                 lacks.dmabuf ? lacks.dmabuf : "of use for other types only", hidden);
        break;
    case PV_MEMORY_MAPPED:
        snprintf(choice->reason, size,
                 "the driver's mappings; host pointers are %s, dma-bufs %s, opaque fds %s%s",
                 lacks.host_pointer ? lacks.host_pointer : "of use for other types only",
                 lacks.dmabuf ? lacks.dmabuf : "of use for other types only",
                 lacks.opaque_fd ? lacks.opaque_fd : "of use for other types only", hidden);
        break;
    case PV_MEMORY_NONE:
        if (visible_types == 0) {
            snprintf(choice->reason, size, "the device has no coherent host-visible memory");
            break;
        }
        snprintf(choice->reason, size,
                 "no coherent memory can be mapped: host pointers are %s, dma-bufs %s, opaque "
                 "fds %s, mappings %s",
                 lacks.host_pointer ? lacks.host_pointer : "of use for other types only",
                 lacks.dmabuf ? lacks.dmabuf : "of use for other types only",
                 lacks.opaque_fd ? lacks.opaque_fd : "of use for other types only",
                 lacks.mapped ? lacks.mapped : "of use for other types only");
        break;
    }
}

void pv_blob_choose(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                    struct pv_blob_choice *choice)
{
    const uint32_t known = facts->properties.memoryTypeCount;
    const uint32_t count = known < VK_MAX_MEMORY_TYPES ? known : VK_MAX_MEMORY_TYPES;
    *choice = (struct pv_blob_choice){.type_count = count};
    uint32_t visible_types = 0;
    for (uint32_t i = 0; i < count; i++) {
        const VkMemoryPropertyFlags flags = facts->properties.memoryTypes[i].propertyFlags;
        if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
            visible_types |= 1u << i;
            choice->map[i] = choose_map(facts, policy, i, &choice->type_reason[i]);
        } else {
            choice->type_reason[i] = "not host visible";
        }
        choice->share[i] = choose_share(facts, policy, i, choice->map[i]);

        if ((visible_types & (1u << i)) && choice->map[i] == PV_MEMORY_NONE) {
            choice->hidden_types |= 1u << i;
        }
        if (choice->share[i] == PV_MEMORY_DMABUF || choice->share[i] == PV_MEMORY_HOST_POINTER) {
            choice->fd_types |= 1u << i;
        }
        if (choice->map[i] != PV_MEMORY_NONE && (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) &&
            !choice->usable) {
            choice->usable = true;
            choice->mechanism = choice->map[i];
        }
    }
    describe(facts, policy, visible_types, choice);
}

void pv_blob_choice_hide(const struct pv_blob_choice *choice,
                         VkPhysicalDeviceMemoryProperties *properties)
{
    for (uint32_t i = 0; i < properties->memoryTypeCount; i++) {
        if (choice->hidden_types & (1u << i)) {
            properties->memoryTypes[i].propertyFlags &=
                ~(VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        }
    }
}

const char *pv_memory_mechanism_name(enum pv_memory_mechanism mechanism)
{
    switch (mechanism) {
    case PV_MEMORY_NONE:
        return "none";
    case PV_MEMORY_HOST_POINTER:
        return "host pointer";
    case PV_MEMORY_DMABUF:
        return "dma-buf";
    case PV_MEMORY_OPAQUE_FD:
        return "opaque fd";
    case PV_MEMORY_MAPPED:
        return "mapped pointer";
    }
    return "unknown";
}

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

uint32_t pv_blob_choice_host_type(const struct pv_blob_choice *choice, uint32_t type)
{
    return type > choice->plain_type ? type - 1 : type;
}

// The host's types whose memory can be sparse-bound when it is made by `mechanism`.
static uint32_t sparse_types_of(const struct pv_memory_facts *facts,
                                enum pv_memory_mechanism mechanism)
{
    switch (mechanism) {
    case PV_MEMORY_NONE:
    case PV_MEMORY_MAPPED: // the driver's ordinary memory
        return facts->sparse_types;
    case PV_MEMORY_HOST_POINTER:
        return facts->sparse_import_types;
    case PV_MEMORY_DMABUF:
        return facts->sparse_dmabuf_types;
    case PV_MEMORY_OPAQUE_FD:
        break; // not tried out: other mechanisms come before it
    }
    return 0;
}

static uint32_t find_sparse_types(const struct pv_memory_facts *facts,
                                  const struct pv_blob_choice *choice)
{
    uint32_t types = 0;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        if (sparse_types_of(facts, choice->map[i]) & (1u << pv_blob_choice_host_type(choice, i))) {
            types |= 1u << i;
        }
    }
    return types;
}

static bool is_mappable(const struct pv_memory_facts *facts, const struct pv_blob_choice *choice,
                        uint32_t type)
{
    const VkMemoryType *host =
        &facts->properties.memoryTypes[pv_blob_choice_host_type(choice, type)];
    return choice->map[type] != PV_MEMORY_NONE &&
           (host->propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
}

static void choose_type(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                        uint32_t type, struct pv_blob_choice *choice)
{
    const uint32_t host_type = pv_blob_choice_host_type(choice, type);
    const VkPhysicalDeviceMemoryProperties *properties = &facts->properties;
    const VkMemoryPropertyFlags flags = properties->memoryTypes[host_type].propertyFlags;
    const bool visible =
        (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) && type != choice->plain_type;
    choice->type_reason[type] = "not host visible";
    if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        choice->map[type] = choose_map(facts, policy, host_type, &choice->type_reason[type]);
    }
    // Who shares memory of the plain type gets what he would get of the other.
    choice->share[type] = choose_share(facts, policy, host_type, choice->map[type]);
    if (type == choice->plain_type) {
        choice->map[type] = PV_MEMORY_NONE;
        choice->type_reason[type] = "for sparse resources, which cannot be bound to shared memory";
    }
    if (visible && choice->map[type] == PV_MEMORY_NONE) {
        choice->hidden_types |= 1u << type;
    }
    if (choice->share[type] == PV_MEMORY_DMABUF || choice->share[type] == PV_MEMORY_HOST_POINTER) {
        choice->fd_types |= 1u << type;
    }
    if (is_mappable(facts, choice, type) && !choice->usable) {
        choice->usable = true;
        choice->mechanism = choice->map[type];
    }
}

static void choose_types(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                         uint32_t plain_type, struct pv_blob_choice *choice)
{
    const uint32_t known = facts->properties.memoryTypeCount;
    const uint32_t count = known < VK_MAX_MEMORY_TYPES ? known : VK_MAX_MEMORY_TYPES;
    *choice = (struct pv_blob_choice){
        .type_count = count + (plain_type != UINT32_MAX),
        .plain_type = plain_type,
    };
    for (uint32_t i = 0; i < choice->type_count; i++) {
        choose_type(facts, policy, i, choice);
    }
    choice->sparse_types = find_sparse_types(facts, choice);
    for (uint32_t i = 0; i < choice->type_count; i++) {
        if ((choice->sparse_types & (1u << i)) && is_mappable(facts, choice, i)) {
            choice->sparse_linear = true;
        }
    }
}

void pv_blob_choose(const struct pv_memory_facts *facts, const struct pv_blob_policy *policy,
                    struct pv_blob_choice *choice)
{
    choose_types(facts, policy, UINT32_MAX, choice);
    if (choice->sparse_types == 0 && facts->sparse_types != 0 &&
        choice->type_count < VK_MAX_MEMORY_TYPES) {
        choose_types(facts, policy, (uint32_t)__builtin_ctz(facts->sparse_types), choice);
    }
    uint32_t visible_types = 0;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        const uint32_t host_type = pv_blob_choice_host_type(choice, i);
        if (i != choice->plain_type && (facts->properties.memoryTypes[host_type].propertyFlags &
                                        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)) {
            visible_types |= 1u << i;
        }
    }
    describe(facts, policy, visible_types, choice);
}

uint32_t pv_blob_choice_resource_types(const struct pv_blob_choice *choice, uint32_t host_types,
                                       bool sparse)
{
    uint32_t types = 0;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        if (host_types & (1u << pv_blob_choice_host_type(choice, i))) {
            types |= 1u << i;
        }
    }
    const uint32_t plain = choice->plain_type != UINT32_MAX ? 1u << choice->plain_type : 0;
    return types & (sparse ? choice->sparse_types : ~plain);
}

void pv_blob_choice_show(const struct pv_blob_choice *choice,
                         VkPhysicalDeviceMemoryProperties *properties)
{
    const VkMemoryPropertyFlags host =
        (VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    const VkPhysicalDeviceMemoryProperties driver = *properties;
    properties->memoryTypeCount = choice->type_count;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        properties->memoryTypes[i] = driver.memoryTypes[pv_blob_choice_host_type(choice, i)];
        if (i == choice->plain_type || (choice->hidden_types & (1u << i))) {
            properties->memoryTypes[i].propertyFlags &= ~host;
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

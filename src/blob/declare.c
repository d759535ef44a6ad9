// Adding handle types to buffers and images; see declare.h.
#include "blob/declare.h"

#include "blob/backend.h"
#include "blob/chain.h"

#include <stdlib.h>
#include <string.h>

static const VkExternalMemoryHandleTypeFlagBits known_types[] = {
    VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
};
#define KNOWN_TYPE_COUNT (sizeof(known_types) / sizeof(known_types[0]))

static VkExternalMemoryHandleTypeFlags handle_type_of(enum pv_memory_mechanism mechanism)
{
    switch (mechanism) {
    case PV_MEMORY_HOST_POINTER:
        return VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    case PV_MEMORY_DMABUF:
        return VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    case PV_MEMORY_OPAQUE_FD:
        return VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    case PV_MEMORY_NONE:
    case PV_MEMORY_MAPPED:
        break;
    }
    return 0;
}

// The types through which memory of this device may reach a buffer without a wish of the guest.
static VkExternalMemoryHandleTypeFlags mapping_types(const struct pv_blob_choice *choice)
{
    VkExternalMemoryHandleTypeFlags types = 0;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        types |= handle_type_of(choice->map[i]);
    }
    return types;
}

// Whether all memory of the device proper is shared with guests, as where it is the host's.
static bool shares_device_memory(const struct pv_blob_device *device)
{
    const struct pv_blob_choice *choice = device->params.choice;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        const uint32_t host_type = pv_blob_choice_host_type(choice, i);
        if ((pv_blob_device_type_flags(device, host_type) & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) &&
            choice->map[i] == PV_MEMORY_NONE && i != choice->plain_type) {
            return false;
        }
    }
    return true;
}

VkExternalMemoryHandleTypeFlags
pv_blob_translate_handle_types(const struct pv_blob_choice *choice,
                               VkExternalMemoryHandleTypeFlags guest_types)
{
    const VkExternalMemoryHandleTypeFlags dma_buf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    if (!(guest_types & dma_buf)) {
        return guest_types;
    }
    VkExternalMemoryHandleTypeFlags shared = 0;
    for (uint32_t i = 0; i < choice->type_count; i++) {
        shared |= handle_type_of(choice->share[i]);
    }
    // Types that really export dma-bufs stand for all: the guest then shares through them.
    return (guest_types & ~dma_buf) | (shared & dma_buf ? dma_buf : shared);
}

VkExternalMemoryHandleTypeFlags pv_declare_compatible(const struct pv_declare_facts *facts,
                                                      VkExternalMemoryHandleTypeFlags wanted,
                                                      VkExternalMemoryHandleTypeFlags declared)
{
    const VkExternalMemoryHandleTypeFlags compatible[KNOWN_TYPE_COUNT] = {
        facts->compatible.host_allocation,
        facts->compatible.dma_buf,
        facts->compatible.opaque_fd,
    };
    for (size_t i = 0; i < KNOWN_TYPE_COUNT; i++) {
        if (!(wanted & known_types[i]) || (declared & ~compatible[i])) {
            continue;
        }
        bool mutual = true;
        for (size_t j = 0; j < KNOWN_TYPE_COUNT; j++) {
            mutual = mutual && (!(declared & known_types[j]) || (compatible[j] & known_types[i]));
        }
        if (mutual) {
            declared |= known_types[i];
        }
    }
    return declared;
}

VkExternalMemoryHandleTypeFlags pv_blob_buffer_handle_types(const struct pv_blob_device *device,
                                                            const VkBufferCreateInfo *info)
{
    const struct pv_declare_facts *facts = &device->params.facts->declare;
    const struct pv_blob_choice *choice = device->params.choice;
    const VkExternalMemoryBufferCreateInfo *external =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
    const VkExternalMemoryHandleTypeFlags declared =
        external ? pv_blob_translate_handle_types(choice, external->handleTypes) : 0;
    // The facts are those of plain buffers.
    const VkBufferCreateFlags special =
        VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_PROTECTED_BIT;
    if (info->flags & special) {
        return declared;
    }
    return pv_declare_compatible(facts, mapping_types(choice) & facts->buffer_types, declared);
}

// -- what the driver says of images ----------------------------------------------------------

// A question to the driver, but for lists of formats. Compared as bytes: no padding.
struct image_question {
    uint32_t format, type, tiling, usage, flags, stencil_usage, handle_type;
};
_Static_assert(sizeof(struct image_question) == 7 * sizeof(uint32_t), "no padding");

struct image_answer {
    bool refused; // or only for dedicated allocations
    VkImageFormatProperties limits;
};

// Immutable once it is in the table.
struct pv_declare_entry {
    struct image_question question;
    struct image_answer answer;
};

static void ask_driver(const struct pv_blob_device *device, const struct image_question *question,
                       const VkImageFormatListCreateInfo *guest_formats,
                       struct image_answer *answer)
{
    VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .handleType = (VkExternalMemoryHandleTypeFlagBits)question->handle_type,
    };
    VkImageFormatListCreateInfo formats;
    VkImageStencilUsageCreateInfo stencil = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_STENCIL_USAGE_CREATE_INFO,
        .stencilUsage = question->stencil_usage,
    };
    if (guest_formats) {
        formats = *guest_formats;
        formats.pNext = external.pNext;
        external.pNext = &formats;
    }
    if (question->stencil_usage) {
        stencil.pNext = external.pNext;
        external.pNext = &stencil;
    }
    const VkPhysicalDeviceImageFormatInfo2 query = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &external,
        .format = (VkFormat)question->format,
        .type = (VkImageType)question->type,
        .tiling = (VkImageTiling)question->tiling,
        .usage = question->usage,
        .flags = question->flags,
    };
    VkExternalImageFormatProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 result = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &properties,
    };
    const VkResult status = device->params.instance_vk->vkGetPhysicalDeviceImageFormatProperties2(
        device->params.physical_device, &query, &result);
    *answer = (struct image_answer){
        .refused =
            status != VK_SUCCESS || (properties.externalMemoryProperties.externalMemoryFeatures &
                                     VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT),
        .limits = result.imageFormatProperties,
    };
}

static uint32_t hash(const struct image_question *question)
{
    uint32_t words[7], value = 2166136261u;
    memcpy(words, question, sizeof(words));
    for (size_t i = 0; i < 7; i++) {
        value = (value ^ words[i]) * 16777619u;
        value ^= value >> 15;
    }
    return value;
}

// Answers stay for the device's life. Readers take no lock; when a question's places are taken,
// the driver is asked each time, so that a guest with many questions costs no more memory.
static void find_answer(struct pv_blob_device *device, const struct image_question *question,
                        struct image_answer *answer)
{
    const uint32_t first = hash(question);
    for (uint32_t i = 0; i < PV_DECLARE_PROBES; i++) {
        struct pv_declare_entry *_Atomic *place =
            &device->declared[(first + i) % PV_DECLARE_ENTRIES];
        // Pairs with the exchange below: what it points to is complete.
        struct pv_declare_entry *entry = atomic_load_explicit(place, memory_order_acquire);
        if (entry) {
            if (memcmp(&entry->question, question, sizeof(*question)) == 0) {
                *answer = entry->answer;
                return;
            }
            continue;
        }
        ask_driver(device, question, NULL, answer);
        entry = malloc(sizeof(*entry));
        if (!entry) {
            return;
        }
        *entry = (struct pv_declare_entry){*question, *answer};
        struct pv_declare_entry *none = NULL;
        if (!atomic_compare_exchange_strong_explicit(place, &none, entry, memory_order_release,
                                                     memory_order_relaxed)) {
            free(entry); // somebody else was faster
        }
        return;
    }
    ask_driver(device, question, NULL, answer);
}

// Whether the driver makes this image with `type` declared.
static bool image_accepts(struct pv_blob_device *device, const VkImageCreateInfo *info,
                          VkExternalMemoryHandleTypeFlagBits type)
{
    const VkImageFormatListCreateInfo *formats =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO);
    const VkImageStencilUsageCreateInfo *stencil =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_IMAGE_STENCIL_USAGE_CREATE_INFO);
    const struct image_question question = {
        .format = (uint32_t)info->format,
        .type = (uint32_t)info->imageType,
        .tiling = (uint32_t)info->tiling,
        .usage = info->usage,
        .flags = info->flags,
        .stencil_usage = stencil ? stencil->stencilUsage : 0,
        .handle_type = (uint32_t)type,
    };
    struct image_answer answer;
    if (formats) {
        ask_driver(device, &question, formats, &answer);
    } else {
        find_answer(device, &question, &answer);
    }
    const VkImageFormatProperties *limits = &answer.limits;
    return !answer.refused && info->extent.width <= limits->maxExtent.width &&
           info->extent.height <= limits->maxExtent.height &&
           info->extent.depth <= limits->maxExtent.depth &&
           info->mipLevels <= limits->maxMipLevels && info->arrayLayers <= limits->maxArrayLayers &&
           (info->samples & limits->sampleCounts);
}

void pv_declare_finish(struct pv_blob_device *device)
{
    for (uint32_t i = 0; i < PV_DECLARE_ENTRIES; i++) {
        free(atomic_load_explicit(&device->declared[i], memory_order_relaxed));
    }
}

VkExternalMemoryHandleTypeFlags pv_blob_image_handle_types(struct pv_blob_device *device,
                                                           const VkImageCreateInfo *info)
{
    const struct pv_declare_facts *facts = &device->params.facts->declare;
    const struct pv_blob_choice *choice = device->params.choice;
    const VkExternalMemoryImageCreateInfo *external =
        pv_blob_chain_find(info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    VkExternalMemoryHandleTypeFlags declared =
        external ? pv_blob_translate_handle_types(choice, external->handleTypes) : 0;
    const VkImageCreateFlags special =
        VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_PROTECTED_BIT;
    VkExternalMemoryHandleTypeFlags wanted = mapping_types(choice);
    if (info->tiling == VK_IMAGE_TILING_LINEAR) {
        wanted &= facts->linear_image_types;
    } else if (info->tiling == VK_IMAGE_TILING_OPTIMAL) {
        // External images may lose compression: only where they cannot do without.
        wanted = shares_device_memory(device) ? wanted & facts->optimal_image_types : 0;
    } else {
        wanted = 0; // a modifier's external properties are the guest's to ask for
    }
    if ((info->flags & special) || info->initialLayout == VK_IMAGE_LAYOUT_PREINITIALIZED) {
        wanted = 0; // external images begin undefined
    }
    for (size_t i = 0; i < KNOWN_TYPE_COUNT; i++) {
        if ((wanted & ~declared & known_types[i]) && image_accepts(device, info, known_types[i])) {
            declared = pv_declare_compatible(facts, known_types[i], declared);
        }
    }
    return declared;
}

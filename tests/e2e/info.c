// What the device says about itself, as text. The runner compares it line by line: through pv-venus
// it must be what the host's driver says, but for what the guest driver changes by design.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

enum info_kind { INFO_U8, INFO_U32, INFO_I32, INFO_U64, INFO_FLOAT, INFO_TEXT };

struct info_field {
    const char *name;
    enum info_kind kind;
    size_t offset, size;
};

struct info_structure {
    const char *name;
    VkStructureType type;
    uint32_t version;      // that has it in the core, 0: none
    const char *extension; // that has it, NULL: none
    size_t size;
    const struct info_field *fields;
    size_t field_count;
};

#include "info_fields.h"

static void print_value(enum info_kind kind, const char *at)
{
    union {
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        float number;
    } value;
    switch (kind) {
    case INFO_U8:
        printf("%02x", (unsigned char)*at);
        return;
    case INFO_U32:
        memcpy(&value.u32, at, sizeof(value.u32));
        printf(" %" PRIu32, value.u32);
        return;
    case INFO_I32:
        memcpy(&value.i32, at, sizeof(value.i32));
        printf(" %" PRId32, value.i32);
        return;
    case INFO_U64:
        memcpy(&value.u64, at, sizeof(value.u64));
        printf(" %" PRIu64, value.u64);
        return;
    case INFO_FLOAT:
        memcpy(&value.number, at, sizeof(value.number));
        printf(" %.9g", (double)value.number);
        return;
    case INFO_TEXT:
        printf(" '%s'", at);
        return;
    }
}

static void print_structure(const struct info_structure *structure, const void *values)
{
    static const size_t sizes[] = {[INFO_U8] = 1,  [INFO_U32] = 4,   [INFO_I32] = 4,
                                   [INFO_U64] = 8, [INFO_FLOAT] = 4, [INFO_TEXT] = 0};
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct info_field *field = &structure->fields[i];
        const size_t step = sizes[field->kind] ? sizes[field->kind] : field->size;
        printf("%s.%s =%s", structure->name, field->name, field->kind == INFO_U8 ? " " : "");
        for (size_t at = 0; at < field->size; at += step) {
            print_value(field->kind, (const char *)values + field->offset + at);
        }
        putchar('\n');
    }
}

static bool structure_known(const struct e2e *t, const struct info_structure *structure)
{
    return (structure->version && t->api_version >= structure->version) ||
           (structure->extension && e2e_has_extension(t, structure->extension));
}

// Chains every structure the device knows behind the first of the table, asks once, prints all.
static void print_chain(struct e2e *t, const struct info_structure *structures, size_t count,
                        bool properties)
{
    VkBaseOutStructure **chain = e2e_alloc(count, sizeof(VkBaseOutStructure *));
    VkBaseOutStructure *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !structure_known(t, &structures[i])) {
            continue;
        }
        chain[i] = e2e_alloc(1, structures[i].size);
        chain[i]->sType = structures[i].type;
        if (last) {
            last->pNext = chain[i];
        }
        last = chain[i];
    }
    if (properties) {
        vkGetPhysicalDeviceProperties2(t->physical, (VkPhysicalDeviceProperties2 *)(void *)*chain);
    } else {
        vkGetPhysicalDeviceFeatures2(t->physical, (VkPhysicalDeviceFeatures2 *)(void *)*chain);
    }
    for (size_t i = 0; i < count; i++) {
        if (chain[i]) {
            print_structure(&structures[i], chain[i]);
            free(chain[i]);
        }
    }
    free(chain);
}

void case_info_features(struct e2e *t)
{
    e2e_open_instance(t);
    print_chain(t, info_features, COUNT(info_features), false);
}

void case_info_properties(struct e2e *t)
{
    e2e_open_instance(t);
    print_chain(t, info_properties, COUNT(info_properties), true);
}

static int compare_extensions(const void *a, const void *b)
{
    return strcmp(((const VkExtensionProperties *)a)->extensionName,
                  ((const VkExtensionProperties *)b)->extensionName);
}

void case_info_extensions(struct e2e *t)
{
    e2e_open_instance(t);
    qsort(t->extensions, t->extension_count, sizeof(*t->extensions), compare_extensions);
    for (uint32_t i = 0; i < t->extension_count; i++) {
        e2e_print("%s = %u", t->extensions[i].extensionName, t->extensions[i].specVersion);
    }
}

void case_info_memory(struct e2e *t)
{
    e2e_open_instance(t);
    for (uint32_t i = 0; i < t->memory.memoryTypeCount; i++) {
        e2e_print("type %u: flags 0x%x, heap %u", i, t->memory.memoryTypes[i].propertyFlags,
                  t->memory.memoryTypes[i].heapIndex);
    }
    for (uint32_t i = 0; i < t->memory.memoryHeapCount; i++) {
        e2e_print("heap %u: flags 0x%x, %" PRIu64 " bytes", i, t->memory.memoryHeaps[i].flags,
                  t->memory.memoryHeaps[i].size);
    }
}

void case_info_queue_families(struct e2e *t)
{
    VkQueueFamilyProperties2 families[16];
    uint32_t count = 0;
    e2e_open_instance(t);
    vkGetPhysicalDeviceQueueFamilyProperties2(t->physical, &count, NULL);
    CHECK(count > 0 && count <= COUNT(families), "%u queue families", count);
    memset(families, 0, sizeof(families));
    for (uint32_t i = 0; i < count; i++) {
        families[i].sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2;
    }
    vkGetPhysicalDeviceQueueFamilyProperties2(t->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        const VkQueueFamilyProperties *family = &families[i].queueFamilyProperties;
        const VkExtent3D grain = family->minImageTransferGranularity;
        e2e_print("family %u: flags 0x%x, %u queues, %u timestamp bits, granularity %ux%ux%u", i,
                  family->queueFlags, family->queueCount, family->timestampValidBits, grain.width,
                  grain.height, grain.depth);
    }
}

void case_info_device_groups(struct e2e *t)
{
    e2e_open_instance(t);
    VkPhysicalDeviceGroupProperties groups[8];
    memset(groups, 0, sizeof(groups));
    uint32_t count = COUNT(groups);
    for (uint32_t i = 0; i < count; i++) {
        groups[i].sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES;
    }
    OK(vkEnumeratePhysicalDeviceGroups(t->instance, &count, groups));
    for (uint32_t i = 0; i < count; i++) {
        e2e_print("group %u: %u devices, subset allocation %u", i, groups[i].physicalDeviceCount,
                  groups[i].subsetAllocation);
    }
}

// Every format there is without an extension, and those that later versions took in.
static const struct {
    uint32_t first, last;
} formats[] = {{1, 184},
               {1000156000, 1000156033},
               {1000330000, 1000330003},
               {1000340000, 1000340001},
               {1000066000, 1000066013}};

void case_info_formats(struct e2e *t)
{
    e2e_open_instance(t);
    for (size_t range = 0; range < COUNT(formats); range++) {
        for (uint32_t f = formats[range].first; f <= formats[range].last; f++) {
            VkFormatProperties3 wide = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3};
            VkFormatProperties2 has = {
                .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
                .pNext = t->api_version >= VK_API_VERSION_1_3 ? &wide : NULL,
            };
            vkGetPhysicalDeviceFormatProperties2(t->physical, (VkFormat)f, &has);
            e2e_print("format %u: linear 0x%x, optimal 0x%x, buffer 0x%x", f,
                      has.formatProperties.linearTilingFeatures,
                      has.formatProperties.optimalTilingFeatures,
                      has.formatProperties.bufferFeatures);
            e2e_print(
                "format %u, wide: linear 0x%" PRIx64 ", optimal 0x%" PRIx64 ", buffer 0x%" PRIx64,
                f, wide.linearTilingFeatures, wide.optimalTilingFeatures, wide.bufferFeatures);
        }
    }
}

void case_info_image_formats(struct e2e *t)
{
    static const VkImageUsageFlags usages[] = {
        VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT, VK_IMAGE_USAGE_STORAGE_BIT,
        VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT};
    static const VkImageCreateFlags flags[] = {0, VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT,
                                               VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT};
    e2e_open_instance(t);
    for (VkFormat format = 1; format <= 184; format++) {
        for (uint32_t i = 0; i < 3 * 2 * COUNT(usages) * COUNT(flags); i++) {
            const VkImageType type = (VkImageType)(i % 3);
            const VkImageTiling tiling = (VkImageTiling)(i / 3 % 2);
            const VkImageUsageFlags usage = usages[i / 6 % COUNT(usages)];
            const VkImageCreateFlags flag = flags[i / 6 / COUNT(usages)];
            if ((flag & VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT) && type != VK_IMAGE_TYPE_2D) {
                continue;
            }
            const VkPhysicalDeviceImageFormatInfo2 query = {
                .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
                .format = format,
                .type = type,
                .tiling = tiling,
                .usage = usage,
                .flags = flag,
            };
            VkImageFormatProperties2 answer = {
                .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
            };
            const VkResult result =
                vkGetPhysicalDeviceImageFormatProperties2(t->physical, &query, &answer);
            CHECK(result == VK_SUCCESS || result == VK_ERROR_FORMAT_NOT_SUPPORTED, "VkResult %d",
                  result);
            if (result == VK_SUCCESS) {
                const VkImageFormatProperties *can = &answer.imageFormatProperties;
                e2e_print("format %d, type %d, tiling %d, usage 0x%x, flags 0x%x: %ux%ux%u, "
                          "%u levels, %u layers, samples 0x%x, %" PRIu64 " bytes",
                          format, type, tiling, usage, flag, can->maxExtent.width,
                          can->maxExtent.height, can->maxExtent.depth, can->maxMipLevels,
                          can->maxArrayLayers, can->sampleCounts, can->maxResourceSize);
            }
        }
    }
}

void case_info_sparse_formats(struct e2e *t)
{
    e2e_open_instance(t);
    for (VkFormat format = 1; format <= 184; format++) {
        for (VkImageType type = VK_IMAGE_TYPE_2D; type <= VK_IMAGE_TYPE_3D; type++) {
            const VkPhysicalDeviceSparseImageFormatInfo2 query = {
                .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SPARSE_IMAGE_FORMAT_INFO_2,
                .format = format,
                .type = type,
                .samples = VK_SAMPLE_COUNT_1_BIT,
                .usage = VK_IMAGE_USAGE_SAMPLED_BIT,
                .tiling = VK_IMAGE_TILING_OPTIMAL,
            };
            VkSparseImageFormatProperties2 answers[4];
            memset(answers, 0, sizeof(answers));
            uint32_t count = COUNT(answers);
            for (uint32_t i = 0; i < count; i++) {
                answers[i].sType = VK_STRUCTURE_TYPE_SPARSE_IMAGE_FORMAT_PROPERTIES_2;
            }
            vkGetPhysicalDeviceSparseImageFormatProperties2(t->physical, &query, &count, answers);
            for (uint32_t i = 0; i < count; i++) {
                const VkSparseImageFormatProperties *has = &answers[i].properties;
                e2e_print("format %d, type %d: aspects 0x%x, blocks of %ux%ux%u, flags 0x%x",
                          format, type, has->aspectMask, has->imageGranularity.width,
                          has->imageGranularity.height, has->imageGranularity.depth, has->flags);
            }
        }
    }
    e2e_print("end of the list");
}

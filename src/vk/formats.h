// How the texels of a format lie in memory when they are copied to or from it.
#ifndef PV_VK_FORMATS_H
#define PV_VK_FORMATS_H

#include <stdint.h>

#include <vulkan/vulkan_core.h>

struct pv_format_aspect {
    VkImageAspectFlags aspect; // one bit
    uint32_t block_size;       // bytes
    uint32_t block_extent[3];  // texels
    uint32_t divisors[2];      // of the image's width and height, for planes
};

// NULL: the format has no such aspect, or this build does not know the format. Several aspects
// at once are none. Generated.
const struct pv_format_aspect *pv_format_find_aspect(VkFormat format, VkImageAspectFlags aspect);

#endif

// What guests see of dma-bufs where shared memory stands in for them (PV_EMULATE_DMABUF).
//
// A guest's window-system code wants images that it can share: VK_EXT_external_memory_dma_buf,
// one DRM format modifier and the foreign queue family. On a driver without them, a linear image
// in shared memory serves: DRM_FORMAT_MOD_LINEAR means linear tiling, dma-buf handle types mean
// the memory that the renderer shares anyway, and no other device is involved whose caches would
// need care. The functions below rewrite decoded structures; each is a no-op on devices that do
// not need the emulation.
#ifndef PV_HANDLERS_DMABUF_H
#define PV_HANDLERS_DMABUF_H

#include "context/host.h"

struct pv_stream;

// vkGetPhysicalDeviceFormatProperties2, after the driver: lists the linear modifier.
void pv_dmabuf_format_properties(const struct pv_host_device *host,
                                 VkFormatProperties2 *properties);

// vkGetPhysicalDeviceImageFormatProperties2: what the guest asked about modifiers and dma-bufs is
// taken out before the driver sees it, and answered after.
struct pv_dmabuf_image_query {
    bool external; // the guest asked about dma-buf images
    VkPhysicalDeviceImageFormatInfo2 info;
};
// False: such images do not exist here, VK_ERROR_FORMAT_NOT_SUPPORTED.
bool pv_dmabuf_begin_image_query(const struct pv_host_device *host,
                                 const VkPhysicalDeviceImageFormatInfo2 *info,
                                 struct pv_dmabuf_image_query *query);
void pv_dmabuf_end_image_query(const struct pv_dmabuf_image_query *query,
                               VkImageFormatProperties2 *properties);

// vkGetPhysicalDeviceExternalBufferProperties: true when this was answered here.
bool pv_dmabuf_buffer_properties(const struct pv_host_device *host,
                                 const VkPhysicalDeviceExternalBufferInfo *info,
                                 VkExternalBufferProperties *properties);

// vkCreateImage and the like: modifier tiling becomes linear tiling. False: the guest's list has
// no linear modifier. `*pitch` gets the row pitch that an explicit modifier demands, else 0.
bool pv_dmabuf_image(const struct pv_host_device *host, VkImageCreateInfo *info, uint64_t *pitch);

#endif

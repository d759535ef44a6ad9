// What guests see of a host device; also for pv_renderer_get_device().
#ifndef PV_HANDLERS_PHYSICAL_DEVICE_H
#define PV_HANDLERS_PHYSICAL_DEVICE_H

#include "context/host.h"

// What a guest is offered whose instance has `available` of the driver. Fills at most `capacity`
// entries (NULL: none) and returns how many there are.
uint32_t pv_guest_extensions(const struct pv_host_device *host,
                             const struct pv_extension_list *available,
                             VkExtensionProperties *properties, uint32_t capacity);

// The guest may enable it though the driver does not have it.
bool pv_extension_is_emulated(const struct pv_host_device *host, const char *name);

// Images that the driver has and guests do not: linear sparse ones whose memory they could not map.
bool pv_guest_lacks_image(const struct pv_host_device *host, VkImageTiling tiling,
                          VkImageCreateFlags flags);

// The version a guest is told: no newer than what this build can carry.
uint32_t pv_guest_api_version(uint32_t host_version);

#endif

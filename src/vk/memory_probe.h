// Trying out the memory mechanisms of a physical device on a temporary VkDevice.
#ifndef PV_VK_MEMORY_PROBE_H
#define PV_VK_MEMORY_PROBE_H

#include "vk/device_facts.h"

// Fills the tried parts of facts->memory and facts->declare; the advertised parts, extensions
// and quirks must be there already. Returns NULL, or a static string saying what stopped it.
const char *pv_memory_probe(struct pv_device_facts *facts, const struct pv_vk_instance *instance,
                            VkPhysicalDevice physical_device);

#endif

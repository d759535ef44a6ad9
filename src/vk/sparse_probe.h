// Trying out which memory takes part in sparse binding.
#ifndef PV_VK_SPARSE_PROBE_H
#define PV_VK_SPARSE_PROBE_H

#include "vk/device_facts.h"

// Fills the sparse parts of facts->memory; the other mechanisms must be tried out already. The
// device has the feature sparseBinding, and queue 0 of family 0 binds sparse memory and draws.
void pv_sparse_probe(struct pv_device_facts *facts, const struct pv_device_functions *vk,
                     VkDevice device);

#endif

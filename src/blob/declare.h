// Which external handle types buffers and images must declare.
//
// Vulkan wants a buffer or image to name at creation every handle type through which memory
// bound to it may be imported or exported. Guests do not know how the host makes their memory
// mappable, so the renderer adds those types where the driver accepts them.
#ifndef PV_BLOB_DECLARE_H
#define PV_BLOB_DECLARE_H

#include "blob/device.h"

// Handle types for VkExternalMemoryBufferCreateInfo, 0 for none. `info` is the guest's create
// info with its chain; what it declares itself is translated and included in the result, so
// its own VkExternalMemoryBufferCreateInfo is to be replaced. Thread-safety: Safe.
VkExternalMemoryHandleTypeFlags pv_blob_buffer_handle_types(const struct pv_blob_device *device,
                                                            const VkBufferCreateInfo *info);

// Same for VkExternalMemoryImageCreateInfo. Asks the driver about this very image, once for all
// that are alike.
VkExternalMemoryHandleTypeFlags pv_blob_image_handle_types(struct pv_blob_device *device,
                                                           const VkImageCreateInfo *info);

// The handle types under which the driver sees memory that guests know by `guest_types`
// (DMA_BUF becomes HOST_ALLOCATION where shared memory stands in for it).
VkExternalMemoryHandleTypeFlags
pv_blob_translate_handle_types(const struct pv_blob_choice *choice,
                               VkExternalMemoryHandleTypeFlags guest_types);

// Pure: adds to `declared` those of the `wanted` types that are compatible with all others.
VkExternalMemoryHandleTypeFlags pv_declare_compatible(const struct pv_declare_facts *facts,
                                                      VkExternalMemoryHandleTypeFlags wanted,
                                                      VkExternalMemoryHandleTypeFlags declared);

#endif

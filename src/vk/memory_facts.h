// What a physical device's memory can do, as tried out once and not as advertised.
//
// Pure data: the input of pv_blob_choose(). Bit i of a `types` mask is memory type i.
#ifndef PV_VK_MEMORY_FACTS_H
#define PV_VK_MEMORY_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

struct pv_memory_facts {
    VkPhysicalDeviceMemoryProperties properties;

    // VK_EXT_external_memory_host. Each type was tried: one page of a mapped memfd imported
    // and mapped again through Vulkan shows the same bytes.
    bool host_pointer_advertised;
    uint64_t host_pointer_alignment; // bytes, of address and size; 0 without the extension
    uint32_t host_pointer_types;

    // dma-buf. `export_types`: an allocation was exported and the descriptor has its size;
    // `map_types`: it could also be mapped and shows the memory's bytes.
    bool dmabuf_advertised;
    bool dmabuf_importable;
    uint32_t dmabuf_export_types;
    uint32_t dmabuf_map_types;

    // OPAQUE_FD. Exported, imported again, and both mappings show the same bytes.
    bool opaque_fd_advertised;
    uint32_t opaque_fd_types;
};

// What one buffer probe said about declaring VkExternalMemoryBufferCreateInfo::handleTypes.
struct pv_declare_facts {
    // Handle types for which buffers are IMPORTABLE or EXPORTABLE, without DEDICATED_ONLY, and
    // whose declaration does not change a buffer's memory requirements.
    VkExternalMemoryHandleTypeFlags buffer_types;
    // Handle types worth asking vkGetPhysicalDeviceImageFormatProperties2 about.
    VkExternalMemoryHandleTypeFlags image_types;
};

#endif

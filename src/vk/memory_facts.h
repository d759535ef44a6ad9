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

    // Sparse binding, where the device has it: what the device wrote into a sparse buffer showed
    // in the memory bound to it. `sparse_types`: memory that the driver allocated (types that are
    // not HOST_VISIBLE are taken on trust); the others: an imported host pointer, and memory
    // allocated for export as a dma-buf.
    uint32_t sparse_types;
    uint32_t sparse_import_types;
    uint32_t sparse_dmabuf_types;
};

// Handle types that a renderer may add to the external memory infos of buffers and images, tried
// out: the declaration is accepted and changes nothing in the memory requirements of a plain
// buffer or image.
struct pv_declare_facts {
    VkExternalMemoryHandleTypeFlags buffer_types;
    VkExternalMemoryHandleTypeFlags linear_image_types;
    VkExternalMemoryHandleTypeFlags optimal_image_types;

    // VkExternalMemoryProperties::compatibleHandleTypes of buffers, for each type we use: types
    // that are declared together must be compatible with each other.
    struct {
        VkExternalMemoryHandleTypeFlags host_allocation, dma_buf, opaque_fd;
    } compatible;
};

#endif

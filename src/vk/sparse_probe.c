// Drivers may accept any memory in vkQueueBindSparse and ignore it: lavapipe maps the file of its
// own allocations and has none for others. So a page of each kind of memory is bound to a sparse
// buffer, the device writes to the buffer, and the memory's own mapping must show it.
#include "vk/sparse_probe.h"

#include "base/arith.h"
#include "base/os.h"

#define WRITTEN    0x53706172u
#define TIMEOUT_NS ((uint64_t)1000 * 1000 * 1000)

struct sparse_probe {
    const struct pv_device_functions *vk;
    VkDevice device;
    VkQueue queue;
    VkBuffer buffer;
    VkMemoryRequirements needs;
    VkCommandPool pool;
    VkCommandBuffer commands; // writes the first word of `buffer`
    VkFence fence;
};

static bool record(struct sparse_probe *probe)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    if (probe->vk->vkBeginCommandBuffer(probe->commands, &begin) != VK_SUCCESS) {
        return false;
    }
    probe->vk->vkCmdFillBuffer(probe->commands, probe->buffer, 0, sizeof(uint32_t), WRITTEN);
    probe->vk->vkCmdPipelineBarrier(probe->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                    VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    return probe->vk->vkEndCommandBuffer(probe->commands) == VK_SUCCESS;
}

static bool probe_init(struct sparse_probe *probe)
{
    const struct pv_device_functions *vk = probe->vk;
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT,
        .size = 1,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkBufferCreateInfo whole = buffer;
    if (vk->vkCreateBuffer(probe->device, &buffer, NULL, &probe->buffer) != VK_SUCCESS) {
        return false;
    }
    // Large enough for the word that is written, whatever the page size.
    vk->vkGetBufferMemoryRequirements(probe->device, probe->buffer, &probe->needs);
    vk->vkDestroyBuffer(probe->device, probe->buffer, NULL);
    probe->buffer = VK_NULL_HANDLE;
    whole.size = probe->needs.alignment;
    if (vk->vkCreateBuffer(probe->device, &whole, NULL, &probe->buffer) != VK_SUCCESS) {
        return false;
    }
    vk->vkGetBufferMemoryRequirements(probe->device, probe->buffer, &probe->needs);
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandBufferCount = 1,
    };
    vk->vkGetDeviceQueue(probe->device, 0, 0, &probe->queue);
    if (vk->vkCreateCommandPool(probe->device, &pool, NULL, &probe->pool) != VK_SUCCESS ||
        vk->vkCreateFence(probe->device, &fence, NULL, &probe->fence) != VK_SUCCESS) {
        return false;
    }
    commands.commandPool = probe->pool;
    return vk->vkAllocateCommandBuffers(probe->device, &commands, &probe->commands) == VK_SUCCESS &&
           record(probe);
}

static void probe_finish(struct sparse_probe *probe)
{
    const struct pv_device_functions *vk = probe->vk;
    vk->vkDestroyFence(probe->device, probe->fence, NULL);
    vk->vkDestroyCommandPool(probe->device, probe->pool, NULL);
    vk->vkDestroyBuffer(probe->device, probe->buffer, NULL);
}

// Waits for the fence and resets it.
static bool arrives(struct sparse_probe *probe)
{
    return probe->vk->vkWaitForFences(probe->device, 1, &probe->fence, VK_TRUE, TIMEOUT_NS) ==
               VK_SUCCESS &&
           probe->vk->vkResetFences(probe->device, 1, &probe->fence) == VK_SUCCESS;
}

static bool bind(struct sparse_probe *probe, VkDeviceMemory memory)
{
    const VkSparseMemoryBind range = {.size = probe->needs.size, .memory = memory};
    const VkSparseBufferMemoryBindInfo buffer = {probe->buffer, 1, &range};
    const VkBindSparseInfo info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .bufferBindCount = 1,
        .pBufferBinds = &buffer,
    };
    return probe->vk->vkQueueBindSparse(probe->queue, 1, &info, probe->fence) == VK_SUCCESS &&
           arrives(probe);
}

// Whether the device's write to the buffer shows in the memory that is bound to it.
static bool takes_effect(struct sparse_probe *probe, VkDeviceMemory memory)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &probe->commands,
    };
    void *mapped = NULL;
    if (probe->vk->vkMapMemory(probe->device, memory, 0, VK_WHOLE_SIZE, 0, &mapped) != VK_SUCCESS) {
        return false;
    }
    volatile uint32_t *word = mapped;
    *word = 0;
    const bool shown =
        bind(probe, memory) &&
        probe->vk->vkQueueSubmit(probe->queue, 1, &submit, probe->fence) == VK_SUCCESS &&
        arrives(probe) && *word == WRITTEN;
    probe->vk->vkUnmapMemory(probe->device, memory);
    bind(probe, VK_NULL_HANDLE);
    return shown;
}

static bool try_memory(struct sparse_probe *probe, uint32_t type, uint64_t size, const void *chain)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = chain,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory;
    if (probe->vk->vkAllocateMemory(probe->device, &info, NULL, &memory) != VK_SUCCESS) {
        return false;
    }
    const bool works = takes_effect(probe, memory);
    probe->vk->vkFreeMemory(probe->device, memory, NULL);
    return works;
}

static bool try_import(struct sparse_probe *probe, uint32_t type, uint64_t size)
{
    const int fd = pv_os_shm_create("pv-probe", size);
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = fd >= 0 ? pv_os_map(fd, 0, size) : NULL,
    };
    bool works = false;
    if (import.pHostPointer) {
        pv_os_populate(import.pHostPointer, size);
        works = try_memory(probe, type, size, &import);
    }
    pv_os_unmap(import.pHostPointer, size);
    pv_os_close(fd);
    return works;
}

static void try_type(struct sparse_probe *probe, uint32_t type, uint64_t size,
                     struct pv_memory_facts *facts)
{
    static const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    const uint32_t bit = 1u << type;
    // Only coherent mappings show the device's writes for certain.
    const VkMemoryPropertyFlags flags = facts->properties.memoryTypes[type].propertyFlags;
    const bool visible = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (!visible || try_memory(probe, type, size, NULL)) {
        facts->sparse_types |= bit;
    }
    if ((facts->host_pointer_types & bit) && visible && try_import(probe, type, size)) {
        facts->sparse_import_types |= bit;
    }
    if ((facts->dmabuf_map_types & bit) && visible && try_memory(probe, type, size, &export)) {
        facts->sparse_dmabuf_types |= bit;
    }
}

void pv_sparse_probe(struct pv_device_facts *facts, const struct pv_device_functions *vk,
                     VkDevice device)
{
    struct pv_memory_facts *memory = &facts->memory;
    struct sparse_probe probe = {.vk = vk, .device = device};
    const uint64_t page = memory->host_pointer_alignment > pv_os_page_size()
                              ? memory->host_pointer_alignment
                              : pv_os_page_size();
    uint64_t size;
    if (vk->vkQueueBindSparse && probe_init(&probe) &&
        pv_u64_align_up(probe.needs.size, page, &size)) {
        for (uint32_t i = 0; i < memory->properties.memoryTypeCount; i++) {
            if (probe.needs.memoryTypeBits & (1u << i)) {
                try_type(&probe, i, size, memory);
            }
        }
        vk->vkDeviceWaitIdle(device);
    }
    probe_finish(&probe);
}

// Sparse resources: memory bound, moved and taken away through the queue.

#include <string.h>

#include "cases.h"

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

static void open_sparse(struct e2e *t)
{
    e2e_open(t, NULL);
    if (!t->features.features.sparseBinding) {
        e2e_skip("no sparse binding");
    }
    if (!(t->family_properties.queueFlags & VK_QUEUE_SPARSE_BINDING_BIT)) {
        e2e_skip("the queue cannot bind sparse memory");
    }
}

static VkDeviceMemory pages(struct e2e *t, uint32_t bits, VkDeviceSize size)
{
    const VkMemoryRequirements needs = {.size = size, .memoryTypeBits = bits};
    return e2e_memory(t, &needs, E2E_LOCAL);
}

static void bind(struct e2e *t, const VkBindSparseInfo *info)
{
    const VkFence fence = e2e_fence(t, 0);
    OK(vkQueueBindSparse(t->queue, 1, info, fence));
    OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
}

void case_sparse_buffer(struct e2e *t)
{
    enum { PAGES = 8 };
    open_sparse(t);
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT,
        .size = 1 << 20,
        .usage = copies,
    };
    VkBuffer sparse = VK_NULL_HANDLE;
    OK(vkCreateBuffer(t->device, &info, NULL, &sparse));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, sparse, &needs);
    vkDestroyBuffer(t->device, sparse, NULL);
    const VkDeviceSize page = needs.alignment;
    info.size = page * PAGES;
    OK(vkCreateBuffer(t->device, &info, NULL, &sparse));
    KEEP(t, BUFFER, sparse);
    e2e_print("page of %llu bytes", (unsigned long long)page);

    VkSparseMemoryBind binds[PAGES];
    for (uint32_t i = 0; i < PAGES; i++) { // pages of two allocations, in turns
        if (i < 2) {
            binds[i].memory = pages(t, needs.memoryTypeBits, page * PAGES / 2);
        }
        binds[i] = (VkSparseMemoryBind){
            .resourceOffset = i * page,
            .size = page,
            .memory = binds[i % 2].memory,
            .memoryOffset = i / 2 * page,
        };
    }
    const VkSparseBufferMemoryBindInfo buffer_binds = {sparse, PAGES, binds};
    const VkBindSparseInfo bind_info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .bufferBindCount = 1,
        .pBufferBinds = &buffer_binds,
    };
    bind(t, &bind_info);

    const struct e2e_buffer from = e2e_buffer(t, info.size, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, info.size, copies);
    e2e_pattern_fill(from.map, info.size, 13);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from.handle, sparse, 1, &(VkBufferCopy){.size = info.size});
    e2e_barrier(commands);
    vkCmdCopyBuffer(commands, sparse, to.handle, 1, &(VkBufferCopy){.size = info.size});
    e2e_run(t, commands);
    e2e_pattern_check(to.map, info.size, 13, "through the sparse buffer");

    // The pages change places: the contents move with the memory.
    for (uint32_t i = 0; i < PAGES; i++) {
        binds[i].resourceOffset = (PAGES - 1 - i) * page;
    }
    bind(t, &bind_info);
    commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, sparse, to.handle, 1, &(VkBufferCopy){.size = info.size});
    e2e_run(t, commands);
    for (uint32_t i = 0; i < PAGES; i++) {
        CHECK(!memcmp((char *)to.map + (PAGES - 1 - i) * page, (char *)from.map + i * page, page),
              "page %u", i);
    }
    e2e_digest("turned round", to.map, to.size);
}

void case_sparse_image(struct e2e *t)
{
    open_sparse(t);
    if (!t->features.features.sparseResidencyImage2D) {
        e2e_skip("no sparse images");
    }
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {512, 512, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    struct e2e_image image = {.format = info.format,
                              .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
                              .extent = info.extent,
                              .levels = 1,
                              .layers = 1};
    OK(vkCreateImage(t->device, &info, NULL, &image.handle));
    KEEP(t, IMAGE, image.handle);
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(t->device, image.handle, &needs);
    VkSparseImageMemoryRequirements sparse[4];
    uint32_t count = COUNT(sparse);
    vkGetImageSparseMemoryRequirements(t->device, image.handle, &count, sparse);
    CHECK(count >= 1, "no sparse requirements");
    const VkExtent3D block = sparse[0].formatProperties.imageGranularity;
    e2e_print("blocks of %ux%u, tail from level %u", block.width, block.height,
              sparse[0].imageMipTailFirstLod);
    CHECK(block.width && block.height, "granularity");
    if (sparse[0].imageMipTailFirstLod == 0) {
        e2e_skip("the whole image is its tail");
    }

    // The left half gets memory; the right half has none.
    const uint32_t rows = 512 / block.height, columns = 256 / block.width;
    VkSparseImageMemoryBind binds[256];
    CHECK(rows * columns <= COUNT(binds), "more blocks than expected");
    const VkDeviceMemory memory = pages(t, needs.memoryTypeBits, needs.alignment * rows * columns);
    for (uint32_t i = 0; i < rows * columns; i++) {
        binds[i] = (VkSparseImageMemoryBind){
            .subresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0},
            .offset = {(int32_t)(i % columns * block.width), (int32_t)(i / columns * block.height),
                       0},
            .extent = block,
            .memory = memory,
            .memoryOffset = i * needs.alignment,
        };
    }
    const VkSparseImageMemoryBindInfo image_binds = {image.handle, rows * columns, binds};
    const VkBindSparseInfo bind_info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .imageBindCount = 1,
        .pImageBinds = &image_binds,
    };
    bind(t, &bind_info);

    const VkDeviceSize size = 256 * 512 * 4;
    const struct e2e_buffer from = e2e_buffer(t, size, copies, E2E_HOST);
    const struct e2e_buffer back = e2e_buffer_with(t, NULL, size, copies);
    e2e_pattern_fill(from.map, size, 29);
    const VkBufferImageCopy left = {.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                                    .imageExtent = {256, 512, 1}};
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    vkCmdCopyBufferToImage(commands, from.handle, image.handle, VK_IMAGE_LAYOUT_GENERAL, 1, &left);
    e2e_barrier(commands);
    vkCmdCopyImageToBuffer(commands, image.handle, VK_IMAGE_LAYOUT_GENERAL, back.handle, 1, &left);
    e2e_run(t, commands);
    e2e_pattern_check(back.map, size, 29, "bound half");
    e2e_digest("bound half", back.map, size);
}

// Linear images that exist, sparse ones, too, have memory that a program can map.
void case_sparse_image_linear(struct e2e *t)
{
    open_sparse(t);
    for (VkFormat format = VK_FORMAT_R4G4_UNORM_PACK8; format <= VK_FORMAT_D32_SFLOAT_S8_UINT;
         format++) {
        const VkImageCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
            .flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT,
            .imageType = VK_IMAGE_TYPE_2D,
            .format = format,
            .extent = {64, 64, 1},
            .mipLevels = 1,
            .arrayLayers = 1,
            .samples = VK_SAMPLE_COUNT_1_BIT,
            .tiling = VK_IMAGE_TILING_LINEAR,
            .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        };
        VkImageFormatProperties properties;
        if (vkGetPhysicalDeviceImageFormatProperties(t->physical, format, info.imageType,
                                                     info.tiling, info.usage, info.flags,
                                                     &properties) != VK_SUCCESS) {
            continue;
        }
        VkImage image = VK_NULL_HANDLE;
        OK(vkCreateImage(t->device, &info, NULL, &image));
        VkMemoryRequirements needs;
        vkGetImageMemoryRequirements(t->device, image, &needs);
        vkDestroyImage(t->device, image, NULL);
        CHECK(e2e_memory_type(t, needs.memoryTypeBits, E2E_HOST) != UINT32_MAX,
              "format %d: types 0x%x", format, needs.memoryTypeBits);
    }
    e2e_print("what there is can be mapped");
}

// Pages come and go while others stay; what is taken away keeps its contents until it comes back.
void case_sparse_residency(struct e2e *t)
{
    enum { PAGES = 16, HALF = PAGES / 2 };
    open_sparse(t);
    if (!t->features.features.sparseResidencyBuffer) {
        e2e_skip("no partially resident buffers");
    }
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT,
        .size = 1 << 20,
        .usage = copies,
    };
    VkBuffer sparse = VK_NULL_HANDLE;
    OK(vkCreateBuffer(t->device, &info, NULL, &sparse));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, sparse, &needs);
    vkDestroyBuffer(t->device, sparse, NULL);
    const VkDeviceSize page = needs.alignment;
    info.size = page * PAGES;
    OK(vkCreateBuffer(t->device, &info, NULL, &sparse));
    KEEP(t, BUFFER, sparse);

    const VkDeviceMemory memory = pages(t, needs.memoryTypeBits, page * HALF);
    VkSparseMemoryBind binds[HALF];
    VkBufferCopy in[HALF], out[HALF];
    for (uint32_t i = 0; i < HALF; i++) { // every second page is there
        binds[i] = (VkSparseMemoryBind){.resourceOffset = 2 * i * page,
                                        .size = page,
                                        .memory = memory,
                                        .memoryOffset = i * page};
        in[i] = (VkBufferCopy){i * page, 2 * i * page, page};
        out[i] = (VkBufferCopy){2 * i * page, i * page, page};
    }
    const VkSparseBufferMemoryBindInfo buffer_binds = {sparse, HALF, binds};
    const VkBindSparseInfo bind_info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .bufferBindCount = 1,
        .pBufferBinds = &buffer_binds,
    };
    bind(t, &bind_info);
    const struct e2e_buffer from = e2e_buffer(t, page * HALF, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, page * HALF, copies);
    e2e_pattern_fill(from.map, from.size, 71);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from.handle, sparse, HALF, in);
    e2e_barrier(commands);
    vkCmdCopyBuffer(commands, sparse, to.handle, HALF, out);
    e2e_run(t, commands);
    e2e_pattern_check(to.map, to.size, 71, "every second page");

    // All pages go, and come back where there were none.
    for (uint32_t i = 0; i < HALF; i++) {
        binds[i].memory = VK_NULL_HANDLE;
    }
    bind(t, &bind_info);
    for (uint32_t i = 0; i < HALF; i++) {
        binds[i].memory = memory;
        binds[i].resourceOffset += page;
        out[i].srcOffset += page;
    }
    bind(t, &bind_info);
    memset(to.map, 0, to.size);
    commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, sparse, to.handle, HALF, out);
    e2e_run(t, commands);
    e2e_pattern_check(to.map, to.size, 71, "the pages between");
    e2e_digest("the pages between", to.map, to.size);
}

// A whole sparse image with all its levels: blocks for the large ones, one piece for the tail.
void case_sparse_image_levels(struct e2e *t)
{
    enum { SIZE = 512, LEVELS = 10 };
    open_sparse(t);
    if (!t->features.features.sparseResidencyImage2D) {
        e2e_skip("no sparse images");
    }
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {SIZE, SIZE, 1},
        .mipLevels = LEVELS,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    struct e2e_image image = {.format = info.format,
                              .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
                              .extent = info.extent,
                              .levels = LEVELS,
                              .layers = 1};
    OK(vkCreateImage(t->device, &info, NULL, &image.handle));
    KEEP(t, IMAGE, image.handle);
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(t->device, image.handle, &needs);
    VkSparseImageMemoryRequirements sparse;
    uint32_t count = 1;
    vkGetImageSparseMemoryRequirements(t->device, image.handle, &count, &sparse);
    CHECK(count == 1, "no sparse requirements");
    const VkExtent3D block = sparse.formatProperties.imageGranularity;
    CHECK(block.width && block.height, "granularity");
    e2e_print("tail from level %u", sparse.imageMipTailFirstLod);

    VkSparseImageMemoryBind binds[64];
    uint32_t blocks = 0;
    for (uint32_t level = 0; level < LEVELS && level < sparse.imageMipTailFirstLod; level++) {
        const uint32_t size = SIZE >> level;
        for (uint32_t y = 0; y < size; y += block.height) {
            for (uint32_t x = 0; x < size; x += block.width) {
                CHECK(blocks < COUNT(binds), "more blocks than expected");
                binds[blocks] = (VkSparseImageMemoryBind){
                    .subresource = {VK_IMAGE_ASPECT_COLOR_BIT, level, 0},
                    .offset = {(int32_t)x, (int32_t)y, 0},
                    .extent = {block.width < size - x ? block.width : size - x,
                               block.height < size - y ? block.height : size - y, 1},
                    .memoryOffset = blocks * needs.alignment,
                };
                blocks++;
            }
        }
    }
    const bool tail = sparse.imageMipTailFirstLod < LEVELS;
    const VkDeviceMemory memory = pages(
        t, needs.memoryTypeBits, blocks * needs.alignment + (tail ? sparse.imageMipTailSize : 0));
    for (uint32_t i = 0; i < blocks; i++) {
        binds[i].memory = memory;
    }
    const VkSparseMemoryBind tail_bind = {
        .resourceOffset = sparse.imageMipTailOffset,
        .size = sparse.imageMipTailSize,
        .memory = memory,
        .memoryOffset = blocks * needs.alignment,
    };
    const VkSparseImageMemoryBindInfo image_binds = {image.handle, blocks, binds};
    const VkSparseImageOpaqueMemoryBindInfo opaque_binds = {image.handle, 1, &tail_bind};
    const VkBindSparseInfo bind_info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .imageOpaqueBindCount = tail ? 1 : 0,
        .pImageOpaqueBinds = &opaque_binds,
        .imageBindCount = blocks ? 1 : 0,
        .pImageBinds = &image_binds,
    };
    bind(t, &bind_info);

    const VkDeviceSize size = SIZE * SIZE * 4 * 2;
    const struct e2e_buffer from = e2e_buffer(t, size, copies, E2E_HOST);
    const struct e2e_buffer back = e2e_buffer_with(t, NULL, size, copies);
    e2e_pattern_fill(from.map, size, 31);
    VkBufferImageCopy regions[LEVELS];
    VkDeviceSize offset = 0;
    for (uint32_t level = 0; level < LEVELS; level++) {
        const uint32_t length = SIZE >> level;
        regions[level] = (VkBufferImageCopy){
            .bufferOffset = offset,
            .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, level, 0, 1},
            .imageExtent = {length, length, 1},
        };
        offset += (VkDeviceSize)length * length * 4;
    }
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    vkCmdCopyBufferToImage(commands, from.handle, image.handle, VK_IMAGE_LAYOUT_GENERAL, LEVELS,
                           regions);
    e2e_barrier(commands);
    vkCmdCopyImageToBuffer(commands, image.handle, VK_IMAGE_LAYOUT_GENERAL, back.handle, LEVELS,
                           regions);
    e2e_run(t, commands);
    CHECK(!memcmp(back.map, from.map, offset), "levels differ");
    e2e_digest("all levels", back.map, offset);
}

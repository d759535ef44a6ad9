// Sharing memory with other processes: dma-bufs of buffers and images, DRM format modifiers, the
// foreign queue family. On lavapipe this takes /dev/udmabuf. Guests have it over virtio-gpu, not
// over a socket.
#include "share.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"

#define DMA_BUF     VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
#define NO_MODIFIER UINT64_MAX

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

struct e2e_pair e2e_pair_open(struct e2e *t, const char *const *extensions, uint32_t count)
{
    const struct e2e_device_params params = {.extensions = extensions, .extension_count = count};
    struct e2e_pair pair = {.here = t,
                            .there = {.name = t->name, .lock = PTHREAD_MUTEX_INITIALIZER}};
    e2e_open(t, &params);
    e2e_open(&pair.there, &params);
    return pair;
}

// -- buffers -------------------------------------------------------------------------------------

static bool can_share(VkExternalMemoryFeatureFlags features)
{
    const VkExternalMemoryFeatureFlags wanted =
        VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    return (features & wanted) == wanted;
}

void e2e_need_shared_buffers(const struct e2e *t)
{
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = copies,
        .handleType = DMA_BUF,
    };
    VkExternalBufferProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
    };
    vkGetPhysicalDeviceExternalBufferProperties(t->physical, &info, &properties);
    if (!can_share(properties.externalMemoryProperties.externalMemoryFeatures)) {
        e2e_skip("dma-bufs cannot be exported and imported");
    }
}

static VkBuffer bare_buffer(struct e2e *t, VkDeviceSize size)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = DMA_BUF,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = size,
        .usage = copies,
    };
    VkBuffer buffer = VK_NULL_HANDLE;
    OK(vkCreateBuffer(t->device, &info, NULL, &buffer));
    return buffer;
}

int e2e_export_memory(struct e2e *t, VkDeviceMemory memory)
{
    E2E_FUNCTION(t, GetMemoryFdKHR);
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = memory,
        .handleType = DMA_BUF,
    };
    int fd = -1;
    OK(GetMemoryFdKHR(t->device, &info, &fd));
    CHECK(fd >= 0, "the dma-buf has descriptor %d", fd);
    return fd;
}

// Memory for a buffer or an image, one of them NULL. `fd` -1: new, for export; else that of a
// dma-buf, which is taken. Not kept.
static VkDeviceMemory shared_memory(struct e2e *t, const VkMemoryRequirements *needs,
                                    VkBuffer buffer, VkImage image, int fd,
                                    VkMemoryPropertyFlags flags)
{
    VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .buffer = buffer,
        .image = image,
    };
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .pNext = &dedicated,
        .handleTypes = DMA_BUF,
    };
    const VkImportMemoryFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .pNext = &dedicated,
        .handleType = DMA_BUF,
        .fd = fd,
    };
    uint32_t types = needs->memoryTypeBits;
    if (fd >= 0) {
        E2E_FUNCTION(t, GetMemoryFdPropertiesKHR);
        VkMemoryFdPropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
        OK(GetMemoryFdPropertiesKHR(t->device, DMA_BUF, fd, &properties));
        types &= properties.memoryTypeBits;
        CHECK(types, "of the memory types 0x%x none takes the dma-buf, which has 0x%x",
              needs->memoryTypeBits, properties.memoryTypeBits);
    }
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = fd >= 0 ? (const void *)&import : &export,
        .allocationSize = needs->size,
        .memoryTypeIndex = e2e_memory_type(t, types, flags),
    };
    if (info.memoryTypeIndex == UINT32_MAX) {
        e2e_skip("no memory of types 0x%x has flags 0x%x", types, flags);
    }
    VkDeviceMemory memory = VK_NULL_HANDLE;
    OK(vkAllocateMemory(t->device, &info, NULL, &memory));
    return memory;
}

struct e2e_buffer e2e_shared_buffer(struct e2e *t, VkDeviceSize size, int fd)
{
    struct e2e_buffer made = {.handle = bare_buffer(t, size), .size = size};
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, made.handle, &needs);
    made.memory = shared_memory(t, &needs, made.handle, VK_NULL_HANDLE, fd < 0 ? fd : dup(fd),
                                fd < 0 ? E2E_HOST : 0);
    OK(vkBindBufferMemory(t->device, made.handle, made.memory, 0));
    return made;
}

void e2e_shared_buffer_destroy(struct e2e *t, const struct e2e_buffer *buffer)
{
    vkDestroyBuffer(t->device, buffer->handle, NULL);
    vkFreeMemory(t->device, buffer->memory, NULL);
}

static void copy(struct e2e *t, VkBuffer from, VkBuffer to, VkDeviceSize size)
{
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from, to, 1, &(VkBufferCopy){.size = size});
    e2e_run(t, commands);
}

// The device writes a pattern into a buffer, or checks what is there.
static void write_pattern(struct e2e *t, const struct e2e_buffer *to, uint32_t seed)
{
    const struct e2e_buffer from = e2e_buffer(t, to->size, copies, E2E_HOST);
    e2e_pattern_fill(from.map, to->size, seed);
    copy(t, from.handle, to->handle, to->size);
}

static void check_pattern(struct e2e *t, const struct e2e_buffer *from, uint32_t seed,
                          const char *what)
{
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, from->size, copies);
    copy(t, from->handle, to.handle, from->size);
    e2e_pattern_check(to.map, from->size, seed, what);
}

static const char *const memory_extensions[] = {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
                                                VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME};

void case_share_buffer(struct e2e *t)
{
    enum { SIZE = 300000 }; // not of whole pages
    struct e2e_pair p = e2e_pair_open(t, memory_extensions, COUNT(memory_extensions));
    e2e_need_shared_buffers(t);
    const struct e2e_buffer ours = e2e_shared_buffer(t, SIZE, -1);
    write_pattern(t, &ours, 1);
    const int fd = e2e_export_memory(t, ours.memory);
    const struct e2e_buffer theirs = e2e_shared_buffer(&p.there, SIZE, fd);
    check_pattern(&p.there, &theirs, 1, "what the importer sees");
    write_pattern(&p.there, &theirs, 2);
    check_pattern(t, &ours, 2, "what the exporter sees");
    // Again on the exporter's own device.
    const struct e2e_buffer back = e2e_shared_buffer(t, SIZE, fd);
    check_pattern(t, &back, 2, "what comes back");
    e2e_shared_buffer_destroy(t, &back);
    e2e_shared_buffer_destroy(t, &ours);
    e2e_close(t);
    check_pattern(&p.there, &theirs, 2, "what is left when the exporter has gone");
    close(fd);
    write_pattern(&p.there, &theirs, 3);
    check_pattern(&p.there, &theirs, 3, "what is left when the file is closed");
    e2e_shared_buffer_destroy(&p.there, &theirs);
    e2e_close(&p.there);
    e2e_print("5 patterns");
}

static void begin_or_end(int fd, uint64_t flags)
{
    struct dma_buf_sync sync = {.flags = flags};
    int result;
    do {
        result = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
    } while (result < 0 && (errno == EINTR || errno == EAGAIN));
    // A host's shared memory that stands in for a dma-buf knows no such call.
    CHECK(result == 0 || errno == ENOTTY, "DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
}

// Programs without Vulkan look at dma-bufs through mmap.
void case_share_buffer_mmap(struct e2e *t)
{
    enum { SIZE = 1 << 18 };
    e2e_open(t, &(struct e2e_device_params){.extensions = memory_extensions,
                                            .extension_count = COUNT(memory_extensions)});
    e2e_need_shared_buffers(t);
    const struct e2e_buffer buffer = e2e_shared_buffer(t, SIZE, -1);
    write_pattern(t, &buffer, 1);
    const int fd = e2e_export_memory(t, buffer.memory);
    CHECK(lseek(fd, 0, SEEK_END) >= SIZE, "the file is too short");
    void *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED, "mmap: %s", strerror(errno));
    begin_or_end(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    e2e_pattern_check(map, SIZE, 1, "mapped");
    e2e_pattern_fill(map, SIZE, 2);
    begin_or_end(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
    check_pattern(t, &buffer, 2, "what the device sees");
    e2e_shared_buffer_destroy(t, &buffer);
    close(fd);
    e2e_pattern_check(map, SIZE, 2, "what is left in the mapping");
    munmap(map, SIZE);
    e2e_print("2 patterns");
}

void case_share_buffer_churn(struct e2e *t)
{
    enum { SIZE = 40000, ROUNDS = 40 };
    struct e2e_pair p = e2e_pair_open(t, memory_extensions, COUNT(memory_extensions));
    e2e_need_shared_buffers(t);
    const int before = dup(0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct e2e_buffer ours = e2e_shared_buffer(t, SIZE, -1);
        void *map = NULL;
        OK(vkMapMemory(t->device, ours.memory, 0, VK_WHOLE_SIZE, 0, &map));
        e2e_pattern_fill(map, SIZE, i);
        const int fd = e2e_export_memory(t, ours.memory);
        const struct e2e_buffer theirs = e2e_shared_buffer(&p.there, SIZE, fd);
        close(fd);
        if (i % 2) { // either may go first
            e2e_shared_buffer_destroy(t, &ours);
        }
        check_pattern(&p.there, &theirs, i, "what the importer sees");
        e2e_shared_buffer_destroy(&p.there, &theirs);
        if (i % 2 == 0) {
            e2e_pattern_check(map, SIZE, i, "what the exporter sees");
            e2e_shared_buffer_destroy(t, &ours);
        }
    }
    const int after = dup(0);
    CHECK(after == dup(0) - 1 && after == before + 1, "descriptors are lost: %d, then %d", before,
          after);
    e2e_close(&p.there);
    e2e_print("%d dma-bufs", ROUNDS);
}

// -- images --------------------------------------------------------------------------------------

enum { WIDTH = 100, HEIGHT = 60, TEXELS_SIZE = WIDTH * HEIGHT * 4 };

static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;
static const VkImageUsageFlags image_usage =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

static const char *const image_extensions[] = {
    VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME};

static bool modifier_is_shareable(const struct e2e *t, uint64_t modifier)
{
    const VkPhysicalDeviceImageDrmFormatModifierInfoEXT about = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
        .drmFormatModifier = modifier,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    const VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .pNext = &about,
        .handleType = DMA_BUF,
    };
    const VkPhysicalDeviceImageFormatInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &external,
        .format = rgba,
        .type = VK_IMAGE_TYPE_2D,
        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
        .usage = image_usage,
    };
    VkExternalImageFormatProperties shared = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &shared,
    };
    return vkGetPhysicalDeviceImageFormatProperties2(t->physical, &info, &properties) ==
               VK_SUCCESS &&
           can_share(shared.externalMemoryProperties.externalMemoryFeatures);
}

// Those of one plane that can be copied and shared. Returns their number.
static uint32_t find_modifiers(const struct e2e *t, uint64_t *modifiers, uint32_t room)
{
    VkDrmFormatModifierPropertiesEXT found[64];
    VkDrmFormatModifierPropertiesListEXT list = {
        .sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
    };
    VkFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
        .pNext = &list,
    };
    vkGetPhysicalDeviceFormatProperties2(t->physical, rgba, &properties);
    const uint32_t all = list.drmFormatModifierCount;
    list.drmFormatModifierCount = all < COUNT(found) ? all : COUNT(found);
    list.pDrmFormatModifierProperties = found;
    vkGetPhysicalDeviceFormatProperties2(t->physical, rgba, &properties);
    const VkFormatFeatureFlags wanted =
        VK_FORMAT_FEATURE_TRANSFER_SRC_BIT | VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.drmFormatModifierCount && count < room; i++) {
        if (found[i].drmFormatModifierPlaneCount == 1 &&
            (found[i].drmFormatModifierTilingFeatures & wanted) == wanted &&
            modifier_is_shareable(t, found[i].drmFormatModifier)) {
            modifiers[count++] = found[i].drmFormatModifier;
        }
    }
    if (count == 0) {
        e2e_skip("none of %u modifiers can be shared", all);
    }
    return count;
}

// Of one of `count` modifiers, as the driver chooses; or of one, with the layout that is given.
static struct e2e_image shared_image(struct e2e *t, const uint64_t *modifiers, uint32_t count,
                                     const VkSubresourceLayout *layout, int fd)
{
    const VkImageDrmFormatModifierListCreateInfoEXT list = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
        .drmFormatModifierCount = count,
        .pDrmFormatModifiers = modifiers,
    };
    const VkImageDrmFormatModifierExplicitCreateInfoEXT explicit = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
        .drmFormatModifier = modifiers[0],
        .drmFormatModifierPlaneCount = 1,
        .pPlaneLayouts = layout,
    };
    const VkExternalMemoryImageCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
        .pNext = layout ? (const void *)&explicit : &list,
        .handleTypes = DMA_BUF,
    };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .pNext = &external,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = rgba,
        .extent = {WIDTH, HEIGHT, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
        .usage = image_usage,
    };
    struct e2e_image image = {.format = rgba,
                              .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
                              .extent = info.extent,
                              .levels = 1,
                              .layers = 1};
    OK(vkCreateImage(t->device, &info, NULL, &image.handle));
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(t->device, image.handle, &needs);
    image.memory = shared_memory(t, &needs, VK_NULL_HANDLE, image.handle, fd < 0 ? fd : dup(fd), 0);
    KEEP(t, DEVICE_MEMORY, image.memory);
    KEEP(t, IMAGE, image.handle);
    OK(vkBindImageMemory(t->device, image.handle, image.memory, 0));
    return image;
}

static uint64_t modifier_of(struct e2e *t, const struct e2e_image *image)
{
    E2E_FUNCTION(t, GetImageDrmFormatModifierPropertiesEXT);
    VkImageDrmFormatModifierPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT,
        .drmFormatModifier = NO_MODIFIER,
    };
    OK(GetImageDrmFormatModifierPropertiesEXT(t->device, image->handle, &properties));
    return properties.drmFormatModifier;
}

static VkSubresourceLayout layout_of(struct e2e *t, const struct e2e_image *image)
{
    const VkImageSubresource plane = {.aspectMask = VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT};
    VkSubresourceLayout layout;
    vkGetImageSubresourceLayout(t->device, image->handle, &plane, &layout);
    CHECK(layout.offset == 0 && layout.rowPitch >= WIDTH * 4, "offset %u, row pitch %u",
          (unsigned)layout.offset, (unsigned)layout.rowPitch);
    // As explicit layouts are given: of the driver's choice.
    return (VkSubresourceLayout){.rowPitch = layout.rowPitch};
}

// Hands the image to whoever shares it, or takes it back. `modern`: with synchronization2.
static void transfer(struct e2e *t, VkCommandBuffer commands, const struct e2e_image *image,
                     bool release, VkImageLayout other, bool modern)
{
    const uint32_t foreign = VK_QUEUE_FAMILY_FOREIGN_EXT;
    const VkImageSubresourceRange range = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    const VkAccessFlags access = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
    if (modern) {
        const VkImageMemoryBarrier2 barrier = {
            .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
            .srcStageMask = release ? VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT : 0,
            .srcAccessMask = release ? access : 0,
            .dstStageMask = release ? 0 : VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
            .dstAccessMask = release ? 0 : access,
            .oldLayout = release ? other : VK_IMAGE_LAYOUT_GENERAL,
            .newLayout = release ? VK_IMAGE_LAYOUT_GENERAL : other,
            .srcQueueFamilyIndex = release ? t->family : foreign,
            .dstQueueFamilyIndex = release ? foreign : t->family,
            .image = image->handle,
            .subresourceRange = range,
        };
        const VkDependencyInfo info = {
            .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
            .imageMemoryBarrierCount = 1,
            .pImageMemoryBarriers = &barrier,
        };
        vkCmdPipelineBarrier2(commands, &info);
        return;
    }
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = release ? access : 0,
        .dstAccessMask = release ? 0 : access,
        .oldLayout = release ? other : VK_IMAGE_LAYOUT_GENERAL,
        .newLayout = release ? VK_IMAGE_LAYOUT_GENERAL : other,
        .srcQueueFamilyIndex = release ? t->family : foreign,
        .dstQueueFamilyIndex = release ? foreign : t->family,
        .image = image->handle,
        .subresourceRange = range,
    };
    const VkPipelineStageFlags all = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    vkCmdPipelineBarrier(commands, release ? all : VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
                         release ? VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT : all, 0, 0, NULL, 0, NULL,
                         1, &barrier);
}

// Uploads a picture that depends on `seed` and hands the image over.
static void paint_and_release(struct e2e *t, const struct e2e_image *image, uint32_t seed,
                              bool modern)
{
    const struct e2e_buffer picture = e2e_buffer(t, TEXELS_SIZE, copies, E2E_HOST);
    e2e_pattern_fill(picture.map, TEXELS_SIZE, seed);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_layout(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    e2e_upload(commands, image, 0, &picture);
    transfer(t, commands, image, true, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, modern);
    e2e_run(t, commands);
}

static void acquire_and_check(struct e2e *t, const struct e2e_image *image, uint32_t seed,
                              bool modern)
{
    const struct e2e_buffer picture = e2e_buffer_with(t, NULL, TEXELS_SIZE, copies);
    VkCommandBuffer commands = e2e_begin(t);
    transfer(t, commands, image, false, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, modern);
    e2e_download(commands, image, 0, VK_IMAGE_ASPECT_COLOR_BIT, &picture);
    e2e_run(t, commands);
    e2e_pattern_check(picture.map, TEXELS_SIZE, seed, "the picture");
}

// As a program and its compositor do it: the image's modifier, layout and dma-buf go across.
static void share_image(struct e2e_pair *p, const uint64_t *modifiers, uint32_t count, bool modern)
{
    const struct e2e_image ours = shared_image(p->here, modifiers, count, NULL, -1);
    const uint64_t modifier = modifier_of(p->here, &ours);
    bool listed = false;
    for (uint32_t i = 0; i < count; i++) {
        listed = listed || modifiers[i] == modifier;
    }
    CHECK(listed, "modifier 0x%llx was not asked for", (unsigned long long)modifier);
    const VkSubresourceLayout layout = layout_of(p->here, &ours);
    paint_and_release(p->here, &ours, 1, modern);
    const int fd = e2e_export_memory(p->here, ours.memory);
    const struct e2e_image theirs = shared_image(&p->there, &modifier, 1, &layout, fd);
    close(fd);
    CHECK(modifier_of(&p->there, &theirs) == modifier, "the importer has another modifier");
    acquire_and_check(&p->there, &theirs, 1, modern);
    paint_and_release(&p->there, &theirs, 2, modern);
    acquire_and_check(p->here, &ours, 2, modern);
}

void case_share_image(struct e2e *t)
{
    struct e2e_pair p = e2e_pair_open(t, image_extensions, COUNT(image_extensions));
    uint64_t modifiers[16];
    const uint32_t count = find_modifiers(t, modifiers, COUNT(modifiers));
    share_image(&p, modifiers, count, false);
    for (uint32_t i = 0; i < count; i++) {
        share_image(&p, &modifiers[i], 1, t->features13.synchronization2);
    }
    e2e_close(&p.there);
    e2e_print("all pictures are the same");
}

// A linear image is bytes in rows for whoever maps it: a display, a camera, a program.
void case_share_image_linear(struct e2e *t)
{
    static const uint64_t linear = 0;
    e2e_open(t, &(struct e2e_device_params){.extensions = image_extensions,
                                            .extension_count = COUNT(image_extensions)});
    if (!modifier_is_shareable(t, linear)) {
        e2e_skip("linear images cannot be shared");
    }
    const struct e2e_image image = shared_image(t, &linear, 1, NULL, -1);
    const size_t pitch = (size_t)layout_of(t, &image).rowPitch;
    paint_and_release(t, &image, 1, false);
    const int fd = e2e_export_memory(t, image.memory);
    const size_t size = pitch * (HEIGHT - 1) + WIDTH * 4;
    unsigned char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED, "mmap: %s", strerror(errno));
    unsigned char *texels = e2e_alloc(TEXELS_SIZE, 1);
    begin_or_end(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    for (size_t y = 0; y < HEIGHT; y++) {
        memcpy(texels + y * WIDTH * 4, map + y * pitch, WIDTH * 4);
    }
    e2e_pattern_check(texels, TEXELS_SIZE, 1, "mapped");
    e2e_pattern_fill(texels, TEXELS_SIZE, 2);
    for (size_t y = 0; y < HEIGHT; y++) {
        memcpy(map + y * pitch, texels + y * WIDTH * 4, WIDTH * 4);
    }
    begin_or_end(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
    acquire_and_check(t, &image, 2, false);
    munmap(map, size);
    free(texels);
    close(fd);
    e2e_print("2 pictures");
}

// A buffer that goes to the foreign family and comes back from it.
void case_share_buffer_foreign(struct e2e *t)
{
    enum { SIZE = 100000 };
    struct e2e_pair p = e2e_pair_open(t, image_extensions, COUNT(image_extensions));
    e2e_need_shared_buffers(t);
    const struct e2e_buffer ours = e2e_shared_buffer(t, SIZE, -1);
    const int fd = e2e_export_memory(t, ours.memory);
    const struct e2e_buffer theirs = e2e_shared_buffer(&p.there, SIZE, fd);
    close(fd);
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(&p.there, NULL, SIZE, copies);
    e2e_pattern_fill(from.map, SIZE, 1);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from.handle, ours.handle, 1, &(VkBufferCopy){.size = SIZE});
    VkBufferMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .srcQueueFamilyIndex = t->family,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_FOREIGN_EXT,
        .buffer = ours.handle,
        .size = VK_WHOLE_SIZE,
    };
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0, NULL, 1, &barrier, 0, NULL);
    e2e_run(t, commands);
    commands = e2e_begin(&p.there);
    barrier.srcAccessMask = 0;
    barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_FOREIGN_EXT;
    barrier.dstQueueFamilyIndex = p.there.family;
    barrier.buffer = theirs.handle;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
                         VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 1, &barrier, 0, NULL);
    vkCmdCopyBuffer(commands, theirs.handle, to.handle, 1, &(VkBufferCopy){.size = SIZE});
    e2e_run(&p.there, commands);
    e2e_pattern_check(to.map, SIZE, 1, "what comes from the foreign family");
    e2e_shared_buffer_destroy(t, &ours);
    e2e_shared_buffer_destroy(&p.there, &theirs);
    e2e_close(&p.there);
    e2e_print("1 pattern");
}

// Question: at which rate do bytes go to the device and come back through mapped memory?
// Base case: the host's driver. Mapped memory is shared with the host, so nothing should be lost;
// small copies show what a submission with a wait adds.
#include "client.h"

#include <stdlib.h>
#include <string.h>

#define LARGE (UINT64_C(64) << 20)
#define SMALL UINT64_C(65536)
#define IMAGE 1024

struct state {
    struct bench_buffer mapped, device;
    VkCommandBuffer large, small;
    VkFence fence;
    uint8_t *bytes; // LARGE of the program's own
    VkImage image;
    VkDeviceMemory image_memory;
};

static void run(const struct bench *b, const struct state *state, VkCommandBuffer cb)
{
    bench_submit(b, 1, &cb, state->fence);
    bench_waits();
    bench_fence_wait(b, state->fence);
}

static void write_mapped(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    (void)b;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(state->mapped.mapped, state->bytes, LARGE);
    }
}

static void read_mapped(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    (void)b;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(state->bytes, state->mapped.mapped, LARGE);
    }
}

static void upload(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(state->mapped.mapped, state->bytes, LARGE);
        run(b, state, state->large);
    }
}

static void copy_large(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        run(b, state, state->large);
    }
}

static void copy_small(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    for (uint32_t i = 0; i < count; i++) {
        run(b, state, state->small);
    }
}

static VkCommandBuffer record_copy(const struct bench *b, const struct state *state, uint64_t size)
{
    const VkCommandBuffer cb = bench_command_buffer(b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    bench_begin(cb);
    vkCmdCopyBuffer(cb, state->mapped.handle, state->device.handle, 1,
                    &(VkBufferCopy){.size = size});
    OK(vkEndCommandBuffer(cb));
    return cb;
}

#ifdef VK_EXT_host_image_copy
static PFN_vkCopyMemoryToImageEXT copy_memory_to_image;

static void host_copy(const struct bench *b, void *user, uint32_t count)
{
    const struct state *state = user;
    const VkMemoryToImageCopyEXT region = {.sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
                                           .pHostPointer = state->bytes,
                                           .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                                           .imageExtent = {IMAGE, IMAGE, 1}};
    for (uint32_t i = 0; i < count; i++) {
        OK(copy_memory_to_image(
            b->device,
            &(VkCopyMemoryToImageInfoEXT){.sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_EXT,
                                          .dstImage = state->image,
                                          .dstImageLayout = VK_IMAGE_LAYOUT_GENERAL,
                                          .regionCount = 1,
                                          .pRegions = &region}));
    }
}

static void measure_host_copy(const struct bench *b, struct state *state)
{
    copy_memory_to_image =
        (PFN_vkCopyMemoryToImageEXT)vkGetDeviceProcAddr(b->device, "vkCopyMemoryToImageEXT");
    const PFN_vkTransitionImageLayoutEXT transition =
        (PFN_vkTransitionImageLayoutEXT)vkGetDeviceProcAddr(b->device,
                                                            "vkTransitionImageLayoutEXT");
    OK(vkCreateImage(b->device,
                     &(VkImageCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                                          .imageType = VK_IMAGE_TYPE_2D,
                                          .format = VK_FORMAT_R8G8B8A8_UNORM,
                                          .extent = {IMAGE, IMAGE, 1},
                                          .mipLevels = 1,
                                          .arrayLayers = 1,
                                          .samples = VK_SAMPLE_COUNT_1_BIT,
                                          .tiling = VK_IMAGE_TILING_OPTIMAL,
                                          .usage = VK_IMAGE_USAGE_HOST_TRANSFER_BIT_EXT |
                                                   VK_IMAGE_USAGE_SAMPLED_BIT},
                     NULL, &state->image));
    VkMemoryRequirements needs;
    vkGetImageMemoryRequirements(b->device, state->image, &needs);
    OK(vkAllocateMemory(
        b->device,
        &(VkMemoryAllocateInfo){.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                .allocationSize = needs.size,
                                .memoryTypeIndex = bench_memory_type(b, needs.memoryTypeBits, 0)},
        NULL, &state->image_memory));
    OK(vkBindImageMemory(b->device, state->image, state->image_memory, 0));
    OK(transition(b->device, 1,
                  &(VkHostImageLayoutTransitionInfoEXT){
                      .sType = VK_STRUCTURE_TYPE_HOST_IMAGE_LAYOUT_TRANSITION_INFO_EXT,
                      .image = state->image,
                      .newLayout = VK_IMAGE_LAYOUT_GENERAL,
                      .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}}));
    bench_bandwidth(b, "host image copy 4 MiB", host_copy, state, 64, UINT64_C(4) * IMAGE * IMAGE);
    vkDestroyImage(b->device, state->image, NULL);
    vkFreeMemory(b->device, state->image_memory, NULL);
}
#endif

int main(void)
{
    struct bench b;
    struct state state = {0};
    bench_open(&b);
    state.fence = bench_fence(&b);
    state.bytes = malloc(LARGE);
    if (!state.bytes) {
        abort();
    }
    memset(state.bytes, 1, LARGE);
    bench_buffer_open(&b, &state.mapped, LARGE, BENCH_VISIBLE);
    bench_buffer_open(&b, &state.device, LARGE, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    state.large = record_copy(&b, &state, LARGE);
    state.small = record_copy(&b, &state, SMALL);

    bench_bandwidth(&b, "write mapped 64 MiB", write_mapped, &state, 16, LARGE);
    bench_bandwidth(&b, "read mapped 64 MiB", read_mapped, &state, 16, LARGE);
    bench_bandwidth(&b, "64 MiB copy + wait", copy_large, &state, 16, LARGE);
    bench_latency(&b, "64 KiB copy + wait", copy_small, &state, 0);
    bench_mark();
    const uint64_t begin_ns = bench_now_ns();
    upload(&b, &state, 16);
    bench_row("1 GiB upload", (double)(16 * LARGE) * 1e3 / (double)(bench_now_ns() - begin_ns),
              "MB/s", 1);
#ifdef VK_EXT_host_image_copy
    if (b.host_image_copy) {
        measure_host_copy(&b, &state);
    } else {
        bench_absent("host image copy 4 MiB", "no VK_EXT_host_image_copy");
    }
#else
    bench_absent("host image copy 4 MiB", "built with headers without VK_EXT_host_image_copy");
#endif
    free(state.bytes);
    bench_buffer_close(&b, &state.device);
    bench_buffer_close(&b, &state.mapped);
    vkDestroyFence(b.device, state.fence, NULL);
    bench_close(&b);
    return 0;
}

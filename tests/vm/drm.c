// What a guest's root user can do without Vulkan: submit bytes of his own, look at the display.
#include "drm_abi.h"
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPSET_VENUS 4

static int open_node(const char *node)
{
    const int fd = open(node, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        vm_fail("%s: %s", node, strerror(errno));
    }
    return fd;
}

static int call(int fd, unsigned long request, void *argument)
{
    int result;
    do {
        result = ioctl(fd, request, argument);
    } while (result < 0 && (errno == EINTR || errno == EAGAIN));
    return result;
}

// -- junk ----------------------------------------------------------------------------------------

static uint32_t random_word(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

// Each kind goes wrong at another place: an unknown command; a known one with senseless arguments;
// a ring that lies nowhere; a command that ends in the middle.
static uint32_t make_junk(uint32_t kind, uint32_t *words, uint32_t room)
{
    uint32_t seed = 0x2545f491u ^ kind << 8;
    uint32_t count = 16 + random_word(&seed) % (room - 16);
    for (uint32_t i = 0; i < count; i++) {
        words[i] = random_word(&seed);
    }
    switch (kind % 4) {
    case 1:
        words[0] = random_word(&seed) % 340;
        words[1] = kind & 1;
        break;
    case 2: { // vkCreateRingMESA, whose arguments say that they are there
        static const uint32_t start[] = {188, 0, 1, 2, 1, 0, 1000384000, 0, 0};
        memcpy(words, start, sizeof(start));
        break;
    }
    case 3: // vkCreateInstance with nothing behind it
        words[0] = 0;
        words[1] = 1;
        count = 2;
        break;
    default:
        break;
    }
    return count;
}

// A submission whose fence is waited for. False: the kernel refused it.
static bool submit(int fd, const uint32_t *words, uint32_t count, uint32_t ring_idx)
{
    struct drm_virtgpu_execbuffer buffer = {
        .flags = VIRTGPU_EXECBUF_FENCE_FD_OUT | VIRTGPU_EXECBUF_RING_IDX,
        .size = count * (uint32_t)sizeof(*words),
        .command = (uintptr_t)words,
        .fence_fd = -1,
        .ring_idx = ring_idx,
    };
    if (call(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &buffer) < 0) {
        return false;
    }
    struct pollfd fence = {.fd = buffer.fence_fd, .events = POLLIN};
    if (poll(&fence, 1, 60000) != 1) {
        vm_fail("the fence of ring_idx %u does not come", ring_idx);
    }
    close(buffer.fence_fd);
    return true;
}

void vm_junk(const char *node, uint32_t count)
{
    enum { ROOM = 4096 };
    static uint32_t words[ROOM];
    for (uint32_t kind = 0; kind < count; kind++) {
        const int fd = open_node(node);
        struct drm_virtgpu_context_set_param parameters[] = {
            {.param = VIRTGPU_CONTEXT_PARAM_CAPSET_ID, .value = CAPSET_VENUS},
            {.param = VIRTGPU_CONTEXT_PARAM_NUM_RINGS, .value = 64},
        };
        struct drm_virtgpu_context_init init = {
            .num_params = 2,
            .ctx_set_params = (uintptr_t)parameters,
        };
        if (call(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init) < 0) {
            vm_fail("no context: %s", strerror(errno));
        }
        const uint32_t size = make_junk(kind, words, ROOM);
        // Again and again, on all kinds of timelines: only the first time is news.
        for (uint32_t i = 0; i < 4; i++) {
            if (!submit(fd, words, size, i * 21)) {
                vm_fail("junk %u is refused by the guest's own kernel: %s", kind, strerror(errno));
            }
        }
        close(fd);
    }
    printf("junk %u\n", count);
}

// -- the display ---------------------------------------------------------------------------------

// The framebuffer of the first controller that shows one.
static uint32_t shown_framebuffer(int fd)
{
    uint32_t controllers[8] = {0};
    struct drm_mode_card_res resources = {.crtc_id_ptr = (uintptr_t)controllers, .count_crtcs = 8};
    if (call(fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0) {
        vm_fail("no display: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < resources.count_crtcs && i < 8; i++) {
        struct drm_mode_crtc crtc = {.crtc_id = controllers[i]};
        if (call(fd, DRM_IOCTL_MODE_GETCRTC, &crtc) == 0 && crtc.fb_id) {
            return crtc.fb_id;
        }
    }
    vm_fail("the display shows nothing");
}

// Portable pixmap, which needs no library.
static void write_ppm(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height,
                      uint32_t pitch)
{
    FILE *file = fopen(path, "wb");
    uint8_t *row = malloc((size_t)width * 3);
    if (!file || !row) {
        vm_fail("%s: %s", path, strerror(errno));
    }
    fprintf(file, "P6\n%u %u\n255\n", width, height);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            const uint8_t *bgrx = pixels + (size_t)y * pitch + (size_t)x * 4;
            row[x * 3] = bgrx[2];
            row[x * 3 + 1] = bgrx[1];
            row[x * 3 + 2] = bgrx[0];
        }
        fwrite(row, 3, width, file);
    }
    free(row);
    if (fclose(file) != 0) {
        vm_fail("%s: %s", path, strerror(errno));
    }
}

void vm_screenshot(const char *node, const char *path)
{
    const int fd = open_node(node);
    struct drm_mode_fb_cmd framebuffer = {.fb_id = shown_framebuffer(fd)};
    if (call(fd, DRM_IOCTL_MODE_GETFB, &framebuffer) < 0 || !framebuffer.handle) {
        vm_fail("the framebuffer cannot be looked at: %s", strerror(errno));
    }
    struct drm_mode_map_dumb where = {.handle = framebuffer.handle};
    if (framebuffer.bpp != 32 || call(fd, DRM_IOCTL_MODE_MAP_DUMB, &where) < 0) {
        vm_fail("a framebuffer of %u bits cannot be mapped: %s", framebuffer.bpp, strerror(errno));
    }
    const size_t size = (size_t)framebuffer.pitch * framebuffer.height;
    void *pixels = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)where.offset);
    if (pixels == MAP_FAILED) {
        vm_fail("mmap: %s", strerror(errno));
    }
    write_ppm(path, pixels, framebuffer.width, framebuffer.height, framebuffer.pitch);
    printf("screenshot %ux%u\n", framebuffer.width, framebuffer.height);
    munmap(pixels, size);
    close(fd);
}

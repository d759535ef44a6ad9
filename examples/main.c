// A program that is VMM and guest at once: it carries out, on gpu.c, the commands with which the
// Mesa driver of a guest process starts, and looks at the answers as that process does.
//
//     pv-example [VULKAN LIBRARY]
//
// The guest's window for host memory is a reserved range of addresses, as it is in a VMM; memory is
// mapped into it from its file, as over a KVM memslot that spans the window.
#include "gpu.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pv/renderer.h"
#include "pv/resource.h"

#define CONTEXT     3
#define WINDOW_SIZE (64u << 20)

enum { RING = 1, REPLIES = 2 }; // resources
#define RING_OFFSET  0u
#define REPLY_OFFSET (1u << 20)
#define RING_SIZE    135168u
#define REPLY_SIZE   1048576u

struct vmm {
    uint8_t *window;
    int fence_pipe[2]; // carries fence ids to the thread that owns the virtqueue
};

static void need(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "pv-example: %s failed\n", what);
        exit(1);
    }
}

static void print_log(void *user, enum pv_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "pv-example: %s\n", message);
}

// -- what the VMM gives to gpu.c -----------------------------------------------------------------

static bool map(void *user, const struct gpu_mapping *mapping)
{
    const struct vmm *vmm = user;
    if (mapping->fd < 0 || mapping->offset > WINDOW_SIZE ||
        mapping->size > WINDOW_SIZE - mapping->offset) {
        return false;
    }
    return mmap(vmm->window + mapping->offset, mapping->size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED, mapping->fd, 0) != MAP_FAILED;
}

static void unmap(void *user, const struct gpu_mapping *mapping)
{
    const struct vmm *vmm = user;
    void *hole = mmap(vmm->window + mapping->offset, mapping->size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    need(hole != MAP_FAILED, "unmapping");
}

static void fence_retired(void *user, uint32_t context_id, uint32_t ring_idx, uint64_t fence_id)
{
    const struct vmm *vmm = user;
    (void)context_id;
    (void)ring_idx;
    need(write(vmm->fence_pipe[1], &fence_id, sizeof(fence_id)) == sizeof(fence_id), "the pipe");
}

// The next fence that retires.
static uint64_t wait_fence(const struct vmm *vmm)
{
    uint64_t fence_id = 0;
    struct pollfd readable = {.fd = vmm->fence_pipe[0], .events = POLLIN};
    need(poll(&readable, 1, 10000) == 1, "waiting for a fence");
    need(read(vmm->fence_pipe[0], &fence_id, sizeof(fence_id)) == sizeof(fence_id), "the pipe");
    return fence_id;
}

// -- the guest: the bytes are the Mesa driver's
// ----------------------------------------------------

// vkCreateRingMESA: a ring in resource 1, head at 0, tail at 64, status at 128, buffer at 192.
static const uint32_t create_ring[] = {
    188,     0,   0x11223340, 0x7f00, 1, 0,      1000384000, 1,       0, 1000384006, 0, 0,
    3000000, 0,   1,          0,      0, 131268, 0,          1000000, 0, 0,          0, 64,
    0,       128, 0,          192,    0, 131072, 0,          131264,  0, 4,          0};

static const uint32_t destroy_ring[] = {189, 0, 0x11223340, 0x7f00};

// In the ring: vkSetReplyCommandStreamMESA (resource 2), then vkEnumerateInstanceVersion.
static const uint32_t questions[] = {178, 0, 1, 0, REPLIES, 0, 0, 20, 0, 137, 1, 1, 0};

// vkNotifyRingMESA, the doorbell.
static const uint32_t notify_ring[] = {190, 0, 0x11223340, 0x7f00, sizeof(questions), 0};

static void run_guest(struct gpu *gpu, const struct vmm *vmm)
{
    // The guest's kernel, and the commands that its driver sends through it.
    uint32_t map_info;
    need(gpu_create_context(gpu, CONTEXT, "example"), "CTX_CREATE");
    need(gpu_create_blob(gpu, CONTEXT, RING, PV_BLOB_MAPPABLE, 0, RING_SIZE), "CREATE_BLOB");
    need(gpu_map_blob(gpu, RING, RING_OFFSET, &map_info), "MAP_BLOB");
    need(map_info == PV_MAP_CACHE_CACHED, "map_info");
    need(gpu_attach(gpu, CONTEXT, RING), "CTX_ATTACH_RESOURCE");
    need(gpu_submit(gpu, CONTEXT, create_ring, sizeof(create_ring)), "SUBMIT_3D");
    need(gpu_create_blob(gpu, CONTEXT, REPLIES, PV_BLOB_MAPPABLE, 0, REPLY_SIZE), "CREATE_BLOB");
    need(gpu_map_blob(gpu, REPLIES, REPLY_OFFSET, &map_info), "MAP_BLOB");
    need(gpu_attach(gpu, CONTEXT, REPLIES), "CTX_ATTACH_RESOURCE");

    // The guest's process, in the memory that it sees.
    uint8_t *ring = vmm->window + RING_OFFSET;
    _Atomic uint32_t *head = (_Atomic uint32_t *)(void *)ring;
    _Atomic uint32_t *tail = (_Atomic uint32_t *)(void *)(ring + 64);
    memcpy(ring + 192, questions, sizeof(questions));
    atomic_store(tail, sizeof(questions));
    need(gpu_submit(gpu, CONTEXT, notify_ring, sizeof(notify_ring)), "the doorbell");
    for (int i = 0; atomic_load(head) != sizeof(questions) && i < 10000; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    uint32_t reply[5];
    memcpy(reply, vmm->window + REPLY_OFFSET, sizeof(reply));
    need(reply[0] == 137 && reply[1] == 0 && reply[2] == 1, "vkEnumerateInstanceVersion");
    printf("the guest sees Vulkan %u.%u\n", reply[4] >> 22 & 0x7f, reply[4] >> 12 & 0x3ff);

    // A fence behind all that: the command that carries it is answered when it retires.
    need(gpu_create_fence(gpu, CONTEXT, 0, 42), "a fence");
    need(wait_fence(vmm) == 42, "the fence");

    need(gpu_submit(gpu, CONTEXT, destroy_ring, sizeof(destroy_ring)), "SUBMIT_3D");
    need(gpu_unmap_blob(gpu, RING), "UNMAP_BLOB");
    gpu_detach(gpu, CONTEXT, RING);
    gpu_unref(gpu, RING);
    // What the guest leaves behind goes with the device.
}

int main(int argc, char **argv)
{
    const struct pv_renderer_params params = {
        .log = print_log,
        .log_level = PV_LOG_WARN,
        .vulkan_library = argc > 1 ? argv[1] : NULL,
    };
    struct pv_renderer *renderer = pv_renderer_create(&params, NULL, 0);
    need(renderer != NULL, "opening Vulkan");

    struct vmm vmm = {.window =
                          mmap(NULL, WINDOW_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    need(vmm.window != MAP_FAILED && pipe(vmm.fence_pipe) == 0, "the window");
    struct gpu *gpu = gpu_create(
        renderer, &(struct gpu_host){
                      .map = map, .unmap = unmap, .fence_retired = fence_retired, .user = &vmm});
    need(gpu != NULL, "the device");
    run_guest(gpu, &vmm);
    gpu_destroy(gpu);
    pv_renderer_destroy(renderer);
    munmap(vmm.window, WINDOW_SIZE);
    return 0;
}

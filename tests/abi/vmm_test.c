// The calls of known VMMs, in their order, with their flags: what their unchanged binaries do for
// one guest process that starts the Mesa driver. The bytes are Mesa's (tests/wire/vectors).
#include "vmm.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CTX        3
#define RING_AT    1      // resource, as in the vector
#define REPLIES    2      // another
#define RING_SIZE  135168 // 131268 in whole pages
#define REPLY_SIZE 1048576
#define COHERENT   2 // a memory type of the mock that the guest can map

// vkCreateRingMESA of the primary ring in resource 1: name 7f0011223340, head at 0, tail at 64,
// status at 128, buffer at 192, extra at 131264.
static const uint32_t create_ring[] = {
    188,     0,   0x11223340, 0x7f00, 1, 0,      1000384000, 1,       0, 1000384006, 0, 0,
    3000000, 0,   1,          0,      0, 131268, 0,          1000000, 0, 0,          0, 64,
    0,       128, 0,          192,    0, 131072, 0,          131264,  0, 4,          0};

// What the driver puts into the ring first: where replies go, then a question.
static const uint32_t first_commands[] = {
    178, 0, 1, 0, REPLIES, 0, 0, 20, 0, // vkSetReplyCommandStreamMESA
    137, 1, 1, 0,                       // vkEnumerateInstanceVersion
};

// The doorbell: vkNotifyRingMESA of the ring, `seqno` bytes are in it.
static int ring_doorbell(uint32_t seqno)
{
    uint32_t doorbell[] = {190, 0, 0x11223340, 0x7f00, seqno, 0};
    return virgl_renderer_submit_cmd(doorbell, CTX, 6);
}

// The guest's side of the ring, in the memory that the VMM shows it.
static void use_ring(uint8_t *ring, uint8_t *replies)
{
    _Atomic uint32_t *head = (_Atomic uint32_t *)(void *)ring;
    _Atomic uint32_t *tail = (_Atomic uint32_t *)(void *)(ring + 64);
    memcpy(ring + 192, first_commands, sizeof(first_commands));
    atomic_store(tail, sizeof(first_commands));
    assert_int_equal(ring_doorbell(sizeof(first_commands)), 0);
    const uint64_t deadline = now_ms() + 5000;
    while (atomic_load(head) != sizeof(first_commands) && now_ms() < deadline) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    assert_int_equal(atomic_load(head), sizeof(first_commands));
    uint32_t reply[5];
    memcpy(reply, replies, sizeof(reply));
    assert_int_equal(reply[0], 137);
    assert_int_equal(reply[1], VK_SUCCESS);
    assert_int_equal(reply[2], 1);
    assert_true(reply[4] >= VK_API_VERSION_1_1);
}

static void end_guest_process(void)
{
    uint32_t destroy_ring[] = {189, 0, 0x11223340, 0x7f00}; // vkDestroyRingMESA
    assert_int_equal(virgl_renderer_submit_cmd(destroy_ring, CTX, 4), 0);
}

static int submit_create_ring(void)
{
    uint32_t copy[sizeof(create_ring) / 4]; // VMMs copy the command first
    memcpy(copy, create_ring, sizeof(copy));
    return virgl_renderer_submit_cmd(copy, CTX, (int)(sizeof(copy) / 4));
}

static void look_at_capsets(void)
{
    uint32_t version, size;
    uint8_t caps[160];
    virgl_renderer_get_cap_set(1, &version, &size);
    virgl_renderer_get_cap_set(2, &version, &size);
    assert_int_equal(size, 0);
    virgl_renderer_get_cap_set(VENUS, &version, &size);
    assert_int_equal(size, sizeof(caps));
    virgl_renderer_fill_caps(VENUS, version, caps);
}

static int create_context(const char *name)
{
    return virgl_renderer_context_create_with_flags(CTX, VENUS, (uint32_t)strlen(name), name);
}

// QEMU: RESOURCE_CREATE_BLOB is followed by a question, whose failure would drop the blob.
static void qemu_create_blob(uint32_t resource, uint64_t size)
{
    virgl_renderer_force_ctx_0();
    assert_int_equal(vmm_create_blob(CTX, resource, 0, size), 0);
    struct virgl_renderer_resource_info info;
    assert_int_equal(virgl_renderer_resource_get_info((int)resource, &info), 0);
}

static uint8_t *qemu_map(uint32_t resource)
{
    void *map;
    uint64_t size;
    uint32_t map_info;
    assert_int_equal(virgl_renderer_resource_map(resource, &map, &size), 0);
    assert_int_equal(virgl_renderer_resource_get_map_info(resource, &map_info), 0);
    assert_int_equal(map_info, VIRGL_RENDERER_MAP_CACHE_CACHED);
    virgl_renderer_force_ctx_0();
    virgl_renderer_ctx_attach_resource(CTX, (int)resource);
    return map;
}

static void qemu_drop(uint32_t resource, bool unmap)
{
    virgl_renderer_ctx_detach_resource(CTX, (int)resource);
    if (unmap) {
        assert_int_equal(virgl_renderer_resource_unmap(resource), 0);
    }
    struct iovec *iov;
    int count;
    virgl_renderer_resource_detach_iov((int)resource, &iov, &count);
    assert_null(iov);
    virgl_renderer_resource_unref(resource);
}

// Debian stable's QEMU: polls every 10 ms while a fence is out.
static void qemu_10(void **state)
{
    (void)state;
    look_at_capsets(); // when the device is realised
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3); // at the guest's first command
    assert_int_equal(create_context("vulkaninfo"), 0);
    // Mesa 25.0 makes a signalled sync file with an empty submission.
    assert_int_equal(virgl_renderer_submit_cmd(NULL, CTX, 0), 0);
    assert_int_equal(virgl_renderer_context_create_fence(CTX, 1, 0, 1), 0);
    assert_int_equal(vmm.fence_count, 0);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 1);

    qemu_create_blob(RING_AT, RING_SIZE);
    uint8_t *ring = qemu_map(RING_AT);
    assert_int_equal(submit_create_ring(), 0);
    qemu_create_blob(REPLIES, REPLY_SIZE);
    use_ring(ring, qemu_map(REPLIES));
    assert_int_equal(virgl_renderer_create_fence(2, 0x0206), 0); // ctx_id is a command type
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 2);

    end_guest_process();
    qemu_drop(REPLIES, true);
    qemu_drop(RING_AT, true);
    virgl_renderer_context_destroy(CTX);
    virgl_renderer_reset(); // the guest reboots
    assert_int_equal(virgl_renderer_init(&vmm, QEMU_10_FLAGS, &vmm.callbacks), 0);
    assert_int_equal(create_context("again"), 0);
    vmm_close(&vmm);
}

// Debian unstable's QEMU: maps into its window itself, fences come from any thread.
static void qemu_11(void **state)
{
    (void)state;
    look_at_capsets();
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 4);
    const size_t hostmem = 1 << 28;
    uint8_t *window =
        mmap(NULL, hostmem, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(window, MAP_FAILED);
    assert_int_equal(create_context("vulkaninfo"), 0);
    qemu_create_blob(RING_AT, RING_SIZE);
    assert_int_equal(virgl_renderer_resource_map_fixed(RING_AT, window), 0);
    virgl_renderer_ctx_attach_resource(CTX, RING_AT);
    assert_int_equal(submit_create_ring(), 0);
    qemu_create_blob(REPLIES, REPLY_SIZE);
    assert_int_equal(virgl_renderer_resource_map_fixed(REPLIES, window + (1 << 20)), 0);
    virgl_renderer_ctx_attach_resource(CTX, REPLIES);
    use_ring(window, window + (1 << 20));
    assert_int_equal(virgl_renderer_context_create_fence(CTX, 1, 0, 7), 0);
    assert_true(vmm_wait_fences(&vmm, 1, false));

    end_guest_process();
    // QEMU unmaps by mapping nothing over it.
    assert_ptr_equal(mmap(window, RING_SIZE, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0),
                     window);
    qemu_drop(RING_AT, false);
    qemu_drop(REPLIES, false);
    virgl_renderer_context_destroy(CTX);
    vmm_close(&vmm);
    munmap(window, hostmem);
}

// rutabaga and crosvm: descriptors are exported at creation and mapped by the VMM.
static uint8_t *rutabaga_create_blob(uint32_t resource, uint64_t size, int *fd)
{
    assert_int_equal(vmm_create_blob(CTX, resource, 0, size), 0);
    uint32_t fd_type, map_info;
    assert_int_equal(virgl_renderer_resource_export_blob(resource, &fd_type, fd), 0);
    assert_int_equal(fd_type, VIRGL_RENDERER_BLOB_FD_TYPE_SHM); // OPAQUE is refused
    assert_int_equal(virgl_renderer_resource_get_map_info(resource, &map_info), 0);
    struct virgl_renderer_export_query query = {
        .hdr = {VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY, 0, sizeof(query)},
        .in_resource_id = resource,
    };
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), 0);
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    virgl_renderer_ctx_attach_resource(CTX, (int)resource);
    return map;
}

static void rutabaga(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm,
             VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | VIRGL_RENDERER_RENDER_SERVER |
                 VIRGL_RENDERER_USE_EXTERNAL_BLOB | ASYNC_FLAGS,
             3);
    look_at_capsets();
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    assert_int_equal(create_context("vkcube"), 0);
    int ring_fd, reply_fd;
    uint8_t *ring = rutabaga_create_blob(RING_AT, RING_SIZE, &ring_fd);
    assert_int_equal(submit_create_ring(), 0);
    uint8_t *replies = rutabaga_create_blob(REPLIES, REPLY_SIZE, &reply_fd);
    use_ring(ring, replies);
    for (uint64_t id = 1; id <= 5; id++) {
        assert_int_equal(virgl_renderer_context_create_fence(CTX, 1, (uint32_t)(id % 2), id), 0);
    }
    assert_true(vmm_wait_fences(&vmm, 5, false));
    end_guest_process();
    munmap(ring, RING_SIZE);
    munmap(replies, REPLY_SIZE);
    close(ring_fd);
    close(reply_fd);
    virgl_renderer_resource_unref(RING_AT);
    virgl_renderer_resource_unref(REPLIES);
    virgl_renderer_context_destroy(CTX);
    vmm_close(&vmm);
}

// The same from a thread that is not the one that started the program, as libkrun's and crosvm's
// device threads are.
static void *rutabaga_thread(void *state)
{
    rutabaga(state);
    return NULL;
}

static void rutabaga_in_a_device_thread(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, rutabaga_thread, state), 0);
    pthread_join(thread, NULL);
}

// crosvm: memory of a VkDeviceMemory is exported at its creation and mapped over the guest's
// window; another component's buffer is imported before a context attaches it.
static void crosvm_shares_by_descriptor(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm,
             VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | VIRGL_RENDERER_USE_EXTERNAL_BLOB |
                 ASYNC_FLAGS,
             3);
    vmm_open_device(&vmm, CTX);
    const size_t size = 65536;
    uint8_t *window = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(window, MAP_FAILED);
    write_allocate_memory(&vmm.guest, 100, size, COHERENT, 0, false);
    assert_int_equal(vmm_submit(&vmm, CTX), 0);
    assert_int_equal(vmm_create_blob(CTX, 20, 100, size), 0);
    uint32_t fd_type;
    int fd;
    assert_int_equal(virgl_renderer_resource_export_blob(20, &fd_type, &fd), 0);
    assert_int_equal(fd_type, VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    assert_ptr_not_equal(mmap(window, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
                         MAP_FAILED);
    close(fd);
    window[size - 1] = 7;

    const int theirs = memfd_create("theirs", MFD_CLOEXEC);
    assert_true(theirs >= 0);
    assert_int_equal(ftruncate(theirs, (off_t)size), 0);
    assert_int_equal(
        virgl_renderer_resource_import_blob(&(struct virgl_renderer_resource_import_blob_args){
            .res_handle = 21,
            .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
            .fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_SHM,
            .fd = theirs,
            .size = size,
        }),
        0);
    virgl_renderer_ctx_attach_resource(CTX, 21);
    virgl_renderer_ctx_attach_resource(CTX, 21);

    // The context goes first: what the VMM has mapped stays.
    virgl_renderer_context_destroy(CTX);
    assert_int_equal(window[size - 1], 7);
    virgl_renderer_resource_unref(20);
    virgl_renderer_resource_unref(21);
    window[size - 1] = 8;
    munmap(window, 1 << 20);
    vmm_close(&vmm);
}

// rutabaga's displays: without OpenGL the VMM reads the image back into memory of its own.
static void rutabaga_reads_displays_back(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | ASYNC_FLAGS, 3);
    enum { WIDTH = 64, HEIGHT = 16, STRIDE = WIDTH * 4 };
    struct virgl_renderer_resource_create_args args = {
        .handle = 9,
        .target = 2, // a texture of two dimensions
        .format = 2, // B8G8R8X8
        .bind = 2,
        .width = WIDTH,
        .height = HEIGHT,
        .depth = 1,
        .array_size = 1,
    };
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    static uint8_t guest[HEIGHT * STRIDE], ours[HEIGHT * STRIDE];
    for (size_t i = 0; i < sizeof(guest); i++) {
        guest[i] = (uint8_t)(i * 7);
    }
    // The guest's pages, in pieces.
    struct iovec pages[2] = {{guest, 1000}, {guest + 1000, sizeof(guest) - 1000}};
    assert_int_equal(virgl_renderer_resource_attach_iov(9, pages, 2), 0);
    struct virgl_box box = {.w = WIDTH, .h = HEIGHT, .d = 1};
    assert_int_equal(virgl_renderer_transfer_write_iov(9, 0, 0, STRIDE, 0, &box, 0, NULL, 0), 0);
    struct iovec target = {ours, sizeof(ours)};
    assert_int_equal(virgl_renderer_transfer_read_iov(9, 0, 0, STRIDE, 0, &box, 0, &target, 1), 0);
    assert_memory_equal(ours, guest, sizeof(ours));
    int fd = 5;
    assert_int_equal(virgl_renderer_get_fd_for_texture(0, &fd), -1);
    struct iovec *iov;
    int count;
    virgl_renderer_resource_detach_iov(9, &iov, &count);
    assert_ptr_equal(iov, pages);
    virgl_renderer_resource_unref(9);
    vmm_close(&vmm);
}

// libkrun on Linux: shared memory as rutabaga; what has no such descriptor goes through map2.
static void libkrun_with_map2(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | ASYNC_FLAGS, 3);
    assert_int_equal(create_context("krun"), 0);
    uint8_t *window = mmap(NULL, 1 << 24, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(window, MAP_FAILED);
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
    assert_int_equal(vmm_create_blob(CTX, RING_AT, 0, RING_SIZE), 0);
    assert_int_equal(virgl_renderer_resource_map2(RING_AT, window, RING_SIZE, prot, flags), 0);
    virgl_renderer_ctx_attach_resource(CTX, RING_AT);
    assert_int_equal(submit_create_ring(), 0);
    assert_int_equal(vmm_create_blob(CTX, REPLIES, 0, REPLY_SIZE), 0);
    uint8_t *replies = window + (1 << 20);
    assert_int_equal(virgl_renderer_resource_map2(REPLIES, replies, REPLY_SIZE, prot, flags), 0);
    use_ring(window, replies);
    end_guest_process();
    munmap(window, 1 << 24);
    virgl_renderer_context_destroy(CTX);
    vmm_close(&vmm);
}

// krunkit on macOS maps what get_map_ptr() returns into the guest, and asks for it from the
// thread that owns the virtual machine.
static void *map_by_pointer(void *user)
{
    uint64_t *addresses = user;
    assert_int_equal(virgl_renderer_resource_get_map_ptr(RING_AT, &addresses[0]), 0);
    assert_int_equal(virgl_renderer_resource_get_map_ptr(REPLIES, &addresses[1]), 0);
    return NULL;
}

static void krunkit(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, KRUNKIT_FLAGS, 3);
    assert_int_equal(create_context("krun"), 0);
    uint32_t map_info;
    for (uint32_t resource = RING_AT; resource <= REPLIES; resource++) {
        const uint64_t size = resource == RING_AT ? RING_SIZE : REPLY_SIZE;
        assert_int_equal(vmm_create_blob(CTX, resource, 0, size), 0);
        assert_int_equal(virgl_renderer_resource_get_map_info(resource, &map_info), 0);
        virgl_renderer_ctx_attach_resource(CTX, (int)resource);
    }
    uint64_t addresses[2];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, map_by_pointer, addresses), 0);
    pthread_join(thread, NULL);
    // hv_vm_map takes whole pages: the rest of the last one is there, and nobody else's.
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(addresses[0] % page, 0);
    assert_int_equal(addresses[1] % page, 0);
    assert_int_equal(submit_create_ring(), 0);
    use_ring((uint8_t *)(uintptr_t)addresses[0], (uint8_t *)(uintptr_t)addresses[1]);
    assert_int_equal(virgl_renderer_context_create_fence(CTX, 1, 0, 1), 0);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 1);
    virgl_renderer_context_destroy(CTX);
    vmm_close(&vmm);
}

// A guest process is killed: its kernel takes the ring's memory away before the context goes.
static void a_killed_guest_process(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(create_context("killed"), 0);
    qemu_create_blob(RING_AT, RING_SIZE);
    uint8_t *ring = qemu_map(RING_AT);
    assert_int_equal(submit_create_ring(), 0);
    qemu_create_blob(REPLIES, REPLY_SIZE);
    use_ring(ring, qemu_map(REPLIES));
    qemu_drop(RING_AT, true);
    qemu_drop(REPLIES, true);
    assert_int_equal(virgl_renderer_context_create_fence(CTX, 1, 0, 9), 0);
    virgl_renderer_context_destroy(CTX);
    virgl_renderer_poll();
    assert_int_equal(vmm.fence_count, 1);
    vmm_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMM_CASE(qemu_10),
        VMM_CASE(qemu_11),
        VMM_CASE(rutabaga),
        VMM_CASE(rutabaga_in_a_device_thread),
        VMM_CASE(rutabaga_reads_displays_back),
        VMM_CASE(crosvm_shares_by_descriptor),
        VMM_CASE(libkrun_with_map2),
        VMM_CASE(krunkit),
        VMM_CASE(a_killed_guest_process),
    };
    return cmocka_run_group_tests_name("vmm", tests, NULL, NULL);
}

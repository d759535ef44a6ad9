// Blobs: creation, import, export, mapping in all its forms, iovecs, questions.
#include "vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COHERENT 2 // a memory type of the mock that the guest can map

static void shared_memory_is_mapped_exported_and_described(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 135168), 0);

    struct virgl_renderer_resource_info info;
    memset(&info, 0xcd, sizeof(info));
    assert_int_equal(virgl_renderer_resource_get_info(5, &info), 0);
    assert_int_equal(info.handle, 5);
    assert_int_equal(info.fd, -1); // no dma-buf to scan out
    assert_int_equal(info.tex_id, 0);
    struct virgl_renderer_resource_info_ext ext;
    assert_int_equal(virgl_renderer_resource_get_info_ext(5, &ext), 0);
    assert_int_equal(ext.version, 0);
    assert_int_equal(ext.base.handle, 5);
    assert_false(ext.has_dmabuf_export);

    uint32_t map_info = 0;
    assert_int_equal(virgl_renderer_resource_get_map_info(5, &map_info), 0);
    assert_int_equal(map_info, VIRGL_RENDERER_MAP_CACHE_CACHED);

    uint8_t *map;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(5, (void **)&map, &size), 0);
    assert_int_equal(size, 135168);
    void *again;
    assert_int_equal(virgl_renderer_resource_map(5, &again, &size), -EINVAL);
    map[135167] = 0x5a;

    uint32_t type;
    int fd;
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), 0);
    assert_int_equal(type, VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    struct stat stat;
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_size, 135168);
    uint8_t *theirs = mmap(NULL, 135168, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    assert_int_equal(theirs[135167], 0x5a);
    munmap(theirs, 135168);
    close(fd);

    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    assert_int_equal(virgl_renderer_resource_unmap(5), -EINVAL);
    virgl_renderer_resource_unref(5);
    assert_int_equal(virgl_renderer_resource_get_info(5, &info), EINVAL);
    vmm_close(&vmm);
}

static void fixed_maps_belong_to_the_caller(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 4);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 8192), 0);
    const size_t window_size = 1 << 20;
    uint8_t *window =
        mmap(NULL, window_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(window, MAP_FAILED);
    assert_int_equal(virgl_renderer_resource_map_fixed(9, window), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, window + 65536), 0);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, window), 0); // twice is fine
    window[8191] = 7;
    assert_int_equal(window[65536 + 8191], 7);
    void *map;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(5, &map, &size), 0);
    assert_int_equal(((uint8_t *)map)[8191], 7);
    virgl_renderer_resource_unmap(5);
    virgl_renderer_resource_unref(5);
    assert_int_equal(window[8191], 7); // outlives the resource
    munmap(window, window_size);
    vmm_close(&vmm);
}

static void map2_maps_as_told(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 10000), 0);
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
    uint8_t *window = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(window, MAP_FAILED);
    assert_int_equal(virgl_renderer_resource_map2(6, window, 4096, prot, flags), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map2(5, window, 0, prot, flags), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map2(5, window, 12289, prot, flags), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map2(5, window + 1, 4096, prot, flags), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map2(5, window, 12288, prot, flags), 0);
    uint64_t address;
    assert_int_equal(virgl_renderer_resource_get_map_ptr(6, &address), -EINVAL);
    assert_int_equal(virgl_renderer_resource_get_map_ptr(5, &address), 0);
    uint64_t same;
    assert_int_equal(virgl_renderer_resource_get_map_ptr(5, &same), 0);
    assert_int_equal(same, address);
    window[9999] = 3;
    assert_int_equal(((uint8_t *)(uintptr_t)address)[9999], 3);
    munmap(window, 65536);
    vmm_close(&vmm);
}

static void device_memory_becomes_shared_memory(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 4);
    vmm_open_device(&vmm, 1);
    write_allocate_memory(&vmm.guest, 100, 65536, COHERENT, 0, false);
    assert_int_equal(vmm_submit(&vmm, 1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 99, 65536), -EINVAL);
    assert_int_equal(vmm_create_blob(1, 5, 100, 65536 + 4096), -EINVAL);
    assert_int_equal(vmm_create_blob(2, 5, 100, 65536), -EINVAL);
    assert_int_equal(vmm_create_blob(1, 5, 100, 65536), 0);
    uint32_t type, map_info;
    int fd;
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), 0);
    assert_int_equal(type, VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    close(fd);
    assert_int_equal(virgl_renderer_resource_get_map_info(5, &map_info), 0);
    assert_true(map_info == VIRGL_RENDERER_MAP_CACHE_CACHED ||
                map_info == VIRGL_RENDERER_MAP_CACHE_WC);
    uint8_t *map;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(5, (void **)&map, &size), 0);
    map[65535] = 1;
    // The guest frees memory before the kernel drops the blob.
    write_destroy(&vmm.guest, PV_COMMAND_vkFreeMemory, DEVICE, 100);
    assert_int_equal(vmm_submit(&vmm, 1), 0);
    map[65535] = 2;
    virgl_renderer_ctx_detach_resource(1, 5);
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    virgl_renderer_resource_unref(5);
    vmm_close(&vmm);
}

// As where a driver takes no host pointers but exports dma-bufs.
static void a_dmabuf_is_lent_for_scanout(void **state)
{
    (void)state;
    struct mock_vk_config config;
    mock_vk_get_config(&config);
    config.device_extensions[0] = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME;
    config.device_extensions[1] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME;
    config.device_extensions[2] = NULL;
    config.buffer_handle_types |= VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    config.dmabuf_types = 0x1e;
    mock_vk_set_config(&config);

    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 4);
    vmm_open_device(&vmm, 1);
    write_allocate_memory(&vmm.guest, 100, 65536, COHERENT, 0, false);
    assert_int_equal(vmm_submit(&vmm, 1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 100, 65536), 0);
    struct virgl_renderer_resource_info info;
    assert_int_equal(virgl_renderer_resource_get_info(5, &info), 0);
    const int lent = info.fd;
    assert_true(lent >= 0);
    assert_int_equal(virgl_renderer_resource_get_info(5, &info), 0);
    assert_int_equal(info.fd, lent); // the same: a VMM asks for every frame
    uint32_t type;
    int fd;
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), 0);
    assert_int_equal(type, VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF);
    assert_int_not_equal(fd, lent); // the caller's own
    uint8_t *map, *theirs;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(5, (void **)&map, &size), 0);
    theirs = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    map[65535] = 0x77;
    assert_int_equal(theirs[65535], 0x77);
    munmap(theirs, 65536);
    close(fd);
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_resource_unref(5);
    assert_int_equal(fcntl(lent, F_GETFD), -1); // lent until the resource goes
    vmm_close(&vmm);
}

static int create_args(uint32_t resource, uint32_t mem, uint64_t size, const struct iovec *iov,
                       uint32_t iov_count)
{
    return virgl_renderer_resource_create_blob(&(struct virgl_renderer_resource_create_blob_args){
        .res_handle = resource,
        .ctx_id = 1,
        .blob_mem = mem,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE,
        .size = size,
        .iovecs = iov,
        .num_iovs = iov_count,
    });
}

static void creation_is_checked(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    uint8_t memory[4096];
    const struct iovec iov[2] = {{memory, 1024}, {memory + 2048, 1024}};
    assert_int_equal(create_args(0, 2, 4096, NULL, 0), -EINVAL);
    assert_int_equal(create_args(5, 2, 0, NULL, 0), -EINVAL);
    assert_int_equal(create_args(5, 2, 1024, iov, 1), -EINVAL); // HOST3D has no iovecs
    assert_int_equal(create_args(5, 1, 4096, NULL, 0), -EINVAL);
    assert_int_equal(create_args(5, 1, 2049, iov, 2), -EINVAL);
    assert_int_equal(create_args(5, 0, 4096, NULL, 0), -EINVAL);
    assert_int_equal(create_args(5, 4, 4096, NULL, 0), -EINVAL);
    assert_int_equal(create_args(5, 2, 4096, NULL, 0), 0);
    assert_int_equal(create_args(5, 2, 4096, NULL, 0), -EINVAL); // taken
    assert_int_equal(create_args(5, 1, 1024, iov, 1), -EINVAL);
    // Shared memory has these flags and no others.
    assert_int_equal(
        virgl_renderer_resource_create_blob(&(struct virgl_renderer_resource_create_blob_args){
            .res_handle = 6, .ctx_id = 1, .blob_mem = 2, .blob_flags = 3, .size = 4096}),
        -EINVAL);
    vmm_close(&vmm);
}

static void guest_memory_keeps_its_iovecs(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    uint8_t memory[4096];
    struct iovec iov[2] = {{memory, 1024}, {memory + 2048, 1024}}, *back = NULL;
    int count = 0;
    assert_int_equal(create_args(5, VIRGL_RENDERER_BLOB_MEM_GUEST, 2048, iov, 2), 0);
    uint32_t map_info;
    assert_int_equal(virgl_renderer_resource_get_map_info(5, &map_info), 0);
    assert_int_equal(map_info, VIRGL_RENDERER_MAP_CACHE_CACHED);
    void *map;
    uint64_t size;
    uint32_t type;
    int fd;
    assert_int_equal(virgl_renderer_resource_map(5, &map, &size), -EINVAL);
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), -EINVAL);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 2), EINVAL); // it has some
    virgl_renderer_ctx_attach_resource(1, 5);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_resource_detach_iov(5, &back, &count);
    assert_ptr_equal(back, iov);
    assert_int_equal(count, 2);
    virgl_renderer_resource_detach_iov(5, &back, &count);
    assert_null(back);
    assert_int_equal(count, 0);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 1), 0);
    virgl_renderer_resource_detach_iov(5, NULL, NULL);

    assert_int_equal(create_args(6, VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST, 2048, iov, 2), 0);
    assert_int_equal(virgl_renderer_resource_map(6, &map, &size), 0);
    virgl_renderer_resource_detach_iov(6, &back, &count);
    assert_ptr_equal(back, iov);
    vmm_close(&vmm);
}

static int import(uint32_t resource, uint32_t mem, uint32_t type, int fd, uint64_t size)
{
    return virgl_renderer_resource_import_blob(&(struct virgl_renderer_resource_import_blob_args){
        .res_handle = resource, .blob_mem = mem, .fd_type = type, .fd = fd, .size = size});
}

static void imports_take_the_descriptor(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_context(2), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 8192), 0);
    uint32_t type;
    int fd;
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), 0);
    assert_int_equal(import(0, 2, type, fd, 8192), -EINVAL);
    assert_int_equal(import(5, 2, type, fd, 8192), -EINVAL);
    assert_int_equal(import(6, 1, type, fd, 8192), -EINVAL);
    assert_int_equal(import(6, 2, VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE, fd, 8192), -EINVAL);
    assert_int_equal(import(6, 2, type, -1, 8192), -EINVAL);
    assert_int_equal(import(6, 2, type, fd, 0), -EINVAL);
    assert_int_equal(import(6, 2, type, fd, 8193), -EINVAL); // more than the file has
    assert_true(fcntl(fd, F_GETFD) >= 0);                    // still ours
    assert_int_equal(import(6, 2, type, fd, 8192), 0);
    virgl_renderer_ctx_attach_resource(2, 6);
    void *map;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(6, &map, &size), 0);
    virgl_renderer_resource_unmap(6);
    virgl_renderer_resource_unref(6);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    vmm_close(&vmm);
}

static void resources_carry_the_callers_pointer(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    virgl_renderer_resource_set_priv(5, &vmm);
    assert_null(virgl_renderer_resource_get_priv(5));
    assert_int_equal(vmm_create_blob(1, 5, 0, 4096), 0);
    assert_null(virgl_renderer_resource_get_priv(5));
    virgl_renderer_resource_set_priv(5, &vmm);
    assert_ptr_equal(virgl_renderer_resource_get_priv(5), &vmm);
    virgl_renderer_resource_unref(5);
    assert_null(virgl_renderer_resource_get_priv(5));
    vmm_close(&vmm);
}

static void questions_are_answered(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_11_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 4096), 0);

    struct virgl_renderer_export_query query = {
        .hdr = {VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY, 0, sizeof(query)},
        .in_resource_id = 5,
    };
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), 0);
    assert_int_equal(query.out_num_fds, 1);
    assert_int_equal(query.out_fds[0], -1);
    assert_int_equal(query.out_modifier, 0x00ffffffffffffff);
    query.in_export_fds = 1;
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), -EINVAL);
    query.in_export_fds = 0;
    query.in_resource_id = 6;
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), -EINVAL);
    query.in_resource_id = 5;
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query) - 4), -EINVAL);
    assert_int_equal(virgl_renderer_execute(&query, 4), -EINVAL);
    query.hdr.stype_version = 1;
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), -EINVAL);

    struct virgl_renderer_supported_structures structures = {
        .hdr = {VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES, 0, sizeof(structures)},
    };
    assert_int_equal(virgl_renderer_execute(&structures, sizeof(structures)), 0);
    assert_int_equal(structures.out_supported_structures_mask, 3);
    structures.in_stype_version = 1;
    assert_int_equal(virgl_renderer_execute(&structures, sizeof(structures)), 0);
    assert_int_equal(structures.out_supported_structures_mask, 0);
    structures.hdr.stype = 4;
    assert_int_equal(virgl_renderer_execute(&structures, sizeof(structures)), -EINVAL);
    vmm_close(&vmm);
}

static uint32_t open_descriptors(void)
{
    uint32_t count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void hundred_contexts_leave_nothing_behind(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS | VIRGL_RENDERER_THREAD_SYNC, 3);
    vmm_open_device(&vmm, 1); // what is opened once is open
    const uint32_t before = open_descriptors();
    for (uint32_t i = 0; i < 100; i++) {
        const uint32_t ctx_id = 2 + i % 3;
        assert_int_equal(vmm_create_context(ctx_id), 0);
        assert_true(virgl_renderer_context_get_poll_fd(ctx_id) >= 0);
        assert_int_equal(vmm_create_blob(ctx_id, 1000 + i, 0, 65536), 0);
        void *map;
        uint64_t size;
        assert_int_equal(virgl_renderer_resource_map(1000 + i, &map, &size), 0);
        struct virgl_renderer_resource_info info;
        assert_int_equal(virgl_renderer_resource_get_info((int)(1000 + i), &info), 0);
        assert_int_equal(virgl_renderer_context_create_fence(ctx_id, 1, 0, i + 1), 0);
        virgl_renderer_poll();
        virgl_renderer_context_destroy(ctx_id);
        assert_int_equal(virgl_renderer_resource_unmap(1000 + i), 0);
        virgl_renderer_resource_unref(1000 + i);
    }
    assert_int_equal(vmm.fence_count, 100);
    assert_int_equal(open_descriptors(), before);
    vmm_close(&vmm);
}

static void keep_last(enum virgl_log_level_flags level, const char *message, void *user)
{
    if (level >= VIRGL_LOG_LEVEL_WARNING) {
        snprintf(user, 256, "%s", message);
    }
}

// The guest's kernel finds no room in the window: the host sees a blob come and go.
static void a_window_that_is_too_small_is_told(void **state)
{
    (void)state;
    char last[256] = "";
    virgl_set_log_callback(keep_last, last, NULL);
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    void *map;
    uint64_t size;
    assert_int_equal(vmm_create_blob(1, 5, 0, 135168), 0);
    assert_int_equal(virgl_renderer_resource_map(5, &map, &size), 0);
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    virgl_renderer_resource_unref(5);
    assert_string_equal(last, "");

    assert_int_equal(vmm_create_blob(1, 6, 0, 135168), 0);
    virgl_renderer_resource_unref(6);
    assert_non_null(strstr(last, "132 KiB"));
    assert_non_null(strstr(last, "hostmem"));

    last[0] = '\0'; // once is enough
    assert_int_equal(vmm_create_blob(1, 7, 0, 135168), 0);
    virgl_renderer_resource_unref(7);
    assert_string_equal(last, "");
    virgl_set_log_callback(NULL, NULL, NULL);
    vmm_close(&vmm);
}

static void a_number_can_be_mapped_again_after_unref(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    uint8_t *maps[3];
    uint64_t size;
    for (int i = 0; i < 3; i++) { // without unmapping
        assert_int_equal(vmm_create_blob(1, 5, 0, 4096), 0);
        assert_int_equal(virgl_renderer_resource_map(5, (void **)&maps[i], &size), 0);
        maps[i][0] = (uint8_t)i;
        virgl_renderer_resource_unref(5);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(maps[i][0], i);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    }
    assert_int_equal(virgl_renderer_resource_unmap(5), -EINVAL);
    vmm_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMM_CASE(shared_memory_is_mapped_exported_and_described),
        VMM_CASE(fixed_maps_belong_to_the_caller),
        VMM_CASE(map2_maps_as_told),
        VMM_CASE(device_memory_becomes_shared_memory),
        VMM_CASE(a_dmabuf_is_lent_for_scanout),
        VMM_CASE(creation_is_checked),
        VMM_CASE(guest_memory_keeps_its_iovecs),
        VMM_CASE(imports_take_the_descriptor),
        VMM_CASE(resources_carry_the_callers_pointer),
        VMM_CASE(questions_are_answered),
        VMM_CASE(a_number_can_be_mapped_again_after_unref),
        VMM_CASE(a_window_that_is_too_small_is_told),
        VMM_CASE(hundred_contexts_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}

// Classic 2D resources: what QEMU's console, the guest's X server and cursors need.
#include "vmm.h"

#include <stdlib.h>

static int create(uint32_t resource, uint32_t format, uint32_t width, uint32_t height)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = resource,
        .target = 2,
        .format = format,
        .bind = VIRGL_RES_BIND_RENDER_TARGET,
        .width = width,
        .height = height,
        .depth = 1,
        .array_size = 1,
        .flags = 1, // y 0 is at the top
    };
    return virgl_renderer_resource_create(&args, NULL, 0);
}

static int write_box(uint32_t resource, struct virgl_box box, uint32_t stride, uint64_t offset,
                     struct iovec *iov, unsigned iov_count)
{
    return virgl_renderer_transfer_write_iov(resource, 0, 0, stride, 0, &box, offset, iov,
                                             iov_count);
}

static int read_box(uint32_t resource, struct virgl_box box, uint32_t stride, uint64_t offset,
                    struct iovec *iov, int iov_count)
{
    return virgl_renderer_transfer_read_iov(resource, 0, 0, stride, 0, &box, offset, iov,
                                            iov_count);
}

static void images_are_checked_at_creation(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    static const uint32_t formats[] = {1, 2, 3, 4, 67, 68, 121, 134};
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(create(10 + i, formats[i], 16, 16), 0);
        struct virgl_renderer_resource_info info;
        assert_int_equal(virgl_renderer_resource_get_info((int)(10 + i), &info), 0);
        assert_int_equal(info.handle, 10 + i);
        assert_int_equal(info.virgl_format, formats[i]);
        assert_int_equal(info.width, 16);
        assert_int_equal(info.height, 16);
        assert_int_equal(info.depth, 1);
        assert_int_equal(info.flags, 1);
        assert_int_equal(info.stride, 64);
        assert_int_equal(info.tex_id, 0);
        assert_int_equal(info.fd, -1);
        assert_true(info.drm_fourcc != 0);
    }
    assert_int_equal(create(0, 1, 16, 16), EINVAL);
    assert_int_equal(create(10, 1, 16, 16), -EINVAL); // taken: upstream's sign
    assert_int_equal(create(20, 5, 16, 16), EINVAL);
    assert_int_equal(create(20, 1, 0, 16), EINVAL);
    assert_int_equal(create(20, 1, 16, 16385), EINVAL);
    struct virgl_renderer_resource_create_args args = {
        .handle = 20, .target = 2, .format = 1, .width = 4, .height = 4, .last_level = 1};
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    args.last_level = 0;
    args.target = 0; // a buffer of OpenGL
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    assert_int_equal(virgl_renderer_resource_import_eglimage(&args, NULL), EINVAL);
    int fd, stride, offset;
    assert_int_equal(virgl_renderer_get_fd_for_texture(1, &fd), -1);
    assert_int_equal(virgl_renderer_get_fd_for_texture2(1, &fd, &stride, &offset), -1);
    vmm_close(&vmm);
}

static void attached_memory_goes_in_and_comes_back(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    enum { WIDTH = 30, HEIGHT = 20, SIZE = WIDTH * HEIGHT * 4 };
    uint8_t *backing = malloc(SIZE), *out = calloc(1, SIZE);
    for (int i = 0; i < SIZE; i++) {
        backing[i] = (uint8_t)(i * 7);
    }
    // Pages of the guest, of odd sizes, one of them empty.
    struct iovec iov[4] = {
        {backing, 333}, {backing + 333, 0}, {backing + 333, 1000}, {backing + 1333, SIZE - 1333}};
    assert_int_equal(create(1, 2, WIDTH, HEIGHT), 0);
    assert_int_equal(write_box(1, (struct virgl_box){.w = 1, .h = 1, .d = 1}, 0, 0, NULL, 0),
                     EINVAL); // nothing attached
    assert_int_equal(virgl_renderer_resource_attach_iov(1, iov, 4), 0);
    const struct virgl_box whole = {.w = WIDTH, .h = HEIGHT, .d = 1};
    assert_int_equal(write_box(1, whole, 0, 0, NULL, 0), 0);
    struct iovec out_iov = {out, SIZE};
    assert_int_equal(read_box(1, whole, WIDTH * 4, 0, &out_iov, 1), 0);
    assert_memory_equal(out, backing, SIZE);

    // A rectangle, as the guest's kernel flushes it: the offset is where it begins.
    memset(backing, 0xee, SIZE);
    const struct virgl_box part = {.x = 3, .y = 4, .w = 5, .h = 6, .d = 1};
    assert_int_equal(write_box(1, part, 0, (4 * WIDTH + 3) * 4, NULL, 0), 0);
    assert_int_equal(read_box(1, whole, 0, 0, &out_iov, 1), 0);
    for (int i = 0; i < SIZE; i++) {
        const int x = i / 4 % WIDTH, y = i / 4 / WIDTH;
        const bool inside = x >= 3 && x < 8 && y >= 4 && y < 10;
        assert_int_equal(out[i], inside ? 0xee : (uint8_t)(i * 7));
    }

    // Back into the guest's memory, which is attached.
    memset(backing, 0, SIZE);
    assert_int_equal(read_box(1, part, 0, (4 * WIDTH + 3) * 4, NULL, 0), 0);
    assert_int_equal(backing[(4 * WIDTH + 3) * 4], 0xee);
    assert_int_equal(backing[(4 * WIDTH + 8) * 4], 0);

    // The rectangle for software displays.
    memset(out, 0, SIZE);
    virgl_renderer_get_rect(1, &out_iov, 1, 8, 3, 4, 5, 6);
    assert_int_equal(out[7], 0);
    assert_int_equal(out[8], 0xee);
    assert_int_equal(out[8 + WIDTH * 4], 0xee);
    virgl_renderer_get_rect(1, &out_iov, 1, 0, -1, 0, 5, 6);
    virgl_renderer_get_rect(7, &out_iov, 1, 0, 0, 0, 5, 6);

    struct iovec *back;
    int count;
    virgl_renderer_resource_detach_iov(1, &back, &count);
    assert_ptr_equal(back, iov);
    assert_int_equal(count, 4);
    virgl_renderer_resource_unref(1);
    free(backing);
    free(out);
    vmm_close(&vmm);
}

static void transfers_stay_in_bounds(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    uint8_t *memory = malloc(1024); // 16 x 16, to the byte
    memset(memory, 1, 1024);
    struct iovec iov = {memory, 1024};
    assert_int_equal(create(1, 1, 16, 16), 0);
    static const struct {
        struct virgl_box box;
        uint32_t stride;
        uint64_t offset;
        int expected;
    } cases[] = {
        {{0, 0, 0, 16, 16, 1}, 0, 0, 0},
        {{0, 0, 0, 16, 16, 1}, 64, 0, 0},
        {{0, 0, 0, 16, 16, 1}, 0, 4, EINVAL},
        {{0, 0, 0, 16, 16, 1}, 68, 0, EINVAL},
        {{0, 0, 0, 16, 16, 1}, 60, 0, EINVAL},
        {{0, 0, 0, 16, 16, 1}, 0, UINT64_MAX, EINVAL},
        {{0, 0, 0, 16, 2, 1}, UINT32_MAX, 0, EINVAL},
        {{0, 0, 0, 16, 1, 1}, UINT32_MAX, 0, 0}, // one row has no stride
        {{1, 0, 0, 16, 1, 1}, 0, 0, EINVAL},
        {{UINT32_MAX, 0, 0, 2, 1, 1}, 0, 0, EINVAL},
        {{0, UINT32_MAX, 0, 1, 2, 1}, 0, 0, EINVAL},
        {{0, 0, 0, UINT32_MAX, 1, 1}, 0, 0, EINVAL},
        {{0, 0, 1, 1, 1, 1}, 0, 0, EINVAL},
        {{0, 0, 0, 1, 1, 2}, 0, 0, EINVAL},
        {{16, 16, 0, 0, 0, 1}, 0, 0, 0},
        {{15, 15, 0, 1, 1, 1}, 0, 1020, 0},
        {{15, 15, 0, 1, 1, 1}, 0, 1021, EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(write_box(1, cases[i].box, cases[i].stride, cases[i].offset, &iov, 1),
                         cases[i].expected);
        assert_int_equal(read_box(1, cases[i].box, cases[i].stride, cases[i].offset, &iov, 1),
                         cases[i].expected);
    }
    struct virgl_box box = {.w = 1, .h = 1, .d = 1};
    assert_int_equal(write_box(2, box, 0, 0, &iov, 1), EINVAL);
    assert_int_equal(virgl_renderer_transfer_write_iov(1, 0, 1, 0, 0, &box, 0, &iov, 1), EINVAL);
    assert_int_equal(virgl_renderer_transfer_write_iov(1, 0, 0, 0, 0, NULL, 0, &iov, 1), EINVAL);
    assert_int_equal(virgl_renderer_transfer_write_iov(1, 3, 0, 0, 0, &box, 0, &iov, 1), EINVAL);
    assert_int_equal(vmm_create_context(3), 0);
    assert_int_equal(virgl_renderer_transfer_write_iov(1, 3, 0, 0, 0, &box, 0, &iov, 1), 0);
    assert_int_equal(vmm_create_blob(3, 4, 0, 4096), 0);
    assert_int_equal(write_box(4, box, 0, 0, &iov, 1), EINVAL); // a blob is no image
    free(memory);
    vmm_close(&vmm);
}

static void cursors_are_copied(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    uint32_t pixels[64 * 64], width = 0, height = 0;
    for (uint32_t i = 0; i < 64 * 64; i++) {
        pixels[i] = i;
    }
    struct iovec iov = {pixels, sizeof(pixels)};
    assert_int_equal(create(1, 1, 64, 64), 0);
    assert_int_equal(write_box(1, (struct virgl_box){.w = 64, .h = 64, .d = 1}, 0, 0, &iov, 1), 0);
    void *data = virgl_renderer_get_cursor_data(1, &width, &height);
    assert_non_null(data);
    assert_int_equal(width, 64);
    assert_int_equal(height, 64);
    assert_memory_equal(data, pixels, sizeof(pixels));
    free(data);
    assert_int_equal(create(2, 1, 129, 64), 0);
    assert_null(virgl_renderer_get_cursor_data(2, &width, &height));
    assert_null(virgl_renderer_get_cursor_data(3, &width, &height));
    vmm_close(&vmm);
}

static void images_are_no_blobs(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(create(5, 1, 16, 16), 0);
    uint32_t value;
    int fd;
    void *map;
    uint64_t size;
    virgl_renderer_ctx_attach_resource(1, 5);
    assert_int_equal(virgl_renderer_resource_get_map_info(5, &value), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map(5, &map, &size), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, NULL), -EINVAL);
    assert_int_equal(virgl_renderer_resource_export_blob(5, &value, &fd), -EINVAL);
    assert_int_equal(vmm_create_blob(1, 5, 0, 4096), -EINVAL);
    struct virgl_renderer_export_query query = {
        .hdr = {VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY, 0, sizeof(query)},
        .in_resource_id = 5,
    };
    assert_int_equal(virgl_renderer_execute(&query, sizeof(query)), 0);
    assert_int_equal(query.out_num_fds, 0); // not exportable
    vmm_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMM_CASE(images_are_checked_at_creation),
        VMM_CASE(attached_memory_goes_in_and_comes_back),
        VMM_CASE(transfers_stay_in_bounds),
        VMM_CASE(cursors_are_copied),
        VMM_CASE(images_are_no_blobs),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}

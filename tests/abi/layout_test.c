// Structures and numbers as compiled VMMs have them, from the description of the interface and not
// from our header: sizes and offsets for 64-bit machines.
#include "vmm.h"

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)
#define AT(type, field, bytes)                                                                     \
    _Static_assert(offsetof(struct type, field) == (bytes), #type "." #field)

SIZE(virgl_renderer_callbacks, 72);
AT(virgl_renderer_callbacks, version, 0);
AT(virgl_renderer_callbacks, write_fence, 8);
AT(virgl_renderer_callbacks, create_gl_context, 16);
AT(virgl_renderer_callbacks, destroy_gl_context, 24);
AT(virgl_renderer_callbacks, make_current, 32);
AT(virgl_renderer_callbacks, get_drm_fd, 40);
AT(virgl_renderer_callbacks, write_context_fence, 48);
AT(virgl_renderer_callbacks, get_server_fd, 56);
AT(virgl_renderer_callbacks, get_egl_display, 64);

SIZE(virgl_renderer_gl_ctx_param, 20);
SIZE(virgl_renderer_resource_create_args, 44);
AT(virgl_renderer_resource_create_args, flags, 40);

SIZE(virgl_renderer_resource_create_blob_args, 48);
AT(virgl_renderer_resource_create_blob_args, blob_flags, 12);
AT(virgl_renderer_resource_create_blob_args, blob_id, 16);
AT(virgl_renderer_resource_create_blob_args, size, 24);
AT(virgl_renderer_resource_create_blob_args, iovecs, 32);
AT(virgl_renderer_resource_create_blob_args, num_iovs, 40);

SIZE(virgl_renderer_resource_import_blob_args, 24);
AT(virgl_renderer_resource_import_blob_args, fd, 12);
AT(virgl_renderer_resource_import_blob_args, size, 16);

SIZE(virgl_renderer_resource_info, 40);
AT(virgl_renderer_resource_info, tex_id, 24);
AT(virgl_renderer_resource_info, stride, 28);
AT(virgl_renderer_resource_info, drm_fourcc, 32);
AT(virgl_renderer_resource_info, fd, 36);

SIZE(virgl_renderer_resource_info_ext, 72);
AT(virgl_renderer_resource_info_ext, base, 4);
AT(virgl_renderer_resource_info_ext, has_dmabuf_export, 44);
AT(virgl_renderer_resource_info_ext, planes, 48);
AT(virgl_renderer_resource_info_ext, modifiers, 56);
AT(virgl_renderer_resource_info_ext, d3d_tex2d, 64);

SIZE(virgl_renderer_hdr, 12);
SIZE(virgl_renderer_export_query, 88);
AT(virgl_renderer_export_query, in_resource_id, 12);
AT(virgl_renderer_export_query, in_export_fds, 20);
AT(virgl_renderer_export_query, out_fds, 32);
AT(virgl_renderer_export_query, out_modifier, 80);
SIZE(virgl_renderer_supported_structures, 20);

static void known_programs_pass_these_flags(void **state)
{
    (void)state;
    assert_int_equal(QEMU_10_FLAGS, 0x240);
    assert_int_equal(QEMU_11_FLAGS, 0x342);
    assert_int_equal(KRUNKIT_FLAGS, 0xc0);
    assert_int_equal(VIRGL_RENDERER_USE_GUEST_VRAM, 16384);
    assert_int_equal(VIRGL_RENDERER_COMPAT_PROFILE, 8192);
    assert_int_equal(VIRGL_RENDERER_D3D11_SHARE_TEXTURE, 4096);
    assert_int_equal(VIRGL_RENDERER_USE_VIDEO, 2048);
    assert_int_equal(VIRGL_RENDERER_USE_EXTERNAL_BLOB, 32);
}

static void versions_compare(void **state)
{
    (void)state;
    assert_true(VIRGL_CHECK_VERSION(1, 2, 1)); // what QEMU asks for map_fixed
    assert_true(VIRGL_CHECK_VERSION(1, 3, 0));
    assert_false(VIRGL_CHECK_VERSION(1, 3, 1));
    assert_false(VIRGL_CHECK_VERSION(2, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_programs_pass_these_flags),
        cmocka_unit_test(versions_compare),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}

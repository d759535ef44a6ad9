// Start, end, capsets, contexts, the log: what a VMM meets before any guest does anything.
#include "vmm.h"

#include <stdio.h>
#include <stdlib.h>

static void capsets_are_known_before_init(void **state)
{
    (void)state;
    for (uint32_t set = 0; set < 8; set++) {
        uint32_t version = 77, size = 77;
        virgl_renderer_get_cap_set(set, &version, &size);
        assert_int_equal(version, 0);
        assert_int_equal(size, set == VENUS ? 160 : 0);
    }
    uint32_t caps[41];
    memset(caps, 0xcd, sizeof(caps));
    virgl_renderer_fill_caps(1, 0, caps);
    virgl_renderer_fill_caps(2, 0, caps);
    assert_int_equal(caps[0], 0xcdcdcdcd);
    virgl_renderer_fill_caps(VENUS, 0, caps);
    assert_int_equal(caps[0], 1);           // wire format
    assert_int_equal(caps[3], 4);           // protocol
    assert_int_equal(caps[4], 1);           // supports_blob_id_0
    assert_true(caps[5] & 1);               // the extension mask is valid
    assert_int_equal(caps[39], 0);          // use_guest_vram
    assert_int_equal(caps[40], 0xcdcdcdcd); // 160 bytes and no more
}

static void nothing_works_before_init(void **state)
{
    (void)state;
    uint32_t value = 0;
    int fd = -1;
    void *map;
    uint64_t size;
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_create_args args = {
        .handle = 1, .target = 2, .format = 1, .width = 4, .height = 4};
    struct iovec *iov = &(struct iovec){0};
    int iov_count = 7;

    assert_int_equal(vmm_create_context(1), EINVAL);
    assert_int_equal(virgl_renderer_context_create(1, 0, NULL), EINVAL);
    virgl_renderer_context_destroy(1);
    assert_int_equal(virgl_renderer_submit_cmd(&value, 1, 1), EINVAL);
    assert_int_equal(virgl_renderer_create_fence(1, 0), EINVAL);
    assert_int_equal(virgl_renderer_context_create_fence(1, 1, 0, 1), -EINVAL);
    virgl_renderer_poll();
    virgl_renderer_context_poll(1);
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), -1);
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    assert_int_equal(vmm_create_blob(1, 1, 0, 4096), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map(1, &map, &size), -EINVAL);
    assert_int_equal(virgl_renderer_resource_unmap(1), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map_fixed(1, NULL), -EINVAL);
    assert_int_equal(virgl_renderer_resource_get_map_info(1, &value), -EINVAL);
    assert_int_equal(virgl_renderer_resource_export_blob(1, &value, &fd), -EINVAL);
    assert_int_equal(virgl_renderer_resource_get_info(1, &info), EINVAL);
    assert_int_equal(virgl_renderer_resource_attach_iov(1, iov, 1), EINVAL);
    virgl_renderer_resource_detach_iov(1, &iov, &iov_count);
    assert_null(iov);
    assert_int_equal(iov_count, 0);
    virgl_renderer_ctx_attach_resource(1, 1);
    virgl_renderer_ctx_detach_resource(1, 1);
    virgl_renderer_resource_unref(1);
    virgl_renderer_force_ctx_0();
    virgl_renderer_reset();
    virgl_renderer_cleanup(NULL);
}

static void init_again_needs_the_same_arguments(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    assert_int_equal(virgl_renderer_init(&vmm, QEMU_10_FLAGS, &vmm.callbacks), 0);
    assert_int_equal(vmm_create_blob(1, 5, 0, 4096), 0); // context 1 is still there
    struct virgl_renderer_callbacks others = vmm.callbacks;
    assert_int_equal(virgl_renderer_init(&vmm, QEMU_10_FLAGS, &others), -EBUSY);
    assert_int_equal(virgl_renderer_init(&vmm, QEMU_11_FLAGS, &vmm.callbacks), -EBUSY);
    assert_int_equal(virgl_renderer_init(NULL, QEMU_10_FLAGS, &vmm.callbacks), -EBUSY);
    vmm_close(&vmm);
}

static void callbacks_have_versions(void **state)
{
    (void)state;
    struct virgl_renderer_callbacks callbacks = {.version = 0};
    assert_int_equal(virgl_renderer_init(&callbacks, QEMU_10_FLAGS, NULL), -1);
    assert_int_equal(virgl_renderer_init(&callbacks, QEMU_10_FLAGS, &callbacks), -1);

    // A VMM of the future gets what this library knows of.
    for (int version = 1; version <= 6; version++) {
        struct vmm vmm;
        vmm_open(&vmm, QEMU_11_FLAGS, version);
        assert_int_equal(vmm_create_context(1), 0);
        assert_int_equal(virgl_renderer_create_fence(3, 0), 0);
        assert_int_equal(vmm_fences(&vmm), 1);
        // Before version 3 there is no way to report it.
        assert_int_equal(virgl_renderer_context_create_fence(1, 1, 0, 8),
                         version >= 3 ? 0 : -EINVAL);
        assert_int_equal(vmm_fences(&vmm), version >= 3 ? 2 : 1);
        vmm_close(&vmm);
    }
}

static void contexts_are_checked(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(virgl_renderer_context_create_with_flags(0, VENUS, 0, NULL), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 2, 0, NULL), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 0x100 | VENUS, 0, NULL), EINVAL);
    assert_int_equal(virgl_renderer_context_create(1, 0, NULL), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, VENUS, 0, NULL), 0);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, VENUS, 0, NULL), 0); // the same
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 2, 0, NULL), EINVAL);
    // Longer than it may be, and not terminated.
    char name[200];
    memset(name, 'n', sizeof(name));
    assert_int_equal(virgl_renderer_context_create_with_flags(2, VENUS, sizeof(name), name), 0);
    virgl_renderer_context_destroy(1);
    virgl_renderer_context_destroy(1);
    vmm_close(&vmm);
}

static void without_the_venus_flag_there_is_no_venus(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, VIRGL_RENDERER_RENDER_SERVER, 3);
    assert_int_equal(vmm_create_context(1), EINVAL);
    vmm_close(&vmm);
    assert_int_equal(mock_vk_call_count(NULL), 0);
}

static void submissions_are_checked(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(1), 0);
    uint32_t words[2] = {0};
    assert_int_equal(virgl_renderer_submit_cmd(NULL, 1, 0), 0);
    assert_int_equal(virgl_renderer_submit_cmd(words, 2, 0), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, -1), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd((char *)words + 2, 1, 1), EFAULT);
    // Garbage ends this context and no other.
    words[0] = 0xffffffff;
    assert_int_equal(vmm_create_context(2), 0);
    assert_true(virgl_renderer_submit_cmd(words, 1, 2) > 0);
    assert_int_equal(words[0], 0xffffffff);
    assert_true(virgl_renderer_submit_cmd(NULL, 1, 0) > 0);
    assert_int_equal(virgl_renderer_submit_cmd(NULL, 2, 0), 0);
    vmm_close(&vmm);
}

static void reset_keeps_the_library_open(void **state)
{
    (void)state;
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    for (int i = 0; i < 3; i++) { // three boots of a guest
        vmm_open_device(&vmm, 1);
        assert_int_equal(vmm_create_context(2), 0);
        virgl_renderer_reset();
        assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
        struct virgl_renderer_resource_info info;
        assert_int_equal(virgl_renderer_resource_get_info(SHM, &info), EINVAL);
        assert_int_equal(virgl_renderer_submit_cmd(NULL, 1, 0), EINVAL);
        assert_int_equal(virgl_renderer_init(&vmm, QEMU_10_FLAGS, &vmm.callbacks), 0);
        // QEMU's memory regions outlive the reset: the memory must still be there.
        vmm.guest.memory[0] = 1;
        // QEMU 10 would abort if it mapped the number again.
        assert_int_equal(vmm_create_context(1), 0);
        assert_int_equal(vmm_create_blob(1, SHM, 0, 4096), 0);
        void *map;
        uint64_t size;
        assert_int_equal(virgl_renderer_resource_map(SHM, &map, &size), -EINVAL);
        assert_int_equal(virgl_renderer_resource_unmap(SHM), 0); // the old one
        assert_int_equal(virgl_renderer_resource_map(SHM, &map, &size), 0);
        assert_int_equal(virgl_renderer_resource_unmap(SHM), 0);
        virgl_renderer_reset();
        assert_int_equal(virgl_renderer_resource_unmap(SHM), -EINVAL);
    }
    vmm_open_device(&vmm, 1); // and cleanup ends what is mapped
    vmm_close(&vmm);
}

static void cleanup_ends_live_contexts(void **state)
{
    (void)state;
    struct vmm vmm;
    for (int i = 0; i < 3; i++) {
        vmm_open(&vmm, QEMU_10_FLAGS, 3);
        vmm_open_device(&vmm, 1);
        assert_int_equal(vmm_create_context(2), 0);
        assert_int_equal(vmm_create_blob(2, 9, 0, 65536), 0);
        vmm_close(&vmm);
    }
}

// -- log -------------------------------------------------------------------------------------

struct log {
    uint32_t lines, freed;
    enum virgl_log_level_flags level;
    char last[512];
};

static void keep(enum virgl_log_level_flags level, const char *message, void *user)
{
    struct log *log = user;
    log->lines++;
    log->level = level;
    snprintf(log->last, sizeof(log->last), "%s", message);
}

static void count_free(void *user)
{
    ((struct log *)user)->freed++;
}

static struct log debug_log;

__attribute__((format(printf, 1, 0))) static void keep_debug(const char *format, va_list arguments)
{
    debug_log.lines++;
    vsnprintf(debug_log.last, sizeof(debug_log.last), format, arguments);
}

static void a_missing_driver_is_one_line_in_the_log(void **state)
{
    (void)state;
    struct log log = {0};
    setenv("PV_VULKAN_LIBRARY", "/nowhere/libvulkan.so", 1);
    virgl_set_log_callback(keep, &log, count_free);
    struct vmm vmm;
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(log.lines, 1);
    assert_int_equal(log.level, VIRGL_LOG_LEVEL_ERROR);
    assert_non_null(strstr(log.last, "/nowhere/libvulkan.so"));
    assert_null(strchr(log.last, '\n'));
    assert_int_equal(vmm_create_context(1), EINVAL);
    // The display goes on.
    struct virgl_renderer_resource_create_args args = {
        .handle = 1, .target = 2, .format = 1, .width = 4, .height = 4, .depth = 1};
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    vmm_close(&vmm);
    assert_int_equal(log.freed, 0); // the callback outlives cleanup
    virgl_set_log_callback(NULL, NULL, NULL);
    assert_int_equal(log.freed, 1);
}

static void log_callbacks_follow_each_other(void **state)
{
    (void)state;
    struct log log = {0};
    struct virgl_renderer_callbacks bad = {.version = -9};
    virgl_set_log_callback(keep, &log, count_free);
    assert_null(virgl_set_debug_callback(keep_debug));
    assert_int_equal(log.freed, 1);
    assert_int_equal(virgl_renderer_init(NULL, 0, &bad), -1);
    assert_int_equal(log.lines, 0);
    assert_int_equal(debug_log.lines, 1);
    assert_string_equal(debug_log.last, "callbacks of version -9, known are 1 to 4\n");
    assert_ptr_equal(virgl_set_debug_callback(NULL), keep_debug);
}

static void guests_that_misbehave_are_logged(void **state)
{
    (void)state;
    struct log log = {0};
    struct vmm vmm;
    virgl_set_log_callback(keep, &log, NULL);
    vmm_open(&vmm, QEMU_10_FLAGS, 3);
    assert_int_equal(vmm_create_context(7), 0);
    log.lines = 0;
    uint32_t words[2] = {0xffffffff, 0};
    for (int i = 0; i < 5; i++) {
        assert_true(virgl_renderer_submit_cmd(words, 7, 2) > 0);
    }
    assert_int_equal(log.lines, 1); // once, not five times
    assert_int_equal(log.level, VIRGL_LOG_LEVEL_WARNING);
    assert_non_null(strstr(log.last, "context 7 (test)"));
    vmm_close(&vmm);
    virgl_set_log_callback(NULL, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMM_CASE(capsets_are_known_before_init),
        VMM_CASE(nothing_works_before_init),
        VMM_CASE(init_again_needs_the_same_arguments),
        VMM_CASE(callbacks_have_versions),
        VMM_CASE(contexts_are_checked),
        VMM_CASE(without_the_venus_flag_there_is_no_venus),
        VMM_CASE(submissions_are_checked),
        VMM_CASE(reset_keeps_the_library_open),
        VMM_CASE(cleanup_ends_live_contexts),
        VMM_CASE(a_missing_driver_is_one_line_in_the_log),
        VMM_CASE(log_callbacks_follow_each_other),
        VMM_CASE(guests_that_misbehave_are_logged),
    };
    return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}

#include "vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// -- callbacks -----------------------------------------------------------------------------------

static void note(struct vmm *vmm, struct vmm_fence fence)
{
    fence.in_callers_thread = pthread_equal(pthread_self(), vmm->thread);
    pthread_mutex_lock(&vmm->lock);
    if (vmm->fence_count < sizeof(vmm->fences) / sizeof(vmm->fences[0])) {
        vmm->fences[vmm->fence_count++] = fence;
    }
    pthread_mutex_unlock(&vmm->lock);
}

static void write_fence(void *cookie, uint32_t fence)
{
    note(cookie, (struct vmm_fence){.id = fence});
}

static void write_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring_idx, uint64_t fence_id)
{
    note(cookie, (struct vmm_fence){.ctx_id = ctx_id, .ring_idx = ring_idx, .id = fence_id});
}

static void must_not_be_called(void)
{
    fprintf(stderr, "a callback was called that must not be\n");
    abort();
}

static virgl_renderer_gl_context create_gl(void *cookie, int scanout,
                                           struct virgl_renderer_gl_ctx_param *param)
{
    (void)cookie;
    (void)scanout;
    (void)param;
    must_not_be_called();
    return NULL;
}

static int get_fd(void *cookie, uint32_t version)
{
    (void)cookie;
    (void)version;
    must_not_be_called();
    return -1;
}

static void *get_display(void *cookie)
{
    (void)cookie;
    must_not_be_called();
    return NULL;
}

// What a VMM built against an older header has behind its structure: garbage.
static void early_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring_idx, uint64_t fence_id)
{
    (void)cookie;
    (void)ctx_id;
    (void)ring_idx;
    (void)fence_id;
    must_not_be_called();
}

// -- life ----------------------------------------------------------------------------------------

void vmm_open(struct vmm *vmm, int flags, int version)
{
    *vmm = (struct vmm){.thread = pthread_self()};
    pthread_mutex_init(&vmm->lock, NULL);
    vmm->callbacks = (struct virgl_renderer_callbacks){
        .version = version,
        .write_fence = write_fence,
        .create_gl_context = create_gl,
        .write_context_fence = version >= 3 ? write_context_fence : early_context_fence,
        .get_server_fd = get_fd,
        .get_egl_display = get_display,
    };
    assert_int_equal(virgl_renderer_init(vmm, flags, &vmm->callbacks), 0);
}

void vmm_close(struct vmm *vmm)
{
    virgl_renderer_cleanup(vmm);
    pthread_mutex_destroy(&vmm->lock);
    free(vmm->guest.bytes);
    assert_string_equal(mock_vk_first_error(), "");
    assert_int_equal(mock_vk_errors(), 0);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_UNKNOWN), 0);
}

int vmm_create_context(uint32_t ctx_id)
{
    return virgl_renderer_context_create_with_flags(ctx_id, VENUS, 4, "test and more");
}

int vmm_create_blob(uint32_t ctx_id, uint32_t resource, uint64_t blob_id, uint64_t size)
{
    return virgl_renderer_resource_create_blob(&(struct virgl_renderer_resource_create_blob_args){
        .res_handle = resource,
        .ctx_id = ctx_id,
        .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE,
        .blob_id = blob_id,
        .size = size,
    });
}

void vmm_open_device(struct vmm *vmm, uint32_t ctx_id)
{
    assert_int_equal(vmm_create_context(ctx_id), 0);
    assert_int_equal(vmm_create_blob(ctx_id, SHM, 0, SHM_SIZE), 0);
    void *memory;
    uint64_t size;
    assert_int_equal(virgl_renderer_resource_map(SHM, &memory, &size), 0);
    assert_int_equal(size, SHM_SIZE);
    struct guest *guest = &vmm->guest;
    guest->memory = memory;
    write_create_instance(guest, INSTANCE, false);
    write_enumerate(guest, 1, (uint64_t[]){PHYSICAL_DEVICE});
    write_create_device(guest, DEVICE, (struct queues[]){{0, 2}, {1, 2}}, 2, NULL, 0);
    assert_int_equal(vmm_submit(vmm, ctx_id), 0);
    write_get_queue(guest, DEVICE, QUEUE, 0, 0, 1);
    assert_int_equal(vmm_submit(vmm, ctx_id), 0);
}

int vmm_submit(struct vmm *vmm, uint32_t ctx_id)
{
    struct guest *guest = &vmm->guest;
    assert_int_equal(guest->size % 4, 0);
    const int result = virgl_renderer_submit_cmd(guest->bytes, (int)ctx_id, (int)(guest->size / 4));
    guest->size = 0;
    return result;
}

// -- fences --------------------------------------------------------------------------------------

uint32_t vmm_fences(struct vmm *vmm)
{
    pthread_mutex_lock(&vmm->lock);
    const uint32_t count = vmm->fence_count;
    pthread_mutex_unlock(&vmm->lock);
    return count;
}

bool vmm_wait_fences(struct vmm *vmm, uint32_t count, bool polling)
{
    const uint64_t deadline = now_ms() + 5000;
    while (vmm_fences(vmm) < count) {
        if (now_ms() > deadline) {
            return false;
        }
        if (polling) {
            virgl_renderer_poll();
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return true;
}

int vmm_use_mock(void **state)
{
    setenv("PV_VULKAN_LIBRARY", mock_vk_path(), 1);
    return fresh_mock(state);
}

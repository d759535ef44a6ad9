// A VMM for tests: it drives libvirglrenderer.so as hypervisors do, on the mock driver, and writes
// down every fence that is reported and in which thread.
//
// Guest commands are written with the functions of tests/handlers/guest.h into `vmm.guest`, which
// is used for its bytes only:
//
//     write_create_instance(&vmm.guest, INSTANCE, false);
//     assert_int_equal(vmm_submit(&vmm, 1), 0);
#ifndef VMM_H
#define VMM_H

#include "guest.h"

#include <errno.h>
#include <sys/uio.h>

#include "virglrenderer.h"

// How known programs call virgl_renderer_init().
#define QEMU_10_FLAGS                                                                              \
    (VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER) // with callbacks of version 3
#define QEMU_11_FLAGS (QEMU_10_FLAGS | ASYNC_FLAGS)
#define ASYNC_FLAGS   (VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_ASYNC_FENCE_CB)
#define KRUNKIT_FLAGS (VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL)

#define VENUS 4 // capset

// The interface leaves its definition to who uses it.
struct virgl_box {
    uint32_t x, y, z;
    uint32_t w, h, d;
};

struct vmm_fence {
    uint32_t ctx_id; // 0: by write_fence
    uint32_t ring_idx;
    uint64_t id;
    bool in_callers_thread;
};

struct vmm {
    struct virgl_renderer_callbacks callbacks;
    struct guest guest;
    pthread_t thread;

    pthread_mutex_t lock;
    struct vmm_fence fences[4096];
    uint32_t fence_count;
};

// Starts the library. Fields of the callbacks beyond `version` end the program when called.
void vmm_open(struct vmm *vmm, int flags, int version);
// Ends it: nothing may be left alive in the driver, and the driver may have found nothing wrong.
void vmm_close(struct vmm *vmm);

// A Venus context with an instance and a device, and resource 1 for replies. The guest's memory
// is `vmm->guest.memory`.
void vmm_open_device(struct vmm *vmm, uint32_t ctx_id);

int vmm_create_context(uint32_t ctx_id);
// Shared memory (blob_id 0) or the memory of a VkDeviceMemory.
int vmm_create_blob(uint32_t ctx_id, uint32_t resource, uint64_t blob_id, uint64_t size);

// Runs what was written in `vmm->guest`. Returns what the library returns.
int vmm_submit(struct vmm *vmm, uint32_t ctx_id);

uint32_t vmm_fences(struct vmm *vmm); // reported so far
bool vmm_wait_fences(struct vmm *vmm, uint32_t count, bool polling);

// All further use of the library in this process opens the mock driver.
int vmm_use_mock(void **state);
#define VMM_CASE(name) cmocka_unit_test_setup(name, vmm_use_mock)

#endif

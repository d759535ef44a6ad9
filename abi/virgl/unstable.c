// Upstream's unstable functions pass fences as descriptors between contexts and devices. Venus
// guests have no use for them, and upstream has no such fences for Venus contexts either.
#include "state.h"

#include <errno.h>
#include <unistd.h>

int virgl_renderer_export_fence(uint64_t client_fence_id, int *fd)
{
    (void)client_fence_id;
    *fd = -1;
    return -EINVAL;
}

int virgl_renderer_export_signalled_fence(void)
{
    return -1;
}

int virgl_renderer_get_fence_fd(uint64_t fence_id)
{
    (void)fence_id;
    return -1;
}

int virgl_renderer_get_dev_fd(int ctx_id)
{
    (void)ctx_id;
    return -1;
}

int virgl_renderer_submit_cmd2(void *buffer, int ctx_id, int ndw, uint64_t *in_fence_ids,
                               uint32_t num_in_fences)
{
    // An id without a descriptor counts as signalled, and none has one.
    (void)in_fence_ids;
    (void)num_in_fences;
    return virgl_renderer_submit_cmd(buffer, ctx_id, ndw);
}

int virgl_renderer_attach_fence(int ctx_id, int fence_fd)
{
    if (!pv_virgl_find_context((uint32_t)ctx_id)) {
        return EINVAL;
    }
    close(fence_fd); // it is the library's from here on
    return -EINVAL;
}

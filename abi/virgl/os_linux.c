#include "os.h"

#include "virglrenderer.h"

#include <stddef.h>
#include <sys/eventfd.h>

bool pv_virgl_os_signal_fds(int fds[2])
{
    fds[0] = fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fds[0] >= 0;
}

const char *const pv_virgl_os_gl_libraries[] = {"libOpenGL.so.0", "libGL.so.1", "libGLESv2.so.2",
                                                NULL};

uint32_t pv_virgl_os_export(enum pv_fd_type type, int *fd, bool mappable)
{
    (void)fd;
    (void)mappable; // a pointer is of no use to a VMM that asks for a descriptor here
    switch (type) {
    case PV_FD_DMABUF:
        return VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF;
    case PV_FD_OPAQUE:
        return VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE;
    case PV_FD_SHM:
        return VIRGL_RENDERER_BLOB_FD_TYPE_SHM;
    case PV_FD_NONE:
        break;
    }
    return 0;
}

// VMMs on macOS map by pointer: they take the descriptor of type "Apple" for a sign that
// virgl_renderer_resource_get_map_ptr() works, and only close it.
#include "os.h"

#include "virglrenderer.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

bool pv_virgl_os_signal_fds(int fds[2])
{
    if (pipe(fds) < 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0 || fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0) {
            close(fds[0]);
            close(fds[1]);
            return false;
        }
    }
    return true;
}

const char *const pv_virgl_os_gl_libraries[] = {
    "/System/Library/Frameworks/OpenGL.framework/OpenGL", "libGLESv2.dylib", NULL};

uint32_t pv_virgl_os_export(enum pv_fd_type type, int *fd, bool mappable)
{
    if (!mappable) {
        return 0;
    }
    if (type == PV_FD_NONE) {
        *fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    return *fd >= 0 ? VIRGL_RENDERER_BLOB_FD_TYPE_APPLE : 0;
}

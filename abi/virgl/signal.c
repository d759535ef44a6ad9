#include "os.h"

#include <unistd.h>

bool pv_virgl_signal_init(struct pv_virgl_signal *signal)
{
    *signal = (struct pv_virgl_signal){0};
    signal->open = pv_virgl_os_signal_fds(signal->fds);
    return signal->open;
}

void pv_virgl_signal_finish(struct pv_virgl_signal *signal)
{
    if (signal->open) {
        close(signal->fds[0]);
        if (signal->fds[1] != signal->fds[0]) {
            close(signal->fds[1]);
        }
    }
    *signal = (struct pv_virgl_signal){0};
}

void pv_virgl_signal_raise(struct pv_virgl_signal *signal)
{
    if (signal->open && !signal->raised) {
        // Eight bytes suit an eventfd and a pipe; there is room for them after lower().
        const uint64_t one = 1;
        signal->raised = write(signal->fds[1], &one, sizeof(one)) == (ssize_t)sizeof(one);
    }
}

void pv_virgl_signal_lower(struct pv_virgl_signal *signal)
{
    if (signal->open && signal->raised) {
        // The VMM may have read it already.
        uint64_t ignored;
        const ssize_t size = read(signal->fds[0], &ignored, sizeof(ignored));
        (void)size;
        signal->raised = false;
    }
}

int pv_virgl_signal_fd(const struct pv_virgl_signal *signal)
{
    return signal->open ? signal->fds[0] : -1;
}

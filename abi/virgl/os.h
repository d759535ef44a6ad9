// What differs between platforms for the VMM's side, one interface for os_linux.c and os_darwin.c.
#ifndef PV_VIRGL_OS_H
#define PV_VIRGL_OS_H

#include <stdbool.h>
#include <stdint.h>

#include "pv/resource.h"

// A descriptor that is readable while something is to be done. Zeroed: none.
struct pv_virgl_signal {
    bool open;
    bool raised;
    int fds[2]; // read and write; may be the same
};

// Opens the descriptors, non-blocking and closed on exec. Failure: false.
bool pv_virgl_os_signal_fds(int fds[2]);

// signal.c. All may be called on a signal that is not open.
bool pv_virgl_signal_init(struct pv_virgl_signal *signal);
void pv_virgl_signal_finish(struct pv_virgl_signal *signal);
void pv_virgl_signal_raise(struct pv_virgl_signal *signal);
void pv_virgl_signal_lower(struct pv_virgl_signal *signal);
int pv_virgl_signal_fd(const struct pv_virgl_signal *signal); // -1 when not open

// Names of libraries with OpenGL's functions, best first; ends with NULL.
extern const char *const pv_virgl_os_gl_libraries[];

// What virgl_renderer_resource_export_blob() hands out for a blob whose descriptor is `fd`
// of `type` (-1, PV_FD_NONE): may exchange the descriptor. Returns VIRGL_RENDERER_BLOB_FD_TYPE_*,
// or 0 when there is nothing to hand out.
uint32_t pv_virgl_os_export(enum pv_fd_type type, int *fd, bool mappable);

#endif

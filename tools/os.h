// What differs between platforms for `pv-venus doctor`; os_linux.c and os_darwin.c.
#ifndef PV_TOOLS_OS_H
#define PV_TOOLS_OS_H

#include <stdbool.h>

struct pv_report;

// The usual names of the Vulkan library, in order; ends with NULL.
extern const char *const pv_tool_vulkan_libraries[];

// Device nodes below `dev` ("/dev"), limits, sandbox: what a host needs besides drivers.
void pv_tool_check_nodes(struct pv_report *report, const char *dev);
void pv_tool_check_limits(struct pv_report *report);

// Whether this machine is a guest with a virtio GPU.
bool pv_tool_has_virtio_gpu(void);

// The kernel's side of such a guest. `dev` as above.
void pv_tool_check_guest_kernel(struct pv_report *report, const char *dev);

#endif

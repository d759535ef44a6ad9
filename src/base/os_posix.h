// What os_linux.c and os_darwin.c supply to os_posix.c, and take from it. Nobody else includes
// this.
#ifndef PV_BASE_OS_POSIX_H
#define PV_BASE_OS_POSIX_H

#include <stdint.h>
#include <time.h>

// The names under which the platform keeps its Vulkan library, in the order in which they are
// tried, ending with NULL; and what a person does when none of them is there.
const char *const *pv_os_vulkan_names(void);
const char *pv_os_vulkan_advice(void);

// Opens, for the whole process, libraries in which drivers look up functions by name.
void pv_os_share_libraries(void);

// Reads a byte of every page, which makes the pages of shared memory present.
void pv_os_touch_pages(const void *address, uint64_t size);

struct timespec pv_os_timespec(uint64_t ns);

#endif

#include "os.h"

#include <sys/resource.h>

#include "report.h"

const char *const pv_tool_vulkan_libraries[] = {
    "libvulkan.1.dylib",
    "libvulkan.dylib",
    "/opt/homebrew/lib/libvulkan.1.dylib",
    "libMoltenVK.dylib",
    "/opt/homebrew/lib/libMoltenVK.dylib",
    0,
};

void pv_tool_check_nodes(struct pv_report *report, const char *dev)
{
    (void)report; // Metal needs no device nodes
    (void)dev;
}

void pv_tool_check_limits(struct pv_report *report)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    pv_report_add(report, PV_FINDING_NOTE, "open files", 0, "%llu, at most %llu",
                  (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

bool pv_tool_has_virtio_gpu(void)
{
    return false; // guests of ours run Linux
}

void pv_tool_check_guest_kernel(struct pv_report *report, const char *dev)
{
    (void)dev;
    pv_report_add(report, PV_FINDING_FAIL, "kernel", "run this in the Linux guest",
                  "this is macOS, guests run Linux");
}

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "report.h"
#include "server/serve.h"

const char *const pv_tool_vulkan_libraries[] = {"libvulkan.so.1", "libvulkan.so", NULL};

// -- device nodes ----------------------------------------------------------------------------

// What to do about a node that this user may not open.
static void permission_advice(const struct stat *status, char *advice, size_t size)
{
    const struct group *group = getgrgid(status->st_gid);
    const struct passwd *user = getpwuid(geteuid());
    const bool group_may = (status->st_mode & 0060) == 0060;
    if (group_may && group && status->st_gid != 0) {
        snprintf(advice, size,
                 "add the user to the group '%s' (usermod -aG %s %s), then log in anew",
                 group->gr_name, group->gr_name, user ? user->pw_name : "USER");
    } else if (group_may && status->st_gid != 0) {
        snprintf(advice, size,
                 "the node belongs to group %u, which has no name here: give this user or "
                 "container that group (--group-add %u)",
                 (unsigned)status->st_gid, (unsigned)status->st_gid);
    } else {
        snprintf(advice, size,
                 "its mode is %04o and only its owner may open it: have udev give it a group "
                 "(usually render or kvm) and mode 0660",
                 (unsigned)status->st_mode & 07777);
    }
}

static void check_node(struct pv_report *report, const char *path, const char *use)
{
    struct stat status;
    const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    const int reason = errno;
    if (fd >= 0) {
        close(fd);
        pv_report_add(report, PV_FINDING_OK, "device node", NULL, "%s can be opened (%s)", path,
                      use);
    } else if ((reason == EACCES || reason == EPERM) && stat(path, &status) == 0) {
        char advice[512];
        permission_advice(&status, advice, sizeof(advice));
        pv_report_add(report, PV_FINDING_WARN, "device node", advice,
                      "%s cannot be opened by this user (%s)", path, use);
    } else {
        pv_report_add(report, PV_FINDING_WARN, "device node",
                      "check the driver in the kernel's log (dmesg)", "%s: %s (%s)", path,
                      strerror(reason), use);
    }
}

// Returns how many there are.
static size_t check_nodes(struct pv_report *report, const char *dev, const char *name,
                          const char *use)
{
    char pattern[1024];
    glob_t found = {0};
    size_t count = 0;
    snprintf(pattern, sizeof(pattern), "%.900s/%s", dev, name);
    if (glob(pattern, 0, NULL, &found) == 0) {
        count = found.gl_pathc;
        for (size_t i = 0; i < count; i++) {
            check_node(report, found.gl_pathv[i], use);
        }
    }
    globfree(&found);
    return count;
}

void pv_tool_check_nodes(struct pv_report *report, const char *dev)
{
    const size_t gpus = check_nodes(report, dev, "dri/renderD*", "GPU, for Mesa's drivers") +
                        check_nodes(report, dev, "nvidia[0-9]*", "GPU, for NVIDIA's driver") +
                        check_nodes(report, dev, "nvidiactl", "for NVIDIA's driver") +
                        check_nodes(report, dev, "dxg", "GPU of a Windows host");
    if (gpus == 0) {
        pv_report_add(report, PV_FINDING_NOTE, "device node",
                      "if this machine has a GPU: install its kernel driver, or pass the node on "
                      "to this container (--device /dev/dri)",
                      "no GPU in %s: only drivers that run on the CPU work", dev);
    }
    if (check_nodes(report, dev, "kvm", "virtual machines at full speed") == 0) {
        pv_report_add(report, PV_FINDING_NOTE, "device node",
                      "for virtual machines, load kvm_intel or kvm_amd, or pass /dev/kvm on",
                      "no %s/kvm; containers and `pv-venus run` do not need it", dev);
    }
    if (check_nodes(report, dev, "udmabuf", "not needed here, other renderers do") == 0) {
        pv_report_add(report, PV_FINDING_NOTE, "device node", NULL,
                      "no %s/udmabuf; not needed here, other renderers do", dev);
    }
}

// -- limits ----------------------------------------------------------------------------------

static unsigned long long read_number(const char *path)
{
    unsigned long long number = 0;
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%llu", &number) != 1) {
            number = 0;
        }
        fclose(file);
    }
    return number;
}

static void check_shared_memory(struct pv_report *report)
{
    struct statvfs status;
    const int fd = memfd_create("pv-venus-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *map = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (map == MAP_FAILED) {
        pv_report_add(report, PV_FINDING_FAIL, "shared memory",
                      "allow memfd_create and F_ADD_SEALS in this container's seccomp profile",
                      "it cannot be made (%s)", strerror(errno));
    } else {
        munmap(map, 4096);
        pv_report_add(report, PV_FINDING_OK, "shared memory", NULL,
                      "can be made, sealed and mapped");
    }
    if (fd >= 0) {
        close(fd);
    }
    if (statvfs("/dev/shm", &status) == 0) {
        pv_report_add(report, PV_FINDING_NOTE, "/dev/shm", NULL,
                      "%llu MiB; memory of guests does not come from there",
                      (unsigned long long)status.f_blocks * status.f_frsize >> 20);
    }
}

void pv_tool_check_limits(struct pv_report *report)
{
    struct rlimit limit = {0, 0};
    const unsigned long long maps = read_number("/proc/sys/vm/max_map_count");
    const struct pv_sandbox_support sandbox = pv_sandbox_support();
    getrlimit(RLIMIT_NOFILE, &limit);
    const bool enough = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= 16384;
    pv_report_add(report, enough ? PV_FINDING_OK : PV_FINDING_WARN, "open files",
                  enough ? NULL
                         : "raise the hard limit (ulimit -Hn, LimitNOFILE=) to 16384 or more",
                  "at most %llu for a process; each mapped allocation of a guest takes one",
                  (unsigned long long)limit.rlim_max);
    pv_report_add(report, maps && maps < 65530 ? PV_FINDING_WARN : PV_FINDING_OK, "mappings",
                  maps && maps < 65530 ? "sysctl vm.max_map_count=65530 or more" : NULL,
                  "at most %llu for a process (vm.max_map_count)", maps);
    check_shared_memory(report);
    pv_report_add(report, sandbox.system_calls ? PV_FINDING_OK : PV_FINDING_WARN, "sandbox",
                  sandbox.system_calls ? NULL : "use a kernel and a container that allow seccomp",
                  "%s%s%s", sandbox.missing[0] ? sandbox.missing : "seccomp and Landlock",
                  sandbox.missing[0] ? ": workers are not completely in one" : "", "");
}

// -- a guest ---------------------------------------------------------------------------------

// Of the kernel's virtio-gpu driver (include/uapi/drm/drm.h, virtgpu_drm.h).
struct drm_version {
    int major, minor, patch;
    size_t name_size;
    char *name;
    size_t date_size;
    char *date;
    size_t description_size;
    char *description;
};
struct virtgpu_parameter {
    uint64_t which;
    uint64_t value; // address of an int
};
struct virtgpu_capset {
    uint32_t id, version;
    uint64_t address;
    uint32_t size, padding;
};
struct virtgpu_context_parameter {
    uint64_t which, value;
};
struct virtgpu_context {
    uint32_t count, padding;
    uint64_t parameters;
};
struct virtgpu_blob {
    uint32_t memory, flags, handle, resource;
    uint64_t size;
    uint32_t padding, command_size;
    uint64_t command, blob_id;
};
struct virtgpu_map {
    uint64_t offset;
    uint32_t handle, padding;
};
#define DRM_VERSION           _IOWR('d', 0x00, struct drm_version)
#define VIRTGPU_MAP           _IOWR('d', 0x41, struct virtgpu_map)
#define VIRTGPU_GET_PARAMETER _IOWR('d', 0x43, struct virtgpu_parameter)
#define VIRTGPU_GET_CAPSET    _IOWR('d', 0x49, struct virtgpu_capset)
#define VIRTGPU_CREATE_BLOB   _IOWR('d', 0x4a, struct virtgpu_blob)
#define VIRTGPU_INIT_CONTEXT  _IOWR('d', 0x4b, struct virtgpu_context)

enum { HAS_3D = 1, CAPSET_QUERY_FIX = 2, RESOURCE_BLOB = 3, HOST_VISIBLE = 4, CONTEXT_INIT = 6 };

static int get_parameter(int fd, uint64_t which)
{
    int value = 0;
    struct virtgpu_parameter parameter = {which, (uintptr_t)&value};
    return ioctl(fd, VIRTGPU_GET_PARAMETER, &parameter) == 0 ? value : 0;
}

static bool is_virtio_gpu(int fd)
{
    char name[32] = "";
    struct drm_version version = {.name_size = sizeof(name) - 1, .name = name};
    return ioctl(fd, DRM_VERSION, &version) == 0 && strcmp(name, "virtio_gpu") == 0;
}

bool pv_tool_has_virtio_gpu(void)
{
    glob_t found = {0};
    bool has = false;
    if (glob("/sys/bus/virtio/devices/*/device", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && !has; i++) {
            unsigned id = 0;
            FILE *file = fopen(found.gl_pathv[i], "r");
            has = file && fscanf(file, "%x", &id) == 1 && id == 16;
            if (file) {
                fclose(file);
            }
        }
    }
    globfree(&found);
    return has;
}

static void check_parameters(struct pv_report *report, int fd)
{
    static const struct {
        enum pv_finding otherwise;
        uint64_t which;
        const char *name, *good, *bad, *advice;
    } wanted[] = {
        {PV_FINDING_FAIL, HAS_3D, "3D", "the host renders", "the host's virtio-gpu is 2D only",
         "give the VM a GPU that renders: QEMU -device virtio-gpu-gl-pci,venus=on,blob=on"},
        {PV_FINDING_FAIL, RESOURCE_BLOB, "blob resources", "yes", "no",
         "QEMU: blob=on and hostmem=4G at the device; guest: Linux 5.11 or newer"},
        {PV_FINDING_FAIL, HOST_VISIBLE, "host memory region", "yes",
         "the device has no region for host memory", "QEMU: hostmem=4G at the device"},
        {PV_FINDING_FAIL, CONTEXT_INIT, "context types", "yes",
         "the kernel or the device cannot choose them",
         "guest: Linux 5.16 or newer; QEMU: 9.2 or newer with venus=on"},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const bool good = get_parameter(fd, wanted[i].which) != 0;
        pv_report_add(report, good ? PV_FINDING_OK : wanted[i].otherwise, wanted[i].name,
                      good ? NULL : wanted[i].advice, "%s", good ? wanted[i].good : wanted[i].bad);
    }
}

static bool check_capset(struct pv_report *report, int fd)
{
    uint32_t capset[PV_CAPSET_VENUS_SIZE / 4] = {0};
    struct virtgpu_capset request = {
        .id = PV_CAPSET_VENUS,
        .address = (uintptr_t)capset,
        .size = sizeof(capset),
    };
    if (ioctl(fd, VIRTGPU_GET_CAPSET, &request) != 0) {
        pv_report_add(report, PV_FINDING_FAIL, "Venus capset",
                      "QEMU: venus=on at the device; the host needs a libvirglrenderer with Venus",
                      "the host offers no Venus (%s)", strerror(errno));
        return false;
    }
    pv_report_add(report, capset[0] == 1 ? PV_FINDING_OK : PV_FINDING_FAIL, "Venus capset",
                  capset[0] == 1 ? NULL : "the host's renderer and this check differ in age",
                  "wire format %u, Vulkan registry 1.%u.%u, protocol %u", capset[0],
                  capset[1] >> 12 & 0x3ff, capset[1] & 0xfff, capset[3]);
    return capset[0] == 1;
}

static bool check_context(struct pv_report *report, int fd)
{
    struct virtgpu_context_parameter parameters[] = {{1, PV_CAPSET_VENUS}, {2, 64}, {3, 0}};
    struct virtgpu_context context = {.count = 3, .parameters = (uintptr_t)parameters};
    const bool made = ioctl(fd, VIRTGPU_INIT_CONTEXT, &context) == 0;
    pv_report_add(report, made ? PV_FINDING_OK : PV_FINDING_FAIL, "Venus context",
                  made ? NULL : "see the VMM's log: its Vulkan driver may be missing", "%s",
                  made ? "can be opened" : strerror(errno));
    return made;
}

static void check_blob(struct pv_report *report, int fd)
{
    enum { SIZE = 1 << 20, HOST3D = 2, MAPPABLE = 1 };
    struct virtgpu_blob blob = {.memory = HOST3D, .flags = MAPPABLE, .size = SIZE};
    struct virtgpu_map map = {0};
    volatile uint32_t *memory = MAP_FAILED;
    const char *what = "made";
    if (ioctl(fd, VIRTGPU_CREATE_BLOB, &blob) == 0) {
        what = "mapped";
        map.handle = blob.handle;
        if (ioctl(fd, VIRTGPU_MAP, &map) == 0) {
            memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
        }
    }
    if (memory == MAP_FAILED) {
        pv_report_add(report, PV_FINDING_FAIL, "host memory",
                      "QEMU: a larger hostmem= at the device; see the VMM's log",
                      "1 MiB of it could not be %s (%s)", what, strerror(errno));
        return;
    }
    memory[0] = 0x12345678;
    memory[SIZE / 4 - 1] = 0x9abcdef0;
    const bool kept = memory[0] == 0x12345678 && memory[SIZE / 4 - 1] == 0x9abcdef0;
    munmap((void *)(uintptr_t)memory, SIZE);
    pv_report_add(report, kept ? PV_FINDING_OK : PV_FINDING_FAIL, "host memory",
                  kept ? NULL : "report this with the VMM's version",
                  kept ? "1 MiB of it was mapped and written" : "it does not keep what is written");
}

static void check_kernel(struct pv_report *report)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    uname(&name);
    const bool parsed = sscanf(name.release, "%u.%u", &major, &minor) == 2;
    const bool old = parsed && (major < 5 || (major == 5 && minor < 16));
    pv_report_add(report, old ? PV_FINDING_FAIL : PV_FINDING_OK, "kernel",
                  old ? "use Linux 5.16 or newer in the guest" : NULL, "%s %s", name.sysname,
                  name.release);
}

void pv_tool_check_guest_kernel(struct pv_report *report, const char *dev)
{
    char pattern[1024];
    glob_t found = {0};
    int gpu = -1, reason = 0;
    const char *path = "";
    check_kernel(report);
    snprintf(pattern, sizeof(pattern), "%.900s/dri/renderD*", dev);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && gpu < 0; i++) {
            path = found.gl_pathv[i];
            gpu = open(path, O_RDWR | O_CLOEXEC);
            if (gpu < 0) {
                reason = errno;
                check_node(report, path, "perhaps the virtio GPU");
            } else if (!is_virtio_gpu(gpu)) {
                close(gpu);
                gpu = -1;
            }
        }
    }
    if (gpu < 0) {
        pv_report_add(report, PV_FINDING_FAIL, "virtio GPU",
                      reason ? "see the device node above"
                      : pv_tool_has_virtio_gpu()
                          ? "load the kernel's driver: modprobe virtio_gpu"
                          : "give the VM one: QEMU -device virtio-gpu-gl-pci,venus=on,blob=on,"
                            "hostmem=4G -display egl-headless",
                      "no render node of one in %s/dri", dev);
    } else {
        pv_report_add(report, PV_FINDING_OK, "virtio GPU", NULL, "%s", path);
        check_parameters(report, gpu);
        if (check_capset(report, gpu) && check_context(report, gpu)) {
            check_blob(report, gpu);
        }
        close(gpu);
    }
    globfree(&found);
}

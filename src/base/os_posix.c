// The part of base/os.h that Linux and macOS do alike: mappings, file descriptors and opening the
// Vulkan library by the platform's names.
#include "base/os.h"

#include "base/os_posix.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

size_t pv_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

struct timespec pv_os_timespec(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / 1000000000),
        .tv_nsec = (long)(ns % 1000000000),
    };
}

void *pv_os_map(int fd, uint64_t offset, uint64_t size)
{
    size_t length;
    if (!pv_size_from_u64(size, &length) || offset > INT64_MAX) {
        errno = EOVERFLOW;
        return NULL;
    }
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    return memory == MAP_FAILED ? NULL : memory;
}

bool pv_os_map_fixed(int fd, uint64_t size, void *address)
{
    size_t length;
    if (!pv_size_from_u64(size, &length)) {
        errno = EOVERFLOW;
        return false;
    }
    void *memory = mmap(address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    return memory != MAP_FAILED;
}

void pv_os_unmap(void *address, uint64_t size)
{
    if (address) {
        munmap(address, (size_t)size);
    }
}

int pv_os_spare_fds(int fd, unsigned count)
{
    struct rlimit limit;
    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return fd;
    }
    const rlim_t spare = limit.rlim_cur < 256 ? limit.rlim_cur * count / 256 : count;
    if ((rlim_t)fd < limit.rlim_cur - spare) {
        return fd;
    }
    pv_os_close(fd);
    errno = EMFILE;
    return -1;
}

void pv_os_touch_pages(const void *address, uint64_t size)
{
    // A load is enough: a page of shared memory has no other place to be zero in. A store would
    // race with a guest that is already writing.
    const volatile uint8_t *bytes = address;
    const size_t page_size = pv_os_page_size();
    for (uint64_t i = 0; i < size; i += page_size) {
        (void)bytes[i];
    }
}

int pv_os_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

void pv_os_close(int fd)
{
    if (fd >= 0) {
        const int saved_errno = errno;
        close(fd);
        errno = saved_errno;
    }
}

int64_t pv_os_fd_size(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -1;
    }
    // Old kernels tell the size of a dma-buf only through its end.
    return status.st_size > 0 || S_ISREG(status.st_mode) ? status.st_size : lseek(fd, 0, SEEK_END);
}

// The entry point of a loader, or of a driver that stands alone as MoltenVK does. A driver that
// expects a loader wants to be told first which version of their interface is spoken; 5 is the
// version in which the caller handles all Vulkan versions itself, as we do.
static void *find_entry_point(void *library)
{
    void *entry = dlsym(library, "vkGetInstanceProcAddr");
    if (entry) {
        return entry;
    }
    int (*negotiate)(uint32_t * version) =
        (int (*)(uint32_t *))dlsym(library, "vk_icdNegotiateLoaderICDInterfaceVersion");
    uint32_t version = 5;
    if (negotiate && negotiate(&version) != 0) {
        return NULL;
    }
    return dlsym(library, "vk_icdGetInstanceProcAddr");
}

// Tries the platform's names. Failure: NULL, `tried` holds the names, cut if need be.
static void *open_by_names(char *tried, size_t tried_size)
{
    size_t used = 0;
    tried[0] = 0;
    for (const char *const *name = pv_os_vulkan_names(); *name; name++) {
        void *library = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
        void *entry = library ? find_entry_point(library) : NULL;
        if (entry) {
            return entry;
        }
        if (library) {
            dlclose(library);
        }
        if (used < tried_size) {
            used +=
                (size_t)snprintf(tried + used, tried_size - used, "%s%s", used ? ", " : "", *name);
        }
    }
    return NULL;
}

void *pv_os_open_vulkan(const char *path, char *error, size_t error_size)
{
    pv_os_share_libraries();
    if (!path) {
        char tried[512];
        void *entry = open_by_names(tried, sizeof(tried));
        if (!entry) {
            snprintf(error, error_size, "no Vulkan library found (tried %s): %s", tried,
                     pv_os_vulkan_advice());
        }
        return entry;
    }

    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(error, error_size, "cannot open Vulkan library: %s", dlerror());
        return NULL;
    }
    void *entry = find_entry_point(library);
    if (!entry) {
        snprintf(error, error_size,
                 "%s is not a Vulkan library: it has neither vkGetInstanceProcAddr nor a driver's "
                 "vk_icdGetInstanceProcAddr; name a Vulkan loader or driver",
                 path);
        dlclose(library);
    }
    return entry;
}

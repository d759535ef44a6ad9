// Linux: sealed memfds, futexes, per-thread nice values and timer slack. Any kernel from 5.4 on;
// newer calls are tried and done without.
#include "base/os.h"

#include "base/os_posix.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the oldest C library we build with.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

const char *const *pv_os_vulkan_names(void)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", NULL};
    return names;
}

const char *pv_os_vulkan_advice(void)
{
    return "install the Vulkan loader, package libvulkan1 (Debian, Ubuntu), vulkan-loader "
           "(Fedora, Alpine) or vulkan-icd-loader (Arch)";
}

// llvmpipe's compiled shaders call functions as exp2f(), which it looks up among the global symbols
// of the process. Most programs link libm; where none did, such a shader would call address 0.
void pv_os_share_libraries(void)
{
    // Elsewhere than in glibc the functions are in the C library itself.
    (void)dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
}

uint64_t pv_os_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int pv_os_shm_create(const char *name, uint64_t size)
{
    if (size == 0 || size > INT64_MAX) {
        errno = size == 0 ? EINVAL : EFBIG;
        return -1;
    }

    // Hardened systems (sysctl vm.memfd_noexec) want the flag, kernels before 6.3 refuse it.
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create(name, flags);
    }
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, (off_t)size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        pv_os_close(fd);
        return -1;
    }
    return fd;
}

int64_t pv_os_shm_resident(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? (int64_t)status.st_blocks * 512 : -1;
}

void pv_os_populate(void *address, uint64_t size)
{
    if (madvise(address, (size_t)size, MADV_POPULATE_WRITE) != 0 && errno == EINVAL) {
        pv_os_touch_pages(address, size); // kernels before 5.14
    }
}

void pv_os_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    // The bitset flavour takes an absolute time on CLOCK_MONOTONIC.
    const struct timespec deadline = pv_os_timespec(deadline_ns);
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
            deadline_ns == UINT64_MAX ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

void pv_os_wake(const _Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void pv_os_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int error = pthread_condattr_init(&attr);
    assert(error == 0);
    error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    assert(error == 0);
    error = pthread_cond_init(cond, &attr);
    assert(error == 0);
    (void)error;
    pthread_condattr_destroy(&attr);
}

bool pv_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    const struct timespec deadline = pv_os_timespec(deadline_ns);
    return pthread_cond_timedwait(cond, mutex, &deadline) != ETIMEDOUT;
}

void pv_os_thread_set_name(const char *name)
{
    prctl(PR_SET_NAME, name); // cuts by itself
}

void pv_os_thread_set_nice(int nice)
{
    // POSIX gives a process one nice value; Linux gives each thread its own, named by its tid.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

void pv_os_thread_set_low_latency(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL);
}

void pv_os_thread_change_core(void)
{
    cpu_set_t allowed, others;
    const int core = sched_getcpu();
    if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return;
    }
    others = allowed;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof(others), &others) == 0) {
        sched_setaffinity(0, sizeof(allowed), &allowed);
    }
}

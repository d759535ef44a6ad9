// macOS: unlinked POSIX shared memory, condition variables with relative time-outs, quality of
// service in place of nice values. Public interfaces only, so that app stores take it.
#include "base/os.h"

#include "base/os_posix.h"
#include "base/parking.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/thread_policy.h>
#include <pthread/qos.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// What an application carries along comes first, then what the loader's own search finds, then
// where Homebrew puts things (Apple silicon, Intel), which that search does not know.
const char *const *pv_os_vulkan_names(void)
{
    static const char *const names[] = {
        "@executable_path/../Frameworks/libvulkan.1.dylib",
        "@executable_path/../Frameworks/libMoltenVK.dylib",
        "libvulkan.1.dylib",
        "libMoltenVK.dylib",
        "/opt/homebrew/lib/libvulkan.1.dylib",
        "/opt/homebrew/lib/libMoltenVK.dylib",
        "/usr/local/lib/libvulkan.1.dylib",
        "/usr/local/lib/libMoltenVK.dylib",
        NULL,
    };
    return names;
}

const char *pv_os_vulkan_advice(void)
{
    return "install the Vulkan SDK from vulkan.lunarg.com, or run: brew install vulkan-loader "
           "molten-vk";
}

// All functions of the system are in one library, libSystem, that every program has.
void pv_os_share_libraries(void)
{
}

// The clock that relative time-outs run on: it stands still while the machine sleeps.
uint64_t pv_os_now_ns(void)
{
    return clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
}

// A name that nobody else has, for the moment between shm_open() and shm_unlink(); at most 31
// characters. Returns a file descriptor or -1.
static int open_unnamed(void)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        char name[32];
        snprintf(name, sizeof(name), "/pv-venus-%08x%08x", arc4random(), arc4random());
        const int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0) {
            shm_unlink(name);
            return fd;
        }
        if (errno != EEXIST) {
            return -1;
        }
    }
    return -1;
}

int pv_os_shm_create(const char *name, uint64_t size)
{
    (void)name; // such memory shows no name
    uint64_t rounded;
    if (size == 0 || !pv_u64_align_up(size, pv_os_page_size(), &rounded) || rounded > INT64_MAX) {
        errno = size == 0 ? EINVAL : EFBIG;
        return -1;
    }

    const int fd = open_unnamed();
    if (fd < 0) {
        return -1;
    }
    // There are no seals, but the size of such memory can be set only once.
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ftruncate(fd, (off_t)rounded) != 0) {
        pv_os_close(fd);
        return -1;
    }
    return fd;
}

int64_t pv_os_shm_resident(int fd)
{
    (void)fd;
    return -1;
}

void pv_os_populate(void *address, uint64_t size)
{
    pv_os_touch_pages(address, size);
}

void pv_os_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    pv_parking_wait(word, expected, deadline_ns);
}

void pv_os_wake(const _Atomic uint32_t *word)
{
    pv_parking_wake(word);
}

void pv_os_cond_init(pthread_cond_t *cond)
{
    const int error = pthread_cond_init(cond, NULL);
    assert(error == 0);
    (void)error;
}

bool pv_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    const uint64_t now_ns = pv_os_now_ns();
    if (now_ns >= deadline_ns) {
        return false;
    }
    // The kernel refuses times that are very far away: look at the clock again after a day.
    const uint64_t day_ns = UINT64_C(86400) * 1000000000;
    const uint64_t left_ns = deadline_ns - now_ns;
    const struct timespec timeout = pv_os_timespec(left_ns < day_ns ? left_ns : day_ns);
    const int error = pthread_cond_timedwait_relative_np(cond, mutex, &timeout);
    return error != ETIMEDOUT || pv_os_now_ns() < deadline_ns;
}

void pv_os_thread_set_name(const char *name)
{
    char cut[16]; // the system would take 63 bytes; one length everywhere
    snprintf(cut, sizeof(cut), "%s", name);
    pthread_setname_np(cut);
}

// Only whole processes have nice values here. A thread has a class and, within it, a priority
// from 0 down to QOS_MIN_RELATIVE_PRIORITY.
void pv_os_thread_set_nice(int nice)
{
    if (nice < 0) {
        pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0);
    } else if (nice == 0) {
        pthread_set_qos_class_self_np(QOS_CLASS_USER_INITIATED, 0);
    } else {
        const int lowest = QOS_MIN_RELATIVE_PRIORITY;
        pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, nice < -lowest ? -nice : lowest);
    }
}

void pv_os_thread_set_low_latency(void)
{
    thread_latency_qos_policy_data_t policy = {.thread_latency_qos_tier = LATENCY_QOS_TIER_0};
    thread_policy_set(pthread_mach_thread_np(pthread_self()), THREAD_LATENCY_QOS_POLICY,
                      (thread_policy_t)&policy, THREAD_LATENCY_QOS_POLICY_COUNT);
}

void pv_os_thread_change_core(void)
{
    // The system does not let threads choose.
}

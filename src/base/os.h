// What the platform does for us, one interface for os_linux.c and os_darwin.c; os_posix.c has what
// both do alike. Where a failure can be reported, errno says why.
#ifndef PV_BASE_OS_H
#define PV_BASE_OS_H

#include "base/arith.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Monotonic time.
uint64_t pv_os_now_ns(void);

// The host's page size: the granularity of shared memory and of host-pointer imports.
size_t pv_os_page_size(void);

// Anonymous shared memory of exactly `size` bytes (macOS: whole pages), zeroed, that can neither
// shrink nor grow (sealed where the platform can). `name` is for people who look at /proc.
// Returns a file descriptor with close-on-exec, or -1; a size of 0 is refused.
PV_MUST_CHECK int pv_os_shm_create(const char *name, uint64_t size);

// Takes `fd`. Returns it, or -1 with EMFILE if it is one of the last `count` that the process may
// have (as large a part of fewer than 256): they are numbered from below. What guests can ask for
// in any number leaves those to all else: memory leaves some to rings, and these to what must not
// fail, such as sockets, the host driver's files and the VMM's.
PV_MUST_CHECK int pv_os_spare_fds(int fd, unsigned count);
#define PV_FDS_SPARED_BY_MEMORY 64
#define PV_FDS_SPARED_BY_RINGS  32

// Maps [offset, offset + size) of `fd`, shared, readable and writable. NULL on failure. The caller
// has compared the range with pv_os_fd_size(): touching what lies behind the file is a SIGBUS.
// pv_os_map_fixed() replaces what is mapped at `address` with [0, size).
PV_MUST_CHECK void *pv_os_map(int fd, uint64_t offset, uint64_t size);
PV_MUST_CHECK bool pv_os_map_fixed(int fd, uint64_t size, void *address);
void pv_os_unmap(void *address, uint64_t size); // NULL is allowed

// Makes the pages of a mapping of ours present now. Contents stay. Best effort.
void pv_os_populate(void *address, uint64_t size);

// A duplicate with close-on-exec, or -1. pv_os_close() ignores -1 and keeps errno.
PV_MUST_CHECK int pv_os_dup(int fd);
void pv_os_close(int fd);

// Bytes in the file behind `fd` (shared memory, dma-buf), or -1.
int64_t pv_os_fd_size(int fd);
// Bytes that memory from pv_os_shm_create() takes now; -1 where the platform does not tell.
int64_t pv_os_shm_resident(int fd);

// Sleeps in the kernel while *word == expected, until woken or `deadline_ns` (UINT64_MAX: none).
// Spurious returns happen. Wakes all who wait for `word`, after the caller has changed it.
// Private to this process.
void pv_os_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void pv_os_wake(const _Atomic uint32_t *word);

// Condition variables on the clock of pv_os_now_ns(), for base/thread.c, which has the rest.
// Failure of the wait: false, the deadline has passed.
void pv_os_cond_init(pthread_cond_t *cond);
bool pv_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns);

// Applies to the calling thread, best effort. `name` is cut to 15 bytes.
void pv_os_thread_set_name(const char *name);
void pv_os_thread_set_nice(int nice);
// Asks for wake-ups without the usual timer slack.
void pv_os_thread_set_low_latency(void);
// Goes to another of the cores that this thread may use, if there is one and the system can. It may
// use the same ones afterwards.
void pv_os_thread_change_core(void);

// Opens the host's Vulkan library: `path`, or the platform's usual names when NULL.
// Returns vkGetInstanceProcAddr as a plain pointer, or NULL with one sentence in `error`.
// A driver that only speaks the loader's driver interface (vk_icdGetInstanceProcAddr) will do.
// The library stays open for the life of the process: drivers do not survive unloading.
PV_MUST_CHECK void *pv_os_open_vulkan(const char *path, char *error, size_t error_size);

#endif

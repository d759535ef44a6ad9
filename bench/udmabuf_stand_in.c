// Stands in for /dev/udmabuf where the kernel has none, so that a renderer which maps memory only
// through it can be measured at all. Preloaded into that renderer by bench/run.py, which says so;
// pv-venus never needs it.
//
// The device opens as an empty file. UDMABUF_CREATE answers with the memory file itself: it can be
// mapped, passed on and imported like the buffer it should have become, as long as nobody wants it
// on a real device. Waiting for its fences is waiting for nothing. What the kernel can do itself is
// left to it.

#undef _FILE_OFFSET_BITS // which would make open() an alias of open64()
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int open(const char *path, int flags, ...);
EXPORT int open64(const char *path, int flags, ...);
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int ioctl(int fd, unsigned long request, ...);

static int open_path(const char *path, int flags, mode_t mode)
{
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 || strcmp(path, "/dev/udmabuf") != 0) {
        return fd;
    }
    return memfd_create("udmabuf", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
}

static mode_t mode_of(int flags, va_list arguments)
{
    // O_TMPFILE has more than one bit.
    const int creating = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    return creating ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_path(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_path(path, flags, mode);
}

int __open_2(const char *path, int flags)
{
    return open_path(path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return open_path(path, flags, 0);
}

static int create_buffer(const struct udmabuf_create *create)
{
    if (create->offset != 0) { // then the file and the buffer would differ
        errno = EINVAL;
        return -1;
    }
    return fcntl((int)create->memfd, F_DUPFD_CLOEXEC, 0);
}

static int export_fence(struct dma_buf_export_sync_file *export)
{
    export->fd = eventfd(1, EFD_CLOEXEC);
    return export->fd < 0 ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);

    const int result = (int)syscall(SYS_ioctl, fd, request, argument);
    if (result >= 0 || (errno != ENOTTY && errno != EINVAL)) {
        return result;
    }
    switch (request) {
    case UDMABUF_CREATE:
        return create_buffer(argument);
    case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
        return export_fence(argument);
    case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
    case DMA_BUF_IOCTL_SYNC:
        return 0;
    default:
        return result;
    }
}

// A library to preload into a VMM: a stand-in for /dev/udmabuf on hosts that lack it.
//
// With that device lavapipe is a driver with dma-bufs, DRM format modifiers and sync files, and the
// renderer has nothing to emulate. What the device would make a dma-buf of, shared memory, is
// handed out as it is: it can be mapped, sealed and passed on alike. As lavapipe finishes its work
// before it exports a sync file, one that is done will do.
// Both forms of open() by their own names.
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

#define DEVICE "/dev/udmabuf"

PUBLIC int open(const char *path, int flags, ...);
PUBLIC int open64(const char *path, int flags, ...);
PUBLIC int ioctl(int fd, unsigned long request, ...);

static int open_file(const char *path, int flags, va_list arguments)
{
    const int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, int) : 0;
    if (path && strcmp(path, DEVICE) == 0) {
        path = "/dev/null"; // what is asked of the descriptor comes by ioctl()
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_file(path, flags, arguments);
    va_end(arguments);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_file(path, flags | O_LARGEFILE, arguments);
    va_end(arguments);
    return fd;
}

// A descriptor that polls as a sync file does whose work is done.
static int done_file(void)
{
    return eventfd(1, EFD_CLOEXEC);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    switch (request) {
    case UDMABUF_CREATE: {
        const struct udmabuf_create *create = argument;
        if (create->offset != 0) {
            errno = EINVAL;
            return -1;
        }
        return fcntl((int)create->memfd,
                     create->flags & UDMABUF_FLAGS_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    }
    case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
        ((struct dma_buf_export_sync_file *)argument)->fd = done_file();
        return 0;
    case SYNC_IOC_MERGE:
        ((struct sync_merge_data *)argument)->fence = done_file();
        return 0;
    case DMA_BUF_IOCTL_SYNC:
    case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
        return 0;
    default:
        return (int)syscall(SYS_ioctl, fd, request, argument);
    }
}

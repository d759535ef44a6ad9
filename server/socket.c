#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os.h"

#define BACKLOG 128

static bool fail(char *error, size_t error_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return false;
}

// Two servers that find the same stale file take turns. Best effort: -1 when the directory
// cannot be opened, and then the next step says why.
static int lock_directory_of(const char *path)
{
    char *directory = strdup(path);
    if (!directory) {
        return -1;
    }
    char *slash = strrchr(directory, '/');
    if (slash) {
        slash[slash == directory] = '\0';
    }
    const int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    // Anybody may hold a lock on a directory like /tmp, so not for long.
    for (int tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && tries < 50; tries++) {
        usleep(20000);
    }
    return fd;
}

// Whether a server answers at `address`: 0 if not, else an errno value that says why it is not
// ours to replace.
static int probe(const struct sockaddr_un *address)
{
    const int fd = pv_server_os_socket();
    if (fd < 0) {
        return errno;
    }
    // A full backlog must not block us: that is a live server too.
    fcntl(fd, F_SETFL, O_NONBLOCK);
    const int result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    const int problem = result == 0 || errno == EAGAIN ? EADDRINUSE : errno;
    close(fd);
    return problem == ECONNREFUSED || problem == ENOENT ? 0 : problem;
}

// Makes room for a socket at `path`.
static bool remove_stale(const struct sockaddr_un *address, const char *path, char *error,
                         size_t error_size)
{
    struct stat status;
    if (lstat(path, &status) < 0) {
        return true; // nothing there, or bind() says why
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(error, error_size, "%s exists and is not a socket: choose another path", path);
    }
    switch (probe(address)) {
    case 0:
        break;
    case EADDRINUSE:
        return fail(error, error_size, "a server is running at %s: stop it or choose another path",
                    path);
    case EACCES:
        return fail(error, error_size, "%s belongs to another user's server: choose another path",
                    path);
    default:
        return fail(error, error_size, "%s is in use (%s): choose another path", path,
                    strerror(errno));
    }
    if (unlink(path) < 0) {
        return fail(error, error_size, "cannot replace the stale socket %s (%s): remove it", path,
                    strerror(errno));
    }
    return true;
}

static bool explain_bind(const char *path, int reason, char *error, size_t error_size)
{
    switch (reason) {
    case ENOENT:
    case ENOTDIR:
        return fail(error, error_size, "the directory of %s does not exist: create it first", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return fail(error, error_size,
                    "the directory of %s is not writable: choose a path in one that is", path);
    default:
        return fail(error, error_size, "cannot listen at %s (%s): choose another path", path,
                    strerror(reason));
    }
}

static bool bind_and_listen(struct pv_listener *listener, const struct sockaddr_un *address,
                            char *error, size_t error_size)
{
    const mode_t old_mask = umask(0077);
    int result = bind(listener->fd, (const struct sockaddr *)address, sizeof(*address));
    const int reason = errno;
    umask(old_mask);
    if (result < 0) {
        return explain_bind(listener->path, reason, error, error_size);
    }
    struct stat status;
    if (listen(listener->fd, BACKLOG) < 0 || lstat(listener->path, &status) < 0) {
        fail(error, error_size, "cannot listen at %s (%s): choose another path", listener->path,
             strerror(errno));
        unlink(listener->path);
        return false;
    }
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return true;
}

bool pv_listener_open(struct pv_listener *listener, const char *path, char *error,
                      size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *listener = (struct pv_listener){.fd = -1};
    const size_t length = strlen(path);
    if (length == 0) {
        return fail(error, error_size, "the socket path is empty: give one");
    }
    if (length >= sizeof(address.sun_path)) {
        return fail(error, error_size,
                    "the socket path has %zu bytes, the limit is %zu: choose a shorter one", length,
                    sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, length + 1);
    listener->path = strdup(path);
    listener->fd = pv_server_os_socket();
    if (!listener->path || listener->fd < 0) {
        fail(error, error_size, "cannot create a socket (%s)", strerror(errno));
        pv_listener_abandon(listener);
        return false;
    }
    fcntl(listener->fd, F_SETFL, O_NONBLOCK);
    const int lock = lock_directory_of(path);
    const bool opened = remove_stale(&address, path, error, error_size) &&
                        bind_and_listen(listener, &address, error, error_size);
    if (lock >= 0) {
        close(lock);
    }
    if (!opened) {
        pv_listener_abandon(listener);
    }
    return opened;
}

void pv_listener_abandon(struct pv_listener *listener)
{
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    free(listener->path);
    *listener = (struct pv_listener){.fd = -1};
}

void pv_listener_close(struct pv_listener *listener)
{
    struct stat status;
    if (listener->path && lstat(listener->path, &status) == 0 &&
        status.st_dev == listener->device && status.st_ino == listener->inode) {
        unlink(listener->path);
    }
    pv_listener_abandon(listener);
}

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc/malloc.h>
#include <time.h>
#include <unistd.h>

uint64_t pv_server_os_now_ns(void)
{
    return clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
}

static bool set_flags(int fd, bool nonblocking)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return false;
    }
    return !nonblocking || fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

static int close_keeping_errno(int fd)
{
    const int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

// Both ends get their flags, or are closed again.
static bool take_pair(const int fds[2])
{
    if (!set_flags(fds[0], true) || !set_flags(fds[1], true)) {
        close_keeping_errno(fds[0]);
        close_keeping_errno(fds[1]);
        return false;
    }
    return true;
}

int pv_server_os_socket(void)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd >= 0 && !set_flags(fd, false)) {
        return close_keeping_errno(fd);
    }
    return fd;
}

int pv_server_os_accept(int listener)
{
    const int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && !set_flags(fd, true)) {
        return close_keeping_errno(fd);
    }
    return fd;
}

bool pv_server_os_pipe(int fds[2])
{
    return pipe(fds) == 0 && take_pair(fds);
}

bool pv_server_os_message_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0 && take_pair(fds);
}

ssize_t pv_server_os_send(int fd, const struct msghdr *message)
{
    return sendmsg(fd, message, MSG_DONTWAIT);
}

ssize_t pv_server_os_receive(int fd, struct msghdr *message)
{
    const ssize_t received = recvmsg(fd, message, MSG_DONTWAIT);
    if (received < 0) {
        return received;
    }
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const int *fds = (const int *)(const void *)CMSG_DATA(control);
        const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            set_flags(fds[i], false);
        }
    }
    return received;
}

void pv_server_os_send_two(int fd, const struct msghdr messages[2], size_t sent[2])
{
    (void)fd;
    (void)messages;
    sent[0] = sent[1] = 0;
}

bool pv_server_os_is_fixed_memory(int fd, uint64_t offset, uint64_t size)
{
    (void)fd; // shared memory cannot be sealed
    (void)offset;
    (void)size;
    return false;
}

bool pv_server_os_keep_from_children(void *memory, uint64_t size)
{
    (void)memory; // nothing is forked
    (void)size;
    return true;
}

void pv_server_os_prepare(int socket)
{
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
}

bool pv_server_os_look_ahead(int socket)
{
    (void)socket;
    return false;
}

ssize_t pv_server_os_look(int fd, struct msghdr *message)
{
    (void)fd;
    (void)message;
    errno = ENOTSUP;
    return -1;
}

int pv_server_os_signalled_fd(void)
{
    int fds[2];
    if (!pv_server_os_pipe(fds)) {
        return -1;
    }
    // There is no eventfd: a pipe filled with counters.
    const uint64_t one = 1;
    while (write(fds[1], &one, sizeof(one)) > 0) {
    }
    close(fds[1]);
    return fds[0];
}

bool pv_server_os_has_workers(void)
{
    return false; // system frameworks do not work in a forked process
}

int pv_server_os_watch_process(pid_t pid)
{
    (void)pid; // there are no workers
    errno = ENOTSUP;
    return -1;
}

int pv_server_os_memory(void)
{
    errno = ENOTSUP;
    return -1;
}

void pv_server_os_leave_terminal(void)
{
    // there are no workers
}

void pv_server_os_name_process(const char *name)
{
    (void)name;
}

void pv_server_os_visit_passive_libraries(void (*visit)(void *user, const char *path), void *user)
{
    (void)visit; // there are no workers that could use them
    (void)user;
}

void pv_server_os_load_library(const char *path)
{
    (void)path;
}

void pv_server_os_trim_heap(void)
{
    malloc_zone_pressure_relief(NULL, 0);
}

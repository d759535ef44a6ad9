#include "os.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <linux/magic.h>
#include <malloc.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

uint64_t pv_server_os_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int pv_server_os_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int pv_server_os_accept(int listener)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

bool pv_server_os_pipe(int fds[2])
{
    return pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0;
}

bool pv_server_os_message_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0;
}

ssize_t pv_server_os_send(int fd, const struct msghdr *message)
{
    return sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t pv_server_os_receive(int fd, struct msghdr *message)
{
    return recvmsg(fd, message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
}

void pv_server_os_send_two(int fd, const struct msghdr messages[2], size_t sent[2])
{
    struct mmsghdr both[2] = {{.msg_hdr = messages[0]}, {.msg_hdr = messages[1]}};
    const int count = sendmmsg(fd, both, 2, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (int i = 0; i < 2; i++) {
        sent[i] = i < count ? both[i].msg_len : 0;
    }
}

bool pv_server_os_is_fixed_memory(int fd, uint64_t offset, uint64_t size)
{
    struct stat status;
    struct statfs system;
    const int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstatfs(fd, &system) == 0 &&
           system.f_type == TMPFS_MAGIC && fstat(fd, &status) == 0 &&
           offset <= (uint64_t)status.st_size && size <= (uint64_t)status.st_size - offset;
}

bool pv_server_os_keep_from_children(void *memory, uint64_t size)
{
    return madvise(memory, size, MADV_DONTFORK) == 0;
}

void pv_server_os_prepare(int socket)
{
    (void)socket; // MSG_NOSIGNAL does it for each message
}

bool pv_server_os_look_ahead(int socket)
{
    const int offset = 0;
    return setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0;
}

ssize_t pv_server_os_look(int fd, struct msghdr *message)
{
    return recvmsg(fd, message, MSG_PEEK | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
}

int pv_server_os_signalled_fd(void)
{
    // In semaphore mode each read takes one away from the counter.
    return eventfd(0x7fffffff, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
}

bool pv_server_os_has_workers(void)
{
    return true;
}

int pv_server_os_watch_process(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0); // closed on exec
}

int pv_server_os_memory(void)
{
    return memfd_create("pv-server", MFD_CLOEXEC);
}

void pv_server_os_leave_terminal(void)
{
    const int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal >= 0) {
        ioctl(terminal, TIOCNOTTY);
        close(terminal);
    }
}

void pv_server_os_name_process(const char *name)
{
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

// The compiler in Mesa's drivers, 110 MiB with thousands of addresses to relocate.
static const char *const passive_libraries[] = {"libLLVM"};

struct library_visit {
    void (*visit)(void *user, const char *path);
    void *user;
};

static int visit_library(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    const struct library_visit *visit = argument;
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof(passive_libraries) / sizeof(passive_libraries[0]); i++) {
        if (strncmp(slash + 1, passive_libraries[i], strlen(passive_libraries[i])) == 0) {
            visit->visit(visit->user, info->dlpi_name);
        }
    }
    return 0;
}

void pv_server_os_visit_passive_libraries(void (*visit)(void *user, const char *path), void *user)
{
    struct library_visit argument = {visit, user};
    dl_iterate_phdr(visit_library, &argument);
}

void pv_server_os_load_library(const char *path)
{
    dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

void pv_server_os_trim_heap(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

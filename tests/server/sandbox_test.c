// What a worker cannot do any more, and what it can. Each case is a process of its own, because a
// sandbox is for good.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/sandbox.h"

#define ABSTRACT_NAME "pv-sandbox-test"

struct folder {
    char path[64];
    char file[96]; // exists, with one byte
    char socket_path[96];
    int listener; // somebody listens there
};

// Runs `body` in a process inside a sandbox of that kind. It returns 0 or the line of what went
// wrong.
static void inside_of(const struct pv_sandbox_support support, int (*body)(const struct folder *))
{
    struct folder folder = {.path = "/tmp/pv-sandbox-XXXXXX"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder.path));
    snprintf(folder.file, sizeof(folder.file), "%s/file", folder.path);
    snprintf(folder.socket_path, sizeof(folder.socket_path), "%s/socket", folder.path);
    const int fd = open(folder.file, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    memcpy(address.sun_path, folder.socket_path, strlen(folder.socket_path) + 1);
    folder.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(folder.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(folder.listener, 1), 0);

    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    memcpy(abstract.sun_path + 1, ABSTRACT_NAME, sizeof(ABSTRACT_NAME));
    const int abstract_listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(abstract_listener, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
    assert_int_equal(listen(abstract_listener, 1), 0);

    const pid_t pid = fork();
    if (pid == 0) {
        char error[256] = "";
        if (!pv_sandbox_enter(&support, error, sizeof(error))) {
            fprintf(stderr, "%s\n", error);
            _exit(255);
        }
        _exit(body(&folder) & 0xff);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(folder.listener);
    close(abstract_listener);
    unlink(folder.socket_path);
    unlink(folder.file);
    assert_int_equal(rmdir(folder.path), 0); // nothing was added
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("the process ended with %#x (line %d)", (unsigned)status, WEXITSTATUS(status));
    }
}

static void inside(int (*body)(const struct folder *), bool needs_files)
{
    const struct pv_sandbox_support support = pv_sandbox_support();
    if (!support.system_calls || (needs_files && !support.files)) {
        print_message("%s\n", support.missing);
        skip();
    }
    inside_of(support, body);
}

// In a body: the call must fail with this errno.
#define REFUSED(call, reason)                                                                      \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((call) != -1 || errno != (reason)) {                                                   \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #call, strerror(errno));                \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)
#define WORKS(condition)                                                                           \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));           \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)

static int no_programs(const struct folder *folder)
{
    char *const arguments[] = {"true", NULL};
    (void)folder;
    REFUSED(execv("/bin/true", arguments), EPERM);
    REFUSED((int)syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, NULL, 0), EPERM);
#ifndef __SANITIZE_ADDRESS__ // which looks for leaks from a process of its own
    REFUSED(fork(), EPERM);
    REFUSED((int)syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL),
            EPERM);
    WORKS(system("true") != 0);
#endif
    return 0;
}

static int no_network(const struct folder *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, folder->socket_path, sizeof(folder->socket_path));
    REFUSED(socket(AF_INET, SOCK_STREAM, 0), EPERM);
    REFUSED(socket(AF_INET6, SOCK_DGRAM, 0), EPERM);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 0), EPERM);
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
    REFUSED(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), EPERM);
    // Drivers of NVIDIA's insist on these, which reach nobody.
    const int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    WORKS(packets >= 0);
    WORKS(bind(packets, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX},
               sizeof(sa_family_t)) == 0);
    WORKS(listen(packets, 1) == 0);
    REFUSED(accept(packets, NULL, NULL), EPERM);
    REFUSED(connect(packets, (struct sockaddr *)&address, sizeof(address)), ENOENT);
    // Nor can those that were there before.
    REFUSED(connect(folder->listener, (struct sockaddr *)&address, sizeof(address)), ENOENT);
    REFUSED(accept(folder->listener, NULL, NULL), EPERM);
    // What connects threads of this process stays.
    int pair[2];
    char byte = 'x';
    for (int type = 0; type < 16; type++) {
        if (type != SOCK_STREAM && type != SOCK_SEQPACKET) {
            REFUSED(socketpair(AF_UNIX, type, 0, pair), EPERM);
            REFUSED(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), EPERM);
        }
    }
    REFUSED(socketpair(AF_TIPC, SOCK_SEQPACKET, 0, pair), EPERM);
    REFUSED(socketpair(AF_INET, SOCK_STREAM, 0, pair), EPERM);
    WORKS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    WORKS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    WORKS(send(pair[0], &byte, 1, 0) == 1 && recv(pair[1], &byte, 1, 0) == 1);
    return 0;
}

static int no_other_processes(const struct folder *folder)
{
    const pid_t parent = getppid();
    struct rlimit limit = {0, 0};
    (void)folder;
    REFUSED(kill(parent, 0), EPERM);
    REFUSED(kill(-1, 0), EPERM);
    REFUSED(kill(0, 0), EPERM); // the group
    REFUSED((int)syscall(SYS_tgkill, parent, parent, 0), EPERM);
    REFUSED((int)syscall(SYS_tkill, parent, 0), EPERM);
    REFUSED((int)syscall(SYS_prlimit64, parent, RLIMIT_CORE, NULL, &limit), EPERM);
    REFUSED((int)syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0), EPERM);
#ifdef SYS_pidfd_open
    REFUSED((int)syscall(SYS_pidfd_open, parent, 0), EPERM);
#endif
#ifndef __SANITIZE_ADDRESS__
    REFUSED((int)ptrace(PTRACE_ATTACH, parent, NULL, NULL), EPERM);
#endif
    WORKS(kill(getpid(), 0) == 0);
    return 0;
}

// The kernel sends them for others, to whoever they name.
static int no_borrowed_signals(const struct folder *folder)
{
    struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = getppid()};
    int pair[2], pid = getppid();
    (void)folder;
    WORKS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    REFUSED(fcntl(pair[0], F_SETOWN, pid), EPERM);
    REFUSED(fcntl(pair[0], F_SETOWN_EX, &owner), EPERM);
    REFUSED(fcntl(pair[0], F_SETSIG, SIGKILL), EPERM);
    REFUSED((int)syscall(SYS_fcntl, pair[0], F_SETOWN | 1l << 32, pid), EPERM);
    REFUSED(ioctl(pair[0], FIOSETOWN, &pid), EPERM);
    REFUSED(ioctl(pair[0], SIOCSPGRP, &pid), EPERM);
    REFUSED((int)syscall(SYS_ioctl, pair[0], FIOSETOWN | 1l << 32, &pid), EPERM);
    WORKS(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    WORKS(ioctl(pair[0], FIONREAD, &pid) == 0);
    return 0;
}

// The system calls are not filtered.
static int only_scopes(const struct folder *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX}; // abstract: the first byte is 0
    int pair[2];
    (void)folder;
    memcpy(address.sun_path + 1, ABSTRACT_NAME, sizeof(ABSTRACT_NAME));
    REFUSED(kill(getppid(), 0), EPERM);
    WORKS(kill(getpid(), 0) == 0);
    const int stranger = socket(AF_UNIX, SOCK_STREAM, 0);
    WORKS(stranger >= 0);
    REFUSED(connect(stranger, (struct sockaddr *)&address, sizeof(address)), EPERM);
    WORKS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    return 0;
}

static int no_terminal(const struct folder *folder)
{
    char byte = 'x';
    const int fd =
        open(folder->file, O_RDONLY); // anything: the call is refused before it is looked at
    REFUSED(ioctl(fd, TIOCSTI, &byte), EPERM);
    REFUSED(ioctl(fd, TIOCLINUX, &byte), EPERM);
    REFUSED(ioctl(fd, TIOCSCTTY, 0), EPERM);
    return 0;
}

static int no_shared_memory(const struct folder *folder)
{
    const struct {
        long type;
        char text[8];
    } message = {1, "x"};
    (void)folder;
    REFUSED(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), EPERM);
    REFUSED((int)(intptr_t)shmat(0, NULL, 0), EPERM);
    REFUSED(shmctl(0, IPC_RMID, NULL), EPERM);
    REFUSED(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), EPERM);
    REFUSED(semop(0, NULL, 0), EPERM);
    REFUSED(semctl(0, 0, IPC_RMID), EPERM);
    REFUSED(msgget(IPC_PRIVATE, IPC_CREAT | 0600), EPERM);
    REFUSED(msgsnd(0, &message, 1, 0), EPERM);
    REFUSED(msgctl(0, IPC_RMID, NULL), EPERM);
    REFUSED((int)syscall(SYS_mq_open, "pv-sandbox-test", O_RDONLY, 0, NULL), EPERM);
    REFUSED((int)syscall(SYS_mq_unlink, "pv-sandbox-test"), EPERM);
    return 0;
}

static int no_privileges(const struct folder *folder)
{
    REFUSED(setuid(getuid()), EPERM);
    REFUSED(unshare(CLONE_NEWUSER), EPERM);
    REFUSED((int)syscall(SYS_mount, "none", folder->path, "tmpfs", 0, NULL), EPERM);
    REFUSED((int)syscall(SYS_bpf, 0, NULL, 0), EPERM);
    REFUSED((int)syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
    REFUSED((int)syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM);
    REFUSED((int)syscall(SYS_init_module, NULL, 0, ""), EPERM);
    REFUSED((int)syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM);
    REFUSED((int)syscall(425 /* io_uring_setup, everywhere */, 1, NULL), EPERM);
    REFUSED(chmod(folder->file, 0777), EPERM);
    REFUSED(chown(folder->file, getuid(), getgid()), EPERM);
    struct rlimit limit = {1, 1};
    WORKS(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    return 0;
}

static int no_writing(const struct folder *folder)
{
    char other[128];
    snprintf(other, sizeof(other), "%s/other", folder->path);
    REFUSED(open(folder->file, O_WRONLY), EACCES);
    REFUSED(open(folder->file, O_RDWR | O_APPEND), EACCES);
    REFUSED(open(other, O_CREAT | O_WRONLY, 0600), EACCES);
    REFUSED(unlink(folder->file), EACCES);
    REFUSED(mkdir(other, 0700), EACCES);
    REFUSED(symlink("/etc/passwd", other), EACCES);
    WORKS(rename(folder->file, other) == -1);
    char byte = 0;
    const int fd = open(folder->file, O_RDONLY);
    WORKS(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 'x');
    WORKS(open("/dev/null", O_RDWR | O_TRUNC) >= 0);
    WORKS(open("/dev/zero", O_RDWR) >= 0);
    // No terminals, and no shared memory of other programs.
    REFUSED(open("/dev/ptmx", O_RDWR | O_NOCTTY), EACCES);
    REFUSED(open("/dev/tty", O_RDWR), EACCES);
    REFUSED(shm_open("/pv-sandbox-test", O_CREAT | O_RDWR, 0600), EACCES);
    REFUSED(open("/dev/pv-sandbox-test", O_CREAT | O_RDWR, 0600), EACCES);
    // Nor another process's memory.
    char memory[64];
    snprintf(memory, sizeof(memory), "/proc/%d/mem", (int)getppid());
    WORKS(open(memory, O_RDWR) == -1);
    return 0;
}

static void *count(void *counter)
{
    ++*(int *)counter;
    pthread_setname_np(pthread_self(), "counts");
    return NULL;
}

static int does_its_work(const struct folder *folder)
{
    (void)folder;
    int counter = 0;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        WORKS(pthread_create(&threads[i], NULL, count, &counter) == 0);
        pthread_setname_np(threads[i], "named");
        WORKS(pthread_join(threads[i], NULL) == 0);
    }
    WORKS(counter == 4);
    // Compilers in drivers.
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    WORKS(code != MAP_FAILED && mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    const int memory = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    WORKS(memory >= 0 && ftruncate(memory, 4096) == 0);
    WORKS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) != MAP_FAILED);
    WORKS(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    WORKS(sched_yield() == 0 && getpriority(PRIO_PROCESS, 0) >= -20);
    return 0;
}

static void starts_no_programs(void **state)
{
    (void)state;
    inside(no_programs, false);
}

static void opens_no_sockets(void **state)
{
    (void)state;
    inside(no_network, false);
}

static void touches_no_other_process(void **state)
{
    (void)state;
    inside(no_other_processes, false);
}

static void sends_no_signals_by_descriptors(void **state)
{
    (void)state;
    inside(no_borrowed_signals, false);
}

static void types_on_no_terminal(void **state)
{
    (void)state;
    inside(no_terminal, false);
}

static void shares_no_memory_by_number(void **state)
{
    (void)state;
    inside(no_shared_memory, false);
}

static void landlock_alone_keeps_processes_apart(void **state)
{
    (void)state;
    struct pv_sandbox_support support = pv_sandbox_support();
    const long version = support.files ? syscall(SYS_landlock_create_ruleset, NULL, 0,
                                                 LANDLOCK_CREATE_RULESET_VERSION)
                                       : 0;
    if (version < 6) {
        print_message("the Landlock of this kernel (%ld) has no scopes (6)\n", version);
        skip();
    }
    support.system_calls = false;
    inside_of(support, only_scopes);
}

static void gains_no_privileges(void **state)
{
    (void)state;
    inside(no_privileges, false);
}

static void writes_no_files(void **state)
{
    (void)state;
    inside(no_writing, true);
}

static void still_does_its_work(void **state)
{
    (void)state;
    inside(does_its_work, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_no_programs),
        cmocka_unit_test(opens_no_sockets),
        cmocka_unit_test(touches_no_other_process),
        cmocka_unit_test(gains_no_privileges),
        cmocka_unit_test(sends_no_signals_by_descriptors),
        cmocka_unit_test(types_on_no_terminal),
        cmocka_unit_test(shares_no_memory_by_number),
        cmocka_unit_test(landlock_alone_keeps_processes_apart),
        cmocka_unit_test(writes_no_files),
        cmocka_unit_test(still_does_its_work),
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}

// seccomp through libseccomp, Landlock by its system calls (no library has them yet).
//
// The list of system calls says what is refused, not what is allowed: Vulkan drivers differ too
// much and grow with every release, and a call that fails with EPERM is one that they can handle
// (a driver that forks to load its kernel module goes on without). What they did need, such as
// device nodes that NVIDIA's makes on first use, was done when the server probed the host, which
// is before and outside.
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The headers of Debian 12 are older than these.
#define ACCESS_FS_TRUNCATE         ((uint64_t)1 << 14) // Linux 6.2
#define SCOPE_ABSTRACT_UNIX_SOCKET ((uint64_t)1 << 0)  // Linux 6.12
#define SCOPE_SIGNAL               ((uint64_t)1 << 1)

// What a set of rules is about. Older kernels know the beginning, and want zeros in the rest.
struct ruleset_attributes {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_LOOKED_FOR true // from a process of its own, by ptrace()
#else
#define LEAKS_ARE_LOOKED_FOR false
#endif

static const char *const refused_calls[] = {
    // other programs and processes
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "kcmp",
    "migrate_pages",
    "move_pages",
    // what a user's processes share by a number or a name
    "shmget",
    "shmat",
    "shmdt",
    "shmctl",
    "semget",
    "semop",
    "semtimedop",
    "semtimedop_time64",
    "semctl",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    "ipc", // of 32-bit systems: all of the above
    "mq_open",
    "mq_unlink",
    "mq_timedsend",
    "mq_timedsend_time64",
    "mq_timedreceive",
    "mq_timedreceive_time64",
    "mq_notify",
    "mq_getsetattr",
    // the network, and services that listen on this machine; the client's socket is there already
    "accept",
    "accept4",
    // these would do for others what is refused here
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "bpf",
    "perf_event_open",
    "add_key",
    "request_key",
    "keyctl",
    "open_by_handle_at",
    "name_to_handle_at",
    "personality",
    "modify_ldt",
    "uselib",
    // namespaces and mounts
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "move_mount",
    "open_tree",
    "mount_setattr",
    // who one is, and who may do what with a file
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capset",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    // the machine
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "quotactl",
    "quotactl_fd",
    "acct",
    "syslog",
    "vhangup",
    "lookup_dcookie",
    "nfsservctl",
};

// CUDA, of which NVIDIA's ray tracing is made, looks for a service with a local socket of packets,
// and listens with another for itself. It does without the service, but not without the sockets.
// Unconnected, they reach nobody, and nobody who connects is accepted.
static bool refuse_sockets(scmp_filter_ctx filter)
{
    const scmp_datum_t types = 0xf; // the rest are flags
    bool added = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_NE, AF_UNIX)) == 0;
    for (scmp_datum_t type = 0; type <= types; type++) {
        if (type != SOCK_SEQPACKET) {
            added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
                                              SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
                                              SCMP_A1(SCMP_CMP_MASKED_EQ, types, type)) == 0;
        }
    }
    // Of a pair of datagram sockets, which SOCK_RAW makes as well, each can send to any other.
    added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socketpair), 1,
                                      SCMP_A0(SCMP_CMP_NE, AF_UNIX)) == 0;
    for (scmp_datum_t type = 0; type <= types; type++) {
        if (type != SOCK_STREAM && type != SOCK_SEQPACKET) {
            added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socketpair),
                                              2, SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
                                              SCMP_A1(SCMP_CMP_MASKED_EQ, types, type)) == 0;
        }
    }
    return added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(connect), 0) == 0;
}

// Refuses a call with this second argument. The kernel looks at its low half only.
static bool refuse_request(scmp_filter_ctx filter, const char *call, uint32_t request)
{
    const int number = seccomp_syscall_resolve_name(call);
    const int result =
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                         SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, (scmp_datum_t)request));
    return result == 0 || result == -EDOM || result == -EFAULT; // not on this architecture
}

static bool refuse_requests(scmp_filter_ctx filter)
{
    // By these the kernel sends a signal of one's choice to whoever is named.
    static const uint32_t controls[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    static const uint32_t io_controls[] = {
        FIOSETOWN, SIOCSPGRP,            // likewise
        TIOCSTI,   TIOCLINUX, TIOCSCTTY, // these type and paste for the user of a terminal
    };
    bool added = true;
    for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
        added = added && refuse_request(filter, "fcntl", controls[i]) &&
                refuse_request(filter, "fcntl64", controls[i]); // of 32-bit systems
    }
    for (size_t i = 0; i < sizeof(io_controls) / sizeof(io_controls[0]); i++) {
        added = added && refuse_request(filter, "ioctl", io_controls[i]);
    }
    return added;
}

static bool refuse_by_arguments(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid();
    // Processes, but not threads. clone3() passes its flags in memory, where a filter cannot see
    // them: the C library then takes clone().
    const bool clones =
        LEAKS_ARE_LOOKED_FOR ||
        (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0);
    return clones &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1,
                            SCMP_A0(SCMP_CMP_NE, self)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
                            SCMP_A0(SCMP_CMP_NE, self)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
                            SCMP_A0(SCMP_CMP_NE, 0)) == 0;
}

static bool add_rules(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(refused_calls) / sizeof(refused_calls[0]); i++) {
        const int number = seccomp_syscall_resolve_name(refused_calls[i]);
        if (number == __NR_SCMP_ERROR ||
            (LEAKS_ARE_LOOKED_FOR && strcmp(refused_calls[i], "ptrace") == 0)) {
            continue; // newer than this libseccomp
        }
        const int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
        if (result != 0 && result != -EDOM && result != -EFAULT) { // not on this architecture
            return false;
        }
    }
    return refuse_sockets(filter) && refuse_requests(filter) && refuse_by_arguments(filter);
}

static bool filter_calls(char *error, size_t error_size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter || !add_rules(filter)) {
        snprintf(error, error_size, "the list of system calls was not accepted");
        seccomp_release(filter);
        return false;
    }
    const int result = seccomp_load(filter);
    seccomp_release(filter);
    if (result != 0) {
        snprintf(error, error_size, "system calls cannot be filtered (%s)", strerror(-result));
    }
    return result == 0;
}

// -- files -----------------------------------------------------------------------------------

// Every way to change what is in the file system, and to run programs from it.
static uint64_t changes(int version)
{
    uint64_t access =
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
        LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    if (version >= 2) {
        access |= LANDLOCK_ACCESS_FS_REFER;
    }
    if (version >= 3) {
        access |= ACCESS_FS_TRUNCATE;
    }
    return access;
}

static int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

// `path` and what is below it. What does not exist needs no permission.
static void allow_below(int ruleset, uint64_t access, const char *path)
{
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = access & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
        .parent_fd = open(path, O_PATH | O_CLOEXEC),
    };
    if (rule.parent_fd >= 0) {
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        close(rule.parent_fd);
    }
}

static void allow_in(int ruleset, uint64_t access, const char *folder, const char *name)
{
    char path[4096];
    const int length = folder ? snprintf(path, sizeof(path), "%s/%s", folder, name) : 0;
    if (length > 0 && (size_t)length < sizeof(path)) {
        allow_below(ruleset, access, path);
    }
}

// The nodes that drivers use, as they are now, and no others: not those of terminals, disks and
// input, and not /dev/shm, where other programs keep their shared memory. They can be written, and
// no more can be made: a rule for what is no folder may allow nothing else.
static void allow_devices(int ruleset, uint64_t access)
{
    static const char *const nodes[] = {
        "null",     "zero",  "full",
        "dri",      // the kernel's own drivers
        "udmabuf",  // memory to share
        "dma_heap", // likewise
        "kfd",      // AMD
        "nvidia*",  // NVIDIA; all that begin so, also folders
        "nvhost*",  // NVIDIA Tegra
        "nvmap",    "nvgpu",
        "dxg",      // WSL
        "mali*",    // Arm
        "kgsl-3d0", // Qualcomm
        "galcore",  // Vivante
    };
    const uint64_t writing = access & (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE);
    const int folder = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = folder >= 0 ? fdopendir(folder) : NULL;
    for (const struct dirent *entry; entries && (entry = readdir(entries));) {
        for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
            const size_t length = strcspn(nodes[i], "*");
            const bool any_end = nodes[i][length] == '*';
            if (strncmp(entry->d_name, nodes[i], length) == 0 &&
                (any_end || !entry->d_name[length])) {
                allow_in(ruleset, writing, "/dev", entry->d_name);
            }
        }
    }
    if (entries) {
        closedir(entries);
    }
}

// Devices; the names of own threads; caches of compiled shaders, where they exist.
static void allow_what_drivers_write(int ruleset, uint64_t access)
{
    static const char *const caches[] = {"mesa_shader_cache", "mesa_shader_cache_db",
                                         "radv_builtin_shaders", "nvidia"};
    const char *home = getenv("HOME");
    const char *cache_home = getenv("XDG_CACHE_HOME");
    const char *mesa = getenv("MESA_SHADER_CACHE_DIR");
    const char *nvidia = getenv("__GL_SHADER_DISK_CACHE_PATH");
    char below_home[4096] = "";
    allow_devices(ruleset, access);
    allow_below(ruleset, access, "/proc/self/task");
    if (!cache_home && home) {
        snprintf(below_home, sizeof(below_home), "%s/.cache", home);
        cache_home = below_home;
    }
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        allow_in(ruleset, access, cache_home, caches[i]);
    }
    allow_in(ruleset, access, home, ".nv");
    allow_in(ruleset, access, mesa, "mesa_shader_cache");
    allow_in(ruleset, access, mesa, "mesa_shader_cache_db");
    allow_in(ruleset, access, nvidia, ".");
}

static bool protect_files(char *error, size_t error_size)
{
    const int version = landlock_version();
    const uint64_t access = changes(version);
    const struct ruleset_attributes handled = {
        .handled_access_fs = access,
        // Whatever way to reach other processes the list of system calls may miss.
        .scoped = version >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
    };
    const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (ruleset < 0) {
        snprintf(error, error_size, "files cannot be protected (%s)", strerror(errno));
        return false;
    }
    allow_what_drivers_write(ruleset, access);
    const bool entered = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!entered) {
        snprintf(error, error_size, "files cannot be protected (%s)", strerror(errno));
    }
    close(ruleset);
    return entered;
}

// -- both ------------------------------------------------------------------------------------

uint64_t pv_sandbox_device_stamp(void)
{
    struct stat status;
    return stat("/dev", &status) == 0
               ? (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec
               : 0;
}

struct pv_sandbox_support pv_sandbox_support(void)
{
    const uint32_t action = SECCOMP_RET_ERRNO;
    const bool calls = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    const bool files = landlock_version() >= 1;
    return (struct pv_sandbox_support){
        .system_calls = calls,
        .files = files,
        .missing = calls   ? files ? "" : "this kernel has no Landlock"
                   : files ? "this kernel has no seccomp"
                           : "this kernel has neither seccomp nor Landlock",
    };
}

bool pv_sandbox_enter(const struct pv_sandbox_support *support, char *error, size_t error_size)
{
    const struct rlimit none = {0, 0};
    // What a guest had in memory does not end up in a file.
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        snprintf(error, error_size, "privileges cannot be given up (%s)", strerror(errno));
        return false;
    }
    return (!support->files || protect_files(error, error_size)) &&
           (!support->system_calls || filter_calls(error, error_size));
}

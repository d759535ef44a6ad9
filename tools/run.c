// `pv-venus run`: three processes. This one starts the other two, passes signals on and cleans
// up; the server is in a session of its own, so that signals of the terminal reach the program
// alone; the program stays in the terminal's foreground.
//
// The server holds the reading end of a pipe whose writing end is ours alone: when we end, even
// by SIGKILL, it stops, and with it its workers, its socket and its directory.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "server/serve.h"
#include "tool.h"

#define SERVER_END_TIMEOUT_MS  15000 // more than the server allows its workers
#define PROGRAM_END_TIMEOUT_MS 3000

static const char help[] =
    "Usage: pv-venus run [OPTIONS] -- PROGRAM [ARGUMENTS]\n"
    "\n"
    "Runs PROGRAM with Mesa's Venus guest driver against a server of its own, and exits with its\n"
    "status (128 + the signal's number if a signal ended it).\n"
    "\n"
    "  --in-process                   a thread per guest instead of a process per guest\n"
    "  --sandbox MODE                 of these processes: auto (default), require or off\n"
    "  --guest-icd ICD.json           the guest driver, if it is not found by itself\n"
    "  --host-driver ICD.json         use this Vulkan driver of the host\n"
    "  --vulkan-library PATH          load this Vulkan loader or driver on the host's side\n"
    "  --memory MECHANISM,...         consider only host-pointer, dmabuf, opaque-fd\n"
    "  --disable-emulation NAME,...   do without sync-fd, dmabuf\n"
    "  --stats FILE                   append one line per guest context\n"
    "  --count-commands               with --stats: how often each command ran\n"
    "  --log LEVEL                    error, warn (default), info or debug\n"
    "  --help\n";

struct run {
    struct pv_server_params params;
    const char *host_driver;
    const char *guest_icd;
    char guest_icds[PATH_MAX];
    char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; // "": not made
    char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char **program;
    pid_t server; // 0: none
    int lifeline; // the writing end
};

// For the signal handler.
static volatile sig_atomic_t program_pid; // 0: not started
static volatile sig_atomic_t early_signal;

// Signals of the terminal reach the program by themselves and come from nobody in particular.
static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    const int saved_errno = errno;
    if (program_pid == 0) {
        early_signal = signal_number;
    } else if (info->si_pid != 0) {
        kill((pid_t)program_pid, signal_number);
    }
    errno = saved_errno;
}

static const int passed_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

#define PASSED_SIGNALS (sizeof(passed_signals) / sizeof(passed_signals[0]))

// What the caller had installed, for the processes that we start.
struct dispositions {
    struct sigaction passed[PASSED_SIGNALS];
    struct sigaction child;
};

static void catch_signals(struct dispositions *old)
{
    const struct sigaction pass = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < PASSED_SIGNALS; i++) {
        sigaction(passed_signals[i], NULL, &old->passed[i]);
        if (old->passed[i].sa_handler != SIG_IGN) { // nohup
            sigaction(passed_signals[i], &pass, NULL);
        }
    }
    sigaction(SIGCHLD, &normal, &old->child); // if ignored, no status would reach us
}

static void restore_signals(const struct dispositions *old)
{
    for (size_t i = 0; i < PASSED_SIGNALS; i++) {
        sigaction(passed_signals[i], &old->passed[i], NULL);
    }
    sigaction(SIGCHLD, &old->child, NULL);
}

// 0 if `path` is a program, else PV_EXIT_NOT_FOUND or PV_EXIT_NOT_EXECUTABLE.
static int check_program(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        return PV_EXIT_NOT_FOUND;
    }
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : PV_EXIT_NOT_EXECUTABLE;
}

// As execvp() will find it.
static int find_program(const char *name)
{
    if (strchr(name, '/')) {
        return check_program(name);
    }
    const char *directories = getenv("PATH");
    int result = PV_EXIT_NOT_FOUND;
    for (const char *entry = directories ? directories : "/bin:/usr/bin"; entry;) {
        char path[4096];
        const size_t length = strcspn(entry, ":");
        const int written =
            snprintf(path, sizeof(path), "%.*s%s%s", (int)length, entry, length ? "/" : "", name);
        if (written > 0 && (size_t)written < sizeof(path)) {
            const int found = check_program(path);
            if (found == 0) {
                return 0;
            }
            result = found == PV_EXIT_NOT_EXECUTABLE ? found : result;
        }
        entry = entry[length] ? entry + length + 1 : NULL;
    }
    return result;
}

static int program_problem(const char *subcommand, int status, const char *name)
{
    return pv_tool_error(subcommand, status,
                         status == PV_EXIT_NOT_FOUND
                             ? "%s: no such program: check the name and PATH"
                             : "%s cannot be executed: check its permissions and its format",
                         name);
}

// A directory of our own below `base`, short enough for a socket in it.
static bool make_directory_in(struct run *run, const char *base)
{
    const int length = snprintf(run->directory, sizeof(run->directory), "%s/pv-venus-XXXXXX", base);
    const size_t room = sizeof(run->socket_path) - sizeof("/socket");
    if (length < 0 || (size_t)length > room || !mkdtemp(run->directory)) {
        run->directory[0] = '\0';
        return false;
    }
    memcpy(run->socket_path, run->directory, (size_t)length);
    strcpy(run->socket_path + length, "/socket");
    return true;
}

static bool make_directory(struct run *run)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    return (runtime && runtime[0] == '/' && make_directory_in(run, runtime)) ||
           make_directory_in(run, "/tmp");
}

static void remove_directory(struct run *run)
{
    if (run->directory[0]) {
        unlink(run->socket_path);
        rmdir(run->directory);
    }
    run->directory[0] = '\0';
}

static void send_text(int fd, const char *text)
{
    const ssize_t written = write(fd, text, strlen(text) + 1);
    (void)written; // the reader tells a lost text from a good start by the exit status
}

static struct pv_server *server; // in the server's process, for its signal handler

static void stop_server(int signal_number)
{
    (void)signal_number;
    pv_server_stop(server);
}

// The server's process. Says "ok" to `ready`, or what is wrong, as a string.
static void server_main(struct run *run, int lifeline, int ready) __attribute__((noreturn));

static void server_main(struct run *run, int lifeline, int ready)
{
    char error[512] = "the server could not be started";
    // Out of the reach of the terminal's signals, in the same session: see
    // pv_server_os_leave_terminal().
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN); // it may write there
    const int nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(nowhere, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO); // what a driver prints is not the program's output
    pv_tool_become_host(run->host_driver);
    run->params.socket_path = run->socket_path;
    run->params.lifeline_fd = lifeline;
    server = pv_server_create(&run->params, error, sizeof(error));
    if (!server) {
        send_text(ready, error);
        _exit(PV_EXIT_FAILED);
    }
    signal(SIGTERM, stop_server);
    send_text(ready, "ok");
    close(ready);
    const bool ended_well = pv_server_run(server);
    // Also here, in case our parent is no more.
    remove_directory(run);
    _exit(ended_well ? 0 : PV_EXIT_FAILED);
}

static void close_pipe(const int fds[2])
{
    if (fds[0] >= 0) {
        close(fds[0]);
    }
    if (fds[1] >= 0) {
        close(fds[1]);
    }
}

static bool make_pipe(int fds[2])
{
    fds[0] = fds[1] = -1;
    if (pipe(fds) < 0) {
        return false;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    return true;
}

// Reads a string, until the other side has closed its end or a signal tells us to give up.
static size_t read_text(int fd, char *text, size_t size)
{
    size_t used = 0;
    while (used < size - 1 && (used == 0 || text[used - 1])) {
        const ssize_t got = read(fd, text + used, size - 1 - used);
        if (got < 0 && errno == EINTR && !early_signal) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    text[used] = '\0';
    return used;
}

// Starts the server and waits until it listens. Failure: false, said on stderr unless a signal
// came.
static bool start_server(struct run *run, const char *subcommand, const struct dispositions *old)
{
    int lifeline[2], ready[2] = {-1, -1};
    if (!make_pipe(lifeline) || !make_pipe(ready)) {
        pv_tool_error(subcommand, 0, "cannot make a pipe (%s): raise the limit of open files",
                      strerror(errno));
        close_pipe(lifeline);
        return false;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(lifeline[1]);
        close(ready[0]);
        restore_signals(old);
        server_main(run, lifeline[0], ready[1]);
    }
    close(lifeline[0]);
    close(ready[1]);
    if (pid < 0) {
        pv_tool_error(subcommand, 0, "cannot start a process (%s): raise the limit of processes",
                      strerror(errno));
        close(lifeline[1]);
        close(ready[0]);
        return false;
    }
    run->server = pid;
    run->lifeline = lifeline[1];
    char text[512];
    read_text(ready[0], text, sizeof(text));
    close(ready[0]);
    if (strcmp(text, "ok") == 0) {
        return true;
    }
    if (!early_signal) {
        pv_tool_error(subcommand, 0, "%s", text[0] ? text : "the server died while it started");
    }
    return false;
}

static void sleep_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

// Waits for a child, at most so long. Returns whether it has ended.
static bool wait_for(pid_t pid, int timeout_ms, int *status)
{
    for (int waited = 0; waited < timeout_ms; waited += 5) {
        const pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno == ECHILD)) {
            return true;
        }
        sleep_ms(5);
    }
    return false;
}

static void end_server(struct run *run)
{
    int status;
    if (run->server) {
        close(run->lifeline);
        if (!wait_for(run->server, SERVER_END_TIMEOUT_MS, &status)) {
            kill(-run->server, SIGKILL); // its process group: the workers, too
            wait_for(run->server, SERVER_END_TIMEOUT_MS, &status);
        }
    }
    run->server = 0;
    remove_directory(run);
}

// Starts the program. Returns its process, or 0 with *failure set to an errno value.
static pid_t start_program(const struct run *run, const struct dispositions *old, int *failure)
{
    int failed[2];
    sigset_t all, previous;
    *failure = ENOMEM;
    if (!make_pipe(failed)) {
        *failure = errno;
        return 0;
    }
    // Until program_pid is known, signals wait.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &previous);
    const pid_t pid = fork();
    if (pid == 0) {
        restore_signals(old);
        sigprocmask(SIG_SETMASK, &previous, NULL);
        if (pv_guest_enter(run->guest_icds, run->socket_path)) {
            execvp(run->program[0], run->program);
        }
        const int reason = errno;
        const ssize_t written = write(failed[1], &reason, sizeof(reason));
        _exit(written == sizeof(reason) ? PV_EXIT_NOT_EXECUTABLE : PV_EXIT_FAILED);
    }
    *failure = errno;
    if (pid > 0) {
        program_pid = pid;
        if (early_signal) {
            kill(pid, early_signal);
        }
    }
    sigprocmask(SIG_SETMASK, &previous, NULL);
    close(failed[1]);
    ssize_t got;
    int reason;
    do {
        got = read(failed[0], &reason, sizeof(reason));
    } while (got < 0 && errno == EINTR);
    close(failed[0]);
    if (pid > 0 && got == sizeof(reason)) {
        *failure = reason;
        waitpid(pid, NULL, 0);
        program_pid = 0;
        return 0;
    }
    return pid > 0 ? pid : 0;
}

// The server is gone and the program with it: clients without a server may spin.
static int end_orphan(const char *subcommand, pid_t program, int server_status)
{
    int status;
    pv_tool_error(
        subcommand, 0, "the server died (%s %d), so the program is ended: report this with its log",
        WIFSIGNALED(server_status) ? "signal" : "status",
        WIFSIGNALED(server_status) ? WTERMSIG(server_status) : WEXITSTATUS(server_status));
    kill(program, SIGTERM);
    if (!wait_for(program, PROGRAM_END_TIMEOUT_MS, &status)) {
        kill(program, SIGKILL);
        waitpid(program, &status, 0);
    }
    return PV_EXIT_FAILED;
}

// Waits for the program and returns its exit status.
static int wait_for_program(struct run *run, const char *subcommand, pid_t program)
{
    for (;;) {
        int status;
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno != EINTR) {
            return PV_EXIT_FAILED;
        }
        if (ended == program) {
            program_pid = 0;
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        }
        if (ended > 0 && ended == run->server) {
            run->server = 0;
            close(run->lifeline);
            return end_orphan(subcommand, program, status);
        }
    }
}

static int run_program(struct run *run, const char *subcommand)
{
    struct dispositions old;
    int result = PV_EXIT_FAILED;
    int failure;
    if (!make_directory(run)) {
        return pv_tool_error(subcommand, PV_EXIT_FAILED,
                             "no directory for the socket (%s): set XDG_RUNTIME_DIR to a writable "
                             "directory",
                             strerror(errno));
    }
    catch_signals(&old);
    if (start_server(run, subcommand, &old) && !early_signal) {
        const pid_t program = start_program(run, &old, &failure);
        if (program) {
            result = wait_for_program(run, subcommand, program);
        } else {
            result = program_problem(subcommand,
                                     failure == ENOENT ? PV_EXIT_NOT_FOUND : PV_EXIT_NOT_EXECUTABLE,
                                     run->program[0]);
        }
    } else if (early_signal) {
        result = 128 + early_signal;
    }
    end_server(run);
    return result;
}

int pv_tool_run(int argc, char **argv)
{
    struct run run = {
        .params = {.renderer = {.log = pv_tool_log, .log_level = PV_LOG_WARN}},
        .lifeline = -1,
    };
    const struct pv_tool_option options[] = {
        {"--in-process", false, pv_tool_store_flag, &run.params.in_process},
        {"--sandbox", true, pv_tool_store_sandbox, &run.params.sandbox},
        {"--guest-icd", true, pv_tool_store_text, &run.guest_icd},
        {"--host-driver", true, pv_tool_store_text, &run.host_driver},
        {"--vulkan-library", true, pv_tool_store_text, &run.params.renderer.vulkan_library},
        {"--memory", true, pv_tool_store_memory, &run.params.renderer.memory_mechanisms},
        {"--disable-emulation", true, pv_tool_store_emulation,
         &run.params.renderer.disabled_emulations},
        {"--stats", true, pv_tool_store_text, &run.params.stats_path},
        {"--count-commands", false, pv_tool_store_flag, &run.params.renderer.count_commands},
        {"--log", true, pv_tool_store_log_level, &run.params.renderer.log_level},
        {0},
    };
    int next = 0;
    switch (pv_tool_parse(argc, argv, options, &next)) {
    case PV_TOOL_BAD:
        return PV_EXIT_USAGE;
    case PV_TOOL_HELP:
        fputs(help, stdout);
        return 0;
    case PV_TOOL_GO_ON:
        break;
    }
    if (next == argc) {
        return pv_tool_error(argv[0], PV_EXIT_USAGE, "no program: give one after --");
    }
    run.program = argv + next;
    const int found = find_program(run.program[0]);
    if (found != 0) {
        return program_problem(argv[0], found, run.program[0]);
    }
    if (run.guest_icd) {
        // Absolute, because the program may change its directory.
        if (!realpath(run.guest_icd, run.guest_icds) || access(run.guest_icds, R_OK) < 0) {
            return pv_tool_error(argv[0], PV_EXIT_FAILED,
                                 "%s cannot be read: name the guest driver's ICD file",
                                 run.guest_icd);
        }
    } else if (!pv_guest_find_icd(run.guest_icds, sizeof(run.guest_icds))) {
        return pv_tool_error(argv[0], PV_EXIT_FAILED,
                             "Mesa's Venus driver (virtio_icd.json) is not installed: install it "
                             "(Debian, Ubuntu: mesa-vulkan-drivers), or name it with --guest-icd");
    }
    if (!pv_tool_check_host_driver(argv[0], run.host_driver)) {
        return PV_EXIT_FAILED;
    }
    return run_program(&run, argv[0]);
}

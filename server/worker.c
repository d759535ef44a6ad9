// A process per client. The parent keeps a copy of the client's socket: it sees the client go
// even while the worker is stuck in the driver, and can say goodbye when the worker crashes.
//
// Every worker starts without a client, which comes through its channel. One such spare waits for
// the next client, with the driver open, so that the client need not wait for that.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pv/renderer.h>

#include "channel.h"
#include "isolation.h"
#include "os.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define SPARE_NAME       "pv-spare" // in process lists
#define READY_TIMEOUT_MS 5000       // for the first spare
#define STATS_LIMIT      65536u     // bytes of a line

// What a worker is told with its client's socket.
struct assignment {
    uint32_t number;
};

// What a worker says.
enum kind {
    READY,       // nobody has come yet, and the driver is open
    BEGIN_PULSE, // with the memory; answered by a struct answer
    END_PULSE,   // likewise
};

struct report {
    enum kind kind;
    uint64_t devices;      // READY: pv_probe_devices()
    struct pv_pulse pulse; // END_PULSE: only its number
};

struct answer {
    bool done;
};

// The worker's end of its channel, which its threads share. Once it has its client, the only
// messages that come are answers.
struct line {
    pthread_mutex_t lock;
    int channel;
};

// false: no client must be served.
static bool enter_sandbox(const struct pv_isolation_env *env)
{
    char error[256];
    if (env->sandbox == PV_SANDBOX_OFF ||
        pv_sandbox_enter(&env->sandbox_support, error, sizeof(error))) {
        return true;
    }
    const bool required = env->sandbox == PV_SANDBOX_REQUIRE;
    pv_server_log(&env->client.log, PV_LOG_ERROR, "a worker's sandbox is not complete: %s; %s",
                  error, required ? "it serves nobody" : "it serves all the same");
    return !required;
}

// What the client's first instance would do: the driver is opened, and what is made once in it, is
// made. Nobody waits for this.
static void warm_up(int channel, struct pv_renderer *renderer)
{
    const struct report ready = {.kind = READY, .devices = pv_probe_devices(renderer)};
    pv_channel_send(channel, &ready, sizeof(ready), -1);
}

// Returns what the server answers; false too if it has gone.
static bool ask(struct line *line, const struct report *report, int fd)
{
    struct pollfd room = {.fd = line->channel, .events = POLLOUT};
    struct pollfd input = {.fd = line->channel, .events = POLLIN};
    struct answer answer = {false};
    int none;
    bool there;
    pthread_mutex_lock(&line->lock);
    while (!(there = pv_channel_send(line->channel, report, sizeof(*report), fd)) &&
           (errno == EAGAIN || errno == EINTR)) {
        poll(&room, 1, -1);
    }
    while (there && !pv_channel_receive(line->channel, &answer, sizeof(answer), &none) &&
           (errno == EAGAIN || errno == EINTR)) {
        poll(&input, 1, -1);
    }
    pthread_mutex_unlock(&line->lock);
    return answer.done;
}

// The library's.
static bool begin_pulse(void *user, const struct pv_pulse *pulse)
{
    const struct report report = {.kind = BEGIN_PULSE, .pulse = *pulse};
    return pulse->period_us >= PV_PULSE_MIN_PERIOD_US && ask(user, &report, pulse->fd);
}

static void end_pulse(void *user, uint64_t id)
{
    const struct report report = {.kind = END_PULSE, .pulse = {.id = id}};
    ask(user, &report, -1); // a server that has gone touches nothing, either
}

// false: there will be none.
static bool await_client(int channel, struct pv_client_params *client)
{
    struct assignment assignment;
    struct pollfd input = {.fd = channel, .events = POLLIN};
    while (poll(&input, 1, -1) < 0 && errno == EINTR) {
    }
    if (!pv_channel_receive(channel, &assignment, sizeof(assignment), &client->fd)) {
        return false;
    }
    client->number = assignment.number;
    return client->fd >= 0;
}

static void worker_main(struct pv_isolation_env *env, int channel) __attribute__((noreturn));

static void worker_main(struct pv_isolation_env *env, int channel)
{
    pv_server_os_leave_terminal(); // it is none of a guest's business
    // The parent ends its workers by closing their channels, also when a terminal or a service
    // manager signals all processes at once.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    pv_server_os_name_process(SPARE_NAME);
    struct pv_client_params client = env->client;
    client.names_process = true;
    client.stop_fd = channel; // its own: what workers share, each could end the others by
    struct line line = {.lock = PTHREAD_MUTEX_INITIALIZER, .channel = channel};
    struct pv_renderer_params params = *env->renderer_params;
    params.begin_pulse = begin_pulse;
    params.end_pulse = end_pulse;
    params.pulse_user = &line;
    struct pollfd early = {.fd = channel, .events = POLLIN};
    env->muted = poll(&early, 1, 0) == 0;
    // Who comes to a worker that has ended here gets his goodbye from the parent. The library has
    // said why in the log when there is no renderer.
    if (!enter_sandbox(env) || !(client.renderer = pv_renderer_create(&params, NULL, 0))) {
        _exit(1);
    }
    if (env->muted) {
        warm_up(channel, client.renderer);
    }
    if (await_client(channel, &client)) {
        env->muted = false;
        pv_client_run(&client);
    }
    pv_renderer_destroy(client.renderer);
#ifdef __SANITIZE_ADDRESS__
    // The sanitizer would look at exit().
    if (__lsan_do_recoverable_leak_check()) {
        _exit(1);
    }
#endif
    // Not exit(): handlers of the parent and of the driver have no business here.
    _exit(0);
}

static const struct pv_worker no_worker = {.channel = -1, .done_fd = -1, .stats_fd = -1};

// Ends a worker that has no client, also a half-made one. Returns how it ended. Keeps errno.
static int discard(struct pv_worker *worker)
{
    const int error = errno;
    const int fds[] = {worker->channel, worker->done_fd, worker->stats_fd};
    int status = 0;
    if (worker->pid > 0) {
        kill(worker->pid, SIGKILL);
        while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    *worker = no_worker;
    errno = error;
    return status;
}

// Failure: false with errno.
static bool spawn(struct pv_isolation_env *env, struct pv_worker *worker)
{
    int channel[2];
    *worker = no_worker;
    if (!pv_channel_open(channel)) {
        return false;
    }
    const bool counts = env->client.stats_fd >= 0;
    const int stats_fd = counts ? pv_server_os_memory() : -1;
    const uint64_t device_stamp = pv_sandbox_device_stamp();
    fflush(NULL);
    const pid_t pid = counts && stats_fd < 0 ? -1 : fork();
    if (pid == 0) {
        pv_probe_abandon(&env->probe);
        env->forget_parent(env->server);
        close(channel[0]);
        env->client.stats_fd = stats_fd; // not the file, which others' lines are in
        worker_main(env, channel[1]);
    }
    // Not a pipe: a worker is not believed to be dead because it has closed its end.
    const int done_fd = pid > 0 ? pv_server_os_watch_process(pid) : -1;
    const int error = errno;
    close(channel[1]);
    errno = error;
    *worker = (struct pv_worker){
        .pid = pid,
        .channel = channel[0],
        .done_fd = done_fd,
        .stats_fd = stats_fd,
        .device_stamp = device_stamp,
    };
    if (done_fd < 0) {
        discard(worker);
    }
    return done_fd >= 0;
}

static void tell_end(char *text, size_t size, int status)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, size, "failed (status %d)", WEXITSTATUS(status));
    }
}

static bool hand_over(struct pv_worker *worker, const struct pv_served *served)
{
    const struct assignment assignment = {.number = served->number};
    return pv_channel_send(worker->channel, &assignment, sizeof(assignment), served->fd);
}

// Whether it may not use device nodes that are there now.
static bool is_outdated(const struct pv_worker *worker)
{
    return worker->device_stamp != pv_sandbox_device_stamp();
}

// What was started ahead, sees the devices of today and has not died meanwhile.
static bool take_spare(struct pv_isolation_env *env, struct pv_worker *worker,
                       const struct pv_served *served)
{
    *worker = env->spare;
    env->spare = no_worker;
    if (worker->pid != 0 && is_outdated(worker)) {
        discard(worker);
    }
    if (worker->pid == 0 || hand_over(worker, served)) {
        return worker->pid != 0;
    }
    char end[128];
    tell_end(end, sizeof(end), discard(worker));
    pv_server_log(&env->client.log, PV_LOG_WARN,
                  "a worker %s before its client came; from now on none is started ahead", end);
    env->keeps_spare = false;
    return false;
}

static bool start(struct pv_isolation_env *env, struct pv_served *served)
{
    struct pv_worker worker;
    if (!take_spare(env, &worker, served)) {
        if (!spawn(env, &worker)) {
            return false;
        }
        if (!hand_over(&worker, served)) {
            discard(&worker);
            return false;
        }
    }
    served->pid = worker.pid;
    served->channel = worker.channel; // kept: closing it would take away what was not read yet
    served->done_fd = worker.done_fd;
    served->stats_fd = worker.stats_fd;
    return true;
}

static void prepare(struct pv_isolation_env *env)
{
    if (env->keeps_spare && env->spare.pid == 0) {
        spawn(env, &env->spare); // if not now, then with the next client
    }
}

// The first spare has opened the driver beside the trial, and maybe before the trial made a device
// node, of which it may say nothing; later ones will see what the trial saw. One that does not say
// in time what it saw is as bad.
static void settle(struct pv_isolation_env *env, uint64_t devices)
{
    struct pollfd ready = {.fd = env->spare.channel, .events = POLLIN};
    struct report report;
    int none;
    if (env->spare.pid &&
        !(!is_outdated(&env->spare) && poll(&ready, 1, READY_TIMEOUT_MS) > 0 &&
          pv_channel_receive(env->spare.channel, &report, sizeof(report), &none) &&
          report.devices == devices)) {
        discard(&env->spare);
        prepare(env);
    }
}

static bool open_host(struct pv_isolation_env *env, char *error, size_t error_size)
{
    uint64_t devices;
    if (!pv_probe_start(&env->probe, env->renderer_params)) {
        snprintf(error, error_size, "cannot start a process (%s)", strerror(errno));
        return false;
    }
    if (pv_probe_await_driver(&env->probe)) {
        prepare(env); // on another core than the rest of the trial
    }
    if (!pv_probe_finish(&env->probe, &devices, error, error_size)) {
        return false;
    }
    settle(env, devices);
    return true;
}

static void close_host(struct pv_isolation_env *env)
{
    if (env->spare.pid) {
        discard(&env->spare);
    }
}

// Whether it is one whole line of text, as workers have them.
static bool is_line(const char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return size > 1 && text[size - 1] == '\n';
}

// Writes down what a dead worker had counted. It is not trusted: the line may be invented, but
// spoils no other.
static void keep_stats(const struct pv_isolation_env *env, const struct pv_served *served)
{
    char *text = served->stats_fd >= 0 ? malloc(STATS_LIMIT) : NULL;
    const ssize_t size = text ? pread(served->stats_fd, text, STATS_LIMIT, 0) : 0;
    if (size > 0 && is_line(text, (size_t)size) &&
        write(env->client.stats_fd, text, (size_t)size) != size) {
        pv_server_log(&env->client.log, PV_LOG_ERROR,
                      "client %u: its statistics could not be written", served->number);
    }
    free(text);
}

// Does not block: done_fd has told, or SIGKILL is under way.
static void join(const struct pv_isolation_env *env, struct pv_served *served)
{
    int status = 0;
    while (waitpid(served->pid, &status, 0) < 0 && errno == EINTR) {
    }
    keep_stats(env, served);
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (clean) {
        return;
    }
    pv_client_say_goodbye(served->fd);
    if (served->killed) {
        return; // said when it was done
    }
    char end[128];
    tell_end(end, sizeof(end), status);
    pv_server_log(&env->client.log, PV_LOG_ERROR, "client %u: its worker %s%s", served->number, end,
                  WIFSIGNALED(status) ? ", most likely in the Vulkan driver; other clients are not "
                                        "affected"
                                      : "");
}

// The worker is not trusted. One that speaks no sense is ended: its channel hangs up.
static void hear(struct pv_isolation_env *env, struct pv_served *served)
{
    struct report report;
    int fd;
    if (!pv_channel_receive(served->channel, &report, sizeof(report), &fd)) {
        if (errno != EAGAIN && errno != EINTR) {
            pv_pulses_remove_client(&env->pulses, served->number);
            close(served->channel);
            served->channel = -1;
        }
        return;
    }
    struct answer answer = {false};
    if (report.kind == BEGIN_PULSE) {
        report.pulse.fd = fd;
        answer.done = pv_pulses_add(&env->pulses, served->number, &report.pulse);
    } else if (report.kind == END_PULSE) {
        pv_pulses_remove(&env->pulses, served->number, report.pulse.id);
        answer.done = true;
    }
    if (report.kind != READY) {
        pv_channel_send(served->channel, &answer, sizeof(answer), -1);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void kill_worker(const struct pv_isolation_env *env, struct pv_served *served)
{
    if (served->killed) {
        return;
    }
    pv_server_log(&env->client.log, PV_LOG_ERROR, "client %u: its worker does not end; killed",
                  served->number);
    served->killed = true;
    kill(served->pid, SIGKILL);
}

const struct pv_isolation pv_isolation_worker = {
    .open = open_host,
    .close = close_host,
    .start = start,
    .prepare = prepare,
    .join = join,
    .cancel = NULL,
    .hear = hear,
    .kill = kill_worker,
    .watches = true,
    .shares_heap = false,
};

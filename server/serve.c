#include "serve.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"
#include "isolation.h"
#include "os.h"
#include "socket.h"

#define DEFAULT_MAX_CLIENTS        1024u
#define DEFAULT_STOP_TIMEOUT_MS    10000
#define DEFAULT_HANG_UP_TIMEOUT_MS 30000
#define ACCEPT_PAUSE_MS            100 // when descriptors or processes have run out
#define ACCEPTED_AT_ONCE           16  // then others get their turn
#define FIXED_POLLED               3   // descriptors that step() waits for besides the clients'
#define POLLED_EACH                3u  // a client's end, its socket, its worker's channel

struct pv_server {
    struct pv_renderer_params renderer_params;
    struct pv_listener listener;
    int lifeline_fd; // -1: none
    int wake[2];     // pv_server_stop() writes
    int stop[2]; // threads watch stop[0]; closing stop[1] ends them. Workers watch their channels
    int stats_fd;
    const struct pv_isolation *isolation;
    struct pv_isolation_env env;
    uint32_t max_clients;
    int stop_timeout_ms;
    int hang_up_timeout_ms;
    uint32_t last_number;
    bool said_full, said_failure; // once, until it is over
    struct pv_served *served;
    size_t served_count;
    struct pollfd *polled; // FIXED_POLLED + POLLED_EACH * max_clients
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

// Runs in a new worker: what the parent has open is none of its business.
static void forget_parent(struct pv_server *server)
{
    pv_listener_abandon(&server->listener);
    close_fd(&server->lifeline_fd);
    close_fd(&server->wake[0]);
    close_fd(&server->wake[1]);
    close_fd(&server->stop[0]);
    close_fd(&server->stop[1]);
    close_fd(&server->stats_fd);
    for (size_t i = 0; i < server->served_count; i++) {
        close_fd(&server->served[i].fd);
        close_fd(&server->served[i].done_fd);
        close_fd(&server->served[i].channel);
        close_fd(&server->served[i].stats_fd);
    }
}

// Every client needs descriptors for its memory; the soft limit is a default for select() users.
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool open_stats(struct pv_server *server, const char *path, char *error, size_t error_size)
{
    if (!path) {
        return true;
    }
    server->stats_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (server->stats_fd < 0) {
        snprintf(error, error_size, "cannot write %s (%s): choose another file", path,
                 strerror(errno));
    }
    return server->stats_fd >= 0;
}

// Says what the kernel lacks for the sandbox of workers. false: it was required.
static bool check_sandbox(const struct pv_server_params *params, bool workers,
                          const struct pv_sandbox_support *support, char *error, size_t error_size)
{
    const char *missing = workers ? support->missing : "only worker processes have one";
    if (params->sandbox == PV_SANDBOX_OFF || !*missing) {
        return true;
    }
    if (params->sandbox == PV_SANDBOX_REQUIRE) {
        snprintf(error, error_size,
                 "no complete sandbox (%s): do without it (--sandbox auto), or use another kernel",
                 missing);
        return false;
    }
    if (workers) {
        const struct pv_server_log log = {params->renderer.log, params->renderer.log_user,
                                          params->renderer.log_level};
        pv_server_log(&log, support->system_calls ? PV_LOG_INFO : PV_LOG_WARN,
                      "%s: workers are not completely in a sandbox", missing);
    }
    return true;
}

// The library's log goes through here.
static void pass_log(void *user, enum pv_log_level level, const char *message)
{
    const struct pv_server *server = user;
    if (level != PV_LOG_ERROR || !server->env.muted) {
        server->env.client.log.fn(server->env.client.log.user, level, message);
    }
}

static struct pv_isolation_env make_env(struct pv_server *server,
                                        const struct pv_server_params *params)
{
    return (struct pv_isolation_env){
        .client =
            {
                .fd = -1,
                .stop_fd = server->stop[0],
                .send_timeout_ms = params->send_timeout_ms,
                .stats_fd = server->stats_fd,
                .log = {.fn = params->renderer.log,
                        .user = params->renderer.log_user,
                        .level = params->renderer.log_level},
            },
        .renderer_params = &server->renderer_params,
        .sandbox = params->sandbox,
        .sandbox_support = pv_sandbox_support(),
        .keeps_spare = !params->no_spare,
        .spare = {.channel = -1, .done_fd = -1, .stats_fd = -1},
        .forget_parent = forget_parent,
        .server = server,
    };
}

struct pv_server *pv_server_create(const struct pv_server_params *params, char *error,
                                   size_t error_size)
{
    struct pv_server *server = calloc(1, sizeof(*server));
    if (!server) {
        snprintf(error, error_size, "memory is short");
        return NULL;
    }
    *server = (struct pv_server){
        .renderer_params = params->renderer,
        .listener = {.fd = -1},
        .lifeline_fd = params->lifeline_fd ? params->lifeline_fd : -1,
        .wake = {-1, -1},
        .stop = {-1, -1},
        .stats_fd = -1,
        .isolation = params->in_process || !pv_server_os_has_workers() ? &pv_isolation_thread
                                                                       : &pv_isolation_worker,
        .max_clients = params->max_clients ? params->max_clients : DEFAULT_MAX_CLIENTS,
        .stop_timeout_ms =
            params->stop_timeout_ms ? params->stop_timeout_ms : DEFAULT_STOP_TIMEOUT_MS,
        .hang_up_timeout_ms =
            params->hang_up_timeout_ms ? params->hang_up_timeout_ms : DEFAULT_HANG_UP_TIMEOUT_MS,
    };
    server->renderer_params.fd_only = true;
    if (params->renderer.log) {
        server->renderer_params.log = pass_log;
        server->renderer_params.log_user = server;
    }
    raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    if (server->isolation == &pv_isolation_worker) {
        signal(SIGCHLD, SIG_DFL); // if ignored, nobody would learn of a crash
    }
    server->served = calloc(server->max_clients, sizeof(*server->served));
    server->polled =
        calloc(FIXED_POLLED + POLLED_EACH * (size_t)server->max_clients, sizeof(*server->polled));
    if (!server->served || !server->polled || !pv_server_os_pipe(server->wake) ||
        !pv_server_os_pipe(server->stop)) {
        snprintf(error, error_size, "memory or file descriptors are short");
        pv_server_destroy(server);
        return NULL;
    }
    if (!open_stats(server, params->stats_path, error, error_size)) {
        pv_server_destroy(server);
        return NULL;
    }
    server->env = make_env(server, params);
    // The socket last: once it is there, clients are served.
    if (!check_sandbox(params, server->isolation == &pv_isolation_worker,
                       &server->env.sandbox_support, error, error_size) ||
        !server->isolation->open(&server->env, error, error_size) ||
        !pv_listener_open(&server->listener, params->socket_path, error, error_size)) {
        pv_server_destroy(server);
        return NULL;
    }
    return server;
}

static void say_failure(struct pv_server *server, const char *what, int reason)
{
    if (!server->said_failure) {
        pv_server_log(&server->env.client.log, PV_LOG_ERROR, "%s: %s", what, strerror(reason));
    }
    server->said_failure = true;
}

// Accepts one client. false: nobody is there, or the next must wait.
static bool accept_client(struct pv_server *server, int *pause_ms)
{
    const int fd = pv_server_os_accept(server->listener.fd);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
            say_failure(server, "cannot accept a client", errno);
            *pause_ms = ACCEPT_PAUSE_MS;
        }
        return false;
    }
    pv_server_os_prepare(fd);
    if (server->served_count == server->max_clients) {
        if (!server->said_full) {
            pv_server_log(&server->env.client.log, PV_LOG_ERROR,
                          "%u clients are being served, no more are taken", server->max_clients);
        }
        server->said_full = true;
        pv_client_say_goodbye(fd);
        close(fd);
        return true;
    }
    struct pv_served *served = &server->served[server->served_count];
    *served = (struct pv_served){
        .number = ++server->last_number,
        .fd = fd,
        .done_fd = -1,
        .channel = -1,
        .stats_fd = -1,
    };
    server->served_count++; // a worker must know it to forget it
    if (server->isolation->start(&server->env, served)) {
        server->said_failure = false;
        return true;
    }
    server->served_count--;
    say_failure(server, "cannot serve a client", errno);
    pv_client_say_goodbye(fd);
    close(fd);
    *pause_ms = ACCEPT_PAUSE_MS;
    return false;
}

// Makes the next client's start short.
static void prepare(struct pv_server *server)
{
    if (server->isolation->prepare) {
        server->isolation->prepare(&server->env);
    }
}

static void remove_client(struct pv_server *server, size_t index)
{
    struct pv_served *served = &server->served[index];
    server->isolation->join(&server->env, served);
    close_fd(&served->fd);
    close_fd(&served->done_fd);
    close_fd(&served->channel);
    close_fd(&served->stats_fd);
    pv_pulses_remove_client(&server->env.pulses, served->number);
    server->served[index] = server->served[--server->served_count];
    server->said_full = false;
    if (server->isolation->shares_heap && server->served_count == 0) {
        pv_server_os_trim_heap(); // what many clients needed at once is not kept for ever
    }
}

// Time until a worker whose client has gone must be killed, and its killing. -1: nothing to do.
static int watch_hung_up(struct pv_server *server, size_t index)
{
    struct pv_served *served = &server->served[index];
    if (!served->hung_up_ns || served->killed || !server->isolation->kill) {
        return -1;
    }
    const uint64_t waited_ms = (pv_server_os_now_ns() - served->hung_up_ns) / 1000000u;
    if (waited_ms >= (uint64_t)server->hang_up_timeout_ms) {
        server->isolation->kill(&server->env, served);
        return -1;
    }
    return server->hang_up_timeout_ms - (int)waited_ms;
}

static int smaller_timeout(int a, int b)
{
    if (a < 0 || b < 0) {
        return a < 0 ? b : a;
    }
    return a < b ? a : b;
}

// Waits for something to happen and looks after the clients. `*listens`: new ones are welcome;
// becomes whether any have come. Returns false once the server shall stop.
static bool step(struct pv_server *server, bool *listens, int timeout_ms)
{
    struct pollfd *fixed = server->polled;
    struct pollfd *clients = server->polled + FIXED_POLLED;
    const size_t count = server->served_count;
    fixed[0] = (struct pollfd){.fd = server->wake[0], .events = POLLIN};
    fixed[1] = (struct pollfd){.fd = server->lifeline_fd, .events = POLLIN};
    fixed[2] = (struct pollfd){.fd = *listens ? server->listener.fd : -1, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        const struct pv_served *served = &server->served[i];
        const bool watched = server->isolation->watches && !served->hung_up_ns;
        struct pollfd *polled = &clients[POLLED_EACH * i];
        polled[0] = (struct pollfd){.fd = served->done_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = watched ? served->fd : -1};
        polled[2] = (struct pollfd){.fd = served->channel, .events = POLLIN};
        timeout_ms = smaller_timeout(timeout_ms, watch_hung_up(server, i));
    }
    timeout_ms =
        smaller_timeout(timeout_ms, pv_pulses_beat(&server->env.pulses, pv_server_os_now_ns()));
    const int ready =
        poll(server->polled, (nfds_t)(FIXED_POLLED + POLLED_EACH * count), timeout_ms);
    *listens = ready > 0 && fixed[2].revents;
    if (ready <= 0) {
        return true; // a time-out or a signal
    }
    // Backwards, because remove_client() moves the last client into the gap.
    for (size_t i = count; i-- > 0;) {
        const struct pollfd *polled = &clients[POLLED_EACH * i];
        if (polled[1].revents) {
            server->served[i].hung_up_ns = pv_server_os_now_ns();
        }
        if (polled[2].revents) {
            server->isolation->hear(&server->env, &server->served[i]);
        }
        if (polled[0].revents) {
            remove_client(server, i);
        }
    }
    return !fixed[0].revents && !fixed[1].revents;
}

// Removes the clients that have been served, after waiting for the first of them.
static void reap_clients(struct pv_server *server, int timeout_ms)
{
    const size_t count = server->served_count;
    for (size_t i = 0; i < count; i++) {
        server->polled[i] = (struct pollfd){.fd = server->served[i].done_fd, .events = POLLIN};
    }
    if (poll(server->polled, (nfds_t)count, timeout_ms) <= 0) {
        return;
    }
    for (size_t i = count; i-- > 0;) {
        if (server->polled[i].revents) {
            remove_client(server, i);
        }
    }
}

// Ends all clients. false: threads remain.
static bool end_clients(struct pv_server *server)
{
    const uint64_t begun_ns = pv_server_os_now_ns();
    close_fd(&server->stop[1]);
    for (size_t i = 0; i < server->served_count; i++) {
        // This ends the worker, and who asks something from now on sees that nobody listens.
        pv_pulses_remove_client(&server->env.pulses, server->served[i].number);
        close_fd(&server->served[i].channel);
        if (server->isolation->cancel) {
            server->isolation->cancel(&server->served[i]);
        }
    }
    for (int waited_ms = 0; server->served_count > 0 && waited_ms < server->stop_timeout_ms;
         waited_ms = (int)((pv_server_os_now_ns() - begun_ns) / 1000000u)) {
        reap_clients(server, server->stop_timeout_ms - waited_ms);
    }
    if (server->served_count > 0 && !server->isolation->kill) {
        pv_server_log(&server->env.client.log, PV_LOG_ERROR,
                      "%zu clients do not end, most likely in the Vulkan driver",
                      server->served_count);
        return false;
    }
    for (size_t i = 0; i < server->served_count; i++) {
        server->isolation->kill(&server->env, &server->served[i]);
    }
    while (server->served_count > 0) {
        remove_client(server, server->served_count - 1);
    }
    return true;
}

bool pv_server_run(struct pv_server *server)
{
    int pause_ms = -1;
    for (;;) {
        bool listens = pause_ms < 0;
        if (!step(server, &listens, pause_ms)) {
            break;
        }
        pause_ms = -1;
        for (int i = 0; listens && i < ACCEPTED_AT_ONCE && accept_client(server, &pause_ms); i++) {
            prepare(server);
        }
    }
    pv_listener_close(&server->listener);
    return end_clients(server);
}

void pv_server_stop(struct pv_server *server)
{
    const int saved_errno = errno;
    const char byte = 0;
    const ssize_t written = write(server->wake[1], &byte, 1);
    (void)written; // a full pipe wakes as well
    errno = saved_errno;
}

void pv_server_destroy(struct pv_server *server)
{
    if (!server) {
        return;
    }
    assert(server->served_count == 0);
    pv_listener_close(&server->listener);
    close_fd(&server->wake[0]);
    close_fd(&server->wake[1]);
    close_fd(&server->stop[0]);
    close_fd(&server->stop[1]);
    close_fd(&server->stats_fd);
    server->isolation->close(&server->env);
    free(server->served);
    free(server->polled);
    free(server);
}

// A process per client. The parent keeps a copy of the client's socket: it sees the client go
// even while the worker is stuck in the driver, and can say goodbye when the worker crashes.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pv/renderer.h>

#include "isolation.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

static void worker_main(const struct pv_isolation_env *env, int fd, uint32_t number)
    __attribute__((noreturn));

// false: the client must not be served.
static bool enter_sandbox(const struct pv_isolation_env *env, uint32_t number)
{
    char error[256];
    if (env->sandbox == PV_SANDBOX_OFF ||
        pv_sandbox_enter(&env->sandbox_support, error, sizeof(error))) {
        return true;
    }
    const bool required = env->sandbox == PV_SANDBOX_REQUIRE;
    pv_server_log(&env->client.log, PV_LOG_ERROR, "client %u: its sandbox is not complete: %s; %s",
                  number, error, required ? "it is not served" : "it is served all the same");
    return !required;
}

static void worker_main(const struct pv_isolation_env *env, int fd, uint32_t number)
{
    // The parent ends its workers through the stop descriptor, also when a terminal or a service
    // manager signals all processes at once.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    struct pv_client_params client = env->client;
    client.fd = fd;
    client.number = number;
    client.names_process = true;
    if (!enter_sandbox(env, number)) {
        pv_client_say_goodbye(fd);
        _exit(1);
    }
    // The library has said why in the log when there is no renderer.
    client.renderer = pv_renderer_create(env->renderer_params, NULL, 0);
    if (!client.renderer) {
        pv_client_say_goodbye(fd);
        _exit(1);
    }
    pv_client_run(&client);
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

static bool start(const struct pv_isolation_env *env, struct pv_served *served, int done_fd)
{
    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0) {
        return false;
    }
    if (pid == 0) {
        const int fd = dup(served->fd); // forget_parent() closes every copy of the parent's
        const uint32_t number = served->number;
        env->forget_parent(env->server);
        worker_main(env, fd, number);
    }
    close(done_fd);
    served->pid = pid;
    return true;
}

static void join(const struct pv_isolation_env *env, struct pv_served *served)
{
    int status = 0;
    while (waitpid(served->pid, &status, 0) < 0 && errno == EINTR) {
    }
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (clean) {
        return;
    }
    pv_client_say_goodbye(served->fd);
    if (served->killed) {
        return; // said when it was done
    }
    if (WIFSIGNALED(status)) {
        pv_server_log(&env->client.log, PV_LOG_ERROR,
                      "client %u: its worker was ended by signal %d (%s), most likely in the "
                      "Vulkan driver; other clients are not affected",
                      served->number, WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        pv_server_log(&env->client.log, PV_LOG_ERROR, "client %u: its worker failed (status %d)",
                      served->number, WEXITSTATUS(status));
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
    .start = start,
    .join = join,
    .cancel = NULL,
    .kill = kill_worker,
    .watches = true,
    .shares_heap = false,
};

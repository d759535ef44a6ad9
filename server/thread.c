// A thread per client, all on one renderer.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <pv/context.h>

#include "isolation.h"
#include "os.h"

static bool open_renderer(struct pv_isolation_env *env, char *error, size_t error_size)
{
    env->muted = true;
    env->client.renderer = pv_probe_renderer(env->renderer_params, error, error_size);
    env->muted = false;
    return env->client.renderer != NULL;
}

static void close_renderer(struct pv_isolation_env *env)
{
    pv_renderer_destroy(env->client.renderer);
}

struct thread_start {
    struct pv_client_params client;
    int done_fd;
};

static void *thread_main(void *argument)
{
    struct thread_start *start = argument;
    pv_client_run(&start->client);
    const int done_fd = start->done_fd;
    free(start);
    close(done_fd);
    return NULL;
}

static bool start(struct pv_isolation_env *env, struct pv_served *served)
{
    int done[2];
    if (!pv_server_os_pipe(done)) {
        return false;
    }
    struct thread_start *arguments = malloc(sizeof(*arguments));
    served->context = calloc(1, sizeof(*served->context));
    if (!arguments || !served->context) {
        free(arguments);
        free(served->context);
        close(done[0]);
        close(done[1]);
        errno = ENOMEM;
        return false;
    }
    pthread_mutex_init(&served->context->lock, NULL);
    *arguments = (struct thread_start){.client = env->client, .done_fd = done[1]};
    arguments->client.fd = served->fd;
    arguments->client.number = served->number;
    arguments->client.context = served->context;

    // Signals are for the thread that accepts.
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    const int error = pthread_create(&served->thread, NULL, thread_main, arguments);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    if (error) {
        free(arguments);
        pthread_mutex_destroy(&served->context->lock);
        free(served->context);
        close(done[0]);
        close(done[1]);
        errno = error;
        return false;
    }
    served->done_fd = done[0];
    served->fd = -1; // the thread's now
    return true;
}

static void join(const struct pv_isolation_env *env, struct pv_served *served)
{
    (void)env;
    pthread_join(served->thread, NULL);
    pthread_mutex_destroy(&served->context->lock);
    free(served->context);
    served->context = NULL;
}

static void cancel(struct pv_served *served)
{
    pthread_mutex_lock(&served->context->lock);
    if (served->context->context) {
        pv_context_cancel(served->context->context, "the server is stopping");
    }
    pthread_mutex_unlock(&served->context->lock);
}

const struct pv_isolation pv_isolation_thread = {
    .open = open_renderer,
    .close = close_renderer,
    .start = start,
    .prepare = NULL,
    .join = join,
    .cancel = cancel,
    .hear = NULL,
    .kill = NULL,
    .watches = false,
    .shares_heap = true,
};

#include "base/thread.h"

#include "base/os.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// Host drivers compile shaders on our threads, and libraries differ widely in what they give a
// thread by default (512 KiB on macOS). Address space only, until it is used.
#define STACK_SIZE ((size_t)8 << 20)

// Handed to the new thread, which frees it.
struct start {
    const struct pv_thread *thread;
    void (*main)(void *user);
    void *user;
    char name[16];
};

// Asked by pv_thread_is_current(), so that a thread never reads the handle which its owner may
// still be storing.
static _Thread_local const struct pv_thread *current;

static void *thread_main(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    current = start.thread;
    pv_os_thread_set_name(start.name);
    start.main(start.user);
    return NULL;
}

// Signals belong to the VMM's own threads. Those that report a fault of this thread stay open: a
// blocked one kills the process without asking the handler of a crash reporter or sandbox.
static void fill_blocked_signals(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < PV_ARRAY_LENGTH(faults); i++) {
        sigdelset(set, faults[i]);
    }
}

bool pv_thread_start(struct pv_thread *thread, const char *name, void (*main)(void *user),
                     void *user)
{
    assert(!thread->running);

    struct start *start = calloc(1, sizeof(*start));
    if (!start) {
        return false;
    }
    start->thread = thread;
    start->main = main;
    start->user = user;
    strncpy(start->name, name, sizeof(start->name) - 1);

    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) {
        free(start);
        return false;
    }
    pthread_attr_setstacksize(&attr, STACK_SIZE);

    // The new thread inherits the mask of its creator.
    sigset_t blocked, previous;
    fill_blocked_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &previous);
    thread->running = pthread_create(&thread->handle, &attr, thread_main, start) == 0;
    pthread_sigmask(SIG_SETMASK, &previous, NULL);

    pthread_attr_destroy(&attr);
    if (!thread->running) {
        free(start);
    }
    return thread->running;
}

void pv_thread_join(struct pv_thread *thread)
{
    if (thread->running) {
        assert(!pv_thread_is_current(thread));
        pthread_join(thread->handle, NULL);
        thread->running = false;
    }
}

bool pv_thread_is_current(const struct pv_thread *thread)
{
    return current == thread;
}

void pv_cond_init(struct pv_cond *cond)
{
    pv_os_cond_init(&cond->handle);
}

void pv_cond_finish(struct pv_cond *cond)
{
    pthread_cond_destroy(&cond->handle);
}

void pv_cond_wait(struct pv_cond *cond, pthread_mutex_t *mutex)
{
    pthread_cond_wait(&cond->handle, mutex);
}

bool pv_cond_wait_until(struct pv_cond *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        pthread_cond_wait(&cond->handle, mutex);
        return true;
    }
    return pv_os_cond_wait_until(&cond->handle, mutex, deadline_ns);
}

void pv_cond_signal(struct pv_cond *cond)
{
    pthread_cond_signal(&cond->handle);
}

void pv_cond_broadcast(struct pv_cond *cond)
{
    pthread_cond_broadcast(&cond->handle);
}

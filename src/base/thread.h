// Threads with owners, and condition variables that wait on the monotonic clock.
//
// Mutexes are plain pthread_mutex_t. Every thread has one owner that joins it.
#ifndef PV_BASE_THREAD_H
#define PV_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// Stays where it is while it runs.
struct pv_thread {
    pthread_t handle;
    bool running; // owner's view: started and not joined
};

// Starts `main(user)` with all signals blocked but those of its own faults. `name` is cut to 15
// bytes. Failure: false.
bool pv_thread_start(struct pv_thread *thread, const char *name, void (*main)(void *user),
                     void *user);
// No effect when the thread is not running.
void pv_thread_join(struct pv_thread *thread);
bool pv_thread_is_current(const struct pv_thread *thread);

struct pv_cond {
    pthread_cond_t handle;
};

void pv_cond_init(struct pv_cond *cond);
void pv_cond_finish(struct pv_cond *cond);
void pv_cond_wait(struct pv_cond *cond, pthread_mutex_t *mutex);
// Until `deadline_ns` on the clock of pv_os_now_ns(). false once the deadline has passed.
bool pv_cond_wait_until(struct pv_cond *cond, pthread_mutex_t *mutex, uint64_t deadline_ns);
void pv_cond_signal(struct pv_cond *cond);
void pv_cond_broadcast(struct pv_cond *cond);

#endif

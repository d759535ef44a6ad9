// src/base/thread.c
#include "base/os.h"
#include "base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/prctl.h>
// cmocka.h wants the above first.
#include <cmocka.h>

// Far longer than any healthy wait; what never comes becomes a failure instead of a hang.
static const uint64_t patience_ns = UINT64_C(20000000000);

// The linker puts this in place of the C library's (meson.build).
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *argument);

static bool refuse_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *argument)
{
    return refuse_threads ? EAGAIN : __real_pthread_create(thread, attr, main, argument);
}

struct seen {
    struct pv_thread *self, *other;
    bool current, other_current;
    sigset_t signals;
    char name[16];
    int runs;
};

static void look_around(void *user)
{
    struct seen *seen = user;
    seen->runs++;
    seen->current = pv_thread_is_current(seen->self);
    seen->other_current = pv_thread_is_current(seen->other);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->signals);
    prctl(PR_GET_NAME, seen->name);
}

static void runs_once_and_is_joined_once(void **state)
{
    (void)state;
    struct pv_thread thread = {0}, other = {0};
    struct seen seen = {.self = &thread, .other = &other};
    pv_thread_join(&thread); // not started: no effect
    assert_true(pv_thread_start(&thread, "a name longer than fits", look_around, &seen));
    assert_true(thread.running);
    assert_false(pv_thread_is_current(&thread));
    pv_thread_join(&thread);
    pv_thread_join(&thread);
    assert_false(thread.running);
    assert_int_equal(seen.runs, 1);
    assert_true(seen.current);
    assert_false(seen.other_current);
    assert_string_equal(seen.name, "a name longer t");

    // The same struct may be started again.
    assert_true(pv_thread_start(&thread, "again", look_around, &seen));
    pv_thread_join(&thread);
    assert_int_equal(seen.runs, 2);
    assert_true(seen.current);
}

static void takes_no_signals_but_its_own_faults(void **state)
{
    (void)state;
    struct pv_thread thread = {0};
    struct seen seen = {.self = &thread};
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_true(pv_thread_start(&thread, "signals", look_around, &seen));
    pv_thread_join(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&seen.signals, SIGINT), 1);
    assert_int_equal(sigismember(&seen.signals, SIGTERM), 1);
    assert_int_equal(sigismember(&seen.signals, SIGCHLD), 1);
    assert_int_equal(sigismember(&seen.signals, SIGPIPE), 1);
    assert_int_equal(sigismember(&seen.signals, SIGSEGV), 0);
    assert_int_equal(sigismember(&seen.signals, SIGBUS), 0);
    assert_int_equal(sigismember(&seen.signals, SIGSYS), 0);
    for (int i = 1; i < SIGRTMIN; i++) {
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    }
}

static void a_thread_that_cannot_start_is_not_running(void **state)
{
    (void)state;
    struct pv_thread thread = {0};
    struct seen seen = {.self = &thread};
    refuse_threads = true;
    const bool started = pv_thread_start(&thread, "too much", look_around, &seen);
    refuse_threads = false;
    assert_false(started);
    assert_false(thread.running);
    pv_thread_join(&thread);
    assert_int_equal(seen.runs, 0);
    sigset_t signals;
    pthread_sigmask(SIG_SETMASK, NULL, &signals);
    assert_int_equal(sigismember(&signals, SIGTERM), 0);
}

struct room {
    pthread_mutex_t mutex;
    struct pv_cond changed;
    int inside, called, timed_out; // guarded by mutex
    uint64_t deadline_ns;
};

static void room_init(struct room *room, uint64_t deadline_ns)
{
    *room = (struct room){.deadline_ns = deadline_ns};
    pthread_mutex_init(&room->mutex, NULL);
    pv_cond_init(&room->changed);
}

static void room_finish(struct room *room)
{
    pv_cond_finish(&room->changed);
    pthread_mutex_destroy(&room->mutex);
}

static void wait_to_be_called(void *user)
{
    struct room *room = user;
    pthread_mutex_lock(&room->mutex);
    room->inside++;
    pv_cond_broadcast(&room->changed);
    while (room->called == 0) {
        if (!pv_cond_wait_until(&room->changed, &room->mutex, room->deadline_ns)) {
            room->timed_out++;
            break;
        }
    }
    pthread_mutex_unlock(&room->mutex);
}

// Lets three threads wait until `deadline_ns` and calls them. Returns how many gave up instead.
static int call_three(uint64_t deadline_ns)
{
    struct room room;
    room_init(&room, deadline_ns);
    struct pv_thread threads[3] = {0};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(threads); i++) {
        assert_true(pv_thread_start(&threads[i], "room", wait_to_be_called, &room));
    }
    pthread_mutex_lock(&room.mutex);
    while (room.inside < (int)PV_ARRAY_LENGTH(threads)) {
        pv_cond_wait(&room.changed, &room.mutex);
    }
    room.called = 1;
    pv_cond_broadcast(&room.changed);
    pthread_mutex_unlock(&room.mutex);
    for (size_t i = 0; i < PV_ARRAY_LENGTH(threads); i++) {
        pv_thread_join(&threads[i]);
    }
    room_finish(&room);
    return room.timed_out;
}

static void a_broadcast_reaches_all_before_their_deadline(void **state)
{
    (void)state;
    assert_int_equal(call_three(pv_os_now_ns() + patience_ns), 0);
}

static void without_a_deadline_only_a_call_ends_the_wait(void **state)
{
    (void)state;
    assert_int_equal(call_three(UINT64_MAX), 0);
}

static void a_far_deadline_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(call_three(UINT64_MAX - 1), 0);
}

static void a_wait_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, 0);
    pthread_mutex_lock(&room.mutex);
    const uint64_t start_ns = pv_os_now_ns(), deadline_ns = start_ns + 20000000;
    while (pv_cond_wait_until(&room.changed, &room.mutex, deadline_ns)) {
    }
    assert_in_range(pv_os_now_ns(), deadline_ns, start_ns + patience_ns);
    assert_false(pv_cond_wait_until(&room.changed, &room.mutex, start_ns));
    pthread_mutex_unlock(&room.mutex);
    room_finish(&room);
}

static void answer_when_called(void *user)
{
    struct room *room = user;
    pthread_mutex_lock(&room->mutex);
    room->called = 1;
    pv_cond_signal(&room->changed);
    pthread_mutex_unlock(&room->mutex);
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, pv_os_now_ns() + patience_ns);
    struct pv_thread thread = {0};
    pthread_mutex_lock(&room.mutex);
    assert_true(pv_thread_start(&thread, "caller", answer_when_called, &room));
    bool in_time = true;
    while (room.called == 0 && in_time) {
        in_time = pv_cond_wait_until(&room.changed, &room.mutex, room.deadline_ns);
    }
    pthread_mutex_unlock(&room.mutex);
    pv_thread_join(&thread);
    assert_true(in_time);
    assert_int_equal(room.called, 1);
    room_finish(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_once_and_is_joined_once),
        cmocka_unit_test(takes_no_signals_but_its_own_faults),
        cmocka_unit_test(a_thread_that_cannot_start_is_not_running),
        cmocka_unit_test(a_broadcast_reaches_all_before_their_deadline),
        cmocka_unit_test(without_a_deadline_only_a_call_ends_the_wait),
        cmocka_unit_test(a_far_deadline_is_no_error),
        cmocka_unit_test(a_wait_ends_at_its_deadline_and_not_before),
        cmocka_unit_test(a_signal_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

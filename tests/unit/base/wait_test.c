// The contract of pv_os_wait() and pv_os_wake(), held against both implementations: the platform's
// own and src/base/parking.c, which is macOS's.
#include "base/os.h"
#include "base/parking.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
// cmocka.h wants the above first.
#include <cmocka.h>

struct waiting {
    void (*wait)(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
    void (*wake)(const _Atomic uint32_t *word);
};

static const struct waiting system_waiting = {pv_os_wait, pv_os_wake};
static const struct waiting parking_waiting = {pv_parking_wait, pv_parking_wake};

// Far longer than any healthy wait; a lost wake-up becomes a failure instead of a hang.
static const uint64_t patience_ns = UINT64_C(20000000000);

// Waits until the word is `wanted`. false: nobody woke us in time.
static bool await(const struct waiting *waiting, _Atomic uint32_t *word, uint32_t wanted)
{
    const uint64_t deadline_ns = pv_os_now_ns() + patience_ns;
    uint32_t value;
    while ((value = atomic_load(word)) != wanted) {
        if (pv_os_now_ns() >= deadline_ns) {
            return false;
        }
        waiting->wait(word, value, deadline_ns);
    }
    return true;
}

static void returns_at_once_when_the_word_differs(void **state)
{
    const struct waiting *waiting = *state;
    _Atomic uint32_t word = 1;
    const uint64_t start_ns = pv_os_now_ns();
    waiting->wait(&word, 0, UINT64_MAX);
    waiting->wait(&word, 2, start_ns + patience_ns);
    assert_true(pv_os_now_ns() - start_ns < patience_ns);
}

static void ends_at_its_deadline_and_not_before(void **state)
{
    const struct waiting *waiting = *state;
    _Atomic uint32_t word = 1;
    waiting->wait(&word, 1, 0); // long past

    // Spurious returns are allowed, a habit of them is not.
    const uint64_t start_ns = pv_os_now_ns(), deadline_ns = start_ns + 20000000;
    int returns = 0;
    while (pv_os_now_ns() < deadline_ns) {
        waiting->wait(&word, 1, deadline_ns);
        returns++;
    }
    assert_in_range(returns, 1, 5);
    assert_true(pv_os_now_ns() - start_ns < patience_ns);
}

struct game {
    const struct waiting *waiting;
    _Atomic uint32_t ball;
    uint32_t rounds;
    bool lost; // written by the thread, read after joining it
};

// Turns every even number into the next odd one.
static void play(void *user)
{
    struct game *game = user;
    for (uint32_t i = 0; i < game->rounds && !game->lost; i++) {
        game->lost = !await(game->waiting, &game->ball, 2 * i + 2);
        atomic_store(&game->ball, 2 * i + 3);
        game->waiting->wake(&game->ball);
    }
}

static void no_wake_up_is_lost_between_two_threads(void **state)
{
    struct game game = {.waiting = *state, .ball = 1, .rounds = 5000};
    struct pv_thread thread = {0};
    assert_true(pv_thread_start(&thread, "player", play, &game));
    bool lost = false;
    for (uint32_t i = 0; i < game.rounds && !lost; i++) {
        atomic_store(&game.ball, 2 * i + 2);
        game.waiting->wake(&game.ball);
        lost = !await(game.waiting, &game.ball, 2 * i + 3);
    }
    pv_thread_join(&thread);
    assert_false(lost);
    assert_false(game.lost);
}

struct crowd {
    const struct waiting *waiting;
    _Atomic uint32_t gate;
    _Atomic uint32_t arrived, passed;
};

static void queue_at_gate(void *user)
{
    struct crowd *crowd = user;
    atomic_fetch_add(&crowd->arrived, 1);
    if (await(crowd->waiting, &crowd->gate, 1)) {
        atomic_fetch_add(&crowd->passed, 1);
    }
}

static void one_wake_reaches_all_who_wait(void **state)
{
    struct crowd crowd = {.waiting = *state};
    struct pv_thread threads[6] = {0};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(threads); i++) {
        assert_true(pv_thread_start(&threads[i], "crowd", queue_at_gate, &crowd));
    }
    const uint64_t start_ns = pv_os_now_ns();
    while (atomic_load(&crowd.arrived) < PV_ARRAY_LENGTH(threads) ||
           pv_os_now_ns() < start_ns + 20000000) {
        // Gives the last of them time to fall asleep.
        _Atomic uint32_t nobody_wakes_this = 0;
        pv_os_wait(&nobody_wakes_this, 0, pv_os_now_ns() + 1000000);
    }
    atomic_store(&crowd.gate, 1);
    crowd.waiting->wake(&crowd.gate);
    for (size_t i = 0; i < PV_ARRAY_LENGTH(threads); i++) {
        pv_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&crowd.passed), PV_ARRAY_LENGTH(threads));
    assert_true(pv_os_now_ns() - start_ns < patience_ns);
}

int main(void)
{
#define CASE(implementation, function)                                                             \
    {                                                                                              \
        .name = #implementation "_" #function, .test_func = function,                              \
        .initial_state = (void *)&implementation##_waiting,                                        \
    }
    const struct CMUnitTest tests[] = {
        CASE(system, returns_at_once_when_the_word_differs),
        CASE(system, ends_at_its_deadline_and_not_before),
        CASE(system, no_wake_up_is_lost_between_two_threads),
        CASE(system, one_wake_reaches_all_who_wait),
        CASE(parking, returns_at_once_when_the_word_differs),
        CASE(parking, ends_at_its_deadline_and_not_before),
        CASE(parking, no_wake_up_is_lost_between_two_threads),
        CASE(parking, one_wake_reaches_all_who_wait),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}

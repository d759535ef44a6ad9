#include "base/quiesce.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

// Retired memory goes in batches; this many are certainly more than one.
#define MANY 200

static _Atomic unsigned released;

static void count_release(void *memory)
{
    free(memory);
    atomic_fetch_add(&released, 1);
}

static void retire_many(struct pv_quiesce *domain)
{
    for (int i = 0; i < MANY; i++) {
        pv_quiesce_retire(domain, malloc(8), count_release);
    }
}

static struct pv_quiesce *create_domain(void)
{
    atomic_store(&released, 0);
    struct pv_quiesce *domain = pv_quiesce_create();
    assert_non_null(domain);
    return domain;
}

static void frees_everything_at_destroy(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    pv_quiesce_retire(domain, malloc(8), count_release);
    pv_quiesce_destroy(domain);
    assert_int_equal(atomic_load(&released), 1);

    domain = create_domain();
    retire_many(domain);
    pv_quiesce_destroy(domain);
    assert_int_equal(atomic_load(&released), MANY);

    pv_quiesce_destroy(NULL);
}

static void frees_on_the_way_when_nobody_reads(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    struct pv_quiesce_reader offline = {0};
    pv_quiesce_add_reader(domain, &offline);
    retire_many(domain);
    assert_true(atomic_load(&released) > MANY / 2);
    pv_quiesce_remove_reader(&offline);
    pv_quiesce_destroy(domain);
}

static void keeps_what_an_online_reader_may_hold(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    struct pv_quiesce_reader slow = {0}, quick = {0};
    pv_quiesce_add_reader(domain, &slow);
    pv_quiesce_add_reader(domain, &quick);
    pv_quiesce_online(&slow);
    pv_quiesce_online(&quick);

    for (int i = 0; i < 10; i++) {
        retire_many(domain);
        pv_quiesce_checkpoint(&quick);
    }
    assert_int_equal(atomic_load(&released), 0);

    // What was retired until the checkpoint may go, what comes later may not.
    pv_quiesce_checkpoint(&slow);
    pv_quiesce_checkpoint(&quick);
    retire_many(domain);
    const unsigned first = atomic_load(&released);
    assert_true(first >= 10 * MANY - 100 && first <= 10 * MANY);
    retire_many(domain);
    assert_int_equal(atomic_load(&released), first);

    pv_quiesce_offline(&slow);
    pv_quiesce_offline(&quick);
    retire_many(domain);
    assert_true(atomic_load(&released) > 12 * MANY);

    pv_quiesce_remove_reader(&slow);
    pv_quiesce_remove_reader(&quick);
    pv_quiesce_destroy(domain);
    assert_int_equal(atomic_load(&released), 13 * MANY);
}

static void a_reader_that_leaves_delays_nobody(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    struct pv_quiesce_reader readers[3] = {0};
    for (int i = 0; i < 3; i++) {
        pv_quiesce_add_reader(domain, &readers[i]);
    }
    pv_quiesce_online(&readers[1]);
    retire_many(domain);
    assert_int_equal(atomic_load(&released), 0);
    pv_quiesce_remove_reader(&readers[1]);
    retire_many(domain);
    assert_true(atomic_load(&released) >= MANY);
    pv_quiesce_remove_reader(&readers[0]);
    pv_quiesce_remove_reader(&readers[2]);
    pv_quiesce_destroy(domain);
}

// A release function may retire more: it runs without the lock.
static struct pv_quiesce *nested_domain;

static void retire_again(void *memory)
{
    pv_quiesce_retire(nested_domain, memory, count_release);
}

static void allows_retiring_from_a_release(void **state)
{
    (void)state;
    nested_domain = create_domain();
    for (int i = 0; i < 2 * MANY; i++) {
        pv_quiesce_retire(nested_domain, malloc(8), retire_again);
    }
    assert_true(atomic_load(&released) > 0);
    // Drain: at destroy nobody may retire any more.
    while (atomic_load(&released) < 2 * MANY) {
        pv_quiesce_retire(nested_domain, malloc(8), free);
    }
    pv_quiesce_destroy(nested_domain);
}

// One cell that a writer replaces and readers follow. Freed cells are poisoned, so that a reader
// that is too late sees it even without a sanitizer.
struct cell {
    _Atomic unsigned alive;
};

struct race {
    struct pv_quiesce *domain;
    _Atomic(struct cell *) shared;
    _Atomic bool stop;
    _Atomic unsigned dead_reads, reads;
};

static void poison(void *memory)
{
    struct cell *cell = memory;
    atomic_store(&cell->alive, 0);
    free(cell);
}

static void read_cells(void *user)
{
    struct race *race = user;
    struct pv_quiesce_reader reader = {0};
    pv_quiesce_add_reader(race->domain, &reader);
    pv_quiesce_online(&reader);
    for (unsigned i = 0; !atomic_load(&race->stop); i++) {
        const struct cell *cell = atomic_load_explicit(&race->shared, memory_order_acquire);
        if (atomic_load(&cell->alive) != 1) {
            atomic_fetch_add(&race->dead_reads, 1);
        }
        atomic_fetch_add(&race->reads, 1);
        if (i % 64 == 63) {
            pv_quiesce_offline(&reader);
            pv_quiesce_online(&reader);
        } else {
            pv_quiesce_checkpoint(&reader);
        }
    }
    pv_quiesce_offline(&reader);
    pv_quiesce_remove_reader(&reader);
}

static struct cell *cell_create(void)
{
    struct cell *cell = malloc(sizeof(*cell));
    assert_non_null(cell);
    atomic_init(&cell->alive, 1);
    return cell;
}

static void readers_never_see_freed_memory(void **state)
{
    (void)state;
    struct race race = {.domain = create_domain()};
    atomic_init(&race.shared, cell_create());

    struct pv_thread threads[3] = {0};
    for (int i = 0; i < 3; i++) {
        assert_true(pv_thread_start(&threads[i], "reader", read_cells, &race));
    }
    for (int i = 0; i < 50000 || (atomic_load(&race.reads) < 1000 && i < 50000000); i++) {
        struct cell *old =
            atomic_exchange_explicit(&race.shared, cell_create(), memory_order_acq_rel);
        pv_quiesce_retire(race.domain, old, poison);
    }
    atomic_store(&race.stop, true);
    for (int i = 0; i < 3; i++) {
        pv_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&race.dead_reads), 0);
    free(atomic_load(&race.shared));
    pv_quiesce_destroy(race.domain);
}

// -- what a thread retires for itself --

static void what_a_thread_retired_is_its_own_again(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    struct pv_quiesce_reader own = {0}, other = {0};
    pv_quiesce_add_reader(domain, &own);
    pv_quiesce_add_reader(domain, &other);
    pv_quiesce_online(&own);
    pv_quiesce_online(&other);
    assert_null(pv_quiesce_take_own(&own));

    // The other one may hold any of it.
    uint32_t *retired[2 * MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        retired[i] = malloc(sizeof(uint32_t));
        assert_non_null(retired[i]);
        *retired[i] = i;
        pv_quiesce_retire_own(&own, retired[i]);
        pv_quiesce_checkpoint(&own);
        assert_null(pv_quiesce_take_own(&own));
    }
    pv_quiesce_checkpoint(&other);
    for (uint32_t i = MANY; i < 2 * MANY; i++) {
        retired[i] = malloc(sizeof(uint32_t));
        assert_non_null(retired[i]);
        *retired[i] = i;
        pv_quiesce_retire_own(&own, retired[i]);
        pv_quiesce_checkpoint(&own);
    }
    // Each at most once, and none that the other may have seen since.
    bool taken[MANY] = {false};
    uint32_t *again, count = 0;
    for (; (again = pv_quiesce_take_own(&own)); count++) {
        assert_true(*again < MANY && !taken[*again]);
        taken[*again] = true;
        assert_ptr_equal(again, retired[*again]);
        free(again);
    }
    assert_true(count > 0 || !PV_QUIESCE_TAKES_AGAIN);
    pv_quiesce_remove_reader(&own); // the rest goes with the domain: leaks are looked for
    pv_quiesce_remove_reader(&other);
    pv_quiesce_destroy(domain);
}

// A thread that replaces the shared cell by cells it had before.
static void replace_cells(void *user)
{
    struct race *race = user;
    struct pv_quiesce_reader reader = {0};
    pv_quiesce_add_reader(race->domain, &reader);
    pv_quiesce_online(&reader);
    for (int i = 0; i < 50000; i++) {
        struct cell *cell = pv_quiesce_take_own(&reader);
        if (cell) {
            // Whoever could still reach it would see this.
            atomic_store(&cell->alive, 0);
        } else {
            cell = malloc(sizeof(*cell));
            assert_non_null(cell);
        }
        atomic_store(&cell->alive, 1);
        pv_quiesce_retire_own(&reader,
                              atomic_exchange_explicit(&race->shared, cell, memory_order_acq_rel));
        pv_quiesce_checkpoint(&reader);
    }
    pv_quiesce_remove_reader(&reader);
}

static void readers_never_see_memory_taken_again(void **state)
{
    (void)state;
    struct race race = {.domain = create_domain()};
    atomic_init(&race.shared, cell_create());
    struct pv_thread readers[2] = {0}, writers[2] = {0};
    for (int i = 0; i < 2; i++) {
        assert_true(pv_thread_start(&readers[i], "reader", read_cells, &race));
        assert_true(pv_thread_start(&writers[i], "writer", replace_cells, &race));
    }
    for (int i = 0; i < 2; i++) {
        pv_thread_join(&writers[i]);
    }
    atomic_store(&race.stop, true);
    for (int i = 0; i < 2; i++) {
        pv_thread_join(&readers[i]);
    }
    assert_int_equal(atomic_load(&race.dead_reads), 0);
    free(atomic_load(&race.shared));
    pv_quiesce_destroy(race.domain);
}

// Waits for the readers that `synchronize` finds online.
struct synchronizer {
    struct pv_quiesce *domain;
    struct pv_quiesce_reader reader;
    _Atomic bool returned;
    struct pv_thread thread;
};

static void synchronize(void *user)
{
    struct synchronizer *synchronizer = user;
    pv_quiesce_synchronize(synchronizer->domain, &synchronizer->reader);
    atomic_store(&synchronizer->returned, true);
}

static void synchronize_waits_for_other_readers(void **state)
{
    (void)state;
    struct pv_quiesce *domain = create_domain();
    struct pv_quiesce_reader offline = {0}, reader = {0};
    pv_quiesce_add_reader(domain, &offline);
    pv_quiesce_add_reader(domain, &reader);
    pv_quiesce_synchronize(domain, NULL);
    pv_quiesce_online(&reader);
    pv_quiesce_synchronize(domain, &reader); // not for itself
    assert_int_not_equal(atomic_load(&reader.seen), 0);

    for (int with_checkpoint = 0; with_checkpoint < 2; with_checkpoint++) {
        struct synchronizer synchronizer = {.domain = domain};
        pv_quiesce_add_reader(domain, &synchronizer.reader);
        pv_quiesce_online(&synchronizer.reader);
        assert_true(
            pv_thread_start(&synchronizer.thread, "synchronizer", synchronize, &synchronizer));
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        assert_false(atomic_load(&synchronizer.returned));
        if (with_checkpoint) {
            // It may not have begun: then the first checkpoint comes too early.
            while (!atomic_load(&synchronizer.returned)) {
                pv_quiesce_checkpoint(&reader);
            }
        } else {
            pv_quiesce_offline(&reader);
        }
        pv_thread_join(&synchronizer.thread);
        pv_quiesce_online(&reader);
        pv_quiesce_remove_reader(&synchronizer.reader);
    }
    pv_quiesce_remove_reader(&offline);
    pv_quiesce_remove_reader(&reader);
    pv_quiesce_destroy(domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_everything_at_destroy),
        cmocka_unit_test(frees_on_the_way_when_nobody_reads),
        cmocka_unit_test(keeps_what_an_online_reader_may_hold),
        cmocka_unit_test(a_reader_that_leaves_delays_nobody),
        cmocka_unit_test(allows_retiring_from_a_release),
        cmocka_unit_test(readers_never_see_freed_memory),
        cmocka_unit_test(what_a_thread_retired_is_its_own_again),
        cmocka_unit_test(readers_never_see_memory_taken_again),
        cmocka_unit_test(synchronize_waits_for_other_readers),
    };
    return cmocka_run_group_tests_name("quiesce", tests, NULL, NULL);
}

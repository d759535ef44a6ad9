// Lookups against changes from several threads. Meant for TSan and ASan; without them the magic
// number that each object carries tells a dead one from a live one.
#include "object/table.h"

#include "base/thread.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 4

struct shared {
    struct pv_quiesce *quiesce;
    struct pv_object_table *table;
    _Atomic bool stop;
    _Atomic unsigned wins, lookups, hits, wrong, gone;
    _Atomic uint64_t next_id;
    _Atomic uint64_t parent_id;
};

struct worker {
    struct shared *shared;
    struct pv_quiesce_reader reader;
    struct pv_thread thread;
    uint64_t random;
};

static uint64_t next_random(struct worker *worker)
{
    worker->random = worker->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return worker->random >> 33;
}

static void shared_init(struct shared *shared)
{
    *shared = (struct shared){.quiesce = pv_quiesce_create()};
    assert_non_null(shared->quiesce);
    shared->table = pv_object_table_create(
        shared->quiesce, &(struct pv_object_table_limits){.max_objects = 1000000});
    assert_non_null(shared->table);
    atomic_store(&shared->next_id, 1);
}

static void release_all(struct pv_object_table *table, struct pv_object *list)
{
    while (list) {
        struct pv_object *next = list->next_sibling;
        pv_object_table_release(table, list);
        list = next;
    }
}

static void shared_finish(struct shared *shared)
{
    struct pv_object *root;
    while ((root = pv_object_table_any_root(shared->table)) != NULL) {
        release_all(shared->table, pv_object_table_remove(shared->table, root));
    }
    assert_int_equal(pv_object_table_count(shared->table), 0);
    pv_object_table_destroy(shared->table);
    pv_quiesce_destroy(shared->quiesce);
}

static void workers_run(struct shared *shared, struct worker *workers, void (*main)(void *user))
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.shared = shared, .random = i + 1};
        pv_quiesce_add_reader(shared->quiesce, &workers[i].reader);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_true(pv_thread_start(&workers[i].thread, "worker", main, &workers[i]));
    }
}

static void workers_join(struct worker *workers)
{
    for (unsigned i = 0; i < THREADS; i++) {
        pv_thread_join(&workers[i].thread);
        pv_quiesce_remove_reader(&workers[i].reader);
    }
}

static struct pv_object *make(uint64_t id)
{
    struct pv_object *object = calloc(1, sizeof(*object));
    assert_non_null(object);
    object->id = id;
    object->handle = ~id; // the magic number
    return object;
}

static void expect_alive(struct shared *shared, const struct pv_object *object, uint64_t id)
{
    if (object->id != id || object->handle != ~id) {
        atomic_fetch_add(&shared->wrong, 1);
    }
}

// Inserts, looks up and removes at random in a small range, so that threads meet.
static void churn(void *user)
{
    struct worker *worker = user;
    struct shared *shared = worker->shared;
    pv_quiesce_online(&worker->reader);
    for (int i = 0; i < 30000; i++) {
        const uint64_t id = (1 + next_random(worker) % 300) * 61; // 72 pages
        struct pv_object *found = pv_object_table_lookup(shared->table, id);
        if (!found) {
            struct pv_object *object = make(id);
            if (pv_object_table_insert(shared->table, object, NULL) != PV_INSERT_OK) {
                free(object);
            }
        } else {
            expect_alive(shared, found, id);
            if (next_random(worker) % 2 == 0) {
                release_all(shared->table, pv_object_table_remove(shared->table, found));
            }
            expect_alive(shared, found, id); // still good until the checkpoint
        }
        pv_quiesce_checkpoint(&worker->reader);
    }
    pv_quiesce_offline(&worker->reader);
}

static void lookups_race_insertions_and_removals(void **state)
{
    (void)state;
    struct shared shared;
    struct worker workers[THREADS];
    shared_init(&shared);
    workers_run(&shared, workers, churn);
    workers_join(workers);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    shared_finish(&shared);
}

#define REMOVALS 5000

// All threads remove the same object; the first thread supplies new ones.
static void remove_shared_object(void *user)
{
    struct worker *worker = user;
    struct shared *shared = worker->shared;
    const bool supplies = worker->random == 1;
    pv_quiesce_online(&worker->reader);
    while (!atomic_load(&shared->stop)) {
        const uint64_t id = atomic_load(&shared->next_id);
        struct pv_object *object = pv_object_table_lookup(shared->table, id);
        if (object) {
            struct pv_object *list = pv_object_table_remove(shared->table, object);
            if (list) {
                atomic_fetch_add(&shared->wins, 1);
                release_all(shared->table, list);
            }
        } else if (supplies) {
            if (id == REMOVALS) {
                atomic_store(&shared->stop, true);
            } else {
                pv_object_table_insert(shared->table, make(id + 1), NULL);
                atomic_store(&shared->next_id, id + 1);
            }
        } else {
            sched_yield();
        }
        pv_quiesce_checkpoint(&worker->reader);
    }
    pv_quiesce_offline(&worker->reader);
}

static void an_object_is_removed_once(void **state)
{
    (void)state;
    struct shared shared;
    struct worker workers[THREADS];
    shared_init(&shared);
    workers_run(&shared, workers, remove_shared_object);
    workers_join(workers);
    assert_int_equal(atomic_load(&shared.wins), REMOVALS - 1);
    assert_int_equal(pv_object_table_count(shared.table), 0);
    shared_finish(&shared);
}

// Threads put children under a parent that the main thread removes.
static void insert_children(void *user)
{
    struct worker *worker = user;
    struct shared *shared = worker->shared;
    uint64_t last_id = 0, children = 0;
    pv_quiesce_online(&worker->reader);
    while (!atomic_load(&shared->stop)) {
        const uint64_t parent_id = atomic_load(&shared->parent_id);
        // A main thread that gets no time must not meet a million children.
        children = parent_id == last_id ? children + 1 : 0;
        last_id = parent_id;
        if (children > 50) {
            sched_yield();
            continue;
        }
        struct pv_object *parent = pv_object_table_lookup(shared->table, parent_id);
        if (parent) {
            struct pv_object *child = make(atomic_fetch_add(&shared->next_id, 1));
            const enum pv_insert_result result =
                pv_object_table_insert(shared->table, child, parent);
            if (result != PV_INSERT_OK) {
                free(child);
                atomic_fetch_add(result == PV_INSERT_PARENT_GONE ? &shared->gone : &shared->wrong,
                                 1);
            }
        }
        pv_quiesce_checkpoint(&worker->reader);
    }
    pv_quiesce_offline(&worker->reader);
}

static void no_child_outlives_its_parent(void **state)
{
    (void)state;
    struct shared shared;
    struct worker workers[THREADS];
    shared_init(&shared);
    workers_run(&shared, workers, insert_children);
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t parent_id = (UINT64_C(1) << 40) + i;
        struct pv_object *parent = make(parent_id);
        assert_int_equal(pv_object_table_insert(shared.table, parent, NULL), PV_INSERT_OK);
        const uint64_t before = atomic_load(&shared.next_id);
        atomic_store(&shared.parent_id, parent_id);
        while (atomic_load(&shared.next_id) == before) { // somebody has begun
            sched_yield();
        }
        struct pv_object *list = pv_object_table_remove(shared.table, parent);
        assert_non_null(list);
        assert_int_equal(pv_object_table_count(shared.table), 0);
        release_all(shared.table, list);
    }
    atomic_store(&shared.stop, true);
    workers_join(workers);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    shared_finish(&shared);
}

// An id has one winner.
static void insert_same_ids(void *user)
{
    struct worker *worker = user;
    struct shared *shared = worker->shared;
    pv_quiesce_online(&worker->reader);
    for (uint64_t id = 1; id <= 20000; id++) {
        struct pv_object *object = make(id * 5);
        switch (pv_object_table_insert(shared->table, object, NULL)) {
        case PV_INSERT_OK:
            atomic_fetch_add(&shared->wins, 1);
            break;
        case PV_INSERT_ID_IN_USE:
            free(object);
            break;
        default:
            free(object);
            atomic_fetch_add(&shared->wrong, 1);
        }
        const struct pv_object *found = pv_object_table_lookup(shared->table, id * 5);
        if (!found) {
            atomic_fetch_add(&shared->wrong, 1);
        } else {
            expect_alive(shared, found, id * 5);
        }
        pv_quiesce_checkpoint(&worker->reader);
    }
    pv_quiesce_offline(&worker->reader);
}

static void an_id_is_taken_once(void **state)
{
    (void)state;
    struct shared shared;
    struct worker workers[THREADS];
    shared_init(&shared);
    workers_run(&shared, workers, insert_same_ids);
    workers_join(workers);
    assert_int_equal(atomic_load(&shared.wins), 20000);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_int_equal(pv_object_table_count(shared.table), 20000);
    shared_finish(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_race_insertions_and_removals),
        cmocka_unit_test(an_object_is_removed_once),
        cmocka_unit_test(no_child_outlives_its_parent),
        cmocka_unit_test(an_id_is_taken_once),
    };
    return cmocka_run_group_tests_name("object table races", tests, NULL, NULL);
}

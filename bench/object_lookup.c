// Question: what does it cost to find, insert and remove an object of a guest?
// Base case: reading the object through an array of pointers, the least that any table can do.
//
//     object_lookup [ROUNDS]
//
// Prints nanoseconds per operation, the median of the rounds, for 1,000 and for 1,000,000 objects:
// ids as the driver gives them out, looked up in order and at random, and scattered ids.
#include "object/table.h"

#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ROUNDS 101

struct row {
    const char *name;
    double ns[MAX_ROUNDS];
};

enum { BASE_ORDER, BASE_RANDOM, LOOKUP_ORDER, LOOKUP_RANDOM, INSERT, REMOVE, ROW_COUNT };

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t dense_id(uint64_t n)
{
    return n + 1;
}

static uint64_t scattered_id(uint64_t n)
{
    return (n + 1) * UINT64_C(0xd1342543de82ef95);
}

// The results go here so that the compiler keeps the loops.
static volatile uint64_t sink;

struct fixture {
    struct pv_object_table *table;
    struct pv_object **objects;
    uint64_t *ids;
    uint32_t *order; // a random permutation
    uint32_t count;
};

static double per_operation(const struct fixture *fixture, uint64_t begin_ns)
{
    return (double)(pv_os_now_ns() - begin_ns) / fixture->count;
}

static double measure_insert(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->count; i++) {
        fixture->objects[i] = calloc(1, sizeof(struct pv_object));
        if (!fixture->objects[i]) {
            abort();
        }
        fixture->objects[i]->id = fixture->ids[i];
    }
    const uint64_t begin_ns = pv_os_now_ns();
    for (uint32_t i = 0; i < fixture->count; i++) {
        if (pv_object_table_insert(fixture->table, fixture->objects[i],
                                   i ? fixture->objects[0] : NULL) != PV_INSERT_OK) {
            abort();
        }
    }
    return per_operation(fixture, begin_ns);
}

// One by one, as a guest destroys them, oldest first; the parent is last.
static double measure_remove(struct fixture *fixture)
{
    const uint64_t begin_ns = pv_os_now_ns();
    for (uint32_t i = 1; i <= fixture->count; i++) {
        struct pv_object *object = fixture->objects[i % fixture->count];
        pv_object_table_release(fixture->table, pv_object_table_remove(fixture->table, object));
    }
    return per_operation(fixture, begin_ns);
}

static double measure_lookup(const struct fixture *fixture, const uint32_t *order)
{
    uint64_t sum = 0;
    const uint64_t begin_ns = pv_os_now_ns();
    for (uint32_t i = 0; i < fixture->count; i++) {
        const uint64_t id = fixture->ids[order ? order[i] : i];
        sum += pv_object_table_lookup(fixture->table, id)->handle;
    }
    const double ns = per_operation(fixture, begin_ns);
    sink = sum;
    return ns;
}

static double measure_base(const struct fixture *fixture, const uint32_t *order)
{
    uint64_t sum = 0;
    const uint64_t begin_ns = pv_os_now_ns();
    for (uint32_t i = 0; i < fixture->count; i++) {
        sum += fixture->objects[order ? order[i] : i]->handle;
    }
    const double ns = per_operation(fixture, begin_ns);
    sink = sum;
    return ns;
}

static void measure(uint32_t count, uint64_t (*id)(uint64_t n), const char *ids, int rounds)
{
    struct row rows[ROW_COUNT] = {
        [BASE_ORDER] = {.name = "array, in order (base)"},
        [BASE_RANDOM] = {.name = "array, random (base)"},
        [LOOKUP_ORDER] = {.name = "lookup, in order"},
        [LOOKUP_RANDOM] = {.name = "lookup, random"},
        [INSERT] = {.name = "insert"},
        [REMOVE] = {.name = "remove and release"},
    };
    struct pv_quiesce *quiesce = pv_quiesce_create();
    struct fixture fixture = {
        .table =
            pv_object_table_create(quiesce, &(struct pv_object_table_limits){.max_objects = count}),
        .objects = calloc(count, sizeof(*fixture.objects)),
        .ids = calloc(count, sizeof(*fixture.ids)),
        .order = calloc(count, sizeof(*fixture.order)),
        .count = count,
    };
    if (!quiesce || !fixture.table || !fixture.objects || !fixture.ids || !fixture.order) {
        abort();
    }
    uint64_t random = 1;
    for (uint32_t i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        const uint32_t other = (uint32_t)((random >> 33) % (i + 1));
        fixture.ids[i] = id(i);
        fixture.order[i] = fixture.order[other];
        fixture.order[other] = i;
    }

    for (int round = 0; round < rounds; round++) {
        rows[INSERT].ns[round] = measure_insert(&fixture);
        rows[BASE_ORDER].ns[round] = measure_base(&fixture, NULL);
        rows[LOOKUP_ORDER].ns[round] = measure_lookup(&fixture, NULL);
        rows[BASE_RANDOM].ns[round] = measure_base(&fixture, fixture.order);
        rows[LOOKUP_RANDOM].ns[round] = measure_lookup(&fixture, fixture.order);
        rows[REMOVE].ns[round] = measure_remove(&fixture);
    }
    printf("%u objects, %s ids\n", count, ids);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        qsort(rows[i].ns, (size_t)rounds, sizeof(double), compare_doubles);
        printf("  %-24s %8.1f ns   (%.1f .. %.1f)\n", rows[i].name, rows[i].ns[rounds / 2],
               rows[i].ns[0], rows[i].ns[rounds - 1]);
    }

    pv_object_table_destroy(fixture.table);
    pv_quiesce_destroy(quiesce);
    free(fixture.objects);
    free(fixture.ids);
    free(fixture.order);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: object_lookup [ROUNDS], 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    measure(1000, dense_id, "consecutive", rounds);
    measure(1000000, dense_id, "consecutive", rounds);
    measure(100000, scattered_id, "scattered", rounds);
    return 0;
}

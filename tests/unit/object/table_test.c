#include "object/table.h"

#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT 2000000

static struct pv_quiesce *quiesce;
static struct pv_object_table *table;

static void create_table(uint32_t max_objects)
{
    quiesce = pv_quiesce_create();
    assert_non_null(quiesce);
    table = pv_object_table_create(quiesce,
                                   &(struct pv_object_table_limits){.max_objects = max_objects});
    assert_non_null(table);
}

static int set_up(void **state)
{
    (void)state;
    create_table(LIMIT);
    return 0;
}

static void release_all(struct pv_object *list)
{
    while (list) {
        struct pv_object *next = list->next_sibling;
        pv_object_table_release(table, list);
        list = next;
    }
}

static int tear_down(void **state)
{
    (void)state;
    struct pv_object *root;
    while ((root = pv_object_table_any_root(table)) != NULL) {
        release_all(pv_object_table_remove(table, root));
    }
    pv_object_table_destroy(table);
    pv_quiesce_destroy(quiesce);
    return 0;
}

static struct pv_object *make(uint64_t id)
{
    struct pv_object *object = calloc(1, sizeof(*object));
    assert_non_null(object);
    object->id = id;
    return object;
}

static struct pv_object *insert(uint64_t id, struct pv_object *parent)
{
    struct pv_object *object = make(id);
    assert_int_equal(pv_object_table_insert(table, object, parent), PV_INSERT_OK);
    return object;
}

static void expect_refused(enum pv_insert_result why, uint64_t id, struct pv_object *parent)
{
    struct pv_object *object = make(id);
    const uint32_t count = pv_object_table_count(table);
    assert_int_equal(pv_object_table_insert(table, object, parent), why);
    assert_int_equal(pv_object_table_count(table), count);
    free(object); // still the caller's
}

static void expect_order(const struct pv_object *list, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_non_null(list);
        assert_int_equal(list->id, ids[i]);
        list = list->next_sibling;
    }
    assert_null(list);
}

static void finds_what_was_inserted(void **state)
{
    (void)state;
    // Both ends of the id space and of pages.
    static const uint64_t ids[] = {1,
                                   255,
                                   256,
                                   257,
                                   511,
                                   512,
                                   1000000007,
                                   UINT64_C(1) << 32,
                                   UINT64_MAX >> 1,
                                   UINT64_MAX - 255,
                                   UINT64_MAX - 256,
                                   UINT64_MAX};
    struct pv_object *objects[PV_ARRAY_LENGTH(ids)];
    for (size_t i = 0; i < PV_ARRAY_LENGTH(ids); i++) {
        assert_null(pv_object_table_lookup(table, ids[i]));
        objects[i] = insert(ids[i], NULL);
    }
    for (size_t i = 0; i < PV_ARRAY_LENGTH(ids); i++) {
        assert_ptr_equal(pv_object_table_lookup(table, ids[i]), objects[i]);
    }
    assert_int_equal(pv_object_table_count(table), PV_ARRAY_LENGTH(ids));
    static const uint64_t absent[] = {0, 2, 254, 258, 513, 1000000006, UINT64_MAX - 1};
    for (size_t i = 0; i < PV_ARRAY_LENGTH(absent); i++) {
        assert_null(pv_object_table_lookup(table, absent[i]));
    }
}

static void removes_only_what_was_asked_for(void **state)
{
    (void)state;
    struct pv_object *keep = insert(1, NULL);
    struct pv_object *gone = insert(2, NULL);
    struct pv_object *list = pv_object_table_remove(table, gone);
    expect_order(list, (const uint64_t[]){2}, 1);
    assert_null(pv_object_table_lookup(table, 2));
    assert_ptr_equal(pv_object_table_lookup(table, 1), keep);
    assert_int_equal(pv_object_table_count(table), 1);
    assert_null(pv_object_table_remove(table, gone)); // a second time
    release_all(list);
}

static void refuses_zero_and_taken_ids(void **state)
{
    (void)state;
    struct pv_object *first = insert(77, NULL);
    expect_refused(PV_INSERT_ID_IN_USE, 77, NULL);
    expect_refused(PV_INSERT_ID_IN_USE, 77, first);
    expect_refused(PV_INSERT_ID_IN_USE, 0, NULL);
    assert_ptr_equal(pv_object_table_lookup(table, 77), first);

    release_all(pv_object_table_remove(table, first));
    insert(77, NULL); // free again
}

static void refuses_a_parent_that_is_gone(void **state)
{
    (void)state;
    struct pv_object *parent = insert(1, NULL);
    struct pv_object *removed = pv_object_table_remove(table, parent);
    expect_refused(PV_INSERT_PARENT_GONE, 2, parent);

    // Not even when another object has taken the parent's id.
    insert(1, NULL);
    expect_refused(PV_INSERT_PARENT_GONE, 2, parent);
    assert_null(pv_object_table_lookup(table, 2));
    release_all(removed);
}

static void enforces_its_limit(void **state)
{
    (void)state;
    tear_down(NULL);
    create_table(3);
    struct pv_object *root = insert(1, NULL);
    insert(2, root);
    struct pv_object *last = insert(3, root);
    expect_refused(PV_INSERT_LIMIT, 4, root);
    expect_refused(PV_INSERT_LIMIT, UINT64_MAX, NULL);
    release_all(pv_object_table_remove(table, last));
    insert(4, root);
    expect_refused(PV_INSERT_LIMIT, 5, root);
}

static void orders_children_first_and_youngest_first(void **state)
{
    (void)state;
    // 1 -> 2 -> {3, 4 -> {6, 7}, 5 -> 8}, inserted in this order; 9 is a sibling of 2.
    struct pv_object *one = insert(1, NULL);
    struct pv_object *two = insert(2, one);
    insert(3, two);
    struct pv_object *four = insert(4, two);
    struct pv_object *five = insert(5, two);
    insert(6, four);
    insert(7, four);
    insert(8, five);
    struct pv_object *nine = insert(9, one);

    struct pv_object *list = pv_object_table_remove(table, two);
    expect_order(list, (const uint64_t[]){8, 5, 7, 6, 4, 3, 2}, 7);
    for (uint64_t id = 2; id <= 8; id++) {
        assert_null(pv_object_table_lookup(table, id));
    }
    assert_ptr_equal(pv_object_table_lookup(table, 9), nine);
    release_all(list);

    list = pv_object_table_remove(table, one);
    expect_order(list, (const uint64_t[]){9, 1}, 2);
    release_all(list);
    assert_null(pv_object_table_any_root(table));
}

static void removes_children_and_keeps_the_parent(void **state)
{
    (void)state;
    struct pv_object *device = insert(1, NULL);
    struct pv_object *pool = insert(2, device);
    for (uint64_t id = 3; id <= 5; id++) {
        insert(id, pool);
    }
    struct pv_object *list = pv_object_table_remove_children(table, pool);
    expect_order(list, (const uint64_t[]){5, 4, 3}, 3);
    release_all(list);
    assert_ptr_equal(pv_object_table_lookup(table, 2), pool);
    assert_null(pv_object_table_remove_children(table, pool));

    insert(6, pool); // the pool goes on
    list = pv_object_table_remove(table, device);
    expect_order(list, (const uint64_t[]){6, 2, 1}, 3);
    assert_null(pv_object_table_remove_children(table, pool));
    release_all(list);
}

static void unlinks_from_any_place_among_siblings(void **state)
{
    (void)state;
    struct pv_object *parent = insert(100, NULL);
    struct pv_object *children[5];
    for (uint64_t i = 0; i < 5; i++) {
        children[i] = insert(i + 1, parent);
    }
    release_all(pv_object_table_remove(table, children[4])); // youngest
    release_all(pv_object_table_remove(table, children[0])); // oldest
    release_all(pv_object_table_remove(table, children[2])); // between
    struct pv_object *list = pv_object_table_remove(table, parent);
    expect_order(list, (const uint64_t[]){4, 2, 100}, 3);
    release_all(list);

    struct pv_object *roots[3];
    for (uint64_t i = 0; i < 3; i++) {
        roots[i] = insert(i + 1, NULL);
    }
    release_all(pv_object_table_remove(table, roots[1]));
    assert_ptr_equal(pv_object_table_any_root(table), roots[2]);
    release_all(pv_object_table_remove(table, roots[2]));
    assert_ptr_equal(pv_object_table_any_root(table), roots[0]);
}

static void survives_a_tree_of_any_depth(void **state)
{
    (void)state;
    const uint64_t depth = 500000;
    struct pv_object *root = insert(1, NULL), *parent = root;
    for (uint64_t id = 2; id <= depth; id++) {
        parent = insert(id, parent);
    }
    struct pv_object *list = pv_object_table_remove(table, root);
    uint64_t expected = depth;
    for (const struct pv_object *object = list; object; object = object->next_sibling) {
        assert_int_equal(object->id, expected);
        expected--;
    }
    assert_int_equal(expected, 0);
    assert_int_equal(pv_object_table_count(table), 0);
    release_all(list);
}

static void holds_a_million_objects(void **state)
{
    (void)state;
    const uint64_t many = 1000000;
    struct pv_object *root = insert(1, NULL);
    for (uint64_t id = 2; id <= many; id++) {
        insert(id, root);
    }
    assert_int_equal(pv_object_table_count(table), many);
    for (uint64_t id = 1; id <= many; id++) {
        const struct pv_object *object = pv_object_table_lookup(table, id);
        assert_non_null(object);
        assert_int_equal(object->id, id);
    }
    assert_null(pv_object_table_lookup(table, many + 1));
    release_all(pv_object_table_remove(table, root));
    assert_int_equal(pv_object_table_count(table), 0);
    assert_null(pv_object_table_lookup(table, many));
}

// Objects that live for a while, as in a program that runs for weeks.
static void stays_small_while_ids_grow(void **state)
{
    (void)state;
    struct pv_object *window[100] = {0};
    for (uint64_t n = 0; n < 3000000; n++) {
        const uint64_t id = n * 97 + 1; // spans 291 million ids and a million pages
        struct pv_object **place = &window[n % PV_ARRAY_LENGTH(window)];
        if (*place) {
            release_all(pv_object_table_remove(table, *place));
        }
        *place = insert(id, NULL);
    }
    const struct pv_object_directory *directory = atomic_load(&table->directory);
    assert_true(directory->mask + 1 <= 512);
    assert_int_equal(pv_object_table_count(table), PV_ARRAY_LENGTH(window));
}

// The page behind an id, whether or not it is empty.
static const struct pv_object_page *page_with(uint64_t id)
{
    const struct pv_object_directory *directory = atomic_load(&table->directory);
    for (size_t i = 0; i <= directory->mask; i++) {
        if (atomic_load(&directory->entries[i].key) == (id >> PV_OBJECT_PAGE_BITS) + 1) {
            return atomic_load(&directory->entries[i].page);
        }
    }
    return NULL;
}

static void keeps_one_empty_page(void **state)
{
    (void)state;
    insert(1, NULL);
    release_all(pv_object_table_remove(table, insert(100000, NULL)));
    const struct pv_object_page *page = page_with(100000);
    assert_non_null(page);
    for (uint64_t id = 100001; id < 100030; id++) {
        release_all(pv_object_table_remove(table, insert(id, NULL)));
        assert_ptr_equal(page_with(id), page);
    }
    release_all(pv_object_table_remove(table, insert(200000, NULL)));
    assert_null(page_with(100000));
    assert_non_null(page_with(200000));
}

// Id patterns chosen to hurt: each object on a page of its own, page numbers that collide.
static uint64_t sparse(uint64_t n)
{
    return (n + 1) << 8;
}

static uint64_t far_apart(uint64_t n)
{
    return (n + 1) << 47; // different up to 2^17
}

static uint64_t descending(uint64_t n)
{
    return UINT64_MAX - n * 256;
}

// The n-th page number that the first multiplier sends to slot 0 of any directory up to 2^28.
static uint64_t colliding(uint64_t n)
{
    static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t inverse = golden; // Newton: each round doubles the correct bits
    for (int i = 0; i < 6; i++) {
        inverse *= 2 - golden * inverse;
    }
    // number * golden == small, and number must stay below 2^56: search along small values.
    static uint64_t small, found[100000];
    static uint64_t count;
    while (count <= n) {
        const uint64_t number = ++small * inverse;
        if (number >> 56 == 0) {
            found[count++] = number;
        }
    }
    return found[n] << 8 | 1;
}

static uint64_t scattered(uint64_t n)
{
    return (n + 1) * UINT64_C(0xd1342543de82ef95);
}

static void survives_hostile_ids(void **state)
{
    (void)state;
    static uint64_t (*const patterns[])(uint64_t n) = {sparse, far_apart, descending, colliding,
                                                       scattered};
    const uint64_t many = 50000;
    struct pv_object **objects = calloc(many, sizeof(*objects));
    assert_non_null(objects);
    for (size_t p = 0; p < PV_ARRAY_LENGTH(patterns); p++) {
        for (uint64_t n = 0; n < many; n++) {
            objects[n] = insert(patterns[p](n), NULL);
        }
        for (uint64_t n = 0; n < many; n++) {
            assert_ptr_equal(pv_object_table_lookup(table, patterns[p](n)), objects[n]);
            assert_null(pv_object_table_lookup(table, patterns[p](n) ^ 128));
        }
        for (uint64_t n = 0; n < many; n++) {
            release_all(pv_object_table_remove(table, objects[(n * 7919) % many]));
        }
        assert_int_equal(pv_object_table_count(table), 0);
    }
    free(objects);
}

static size_t longest_search(void)
{
    const struct pv_object_directory *directory = atomic_load(&table->directory);
    size_t run = 0, longest = 0;
    for (size_t i = 0; i <= directory->mask; i++) {
        run = atomic_load(&directory->entries[i].key) ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void colliding_ids_do_not_make_searches_long(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 20000; n++) {
        insert(colliding(n), NULL);
    }
    assert_true(longest_search() < 2000);
}

static void accepts_null_at_destroy(void **state)
{
    (void)state;
    pv_object_table_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(finds_what_was_inserted),
        TEST(removes_only_what_was_asked_for),
        TEST(refuses_zero_and_taken_ids),
        TEST(refuses_a_parent_that_is_gone),
        TEST(enforces_its_limit),
        TEST(orders_children_first_and_youngest_first),
        TEST(removes_children_and_keeps_the_parent),
        TEST(unlinks_from_any_place_among_siblings),
        TEST(survives_a_tree_of_any_depth),
        TEST(holds_a_million_objects),
        TEST(stays_small_while_ids_grow),
        TEST(keeps_one_empty_page),
        TEST(survives_hostile_ids),
        TEST(colliding_ids_do_not_make_searches_long),
        cmocka_unit_test(accepts_null_at_destroy),
    };
#undef TEST
    return cmocka_run_group_tests_name("object table", tests, NULL, NULL);
}

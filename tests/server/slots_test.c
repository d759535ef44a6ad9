#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/slots.h"

static int items[200];

static void numbers_begin_at_one_and_find_their_items(void **state)
{
    (void)state;
    struct pv_slots slots;
    pv_slots_init(&slots, 200);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(pv_slots_insert(&slots, &items[i]), i + 1);
    }
    for (uint32_t i = 0; i < 200; i++) {
        assert_ptr_equal(pv_slots_find(&slots, i + 1), &items[i]);
    }
    pv_slots_finish(&slots);
}

static void the_limit_holds(void **state)
{
    (void)state;
    struct pv_slots slots;
    pv_slots_init(&slots, 3);
    assert_int_equal(pv_slots_insert(&slots, items), 1);
    assert_int_equal(pv_slots_insert(&slots, items), 2);
    assert_int_equal(pv_slots_insert(&slots, items), 3);
    assert_int_equal(pv_slots_insert(&slots, items), 0);
    assert_ptr_equal(pv_slots_remove(&slots, 2), items);
    assert_int_equal(pv_slots_insert(&slots, items), 2);
    assert_int_equal(pv_slots_insert(&slots, items), 0);
    assert_int_equal(slots.used, 3);
    pv_slots_finish(&slots);
}

static void unknown_numbers_find_nothing(void **state)
{
    (void)state;
    struct pv_slots slots;
    pv_slots_init(&slots, 100);
    assert_null(pv_slots_find(&slots, 1));
    assert_int_equal(pv_slots_insert(&slots, items), 1);
    assert_null(pv_slots_find(&slots, 0));
    assert_null(pv_slots_find(&slots, 2));
    assert_null(pv_slots_find(&slots, UINT32_MAX));
    assert_null(pv_slots_remove(&slots, 77));
    assert_ptr_equal(pv_slots_remove(&slots, 1), items);
    assert_null(pv_slots_remove(&slots, 1));
    pv_slots_finish(&slots);
}

static void a_freed_number_rests_while_others_are_free(void **state)
{
    (void)state;
    struct pv_slots slots;
    pv_slots_init(&slots, 64);
    const uint32_t first = pv_slots_insert(&slots, items);
    pv_slots_remove(&slots, first);
    for (uint32_t i = 1; i < slots.capacity; i++) {
        assert_int_not_equal(pv_slots_insert(&slots, items), first);
    }
    assert_int_equal(pv_slots_insert(&slots, items), first);
    pv_slots_finish(&slots);
}

static void walking_meets_every_live_item_once(void **state)
{
    (void)state;
    struct pv_slots slots;
    pv_slots_init(&slots, 100);
    for (uint32_t i = 0; i < 50; i++) {
        pv_slots_insert(&slots, &items[i]);
    }
    for (uint32_t id = 1; id <= 50; id += 2) {
        pv_slots_remove(&slots, id);
    }
    uint32_t met = 0;
    void *item;
    for (uint32_t id = 1; (id = pv_slots_next(&slots, id, &item)) != 0; id++) {
        assert_int_equal(id % 2, 0);
        assert_ptr_equal(item, &items[id - 1]);
        met++;
    }
    assert_int_equal(met, 25);
    pv_slots_finish(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_begin_at_one_and_find_their_items),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(unknown_numbers_find_nothing),
        cmocka_unit_test(a_freed_number_rests_while_others_are_free),
        cmocka_unit_test(walking_meets_every_live_item_once),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}

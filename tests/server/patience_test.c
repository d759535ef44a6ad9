#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/patience.h"

static void note(struct pv_patience *patience, int count, uint64_t gap_ns)
{
    for (int i = 0; i < count; i++) {
        pv_patience_note(patience, gap_ns);
    }
}

static void a_new_client_is_not_waited_for(void **state)
{
    (void)state;
    struct pv_patience patience = {0};
    assert_int_equal(pv_patience_ns(&patience), 0);
    note(&patience, 3, 1000); // the pieces of one message
    assert_int_equal(pv_patience_ns(&patience), 0);
}

static void a_busy_client_is(void **state)
{
    (void)state;
    struct pv_patience patience = {0};
    note(&patience, 20, 10000);
    assert_int_equal(pv_patience_ns(&patience), PV_PATIENCE_NS);
}

static void a_pause_ends_it(void **state)
{
    (void)state;
    struct pv_patience patience = {0};
    note(&patience, 1000, 10000);
    note(&patience, 1, 10000000);
    assert_int_equal(pv_patience_ns(&patience), 0);
    note(&patience, 20, 10000);
    assert_int_equal(pv_patience_ns(&patience), PV_PATIENCE_NS);
}

// A request every now and then, in pieces, is never waited for.
static void lonely_requests_are_slept_through(void **state)
{
    (void)state;
    struct pv_patience patience = {0};
    for (int i = 0; i < 1000; i++) {
        note(&patience, 1, 200000);
        note(&patience, 5, 1000);
        assert_int_equal(pv_patience_ns(&patience), 0);
    }
}

static void a_lost_core_ends_it(void **state)
{
    (void)state;
    struct pv_patience patience = {0};
    note(&patience, 1000, 10000);
    pv_patience_lose(&patience);
    assert_int_equal(pv_patience_ns(&patience), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_client_is_not_waited_for),
        cmocka_unit_test(a_busy_client_is),
        cmocka_unit_test(a_pause_ends_it),
        cmocka_unit_test(lonely_requests_are_slept_through),
        cmocka_unit_test(a_lost_core_ends_it),
    };
    return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}

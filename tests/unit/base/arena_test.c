#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK ((size_t)64 * 1024)
#define LIMIT ((uint64_t)4 * CHUNK)

static struct pv_arena arena;

static int set_up(void **state)
{
    (void)state;
    pv_arena_init(&arena, LIMIT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pv_arena_finish(&arena);
    return 0;
}

static void takes_no_memory_before_it_is_needed(void **state)
{
    (void)state;
    assert_int_equal(arena.used, 0);
    pv_arena_reset(&arena);
    pv_arena_finish(&arena);
    pv_arena_finish(&arena);
    assert_int_equal(arena.used, 0);
}

static void aligns_what_it_hands_out(void **state)
{
    (void)state;
    for (size_t size = 1; size < 100; size++) {
        uint8_t *memory = pv_arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % PV_ARENA_ALIGNMENT, 0);
        memset(memory, 0xff, size); // sanitizers see an overlap with what lies behind
    }
}

static void does_not_hand_out_memory_twice(void **state)
{
    (void)state;
    uint8_t *parts[1000];
    for (size_t i = 0; i < 1000; i++) {
        parts[i] = pv_arena_alloc(&arena, 1 + i % 200);
        assert_non_null(parts[i]);
        memset(parts[i], (int)(i % 251), 1 + i % 200);
    }
    for (size_t i = 0; i < 1000; i++) {
        for (size_t j = 0; j < 1 + i % 200; j++) {
            assert_int_equal(parts[i][j], i % 251);
        }
    }
}

static void keeps_the_first_chunk(void **state)
{
    (void)state;
    uint8_t *first = pv_arena_alloc(&arena, 16);
    pv_arena_reset(&arena);
    assert_ptr_equal(pv_arena_alloc(&arena, 32), first);
    assert_non_null(pv_arena_alloc(&arena, CHUNK - 16));
    assert_int_equal(arena.used, 2 * CHUNK);
    pv_arena_reset(&arena);
    assert_int_equal(arena.used, CHUNK);
    assert_ptr_equal(pv_arena_alloc(&arena, CHUNK), first);
    assert_int_equal(arena.used, CHUNK);
}

static void gives_large_chunks_back(void **state)
{
    (void)state;
    assert_non_null(pv_arena_alloc(&arena, CHUNK + 1));
    assert_int_equal(arena.used, CHUNK + 8);
    pv_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(pv_arena_alloc(&arena, 8));
    assert_int_equal(arena.used, CHUNK);
}

static void serves_exactly_up_to_its_limit(void **state)
{
    (void)state;
    assert_null(pv_arena_alloc(&arena, LIMIT + 1));
    assert_non_null(pv_arena_alloc(&arena, LIMIT));
    assert_null(pv_arena_alloc(&arena, 1));
    pv_arena_reset(&arena);
    for (size_t i = 0; i < LIMIT / CHUNK; i++) {
        assert_non_null(pv_arena_alloc(&arena, CHUNK));
    }
    assert_null(pv_arena_alloc(&arena, 1));
    pv_arena_reset(&arena);
    assert_non_null(pv_arena_alloc(&arena, 1));
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    assert_null(pv_arena_alloc(&arena, SIZE_MAX));
    assert_null(pv_arena_alloc(&arena, SIZE_MAX - 6));
    assert_non_null(pv_arena_alloc(&arena, 8));
    assert_null(pv_arena_alloc(&arena, SIZE_MAX));
    assert_null(pv_arena_alloc(&arena, SIZE_MAX - (size_t)LIMIT));
}

static void a_limit_below_one_chunk_serves_nothing(void **state)
{
    (void)state;
    struct pv_arena small;
    pv_arena_init(&small, CHUNK - 1);
    assert_null(pv_arena_alloc(&small, 1));
    pv_arena_finish(&small);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(takes_no_memory_before_it_is_needed),
        CASE(aligns_what_it_hands_out),
        CASE(does_not_hand_out_memory_twice),
        CASE(keeps_the_first_chunk),
        CASE(gives_large_chunks_back),
        CASE(serves_exactly_up_to_its_limit),
        CASE(refuses_sizes_that_overflow),
        CASE(a_limit_below_one_chunk_serves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "ring/ring.h"

#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// What Mesa asks for.
static const struct pv_ring_layout primary = {
    .size = 131268,
    .idle_timeout_ns = 1000000,
    .head_offset = 0,
    .tail_offset = 64,
    .status_offset = 128,
    .buffer_offset = 192,
    .buffer_size = 131072,
    .extra_offset = 131264,
    .extra_size = 4,
};

#define RESOURCE_SIZE 135168

enum field { OFFSET, SIZE, HEAD, TAIL, STATUS, BUFFER, BUFFER_SIZE, EXTRA, EXTRA_SIZE, RESOURCE };

struct change {
    enum field field;
    uint64_t value;
};

struct layout_case {
    const char *name;
    const char *reason; // part of it; NULL: accepted
    struct change changes[4];
    size_t change_count;
};

// The primary ring with one or more fields changed.
#define CASE(name, reason, ...)                                                                    \
    {                                                                                              \
        name, reason, {__VA_ARGS__},                                                               \
            sizeof((struct change[]){__VA_ARGS__}) / sizeof(struct change)                         \
    }

#define MAX UINT64_MAX

static const struct layout_case cases[] = {
    CASE("the primary ring", NULL, {RESOURCE, RESOURCE_SIZE}),
    CASE("a per-thread ring", NULL, {SIZE, 16580}, {BUFFER_SIZE, 16384}, {EXTRA, 16576}),
    CASE("a resource of just the size", NULL, {RESOURCE, 131268}),
    CASE("a ring further back", NULL, {OFFSET, 3900}),
    CASE("a ring at an odd offset whose regions make up for it", "aligned", {OFFSET, 2}),
    CASE("no extra region", NULL, {EXTRA_SIZE, 0}),
    CASE("an empty extra region within another", NULL, {EXTRA_SIZE, 0}, {EXTRA, 256}),
    CASE("an empty extra region at the very end", NULL, {EXTRA_SIZE, 0}, {EXTRA, 131268}),
    CASE("the largest buffer", NULL, {BUFFER_SIZE, 16 << 20}, {SIZE, (16 << 20) + 200},
         {EXTRA, (16 << 20) + 192}, {RESOURCE, 17 << 20}),
    CASE("a tiny buffer", NULL, {BUFFER_SIZE, 4}),
    CASE("regions that touch", NULL, {TAIL, 4}, {STATUS, 8}, {BUFFER, 12}),
    CASE("head last", NULL, {HEAD, 131264}, {EXTRA, 0}),

    CASE("a ring larger than the resource", "inside its resource", {RESOURCE, 131267}),
    CASE("a ring that begins too late", "inside its resource", {OFFSET, RESOURCE_SIZE - 131264}),
    CASE("a ring behind the resource", "inside its resource", {OFFSET, RESOURCE_SIZE + 4}),
    CASE("offset + size overflows", "inside its resource", {OFFSET, MAX - 3}),
    CASE("a size that overflows", "inside its resource", {SIZE, MAX}, {OFFSET, 4}),
    CASE("no resource memory", "inside its resource", {RESOURCE, 0}),

    CASE("a buffer of no size", "power of two", {BUFFER_SIZE, 0}),
    CASE("a buffer of three words", "power of two", {BUFFER_SIZE, 12}),
    CASE("a buffer size with one bit too many", "power of two", {BUFFER_SIZE, 131072 + 4}),
    CASE("a huge odd buffer size", "power of two", {BUFFER_SIZE, MAX}),
    CASE("a buffer of 32 MiB", "16 MiB", {BUFFER_SIZE, 32 << 20}, {SIZE, 64 << 20},
         {EXTRA, (32 << 20) + 192}, {RESOURCE, 64 << 20}),
    CASE("the largest power of two", "16 MiB", {BUFFER_SIZE, UINT64_C(1) << 63}),
    CASE("a buffer of one byte", "buffer is not aligned", {BUFFER_SIZE, 1}),
    CASE("a buffer of two bytes", "buffer is not aligned", {BUFFER_SIZE, 2}),

    CASE("head outside", "head is outside", {HEAD, 131268}),
    CASE("head half outside", "head is outside", {HEAD, 131266}),
    CASE("head overflows", "head is outside", {HEAD, MAX - 3}),
    CASE("head overflows by a little", "head is outside", {HEAD, MAX}),
    CASE("tail outside", "tail is outside", {TAIL, 131265}),
    CASE("tail overflows", "tail is outside", {TAIL, MAX - 3}),
    CASE("status outside", "status is outside", {STATUS, 140000}),
    CASE("status overflows", "status is outside", {STATUS, MAX - 1}),
    CASE("buffer outside", "buffer is outside", {BUFFER, 200}),
    CASE("buffer overflows", "buffer is outside", {BUFFER, MAX - 131071}),
    CASE("extra outside", "extra region is outside", {EXTRA, 131268}),
    CASE("extra too large", "extra region is outside", {EXTRA_SIZE, 8}),
    CASE("extra overflows", "extra region is outside", {EXTRA, MAX - 3}),
    CASE("extra size overflows", "extra region is outside", {EXTRA_SIZE, MAX - 3}),
    CASE("an empty extra region beyond the end", "extra region is outside", {EXTRA_SIZE, 0},
         {EXTRA, 131272}),

    CASE("head unaligned", "head is not aligned", {HEAD, 2}),
    CASE("tail unaligned", "tail is not aligned", {TAIL, 65}),
    CASE("status unaligned", "status is not aligned", {STATUS, 131}),
    CASE("buffer unaligned", "buffer is not aligned", {BUFFER, 190}, {TAIL, 4}, {STATUS, 8}),
    CASE("extra unaligned", "extra region is not aligned", {EXTRA, 131265}, {SIZE, 131272}),
    CASE("extra size unaligned", "extra region is not aligned", {EXTRA_SIZE, 3}),
    CASE("a ring at an odd offset", "head is not aligned", {OFFSET, 3}),

    CASE("head and tail in one place", "overlap", {TAIL, 0}),
    CASE("head and status in one place", "overlap", {STATUS, 0}),
    CASE("tail and status in one place", "overlap", {STATUS, 64}),
    CASE("head in the buffer", "overlap", {HEAD, 192}),
    CASE("tail at the buffer's end", "overlap", {TAIL, 131260}),
    CASE("status in the buffer's midst", "overlap", {STATUS, 4096}),
    CASE("extra in the buffer", "overlap", {EXTRA, 512}),
    CASE("extra on the head", "overlap", {EXTRA, 0}),
    CASE("extra over the tail", "overlap", {EXTRA, 60}, {EXTRA_SIZE, 8}),
    CASE("the buffer over everything", "overlap", {BUFFER, 0}),
};

static void checks_every_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LENGTH(cases); i++) {
        struct pv_ring_layout layout = primary;
        uint64_t resource_size = RESOURCE_SIZE;
        uint64_t *const fields[] = {
            [OFFSET] = &layout.offset,           [SIZE] = &layout.size,
            [HEAD] = &layout.head_offset,        [TAIL] = &layout.tail_offset,
            [STATUS] = &layout.status_offset,    [BUFFER] = &layout.buffer_offset,
            [BUFFER_SIZE] = &layout.buffer_size, [EXTRA] = &layout.extra_offset,
            [EXTRA_SIZE] = &layout.extra_size,   [RESOURCE] = &resource_size,
        };
        for (size_t j = 0; j < cases[i].change_count; j++) {
            *fields[cases[i].changes[j].field] = cases[i].changes[j].value;
        }
        const char *reason = pv_ring_layout_check(&layout, resource_size);
        if (!cases[i].reason ? reason != NULL : !reason || !strstr(reason, cases[i].reason)) {
            fail_msg("%s: expected \"%s\", got \"%s\"", cases[i].name,
                     cases[i].reason ? cases[i].reason : "nothing", reason ? reason : "nothing");
        }
    }
}

// Only the place in the resource counts, not the one in the ring.
static void aligns_in_the_resource(void **state)
{
    (void)state;
    const struct pv_ring_layout layout = {
        .offset = 2,
        .size = 1000,
        .head_offset = 2,
        .tail_offset = 6,
        .status_offset = 10,
        .buffer_offset = 14,
        .buffer_size = 64,
        .extra_offset = 98,
        .extra_size = 4,
    };
    assert_null(pv_ring_layout_check(&layout, 4096));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_every_rule),
        cmocka_unit_test(aligns_in_the_resource),
    };
    return cmocka_run_group_tests_name("ring layout", tests, NULL, NULL);
}

// Every vector: decoded to its last byte, printed as its .txt says, refused when it is cut short,
// and harmless when bits of it are wrong.
#include "vector.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_SIZE 16384

static void decodes_and_prints(void **state)
{
    const char *name = *state;
    struct vector vector = vector_load(name);
    struct wire wire;
    wire_init(&wire, &vector);
    char text[TEXT_SIZE];
    struct pv_text out = pv_text_over(text, sizeof(text));
    const bool printed = pv_print_next(&out, &wire.decoder);
    if (!printed) {
        print_error("%s: %s (%llu)\n", name, wire.decoder.reader.error,
                    (unsigned long long)wire.decoder.reader.error_value);
    }
    assert_true(printed);
    assert_int_equal(pv_reader_remaining(&wire.decoder.reader), 0);
    assert_false(out.cut);

    char path[512], expected[TEXT_SIZE] = "";
    snprintf(path, sizeof(path), "%s/%s.txt", WIRE_VECTORS, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    expected[fread(expected, 1, sizeof(expected) - 1, file)] = '\0';
    fclose(file);
    expected[strcspn(expected, "\n")] = '\0';
    assert_string_equal(text, expected);

    wire_finish(&wire);
    vector_free(&vector);
}

static void is_refused_when_cut_short(void **state)
{
    struct vector vector = vector_load(*state);
    for (size_t size = 0; size < vector.size; size += 4) {
        struct vector cut = vector_copy(&vector, size);
        struct wire wire;
        wire_init(&wire, &cut);
        wire_decode(&wire);
        assert_true(pv_reader_failed(&wire.decoder.reader));
        assert_int_equal(pv_reader_remaining(&wire.decoder.reader), 0);
        wire_finish(&wire);
        vector_free(&cut);
    }
    vector_free(&vector);
}

// Decodes, prints and replies to whatever the bytes have become.
static void take(const struct vector *vector, size_t *accepted)
{
    static uint8_t reply[65536];
    struct vector copy = vector_copy(vector, vector->size);
    struct wire wire;
    wire_init(&wire, &copy);
    wire_decode(&wire);
    if (!pv_reader_failed(&wire.decoder.reader)) {
        char text[TEXT_SIZE];
        struct pv_text out = pv_text_over(text, sizeof(text));
        pv_print_request(&out, wire.number, &wire.cmd);
        assert_true(strlen(text) == out.length);
        struct pv_writer writer = pv_writer_over(reply, sizeof(reply));
        assert_true(pv_encode_command(&writer, wire.number, &wire.cmd));
        (*accepted)++;
    }
    wire_finish(&wire);
    vector_free(&copy);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void survives_wrong_bits(void **state)
{
    struct vector vector = vector_load(*state);
    size_t accepted = 0;
    for (size_t i = 0; i < vector.size * 8; i++) {
        vector.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        take(&vector, &accepted);
        vector.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    uint64_t random = vector.size;
    for (int round = 0; round < 500; round++) {
        struct vector wrong = vector_copy(&vector, vector.size);
        for (uint64_t n = 1 + next_random(&random) % 4; n-- > 0;) {
            // Small words are likelier to get far: counts, presence, types.
            const size_t word = next_random(&random) % (wrong.size / 4) * 4;
            const uint32_t value = (uint32_t)next_random(&random) % 7;
            memcpy(wrong.bytes + word, &value, sizeof(value));
        }
        take(&wrong, &accepted);
        vector_free(&wrong);
    }
    // Values that nobody checks exist in every command: the fuzzing reaches past the header.
    assert_true(accepted > 0);
    vector_free(&vector);
}

int main(void)
{
    glob_t found;
    if (glob(WIRE_VECTORS "/*.hex", 0, NULL, &found) || found.gl_pathc < 35) {
        fprintf(stderr, "no vectors in " WIRE_VECTORS "\n");
        return 1;
    }
    static const struct {
        const char *title;
        CMUnitTestFunction run;
    } cases[] = {
        {"decodes and prints", decodes_and_prints},
        {"is refused when cut short", is_refused_when_cut_short},
        {"survives wrong bits", survives_wrong_bits},
    };
    const size_t kinds = sizeof(cases) / sizeof(cases[0]), count = found.gl_pathc * kinds;
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    for (size_t i = 0; tests && i < count; i++) {
        const char *path = found.gl_pathv[i / kinds];
        char *name = strdup(strrchr(path, '/') + 1), title[160];
        name[strlen(name) - strlen(".hex")] = '\0';
        snprintf(title, sizeof(title), "%s %s", name, cases[i % kinds].title);
        tests[i] = (struct CMUnitTest){
            .name = strdup(title), .test_func = cases[i % kinds].run, .initial_state = name};
    }
    const int failed = tests ? _cmocka_run_group_tests("vectors", tests, count, NULL, NULL) : 1;
    for (size_t i = 0; tests && i < count; i++) {
        free((char *)tests[i].name);
        free(tests[i].initial_state);
    }
    free(tests);
    globfree(&found);
    return failed;
}

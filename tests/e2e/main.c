// pv-e2e: runs one named case with the first device of the Vulkan loader. An ordinary program: the
// same binary runs on the host's driver and through pv-venus, and tests/e2e/run.py compares.

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"

enum {
    SLOW = E2E_SLOW,
    INVALID = E2E_INVALID,
    ABANDON = E2E_ABANDON,
};

static const struct {
    const char *name;
    unsigned flags;
    void (*run)(struct e2e *t);
} cases[] = {
#define CASE(name, flags, timeout_s) {#name, flags, case_##name},
#include "cases.def"
#undef CASE
};

#ifdef __SANITIZE_ADDRESS__
// The guest driver keeps a few bytes for good, and the loader unloads it, so that they look lost.
// What this client leaks does not matter; what the server leaks does, and it looks for itself.
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static const char usage[] = "usage: pv-e2e CASE | pv-e2e --list\n"
                            "Exit status: 0 passed, 1 failed, 2 no such case, 77 skipped.\n";

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs(usage, stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--list")) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            printf("%s%s%s%s\n", cases[i].name, cases[i].flags & E2E_SLOW ? " slow" : "",
                   cases[i].flags & E2E_INVALID ? " invalid" : "",
                   cases[i].flags & E2E_ABANDON ? " abandon" : "");
        }
        return 0;
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (!strcmp(cases[i].name, argv[1])) {
            struct e2e t = {.name = cases[i].name, .lock = PTHREAD_MUTEX_INITIALIZER};
            cases[i].run(&t);
            e2e_close(&t);
            if (cases[i].flags & E2E_ABANDON) {
                fflush(stdout);
                _exit(0); // the case left objects behind on purpose: no leak report
            }
            return 0;
        }
    }
    fprintf(stderr, "pv-e2e: there is no case '%s'; --list shows them\n", argv[1]);
    return 2;
}

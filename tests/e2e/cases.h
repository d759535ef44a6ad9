// The cases of pv-e2e. cases.def lists them with flags and time limit; meson reads it as well.
#ifndef E2E_CASES_H
#define E2E_CASES_H

#include "harness.h"

enum {
    E2E_SLOW = 1, // takes seconds by design
    // Not under a validation layer: goes against the specification on purpose, or uses what layers
    // of Debian 12's age crash on.
    E2E_INVALID = 2,
    E2E_ABANDON = 4, // leaves objects to the driver on purpose: no leak check
};

#define CASE(name, flags, timeout_s) void case_##name(struct e2e *t);
#include "cases.def"
#undef CASE

#endif

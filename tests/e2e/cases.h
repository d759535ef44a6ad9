// The cases of pv-e2e. cases.def lists them with flags and time limit; meson reads it as well.
#ifndef E2E_CASES_H
#define E2E_CASES_H

#include "harness.h"

enum {
    E2E_SLOW = 1,    // takes seconds by design
    E2E_INVALID = 2, // goes against the specification on purpose: not under a validation layer
    E2E_ABANDON = 4, // leaves objects to the driver on purpose: no leak check
};

#define CASE(name, flags, timeout_s) void case_##name(struct e2e *t);
#include "cases.def"
#undef CASE

#endif

// Where there are no workers, or the build does without.
#include "sandbox.h"

struct pv_sandbox_support pv_sandbox_support(void)
{
    return (struct pv_sandbox_support){.missing = "this build has no sandbox"};
}

uint64_t pv_sandbox_device_stamp(void)
{
    return 0;
}

bool pv_sandbox_enter(const struct pv_sandbox_support *support, char *error, size_t error_size)
{
    (void)support;
    (void)error;
    (void)error_size;
    return true;
}

// What a worker gives up before it loads a driver. With the sandbox, code that took a worker over
// through the driver cannot start programs or processes, reach the network or other processes, or
// write the user's files; it can read what the user can read.
#ifndef PV_SERVER_SANDBOX_H
#define PV_SERVER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pv_sandbox_mode {
    PV_SANDBOX_AUTO = 0, // as much as the kernel has; what is missing is said in the log
    PV_SANDBOX_REQUIRE,  // all of it or no service
    PV_SANDBOX_OFF,
};

struct pv_sandbox_support {
    bool system_calls;   // dangerous ones fail with EPERM (seccomp)
    bool files;          // files can be written only where drivers have business (Landlock)
    const char *missing; // what to say about what is not there; "" if all is. Static storage
};

// What this kernel offers. Changes nothing.
struct pv_sandbox_support pv_sandbox_support(void);

// Changes when device nodes come or go. Who is in the sandbox may use those that were there when it
// entered.
uint64_t pv_sandbox_device_stamp(void);

// Puts this process into the sandbox, for good. It must have one thread.
// Failure: false with one line in `error`; a part may be in force.
bool pv_sandbox_enter(const struct pv_sandbox_support *support, char *error, size_t error_size);

#endif

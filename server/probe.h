// Trying the host's Vulkan driver before clients come.
#ifndef PV_SERVER_PROBE_H
#define PV_SERVER_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <pv/renderer.h>

// A renderer with at least one device. Failure: NULL with one line in `error` that says what to do.
struct pv_renderer *pv_probe_renderer(const struct pv_renderer_params *params, char *error,
                                      size_t error_size);

// A number that differs between renderers with different devices.
uint64_t pv_probe_devices(struct pv_renderer *renderer);

// The trial in a process of its own, because the parent of workers must not load a driver.
struct pv_probe {
    pid_t pid;
    FILE *answer; // NULL: there is no trial
    uint64_t devices;
    char reason[512];
};

// Starts it. Silent: what is wrong comes back from pv_probe_finish().
// Failure: false with errno.
// Thread-safety: the process must have no other thread.
bool pv_probe_start(struct pv_probe *probe, const struct pv_renderer_params *params);

// Waits until the driver is loaded there, and loads the driver's passive libraries (server/os.h)
// here: processes forked from now on get them ready for use, and share their memory.
// Failure: false; pv_probe_finish() knows why.
bool pv_probe_await_driver(struct pv_probe *probe);

// Waits for the end. `devices` becomes what pv_probe_devices() is there.
// Failure: false with one line in `error`.
bool pv_probe_finish(struct pv_probe *probe, uint64_t *devices, char *error, size_t error_size);

// In a process forked meanwhile: closes what belongs to its parent.
void pv_probe_abandon(struct pv_probe *probe);

#endif

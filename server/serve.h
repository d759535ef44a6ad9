// The server: accepts vtest clients and isolates them from each other.
//
// With workers (Linux) each client is served by a process of its own, forked before any Vulkan
// driver is loaded; a driver that crashes takes its client only. The worker of the next client is
// started ahead and opens the driver while nobody waits. The parent never loads a driver, runs no
// other thread and holds no client's memory but the pages of pulse.h. In-process, each client has a
// thread on one shared renderer.
#ifndef PV_SERVER_SERVE_H
#define PV_SERVER_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pv/renderer.h>

#include "sandbox.h"

struct pv_server;

struct pv_server_params {
    const char *socket_path;
    bool in_process; // threads instead of workers; always so where there are no workers
    enum pv_sandbox_mode sandbox; // of workers; threads have none
    bool no_spare;                // workers are started when their clients come, not ahead
    // The host side. `fd_only` is always set. Its log callback and level serve the server too; the
    // callback is called in workers as well, which have its data as it is when they are started.
    struct pv_renderer_params renderer;
    const char *stats_path; // one line per context is appended; NULL: none
    int lifeline_fd;        // borrowed; once it hangs up or is readable, the server stops. 0: none

    // Bounds; 0: the default.
    uint32_t max_clients;   // at once; 1024
    int send_timeout_ms;    // how long a client may not read its replies; 10 s
    int stop_timeout_ms;    // from pv_server_stop() until clients are cut off; 10 s
    int hang_up_timeout_ms; // for a worker whose client has gone; 30 s
};

// Listens, and makes sure that the host has a Vulkan device, so that a missing driver is an error
// now and not with the first client. `params` is borrowed until the server is destroyed.
// Failure: NULL with one line in `error` that says what to do; the log does not say it again.
// A worker is started, which keeps descriptors that the caller has open until its client has gone.
// From here on the process ignores SIGPIPE and, with workers, does not ignore SIGCHLD.
// Thread-safety: the process must have no other thread yet unless `in_process` is set.
struct pv_server *pv_server_create(const struct pv_server_params *params, char *error,
                                   size_t error_size);

// Serves clients until pv_server_stop(). Afterwards the socket and all clients are gone.
// Failure: false: threads that serve clients could not be stopped; only _exit() helps.
bool pv_server_run(struct pv_server *server);

// Makes pv_server_run() return. Thread-safety: Safe, also in a signal handler.
void pv_server_stop(struct pv_server *server);

// Not after pv_server_run() has failed. NULL is allowed.
void pv_server_destroy(struct pv_server *server);

#endif

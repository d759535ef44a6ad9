// One vtest client: a connection, its context, resources and sync objects.
#ifndef PV_SERVER_CLIENT_H
#define PV_SERVER_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "log.h"

struct pv_context;
struct pv_renderer;

// A client's context while it exists, for those who must break it off from another thread.
struct pv_client_context {
    pthread_mutex_t lock;
    struct pv_context *context; // NULL before and after; guarded by `lock`
};

struct pv_client_params {
    int fd;              // the connected socket; taken
    int stop_fd;         // borrowed; hung up: end the client. Not read
    uint32_t number;     // for the log
    int send_timeout_ms; // 0: 10 s
    int stats_fd;        // borrowed; one line is appended per context. -1: none
    bool names_process;  // the process serves this client alone and may take its name
    struct pv_server_log log;
    struct pv_renderer *renderer;      // borrowed
    struct pv_client_context *context; // borrowed, kept up to date; NULL: nobody asks
};

// Serves the client until it goes, breaks the protocol or the stop descriptor says so; then
// everything that belongs to it is gone. Blocks.
// Thread-safety: Safe, each client has its own thread.
void pv_client_run(const struct pv_client_params *params);

// Ends a connection whose client may be waiting for a reply. Mesa's client takes an orderly end
// of file for "try again" and spins for ever; bytes that make no sense make it give up: its
// waits for a descriptor end with an error and its next request with SIGPIPE.
// Never blocks. Does not close `fd`.
void pv_client_say_goodbye(int fd);

#endif

// How a client is kept apart from the others: in a worker process or in a thread.
#ifndef PV_SERVER_ISOLATION_H
#define PV_SERVER_ISOLATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client.h"
#include "probe.h"
#include "pulse.h"
#include "sandbox.h"

struct pv_server;

// One client in the eyes of the accept loop. Owned by the loop.
struct pv_served {
    uint32_t number;
    int fd;      // the client's socket; with workers a copy, to watch and to say goodbye. -1: none
    int done_fd; // becomes readable or hangs up when the client has been served, and not before
    uint64_t hung_up_ns;               // when the client was seen to go; 0: not yet
    pid_t pid;                         // workers
    int channel;                       // workers; -1: none, or closed, which ends the worker
    int stats_fd;                      // workers: memory for its statistics; -1: not wanted
    bool killed;                       // workers: by us
    pthread_t thread;                  // threads
    struct pv_client_context *context; // threads
};

// A worker process and what its parent holds of it.
struct pv_worker {
    pid_t pid;             // 0: there is none
    int channel;           // its client is sent there; closing it ends the worker
    int done_fd;           // readable once it is dead, which it cannot pretend
    int stats_fd;          // memory for its statistics; -1: not wanted
    uint64_t device_stamp; // of pv_sandbox_device_stamp() before it was started
};

// What a client's process or thread needs from the server.
struct pv_isolation_env {
    struct pv_client_params client; // all but fd and number; `renderer` only for threads, by open()
    const struct pv_renderer_params *renderer_params; // workers create their own
    bool muted; // what goes wrong in the library comes back otherwise, or would have no client yet
    enum pv_sandbox_mode sandbox; // workers
    struct pv_sandbox_support sandbox_support;
    bool keeps_spare;        // workers: the next client's is started ahead
    struct pv_worker spare;  // workers: that one, if it has been started
    struct pv_probe probe;   // workers: during open()
    struct pv_pulses pulses; // of workers' rings
    // Workers: closes what belongs to the parent. Called first thing in the new process.
    void (*forget_parent)(struct pv_server *server);
    struct pv_server *server;
};

struct pv_isolation {
    // Makes sure that the host can serve clients. Failure: false with one line in `error` that says
    // what to do.
    bool (*open)(struct pv_isolation_env *env, char *error, size_t error_size);
    // After the last client, or when open() has failed.
    void (*close)(struct pv_isolation_env *env);
    // Starts serving served->fd, and sets `done_fd`.
    // Failure: false with errno; the client stays with the caller.
    bool (*start)(struct pv_isolation_env *env, struct pv_served *served);
    // Does ahead of time what the next start() would take time for; NULL: nothing.
    void (*prepare)(struct pv_isolation_env *env);
    // Takes note of the end, which done_fd has announced, or which kill() brings. Says how it ended
    // if it was no good end.
    void (*join)(const struct pv_isolation_env *env, struct pv_served *served);
    // Breaks its context off, so that nothing of it waits for ever; NULL: not needed.
    void (*cancel)(struct pv_served *served);
    // Listens to what its process says on served->channel; NULL: nothing is said.
    void (*hear)(struct pv_isolation_env *env, struct pv_served *served);
    // Ends it by force; NULL: impossible.
    void (*kill)(const struct pv_isolation_env *env, struct pv_served *served);
    // Whether a client's hang-up is watched from outside.
    bool watches;
    // Whether clients use the heap of the server's own process.
    bool shares_heap;
};

extern const struct pv_isolation pv_isolation_worker;
extern const struct pv_isolation pv_isolation_thread;

#endif

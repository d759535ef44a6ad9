// How a client is kept apart from the others: in a worker process or in a thread.
#ifndef PV_SERVER_ISOLATION_H
#define PV_SERVER_ISOLATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client.h"
#include "sandbox.h"

struct pv_server;

// One client in the eyes of the accept loop. Owned by the loop.
struct pv_served {
    uint32_t number;
    int fd;      // the client's socket; with workers a copy, to watch and to say goodbye. -1: none
    int done_fd; // hangs up when the client has been served
    uint64_t hung_up_ns;               // when the client was seen to go; 0: not yet
    pid_t pid;                         // workers
    bool killed;                       // workers: by us
    pthread_t thread;                  // threads
    struct pv_client_context *context; // threads
};

// What a client's process or thread needs from the server.
struct pv_isolation_env {
    struct pv_client_params client; // all but fd and number; `renderer` only for threads
    const struct pv_renderer_params *renderer_params; // workers create their own
    enum pv_sandbox_mode sandbox;                     // workers
    struct pv_sandbox_support sandbox_support;
    // Workers: closes what belongs to the parent. Called first thing in the new process.
    void (*forget_parent)(struct pv_server *server);
    struct pv_server *server;
};

struct pv_isolation {
    // Starts serving served->fd. `done_fd` is the end to close when done; taken on success.
    // Failure: false with errno; everything stays with the caller.
    bool (*start)(const struct pv_isolation_env *env, struct pv_served *served, int done_fd);
    // Waits for the end, which done_fd has announced. Says how it ended if it was no good end.
    void (*join)(const struct pv_isolation_env *env, struct pv_served *served);
    // Breaks its context off, so that nothing of it waits for ever; NULL: not needed.
    void (*cancel)(struct pv_served *served);
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

// One end of a vtest connection: buffered reads, bounded writes, file descriptors.
//
// Used by the server and by the test client. No call waits for ever: reads end with the stop
// descriptor or a deadline, writes with the send time-out, so a peer that never reads holds
// nothing but its own connection.
// Thread-safety: one thread at a time.
#ifndef PV_SERVER_CONNECTION_H
#define PV_SERVER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "patience.h"

#define PV_CONNECTION_BUFFER 4096u
#define PV_CONNECTION_FDS    4u

enum pv_connection_status {
    PV_CONNECTION_OK = 0,
    PV_CONNECTION_CLOSED,   // the peer went, between or inside messages
    PV_CONNECTION_STOPPED,  // the stop descriptor hung up
    PV_CONNECTION_DEADLINE, // nothing came before the deadline
    PV_CONNECTION_STALLED,  // the peer did not read for the send time-out
    PV_CONNECTION_BROKEN,   // any other error of the socket, see errno
};

struct pv_connection {
    int fd;      // owned
    int stop_fd; // borrowed; its hang-up ends all waits, what can be read there none. -1: none
    int send_timeout_ms;
    bool accepts_fds;     // otherwise the kernel drops what the peer sends
    bool stays_awake;     // while messages come soon, see patience.h
    bool expects_silence; // until the next arrival
    bool looks_ahead;     // reads without taking, see pv_connection_serve()
    struct pv_patience patience;
    size_t looked; // bytes that were read and lie on the socket still
    unsigned reads_until_stop_check;
    size_t begin, end; // unread part of `buffer`
    uint8_t buffer[PV_CONNECTION_BUFFER];
    size_t fd_count;
    int fds[PV_CONNECTION_FDS]; // received, not yet taken; owned. Those that do not fit are closed.
};

// Takes `fd`, a connected stream socket, and makes it non-blocking.
void pv_connection_init(struct pv_connection *connection, int fd, int stop_fd, int send_timeout_ms);
// The server's end. Stays awake for what comes soon, and leaves what it has read on the socket
// until it has answered: taking it would wake a client that waits. Not together with `accepts_fds`.
void pv_connection_serve(struct pv_connection *connection);
// The client now waits for something else than us: the next read sleeps at once.
void pv_connection_expect_silence(struct pv_connection *connection);
// Closes everything. A finished connection may be finished again.
void pv_connection_finish(struct pv_connection *connection);

// Reads exactly `size` bytes. `deadline_ns` (pv_server_os_now_ns(), UINT64_MAX: none) bounds the
// wait for the first of them; what has begun to arrive is waited for without it.
enum pv_connection_status pv_connection_read(struct pv_connection *connection, void *data,
                                             size_t size, uint64_t deadline_ns);

// Writes `size` bytes.
enum pv_connection_status pv_connection_write(struct pv_connection *connection, const void *data,
                                              size_t size);

// Writes one dummy byte that carries a copy of `fd`. Borrows `fd`.
enum pv_connection_status pv_connection_write_fd(struct pv_connection *connection, int fd);

// Both at once: a client that waits for the two is woken once.
enum pv_connection_status pv_connection_write_with_fd(struct pv_connection *connection,
                                                      const void *data, size_t size, int fd);

// Reads one dummy byte and the descriptor that came with it, -1 if none did. The caller owns it.
enum pv_connection_status pv_connection_read_fd(struct pv_connection *connection, int *fd,
                                                uint64_t deadline_ns);

// For the log: "closed by the client", ...
const char *pv_connection_status_text(enum pv_connection_status status);

#endif

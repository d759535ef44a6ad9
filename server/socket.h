// The server's socket in the file system.
#ifndef PV_SERVER_SOCKET_H
#define PV_SERVER_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pv_listener {
    int fd;     // -1: none
    char *path; // owned
    dev_t device;
    ino_t inode; // of the socket file, so that only ours is removed
};

// Listens at `path` for this user only. A socket file that nobody listens at is replaced; a live
// server's, or any other file, is not. Not for threaded processes: sets the umask meanwhile.
// Failure: false, with one line in `error` that says what to do.
bool pv_listener_open(struct pv_listener *listener, const char *path, char *error,
                      size_t error_size);

// Closes the socket without touching the file, as a forked process does.
void pv_listener_abandon(struct pv_listener *listener);
// Closes the socket and removes its file.
void pv_listener_close(struct pv_listener *listener);

#endif

// The line between the server and one of its workers: messages that arrive whole or not at all,
// each with or without a descriptor.
#ifndef PV_SERVER_CHANNEL_H
#define PV_SERVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

// Two connected ends. Failure: false with errno.
bool pv_channel_open(int ends[2]);

// Sends `size` bytes and a copy of `fd`; -1: none. Does not block.
// Failure: false with errno; EAGAIN: the other side does not read.
bool pv_channel_send(int end, const void *data, size_t size, int fd);

// Receives a message of exactly `size` bytes. `*fd` is the caller's, -1 where none came along.
// Does not block.
// Failure: false with errno. EAGAIN: nothing is there; EPIPE: the other side has gone; EPROTO: it
// sent something else, or several descriptors, of which none stays open.
bool pv_channel_receive(int end, void *data, size_t size, int *fd);

#endif

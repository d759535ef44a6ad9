// The guest's side of the vtest protocol, for tests. Replies are waited for at most five seconds.
#ifndef PV_TESTS_VTEST_CLIENT_H
#define PV_TESTS_VTEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/connection.h"
#include "server/protocol.h"

struct vtest_client {
    struct pv_connection connection;
};

// Takes `fd`, a connected socket.
void vtest_client_init(struct vtest_client *client, int fd);
// Connects to a server. false: nobody listens.
bool vtest_client_connect(struct vtest_client *client, const char *path);
void vtest_client_finish(struct vtest_client *client);

// Each returns false when the connection ended or the reply is not the right one.
bool vtest_send(struct vtest_client *client, uint32_t id, const uint32_t *payload, uint32_t dwords);
bool vtest_send_bytes(struct vtest_client *client, const void *bytes, size_t size);
bool vtest_receive(struct vtest_client *client, void *bytes, size_t size);
// A reply with `dwords` values.
bool vtest_expect(struct vtest_client *client, uint32_t id, uint32_t *values, uint32_t dwords);

// CREATE_RENDERER to PROTOCOL_VERSION, then CONTEXT_INIT.
bool vtest_greet(struct vtest_client *client, const char *name, uint32_t version);
bool vtest_start(struct vtest_client *client, const char *name, uint32_t version);

uint32_t vtest_create_blob(struct vtest_client *client, uint64_t size, int *fd); // 0: failed
uint32_t vtest_create_sync(struct vtest_client *client, uint64_t value);         // 0: failed
bool vtest_read_sync(struct vtest_client *client, uint32_t id, uint64_t *value);
bool vtest_write_sync(struct vtest_client *client, uint32_t id, uint64_t value);

struct vtest_pair {
    uint32_t id;
    uint64_t value;
};

// The descriptor to poll, or -1.
int vtest_wait_syncs(struct vtest_client *client, uint32_t flags, uint32_t timeout_ms,
                     const struct vtest_pair *pairs, uint32_t count);
// One batch; `stride` is 6 or 8.
bool vtest_submit(struct vtest_client *client, uint32_t stride, uint32_t flags, uint32_t ring_idx,
                  const uint32_t *commands, uint32_t dwords, const struct vtest_pair *pairs,
                  uint32_t count);

// Whether the server has ended the connection, waiting for it at most `timeout_ms`.
bool vtest_ended(struct vtest_client *client, int timeout_ms);

// poll() for `fd`: its revents, 0 after the time-out.
short vtest_poll(int fd, int timeout_ms);

// Descriptors open in process `pid`, 0: this one.
int vtest_count_fds(int pid);

#endif

#include "vtest_client.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/os.h"

#define TIMEOUT_NS UINT64_C(5000000000)

static uint64_t deadline(void)
{
    return pv_server_os_now_ns() + TIMEOUT_NS;
}

void vtest_client_init(struct vtest_client *client, int fd)
{
    pv_connection_init(&client->connection, fd, -1, 5000);
    client->connection.accepts_fds = true;
}

bool vtest_client_connect(struct vtest_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    const int fd = pv_server_os_socket();
    if (fd < 0) {
        return false;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return false;
    }
    vtest_client_init(client, fd);
    return true;
}

void vtest_client_finish(struct vtest_client *client)
{
    pv_connection_finish(&client->connection);
}

bool vtest_send_bytes(struct vtest_client *client, const void *bytes, size_t size)
{
    return pv_connection_write(&client->connection, bytes, size) == PV_CONNECTION_OK;
}

bool vtest_send(struct vtest_client *client, uint32_t id, const uint32_t *payload, uint32_t dwords)
{
    const uint32_t header[2] = {dwords, id};
    return vtest_send_bytes(client, header, sizeof(header)) &&
           (dwords == 0 || vtest_send_bytes(client, payload, (size_t)dwords * 4));
}

bool vtest_receive(struct vtest_client *client, void *bytes, size_t size)
{
    return pv_connection_read(&client->connection, bytes, size, deadline()) == PV_CONNECTION_OK;
}

bool vtest_expect(struct vtest_client *client, uint32_t id, uint32_t *values, uint32_t dwords)
{
    uint32_t header[2];
    return vtest_receive(client, header, sizeof(header)) && header[0] == dwords &&
           header[1] == id && (dwords == 0 || vtest_receive(client, values, (size_t)dwords * 4));
}

bool vtest_greet(struct vtest_client *client, const char *name, uint32_t version)
{
    const uint32_t size = (uint32_t)strlen(name) + 1;
    const uint32_t create[2] = {size, PV_VTEST_CREATE_RENDERER};
    const uint32_t busy_wait[2] = {0, 0};
    uint32_t agreed, busy;
    return vtest_send_bytes(client, create, sizeof(create)) &&
           vtest_send_bytes(client, name, size) &&
           vtest_send(client, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0) &&
           vtest_send(client, PV_VTEST_RESOURCE_BUSY_WAIT, busy_wait, 2) &&
           vtest_expect(client, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0) &&
           vtest_expect(client, PV_VTEST_RESOURCE_BUSY_WAIT, &busy, 1) && busy == 0 &&
           vtest_send(client, PV_VTEST_PROTOCOL_VERSION, &version, 1) &&
           vtest_expect(client, PV_VTEST_PROTOCOL_VERSION, &agreed, 1) && agreed == version;
}

bool vtest_start(struct vtest_client *client, const char *name, uint32_t version)
{
    const uint32_t capset = 4;
    return vtest_greet(client, name, version) &&
           vtest_send(client, PV_VTEST_CONTEXT_INIT, &capset, 1);
}

uint32_t vtest_create_blob(struct vtest_client *client, uint64_t size, int *fd)
{
    const uint32_t payload[6] = {PV_VTEST_BLOB_HOST3D,   1, (uint32_t)size,
                                 (uint32_t)(size >> 32), 0, 0};
    uint32_t id;
    *fd = -1;
    if (!vtest_send(client, PV_VTEST_RESOURCE_CREATE_BLOB, payload, 6) ||
        !vtest_expect(client, PV_VTEST_RESOURCE_CREATE_BLOB, &id, 1) ||
        pv_connection_read_fd(&client->connection, fd, deadline()) != PV_CONNECTION_OK) {
        return 0;
    }
    return *fd >= 0 ? id : 0;
}

uint32_t vtest_create_sync(struct vtest_client *client, uint64_t value)
{
    const uint32_t payload[2] = {(uint32_t)value, (uint32_t)(value >> 32)};
    uint32_t id;
    return vtest_send(client, PV_VTEST_SYNC_CREATE, payload, 2) &&
                   vtest_expect(client, PV_VTEST_SYNC_CREATE, &id, 1)
               ? id
               : 0;
}

bool vtest_read_sync(struct vtest_client *client, uint32_t id, uint64_t *value)
{
    uint32_t values[2];
    if (!vtest_send(client, PV_VTEST_SYNC_READ, &id, 1) ||
        !vtest_expect(client, PV_VTEST_SYNC_READ, values, 2)) {
        return false;
    }
    *value = values[0] | (uint64_t)values[1] << 32;
    return true;
}

bool vtest_write_sync(struct vtest_client *client, uint32_t id, uint64_t value)
{
    const uint32_t payload[3] = {id, (uint32_t)value, (uint32_t)(value >> 32)};
    return vtest_send(client, PV_VTEST_SYNC_WRITE, payload, 3);
}

static uint32_t put_pairs(uint32_t *words, const struct vtest_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        words[3 * i] = pairs[i].id;
        words[3 * i + 1] = (uint32_t)pairs[i].value;
        words[3 * i + 2] = (uint32_t)(pairs[i].value >> 32);
    }
    return 3 * count;
}

int vtest_wait_syncs(struct vtest_client *client, uint32_t flags, uint32_t timeout_ms,
                     const struct vtest_pair *pairs, uint32_t count)
{
    uint32_t payload[256] = {flags, timeout_ms};
    int fd = -1;
    if (2 + 3 * count > 256) {
        return -1;
    }
    const uint32_t dwords = 2 + put_pairs(payload + 2, pairs, count);
    if (!vtest_send(client, PV_VTEST_SYNC_WAIT, payload, dwords) ||
        !vtest_expect(client, PV_VTEST_SYNC_WAIT, NULL, 0)) {
        return -1;
    }
    pv_connection_read_fd(&client->connection, &fd, deadline());
    return fd;
}

bool vtest_submit(struct vtest_client *client, uint32_t stride, uint32_t flags, uint32_t ring_idx,
                  const uint32_t *commands, uint32_t dwords, const struct vtest_pair *pairs,
                  uint32_t count)
{
    uint32_t payload[256] = {0};
    const uint32_t commands_at = 1 + stride;
    const uint32_t pairs_at = commands_at + dwords;
    if (pairs_at + 3 * count > 256) {
        return false;
    }
    const uint32_t head[7] = {1, flags, commands_at, dwords, pairs_at, count, ring_idx};
    memcpy(payload, head, sizeof(head));
    if (dwords > 0) {
        memcpy(payload + commands_at, commands, (size_t)dwords * 4);
    }
    return vtest_send(client, PV_VTEST_SUBMIT_CMD2, payload,
                      pairs_at + put_pairs(payload + pairs_at, pairs, count));
}

bool vtest_ended(struct vtest_client *client, int timeout_ms)
{
    const uint64_t until = pv_server_os_now_ns() + (uint64_t)timeout_ms * 1000000u;
    enum pv_connection_status status;
    char byte;
    // Whatever was on the way, and the goodbye, come first.
    do {
        status = pv_connection_read(&client->connection, &byte, 1, until);
    } while (status == PV_CONNECTION_OK);
    return status == PV_CONNECTION_CLOSED;
}

short vtest_poll(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) > 0 ? polled.revents : 0;
}

int vtest_count_fds(int pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid ? pid : (int)getpid());
    DIR *directory = opendir(path);
    int count = directory && !pid ? -1 : 0; // its own
    for (const struct dirent *entry; directory && (entry = readdir(directory));) {
        count += entry->d_name[0] != '.';
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

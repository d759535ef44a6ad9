// Checking and acting are apart: serve_message() checks a message against the table of commands,
// the handle_ functions receive payloads of a checked size and look at the values.
//
// Two failures have no reply in this protocol:
// - A blob that cannot be made. The client gets a resource without memory and a descriptor that
//   cannot be mapped; Mesa reports VK_ERROR_MEMORY_MAP_FAILED or VK_ERROR_OUT_OF_HOST_MEMORY to
//   the application. Ending the connection instead would leave it spinning.
// - A context that failed. Its ring says so in shared memory and the guest aborts by itself, so
//   the connection stays: submissions do nothing, fences retire at once.
#include "client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <pv/context.h>
#include <pv/renderer.h>
#include <pv/resource.h>

#include "batch.h"
#include "connection.h"
#include "os.h"
#include "protocol.h"
#include "slots.h"
#include "sync.h"

#define DEFAULT_SEND_TIMEOUT_MS 10000
#define RESOURCE_LIMIT          1048576u
#define KEPT_PAYLOAD            65536u // a larger buffer is given back after its message

// A number that the client holds. `resource` is NULL where the renderer had no memory to give.
struct client_resource {
    struct pv_resource *resource;
};

struct client {
    const struct pv_client_params *params;
    struct pv_connection connection;
    char name[64];
    bool named; // CREATE_RENDERER was seen
    uint32_t version;
    struct pv_context *context;
    struct pv_syncs *syncs;
    struct pv_slots resources; // of struct client_resource
    bool said_blob_failure;
    uint32_t *payload;
    size_t payload_capacity; // bytes
    bool refused;            // by us; the reason has been logged
};

struct message {
    const uint32_t *payload;
    uint32_t dwords;
};

struct command {
    const char *name; // NULL: not a command of Venus guests
    bool (*handle)(struct client *client, const struct message *message);
    uint32_t min_dwords, max_dwords;
    bool needs_version;
    bool needs_context;
};

static void say(const struct client *client, enum pv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct client *client, enum pv_log_level level, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    pv_server_log(&client->params->log, level, "client %u (%s): %s", client->params->number,
                  client->name, text);
}

// The client broke the protocol: says why, once, and ends it. Returns false.
static bool refuse(struct client *client, const char *format, ...)
{
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!client->refused) {
        say(client, PV_LOG_WARN, "%s; connection closed", text);
    }
    client->refused = true;
    return false;
}

// Passes a status of the connection on. false ends the client.
static bool went_well(struct client *client, enum pv_connection_status status, const char *during)
{
    if (status == PV_CONNECTION_OK) {
        return true;
    }
    if (status == PV_CONNECTION_CLOSED || status == PV_CONNECTION_STOPPED) {
        say(client, PV_LOG_DEBUG, "%s %s", pv_connection_status_text(status), during);
        return false;
    }
    return refuse(client, "%s %s", pv_connection_status_text(status), during);
}

// `fd`: goes with the reply; -1: none does.
static bool reply_with_fd(struct client *client, enum pv_vtest_command id, const uint32_t *values,
                          uint32_t dwords, int fd)
{
    uint32_t message[2 + 1 + PV_CAPSET_VENUS_SIZE / 4];
    assert(dwords + 2 <= sizeof(message) / sizeof(message[0]));
    message[0] = dwords;
    message[1] = id;
    if (dwords > 0) {
        memcpy(message + 2, values, dwords * sizeof(uint32_t));
    }
    struct pv_connection *connection = &client->connection;
    const size_t size = (2 + dwords) * sizeof(uint32_t);
    return went_well(client,
                     fd < 0 ? pv_connection_write(connection, message, size)
                            : pv_connection_write_with_fd(connection, message, size, fd),
                     "while it was sent a reply");
}

static bool reply(struct client *client, enum pv_vtest_command id, const uint32_t *values,
                  uint32_t dwords)
{
    return reply_with_fd(client, id, values, dwords, -1);
}

static uint64_t join_u64(const uint32_t *low_then_high)
{
    return low_then_high[0] | (uint64_t)low_then_high[1] << 32;
}

static bool handle_busy_wait(struct client *client, const struct message *message)
{
    (void)message;
    const uint32_t busy = 0;
    return reply(client, PV_VTEST_RESOURCE_BUSY_WAIT, &busy, 1);
}

static bool handle_ping(struct client *client, const struct message *message)
{
    (void)message;
    return reply(client, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0);
}

static bool handle_version(struct client *client, const struct message *message)
{
    const uint32_t offered = message->payload[0];
    uint32_t version = offered < PV_VTEST_VERSION_MAX ? offered : PV_VTEST_VERSION_MAX;
    if (version == 1) {
        version = 0; // what version 1 was meant to be never existed
    }
    client->version = version;
    return reply(client, PV_VTEST_PROTOCOL_VERSION, &version, 1);
}

static bool handle_get_param(struct client *client, const struct message *message)
{
    uint32_t values[2] = {0, 0}; // valid, value
    if (message->payload[0] == PV_VTEST_PARAM_MAX_TIMELINE_COUNT) {
        values[0] = 1;
        values[1] = PV_TIMELINE_COUNT;
    }
    return reply(client, PV_VTEST_GET_PARAM, values, 2);
}

static bool handle_get_capset(struct client *client, const struct message *message)
{
    uint32_t values[1 + PV_CAPSET_VENUS_SIZE / 4] = {0}; // valid, capset
    uint32_t dwords = 1;
    if (message->payload[0] == PV_CAPSET_VENUS && message->payload[1] <= PV_CAPSET_VENUS_VERSION) {
        values[0] = 1;
        pv_capset_fill(values + 1, PV_CAPSET_VENUS_SIZE);
        dwords += PV_CAPSET_VENUS_SIZE / 4;
    }
    return reply(client, PV_VTEST_GET_CAPSET, values, dwords);
}

// Thread-safety: called from the renderer's threads; fence_id is a struct pv_sync_fence.
static void fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    (void)user;
    (void)ring_idx;
    pv_sync_fence_apply((struct pv_sync_fence *)(uintptr_t)fence_id);
}

// Likewise. Mesa reports VK_ERROR_DEVICE_LOST when a wait hangs up.
static void fence_lost(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    (void)user;
    (void)ring_idx;
    pv_sync_fence_lose((struct pv_sync_fence *)(uintptr_t)fence_id);
}

// Tells the server which context it would have to break off.
static void announce_context(const struct client *client, struct pv_context *context)
{
    struct pv_client_context *slot = client->params->context;
    if (slot) {
        pthread_mutex_lock(&slot->lock);
        slot->context = context;
        pthread_mutex_unlock(&slot->lock);
    }
}

static bool handle_context_init(struct client *client, const struct message *message)
{
    if (message->payload[0] != PV_CAPSET_VENUS) {
        return refuse(client, "CONTEXT_INIT: capset %u is not Venus (%u)", message->payload[0],
                      PV_CAPSET_VENUS);
    }
    if (client->context) {
        return refuse(client, "CONTEXT_INIT: the context exists already");
    }
    const struct pv_context_params params = {
        .name = client->name,
        .fence_retired = fence_retired,
        .fence_lost = fence_lost,
        .user = client,
    };
    client->context = pv_context_create(client->params->renderer, &params);
    if (!client->context) {
        return refuse(client, "no context could be created");
    }
    announce_context(client, client->context);
    return true;
}

// Hands out a number without memory behind it; see the top of this file.
static bool reply_without_memory(struct client *client, uint32_t id)
{
    int fds[2];
    if (!pv_server_os_pipe(fds)) {
        return refuse(client, "the host is out of file descriptors");
    }
    // A pipe cannot be mapped.
    const bool went = reply_with_fd(client, PV_VTEST_RESOURCE_CREATE_BLOB, &id, 1, fds[0]);
    close(fds[0]);
    close(fds[1]);
    return went;
}

// The descriptor that the client maps at offset 0. -1: there is none.
static int export_mappable(struct pv_resource *resource)
{
    enum pv_fd_type type = PV_FD_NONE;
    const int fd = pv_resource_export_fd(resource, &type);
    if (fd >= 0 && type != PV_FD_SHM && type != PV_FD_DMABUF) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool handle_create_blob(struct client *client, const struct message *message)
{
    const uint32_t type = message->payload[0];
    struct pv_blob_params params = {
        .flags = message->payload[1],
        .size = join_u64(message->payload + 2),
        .blob_id = join_u64(message->payload + 4),
    };
    if (type != PV_VTEST_BLOB_HOST3D) {
        return refuse(client, "RESOURCE_CREATE_BLOB: type %u is not HOST3D", type);
    }
    struct client_resource *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return refuse(client, "memory is short");
    }
    params.resource_id = pv_slots_insert(&client->resources, entry);
    if (!params.resource_id) {
        free(entry);
        return refuse(client, "RESOURCE_CREATE_BLOB: %u resources exist, no more are allowed",
                      client->resources.used);
    }
    entry->resource = pv_context_create_blob(client->context, &params);
    const int fd = entry->resource ? export_mappable(entry->resource) : -1;
    if (fd < 0) {
        if (!client->said_blob_failure) {
            say(client, PV_LOG_WARN,
                "a blob of %" PRIu64 " bytes (memory %" PRIu64 ", flags %#x) could not be %s; "
                "the guest cannot map it (said once)",
                params.size, params.blob_id, params.flags,
                entry->resource ? "exported" : "created");
        }
        client->said_blob_failure = true;
        return reply_without_memory(client, params.resource_id);
    }
    const bool went =
        reply_with_fd(client, PV_VTEST_RESOURCE_CREATE_BLOB, &params.resource_id, 1, fd);
    close(fd);
    return went;
}

static void destroy_resource(struct client *client, struct client_resource *entry)
{
    if (entry->resource) {
        pv_context_detach_resource(client->context, entry->resource);
        pv_resource_unref(entry->resource);
    }
    free(entry);
}

static bool handle_resource_unref(struct client *client, const struct message *message)
{
    const uint32_t id = message->payload[0];
    struct client_resource *entry = pv_slots_remove(&client->resources, id);
    if (!entry) {
        return refuse(client, "RESOURCE_UNREF: unknown resource %u", id);
    }
    destroy_resource(client, entry);
    return true;
}

static bool handle_sync_create(struct client *client, const struct message *message)
{
    const uint32_t id = pv_syncs_add(client->syncs, join_u64(message->payload));
    if (!id) {
        return refuse(client, "SYNC_CREATE: no more than %u syncs are allowed", PV_SYNC_LIMIT);
    }
    return reply(client, PV_VTEST_SYNC_CREATE, &id, 1);
}

static bool handle_sync_unref(struct client *client, const struct message *message)
{
    if (!pv_syncs_remove(client->syncs, message->payload[0])) {
        return refuse(client, "SYNC_UNREF: unknown sync %u", message->payload[0]);
    }
    return true;
}

static bool handle_sync_read(struct client *client, const struct message *message)
{
    uint64_t value;
    if (!pv_syncs_read(client->syncs, message->payload[0], &value)) {
        return refuse(client, "SYNC_READ: unknown sync %u", message->payload[0]);
    }
    const uint32_t values[2] = {(uint32_t)value, (uint32_t)(value >> 32)};
    return reply(client, PV_VTEST_SYNC_READ, values, 2);
}

static bool handle_sync_write(struct client *client, const struct message *message)
{
    if (!pv_syncs_write(client->syncs, message->payload[0], join_u64(message->payload + 1))) {
        return refuse(client, "SYNC_WRITE: unknown sync %u", message->payload[0]);
    }
    return true;
}

static bool handle_sync_wait(struct client *client, const struct message *message)
{
    const uint32_t flags = message->payload[0];
    const uint32_t pair_dwords = message->dwords - 2;
    if (pair_dwords % PV_VTEST_PAIR_DWORDS != 0) {
        return refuse(client, "SYNC_WAIT: %u dwords are not 2 + 3n", message->dwords);
    }
    struct pv_sync_answer answer;
    const enum pv_syncs_error error =
        pv_syncs_wait(client->syncs, flags & PV_VTEST_SYNC_WAIT_ANY, message->payload[1],
                      message->payload + 2, pair_dwords / PV_VTEST_PAIR_DWORDS, &answer);
    if (error) {
        return refuse(client, "SYNC_WAIT: %s", pv_syncs_error_text(error));
    }
    const bool went = reply_with_fd(client, PV_VTEST_SYNC_WAIT, NULL, 0, answer.fd);
    if (answer.wait) {
        pv_connection_expect_silence(&client->connection);
    }
    pv_syncs_answered(client->syncs, &answer);
    return went;
}

static bool submit_batch(struct client *client, const struct pv_vtest_batch *batch)
{
    // A failed context takes no more commands; its fences retire all the same.
    pv_context_submit(client->context, batch->commands, batch->commands_size);
    if (batch->pair_count == 0) {
        return true;
    }
    struct pv_sync_fence *fence = NULL;
    const enum pv_syncs_error error =
        pv_syncs_prepare(client->syncs, batch->pairs, batch->pair_count, &fence);
    if (error) {
        return refuse(client, "SUBMIT_CMD2: %s", pv_syncs_error_text(error));
    }
    if (!(batch->flags & PV_VTEST_BATCH_RING_IDX) ||
        !pv_context_create_fence(client->context, batch->ring_idx, (uintptr_t)fence)) {
        pv_sync_fence_apply(fence);
    }
    return true;
}

static bool handle_submit(struct client *client, const struct message *message)
{
    struct pv_vtest_submit submit;
    const char *problem =
        pv_vtest_submit_parse(&submit, message->payload, message->dwords, client->version);
    if (problem) {
        return refuse(client, "SUBMIT_CMD2: %s", problem);
    }
    for (uint32_t i = 0; i < submit.batch_count; i++) {
        const struct pv_vtest_batch batch = pv_vtest_submit_batch(&submit, i);
        if (!submit_batch(client, &batch)) {
            return false;
        }
    }
    return true;
}

#define ANY_LENGTH (PV_VTEST_MAX_PAYLOAD / 4)

static const struct command commands[] = {
    [PV_VTEST_RESOURCE_UNREF] = {"RESOURCE_UNREF", handle_resource_unref, 1, 1, true, true},
    [PV_VTEST_RESOURCE_BUSY_WAIT] = {"RESOURCE_BUSY_WAIT", handle_busy_wait, 2, 2, false, false},
    [PV_VTEST_PING_PROTOCOL_VERSION] = {"PING_PROTOCOL_VERSION", handle_ping, 0, 0, false, false},
    [PV_VTEST_PROTOCOL_VERSION] = {"PROTOCOL_VERSION", handle_version, 1, 1, false, false},
    [PV_VTEST_GET_PARAM] = {"GET_PARAM", handle_get_param, 1, 1, true, false},
    [PV_VTEST_GET_CAPSET] = {"GET_CAPSET", handle_get_capset, 2, 2, true, false},
    [PV_VTEST_CONTEXT_INIT] = {"CONTEXT_INIT", handle_context_init, 1, 1, true, false},
    [PV_VTEST_RESOURCE_CREATE_BLOB] = {"RESOURCE_CREATE_BLOB", handle_create_blob, 6, 6, true,
                                       true},
    [PV_VTEST_SYNC_CREATE] = {"SYNC_CREATE", handle_sync_create, 2, 2, true, false},
    [PV_VTEST_SYNC_UNREF] = {"SYNC_UNREF", handle_sync_unref, 1, 1, true, false},
    [PV_VTEST_SYNC_READ] = {"SYNC_READ", handle_sync_read, 1, 1, true, false},
    [PV_VTEST_SYNC_WRITE] = {"SYNC_WRITE", handle_sync_write, 3, 3, true, false},
    [PV_VTEST_SYNC_WAIT] = {"SYNC_WAIT", handle_sync_wait, 2, ANY_LENGTH, true, false},
    [PV_VTEST_SUBMIT_CMD2] = {"SUBMIT_CMD2", handle_submit, 1, ANY_LENGTH, true, true},
};

#undef ANY_LENGTH

// Room for `size` bytes, 4-aligned. NULL: memory is short.
static uint32_t *reserve_payload(struct client *client, size_t size)
{
    if (!client->payload || client->payload_capacity < size ||
        client->payload_capacity > KEPT_PAYLOAD) {
        const size_t capacity = size > 4096 ? size : 4096;
        free(client->payload);
        client->payload = malloc(capacity);
        client->payload_capacity = client->payload ? capacity : 0;
    }
    return client->payload;
}

// What a stranger says about itself is shown as plain ASCII.
static void set_name(struct client *client, const char *bytes, size_t size)
{
    size_t length = 0;
    while (length < size && length + 1 < sizeof(client->name) && bytes[length]) {
        const char byte = bytes[length];
        client->name[length++] = byte > ' ' && byte < 0x7f ? byte : '_';
    }
    client->name[length] = '\0';
    if (length == 0) {
        strcpy(client->name, "unnamed");
    }
    if (client->params->names_process) {
        char title[16];
        snprintf(title, sizeof(title), "pv:%.12s", client->name);
        pv_server_os_name_process(title);
    }
}

static bool serve_create_renderer(struct client *client, uint32_t size)
{
    if (client->named) {
        return refuse(client, "CREATE_RENDERER came twice");
    }
    if (size > PV_VTEST_MAX_NAME) {
        return refuse(client, "CREATE_RENDERER: a name of %u bytes is too long", size);
    }
    char name[PV_VTEST_MAX_NAME];
    if (!went_well(client, pv_connection_read(&client->connection, name, size, UINT64_MAX),
                   "in the middle of a message")) {
        return false;
    }
    set_name(client, name, size);
    client->named = true;
    return true;
}

static bool serve_message(struct client *client, const struct pv_vtest_header *header)
{
    if (header->id == PV_VTEST_CREATE_RENDERER) {
        return serve_create_renderer(client, header->length);
    }
    if (!client->named) {
        return refuse(client, "the first message has id %u instead of CREATE_RENDERER (%u)",
                      header->id, PV_VTEST_CREATE_RENDERER);
    }
    const uint32_t known = sizeof(commands) / sizeof(commands[0]);
    if (header->id >= known || !commands[header->id].name) {
        return refuse(client, "command %u is not for Venus (OpenGL clients are not served here)",
                      header->id);
    }
    const struct command *command = &commands[header->id];
    if (header->length < command->min_dwords || header->length > command->max_dwords) {
        return refuse(client, "%s: %u dwords is no valid length", command->name, header->length);
    }
    if (command->needs_version && client->version < PV_VTEST_VERSION_MIN) {
        return refuse(client, "%s needs protocol version %u, agreed is %u", command->name,
                      PV_VTEST_VERSION_MIN, client->version);
    }
    if (command->needs_context && !client->context) {
        return refuse(client, "%s came before CONTEXT_INIT", command->name);
    }
    const size_t size = (size_t)header->length * sizeof(uint32_t);
    uint32_t *payload = reserve_payload(client, size);
    if (!payload) {
        return refuse(client, "%s: memory is short for %zu bytes", command->name, size);
    }
    if (!went_well(client, pv_connection_read(&client->connection, payload, size, UINT64_MAX),
                   "in the middle of a message")) {
        return false;
    }
    const struct message message = {.payload = payload, .dwords = header->length};
    return command->handle(client, &message);
}

static void serve(struct client *client)
{
    for (;;) {
        struct pv_vtest_header header;
        const enum pv_connection_status status = pv_connection_read(
            &client->connection, &header, sizeof(header), pv_syncs_expire(client->syncs));
        if (status == PV_CONNECTION_DEADLINE) {
            continue; // a wait's time is over
        }
        if (!went_well(client, status, "between messages") || !serve_message(client, &header)) {
            return;
        }
    }
}

static void add_count(void *line, const char *command, uint64_t count)
{
    fprintf(line, " %s=%" PRIu64, command, count);
}

static void report_stats(struct client *client)
{
    struct pv_context_stats stats;
    pv_context_get_stats(client->context, &stats);
    say(client, PV_LOG_INFO,
        "gone after %" PRIu64 " commands, %" PRIu64 " ring bytes, %" PRIu64
        " stream bytes, %" PRIu64 " queue submissions%s",
        stats.commands, stats.ring_bytes, stats.stream_bytes, stats.queue_submits,
        pv_context_failure(client->context) ? "; its context had failed" : "");
    if (client->params->stats_fd < 0) {
        return;
    }
    char *text = NULL;
    size_t size = 0;
    FILE *line = open_memstream(&text, &size);
    if (line) {
        fprintf(line,
                "name=%s commands=%" PRIu64 " ring_bytes=%" PRIu64 " stream_bytes=%" PRIu64
                " queue_submits=%" PRIu64,
                client->name, stats.commands, stats.ring_bytes, stats.stream_bytes,
                stats.queue_submits);
        pv_context_visit_commands(client->context, add_count, line);
        fputc('\n', line);
    }
    // One write() in append mode keeps the lines of several clients apart.
    if (!line || fclose(line) != 0 ||
        write(client->params->stats_fd, text, size) != (ssize_t)size) {
        say(client, PV_LOG_ERROR, "the statistics could not be written");
    }
    free(text);
}

static void finish(struct client *client)
{
    void *item;
    for (uint32_t id = 1; (id = pv_slots_next(&client->resources, id, &item)) != 0; id++) {
        struct client_resource *entry = item;
        pv_resource_unref(entry->resource);
        free(entry);
    }
    pv_slots_finish(&client->resources);
    if (client->context) {
        report_stats(client);
        announce_context(client, NULL);
        pv_context_destroy(client->context); // applies every fence
    }
    pv_syncs_destroy(client->syncs);
    pv_client_say_goodbye(client->connection.fd);
    pv_connection_finish(&client->connection);
    free(client->payload);
}

void pv_client_run(const struct pv_client_params *params)
{
    struct client client = {.params = params, .name = "unnamed"};
    const int timeout_ms =
        params->send_timeout_ms ? params->send_timeout_ms : DEFAULT_SEND_TIMEOUT_MS;
    pv_connection_init(&client.connection, params->fd, params->stop_fd, timeout_ms);
    pv_connection_serve(&client.connection);
    pv_slots_init(&client.resources, RESOURCE_LIMIT);
    client.syncs = pv_syncs_create();
    if (client.syncs) {
        serve(&client);
    } else {
        refuse(&client, "the host is short of memory or file descriptors");
    }
    finish(&client);
}

void pv_client_say_goodbye(int fd)
{
    uint8_t nonsense[64] = {0}; // longer than any reply that Mesa reads without looking
    struct iovec part = {.iov_base = nonsense, .iov_len = sizeof(nonsense)};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    // A client that went, or never reads, does not need it.
    const ssize_t sent = pv_server_os_send(fd, &message);
    (void)sent;
}

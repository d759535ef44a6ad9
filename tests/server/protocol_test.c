// One client against pv_client_run() on the fake renderer, over a socket pair.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <pv/renderer.h>

#include "fake_renderer.h"
#include "server/client.h"
#include "server/os.h"
#include "server/sync.h"
#include "vtest_client.h"

#define FOREVER 0xffffffffu

struct fixture {
    int fds_before;
    struct pv_renderer *renderer;
    struct pv_client_params params;
    pthread_t thread;
    bool joined;
    int stop[2];
    int stats[2];
    struct vtest_client client;
    pthread_mutex_t mutex;
    char log[4096]; // guarded by mutex
    int log_lines;
};

static void keep_line(void *user, enum pv_log_level level, const char *message)
{
    struct fixture *fixture = user;
    if (level > PV_LOG_INFO) {
        return;
    }
    pthread_mutex_lock(&fixture->mutex);
    const size_t used = strlen(fixture->log);
    snprintf(fixture->log + used, sizeof(fixture->log) - used, "%d:%s\n", level, message);
    fixture->log_lines++;
    pthread_mutex_unlock(&fixture->mutex);
}

static void *serve(void *user)
{
    pv_client_run(user);
    return NULL;
}

static int set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    unsetenv("PV_FAKE");
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int sockets[2];
    fixture->fds_before = vtest_count_fds(0);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0 || !pv_server_os_pipe(fixture->stop) ||
        !pv_server_os_pipe(fixture->stats)) {
        return -1;
    }
    pthread_mutex_init(&fixture->mutex, NULL);
    fixture->renderer = pv_renderer_create(NULL, NULL, 0);
    fixture->params = (struct pv_client_params){
        .fd = sockets[0],
        .stop_fd = fixture->stop[0],
        .number = 1,
        .send_timeout_ms = 200,
        .stats_fd = fixture->stats[1],
        .log = {.fn = keep_line, .user = fixture, .level = PV_LOG_DEBUG},
        .renderer = fixture->renderer,
    };
    vtest_client_init(&fixture->client, sockets[1]);
    *state = fixture;
    return pthread_create(&fixture->thread, NULL, serve, &fixture->params);
}

static void join(struct fixture *fixture)
{
    if (!fixture->joined) {
        pthread_join(fixture->thread, NULL);
    }
    fixture->joined = true;
}

// Nothing may be left of any client, whatever happened to it.
static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    vtest_client_finish(&fixture->client);
    join(fixture);
    const struct pv_fake_live live = pv_fake_live();
    pv_renderer_destroy(fixture->renderer);
    close(fixture->stop[0]);
    close(fixture->stop[1]);
    close(fixture->stats[0]);
    close(fixture->stats[1]);
    const int fds_after = vtest_count_fds(0);
    const bool clean =
        live.contexts == 0 && live.resources == 0 && fds_after == fixture->fds_before;
    if (!clean) {
        fprintf(stderr, "left: %d contexts, %d resources, %d descriptors\n", live.contexts,
                live.resources, fds_after - fixture->fds_before);
    }
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
    return clean ? 0 : -1;
}

static void assert_refused(struct fixture *fixture, const char *reason)
{
    assert_true(vtest_ended(&fixture->client, 5000));
    join(fixture);
    // Among the lines, exactly one warning, and it gives the reason.
    assert_non_null(strstr(fixture->log, reason));
    const char *warning = strstr(fixture->log, "2:");
    assert_non_null(warning);
    assert_null(strstr(warning + 1, "\n2:"));
}

// What Mesa 25.0 sends until its context exists, byte for byte, and what it must be answered.
static void greets_mesa_25_0_byte_for_byte(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t burst[] = {
        9, 0, 0, 0, 8,  0, 0, 0, 'v', 'k', 'c', 'u', 'b', 'e', '-', '1', 0, // CREATE_RENDERER
        0, 0, 0, 0, 10, 0, 0, 0,                                            // PING
        2, 0, 0, 0, 7,  0, 0, 0, 0,   0,   0,   0,   0,   0,   0,   0,      // BUSY_WAIT
        1, 0, 0, 0, 11, 0, 0, 0, 3,   0,   0,   0,                          // PROTOCOL_VERSION 3
        1, 0, 0, 0, 15, 0, 0, 0, 1,   0,   0,   0,                          // GET_PARAM
        2, 0, 0, 0, 16, 0, 0, 0, 4,   0,   0,   0,   0,   0,   0,   0,      // GET_CAPSET
        1, 0, 0, 0, 17, 0, 0, 0, 4,   0,   0,   0,                          // CONTEXT_INIT
        2, 0, 0, 0, 19, 0, 0, 0, 7,   0,   0,   0,   0,   0,   0,   0,      // SYNC_CREATE
    };
    static const uint8_t expected[] = {
        0,  0, 0, 0, 10, 0, 0, 0,                          // PING
        1,  0, 0, 0, 7,  0, 0, 0, 0, 0, 0, 0,              // BUSY_WAIT: not busy
        1,  0, 0, 0, 11, 0, 0, 0, 3, 0, 0, 0,              // version 3
        2,  0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, // 64 timelines
        41, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0,              // the capset follows
    };
    uint8_t answer[sizeof(expected)], capset[160], created[12];
    assert_true(vtest_send_bytes(&fixture->client, burst, sizeof(burst)));
    assert_true(vtest_receive(&fixture->client, answer, sizeof(answer)));
    assert_memory_equal(answer, expected, sizeof(expected));
    assert_true(vtest_receive(&fixture->client, capset, sizeof(capset)));
    for (size_t i = 0; i < sizeof(capset); i++) {
        assert_int_equal(capset[i], (uint8_t)(i + 1));
    }
    assert_true(vtest_receive(&fixture->client, created, sizeof(created)));
    static const uint8_t sync_created[8] = {1, 0, 0, 0, 19, 0, 0, 0};
    assert_memory_equal(created, sync_created, sizeof(sync_created));
    assert_int_equal(pv_fake_live().contexts, 1);
}

static void greets_mesa_26_2_with_version_4(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "vkcube", 4));
    const uint32_t timeline_syncobj = 2;
    uint32_t values[2];
    assert_true(vtest_send(&fixture->client, PV_VTEST_GET_PARAM, &timeline_syncobj, 1));
    assert_true(vtest_expect(&fixture->client, PV_VTEST_GET_PARAM, values, 2));
    assert_int_equal(values[0], 0);
}

static void negotiates_the_smaller_version(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t offers[][2] = {{0, 0}, {1, 0}, {2, 2}, {3, 3}, {4, 4}, {5, 4}, {~0u, 4}};
    assert_true(vtest_greet(&fixture->client, "x", 3));
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        uint32_t agreed = 99;
        assert_true(vtest_send(&fixture->client, PV_VTEST_PROTOCOL_VERSION, &offers[i][0], 1));
        assert_true(vtest_expect(&fixture->client, PV_VTEST_PROTOCOL_VERSION, &agreed, 1));
        assert_int_equal(agreed, offers[i][1]);
    }
}

static void an_unknown_capset_is_invalid(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t asked[][2] = {{2, 0}, {4, 1}, {0, 0}, {~0u, ~0u}};
    assert_true(vtest_greet(&fixture->client, "x", 3));
    for (size_t i = 0; i < 4; i++) {
        uint32_t valid = 99;
        assert_true(vtest_send(&fixture->client, PV_VTEST_GET_CAPSET, asked[i], 2));
        assert_true(vtest_expect(&fixture->client, PV_VTEST_GET_CAPSET, &valid, 1));
        assert_int_equal(valid, 0);
    }
}

static void a_blob_can_be_mapped_and_given_back(void **state)
{
    struct fixture *fixture = *state;
    int fd = -1;
    assert_true(vtest_start(&fixture->client, "x", 3));
    const uint32_t first = vtest_create_blob(&fixture->client, 135168, &fd);
    assert_int_not_equal(first, 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 135168);
    void *memory = mmap(NULL, 135168, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    munmap(memory, 135168);
    close(fd);
    const uint32_t second = vtest_create_blob(&fixture->client, 4096, &fd);
    assert_int_not_equal(second, 0);
    assert_int_not_equal(second, first);
    close(fd);
    assert_int_equal(pv_fake_live().resources, 2);
    assert_true(vtest_send(&fixture->client, PV_VTEST_RESOURCE_UNREF, &first, 1));
    assert_true(vtest_create_sync(&fixture->client, 0) != 0); // the unref has been done
    assert_int_equal(pv_fake_live().resources, 1);
}

static void check_unmappable_blob(struct fixture *fixture)
{
    int fd = -1;
    assert_true(vtest_start(&fixture->client, "x", 3));
    for (int i = 0; i < 2; i++) {
        const uint32_t id = vtest_create_blob(&fixture->client, 4096, &fd);
        assert_int_not_equal(id, 0);
        assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        close(fd);
        assert_true(vtest_send(&fixture->client, PV_VTEST_RESOURCE_UNREF, &id, 1));
    }
    vtest_client_finish(&fixture->client);
    join(fixture);
    assert_int_equal(fixture->log_lines, 2); // one says it, one is the client's last
}

static void a_failed_blob_has_a_number_but_no_mapping(void **state)
{
    setenv("PV_FAKE", "no-blob", 1);
    check_unmappable_blob(*state);
}

static void memory_that_only_the_driver_can_map_is_not_handed_out(void **state)
{
    setenv("PV_FAKE", "no-export", 1);
    check_unmappable_blob(*state);
}

static void syncs_are_created_read_written_and_dropped(void **state)
{
    struct fixture *fixture = *state;
    uint64_t value = 0;
    assert_true(vtest_start(&fixture->client, "x", 3));
    const uint32_t id = vtest_create_sync(&fixture->client, UINT64_C(0x123456789abcdef0));
    assert_true(vtest_read_sync(&fixture->client, id, &value));
    assert_int_equal(value, UINT64_C(0x123456789abcdef0));
    assert_true(vtest_write_sync(&fixture->client, id, 3));
    assert_true(vtest_read_sync(&fixture->client, id, &value));
    assert_int_equal(value, 3);
    assert_true(vtest_send(&fixture->client, PV_VTEST_SYNC_UNREF, &id, 1));
    assert_true(vtest_send(&fixture->client, PV_VTEST_SYNC_READ, &id, 1));
    assert_refused(fixture, "SYNC_READ: unknown sync");
}

static void a_submission_signals_its_syncs_in_both_strides(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t commands[3] = {1, 2, 3};
    assert_true(vtest_start(&fixture->client, "x", 3));
    for (uint32_t stride = 6; stride <= 8; stride += 2) {
        const struct vtest_pair pair = {vtest_create_sync(&fixture->client, 0), 5};
        const int fd = vtest_wait_syncs(&fixture->client, 0, FOREVER, &pair, 1);
        assert_true(fd >= 0);
        assert_int_equal(vtest_poll(fd, 0), 0);
        assert_true(vtest_submit(&fixture->client, stride, 1, 3, commands, 3, &pair, 1));
        assert_true(vtest_poll(fd, 5000) & POLLIN);
        close(fd);
    }
}

static void a_fence_holds_its_syncs_back_until_it_retires(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t hold[2] = {PV_FAKE_HOLD, 7};
    const uint32_t release[3] = {PV_FAKE_RELEASE, 7, 20};
    uint64_t value;
    assert_true(vtest_start(&fixture->client, "x", 4));
    const struct vtest_pair first = {vtest_create_sync(&fixture->client, 0), 5};
    const struct vtest_pair second = {first.id, 2};
    const struct vtest_pair other = {vtest_create_sync(&fixture->client, 0), 1};
    assert_true(vtest_submit(&fixture->client, 8, 1, 7, hold, 2, &first, 1));
    assert_true(vtest_submit(&fixture->client, 8, 1, 7, NULL, 0, &second, 1));
    // Another ring is not held up.
    assert_true(vtest_submit(&fixture->client, 8, 1, 8, NULL, 0, &other, 1));
    assert_true(vtest_read_sync(&fixture->client, other.id, &value));
    assert_int_equal(value, 1);
    assert_true(vtest_read_sync(&fixture->client, first.id, &value));
    assert_int_equal(value, 0);
    const int fd = vtest_wait_syncs(&fixture->client, 0, 5000, &first, 1);
    assert_int_equal(vtest_poll(fd, 0), 0);
    // Retires from a thread of the renderer while the client is silent.
    assert_true(vtest_submit(&fixture->client, 8, 1, 0, release, 3, NULL, 0));
    assert_true(vtest_poll(fd, 5000) & POLLIN);
    close(fd);
    const struct vtest_pair again = {other.id, 2};
    assert_true(vtest_submit(&fixture->client, 8, 1, 0, release, 3, NULL, 0)); // joins the thread
    assert_true(vtest_submit(&fixture->client, 8, 1, 0, NULL, 0, &again, 1));
    assert_true(vtest_read_sync(&fixture->client, first.id, &value));
    assert_int_equal(value, 2); // both fences, in order
}

static void without_a_ring_the_syncs_are_set_at_once(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t hold[2] = {PV_FAKE_HOLD, 0};
    uint64_t value;
    assert_true(vtest_start(&fixture->client, "x", 3));
    const struct vtest_pair pair = {vtest_create_sync(&fixture->client, 0), 9};
    assert_true(vtest_submit(&fixture->client, 6, 0, 0, hold, 2, &pair, 1));
    assert_true(vtest_read_sync(&fixture->client, pair.id, &value));
    assert_int_equal(value, 9);
}

static void several_batches_run_in_order(void **state)
{
    struct fixture *fixture = *state;
    uint64_t value;
    assert_true(vtest_start(&fixture->client, "x", 4));
    const uint32_t sync = vtest_create_sync(&fixture->client, 0);
    const uint32_t payload[] = {
        2,                            //
        1,    17, 0, 17, 1, 1,  0, 0, // sync = 8
        0,    17, 0, 20, 1, 99, 0, 0, // sync = 6
        sync, 8,  0,                  //
        sync, 6,  0,                  //
    };
    assert_true(vtest_send(&fixture->client, PV_VTEST_SUBMIT_CMD2, payload,
                           sizeof(payload) / sizeof(payload[0])));
    assert_true(vtest_read_sync(&fixture->client, sync, &value));
    assert_int_equal(value, 6);
}

static void a_failed_context_keeps_its_connection_and_its_fences(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t fail = PV_FAKE_FAIL;
    assert_true(vtest_start(&fixture->client, "x", 3));
    for (int i = 0; i < 3; i++) {
        const struct vtest_pair pair = {vtest_create_sync(&fixture->client, 0), 1};
        assert_true(vtest_submit(&fixture->client, 6, 1, 5, &fail, 1, &pair, 1));
        const int fd = vtest_wait_syncs(&fixture->client, 0, FOREVER, &pair, 1);
        assert_true(vtest_poll(fd, 5000) & POLLIN);
        close(fd);
    }
    vtest_client_finish(&fixture->client);
    join(fixture);
    assert_non_null(strstr(fixture->log, "its context had failed"));
}

static void pending_waits_hang_up_when_the_server_stops(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "x", 4));
    const struct vtest_pair pair = {vtest_create_sync(&fixture->client, 0), 1};
    const int fd = vtest_wait_syncs(&fixture->client, 0, FOREVER, &pair, 1);
    assert_int_equal(vtest_poll(fd, 0), 0);
    close(fixture->stop[1]);
    fixture->stop[1] = -1;
    assert_int_equal(vtest_poll(fd, 5000), POLLHUP);
    close(fd);
    assert_true(vtest_ended(&fixture->client, 5000));
}

static void a_client_that_waits_for_a_reply_is_told_goodbye(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[64];
    static const uint8_t zeros[64];
    assert_true(vtest_start(&fixture->client, "x", 4));
    const uint32_t unknown = 12345;
    assert_true(vtest_send(&fixture->client, PV_VTEST_SYNC_READ, &unknown, 1));
    // Mesa spins at an orderly end of file: it must read something first.
    assert_true(vtest_receive(&fixture->client, bytes, sizeof(bytes)));
    assert_memory_equal(bytes, zeros, sizeof(zeros));
    assert_refused(fixture, "SYNC_READ: unknown sync 12345");
}

static void leaves_one_line_of_statistics(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t commands[4] = {1, 2, 3, 4};
    char line[256] = "";
    assert_true(vtest_start(&fixture->client, "a name\nwith = all", 3));
    assert_true(vtest_submit(&fixture->client, 6, 1, 0, commands, 4, NULL, 0));
    assert_true(vtest_submit(&fixture->client, 6, 1, 0, commands, 2, NULL, 0));
    vtest_client_finish(&fixture->client);
    join(fixture);
    assert_true(read(fixture->stats[0], line, sizeof(line) - 1) > 0);
    assert_string_equal(line, "name=a_name_with_=_all commands=2 ring_bytes=0 stream_bytes=24 "
                              "queue_submits=0\n");
    assert_int_equal(fixture->log_lines, 1);
}

static void adds_the_counts_of_commands(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t commands[2] = {1, 2};
    char line[256] = "";
    setenv("PV_FAKE", "count", 1);
    assert_true(vtest_start(&fixture->client, "counted", 3));
    assert_true(vtest_submit(&fixture->client, 6, 1, 0, commands, 2, NULL, 0));
    vtest_client_finish(&fixture->client);
    join(fixture);
    unsetenv("PV_FAKE");
    assert_true(read(fixture->stats[0], line, sizeof(line) - 1) > 0);
    assert_string_equal(line, "name=counted commands=1 ring_bytes=0 stream_bytes=8 "
                              "queue_submits=0 vkCreateInstance=1 vkCmdDraw=1\n");
}

// Each is sent after a greeting with version 3 and CONTEXT_INIT, unless `raw`.
static const struct malformed {
    const char *reason;
    bool raw;
    uint32_t dwords;
    uint32_t words[24];
} malformed[] = {
    {"the first message has id 10", true, 2, {0, 10}},
    {"the first message has id 3735928559", true, 2, {0xdeadbeef, 0xdeadbeef}},
    {"a name of 4097 bytes is too long", true, 2, {4097, 8}},
    {"a name of 4294967295 bytes is too long", true, 2, {~0u, 8}},
    {"GET_PARAM needs protocol version 3, agreed is 0", true, 6, {4, 8, 0x00636261, 1, 15, 1}},
    {"CREATE_RENDERER came twice", false, 3, {4, 8, 0}},
    {"command 0 is not for Venus", false, 2, {0, 0}},
    {"command 1 is not for Venus", false, 2, {0, 1}},
    {"command 2 is not for Venus", false, 2, {10, 2}},
    {"command 6 is not for Venus", false, 2, {0, 6}},
    {"command 9 is not for Venus", false, 2, {0, 9}},
    {"command 14 is not for Venus", false, 2, {0, 14}},
    {"command 25 is not for Venus", false, 2, {0, 25}},
    {"command 38 is not for Venus", false, 2, {0, 38}},
    {"command 4294967295 is not for Venus", false, 2, {0, ~0u}},
    {"PING_PROTOCOL_VERSION: 1 dwords is no valid length", false, 3, {1, 10, 0}},
    {"RESOURCE_BUSY_WAIT: 1 dwords is no valid length", false, 3, {1, 7, 0}},
    {"PROTOCOL_VERSION: 0 dwords is no valid length", false, 2, {0, 11}},
    {"GET_PARAM: 2 dwords is no valid length", false, 4, {2, 15, 1, 1}},
    {"GET_CAPSET: 1 dwords is no valid length", false, 3, {1, 16, 4}},
    {"CONTEXT_INIT: the context exists already", false, 3, {1, 17, 4}},
    {"CONTEXT_INIT: capset 2 is not Venus", false, 3, {1, 17, 2}},
    {"CONTEXT_INIT: 0 dwords is no valid length", false, 2, {0, 17}},
    {"RESOURCE_CREATE_BLOB: 5 dwords is no valid length", false, 7, {5, 18, 2, 1, 4096, 0, 0}},
    {"RESOURCE_CREATE_BLOB: type 1 is not HOST3D", false, 8, {6, 18, 1, 1, 4096, 0, 0, 0}},
    {"RESOURCE_CREATE_BLOB: type 3 is not HOST3D", false, 8, {6, 18, 3, 1, 4096, 0, 0, 0}},
    {"RESOURCE_UNREF: unknown resource 0", false, 3, {1, 3, 0}},
    {"RESOURCE_UNREF: unknown resource 1", false, 3, {1, 3, 1}},
    {"RESOURCE_UNREF: unknown resource 4294967295", false, 3, {1, 3, ~0u}},
    {"SYNC_CREATE: 1 dwords is no valid length", false, 3, {1, 19, 0}},
    {"SYNC_UNREF: unknown sync 1", false, 3, {1, 20, 1}},
    {"SYNC_READ: unknown sync 0", false, 3, {1, 21, 0}},
    {"SYNC_WRITE: unknown sync 5", false, 5, {3, 22, 5, 0, 0}},
    {"SYNC_WAIT: 0 dwords is no valid length", false, 2, {0, 23}},
    {"SYNC_WAIT: 1 dwords is no valid length", false, 3, {1, 23, 0}},
    {"SYNC_WAIT: 3 dwords are not 2 + 3n", false, 5, {3, 23, 0, 0, 0}},
    {"SYNC_WAIT: 4 dwords are not 2 + 3n", false, 6, {4, 23, 0, 0, 0, 0}},
    {"SYNC_WAIT: unknown sync", false, 7, {5, 23, 0, 0, 1, 1, 0}},
    {"SYNC_WAIT: 4294967295 dwords is no valid length", false, 2, {~0u, 23}},
    {"SUBMIT_CMD2: 0 dwords is no valid length", false, 2, {0, 24}},
    {"SUBMIT_CMD2: 4194305 dwords is no valid length", false, 2, {4194305, 24}},
    {"SUBMIT_CMD2: no batches", false, 3, {1, 24, 0}},
    {"SUBMIT_CMD2: several batches", false, 15, {13, 24, 2}},
    {"SUBMIT_CMD2: batch headers outside", false, 4, {2, 24, 1, 1}},
    {"SUBMIT_CMD2: ring_idx out of range", false, 9, {7, 24, 1, 1, 7, 0, 7, 0, 64}},
    {"SUBMIT_CMD2: command bytes outside", false, 9, {7, 24, 1, 1, ~0u, 2, 7, 0, 0}},
    {"SUBMIT_CMD2: syncs outside", false, 9, {7, 24, 1, 1, 7, 0, 5, 0x55555556, 0}},
    {"SUBMIT_CMD2: unsupported batch flags", false, 9, {7, 24, 1, 3, 7, 0, 7, 0, 0}},
    {"SUBMIT_CMD2: unknown sync", false, 12, {10, 24, 1, 1, 7, 0, 7, 1, 0, 99, 0, 0}},
};

static void malformed_messages_end_the_client_with_one_line(void **state)
{
    // The first case uses the fixture of this test, the others their own.
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        const struct malformed *message = &malformed[i];
        if (i > 0) {
            assert_int_equal(tear_down(state), 0);
            assert_int_equal(set_up(state), 0);
        }
        struct fixture *fixture = *state;
        if (!message->raw) {
            assert_true(vtest_start(&fixture->client, "x", 3));
        }
        assert_true(vtest_send_bytes(&fixture->client, message->words, message->dwords * 4));
        assert_refused(fixture, message->reason);
    }
}

static void commands_that_need_a_context_wait_for_it(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t submit[9] = {7, PV_VTEST_SUBMIT_CMD2, 1, 1, 7, 0, 7, 0, 0};
    assert_true(vtest_greet(&fixture->client, "x", 3));
    assert_true(vtest_send_bytes(&fixture->client, submit, sizeof(submit)));
    assert_refused(fixture, "SUBMIT_CMD2 came before CONTEXT_INIT");
}

static void dying_inside_any_message_loses_nothing(void **state)
{
    const uint32_t whole[] = {10, 24, 1, 1, 7, 0, 7, 1, 0, 1, 0, 0};
    for (size_t size = 0; size < sizeof(whole); size += 3) {
        struct fixture *fixture = *state;
        int fd;
        assert_true(vtest_start(&fixture->client, "x", 3));
        assert_true(vtest_create_blob(&fixture->client, 4096, &fd) != 0);
        close(fd);
        assert_true(vtest_create_sync(&fixture->client, 0) != 0);
        assert_true(vtest_send_bytes(&fixture->client, whole, size));
        assert_int_equal(tear_down(state), 0); // checks what is left
        assert_int_equal(set_up(state), 0);
    }
}

static void a_client_that_never_reads_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "x", 3));
    const uint32_t id = vtest_create_sync(&fixture->client, 0);
    const uint32_t read_it[3] = {1, PV_VTEST_SYNC_READ, id};
    const struct vtest_pair pair = {id, 1};
    close(vtest_wait_syncs(&fixture->client, 0, FOREVER, &pair, 1));
    // Our own sends give up after five seconds, the server's after 0.2.
    while (vtest_send_bytes(&fixture->client, read_it, sizeof(read_it))) {
    }
    join(fixture);
    assert_non_null(strstr(fixture->log, "does not read its replies"));
}

static void a_client_that_takes_no_descriptors_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "x", 3));
    const uint32_t wait[7] = {
        5, PV_VTEST_SYNC_WAIT, 0, FOREVER, vtest_create_sync(&fixture->client, 0), 1, 0};
    while (vtest_send_bytes(&fixture->client, wait, sizeof(wait))) {
    }
    join(fixture);
    assert_non_null(strstr(fixture->log, "connection closed"));
}

static void thousands_of_syncs_are_served_and_then_bounded(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "x", 3));
    for (uint32_t i = 0; i < PV_SYNC_LIMIT; i++) {
        assert_int_not_equal(vtest_create_sync(&fixture->client, i), 0);
    }
    uint64_t value;
    assert_true(vtest_read_sync(&fixture->client, 5000, &value));
    assert_int_equal(value, 4999);
    const uint32_t zero[2] = {0, 0};
    assert_true(vtest_send(&fixture->client, PV_VTEST_SYNC_CREATE, zero, 2));
    assert_refused(fixture, "no more than 65536 syncs");
}

static void stopping_ends_a_silent_client(void **state)
{
    struct fixture *fixture = *state;
    assert_true(vtest_start(&fixture->client, "x", 3));
    close(fixture->stop[1]);
    fixture->stop[1] = -1;
    assert_true(vtest_ended(&fixture->client, 5000));
    join(fixture);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(greets_mesa_25_0_byte_for_byte),
        CASE(greets_mesa_26_2_with_version_4),
        CASE(negotiates_the_smaller_version),
        CASE(an_unknown_capset_is_invalid),
        CASE(a_blob_can_be_mapped_and_given_back),
        CASE(a_failed_blob_has_a_number_but_no_mapping),
        CASE(memory_that_only_the_driver_can_map_is_not_handed_out),
        CASE(syncs_are_created_read_written_and_dropped),
        CASE(a_submission_signals_its_syncs_in_both_strides),
        CASE(a_fence_holds_its_syncs_back_until_it_retires),
        CASE(without_a_ring_the_syncs_are_set_at_once),
        CASE(several_batches_run_in_order),
        CASE(a_failed_context_keeps_its_connection_and_its_fences),
        CASE(pending_waits_hang_up_when_the_server_stops),
        CASE(a_client_that_waits_for_a_reply_is_told_goodbye),
        CASE(leaves_one_line_of_statistics),
        CASE(adds_the_counts_of_commands),
        CASE(malformed_messages_end_the_client_with_one_line),
        CASE(commands_that_need_a_context_wait_for_it),
        CASE(dying_inside_any_message_loses_nothing),
        CASE(a_client_that_never_reads_is_given_up),
        CASE(a_client_that_takes_no_descriptors_is_given_up),
        CASE(thousands_of_syncs_are_served_and_then_bounded),
        CASE(stopping_ends_a_silent_client),
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}

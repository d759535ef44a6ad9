#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/os.h"
#include "vtest_client.h"

struct ends {
    struct pv_connection a, b;
    int stop[2];
};

static int set_up(void **state)
{
    struct ends *ends = calloc(1, sizeof(*ends));
    int fds[2];
    if (!ends || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || !pv_server_os_pipe(ends->stop)) {
        return -1;
    }
    pv_connection_init(&ends->a, fds[0], ends->stop[0], 100);
    pv_connection_init(&ends->b, fds[1], -1, 100);
    ends->b.accepts_fds = true;
    *state = ends;
    return 0;
}

static int tear_down(void **state)
{
    struct ends *ends = *state;
    pv_connection_finish(&ends->a);
    pv_connection_finish(&ends->b);
    close(ends->stop[0]);
    close(ends->stop[1]);
    free(ends);
    return 0;
}

static uint64_t in_ms(uint64_t milliseconds)
{
    return pv_server_os_now_ns() + milliseconds * 1000000u;
}

static void bytes_arrive_however_they_are_cut(void **state)
{
    struct ends *ends = *state;
    uint8_t sent[9000], received[9000];
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(pv_connection_write(&ends->b, sent, sizeof(sent)), PV_CONNECTION_OK);
    size_t at = 0;
    for (size_t step = 1; at < sizeof(received); step = step * 3 + 1) {
        const size_t size = step < sizeof(received) - at ? step : sizeof(received) - at;
        assert_int_equal(pv_connection_read(&ends->a, received + at, size, in_ms(1000)),
                         PV_CONNECTION_OK);
        at += size;
    }
    assert_memory_equal(sent, received, sizeof(sent));
}

static void silence_ends_with_the_deadline(void **state)
{
    struct ends *ends = *state;
    char byte;
    const uint64_t begun = pv_server_os_now_ns();
    assert_int_equal(pv_connection_read(&ends->a, &byte, 1, in_ms(30)), PV_CONNECTION_DEADLINE);
    assert_true(pv_server_os_now_ns() - begun >= 30000000u);
}

static void stop_ends_a_read(void **state)
{
    struct ends *ends = *state;
    char byte;
    close(ends->stop[1]);
    ends->stop[1] = -1;
    assert_int_equal(pv_connection_read(&ends->a, &byte, 1, UINT64_MAX), PV_CONNECTION_STOPPED);
}

static void stop_ends_a_stream_of_reads(void **state)
{
    struct ends *ends = *state;
    static const uint8_t flood[PV_CONNECTION_BUFFER];
    uint8_t buffer[PV_CONNECTION_BUFFER];
    enum pv_connection_status status = PV_CONNECTION_OK;
    close(ends->stop[1]);
    ends->stop[1] = -1;
    for (int i = 0; i < 200 && status == PV_CONNECTION_OK; i++) {
        assert_int_equal(pv_connection_write(&ends->b, flood, sizeof(flood)), PV_CONNECTION_OK);
        status = pv_connection_read(&ends->a, buffer, sizeof(buffer), UINT64_MAX);
    }
    assert_int_equal(status, PV_CONNECTION_STOPPED);
}

static void an_end_inside_a_message_is_seen(void **state)
{
    struct ends *ends = *state;
    char bytes[8];
    assert_int_equal(pv_connection_write(&ends->b, "abc", 3), PV_CONNECTION_OK);
    pv_connection_finish(&ends->b);
    assert_int_equal(pv_connection_read(&ends->a, bytes, 8, UINT64_MAX), PV_CONNECTION_CLOSED);
}

static void writing_to_a_gone_peer_is_no_signal(void **state)
{
    struct ends *ends = *state;
    pv_connection_finish(&ends->b);
    assert_int_equal(pv_connection_write(&ends->a, "abc", 3), PV_CONNECTION_CLOSED);
    assert_int_equal(pv_connection_write_fd(&ends->a, 0), PV_CONNECTION_CLOSED);
}

static void a_peer_that_never_reads_is_given_up(void **state)
{
    struct ends *ends = *state;
    static const uint8_t bytes[65536];
    enum pv_connection_status status = PV_CONNECTION_OK;
    const uint64_t begun = pv_server_os_now_ns();
    for (int i = 0; i < 1000 && status == PV_CONNECTION_OK; i++) {
        status = pv_connection_write(&ends->a, bytes, sizeof(bytes));
    }
    assert_int_equal(status, PV_CONNECTION_STALLED);
    assert_true(pv_server_os_now_ns() - begun < UINT64_C(5000000000));
}

static void descriptors_come_with_their_byte(void **state)
{
    struct ends *ends = *state;
    int pipe_fds[2], received = -1;
    char text[6] = "";
    assert_true(pv_server_os_pipe(pipe_fds));
    assert_int_equal(pv_connection_write(&ends->a, "reply", 5), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_write_fd(&ends->a, pipe_fds[1]), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_write(&ends->a, "next", 4), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_read(&ends->b, text, 5, in_ms(1000)), PV_CONNECTION_OK);
    assert_string_equal(text, "reply");
    assert_int_equal(pv_connection_read_fd(&ends->b, &received, in_ms(1000)), PV_CONNECTION_OK);
    assert_true(received >= 0);
    assert_int_equal(write(received, "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], text, 1), 1);
    assert_int_equal(pv_connection_read(&ends->b, text, 4, in_ms(1000)), PV_CONNECTION_OK);
    assert_memory_equal(text, "next", 4);
    close(received);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void unwanted_descriptors_are_closed(void **state)
{
    struct ends *ends = *state;
    const int before = vtest_count_fds(0);
    char bytes[2];
    // `a` accepts none, `b` keeps four.
    assert_int_equal(pv_connection_write_fd(&ends->b, 0), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_read(&ends->a, bytes, 1, in_ms(1000)), PV_CONNECTION_OK);
    assert_int_equal(vtest_count_fds(0), before);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pv_connection_write_fd(&ends->a, 0), PV_CONNECTION_OK);
        assert_int_equal(pv_connection_read(&ends->b, bytes, 1, in_ms(1000)), PV_CONNECTION_OK);
    }
    assert_int_equal(vtest_count_fds(0), before + 4);
    pv_connection_finish(&ends->b);
    assert_int_equal(vtest_count_fds(0), before - 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_arrive_however_they_are_cut),
        CASE(silence_ends_with_the_deadline),
        CASE(stop_ends_a_read),
        CASE(stop_ends_a_stream_of_reads),
        CASE(an_end_inside_a_message_is_seen),
        CASE(writing_to_a_gone_peer_is_no_signal),
        CASE(a_peer_that_never_reads_is_given_up),
        CASE(descriptors_come_with_their_byte),
        CASE(unwanted_descriptors_are_closed),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

// As the server uses it.
static int set_up_served(void **state)
{
    if (set_up(state) != 0) {
        return -1;
    }
    pv_connection_serve(&((struct ends *)*state)->a);
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

static void what_can_be_read_there_is_no_stop(void **state)
{
    struct ends *ends = *state;
    char byte;
    assert_int_equal(write(ends->stop[1], "x", 1), 1);
    assert_int_equal(pv_connection_read(&ends->a, &byte, 1, in_ms(30)), PV_CONNECTION_DEADLINE);
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

static void a_reply_comes_with_its_descriptor(void **state)
{
    struct ends *ends = *state;
    int pipe_fds[2], received = -1;
    char text[6] = "";
    assert_true(pv_server_os_pipe(pipe_fds));
    assert_int_equal(pv_connection_write_with_fd(&ends->a, "reply", 5, pipe_fds[1]),
                     PV_CONNECTION_OK);
    // As Mesa reads it: a descriptor that came with these bytes would be lost.
    assert_int_equal(read(ends->b.fd, text, 5), 5);
    assert_string_equal(text, "reply");
    assert_int_equal(pv_connection_read_fd(&ends->b, &received, in_ms(1000)), PV_CONNECTION_OK);
    assert_int_equal(write(received, "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], text, 1), 1);
    close(received);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

// The reply is larger than the socket takes at once, so that the descriptor goes by itself.
static void a_long_reply_comes_with_its_descriptor(void **state)
{
    struct ends *ends = *state;
    static uint8_t sent[4u << 20], received[sizeof(sent)];
    int fd = -1;
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i >> 10);
    }
    const pid_t reader = fork();
    if (reader == 0) {
        const bool good = pv_connection_read(&ends->b, received, sizeof(received), in_ms(5000)) ==
                              PV_CONNECTION_OK &&
                          memcmp(sent, received, sizeof(sent)) == 0 &&
                          pv_connection_read_fd(&ends->b, &fd, in_ms(5000)) == PV_CONNECTION_OK &&
                          fd >= 0;
        _exit(good ? 0 : 1);
    }
    assert_true(reader > 0);
    ends->a.send_timeout_ms = 5000;
    assert_int_equal(pv_connection_write_with_fd(&ends->a, sent, sizeof(sent), 0),
                     PV_CONNECTION_OK);
    int status = -1;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t unread(int fd)
{
    int size = 0;
    assert_int_equal(ioctl(fd, FIONREAD, &size), 0);
    return (size_t)size;
}

static void what_was_read_is_taken_before_sleep(void **state)
{
    struct ends *ends = *state;
    char text[4];
    assert_int_equal(pv_connection_write(&ends->b, "ask?", 4), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_read(&ends->a, text, 4, in_ms(1000)), PV_CONNECTION_OK);
    // Otherwise it would sleep no more: the socket stays readable.
    assert_int_equal(pv_connection_read(&ends->a, text, 1, in_ms(20)), PV_CONNECTION_DEADLINE);
    assert_int_equal(unread(ends->a.fd), 0);
    assert_int_equal(pv_connection_write(&ends->b, "more", 4), PV_CONNECTION_OK);
    assert_int_equal(pv_connection_read(&ends->a, text, 4, in_ms(1000)), PV_CONNECTION_OK);
    assert_memory_equal(text, "more", 4);
}

static void large_and_small_pieces_keep_their_order(void **state)
{
    struct ends *ends = *state;
    static uint8_t sent[40000], received[sizeof(sent)];
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 31 >> 3);
    }
    for (size_t at = 0; at < sizeof(sent); at += 500) {
        assert_int_equal(pv_connection_write(&ends->b, sent + at, 500), PV_CONNECTION_OK);
    }
    // Small ones pass through the buffer, large ones do not.
    static const size_t sizes[] = {8, 4, 6000, 100, 12000, 4096, 4095, 1, 3, 9000};
    size_t at = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(pv_connection_read(&ends->a, received + at, sizes[i], in_ms(1000)),
                         PV_CONNECTION_OK);
        at += sizes[i];
    }
    assert_memory_equal(sent, received, at);
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
#define SERVED(name)                                                                               \
    {                                                                                              \
#name ", served", name, set_up_served, tear_down, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_arrive_however_they_are_cut),
        CASE(silence_ends_with_the_deadline),
        CASE(stop_ends_a_read),
        CASE(stop_ends_a_stream_of_reads),
        CASE(what_can_be_read_there_is_no_stop),
        CASE(an_end_inside_a_message_is_seen),
        CASE(writing_to_a_gone_peer_is_no_signal),
        CASE(a_peer_that_never_reads_is_given_up),
        CASE(descriptors_come_with_their_byte),
        CASE(unwanted_descriptors_are_closed),
        CASE(a_reply_comes_with_its_descriptor),
        CASE(a_long_reply_comes_with_its_descriptor),
        CASE(large_and_small_pieces_keep_their_order),
        SERVED(bytes_arrive_however_they_are_cut),
        SERVED(silence_ends_with_the_deadline),
        SERVED(stop_ends_a_read),
        SERVED(stop_ends_a_stream_of_reads),
        SERVED(what_can_be_read_there_is_no_stop),
        SERVED(an_end_inside_a_message_is_seen),
        SERVED(unwanted_descriptors_are_closed),
        SERVED(what_was_read_is_taken_before_sleep),
        SERVED(large_and_small_pieces_keep_their_order),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}

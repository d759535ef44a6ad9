#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/channel.h"
#include "vtest_client.h"

struct note {
    uint32_t words[4];
};

static const struct note note = {{1, 2, 3, 4}};

// As a peer that keeps to no rule sends it: `count` copies of standard input.
static void send_note(int end, size_t count)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
    struct note copy = note;
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof(copy)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = CMSG_SPACE(sizeof(int) * count),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++) {
        memcpy(CMSG_DATA(header) + i * sizeof(int), &(int){0}, sizeof(int));
    }
    assert_int_equal(sendmsg(end, &message, 0), (int)sizeof(copy));
}

static void a_message_comes_with_its_descriptor(void **state)
{
    (void)state;
    int ends[2], fd;
    struct note received;
    assert_true(pv_channel_open(ends));
    const int before = vtest_count_fds(0);
    assert_true(pv_channel_send(ends[0], &note, sizeof(note), 0));
    assert_true(pv_channel_send(ends[0], &note, sizeof(note), -1));
    assert_true(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
    assert_memory_equal(&received, &note, sizeof(note));
    assert_true(fd >= 0);
    close(fd);
    assert_true(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
    assert_int_equal(fd, -1);
    assert_false(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(vtest_count_fds(0), before);
    close(ends[0]);
    close(ends[1]);
}

static void several_descriptors_are_refused_and_none_stays(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 8; count++) {
        int ends[2], fd;
        struct note received;
        assert_true(pv_channel_open(ends));
        const int before = vtest_count_fds(0);
        send_note(ends[0], count);
        assert_false(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
        assert_int_equal(errno, EPROTO);
        assert_int_equal(fd, -1);
        assert_int_equal(vtest_count_fds(0), before);
        close(ends[0]);
        close(ends[1]);
    }
}

static void a_message_of_another_size_is_refused_with_its_descriptor(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, sizeof(note) - 1, sizeof(note) + 1};
    const char bytes[sizeof(note) + 1] = {0};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int ends[2], fd;
        struct note received;
        assert_true(pv_channel_open(ends));
        const int before = vtest_count_fds(0);
        assert_true(pv_channel_send(ends[0], bytes, sizes[i], 0));
        assert_false(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
        assert_int_equal(errno, EPROTO);
        assert_int_equal(vtest_count_fds(0), before);
        close(ends[0]);
        assert_false(pv_channel_receive(ends[1], &received, sizeof(received), &fd));
        assert_int_equal(errno, EPIPE);
        close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_with_its_descriptor),
        cmocka_unit_test(several_descriptors_are_refused_and_none_stays),
        cmocka_unit_test(a_message_of_another_size_is_refused_with_its_descriptor),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}

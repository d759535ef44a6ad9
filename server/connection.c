#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os.h"
#include "rights.h"

// A peer that keeps the socket full must not keep us from seeing the stop descriptor.
#define READS_PER_STOP_CHECK 64u

void pv_connection_init(struct pv_connection *connection, int fd, int stop_fd, int send_timeout_ms)
{
    *connection = (struct pv_connection){
        .fd = fd,
        .stop_fd = stop_fd,
        .send_timeout_ms = send_timeout_ms,
        .reads_until_stop_check = READS_PER_STOP_CHECK,
    };
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    pv_server_os_prepare(fd);
}

void pv_connection_serve(struct pv_connection *connection)
{
    connection->stays_awake = true;
    connection->looks_ahead = pv_server_os_look_ahead(connection->fd);
}

// Takes what was looked at off the socket. The kernel then wakes a client that waits for our reply,
// in vain, which costs both sides more than all else here: this is left until there is nothing
// better to do, and the reply is under way.
static void take_looked(struct pv_connection *connection)
{
    uint8_t known[PV_CONNECTION_BUFFER];
    while (connection->looked > 0) {
        const size_t size = connection->looked < sizeof(known) ? connection->looked : sizeof(known);
        struct iovec part = {.iov_base = known, .iov_len = size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        const ssize_t taken = pv_server_os_receive(connection->fd, &message);
        if (taken <= 0) {
            return; // what is wrong will be seen by the next read
        }
        connection->looked -= (size_t)taken;
    }
}

void pv_connection_expect_silence(struct pv_connection *connection)
{
    connection->expects_silence = true;
}

void pv_connection_finish(struct pv_connection *connection)
{
    for (size_t i = 0; i < connection->fd_count; i++) {
        close(connection->fds[i]);
    }
    connection->fd_count = 0;
    connection->begin = connection->end = 0;
    if (connection->fd >= 0) {
        take_looked(connection); // what is left there turns the peer's end of file into an error
        close(connection->fd);
    }
    connection->fd = -1;
}

static int remaining_ms(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        return -1;
    }
    const uint64_t now = pv_server_os_now_ns();
    if (now >= deadline_ns) {
        return 0;
    }
    // Rounded up, so that the deadline has passed when poll() gives up.
    const uint64_t milliseconds = (deadline_ns - now + 999999u) / 1000000u;
    return milliseconds > 1000000 ? 1000000 : (int)milliseconds;
}

// Waits for `events` on the socket. Stop goes first. (Linux reports POLLHUP unasked, macOS does
// not.)
static enum pv_connection_status wait_for(struct pv_connection *connection, short events,
                                          uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = connection->fd, .events = events},
            {.fd = connection->stop_fd, .events = POLLHUP},
        };
        const int ready = poll(fds, 2, remaining_ms(deadline_ns));
        if (ready < 0 && errno != EINTR && errno != EAGAIN) {
            return PV_CONNECTION_BROKEN;
        }
        if (ready > 0 && fds[1].revents) {
            return PV_CONNECTION_STOPPED;
        }
        if (ready > 0 && fds[0].revents) {
            return PV_CONNECTION_OK;
        }
        if (deadline_ns != UINT64_MAX && pv_server_os_now_ns() >= deadline_ns) {
            return PV_CONNECTION_DEADLINE;
        }
    }
}

static bool stop_requested(struct pv_connection *connection)
{
    if (--connection->reads_until_stop_check > 0) {
        return false;
    }
    connection->reads_until_stop_check = READS_PER_STOP_CHECK;
    struct pollfd stop = {.fd = connection->stop_fd, .events = POLLHUP};
    return poll(&stop, 1, 0) > 0 && stop.revents;
}

static void keep_fds(struct pv_connection *connection, struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(fd));
            if (connection->fd_count < PV_CONNECTION_FDS) {
                connection->fds[connection->fd_count++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

// As recvmsg(). `direct`: not into the buffer.
static ssize_t receive_now(struct pv_connection *connection, void *data, size_t size, bool direct)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PV_CONNECTION_FDS)];
    } control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (connection->looked >= PV_CONNECTION_BUFFER) {
        take_looked(connection);
    }
    if (connection->looks_ahead && !direct) {
        const ssize_t result = pv_server_os_look(connection->fd, &message);
        connection->looked += result > 0 ? (size_t)result : 0;
        return result;
    }
    take_looked(connection);
    if (connection->accepts_fds) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.bytes);
    }
    const ssize_t result = pv_server_os_receive(connection->fd, &message);
    if (result > 0) {
        keep_fds(connection, &message);
    }
    return result;
}

struct input_wait {
    uint64_t begin_ns, turn_ns; // 0: has not begun
    uint64_t patience_ns;
};

// There is nothing to read. True: look again instead of sleeping; the core was others' meanwhile.
static bool is_patient(struct pv_connection *connection, struct input_wait *wait)
{
    const uint64_t now_ns = pv_server_os_now_ns();
    if (wait->begin_ns == 0) {
        wait->begin_ns = wait->turn_ns = now_ns;
        wait->patience_ns = connection->expects_silence ? 0 : pv_patience_ns(&connection->patience);
    }
    if (now_ns - wait->turn_ns > PV_PATIENCE_TURN_NS) {
        pv_patience_lose(&connection->patience);
        wait->patience_ns = 0;
    }
    if (now_ns - wait->begin_ns >= wait->patience_ns) {
        return false;
    }
    wait->turn_ns = now_ns;
    sched_yield();
    return true;
}

static void note_arrival(struct pv_connection *connection, const struct input_wait *wait)
{
    // How long a client slept that waits for somebody else says nothing about its own pace.
    if (connection->stays_awake && !connection->expects_silence) {
        pv_patience_note(&connection->patience,
                         wait->begin_ns ? pv_server_os_now_ns() - wait->begin_ns : 0);
    }
    connection->expects_silence = false;
}

// Receives at least one byte into `data`.
static enum pv_connection_status receive(struct pv_connection *connection, void *data, size_t size,
                                         bool direct, uint64_t deadline_ns, size_t *received)
{
    if (stop_requested(connection)) {
        return PV_CONNECTION_STOPPED;
    }
    struct input_wait wait = {0};
    for (;;) {
        const ssize_t result = receive_now(connection, data, size, direct);
        if (result > 0) {
            note_arrival(connection, &wait);
            *received = (size_t)result;
            return PV_CONNECTION_OK;
        }
        if (result == 0 || errno == ECONNRESET || errno == EPIPE) {
            return PV_CONNECTION_CLOSED;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return PV_CONNECTION_BROKEN;
        }
        if (connection->looked > 0) {
            take_looked(connection);
            continue;
        }
        if (connection->stays_awake && is_patient(connection, &wait)) {
            continue;
        }
        const enum pv_connection_status status = wait_for(connection, POLLIN, deadline_ns);
        if (status != PV_CONNECTION_OK) {
            return status;
        }
    }
}

enum pv_connection_status pv_connection_read(struct pv_connection *connection, void *data,
                                             size_t size, uint64_t deadline_ns)
{
    uint8_t *target = data;
    while (size > 0) {
        const size_t buffered = connection->end - connection->begin;
        if (buffered > 0) {
            const size_t taken = buffered < size ? buffered : size;
            memcpy(target, connection->buffer + connection->begin, taken);
            connection->begin += taken;
            target += taken;
            size -= taken;
            deadline_ns = UINT64_MAX;
            continue;
        }
        // Large payloads go where they belong, small messages several at a time.
        const bool direct = size >= PV_CONNECTION_BUFFER;
        size_t received = 0;
        const enum pv_connection_status status =
            receive(connection, direct ? target : connection->buffer,
                    direct ? size : PV_CONNECTION_BUFFER, direct, deadline_ns, &received);
        if (status != PV_CONNECTION_OK) {
            return status;
        }
        if (direct) {
            target += received;
            size -= received;
            deadline_ns = UINT64_MAX;
        } else {
            connection->begin = 0;
            connection->end = received;
        }
    }
    return PV_CONNECTION_OK;
}

static enum pv_connection_status send_all(struct pv_connection *connection, struct msghdr *message)
{
    const uint64_t deadline_ns =
        pv_server_os_now_ns() + (uint64_t)connection->send_timeout_ms * 1000000u;
    struct iovec *part = message->msg_iov;
    while (part->iov_len > 0) {
        const ssize_t sent = pv_server_os_send(connection->fd, message);
        if (sent >= 0) {
            part->iov_base = (uint8_t *)part->iov_base + sent;
            part->iov_len -= (size_t)sent;
            // Descriptors go with the first byte.
            message->msg_control = NULL;
            message->msg_controllen = 0;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET) {
            return PV_CONNECTION_CLOSED;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return PV_CONNECTION_BROKEN;
        }
        const enum pv_connection_status status = wait_for(connection, POLLOUT, deadline_ns);
        if (status != PV_CONNECTION_OK) {
            return status == PV_CONNECTION_DEADLINE ? PV_CONNECTION_STALLED : status;
        }
    }
    return PV_CONNECTION_OK;
}

enum pv_connection_status pv_connection_write(struct pv_connection *connection, const void *data,
                                              size_t size)
{
    // sendmsg() does not write through iov_base.
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return send_all(connection, &message);
}

// A message of one dummy byte that carries a descriptor.
struct bearer {
    struct pv_rights rights;
    char dummy;
    struct iovec part;
};

static struct msghdr message_with_fd(struct bearer *bearer, int fd)
{
    bearer->dummy = 0;
    bearer->part = (struct iovec){.iov_base = &bearer->dummy, .iov_len = 1};
    struct msghdr message = {.msg_iov = &bearer->part, .msg_iovlen = 1};
    pv_rights_attach(&bearer->rights, &message, fd);
    return message;
}

enum pv_connection_status pv_connection_write_fd(struct pv_connection *connection, int fd)
{
    struct bearer bearer;
    struct msghdr message = message_with_fd(&bearer, fd);
    return send_all(connection, &message);
}

enum pv_connection_status pv_connection_write_with_fd(struct pv_connection *connection,
                                                      const void *data, size_t size, int fd)
{
    // A peer that reads the data with read() would lose a descriptor that came with it.
    struct bearer bearer;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr messages[2] = {{.msg_iov = &part, .msg_iovlen = 1}, message_with_fd(&bearer, fd)};
    size_t sent[2] = {0, 0};
    pv_server_os_send_two(connection->fd, messages, sent); // what fails, fails again below
    enum pv_connection_status status = PV_CONNECTION_OK;
    if (sent[0] < size) {
        status = pv_connection_write(connection, (const uint8_t *)data + sent[0], size - sent[0]);
    }
    if (status == PV_CONNECTION_OK && sent[1] == 0) {
        status = pv_connection_write_fd(connection, fd);
    }
    return status;
}

enum pv_connection_status pv_connection_read_fd(struct pv_connection *connection, int *fd,
                                                uint64_t deadline_ns)
{
    char dummy;
    *fd = -1;
    const enum pv_connection_status status = pv_connection_read(connection, &dummy, 1, deadline_ns);
    if (status == PV_CONNECTION_OK && connection->fd_count > 0) {
        *fd = connection->fds[0];
        connection->fd_count--;
        memmove(connection->fds, connection->fds + 1, connection->fd_count * sizeof(int));
    }
    return status;
}

const char *pv_connection_status_text(enum pv_connection_status status)
{
    switch (status) {
    case PV_CONNECTION_OK:
        return "fine";
    case PV_CONNECTION_CLOSED:
        return "closed by the client";
    case PV_CONNECTION_STOPPED:
        return "the server is ending";
    case PV_CONNECTION_DEADLINE:
        return "nothing came in time";
    case PV_CONNECTION_STALLED:
        return "the client does not read its replies";
    case PV_CONNECTION_BROKEN:
        return "the socket failed";
    }
    return "unknown";
}

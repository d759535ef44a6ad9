#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os.h"
#include "rights.h"

bool pv_channel_open(int ends[2])
{
    return pv_server_os_message_pair(ends);
}

bool pv_channel_send(int end, const void *data, size_t size, int fd)
{
    struct pv_rights rights;
    // sendmsg() does not write through iov_base.
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        pv_rights_attach(&rights, &message, fd);
    }
    return pv_server_os_send(end, &message) == (ssize_t)size;
}

// Takes what came along. false: more than one descriptor.
static bool take_fd(struct msghdr *message, int *fd)
{
    bool one = true;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        const bool carries = header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS;
        const size_t count = carries ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        for (size_t i = 0; i < count; i++) {
            int other;
            memcpy(&other, CMSG_DATA(header) + i * sizeof(int), sizeof(other));
            if (*fd >= 0) {
                close(other);
                one = false;
            } else {
                *fd = other;
            }
        }
    }
    return one;
}

bool pv_channel_receive(int end, void *data, size_t size, int *fd)
{
    struct pv_rights rights;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = rights.control,
        // Not all of it: the padding has room for a second descriptor.
        .msg_controllen = CMSG_LEN(sizeof(int)),
    };
    *fd = -1;
    const ssize_t received = pv_server_os_receive(end, &message);
    if (received < 0) {
        return false;
    }
    if (take_fd(&message, fd) && (size_t)received == size &&
        !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        return true;
    }
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
    errno = received == 0 ? EPIPE : EPROTO;
    return false;
}

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

bool pv_channel_receive(int end, void *data, size_t size, int *fd)
{
    struct pv_rights rights;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = rights.control,
        .msg_controllen = sizeof(rights.control),
    };
    *fd = -1;
    const ssize_t received = pv_server_os_receive(end, &message);
    if (received < 0) {
        return false;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(header), sizeof(*fd)); // there was room for one, so it is one
    }
    if ((size_t)received == size && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        return true;
    }
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
    errno = received == 0 ? EPIPE : EPROTO;
    return false;
}

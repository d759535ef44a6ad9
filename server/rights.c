#include "rights.h"

#include <string.h>

void pv_rights_attach(struct pv_rights *rights, struct msghdr *message, int fd)
{
    memset(rights, 0, sizeof(*rights));
    message->msg_control = rights->control;
    message->msg_controllen = sizeof(rights->control);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

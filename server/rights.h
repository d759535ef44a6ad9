// A descriptor that goes along with a message.
#ifndef PV_SERVER_RIGHTS_H
#define PV_SERVER_RIGHTS_H

#include <sys/socket.h>

struct pv_rights {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

// Makes `message` carry `fd`. `rights` must live until it has been sent.
void pv_rights_attach(struct pv_rights *rights, struct msghdr *message, int fd);

#endif

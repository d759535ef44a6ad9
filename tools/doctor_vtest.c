// Asks a vtest server who it is; server/protocol.h has the messages.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "server/protocol.h"

#define TIMEOUT_S 20 // the server may have to load a driver first

static const char *connect_advice(int reason)
{
    switch (reason) {
    case ENOENT:
        return "start one: pv-venus serve --socket PATH; in a container, mount the socket's "
               "directory";
    case ECONNREFUSED:
        return "the server has gone and left its file: start it again";
    case EACCES:
    case EPERM:
        return "run as the server's user, or start a server as this user; a sandbox of this "
               "process may forbid it, too";
    default:
        return "check the path";
    }
}

static int connect_to(struct pv_report *report, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct stat status;
    if (strlen(path) >= sizeof(address.sun_path)) {
        pv_report_add(report, PV_FINDING_FAIL, "socket", "choose a shorter path",
                      "%s: longer than the %zu bytes that a socket's path may have", path,
                      sizeof(address.sun_path) - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        const int reason = errno;
        const bool other = stat(path, &status) == 0 && !S_ISSOCK(status.st_mode);
        pv_report_add(report, PV_FINDING_FAIL, "socket",
                      other ? "name the server's socket" : connect_advice(reason), "%s: %s", path,
                      other ? "it is no socket" : strerror(reason));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    pv_report_add(report, PV_FINDING_OK, "socket", NULL, "somebody listens at %s", path);
    return fd;
}

static bool send_message(int fd, uint32_t id, const void *payload, uint32_t length, size_t size)
{
    uint32_t message[2 + 16] = {length, id};
    memcpy(message + 2, payload, size);
    return send(fd, message, 8 + size, MSG_NOSIGNAL) == (ssize_t)(8 + size);
}

// Reads a reply of at most `size` bytes into `payload`. Returns its dwords; -1: none came.
static int read_reply(int fd, uint32_t id, void *payload, size_t size)
{
    struct pv_vtest_header header;
    if (recv(fd, &header, sizeof(header), MSG_WAITALL) != (ssize_t)sizeof(header) ||
        header.id != id || header.length > size / 4) {
        return -1;
    }
    const ssize_t bytes = (ssize_t)header.length * 4;
    return bytes == 0 || recv(fd, payload, (size_t)bytes, MSG_WAITALL) == bytes ? (int)header.length
                                                                                : -1;
}

static int ask(int fd, uint32_t id, const uint32_t *request, uint32_t dwords, void *reply,
               size_t size)
{
    return send_message(fd, id, request, dwords, dwords * 4u) ? read_reply(fd, id, reply, size)
                                                              : -1;
}

static bool check_version(struct pv_report *report, int fd)
{
    static const char name[16] = "pv-venus-doctor";
    const uint32_t wanted = PV_VTEST_VERSION_MAX, nothing[2] = {0, 0};
    uint32_t reply[4];
    // Servers that are older than version negotiation ignore a ping and answer the next message,
    // which is how Mesa's driver finds out.
    bool answered = send_message(fd, PV_VTEST_CREATE_RENDERER, name, sizeof(name), sizeof(name)) &&
                    send_message(fd, PV_VTEST_PING_PROTOCOL_VERSION, nothing, 0, 0) &&
                    send_message(fd, PV_VTEST_RESOURCE_BUSY_WAIT, nothing, 2, 8);
    struct pv_vtest_header header = {0, 0};
    answered =
        answered && recv(fd, &header, sizeof(header), MSG_WAITALL) == (ssize_t)sizeof(header);
    if (!answered) {
        pv_report_add(report, PV_FINDING_FAIL, "protocol", "see the server's log",
                      "it does not answer as a vtest server (%s)",
                      errno == EAGAIN ? "no reply in time" : "it hung up");
        return false;
    }
    const bool negotiates = header.id == PV_VTEST_PING_PROTOCOL_VERSION &&
                            read_reply(fd, PV_VTEST_RESOURCE_BUSY_WAIT, reply, sizeof(reply)) == 1;
    if (!negotiates || ask(fd, PV_VTEST_PROTOCOL_VERSION, &wanted, 1, reply, sizeof(reply)) != 1) {
        pv_report_add(report, PV_FINDING_FAIL, "protocol",
                      "use pv-venus serve, or virgl_test_server --venus of virglrenderer 1.0 or "
                      "newer",
                      "it speaks another protocol, or an older version of this one");
        return false;
    }
    const bool good = reply[0] >= PV_VTEST_VERSION_MIN;
    pv_report_add(report, good ? PV_FINDING_OK : PV_FINDING_FAIL, "protocol",
                  good ? NULL : "start the server with Venus (virgl_test_server --venus)",
                  "version %u; Venus needs %u", reply[0], PV_VTEST_VERSION_MIN);
    return good;
}

static bool check_capset(struct pv_report *report, int fd)
{
    const uint32_t timelines = PV_VTEST_PARAM_MAX_TIMELINE_COUNT;
    const uint32_t venus[2] = {PV_CAPSET_VENUS, PV_CAPSET_VENUS_VERSION};
    uint32_t reply[1 + PV_CAPSET_VENUS_SIZE / 4 + 64] = {0};
    if (ask(fd, PV_VTEST_GET_PARAM, &timelines, 1, reply, sizeof(reply)) == 2 && reply[0]) {
        pv_report_add(report, PV_FINDING_OK, "timelines", NULL, "%u, one for each queue", reply[1]);
    }
    const int dwords = ask(fd, PV_VTEST_GET_CAPSET, venus, 2, reply, sizeof(reply));
    if (dwords < 1 + PV_CAPSET_VENUS_SIZE / 4 || !reply[0]) {
        pv_report_add(report, PV_FINDING_FAIL, "Venus capset",
                      "start the server with Venus (virgl_test_server --venus)",
                      "the server offers no Venus");
        return false;
    }
    const uint32_t *capset = reply + 1;
    uint32_t extensions = 0;
    for (uint32_t i = 0; i < 32; i++) {
        extensions += (uint32_t)__builtin_popcount(capset[5 + i] & (i ? UINT32_MAX : ~1u));
    }
    char registry[32];
    pv_doctor_format_version(capset[1], registry, sizeof(registry));
    const bool good = capset[0] == 1;
    pv_report_add(report, good ? PV_FINDING_OK : PV_FINDING_FAIL, "Venus capset",
                  good ? NULL : "Mesa's driver speaks wire format 1: use another server",
                  "wire format %u, Vulkan registry %s, serialization %u, protocol %u, %u known "
                  "extensions, shared memory as blob 0: %s, several timelines: %s",
                  capset[0], registry, capset[2], capset[3], extensions, capset[4] ? "yes" : "no",
                  capset[38] ? "yes" : "no");
    return good;
}

bool pv_doctor_check_socket(struct pv_report *report, const char *path)
{
    const int fd = connect_to(report, path);
    if (fd < 0) {
        return false;
    }
    const bool good = check_version(report, fd) && check_capset(report, fd);
    close(fd);
    return good;
}

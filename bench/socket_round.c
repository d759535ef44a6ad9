// Question: how fast can allocate+map+free be on a vtest socket, whatever the server does?
// Base case: the same system calls with nobody to wake, one process that plays both ends.
//
// The client's calls are those that strace shows of Mesa's Venus driver for one round. The server
// only counts bytes and answers with a descriptor that exists already.
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS   5000
#define BYTES    65536
#define REPLY    12              // header and resource id
#define AWAKE_NS UINT64_C(50000) // how long a server looks before it sleeps
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// RESOURCE_UNREF; SUBMIT_CMD2 with its batch and commands; RESOURCE_CREATE_BLOB.
static const size_t writes[] = {8, 4, 8, 4, 24, 24, 8, 24};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void expect(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static size_t request_size(void)
{
    size_t size = 0;
    for (size_t i = 0; i < COUNT(writes); i++) {
        size += writes[i];
    }
    return size;
}

static void ask(int socket)
{
    static const char bytes[64];
    for (size_t i = 0; i < COUNT(writes); i++) {
        expect(write(socket, bytes, writes[i]) == (ssize_t)writes[i], "write");
    }
}

static void answer(int socket, int fd)
{
    char reply[REPLY] = {0}, dummy = 0;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec parts[2] = {{reply, sizeof(reply)}, {&dummy, 1}};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &parts[1],
                     .msg_iovlen = 1,
                     .msg_control = &control,
                     .msg_controllen = sizeof(control.bytes)}},
    };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&messages[1].msg_hdr);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    expect(sendmmsg(socket, messages, 2, MSG_NOSIGNAL) == 2, "sendmmsg");
}

static int take_answer(int socket)
{
    char reply[REPLY], dummy;
    expect(read(socket, reply, 8) == 8 && read(socket, reply, 4) == 4, "read");
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&dummy, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.bytes)};
    expect(recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message), "recvmsg");
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

static void use(int fd)
{
    volatile uint32_t *bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(bytes != MAP_FAILED, "mmap");
    close(fd);
    *bytes = 1;
    munmap((void *)(uintptr_t)bytes, BYTES);
}

static void serve(int socket, int fd, uint64_t awake_ns)
{
    char bytes[4096];
    const size_t size = request_size();
    for (size_t have = 0;;) {
        const uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
        ssize_t received;
        while ((received = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT)) < 0) {
            struct pollfd input = {.fd = socket, .events = POLLIN};
            if (now_ns(CLOCK_MONOTONIC) - begin_ns >= awake_ns) {
                poll(&input, 1, -1);
            }
        }
        if (received == 0) {
            _exit(0);
        }
        for (have += (size_t)received; have >= size; have -= size) {
            answer(socket, fd);
        }
    }
}

static void measure_alone(int fd)
{
    int ends[2];
    char bytes[4096];
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    uint64_t client_ns = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
        ask(ends[0]);
        const uint64_t asked_ns = now_ns(CLOCK_MONOTONIC);
        expect(recv(ends[1], bytes, sizeof(bytes), 0) == (ssize_t)request_size(), "recv");
        answer(ends[1], fd);
        const uint64_t answered_ns = now_ns(CLOCK_MONOTONIC);
        use(take_answer(ends[0]));
        client_ns += asked_ns - begin_ns + now_ns(CLOCK_MONOTONIC) - answered_ns;
    }
    close(ends[0]);
    close(ends[1]);
    printf("the client's system calls alone: %.1f us\n", (double)client_ns / ROUNDS / 1000);
}

static void measure_with_server(int fd, uint64_t awake_ns, const char *name)
{
    int ends[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    const pid_t server = fork();
    expect(server >= 0, "fork");
    if (server == 0) {
        close(ends[0]);
        serve(ends[1], fd, awake_ns);
    }
    close(ends[1]);
    const uint64_t begin_ns = now_ns(CLOCK_MONOTONIC), cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < ROUNDS; i++) {
        ask(ends[0]);
        use(take_answer(ends[0]));
    }
    const uint64_t wall_ns = now_ns(CLOCK_MONOTONIC) - begin_ns;
    printf("with %s: %.1f us, the client's CPU time %.1f us\n", name,
           (double)wall_ns / ROUNDS / 1000,
           (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / ROUNDS / 1000);
    close(ends[0]);
    waitpid(server, NULL, 0);
}

int main(void)
{
    const int fd = memfd_create("bench", MFD_CLOEXEC);
    expect(fd >= 0 && ftruncate(fd, BYTES) == 0, "memfd_create");
    measure_alone(fd);
    measure_with_server(fd, 0, "a server that sleeps between messages");
    measure_with_server(fd, AWAKE_NS, "a server that stays awake");
    return 0;
}

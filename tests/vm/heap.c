// A library to preload into a VMM: says how much of malloc's memory is in use.
//
// malloc keeps what has been freed, in one arena for each of a few threads, and hands it out again;
// what a process has of the host's memory says little about what it still uses. Whoever connects to
// the socket named in PV_VM_HEAP gets one line: the bytes in use, then those that malloc holds.
// Before that, free pages go back to the system, so that the caller may count the others.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener = -1;

static void *answer(void *unused)
{
    (void)unused;
    for (;;) {
        const int peer = accept(listener, NULL, NULL);
        if (peer < 0) {
            return NULL;
        }
        malloc_trim(0);
        const struct mallinfo2 info = mallinfo2();
        char line[64];
        const int length = snprintf(line, sizeof(line), "%zu %zu\n", info.uordblks + info.hblkhd,
                                    info.arena + info.hblkhd);
        if (send(peer, line, (size_t)length, MSG_NOSIGNAL) != length) {
            perror("pv-vm-heap");
        }
        close(peer);
    }
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("PV_VM_HEAP");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
                     sizeof(address.sun_path)) {
        return;
    }
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // The VMM's own threads take its signals.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1) != 0 || pthread_create(&thread, NULL, answer, NULL) != 0) {
        perror("pv-vm-heap");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

// Question: what do clients cost that do nothing?
// Base case: no server at all, which costs nothing; the row is for those who have one.
//
//     idle CLIENTS SECONDS
//
// The rows are the server's CPU time and its wake-ups (voluntary context switches of all threads)
// while that many contexts with a device, which have worked before, do nothing.
#include "client.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_CLIENTS 64

static uint64_t switches_of_thread(int pid, const char *thread)
{
    char path[320], line[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, thread);
    FILE *file = fopen(path, "r");
    unsigned long long count = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &count) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return count;
}

// Of all threads of `pid` and of all that descend from it.
static uint64_t switches_of(int pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    uint64_t sum = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        if (entry->d_name[0] != '.') {
            sum += switches_of_thread(pid, entry->d_name);
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "r");
    int child;
    while (file && fscanf(file, "%d", &child) == 1) {
        sum += switches_of(child);
    }
    if (file) {
        fclose(file);
    }
    return sum;
}

int main(int argc, char **argv)
{
    static struct bench benches[MAX_CLIENTS];
    const int clients = argc == 3 ? atoi(argv[1]) : 0;
    const int seconds = argc == 3 ? atoi(argv[2]) : 0;
    if (clients < 1 || clients > MAX_CLIENTS || seconds < 1) {
        fprintf(stderr, "usage: idle CLIENTS SECONDS\n");
        return 2;
    }
    const char *server = getenv("PV_BENCH_SERVER");
    if (!server) {
        bench_skip("there is no server");
    }
    for (int i = 0; i < clients; i++) {
        bench_open(&benches[i]);
        bench_call(&benches[i]);
    }
    sleep(1); // until all have noticed

    char name[64];
    const uint64_t before = switches_of(atoi(server));
    bench_mark();
    sleep((unsigned)seconds);
    const uint64_t server_ns = bench_server_ns();
    const uint64_t after = switches_of(atoi(server));
    snprintf(name, sizeof(name), "wake-ups of an idle server, %d clients", clients);
    bench_row(name, (double)(after - before) / seconds, "wake-ups a second", 1);
    snprintf(name, sizeof(name), "CPU of an idle server, %d clients", clients);
    bench_row(name, (double)server_ns / 1e6 / seconds, "ms a second", 1);
    for (int i = 0; i < clients; i++) {
        bench_close(&benches[i]);
    }
    return 0;
}

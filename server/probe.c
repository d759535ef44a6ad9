#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os.h"

// What the other process says, in lines: each begins with one of these.
enum {
    LIBRARY = '+', // the path of a passive library
    LOADED = '.',  // that were all
    DEVICES = '=', // their number
    REASON = '!',  // why the host is of no use
};

static bool has_device(struct pv_renderer *renderer, char *error, size_t error_size)
{
    if (pv_renderer_device_count(renderer) > 0) {
        return true;
    }
    snprintf(error, error_size,
             "the host has no usable Vulkan device: install a Vulkan driver, or name one in "
             "VK_DRIVER_FILES");
    return false;
}

struct pv_renderer *pv_probe_renderer(const struct pv_renderer_params *params, char *error,
                                      size_t error_size)
{
    struct pv_renderer *renderer = pv_renderer_create(params, error, error_size);
    if (renderer && !has_device(renderer, error, error_size)) {
        pv_renderer_destroy(renderer);
        return NULL;
    }
    return renderer;
}

uint64_t pv_probe_devices(struct pv_renderer *renderer)
{
    uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    struct pv_device_info info;
    for (uint32_t i = 0; pv_renderer_get_device(renderer, i, &info); i++) {
        char text[1024];
        const int length =
            snprintf(text, sizeof(text), "%s %s %x %x %u %u %u\n", info.name, info.driver,
                     info.vendor_id, info.device_id, info.host_api_version,
                     info.host_extension_count, info.memory_type_count);
        for (int j = 0; j < length && j < (int)sizeof(text); j++) {
            hash = (hash ^ (uint8_t)text[j]) * 0x100000001b3;
        }
    }
    return hash;
}

static void name_library(void *answer, const char *path)
{
    fprintf(answer, "%c%s\n", LIBRARY, path);
}

static void try_host(const struct pv_renderer_params *params, int answer_fd)
    __attribute__((noreturn));

static void try_host(const struct pv_renderer_params *params, int answer_fd)
{
    FILE *answer = fdopen(answer_fd, "w");
    if (!answer) {
        _exit(2);
    }
    struct pv_renderer_params quiet = *params;
    quiet.log = NULL;
    char reason[512] = "";
    struct pv_renderer *renderer = pv_renderer_create(&quiet, reason, sizeof(reason));
    if (renderer) {
        pv_server_os_visit_passive_libraries(name_library, answer);
        fprintf(answer, "%c\n", LOADED);
        fflush(answer); // the parent loads them while this goes on
    }
    const bool usable = renderer && has_device(renderer, reason, sizeof(reason));
    if (usable) {
        fprintf(answer, "%c%" PRIx64 "\n", DEVICES, pv_probe_devices(renderer));
    } else {
        fprintf(answer, "%c%s\n", REASON, reason);
    }
    _exit(fflush(answer) == 0 && usable ? 0 : 1);
}

bool pv_probe_start(struct pv_probe *probe, const struct pv_renderer_params *params)
{
    *probe = (struct pv_probe){0};
    int fds[2];
    if (!pv_server_os_pipe(fds)) {
        return false;
    }
    fcntl(fds[0], F_SETFL, 0); // blocking
    fflush(NULL);
    probe->answer = fdopen(fds[0], "r");
    probe->pid = probe->answer ? fork() : -1;
    if (probe->pid == 0) {
        try_host(params, fds[1]);
    }
    const int error = errno;
    close(fds[1]);
    if (probe->pid > 0) {
        return true;
    }
    probe->answer ? fclose(probe->answer) : close(fds[0]);
    probe->answer = NULL;
    errno = error;
    return false;
}

// Does what the other process says, until it says `last`. false: it has ended before.
static bool follow(struct pv_probe *probe, char last)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    bool done = false;
    while (!done && (length = getline(&line, &size, probe->answer)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        done = *line == last;
        if (*line == LIBRARY) {
            pv_server_os_load_library(line + 1);
        } else if (*line == DEVICES) {
            probe->devices = strtoull(line + 1, NULL, 16);
        } else if (*line == REASON) {
            snprintf(probe->reason, sizeof(probe->reason), "%s", line + 1);
        }
    }
    free(line);
    return done;
}

bool pv_probe_await_driver(struct pv_probe *probe)
{
    return follow(probe, LOADED);
}

bool pv_probe_finish(struct pv_probe *probe, uint64_t *devices, char *error, size_t error_size)
{
    follow(probe, '\0');
    pv_probe_abandon(probe);
    int status = 0;
    while (waitpid(probe->pid, &status, 0) < 0 && errno == EINTR) {
    }
    snprintf(error, error_size, "%s", probe->reason);
    if (WIFSIGNALED(status)) {
        snprintf(error, error_size,
                 "the host's Vulkan driver crashed while it was probed (signal %d): check it with "
                 "vulkaninfo",
                 WTERMSIG(status));
    }
    *devices = probe->devices;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void pv_probe_abandon(struct pv_probe *probe)
{
    if (probe->answer) {
        fclose(probe->answer);
    }
    probe->answer = NULL;
}

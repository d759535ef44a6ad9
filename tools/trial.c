#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void process_main(const struct pv_trial_params *params, int fd) __attribute__((noreturn));

static void process_main(const struct pv_trial_params *params, int fd)
{
    // What a driver prints is not the report.
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    if (!params->enter || params->enter(params->user)) {
        pv_trial_use_vulkan(params, fd);
    }
    _exit(0);
}

static void take_message(struct pv_trial *trial, const struct pv_trial_message *message)
{
    switch (message->kind) {
    case PV_TRIAL_STAGE:
        snprintf(trial->stage, sizeof(trial->stage), "%.63s", message->text);
        break;
    case PV_TRIAL_LIBRARY:
        trial->has_library = true;
        trial->library_version = message->version;
        break;
    case PV_TRIAL_DEVICE:
        if (message->index < PV_TRIAL_DEVICES) {
            trial->devices[message->index] = message->device;
            if (message->index >= trial->device_count) {
                trial->device_count = message->index + 1;
            }
        }
        break;
    case PV_TRIAL_PROBLEM:
        snprintf(trial->problem, sizeof(trial->problem), "%s", message->text);
        break;
    }
}

// Until the process ends. false: it did not within the time.
static bool read_messages(struct pv_trial *trial, int fd, int timeout_ms)
{
    struct pv_trial_message message;
    size_t used = 0;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    for (;;) {
        const int ready = poll(&polled, 1, timeout_ms);
        if (ready == 0) {
            return false;
        }
        const ssize_t got =
            ready > 0 ? read(fd, (char *)&message + used, sizeof(message) - used) : -1;
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return true;
        }
        used += got > 0 ? (size_t)got : 0;
        if (used == sizeof(message)) {
            take_message(trial, &message);
            used = 0;
        }
    }
}

void pv_trial_run(const struct pv_trial_params *params, struct pv_trial *trial)
{
    int fds[2];
    *trial = (struct pv_trial){.stage = "starting"};
    if (pipe(fds) < 0) {
        snprintf(trial->problem, sizeof(trial->problem), "no pipe (%s)", strerror(errno));
        return;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        process_main(params, fds[1]);
    }
    close(fds[1]);
    const bool ended = pid > 0 && read_messages(trial, fds[0], params->timeout_ms);
    close(fds[0]);
    if (pid < 0) {
        snprintf(trial->problem, sizeof(trial->problem), "no process (%s)", strerror(errno));
        return;
    }
    if (!ended) {
        kill(pid, SIGKILL);
        trial->died = true;
        snprintf(trial->problem, sizeof(trial->problem), "no answer for %d s while %s",
                 params->timeout_ms / 1000, trial->stage);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (ended && WIFSIGNALED(status)) {
        trial->died = true;
        snprintf(trial->problem, sizeof(trial->problem), "it was ended by signal %d (%s) while %s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)), trial->stage);
    } else if (ended && WEXITSTATUS(status) != 0 && !trial->problem[0]) {
        snprintf(trial->problem, sizeof(trial->problem), "it exited with status %d while %s",
                 WEXITSTATUS(status), trial->stage);
    }
}

// `pv-venus doctor`: would a guest get the GPU, and what is missing if not.
//
// Whatever may crash or hang (drivers, the server of the self-test, the guest driver) is in a
// process of its own. This one loads nothing.
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "guest.h"
#include "manifest.h"
#include "os.h"
#include "server/serve.h"
#include "tool.h"

#define TRIAL_TIMEOUT_MS 60000
#define LOG_LINES        5

static const char help[] =
    "Usage: pv-venus doctor [--host | --guest | --vtest PATH] [OPTIONS]\n"
    "\n"
    "Says whether a guest gets the GPU and, if not, what is missing and what to do. Tries it out\n"
    "with a server of its own and the real guest driver. Exits with 0 if a guest gets the GPU.\n"
    "\n"
    "  --host                         this machine as host: the default\n"
    "  --guest                        this machine as guest with a virtio GPU: the default in one\n"
    "  --vtest PATH                   this machine as guest of the server at this socket\n"
    "  --json                         print one JSON object\n"
    "  --guest-icd ICD.json           the guest driver, if it is not found by itself\n"
    "  --host-driver ICD.json         use this Vulkan driver of the host\n"
    "  --vulkan-library PATH          load this Vulkan loader or driver on the host's side\n"
    "  --memory MECHANISM,...         consider only host-pointer, dmabuf, opaque-fd\n"
    "  --disable-emulation NAME,...   do without sync-fd, dmabuf\n"
    "  --dev PATH                     where device nodes are, such as a container's (/dev)\n"
    "  --help\n";

void pv_doctor_format_version(uint32_t version, char *text, size_t size)
{
    snprintf(text, size, "%u.%u.%u", version >> 22 & 0x7f, version >> 12 & 0x3ff, version & 0xfff);
}

const char *pv_doctor_device_type(uint32_t type)
{
    static const char *const names[] = {"other", "integrated GPU", "discrete GPU", "virtual GPU",
                                        "CPU"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown type";
}

// -- the guest driver ------------------------------------------------------------------------

static void check_guest_driver(struct pv_doctor *doctor)
{
    struct pv_report *report = &doctor->report;
    struct pv_manifest manifest = {0};
    char mesa[32] = "";
    pv_report_section(report, "Guest driver");
    if (doctor->guest_icd) {
        snprintf(doctor->guest_icds, sizeof(doctor->guest_icds), "%s", doctor->guest_icd);
    } else if (!pv_guest_find_icd(doctor->guest_icds, sizeof(doctor->guest_icds))) {
        doctor->guest_icds[0] = '\0';
        pv_report_add(report, PV_FINDING_FAIL, "Mesa's Venus driver",
                      "install it where guests run (Debian, Ubuntu: mesa-vulkan-drivers; Fedora: "
                      "mesa-vulkan-drivers; Arch: vulkan-virtio), or name it with --guest-icd",
                      "virtio_icd.json is not installed here");
        return;
    }
    const size_t length = strcspn(doctor->guest_icds, ":");
    snprintf(manifest.path, sizeof(manifest.path), "%.*s",
             (int)(length < sizeof(manifest.path) ? length : 0), doctor->guest_icds);
    pv_manifest_read(&manifest);
    if (manifest.problem[0]) {
        pv_report_add(report, PV_FINDING_FAIL, "Mesa's Venus driver",
                      "install the driver's package again, or name another file", "%s: %s",
                      manifest.path, manifest.problem);
        return;
    }
    if (!pv_manifest_find_mesa(&manifest, mesa, sizeof(mesa))) {
        pv_report_add(report, PV_FINDING_WARN, "Mesa's Venus driver", NULL,
                      "%s: its version is not known", manifest.path);
        return;
    }
    const bool old = atoi(mesa) < 25;
    pv_report_add(report, old ? PV_FINDING_WARN : PV_FINDING_OK, "Mesa's Venus driver",
                  old ? "use Mesa 25.0 or newer (Debian 12: from bookworm-backports)" : NULL,
                  "Mesa %s, %s", mesa, manifest.path);
}

struct guest_side {
    const struct pv_doctor *doctor;
    const char *socket_path; // NULL: the virtio GPU
};

static bool enter_guest(void *user)
{
    const struct guest_side *side = user;
    if (side->socket_path) {
        return pv_guest_enter(side->doctor->guest_icds, side->socket_path);
    }
    pv_tool_become_host(side->doctor->guest_icds);
    return true;
}

static void describe_guest_device(struct pv_report *report, const struct pv_trial_device *device)
{
    char version[32];
    pv_doctor_format_version(device->api_version, version, sizeof(version));
    if (!device->worked) {
        pv_report_add(report, PV_FINDING_FAIL, "trial", "see the server's or the VMM's log",
                      "%s: %s", device->name,
                      device->problem[0] ? device->problem : "it did not get to an end");
        return;
    }
    pv_report_add(report, PV_FINDING_OK, "trial", NULL,
                  "%s (%s, Vulkan %s, %s): memory was allocated, mapped, and written by a "
                  "submission",
                  device->name, device->driver, version,
                  pv_doctor_device_type(device->device_type));
}

void pv_doctor_try_guest(struct pv_doctor *doctor, const char *socket_path)
{
    struct guest_side side = {doctor, socket_path};
    struct pv_trial trial;
    const struct pv_trial_params params = {
        .tries = true,
        .timeout_ms = TRIAL_TIMEOUT_MS,
        .enter = enter_guest,
        .user = &side,
    };
    pv_trial_run(&params, &trial);
    for (uint32_t i = 0; i < trial.device_count; i++) {
        describe_guest_device(&doctor->report, &trial.devices[i]);
    }
    if (trial.problem[0]) {
        pv_report_add(&doctor->report, PV_FINDING_FAIL, "trial",
                      "see the server's or the VMM's log; VN_DEBUG=init makes the guest driver "
                      "say more",
                      "the guest's process: %s", trial.problem);
    } else if (trial.device_count == 0) {
        pv_report_add(&doctor->report, PV_FINDING_FAIL, "trial",
                      "see the server's or the VMM's log; VN_DEBUG=init makes the guest driver "
                      "say more",
                      "the guest driver finds no device");
    }
}

// -- a server for the trial ------------------------------------------------------------------

struct own_server {
    char folder[64];
    char socket_path[96];
    pid_t pid;
    int lifeline; // the writing end: closing it stops the server
    int log;      // what the server says
};

static void write_log(void *user, enum pv_log_level level, const char *message)
{
    (void)level;
    char line[1100];
    const int length = snprintf(line, sizeof(line), "%s\n", message);
    const ssize_t written = write(*(const int *)user, line, (size_t)length);
    (void)written;
}

static void server_main(const struct pv_doctor *doctor, const struct own_server *own, int lifeline,
                        int log) __attribute__((noreturn));

static void server_main(const struct pv_doctor *doctor, const struct own_server *own, int lifeline,
                        int log)
{
    struct pv_server_params params = {
        .socket_path = own->socket_path,
        .renderer = doctor->renderer,
        .lifeline_fd = lifeline,
    };
    char error[512] = "";
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    pv_tool_become_host(doctor->host_driver);
    params.renderer.log = write_log;
    params.renderer.log_user = &log;
    params.renderer.log_level = PV_LOG_WARN;
    struct pv_server *server = pv_server_create(&params, error, sizeof(error));
    if (!server) {
        write_log(&log, PV_LOG_ERROR, error);
        _exit(1);
    }
    _exit(pv_server_run(server) ? 0 : 1);
}

// Returns once the server listens. false: it does not.
static bool start_server(struct pv_doctor *doctor, struct own_server *own)
{
    int lifeline[2], log[2];
    snprintf(own->folder, sizeof(own->folder), "/tmp/pv-venus-doctor-XXXXXX");
    if (!mkdtemp(own->folder) || pipe(lifeline) < 0 || pipe(log) < 0) {
        return false;
    }
    snprintf(own->socket_path, sizeof(own->socket_path), "%s/socket", own->folder);
    fflush(NULL);
    own->pid = fork();
    if (own->pid == 0) {
        close(lifeline[1]);
        close(log[0]);
        server_main(doctor, own, lifeline[0], log[1]);
    }
    close(lifeline[0]);
    close(log[1]);
    own->lifeline = lifeline[1];
    own->log = log[0];
    for (int waited_ms = 0; own->pid > 0 && waited_ms < TRIAL_TIMEOUT_MS; waited_ms += 20) {
        if (access(own->socket_path, F_OK) == 0) {
            return true;
        }
        if (waitpid(own->pid, NULL, WNOHANG) == own->pid) {
            own->pid = 0;
            return false;
        }
        usleep(20000);
    }
    return false;
}

// Ends the server and reports what it said.
static void end_server(struct pv_doctor *doctor, struct own_server *own)
{
    char text[4096];
    size_t used = 0;
    close(own->lifeline);
    for (ssize_t got; used < sizeof(text) - 1 &&
                      (got = read(own->log, text + used, sizeof(text) - 1 - used)) > 0;) {
        used += (size_t)got;
    }
    close(own->log);
    text[used] = '\0';
    if (own->pid > 0) {
        waitpid(own->pid, NULL, 0);
    }
    unlink(own->socket_path);
    rmdir(own->folder);
    char *line = text;
    for (int i = 0; i < LOG_LINES && *line; i++) {
        const size_t length = strcspn(line, "\n");
        pv_report_add(&doctor->report, PV_FINDING_WARN, "server's log", NULL, "%.*s", (int)length,
                      line);
        line += length + (line[length] != '\0');
    }
}

static void try_everything(struct pv_doctor *doctor)
{
    struct own_server own = {.lifeline = -1, .log = -1};
    pv_report_section(&doctor->report, "Trial: the guest driver with a server of our own");
    if (doctor->report.found[PV_FINDING_FAIL] > 0) {
        pv_report_add(&doctor->report, PV_FINDING_NOTE, "trial", NULL,
                      "not made, since something it needs is missing");
        return;
    }
    if (start_server(doctor, &own)) {
        pv_doctor_try_guest(doctor, own.socket_path);
    } else {
        pv_report_add(&doctor->report, PV_FINDING_FAIL, "trial", NULL, "the server does not start");
    }
    end_server(doctor, &own);
}

// -- the three machines ----------------------------------------------------------------------

static void examine_host(struct pv_doctor *doctor)
{
    pv_doctor_check_host(doctor);
    pv_report_section(&doctor->report, "Device nodes");
    pv_tool_check_nodes(&doctor->report, doctor->dev);
    pv_report_section(&doctor->report, "Limits");
    pv_tool_check_limits(&doctor->report);
    check_guest_driver(doctor);
    try_everything(doctor);
}

static void examine_vtest_guest(struct pv_doctor *doctor, const char *socket_path)
{
    pv_report_section(&doctor->report, "Server");
    const bool answers = pv_doctor_check_socket(&doctor->report, socket_path);
    check_guest_driver(doctor);
    pv_report_section(&doctor->report, "Trial: the guest driver with this server");
    if (answers && doctor->guest_icds[0]) {
        pv_doctor_try_guest(doctor, socket_path);
    } else {
        pv_report_add(&doctor->report, PV_FINDING_NOTE, "trial", NULL,
                      "not made, since something it needs is missing");
    }
}

static void examine_virtio_guest(struct pv_doctor *doctor)
{
    pv_report_section(&doctor->report, "Virtual machine");
    pv_tool_check_guest_kernel(&doctor->report, doctor->dev);
    check_guest_driver(doctor);
    pv_report_section(&doctor->report, "Trial: the guest driver with this machine's virtio GPU");
    if (doctor->guest_icds[0]) {
        pv_doctor_try_guest(doctor, NULL);
    }
}

int pv_tool_doctor(int argc, char **argv)
{
    struct pv_doctor doctor = {.dev = "/dev"};
    bool host = false, guest = false;
    const char *socket_path = NULL;
    const struct pv_tool_option options[] = {
        {"--host", false, pv_tool_store_flag, &host},
        {"--guest", false, pv_tool_store_flag, &guest},
        {"--vtest", true, pv_tool_store_text, &socket_path},
        {"--json", false, pv_tool_store_flag, &doctor.report.json},
        {"--guest-icd", true, pv_tool_store_text, &doctor.guest_icd},
        {"--host-driver", true, pv_tool_store_text, &doctor.host_driver},
        {"--vulkan-library", true, pv_tool_store_text, &doctor.renderer.vulkan_library},
        {"--memory", true, pv_tool_store_memory, &doctor.renderer.memory_mechanisms},
        {"--disable-emulation", true, pv_tool_store_emulation,
         &doctor.renderer.disabled_emulations},
        {"--dev", true, pv_tool_store_text, &doctor.dev},
        {0},
    };
    int next = 0;
    switch (pv_tool_parse(argc, argv, options, &next)) {
    case PV_TOOL_BAD:
        return PV_EXIT_USAGE;
    case PV_TOOL_HELP:
        fputs(help, stdout);
        return 0;
    case PV_TOOL_GO_ON:
        break;
    }
    if (next < argc) {
        return pv_tool_error(argv[0], PV_EXIT_USAGE, "'%s' is too much: see pv-venus doctor --help",
                             argv[next]);
    }
    if (host + guest + (socket_path != NULL) > 1) {
        return pv_tool_error(argv[0], PV_EXIT_USAGE,
                             "--host, --guest and --vtest exclude each other: choose one");
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (socket_path) {
        examine_vtest_guest(&doctor, socket_path);
    } else if (guest || (!host && pv_tool_has_virtio_gpu())) {
        examine_virtio_guest(&doctor);
    } else {
        examine_host(&doctor);
    }
    const char *subject = socket_path ? "a guest of this server" : host ? "a guest" : "this guest";
    if (!socket_path && !guest && !pv_tool_has_virtio_gpu()) {
        subject = "a guest";
    }
    return pv_report_end(&doctor.report, subject) ? 0 : PV_EXIT_FAILED;
}

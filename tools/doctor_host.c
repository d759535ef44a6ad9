// The host's side: each driver alone, so that one that crashes hides no other, then the renderer
// with all of them.
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "manifest.h"
#include "tool.h"

#define TIMEOUT_MS 60000

struct drivers {
    struct pv_doctor *doctor;
    unsigned files, devices;
    char first_file[1024];
};

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// In a process of its own, because a library's constructors run: says in `problem` why the
// driver's library cannot be used.
static void try_library(const char *library, char *problem, size_t size)
{
    int fds[2];
    problem[0] = '\0';
    if (pipe(fds) < 0) {
        return;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
        const char *text = handle ? "" : dlerror();
        if (handle && !dlsym(handle, "vk_icdGetInstanceProcAddr") &&
            !dlsym(handle, "vkGetInstanceProcAddr")) {
            text = "it is no Vulkan driver (it has no vk_icdGetInstanceProcAddr)";
        }
        const ssize_t written = write(fds[1], text, strlen(text));
        _exit(written < 0);
    }
    close(fds[1]);
    const ssize_t got = read(fds[0], problem, size - 1);
    problem[got > 0 ? got : 0] = '\0';
    close(fds[0]);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        snprintf(problem, size, "it crashes when it is loaded (signal %d)", WTERMSIG(status));
    }
}

static bool enter_host(void *user)
{
    const char *driver = user;
    pv_tool_become_host(driver);
    unsetenv("VK_ADD_DRIVER_FILES");
    return true;
}

static void describe_device(struct pv_doctor *doctor, const char *name,
                            const struct pv_trial_device *device)
{
    char version[32], has[256] = "", lacks[256] = "";
    pv_doctor_format_version(device->api_version, version, sizeof(version));
    for (uint32_t i = 0; pv_trial_extensions[i]; i++) {
        char *list = device->extensions & 1u << i ? has : lacks;
        const size_t used = strlen(list);
        snprintf(list + used, sizeof(has) - used, "%s%s", used ? ", " : "",
                 pv_trial_extensions[i] + strlen("VK_"));
    }
    pv_report_add(&doctor->report, PV_FINDING_OK, "driver", NULL,
                  "%s: %s, %s, Vulkan %s, %s; useful extensions it has: %s%s%s", name, device->name,
                  device->driver[0] ? device->driver : "version unknown", version,
                  pv_doctor_device_type(device->device_type), has[0] ? has : "none",
                  lacks[0] ? "; lacks: " : "", lacks);
}

static void check_driver(void *user, const struct pv_manifest *manifest)
{
    struct drivers *drivers = user;
    struct pv_report *report = &drivers->doctor->report;
    const char *name = file_name(manifest->path);
    char problem[512];
    if (strncmp(name, "virtio_icd", strlen("virtio_icd")) == 0) {
        return; // the guest's driver, looked at below
    }
    drivers->files++;
    if (manifest->problem[0]) {
        pv_report_add(report, PV_FINDING_WARN, "driver",
                      "repair or remove the file, or install the driver's package again", "%s: %s",
                      manifest->path, manifest->problem);
        return;
    }
    try_library(manifest->library, problem, sizeof(problem));
    if (problem[0]) {
        pv_report_add(report, PV_FINDING_WARN, "driver",
                      "install the driver's package for this architecture, and what it depends on",
                      "%s: %.400s", manifest->path, problem);
        return;
    }
    struct pv_trial trial;
    char path[sizeof(manifest->path)];
    memcpy(path, manifest->path, sizeof(path));
    const struct pv_trial_params params = {
        .library = drivers->doctor->renderer.vulkan_library,
        .timeout_ms = TIMEOUT_MS,
        .enter = enter_host,
        .user = path,
    };
    pv_trial_run(&params, &trial);
    for (uint32_t i = 0; i < trial.device_count; i++) {
        describe_device(drivers->doctor, name, &trial.devices[i]);
    }
    drivers->devices += trial.device_count;
    if (trial.device_count == 0) {
        pv_report_add(report, trial.died ? PV_FINDING_WARN : PV_FINDING_NOTE, "driver",
                      trial.died ? "update the driver, or leave it out with VK_DRIVER_FILES" : NULL,
                      "%s: %s%s", name, trial.died ? "" : "no device for it here",
                      trial.died ? trial.problem : "");
    }
}

static bool check_loader(struct pv_doctor *doctor)
{
    struct pv_trial trial;
    char version[32];
    const struct pv_trial_params params = {
        .library = doctor->renderer.vulkan_library,
        .timeout_ms = TIMEOUT_MS,
        .enter = enter_host,
        .user = (void *)(uintptr_t)doctor->host_driver,
    };
    pv_trial_run(&params, &trial);
    pv_doctor_format_version(trial.library_version, version, sizeof(version));
    const char *name =
        doctor->renderer.vulkan_library ? doctor->renderer.vulkan_library : "the Vulkan loader";
    if (!trial.has_library) {
        pv_report_add(&doctor->report, PV_FINDING_FAIL, "loader",
                      doctor->renderer.vulkan_library
                          ? "name a Vulkan loader or driver of this architecture"
                          : "install it: package libvulkan1 (Debian, Ubuntu), vulkan-loader "
                            "(Fedora), vulkan-icd-loader (Arch)",
                      "%s cannot be loaded: %.300s", name, trial.problem);
        return false;
    }
    const bool old = trial.library_version < (1u << 22 | 1u << 12);
    pv_report_add(&doctor->report, old ? PV_FINDING_FAIL : PV_FINDING_OK, "loader",
                  old ? "install a newer one: 1.1 is needed" : NULL, "%s offers Vulkan %s", name,
                  version);
    return !old;
}

// -- the renderer ----------------------------------------------------------------------------

static void describe_choice(struct pv_report *report, const struct pv_device_info *info)
{
    char version[32], emulations[64];
    pv_doctor_format_version(info->guest_api_version, version, sizeof(version));
    pv_tool_emulation_names(info->emulations, emulations, sizeof(emulations));
    if (info->memory_mechanism == PV_MEMORY_NONE) {
        pv_report_add(report, PV_FINDING_WARN, "memory",
                      "use a newer driver, or one with VK_EXT_external_memory_host or "
                      "VK_EXT_external_memory_dma_buf",
                      "%s: guests cannot map its memory. %s", info->name, info->memory_reason);
        return;
    }
    pv_report_add(report, PV_FINDING_OK, "memory", NULL, "%s: by %s: %s", info->name,
                  pv_tool_memory_name(info->memory_mechanism), info->memory_reason);
    pv_report_add(report, PV_FINDING_OK, "guests see", NULL,
                  "%s: Vulkan %s, %u of the driver's %u extensions", info->name, version,
                  info->guest_extension_count, info->host_extension_count);
    pv_report_add(report, PV_FINDING_NOTE, "emulated", NULL, "%s: %s%s%s", info->name, emulations,
                  info->emulations & PV_EMULATE_SYNC_FD
                      ? "; the driver has no complete SYNC_FD fences and semaphores, without which "
                        "Mesa before 26.2 stays at Vulkan 1.2"
                      : "",
                  info->emulations & PV_EMULATE_DMABUF
                      ? "; the driver has no dma-bufs with modifiers, which swapchains want"
                      : "");
}

// Sends what the renderer says about each device; drivers may crash.
static void renderer_main(const struct pv_doctor *doctor, int fd) __attribute__((noreturn));

static void renderer_main(const struct pv_doctor *doctor, int fd)
{
    struct pv_renderer_params params = doctor->renderer;
    params.log = NULL;
    params.fd_only = true;
    pv_tool_become_host(doctor->host_driver);
    struct pv_renderer *renderer = pv_renderer_create(&params, NULL, 0);
    const uint32_t count = renderer ? pv_renderer_device_count(renderer) : 0;
    struct pv_device_info info;
    for (uint32_t i = 0; i < count && pv_renderer_get_device(renderer, i, &info); i++) {
        if (write(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
            _exit(1);
        }
    }
    pv_renderer_destroy(renderer);
    _exit(0);
}

// `found`: devices that drivers have when each is alone.
static void check_renderer(struct pv_doctor *doctor, unsigned found)
{
    struct pv_report *report = &doctor->report;
    struct pv_device_info info;
    unsigned devices = 0, usable = 0, processors = 0;
    int fds[2];
    if (pipe(fds) < 0) {
        return;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        renderer_main(doctor, fds[1]);
    }
    close(fds[1]);
    while (read(fds[0], &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        devices++;
        usable += info.memory_mechanism != PV_MEMORY_NONE;
        processors += info.device_type == 4; // VK_PHYSICAL_DEVICE_TYPE_CPU
        describe_choice(report, &info);
    }
    close(fds[0]);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        pv_report_add(report, PV_FINDING_FAIL, "renderer",
                      "find the driver with VK_DRIVER_FILES, or leave it out with it",
                      "a driver crashed while its memory was tried out (signal %d)",
                      WTERMSIG(status));
    } else if (devices == 0 && found > 0) {
        pv_report_add(report, PV_FINDING_FAIL, "renderer",
                      "remove or repair the drivers marked [warn]: some loaders give up on all "
                      "drivers because of one broken file",
                      "the drivers have %u devices, each alone, but none together", found);
    } else if (devices == 0) {
        pv_report_add(report, PV_FINDING_FAIL, "renderer",
                      "install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers), or name one "
                      "in VK_DRIVER_FILES",
                      "the host has no usable Vulkan device");
    } else if (usable == 0) {
        pv_report_add(report, PV_FINDING_FAIL, "renderer", "see [warn] above",
                      "no device has memory that guests can map");
    } else if (processors == devices) {
        pv_report_add(report, PV_FINDING_NOTE, "renderer", NULL,
                      "there is no GPU: guests get Vulkan, computed on the CPU");
    }
}

void pv_doctor_check_host(struct pv_doctor *doctor)
{
    struct drivers drivers = {.doctor = doctor};
    pv_report_section(&doctor->report, "Host drivers");
    if (!check_loader(doctor)) {
        return;
    }
    if (doctor->host_driver) {
        setenv("VK_DRIVER_FILES", doctor->host_driver, 1); // as pv_tool_become_host() does
    }
    const char *variable = pv_manifest_visit(check_driver, &drivers);
    if (variable) {
        pv_report_add(&doctor->report, PV_FINDING_NOTE, variable, NULL,
                      "it is set: only the drivers that it names are looked at");
    }
    if (drivers.files == 0) {
        pv_report_add(&doctor->report, PV_FINDING_WARN, "driver",
                      "install one (Debian, Ubuntu: mesa-vulkan-drivers)",
                      "no Vulkan driver is registered%s%s", variable ? " in " : "",
                      variable ? variable : "");
    }
    pv_report_section(&doctor->report, "Renderer");
    check_renderer(doctor, drivers.devices);
}

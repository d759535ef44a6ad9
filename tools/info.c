#include <inttypes.h>
#include <stdio.h>

#include "guest.h"
#include "tool.h"

static const char help[] =
    "Usage: pv-venus info [OPTIONS]\n"
    "\n"
    "Shows the host's Vulkan devices and what guests of `pv-venus run` and `pv-venus serve` will\n"
    "see of them.\n"
    "\n"
    "  --host-driver ICD.json         use this Vulkan driver of the host\n"
    "  --vulkan-library PATH          load this Vulkan loader or driver\n"
    "  --memory MECHANISM,...         consider only host-pointer, dmabuf, opaque-fd\n"
    "  --disable-emulation NAME,...   do without sync-fd, dmabuf\n"
    "  --log LEVEL                    error, warn (default), info or debug\n"
    "  --help\n";

static const char *device_type_name(uint32_t type)
{
    static const char *const names[] = {"other", "integrated GPU", "discrete GPU", "virtual GPU",
                                        "CPU"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

// VK_MAKE_API_VERSION's fields.
static void format_version(uint32_t version, char *text, size_t size)
{
    snprintf(text, size, "%u.%u.%u", version >> 22 & 0x7f, version >> 12 & 0x3ff, version & 0xfff);
}

static void print_guest_view(const struct pv_device_info *info, const char *guest_version)
{
    if (info->memory_mechanism == PV_MEMORY_NONE) {
        printf("  guests see:  nothing of use: they cannot map this device's memory\n");
        return;
    }
    printf("  guests see:  a Vulkan %s device that wraps this one, with mappable memory%s\n",
           guest_version,
           info->emulations & PV_EMULATE_SYNC_FD ? "; sync files are emulated for Mesa before 26.2"
                                                 : "");
}

static void print_device(uint32_t index, const struct pv_device_info *info)
{
    char host[32], guest[32], emulations[64];
    format_version(info->host_api_version, host, sizeof(host));
    format_version(info->guest_api_version, guest, sizeof(guest));
    pv_tool_emulation_names(info->emulations, emulations, sizeof(emulations));
    printf("\nHost device %" PRIu32 ": %s\n", index, info->name);
    printf("  driver:      %s\n", info->driver[0] ? info->driver : "unknown");
    printf("  type:        %s, vendor %#" PRIx32 ", device %#" PRIx32 "\n",
           device_type_name(info->device_type), info->vendor_id, info->device_id);
    printf("  Vulkan:      %s, for guests %s\n", host, guest);
    printf("  extensions:  %" PRIu32 ", for guests %" PRIu32 "\n", info->host_extension_count,
           info->guest_extension_count);
    printf("  memory:      %s, %" PRIu32 " types. %s\n",
           pv_tool_memory_name(info->memory_mechanism), info->memory_type_count,
           info->memory_reason);
    printf("  emulated:    %s\n", emulations);
    print_guest_view(info, guest);
}

static void print_guest_driver(void)
{
    char icd[2048];
    if (pv_guest_find_icd(icd, sizeof(icd))) {
        printf("\nGuest driver: %s\n", icd);
    } else {
        printf("\nGuest driver: not installed here; pv-venus run needs it "
               "(Debian and Ubuntu: mesa-vulkan-drivers)\n");
    }
}

int pv_tool_info(int argc, char **argv)
{
    struct pv_tool_logger logger = {.errors_come_back = true};
    struct pv_renderer_params params = {
        .log = pv_tool_log,
        .log_user = &logger,
        .log_level = PV_LOG_WARN,
        .fd_only = true,
    };
    const char *host_driver = NULL;
    const struct pv_tool_option options[] = {
        {"--host-driver", true, pv_tool_store_text, &host_driver},
        {"--vulkan-library", true, pv_tool_store_text, &params.vulkan_library},
        {"--memory", true, pv_tool_store_memory, &params.memory_mechanisms},
        {"--disable-emulation", true, pv_tool_store_emulation, &params.disabled_emulations},
        {"--log", true, pv_tool_store_log_level, &params.log_level},
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
        return pv_tool_error(argv[0], PV_EXIT_USAGE, "'%s' is too much: see pv-venus info --help",
                             argv[next]);
    }
    if (!pv_tool_check_host_driver(argv[0], host_driver)) {
        return PV_EXIT_FAILED;
    }
    pv_tool_become_host(host_driver);
    printf("pv-venus %s, Vulkan registry %s\n", pv_version(), pv_vulkan_registry_version());
    fflush(stdout); // a driver may crash
    char error[512] = "";
    struct pv_renderer *renderer = pv_renderer_create(&params, error, sizeof(error));
    if (!renderer) {
        return pv_tool_error(argv[0], PV_EXIT_FAILED, "%s", error);
    }
    logger.errors_come_back = false;
    const uint32_t count = pv_renderer_device_count(renderer);
    struct pv_device_info info;
    for (uint32_t i = 0; i < count && pv_renderer_get_device(renderer, i, &info); i++) {
        print_device(i, &info);
    }
    pv_renderer_destroy(renderer);
    if (count == 0) {
        return pv_tool_error(argv[0], PV_EXIT_FAILED,
                             "the host has no usable Vulkan device: install a Vulkan driver, or "
                             "name one in VK_DRIVER_FILES");
    }
    print_guest_driver();
    return 0;
}

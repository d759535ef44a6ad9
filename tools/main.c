// The pv-venus command: one file per subcommand.
#include <stdio.h>
#include <string.h>

#include <pv/renderer.h>

#include "tool.h"

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"run", pv_tool_run, "run a program whose Vulkan calls go through this renderer"},
    {"serve", pv_tool_serve, "serve Venus guests at a socket"},
    {"info", pv_tool_info, "show the host's devices and what guests will see"},
    {"doctor", pv_tool_doctor, "say whether a guest gets the GPU and what is missing if not"},
};

static void print_help(FILE *stream)
{
    fputs("Usage: pv-venus SUBCOMMAND [ARGUMENTS]\n"
          "       pv-venus --help | --version\n"
          "\n"
          "Renders the Vulkan commands of Mesa's Venus guest driver on this host.\n"
          "\n",
          stream);
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
        fprintf(stream, "  %-6s %s\n", subcommands[i].name, subcommands[i].summary);
    }
    fputs("\n"
          "pv-venus SUBCOMMAND --help says more. Example: pv-venus run -- vulkaninfo --summary\n",
          stream);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "pv-venus: no subcommand: see pv-venus --help\n");
        return PV_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("pv-venus %s (Vulkan registry %s)\n", pv_version(), pv_vulkan_registry_version());
        return 0;
    }
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
        if (strcmp(name, subcommands[i].name) == 0) {
            return subcommands[i].main(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "pv-venus: '%s' is no subcommand: see pv-venus --help\n", name);
    return PV_EXIT_USAGE;
}

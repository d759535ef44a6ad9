#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/serve.h"
#include "tool.h"

static const char help[] =
    "Usage: pv-venus serve --socket PATH [OPTIONS]\n"
    "\n"
    "Serves Venus guests (the vtest protocol) at a Unix socket until SIGINT or SIGTERM.\n"
    "A guest needs Mesa's Venus driver, VN_DEBUG=vtest and VTEST_SOCKET_NAME=PATH.\n"
    "\n"
    "  --socket PATH                  where to listen, for this user only\n"
    "  --in-process                   a thread per guest instead of a process per guest\n"
    "  --sandbox MODE                 of these processes: auto (default), require or off\n"
    "  --no-spare                     start none of them before its guest comes\n"
    "  --host-driver ICD.json         use this Vulkan driver of the host\n"
    "  --vulkan-library PATH          load this Vulkan loader or driver\n"
    "  --memory MECHANISM,...         consider only host-pointer, dmabuf, opaque-fd\n"
    "  --disable-emulation NAME,...   do without sync-fd, dmabuf\n"
    "  --stats FILE                   append one line per guest context\n"
    "  --count-commands               with --stats: how often each command ran\n"
    "  --log LEVEL                    error, warn, info (default) or debug\n"
    "  --help\n";

static struct pv_server *server; // for the signal handler

static void stop(int signal_number)
{
    (void)signal_number;
    pv_server_stop(server);
}

static void stop_on(int signal_number)
{
    const struct sigaction action = {.sa_handler = stop};
    struct sigaction old;
    sigaction(signal_number, NULL, &old);
    if (old.sa_handler != SIG_IGN) { // nohup
        sigaction(signal_number, &action, NULL);
    }
}

int pv_tool_serve(int argc, char **argv)
{
    struct pv_server_params params = {
        .renderer = {.log = pv_tool_log, .log_level = PV_LOG_INFO},
    };
    const char *host_driver = NULL;
    const struct pv_tool_option options[] = {
        {"--socket", true, pv_tool_store_text, &params.socket_path},
        {"--in-process", false, pv_tool_store_flag, &params.in_process},
        {"--sandbox", true, pv_tool_store_sandbox, &params.sandbox},
        {"--no-spare", false, pv_tool_store_flag, &params.no_spare},
        {"--host-driver", true, pv_tool_store_text, &host_driver},
        {"--vulkan-library", true, pv_tool_store_text, &params.renderer.vulkan_library},
        {"--memory", true, pv_tool_store_memory, &params.renderer.memory_mechanisms},
        {"--disable-emulation", true, pv_tool_store_emulation,
         &params.renderer.disabled_emulations},
        {"--stats", true, pv_tool_store_text, &params.stats_path},
        {"--count-commands", false, pv_tool_store_flag, &params.renderer.count_commands},
        {"--log", true, pv_tool_store_log_level, &params.renderer.log_level},
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
        return pv_tool_error(argv[0], PV_EXIT_USAGE, "'%s' is too much: see pv-venus serve --help",
                             argv[next]);
    }
    if (!params.socket_path) {
        return pv_tool_error(argv[0], PV_EXIT_USAGE, "no socket: give one with --socket PATH");
    }
    if (!pv_tool_check_host_driver(argv[0], host_driver)) {
        return PV_EXIT_FAILED;
    }
    pv_tool_become_host(host_driver);
    char error[512] = "";
    server = pv_server_create(&params, error, sizeof(error));
    if (!server) {
        return pv_tool_error(argv[0], PV_EXIT_FAILED, "%s", error);
    }
    stop_on(SIGINT);
    stop_on(SIGTERM);
    stop_on(SIGHUP);
    if (params.renderer.log_level >= PV_LOG_INFO) {
        fprintf(stderr, "pv-venus: info: listening at %s\n", params.socket_path);
    }
    if (!pv_server_run(server)) {
        _exit(PV_EXIT_FAILED); // threads are stuck in the driver
    }
    pv_server_destroy(server);
    return 0;
}

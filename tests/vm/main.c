#include "guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void vm_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("pv-vm-guest: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

uint64_t vm_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static const char usage[] =
    "usage: pv-vm-guest COMMAND ARGUMENTS\n"
    "  cycles COUNT BYTES      allocates, maps, writes, unmaps and frees memory; prints the times\n"
    "  upload MIB              writes a buffer, has it copied, and checks the copy\n"
    "  contexts COUNT          starts and ends Vulkan, with a little work\n"
    "  junk RENDER_NODE COUNT  submits bytes that mean nothing, from a context each\n"
    "  screenshot CARD FILE    writes what the display shows, as a PPM\n";

int main(int argc, char **argv)
{
    const char *command = argc > 2 ? argv[1] : "";
    const unsigned long long number = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    if (strcmp(command, "cycles") == 0 && argc == 4) {
        vm_cycles((uint32_t)number, strtoull(argv[3], NULL, 0));
    } else if (strcmp(command, "upload") == 0 && argc == 3) {
        vm_upload(number << 20);
    } else if (strcmp(command, "contexts") == 0 && argc == 3) {
        vm_contexts((uint32_t)number);
    } else if (strcmp(command, "junk") == 0 && argc == 4) {
        vm_junk(argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
    } else if (strcmp(command, "screenshot") == 0 && argc == 4) {
        vm_screenshot(argv[2], argv[3]);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}

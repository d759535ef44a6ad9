#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void pv_log(const struct pv_log *log, enum pv_log_level level, const char *format, ...)
{
    if (!log || !log->fn || level > log->level) {
        return;
    }

    const int saved_errno = errno;
    char message[1024];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (length >= 0) {
        // Names that a guest chose end up in here; they must neither start a line of their own nor
        // speak to a terminal.
        for (char *c = message; *c; c++) {
            if ((unsigned char)*c < ' ' || *c == 0x7f) {
                *c = '?';
            }
        }
        if ((size_t)length >= sizeof(message)) {
            snprintf(message + sizeof(message) - 4, 4, "...");
        }
        log->fn(log->user, level, message);
    }
    errno = saved_errno;
}

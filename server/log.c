#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void pv_server_log(const struct pv_server_log *log, enum pv_log_level level, const char *format,
                   ...)
{
    const enum pv_log_level wanted = log->level ? log->level : PV_LOG_INFO;
    if (!log->fn || level > wanted) {
        return;
    }
    const int saved_errno = errno;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log->fn(log->user, level, message);
    errno = saved_errno;
}

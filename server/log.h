// Log lines of the server, through the same callback type as the library's.
#ifndef PV_SERVER_LOG_H
#define PV_SERVER_LOG_H

#include <pv/log.h>

struct pv_server_log {
    pv_log_fn fn; // NULL: silent
    void *user;
    enum pv_log_level level; // 0: PV_LOG_INFO
};

// Formats one line and hands it on if `level` is wanted. Keeps errno. Thread-safety: Safe.
void pv_server_log(const struct pv_server_log *log, enum pv_log_level level, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

#endif

// Passing messages to the VMM's log callback. A NULL log is silence.
#ifndef PV_BASE_LOG_H
#define PV_BASE_LOG_H

#include "pv/log.h"

struct pv_log {
    pv_log_fn fn;
    void *user;
    enum pv_log_level level;
};

// Formats one line and hands it on if `level` is wanted; cut after 1023 bytes, with control
// characters replaced, since guests choose some of the words. Keeps errno. Thread-safety: Safe.
void pv_log(const struct pv_log *log, enum pv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

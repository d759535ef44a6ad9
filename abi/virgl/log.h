// Lines for the VMM's log.
#ifndef PV_VIRGL_LOG_H
#define PV_VIRGL_LOG_H

#include "virglrenderer.h"

#include "pv/log.h"

// Thread-safety: Safe.
void pv_virgl_log(enum virgl_log_level_flags level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The log callback of the renderer, `user` unused, and the level it should speak at.
void pv_virgl_renderer_log(void *user, enum pv_log_level level, const char *message);
enum pv_log_level pv_virgl_renderer_log_level(void);

#endif

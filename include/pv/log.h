// Log messages of the renderer.
//
// A message is one line without a newline. The library prints nothing on its own: without a
// callback it is silent. Lines that a guest can cause are said once per context.
#ifndef PV_LOG_H
#define PV_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

// Levels are defined by who must act.
enum pv_log_level {
    PV_LOG_ERROR = 1, // the host's administrator: something that should work does not
    PV_LOG_WARN = 2,  // the guest's owner: one guest misbehaved or runs degraded
    PV_LOG_INFO = 3,  // nobody; said at start and on rare events
    PV_LOG_DEBUG = 4, // developers
};

// Called with one complete message. `message` is borrowed for the call.
// Thread-safety: called from any thread of the renderer, possibly from several at once.
typedef void (*pv_log_fn)(void *user, enum pv_log_level level, const char *message);

#ifdef __cplusplus
}
#endif
#endif

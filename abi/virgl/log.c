// The log outlives init and cleanup: VMMs set the callback once, before anything else.
//
// VIRGL_LOG_LEVEL in the environment, as upstream has it, is debug, info, warning, error or
// silent. Without it a callback gets all but debug messages, standard error only warnings and
// errors.
#include "log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Guarded by lock.
static struct {
    virgl_log_callback_type callback;
    void *user;
    virgl_free_data_callback_type free_user;
    virgl_debug_callback_type debug_callback; // used when there is no `callback`
} sink;

static const char *const level_names[] = {"debug", "info", "warning", "error", "silent"};

static enum virgl_log_level_flags wanted_level(enum virgl_log_level_flags otherwise)
{
    const char *wanted = getenv("VIRGL_LOG_LEVEL");
    for (unsigned i = 0; wanted && i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(wanted, level_names[i]) == 0) {
            return (enum virgl_log_level_flags)i;
        }
    }
    return otherwise;
}

// Calls a printf-like function with the one argument that it wants as a va_list.
static void call_debug(virgl_debug_callback_type callback, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    callback(format, arguments);
    va_end(arguments);
}

static void say(enum virgl_log_level_flags level, const char *message)
{
    pthread_mutex_lock(&lock);
    const bool taken = sink.callback || sink.debug_callback;
    if (level >= wanted_level(taken ? VIRGL_LOG_LEVEL_INFO : VIRGL_LOG_LEVEL_WARNING)) {
        if (sink.callback) {
            sink.callback(level, message, sink.user);
        } else if (sink.debug_callback) {
            call_debug(sink.debug_callback, "%s\n", message);
        } else {
            fprintf(stderr, "virglrenderer (pv-venus): %s: %s\n", level_names[level], message);
        }
    }
    pthread_mutex_unlock(&lock);
}

void pv_virgl_log(enum virgl_log_level_flags level, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    say(level, message);
}

void pv_virgl_renderer_log(void *user, enum pv_log_level level, const char *message)
{
    (void)user;
    switch (level) {
    case PV_LOG_ERROR:
        say(VIRGL_LOG_LEVEL_ERROR, message);
        break;
    case PV_LOG_WARN:
        say(VIRGL_LOG_LEVEL_WARNING, message);
        break;
    case PV_LOG_INFO:
        say(VIRGL_LOG_LEVEL_INFO, message);
        break;
    case PV_LOG_DEBUG:
        say(VIRGL_LOG_LEVEL_DEBUG, message);
        break;
    }
}

enum pv_log_level pv_virgl_renderer_log_level(void)
{
    return wanted_level(VIRGL_LOG_LEVEL_INFO) == VIRGL_LOG_LEVEL_DEBUG ? PV_LOG_DEBUG : PV_LOG_INFO;
}

// Under the lock.
static void replace(virgl_log_callback_type callback, void *user,
                    virgl_free_data_callback_type free_user)
{
    if (sink.free_user) {
        sink.free_user(sink.user);
    }
    sink.callback = callback;
    sink.user = user;
    sink.free_user = free_user;
}

void virgl_set_log_callback(virgl_log_callback_type cb, void *user_data,
                            virgl_free_data_callback_type free_user_data_cb)
{
    pthread_mutex_lock(&lock);
    replace(cb, user_data, free_user_data_cb);
    sink.debug_callback = NULL;
    pthread_mutex_unlock(&lock);
}

virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb)
{
    pthread_mutex_lock(&lock);
    const virgl_debug_callback_type former = sink.debug_callback;
    replace(NULL, NULL, NULL);
    sink.debug_callback = cb;
    pthread_mutex_unlock(&lock);
    return former;
}

// The interface promises to give the callback's data back at the end.
__attribute__((destructor)) static void give_back(void)
{
    pthread_mutex_lock(&lock);
    replace(NULL, NULL, NULL);
    pthread_mutex_unlock(&lock);
}

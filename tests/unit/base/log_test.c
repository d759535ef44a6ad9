// src/base/log.c
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

struct sink {
    int count;
    enum pv_log_level level;
    char message[4096];
};

static void receive(void *user, enum pv_log_level level, const char *message)
{
    struct sink *sink = user;
    sink->count++;
    sink->level = level;
    strncpy(sink->message, message, sizeof(sink->message) - 1);
    errno = EIO; // callbacks may do anything
}

static void hands_on_one_formatted_line(void **state)
{
    (void)state;
    struct sink sink = {0};
    const struct pv_log log = {.fn = receive, .user = &sink, .level = PV_LOG_INFO};
    pv_log(&log, PV_LOG_WARN, "context %u: %s", 7u, "ring is too small");
    assert_int_equal(sink.count, 1);
    assert_int_equal(sink.level, PV_LOG_WARN);
    assert_string_equal(sink.message, "context 7: ring is too small");
}

static void says_nothing_above_its_level(void **state)
{
    (void)state;
    struct sink sink = {0};
    const struct pv_log log = {.fn = receive, .user = &sink, .level = PV_LOG_WARN};
    pv_log(&log, PV_LOG_INFO, "info");
    pv_log(&log, PV_LOG_DEBUG, "debug");
    assert_int_equal(sink.count, 0);
    pv_log(&log, PV_LOG_WARN, "warn");
    pv_log(&log, PV_LOG_ERROR, "error");
    assert_int_equal(sink.count, 2);
}

static void is_silent_without_a_log_or_a_callback(void **state)
{
    (void)state;
    const struct pv_log log = {.level = PV_LOG_DEBUG};
    pv_log(NULL, PV_LOG_ERROR, "nobody listens");
    pv_log(&log, PV_LOG_ERROR, "nobody listens");
}

static void keeps_errno(void **state)
{
    (void)state;
    struct sink sink = {0};
    const struct pv_log log = {.fn = receive, .user = &sink, .level = PV_LOG_INFO};
    errno = ENOSPC;
    pv_log(&log, PV_LOG_ERROR, "cannot allocate");
    assert_int_equal(sink.count, 1);
    assert_int_equal(errno, ENOSPC);
}

static void disarms_control_characters(void **state)
{
    (void)state;
    struct sink sink = {0};
    const struct pv_log log = {.fn = receive, .user = &sink, .level = PV_LOG_INFO};
    pv_log(&log, PV_LOG_INFO, "name '%s'", "a\nerror: b\x1b[2J\x7f\tü");
    assert_string_equal(sink.message, "name 'a?error: b?[2J??ü'");
}

static void cuts_long_messages_visibly(void **state)
{
    (void)state;
    struct sink sink = {0};
    const struct pv_log log = {.fn = receive, .user = &sink, .level = PV_LOG_INFO};
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    pv_log(&log, PV_LOG_INFO, "%s", text);
    const size_t length = strlen(sink.message);
    assert_in_range(length, 500, sizeof(text) - 2);
    assert_string_equal(sink.message + length - 4, "x...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_on_one_formatted_line),
        cmocka_unit_test(says_nothing_above_its_level),
        cmocka_unit_test(is_silent_without_a_log_or_a_callback),
        cmocka_unit_test(keeps_errno),
        cmocka_unit_test(disarms_control_characters),
        cmocka_unit_test(cuts_long_messages_visibly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

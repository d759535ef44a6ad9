#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/os.h"
#include "server/socket.h"
#include "vtest_client.h"

struct fixture {
    char directory[64];
    char path[96];
    int fds_before;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->fds_before = vtest_count_fds(0);
    strcpy(fixture->directory, "/tmp/pv-socket-test-XXXXXX");
    if (!mkdtemp(fixture->directory)) {
        return -1;
    }
    snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
    *state = fixture;
    return 0;
}

// Every case leaves an empty directory and no descriptor.
static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    const bool clean = rmdir(fixture->directory) == 0 && vtest_count_fds(0) == fixture->fds_before;
    free(fixture);
    return clean ? 0 : -1;
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void listens_for_this_user_and_leaves_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct pv_listener listener;
    struct vtest_client client;
    struct stat status;
    char error[256] = "";
    assert_true(pv_listener_open(&listener, fixture->path, error, sizeof(error)));
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0077, 0);
    assert_true(vtest_client_connect(&client, fixture->path));
    vtest_client_finish(&client);
    pv_listener_close(&listener);
    assert_false(exists(fixture->path));
}

static void a_stale_socket_is_replaced(void **state)
{
    const struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pv_listener listener;
    struct vtest_client client;
    char error[256] = "";
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture->path);
    const int stale = pv_server_os_socket();
    assert_int_equal(bind(stale, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    assert_true(pv_listener_open(&listener, fixture->path, error, sizeof(error)));
    assert_true(vtest_client_connect(&client, fixture->path));
    vtest_client_finish(&client);
    pv_listener_close(&listener);
}

static void a_live_server_is_left_alone(void **state)
{
    const struct fixture *fixture = *state;
    struct pv_listener first, second;
    char error[256] = "";
    assert_true(pv_listener_open(&first, fixture->path, error, sizeof(error)));
    assert_false(pv_listener_open(&second, fixture->path, error, sizeof(error)));
    assert_non_null(strstr(error, "a server is running at"));
    assert_true(exists(fixture->path));
    pv_listener_close(&second);
    assert_true(exists(fixture->path));
    pv_listener_close(&first);
}

static void another_file_is_left_alone(void **state)
{
    const struct fixture *fixture = *state;
    struct pv_listener listener;
    char error[256] = "";
    const int fd = open(fixture->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    assert_false(pv_listener_open(&listener, fixture->path, error, sizeof(error)));
    assert_non_null(strstr(error, "is not a socket"));
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_size, 8);
    unlink(fixture->path);
}

static void a_successor_keeps_its_file(void **state)
{
    const struct fixture *fixture = *state;
    struct pv_listener first, second;
    char error[256] = "";
    assert_true(pv_listener_open(&first, fixture->path, error, sizeof(error)));
    assert_int_equal(unlink(fixture->path), 0);
    assert_true(pv_listener_open(&second, fixture->path, error, sizeof(error)));
    pv_listener_close(&first);
    assert_true(exists(fixture->path));
    pv_listener_close(&second);
    assert_false(exists(fixture->path));
}

static void abandoning_leaves_the_file(void **state)
{
    const struct fixture *fixture = *state;
    struct pv_listener listener;
    char error[256] = "";
    assert_true(pv_listener_open(&listener, fixture->path, error, sizeof(error)));
    pv_listener_abandon(&listener);
    assert_true(exists(fixture->path));
    unlink(fixture->path);
}

static void bad_paths_are_explained_in_one_line(void **state)
{
    (void)state;
    char longest[200];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    const struct {
        const char *path, *reason;
    } cases[] = {
        {"", "empty: give one"},
        {longest, "has 199 bytes, the limit is 107: choose a shorter one"},
        {"/tmp/pv-no-such-directory/socket", "does not exist: create it first"},
        {"/dev/null/socket", "does not exist: create it first"},
        {"/proc/self/socket", ": c"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pv_listener listener;
        char error[256] = "";
        assert_false(pv_listener_open(&listener, cases[i].path, error, sizeof(error)));
        assert_non_null(strstr(error, cases[i].reason));
        assert_null(strchr(error, '\n'));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(listens_for_this_user_and_leaves_nothing),
        CASE(a_stale_socket_is_replaced),
        CASE(a_live_server_is_left_alone),
        CASE(another_file_is_left_alone),
        CASE(a_successor_keeps_its_file),
        CASE(abandoning_leaves_the_file),
        CASE(bad_paths_are_explained_in_one_line),
    };
    return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}

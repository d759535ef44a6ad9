// Whole servers, with workers and with threads, each in a process of its own so that its
// descriptors and its end can be watched.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_renderer.h"
#include "server/os.h"
#include "server/serve.h"
#include "vtest_client.h"

#define FOREVER 0xffffffffu
#define CLIENTS 64

struct fixture {
    char directory[64];
    char socket_path[96];
    char stats_path[96];
    pid_t pid;
    int status; // after stop()
};

// Set by a server that runs. Shared memory: a descriptor would be one that the tests count.
static _Atomic bool *is_ready;

static struct pv_server *running;
static void (*tailor)(struct pv_server_params *params); // runs first in the server's process

static void stop_running(int signal_number)
{
    (void)signal_number;
    pv_server_stop(running);
}

static void run_server(const struct fixture *fixture, bool in_process)
{
    struct pv_server_params params = {
        .socket_path = fixture->socket_path,
        .stats_path = fixture->stats_path,
        .in_process = in_process,
        .send_timeout_ms = 300,
        .stop_timeout_ms = 1000,
        .hang_up_timeout_ms = 500,
        .max_clients = CLIENTS + 1,
    };
    char error[512];
    if (tailor) {
        tailor(&params);
    }
    running = pv_server_create(&params, error, sizeof(error));
    if (!running) {
        fprintf(stderr, "%s\n", error);
        _exit(1);
    }
    signal(SIGTERM, stop_running);
    atomic_store(is_ready, true);
    if (!pv_server_run(running)) {
        _exit(3);
    }
    pv_server_destroy(running);
    const struct pv_fake_live live = pv_fake_live();
    _exit(live.renderers || live.contexts || live.resources ? 4 : 0);
}

static int set_up(void **state, bool in_process)
{
    unsetenv("PV_FAKE");
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    strcpy(fixture->directory, "/tmp/pv-serve-test-XXXXXX");
    if (!mkdtemp(fixture->directory)) {
        return -1;
    }
    atomic_store(is_ready, false);
    snprintf(fixture->socket_path, sizeof(fixture->socket_path), "%s/socket", fixture->directory);
    snprintf(fixture->stats_path, sizeof(fixture->stats_path), "%s/stats", fixture->directory);
    fflush(NULL);
    fixture->pid = fork();
    if (fixture->pid == 0) {
        run_server(fixture, in_process);
    }
    *state = fixture;
    while (!atomic_load(is_ready)) {
        if (waitpid(fixture->pid, &fixture->status, WNOHANG) != 0) {
            fixture->pid = 0;
            return -1;
        }
        usleep(1000);
    }
    return 0;
}

static int set_up_workers(void **state)
{
    return set_up(state, false);
}

static int set_up_threads(void **state)
{
    return set_up(state, true);
}

static void stop(struct fixture *fixture)
{
    if (fixture->pid) {
        kill(fixture->pid, SIGTERM);
        waitpid(fixture->pid, &fixture->status, 0);
    }
    fixture->pid = 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    stop(fixture);
    struct stat status;
    const bool socket_gone = lstat(fixture->socket_path, &status) < 0;
    unlink(fixture->socket_path);
    unlink(fixture->stats_path);
    const bool clean = rmdir(fixture->directory) == 0 && socket_gone && fixture->status == 0;
    if (!clean) {
        fprintf(stderr, "the server ended with status %#x, its socket is %s\n",
                (unsigned)fixture->status, socket_gone ? "gone" : "there");
    }
    free(fixture);
    return clean ? 0 : -1;
}

// Waits until the server has as many descriptors as `expected`.
static void assert_fds(const struct fixture *fixture, int expected)
{
    int count = -1;
    for (int i = 0; i < 300; i++) {
        count = vtest_count_fds(fixture->pid);
        if (count == expected) {
            return;
        }
        usleep(10000);
    }
    assert_int_equal(count, expected);
}

static void assert_works(struct vtest_client *client)
{
    uint64_t value = 0;
    const struct vtest_pair pair = {vtest_create_sync(client, 1), 42};
    assert_int_not_equal(pair.id, 0);
    assert_true(vtest_submit(client, 6, 1, 1, NULL, 0, &pair, 1));
    assert_true(vtest_read_sync(client, pair.id, &value));
    assert_int_equal(value, 42);
}

static void connect_and_start(const struct fixture *fixture, struct vtest_client *client)
{
    assert_true(vtest_client_connect(client, fixture->socket_path));
    assert_true(vtest_start(client, "test", 3));
}

static void many_clients_are_served_and_leave_nothing(void **state)
{
    struct fixture *fixture = *state;
    static struct vtest_client clients[CLIENTS];
    const int before = vtest_count_fds(fixture->pid);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            int fd;
            connect_and_start(fixture, &clients[i]);
            assert_int_not_equal(vtest_create_blob(&clients[i], 4096, &fd), 0);
            close(fd);
        }
        for (int i = 0; i < CLIENTS; i++) {
            assert_works(&clients[i]);
        }
        for (int i = 0; i < CLIENTS; i++) {
            vtest_client_finish(&clients[i]);
        }
        assert_fds(fixture, before);
    }
}

static void too_many_clients_are_turned_away(void **state)
{
    struct fixture *fixture = *state;
    static struct vtest_client clients[CLIENTS + 1];
    struct vtest_client late;
    for (int i = 0; i < CLIENTS + 1; i++) {
        connect_and_start(fixture, &clients[i]);
        assert_works(&clients[i]);
    }
    assert_true(vtest_client_connect(&late, fixture->socket_path));
    assert_true(vtest_ended(&late, 5000));
    vtest_client_finish(&late);
    assert_works(&clients[0]);
    for (int i = 0; i < CLIENTS + 1; i++) {
        vtest_client_finish(&clients[i]);
    }
}

static void misbehaving_clients_do_not_disturb_others(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client good, bad;
    const int before = vtest_count_fds(fixture->pid);
    connect_and_start(fixture, &good);
    // Nothing at all.
    assert_true(vtest_client_connect(&bad, fixture->socket_path));
    vtest_client_finish(&bad);
    // Garbage.
    uint32_t garbage[512];
    for (size_t i = 0; i < 512; i++) {
        garbage[i] = (uint32_t)(i * 2654435761u);
    }
    assert_true(vtest_client_connect(&bad, fixture->socket_path));
    assert_true(vtest_send_bytes(&bad, garbage, sizeof(garbage)));
    assert_true(vtest_ended(&bad, 5000));
    vtest_client_finish(&bad);
    // Death in the middle of a message.
    connect_and_start(fixture, &bad);
    const uint32_t half[4] = {1000, PV_VTEST_SUBMIT_CMD2, 1, 1};
    assert_true(vtest_send_bytes(&bad, half, sizeof(half)));
    vtest_client_finish(&bad);
    // A context that fails.
    const uint32_t fail = PV_FAKE_FAIL;
    connect_and_start(fixture, &bad);
    assert_true(vtest_submit(&bad, 6, 1, 0, &fail, 1, NULL, 0));
    assert_works(&bad);
    vtest_client_finish(&bad);
    // Never reading.
    connect_and_start(fixture, &bad);
    const uint32_t busy_wait[4] = {2, PV_VTEST_RESOURCE_BUSY_WAIT, 0, 0};
    while (vtest_send_bytes(&bad, busy_wait, sizeof(busy_wait))) {
    }
    vtest_client_finish(&bad);
    assert_works(&good);
    vtest_client_finish(&good);
    assert_fds(fixture, before);
}

static void stopping_ends_every_client(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client silent, waiting, flooding;
    connect_and_start(fixture, &silent);
    connect_and_start(fixture, &waiting);
    connect_and_start(fixture, &flooding);
    const struct vtest_pair pair = {vtest_create_sync(&waiting, 0), 1};
    const int fd = vtest_wait_syncs(&waiting, 0, FOREVER, &pair, 1);
    for (int i = 0; i < 1000; i++) {
        assert_true(vtest_write_sync(&flooding, vtest_create_sync(&flooding, 0), 1));
    }
    stop(fixture);
    assert_int_equal(vtest_poll(fd, 1000), POLLHUP);
    close(fd);
    assert_true(vtest_ended(&silent, 1000));
    assert_true(vtest_ended(&waiting, 1000));
    vtest_client_finish(&silent);
    vtest_client_finish(&waiting);
    vtest_client_finish(&flooding);
}

static void stop_when_full(void *user, enum pv_log_level level, const char *message)
{
    (void)user;
    (void)level;
    if (strstr(message, "no more are taken")) {
        pv_server_stop(running);
    }
}

static void take_one_client(struct pv_server_params *params)
{
    params->max_clients = 1;
    params->renderer.log = stop_when_full;
}

// While they are accepted nothing else is done: they must not be as many as they like.
static void clients_who_come_at_once_do_not_hold_up_the_rest(void **state)
{
    (void)state;
    void *plain_state = NULL;
    static struct vtest_client clients[CLIENTS];
    tailor = take_one_client;
    const int failed = set_up_workers(&plain_state);
    tailor = NULL;
    assert_int_equal(failed, 0);
    struct fixture *fixture = plain_state;
    kill(fixture->pid, SIGSTOP);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(vtest_client_connect(&clients[i], fixture->socket_path));
    }
    kill(fixture->pid, SIGCONT);
    assert_int_equal(waitpid(fixture->pid, &fixture->status, 0), fixture->pid); // by the second
    fixture->pid = 0;
    int answered = 0;
    for (int i = 0; i < CLIENTS; i++) {
        uint8_t goodbye[64];
        answered += vtest_receive(&clients[i], goodbye, sizeof(goodbye));
        vtest_client_finish(&clients[i]);
    }
    assert_in_range(answered, 2, CLIENTS / 2);
    assert_int_equal(tear_down(&plain_state), 0);
}

static void writes_a_line_of_statistics_per_context(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t commands[2] = {1, 2};
    for (int i = 0; i < 3; i++) {
        struct vtest_client client;
        connect_and_start(fixture, &client);
        assert_true(vtest_submit(&client, 6, 1, 0, commands, 2, NULL, 0));
        assert_works(&client);
        vtest_client_finish(&client);
    }
    struct vtest_client without_context;
    assert_true(vtest_client_connect(&without_context, fixture->socket_path));
    assert_true(vtest_greet(&without_context, "none", 3));
    vtest_client_finish(&without_context);
    stop(fixture);
    FILE *file = fopen(fixture->stats_path, "r");
    assert_non_null(file);
    char line[256];
    int lines = 0;
    while (fgets(line, sizeof(line), file)) {
        assert_string_equal(line,
                            "name=test commands=2 ring_bytes=0 stream_bytes=8 queue_submits=0\n");
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 3);
}

static void a_crash_takes_its_client_only(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client good, bad, next;
    const int before = vtest_count_fds(fixture->pid);
    connect_and_start(fixture, &good);
    connect_and_start(fixture, &bad);
    const struct vtest_pair pair = {vtest_create_sync(&bad, 0), 1};
    const int fd = vtest_wait_syncs(&bad, 0, FOREVER, &pair, 1);
    const uint32_t crash = PV_FAKE_CRASH;
    uint8_t goodbye[64];
    assert_true(vtest_submit(&bad, 6, 1, 0, &crash, 1, NULL, 0));
    // What waits on the client's side ends: its descriptor hangs up, its read gets a goodbye.
    assert_int_equal(vtest_poll(fd, 5000), POLLHUP);
    assert_true(vtest_receive(&bad, goodbye, sizeof(goodbye)));
    assert_true(vtest_ended(&bad, 5000));
    close(fd);
    vtest_client_finish(&bad);
    assert_works(&good);
    connect_and_start(fixture, &next);
    assert_works(&next);
    vtest_client_finish(&next);
    vtest_client_finish(&good);
    assert_fds(fixture, before);
}

static void a_stuck_worker_of_a_gone_client_is_killed(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client bad;
    const int before = vtest_count_fds(fixture->pid);
    const uint32_t block[2] = {PV_FAKE_BLOCK, 60000};
    connect_and_start(fixture, &bad);
    assert_works(&bad);
    assert_true(vtest_submit(&bad, 6, 1, 0, block, 2, NULL, 0));
    vtest_client_finish(&bad);
    assert_fds(fixture, before); // within three seconds
}

// A worker that looks as if it had ended. The server has one thread, which must not wait for it.
static void a_worker_that_closes_everything_holds_up_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client good, bad, next;
    const int before = vtest_count_fds(fixture->pid);
    const uint32_t desert[2] = {PV_FAKE_DESERT, 60000};
    connect_and_start(fixture, &good);
    connect_and_start(fixture, &bad);
    assert_works(&bad);
    assert_true(vtest_submit(&bad, 6, 1, 0, desert, 2, NULL, 0));
    usleep(100000);
    connect_and_start(fixture, &next);
    assert_works(&next);
    assert_works(&good);
    vtest_client_finish(&next);
    vtest_client_finish(&good);
    vtest_client_finish(&bad);
    assert_fds(fixture, before); // within three seconds
}

static void a_worker_that_speaks_no_sense_is_ended(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client good, bad;
    const int before = vtest_count_fds(fixture->pid);
    const uint32_t babble = PV_FAKE_BABBLE;
    connect_and_start(fixture, &good);
    connect_and_start(fixture, &bad);
    assert_works(&bad);
    assert_true(vtest_submit(&bad, 6, 1, 0, &babble, 1, NULL, 0));
    assert_true(vtest_ended(&bad, 5000));
    vtest_client_finish(&bad);
    assert_works(&good);
    vtest_client_finish(&good);
    assert_fds(fixture, before);
}

static void a_stuck_client_does_not_hold_up_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client bad;
    const uint32_t block[2] = {PV_FAKE_BLOCK, 60000};
    connect_and_start(fixture, &bad);
    assert_works(&bad);
    assert_true(vtest_submit(&bad, 6, 1, 0, block, 2, NULL, 0));
    const uint64_t begun = pv_server_os_now_ns();
    stop(fixture);
    assert_true(pv_server_os_now_ns() - begun < UINT64_C(10000000000));
    vtest_client_finish(&bad);
}

// The worker that waits for a client; 0: there is none. `others`: how many have one.
static pid_t spare_of(const struct fixture *fixture, int *others)
{
    char path[64], name[32];
    pid_t spare = 0;
    int pid;
    *others = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)fixture->pid, (int)fixture->pid);
    FILE *children = fopen(path, "r");
    while (children && fscanf(children, "%d", &pid) == 1) {
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        FILE *comm = fopen(path, "r");
        const bool named = comm && fgets(name, sizeof(name), comm);
        if (named && strcmp(name, "pv-spare\n") == 0) {
            spare = pid;
        } else {
            ++*others;
        }
        if (comm) {
            fclose(comm);
        }
    }
    if (children) {
        fclose(children);
    }
    return spare;
}

// Ends this process's right to make descriptors of processes, as a container's filter may.
static void lose_pidfd_open(struct pv_server_params *params)
{
    (void)params;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 4, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        _exit(5);
    }
}

static void who_cannot_be_watched_is_not_started(void **state)
{
    (void)state;
    void *plain_state = NULL;
    struct vtest_client client;
    int others;
    tailor = lose_pidfd_open;
    const int failed = set_up_workers(&plain_state);
    tailor = NULL;
    assert_int_equal(failed, 0);
    struct fixture *fixture = plain_state;
    const int before = vtest_count_fds(fixture->pid);
    for (int i = 0; i < 3; i++) {
        assert_true(vtest_client_connect(&client, fixture->socket_path));
        assert_true(vtest_ended(&client, 5000));
        vtest_client_finish(&client);
    }
    assert_int_equal(spare_of(fixture, &others), 0);
    assert_int_equal(others, 0);
    assert_fds(fixture, before);
    assert_int_equal(tear_down(&plain_state), 0);
}

static bool is_named(pid_t pid, const char *expected)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    FILE *comm = fopen(path, "r");
    const bool equal = comm && fgets(name, sizeof(name), comm) && strcmp(name, expected) == 0;
    if (comm) {
        fclose(comm);
    }
    return equal;
}

#define LINKS 64

// What descriptors of process `pid` lead to, without standard input and output.
static size_t links_of(int pid, char links[LINKS][128])
{
    size_t count = 0;
    for (int fd = 3; fd < 1024 && count < LINKS; fd++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
        const ssize_t length = readlink(path, links[count], sizeof(links[0]) - 1);
        if (length > 0) {
            links[count++][length] = '\0';
        }
    }
    return count;
}

// What two have in common, each can use against the other.
static void workers_share_no_descriptors(void **state)
{
    struct fixture *fixture = *state;
    static char links[2][LINKS][128];
    struct vtest_client clients[2];
    pid_t workers[2];
    int others;
    for (int i = 0; i < 2; i++) {
        for (int tries = 0; tries < 300 && !(workers[i] = spare_of(fixture, &others)); tries++) {
            usleep(10000);
        }
        connect_and_start(fixture, &clients[i]);
        assert_works(&clients[i]);
        assert_true(is_named(workers[i], "pv:test\n"));
    }
    const size_t first_count = links_of(workers[0], links[0]);
    const size_t second_count = links_of(workers[1], links[1]);
    assert_true(first_count >= 2 && first_count < LINKS); // the client and the channel
    for (size_t i = 0; i < first_count * second_count; i++) {
        const char *link = links[0][i / second_count];
        const bool told_apart = strncmp(link, "anon_inode:", 11) != 0 &&
                                strncmp(link, "/memfd:", 7) != 0 && strcmp(link, "/dev/null") != 0;
        if (told_apart && strcmp(link, links[1][i % second_count]) == 0) {
            fail_msg("two workers have %s", link);
        }
    }
    for (int i = 0; i < 2; i++) {
        vtest_client_finish(&clients[i]);
    }
}

static void the_next_client_s_worker_is_started_ahead(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client clients[3];
    int others;
    pid_t spare = spare_of(fixture, &others);
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(spare, 0);
        assert_int_equal(others, i);
        connect_and_start(fixture, &clients[i]);
        assert_works(&clients[i]);
        assert_true(is_named(spare, "pv:test\n"));
        for (int tries = 0; tries < 300; tries++) {
            spare = spare_of(fixture, &others); // named once it runs
            if (spare && others == i + 1) {
                break;
            }
            usleep(10000);
        }
    }
    for (int i = 0; i < 3; i++) {
        vtest_client_finish(&clients[i]);
    }
}

// It may not use what came after it.
static void a_spare_older_than_a_device_node_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    static const char node[] = "/dev/pv-serve-test";
    struct vtest_client client;
    int others;
    const pid_t spare = spare_of(fixture, &others);
    const int fd = open(node, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        print_message("only root makes device nodes\n");
        skip();
    }
    close(fd);
    unlink(node);
    assert_int_not_equal(spare, 0);
    connect_and_start(fixture, &client);
    assert_works(&client);
    assert_int_equal(kill(spare, 0), -1);
    vtest_client_finish(&client);
}

// Otherwise it could type into the server's terminal.
static void take_a_terminal(struct pv_server_params *params)
{
    (void)params;
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (setsid() < 0 || terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0 ||
        open(ptsname(terminal), O_RDWR | O_CLOEXEC) < 0) {
        _exit(5);
    }
}

// The terminal's number, 0: none.
static int terminal_of(pid_t pid)
{
    char path[64], text[512] = "";
    int terminal = -1;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "r");
    if (stat && fgets(text, sizeof(text), stat) && strrchr(text, ')')) {
        sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %d", &terminal);
    }
    if (stat) {
        fclose(stat);
    }
    return terminal;
}

static void workers_have_no_terminal(void **state)
{
    (void)state;
    void *plain_state = NULL;
    int others;
    const int trial = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (trial < 0) {
        print_message("there are no pseudo-terminals\n");
        skip();
    }
    close(trial);
    tailor = take_a_terminal;
    const int failed = set_up_workers(&plain_state);
    tailor = NULL;
    assert_int_equal(failed, 0);
    struct fixture *fixture = plain_state;
    assert_true(terminal_of(fixture->pid) > 0);
    const pid_t spare = spare_of(fixture, &others);
    assert_int_not_equal(spare, 0);
    assert_int_equal(terminal_of(spare), 0);
    assert_int_equal(getsid(spare), fixture->pid); // scheduled with the server
    assert_int_equal(tear_down(&plain_state), 0);
}

static void a_spare_that_died_is_missed_by_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client clients[2];
    int others;
    const pid_t spare = spare_of(fixture, &others);
    assert_int_not_equal(spare, 0);
    kill(spare, SIGKILL);
    usleep(100000);
    for (int i = 0; i < 2; i++) {
        connect_and_start(fixture, &clients[i]);
        assert_works(&clients[i]);
    }
    // What dies while nobody uses it is not started again and again.
    assert_int_equal(spare_of(fixture, &others), 0);
    assert_int_equal(others, 2);
    for (int i = 0; i < 2; i++) {
        vtest_client_finish(&clients[i]);
    }
}

// The device is there once the trial, which is in no sandbox, has used it for the first time.
static void a_spare_that_came_before_its_device_is_replaced(void **state)
{
    (void)state;
    void *plain_state = NULL;
    char node[64];
    struct vtest_client client;
    snprintf(node, sizeof(node), "/tmp/pv-serve-test-node-%d", (int)getpid());
    setenv("PV_FAKE_NODE", node, 1);
    assert_int_equal(set_up_workers(&plain_state), 0);
    unsetenv("PV_FAKE_NODE");
    struct fixture *fixture = plain_state;
    connect_and_start(fixture, &client);
    assert_works(&client);
    assert_true(vtest_submit(&client, 6, 1, 0, &(uint32_t){PV_FAKE_NEED_NODE}, 1, NULL, 0));
    assert_works(&client);
    vtest_client_finish(&client);
    assert_int_equal(unlink(node), 0);
    assert_int_equal(tear_down(&plain_state), 0);
}

static void workers_end_when_the_server_is_killed(void **state)
{
    struct fixture *fixture = *state;
    struct vtest_client client;
    connect_and_start(fixture, &client);
    assert_works(&client);
    kill(fixture->pid, SIGKILL);
    waitpid(fixture->pid, &fixture->status, 0);
    fixture->pid = 0;
    assert_true(vtest_ended(&client, 5000));
    vtest_client_finish(&client);
    // Nobody is left to remove the file; the next server does.
    assert_int_equal(unlink(fixture->socket_path), 0);
    fixture->status = 0;
}

static void a_missing_driver_is_told_at_start(void **state)
{
    (void)state;
    static const struct {
        const char *fake, *reason;
    } cases[] = {
        {"no-library", "no Vulkan library: install libvulkan1"},
        {"no-device", "no usable Vulkan device"},
        {"crash-at-start", "crashed while it was probed"},
    };
    for (size_t i = 0; i < 3; i++) {
        for (int in_process = 0; in_process < (i < 2 ? 2 : 1); in_process++) {
            const struct pv_server_params params = {
                .socket_path = "/tmp/pv-serve-test-unused",
                .in_process = in_process,
            };
            const int before = vtest_count_fds(0);
            char error[512] = "";
            setenv("PV_FAKE", cases[i].fake, 1);
            assert_null(pv_server_create(&params, error, sizeof(error)));
            unsetenv("PV_FAKE");
            assert_non_null(strstr(error, cases[i].reason));
            assert_int_equal(access("/tmp/pv-serve-test-unused", F_OK), -1);
            assert_int_equal(vtest_count_fds(0), before);
            assert_int_equal(pv_fake_live().renderers, 0);
        }
    }
}

static void an_unwritable_statistics_file_is_told_at_start(void **state)
{
    (void)state;
    const struct pv_server_params params = {
        .socket_path = "/tmp/pv-serve-test-unused",
        .stats_path = "/tmp/pv-no-such-directory/stats",
    };
    char error[512] = "";
    assert_null(pv_server_create(&params, error, sizeof(error)));
    assert_non_null(strstr(error, "cannot write /tmp/pv-no-such-directory/stats"));
}

#define BOTH(name)                                                                                 \
    {#name "_with_workers", name, set_up_workers, tear_down, NULL},                                \
    {                                                                                              \
#name "_with_threads", name, set_up_threads, tear_down, NULL                               \
    }
#define WORKERS(name) cmocka_unit_test_setup_teardown(name, set_up_workers, tear_down)

int main(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        close(fd); // what this process was given, its servers and workers would share
    }
    is_ready =
        mmap(NULL, sizeof(*is_ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (is_ready == MAP_FAILED) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        BOTH(many_clients_are_served_and_leave_nothing),
        BOTH(too_many_clients_are_turned_away),
        BOTH(misbehaving_clients_do_not_disturb_others),
        BOTH(stopping_ends_every_client),
        cmocka_unit_test(clients_who_come_at_once_do_not_hold_up_the_rest),
        BOTH(writes_a_line_of_statistics_per_context),
        WORKERS(a_crash_takes_its_client_only),
        WORKERS(workers_share_no_descriptors),
        WORKERS(a_stuck_worker_of_a_gone_client_is_killed),
        WORKERS(a_worker_that_closes_everything_holds_up_nobody),
        WORKERS(a_worker_that_speaks_no_sense_is_ended),
        cmocka_unit_test(who_cannot_be_watched_is_not_started),
        BOTH(a_stuck_client_does_not_hold_up_the_end),
        WORKERS(the_next_client_s_worker_is_started_ahead),
        WORKERS(a_spare_older_than_a_device_node_is_replaced),
        cmocka_unit_test(workers_have_no_terminal),
        WORKERS(a_spare_that_died_is_missed_by_nobody),
        cmocka_unit_test(a_spare_that_came_before_its_device_is_replaced),
        WORKERS(workers_end_when_the_server_is_killed),
        cmocka_unit_test(a_missing_driver_is_told_at_start),
        cmocka_unit_test(an_unwritable_statistics_file_is_told_at_start),
    };
    return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}

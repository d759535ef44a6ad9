// The server's part of the signs of life: what is done, and what is refused to a worker that was
// taken over.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/os.h"
#include "server/pulse.h"
#include "vtest_client.h"

#define PERIOD_US 3000000u
#define SIZE      8192u
#define BIT       4u

static int make_memory(int seals)
{
    const int fd = memfd_create("pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static _Atomic uint32_t *map(int fd)
{
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static uint64_t after(const struct pv_pulses *pulses, uint64_t ms)
{
    return pulses->last_ns + ms * 1000000u;
}

static void bits_are_set_in_each_period(void **state)
{
    (void)state;
    struct pv_pulses pulses = {0};
    const int fd = make_memory(F_SEAL_SHRINK);
    _Atomic uint32_t *words = map(fd);
    const int before = vtest_count_fds(0);
    assert_int_equal(pv_pulses_beat(&pulses, pv_server_os_now_ns()), -1);
    const uint32_t word = 4096 / 4 + 16; // on the second page
    struct pv_pulse pulse = {
        .id = 1, .fd = fd, .offset = word * 4, .bits = BIT, .period_us = PERIOD_US};
    assert_true(pv_pulses_add(&pulses, 1, &pulse));
    pulse.id = 2;
    pulse.offset = 64;
    assert_true(pv_pulses_add(&pulses, 1, &pulse));
    assert_int_equal(vtest_count_fds(0), before);
    words[word] = 1;
    // Not before its time, so that an idle server sleeps; but before the period ends.
    assert_in_range(pv_pulses_beat(&pulses, after(&pulses, 1000)), 1500, 1999);
    assert_int_equal(words[word], 1);
    for (int i = 0; i < 3; i++) {
        words[word] = 1;
        words[16] = 0;
        assert_in_range(pv_pulses_beat(&pulses, after(&pulses, 2999)), 2500, 2999);
        assert_int_equal(words[word], 1 | BIT);
        assert_int_equal(words[16], BIT);
    }
    // What has ended is not touched.
    words[word] = words[16] = 0;
    pv_pulses_remove(&pulses, 2, 1); // somebody else's
    pv_pulses_remove(&pulses, 1, 1);
    pv_pulses_beat(&pulses, after(&pulses, 2999));
    assert_int_equal(words[word], 0);
    assert_int_equal(words[16], BIT);
    pv_pulses_remove_client(&pulses, 1);
    assert_null(pulses.first);
    munmap((void *)(uintptr_t)words, SIZE);
    close(fd);
}

static void the_shortest_period_counts(void **state)
{
    (void)state;
    struct pv_pulses pulses = {0};
    const int fd = make_memory(F_SEAL_SHRINK);
    struct pv_pulse pulse = {.id = 1, .fd = fd, .bits = BIT, .period_us = PERIOD_US};
    assert_true(pv_pulses_add(&pulses, 1, &pulse));
    pulse.period_us = 1000000;
    assert_true(pv_pulses_add(&pulses, 2, &pulse));
    assert_in_range(pv_pulses_beat(&pulses, after(&pulses, 0)), 500, 999);
    pv_pulses_remove_client(&pulses, 2);
    assert_in_range(pv_pulses_beat(&pulses, after(&pulses, 0)), 2500, 2999);
    pv_pulses_remove_client(&pulses, 1);
    close(fd);
}

static void what_could_harm_the_server_is_refused(void **state)
{
    (void)state;
    struct pv_pulses pulses = {0};
    const int sealed = make_memory(F_SEAL_SHRINK);
    const int shrinking = make_memory(F_SEAL_GROW);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const struct pv_pulse cases[] = {
        {.fd = shrinking, .period_us = PERIOD_US},
        {.fd = pipe_fds[0], .period_us = PERIOD_US},
        {.fd = file, .period_us = PERIOD_US},
        {.fd = -1, .period_us = PERIOD_US},
        {.fd = sealed, .period_us = PERIOD_US, .offset = SIZE},
        {.fd = sealed, .period_us = PERIOD_US, .offset = UINT64_MAX - 3},
        {.fd = sealed, .period_us = PERIOD_US, .offset = 2},
        {.fd = sealed, .period_us = 1000},
        {.fd = sealed, .period_us = 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(pv_pulses_add(&pulses, 1, &cases[i]));
        assert_null(pulses.first);
    }
    struct pv_pulse pulse = {.fd = sealed, .period_us = PERIOD_US};
    for (uint32_t i = 0; i < PV_PULSE_MAX_PER_CLIENT; i++) {
        pulse.id = i;
        assert_true(pv_pulses_add(&pulses, 1, &pulse));
    }
    assert_false(pv_pulses_add(&pulses, 1, &pulse));
    assert_true(pv_pulses_add(&pulses, 2, &pulse));
    pv_pulses_remove_client(&pulses, 1);
    pv_pulses_remove_client(&pulses, 2);
    assert_null(pulses.first);
    close(sealed);
    close(shrinking);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(file);
}

// Workers are forked from the process that has them.
static void children_do_not_see_the_memory(void **state)
{
    (void)state;
    struct pv_pulses pulses = {0};
    const int fd = make_memory(F_SEAL_SHRINK);
    const struct pv_pulse pulse = {.id = 1, .fd = fd, .bits = BIT, .period_us = PERIOD_US};
    assert_true(pv_pulses_add(&pulses, 1, &pulse));
    int status = -1;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        char line[512];
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps && fgets(line, sizeof(line), maps)) {
            if (strstr(line, "memfd:pulse")) {
                _exit(1);
            }
        }
        _exit(maps ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pv_pulses_remove_client(&pulses, 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_set_in_each_period),
        cmocka_unit_test(the_shortest_period_counts),
        cmocka_unit_test(what_could_harm_the_server_is_refused),
        cmocka_unit_test(children_do_not_see_the_memory),
    };
    return cmocka_run_group_tests_name("pulse", tests, NULL, NULL);
}

// src/base/os_linux.c and os_posix.c: shared memory, mappings, file descriptors, thread properties.
// Waiting and waking are in wait_test.c, opening the Vulkan library in vulkan_library_test.c.
#include "base/os.h"
#include "base/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static int count_open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static int check_no_fd_is_left(void **state)
{
    (void)state;
    static int before;
    if (before == 0) {
        before = count_open_fds();
    }
    return count_open_fds() == before ? 0 : -1;
}

static int create_shm(uint64_t size)
{
    const int fd = pv_os_shm_create("pv-test", size);
    assert_true(fd >= 0);
    return fd;
}

static uint8_t *map(int fd, uint64_t offset, uint64_t size)
{
    uint8_t *memory = pv_os_map(fd, offset, size);
    assert_non_null(memory);
    return memory;
}

static void shared_memory_is_zeroed_and_has_exactly_its_size(void **state)
{
    (void)state;
    const int fd = create_shm(10000);
    assert_true(pv_os_fd_size(fd) == 10000);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    uint8_t *memory = map(fd, 0, 10000);
    for (size_t i = 0; i < 10000; i++) {
        assert_int_equal(memory[i], 0);
    }
    pv_os_unmap(memory, 10000);
    pv_os_close(fd);
}

static void shared_memory_cannot_be_resized(void **state)
{
    (void)state;
    const int fd = create_shm(8192);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 16384), -1);
    assert_int_equal(errno, EPERM);
    // Nor can whoever receives it forbid writing to those who have it.
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_int_equal(errno, EPERM);
    assert_true(pv_os_fd_size(fd) == 8192);
    pv_os_close(fd);
}

static void refuses_impossible_shared_memory(void **state)
{
    (void)state;
    assert_int_equal(pv_os_shm_create("pv-test", 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pv_os_shm_create("pv-test", UINT64_C(1) << 63), -1);
    assert_int_equal(errno, EFBIG);
    char name[300];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = 0;
    assert_int_equal(pv_os_shm_create(name, 4096), -1);
    assert_int_equal(errno, EINVAL);
}

static void spares_the_last_descriptors(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int fds[64], count = 0, others = 0, fd;
    while ((fd = pv_os_spare_fds(dup(0), 64)) >= 0) {
        fds[count++] = fd;
    }
    assert_int_equal(errno, EMFILE);
    assert_true(count > 0);
    while ((fd = dup(0)) >= 0) {
        fds[count + others++] = fd;
    }
    assert_int_equal(others, 16);
    for (int i = 0; i < count + others; i++) {
        pv_os_close(fds[i]);
    }
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void mappings_of_one_file_show_the_same_bytes(void **state)
{
    (void)state;
    const size_t page = pv_os_page_size();
    const int fd = create_shm(2 * page);
    const int copy = pv_os_dup(fd);
    assert_true(copy >= 0 && copy != fd);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    uint8_t *all = map(fd, 0, 2 * page);
    uint8_t *second = map(copy, page, page);
    pv_os_close(copy);
    pv_os_close(fd); // mappings outlive their file descriptors
    all[page + 5] = 0x5a;
    assert_int_equal(second[5], 0x5a);
    second[6] = 0xa5;
    assert_int_equal(all[page + 6], 0xa5);
    pv_os_unmap(second, page);
    pv_os_unmap(all, 2 * page);
    pv_os_unmap(NULL, page);
}

static void refuses_mappings_that_cannot_be(void **state)
{
    (void)state;
    const int fd = create_shm(8192);
    assert_null(pv_os_map(-1, 0, 4096));
    assert_int_equal(errno, EBADF);
    assert_null(pv_os_map(fd, 1, 4096));
    assert_int_equal(errno, EINVAL);
    assert_null(pv_os_map(fd, 0, 0));
    assert_int_equal(errno, EINVAL);
    assert_null(pv_os_map(fd, UINT64_C(1) << 63, 4096));
    assert_int_equal(errno, EOVERFLOW);
    pv_os_close(fd);
}

static void replaces_one_page_and_leaves_its_neighbours(void **state)
{
    (void)state;
    const size_t page = pv_os_page_size();
    const int window_fd = create_shm(3 * page), blob_fd = create_shm(page);
    uint8_t *window = map(window_fd, 0, 3 * page), *blob = map(blob_fd, 0, page);
    memset(window, 1, 3 * page);
    memset(blob, 2, page);
    assert_true(pv_os_map_fixed(blob_fd, page, window + page));
    assert_int_equal(window[page - 1], 1);
    assert_int_equal(window[page], 2);
    assert_int_equal(window[2 * page - 1], 2);
    assert_int_equal(window[2 * page], 1);
    // A refusal changes nothing.
    assert_false(pv_os_map_fixed(-1, page, window));
    assert_int_equal(window[0], 1);
    pv_os_unmap(blob, page);
    pv_os_unmap(window, 3 * page);
    pv_os_close(blob_fd);
    pv_os_close(window_fd);
}

static void populating_makes_pages_present_and_keeps_their_contents(void **state)
{
    (void)state;
    const size_t page = pv_os_page_size(), size = 16 * page;
    const int fd = create_shm(size);
    uint8_t *memory = map(fd, 0, size);
    unsigned char present[16];
    memory[3 * page] = 7;
    assert_int_equal(mincore(memory, size, present), 0);
    assert_int_equal(present[9] & 1, 0);
    pv_os_populate(memory, size);
    assert_int_equal(mincore(memory, size, present), 0);
    for (size_t i = 0; i < PV_ARRAY_LENGTH(present); i++) {
        assert_int_equal(present[i] & 1, 1);
    }
    assert_int_equal(memory[3 * page], 7);
    pv_os_unmap(memory, size);
    pv_os_close(fd);
}

static void only_files_have_a_size(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(pv_os_fd_size(ends[0]) == -1);
    close(ends[0]);
    close(ends[1]);
    assert_true(pv_os_fd_size(-1) == -1);
    assert_int_equal(pv_os_dup(-1), -1);
}

static void closing_keeps_errno(void **state)
{
    (void)state;
    const int fd = create_shm(4096);
    errno = ENOSPC;
    pv_os_close(fd);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = ENOSPC;
    pv_os_close(-1);
    assert_int_equal(errno, ENOSPC);
}

static void time_moves_on_with_the_system_clock(void **state)
{
    (void)state;
    const uint64_t before_ns = pv_os_now_ns();
    const struct timespec nap = {.tv_nsec = 2000000};
    nanosleep(&nap, NULL);
    assert_in_range(pv_os_now_ns() - before_ns, 2000000, UINT64_C(20000000000));
}

// Filled by a thread of its own, so that the test's thread stays as it is.
struct thread_facts {
    char name[16];
    int nice, timer_slack;
};

static void change_thread(void *user)
{
    struct thread_facts *facts = user;
    pv_os_thread_set_name("a name longer than fits");
    pv_os_thread_set_nice(7);
    pv_os_thread_set_low_latency();
    prctl(PR_GET_NAME, facts->name);
    facts->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    facts->timer_slack = prctl(PR_GET_TIMERSLACK);
}

static void thread_properties_belong_to_one_thread(void **state)
{
    (void)state;
    const int nice_before = getpriority(PRIO_PROCESS, 0);
    const int slack_before = prctl(PR_GET_TIMERSLACK);
    struct thread_facts facts = {.nice = -1};
    struct pv_thread thread = {0};
    assert_true(pv_thread_start(&thread, "facts", change_thread, &facts));
    pv_thread_join(&thread);
    assert_string_equal(facts.name, "a name longer t");
    assert_int_equal(facts.nice, 7);
    assert_int_equal(facts.timer_slack, 1);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_before);
    assert_int_equal(prctl(PR_GET_TIMERSLACK), slack_before);
}

static void a_thread_changes_its_core_and_may_use_the_same(void **state)
{
    (void)state;
    cpu_set_t allowed, after;
    assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    bool changed = false; // the scheduler may bring it back at once
    for (int i = 0; i < 100 && !changed; i++) {
        const int before = sched_getcpu();
        pv_os_thread_change_core();
        changed = sched_getcpu() != before;
    }
    assert_int_equal(changed, CPU_COUNT(&allowed) > 1);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&allowed, &after));

    // With no other core it stays.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    pv_os_thread_change_core();
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&one, &after));
    assert_int_equal(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, check_no_fd_is_left)
    const struct CMUnitTest tests[] = {
        CASE(shared_memory_is_zeroed_and_has_exactly_its_size),
        CASE(shared_memory_cannot_be_resized),
        CASE(refuses_impossible_shared_memory),
        CASE(spares_the_last_descriptors),
        CASE(mappings_of_one_file_show_the_same_bytes),
        CASE(refuses_mappings_that_cannot_be),
        CASE(replaces_one_page_and_leaves_its_neighbours),
        CASE(populating_makes_pages_present_and_keeps_their_contents),
        CASE(only_files_have_a_size),
        CASE(closing_keeps_errno),
        CASE(time_moves_on_with_the_system_clock),
        CASE(thread_properties_belong_to_one_thread),
        CASE(a_thread_changes_its_core_and_may_use_the_same),
    };
#undef CASE
    return cmocka_run_group_tests(tests, check_no_fd_is_left, NULL);
}

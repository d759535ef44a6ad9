// Blobs that are plain files: shared memory and what somebody else made.
#include "blob/blob.h"

#include "base/os.h"
#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static int note_files(void **state)
{
    static int files;
    files = count_open_files();
    *state = &files;
    return 0;
}

static int check_files(void **state)
{
    return count_open_files() == *(int *)*state ? 0 : -1;
}

static void makes_shared_memory_of_the_exact_size(void **state)
{
    (void)state;
    struct pv_blob *blob = pv_blob_create_shm(5000, "test");
    assert_non_null(blob);
    assert_int_equal(pv_blob_size(blob), 5000);
    assert_int_equal(pv_blob_fd_type(blob), PV_FD_SHM);
    assert_int_equal(pv_blob_map_cache(blob), PV_MAP_CACHE_CACHED);
    const int fd = pv_blob_export_fd(blob);
    assert_int_equal(pv_os_fd_size(fd), 5000);
    pv_os_close(fd);
    pv_blob_unref(blob);
}

static void refuses_shared_memory_that_cannot_be(void **state)
{
    (void)state;
    assert_null(pv_blob_create_shm(0, "test"));
    assert_null(pv_blob_create_shm(UINT64_MAX, "test"));
}

// A guest may ask for any number of them.
static void leaves_descriptors_to_others(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct pv_blob *blobs[64];
    int count = 0, others[64], left = 0, fd;
    while ((blobs[count] = pv_blob_create_shm(4096, "test"))) {
        count++;
    }
    assert_true(count > 0);
    while ((fd = dup(0)) >= 0) {
        others[left++] = fd;
    }
    assert_int_equal(left, 8); // of few; of many 32
    while (left > 0) {
        pv_os_close(others[--left]);
    }
    while (count > 0) {
        pv_blob_unref(blobs[--count]);
    }
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void maps_once_and_zeroed(void **state)
{
    (void)state;
    struct pv_blob *blob = pv_blob_create_shm(8192, "test");
    const unsigned char *memory = pv_blob_map(blob);
    assert_non_null(memory);
    assert_ptr_equal(pv_blob_map(blob), memory);
    assert_int_equal(memory[0], 0);
    assert_int_equal(memory[8191], 0);
    pv_blob_unref(blob);
}

static void shares_its_bytes_through_the_descriptor(void **state)
{
    (void)state;
    struct pv_blob *blob = pv_blob_create_shm(4096, "test");
    char *memory = pv_blob_map(blob);
    const int fd = pv_blob_export_fd(blob);
    char *other = pv_os_map(fd, 0, 4096);
    strcpy(memory, "from the blob");
    assert_string_equal(other, "from the blob");
    pv_os_close(fd);
    pv_blob_unref(blob);
    // The descriptor's mapping lives on.
    assert_string_equal(other, "from the blob");
    pv_os_unmap(other, 4096);
}

static void maps_over_a_given_address(void **state)
{
    (void)state;
    const uint64_t page = pv_os_page_size();
    struct pv_blob *target = pv_blob_create_shm(4 * page, "target");
    struct pv_blob *blob = pv_blob_create_shm(page + 1, "test");
    char *window = pv_blob_map(target);
    strcpy(pv_blob_map(blob), "placed");

    assert_false(pv_blob_map_fixed(blob, 3 * page, window));
    assert_false(pv_blob_map_fixed(blob, 0, window));
    assert_int_equal(window[0], 0);
    assert_true(pv_blob_map_fixed(blob, 2 * page, window + page)); // in whole pages
    assert_string_equal(window + page, "placed");
    assert_int_equal(window[0], 0);
    assert_int_equal(window[3 * page], 0);
    pv_blob_unref(blob);
    assert_string_equal(window + page, "placed");
    pv_blob_unref(target);
}

static void lives_until_the_last_reference(void **state)
{
    (void)state;
    struct pv_blob *blob = pv_blob_create_shm(4096, "test");
    assert_ptr_equal(pv_blob_ref(blob), blob);
    char *memory = pv_blob_map(blob);
    pv_blob_unref(blob);
    memory[0] = 1;
    pv_blob_unref(blob);
    pv_blob_unref(NULL);
}

static void takes_an_imported_descriptor(void **state)
{
    (void)state;
    const char *reason = NULL;
    const int fd = pv_os_shm_create("test", 8192);
    struct pv_blob *blob = pv_blob_import_fd(PV_FD_SHM, fd, 5000, &reason);
    assert_non_null(blob);
    assert_int_equal(pv_blob_size(blob), 5000);
    assert_non_null(pv_blob_map(blob));
    pv_blob_unref(blob);
    assert_int_equal(pv_os_fd_size(fd), -1); // closed
}

static void leaves_a_refused_descriptor_alone(void **state)
{
    (void)state;
    const char *reason = NULL;
    const int fd = pv_os_shm_create("test", 4096);
    assert_null(pv_blob_import_fd(PV_FD_SHM, fd, 4097, &reason));
    assert_non_null(strstr(reason, "fewer bytes"));
    assert_null(pv_blob_import_fd(PV_FD_SHM, fd, 0, &reason));
    assert_null(pv_blob_import_fd(PV_FD_OPAQUE, fd, 4096, &reason));
    assert_non_null(strstr(reason, "only"));
    assert_int_equal(pv_os_fd_size(fd), 4096);
    pv_os_close(fd);

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_null(pv_blob_import_fd(PV_FD_DMABUF, ends[0], 4096, &reason));
    pv_os_close(ends[0]);
    pv_os_close(ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, note_files, check_files)
    const struct CMUnitTest tests[] = {
        CASE(makes_shared_memory_of_the_exact_size),
        CASE(refuses_shared_memory_that_cannot_be),
        CASE(leaves_descriptors_to_others),
        CASE(maps_once_and_zeroed),
        CASE(shares_its_bytes_through_the_descriptor),
        CASE(maps_over_a_given_address),
        CASE(lives_until_the_last_reference),
        CASE(takes_an_imported_descriptor),
        CASE(leaves_a_refused_descriptor_alone),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// pv_os_open_vulkan() of src/base/os_posix.c. The platform's list of names is replaced by our own,
// and the libraries are made by the build: the result does not depend on what is installed here.
#include "base/os.h"
#include "base/os_posix.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static const char *names[4]; // set by each case

const char *const *pv_os_vulkan_names(void)
{
    return names;
}

const char *pv_os_vulkan_advice(void)
{
    return "install one";
}

static int shared; // how often drivers were given what they look up by name

void pv_os_share_libraries(void)
{
    shared++;
}

static char error[1024];

static void *symbol_of(const char *path, const char *name)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(library); // stays open after pv_os_open_vulkan()
    void *symbol = dlsym(library, name);
    assert_non_null(symbol);
    dlclose(library);
    return symbol;
}

static int set_up(void **state)
{
    (void)state;
    memset(names, 0, sizeof(names));
    memset(error, 0, sizeof(error));
    shared = 0;
    return 0;
}

static void opens_the_library_it_is_given(void **state)
{
    (void)state;
    void *entry = pv_os_open_vulkan(FAKE_LOADER_PATH, error, sizeof(error));
    assert_non_null(entry);
    assert_ptr_equal(entry, symbol_of(FAKE_LOADER_PATH, "vkGetInstanceProcAddr"));
    assert_string_equal(error, "");
    assert_int_equal(shared, 1);
}

static void opens_a_driver_that_expects_a_loader(void **state)
{
    (void)state;
    void *entry = pv_os_open_vulkan(FAKE_DRIVER_PATH, error, sizeof(error));
    assert_non_null(entry);
    assert_ptr_equal(entry, symbol_of(FAKE_DRIVER_PATH, "vk_icdGetInstanceProcAddr"));
    const uint32_t *version = symbol_of(FAKE_DRIVER_PATH, "fake_negotiated_version");
    assert_int_equal(*version, 5);
}

static void takes_the_first_name_that_works(void **state)
{
    (void)state;
    names[0] = "libpv-no-such-library.so";
    names[1] = FAKE_STRANGER_PATH;
    names[2] = FAKE_LOADER_PATH;
    void *entry = pv_os_open_vulkan(NULL, error, sizeof(error));
    assert_non_null(entry);
    assert_ptr_equal(entry, symbol_of(FAKE_LOADER_PATH, "vkGetInstanceProcAddr"));
}

static void says_what_was_tried_and_what_to_install(void **state)
{
    (void)state;
    names[0] = "libpv-no-such-a.so";
    names[1] = "libpv-no-such-b.so";
    assert_null(pv_os_open_vulkan(NULL, error, sizeof(error)));
    assert_string_equal(error, "no Vulkan library found (tried libpv-no-such-a.so, "
                               "libpv-no-such-b.so): install one");
}

static void says_why_a_given_library_does_not_open(void **state)
{
    (void)state;
    assert_null(pv_os_open_vulkan("/no/such/library", error, sizeof(error)));
    assert_non_null(strstr(error, "cannot open Vulkan library"));
    assert_non_null(strstr(error, "/no/such/library"));
}

static void tells_a_stranger_from_a_vulkan_library(void **state)
{
    (void)state;
    assert_null(pv_os_open_vulkan(FAKE_STRANGER_PATH, error, sizeof(error)));
    assert_non_null(strstr(error, FAKE_STRANGER_PATH " is not a Vulkan library"));
}

static void cuts_the_error_to_the_room_there_is(void **state)
{
    (void)state;
    char small[8];
    memset(small, '#', sizeof(small));
    assert_null(pv_os_open_vulkan("/no/such/library", small, sizeof(small) - 1));
    assert_string_equal(small, "cannot");
    assert_int_equal(small[7], '#');
    assert_null(pv_os_open_vulkan("/no/such/library", NULL, 0));

    // Names that together are longer than any buffer.
    static char long_name[600];
    memset(long_name, 'x', sizeof(long_name) - 1);
    names[0] = long_name;
    names[1] = long_name;
    assert_null(pv_os_open_vulkan(NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "install one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opens_the_library_it_is_given, set_up),
        cmocka_unit_test_setup(opens_a_driver_that_expects_a_loader, set_up),
        cmocka_unit_test_setup(takes_the_first_name_that_works, set_up),
        cmocka_unit_test_setup(says_what_was_tried_and_what_to_install, set_up),
        cmocka_unit_test_setup(says_why_a_given_library_does_not_open, set_up),
        cmocka_unit_test_setup(tells_a_stranger_from_a_vulkan_library, set_up),
        cmocka_unit_test_setup(cuts_the_error_to_the_room_there_is, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

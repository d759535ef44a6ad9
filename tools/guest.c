#include "guest.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

// Appends the ICD files of one directory. Returns whether there are any.
static bool find_in(const char *directory, const char *below, char *list, size_t size)
{
    char pattern[1024];
    glob_t found = {0};
    const int length =
        snprintf(pattern, sizeof(pattern), "%s%svulkan/icd.d/virtio_icd*.json", directory, below);
    if (length < 0 || (size_t)length >= sizeof(pattern) || glob(pattern, 0, NULL, &found) != 0) {
        return false;
    }
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const int written =
            snprintf(list + used, size - used, "%s%s", used ? ":" : "", found.gl_pathv[i]);
        if (written < 0 || (size_t)written >= size - used) {
            list[used] = '\0';
            break;
        }
        used += (size_t)written;
    }
    globfree(&found);
    return used > 0;
}

// The same for each directory of a colon list.
static bool find_in_list(const char *directories, char *list, size_t size)
{
    for (const char *entry = directories; entry && *entry;) {
        char directory[768];
        const size_t length = strcspn(entry, ":");
        if (length > 0 && length < sizeof(directory)) {
            memcpy(directory, entry, length);
            directory[length] = '\0';
            if (find_in(directory, "/", list, size)) {
                return true;
            }
        }
        entry += length + (entry[length] == ':');
    }
    return false;
}

bool pv_guest_find_icd(char *list, size_t size)
{
    const char *home = getenv("HOME");
    const char *data_home = getenv("XDG_DATA_HOME");
    const char *data_dirs = getenv("XDG_DATA_DIRS");
    return find_in_list(data_home, list, size) ||
           (home && !data_home && find_in(home, "/.local/share/", list, size)) ||
           find_in("/usr/local/etc", "/", list, size) || find_in("/etc", "/", list, size) ||
           find_in_list(data_dirs, list, size) ||
           find_in_list("/usr/local/share:/usr/share:/opt/homebrew/share", list, size);
}

static bool has_render_node(void)
{
    glob_t nodes = {0};
    const bool found = glob("/dev/dri/renderD*", 0, NULL, &nodes) == 0;
    if (found) {
        globfree(&nodes);
    }
    return found;
}

// Asks the X server through libxcb, which every X program with Vulkan has. Only what is used is
// declared, with the layout of libxcb 1.
static bool x_server_has_dri3(void)
{
    struct cookie {
        unsigned int sequence;
    };
    struct extension {
        uint8_t type, pad;
        uint16_t sequence;
        uint32_t length;
        uint8_t present;
    };
    void *(*connect)(const char *, int *);
    int (*has_error)(void *);
    struct cookie (*query)(void *, uint16_t, const char *);
    struct extension *(*reply)(void *, struct cookie, void *);
    void (*disconnect)(void *);

    void *library = dlopen("libxcb.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return false;
    }
    *(void **)&connect = dlsym(library, "xcb_connect");
    *(void **)&has_error = dlsym(library, "xcb_connection_has_error");
    *(void **)&query = dlsym(library, "xcb_query_extension");
    *(void **)&reply = dlsym(library, "xcb_query_extension_reply");
    *(void **)&disconnect = dlsym(library, "xcb_disconnect");
    if (!connect || !has_error || !query || !reply || !disconnect) {
        return false;
    }
    bool present = false;
    void *connection = connect(NULL, NULL);
    if (!has_error(connection)) {
        struct extension *answer = reply(connection, query(connection, 4, "DRI3"), NULL);
        present = answer && answer->present;
        free(answer);
    }
    disconnect(connection);
    return present;
}

// Whether windows must be drawn by copying. Sharing an image with an X server takes DRI3 and a
// real dma-buf. Without a render node the memory of the host's drivers is no dma-buf, whatever
// the window system offers; with one, the X server decides. Mesa itself finds out too late: its
// first window fails.
static bool needs_software_windows(void)
{
    if (!has_render_node()) {
        return true;
    }
    const char *display = getenv("DISPLAY");
    return display && *display && !x_server_has_dri3();
}

static bool list_has(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *item = list; item && *item;) {
        const size_t item_length = strcspn(item, ", ");
        if (item_length == length && strncmp(item, word, length) == 0) {
            return true;
        }
        item += item_length + (item[item_length] != '\0');
    }
    return false;
}

static bool add_vtest_to_vn_debug(void)
{
    const char *old = getenv("VN_DEBUG");
    if (list_has(old, "vtest")) {
        return true;
    }
    if (!old || !*old) {
        return setenv("VN_DEBUG", "vtest", 1) == 0;
    }
    const size_t size = strlen(old) + sizeof(",vtest");
    char *longer = malloc(size);
    if (!longer) {
        return false;
    }
    snprintf(longer, size, "%s,vtest", old);
    const bool set = setenv("VN_DEBUG", longer, 1) == 0;
    free(longer);
    return set;
}

bool pv_guest_enter(const char *icd_list, const char *socket_path)
{
    // These choose among the host's drivers and would hide the guest's.
    unsetenv("VK_ADD_DRIVER_FILES");
    unsetenv("VK_LOADER_DRIVERS_SELECT");
    unsetenv("VK_LOADER_DRIVERS_DISABLE");
    const bool software = !getenv("MESA_VK_WSI_DEBUG") && needs_software_windows();
    return setenv("VK_DRIVER_FILES", icd_list, 1) == 0 &&
           setenv("VK_ICD_FILENAMES", icd_list, 1) == 0 && // loaders before 1.3.207
           setenv("VTEST_SOCKET_NAME", socket_path, 1) == 0 && add_vtest_to_vn_debug() &&
           (!software || setenv("MESA_VK_WSI_DEBUG", "sw", 1) == 0);
}

// The loader of the host side may find the guest's driver among the installed ones. That is
// harmless: without these variables it looks for a virtio GPU with Venus, and if this machine is
// itself a virtual machine with one, that is a host driver like any other.
void pv_tool_become_host(const char *driver)
{
    unsetenv("VN_DEBUG");
    unsetenv("VTEST_SOCKET_NAME");
    if (driver) {
        setenv("VK_DRIVER_FILES", driver, 1);
        setenv("VK_ICD_FILENAMES", driver, 1);
    }
}

#include "manifest.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SIZE  65536 // bytes of an ICD file
#define MAX_DEPTH 16

// -- JSON, as far as these files go ----------------------------------------------------------

struct json {
    const char *at; // zero-terminated
    bool bad;
};

static void skip_space(struct json *json)
{
    json->at += strspn(json->at, " \t\r\n");
}

static bool take(struct json *json, char wanted)
{
    skip_space(json);
    if (json->bad || *json->at != wanted) {
        return false;
    }
    json->at++;
    return true;
}

// Reads a string; escapes other than those of a path are kept as they are.
static void read_string(struct json *json, char *text, size_t size)
{
    size_t used = 0;
    if (!take(json, '"')) {
        json->bad = true;
        return;
    }
    while (*json->at && *json->at != '"') {
        if (*json->at == '\\' && json->at[1]) {
            json->at++;
        }
        if (used + 1 < size) {
            text[used++] = *json->at;
        }
        json->at++;
    }
    if (size > 0) {
        text[used] = '\0';
    }
    json->bad = *json->at != '"';
    json->at += !json->bad;
}

static void read_value(struct json *json, struct pv_manifest *manifest, int depth);

static void read_member(struct json *json, struct pv_manifest *manifest, int depth)
{
    char key[64] = "";
    read_string(json, key, sizeof(key));
    if (!take(json, ':')) {
        json->bad = true;
    }
    skip_space(json);
    if (manifest && !json->bad && depth == 1 && *json->at == '"') {
        if (strcmp(key, "library_path") == 0) {
            read_string(json, manifest->library, sizeof(manifest->library));
            return;
        }
        if (strcmp(key, "api_version") == 0) {
            read_string(json, manifest->api_version, sizeof(manifest->api_version));
            return;
        }
    }
    read_value(json, strcmp(key, "ICD") == 0 || depth > 0 ? manifest : NULL, depth + 1);
}

static void read_value(struct json *json, struct pv_manifest *manifest, int depth)
{
    skip_space(json);
    const char first = *json->at;
    if (json->bad || depth > MAX_DEPTH) {
        json->bad = true;
    } else if (first == '{' || first == '[') {
        const char last = first == '{' ? '}' : ']';
        json->at++;
        if (take(json, last)) {
            return;
        }
        do {
            if (first == '{') {
                read_member(json, manifest, depth);
            } else {
                read_value(json, NULL, depth + 1);
            }
        } while (take(json, ','));
        json->bad |= !take(json, last);
    } else if (first == '"') {
        read_string(json, NULL, 0);
    } else {
        const size_t length = strspn(json->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
        json->bad = length == 0;
        json->at += length;
    }
}

// -- files -----------------------------------------------------------------------------------

// What the loader makes of a path in an ICD file.
static void resolve_library(struct pv_manifest *manifest)
{
    char *library = manifest->library;
    const char *slash = strrchr(manifest->path, '/');
    if (library[0] == '/' || !strchr(library, '/') || !slash) {
        return;
    }
    char relative[sizeof(manifest->library)];
    memcpy(relative, library, sizeof(relative));
    const int length = snprintf(library, sizeof(manifest->library), "%.*s/%s",
                                (int)(slash - manifest->path), manifest->path, relative);
    if (length < 0 || (size_t)length >= sizeof(manifest->library)) {
        snprintf(manifest->problem, sizeof(manifest->problem), "the driver's path is too long");
    }
}

void pv_manifest_read(struct pv_manifest *manifest)
{
    manifest->library[0] = manifest->api_version[0] = manifest->problem[0] = '\0';
    FILE *file = fopen(manifest->path, "r");
    char *text = file ? calloc(1, MAX_SIZE) : NULL;
    if (!text) {
        snprintf(manifest->problem, sizeof(manifest->problem), "it cannot be read (%s)",
                 strerror(errno));
        if (file) {
            fclose(file);
        }
        return;
    }
    const size_t size = fread(text, 1, MAX_SIZE - 1, file);
    fclose(file);
    struct json json = {.at = text};
    skip_space(&json);
    const bool object = *json.at == '{';
    read_value(&json, manifest, 0);
    skip_space(&json);
    if (!object || json.bad || *json.at || strlen(text) != size) {
        snprintf(manifest->problem, sizeof(manifest->problem),
                 "it is no correct JSON (near byte %zu)", (size_t)(json.at - text));
    } else if (!manifest->library[0]) {
        snprintf(manifest->problem, sizeof(manifest->problem), "it names no library_path");
    } else {
        resolve_library(manifest);
    }
    free(text);
}

struct visitor {
    void (*visit)(void *user, const struct pv_manifest *manifest);
    void *user;
};

static void visit_file(const struct visitor *visitor, const char *path)
{
    struct pv_manifest manifest = {0};
    const int length = snprintf(manifest.path, sizeof(manifest.path), "%s", path);
    if (length > 0 && (size_t)length < sizeof(manifest.path)) {
        pv_manifest_read(&manifest);
        visitor->visit(visitor->user, &manifest);
    }
}

static void visit_folder(const struct visitor *visitor, const char *folder, const char *below)
{
    char pattern[1024];
    glob_t found = {0};
    const int length = snprintf(pattern, sizeof(pattern), "%s%svulkan/icd.d/*.json", folder, below);
    if (length > 0 && (size_t)length < sizeof(pattern) && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            visit_file(visitor, found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

static void visit_list(const struct visitor *visitor, const char *list, bool folders)
{
    for (const char *entry = list; entry && *entry;) {
        char path[1024];
        const size_t length = strcspn(entry, ":");
        if (length > 0 && length < sizeof(path)) {
            memcpy(path, entry, length);
            path[length] = '\0';
            if (folders) {
                visit_folder(visitor, path, "/");
            } else {
                visit_file(visitor, path);
            }
        }
        entry += length + (entry[length] == ':');
    }
}

const char *pv_manifest_visit(void (*visit)(void *user, const struct pv_manifest *manifest),
                              void *user)
{
    const struct visitor visitor = {visit, user};
    const char *const variables[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    for (size_t i = 0; i < 2; i++) {
        const char *list = getenv(variables[i]);
        if (list && *list) {
            visit_list(&visitor, list, false);
            return variables[i];
        }
    }
    const char *home = getenv("HOME");
    const char *config_home = getenv("XDG_CONFIG_HOME"), *config_dirs = getenv("XDG_CONFIG_DIRS");
    const char *data_home = getenv("XDG_DATA_HOME"), *data_dirs = getenv("XDG_DATA_DIRS");
    if (config_home && *config_home) {
        visit_folder(&visitor, config_home, "/");
    } else if (home) {
        visit_folder(&visitor, home, "/.config/");
    }
    visit_list(&visitor, config_dirs && *config_dirs ? config_dirs : "/etc/xdg", true);
    visit_list(&visitor, "/usr/local/etc:/etc", true);
    if (data_home && *data_home) {
        visit_folder(&visitor, data_home, "/");
    } else if (home) {
        visit_folder(&visitor, home, "/.local/share/");
    }
    visit_list(&visitor, data_dirs && *data_dirs ? data_dirs : "/usr/local/share:/usr/share", true);
    return NULL;
}

// -- a version in a library ------------------------------------------------------------------

static FILE *open_library(const char *library)
{
    static const char *const folders[] = {"/usr/lib/*-linux-*", "/usr/local/lib/*-linux-*",
                                          "/usr/lib64",         "/usr/local/lib",
                                          "/usr/lib",           "/opt/homebrew/lib"};
    FILE *file = strchr(library, '/') ? fopen(library, "rb") : NULL;
    for (size_t i = 0; !file && i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[2048];
        glob_t found = {0};
        snprintf(path, sizeof(path), "%s/%.1024s", folders[i], library);
        if (!strchr(library, '/') && glob(path, 0, NULL, &found) == 0) {
            file = fopen(found.gl_pathv[0], "rb");
        }
        globfree(&found);
    }
    return file;
}

bool pv_manifest_find_mesa(const struct pv_manifest *manifest, char *version, size_t size)
{
    static const char mark[] = "Mesa ";
    FILE *file = open_library(manifest->library);
    size_t matched = 0, used = 0, dots = 0;
    bool found = false;
    for (int c; file && !found && (c = getc(file)) != EOF;) {
        if (matched < sizeof(mark) - 1) {
            matched = c == mark[matched] ? matched + 1 : c == mark[0];
            used = dots = 0;
        } else if ((isdigit(c) || (c == '.' && used > 0)) && used + 1 < size) {
            version[used++] = (char)c;
            version[used] = '\0';
            dots += c == '.';
        } else {
            found = dots >= 2;
            matched = c == mark[0];
        }
    }
    if (file) {
        fclose(file);
    }
    return found;
}

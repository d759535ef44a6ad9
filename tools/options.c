#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/serve.h"
#include "tool.h"

struct named {
    const char *name;
    uint32_t value;
};

static const struct named memory_mechanisms[] = {
    {"host-pointer", PV_MEMORY_HOST_POINTER},
    {"dmabuf", PV_MEMORY_DMABUF},
    {"opaque-fd", PV_MEMORY_OPAQUE_FD},
    {NULL, 0},
};

static const struct named emulations[] = {
    {"sync-fd", PV_EMULATE_SYNC_FD},
    {"dmabuf", PV_EMULATE_DMABUF},
    {NULL, 0},
};

static const struct named sandbox_modes[] = {
    {"auto", PV_SANDBOX_AUTO},
    {"require", PV_SANDBOX_REQUIRE},
    {"off", PV_SANDBOX_OFF},
    {NULL, 0},
};

static const struct named log_levels[] = {
    {"error", PV_LOG_ERROR},
    {"warn", PV_LOG_WARN},
    {"info", PV_LOG_INFO},
    {"debug", PV_LOG_DEBUG},
    {NULL, 0},
};

int pv_tool_error(const char *subcommand, int status, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "pv-venus %s: %s\n", subcommand, text);
    return status;
}

void pv_tool_log(void *user, enum pv_log_level level, const char *message)
{
    const struct pv_tool_logger *logger = user;
    if (level == PV_LOG_ERROR && logger && logger->errors_come_back) {
        return;
    }
    const char *name = "log";
    for (const struct named *entry = log_levels; entry->name; entry++) {
        if (entry->value == level) {
            name = entry->name;
        }
    }
    fprintf(stderr, "pv-venus: %s: %s\n", name, message);
}

bool pv_tool_check_host_driver(const char *subcommand, const char *driver)
{
    if (!driver || access(driver, R_OK) == 0) {
        return true;
    }
    pv_tool_error(subcommand, PV_EXIT_FAILED, "%s cannot be read: name the host driver's ICD file",
                  driver);
    return false;
}

const char *pv_tool_store_flag(void *target, const char *value)
{
    (void)value;
    *(bool *)target = true;
    return NULL;
}

const char *pv_tool_store_text(void *target, const char *value)
{
    if (!*value) {
        return "needs a value that is not empty";
    }
    *(const char **)target = value;
    return NULL;
}

static const struct named *find(const struct named *names, const char *text, size_t length)
{
    for (; names->name; names++) {
        if (strlen(names->name) == length && strncmp(names->name, text, length) == 0) {
            return names;
        }
    }
    return NULL;
}

const char *pv_tool_store_log_level(void *target, const char *value)
{
    const struct named *level = find(log_levels, value, strlen(value));
    if (!level) {
        return "is one of error, warn, info, debug";
    }
    *(enum pv_log_level *)target = (enum pv_log_level)level->value;
    return NULL;
}

const char *pv_tool_store_sandbox(void *target, const char *value)
{
    const struct named *mode = find(sandbox_modes, value, strlen(value));
    if (!mode) {
        return "is one of auto, require, off";
    }
    *(enum pv_sandbox_mode *)target = (enum pv_sandbox_mode)mode->value;
    return NULL;
}

// Ors the values of a comma list of names. false: a name is unknown.
static bool parse_list(const struct named *names, const char *list, bool as_bits, uint32_t *bits)
{
    uint32_t parsed = 0;
    for (const char *item = list; item;) {
        const size_t length = strcspn(item, ",");
        const struct named *entry = find(names, item, length);
        if (!entry) {
            return false;
        }
        parsed |= as_bits ? entry->value : 1u << entry->value;
        item = item[length] ? item + length + 1 : NULL;
    }
    *bits = parsed;
    return true;
}

const char *pv_tool_store_memory(void *target, const char *value)
{
    return parse_list(memory_mechanisms, value, false, target)
               ? NULL
               : "is a list of host-pointer, dmabuf, opaque-fd";
}

const char *pv_tool_store_emulation(void *target, const char *value)
{
    return parse_list(emulations, value, true, target) ? NULL : "is a list of sync-fd, dmabuf";
}

const char *pv_tool_memory_name(enum pv_memory_mechanism mechanism)
{
    for (const struct named *entry = memory_mechanisms; entry->name; entry++) {
        if (entry->value == mechanism) {
            return entry->name;
        }
    }
    return mechanism == PV_MEMORY_MAPPED ? "mapped" : "none";
}

void pv_tool_emulation_names(uint32_t bits, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (const struct named *entry = emulations; entry->name; entry++) {
        if ((bits & entry->value) && used < size) {
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", entry->name);
        }
    }
}

// The option that `argument` names, and its value after '=', if any.
static const struct pv_tool_option *match(const struct pv_tool_option *options,
                                          const char *argument, const char **value)
{
    const size_t length = strcspn(argument, "=");
    *value = argument[length] ? argument + length + 1 : NULL;
    for (; options->name; options++) {
        if (strlen(options->name) == length && strncmp(options->name, argument, length) == 0) {
            return options;
        }
    }
    return NULL;
}

static enum pv_tool_parsed bad(const char *subcommand, const char *option, const char *problem)
{
    pv_tool_error(subcommand, PV_EXIT_USAGE, "%s %s: see pv-venus %s --help", option, problem,
                  subcommand);
    return PV_TOOL_BAD;
}

enum pv_tool_parsed pv_tool_parse(int argc, char **argv, const struct pv_tool_option *options,
                                  int *next)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return PV_TOOL_HELP;
        }
        const char *value;
        const struct pv_tool_option *option = match(options, argv[i], &value);
        if (!option) {
            return bad(argv[0], argv[i], "is no option");
        }
        if (!option->takes_value && value) {
            return bad(argv[0], option->name, "takes no value");
        }
        if (option->takes_value && !value) {
            if (i + 1 == argc) {
                return bad(argv[0], option->name, "needs a value");
            }
            value = argv[++i];
        }
        const char *problem = option->store(option->target, value);
        if (problem) {
            return bad(argv[0], option->name, problem);
        }
    }
    *next = i;
    return PV_TOOL_GO_ON;
}

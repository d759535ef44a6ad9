// What the subcommands of pv-venus share.
//
// Bad input gets one line on stderr, "pv-venus SUBCOMMAND: what is wrong: what to do".
#ifndef PV_TOOLS_TOOL_H
#define PV_TOOLS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pv/renderer.h>

// Exit statuses. `run` also passes on the program's own.
#define PV_EXIT_FAILED         1
#define PV_EXIT_USAGE          2
#define PV_EXIT_NOT_EXECUTABLE 126
#define PV_EXIT_NOT_FOUND      127

// Each gets its own name as argv[0] and returns the exit status.
int pv_tool_serve(int argc, char **argv);
int pv_tool_run(int argc, char **argv);
int pv_tool_info(int argc, char **argv);
int pv_tool_doctor(int argc, char **argv);

// Prints "pv-venus SUBCOMMAND: ...". Returns `status`, for `return pv_tool_error(...)`.
int pv_tool_error(const char *subcommand, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A pv_log_fn that prints to stderr. `user` is a struct pv_tool_logger or NULL.
void pv_tool_log(void *user, enum pv_log_level level, const char *message);

struct pv_tool_logger {
    // While something is created, its error comes back to the caller, who prints it once.
    bool errors_come_back;
};

// Command line options. A table ends with an entry without a name.
struct pv_tool_option {
    const char *name; // "--socket"
    bool takes_value; // "--socket PATH" or "--socket=PATH"
    // Stores `value` (NULL without takes_value) at `target`. Returns NULL, or what is wrong and
    // what to do. The strings of the command line live as long as the process.
    const char *(*store)(void *target, const char *value);
    void *target;
};

const char *pv_tool_store_flag(void *target, const char *value);      // bool
const char *pv_tool_store_text(void *target, const char *value);      // const char *
const char *pv_tool_store_log_level(void *target, const char *value); // enum pv_log_level
const char *pv_tool_store_memory(void *target, const char *value);    // uint32_t, mechanism bits
const char *pv_tool_store_sandbox(void *target, const char *value);   // enum pv_sandbox_mode
const char *pv_tool_store_emulation(void *target, const char *value); // uint32_t, emulation bits

enum pv_tool_parsed {
    PV_TOOL_GO_ON,
    PV_TOOL_BAD,  // said on stderr; the status is PV_EXIT_USAGE
    PV_TOOL_HELP, // --help was given
};

// Reads options until the first argument that is none, or "--". *next is the index after them.
enum pv_tool_parsed pv_tool_parse(int argc, char **argv, const struct pv_tool_option *options,
                                  int *next);

// Names as the command line spells them.
const char *pv_tool_memory_name(enum pv_memory_mechanism mechanism);
// A comma list of names, "none" for 0.
void pv_tool_emulation_names(uint32_t emulations, char *text, size_t size);

// Forgets what makes this process a guest, so that the host's drivers see a clean environment,
// and makes the ICD file `driver` (NULL: what the caller's environment says) the host's driver.
void pv_tool_become_host(const char *driver);

// Whether `driver` (NULL: yes) can be used. If not, says so on stderr.
bool pv_tool_check_host_driver(const char *subcommand, const char *driver);

#endif

// What `pv-venus doctor` found, line by line, as text or as JSON.
#ifndef PV_TOOLS_REPORT_H
#define PV_TOOLS_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum pv_finding {
    PV_FINDING_OK,
    PV_FINDING_NOTE, // neither good nor bad
    PV_FINDING_WARN, // a guest gets the GPU, but not all of it
    PV_FINDING_FAIL, // a guest does not get the GPU
};

struct pv_report_line;

struct pv_report {
    bool json; // kept until pv_report_end(); text is printed at once
    const char *section;
    bool section_printed;
    struct pv_report_line *lines;
    size_t count, capacity;
    unsigned found[PV_FINDING_FAIL + 1];
    char first_failure[512];
};

// `section` is kept until the next one.
void pv_report_section(struct pv_report *report, const char *section);

// `advice` says what to do; NULL: nothing. `name` is a few words, the same on every machine.
void pv_report_add(struct pv_report *report, enum pv_finding finding, const char *name,
                   const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// Prints the verdict (and, as JSON, everything) and frees the report. `subject` completes
// "... gets the GPU". Returns whether nothing failed.
bool pv_report_end(struct pv_report *report, const char *subject);

#endif

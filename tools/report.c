#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/renderer.h>

struct pv_report_line {
    const char *section;
    const char *name;
    enum pv_finding finding;
    char *text;
    char *advice; // NULL: none
};

static const char *const finding_names[] = {"ok", "note", "warn", "FAIL"};

void pv_report_section(struct pv_report *report, const char *section)
{
    report->section = section;
    report->section_printed = false;
}

static void print_line(struct pv_report *report, const struct pv_report_line *line)
{
    if (!report->section_printed) {
        printf("%s%s\n", report->count ? "\n" : "", report->section);
    }
    report->section_printed = true;
    printf("  [%-4s] %s: %s\n", finding_names[line->finding], line->name, line->text);
    if (line->advice) {
        printf("         -> %s\n", line->advice);
    }
    fflush(stdout); // a driver may crash
}

void pv_report_add(struct pv_report *report, enum pv_finding finding, const char *name,
                   const char *advice, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++) { // drivers and sockets choose some of the words
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = ' ';
        }
    }
    struct pv_report_line line = {
        .section = report->section,
        .name = name,
        .finding = finding,
        .text = strdup(text),
        .advice = advice ? strdup(advice) : NULL,
    };
    if (report->count == report->capacity) {
        report->capacity = report->capacity ? 2 * report->capacity : 64;
        report->lines = realloc(report->lines, report->capacity * sizeof(*report->lines));
    }
    if (!line.text || !report->lines) {
        fputs("pv-venus doctor: memory is short\n", stderr);
        exit(1);
    }
    report->found[finding]++;
    if (finding == PV_FINDING_FAIL && !report->first_failure[0]) {
        snprintf(report->first_failure, sizeof(report->first_failure), "%s: %.400s", name, text);
    }
    if (!report->json) {
        print_line(report, &line);
    }
    report->lines[report->count++] = line;
}

static void print_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text); // control characters are gone since pv_report_add()
    }
    putchar('"');
}

static void print_json(const struct pv_report *report, bool works)
{
    printf("{\n  \"version\": \"%s\",\n  \"works\": %s,\n  \"checks\": [", pv_version(),
           works ? "true" : "false");
    for (size_t i = 0; i < report->count; i++) {
        const struct pv_report_line *line = &report->lines[i];
        printf("%s\n    {\"section\": ", i ? "," : "");
        print_json_string(line->section);
        fputs(", \"name\": ", stdout);
        print_json_string(line->name);
        printf(", \"finding\": \"%s\", \"text\": ",
               line->finding == PV_FINDING_FAIL ? "fail" : finding_names[line->finding]);
        print_json_string(line->text);
        if (line->advice) {
            fputs(", \"advice\": ", stdout);
            print_json_string(line->advice);
        }
        putchar('}');
    }
    fputs("\n  ]\n}\n", stdout);
}

bool pv_report_end(struct pv_report *report, const char *subject)
{
    const bool works = report->found[PV_FINDING_FAIL] == 0;
    if (report->json) {
        print_json(report, works);
    } else if (works) {
        printf("\nYes: %s gets the GPU%s.\n", subject,
               report->found[PV_FINDING_WARN] ? ", with what is marked [warn]" : "");
    } else {
        printf("\nNo: %s does not get the GPU. %s\n", subject, report->first_failure);
    }
    for (size_t i = 0; i < report->count; i++) {
        free(report->lines[i].text);
        free(report->lines[i].advice);
    }
    free(report->lines);
    return works;
}

// Printing decoded commands as text, for people: one line a command, the same for the same bytes.
//
//     vkCreateBuffer(device = 3, pCreateInfo = {flags = 0, size = 4096, ...}, pBuffer -> 48)
//
// `=` stands before what the guest sends, `->` before what it gets: the ids it has chosen for new
// objects, `?` for values, `?[n]` for arrays of n. Handles are printed as they stand in the decoded
// structures; a decoder without objects leaves the guest's ids there. Long arrays, strings and
// lines are cut, which `...` shows.
#ifndef PV_PROTOCOL_PRINT_H
#define PV_PROTOCOL_PRINT_H

#include "protocol/commands.h"

#include <stdio.h>

// Where text goes: to memory or to a file. Each is bounded.
struct pv_text {
    char *bytes; // NULL: to `file`
    FILE *file;
    size_t length, limit;
    bool cut; // something did not fit
};

// Elements of an array, bytes of a blob, characters of a string that are printed.
#define PV_PRINT_ELEMENTS   16u
#define PV_PRINT_BYTES      32u
#define PV_PRINT_CHARACTERS 256u

// `bytes` holds `size` > 3 bytes and is always terminated. Ownership: keeps `bytes`.
struct pv_text pv_text_over(char *bytes, size_t size);
// At most `limit` bytes go to `file`. Ownership: keeps `file`.
struct pv_text pv_text_to(FILE *file, size_t limit);

// A decoded command as the guest sent it. An unknown number is printed as such.
void pv_print_request(struct pv_text *text, uint32_t number, const union pv_any_command *cmd);

// A command that has run: its result and its outputs.
void pv_print_reply(struct pv_text *text, uint32_t number, const union pv_any_command *cmd);

// Decodes the next command of `decoder` (header included) and prints it; for dumping bytes nobody
// runs. False: it cannot be decoded, the reader says why.
bool pv_print_next(struct pv_text *text, struct pv_decoder *decoder);

#endif

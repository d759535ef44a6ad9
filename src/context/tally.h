// How often a context has run each command. Only contexts of a renderer that was asked to count
// have one: it replaces the table of commands, so that the others pay nothing.
#ifndef PV_CONTEXT_TALLY_H
#define PV_CONTEXT_TALLY_H

#include "context/stream.h"

struct pv_tally;

// Counts around `commands`, which it keeps. Failure: NULL, memory is short.
struct pv_tally *pv_tally_create(const struct pv_command *commands);
void pv_tally_destroy(struct pv_tally *tally); // NULL is allowed

// To be run in the place of those given.
const struct pv_command *pv_tally_commands(const struct pv_tally *tally);

// Thread-safety: Safe. `command` is below PV_COMMAND_COUNT.
uint64_t pv_tally_count(const struct pv_tally *tally, uint32_t command);

#endif

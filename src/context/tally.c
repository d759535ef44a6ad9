#include "context/tally.h"

#include "context/context.h"
#include "protocol/commands.h"

#include <stdlib.h>

struct pv_tally {
    const struct pv_command *counted;
    struct pv_command commands[PV_COMMAND_COUNT];
    _Atomic uint64_t counts[PV_COMMAND_COUNT]; // rings run side by side
};

// Stands in for every command: `stream->command` says for which.
static void run_and_count(struct pv_stream *stream)
{
    struct pv_tally *tally = stream->context->tally;
    const uint32_t command = stream->command;
    tally->counted[command].run(stream);
    // What could not be decoded, or was skipped because an earlier command failed, has not run.
    if (pv_stream_may_run(stream)) {
        atomic_fetch_add_explicit(&tally->counts[command], 1, memory_order_relaxed);
    }
}

struct pv_tally *pv_tally_create(const struct pv_command *commands)
{
    struct pv_tally *tally = calloc(1, sizeof(*tally));
    if (!tally) {
        return NULL;
    }
    tally->counted = commands;
    for (uint32_t i = 0; i < PV_COMMAND_COUNT; i++) {
        tally->commands[i] = commands[i];
        if (commands[i].run) {
            tally->commands[i].run = run_and_count;
        }
    }
    return tally;
}

void pv_tally_destroy(struct pv_tally *tally)
{
    free(tally);
}

const struct pv_command *pv_tally_commands(const struct pv_tally *tally)
{
    return tally->commands;
}

uint64_t pv_tally_count(const struct pv_tally *tally, uint32_t command)
{
    return atomic_load_explicit(&tally->counts[command], memory_order_relaxed);
}

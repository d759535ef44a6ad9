// Records what a real guest driver sends, for bench/decode.c.
//
//     record SOCKET FILE FIRST LAST
//
// Serves vtest guests at SOCKET until it is told to end, on the driver that the Vulkan loader
// finds. FILE gets all commands up to the queue submission FIRST, and, as the part that can be
// repeated, those behind it up to LAST; it is written when LAST has come. See
// bench/streams/README.md.
//
// The product cannot record. This program links the library's objects and has the linker put a
// function before pv_stream_init(), which replaces the context's table of commands.
#include "stream_file.h"

#include "context/context.h"
#include "protocol/commands.h"
#include "server/serve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static struct {
    const struct pv_command *commands; // the real ones
    struct pv_command recording[PV_COMMAND_COUNT];

    pthread_mutex_t lock; // streams of one context run side by side
    struct bytes set_up, loop;
    struct stream_resource resources[STREAM_RESOURCES];
    uint32_t resource_count, loop_commands;
    uint32_t submits, first, last;
    const char *path;
} record = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct pv_server *server; // for the signal handler

static _Noreturn void die(const char *reason)
{
    fprintf(stderr, "record: %s\n", reason);
    exit(1);
}

static void append(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->capacity - bytes->size < size) {
        bytes->capacity = (bytes->size + size) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data) {
            die("no memory");
        }
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static void write_file(void)
{
    const struct stream_header header = {STREAM_MAGIC, record.resource_count,
                                         (uint32_t)record.set_up.size, (uint32_t)record.loop.size,
                                         record.loop_commands};
    FILE *file = fopen(record.path, "wb");
    if (!file || fwrite(&header, sizeof(header), 1, file) != 1 ||
        fwrite(record.resources, sizeof(*record.resources), record.resource_count, file) !=
            record.resource_count ||
        fwrite(record.set_up.data, record.set_up.size, 1, file) != 1 ||
        fwrite(record.loop.data, record.loop.size, 1, file) != 1 || fclose(file) != 0) {
        die("the file cannot be written");
    }
    printf("%s: %zu bytes of set-up, %u commands in %zu bytes\n", record.path, record.set_up.size,
           record.loop_commands, record.loop.size);
}

// vkSetReplyCommandStreamMESA: header, present:u64, resource:u32, offset:u64, size:u64.
static void note_reply_memory(const uint8_t *command)
{
    struct stream_resource resource = {.id = pv_load_u32(command + 16)};
    resource.size = (uint32_t)(pv_load_u64(command + 20) + pv_load_u64(command + 28));
    uint32_t i = 0;
    while (i < record.resource_count && record.resources[i].id != resource.id) {
        i++;
    }
    if (i == STREAM_RESOURCES) {
        die("too many resources for replies");
    }
    record.resource_count += i == record.resource_count;
    record.resources[i].id = resource.id;
    if (record.resources[i].size < resource.size) {
        record.resources[i].size = resource.size;
    }
}

// Commands about the transport, which is another one when the stream is run again.
static bool is_transport(uint32_t command)
{
    switch (command) {
    case PV_COMMAND_vkCreateRingMESA:
    case PV_COMMAND_vkDestroyRingMESA:
    case PV_COMMAND_vkNotifyRingMESA:
    case PV_COMMAND_vkWriteRingExtraMESA:
    case PV_COMMAND_vkExecuteCommandStreamsMESA:
    case PV_COMMAND_vkSubmitVirtqueueSeqnoMESA:
    case PV_COMMAND_vkWaitVirtqueueSeqnoMESA:
    case PV_COMMAND_vkWaitRingSeqnoMESA:
        return true;
    default:
        return false;
    }
}

static void note(uint32_t command, const uint8_t *begin, size_t size)
{
    pthread_mutex_lock(&record.lock);
    const bool looping = record.submits >= record.first;
    if (record.submits < record.last) {
        if (command == PV_COMMAND_vkSetReplyCommandStreamMESA) {
            note_reply_memory(begin);
        }
        append(looping ? &record.loop : &record.set_up, begin, size);
        record.loop_commands += looping;
        if (command == PV_COMMAND_vkQueueSubmit || command == PV_COMMAND_vkQueueSubmit2) {
            record.submits++;
            if (record.submits == record.last) {
                write_file();
            }
        }
    }
    pthread_mutex_unlock(&record.lock);
}

// Stands in for every command.
static void run_and_record(struct pv_stream *stream)
{
    const uint32_t command = stream->command;
    const struct pv_reader *reader = &stream->decoder.reader;
    const uint8_t *input = (reader->window ? reader->source_end : reader->end) - reader->size;
    const size_t begin = pv_reader_offset(reader) - 8; // the header has been read
    record.commands[command].run(stream);
    if (pv_stream_may_run(stream) && !is_transport(command)) {
        note(command, input + begin, pv_reader_offset(reader) - begin);
    }
}

void __real_pv_stream_init(struct pv_stream *stream, struct pv_context *context,
                           struct pv_context_ring *ring);
void __wrap_pv_stream_init(struct pv_stream *stream, struct pv_context *context,
                           struct pv_context_ring *ring);

void __wrap_pv_stream_init(struct pv_stream *stream, struct pv_context *context,
                           struct pv_context_ring *ring)
{
    if (context->commands != record.recording) {
        record.commands = context->commands;
        for (uint32_t i = 0; i < PV_COMMAND_COUNT; i++) {
            record.recording[i] = record.commands[i];
            if (record.recording[i].run) {
                record.recording[i].run = run_and_record;
            }
        }
        context->commands = record.recording;
    }
    __real_pv_stream_init(stream, context, ring);
}

static void stop(int signal_number)
{
    (void)signal_number;
    pv_server_stop(server);
}

static void say(void *user, enum pv_log_level level, const char *message)
{
    (void)user, (void)level;
    fprintf(stderr, "record: %s\n", message);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: record SOCKET FILE FIRST LAST\n");
        return 2;
    }
    record.path = argv[2];
    record.first = (uint32_t)atoi(argv[3]);
    record.last = (uint32_t)atoi(argv[4]);
    char error[512] = "";
    server = pv_server_create(
        &(struct pv_server_params){
            .socket_path = argv[1],
            .in_process = true,
            .renderer = {.log = say, .log_level = PV_LOG_WARN},
        },
        error, sizeof(error));
    if (!server) {
        die(error);
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    const bool good = pv_server_run(server);
    if (good) {
        pv_server_destroy(server);
    }
    return good && record.submits == record.last ? 0 : 1;
}

#include "context/stream.h"

#include "context/context.h"
#include "protocol/commands.h"

#include <stdio.h>
#include <stdlib.h>

// Commands between two checkpoints of a long batch.
#define CHECKPOINT_INTERVAL 64

void pv_stream_init(struct pv_stream *stream, struct pv_context *context,
                    struct pv_context_ring *ring)
{
    *stream = (struct pv_stream){.context = context, .ring = ring};
    pv_arena_init(&stream->arena, context->host->max_command_memory);
    pv_arena_init(&stream->nested_arena, context->host->max_command_memory);
    stream->decoder.arena = &stream->arena;
    stream->decoder.objects = context->objects;
    pv_quiesce_add_reader(context->quiesce, &stream->reader);
}

void pv_stream_finish(struct pv_stream *stream)
{
    if (!stream->context) {
        return;
    }
    pv_quiesce_remove_reader(&stream->reader);
    pv_resource_unref(stream->reply.resource);
    pv_resource_unref(stream->cached_resource);
    pv_arena_finish(&stream->arena);
    pv_arena_finish(&stream->nested_arena);
    free(stream->copy);
    *stream = (struct pv_stream){0};
}

static inline void count_one(_Atomic uint64_t *counter, uint64_t n)
{
    // Only this thread adds; readers want a snapshot.
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

// Turns the reader's error into the context's failure, with the place it happened.
static void stream_report(struct pv_stream *stream, size_t offset)
{
    const struct pv_reader *reader = &stream->decoder.reader;
    const char *name = pv_command_name(stream->command);
    char value[32] = "";
    char place[64] = "a submission";
    uint64_t position = offset;
    if (reader->error_value) {
        snprintf(value, sizeof(value), " (%llu)", (unsigned long long)reader->error_value);
    }
    if (stream->nested) {
        snprintf(place, sizeof(place), "a command stream");
    } else if (stream->ring) {
        // Of all that the ring carried, not of the batch that the thread happened to copy.
        position = pv_ring_bytes(stream->ring->ring);
        snprintf(place, sizeof(place), "ring %#llx", (unsigned long long)stream->ring->name);
    }
    pv_context_fail(stream->context, "%s (%u) at byte %llu of %s: %s%s",
                    name ? name : "unknown command", stream->command, (unsigned long long)position,
                    place, reader->error, value);
}

static void run_one(struct pv_stream *stream, struct pv_arena *arena)
{
    const uint8_t *header = pv_reader_take(&stream->decoder.reader, 8);
    stream->command = pv_load_u32(header);
    stream->flags = pv_load_u32(header + 4);
    if (__builtin_expect(stream->command >= PV_COMMAND_COUNT, 0)) {
        pv_stream_fail(stream, "there is no such command");
        return;
    }
    const struct pv_command *command = &stream->context->commands[stream->command];
    if (__builtin_expect(!command->run, 0)) {
        pv_stream_fail(stream, command->rejected ? "guests must not send this command"
                                                 : "this build does not know the command");
        return;
    }
    pv_decoder_begin(&stream->decoder);
    command->run(stream);
    pv_arena_reset(arena);
}

// Runs what the decoder's reader holds. `ring`: publish progress there.
static bool run_all(struct pv_stream *stream, struct pv_arena *arena, struct pv_ring *ring)
{
    struct pv_reader *reader = &stream->decoder.reader;
    uint32_t commands = 0;
    while (pv_reader_remaining(reader)) {
        const size_t start = pv_reader_offset(reader);
        pv_reader_begin_command(reader);
        run_one(stream, arena);
        if (__builtin_expect(pv_reader_failed(reader), 0)) {
            stream_report(stream, start);
            return false;
        }
        if (ring) {
            pv_ring_publish(ring, pv_reader_offset(reader));
        }
        if (++commands % CHECKPOINT_INTERVAL == 0) {
            pv_quiesce_checkpoint(&stream->reader);
        }
        if (__builtin_expect(pv_context_has_failed(stream->context), 0)) {
            return false;
        }
        if (stream->ring && pv_ring_is_stopping(stream->ring->ring)) {
            break; // what is left is not run
        }
    }
    count_one(&stream->counters.commands, commands);
    return true;
}

bool pv_stream_execute(struct pv_stream *stream, uint8_t *bytes, size_t size)
{
    if (pv_context_has_failed(stream->context)) {
        return false;
    }
    if (atomic_load_explicit(&stream->reader.seen, memory_order_relaxed) == 0) {
        pv_quiesce_online(&stream->reader);
    }
    stream->waited_ns = 0;
    pv_reader_init(&stream->decoder.reader, bytes, size);
    const bool good = run_all(stream, &stream->arena, stream->ring ? stream->ring->ring : NULL);
    pv_arena_reset(&stream->arena);
    count_one(stream->ring ? &stream->counters.ring_bytes : &stream->counters.stream_bytes, size);
    if (stream->ring) {
        pv_quiesce_checkpoint(&stream->reader);
    } else {
        // The VMM's thread may not come back for a long time.
        pv_quiesce_offline(&stream->reader);
    }
    return good;
}

void pv_stream_execute_nested(struct pv_stream *stream, uint32_t resource_id, uint64_t offset,
                              uint64_t size)
{
    struct pv_resource *resource = pv_stream_find_resource(stream, resource_id);
    const uint8_t *source = resource ? pv_resource_range(resource, offset, size) : NULL;
    if (!source) {
        pv_stream_fail(stream, "a command stream lies outside of shared memory");
        return;
    }
    // The commands may make the stream forget the resource they are read from.
    pv_resource_ref(resource);
    const struct pv_decoder outer = stream->decoder;
    const uint32_t command = stream->command, flags = stream->flags;
    stream->decoder.arena = &stream->nested_arena;
    stream->nested = true;
    pv_reader_init_shared(&stream->decoder.reader, source, size, stream->window,
                          &stream->nested_arena);
    const bool good = run_all(stream, &stream->nested_arena, NULL);
    count_one(&stream->counters.stream_bytes, size);
    // There may be many short streams. The command that has them run holds no object.
    pv_quiesce_checkpoint(&stream->reader);
    stream->nested = false;
    stream->decoder = outer;
    pv_resource_unref(resource);
    stream->command = command;
    stream->flags = flags;
    if (!good) {
        pv_stream_fail(stream, "a command stream failed");
    }
}

struct pv_resource *pv_stream_find_resource(struct pv_stream *stream, uint32_t id)
{
    struct pv_context *context = stream->context;
    const uint32_t generation =
        atomic_load_explicit(&context->resource_generation, memory_order_acquire);
    if (stream->cached_resource && stream->cached_resource->id == id &&
        stream->cached_generation == generation) {
        return stream->cached_resource;
    }
    struct pv_resource *resource = pv_context_find_resource(context, id);
    pv_resource_unref(stream->cached_resource);
    stream->cached_resource = resource;
    stream->cached_generation = generation;
    return resource;
}

void pv_stream_set_reply(struct pv_stream *stream, uint32_t resource_id, uint64_t offset,
                         uint64_t size)
{
    struct pv_resource *resource = pv_stream_find_resource(stream, resource_id);
    uint8_t *memory = resource ? pv_resource_range(resource, offset, size) : NULL;
    if (!memory || offset % 4) {
        pv_stream_fail(stream, "the reply stream lies outside of shared memory");
        return;
    }
    if (stream->reply.resource != resource) {
        pv_resource_unref(stream->reply.resource);
        stream->reply.resource = pv_resource_ref(resource);
    }
    stream->reply.memory = memory;
    stream->reply.size = size;
    stream->reply.position = 0;
}

void pv_stream_seek_reply(struct pv_stream *stream, uint64_t position)
{
    if (!stream->reply.resource || position > stream->reply.size || position % 4) {
        pv_stream_fail(stream, "the position lies outside of the reply stream");
        return;
    }
    stream->reply.position = position;
}

struct pv_writer *pv_stream_begin_reply(struct pv_stream *stream)
{
    if (pv_stream_failed(stream)) {
        return NULL;
    }
    if (!stream->reply.resource) {
        pv_stream_fail(stream, "a reply is wanted but no reply stream is set");
        return NULL;
    }
    stream->writer = pv_writer_over(stream->reply.memory + stream->reply.position,
                                    stream->reply.size - stream->reply.position);
    return &stream->writer;
}

void pv_stream_end_reply(struct pv_stream *stream)
{
    if (stream->writer.overflowed) {
        pv_stream_fail(stream, "the reply is longer than its stream");
        return;
    }
    stream->reply.position = (size_t)(stream->writer.cursor - stream->reply.memory);
}

void pv_stream_begin_block(struct pv_stream *stream)
{
    pv_quiesce_offline(&stream->reader);
}

void pv_stream_end_block(struct pv_stream *stream)
{
    pv_quiesce_online(&stream->reader);
}

bool pv_stream_cancelled(const struct pv_stream *stream)
{
    return pv_context_has_failed(stream->context) ||
           (stream->ring && atomic_load_explicit(&stream->ring->stopping, memory_order_acquire));
}

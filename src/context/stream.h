// A stream: a sequence of commands and the state they run in. Each ring has one, and the context
// stream (virtio-gpu SUBMIT_3D) is one. A stream belongs to the thread that runs it.
#ifndef PV_CONTEXT_STREAM_H
#define PV_CONTEXT_STREAM_H

#include "base/arena.h"
#include "base/quiesce.h"
#include "protocol/decoder.h"
#include "wire/writer.h"

#include <stdatomic.h>

struct pv_context;
struct pv_context_ring;
struct pv_resource;
struct pv_stream;

// How a command number is run. Neither: this build cannot decode it.
struct pv_command {
    void (*run)(struct pv_stream *stream);
    bool rejected;
};

struct pv_stream_counters {
    _Atomic uint64_t commands, ring_bytes, stream_bytes, queue_submits;
};

struct pv_stream {
    struct pv_decoder decoder;
    struct pv_context *context;
    struct pv_context_ring *ring; // NULL: the context stream
    uint32_t command, flags;      // of the command being run

    struct {
        struct pv_resource *resource; // one reference; NULL: none set
        uint8_t *memory;
        size_t size, position;
    } reply;
    struct pv_writer writer; // of the reply being written

    // The last resource looked up, one reference; good while the generation is the context's.
    struct pv_resource *cached_resource;
    uint32_t cached_generation;

    // Private copies of bytes: of a submission, and of one indirect stream at a time.
    uint8_t *copy;
    size_t copy_capacity;
    _Alignas(8) uint8_t window[PV_READER_WINDOW]; // of the nested stream
    bool nested;
    uint64_t waited_ns; // for the driver, in this submission; the context stream's alone

    struct pv_arena arena, nested_arena;
    struct pv_quiesce_reader reader;
    struct pv_stream_counters counters;
};

void pv_stream_init(struct pv_stream *stream, struct pv_context *context,
                    struct pv_context_ring *ring);
void pv_stream_finish(struct pv_stream *stream); // zeroed is allowed

// Runs the commands in `bytes`, a private copy. false: the context has failed.
bool pv_stream_execute(struct pv_stream *stream, uint8_t *bytes, size_t size);

// Copies [offset, offset + size) of a resource and runs it inside the present command
// (vkExecuteCommandStreamsMESA). Failures stick to the stream.
void pv_stream_execute_nested(struct pv_stream *stream, uint32_t resource_id, uint64_t offset,
                              uint64_t size);

// Breaks the stream off with a static reason: the context fails after the present command.
static inline void pv_stream_fail(struct pv_stream *stream, const char *reason)
{
    pv_reader_fail(&stream->decoder.reader, reason);
}

static inline bool pv_stream_failed(const struct pv_stream *stream)
{
    return pv_reader_failed(&stream->decoder.reader);
}

// False when decoding failed or the command must be skipped.
static inline bool pv_stream_may_run(const struct pv_stream *stream)
{
    return !pv_stream_failed(stream) && !stream->decoder.poisoned;
}

// True when the guest waits for the command's result and so learns of a failure.
static inline bool pv_stream_wants_reply(const struct pv_stream *stream)
{
    return stream->flags & PV_COMMAND_GENERATE_REPLY;
}

// The attached resource with this id, borrowed until the next call; NULL when there is none.
struct pv_resource *pv_stream_find_resource(struct pv_stream *stream, uint32_t id);

// vkSetReplyCommandStreamMESA, vkSeekReplyCommandStreamMESA.
void pv_stream_set_reply(struct pv_stream *stream, uint32_t resource_id, uint64_t offset,
                         uint64_t size);
void pv_stream_seek_reply(struct pv_stream *stream, uint64_t position);

// Around the encoding of one reply. begin: NULL when there is nowhere to write, which fails.
struct pv_writer *pv_stream_begin_reply(struct pv_stream *stream);
void pv_stream_end_reply(struct pv_stream *stream);

// `size` zeroed bytes that live until the command is done; NULL fails the stream.
static inline void *pv_stream_alloc(struct pv_stream *stream, uint64_t count, size_t size)
{
    return pv_decode_alloc(&stream->decoder, count, size, true);
}

// Goes offline while a command blocks (waits for a fence, another ring, the virtqueue).
// Afterwards objects decoded before must not be used, except handles the driver knows.
void pv_stream_begin_block(struct pv_stream *stream);
void pv_stream_end_block(struct pv_stream *stream);

// True when a blocking command should give up: the context failed or the ring is to stop.
bool pv_stream_cancelled(const struct pv_stream *stream);

#endif

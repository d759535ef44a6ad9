// Transport: rings, reply streams, command streams, and the order between ring and virtqueue.
#include "context/context.h"
#include "handlers/handlers.h"

// The commands about other streams are legal in one kind of stream only.
static bool only_in_context_stream(struct pv_stream *s)
{
    if (s->ring) {
        pv_stream_fail(s, "only the context stream may carry this command");
    }
    return !s->ring;
}

static struct pv_ring *find_ring(struct pv_stream *s, uint64_t name)
{
    if (!only_in_context_stream(s)) {
        return NULL;
    }
    struct pv_ring *ring = pv_context_find_ring(s->context, name);
    if (!ring) {
        pv_stream_fail(s, "there is no such ring");
    }
    return ring;
}

void pv_handle_vkSetReplyCommandStreamMESA(struct pv_stream *s,
                                           struct pv_cmd_vkSetReplyCommandStreamMESA *cmd)
{
    pv_stream_set_reply(s, cmd->pStream->resourceId, cmd->pStream->offset, cmd->pStream->size);
}

void pv_handle_vkSeekReplyCommandStreamMESA(struct pv_stream *s,
                                            struct pv_cmd_vkSeekReplyCommandStreamMESA *cmd)
{
    pv_stream_seek_reply(s, cmd->position);
}

void pv_handle_vkExecuteCommandStreamsMESA(struct pv_stream *s,
                                           struct pv_cmd_vkExecuteCommandStreamsMESA *cmd)
{
    if (s->nested) {
        pv_stream_fail(s, "command streams must not execute command streams");
        return;
    }
    if (cmd->streamCount == 0 || cmd->dependencyCount || cmd->flags) {
        pv_stream_fail(s, "no streams, or dependencies or flags that do not exist");
        return;
    }
    for (uint32_t i = 0; i < cmd->streamCount && !pv_stream_failed(s); i++) {
        if (pv_stream_cancelled(s)) {
            return; // what is left is not run
        }
        const VkCommandStreamDescriptionMESA *stream = &cmd->pStreams[i];
        if (cmd->pReplyPositions) {
            pv_stream_seek_reply(s, cmd->pReplyPositions[i]);
        }
        if (stream->size && !pv_stream_failed(s)) {
            pv_stream_execute_nested(s, stream->resourceId, stream->offset, stream->size);
        }
    }
}

void pv_handle_vkCreateRingMESA(struct pv_stream *s, struct pv_cmd_vkCreateRingMESA *cmd)
{
    if (!only_in_context_stream(s)) {
        return;
    }
    const VkRingCreateInfoMESA *info = cmd->pCreateInfo;
    struct pv_ring_layout layout = {
        .offset = info->offset,
        .size = info->size,
        .idle_timeout_ns = info->idleTimeout,
        .head_offset = info->headOffset,
        .tail_offset = info->tailOffset,
        .status_offset = info->statusOffset,
        .buffer_offset = info->bufferOffset,
        .buffer_size = info->bufferSize,
        .extra_offset = info->extraOffset,
        .extra_size = info->extraSize,
    };
    for (const VkBaseInStructure *node = info->pNext; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA) {
            layout.monitor_period_us =
                ((const VkRingMonitorInfoMESA *)node)->maxReportingPeriodMicroseconds;
            if (layout.monitor_period_us == 0) {
                pv_stream_fail(s, "a ring wants to be monitored with period 0");
                return;
            }
        } else if (node->sType == VK_STRUCTURE_TYPE_RING_PRIORITY_INFO_MESA) {
            layout.priority = ((const VkRingPriorityInfoMESA *)node)->priority;
        }
    }
    const char *reason = pv_context_create_ring(s->context, cmd->ring, info->resourceId, &layout);
    if (reason) {
        pv_stream_fail(s, reason);
    }
}

void pv_handle_vkDestroyRingMESA(struct pv_stream *s, struct pv_cmd_vkDestroyRingMESA *cmd)
{
    if (!only_in_context_stream(s)) {
        return;
    }
    // The ring's thread may itself be waiting for other readers to move on.
    pv_stream_begin_block(s);
    const bool found = pv_context_destroy_ring(s->context, cmd->ring);
    pv_stream_end_block(s);
    if (!found) {
        pv_stream_fail(s, "there is no such ring");
    }
}

void pv_handle_vkNotifyRingMESA(struct pv_stream *s, struct pv_cmd_vkNotifyRingMESA *cmd)
{
    struct pv_ring *ring = find_ring(s, cmd->ring);
    if (ring) {
        pv_ring_notify(ring);
    }
}

void pv_handle_vkWriteRingExtraMESA(struct pv_stream *s, struct pv_cmd_vkWriteRingExtraMESA *cmd)
{
    struct pv_ring *ring = find_ring(s, cmd->ring);
    if (ring && !pv_ring_write_extra(ring, cmd->offset, cmd->value)) {
        pv_stream_fail(s, "the offset lies outside of the ring's extra region");
    }
}

void pv_handle_vkSubmitVirtqueueSeqnoMESA(struct pv_stream *s,
                                          struct pv_cmd_vkSubmitVirtqueueSeqnoMESA *cmd)
{
    struct pv_ring *ring = find_ring(s, cmd->ring);
    if (ring) {
        pv_ring_submit_virtqueue_seqno(ring, cmd->seqno);
    }
}

void pv_handle_vkWaitVirtqueueSeqnoMESA(struct pv_stream *s,
                                        struct pv_cmd_vkWaitVirtqueueSeqnoMESA *cmd)
{
    if (!s->ring) {
        pv_stream_fail(s, "only a ring may wait for the virtqueue");
        return;
    }
    pv_stream_begin_block(s);
    // When it is released without the value, the ring is stopping and runs nothing further.
    const bool reached = pv_ring_wait_virtqueue_seqno(s->ring->ring, cmd->seqno);
    pv_stream_end_block(s);
    if (!reached && !pv_stream_cancelled(s)) {
        pv_stream_fail(s, "the wait for the virtqueue was broken off");
    }
}

void pv_handle_vkWaitRingSeqnoMESA(struct pv_stream *s, struct pv_cmd_vkWaitRingSeqnoMESA *cmd)
{
    struct pv_ring *ring = find_ring(s, cmd->ring);
    if (!ring) {
        return;
    }
    pv_stream_begin_block(s);
    const enum pv_ring_wait_result result = pv_ring_wait_seqno(ring, (uint32_t)cmd->seqno);
    pv_stream_end_block(s);
    if (result == PV_RING_WAIT_IMPOSSIBLE) {
        pv_stream_fail(s, "the ring will never get to the awaited position");
    }
}

#include "context/context.h"

#include "protocol/commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pv_context *pv_context_create_with(struct pv_host *host, const struct pv_context_ops *ops,
                                          const struct pv_context_params *params)
{
    struct pv_context *context = calloc(1, sizeof(*context));
    if (!context) {
        return NULL;
    }
    context->host = host;
    context->ops = ops;
    context->commands = ops->commands;
    context->params = *params;
    snprintf(context->name_storage, sizeof(context->name_storage), "%s",
             params->name ? params->name : "guest");
    context->params.name = context->name_storage;
    pthread_mutex_init(&context->lock, NULL);
    pthread_mutex_init(&context->fence_lock, NULL);
    pv_cpu_timeline_init(&context->cpu_timeline, params->fence_retired, params->user);
    context->quiesce = pv_quiesce_create();
    context->monitor = pv_monitor_create();
    if (context->quiesce) {
        context->objects = pv_object_table_create(
            context->quiesce, &(struct pv_object_table_limits){.max_objects = host->max_objects});
    }
    if (host->count_commands) {
        context->tally = pv_tally_create(ops->commands);
        context->commands = context->tally ? pv_tally_commands(context->tally) : NULL;
    }
    if (!context->objects || !context->monitor || !context->commands) {
        pv_log(&host->log, PV_LOG_ERROR, "context %s: no memory", context->params.name);
        pv_context_destroy(context);
        return NULL;
    }
    pv_stream_init(&context->stream, context, NULL);
    return context;
}

static void context_destroy_rings(struct pv_context *context);

void pv_context_destroy(struct pv_context *context)
{
    if (!context) {
        return;
    }
    context_destroy_rings(context);
    if (context->objects) {
        for (struct pv_object *root; (root = pv_object_table_any_root(context->objects));) {
            context->ops->destroy_objects(context, pv_object_table_remove(context->objects, root));
        }
    }
    pv_monitor_destroy(context->monitor);
    pv_stream_finish(&context->stream);
    for (uint32_t i = 0; i < context->resource_count; i++) {
        pv_resource_unref(context->resources[i]);
    }
    free(context->resources);
    pv_object_table_destroy(context->objects);
    pv_quiesce_destroy(context->quiesce);
    pv_tally_destroy(context->tally);
    pv_cpu_timeline_finish(&context->cpu_timeline);
    pthread_mutex_destroy(&context->fence_lock);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

bool pv_context_submit(struct pv_context *context, const void *bytes, size_t size)
{
    if (pv_context_has_failed(context)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    struct pv_stream *stream = &context->stream;
    if (size % 4 || size > context->host->max_submission_size) {
        pv_context_fail(context, "a submission of %zu bytes", size);
        return false;
    }
    if (stream->copy_capacity < size) {
        free(stream->copy);
        stream->copy = malloc(size);
        stream->copy_capacity = stream->copy ? size : 0;
        if (!stream->copy) {
            pv_context_fail(context, "no memory for a submission of %zu bytes", size);
            return false;
        }
    }
    memcpy(stream->copy, bytes, size);
    return pv_stream_execute(stream, stream->copy, size);
}

// -- failure ---------------------------------------------------------------------------------

// Keeps the first reason, says it once, and stops everything.
static void context_end(struct pv_context *context, enum pv_log_level level, const char *how,
                        const char *format, va_list arguments)
{
    if (atomic_exchange(&context->failing, true)) {
        return;
    }
    vsnprintf(context->failure, sizeof(context->failure), format, arguments);
    atomic_store_explicit(&context->failed, true, memory_order_release);

    pthread_mutex_lock(&context->lock);
    for (struct pv_context_ring *ring = context->rings; ring; ring = ring->next) {
        atomic_store_explicit(&ring->stopping, true, memory_order_release);
        pv_ring_set_fatal(ring->ring);
        pv_ring_stop(ring->ring);
    }
    pthread_mutex_unlock(&context->lock);

    pv_log(&context->host->log, level, "context %s %s: %s", context->params.name, how,
           context->failure);
    if (context->params.failed) {
        context->params.failed(context->params.user, context->failure);
    }
}

void pv_context_fail(struct pv_context *context, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    context_end(context, PV_LOG_WARN, "failed", format, arguments);
    va_end(arguments);
}

// The same when nobody misbehaved: the VMM, or a guest process that was killed.
__attribute__((format(printf, 2, 3))) static void end_early(struct pv_context *context,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    context_end(context, PV_LOG_INFO, "ended", format, arguments);
    va_end(arguments);
}

void pv_context_cancel(struct pv_context *context, const char *reason)
{
    end_early(context, "%s", reason);
}

const char *pv_context_failure(const struct pv_context *context)
{
    return pv_context_has_failed(context) ? context->failure : NULL;
}

// A guest can ask for impossible things as often as it likes: the first is said, the others only
// to developers.
__attribute__((format(printf, 2, 3))) static void complain(struct pv_context *context,
                                                           const char *format, ...)
{
    char text[192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const bool again = atomic_exchange_explicit(&context->complained, true, memory_order_relaxed);
    pv_log(&context->host->log, again ? PV_LOG_DEBUG : PV_LOG_WARN, "context %s: %s",
           context->params.name, text);
}

// -- resources -------------------------------------------------------------------------------

// The position of `id` in the sorted array, or where it belongs. `lock` is held.
static uint32_t resource_position(const struct pv_context *context, uint32_t id)
{
    uint32_t low = 0, high = context->resource_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (context->resources[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct pv_resource *pv_context_find_resource(struct pv_context *context, uint32_t id)
{
    struct pv_resource *resource = NULL;
    pthread_mutex_lock(&context->lock);
    const uint32_t i = resource_position(context, id);
    if (i < context->resource_count && context->resources[i]->id == id) {
        resource = pv_resource_ref(context->resources[i]);
    }
    pthread_mutex_unlock(&context->lock);
    return resource;
}

// `lock` is held. False: memory is short.
static bool resources_grow(struct pv_context *context)
{
    if (context->resource_count < context->resource_capacity) {
        return true;
    }
    const uint32_t capacity = context->resource_capacity ? context->resource_capacity * 2 : 16;
    struct pv_resource **resources =
        realloc(context->resources, capacity * sizeof(struct pv_resource *));
    if (!resources) {
        return false;
    }
    context->resources = resources;
    context->resource_capacity = capacity;
    return true;
}

// `made_here`: its memory is this context's.
static bool add_resource(struct pv_context *context, struct pv_resource *resource, bool made_here)
{
    bool attached = false;
    pthread_mutex_lock(&context->lock);
    const uint32_t i = resource_position(context, resource->id);
    if (i < context->resource_count && context->resources[i]->id == resource->id) {
        attached = context->resources[i] == resource;
    } else if (resources_grow(context)) {
        memmove(&context->resources[i + 1], &context->resources[i],
                (context->resource_count - i) * sizeof(struct pv_resource *));
        context->resources[i] = pv_resource_ref(resource);
        context->resource_count++;
        if (!made_here) {
            pv_blob_mark_shared(resource->blob);
        }
        attached = true;
    }
    pthread_mutex_unlock(&context->lock);
    return attached;
}

bool pv_context_attach_resource(struct pv_context *context, struct pv_resource *resource)
{
    return add_resource(context, resource, false);
}

void pv_context_detach_resource(struct pv_context *context, struct pv_resource *resource)
{
    bool found = false, used_by_ring = false;
    pthread_mutex_lock(&context->lock);
    const uint32_t i = resource_position(context, resource->id);
    if (i < context->resource_count && context->resources[i] == resource) {
        found = true;
        context->resource_count--;
        memmove(&context->resources[i], &context->resources[i + 1],
                (context->resource_count - i) * sizeof(struct pv_resource *));
        atomic_fetch_add_explicit(&context->resource_generation, 1, memory_order_release);
        for (struct pv_context_ring *ring = context->rings; ring; ring = ring->next) {
            used_by_ring |= ring->resource == resource;
        }
    }
    pthread_mutex_unlock(&context->lock);
    if (used_by_ring) {
        // What the guest's kernel does for a process that was killed.
        end_early(context, "resource %u holds a ring and was detached", resource->id);
    }
    if (found) {
        pv_resource_unref(resource);
    }
}

struct pv_resource *pv_context_create_blob(struct pv_context *context,
                                           const struct pv_blob_params *params)
{
    const char *name = context->params.name;
    if (params->resource_id == 0 || params->size == 0) {
        complain(context, "a blob needs a resource id and a size");
        return NULL;
    }
    struct pv_blob *blob = NULL;
    if (params->blob_id == 0) {
        if (params->flags != PV_BLOB_MAPPABLE) {
            complain(context, "shared memory with blob flags %u", params->flags);
            return NULL;
        }
        blob = pv_blob_create_shm(params->size, name);
    } else {
        struct pv_quiesce_reader *reader = &context->stream.reader;
        pv_quiesce_online(reader);
        struct pv_object *object = pv_object_table_lookup(context->objects, params->blob_id);
        if (object && object->type == VK_OBJECT_TYPE_DEVICE_MEMORY && object->handle) {
            blob = pv_blob_memory_export(pv_device_of(object)->blobs,
                                         &((struct pv_memory *)object)->memory);
        }
        pv_quiesce_offline(reader);
    }
    if (!blob || pv_blob_size(blob) < params->size) {
        complain(context, "no blob of %llu bytes for id %llu", (unsigned long long)params->size,
                 (unsigned long long)params->blob_id);
        pv_blob_unref(blob);
        return NULL;
    }
    struct pv_resource *resource =
        pv_resource_create(params->resource_id, params->size, blob, params->blob_id == 0);
    if (resource && !add_resource(context, resource, true)) {
        complain(context, "resource id %u is taken", params->resource_id);
        pv_resource_unref(resource);
        return NULL;
    }
    return resource;
}

// -- rings -----------------------------------------------------------------------------------

static bool ring_execute(void *user, uint8_t *bytes, size_t size)
{
    struct pv_context_ring *ring = user;
    return pv_stream_execute(&ring->stream, bytes, size);
}

static void ring_sleep(void *user)
{
    struct pv_context_ring *ring = user;
    pv_quiesce_offline(&ring->stream.reader);
}

static void ring_wake(void *user)
{
    struct pv_context_ring *ring = user;
    pv_quiesce_online(&ring->stream.reader);
}

static void ring_failed(void *user, const char *reason)
{
    struct pv_context_ring *ring = user;
    pv_context_fail(ring->stream.context, "ring %#llx after byte %llu: %s",
                    (unsigned long long)ring->name, (unsigned long long)pv_ring_bytes(ring->ring),
                    reason);
}

static const struct pv_ring_ops ring_ops = {
    .execute = ring_execute,
    .sleep = ring_sleep,
    .wake = ring_wake,
    .failed = ring_failed,
};

struct pv_ring *pv_context_find_ring(struct pv_context *context, uint64_t name)
{
    // Only the context stream's thread changes the list: it may read without the lock.
    for (struct pv_context_ring *ring = context->rings; ring; ring = ring->next) {
        if (ring->name == name) {
            return ring->ring;
        }
    }
    return NULL;
}

// Asks the VMM to tell the guest that we live. false: the monitor must.
static bool begin_pulse(struct pv_context_ring *ring, struct pv_host *host,
                        const struct pv_ring_layout *layout)
{
    const struct pv_pulse pulse = {
        .id = atomic_fetch_add(&host->last_pulse, 1) + 1,
        .offset = layout->offset + layout->status_offset,
        .bits = pv_ring_alive_bits(),
        .period_us = layout->monitor_period_us,
        .fd = host->begin_pulse ? pv_blob_export_fd(ring->resource->blob) : -1,
    };
    if (pulse.fd < 0) {
        return false;
    }
    pv_ring_set_alive(ring->ring);
    if (pv_blob_fd_type(ring->resource->blob) == PV_FD_SHM &&
        host->begin_pulse(host->pulse_user, &pulse)) {
        ring->pulse = pulse.id;
    }
    close(pulse.fd);
    return ring->pulse != 0;
}

static void context_ring_destroy(struct pv_context *context, struct pv_context_ring *ring)
{
    if (ring->monitored) {
        pv_monitor_remove(context->monitor, ring->ring);
    }
    if (ring->pulse) {
        context->host->end_pulse(context->host->pulse_user, ring->pulse);
    }
    atomic_store_explicit(&ring->stopping, true, memory_order_release);
    pv_ring_destroy(ring->ring);
    struct pv_stream_counters *retired = &context->retired_counters;
    const struct pv_stream_counters *counters = &ring->stream.counters;
    atomic_fetch_add(&retired->commands, atomic_load(&counters->commands));
    atomic_fetch_add(&retired->ring_bytes, atomic_load(&counters->ring_bytes));
    atomic_fetch_add(&retired->stream_bytes, atomic_load(&counters->stream_bytes));
    atomic_fetch_add(&retired->queue_submits, atomic_load(&counters->queue_submits));
    pv_stream_finish(&ring->stream);
    pv_resource_unref(ring->resource);
    free(ring);
}

const char *pv_context_create_ring(struct pv_context *context, uint64_t name, uint32_t resource_id,
                                   const struct pv_ring_layout *layout)
{
    if (pv_context_find_ring(context, name)) {
        return "the ring's name is in use";
    }
    if (context->ring_count >= context->host->max_rings) {
        return "too many rings";
    }
    struct pv_context_ring *ring = calloc(1, sizeof(*ring));
    if (!ring) {
        return "no memory for a ring";
    }
    ring->name = name;
    ring->resource = pv_context_find_resource(context, resource_id);
    uint8_t *memory =
        ring->resource ? pv_resource_range(ring->resource, 0, ring->resource->size) : NULL;
    const char *reason = "the ring is not in shared memory of this context";
    if (memory) {
        reason = pv_ring_layout_check(layout, ring->resource->size);
    }
    if (!reason) {
        const struct pv_ring_params params = {
            .layout = *layout,
            .memory = memory,
            .ops = &ring_ops,
            .user = ring,
            .thread_name = "pv-ring",
        };
        ring->ring = pv_ring_create(&params, &reason);
    }
    if (!ring->ring) {
        pv_resource_unref(ring->resource);
        free(ring);
        return reason;
    }
    pv_stream_init(&ring->stream, context, ring);
    ring->monitored = layout->monitor_period_us != 0 && !begin_pulse(ring, context->host, layout);
    if ((ring->monitored &&
         !pv_monitor_add(context->monitor, ring->ring, layout->monitor_period_us)) ||
        !pv_ring_start(ring->ring)) {
        context_ring_destroy(context, ring);
        return "no thread for a ring";
    }
    pthread_mutex_lock(&context->lock);
    ring->next = context->rings;
    context->rings = ring;
    context->ring_count++;
    const bool failed = pv_context_has_failed(context);
    pthread_mutex_unlock(&context->lock);
    if (failed) {
        // The context failed before the ring was in the list: it missed the news.
        pv_ring_set_fatal(ring->ring);
        pv_ring_stop(ring->ring);
    }
    return NULL;
}

bool pv_context_destroy_ring(struct pv_context *context, uint64_t name)
{
    pthread_mutex_lock(&context->lock);
    struct pv_context_ring **link = &context->rings;
    while (*link && (*link)->name != name) {
        link = &(*link)->next;
    }
    struct pv_context_ring *ring = *link;
    if (ring) {
        *link = ring->next;
        context->ring_count--;
    }
    pthread_mutex_unlock(&context->lock);
    if (ring) {
        context_ring_destroy(context, ring);
    }
    return ring != NULL;
}

static void context_destroy_rings(struct pv_context *context)
{
    // All of them stop first: one may be waiting for what another one holds.
    pthread_mutex_lock(&context->lock);
    for (struct pv_context_ring *ring = context->rings; ring; ring = ring->next) {
        atomic_store_explicit(&ring->stopping, true, memory_order_release);
        pv_ring_stop(ring->ring);
    }
    pthread_mutex_unlock(&context->lock);
    while (context->rings) {
        pv_context_destroy_ring(context, context->rings->name);
    }
}

// -- fences and figures ----------------------------------------------------------------------

bool pv_context_create_fence(struct pv_context *context, uint32_t ring_idx, uint64_t fence_id)
{
    if (ring_idx >= PV_TIMELINE_COUNT) {
        complain(context, "fence on ring_idx %u", ring_idx);
        return false;
    }
    if (ring_idx == 0) {
        pv_cpu_timeline_insert(&context->cpu_timeline, fence_id);
        return true;
    }
    // Also when the context has failed: what is pending on the queue retires first.
    bool inserted = true;
    pthread_mutex_lock(&context->fence_lock);
    struct pv_queue *queue = context->queues[ring_idx];
    if (queue) {
        inserted = pv_queue_timeline_insert(queue->timeline, fence_id);
    } else if (context->params.fence_retired) {
        context->params.fence_retired(context->params.user, ring_idx, fence_id);
    }
    pthread_mutex_unlock(&context->fence_lock);
    return inserted;
}

void pv_context_get_stats(const struct pv_context *constant, struct pv_context_stats *stats)
{
    struct pv_context *context = (struct pv_context *)constant; // the lock is not part of its state
    pthread_mutex_lock(&context->lock);
    const struct pv_stream_counters *retired = &context->retired_counters;
    *stats = (struct pv_context_stats){
        .commands = retired->commands + context->stream.counters.commands,
        .ring_bytes = retired->ring_bytes,
        .stream_bytes = retired->stream_bytes + context->stream.counters.stream_bytes,
        .queue_submits = retired->queue_submits + context->stream.counters.queue_submits,
        .objects = pv_object_table_count(context->objects),
        .memory = context->memory,
        .rings = context->ring_count,
    };
    for (const struct pv_context_ring *ring = context->rings; ring; ring = ring->next) {
        stats->commands += ring->stream.counters.commands;
        stats->ring_bytes += ring->stream.counters.ring_bytes;
        stats->stream_bytes += ring->stream.counters.stream_bytes;
        stats->queue_submits += ring->stream.counters.queue_submits;
    }
    pthread_mutex_unlock(&context->lock);
}

void pv_context_visit_commands(const struct pv_context *context,
                               void (*visit)(void *user, const char *name, uint64_t count),
                               void *user)
{
    for (uint32_t i = 0; context->tally && i < PV_COMMAND_COUNT; i++) {
        const uint64_t count = pv_tally_count(context->tally, i);
        if (count) {
            visit(user, pv_command_name(i), count);
        }
    }
}

// The life of objects: created, poisoned, destroyed, and in which order.
#include "handlers/dispatch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Most objects are small: they lie in chunks of one size, which a thread uses again.
#define CHUNK_SIZE ((size_t)128)

// Poisoned objects have the size of good ones: their end looks the same.
static size_t object_size(VkObjectType type)
{
    switch (type) {
    case VK_OBJECT_TYPE_DEVICE_MEMORY:
        return sizeof(struct pv_memory);
    case VK_OBJECT_TYPE_IMAGE:
        return sizeof(struct pv_image);
    case VK_OBJECT_TYPE_PIPELINE:
        return sizeof(struct pv_pipeline);
    case VK_OBJECT_TYPE_QUERY_POOL:
        return sizeof(struct pv_query_pool);
    case VK_OBJECT_TYPE_COMMAND_BUFFER:
        return sizeof(struct pv_command_buffer);
    case VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT:
    case VK_OBJECT_TYPE_DESCRIPTOR_SET:
        return sizeof(struct pv_descriptors);
    case VK_OBJECT_TYPE_RENDER_PASS:
        return sizeof(struct pv_render_pass);
    case VK_OBJECT_TYPE_FRAMEBUFFER:
        return sizeof(struct pv_framebuffer);
    case VK_OBJECT_TYPE_SEMAPHORE:
    case VK_OBJECT_TYPE_EVENT:
        return sizeof(struct pv_signal);
    case VK_OBJECT_TYPE_INSTANCE:
    case VK_OBJECT_TYPE_PHYSICAL_DEVICE:
    case VK_OBJECT_TYPE_DEVICE:
    case VK_OBJECT_TYPE_QUEUE:
        return SIZE_MAX; // never poisoned, see pv_stream_poison_ids()
    default:
        return sizeof(struct pv_object);
    }
}

static bool lies_in_chunk(VkObjectType type)
{
    return object_size(type) <= CHUNK_SIZE;
}

void *pv_object_new(struct pv_stream *stream, size_t size, VkObjectType type, uint64_t id,
                    uint64_t handle, struct pv_object *device)
{
    struct pv_object *object = NULL;
    if (lies_in_chunk(type)) {
        assert(size <= CHUNK_SIZE);
        object = pv_quiesce_take_own(&stream->reader);
        object = object ? object : malloc(CHUNK_SIZE);
    } else {
        object = malloc(size);
    }
    if (!object) {
        pv_stream_fail(stream, "no memory for an object");
        return NULL;
    }
    memset(object, 0, size);
    object->id = id;
    object->handle = handle;
    object->type = type;
    object->device = device;
    return object;
}

bool pv_object_publish(struct pv_stream *stream, struct pv_object *object, struct pv_object *parent)
{
    static const char *const reasons[] = {
        [PV_INSERT_ID_IN_USE] = "the id of a new object is 0 or in use",
        [PV_INSERT_LIMIT] = "too many objects",
        [PV_INSERT_NO_MEMORY] = "no memory for an object",
        [PV_INSERT_PARENT_GONE] = "the parent of a new object is being destroyed",
    };
    const enum pv_insert_result result =
        pv_object_table_insert(stream->context->objects, object, parent);
    if (result == PV_INSERT_OK) {
        return true;
    }
    free(object);
    pv_stream_fail(stream, reasons[result]);
    return false;
}

// Enters one plain object. False: the stream has failed and the handle is still the caller's.
static bool enter(struct pv_stream *stream, VkObjectType type, uint64_t id, uint64_t handle,
                  struct pv_object *parent)
{
    struct pv_object *object = pv_object_new(stream, object_size(type), type, id, handle,
                                             parent ? parent->device : stream->decoder.device);
    if (!object) {
        return false;
    }
    object->flags = handle ? 0 : PV_OBJECT_POISONED;
    return pv_object_publish(stream, object, parent);
}

void pv_stream_created_object(struct pv_stream *stream, struct pv_object *object, uint64_t handle,
                              struct pv_object *parent)
{
    if (!handle && pv_stream_wants_reply(stream)) {
        free(object);
        return;
    }
    const VkObjectType type = object->type;
    object->handle = handle;
    object->flags |= handle ? 0 : PV_OBJECT_POISONED;
    if (!pv_object_publish(stream, object, parent) && handle) {
        const struct pv_device *device = pv_device_of(parent);
        pv_destroy_handle(device->vk, device->driver->handle, type, handle);
    }
}

void pv_stream_created(struct pv_stream *stream, VkObjectType type, uint64_t id, uint64_t handle,
                       struct pv_object *parent)
{
    if (!handle && pv_stream_wants_reply(stream)) {
        return;
    }
    if (!enter(stream, type, id, handle, parent) && handle) {
        const struct pv_device *device = pv_device_of(parent);
        pv_destroy_handle(device->vk, device->driver->handle, type, handle);
    }
}

bool pv_stream_created_in_pool(struct pv_stream *stream, VkObjectType type, const uint64_t *ids,
                               const uint64_t *handles, uint64_t count, struct pv_object *pool)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!enter(stream, type, ids[i], handles[i], pool)) {
            return false;
        }
    }
    return true;
}

void pv_stream_poison_ids(struct pv_stream *stream, VkObjectType type, const uint64_t *ids,
                          uint64_t count)
{
    if (pv_stream_wants_reply(stream)) {
        return;
    }
    if (type == VK_OBJECT_TYPE_DEVICE || type == VK_OBJECT_TYPE_QUEUE) {
        // What they belong to is never poisoned, and there is no end for half of one.
        pv_stream_fail(stream, "a device or queue is wanted of something that does not exist");
        return;
    }
    const bool pooled =
        type == VK_OBJECT_TYPE_DESCRIPTOR_SET || type == VK_OBJECT_TYPE_COMMAND_BUFFER;
    struct pv_object *parent =
        pooled && stream->decoder.pool ? stream->decoder.pool : stream->decoder.device;
    for (uint64_t i = 0; i < count && !pv_stream_failed(stream); i++) {
        enter(stream, type, ids[i], 0, parent);
    }
}

// `flags` of other objects never change; a command buffer's is set by the thread that records it.
void pv_stream_poison_command_buffer(struct pv_object *command_buffer)
{
    if (command_buffer) {
        atomic_fetch_or(&command_buffer->flags, PV_OBJECT_POISONED);
    }
}

void pv_stream_heal_command_buffer(struct pv_object *command_buffer)
{
    if (command_buffer && command_buffer->handle) {
        atomic_fetch_and(&command_buffer->flags, ~(uint32_t)PV_OBJECT_POISONED);
    }
}

bool pv_object_is_poisoned(const struct pv_object *object)
{
    return atomic_load_explicit(&object->flags, memory_order_relaxed) & PV_OBJECT_POISONED;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool pv_stream_check_distinct(struct pv_stream *stream, const uint64_t *ids, uint64_t count)
{
    if (count < 2) {
        return true;
    }
    uint64_t *sorted = pv_stream_alloc(stream, count, sizeof(*sorted));
    if (!sorted) {
        return false;
    }
    memcpy(sorted, ids, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    for (uint64_t i = 1; i < count; i++) {
        if (sorted[i] == sorted[i - 1]) {
            pv_stream_fail(stream, "an id stands twice in a list");
            return false;
        }
    }
    return true;
}

bool pv_stream_check_new_ids(struct pv_stream *stream, const uint64_t *ids, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pv_decode_check_new_id(&stream->decoder, ids[i]);
    }
    return !pv_stream_failed(stream) && pv_stream_check_distinct(stream, ids, count);
}

static void end_handle(struct pv_context *context, struct pv_object *object)
{
    switch (object->type) {
    case VK_OBJECT_TYPE_INSTANCE: {
        pthread_mutex_lock(&context->lock);
        struct pv_instance *instance = context->instance;
        context->instance = NULL;
        pthread_mutex_unlock(&context->lock);
        pv_instance_unref(instance);
        break;
    }
    case VK_OBJECT_TYPE_PHYSICAL_DEVICE:
    case VK_OBJECT_TYPE_COMMAND_BUFFER: // with its pool
    case VK_OBJECT_TYPE_DESCRIPTOR_SET: // with its pool
        break;
    case VK_OBJECT_TYPE_DEVICE:
        pv_device_end(context, (struct pv_device *)object);
        break;
    case VK_OBJECT_TYPE_QUEUE:
        pv_queue_end(context, (struct pv_queue *)object);
        break;
    case VK_OBJECT_TYPE_DEVICE_MEMORY:
        pv_memory_end(context, (struct pv_memory *)object);
        break;
    default: {
        // Taken, because vkResetFenceResourceMESA on another ring may be exchanging it.
        const uint64_t handle = atomic_exchange(&object->handle, 0);
        const struct pv_device *device = pv_device_of(object);
        if (!handle || atomic_load(&device->abandoned)) {
            break;
        }
        if (object->flags & PV_OBJECT_POOLED) {
            pv_fence_pool_recycle(device->guest_fences, (VkFence)(uintptr_t)handle);
        } else {
            pv_destroy_handle(device->vk, device->driver->handle, object->type, handle);
        }
    }
    }
}

// `stream`: of the calling thread, NULL if there is none.
static void destroy_objects(struct pv_context *context, struct pv_stream *stream,
                            struct pv_object *first)
{
    uint64_t waited_ns = 0;
    // Devices fall silent before anything of theirs goes.
    for (struct pv_object *object = first; object; object = object->next_sibling) {
        if (object->type == VK_OBJECT_TYPE_DEVICE && object->handle) {
            pv_device_stop(context, (struct pv_device *)object, first, &waited_ns);
        }
    }
    while (first) {
        struct pv_object *next = first->next_sibling;
        end_handle(context, first);
        if (stream && lies_in_chunk(first->type)) {
            pv_quiesce_retire_own(&stream->reader, first);
        } else {
            pv_object_table_release(context->objects, first);
        }
        first = next;
    }
}

void pv_destroy_objects(struct pv_context *context, struct pv_object *first)
{
    destroy_objects(context, NULL, first);
}

void pv_stream_destroy_removed(struct pv_stream *stream, struct pv_object *first)
{
    destroy_objects(stream->context, stream, first);
}

void pv_stream_destroy(struct pv_stream *stream, struct pv_object *object)
{
    if (object) {
        pv_stream_destroy_removed(stream, pv_object_table_remove(stream->context->objects, object));
    }
}

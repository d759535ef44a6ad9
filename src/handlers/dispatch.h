// What the generated dispatch and the written handlers share: the life of objects.
#ifndef PV_HANDLERS_DISPATCH_H
#define PV_HANDLERS_DISPATCH_H

#include "context/context.h"

extern const struct pv_command pv_commands[];

// Calls the driver's vkDestroy function for an object of a device. Generated.
void pv_destroy_handle(const struct pv_device_functions *vk, VkDevice device, VkObjectType type,
                       uint64_t handle);

// A zeroed object of `size` bytes (struct pv_object or derived), not yet in the table.
// NULL fails the stream.
void *pv_object_new(struct pv_stream *stream, size_t size, VkObjectType type, uint64_t id,
                    uint64_t handle, struct pv_object *device);

// Puts it there. Failure: false, the object is freed and the stream fails; the caller destroys
// the driver's handle.
bool pv_object_publish(struct pv_stream *stream, struct pv_object *object,
                       struct pv_object *parent);

// After a driver call that creates one plain object: enters it, or, when the driver refused
// (`handle` 0) and the guest is not told, a poisoned one.
void pv_stream_created(struct pv_stream *stream, VkObjectType type, uint64_t id, uint64_t handle,
                       struct pv_object *parent);

// The same for an object that knows more, made with pv_object_new() before the driver call.
// Ownership: takes `object`.
void pv_stream_created_object(struct pv_stream *stream, struct pv_object *object, uint64_t handle,
                              struct pv_object *parent);

// An image that knows what it is, for the call above; src/handlers/host_copy.c.
struct pv_image *pv_image_new(struct pv_stream *stream, uint64_t id, const VkImageCreateInfo *info,
                              struct pv_object *device);

// The same for objects that die with their pool; `handle`s the driver gave are given back to the
// pool by the caller when this returns false.
bool pv_stream_created_in_pool(struct pv_stream *stream, VkObjectType type, const uint64_t *ids,
                               const uint64_t *handles, uint64_t count, struct pv_object *pool);

// Enters poisoned objects for what a skipped or failed command would have created.
void pv_stream_poison_ids(struct pv_stream *stream, VkObjectType type, const uint64_t *ids,
                          uint64_t count);

// The device counts as lost from now on. The guest learns it where it asks for results of the
// device; the log learns why, once.
void pv_stream_lose_device(struct pv_stream *stream, struct pv_device *device, const char *why);

// A command was skipped: the command buffer is incomplete, the device counts as lost when it is
// submitted. Beginning it anew heals it.
void pv_stream_poison_command_buffer(struct pv_object *command_buffer);
void pv_stream_heal_command_buffer(struct pv_object *command_buffer);
bool pv_object_is_poisoned(const struct pv_object *object);

// False, and the stream failed, when an id of a creation is 0, in use or stands twice.
bool pv_stream_check_new_ids(struct pv_stream *stream, const uint64_t *ids, uint64_t count);

// False, and the stream failed, when one of the ids stands twice.
bool pv_stream_check_distinct(struct pv_stream *stream, const uint64_t *ids, uint64_t count);

// Takes an object and all that belongs to it from the guest and from the driver. NULL: nothing.
void pv_stream_destroy(struct pv_stream *stream, struct pv_object *object);

// The same for what has been removed from the table.
void pv_stream_destroy_removed(struct pv_stream *stream, struct pv_object *first);

// pv_context_ops.destroy_objects.
void pv_destroy_objects(struct pv_context *context, struct pv_object *first);

// The driver has no function for the command: the guest did not enable what it needs.
static inline void pv_stream_fail_missing(struct pv_stream *stream)
{
    pv_stream_fail(stream, "the device was created without what this command needs");
}

static inline const struct pv_instance_functions *
pv_stream_instance_functions(const struct pv_stream *stream)
{
    static const struct pv_instance_functions none;
    return stream->context->instance ? &stream->context->instance->host.vk : &none;
}

// Waits in slices for what a device does, outside of the quiescence domain; see device_end.c.
void pv_device_begin_wait(struct pv_stream *stream, struct pv_device *device);
void pv_device_end_wait(struct pv_stream *stream, struct pv_device *device);

// Whether the guest may have another device: not after too many that never came to rest.
bool pv_device_may_come(struct pv_context *context);

// Ends of devices and queues, called in the order of pv_destroy_objects(); src/handlers/device.c
// and device_end.c. `removed` is the whole list; a device gets some seconds to
// come to rest, less `*waited_ns`, which those that ended before it took.
void pv_device_stop(struct pv_context *context, struct pv_device *device,
                    const struct pv_object *removed, uint64_t *waited_ns);
void pv_device_end(struct pv_context *context, struct pv_device *device);
void pv_queue_end(struct pv_context *context, struct pv_queue *queue);
void pv_memory_end(struct pv_context *context, struct pv_memory *memory);
void pv_instance_unref(struct pv_instance *instance);

// Fills one structure of properties, which has its sType and nothing chained.
static inline void pv_device_query_properties(const struct pv_device *device, void *properties)
{
    VkPhysicalDeviceProperties2 root = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = properties,
    };
    const struct pv_instance_functions *vk = &device->driver->instance->host.vk;
    vk->vkGetPhysicalDeviceProperties2(device->physical_device, &root);
}

#endif

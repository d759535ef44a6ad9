// Objects that are more than an id and a handle.
#ifndef PV_CONTEXT_OBJECTS_H
#define PV_CONTEXT_OBJECTS_H

#include "blob/memory.h"
#include "context/host.h"
#include "fence/pool.h"
#include "fence/queue.h"
#include "fence/timeline.h"
#include "object/lengths.h"

#include <stdatomic.h>

// The context's VkInstance. Counted: devices whose destruction waits for a blob keep it.
struct pv_instance {
    _Atomic uint32_t references;
    struct pv_vk_instance host;
    // What the guest has enumerated; guarded by the context's lock.
    struct {
        VkPhysicalDevice handle;
        uint64_t id;
    } physical_devices[VK_MAX_DEVICE_GROUP_SIZE];
    uint32_t physical_device_count;
};

struct pv_physical_device {
    struct pv_object base;
    const struct pv_host_device *host;
};

// The driver's side of a device; outlives the guest's object while blobs still need it.
struct pv_device_driver {
    VkDevice handle;
    struct pv_device_functions vk;
    struct pv_instance *instance; // one reference
};

struct pv_device {
    struct pv_object base;
    const struct pv_device_functions *vk; // driver->vk, next to the base for the hot path
    struct pv_device_driver *driver;      // lives at least as long as `blobs`
    const struct pv_host_device *host;
    VkPhysicalDevice physical_device;
    struct pv_blob_device *blobs; // one reference
    struct pv_fence_pool *fences; // ours
    // Handed out to the guest. A guest may have destroyed one that a submission still signals, so
    // that nothing of ours is decided by these.
    struct pv_fence_pool *guest_fences;
    struct pv_host_queue *queues; // all of them, fetched at creation
    struct pv_device_queue {
        uint32_t family, index;
        VkDeviceQueueCreateFlags flags;
        bool bound; // a guest queue names it
    } * queue_keys;
    uint32_t queue_count;
    bool foreign_queue_family;     // the driver knows VK_QUEUE_FAMILY_FOREIGN_EXT
    _Atomic bool timelines_waited; // a submission waits for one (PV_QUIRK_LATE_TIMELINES)
    _Atomic bool lost;             // told to the guest from then on
    _Atomic bool asks_status;      // the guest asks whether fences are signalled
    _Atomic bool ending;           // waits in the driver look up and leave
    _Atomic uint32_t waiters;      // commands that wait in the driver, offline (see stream.h)
    _Atomic bool abandoned;        // never came to rest: its driver objects are not touched again
};

struct pv_queue {
    struct pv_object base;
    struct pv_host_queue *host; // of the device
    struct pv_device_queue *key;
    uint32_t ring_idx; // 1 .. PV_TIMELINE_COUNT - 1
    struct pv_queue_timeline *timeline;
};

struct pv_memory {
    struct pv_object base;
    struct pv_blob_memory memory;
    _Atomic uint64_t counted; // bytes in the context's statistics
};

// What the size of a copy depends on; immutable.
struct pv_image {
    struct pv_object base;
    VkFormat format;
    VkImageType type;
    VkExtent3D extent;
    uint32_t mip_levels, array_layers;
    VkSampleCountFlagBits samples;
    VkImageTiling tiling;
};

struct pv_pipeline {
    struct pv_object base;
    uint32_t shader_group_count; // of a ray tracing pipeline, its libraries' included; else 0
};

struct pv_query_pool {
    struct pv_object base;
    uint32_t query_count;
    uint32_t value_count; // that one query writes, availability aside; 0: unknown type
};

// A semaphore or an event.
struct pv_signal {
    struct pv_object base;
    bool host_signals; // the host may: a timeline semaphore, an event not of the device alone
};

static inline struct pv_device *pv_device_of(const struct pv_object *object)
{
    return (struct pv_device *)object->device;
}

static inline const struct pv_device_functions *
pv_device_functions_of(const struct pv_object *object)
{
    return pv_device_of(object)->vk;
}

#endif

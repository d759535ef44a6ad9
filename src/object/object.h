// The base of everything a guest can name: its id, the driver's handle, and who it belongs to.
//
// The guest chooses ids; a pv_object maps one to the host driver's handle. Objects form a tree
// (instance > device > pool > command buffer ...); when an object dies, its descendants die with
// it, children first and youngest first.
#ifndef PV_OBJECT_OBJECT_H
#define PV_OBJECT_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

enum pv_object_flags {
    // The driver refused to create it and the guest was not told (the command asked for no
    // reply). Commands that use it are skipped; destroying it only frees the id.
    PV_OBJECT_POISONED = 1u << 0,
    // A fence like any other, which can be used again when it is destroyed (fence/pool.h).
    PV_OBJECT_POOLED = 1u << 1,
    // A buffer or image whose memory is bound by a queue.
    PV_OBJECT_SPARSE = 1u << 2,
};

// Derived objects (struct pv_device, struct pv_memory ...) start with this member.
struct pv_object {
    uint64_t id; // the guest's, immutable once inserted
    // The driver's VkBuffer, VkQueue ...; 0 while there is none. A fence's is exchanged when its
    // payload is consumed, and any handle is taken out before it is destroyed.
    _Atomic uint64_t handle;
    VkObjectType type;
    _Atomic uint32_t flags; // enum pv_object_flags; only a command buffer's change

    // The device this belongs to: itself for a device, NULL for instance and physical devices.
    struct pv_object *device;

    // The tree, guarded by the table's lock.
    struct pv_object *parent;
    struct pv_object *first_child;  // the youngest
    struct pv_object *next_sibling; // older
    struct pv_object *prev_sibling; // younger
};

#endif

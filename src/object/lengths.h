// Objects with lengths that what a guest sends later must agree with: drivers take the length from
// the object and read that much of the guest's array (protocol/check.h).
#ifndef PV_OBJECT_LENGTHS_H
#define PV_OBJECT_LENGTHS_H

#include "object/object.h"

// Immutable, but for what a command buffer records. Poisoned objects may have zeroes.

struct pv_render_pass {
    struct pv_object base;
    uint32_t attachment_count, subpass_count;
};

struct pv_framebuffer {
    struct pv_object base;
    bool imageless;            // image views come when a render pass begins
    uint32_t attachment_count; // image views that it holds
};

struct pv_command_buffer {
    struct pv_object base;
    _Atomic uint32_t subpasses_left; // of the render pass that was begun last
};

// A descriptor set, or the layout that it was made with.
struct pv_descriptors {
    struct pv_object base;
    uint32_t dynamic_count; // descriptors whose offset comes when the set is bound
};

#endif

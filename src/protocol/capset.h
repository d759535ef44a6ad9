// The Venus capset: how a guest learns what this renderer understands (virtio-gpu capset 4).
#ifndef PV_PROTOCOL_CAPSET_H
#define PV_PROTOCOL_CAPSET_H

#include <stdint.h>

struct pv_venus_capset {
    uint32_t wire_format_version;
    uint32_t vk_xml_version;
    uint32_t vk_ext_command_serialization_spec_version;
    uint32_t vk_mesa_venus_protocol_spec_version;
    uint32_t supports_blob_id_0;
    uint32_t vk_extension_mask1[32];
    uint32_t allow_vk_wait_syncs;
    uint32_t supports_multiple_timelines;
    uint32_t use_guest_vram;
};
_Static_assert(sizeof(struct pv_venus_capset) == 160, "the size guests expect");

void pv_venus_capset_fill(struct pv_venus_capset *capset);

#endif

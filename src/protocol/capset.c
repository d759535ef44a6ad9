#include "protocol/capset.h"

#include "protocol/extensions.h"

#include <string.h>

static int compare_names(const void *name, const void *extension)
{
    return strcmp(name, ((const struct pv_extension *)extension)->name);
}

const struct pv_extension *pv_extension_find(const char *name)
{
    uint32_t low = 0, high = pv_extension_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = compare_names(name, &pv_extensions[middle]);
        if (order == 0) {
            return &pv_extensions[middle];
        }
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

void pv_venus_capset_fill(struct pv_venus_capset *capset)
{
    const struct pv_extension *serialization = pv_extension_find("VK_EXT_command_serialization");
    const struct pv_extension *protocol = pv_extension_find("VK_MESA_venus_protocol");
    *capset = (struct pv_venus_capset){
        .wire_format_version = 1,
        .vk_xml_version = pv_registry_version,
        .vk_ext_command_serialization_spec_version = serialization->spec_version,
        .vk_mesa_venus_protocol_spec_version = protocol->spec_version,
        .supports_blob_id_0 = 1,
        .vk_extension_mask1 = {1}, // bit 0: the mask is valid
        .allow_vk_wait_syncs = 1,
        .supports_multiple_timelines = 1,
    };
    for (uint32_t i = 0; i < pv_extension_count; i++) {
        const uint32_t number = pv_extensions[i].number;
        capset->vk_extension_mask1[number / 32] |= 1u << number % 32;
    }
}

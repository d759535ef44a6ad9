// The renderer: composes the layers below and implements pv/renderer.h.
#include "pv/renderer.h"

#include "context/context.h"
#include "handlers/dispatch.h"
#include "handlers/physical_device.h"
#include "protocol/capset.h"
#include "protocol/extensions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pv_renderer {
    struct pv_host host;
};

static const struct pv_context_ops context_ops = {
    .commands = pv_commands,
    .destroy_objects = pv_destroy_objects,
};

struct pv_renderer *pv_renderer_create(const struct pv_renderer_params *params, char *error,
                                       size_t error_size)
{
    static const struct pv_renderer_params defaults;
    char unused[256];
    if (!error) {
        error = unused;
        error_size = sizeof(unused);
    }
    struct pv_renderer *renderer = calloc(1, sizeof(*renderer));
    if (!renderer) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    if (!pv_host_init(&renderer->host, params ? params : &defaults, error, error_size)) {
        free(renderer);
        return NULL;
    }
    return renderer;
}

void pv_renderer_destroy(struct pv_renderer *renderer)
{
    if (renderer) {
        pv_host_finish(&renderer->host);
        free(renderer);
    }
}

struct pv_context *pv_context_create(struct pv_renderer *renderer,
                                     const struct pv_context_params *params)
{
    return pv_context_create_with(&renderer->host, &context_ops, params);
}

struct pv_resource *pv_resource_import(struct pv_renderer *renderer,
                                       const struct pv_import_params *params)
{
    const char *reason = "a resource needs an id and a size";
    struct pv_blob *blob = NULL;
    if (params->resource_id && params->size) {
        blob = pv_blob_import_fd(params->type, params->fd, params->size, &reason);
    }
    if (!blob) {
        pv_log(&renderer->host.log, PV_LOG_WARN, "import of resource %u: %s", params->resource_id,
               reason);
        return NULL;
    }
    return pv_resource_create(params->resource_id, params->size, blob, params->type == PV_FD_SHM);
}

size_t pv_capset_fill(void *capset, size_t size)
{
    struct pv_venus_capset full;
    pv_venus_capset_fill(&full);
    const size_t used = size < sizeof(full) ? size : sizeof(full);
    memcpy(capset, &full, used);
    return used;
}

uint32_t pv_renderer_device_count(struct pv_renderer *renderer)
{
    pv_host_probe(&renderer->host);
    return renderer->host.device_count;
}

bool pv_renderer_get_device(struct pv_renderer *renderer, uint32_t index,
                            struct pv_device_info *info)
{
    pv_host_probe(&renderer->host);
    if (index >= renderer->host.device_count) {
        return false;
    }
    const struct pv_host_device *device = &renderer->host.devices[index];
    const struct pv_device_facts *facts = &device->facts;
    *info = (struct pv_device_info){
        .host_api_version = facts->api_version,
        .guest_api_version = pv_guest_api_version(facts->api_version),
        .device_type = facts->properties.deviceType,
        .vendor_id = facts->properties.vendorID,
        .device_id = facts->properties.deviceID,
        .host_extension_count = facts->extensions.count,
        .guest_extension_count = pv_guest_extensions(device, &facts->extensions, NULL, 0),
        .memory_type_count = device->choice.type_count,
        .memory_mechanism = device->choice.mechanism,
        .emulations = device->emulations,
    };
    snprintf(info->name, sizeof(info->name), "%s", facts->properties.deviceName);
    snprintf(info->driver, sizeof(info->driver), "%.120s %.120s", facts->driver_name,
             facts->driver_info);
    snprintf(info->memory_reason, sizeof(info->memory_reason), "%s", device->choice.reason);
    return true;
}

const char *pv_version(void)
{
    return PV_VERSION;
}

const char *pv_vulkan_registry_version(void)
{
    return pv_registry_version_text;
}

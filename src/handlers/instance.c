// Instances and the enumeration of physical devices.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"
#include "protocol/extensions.h"

#include <stdlib.h>

void pv_handle_vkEnumerateInstanceVersion(struct pv_stream *s,
                                          struct pv_cmd_vkEnumerateInstanceVersion *cmd)
{
    const uint32_t host = s->context->host->library.instance_version;
    *cmd->pApiVersion = host < pv_registry_version ? host : pv_registry_version;
    cmd->ret = VK_SUCCESS;
}

// Guests get the two extensions of the protocol itself and no other: window systems and the like
// are theirs.
void pv_handle_vkEnumerateInstanceExtensionProperties(
    struct pv_stream *s, struct pv_cmd_vkEnumerateInstanceExtensionProperties *cmd)
{
    static const char *const names[] = {"VK_EXT_command_serialization", "VK_MESA_venus_protocol"};
    if (cmd->pLayerName) {
        pv_stream_fail(s, "guests have no layers on the host");
        return;
    }
    if (!cmd->pProperties) {
        *cmd->pPropertyCount = 2;
        cmd->ret = VK_SUCCESS;
        return;
    }
    uint32_t count = *cmd->pPropertyCount < 2 ? *cmd->pPropertyCount : 2;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(cmd->pProperties[i].extensionName, names[i], strlen(names[i]) + 1);
        cmd->pProperties[i].specVersion = pv_extension_find(names[i])->spec_version;
    }
    *cmd->pPropertyCount = count;
    cmd->ret = count < 2 ? VK_INCOMPLETE : VK_SUCCESS;
}

void pv_instance_unref(struct pv_instance *instance)
{
    if (atomic_fetch_sub(&instance->references, 1) == 1) {
        pv_vk_instance_finish(&instance->host);
        free(instance);
    }
}

// Two rings may be creating one each; under the lock only one of them finds the place free.
static bool enter_instance(struct pv_stream *s, struct pv_instance *instance, uint64_t id)
{
    struct pv_context *context = s->context;
    struct pv_object *object = pv_object_new(s, sizeof(*object), VK_OBJECT_TYPE_INSTANCE, id,
                                             (uint64_t)(uintptr_t)instance->host.handle, NULL);
    if (!object) {
        return false;
    }
    bool entered = false;
    pthread_mutex_lock(&context->lock);
    if (context->instance) {
        free(object);
        pv_stream_fail(s, "a context has one instance");
    } else {
        context->instance = instance;
        entered = pv_object_publish(s, object, NULL);
        context->instance = entered ? instance : NULL;
    }
    pthread_mutex_unlock(&context->lock);
    return entered;
}

void pv_handle_vkCreateInstance(struct pv_stream *s, struct pv_cmd_vkCreateInstance *cmd)
{
    struct pv_context *context = s->context;
    pthread_mutex_lock(&context->lock);
    const bool taken = context->instance;
    pthread_mutex_unlock(&context->lock);
    if (taken) {
        pv_stream_fail(s, "a context has one instance");
        return;
    }
    if (cmd->pCreateInfo->enabledLayerCount) {
        cmd->ret = VK_ERROR_LAYER_NOT_PRESENT;
        return;
    }
    if (cmd->pCreateInfo->enabledExtensionCount) {
        cmd->ret = VK_ERROR_EXTENSION_NOT_PRESENT;
        return;
    }
    // Before the guest's instance: probing uses one of its own, and some drivers limit them.
    pv_host_probe(context->host);

    struct pv_instance *instance = calloc(1, sizeof(*instance));
    if (!instance) {
        cmd->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    atomic_init(&instance->references, 1);
    cmd->ret = pv_vk_instance_init(&instance->host, &context->host->library,
                                   cmd->pCreateInfo->pApplicationInfo);
    if (cmd->ret != VK_SUCCESS) {
        free(instance);
        return;
    }
    if (enter_instance(s, instance, cmd->pInstance_id)) {
        *cmd->pInstance = instance->host.handle;
    } else {
        pv_instance_unref(instance);
    }
}

void pv_handle_vkDestroyInstance(struct pv_stream *s, struct pv_cmd_vkDestroyInstance *cmd)
{
    struct pv_context *context = s->context;
    struct pv_object *first = pv_object_table_remove(context->objects, cmd->instance_obj);
    // Other rings may be running commands of the instance.
    pv_stream_begin_block(s);
    pv_quiesce_synchronize(context->quiesce, NULL);
    pv_destroy_objects(context, first);
    pv_stream_end_block(s);
}

// The driver's devices; the count goes to `*count`. NULL with `*result` set on failure.
static VkPhysicalDevice *host_devices(struct pv_stream *s, uint32_t *count, VkResult *result)
{
    const struct pv_instance *instance = s->context->instance;
    *result = instance->host.vk.vkEnumeratePhysicalDevices(instance->host.handle, count, NULL);
    if (*result < 0) {
        return NULL;
    }
    VkPhysicalDevice *handles = pv_stream_alloc(s, *count + 1u, sizeof(*handles));
    if (!handles) {
        return NULL;
    }
    *result = instance->host.vk.vkEnumeratePhysicalDevices(instance->host.handle, count, handles);
    return *result < 0 ? NULL : handles;
}

// Leaves those that can serve guests.
static uint32_t keep_usable(struct pv_stream *s, VkPhysicalDevice *handles, uint32_t count,
                            const struct pv_host_device **hosts)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_host_device *host =
            pv_host_find_device(s->context->host, &s->context->instance->host, handles[i], i);
        if (host && host->choice.usable) {
            hosts[kept] = host;
            handles[kept++] = handles[i];
        }
    }
    return kept;
}

// The guest's id of a physical device that it has enumerated, 0 for others.
static uint64_t id_of(struct pv_context *context, VkPhysicalDevice handle)
{
    const struct pv_instance *instance = context->instance;
    uint64_t id = 0;
    pthread_mutex_lock(&context->lock);
    for (uint32_t i = 0; i < instance->physical_device_count; i++) {
        if (instance->physical_devices[i].handle == handle) {
            id = instance->physical_devices[i].id;
            break;
        }
    }
    pthread_mutex_unlock(&context->lock);
    return id;
}

// Binds `id` to a device of the driver, or checks that it is bound to this one.
static bool bind_physical_device(struct pv_stream *s, uint64_t id, VkPhysicalDevice handle,
                                 const struct pv_host_device *host, struct pv_object *instance_obj)
{
    struct pv_object *known = id ? pv_object_table_lookup(s->context->objects, id) : NULL;
    if (known) {
        if (known->type != VK_OBJECT_TYPE_PHYSICAL_DEVICE ||
            known->handle != (uint64_t)(uintptr_t)handle) {
            pv_stream_fail(s, "a physical device's id names something else");
        }
        return !pv_stream_failed(s);
    }
    if (id_of(s->context, handle)) {
        pv_stream_fail(s, "a physical device has another id already");
        return false;
    }
    struct pv_physical_device *device = pv_object_new(
        s, sizeof(*device), VK_OBJECT_TYPE_PHYSICAL_DEVICE, id, (uint64_t)(uintptr_t)handle, NULL);
    if (!device) {
        return false;
    }
    device->host = host;
    if (!pv_object_publish(s, &device->base, instance_obj)) {
        return false;
    }
    struct pv_instance *instance = s->context->instance;
    pthread_mutex_lock(&s->context->lock);
    if (instance->physical_device_count < VK_MAX_DEVICE_GROUP_SIZE) {
        const uint32_t i = instance->physical_device_count++;
        instance->physical_devices[i].handle = handle;
        instance->physical_devices[i].id = id;
    }
    pthread_mutex_unlock(&s->context->lock);
    return true;
}

void pv_handle_vkEnumeratePhysicalDevices(struct pv_stream *s,
                                          struct pv_cmd_vkEnumeratePhysicalDevices *cmd)
{
    uint32_t count = 0;
    VkPhysicalDevice *handles = host_devices(s, &count, &cmd->ret);
    const struct pv_host_device **hosts =
        handles ? pv_stream_alloc(s, count + 1u, sizeof(*hosts)) : NULL;
    if (!hosts) {
        *cmd->pPhysicalDeviceCount = 0;
        return;
    }
    count = keep_usable(s, handles, count, hosts);
    cmd->ret = VK_SUCCESS;
    if (!cmd->pPhysicalDevices) {
        *cmd->pPhysicalDeviceCount = count;
        return;
    }
    if (cmd->pPhysicalDevices_count < count) {
        count = (uint32_t)cmd->pPhysicalDevices_count;
        cmd->ret = VK_INCOMPLETE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!bind_physical_device(s, cmd->pPhysicalDevices_ids[i], handles[i], hosts[i],
                                  cmd->instance_obj)) {
            return;
        }
        cmd->pPhysicalDevices[i] = handles[i];
    }
    *cmd->pPhysicalDeviceCount = count;
}

// Device groups whose members the guest has all enumerated. The reply carries ids.
void pv_handle_vkEnumeratePhysicalDeviceGroups(struct pv_stream *s,
                                               struct pv_cmd_vkEnumeratePhysicalDeviceGroups *cmd)
{
    const struct pv_instance *instance = s->context->instance;
    const struct pv_instance_functions *vk = &instance->host.vk;
    uint32_t host_count = 0;
    cmd->ret = vk->vkEnumeratePhysicalDeviceGroups(instance->host.handle, &host_count, NULL);
    VkPhysicalDeviceGroupProperties *groups =
        cmd->ret < 0 ? NULL : pv_stream_alloc(s, host_count + 1u, sizeof(*groups));
    if (!groups) {
        *cmd->pPhysicalDeviceGroupCount = 0;
        return;
    }
    for (uint32_t i = 0; i < host_count; i++) {
        groups[i].sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES;
    }
    cmd->ret = vk->vkEnumeratePhysicalDeviceGroups(instance->host.handle, &host_count, groups);
    const uint32_t capacity = (uint32_t)cmd->pPhysicalDeviceGroupProperties_count;
    uint32_t count = 0;
    for (uint32_t i = 0; cmd->ret >= 0 && i < host_count; i++) {
        uint64_t ids[VK_MAX_DEVICE_GROUP_SIZE] = {0};
        bool known = true;
        for (uint32_t k = 0; k < groups[i].physicalDeviceCount; k++) {
            ids[k] = id_of(s->context, groups[i].physicalDevices[k]);
            known = known && ids[k];
        }
        if (!known) {
            continue;
        }
        if (cmd->pPhysicalDeviceGroupProperties && count < capacity) {
            VkPhysicalDeviceGroupProperties *out = &cmd->pPhysicalDeviceGroupProperties[count];
            out->physicalDeviceCount = groups[i].physicalDeviceCount;
            out->subsetAllocation = groups[i].subsetAllocation;
            memcpy(out->physicalDevices, ids, sizeof(ids));
        }
        count++;
    }
    if (cmd->pPhysicalDeviceGroupProperties && count > capacity) {
        count = capacity;
        cmd->ret = VK_INCOMPLETE;
    } else if (cmd->ret >= 0) {
        cmd->ret = VK_SUCCESS;
    }
    *cmd->pPhysicalDeviceGroupCount = count;
}

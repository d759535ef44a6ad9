// Objects, calls and the control interface of the mock.
#include "state.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mock_state mock = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
    .first = 0x1000,
};

static void set_default_config(struct mock_vk_config *config)
{
    // The memory of an NVIDIA card, with sizes that fit a small machine.
    *config = (struct mock_vk_config){
        .instance_version = VK_API_VERSION_1_3,
        .device_version = VK_API_VERSION_1_3,
        .device_count = 1,
        .device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        .driver_id = VK_DRIVER_ID_MESA_LLVMPIPE,
        .memory =
            {
                .memoryTypeCount = 5,
                .memoryTypes =
                    {
                        {0, 1},
                        {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0},
                        {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                         1},
                        {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                             VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                         1},
                        {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                             VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                         0},
                    },
                .memoryHeapCount = 2,
                .memoryHeaps = {{1ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {1ull << 30, 0}},
            },
        .families =
            {
                {VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT,
                 4,
                 64,
                 {1, 1, 1}},
                {VK_QUEUE_TRANSFER_BIT, 2, 64, {1, 1, 1}},
            },
        .family_count = 2,
        .host_pointer_alignment = 4096,
        .host_pointer_types = 0xc,
        .opaque_fd_types = 0x1f,
        .buffer_handle_types = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT |
                               VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .image_handle_types = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT |
                              VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .fence_handle_types = VK_EXTERNAL_FENCE_HANDLE_TYPE_OPAQUE_FD_BIT,
        .semaphore_handle_types = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    static const char *const left_out[] = {
        "VK_EXT_external_memory_dma_buf",
        "VK_EXT_physical_device_drm",
        "VK_KHR_portability_subset",
    };
    size_t count = 0;
    for (size_t i = 0; mock_device_extensions[i] && count < MOCK_VK_MAX_EXTENSIONS - 1; i++) {
        bool wanted = true;
        for (size_t j = 0; j < sizeof(left_out) / sizeof(left_out[0]); j++) {
            wanted = wanted && strcmp(mock_device_extensions[i], left_out[j]) != 0;
        }
        if (wanted) {
            config->device_extensions[count++] = mock_device_extensions[i];
        }
    }
}

__attribute__((constructor)) static void start(void)
{
    set_default_config(&mock.config);
}

const char *mock_vk_path(void)
{
    Dl_info info;
    return dladdr(&mock, &info) ? info.dli_fname : NULL;
}

static void free_object_data(struct mock_object *object)
{
    if (object->data) {
        (object->free_data ? object->free_data : free)(object->data);
        object->data = NULL;
    }
}

void mock_vk_reset(void)
{
    pthread_mutex_lock(&mock.lock);
    for (size_t i = 0; i < mock.object_count; i++) {
        free_object_data(mock.objects[i]);
        free(mock.objects[i]);
    }
    mock.first += mock.object_count;
    mock.object_count = 0;
    mock.call_count = 0;
    memset(mock.call_counts, 0, sizeof(mock.call_counts));
    memset(mock.hooks, 0, sizeof(mock.hooks));
    memset(mock.always, 0, sizeof(mock.always));
    memset(mock.failures, 0, sizeof(mock.failures));
    mock.hidden_count = 0;
    mock.error_count = 0;
    mock.first_error[0] = '\0';
    mock.hold = false;
    mock.lost = false;
    mock.held_count = 0;
    memset(mock.sticky_sizes, 0, sizeof(mock.sticky_sizes));
    set_default_config(&mock.config);
    pthread_cond_broadcast(&mock.changed);
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_get_config(struct mock_vk_config *config)
{
    pthread_mutex_lock(&mock.lock);
    *config = mock.config;
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_set_config(const struct mock_vk_config *config)
{
    pthread_mutex_lock(&mock.lock);
    mock.config = *config;
    pthread_mutex_unlock(&mock.lock);
}

// --- Calls ---------------------------------------------------------------------------------

// A test that names a command wrongly would check nothing.
static enum mock_command find_command(const char *name)
{
    for (size_t i = 0; i < mock_entry_count; i++) {
        if (strcmp(mock_entries[i].name, name) == 0) {
            return mock_entries[i].command;
        }
    }
    fprintf(stderr, "mock_vk: there is no command %s\n", name);
    abort();
}

// Under the lock: whether this call is to fail.
static bool take_failure(enum mock_command command, VkResult *result)
{
    if (mock.always[command] != VK_SUCCESS) {
        *result = mock.always[command];
        return true;
    }
    bool failed = false;
    for (size_t i = 0; i < MOCK_MAX_FAILURES; i++) {
        struct mock_failure *failure = &mock.failures[i];
        if (failure->nth > 0 && failure->command == command && --failure->nth == 0) {
            *result = failure->result;
            failed = true;
        }
    }
    return failed;
}

bool mock_enter(enum mock_command command, void *const *args, VkResult *result)
{
    pthread_mutex_lock(&mock.lock);
    mock.call_counts[command]++;
    if (mock.call_count == mock.call_capacity) {
        mock.call_capacity = mock.call_capacity ? 2 * mock.call_capacity : 1024;
        mock.calls = realloc(mock.calls, mock.call_capacity * sizeof(*mock.calls));
        if (!mock.calls) {
            abort();
        }
    }
    mock.calls[mock.call_count++] = command;
    const bool failed = take_failure(command, result);
    const mock_vk_hook_fn hook = mock.hooks[command].fn;
    void *const user = mock.hooks[command].user;
    pthread_mutex_unlock(&mock.lock);
    if (hook) {
        hook(user, args);
    }
    return !failed;
}

void mock_vk_fail(const char *command, uint32_t nth, VkResult result)
{
    const enum mock_command id = find_command(command);
    pthread_mutex_lock(&mock.lock);
    size_t i = 0;
    while (i < MOCK_MAX_FAILURES && mock.failures[i].nth > 0) {
        i++;
    }
    if (i == MOCK_MAX_FAILURES || nth == 0) {
        abort(); // the test is wrong
    }
    mock.failures[i] = (struct mock_failure){id, nth, result};
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_fail_always(const char *command, VkResult result)
{
    const enum mock_command id = find_command(command);
    pthread_mutex_lock(&mock.lock);
    mock.always[id] = result;
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_hide(const char *command)
{
    find_command(command);
    pthread_mutex_lock(&mock.lock);
    if (mock.hidden_count == MOCK_MAX_HIDDEN) {
        abort(); // the test is wrong
    }
    mock.hidden[mock.hidden_count++] = command;
    pthread_mutex_unlock(&mock.lock);
}

void mock_vk_set_hook(const char *command, mock_vk_hook_fn hook, void *user)
{
    const enum mock_command id = find_command(command);
    pthread_mutex_lock(&mock.lock);
    mock.hooks[id].fn = hook;
    mock.hooks[id].user = user;
    pthread_mutex_unlock(&mock.lock);
}

uint32_t mock_vk_call_count(const char *command)
{
    const enum mock_command id = command ? find_command(command) : MOCK_COMMAND_COUNT;
    pthread_mutex_lock(&mock.lock);
    const uint32_t count = command ? mock.call_counts[id] : (uint32_t)mock.call_count;
    pthread_mutex_unlock(&mock.lock);
    return count;
}

uint32_t mock_vk_calls(const char **names, uint32_t capacity)
{
    pthread_mutex_lock(&mock.lock);
    const uint32_t count = (uint32_t)mock.call_count;
    for (uint32_t i = 0; i < count && i < capacity; i++) {
        names[i] = mock_command_names[mock.calls[i]];
    }
    pthread_mutex_unlock(&mock.lock);
    return count;
}

// --- Errors --------------------------------------------------------------------------------

static void add_error(const char *format, va_list list)
{
    char text[sizeof(mock.first_error)];
    vsnprintf(text, sizeof(text), format, list);
    if (mock.error_count++ == 0) {
        memcpy(mock.first_error, text, sizeof(text));
    }
    fprintf(stderr, "mock_vk: %s\n", text);
}

// Under the lock.
__attribute__((format(printf, 1, 2))) static void error_locked(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    add_error(format, list);
    va_end(list);
}

void mock_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    pthread_mutex_lock(&mock.lock);
    add_error(format, list);
    pthread_mutex_unlock(&mock.lock);
    va_end(list);
}

uint32_t mock_vk_errors(void)
{
    pthread_mutex_lock(&mock.lock);
    const uint32_t count = mock.error_count;
    pthread_mutex_unlock(&mock.lock);
    return count;
}

const char *mock_vk_first_error(void)
{
    return mock.first_error;
}

// --- Objects -------------------------------------------------------------------------------

static struct mock_object *object_at(uint64_t handle)
{
    const uint64_t index = (handle >> 4) - mock.first;
    return (handle & 15) == 0 && index < mock.object_count ? mock.objects[index] : NULL;
}

struct mock_object *mock_find(uint64_t handle, VkObjectType type)
{
    struct mock_object *object = object_at(handle);
    return object && object->alive && object->type == type ? object : NULL;
}

uint64_t mock_create(VkObjectType type, uint64_t parent)
{
    pthread_mutex_lock(&mock.lock);
    if (mock.object_count == mock.object_capacity) {
        mock.object_capacity = mock.object_capacity ? 2 * mock.object_capacity : 256;
        mock.objects = realloc(mock.objects, mock.object_capacity * sizeof(struct mock_object *));
        if (!mock.objects) {
            abort();
        }
    }
    struct mock_object *object = calloc(1, sizeof(*object));
    if (!object) {
        abort();
    }
    *object = (struct mock_object){.type = type, .parent = parent, .alive = true};
    const uint64_t handle = (mock.first + mock.object_count) << 4;
    mock.objects[mock.object_count++] = object;
    pthread_mutex_unlock(&mock.lock);
    return handle;
}

bool mock_is_implicit(VkObjectType type)
{
    switch (type) {
    case VK_OBJECT_TYPE_PHYSICAL_DEVICE:
    case VK_OBJECT_TYPE_QUEUE:
    case VK_OBJECT_TYPE_COMMAND_BUFFER:
    case VK_OBJECT_TYPE_DESCRIPTOR_SET:
        return true;
    default:
        return false;
    }
}

static bool has_children(VkObjectType type)
{
    switch (type) {
    case VK_OBJECT_TYPE_INSTANCE:
    case VK_OBJECT_TYPE_DEVICE:
    case VK_OBJECT_TYPE_COMMAND_POOL:
    case VK_OBJECT_TYPE_DESCRIPTOR_POOL:
        return true;
    default:
        return false;
    }
}

// Under the lock. Children that go with their parent go; others are an error.
static void end_children(uint64_t parent, const char *command)
{
    for (size_t i = 0; i < mock.object_count; i++) {
        struct mock_object *child = mock.objects[i];
        if (!child->alive || child->parent != parent) {
            continue;
        }
        if (!mock_is_implicit(child->type)) {
            error_locked("%s: object 0x%llx of type %d is still alive", command,
                         (unsigned long long)((mock.first + i) << 4), child->type);
        }
        child->alive = false;
        if (child->type == VK_OBJECT_TYPE_PHYSICAL_DEVICE) {
            end_children((mock.first + i) << 4, command);
        }
    }
}

void mock_destroy(uint64_t handle, VkObjectType type, const char *command)
{
    if (handle == 0) {
        return;
    }
    mock_use(handle, type, false, command);
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = mock_find(handle, type);
    if (object) {
        if (has_children(type)) {
            end_children(handle, command);
        }
        object->alive = false;
        free_object_data(object);
    }
    pthread_mutex_unlock(&mock.lock);
}

void mock_destroy_children(uint64_t parent)
{
    pthread_mutex_lock(&mock.lock);
    end_children(parent, "reset");
    pthread_mutex_unlock(&mock.lock);
}

void mock_use(uint64_t handle, VkObjectType type, bool may_be_null, const char *command)
{
    if (handle == 0) {
        if (!may_be_null) {
            mock_error("%s: a handle of type %d is VK_NULL_HANDLE", command, type);
        }
        return;
    }
    pthread_mutex_lock(&mock.lock);
    const struct mock_object *object = object_at(handle);
    if (!object) {
        error_locked("%s: handle 0x%llx is unknown", command, (unsigned long long)handle);
    } else if (object->type != type) {
        error_locked("%s: handle 0x%llx has type %d, not %d", command, (unsigned long long)handle,
                     object->type, type);
    } else if (!object->alive) {
        error_locked("%s: handle 0x%llx of type %d is dead", command, (unsigned long long)handle,
                     type);
    }
    pthread_mutex_unlock(&mock.lock);
}

void *mock_data(uint64_t handle, VkObjectType type)
{
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = mock_find(handle, type);
    void *data = object ? object->data : NULL;
    pthread_mutex_unlock(&mock.lock);
    return data;
}

void mock_set_data(uint64_t handle, void *data, void (*free_data)(void *data))
{
    pthread_mutex_lock(&mock.lock);
    struct mock_object *object = object_at(handle);
    object->data = data;
    object->free_data = free_data;
    pthread_mutex_unlock(&mock.lock);
}

bool mock_vk_is_alive(uint64_t handle)
{
    pthread_mutex_lock(&mock.lock);
    const struct mock_object *object = object_at(handle);
    const bool alive = object && object->alive;
    pthread_mutex_unlock(&mock.lock);
    return alive;
}

VkObjectType mock_vk_type(uint64_t handle)
{
    pthread_mutex_lock(&mock.lock);
    const struct mock_object *object = object_at(handle);
    const VkObjectType type = object ? object->type : VK_OBJECT_TYPE_UNKNOWN;
    pthread_mutex_unlock(&mock.lock);
    return type;
}

uint64_t mock_vk_parent(uint64_t handle)
{
    pthread_mutex_lock(&mock.lock);
    const struct mock_object *object = object_at(handle);
    const uint64_t parent = object ? object->parent : 0;
    pthread_mutex_unlock(&mock.lock);
    return parent;
}

uint32_t mock_vk_live_count(VkObjectType type)
{
    uint32_t count = 0;
    pthread_mutex_lock(&mock.lock);
    for (size_t i = 0; i < mock.object_count; i++) {
        const struct mock_object *object = mock.objects[i];
        if (object->alive && (type == VK_OBJECT_TYPE_UNKNOWN ? !mock_is_implicit(object->type)
                                                             : object->type == type)) {
            count++;
        }
    }
    pthread_mutex_unlock(&mock.lock);
    return count;
}

const void *mock_chain_find(const void *chain, VkStructureType type)
{
    for (const VkBaseInStructure *in = chain; in; in = in->pNext) {
        if (in->sType == type) {
            return in;
        }
    }
    return NULL;
}

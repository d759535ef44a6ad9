// The inside of the mock: objects, calls and configuration. Everything lives in `mock`, guarded
// by mock.lock; implementations (impl_*) run without it and take it themselves.
#ifndef MOCK_VK_STATE_H
#define MOCK_VK_STATE_H

#include "mock_vk.h"
#include "mock_vk_commands.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_HANDLE(handle) ((uint64_t)(uintptr_t)(handle))

// --- Written by generate.py ----------------------------------------------------------------

enum mock_level { MOCK_LEVEL_GLOBAL, MOCK_LEVEL_INSTANCE, MOCK_LEVEL_DEVICE };

struct mock_entry {
    const char *name;
    PFN_vkVoidFunction function;
    enum mock_command command;
    enum mock_level level;
    uint32_t core_version;  // UINT32_MAX: in no core version
    const char *extensions; // that provide it, separated by spaces
};
extern const struct mock_entry mock_entries[]; // sorted by name
extern const size_t mock_entry_count;

extern const char *const mock_command_names[MOCK_COMMAND_COUNT];
extern const char *const mock_device_extensions[]; // ends with NULL

// Structures of VkPhysicalDeviceFeatures2's chain that are all VkBool32.
struct mock_feature_struct {
    VkStructureType type;
    size_t size;
};
extern const struct mock_feature_struct mock_feature_structs[];
extern const size_t mock_feature_struct_count;

// --- Objects -------------------------------------------------------------------------------

struct mock_object {
    VkObjectType type;
    uint64_t parent;
    bool alive;
    bool busy; // queues: a thread is inside
    // What an implementation remembers; freed with `free_data` or free() at destroy and reset.
    void *data;
    void (*free_data)(void *data);
};

struct mock_failure {
    enum mock_command command;
    uint32_t nth; // 0: used up
    VkResult result;
};

#define MOCK_MAX_FAILURES 32
#define MOCK_MAX_HIDDEN   64

struct mock_submission {
    VkFence fence;
    uint32_t semaphore_count; // timeline semaphores to signal
    VkSemaphore semaphores[16];
    uint64_t values[16];
};

struct mock_state {
    pthread_mutex_t lock;
    pthread_cond_t changed; // a fence, semaphore, held submission or the device

    struct mock_vk_config config;

    // Handle h belongs to objects[(h >> 4) - first]. Handles are never used twice.
    uint64_t first;
    struct mock_object **objects;
    size_t object_count, object_capacity;

    uint32_t call_counts[MOCK_COMMAND_COUNT];
    enum mock_command *calls;
    size_t call_count, call_capacity;
    struct {
        mock_vk_hook_fn fn;
        void *user;
    } hooks[MOCK_COMMAND_COUNT];
    VkResult always[MOCK_COMMAND_COUNT]; // VK_SUCCESS: no
    struct mock_failure failures[MOCK_MAX_FAILURES];
    const char *hidden[MOCK_MAX_HIDDEN];
    uint32_t hidden_count;

    uint32_t error_count;
    char first_error[256];

    bool hold, lost;
    struct mock_submission *held;
    size_t held_count, held_capacity;

    VkDeviceSize sticky_sizes[VK_MAX_MEMORY_TYPES]; // 0: no failed import sticks
};
extern struct mock_state mock;

// Records a call. false: it is to return `*result` without acting.
bool mock_enter(enum mock_command command, void *const *args, VkResult *result);

void mock_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A new handle; never 0.
uint64_t mock_create(VkObjectType type, uint64_t parent);
// Reports unknown, dead and mistyped handles, and children that are still alive.
void mock_destroy(uint64_t handle, VkObjectType type, const char *command);
void mock_destroy_children(uint64_t parent);
// Reports a handle that a command must not be given.
void mock_use(uint64_t handle, VkObjectType type, bool may_be_null, const char *command);

// Under the lock: the live object, or NULL.
struct mock_object *mock_find(uint64_t handle, VkObjectType type);
// The data of a live object, or NULL. Reports nothing.
void *mock_data(uint64_t handle, VkObjectType type);
void mock_set_data(uint64_t handle, void *data, void (*free_data)(void *data));

// Whether an object of this type goes with its parent instead of being destroyed.
bool mock_is_implicit(VkObjectType type);

const void *mock_chain_find(const void *chain, VkStructureType type);

#endif

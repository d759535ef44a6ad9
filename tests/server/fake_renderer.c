#include "fake_renderer.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pv/context.h>
#include <pv/renderer.h>
#include <pv/resource.h>

static atomic_int live_renderers, live_contexts, live_resources;

struct pv_renderer {
    struct pv_renderer_params params;
    bool is_open, has_node;
};

struct pv_resource {
    atomic_int refs;
    uint32_t id;
    uint64_t size;
    int fd;
};

struct fence {
    uint64_t id;
    struct fence *next;
};

struct pv_context {
    struct pv_context_params params;
    struct pv_renderer *renderer;
    char name[64];
    char failure[64];
    atomic_bool failed;
    atomic_bool cancelled; // ends what blocks
    _Atomic uint64_t commands, stream_bytes;
    struct pv_resource *attached[4096];
    pthread_mutex_t mutex;
    // Guarded by mutex:
    bool held[PV_TIMELINE_COUNT];
    struct fence *first[PV_TIMELINE_COUNT], *last[PV_TIMELINE_COUNT];
    // The one thread that releases.
    pthread_t releaser;
    bool releasing;
    uint32_t release_ring, release_ms;
};

struct pv_fake_live pv_fake_live(void)
{
    return (struct pv_fake_live){live_renderers, live_contexts, live_resources};
}

static bool asked_to(const char *what)
{
    const char *list = getenv("PV_FAKE");
    const size_t length = strlen(what);
    for (const char *item = list; item; item = strchr(item, ',')) {
        item += *item == ',';
        if (strncmp(item, what, length) == 0 && (item[length] == ',' || !item[length])) {
            return true;
        }
    }
    return false;
}

static void dump_environment(void)
{
    extern char **environ;
    const char *path = getenv("PV_FAKE_ENVIRONMENT");
    FILE *file = path ? fopen(path, "w") : NULL;
    for (char **entry = environ; file && *entry; entry++) {
        fprintf(file, "%s\n", *entry);
    }
    if (file) {
        fclose(file);
    }
}

struct pv_renderer *pv_renderer_create(const struct pv_renderer_params *params, char *error,
                                       size_t error_size)
{
    dump_environment();
    if (asked_to("crash-at-start")) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        raise(SIGKILL);
    }
    if (asked_to("no-library") ||
        (params && params->vulkan_library && access(params->vulkan_library, R_OK) < 0)) {
        if (error) {
            snprintf(error, error_size, "no Vulkan library: install libvulkan1");
        }
        return NULL;
    }
    struct pv_renderer *renderer = calloc(1, sizeof(*renderer));
    assert(renderer);
    if (params) {
        renderer->params = *params;
    }
    live_renderers++;
    return renderer;
}

void pv_renderer_destroy(struct pv_renderer *renderer)
{
    if (renderer) {
        live_renderers--;
        free(renderer);
    }
}

size_t pv_capset_fill(void *capset, size_t size)
{
    uint8_t bytes[PV_CAPSET_VENUS_SIZE];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    const size_t filled = size < sizeof(bytes) ? size : sizeof(bytes);
    memcpy(capset, bytes, filled);
    return filled;
}

// As a driver is opened: once, by whoever needs it first. What it did not see then it never will.
static bool open_driver(struct pv_renderer *renderer)
{
    const char *path = getenv("PV_FAKE_NODE");
    if (renderer->is_open) {
        return renderer->has_node;
    }
    renderer->is_open = true;
    renderer->has_node = !path || access(path, F_OK) == 0;
    if (!renderer->has_node) {
        usleep(200000); // others may look meanwhile
        const int fd = open(path, O_WRONLY | O_CREAT, 0600);
        renderer->has_node = fd >= 0;
        close(fd);
    }
    return renderer->has_node;
}

uint32_t pv_renderer_device_count(struct pv_renderer *renderer)
{
    open_driver(renderer);
    return asked_to("no-device") ? 0 : 2;
}

bool pv_renderer_get_device(struct pv_renderer *renderer, uint32_t index,
                            struct pv_device_info *info)
{
    if (index >= pv_renderer_device_count(renderer)) {
        return false;
    }
    *info = (struct pv_device_info){
        .host_api_version = 1u << 22 | 4u << 12 | 305,
        .guest_api_version = 1u << 22 | 3u << 12 | 239,
        .device_type = index == 0 ? 2 : 4,
        .vendor_id = 0x10de,
        .device_id = 0x2330,
        .host_extension_count = 200,
        .guest_extension_count = 100,
        .memory_type_count = 3,
        .memory_mechanism = index == 0 ? PV_MEMORY_HOST_POINTER : PV_MEMORY_NONE,
        .emulations = index == 0 ? PV_EMULATE_SYNC_FD : 0,
    };
    snprintf(info->name, sizeof(info->name), "Fake GPU %u%s", index,
             renderer->has_node ? "" : " without its node");
    snprintf(info->driver, sizeof(info->driver), "fake 1.0");
    snprintf(info->memory_reason, sizeof(info->memory_reason), "A fake can do nothing else.");
    return true;
}

const char *pv_version(void)
{
    return "0.0.0-fake";
}

const char *pv_vulkan_registry_version(void)
{
    return "1.3.239";
}

struct pv_context *pv_context_create(struct pv_renderer *renderer,
                                     const struct pv_context_params *params)
{
    struct pv_context *context = calloc(1, sizeof(*context));
    assert(context);
    context->renderer = renderer;
    context->params = *params;
    snprintf(context->name, sizeof(context->name), "%s", params->name);
    pthread_mutex_init(&context->mutex, NULL);
    live_contexts++;
    return context;
}

static struct fence *take_fences(struct pv_context *context, uint32_t ring_idx)
{
    pthread_mutex_lock(&context->mutex);
    struct fence *fences = context->first[ring_idx];
    context->first[ring_idx] = context->last[ring_idx] = NULL;
    context->held[ring_idx] = false;
    pthread_mutex_unlock(&context->mutex);
    return fences;
}

static void release(struct pv_context *context, uint32_t ring_idx)
{
    for (struct fence *fence = take_fences(context, ring_idx), *next; fence; fence = next) {
        next = fence->next;
        context->params.fence_retired(context->params.user, ring_idx, fence->id);
        free(fence);
    }
}

static void sleep_ms(uint32_t milliseconds)
{
    usleep(milliseconds * 1000u);
}

static void babble(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0;
        socklen_t size = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) {
            send(fd, "?", 1, MSG_NOSIGNAL);
        }
    }
}

static void *release_main(void *user)
{
    struct pv_context *context = user;
    sleep_ms(context->release_ms);
    release(context, context->release_ring);
    return NULL;
}

static void join_releaser(struct pv_context *context)
{
    if (context->releasing) {
        pthread_join(context->releaser, NULL);
    }
    context->releasing = false;
}

void pv_context_destroy(struct pv_context *context)
{
    if (!context) {
        return;
    }
    join_releaser(context);
    for (uint32_t i = 0; i < PV_TIMELINE_COUNT; i++) {
        release(context, i);
    }
    for (size_t i = 0; i < sizeof(context->attached) / sizeof(context->attached[0]); i++) {
        pv_resource_unref(context->attached[i]);
    }
    pthread_mutex_destroy(&context->mutex);
    free(context);
    live_contexts--;
}

bool pv_context_submit(struct pv_context *context, const void *bytes, size_t size)
{
    uint32_t words[3] = {0};
    assert(size % 4 == 0);
    assert(((uintptr_t)bytes & 3) == 0);
    memcpy(words, bytes, size < sizeof(words) ? size : sizeof(words));
    if (context->failed) {
        return false;
    }
    context->commands++;
    context->stream_bytes += size;
    const uint32_t ring_idx = words[1] % PV_TIMELINE_COUNT;
    switch (words[0]) {
    case PV_FAKE_FAIL:
        snprintf(context->failure, sizeof(context->failure), "told to fail");
        context->failed = true;
        for (uint32_t i = 0; i < PV_TIMELINE_COUNT; i++) {
            release(context, i);
        }
        return false;
    case PV_FAKE_NEED_NODE:
        if (open_driver(context->renderer)) {
            break;
        }
        raise(SIGKILL);
        break;
    case PV_FAKE_CRASH: {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        break;
    }
    case PV_FAKE_HOLD:
        pthread_mutex_lock(&context->mutex);
        context->held[ring_idx] = true;
        pthread_mutex_unlock(&context->mutex);
        break;
    case PV_FAKE_RELEASE:
        join_releaser(context);
        context->release_ring = ring_idx;
        context->release_ms = words[2];
        context->releasing = pthread_create(&context->releaser, NULL, release_main, context) == 0;
        break;
    case PV_FAKE_BABBLE:
        babble();
        break;
    case PV_FAKE_DESERT:
        for (int fd = 3; fd < 1024; fd++) {
            close(fd);
        }
        // fall through
    case PV_FAKE_BLOCK:
        for (uint32_t waited = 0; waited < words[1] && !context->cancelled; waited++) {
            sleep_ms(1);
        }
        break;
    default:
        break;
    }
    return true;
}

bool pv_context_create_fence(struct pv_context *context, uint32_t ring_idx, uint64_t fence_id)
{
    if (ring_idx >= PV_TIMELINE_COUNT) {
        return false;
    }
    struct fence *fence = calloc(1, sizeof(*fence));
    assert(fence);
    fence->id = fence_id;
    pthread_mutex_lock(&context->mutex);
    if (context->last[ring_idx]) {
        context->last[ring_idx]->next = fence;
    } else {
        context->first[ring_idx] = fence;
    }
    context->last[ring_idx] = fence;
    const bool held = context->held[ring_idx] && !context->failed;
    pthread_mutex_unlock(&context->mutex);
    if (!held) {
        release(context, ring_idx);
    }
    return true;
}

void pv_context_cancel(struct pv_context *context, const char *reason)
{
    (void)reason;
    context->cancelled = true;
}

const char *pv_context_failure(const struct pv_context *context)
{
    return context->failed ? context->failure : NULL;
}

void pv_context_get_stats(const struct pv_context *context, struct pv_context_stats *stats)
{
    *stats = (struct pv_context_stats){
        .commands = context->commands,
        .stream_bytes = context->stream_bytes,
    };
}

void pv_context_visit_commands(const struct pv_context *context,
                               void (*visit)(void *user, const char *name, uint64_t count),
                               void *user)
{
    if (asked_to("count")) {
        visit(user, "vkCreateInstance", 1);
        visit(user, "vkCmdDraw", context->commands);
    }
}

struct pv_resource *pv_context_create_blob(struct pv_context *context,
                                           const struct pv_blob_params *params)
{
    const size_t slots = sizeof(context->attached) / sizeof(context->attached[0]);
    assert(params->resource_id > 0);
    if (asked_to("no-blob") || params->size == 0 || params->size > 1u << 30 ||
        params->resource_id >= slots) {
        return NULL;
    }
    const int fd = memfd_create("fake", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)params->size) < 0) {
        close(fd);
        return NULL;
    }
    struct pv_resource *resource = calloc(1, sizeof(*resource));
    assert(resource);
    resource->refs = 2;
    resource->id = params->resource_id;
    resource->size = params->size;
    resource->fd = fd;
    assert(!context->attached[resource->id]);
    context->attached[resource->id] = resource;
    live_resources++;
    return resource;
}

void pv_context_detach_resource(struct pv_context *context, struct pv_resource *resource)
{
    if (context->attached[resource->id] == resource) {
        context->attached[resource->id] = NULL;
        pv_resource_unref(resource);
    }
}

void pv_resource_unref(struct pv_resource *resource)
{
    if (resource && --resource->refs == 0) {
        close(resource->fd);
        free(resource);
        live_resources--;
    }
}

int pv_resource_export_fd(struct pv_resource *resource, enum pv_fd_type *type)
{
    *type = asked_to("no-export") ? PV_FD_OPAQUE : PV_FD_SHM;
    return dup(resource->fd);
}

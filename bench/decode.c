// Question: what does a command cost in the library, from its bytes to the driver's function?
// Base case: a driver whose functions do nothing, so that what is left is ours: reading, decoding,
// looking up objects, dispatch, and the reply where there is one.
//
//     decode             nanoseconds per command and bytes per second, all rows
//     decode ROW TIMES   runs one stream TIMES times; bench/check.py counts the instructions
//
// Most rows are one command, written here. Creating and destroying goes through the mock driver of
// the tests, whose book-keeping is part of those rows: they are for comparing with themselves. The
// others are frames of pv-demo as Mesa's guest driver has sent them (bench/streams/README.md).
#include "guest.h"

#include "base/os.h"
#include "context/context.h"
#include "context/objects.h"
#include "stream_file.h"

#include <stdio.h>
#include <stdlib.h>

#define COMMANDS        256 // of a stream
#define POOL            100
#define COMMAND_BUFFER  101
#define BUFFER          102
#define FENCE           103
#define SET_LAYOUT      104
#define PIPELINE_LAYOUT 105
#define SET_POOL        106
#define SET             107
#define FIRST_NEW       1000

static void no_draw(VkCommandBuffer cb, uint32_t vertices, uint32_t instances, uint32_t first,
                    uint32_t first_instance)
{
    (void)cb, (void)vertices, (void)instances, (void)first, (void)first_instance;
}

static void no_bind(VkCommandBuffer cb, VkPipelineBindPoint point, VkPipelineLayout layout,
                    uint32_t first, uint32_t count, const VkDescriptorSet *sets,
                    uint32_t offset_count, const uint32_t *offsets)
{
    (void)cb, (void)point, (void)layout, (void)first, (void)count, (void)sets;
    (void)offset_count, (void)offsets;
}

static void no_update(VkCommandBuffer cb, VkBuffer buffer, VkDeviceSize offset, VkDeviceSize size,
                      const void *data)
{
    (void)cb, (void)buffer, (void)offset, (void)size, (void)data;
}

static VkResult no_status(VkDevice device, VkFence fence)
{
    (void)device, (void)fence;
    return VK_SUCCESS;
}

static void open_guest(struct guest *g)
{
    guest_open_device(g);
    write_create_command_pool(g, POOL, false);
    write_allocate_command_buffers(g, POOL, (const uint64_t[]){COMMAND_BUFFER}, 1, false);
    write_begin_command_buffer(g, COMMAND_BUFFER, false);
    write_create_buffer(g, BUFFER, false);
    write_create_fence(g, FENCE, false);
    write_create_set_layout(g, SET_LAYOUT, 1, 2);
    write_create_pipeline_layout(g, PIPELINE_LAYOUT, (const uint64_t[]){SET_LAYOUT, SET_LAYOUT}, 2);
    write_create_descriptor_pool(g, SET_POOL, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC);
    write_allocate_descriptor_sets(g, SET_POOL, (const uint64_t[]){SET_LAYOUT},
                                   (const uint64_t[]){SET}, 1);
    submit_well(g);
    struct pv_device *device =
        (struct pv_device *)pv_object_table_lookup(g->context->objects, DEVICE);
    device->driver->vk.vkCmdDraw = no_draw;
    device->driver->vk.vkCmdBindDescriptorSets = no_bind;
    device->driver->vk.vkCmdUpdateBuffer = no_update;
    device->driver->vk.vkGetFenceStatus = no_status;
}

// -- one command of each row ---------------------------------------------------------------------

static void draw(struct guest *g, uint32_t i)
{
    (void)i;
    write_draw(g, COMMAND_BUFFER);
}

static void update(struct guest *g, uint32_t size)
{
    static const uint8_t data[4096];
    begin(g, PV_COMMAND_vkCmdUpdateBuffer, false);
    put_u64(g, COMMAND_BUFFER);
    put_u64(g, BUFFER);
    put_u64(g, 0);
    put_u64(g, size);
    put_u64(g, size);
    put_data(g, data, size);
}

static void bind(struct guest *g, uint32_t i)
{
    (void)i;
    write_bind_descriptor_sets(g, COMMAND_BUFFER, PIPELINE_LAYOUT, (const uint64_t[]){SET, SET}, 2,
                               4);
}

static void update_small(struct guest *g, uint32_t i)
{
    (void)i;
    update(g, 16);
}

static void update_large(struct guest *g, uint32_t i)
{
    (void)i;
    update(g, 4096);
}

static void status_with_reply(struct guest *g, uint32_t i)
{
    (void)i;
    begin(g, PV_COMMAND_vkGetFenceStatus, true);
    put_u64(g, DEVICE);
    put_u64(g, FENCE);
}

static void fence_lives(struct guest *g, uint32_t i)
{
    write_create_fence(g, FIRST_NEW + i, false);
    write_destroy(g, PV_COMMAND_vkDestroyFence, DEVICE, FIRST_NEW + i);
}

static void buffer_lives(struct guest *g, uint32_t i)
{
    write_create_buffer(g, FIRST_NEW + i, false);
    write_destroy(g, PV_COMMAND_vkDestroyBuffer, DEVICE, FIRST_NEW + i);
}

// -- what a real guest has sent ------------------------------------------------------------------

static VkResult nothing(void)
{
    return VK_SUCCESS;
}

static void *read_bytes(FILE *file, size_t size)
{
    void *bytes = malloc(size);
    if (!bytes || fread(bytes, 1, size, file) != size) {
        fprintf(stderr, "decode: the recorded stream is too short\n");
        exit(1);
    }
    return bytes;
}

// From now on the functions of the device do nothing: on the machines that we build for, one may
// take fewer arguments than it is given.
static void disarm_device(const struct pv_context *context)
{
    uint32_t ring_idx = 1;
    while (!context->queues[ring_idx]) {
        if (++ring_idx == PV_TIMELINE_COUNT) {
            fprintf(stderr, "decode: the recorded stream has no queue\n");
            exit(1);
        }
    }
    struct pv_device_driver *driver =
        ((struct pv_device *)pv_device_of(&context->queues[ring_idx]->base))->driver;
    PFN_vkVoidFunction *functions = (PFN_vkVoidFunction *)&driver->vk; // it has no other members
    for (size_t i = 0; i < sizeof(driver->vk) / sizeof(*functions); i++) {
        functions[i] = (PFN_vkVoidFunction)nothing;
    }
}

// Runs the stream's set-up and leaves its loop in `g->bytes`; returns how many commands those are.
static uint32_t open_recorded(struct guest *g, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stream_header header;
    if (!file || fread(&header, sizeof(header), 1, file) != 1 || header.magic != STREAM_MAGIC ||
        header.resource_count > STREAM_RESOURCES) {
        fprintf(stderr, "decode: %s cannot be read\n", path);
        exit(1);
    }
    char error[256] = "";
    g->renderer = pv_renderer_create(
        &(struct pv_renderer_params){.vulkan_library = mock_vk_path(), .fd_only = true}, error,
        sizeof(error));
    g->context =
        g->renderer ? pv_context_create(g->renderer, &(struct pv_context_params){0}) : NULL;
    for (uint32_t i = 0; g->context && i < header.resource_count; i++) {
        const struct stream_resource *resource = read_bytes(file, sizeof(*resource));
        if (!pv_context_create_blob(g->context,
                                    &(struct pv_blob_params){.resource_id = resource->id,
                                                             .flags = PV_BLOB_MAPPABLE,
                                                             .size = resource->size})) {
            exit(1);
        }
    }
    const void *set_up = read_bytes(file, header.set_up_size);
    g->bytes = read_bytes(file, header.loop_size);
    g->size = header.loop_size;
    fclose(file);
    if (!g->context || !pv_context_submit(g->context, set_up, header.set_up_size)) {
        fprintf(stderr, "decode: the set-up of %s failed: %s\n", path,
                g->context ? pv_context_failure(g->context) : error);
        exit(1);
    }
    disarm_device(g->context);
    return header.loop_commands;
}

static const struct row {
    const char *name;
    void (*write)(struct guest *g, uint32_t i);
    const char *recorded;
} rows[] = {
    {"draw", draw, NULL},
    {"bind-2-sets", bind, NULL},
    {"update-16", update_small, NULL},
    {"update-4096", update_large, NULL},
    {"status-with-reply", status_with_reply, NULL},
    {"fence", fence_lives, NULL},
    {"buffer", buffer_lives, NULL},
    {"demo-mesa-26.2", NULL, BENCH_STREAMS "/demo-mesa-26.2.bin"},
};

// -- running -------------------------------------------------------------------------------------

static void run(struct guest *g, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        if (!pv_context_submit(g->context, g->bytes, g->size)) {
            fprintf(stderr, "decode: the context failed: %s\n", pv_context_failure(g->context));
            exit(1);
        }
    }
}

static void run_row(const struct row *row, uint32_t times)
{
    struct guest g = {0};
    uint32_t commands = COMMANDS;
    if (row->recorded) {
        commands = open_recorded(&g, row->recorded);
    } else {
        open_guest(&g);
        for (uint32_t i = 0; i < COMMANDS; i++) {
            row->write(&g, i);
        }
    }
    run(&g, 2); // pools and arenas fill
    const uint64_t begin_ns = pv_os_now_ns();
    run(&g, times);
    const double ns = (double)(pv_os_now_ns() - begin_ns) / times / commands;
    const double bytes = (double)g.size / commands;
    printf("%-20s %8.1f ns a command of %.0f bytes, %.0f MB/s, %u commands\n", row->name, ns, bytes,
           bytes * 1e3 / ns, commands);
    exit(0); // the driver's functions are gone: the guest cannot be closed
}

int main(int argc, char **argv)
{
    const char *only = argc == 3 ? argv[1] : NULL;
    const int times = argc == 3 ? atoi(argv[2]) : 2000;
    if ((argc != 1 && argc != 3) || times < 1) {
        fprintf(stderr, "usage: decode [ROW TIMES]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (only && strcmp(only, rows[i].name) == 0) {
            run_row(&rows[i], (uint32_t)times);
        } else if (!only) {
            char command[512];
            snprintf(command, sizeof(command), "%s %s %d", argv[0], rows[i].name, times);
            fflush(stdout);
            if (system(command) != 0) {
                return 1;
            }
        }
    }
    return 0;
}

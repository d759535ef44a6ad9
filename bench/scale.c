// Question: does the cost per context grow with the number of contexts, and the cost per object
// with the number of objects?
// Base case: one context, a thousand objects; and the same on the host's driver.
//
//     scale contexts|objects
//
// Through Venus each instance is a context. All contexts live at the same time; work goes to one
// after the other, so that the sum shows what each costs and not how many cores there are. With a
// few objects in a turn the others' silence costs most: a renderer that has gone to sleep must be
// woken. With many it is the work.
#include "client.h"

#include <stdio.h>
#include <string.h>

#define MAX_CONTEXTS 64
#define MAX_OBJECTS  1000000
#define CALLS        4096

static struct bench benches[MAX_CONTEXTS];
static VkBuffer buffers[MAX_OBJECTS];

static VkBuffer create_buffer(const struct bench *b)
{
    VkBuffer buffer;
    OK(vkCreateBuffer(b->device,
                      &(VkBufferCreateInfo){.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                            .size = 65536,
                                            .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT},
                      NULL, &buffer));
    return buffer;
}

// Turns around all contexts, each turn some objects and an answer.
static void measure_contexts(uint32_t count, int objects)
{
    for (uint32_t i = 0; i < count; i++) {
        bench_call(&benches[i]);
    }
    char name[64];
    bench_mark();
    uint64_t begin_ns = bench_now_ns();
    uint32_t turns = 0;
    for (; turns * count < CALLS; turns++) {
        for (uint32_t i = 0; i < count; i++) {
            for (int j = 0; j < objects; j++) {
                vkDestroyBuffer(benches[i].device, create_buffer(&benches[i]), NULL);
            }
            bench_call(&benches[i]);
        }
    }
    snprintf(name, sizeof(name), "a turn of %d buffers, %u contexts", objects, count);
    bench_row(name, (double)(bench_now_ns() - begin_ns) / 1000 / (turns * count), "us",
              turns * count);
}

static void measure_objects(const struct bench *b, uint32_t count)
{
    char name[64];
    bench_mark();
    const uint64_t begin_ns = bench_now_ns();
    // As many in all whatever the count, so that the rows can be compared.
    const uint32_t turns = MAX_OBJECTS / 10 / count ? MAX_OBJECTS / 10 / count : 1;
    for (uint32_t turn = 0; turn < turns; turn++) {
        for (uint32_t i = 0; i < count; i++) {
            buffers[i] = create_buffer(b);
        }
        for (uint32_t i = 0; i < count; i++) {
            vkDestroyBuffer(b->device, buffers[i], NULL);
        }
        bench_call(b);
    }
    snprintf(name, sizeof(name), "a buffer, %u alive", count);
    bench_row(name, (double)(bench_now_ns() - begin_ns) / turns / count, "ns",
              (uint64_t)turns * count);
}

static void scale_contexts(void)
{
    uint32_t open = 0;
    for (uint32_t count = 1; count <= MAX_CONTEXTS; count *= 4) {
        for (; open < count; open++) {
            bench_open(&benches[open]);
        }
        measure_contexts(count, 16);
        measure_contexts(count, 1024);
    }
    while (open > 0) {
        bench_close(&benches[--open]);
    }
}

static void scale_objects(void)
{
    bench_open(&benches[0]);
    for (uint32_t count = 1000; count <= MAX_OBJECTS; count *= 10) {
        measure_objects(&benches[0], count);
    }
    bench_close(&benches[0]);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "contexts") == 0) {
        scale_contexts();
    } else if (argc == 2 && strcmp(argv[1], "objects") == 0) {
        scale_objects();
    } else {
        fprintf(stderr, "usage: scale contexts|objects\n");
        return 2;
    }
    return 0;
}

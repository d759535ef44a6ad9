// Question: does the cost per context grow with the number of contexts, and the cost per object
// with the number of objects?
// Base case: one context, a thousand objects; and the same on the host's driver.
//
// Through Venus each instance is a context. All contexts live at the same time; work goes to one
// after the other, so that the sum shows what each costs and not how many cores there are.
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_CONTEXTS 64
#define MAX_OBJECTS  1000000
#define CALLS        512

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

// Turns around all contexts, each turn a few objects and an answer.
static void measure_contexts(uint32_t count)
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
            for (int j = 0; j < 16; j++) {
                vkDestroyBuffer(benches[i].device, create_buffer(&benches[i]), NULL);
            }
            bench_call(&benches[i]);
        }
    }
    snprintf(name, sizeof(name), "a turn of 16 buffers, %u contexts", count);
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

int main(void)
{
    uint32_t open = 0;
    for (uint32_t count = 1; count <= MAX_CONTEXTS; count *= 4) {
        for (; open < count; open++) {
            bench_open(&benches[open]);
        }
        measure_contexts(count);
    }
    while (open > 1) {
        bench_close(&benches[--open]);
    }
    for (uint32_t count = 1000; count <= MAX_OBJECTS; count *= 10) {
        measure_objects(&benches[0], count);
    }
    bench_close(&benches[0]);
    return 0;
}

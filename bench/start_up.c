// Question: how long until a program's first frame, and what does a context cost to make and end?
// Base case: the host's driver, whose library is loaded by the first instance in either case.
#include "client.h"

#define CONTEXTS 100

int main(void)
{
    struct bench b;
    bench_mark();
    uint64_t begin_ns = bench_now_ns();
    bench_open(&b);
    const VkFence fence = bench_fence(&b);
    const VkCommandBuffer cb = bench_command_buffer(&b, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    bench_begin(cb);
    OK(vkEndCommandBuffer(cb));
    bench_submit(&b, 1, &cb, fence);
    bench_fence_wait(&b, fence);
    bench_row("first instance to first submission", (double)(bench_now_ns() - begin_ns) / 1e6, "ms",
              1);
    vkDestroyFence(b.device, fence, NULL);
    bench_close(&b);

    bench_mark();
    begin_ns = bench_now_ns();
    for (int i = 0; i < CONTEXTS; i++) {
        bench_open(&b);
        bench_close(&b);
    }
    bench_row("instance+device create+destroy",
              (double)(bench_now_ns() - begin_ns) / 1e6 / CONTEXTS, "ms", CONTEXTS);
    return 0;
}

// What the benchmarks that are Vulkan programs are written with. The same binary runs on the host's
// driver, through pv-venus and through another renderer; it does not know which, and bench/run.py
// compares.
//
// Rows go to stdout, one a line, with tabs between the fields:
//
//     row NAME VALUE UNIT COUNT WALL_NS CLIENT_CPU_NS SERVER_CPU_NS CALLER_CPU_NS
//     absent NAME REASON
//
// Units ending in "/s" are better when larger, all others when smaller. The CPU time is that of all
// threads, for the whole row: what this process used, and what the process $PV_BENCH_SERVER with
// all its descendants used (0 without one). The last one is for one unit of work: what the thread
// that calls Vulkan needs for it where it never waits (0 where nobody asked, see bench_rate()).
// $PV_BENCH_SECONDS is how long a row should take.
// Where $PV_BENCH_ONLY is set, rows without this text in their name are left out.
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

// One instance, one device, one queue that can draw, compute and copy.
struct bench {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceVulkan12Features features12; // enabled: what there is of what we use
    bool host_image_copy;                        // VK_EXT_host_image_copy, enabled
    uint32_t family;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool; // command buffers can be reset
    VkImage linear;     // for bench_call()
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);

// A call that no driver can answer without its device's side: through Venus, a round trip behind
// everything that was sent before.
void bench_call(const struct bench *b);

// -- rows --

// Does something `count` times.
typedef void (*bench_work)(const struct bench *b, void *user, uint32_t count);

// A row of things per second: runs `work` as often as the row's time allows, at most `limit` times
// in one go, and waits by bench_call() until all has arrived.
//
// With a server it also runs bursts so small that the guest driver finds room for all of it in its
// ring, each after the one before has arrived, and gives their median as CALLER_CPU_NS: what the
// guest's driver alone needs, the limit for every server. `work` says by bench_waits() that the
// rest of a burst is no longer that.
void bench_rate(const struct bench *b, const char *name, bench_work work, void *user,
                uint32_t limit);
// The same; each time moves `bytes`.
void bench_bandwidth(const struct bench *b, const char *name, bench_work work, void *user,
                     uint32_t limit, uint64_t bytes);
void bench_waits(void);
// Rows NAME p50, p99 and p99.9 of the time that `work` takes for one. `silence_ns` before each
// is not counted.
void bench_latency(const struct bench *b, const char *name, bench_work work, void *user,
                   uint64_t silence_ns);
// A row that the caller has measured; the CPU time is counted from the last bench_mark().
void bench_mark(void);
// The server's CPU time since then.
uint64_t bench_server_ns(void);
void bench_row(const char *name, double value, const char *unit, uint64_t count);
// A row that the device cannot give.
void bench_absent(const char *name, const char *reason);
// How long a row should take.
double bench_seconds(void);
uint64_t bench_now_ns(void);

// -- Vulkan in short --

// Ends the program with status 1 if a call fails, 77 if the device lacks what the program needs.
#define OK(call) bench_expect(#call, (call))
void bench_expect(const char *call, VkResult result);
_Noreturn void bench_skip(const char *reason);

struct bench_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    void *mapped; // if the memory is visible to the host
};

#define BENCH_VISIBLE (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)

// The first type of memory that `bits` allows with these properties, or any that `bits` allows.
uint32_t bench_memory_type(const struct bench *b, uint32_t bits, VkMemoryPropertyFlags wanted);
void bench_buffer_open(const struct bench *b, struct bench_buffer *buffer, VkDeviceSize size,
                       VkMemoryPropertyFlags memory);
void bench_buffer_close(const struct bench *b, struct bench_buffer *buffer);
VkShaderModule bench_shader(const struct bench *b, const uint32_t *code, size_t size);

// What matmul.comp takes: a set of three storage buffers, which is not written yet. The pool has
// room for 63 more such sets, which can be freed.
struct bench_arguments {
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkDescriptorPool pool;
    VkDescriptorSet set;
};

#define BENCH_ARGUMENTS 3 // buffers

void bench_arguments_open(const struct bench *b, struct bench_arguments *arguments);
void bench_arguments_close(const struct bench *b, struct bench_arguments *arguments);
VkDescriptorSet bench_arguments_set(const struct bench *b, const struct bench_arguments *arguments);
// Makes the buffer the argument `index` of the set.
void bench_arguments_write(const struct bench *b, VkDescriptorSet set, uint32_t index,
                           const VkDescriptorBufferInfo *range);
// `constants` may be NULL.
VkPipeline bench_compute_pipeline(const struct bench *b, const struct bench_arguments *arguments,
                                  VkShaderModule shader, const VkSpecializationInfo *constants);

VkCommandBuffer bench_command_buffer(const struct bench *b, VkCommandBufferLevel level);
void bench_begin(VkCommandBuffer cb);
void bench_submit(const struct bench *b, uint32_t count, const VkCommandBuffer *cbs, VkFence fence);
VkFence bench_fence(const struct bench *b);
// Waits, and makes the fence new.
void bench_fence_wait(const struct bench *b, VkFence fence);

#endif

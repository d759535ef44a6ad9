// Question: how fast do objects come and go, and descriptors change?
// Base case: the host's driver, which creates most of them by one malloc. One row for each kind,
// created and destroyed at once; pipelines are created by one thread and by eight.
#include "client.h"

#include "matmul_comp.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 8

static void buffers(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        VkBuffer buffer;
        OK(vkCreateBuffer(b->device,
                          &(VkBufferCreateInfo){.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                                .size = 65536,
                                                .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT},
                          NULL, &buffer));
        vkDestroyBuffer(b->device, buffer, NULL);
    }
}

static VkResult create_image(const struct bench *b, VkImage *image)
{
    return vkCreateImage(
        b->device,
        &(VkImageCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                             .imageType = VK_IMAGE_TYPE_2D,
                             .format = VK_FORMAT_R8G8B8A8_UNORM,
                             .extent = {256, 256, 1},
                             .mipLevels = 1,
                             .arrayLayers = 1,
                             .samples = VK_SAMPLE_COUNT_1_BIT,
                             .tiling = VK_IMAGE_TILING_OPTIMAL,
                             .usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT},
        NULL, image);
}

static void images(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        VkImage image;
        OK(create_image(b, &image));
        vkDestroyImage(b->device, image, NULL);
    }
}

static void image_views(const struct bench *b, void *user, uint32_t count)
{
    const VkImage *image = user;
    for (uint32_t i = 0; i < count; i++) {
        VkImageView view;
        OK(vkCreateImageView(
            b->device,
            &(VkImageViewCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
                                     .image = *image,
                                     .viewType = VK_IMAGE_VIEW_TYPE_2D,
                                     .format = VK_FORMAT_R8G8B8A8_UNORM,
                                     .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}},
            NULL, &view));
        vkDestroyImageView(b->device, view, NULL);
    }
}

static void fences(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        vkDestroyFence(b->device, bench_fence(b), NULL);
    }
}

static void semaphores(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        VkSemaphore semaphore;
        OK(vkCreateSemaphore(
            b->device, &(VkSemaphoreCreateInfo){.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO},
            NULL, &semaphore));
        vkDestroySemaphore(b->device, semaphore, NULL);
    }
}

static void events(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        VkEvent event;
        OK(vkCreateEvent(b->device,
                         &(VkEventCreateInfo){.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO}, NULL,
                         &event));
        vkDestroyEvent(b->device, event, NULL);
    }
}

static void query_pools(const struct bench *b, void *user, uint32_t count)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        VkQueryPool pool;
        OK(vkCreateQueryPool(
            b->device,
            &(VkQueryPoolCreateInfo){.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                     .queryType = VK_QUERY_TYPE_OCCLUSION,
                                     .queryCount = 16},
            NULL, &pool));
        vkDestroyQueryPool(b->device, pool, NULL);
    }
}

// -- descriptors --

struct descriptors {
    struct bench_arguments arguments;
    struct bench_buffer buffer;
};

static void descriptor_sets(const struct bench *b, void *user, uint32_t count)
{
    const struct descriptors *d = user;
    for (uint32_t i = 0; i < count; i++) {
        const VkDescriptorSet set = bench_arguments_set(b, &d->arguments);
        OK(vkFreeDescriptorSets(b->device, d->arguments.pool, 1, &set));
    }
}

static void descriptor_updates(const struct bench *b, void *user, uint32_t count)
{
    const struct descriptors *d = user;
    for (uint32_t i = 0; i < count; i++) {
        bench_arguments_write(b, d->arguments.set, i % BENCH_ARGUMENTS,
                              &(VkDescriptorBufferInfo){d->buffer.handle, 256 * (i % 16), 256});
    }
}

// -- memory --

static void memory(const struct bench *b, void *user, uint32_t count)
{
    const VkDeviceSize *size = user;
    const uint32_t type = bench_memory_type(b, UINT32_MAX, BENCH_VISIBLE);
    for (uint32_t i = 0; i < count; i++) {
        VkDeviceMemory memory;
        void *mapped;
        OK(vkAllocateMemory(b->device,
                            &(VkMemoryAllocateInfo){.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                                    .allocationSize = *size,
                                                    .memoryTypeIndex = type},
                            NULL, &memory));
        OK(vkMapMemory(b->device, memory, 0, VK_WHOLE_SIZE, 0, &mapped));
        *(volatile uint32_t *)mapped = i;
        vkUnmapMemory(b->device, memory);
        vkFreeMemory(b->device, memory, NULL);
    }
}

// -- pipelines --

struct pipelines {
    VkShaderModule shader;
    const struct bench_arguments *arguments;
    const struct bench *bench;
    uint32_t count; // for each thread
};

static void create_pipelines(const struct bench *b, const struct pipelines *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        vkDestroyPipeline(b->device, bench_compute_pipeline(b, p->arguments, p->shader, NULL),
                          NULL);
    }
}

static void pipelines(const struct bench *b, void *user, uint32_t count)
{
    create_pipelines(b, user, count);
}

static void *pipeline_thread(void *user)
{
    const struct pipelines *p = user;
    create_pipelines(p->bench, p, p->count);
    return NULL;
}

static void pipelines_by_threads(const struct bench *b, void *user, uint32_t count)
{
    struct pipelines *p = user;
    bench_waits(); // other threads do it
    p->bench = b;
    p->count = (count + THREADS - 1) / THREADS;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        bench_expect("pthread_create", pthread_create(&threads[i], NULL, pipeline_thread, p)
                                           ? VK_NOT_READY
                                           : VK_SUCCESS);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

// -- all of them --

static void measure_image_views(const struct bench *b)
{
    VkImage image;
    VkMemoryRequirements needs;
    VkDeviceMemory memory;
    OK(create_image(b, &image));
    vkGetImageMemoryRequirements(b->device, image, &needs);
    OK(vkAllocateMemory(
        b->device,
        &(VkMemoryAllocateInfo){.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                .allocationSize = needs.size,
                                .memoryTypeIndex = bench_memory_type(b, needs.memoryTypeBits, 0)},
        NULL, &memory));
    OK(vkBindImageMemory(b->device, image, memory, 0));
    bench_rate(b, "image view create+destroy", image_views, &image, 20000);
    vkDestroyImage(b->device, image, NULL);
    vkFreeMemory(b->device, memory, NULL);
}

static void measure_memory(const struct bench *b)
{
    static const struct {
        const char *name;
        VkDeviceSize size;
    } sizes[] = {{"4 KiB", 4096},
                 {"64 KiB", 65536},
                 {"1 MiB", 1 << 20},
                 {"16 MiB", 16 << 20},
                 {"256 MiB", 256 << 20}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char name[64];
        snprintf(name, sizeof(name), "allocate+map+free %s", sizes[i].name);
        VkDeviceSize size = sizes[i].size;
        bench_rate(b, name, memory, &size, 2000);
    }
}

static void measure_descriptors(const struct bench *b, const struct bench_arguments *arguments)
{
    struct descriptors d = {.arguments = *arguments};
    bench_buffer_open(b, &d.buffer, 65536, 0);
    bench_rate(b, "descriptor set allocate+free", descriptor_sets, &d, 20000);
    bench_rate(b, "descriptor update", descriptor_updates, &d, 20000);
    bench_buffer_close(b, &d.buffer);
}

static void measure_pipelines(const struct bench *b, const struct bench_arguments *arguments)
{
    struct pipelines p = {.shader = bench_shader(b, matmul_comp, sizeof(matmul_comp)),
                          .arguments = arguments};
    bench_rate(b, "compute pipeline, 1 thread", pipelines, &p, 1000);
    bench_rate(b, "compute pipeline, 8 threads", pipelines_by_threads, &p, 1000);
    vkDestroyShaderModule(b->device, p.shader, NULL);
}

int main(void)
{
    struct bench b;
    struct bench_arguments arguments;
    bench_open(&b);
    bench_arguments_open(&b, &arguments);
    bench_rate(&b, "buffer create+destroy", buffers, NULL, 20000);
    bench_rate(&b, "image create+destroy", images, NULL, 20000);
    measure_image_views(&b);
    bench_rate(&b, "fence create+destroy", fences, NULL, 20000);
    bench_rate(&b, "semaphore create+destroy", semaphores, NULL, 20000);
    bench_rate(&b, "event create+destroy", events, NULL, 20000);
    bench_rate(&b, "query pool create+destroy", query_pools, NULL, 20000);
    measure_descriptors(&b, &arguments);
    measure_memory(&b);
    measure_pipelines(&b, &arguments);
    bench_arguments_close(&b, &arguments);
    bench_close(&b);
    return 0;
}

#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES   20000
#define MAX_PROCESSES 256

// -- time --

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        return 0; // the process has gone
    }
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

double bench_seconds(void)
{
    const char *text = getenv("PV_BENCH_SECONDS");
    const double seconds = text ? atof(text) : 0;
    return seconds > 0 ? seconds : 0.3;
}

static void sleep_ns(uint64_t duration_ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(duration_ns / 1000000000),
                                 .tv_nsec = (long)(duration_ns % 1000000000)},
              NULL);
}

// -- CPU time --

struct usage {
    pid_t pid;
    uint64_t ns;
};

static struct {
    uint64_t wall_ns, client_ns;
    struct usage server[MAX_PROCESSES];
    uint32_t server_count;
} mark;

// Appends `pid` and all that descend from it.
static uint32_t collect_usage(pid_t pid, struct usage *usages, uint32_t count)
{
    clockid_t clock;
    if (count == MAX_PROCESSES || clock_getcpuclockid(pid, &clock) != 0) {
        return count;
    }
    usages[count++] = (struct usage){pid, clock_ns(clock)};
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    int child;
    while (file && fscanf(file, "%d", &child) == 1) {
        count = collect_usage(child, usages, count);
    }
    if (file) {
        fclose(file);
    }
    return count;
}

static uint32_t server_usage(struct usage *usages)
{
    const char *text = getenv("PV_BENCH_SERVER");
    return text ? collect_usage((pid_t)atoi(text), usages, 0) : 0;
}

uint64_t bench_server_ns(void)
{
    static struct usage now[MAX_PROCESSES];
    const uint32_t count = server_usage(now);
    uint64_t sum = 0; // of those that live now
    for (uint32_t i = 0; i < count; i++) {
        sum += now[i].ns;
        for (uint32_t j = 0; j < mark.server_count; j++) {
            if (mark.server[j].pid == now[i].pid) {
                sum -= mark.server[j].ns;
            }
        }
    }
    return sum;
}

void bench_mark(void)
{
    mark.server_count = server_usage(mark.server);
    mark.client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    mark.wall_ns = bench_now_ns();
}

struct spent {
    uint64_t wall_ns, client_ns, server_ns;
    double caller_ns; // of one
};

static struct spent spent_since_mark(void)
{
    const uint64_t wall_ns = bench_now_ns() - mark.wall_ns;
    const uint64_t client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - mark.client_ns;
    return (struct spent){wall_ns, client_ns, bench_server_ns(), 0};
}

static void print_row(const char *name, double value, const char *unit, uint64_t count,
                      const struct spent *spent)
{
    printf("row\t%s\t%.6g\t%s\t%llu\t%llu\t%llu\t%llu\t%.6g\n", name, value, unit,
           (unsigned long long)count, (unsigned long long)spent->wall_ns,
           (unsigned long long)spent->client_ns, (unsigned long long)spent->server_ns,
           spent->caller_ns);
    fflush(stdout);
}

void bench_row(const char *name, double value, const char *unit, uint64_t count)
{
    const struct spent spent = spent_since_mark();
    print_row(name, value, unit, count, &spent);
}

void bench_absent(const char *name, const char *reason)
{
    printf("absent\t%s\t%s\n", name, reason);
}

// -- the caller's share --

static struct {
    uint64_t begin_ns, end_ns; // CPU time of the calling thread; 0: still working
} burst;

void bench_waits(void)
{
    if (burst.end_ns == 0) {
        burst.end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    }
}

static int compare_samples(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// What the calling thread needs for one of `work`, which takes `wall_ns` in all, where it never
// waits. The guest's ring has 128 KiB; the commands of a row with this limit are small enough.
static double caller_ns(const struct bench *b, bench_work work, void *user, uint32_t limit,
                        double wall_ns)
{
    static uint64_t samples_ns[101];
    const double row_ns = bench_seconds() * 1e9;
    uint32_t size = limit > 64 * 256 ? 256 : limit / 64;
    size = size * wall_ns < row_ns / 10 ? size : (uint32_t)(row_ns / 10 / wall_ns);
    size = size > 0 ? size : 1;
    const uint64_t begin_ns = bench_now_ns();
    uint32_t count = 0;
    while (count < COUNT(samples_ns) &&
           (count < 3 || (double)(bench_now_ns() - begin_ns) < row_ns / 2)) {
        burst.end_ns = 0;
        burst.begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        work(b, user, size);
        bench_waits();
        samples_ns[count++] = burst.end_ns - burst.begin_ns;
        bench_call(b);
    }
    qsort(samples_ns, count, sizeof(*samples_ns), compare_samples);
    return (double)samples_ns[count / 2] / size;
}

// -- rows --

static bool is_wanted(const char *name)
{
    const char *only = getenv("PV_BENCH_ONLY");
    return !only || strstr(name, only);
}

// The least time that so many take in three tries: a busy machine may stop us in any one of them.
static uint64_t least_ns(const struct bench *b, bench_work work, void *user, uint32_t batch)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        const uint64_t begin_ns = bench_now_ns();
        work(b, user, batch);
        bench_call(b);
        const uint64_t ns = bench_now_ns() - begin_ns;
        least = ns < least ? ns : least;
    }
    return least;
}

// Runs `work` until the row's time is over; returns how often.
static uint64_t run_for(const struct bench *b, bench_work work, void *user, uint32_t limit,
                        struct spent *spent)
{
    // The driver may compile what it needs.
    work(b, user, 1);
    bench_call(b);
    // Find out how many fill a tenth of the time.
    const uint64_t row_ns = (uint64_t)(bench_seconds() * 1e9);
    uint32_t batch = 1;
    while (batch < limit && least_ns(b, work, user, batch) < row_ns / 10) {
        batch = batch > limit / 2 ? limit : batch * 2;
    }

    uint64_t count = 0;
    bench_mark();
    do {
        work(b, user, batch);
        bench_call(b);
        count += batch;
    } while (bench_now_ns() - mark.wall_ns < row_ns);
    *spent = spent_since_mark();
    if (getenv("PV_BENCH_SERVER")) {
        spent->caller_ns = caller_ns(b, work, user, limit, (double)spent->wall_ns / (double)count);
    }
    return count;
}

void bench_rate(const struct bench *b, const char *name, bench_work work, void *user,
                uint32_t limit)
{
    if (!is_wanted(name)) {
        return;
    }
    struct spent spent;
    const uint64_t count = run_for(b, work, user, limit, &spent);
    print_row(name, (double)count * 1e9 / (double)spent.wall_ns, "/s", count, &spent);
}

void bench_bandwidth(const struct bench *b, const char *name, bench_work work, void *user,
                     uint32_t limit, uint64_t bytes)
{
    if (!is_wanted(name)) {
        return;
    }
    struct spent spent;
    const uint64_t count = run_for(b, work, user, limit, &spent);
    print_row(name, (double)(count * bytes) * 1e3 / (double)spent.wall_ns, "MB/s", count, &spent);
}

void bench_latency(const struct bench *b, const char *name, bench_work work, void *user,
                   uint64_t silence_ns)
{
    if (!is_wanted(name)) {
        return;
    }
    static uint64_t samples_ns[MAX_SAMPLES];
    const uint64_t row_ns = (uint64_t)(bench_seconds() * 1e9);
    for (int i = 0; i < 20; i++) { // warm up
        work(b, user, 1);
    }
    uint32_t count = 0;
    bench_mark();
    while (count < MAX_SAMPLES && (count < 20 || bench_now_ns() - mark.wall_ns < row_ns)) {
        if (silence_ns) {
            sleep_ns(silence_ns);
        }
        const uint64_t begin_ns = bench_now_ns();
        work(b, user, 1);
        samples_ns[count++] = bench_now_ns() - begin_ns;
    }
    const struct spent spent = spent_since_mark();
    qsort(samples_ns, count, sizeof(*samples_ns), compare_samples);
    static const struct {
        const char *name;
        double part;
    } percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
    for (size_t i = 0; i < COUNT(percentiles); i++) {
        char row[128];
        snprintf(row, sizeof(row), "%s %s", name, percentiles[i].name);
        const uint64_t sample_ns = samples_ns[(uint32_t)(percentiles[i].part * (count - 1))];
        print_row(row, (double)sample_ns / 1000, "us", count, &spent);
    }
}

// -- Vulkan in short --

void bench_expect(const char *call, VkResult result)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "bench: %s: VkResult %d\n", call, result);
        exit(1);
    }
}

_Noreturn void bench_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    exit(77);
}

static bool has_extension(VkPhysicalDevice physical, const char *name)
{
    uint32_t count = 0;
    OK(vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL));
    VkExtensionProperties *extensions = calloc(count + 1u, sizeof(*extensions));
    if (!extensions) {
        abort();
    }
    OK(vkEnumerateDeviceExtensionProperties(physical, NULL, &count, extensions));
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        found |= strcmp(extensions[i].extensionName, name) == 0;
    }
    free(extensions);
    return found;
}

// The table says what its figures are of.
static void print_device(const struct bench *b)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
    if (b->properties.apiVersion >= VK_API_VERSION_1_2) {
        vkGetPhysicalDeviceProperties2(b->physical, &properties);
    }
    printf("device\t%s, %s %s\n", b->properties.deviceName, driver.driverName, driver.driverInfo);
}

static void open_instance(struct bench *b)
{
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .apiVersion = VK_API_VERSION_1_3};
    OK(vkCreateInstance(&(VkInstanceCreateInfo){.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                                .pApplicationInfo = &application},
                        NULL, &b->instance));
    uint32_t count = 1;
    const VkResult result = vkEnumeratePhysicalDevices(b->instance, &count, &b->physical);
    if (count == 0 || result < 0) {
        bench_skip("there is no Vulkan device");
    }
    vkGetPhysicalDeviceProperties(b->physical, &b->properties);
    vkGetPhysicalDeviceMemoryProperties(b->physical, &b->memory);
    print_device(b);
}

static void choose_family(struct bench *b)
{
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties families[16];
    uint32_t count = COUNT(families);
    vkGetPhysicalDeviceQueueFamilyProperties(b->physical, &count, families);
    while (b->family < count && (families[b->family].queueFlags & wanted) != wanted) {
        b->family++;
    }
    if (b->family == count) {
        bench_skip("no queue can draw and compute");
    }
}

static void open_device(struct bench *b)
{
#ifdef VK_EXT_host_image_copy
    VkPhysicalDeviceHostImageCopyFeaturesEXT copy = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_IMAGE_COPY_FEATURES_EXT};
    const char *const extension = VK_EXT_HOST_IMAGE_COPY_EXTENSION_NAME;
    b->host_image_copy =
        has_extension(b->physical, extension) && b->properties.apiVersion >= VK_API_VERSION_1_3;
    void *const more = b->host_image_copy ? &copy : NULL;
#else
    const char *const extension = NULL;
    void *const more = NULL;
    (void)has_extension;
#endif
    VkPhysicalDeviceVulkan12Features has = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = more};
    vkGetPhysicalDeviceFeatures2(
        b->physical, &(VkPhysicalDeviceFeatures2){
                         .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &has});
    b->features12 = (VkPhysicalDeviceVulkan12Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = more,
        .timelineSemaphore = has.timelineSemaphore,
    };
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = b->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    OK(vkCreateDevice(b->physical,
                      &(VkDeviceCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                            .pNext = &b->features12,
                                            .queueCreateInfoCount = 1,
                                            .pQueueCreateInfos = &queue,
                                            .enabledExtensionCount = b->host_image_copy,
                                            .ppEnabledExtensionNames = &extension},
                      NULL, &b->device));
    vkGetDeviceQueue(b->device, b->family, 0, &b->queue);
}

void bench_open(struct bench *b)
{
    *b = (struct bench){0};
    open_instance(b);
    choose_family(b);
    open_device(b);
    OK(vkCreateCommandPool(
        b->device,
        &(VkCommandPoolCreateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                   .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                   .queueFamilyIndex = b->family},
        NULL, &b->pool));
    OK(vkCreateImage(b->device,
                     &(VkImageCreateInfo){.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                                          .imageType = VK_IMAGE_TYPE_2D,
                                          .format = VK_FORMAT_R8G8B8A8_UNORM,
                                          .extent = {16, 16, 1},
                                          .mipLevels = 1,
                                          .arrayLayers = 1,
                                          .samples = VK_SAMPLE_COUNT_1_BIT,
                                          .tiling = VK_IMAGE_TILING_LINEAR,
                                          .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT},
                     NULL, &b->linear));
}

void bench_close(struct bench *b)
{
    OK(vkDeviceWaitIdle(b->device));
    vkDestroyImage(b->device, b->linear, NULL);
    vkDestroyCommandPool(b->device, b->pool, NULL);
    vkDestroyDevice(b->device, NULL);
    vkDestroyInstance(b->instance, NULL);
}

void bench_call(const struct bench *b)
{
    VkSubresourceLayout layout;
    vkGetImageSubresourceLayout(b->device, b->linear,
                                &(VkImageSubresource){.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT},
                                &layout);
}

uint32_t bench_memory_type(const struct bench *b, uint32_t bits, VkMemoryPropertyFlags wanted)
{
    uint32_t any = UINT32_MAX;
    for (uint32_t i = 0; i < b->memory.memoryTypeCount; i++) {
        if (!(bits & (1u << i))) {
            continue;
        }
        if ((b->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
        any = any == UINT32_MAX ? i : any;
    }
    if (wanted & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        bench_skip("no memory that the host can see");
    }
    return any;
}

void bench_buffer_open(const struct bench *b, struct bench_buffer *buffer, VkDeviceSize size,
                       VkMemoryPropertyFlags memory)
{
    *buffer = (struct bench_buffer){0};
    OK(vkCreateBuffer(b->device,
                      &(VkBufferCreateInfo){.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                            .size = size,
                                            .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                                     VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                                     VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                                     VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
                                                     VK_BUFFER_USAGE_VERTEX_BUFFER_BIT},
                      NULL, &buffer->handle));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(b->device, buffer->handle, &needs);
    OK(vkAllocateMemory(b->device,
                        &(VkMemoryAllocateInfo){
                            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                            .allocationSize = needs.size,
                            .memoryTypeIndex = bench_memory_type(b, needs.memoryTypeBits, memory)},
                        NULL, &buffer->memory));
    OK(vkBindBufferMemory(b->device, buffer->handle, buffer->memory, 0));
    if (memory & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        OK(vkMapMemory(b->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped));
        memset(buffer->mapped, 0, (size_t)size);
    }
}

void bench_buffer_close(const struct bench *b, struct bench_buffer *buffer)
{
    vkDestroyBuffer(b->device, buffer->handle, NULL);
    vkFreeMemory(b->device, buffer->memory, NULL);
}

VkShaderModule bench_shader(const struct bench *b, const uint32_t *code, size_t size)
{
    VkShaderModule module;
    OK(vkCreateShaderModule(
        b->device,
        &(VkShaderModuleCreateInfo){
            .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code},
        NULL, &module));
    return module;
}

void bench_arguments_open(const struct bench *b, struct bench_arguments *arguments)
{
    VkDescriptorSetLayoutBinding bindings[BENCH_ARGUMENTS];
    for (uint32_t i = 0; i < COUNT(bindings); i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                     VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    }
    OK(vkCreateDescriptorSetLayout(b->device,
                                   &(VkDescriptorSetLayoutCreateInfo){
                                       .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                       .bindingCount = COUNT(bindings),
                                       .pBindings = bindings},
                                   NULL, &arguments->set_layout));
    OK(vkCreatePipelineLayout(
        b->device,
        &(VkPipelineLayoutCreateInfo){.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                      .setLayoutCount = 1,
                                      .pSetLayouts = &arguments->set_layout},
        NULL, &arguments->layout));
    OK(vkCreateDescriptorPool(
        b->device,
        &(VkDescriptorPoolCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
            .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
            .maxSets = 64,
            .poolSizeCount = 1,
            .pPoolSizes =
                &(VkDescriptorPoolSize){VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 64 * BENCH_ARGUMENTS}},
        NULL, &arguments->pool));
    arguments->set = bench_arguments_set(b, arguments);
}

void bench_arguments_close(const struct bench *b, struct bench_arguments *arguments)
{
    vkDestroyDescriptorPool(b->device, arguments->pool, NULL);
    vkDestroyPipelineLayout(b->device, arguments->layout, NULL);
    vkDestroyDescriptorSetLayout(b->device, arguments->set_layout, NULL);
}

VkDescriptorSet bench_arguments_set(const struct bench *b, const struct bench_arguments *arguments)
{
    VkDescriptorSet set;
    OK(vkAllocateDescriptorSets(
        b->device,
        &(VkDescriptorSetAllocateInfo){.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                       .descriptorPool = arguments->pool,
                                       .descriptorSetCount = 1,
                                       .pSetLayouts = &arguments->set_layout},
        &set));
    return set;
}

void bench_arguments_write(const struct bench *b, VkDescriptorSet set, uint32_t index,
                           const VkDescriptorBufferInfo *range)
{
    vkUpdateDescriptorSets(
        b->device, 1,
        &(VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                .dstSet = set,
                                .dstBinding = index,
                                .descriptorCount = 1,
                                .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                .pBufferInfo = range},
        0, NULL);
}

VkPipeline bench_compute_pipeline(const struct bench *b, const struct bench_arguments *arguments,
                                  VkShaderModule shader, const VkSpecializationInfo *constants)
{
    VkPipeline pipeline;
    OK(vkCreateComputePipelines(
        b->device, VK_NULL_HANDLE, 1,
        &(VkComputePipelineCreateInfo){
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                      .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                      .module = shader,
                      .pName = "main",
                      .pSpecializationInfo = constants},
            .layout = arguments->layout},
        NULL, &pipeline));
    return pipeline;
}

VkCommandBuffer bench_command_buffer(const struct bench *b, VkCommandBufferLevel level)
{
    VkCommandBuffer cb;
    OK(vkAllocateCommandBuffers(
        b->device,
        &(VkCommandBufferAllocateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                       .commandPool = b->pool,
                                       .level = level,
                                       .commandBufferCount = 1},
        &cb));
    return cb;
}

void bench_begin(VkCommandBuffer cb)
{
    OK(vkBeginCommandBuffer(
        cb, &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO}));
}

void bench_submit(const struct bench *b, uint32_t count, const VkCommandBuffer *cbs, VkFence fence)
{
    OK(vkQueueSubmit(b->queue, count > 0,
                     &(VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                     .commandBufferCount = count,
                                     .pCommandBuffers = cbs},
                     fence));
}

VkFence bench_fence(const struct bench *b)
{
    VkFence fence;
    OK(vkCreateFence(b->device, &(VkFenceCreateInfo){.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO},
                     NULL, &fence));
    return fence;
}

void bench_fence_wait(const struct bench *b, VkFence fence)
{
    OK(vkWaitForFences(b->device, 1, &fence, VK_TRUE, UINT64_MAX));
    OK(vkResetFences(b->device, 1, &fence));
}

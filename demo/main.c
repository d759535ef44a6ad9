// pv-demo: draws some frames of a small scene without a window, writes the last one as a PNG and
// says how long the frames took. It knows nothing of pv-venus: an ordinary Vulkan program.

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image.h"
#include "scene.h"

struct options {
    uint32_t width, height, frames, device;
    const char *output;
    const char *json;
};

static const char usage[] = "usage: pv-demo [options]\n"
                            "Draws a rotating model with Vulkan, without a window.\n"
                            "  --width N, --height N   size of the picture (default 640x480)\n"
                            "  --frames N              frames to draw (default 60)\n"
                            "  --device INDEX          which of the loader's devices (default 0)\n"
                            "  --output FILE.png       write the last frame\n"
                            "  --json FILE             write the figures as JSON\n"
                            "  --help                  this text\n";

static uint32_t parse_number(const char *name, const char *text, uint32_t low, uint32_t high)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high) {
        fprintf(stderr, "pv-demo: --%s takes a number from %u to %u, not '%s'\n", name, low, high,
                text);
        exit(2);
    }
    return (uint32_t)value;
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option list[] = {
        {"width", required_argument, NULL, 'w'},  {"height", required_argument, NULL, 'e'},
        {"frames", required_argument, NULL, 'f'}, {"device", required_argument, NULL, 'd'},
        {"output", required_argument, NULL, 'o'}, {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    struct options options = {.width = 640, .height = 480, .frames = 60};
    int option;
    while ((option = getopt_long(argc, argv, "h", list, NULL)) != -1) {
        switch (option) {
        case 'w':
            options.width = parse_number("width", optarg, 16, 4096);
            break;
        case 'e':
            options.height = parse_number("height", optarg, 16, 4096);
            break;
        case 'f':
            options.frames = parse_number("frames", optarg, 1, 1000000);
            break;
        case 'd':
            options.device = parse_number("device", optarg, 0, 255);
            break;
        case 'o':
            options.output = optarg;
            break;
        case 'j':
            options.json = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

// What one frame in flight needs for itself.
struct slot {
    VkCommandPool pool;
    VkCommandBuffer primary, secondary;
    VkFence fence;
    bool in_flight;
};

// Figures of a run, in milliseconds.
struct figures {
    double *frame_ms; // from one frame's end to the next one's
    double *gpu_ms;   // between the timestamps of a frame
    uint32_t frames, gpu_frames;
};

struct summary {
    double min, median, p99, mean;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Sorts `values`.
static struct summary summarize(double *values, uint32_t count)
{
    double sum = 0.0;
    qsort(values, count, sizeof(*values), compare_doubles);
    for (uint32_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return (struct summary){
        .min = values[0],
        .median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2,
        .p99 = values[(uint32_t)((uint64_t)(count - 1) * 99 / 100)],
        .mean = sum / count,
    };
}

static void slot_init(struct demo_device *device, struct slot *slot)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->family,
    };
    DEMO_CHECK(vkCreateCommandPool(device->device, &pool, NULL, &slot->pool));
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = slot->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    DEMO_CHECK(vkAllocateCommandBuffers(device->device, &commands, &slot->primary));
    commands.level = VK_COMMAND_BUFFER_LEVEL_SECONDARY;
    DEMO_CHECK(vkAllocateCommandBuffers(device->device, &commands, &slot->secondary));
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    DEMO_CHECK(vkCreateFence(device->device, &fence, NULL, &slot->fence));
}

static void slot_finish(struct demo_device *device, struct slot *slot)
{
    vkDestroyFence(device->device, slot->fence, NULL);
    vkDestroyCommandPool(device->device, slot->pool, NULL);
}

// Waits for the slot's frame, if it has one in flight, and books its times.
static void slot_wait(struct demo_device *device, struct slot *slot, uint32_t index,
                      VkQueryPool timestamps, struct figures *figures, double *last_ms)
{
    if (!slot->in_flight) {
        return;
    }
    DEMO_CHECK(vkWaitForFences(device->device, 1, &slot->fence, VK_TRUE, UINT64_MAX));
    DEMO_CHECK(vkResetFences(device->device, 1, &slot->fence));
    slot->in_flight = false;
    const double now = now_ms();
    figures->frame_ms[figures->frames++] = now - *last_ms;
    *last_ms = now;
    if (timestamps) {
        uint64_t ticks[2];
        DEMO_CHECK(vkGetQueryPoolResults(device->device, timestamps, index * 2, 2, sizeof(ticks),
                                         ticks, sizeof(*ticks), VK_QUERY_RESULT_64_BIT));
        figures->gpu_ms[figures->gpu_frames++] = (double)(ticks[1] - ticks[0]) *
                                                 (double)device->properties.limits.timestampPeriod *
                                                 1e-6;
    }
}

static VkQueryPool timestamps_create(struct demo_device *device)
{
    VkQueryPool pool = VK_NULL_HANDLE;
    if (device->timestamps) {
        const VkQueryPoolCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
            .queryType = VK_QUERY_TYPE_TIMESTAMP,
            .queryCount = DEMO_SLOTS * 2,
        };
        DEMO_CHECK(vkCreateQueryPool(device->device, &info, NULL, &pool));
    }
    return pool;
}

static void run_frames(struct demo_device *device, struct demo_scene *scene, uint32_t frames,
                       struct figures *figures)
{
    struct slot slots[DEMO_SLOTS] = {0};
    for (uint32_t i = 0; i < DEMO_SLOTS; i++) {
        slot_init(device, &slots[i]);
    }
    const VkQueryPool timestamps = timestamps_create(device);

    double last_ms = now_ms();
    for (uint32_t frame = 0; frame < frames; frame++) {
        const uint32_t index = frame % DEMO_SLOTS;
        struct slot *slot = &slots[index];
        slot_wait(device, slot, index, timestamps, figures, &last_ms);
        DEMO_CHECK(vkResetCommandPool(device->device, slot->pool, 0));
        demo_scene_update(scene, index, frame);
        demo_scene_record(scene, index, frame, slot->primary, slot->secondary, timestamps);
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &slot->primary,
        };
        DEMO_CHECK(vkQueueSubmit(device->queue, 1, &submit, slot->fence));
        slot->in_flight = true;
    }
    for (uint32_t i = 0; i < DEMO_SLOTS; i++) {
        const uint32_t index = (frames + i) % DEMO_SLOTS;
        slot_wait(device, &slots[index], index, timestamps, figures, &last_ms);
    }

    vkDestroyQueryPool(device->device, timestamps, NULL);
    for (uint32_t i = 0; i < DEMO_SLOTS; i++) {
        slot_finish(device, &slots[i]);
    }
}

// A JSON string; device names are text from outside.
static void print_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(file, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(file, "\\u%04x", c);
        } else {
            fputc(c, file);
        }
    }
    fputc('"', file);
}

static bool write_json(const char *path, const struct demo_device *device,
                       const struct options *options, const struct summary *frame,
                       const struct summary *gpu)
{
    const uint32_t version = device->properties.apiVersion;
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    fputs("{\n  \"device\": ", file);
    print_string(file, device->properties.deviceName);
    fprintf(file, ",\n  \"api_version\": \"%u.%u.%u\",\n", VK_API_VERSION_MAJOR(version),
            VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
    fprintf(file, "  \"width\": %u,\n  \"height\": %u,\n  \"frames\": %u,\n", options->width,
            options->height, options->frames);
    fprintf(file,
            "  \"frame_ms\": {\"min\": %.3f, \"median\": %.3f, \"p99\": %.3f, \"mean\": %.3f}",
            frame->min, frame->median, frame->p99, frame->mean);
    if (gpu) {
        fprintf(file,
                ",\n  \"gpu_ms\": {\"min\": %.3f, \"median\": %.3f, \"p99\": %.3f, "
                "\"mean\": %.3f}",
                gpu->min, gpu->median, gpu->p99, gpu->mean);
    }
    fputs("\n}\n", file);
    if (fclose(file) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static bool report(struct figures *figures, const struct demo_device *device,
                   const struct options *options)
{
    const uint32_t version = device->properties.apiVersion;
    const struct summary frame = summarize(figures->frame_ms, figures->frames);
    printf("device   %s\n", device->properties.deviceName);
    printf("vulkan   %u.%u.%u\n", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
           VK_API_VERSION_PATCH(version));
    printf("frames   %u of %ux%u\n", figures->frames, options->width, options->height);
    printf("frame    min %.2f, median %.2f, p99 %.2f, mean %.2f ms\n", frame.min, frame.median,
           frame.p99, frame.mean);
    struct summary gpu = {0};
    if (figures->gpu_frames > 0) {
        gpu = summarize(figures->gpu_ms, figures->gpu_frames);
        printf("gpu      min %.2f, median %.2f, p99 %.2f, mean %.2f ms\n", gpu.min, gpu.median,
               gpu.p99, gpu.mean);
    }
    return !options->json ||
           write_json(options->json, device, options, &frame, figures->gpu_frames ? &gpu : NULL);
}

static bool write_picture(struct demo_scene *scene, const char *path)
{
    struct demo_image image = {
        .width = scene->extent.width,
        .height = scene->extent.height,
        .pixels = calloc((size_t)scene->extent.width * scene->extent.height, 4),
    };
    if (!image.pixels) {
        fprintf(stderr, "pv-demo: out of memory\n");
        return false;
    }
    demo_scene_read(scene, image.pixels);
    const bool written = demo_image_write(&image, path);
    demo_image_finish(&image);
    return written;
}

int main(int argc, char **argv)
{
    const struct options options = parse_options(argc, argv);
    struct figures figures = {
        .frame_ms = calloc(options.frames, sizeof(double)),
        .gpu_ms = calloc(options.frames, sizeof(double)),
    };
    if (!figures.frame_ms || !figures.gpu_ms) {
        fprintf(stderr, "pv-demo: out of memory\n");
        return 1;
    }

    struct demo_device device;
    struct demo_scene scene;
    demo_device_init(&device, options.device);
    demo_scene_init(&scene, &device, (VkExtent2D){options.width, options.height});
    run_frames(&device, &scene, options.frames, &figures);
    bool done = report(&figures, &device, &options);
    if (options.output) {
        done = write_picture(&scene, options.output) && done;
    }
    demo_scene_finish(&scene);
    demo_device_finish(&device);

    free(figures.frame_ms);
    free(figures.gpu_ms);
    return done ? 0 : 1;
}

// The Vulkan device of the demo and the small helpers everything else is built from. All failures
// end the program with one line that names the call: the demo has nothing to fall back to.
#ifndef DEMO_DEVICE_H
#define DEMO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

// One instance, one device, one queue that can draw and compute. Used by one thread.
struct demo_device {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    bool timestamps;    // the queue can write them
    VkCommandPool pool; // for one-shot commands
};

// A buffer with memory of its own; `map` is set while it is host-visible and lives as long.
struct demo_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    VkDeviceSize size;
    void *map;
};

// A 2D image with memory of its own and a view of all its levels.
struct demo_texture {
    VkImage handle;
    VkDeviceMemory memory;
    VkImageView view;
    VkFormat format;
    VkExtent2D extent;
    uint32_t levels;
};

struct demo_texture_params {
    VkFormat format;
    VkExtent2D extent;
    uint32_t levels;               // 0: 1
    VkSampleCountFlagBits samples; // 0: 1
    VkImageUsageFlags usage;
    VkImageAspectFlags aspect; // 0: colour
};

void demo_check(VkResult result, const char *call);
#define DEMO_CHECK(call) demo_check((call), #call)

// Takes physical device number `index` of the loader's list.
void demo_device_init(struct demo_device *device, uint32_t index);
void demo_device_finish(struct demo_device *device);

// `flags` are the memory properties wanted; HOST_VISIBLE ones are mapped until finish.
void demo_buffer_init(struct demo_device *device, struct demo_buffer *buffer, VkDeviceSize size,
                      VkBufferUsageFlags usage, VkMemoryPropertyFlags flags);
// A device-local buffer with these contents, brought there by a staging copy.
void demo_buffer_upload(struct demo_device *device, struct demo_buffer *buffer, const void *data,
                        VkDeviceSize size, VkBufferUsageFlags usage);
void demo_buffer_finish(struct demo_device *device, struct demo_buffer *buffer);

void demo_texture_init(struct demo_device *device, struct demo_texture *texture,
                       const struct demo_texture_params *params);
void demo_texture_finish(struct demo_device *device, struct demo_texture *texture);

// The first of `formats` that has all of `features` with optimal tiling.
VkFormat demo_choose_format(struct demo_device *device, const VkFormat *formats, size_t count,
                            VkFormatFeatureFlags features);

// Commands that run once and are waited for.
VkCommandBuffer demo_commands_begin(struct demo_device *device);
void demo_commands_run(struct demo_device *device, VkCommandBuffer commands);

// One image barrier over all levels, between two stages.
struct demo_barrier {
    VkPipelineStageFlags from, to;
    VkAccessFlags wrote, reads;
    VkImageLayout old_layout, new_layout;
};
void demo_barrier_image(VkCommandBuffer commands, VkImage image,
                        const struct demo_barrier *barrier);

#endif

// What the cases of pv-e2e are written with.
//
// A case is one function. It prints its results on stdout, and only what must be the same on the
// host's driver and through pv-venus: the runner compares the two texts. Chatter goes to stderr.
// A failed check ends the process with status 1, a missing feature with 77.
//
// Objects made by the helpers are kept in a list and destroyed, last first, when the case ends;
// cases that are about destruction call Vulkan themselves.
#ifndef E2E_HARNESS_H
#define E2E_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

// An object that is destroyed when the case ends.
struct e2e_kept {
    VkObjectType type;
    uint64_t handle;
};

// One instance, one device, one queue. The members up to `extensions` are set by
// e2e_open_instance(), the others by e2e_open().
struct e2e {
    const char *name;
    VkInstance instance;
    VkPhysicalDevice physical;
    uint32_t api_version; // the device's, at most 1.3
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkExtensionProperties *extensions;
    uint32_t extension_count;

    uint32_t family; // can draw, compute and copy
    VkQueueFamilyProperties family_properties;
    VkPhysicalDeviceFeatures2 features; // as enabled; chained to those of the versions there are
    VkPhysicalDeviceVulkan11Features features11;
    VkPhysicalDeviceVulkan12Features features12;
    VkPhysicalDeviceVulkan13Features features13;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool; // for e2e_begin(); main thread only
    bool lost;          // the device, as a submission or a wait has said

    pthread_mutex_t lock; // guards the list of what is kept
    struct e2e_kept *kept;
    size_t kept_count, kept_room;
};

struct e2e_device_params {
    const char *const *extensions; // the case is skipped if one of them is missing
    uint32_t extension_count;
    void *features;         // chain of extension feature structures, enabled as given
    bool capture_addresses; // bufferDeviceAddressCaptureReplay, if there is that
};

// Everything supported of the core features is enabled, except robustness and capture/replay.
void e2e_open(struct e2e *t, const struct e2e_device_params *params);
void e2e_open_instance(struct e2e *t);
void e2e_close(struct e2e *t);
bool e2e_has_extension(const struct e2e *t, const char *name);
// Skips the case below this version.
void e2e_need_version(const struct e2e *t, uint32_t version);

// -- results and checks --

// A function of an extension; ends the case if the driver lacks it.
PFN_vkVoidFunction e2e_function(const struct e2e *t, const char *name);
// Declares it: E2E_FUNCTION(t, CmdDrawMultiEXT); CmdDrawMultiEXT(commands, ...);
#define E2E_FUNCTION(t, name)                                                                      \
    const PFN_vk##name name = (PFN_vk##name)(void *)e2e_function((t), "vk" #name)

// Adds a line to the case's result.
void e2e_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Adds "LABEL: HASH" to the case's result.
void e2e_digest(const char *label, const void *bytes, size_t size);
_Noreturn void e2e_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void e2e_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void e2e_expect(const char *file, int line, const char *call, VkResult result, VkResult expected);

#define OK(call)               e2e_expect(__FILE__, __LINE__, #call, (call), VK_SUCCESS)
#define EXPECT(call, expected) e2e_expect(__FILE__, __LINE__, #call, (call), (expected))
#define CHECK(condition, ...)  ((condition) ? (void)0 : e2e_fail(__FILE__, __LINE__, __VA_ARGS__))

// Never NULL: ends the case instead.
void *e2e_alloc(size_t count, size_t size);

// Bytes that depend on `seed` and on the place, so that shifted or stale data is found.
void e2e_pattern_fill(void *bytes, size_t size, uint32_t seed);
void e2e_pattern_check(const void *bytes, size_t size, uint32_t seed, const char *what);

// A deterministic sequence of numbers.
uint32_t e2e_random(uint32_t *state);

// -- objects --

// Has the object destroyed when the case ends. Thread-safety: safe.
void e2e_keep(struct e2e *t, VkObjectType type, uint64_t handle);
#define KEEP(t, type, handle) e2e_keep((t), VK_OBJECT_TYPE_##type, (uint64_t)(uintptr_t)(handle))

// The first memory type in `bits` that has all of `flags`; UINT32_MAX if there is none.
uint32_t e2e_memory_type(const struct e2e *t, uint32_t bits, VkMemoryPropertyFlags flags);
// Kept. Skips the case if no type has the flags.
VkDeviceMemory e2e_memory(struct e2e *t, const VkMemoryRequirements *needs,
                          VkMemoryPropertyFlags flags);

enum {
    E2E_HOST = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    E2E_LOCAL = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
};

// `map` is set for host-visible memory. `memory` is NULL while nothing is bound.
struct e2e_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    VkDeviceSize size;
    void *map;
};

struct e2e_buffer e2e_buffer(struct e2e *t, VkDeviceSize size, VkBufferUsageFlags usage,
                             VkMemoryPropertyFlags flags);
// Host-visible, filled with `data` or with zeros if that is NULL.
struct e2e_buffer e2e_buffer_with(struct e2e *t, const void *data, VkDeviceSize size,
                                  VkBufferUsageFlags usage);
// Not kept, nothing bound.
VkBuffer e2e_buffer_bare(struct e2e *t, VkDeviceSize size, VkBufferUsageFlags usage);

struct e2e_image_params {
    VkFormat format;
    VkExtent3D extent; // height and depth 0: 1
    VkImageType type;  // as given if `typed`, else by the extent 2D or 3D
    bool typed;
    uint32_t levels, layers;       // 0: 1
    VkSampleCountFlagBits samples; // 0: 1
    VkImageTiling tiling;
    VkImageUsageFlags usage;
    VkImageCreateFlags flags;
    VkImageViewType view_type; // as given if `viewed`, else by type and layers
    bool viewed;
    VkImageAspectFlags view_aspect; // 0: all the format has
    VkMemoryPropertyFlags memory;
};

// `view` is NULL when the usage allows none.
struct e2e_image {
    VkImage handle;
    VkDeviceMemory memory;
    VkImageView view;
    VkFormat format;
    VkImageAspectFlags aspect;
    VkExtent3D extent;
    uint32_t levels, layers;
};

struct e2e_image e2e_image(struct e2e *t, const struct e2e_image_params *params);
VkImageAspectFlags e2e_format_aspect(VkFormat format);
// Bytes of a texel as copies to buffers see it; for one aspect if it is a depth/stencil format.
// 0 for a format the tests do not know.
uint32_t e2e_format_size(VkFormat format, VkImageAspectFlags aspect);
bool e2e_format_has(const struct e2e *t, VkFormat format, VkFormatFeatureFlags features);

VkSampler e2e_sampler(struct e2e *t, VkFilter filter, VkSamplerAddressMode address);

// -- commands --

VkCommandBuffer e2e_begin(struct e2e *t);
// Ends, submits, waits with a fence, frees.
void e2e_run(struct e2e *t, VkCommandBuffer commands);
// The same for work that may lose the device.
VkResult e2e_try_run(struct e2e *t, VkCommandBuffer commands);
// Everything before is visible to everything after, the host included.
void e2e_barrier(VkCommandBuffer commands);
// All levels and layers change layout, ordered against everything.
void e2e_layout(VkCommandBuffer commands, const struct e2e_image *image, VkImageLayout from,
                VkImageLayout to);
VkFence e2e_fence(struct e2e *t, VkFenceCreateFlags flags);

// Brings one level of all layers from a tightly packed buffer and back. The image must be in
// TRANSFER_DST_OPTIMAL, respectively TRANSFER_SRC_OPTIMAL.
void e2e_upload(VkCommandBuffer commands, const struct e2e_image *image, uint32_t level,
                const struct e2e_buffer *from);
void e2e_download(VkCommandBuffer commands, const struct e2e_image *image, uint32_t level,
                  VkImageAspectFlags aspect, const struct e2e_buffer *to);
VkExtent3D e2e_level_extent(const struct e2e_image *image, uint32_t level);
// Tightly packed size of one level of all layers.
VkDeviceSize e2e_level_size(const struct e2e_image *image, uint32_t level,
                            VkImageAspectFlags aspect);
// Reads one level back into a host buffer; the image is in `layout` before and after.
struct e2e_buffer e2e_read(struct e2e *t, const struct e2e_image *image, uint32_t level,
                           VkImageLayout layout);

// -- shaders --

struct e2e_code {
    const uint32_t *words;
    size_t size;
};

VkShaderModule e2e_module(struct e2e *t, struct e2e_code code);

// One descriptor: a buffer, an image or a texel view, as the type says.
struct e2e_binding {
    VkDescriptorType type;
    VkDescriptorBufferInfo buffer;
    VkDescriptorImageInfo image;
    VkBufferView texel;
};

struct e2e_binding e2e_bind_storage(const struct e2e_buffer *buffer);
struct e2e_binding e2e_bind_uniform(const struct e2e_buffer *buffer);
struct e2e_binding e2e_bind_sampled(VkImageView view, VkSampler sampler);
struct e2e_binding e2e_bind_image(VkImageView view); // storage image in GENERAL

// A descriptor set with its layout, and a pipeline layout of this set and push constants.
struct e2e_set {
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkDescriptorSet set;
};

struct e2e_set e2e_set(struct e2e *t, const struct e2e_binding *bindings, uint32_t count,
                       VkShaderStageFlags stages, uint32_t push_size);
// The parts of it for cases that need them otherwise; all kept. No set layout: push constants only.
VkDescriptorSetLayout e2e_set_layout(struct e2e *t, const VkDescriptorSetLayoutBinding *bindings,
                                     uint32_t count, VkDescriptorSetLayoutCreateFlags flags,
                                     const void *next);
VkPipelineLayout e2e_pipeline_layout(struct e2e *t, VkDescriptorSetLayout set_layout,
                                     VkShaderStageFlags stages, uint32_t push_size);
VkDescriptorPool e2e_pool(struct e2e *t, uint32_t sets, const VkDescriptorPoolSize *sizes,
                          uint32_t count, VkDescriptorPoolCreateFlags flags, const void *next);
void e2e_set_write(struct e2e *t, VkDescriptorSet set, uint32_t binding, uint32_t element,
                   const struct e2e_binding *value);

VkPipeline e2e_compute(struct e2e *t, struct e2e_code code, VkPipelineLayout layout,
                       const VkSpecializationInfo *constants);
// Binds pipeline and set for compute.
void e2e_use(VkCommandBuffer commands, VkPipeline pipeline, const struct e2e_set *set);

// -- drawing --

struct e2e_target_params {
    uint32_t width, height;
    VkFormat formats[4];           // colour; UNDEFINED ends the list
    VkFormat depth;                // UNDEFINED: none
    VkSampleCountFlagBits samples; // more than 1: the first colour is resolved
    uint32_t layers;               // 0: 1
    uint32_t view_mask;            // multiview
};

// Attachments with their render pass: cleared at its begin, colours end as TRANSFER_SRC_OPTIMAL.
struct e2e_target {
    struct e2e_image colour[4];
    struct e2e_image depth;
    struct e2e_image resolved; // only with samples
    uint32_t colour_count;
    VkExtent2D extent;
    uint32_t layers;
    VkSampleCountFlagBits samples;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
};

struct e2e_target e2e_target(struct e2e *t, const struct e2e_target_params *params);
// Clears to black, depth to 1, stencil to 0.
void e2e_target_begin(VkCommandBuffer commands, const struct e2e_target *target,
                      VkSubpassContents contents);
// Reads the first colour (resolved if there are samples), prints its digest under `label`.
struct e2e_buffer e2e_target_read(struct e2e *t, const struct e2e_target *target,
                                  const char *label);
// One texel of a tightly packed RGBA8 picture: 0xaabbggrr.
uint32_t e2e_pixel(const struct e2e_buffer *picture, const struct e2e_target *target, uint32_t x,
                   uint32_t y);

// What differs from: triangle list, no vertex buffers, no depth, no blending, no culling, viewport
// and scissor over the whole target.
struct e2e_pipeline_params {
    struct e2e_code vertex, control, evaluation, geometry, fragment;
    struct e2e_code task, mesh; // in the place of all but the fragment shader
    VkPipelineLayout layout;
    const VkVertexInputBindingDescription *bindings;
    uint32_t binding_count;
    const VkVertexInputAttributeDescription *attributes;
    uint32_t attribute_count;
    VkPrimitiveTopology topology; // as given if `assembled`
    bool assembled, restart;
    bool no_viewports; // their number is dynamic as well
    const VkPipelineDepthStencilStateCreateInfo *depth;
    const VkPipelineColorBlendAttachmentState *blend; // one per colour
    const VkPipelineRasterizationStateCreateInfo *raster;
    const VkDynamicState *dynamic;
    uint32_t dynamic_count;
    const VkSpecializationInfo *constants; // of the fragment shader
    const void *next;                      // of the create info
    const void *multisample_next;          // of the multisample state
    uint32_t subpass;
    VkPipelineCreateFlags flags;
    VkPipelineCache cache;
};

// `target` NULL: dynamic rendering, described by `next`, one colour, 64x64.
VkPipeline e2e_graphics(struct e2e *t, const struct e2e_target *target,
                        const struct e2e_pipeline_params *params);

#define E2E_ALL_CHANNELS                                                                           \
    (VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT | VK_COLOR_COMPONENT_B_BIT |              \
     VK_COLOR_COMPONENT_A_BIT)

// -- time and threads --

double e2e_seconds(void);
void e2e_sleep_ms(unsigned milliseconds);
pthread_t e2e_thread(void *(*run)(void *), void *argument);
void e2e_join(pthread_t thread);

#endif

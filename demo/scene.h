// What the demo draws: a knot of polished stone over a wet floor, with sparks around it.
//
//   once       stone.comp writes the texture, blits make its smaller levels
//   per frame  particles.comp moves the sparks
//              shadow pass (depth only), main pass (4 samples, resolved into a 16-bit float image)
//              bright, blur, blur, develop: glow, tone curve, vignette into an 8-bit picture
//
// scene.c makes the resources, pipelines.c the passes and pipelines, record.c the frames.
#ifndef DEMO_SCENE_H
#define DEMO_SCENE_H

#include "device.h"
#include "matrix.h"

enum {
    DEMO_SLOTS = 2, // frames in flight
    DEMO_PARTICLES = 1536,
    DEMO_SHADOW_SIZE = 1024,
    DEMO_STONE_SIZE = 512,
};

// The uniform block of frame.glsl.
struct demo_uniforms {
    struct mat4 view_projection;
    struct mat4 light_view_projection;
    float eye[4];
    float light[4];
    float right[4];
    float up[4];
    float forward[4];
};

struct demo_push_object {
    struct mat4 model;
    float shade[4];
};

struct demo_push_step {
    float seconds;
    uint32_t count;
};

struct demo_push_blur {
    int32_t along[2];
};

// Bindings of the one layout that all compute passes share.
enum { DEMO_BIND_SOURCE, DEMO_BIND_GLOW, DEMO_BIND_RESULT, DEMO_BIND_BUFFER, DEMO_BIND_COUNT };

// One descriptor set per compute pass.
enum demo_pass {
    DEMO_PASS_STONE,
    DEMO_PASS_PARTICLES,
    DEMO_PASS_BRIGHT,
    DEMO_PASS_BLUR_X,
    DEMO_PASS_BLUR_Y,
    DEMO_PASS_DEVELOP,
    DEMO_PASS_COUNT
};

enum demo_pipeline {
    DEMO_PIPELINE_SHADOW,
    DEMO_PIPELINE_SKY,
    DEMO_PIPELINE_KNOT,
    DEMO_PIPELINE_MIRROR,
    DEMO_PIPELINE_FLOOR,
    DEMO_PIPELINE_PARTICLE,
    DEMO_PIPELINE_COUNT
};

struct demo_scene {
    struct demo_device *device;
    VkExtent2D extent;

    struct demo_buffer knot_vertices, knot_indices;
    struct demo_buffer floor_vertices, floor_indices;
    uint32_t knot_index_count, floor_index_count;
    struct demo_buffer particles;
    struct demo_buffer uniforms; // one block per slot, mapped as long as it lives
    VkDeviceSize uniforms_stride;

    struct demo_texture stone;
    struct demo_texture shadow;
    struct demo_texture colour; // 4 samples
    struct demo_texture depth;  // 4 samples
    struct demo_texture resolved;
    struct demo_texture glow[2]; // a quarter of the size each way
    struct demo_texture picture;
    VkSampler stone_sampler, shadow_sampler, clamp_sampler;

    VkDescriptorSetLayout frame_layout, compute_layout;
    VkDescriptorPool descriptors;
    VkDescriptorSet frame_set;
    VkDescriptorSet compute_sets[DEMO_PASS_COUNT];

    VkRenderPass shadow_pass, main_pass;
    VkFramebuffer shadow_framebuffer, main_framebuffer;
    VkPipelineCache cache;
    VkPipelineLayout graphics_layout, dispatch_layout;
    VkPipeline graphics[DEMO_PIPELINE_COUNT];
    VkPipeline compute[DEMO_PASS_COUNT]; // both blur passes have one each
};

void demo_scene_init(struct demo_scene *scene, struct demo_device *device, VkExtent2D extent);
void demo_scene_finish(struct demo_scene *scene);

// pipelines.c: called by init and finish.
void demo_scene_pipelines_init(struct demo_scene *scene);
void demo_scene_pipelines_finish(struct demo_scene *scene);

// record.c: runs the passes that happen once.
void demo_scene_prepare(struct demo_scene *scene);

// Writes the uniform block of `slot` for frame `number`. The slot's last frame must have finished.
void demo_scene_update(struct demo_scene *scene, uint32_t slot, uint32_t number);

// Records a whole frame into `primary`; the main pass goes into `secondary`. Both are begun here.
void demo_scene_record(struct demo_scene *scene, uint32_t slot, uint32_t number,
                       VkCommandBuffer primary, VkCommandBuffer secondary, VkQueryPool timestamps);

// Copies the picture into host memory: width * height * 4 bytes.
void demo_scene_read(struct demo_scene *scene, uint8_t *pixels);

#endif

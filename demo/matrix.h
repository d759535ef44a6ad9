// 4x4 matrices and 3-vectors, column-major as GLSL has them; only what the demo needs.
#ifndef DEMO_MATRIX_H
#define DEMO_MATRIX_H

#include <math.h>

struct vec3 {
    float x, y, z;
};

struct mat4 {
    float m[16];
};

static inline struct vec3 vec3_add(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline struct vec3 vec3_sub(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline struct vec3 vec3_scale(struct vec3 a, float s)
{
    return (struct vec3){a.x * s, a.y * s, a.z * s};
}

static inline float vec3_dot(struct vec3 a, struct vec3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec3 vec3_cross(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline struct vec3 vec3_normalize(struct vec3 a)
{
    return vec3_scale(a, 1.0f / sqrtf(vec3_dot(a, a)));
}

static inline struct mat4 mat4_mul(const struct mat4 *a, const struct mat4 *b)
{
    struct mat4 r;
    for (int column = 0; column < 4; column++) {
        for (int row = 0; row < 4; row++) {
            float sum = 0.0f;
            for (int k = 0; k < 4; k++) {
                sum += a->m[k * 4 + row] * b->m[column * 4 + k];
            }
            r.m[column * 4 + row] = sum;
        }
    }
    return r;
}

// Rotation about y, then a move; `mirror` negates y, which gives the image in the floor.
static inline struct mat4 mat4_turn(float angle, struct vec3 move, int mirror)
{
    const float c = cosf(angle), s = sinf(angle), up = mirror ? -1.0f : 1.0f;
    return (struct mat4){{c, 0, -s, 0, 0, up, 0, 0, s, 0, c, 0, move.x, up * move.y, move.z, 1}};
}

// A camera at `eye` looking along `forward`; its axes come out as rows.
static inline struct mat4 mat4_view(struct vec3 eye, struct vec3 right, struct vec3 up,
                                    struct vec3 forward)
{
    return (struct mat4){{right.x, up.x, -forward.x, 0, right.y, up.y, -forward.y, 0, right.z, up.z,
                          -forward.z, 0, -vec3_dot(right, eye), -vec3_dot(up, eye),
                          vec3_dot(forward, eye), 1}};
}

// Vulkan's clip space: y down, depth 0 at `near_z`, 1 at `far_z`.
static inline struct mat4 mat4_perspective(float tan_half, float aspect, float near_z, float far_z)
{
    struct mat4 r = {{0}};
    r.m[0] = 1.0f / (tan_half * aspect);
    r.m[5] = -1.0f / tan_half;
    r.m[10] = far_z / (near_z - far_z);
    r.m[11] = -1.0f;
    r.m[14] = near_z * far_z / (near_z - far_z);
    return r;
}

static inline struct mat4 mat4_orthographic(float half, float near_z, float far_z)
{
    struct mat4 r = {{0}};
    r.m[0] = 1.0f / half;
    r.m[5] = -1.0f / half;
    r.m[10] = 1.0f / (near_z - far_z);
    r.m[14] = near_z / (near_z - far_z);
    r.m[15] = 1.0f;
    return r;
}

#endif

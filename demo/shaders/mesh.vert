#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;

layout(location = 0) out vec3 world;
layout(location = 1) out vec3 world_normal;
layout(location = 2) out vec2 out_uv;

layout(push_constant) uniform Object { mat4 model; vec4 shade; } object;

void main()
{
    vec4 p = object.model * vec4(position, 1.0);
    world = p.xyz;
    world_normal = mat3(object.model) * normal; // rotation and mirroring only, so no inverse
    out_uv = uv;
    gl_Position = frame.view_projection * p;
}

#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"

// One quad per particle, built from the vertex index; the particle comes as an instance.

layout(location = 0) in vec4 place;  // xyz: position, w: size
layout(location = 1) in vec4 motion; // xyz: velocity, w: phase of the colour

layout(location = 0) out vec2 uv;
layout(location = 1) out vec3 tint;

void main()
{
    const vec2 corners[6] = vec2[](vec2(-1, -1), vec2(1, -1), vec2(1, 1),
                                   vec2(-1, -1), vec2(1, 1), vec2(-1, 1));
    uv = corners[gl_VertexIndex];
    tint = mix(vec3(1.5, 0.62, 0.16), vec3(0.22, 0.62, 1.4), motion.w);
    vec3 p = place.xyz + (uv.x * frame.right.xyz + uv.y * frame.up.xyz) * place.w;
    gl_Position = frame.view_projection * vec4(p, 1.0);
}

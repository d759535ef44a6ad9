#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"

layout(location = 0) in vec3 position;
layout(push_constant) uniform Object { mat4 model; vec4 shade; } object;

void main()
{
    gl_Position = frame.light_view_projection * (object.model * vec4(position, 1.0));
}

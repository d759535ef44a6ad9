#version 450

layout(location = 0) in vec2 uv;
layout(location = 1) in vec3 tint;
layout(location = 0) out vec4 colour;

void main()
{
    float r2 = dot(uv, uv);
    colour = vec4(tint * exp(-5.0 * r2) * max(1.0 - r2, 0.0), 0.0);
}

#version 450
// Attributes of different formats from two bindings; the second one steps by instance.
layout(location = 0) in vec2 position;
layout(location = 1) in vec4 tint;       // 8-bit normalised
layout(location = 2) in ivec2 offset;    // 16-bit integers
layout(location = 3) in vec3 place;      // per instance
layout(location = 0) out vec4 colour;
void main()
{
    gl_Position = vec4(position * place.z + place.xy + vec2(offset) / 64.0, 0.5, 1.0);
    colour = tint;
}

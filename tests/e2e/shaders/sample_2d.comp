#version 450
// Samples a grid of places in and around the image, at a given level.
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform sampler2D image;
layout(set = 0, binding = 1, std430) writeonly buffer Result { vec4 result[]; };
layout(push_constant) uniform Push { float level; } push;
void main()
{
    uvec2 p = gl_GlobalInvocationID.xy;
    vec2 uv = vec2(p) / 32.0 * 3.0 - 1.0 + 1.0 / 128.0;
    result[p.y * 32u + p.x] = textureLod(image, uv, push.level);
}

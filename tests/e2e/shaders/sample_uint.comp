#version 450
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform usampler2D image;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uvec4 result[]; };
void main()
{
    uvec2 p = gl_GlobalInvocationID.xy;
    result[p.y * 16u + p.x] = texelFetch(image, ivec2(p), 0);
}

#version 450
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0, rgba8) uniform writeonly image2D picture;
layout(set = 0, binding = 1, r32ui) uniform uimage2D counter;
void main()
{
    ivec2 p = ivec2(gl_GlobalInvocationID.xy);
    if (all(lessThan(p, imageSize(picture)))) {
        imageStore(picture, p, vec4(p.x & 255, p.y & 255, (p.x ^ p.y) & 255, 255) / 255.0);
        imageAtomicAdd(counter, p / 16, 1u);
        imageAtomicMax(counter, ivec2(0, 15), uint(p.x * 1000 + p.y));
    }
}

#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer from;
layout(set = 0, binding = 1, r32ui) uniform uimageBuffer to;
void main()
{
    int i = int(gl_GlobalInvocationID.x);
    vec4 texel = texelFetch(from, i);
    imageStore(to, i, uvec4(packUnorm4x8(texel.wzyx)));
    imageAtomicAdd(to, textureSize(from), 1u);
}

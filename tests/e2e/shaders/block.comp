#version 450
// A function of every word of a uniform block.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std140) uniform Block { uvec4 words[4]; } block;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint result[]; };
void main()
{
    for (uint i = 0u; i < 16u; i++) {
        result[i] = block.words[i / 4u][i % 4u] * 3u + i;
    }
}

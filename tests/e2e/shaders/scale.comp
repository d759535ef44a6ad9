#version 450
// result[slot] = uniform block's value * 2, for dynamic offsets and many sets.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std140) uniform Block { uint value; } block;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint result; };
void main()
{
    result = block.value * 2u;
}

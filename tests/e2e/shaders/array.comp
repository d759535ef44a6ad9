#version 450
// Sums an array of uniform blocks.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std140) uniform Block { uint value; } blocks[8];
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint result[]; };
void main()
{
    result[0] = blocks[0].value;
    result[1] = blocks[1].value;
    result[2] = blocks[2].value;
    result[3] = blocks[3].value;
    result[4] = blocks[4].value;
    result[5] = blocks[5].value;
    result[6] = blocks[6].value;
    result[7] = blocks[7].value;
}

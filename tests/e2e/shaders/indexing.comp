#version 450
#extension GL_EXT_nonuniform_qualifier : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) writeonly buffer Result { uint result[]; };
layout(set = 0, binding = 1, std430) readonly buffer Table { uint value; } table[];
void main()
{
    uint i = gl_GlobalInvocationID.x;
    result[i] = table[nonuniformEXT((i * 7u) % 64u)].value;
}

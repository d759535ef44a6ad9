#version 450
// Notes which work groups have run, and how often.
layout(local_size_x = 4, local_size_y = 2) in;
layout(set = 0, binding = 0, std430) buffer Groups { uint ran[]; };
void main()
{
    uvec3 g = gl_WorkGroupID;
    atomicAdd(ran[(g.z * 16u + g.y) * 16u + g.x], 1u);
}

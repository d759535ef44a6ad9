#version 450
// Writes the arguments of an indirect dispatch.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std430) buffer Arguments { uint x; uint y; uint z; };
layout(push_constant) uniform Push { uint x; uint y; uint z; } push;
void main()
{
    x = push.x;
    y = push.y;
    z = push.z;
}

#version 450
// values[i] = values[i] * factor + i, so that every step shows.
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) buffer Values { uint values[]; };
layout(push_constant) uniform Push { uint factor; uint count; } push;
void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < push.count) {
        values[i] = values[i] * push.factor + i;
    }
}

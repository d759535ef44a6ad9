#version 450
// A loop no compiler can shorten much; the host knows its result by arithmetic.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std430) buffer Values { uint value; };
layout(push_constant) uniform Push { uint turns; } push;
void main()
{
    uint v = value;
    for (uint i = 0u; i < push.turns; i++) {
        v = v * 1664525u + 1013904223u;
    }
    value = v;
}

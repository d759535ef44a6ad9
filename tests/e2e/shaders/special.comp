#version 450
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint factor = 1u;
layout(constant_id = 2) const bool negate = false;
layout(constant_id = 3) const float scale = 1.0;
layout(constant_id = 4) const int offset = 0;
layout(set = 0, binding = 0, std430) writeonly buffer Values { int values[]; };
void main()
{
    uint i = gl_GlobalInvocationID.x;
    int v = int(float(i * factor) * scale) + offset;
    values[i] = negate ? -v : v;
}

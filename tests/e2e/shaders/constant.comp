#version 450
layout(local_size_x = 1) in;
layout(constant_id = 0) const uint slot = 0u;
layout(constant_id = 1) const uint value = 0u;
layout(set = 0, binding = 0, std430) buffer Values { uint values[]; };
void main()
{
    values[slot] = value * value + slot;
}

#version 450
// Sums of 256 values each, through shared memory.
layout(local_size_x = 256) in;
layout(set = 0, binding = 0, std430) readonly buffer Values { uint values[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Sums { uint sums[]; };
shared uint part[256];
void main()
{
    uint i = gl_LocalInvocationID.x;
    part[i] = values[gl_GlobalInvocationID.x];
    barrier();
    for (uint half_ = 128u; half_ > 0u; half_ >>= 1) {
        if (i < half_) {
            part[i] += part[i + half_];
        }
        barrier();
    }
    if (i == 0u) {
        sums[gl_WorkGroupID.x] = part[0];
    }
}

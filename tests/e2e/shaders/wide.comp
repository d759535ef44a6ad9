#version 450
#extension GL_ARB_gpu_shader_int64 : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) buffer Integers { uint64_t integers[]; };
layout(set = 0, binding = 1, std430) buffer Doubles { double doubles[]; };
void main()
{
    uint i = gl_GlobalInvocationID.x;
    integers[i] = integers[i] * 6364136223846793005ul + 1442695040888963407ul;
    doubles[i] = sqrt(doubles[i]) + double(i) / 3.0;
}

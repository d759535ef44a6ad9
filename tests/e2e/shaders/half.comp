#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) buffer Values { vec4 values[]; };
void main()
{
    uint i = gl_GlobalInvocationID.x;
    float16_t x = float16_t(values[i].x);
    values[i] = vec4(exp2(x), log2(x), sin(x), pow(x, float16_t(3)));
}

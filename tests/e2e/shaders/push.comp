#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std430) writeonly buffer Values { uvec4 values[]; };
layout(push_constant) uniform Push { uvec4 words[7]; uint slot; } push;
void main()
{
    for (uint i = 0u; i < 7u; i++) {
        values[push.slot * 7u + i] = push.words[i];
    }
}

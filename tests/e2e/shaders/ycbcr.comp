#version 450
layout(local_size_x = 16, local_size_y = 16) in;
layout(set = 0, binding = 0) uniform sampler2D planes;
layout(set = 0, binding = 1, std430) writeonly buffer Values { vec4 values[]; };
void main()
{
    uvec2 p = gl_GlobalInvocationID.xy;
    values[p.y * 16u + p.x] = textureLod(planes, (vec2(p) + 0.5) / 16.0, 0.0);
}

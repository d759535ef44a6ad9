#version 450
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform sampler2DArray image;
layout(set = 0, binding = 1, std430) writeonly buffer Result { vec4 result[]; };
void main()
{
    uvec3 p = gl_GlobalInvocationID;
    vec2 uv = (vec2(p.xy) + 0.5) / 16.0;
    result[(p.z * 16u + p.y) * 16u + p.x] = textureLod(image, vec3(uv, float(p.z)), 0.0);
}

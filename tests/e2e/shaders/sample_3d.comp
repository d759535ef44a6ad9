#version 450
layout(local_size_x = 4, local_size_y = 4, local_size_z = 4) in;
layout(set = 0, binding = 0) uniform sampler3D image;
layout(set = 0, binding = 1, std430) writeonly buffer Result { vec4 result[]; };
void main()
{
    uvec3 p = gl_GlobalInvocationID;
    result[(p.z * 16u + p.y) * 16u + p.x] = textureLod(image, (vec3(p) + 0.25) / 16.0, 0.0);
}

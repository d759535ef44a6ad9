#version 450
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform samplerCube image;
layout(set = 0, binding = 1, std430) writeonly buffer Result { vec4 result[]; };
void main()
{
    uvec3 p = gl_GlobalInvocationID;
    vec2 c = (vec2(p.xy) + 0.5) / 8.0 - 1.0;
    vec3 directions[6] = vec3[](vec3(1, -c.y, -c.x), vec3(-1, -c.y, c.x), vec3(c.x, 1, c.y),
                                vec3(c.x, -1, -c.y), vec3(c.x, -c.y, 1), vec3(-c.x, -c.y, -1));
    result[(p.z * 16u + p.y) * 16u + p.x] = textureLod(image, directions[p.z], 0.0);
}

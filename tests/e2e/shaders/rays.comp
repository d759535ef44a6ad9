#version 460
#extension GL_EXT_ray_query : require
// A parallel ray for each pixel of 64x64; where and what it hits.
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform accelerationStructureEXT scene;
layout(set = 0, binding = 1, std430) writeonly buffer Values { vec4 values[]; };
void main()
{
    uvec2 p = gl_GlobalInvocationID.xy;
    rayQueryEXT query;
    rayQueryInitializeEXT(query, scene, gl_RayFlagsOpaqueEXT, 0xff,
                          vec3((vec2(p) + 0.5) / 32.0 - 1.0, -1.0), 0.0, vec3(0, 0, 1), 10.0);
    while (rayQueryProceedEXT(query)) {
    }
    vec4 value = vec4(-1.0);
    if (rayQueryGetIntersectionTypeEXT(query, true) ==
        gl_RayQueryCommittedIntersectionTriangleEXT) {
        value = vec4(rayQueryGetIntersectionTEXT(query, true),
                     rayQueryGetIntersectionBarycentricsEXT(query, true),
                     float(rayQueryGetIntersectionInstanceCustomIndexEXT(query, true)));
    }
    values[p.y * 64u + p.x] = value;
}

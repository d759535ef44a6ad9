#version 460
#extension GL_EXT_ray_tracing : require
layout(location = 0) rayPayloadInEXT vec4 value;
void main()
{
    value = vec4(-1.0, gl_WorldRayOriginEXT);
}

#version 460
#extension GL_EXT_ray_tracing : require
layout(location = 0) rayPayloadInEXT vec4 value;
hitAttributeEXT vec2 place;
void main()
{
    value = vec4(gl_HitTEXT, place, float(gl_InstanceCustomIndexEXT));
}

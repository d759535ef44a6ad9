#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"

layout(location = 0) in vec2 ndc;
layout(location = 0) out vec4 colour;

float hash(vec2 p)
{
    p = fract(p * vec2(0.1031, 0.1137));
    p += dot(p, p.yx + 33.33);
    return fract((p.x + p.y) * p.x);
}

void main()
{
    vec3 d = normalize(frame.forward.xyz + frame.right.w * (frame.forward.w * ndc.x * frame.right.xyz -
                                                            ndc.y * frame.up.xyz));
    vec2 polar = vec2(atan(d.x, d.z), asin(d.y)) * 90.0;
    vec2 cell = floor(polar);
    vec2 centre = 0.25 + 0.5 * vec2(hash(cell), hash(cell + 17.0));
    float star = smoothstep(0.10, 0.0, length(polar - cell - centre));
    star *= step(0.90, hash(cell + 5.0)) * smoothstep(0.10, 0.45, d.y);
    colour = vec4(sky(d) + star * vec3(0.9, 0.95, 1.2), 1.0);
}

#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"
#include "shadow.glsl"

// A dark, wet floor: blended over the mirrored model, so that the alpha is what hides the mirror.

layout(location = 0) in vec3 world;
layout(location = 1) in vec3 world_normal;
layout(location = 2) in vec2 uv;
layout(location = 0) out vec4 colour;

void main()
{
    vec3 v = normalize(frame.eye.xyz - world);
    float distance_out = length(world.xz);

    // Rings around the model, as wide as a pixel at least.
    float ring = distance_out * 1.25;
    float line = abs(fract(ring) - 0.5) / max(fwidth(ring), 1e-4);
    float mark = (1.0 - smoothstep(0.6, 1.8, line)) * exp(-distance_out * 0.22);

    float shadow = lit(world, 0.3);
    vec3 base = vec3(0.014, 0.017, 0.027) + vec3(0.075, 0.050, 0.042) * shadow;
    base += mark * vec3(0.22, 0.13, 0.06) * (0.25 + 0.75 * shadow);

    float fresnel = pow(1.0 - max(v.y, 0.0), 5.0);
    vec3 mirror = sky(reflect(-v, vec3(0.0, 1.0, 0.0)));
    vec3 result = mix(base, mirror, 0.10 + 0.75 * fresnel);

    float haze = 1.0 - exp(-0.0035 * distance_out * distance_out);
    vec3 far = sky(normalize(vec3(-v.x, 0.0, -v.z)));
    colour = vec4(mix(result, far, haze), mix(0.72, 1.0, max(haze, fresnel)));
}

#version 450

// The darkroom: glow, tone curve, vignette, sRGB.

layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform sampler2D source;
layout(set = 0, binding = 1) uniform sampler2D glow;
layout(set = 0, binding = 2, rgba8) uniform writeonly image2D result;

void main()
{
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    ivec2 size = imageSize(result);
    if (any(greaterThanEqual(at, size))) {
        return;
    }
    vec2 uv = (vec2(at) + 0.5) / vec2(size);
    vec3 c = texelFetch(source, at, 0).rgb + 0.55 * textureLod(glow, uv, 0.0).rgb;

    vec2 centre = (uv - 0.5) * vec2(1.0, 0.85);
    c *= 1.0 - 0.80 * smoothstep(0.06, 0.80, dot(centre, centre) * 1.6);

    c = clamp((c * (2.51 * c + 0.03)) / (c * (2.43 * c + 0.59) + 0.14), 0.0, 1.0);
    c = mix(12.92 * c, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
    imageStore(result, at, vec4(c, 1.0));
}

#version 450

// First step of the glow: a quarter of the size, only what is brighter than white.

layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform sampler2D source;
layout(set = 0, binding = 2, rgba16f) uniform writeonly image2D result;

void main()
{
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(at, imageSize(result)))) {
        return;
    }
    ivec2 last = textureSize(source, 0) - 1;
    vec3 sum = vec3(0.0);
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4; x++) {
            vec3 c = texelFetch(source, min(at * 4 + ivec2(x, y), last), 0).rgb;
            sum += min(max(c - 0.9, 0.0), 6.0);
        }
    }
    imageStore(result, at, vec4(sum / 16.0, 1.0));
}

#version 450

// One direction of a Gaussian blur. A work group loads its row and the margins once.

const int radius = 12;
const int width = 64;

layout(local_size_x = width) in;
layout(set = 0, binding = 0) uniform sampler2D source;
layout(set = 0, binding = 2, rgba16f) uniform writeonly image2D result;
layout(push_constant) uniform Direction { ivec2 along; } direction;

shared vec3 row[width + 2 * radius];

void main()
{
    ivec2 along = direction.along;
    ivec2 across = 1 - along;
    int first = int(gl_WorkGroupID.x) * width;
    int line = int(gl_WorkGroupID.y);
    ivec2 last = textureSize(source, 0) - 1;

    for (int i = int(gl_LocalInvocationID.x); i < width + 2 * radius; i += width) {
        ivec2 at = along * (first + i - radius) + across * line;
        row[i] = texelFetch(source, clamp(at, ivec2(0), last), 0).rgb;
    }
    barrier();

    vec3 sum = vec3(0.0);
    float weights = 0.0;
    for (int i = -radius; i <= radius; i++) {
        float w = exp(-float(i * i) / 42.0);
        sum += w * row[int(gl_LocalInvocationID.x) + radius + i];
        weights += w;
    }
    ivec2 at = along * (first + int(gl_LocalInvocationID.x)) + across * line;
    if (all(lessThanEqual(at, last))) {
        imageStore(result, at, vec4(sum / weights, 1.0));
    }
}

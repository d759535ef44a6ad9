#version 450

// Writes the model's texture: dark blue stone (rgb) with golden veins (alpha). It tiles both ways.

layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 2, rgba8) uniform writeonly image2D result;

uint mixed(uvec2 p)
{
    uint h = p.x * 0x9e3779b9u ^ (p.y * 0x85ebca6bu + 0x27d4eb2fu);
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12)) * 0x297a2d39u;
    return h ^ (h >> 15);
}

float value(ivec2 p, int period)
{
    return float(mixed(uvec2((p % period + period) % period)) & 0xffffu) / 65535.0;
}

float noise(vec2 p, int period)
{
    ivec2 i = ivec2(floor(p));
    vec2 f = fract(p);
    vec2 s = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
    return mix(mix(value(i, period), value(i + ivec2(1, 0), period), s.x),
               mix(value(i + ivec2(0, 1), period), value(i + ivec2(1, 1), period), s.x), s.y);
}

float layers(vec2 uv, int period)
{
    float sum = 0.0, weight = 0.5;
    for (int i = 0; i < 5; i++) {
        sum += weight * noise(uv * float(period), period);
        period *= 2;
        weight *= 0.5;
    }
    return sum;
}

void main()
{
    ivec2 size = imageSize(result);
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (at.x >= size.x || at.y >= size.y) {
        return;
    }
    vec2 uv = (vec2(at) + 0.5) / vec2(size);

    float warp = layers(uv, 4);
    float clouds = layers(uv + 0.35 * warp, 6);
    float ridge = abs(layers(uv + 0.22 * vec2(warp, clouds), 3) - 0.48);
    float fine = abs(layers(uv + 0.15 * vec2(clouds, warp), 8) - 0.50);
    float vein = max(smoothstep(0.030, 0.008, ridge), 0.75 * smoothstep(0.012, 0.002, fine));

    vec3 stone = mix(vec3(0.010, 0.030, 0.085), vec3(0.035, 0.170, 0.255),
                     smoothstep(0.25, 0.75, clouds));
    stone = mix(stone, vec3(0.16, 0.36, 0.42), 0.5 * smoothstep(0.58, 0.85, warp));
    imageStore(result, at, vec4(stone, vein));
}

// Percentage-closer filtering over 4x4 taps; 1 is fully lit.

layout(set = 0, binding = 2) uniform sampler2DShadow shadow_map;

float lit(vec3 world, float slope)
{
    vec4 p = frame.light_view_projection * vec4(world, 1.0);
    vec2 uv = p.xy * 0.5 + 0.5;
    vec2 texel = 1.0 / vec2(textureSize(shadow_map, 0));
    float bias = 0.0012 + 0.0030 * slope;
    float sum = 0.0;
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4; x++) {
            vec2 offset = (vec2(x, y) - 1.5) * 1.35 * texel;
            sum += textureLod(shadow_map, vec3(uv + offset, p.z - bias), 0.0);
        }
    }
    return sum / 16.0;
}

// What every graphics shader of the demo shares: the frame's uniform block and the sky.

layout(set = 0, binding = 0, std140) uniform Frame {
    mat4 view_projection;
    mat4 light_view_projection;
    vec4 eye;           // xyz: camera position
    vec4 light;         // xyz: direction towards the key light
    vec4 right;         // xyz: camera axes in world space, w: tan of half the field of view
    vec4 up;
    vec4 forward;       // w: aspect ratio
} frame;

const vec3 horizon_colour = vec3(0.27, 0.105, 0.10);
const vec3 zenith_colour = vec3(0.010, 0.018, 0.060);

// The light that arrives from direction `d`: a dusk gradient. Everything that reflects uses it.
vec3 sky(vec3 d)
{
    float height = max(d.y, 0.0);
    float towards_light = max(dot(normalize(d.xz + 1e-4), normalize(frame.light.xz)), 0.0);
    vec3 colour = mix(horizon_colour * (0.35 + 0.65 * towards_light), zenith_colour,
                      pow(height, 0.36));
    return mix(colour, horizon_colour * 0.08, smoothstep(0.0, 0.5, -d.y));
}

// Two soft boxes as a photographer would hang them; seen in reflections only.
vec3 studio(vec3 d)
{
    vec3 key = frame.light.xyz;
    float disc = smoothstep(0.86, 0.985, dot(d, key));
    float strip = smoothstep(0.12, 0.02, abs(d.y - 0.30)) * smoothstep(0.35, 0.75, -dot(d, key));
    return sky(d) + vec3(3.4, 2.9, 2.3) * disc + vec3(0.5, 1.1, 2.3) * strip;
}

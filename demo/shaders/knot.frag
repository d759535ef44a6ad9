#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"
#include "shadow.glsl"

// Polished stone with gold veins: the texture's rgb is the base colour, its alpha the vein.

layout(set = 0, binding = 1) uniform sampler2D stone;
layout(push_constant) uniform Object { mat4 model; vec4 shade; } object;

layout(location = 0) in vec3 world;
layout(location = 1) in vec3 world_normal;
layout(location = 2) in vec2 uv;
layout(location = 0) out vec4 colour;

void main()
{
    vec4 texel = texture(stone, uv);
    float metal = smoothstep(0.10, 0.55, texel.a);
    vec3 n = normalize(world_normal);

    // The veins stand out of the stone a little: bend the normal along the texture's gradient.
    vec3 dpx = dFdx(world), dpy = dFdy(world);
    float hx = texture(stone, uv + dFdx(uv)).a - texel.a;
    float hy = texture(stone, uv + dFdy(uv)).a - texel.a;
    vec3 gradient = cross(dpy, n) * hx + cross(n, dpx) * hy;
    float area = dot(cross(dpx, dpy), n);
    n = normalize(n - 0.006 * gradient * sign(area) / max(abs(area), 1e-6));

    vec3 v = normalize(frame.eye.xyz - world);
    vec3 l = frame.light.xyz;
    vec3 h = normalize(l + v);
    float nv = max(dot(n, v), 0.0), nl = max(dot(n, l), 0.0);

    float roughness = mix(0.22, 0.34, metal);
    float a2 = pow(roughness, 4.0);
    float nh = max(dot(n, h), 0.0);
    float d = nh * nh * (a2 - 1.0) + 1.0;
    float specular = a2 / (3.1416 * d * d) * 0.25 / max(max(nl, nv), 0.1);

    vec3 f0 = mix(vec3(0.035), vec3(1.0, 0.72, 0.32), metal);
    vec3 fresnel = f0 + (1.0 - f0) * 0.75 * pow(1.0 - nv, 5.0);
    float light = nl > 0.0 ? nl * lit(world, 1.0 - nl) : 0.0;

    vec3 diffuse = mix(texel.rgb, vec3(0.42, 0.24, 0.06), metal);
    vec3 ambient = sky(n) * 1.3 + vec3(0.06, 0.08, 0.13);
    vec3 reflected = studio(reflect(-v, n));
    vec3 result = diffuse * (ambient + light * vec3(3.1, 2.5, 1.9));
    result += fresnel * (reflected * 0.9 + specular * light * vec3(3.1, 2.5, 1.9));
    colour = vec4(result * object.shade.rgb, 1.0);
}

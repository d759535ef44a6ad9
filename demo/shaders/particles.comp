#version 450

// Moves the particles: each is drawn to a ring around the model and swirls along it.

layout(local_size_x = 64) in;

struct Particle {
    vec4 place;
    vec4 motion;
};

layout(set = 0, binding = 3, std430) buffer Particles { Particle particles[]; };
layout(push_constant) uniform Step { float seconds; uint count; } step_;

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= step_.count) {
        return;
    }
    Particle p = particles[i];
    vec3 x = p.place.xyz;
    vec3 v = p.motion.xyz;

    float band = float(i & 15u) / 15.0;
    vec3 centre = vec3(0.0, 1.75, 0.0);
    vec3 from = x - centre;
    vec2 outward = normalize(from.xz + 1e-5);
    float radius = 2.5 + 1.0 * band;
    vec3 goal = vec3(outward.x * radius, (band - 0.5) * 1.9 + 0.4 * sin(3.0 * atan(from.z, from.x)),
                     outward.y * radius);
    vec3 swirl = vec3(-outward.y, 0.0, outward.x) * (1.5 - 0.6 * band);

    vec3 force = 2.2 * (goal - from) + 1.6 * (swirl - v);
    v += force * step_.seconds;
    x += v * step_.seconds;
    x.y = max(x.y, 0.03);
    particles[i] = Particle(vec4(x, p.place.w), vec4(v, p.motion.w));
}

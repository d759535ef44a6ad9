#version 450
// A rectangle in normalised coordinates, with a depth and a colour, from push constants.
layout(push_constant) uniform Push { vec4 area; vec4 colour; float depth; } push;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec2 uv;
void main()
{
    const vec2 corners[6] = vec2[](vec2(0, 0), vec2(1, 0), vec2(0, 1),
                                   vec2(0, 1), vec2(1, 0), vec2(1, 1));
    uv = corners[gl_VertexIndex];
    gl_Position = vec4(mix(push.area.xy, push.area.zw, uv), push.depth, 1.0);
    colour = push.colour;
}

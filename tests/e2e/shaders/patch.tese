#version 450
layout(triangles, equal_spacing, ccw) in;
layout(location = 0) in vec4 colour_in[];
layout(location = 0) out vec4 colour;
void main()
{
    vec3 c = gl_TessCoord;
    vec4 p = c.x * gl_in[0].gl_Position + c.y * gl_in[1].gl_Position + c.z * gl_in[2].gl_Position;
    gl_Position = vec4(p.xy * (1.0 + 0.1 * c.x * c.y), p.zw);
    colour = c.x * colour_in[0] + c.y * colour_in[1] + c.z * colour_in[2];
}

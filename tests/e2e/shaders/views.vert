#version 450
#extension GL_EXT_multiview : require
layout(location = 0) out vec4 colour;
void main()
{
    const vec2 corners[3] = vec2[](vec2(0.0, -0.9), vec2(0.9, 0.9), vec2(-0.9, 0.9));
    vec2 p = corners[gl_VertexIndex] * (1.0 - 0.25 * float(gl_ViewIndex));
    gl_Position = vec4(p, 0.5, 1.0);
    colour = vec4(float(gl_ViewIndex) / 3.0, 1.0, float(gl_VertexIndex) / 2.0, 1.0);
}

#version 450
// Eight places on a circle, for every topology.
layout(location = 0) out vec4 colour;
void main()
{
    float angle = float(gl_VertexIndex) * 0.7853981634 + 0.3;
    gl_Position = vec4(cos(angle) * 0.8, sin(angle) * 0.8, 0.5, 1.0);
    gl_PointSize = 5.0;
    colour = vec4(float(gl_VertexIndex) / 8.0, 1.0, 0.5, 1.0);
}

#version 450

layout(location = 0) out vec2 ndc;

void main()
{
    vec2 corner = vec2(gl_VertexIndex == 1 ? 3.0 : -1.0, gl_VertexIndex == 2 ? 3.0 : -1.0);
    ndc = corner;
    gl_Position = vec4(corner, 1.0, 1.0);
}

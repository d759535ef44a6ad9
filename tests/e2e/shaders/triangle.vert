#version 450
// One large triangle; the colours are in the corners. Instances stand side by side.
layout(location = 0) out vec4 colour;
void main()
{
    const vec2 corners[3] = vec2[](vec2(0.0, -0.9), vec2(0.9, 0.9), vec2(-0.9, 0.9));
    gl_Position = vec4(corners[gl_VertexIndex], 0.5, 1.0);
    colour = vec4(gl_VertexIndex == 0, gl_VertexIndex == 1, gl_VertexIndex == 2, 1.0);
}

#version 450
layout(location = 0, xfb_buffer = 0, xfb_stride = 32, xfb_offset = 16) out vec4 colour;
layout(xfb_buffer = 0, xfb_stride = 32, xfb_offset = 0) out gl_PerVertex { vec4 gl_Position; };
void main()
{
    gl_Position = vec4(float(gl_VertexIndex % 3) - 1.0, float(gl_VertexIndex) / 6.0, 0.5, 1.0);
    colour = vec4(gl_VertexIndex, 2.0, 3.0, 1.0);
}

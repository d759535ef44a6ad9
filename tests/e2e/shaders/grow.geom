#version 450
layout(points) in;
layout(triangle_strip, max_vertices = 4) out;
layout(location = 0) in vec4 colour_in[];
layout(location = 0) out vec4 colour;
void main()
{
    for (int i = 0; i < 4; i++) {
        gl_Position = gl_in[0].gl_Position + vec4((i & 1) * 0.2, (i >> 1) * 0.2, 0.0, 0.0);
        colour = colour_in[0];
        EmitVertex();
    }
    EndPrimitive();
}

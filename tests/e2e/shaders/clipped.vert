#version 450
out gl_PerVertex { vec4 gl_Position; float gl_ClipDistance[2]; };
layout(location = 0) out vec4 colour;
void main()
{
    vec2 corner = vec2(gl_VertexIndex == 1 ? 3.0 : -1.0, gl_VertexIndex == 2 ? 3.0 : -1.0);
    gl_Position = vec4(corner, 0.5, 1.0);
    gl_ClipDistance[0] = corner.x + 0.5;
    gl_ClipDistance[1] = 0.5 - corner.y;
    colour = vec4(0.0, 1.0, 1.0, 1.0);
}

#version 450
// An 8x8 grid of cells, one per instance; the vertex count decides the shape.
layout(location = 0) out vec4 colour;
void main()
{
    const vec2 corners[6] = vec2[](vec2(0, 0), vec2(1, 0), vec2(0, 1),
                                   vec2(0, 1), vec2(1, 0), vec2(1, 1));
    vec2 cell = vec2(gl_InstanceIndex % 8, gl_InstanceIndex / 8);
    gl_Position = vec4((cell + corners[gl_VertexIndex % 6]) / 4.0 - 1.0, 0.5, 1.0);
    colour = vec4(cell / 8.0, gl_InstanceIndex == 0 ? 1.0 : 0.5, 1.0);
}

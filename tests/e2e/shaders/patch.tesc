#version 450
layout(vertices = 3) out;
layout(location = 0) in vec4 colour_in[];
layout(location = 0) out vec4 colour[];
void main()
{
    gl_out[gl_InvocationID].gl_Position = gl_in[gl_InvocationID].gl_Position;
    colour[gl_InvocationID] = colour_in[gl_InvocationID];
    gl_TessLevelInner[0] = 5.0;
    gl_TessLevelOuter[0] = 3.0;
    gl_TessLevelOuter[1] = 4.0;
    gl_TessLevelOuter[2] = 5.0;
}

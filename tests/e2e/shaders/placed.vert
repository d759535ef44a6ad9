#version 450
// Positions and colours from one buffer.
layout(location = 0) in vec2 position;
layout(location = 1) in vec4 tint;
layout(location = 0) out vec4 colour;
void main()
{
    gl_Position = vec4(position, 0.5, 1.0);
    colour = tint;
}

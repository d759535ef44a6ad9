#version 450
// A triangle without area: drawing it costs the driver little.
layout(push_constant) uniform Push { vec4 place; };
layout(location = 0) in vec4 vertex;
void main()
{
    gl_Position = place + vertex * 0.0;
}

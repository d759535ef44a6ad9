#version 450
layout(location = 0) in vec4 colour;
layout(location = 0) out vec4 first;
layout(location = 1) out uvec4 second;
layout(location = 2) out vec4 third;
void main()
{
    first = colour;
    second = uvec4(gl_FragCoord.xy, 7u, 9u);
    third = colour.wzyx * 100.0;
}

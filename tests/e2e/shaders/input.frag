#version 450
layout(input_attachment_index = 0, set = 0, binding = 0) uniform subpassInput before;
layout(location = 0) in vec4 colour;
layout(location = 0) out vec4 result;
void main()
{
    result = vec4(1.0) - subpassLoad(before).zyxw + vec4(0.0, 0.0, 0.0, 1.0);
}

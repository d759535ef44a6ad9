#version 450
layout(constant_id = 0) const float red = 0.0;
layout(constant_id = 1) const bool green = false;
layout(constant_id = 2) const int steps = 1;
layout(location = 0) in vec4 colour;
layout(location = 0) out vec4 result;
void main()
{
    float blue = 0.0;
    for (int i = 0; i < steps; i++) {
        blue += 1.0 / 8.0;
    }
    result = vec4(red, green ? 1.0 : 0.0, blue, 1.0);
}

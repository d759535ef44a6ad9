#version 450
// Images and samplers in bindings of their own.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) uniform texture2D image;
layout(set = 0, binding = 1) uniform sampler nearest;
layout(set = 0, binding = 2, std430) writeonly buffer Result { vec4 result[]; };
void main()
{
    for (int i = 0; i < 4; i++) {
        result[i] = textureLod(sampler2D(image, nearest), vec2(float(i) + 0.5, 0.5) / 4.0, 0.0);
    }
}

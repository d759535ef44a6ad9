#version 450
// C = A * B for square matrices of floats.
layout(local_size_x = 16, local_size_y = 16) in;
layout(constant_id = 0) const uint SIZE = 64;
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) writeonly buffer C { float c[]; };
void main()
{
    uint row = gl_GlobalInvocationID.y, column = gl_GlobalInvocationID.x;
    float sum = 0.0;
    for (uint i = 0; i < SIZE; i++) {
        sum += a[row * SIZE + i] * b[i * SIZE + column];
    }
    c[row * SIZE + column] = sum;
}

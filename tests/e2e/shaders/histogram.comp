#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) readonly buffer Values { uint values[]; };
layout(set = 0, binding = 1, std430) buffer Result {
    uint least;
    uint most;
    uint ored;
    uint tickets; // counted by compare and swap
    uint bins[256];
};
void main()
{
    uint v = values[gl_GlobalInvocationID.x];
    atomicAdd(bins[v & 255u], 1u);
    atomicMin(least, v);
    atomicMax(most, v);
    atomicOr(ored, v);
    uint seen = atomicAdd(tickets, 0u);
    while (true) {
        uint was = atomicCompSwap(tickets, seen, seen + 1u);
        if (was == seen) {
            break;
        }
        seen = was;
    }
}

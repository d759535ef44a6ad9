#version 450
#extension GL_EXT_buffer_reference : require
// Walks a linked list by buffer addresses.
layout(local_size_x = 1) in;
layout(buffer_reference) buffer Node;
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Node {
    Node next;
    uint value;
    uint visited;
};
layout(set = 0, binding = 0, std430) buffer Result { uint sum; uint count; };
layout(push_constant) uniform Push { Node first; uint nodes; } push;
void main()
{
    Node node = push.first;
    for (uint i = 0u; i < push.nodes; i++) {
        sum = sum * 31u + node.value;
        node.visited = i + 1u;
        count++;
        node = node.next;
    }
}

// The model: a torus knot as an indexed triangle list.
#ifndef DEMO_MESH_H
#define DEMO_MESH_H

#include <stdint.h>

struct demo_vertex {
    float position[3];
    float normal[3];
    float uv[2];
};

// Owns both arrays; freed by demo_mesh_finish().
struct demo_mesh {
    struct demo_vertex *vertices;
    uint32_t *indices;
    uint32_t vertex_count;
    uint32_t index_count;
};

// Winds a tube of `sides` corners in `rings` steps along a (2, 3) torus knot.
void demo_mesh_knot(struct demo_mesh *mesh, uint32_t rings, uint32_t sides);

// A square of half the side length `half` at y = 0.
void demo_mesh_floor(struct demo_mesh *mesh, float half);

void demo_mesh_finish(struct demo_mesh *mesh);

#endif

#include "mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "matrix.h"

#define TAU 6.28318530717958647692f

static void mesh_init(struct demo_mesh *mesh, uint32_t vertex_count, uint32_t index_count)
{
    *mesh = (struct demo_mesh){
        .vertices = calloc(vertex_count, sizeof(*mesh->vertices)),
        .indices = calloc(index_count, sizeof(*mesh->indices)),
        .vertex_count = vertex_count,
        .index_count = index_count,
    };
    if (!mesh->vertices || !mesh->indices) {
        fprintf(stderr, "pv-demo: out of memory\n");
        exit(1);
    }
}

static struct vec3 knot_point(float t)
{
    const float radius = 1.15f + 0.42f * cosf(3.0f * t);
    return (struct vec3){radius * cosf(2.0f * t), 0.62f * sinf(3.0f * t), radius * sinf(2.0f * t)};
}

void demo_mesh_knot(struct demo_mesh *mesh, uint32_t rings, uint32_t sides)
{
    const float tube = 0.31f;
    // One ring and one side more than there are faces, so that the texture's seam has its own uv.
    mesh_init(mesh, (rings + 1) * (sides + 1), rings * sides * 6);

    for (uint32_t i = 0; i <= rings; i++) {
        const float t = TAU * (float)(i % rings) / (float)rings;
        const struct vec3 centre = knot_point(t);
        const struct vec3 ahead = knot_point(t + 0.002f);
        const struct vec3 tangent = vec3_normalize(vec3_sub(ahead, centre));
        // The curve never passes the origin, so the sum of two neighbours is a steady reference.
        const struct vec3 side = vec3_normalize(vec3_cross(tangent, vec3_add(ahead, centre)));
        const struct vec3 out = vec3_cross(side, tangent);
        for (uint32_t j = 0; j <= sides; j++) {
            const float a = TAU * (float)(j % sides) / (float)sides;
            const struct vec3 n = vec3_add(vec3_scale(side, sinf(a)), vec3_scale(out, cosf(a)));
            const struct vec3 p = vec3_add(centre, vec3_scale(n, tube));
            mesh->vertices[i * (sides + 1) + j] = (struct demo_vertex){
                {p.x, p.y, p.z},
                {n.x, n.y, n.z},
                {6.0f * (float)i / (float)rings, (float)j / (float)sides},
            };
        }
    }

    uint32_t *index = mesh->indices;
    for (uint32_t i = 0; i < rings; i++) {
        for (uint32_t j = 0; j < sides; j++) {
            const uint32_t a = i * (sides + 1) + j, b = a + sides + 1;
            const uint32_t corners[6] = {a, b, a + 1, a + 1, b, b + 1};
            for (int k = 0; k < 6; k++) {
                *index++ = corners[k];
            }
        }
    }
}

void demo_mesh_floor(struct demo_mesh *mesh, float half)
{
    static const uint32_t corners[6] = {0, 2, 1, 1, 2, 3};
    mesh_init(mesh, 4, 6);
    for (uint32_t i = 0; i < 4; i++) {
        const float x = i & 1 ? 1.0f : -1.0f, z = i & 2 ? 1.0f : -1.0f;
        mesh->vertices[i] = (struct demo_vertex){
            {x * half, 0.0f, z * half}, {0.0f, 1.0f, 0.0f}, {x * 0.5f + 0.5f, z * 0.5f + 0.5f}};
    }
    for (uint32_t i = 0; i < 6; i++) {
        mesh->indices[i] = corners[i];
    }
}

void demo_mesh_finish(struct demo_mesh *mesh)
{
    free(mesh->vertices);
    free(mesh->indices);
    *mesh = (struct demo_mesh){0};
}

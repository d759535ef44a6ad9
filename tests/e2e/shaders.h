// The SPIR-V of shaders/*, by name: CODE(add_comp) is shaders/add.comp.
#ifndef E2E_SHADERS_H
#define E2E_SHADERS_H

#include "harness.h"

#define CODE(name) e2e_shader_##name

// clang-format off
#define E2E_SHADERS(ONE) \
    ONE(add_comp) \
    ONE(address_comp) \
    ONE(arguments_comp) \
    ONE(array_comp) \
    ONE(attributes_vert) \
    ONE(block_comp) \
    ONE(camera_rgen) \
    ONE(captured_vert) \
    ONE(cells_mesh) \
    ONE(cells_task) \
    ONE(clipped_vert) \
    ONE(colour_frag) \
    ONE(constant_comp) \
    ONE(groups_comp) \
    ONE(grow_geom) \
    ONE(half_comp) \
    ONE(histogram_comp) \
    ONE(indexing_comp) \
    ONE(input_frag) \
    ONE(instances_vert) \
    ONE(nothing_rmiss) \
    ONE(paint_comp) \
    ONE(patch_tesc) \
    ONE(patch_tese) \
    ONE(placed_vert) \
    ONE(plain_mesh) \
    ONE(push_comp) \
    ONE(quad_vert) \
    ONE(rays_comp) \
    ONE(reduce_comp) \
    ONE(sample_2d_comp) \
    ONE(sample_3d_comp) \
    ONE(sample_array_comp) \
    ONE(sample_cube_comp) \
    ONE(sample_uint_comp) \
    ONE(scale_comp) \
    ONE(separate_comp) \
    ONE(shape_vert) \
    ONE(special_comp) \
    ONE(special_frag) \
    ONE(spin_comp) \
    ONE(subgroup_comp) \
    ONE(surface_rchit) \
    ONE(targets_frag) \
    ONE(texel_comp) \
    ONE(textured_frag) \
    ONE(triangle_vert) \
    ONE(views_vert) \
    ONE(wide_comp) \
    ONE(ycbcr_comp)
// clang-format on

#define ONE(name) extern const struct e2e_code e2e_shader_##name;
E2E_SHADERS(ONE)
#undef ONE

#endif

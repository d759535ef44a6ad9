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
    ONE(colour_frag) \
    ONE(groups_comp) \
    ONE(histogram_comp) \
    ONE(indexing_comp) \
    ONE(paint_comp) \
    ONE(push_comp) \
    ONE(quad_vert) \
    ONE(reduce_comp) \
    ONE(sample_2d_comp) \
    ONE(sample_3d_comp) \
    ONE(sample_array_comp) \
    ONE(sample_cube_comp) \
    ONE(sample_uint_comp) \
    ONE(scale_comp) \
    ONE(special_comp) \
    ONE(spin_comp) \
    ONE(subgroup_comp) \
    ONE(texel_comp) \
    ONE(triangle_vert) \
    ONE(wide_comp)
// clang-format on

#define ONE(name) extern const struct e2e_code e2e_shader_##name;
E2E_SHADERS(ONE)
#undef ONE

#endif

#include "shaders.h"

#include "e2e_add_comp.h"
#include "e2e_address_comp.h"
#include "e2e_arguments_comp.h"
#include "e2e_colour_frag.h"
#include "e2e_groups_comp.h"
#include "e2e_histogram_comp.h"
#include "e2e_indexing_comp.h"
#include "e2e_paint_comp.h"
#include "e2e_push_comp.h"
#include "e2e_quad_vert.h"
#include "e2e_reduce_comp.h"
#include "e2e_sample_2d_comp.h"
#include "e2e_sample_3d_comp.h"
#include "e2e_sample_array_comp.h"
#include "e2e_sample_cube_comp.h"
#include "e2e_sample_uint_comp.h"
#include "e2e_scale_comp.h"
#include "e2e_special_comp.h"
#include "e2e_spin_comp.h"
#include "e2e_subgroup_comp.h"
#include "e2e_texel_comp.h"
#include "e2e_triangle_vert.h"
#include "e2e_wide_comp.h"

#define ONE(name) const struct e2e_code e2e_shader_##name = {name, sizeof(name)};
E2E_SHADERS(ONE)
#undef ONE

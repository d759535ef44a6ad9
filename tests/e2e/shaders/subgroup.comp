#version 450
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_vote : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) writeonly buffer Result { uvec4 result[]; };
void main()
{
    uint i = gl_LocalInvocationID.x;
    uvec4 ballot = subgroupBallot((i & 3u) == 1u);
    uint first = subgroupBroadcastFirst(i);
    bool all_ = subgroupAll(i < 64u);
    result[i] = uvec4(subgroupBallotBitCount(ballot), first, all_ ? 1u : 0u, gl_SubgroupSize);
}

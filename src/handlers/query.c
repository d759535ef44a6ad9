// Query results: the driver writes them by stride and trusts the size of the buffer. What one
// query writes depends on the pool, so pools remember it.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

// The values that one query writes, availability aside. 0: its results cannot be bounded here.
static uint32_t values_of(const VkQueryPoolCreateInfo *info)
{
    switch ((int)info->queryType) {
    case VK_QUERY_TYPE_OCCLUSION:
    case VK_QUERY_TYPE_TIMESTAMP:
    case VK_QUERY_TYPE_PRIMITIVES_GENERATED_EXT:
    case VK_QUERY_TYPE_ACCELERATION_STRUCTURE_COMPACTED_SIZE_KHR:
    case VK_QUERY_TYPE_ACCELERATION_STRUCTURE_SERIALIZATION_SIZE_KHR:
    case VK_QUERY_TYPE_ACCELERATION_STRUCTURE_SIZE_KHR:
    case VK_QUERY_TYPE_ACCELERATION_STRUCTURE_SERIALIZATION_BOTTOM_LEVEL_POINTERS_KHR:
    case VK_QUERY_TYPE_MESH_PRIMITIVES_GENERATED_EXT:
        return 1;
    case VK_QUERY_TYPE_TRANSFORM_FEEDBACK_STREAM_EXT:
        return 2; // primitives written and needed
    case VK_QUERY_TYPE_PIPELINE_STATISTICS:
        return (uint32_t)__builtin_popcount(info->pipelineStatistics);
    default:
        return 0;
    }
}

void pv_handle_vkCreateQueryPool(struct pv_stream *s, struct pv_cmd_vkCreateQueryPool *cmd)
{
    struct pv_query_pool *pool = pv_object_new(s, sizeof(*pool), VK_OBJECT_TYPE_QUERY_POOL,
                                               cmd->pQueryPool_id, 0, cmd->device_obj);
    if (!pool) {
        return;
    }
    pool->query_count = cmd->pCreateInfo->queryCount;
    pool->value_count = values_of(cmd->pCreateInfo);
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateQueryPool(cmd->device, cmd->pCreateInfo, NULL, cmd->pQueryPool);
    pv_stream_created_object(s, &pool->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pQueryPool : 0,
                             cmd->device_obj);
}

// Whether `size` bytes hold what `count` queries write.
static bool results_fit(const struct pv_query_pool *pool, uint32_t count, uint64_t stride,
                        VkQueryResultFlags flags, uint64_t size)
{
    if (count == 0) {
        return true;
    }
    const uint64_t element = flags & VK_QUERY_RESULT_64_BIT ? sizeof(uint64_t) : sizeof(uint32_t);
    const uint32_t availability = flags & VK_QUERY_RESULT_WITH_AVAILABILITY_BIT ? 1 : 0;
    const uint64_t last = element * (pool->value_count + availability);
    uint64_t before;
    return pool->value_count && last <= size &&
           !__builtin_mul_overflow((uint64_t)(count - 1), stride, &before) && before <= size - last;
}

void pv_handle_vkGetQueryPoolResults(struct pv_stream *s, struct pv_cmd_vkGetQueryPoolResults *cmd)
{
    // Of the flags these make the driver write what is bounded above; WAIT would block the ring,
    // and guests poll.
    const VkQueryResultFlags known = VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT |
                                     VK_QUERY_RESULT_WITH_AVAILABILITY_BIT |
                                     VK_QUERY_RESULT_PARTIAL_BIT;
    const struct pv_query_pool *pool = (const struct pv_query_pool *)cmd->queryPool_obj;
    if (cmd->firstQuery > pool->query_count ||
        cmd->queryCount > pool->query_count - cmd->firstQuery) {
        pv_stream_fail(s, "the pool has fewer queries");
        return;
    }
    if (cmd->flags & ~known ||
        !results_fit(pool, cmd->queryCount, cmd->stride, cmd->flags, cmd->pData_count)) {
        pv_stream_fail(s, "the query results do not fit");
        return;
    }
    cmd->ret =
        pv_device_functions_of(cmd->device_obj)
            ->vkGetQueryPoolResults(cmd->device, cmd->queryPool, cmd->firstQuery, cmd->queryCount,
                                    cmd->pData_count, cmd->pData, cmd->stride,
                                    cmd->flags & ~(VkQueryResultFlags)VK_QUERY_RESULT_WAIT_BIT);
}

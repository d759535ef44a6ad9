// Query results: the driver writes them by stride and trusts the size of the buffer.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

void pv_handle_vkGetQueryPoolResults(struct pv_stream *s, struct pv_cmd_vkGetQueryPoolResults *cmd)
{
    const uint64_t element = cmd->flags & VK_QUERY_RESULT_64_BIT ? 8 : 4;
    // A query writes at least one value, with availability two; pipeline statistics and the like
    // write more, and then the guest has chosen the stride accordingly.
    const uint64_t last = element * (cmd->flags & VK_QUERY_RESULT_WITH_AVAILABILITY_BIT ? 2 : 1);
    const uint64_t stride = cmd->queryCount > 1 && cmd->stride > last ? cmd->stride : last;
    uint64_t needed = 0;
    if (cmd->queryCount && (__builtin_mul_overflow((uint64_t)cmd->queryCount, stride, &needed) ||
                            needed > cmd->pData_count + (stride - last))) {
        pv_stream_fail(s, "the query results do not fit");
        return;
    }
    // Room for what one query of any type may write behind the last stride.
    const uint64_t slack = 16 * sizeof(uint64_t);
    uint8_t *data = pv_decode_alloc(&s->decoder, cmd->pData_count + slack, 1, true);
    if (!data) {
        return;
    }
    cmd->ret =
        pv_device_functions_of(cmd->device_obj)
            ->vkGetQueryPoolResults(cmd->device, cmd->queryPool, cmd->firstQuery, cmd->queryCount,
                                    cmd->pData_count, data, cmd->stride,
                                    cmd->flags & ~(VkQueryResultFlags)VK_QUERY_RESULT_WAIT_BIT);
    cmd->pData = data;
}

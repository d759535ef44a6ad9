// Buffers: the transfer commands, views of their life, and many of them.

#include <stdlib.h>
#include <string.h>

#include "cases.h"

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

// Many regions of odd sizes at odd places, in one command.
void case_buffer_copy_regions(struct e2e *t)
{
    enum { SIZE = 1 << 16, REGIONS = 300 };
    e2e_open(t, NULL);
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, SIZE, copies);
    unsigned char *expected = e2e_alloc(SIZE, 1);
    VkBufferCopy regions[REGIONS];
    uint32_t state = 1;
    e2e_pattern_fill(from.map, SIZE, 1);
    for (uint32_t i = 0; i < REGIONS; i++) { // destinations must not overlap
        const VkDeviceSize slot = SIZE / REGIONS;
        const VkDeviceSize size = e2e_random(&state) % slot + 1;
        regions[i] = (VkBufferCopy){e2e_random(&state) % (SIZE - size), i * slot, size};
        memcpy(expected + regions[i].dstOffset, (char *)from.map + regions[i].srcOffset, size);
    }
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from.handle, to.handle, REGIONS, regions);
    e2e_run(t, commands);
    CHECK(!memcmp(to.map, expected, SIZE), "copied bytes differ");
    free(expected);
    e2e_digest("regions", to.map, SIZE);
}

void case_buffer_fill(struct e2e *t)
{
    enum { SIZE = 10002 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, SIZE, copies);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdFillBuffer(commands, buffer.handle, 0, VK_WHOLE_SIZE, 0x11223344);
    e2e_barrier(commands);
    vkCmdFillBuffer(commands, buffer.handle, 100, 4, 0xdeadbeef);
    vkCmdFillBuffer(commands, buffer.handle, 9000, VK_WHOLE_SIZE, 0);
    e2e_run(t, commands);
    const unsigned char *byte = buffer.map;
    CHECK(byte[0] == 0x44 && byte[99] == 0x11 && byte[100] == 0xef && byte[104] == 0x44, "fill");
    CHECK(byte[8999] == 0x11 && byte[9000] == 0 && byte[9999] == 0, "fill to the end");
    CHECK(byte[10000] == 0 && byte[10001] == 0, "the odd rest is left alone");
    e2e_digest("filled", buffer.map, SIZE);
}

// vkCmdUpdateBuffer carries its bytes in the command: the largest, and very many small ones.
void case_buffer_update(struct e2e *t)
{
    enum { LARGE = 65536, SMALL = 1000 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, LARGE * 2, copies);
    unsigned char *data = e2e_alloc(LARGE, 1);
    e2e_pattern_fill(data, LARGE, 21);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdUpdateBuffer(commands, buffer.handle, 0, LARGE, data);
    for (uint32_t i = 0; i < SMALL; i++) {
        const uint32_t words[3] = {i, ~i, i * i};
        vkCmdUpdateBuffer(commands, buffer.handle, LARGE + i * 12, 12, words);
    }
    memset(data, 0, LARGE); // the commands have their own copy
    e2e_run(t, commands);
    e2e_pattern_check(buffer.map, LARGE, 21, "large update");
    const uint32_t *words = (const uint32_t *)((char *)buffer.map + LARGE);
    for (uint32_t i = 0; i < SMALL; i++) {
        CHECK(words[i * 3] == i && words[i * 3 + 1] == ~i && words[i * 3 + 2] == i * i,
              "small update %u", i);
    }
    free(data);
    e2e_digest("updated", buffer.map, buffer.size);
}

// 64 MiB through update commands: more than any ring holds.
void case_buffer_update_stream(struct e2e *t)
{
    enum { CHUNK = 65536, CHUNKS = 256, ROUNDS = 4 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, CHUNK * CHUNKS, copies);
    unsigned char *data = e2e_alloc(CHUNK, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        VkCommandBuffer commands = e2e_begin(t);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            e2e_pattern_fill(data, CHUNK, i + round * 1000);
            vkCmdUpdateBuffer(commands, buffer.handle, i * CHUNK, CHUNK, data);
        }
        e2e_run(t, commands);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            e2e_pattern_check((char *)buffer.map + i * CHUNK, CHUNK, i + round * 1000, "chunk");
        }
    }
    free(data);
    e2e_print("%d MiB", CHUNK * CHUNKS / 1048576 * ROUNDS);
}

void case_buffer_copy2(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_3);
    const struct e2e_buffer from = e2e_buffer(t, 5000, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, 5000, copies);
    e2e_pattern_fill(from.map, 5000, 8);
    const VkBufferCopy2 region = {.sType = VK_STRUCTURE_TYPE_BUFFER_COPY_2, .size = 5000};
    const VkCopyBufferInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2,
        .srcBuffer = from.handle,
        .dstBuffer = to.handle,
        .regionCount = 1,
        .pRegions = &region,
    };
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer2(commands, &info);
    e2e_run(t, commands);
    e2e_pattern_check(to.map, 5000, 8, "copied");
    e2e_digest("copied", to.map, 5000);
}

void case_buffer_churn(struct e2e *t)
{
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < 100000; i++) {
        const VkBuffer buffer = e2e_buffer_bare(t, 16 + i % 5000, copies);
        vkDestroyBuffer(t->device, buffer, NULL);
    }
    e2e_print("100000 buffers");
}

void case_buffer_ten_thousand_live(struct e2e *t)
{
    enum { LIVE = 10000, SIZE = 256 };
    e2e_open(t, NULL);
    VkBuffer *buffers = e2e_alloc(LIVE, sizeof(VkBuffer));
    buffers[0] = e2e_buffer_bare(t, SIZE, copies);
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, buffers[0], &needs);
    const VkDeviceSize align = needs.alignment;
    const VkDeviceSize stride = (needs.size + align - 1) / align * align;
    needs.size = stride * LIVE;
    const VkDeviceMemory memory = e2e_memory(t, &needs, E2E_HOST);
    for (uint32_t i = 0; i < LIVE; i++) {
        if (i > 0) {
            buffers[i] = e2e_buffer_bare(t, SIZE, copies);
        }
        OK(vkBindBufferMemory(t->device, buffers[i], memory, i * stride));
    }
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i < LIVE; i++) {
        vkCmdFillBuffer(commands, buffers[i], 0, SIZE, i);
    }
    e2e_run(t, commands);
    const char *map = NULL;
    OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map));
    for (uint32_t i = 0; i < LIVE; i++) {
        uint32_t word;
        memcpy(&word, map + i * stride + SIZE - 4, 4);
        CHECK(word == i, "buffer %u holds %u", i, word);
    }
    for (uint32_t i = 0; i < LIVE; i++) {
        vkDestroyBuffer(t->device, buffers[i], NULL);
    }
    free(buffers);
    e2e_print("%d buffers", LIVE);
}

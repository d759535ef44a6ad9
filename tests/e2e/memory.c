// Device memory: mapping, coherence in both directions, allocation and its failures.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

// A VMM may be unable to map a type that a program on the host can (info_memory compares these).
#define HOST_FLAGS                                                                                 \
    (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |                  \
     VK_MEMORY_PROPERTY_HOST_CACHED_BIT)

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

static void copy(struct e2e *t, const struct e2e_buffer *from, const struct e2e_buffer *to,
                 VkDeviceSize size)
{
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from->handle, to->handle, 1, &(VkBufferCopy){.size = size});
    e2e_run(t, commands);
}

// Not kept.
static VkDeviceMemory allocate(struct e2e *t, VkDeviceSize size, uint32_t type)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    OK(vkAllocateMemory(t->device, &info, NULL, &memory));
    return memory;
}

static uint32_t host_type(struct e2e *t)
{
    const uint32_t type = e2e_memory_type(t, UINT32_MAX, E2E_HOST);
    CHECK(type != UINT32_MAX, "no host-visible coherent memory type, which Vulkan demands");
    return type;
}

// Binds a buffer over the first `size` bytes of `memory`. Not kept.
static struct e2e_buffer bind(struct e2e *t, VkDeviceMemory memory, VkDeviceSize offset,
                              VkDeviceSize size)
{
    struct e2e_buffer buffer = {.handle = e2e_buffer_bare(t, size, copies), .size = size};
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, buffer.handle, &needs);
    OK(vkBindBufferMemory(t->device, buffer.handle, memory, offset));
    return buffer;
}

void case_memory_host_write_gpu_read(struct e2e *t)
{
    static const VkDeviceSize sizes[] = {
        1, 2, 3, 4, 255, 4095, 4096, 4097, 65535, 65536, 1u << 20, (64u << 20) - 1, 64u << 20};
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        const struct e2e_buffer from = e2e_buffer(t, sizes[i], copies, E2E_HOST);
        const struct e2e_buffer to = e2e_buffer_with(t, NULL, sizes[i], copies);
        e2e_pattern_fill(from.map, sizes[i], i + 1);
        copy(t, &from, &to, sizes[i]);
        e2e_pattern_check(to.map, sizes[i], i + 1, "copied");
        e2e_print("%llu bytes", (unsigned long long)sizes[i]);
    }
}

void case_memory_gpu_write_host_read(struct e2e *t)
{
    const VkDeviceSize size = 1u << 20;
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, size, copies);
    const uint32_t *words = buffer.map;
    for (uint32_t round = 1; round <= 100; round++) {
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdFillBuffer(commands, buffer.handle, 0, size / 2, round);
        vkCmdFillBuffer(commands, buffer.handle, size / 2, VK_WHOLE_SIZE, ~round);
        e2e_run(t, commands);
        for (size_t i = 0; i < size / 4; i++) {
            const uint32_t expected = i < size / 8 ? round : ~round;
            CHECK(words[i] == expected, "round %u, word %zu: 0x%x", round, i, words[i]);
        }
    }
    e2e_digest("last", buffer.map, size);
}

// Host and GPU take turns on one mapping that stays.
void case_memory_ping_pong(struct e2e *t)
{
    enum { WORDS = 4096, ROUNDS = 200 };
    e2e_open(t, NULL);
    const struct e2e_buffer buffer =
        e2e_buffer_with(t, NULL, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_COMPUTE_BIT, 8);
    const VkPipeline pipeline = e2e_compute(t, CODE(add_comp), set.layout, NULL);
    const uint32_t push[2] = {3, WORDS};
    uint32_t *words = buffer.map;
    uint32_t *expected = e2e_alloc(WORDS, sizeof(*expected));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < WORDS; i++) {
            words[i] ^= round * 2654435761u;
            expected[i] = (expected[i] ^ (round * 2654435761u)) * 3 + i;
        }
        VkCommandBuffer commands = e2e_begin(t);
        e2e_use(commands, pipeline, &set);
        vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 8, push);
        vkCmdDispatch(commands, WORDS / 64, 1, 1);
        e2e_run(t, commands);
        CHECK(!memcmp(words, expected, WORDS * 4), "round %u differs", round);
    }
    free(expected);
    e2e_digest("last", words, WORDS * 4);
}

void case_memory_alloc_map_free_cycles(struct e2e *t)
{
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    for (uint32_t i = 0; i < 500; i++) {
        const VkDeviceSize size = (VkDeviceSize)((i * 7919u) % 300000u) + 1;
        const VkDeviceMemory memory = allocate(t, size, type);
        void *map = NULL;
        OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, &map));
        memset(map, (int)(i & 255), size);
        CHECK(((unsigned char *)map)[size - 1] == (i & 255), "cycle %u", i);
        if (i % 3) {
            vkUnmapMemory(t->device, memory);
        } // freeing mapped memory unmaps it
        vkFreeMemory(t->device, memory, NULL);
    }
    e2e_print("500 cycles");
}

void case_memory_mapping_survives_other_frees(struct e2e *t)
{
    enum { LIVE = 32, SIZE = 3 * 4096 + 17 };
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    VkDeviceMemory memory[LIVE];
    void *map[LIVE];
    for (uint32_t i = 0; i < LIVE; i++) {
        memory[i] = allocate(t, SIZE, type);
        OK(vkMapMemory(t->device, memory[i], 0, SIZE, 0, &map[i]));
        e2e_pattern_fill(map[i], SIZE, i);
    }
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 1; i < LIVE; i += 2) { // every second one is replaced
            vkFreeMemory(t->device, memory[i], NULL);
            memory[i] = allocate(t, SIZE, type);
            OK(vkMapMemory(t->device, memory[i], 0, SIZE, 0, &map[i]));
            e2e_pattern_fill(map[i], SIZE, i + round);
        }
        for (uint32_t i = 0; i < LIVE; i++) {
            e2e_pattern_check(map[i], SIZE, i % 2 ? i + round : i, "mapping");
        }
    }
    for (uint32_t i = 0; i < LIVE; i++) {
        vkFreeMemory(t->device, memory[i], NULL);
    }
    e2e_print("%d mappings kept their contents", LIVE / 2);
}

// Many mappings at once, each handed on by the GPU to the next.
void case_memory_many_mappings(struct e2e *t)
{
    enum { LIVE = 100, SIZE = 10000 };
    e2e_open(t, NULL);
    struct e2e_buffer buffers[LIVE];
    for (uint32_t i = 0; i < LIVE; i++) {
        buffers[i] = e2e_buffer_with(t, NULL, SIZE, copies);
    }
    e2e_pattern_fill(buffers[0].map, SIZE, 42);
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 1; i < LIVE; i++) {
        vkCmdCopyBuffer(commands, buffers[i - 1].handle, buffers[i].handle, 1,
                        &(VkBufferCopy){.size = SIZE});
        e2e_barrier(commands);
    }
    e2e_run(t, commands);
    for (uint32_t i = 0; i < LIVE; i++) {
        e2e_pattern_check(buffers[i].map, SIZE, 42, "mapping");
    }
    e2e_print("%d mappings", LIVE);
}

void case_memory_partial_mapping(struct e2e *t)
{
    const VkDeviceSize size = 1u << 20;
    static const VkDeviceSize offsets[] = {0, 1, 64, 4095, 4096, 65536 + 3, (1u << 20) - 1};
    e2e_open(t, NULL);
    const VkDeviceMemory memory = allocate(t, size, host_type(t));
    unsigned char *map = NULL;
    void *part = NULL;
    OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map));
    e2e_pattern_fill(map, size, 5);
    unsigned char *expected = e2e_alloc(size, 1);
    memcpy(expected, map, size);
    vkUnmapMemory(t->device, memory);
    for (uint32_t i = 0; i < COUNT(offsets); i++) {
        const VkDeviceSize offset = offsets[i], length = i % 2 ? 1 : size - offset;
        OK(vkMapMemory(t->device, memory, offset, length, 0, &part));
        const size_t align = t->properties.limits.minMemoryMapAlignment;
        CHECK(((uintptr_t)part - offset) % align == 0, "mapping is not aligned to %zu", align);
        CHECK(!memcmp(part, expected + offset, length), "contents at %llu",
              (unsigned long long)offset);
        vkUnmapMemory(t->device, memory);
    }
    free(expected);
    vkFreeMemory(t->device, memory, NULL);
    e2e_print("%zu offsets", COUNT(offsets));
}

void case_memory_unmapped_contents_stay(struct e2e *t)
{
    enum { SIZE = 100000 };
    e2e_open(t, NULL);
    const VkDeviceMemory memory = allocate(t, SIZE, host_type(t));
    for (uint32_t round = 0; round < 50; round++) {
        void *map = NULL;
        OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, &map));
        if (round > 0) {
            e2e_pattern_check(map, SIZE, round - 1, "mapped again");
        }
        e2e_pattern_fill(map, SIZE, round);
        vkUnmapMemory(t->device, memory);
    }
    vkFreeMemory(t->device, memory, NULL);
    e2e_print("50 rounds");
}

// A buffer in each memory type, checked by mapping where that is possible and by the GPU anyway.
void case_memory_every_type(struct e2e *t)
{
    enum { SIZE = 50000 };
    e2e_open(t, NULL);
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, E2E_HOST);
    const struct e2e_buffer back = e2e_buffer_with(t, NULL, SIZE, copies);
    for (uint32_t type = 0; type < t->memory.memoryTypeCount; type++) {
        const VkMemoryPropertyFlags flags = t->memory.memoryTypes[type].propertyFlags;
        VkBuffer handle = e2e_buffer_bare(t, SIZE, copies);
        VkMemoryRequirements needs;
        vkGetBufferMemoryRequirements(t->device, handle, &needs);
        if (!(needs.memoryTypeBits & (1u << type)) || (flags & VK_MEMORY_PROPERTY_PROTECTED_BIT)) {
            vkDestroyBuffer(t->device, handle, NULL);
            continue;
        }
        struct e2e_buffer buffer = {handle, allocate(t, needs.size, type), SIZE, NULL};
        OK(vkBindBufferMemory(t->device, handle, buffer.memory, 0));
        e2e_pattern_fill(from.map, SIZE, type + 1);
        memset(back.map, 0, SIZE);
        copy(t, &from, &buffer, SIZE);
        copy(t, &buffer, &back, SIZE);
        e2e_pattern_check(back.map, SIZE, type + 1, "through the type");
        if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
            OK(vkMapMemory(t->device, buffer.memory, 0, VK_WHOLE_SIZE, 0, &buffer.map));
            const VkMappedMemoryRange range = {
                .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                .memory = buffer.memory,
                .size = VK_WHOLE_SIZE,
            };
            OK(vkInvalidateMappedMemoryRanges(t->device, 1, &range));
            e2e_pattern_check(buffer.map, SIZE, type + 1, "mapping");
            e2e_pattern_fill(buffer.map, SIZE, type + 100);
            OK(vkFlushMappedMemoryRanges(t->device, 1, &range));
            copy(t, &buffer, &back, SIZE);
            e2e_pattern_check(back.map, SIZE, type + 100, "written by the host");
        }
        vkDestroyBuffer(t->device, handle, NULL);
        vkFreeMemory(t->device, buffer.memory, NULL);
        e2e_print("type of flags 0x%x", flags & ~HOST_FLAGS);
    }
}

void case_memory_flush_ranges(struct e2e *t)
{
    enum { SIZE = 64 * 1024 };
    e2e_open(t, NULL);
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
    const struct e2e_buffer to = e2e_buffer(t, SIZE, copies, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
    const VkDeviceSize atom = t->properties.limits.nonCoherentAtomSize;
    e2e_pattern_fill(from.map, SIZE, 9);
    VkMappedMemoryRange ranges[4];
    for (uint32_t i = 0; i < COUNT(ranges); i++) {
        ranges[i] = (VkMappedMemoryRange){
            .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
            .memory = from.memory,
            .offset = i * (SIZE / 4),
            .size = SIZE / 4,
        };
    }
    CHECK((SIZE / 4) % atom == 0, "unexpected nonCoherentAtomSize");
    OK(vkFlushMappedMemoryRanges(t->device, COUNT(ranges), ranges));
    copy(t, &from, &to, SIZE);
    for (uint32_t i = 0; i < COUNT(ranges); i++) {
        ranges[i].memory = to.memory;
    }
    OK(vkInvalidateMappedMemoryRanges(t->device, COUNT(ranges), ranges));
    e2e_pattern_check(to.map, SIZE, 9, "copied");
    e2e_digest("contents", to.map, SIZE);
}

void case_memory_thousand_allocations(struct e2e *t)
{
    enum { LIVE = 1000, SIZE = 4096 };
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    VkDeviceMemory *memory = e2e_alloc(LIVE, sizeof(VkDeviceMemory));
    uint32_t **map = e2e_alloc(LIVE, sizeof(*map));
    for (uint32_t i = 0; i < LIVE; i++) {
        memory[i] = allocate(t, SIZE, type);
        OK(vkMapMemory(t->device, memory[i], 0, SIZE, 0, (void **)&map[i]));
        map[i][0] = i;
        map[i][SIZE / 4 - 1] = ~i;
    }
    for (uint32_t i = 0; i < LIVE; i++) {
        CHECK(map[i][0] == i && map[i][SIZE / 4 - 1] == ~i, "allocation %u", i);
        vkFreeMemory(t->device, memory[i], NULL);
    }
    free(memory);
    free(map);
    e2e_print("%d allocations", LIVE);
}

// Many buffers at offsets of one allocation.
void case_memory_suballocation(struct e2e *t)
{
    enum { BUFFERS = 64, SIZE = 1000 };
    e2e_open(t, NULL);
    VkBuffer probe = e2e_buffer_bare(t, SIZE, copies);
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, probe, &needs);
    vkDestroyBuffer(t->device, probe, NULL);
    const VkDeviceSize stride =
        (needs.size + needs.alignment - 1) / needs.alignment * needs.alignment;
    const VkDeviceMemory memory = allocate(t, stride * BUFFERS, host_type(t));
    unsigned char *map = NULL;
    OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map));
    struct e2e_buffer buffers[BUFFERS];
    for (uint32_t i = 0; i < BUFFERS; i++) {
        buffers[i] = bind(t, memory, i * stride, SIZE);
    }
    e2e_pattern_fill(map, SIZE, 77);
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 1; i < BUFFERS; i++) {
        vkCmdCopyBuffer(commands, buffers[0].handle, buffers[i].handle, 1,
                        &(VkBufferCopy){.size = SIZE});
    }
    e2e_run(t, commands);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        e2e_pattern_check(map + i * stride, SIZE, 77, "buffer");
        vkDestroyBuffer(t->device, buffers[i].handle, NULL);
    }
    vkFreeMemory(t->device, memory, NULL);
    e2e_print("%d buffers", BUFFERS);
}

void case_memory_dedicated(struct e2e *t)
{
    enum { SIZE = 12345 };
    e2e_open(t, NULL);
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, E2E_HOST);
    const VkBuffer handle = e2e_buffer_bare(t, SIZE, copies);
    const VkBufferMemoryRequirementsInfo2 query = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
        .buffer = handle,
    };
    VkMemoryDedicatedRequirements wish = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS,
    };
    VkMemoryRequirements2 needs = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
        .pNext = &wish,
    };
    vkGetBufferMemoryRequirements2(t->device, &query, &needs);
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .buffer = handle,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &dedicated,
        .allocationSize = needs.memoryRequirements.size,
        .memoryTypeIndex = e2e_memory_type(t, needs.memoryRequirements.memoryTypeBits, E2E_HOST),
    };
    struct e2e_buffer buffer = {.handle = handle, .size = SIZE};
    OK(vkAllocateMemory(t->device, &info, NULL, &buffer.memory));
    const VkBindBufferMemoryInfo binding = {
        .sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO,
        .buffer = handle,
        .memory = buffer.memory,
    };
    OK(vkBindBufferMemory2(t->device, 1, &binding));
    OK(vkMapMemory(t->device, buffer.memory, 0, VK_WHOLE_SIZE, 0, &buffer.map));
    e2e_pattern_fill(from.map, SIZE, 3);
    copy(t, &from, &buffer, SIZE);
    e2e_pattern_check(buffer.map, SIZE, 3, "dedicated");
    vkDestroyBuffer(t->device, handle, NULL);
    vkFreeMemory(t->device, buffer.memory, NULL);
    e2e_print("dedicated: preferred %u, required %u", wish.prefersDedicatedAllocation,
              wish.requiresDedicatedAllocation);
}

// Types by what they are: their numbers are the device's own.
static void describe_types(const struct e2e *t, uint32_t bits, char *text, size_t size)
{
    text[0] = '\0';
    for (uint32_t i = 0; i < t->memory.memoryTypeCount; i++) {
        const size_t length = strlen(text);
        if (bits & (1u << i)) {
            snprintf(text + length, size - length, " 0x%x",
                     t->memory.memoryTypes[i].propertyFlags & ~HOST_FLAGS);
        }
    }
}

void case_memory_requirements(struct e2e *t)
{
    static const VkDeviceSize sizes[] = {1, 63, 64, 65, 4096, 100000, 1u << 24};
    static const VkBufferUsageFlags usages[] = {
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT};
    e2e_open(t, NULL);
    for (uint32_t u = 0; u < COUNT(usages); u++) {
        for (uint32_t i = 0; i < COUNT(sizes); i++) {
            const VkBuffer buffer = e2e_buffer_bare(t, sizes[i], usages[u]);
            VkMemoryRequirements needs;
            vkGetBufferMemoryRequirements(t->device, buffer, &needs);
            vkDestroyBuffer(t->device, buffer, NULL);
            CHECK(needs.size >= sizes[i] && needs.memoryTypeBits, "requirements make no sense");
            CHECK((needs.alignment & (needs.alignment - 1)) == 0, "alignment");
            // Guests may be told sizes rounded up to the alignment: round before printing.
            const VkDeviceSize align = needs.alignment;
            char types[160];
            describe_types(t, needs.memoryTypeBits, types, sizeof(types));
            e2e_print("usage 0x%x, %llu bytes: up to %llu, alignment %llu, types%s", usages[u],
                      (unsigned long long)sizes[i],
                      (unsigned long long)((needs.size + align - 1) / align * align),
                      (unsigned long long)align, types);
        }
    }
    if (t->api_version < VK_API_VERSION_1_3) {
        return;
    }
    const VkImageCreateInfo image = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {500, 300, 1},
        .mipLevels = 5,
        .arrayLayers = 3,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    const VkDeviceImageMemoryRequirements query = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS,
        .pCreateInfo = &image,
    };
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    vkGetDeviceImageMemoryRequirements(t->device, &query, &needs);
    e2e_print("image without an object: %llu bytes",
              (unsigned long long)needs.memoryRequirements.size);
}

// The addresses of a buffer and its memory; the opaque ones are what brings the other back.
struct addresses {
    uint64_t buffer, memory;
    VkDeviceAddress address;
};

// What the program writes into mapped memory is what the device reads.
static void check_mapped(struct e2e *t, VkBuffer buffer, VkDeviceMemory memory)
{
    struct e2e_buffer from = {.handle = buffer};
    OK(vkMapMemory(t->device, memory, 0, VK_WHOLE_SIZE, 0, &from.map));
    const struct e2e_buffer to = e2e_buffer(t, 65536, copies, E2E_HOST);
    e2e_pattern_fill(from.map, 65536, 7);
    copy(t, &from, &to, 65536);
    e2e_pattern_check(to.map, 65536, 7, "at a captured address");
}

// Of a new buffer in new memory, which are gone again; at the addresses of `wanted` if that is
// given. Host memory is written and read back by the device.
static struct addresses addresses_of_new(struct e2e *t, VkMemoryPropertyFlags flags,
                                         const struct addresses *wanted)
{
    const VkBufferOpaqueCaptureAddressCreateInfo at = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_OPAQUE_CAPTURE_ADDRESS_CREATE_INFO,
        .opaqueCaptureAddress = wanted ? wanted->buffer : 0,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &at,
        .flags = VK_BUFFER_CREATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT,
        .size = 65536,
        .usage = copies | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
    };
    VkBuffer buffer;
    OK(vkCreateBuffer(t->device, &info, NULL, &buffer));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, buffer, &needs);

    const VkMemoryOpaqueCaptureAddressAllocateInfo memory_at = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO,
        .opaqueCaptureAddress = wanted ? wanted->memory : 0,
    };
    const VkMemoryAllocateFlagsInfo address_flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .pNext = &memory_at,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT |
                 VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT,
    };
    const VkMemoryAllocateInfo allocation = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &address_flags,
        .allocationSize = needs.size,
        .memoryTypeIndex = e2e_memory_type(t, needs.memoryTypeBits, flags),
    };
    VkDeviceMemory memory;
    OK(vkAllocateMemory(t->device, &allocation, NULL, &memory));
    OK(vkBindBufferMemory(t->device, buffer, memory, 0));
    if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
        check_mapped(t, buffer, memory);
    }

    const VkBufferDeviceAddressInfo of_buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
        .buffer = buffer,
    };
    const VkDeviceMemoryOpaqueCaptureAddressInfo of_memory = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO,
        .memory = memory,
    };
    const struct addresses addresses = {
        .buffer = vkGetBufferOpaqueCaptureAddress(t->device, &of_buffer),
        .memory = vkGetDeviceMemoryOpaqueCaptureAddress(t->device, &of_memory),
        .address = vkGetBufferDeviceAddress(t->device, &of_buffer),
    };
    vkDestroyBuffer(t->device, buffer, NULL);
    vkFreeMemory(t->device, memory, NULL);
    return addresses;
}

void case_memory_captured_addresses(struct e2e *t)
{
    e2e_open(t, &(struct e2e_device_params){.capture_addresses = true});
    e2e_need_version(t, VK_API_VERSION_1_2);
    if (!t->features12.bufferDeviceAddress || !t->features12.bufferDeviceAddressCaptureReplay) {
        e2e_skip("no addresses to capture");
    }
    static const VkMemoryPropertyFlags kinds[] = {E2E_LOCAL, E2E_HOST};
    for (uint32_t i = 0; i < COUNT(kinds); i++) {
        const struct addresses first = addresses_of_new(t, kinds[i], NULL);
        CHECK(first.address != 0, "no address");
        const struct addresses again = addresses_of_new(t, kinds[i], &first);
        CHECK(again.address == first.address, "another address: 0x%llx, then 0x%llx",
              (unsigned long long)first.address, (unsigned long long)again.address);
        CHECK(again.buffer == first.buffer && again.memory == first.memory,
              "other opaque addresses");
    }
}

// Allocations no machine can honour. A driver may promise the memory all the same (lavapipe does),
// so only this counts: the answer is a lawful one, and the program goes on.
void case_memory_too_large(struct e2e *t)
{
    static const VkDeviceSize sizes[] = {(VkDeviceSize)1 << 50, (VkDeviceSize)1 << 60,
                                         UINT64_MAX - 65535};
    e2e_open(t, NULL);
    const uint32_t type = host_type(t);
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = sizes[i],
            .memoryTypeIndex = type,
        };
        VkDeviceMemory memory = VK_NULL_HANDLE;
        const VkResult result = vkAllocateMemory(t->device, &info, NULL, &memory);
        CHECK(result == VK_SUCCESS || result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                  result == VK_ERROR_OUT_OF_HOST_MEMORY,
              "VkResult %d for %llu bytes", result, (unsigned long long)sizes[i]);
        if (result == VK_SUCCESS) {
            vkFreeMemory(t->device, memory, NULL);
        }
    }
    const struct e2e_buffer from = e2e_buffer(t, 1000, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, 1000, copies);
    e2e_pattern_fill(from.map, 1000, 1);
    copy(t, &from, &to, 1000);
    e2e_pattern_check(to.map, 1000, 1, "after the failures");
    e2e_print("%zu sizes", COUNT(sizes));
}

// Mesa before 26.2 waits for feedback of the device, and hears of a loss only that its ring ends.
static bool guest_can_be_told(const struct e2e *t)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
    vkGetPhysicalDeviceProperties2(t->physical, &properties);
    return driver.driverID != VK_DRIVER_ID_MESA_VENUS ||
           properties.properties.driverVersion >= VK_MAKE_VERSION(26, 2, 0);
}

// A guest driver promises memory before the renderer has answered. Where the host's driver then
// refuses, what the program does with that memory cannot happen: a program must be told, in
// Vulkan's words, before it takes what it finds for the result.
void case_memory_promised(struct e2e *t)
{
    e2e_open(t, NULL);
    e2e_need_version(t, VK_API_VERSION_1_2);
    if (!guest_can_be_told(t)) {
        e2e_skip("this guest driver cannot be told that a device is lost");
    }
    const struct e2e_buffer from = e2e_buffer(t, 65536, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, 65536, copies);
    struct e2e_buffer promised = {.size = 65536};
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = promised.size, .usage = copies};
    OK(vkCreateBuffer(t->device, &info, NULL, &promised.handle));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, promised.handle, &needs);
    const uint32_t type = e2e_memory_type(t, needs.memoryTypeBits, E2E_LOCAL);
    const VkMemoryAllocateInfo allocation = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = t->memory.memoryHeaps[t->memory.memoryTypes[type].heapIndex].size + 65536,
        .memoryTypeIndex = type,
    };
    VkResult result = vkAllocateMemory(t->device, &allocation, NULL, &promised.memory);
    if (result == VK_SUCCESS) {
        result = vkBindBufferMemory(t->device, promised.handle, promised.memory, 0);
    }
    if (result == VK_SUCCESS) {
        e2e_pattern_fill(from.map, 65536, 3);
        const VkBufferCopy all = {.size = 65536};
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdCopyBuffer(commands, from.handle, promised.handle, 1, &all);
        e2e_barrier(commands);
        vkCmdCopyBuffer(commands, promised.handle, to.handle, 1, &all);
        result = e2e_try_run(t, commands);
        CHECK(result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST, "VkResult %d", result);
    }
    if (result == VK_SUCCESS) {
        e2e_pattern_check(to.map, 65536, 3, "by way of promised memory");
    }
    vkDestroyBuffer(t->device, promised.handle, NULL);
    vkFreeMemory(t->device, promised.memory, NULL);
    e2e_print("done");
}

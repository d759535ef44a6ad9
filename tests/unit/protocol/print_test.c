// The bounds and the forms of printed commands; tests/wire/vectors/*.txt show whole ones.
#include "protocol/print.h"

#include "bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char text[65536];
static union pv_any_command cmd;

static int set_up(void **state)
{
    (void)state;
    memset(&cmd, 0, sizeof(cmd));
    return 0;
}

static const char *print(uint32_t number)
{
    struct pv_text out = pv_text_over(text, sizeof(text));
    pv_print_request(&out, number, &cmd);
    assert_int_equal(out.length, strlen(text));
    return text;
}

static const char *print_reply(uint32_t number)
{
    struct pv_text out = pv_text_over(text, sizeof(text));
    pv_print_reply(&out, number, &cmd);
    return text;
}

static void assert_contains(const char *string, const char *part)
{
    if (!strstr(string, part)) {
        print_error("%s\nlacks %s\n", string, part);
        fail();
    }
}

static void prints_every_command(void **state)
{
    (void)state;
    uint32_t known = 0;
    for (uint32_t number = 0; number < PV_COMMAND_COUNT; number++) {
        const char *name = pv_command_name(number);
        const char *line = print(number);
        if (!name) {
            assert_int_equal(number, 195); // the only hole
            assert_string_equal(line, "command 195(?)");
            continue;
        }
        assert_memory_equal(line, name, strlen(name));
        assert_int_equal(line[strlen(name)], '(');
        known += strcmp(line + strlen(name), "(?)") != 0;
        assert_memory_equal(print_reply(number), name, strlen(name));
    }
    assert_true(known >= 300);
}

static void prints_numbers_that_do_not_exist(void **state)
{
    (void)state;
    assert_string_equal(print(PV_COMMAND_COUNT), "command 346(?)");
    assert_string_equal(print(UINT32_MAX), "command 4294967295(?)");
}

static void elides_long_arrays(void **state)
{
    (void)state;
    VkViewport viewports[PV_PRINT_ELEMENTS + 1] = {0};
    VkRect2D scissors[PV_PRINT_ELEMENTS] = {0};
    cmd.vkCmdSetViewport.viewportCount = PV_PRINT_ELEMENTS + 1;
    cmd.vkCmdSetViewport.pViewports = viewports;
    assert_contains(print(PV_COMMAND_vkCmdSetViewport), "}, ... 17 in all])");
    memset(&cmd, 0, sizeof(cmd));
    cmd.vkCmdSetScissor.scissorCount = PV_PRINT_ELEMENTS;
    cmd.vkCmdSetScissor.pScissors = scissors;
    assert_null(strstr(print(PV_COMMAND_vkCmdSetScissor), "..."));
}

static void elides_long_blobs(void **state)
{
    (void)state;
    uint8_t data[PV_PRINT_BYTES + 1] = {1, 2, 3, 4, 5};
    cmd.vkCmdUpdateBuffer.dataSize = sizeof(data);
    cmd.vkCmdUpdateBuffer.pData = data;
    assert_contains(print(PV_COMMAND_vkCmdUpdateBuffer), "pData = 33 bytes 01020304 05000000 ");
    assert_contains(text, " 00000000...)");
}

static void escapes_and_elides_strings(void **state)
{
    (void)state;
    char name[PV_PRINT_CHARACTERS + 2];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    memcpy(name, "\x1b\"\\\n\xc3", 5);
    VkApplicationInfo application = {.pApplicationName = name};
    VkInstanceCreateInfo info = {.pApplicationInfo = &application};
    cmd.vkCreateInstance.pCreateInfo = &info;
    assert_contains(print(PV_COMMAND_vkCreateInstance),
                    "pApplicationName = \"\\x1b\\\"\\\\\\x0a\\xc3xxx");
    assert_contains(text, "xxx\"..., applicationVersion = 0");
}

static void names_flags_and_what_is_left(void **state)
{
    (void)state;
    VkBufferCreateInfo info = {.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT | 0x80000000u |
                                        VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
                               .sharingMode = (VkSharingMode)77};
    cmd.vkCreateBuffer.pCreateInfo = &info;
    assert_contains(
        print(PV_COMMAND_vkCreateBuffer),
        "usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT|VK_BUFFER_USAGE_INDEX_BUFFER_BIT|0x80000000, ");
    assert_contains(text, "sharingMode = 77, ");
}

static void names_flags_of_several_bits(void **state)
{
    (void)state;
    cmd.vkCmdPushConstants.stageFlags = VK_SHADER_STAGE_ALL_GRAPHICS;
    assert_contains(print(PV_COMMAND_vkCmdPushConstants), "= VK_SHADER_STAGE_ALL_GRAPHICS,");
    cmd.vkCmdPushConstants.stageFlags = VK_SHADER_STAGE_ALL;
    assert_contains(print(PV_COMMAND_vkCmdPushConstants), "= VK_SHADER_STAGE_ALL,");
}

static void prints_wide_flags(void **state)
{
    (void)state;
    VkMemoryBarrier2 barrier = {.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT};
    VkDependencyInfo info = {.memoryBarrierCount = 1, .pMemoryBarriers = &barrier};
    cmd.vkCmdPipelineBarrier2.pDependencyInfo = &info;
    assert_contains(print(PV_COMMAND_vkCmdPipelineBarrier2),
                    "srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT");
}

static void names_results(void **state)
{
    (void)state;
    cmd.vkQueueSubmit.ret = VK_ERROR_DEVICE_LOST;
    assert_string_equal(print_reply(PV_COMMAND_vkQueueSubmit),
                        "vkQueueSubmit = VK_ERROR_DEVICE_LOST");
    cmd.vkQueueSubmit.ret = (VkResult)-12345;
    assert_string_equal(print_reply(PV_COMMAND_vkQueueSubmit), "vkQueueSubmit = -12345");
}

static void prints_the_selected_member_of_a_union(void **state)
{
    (void)state;
    VkAccelerationStructureGeometryKHR geometry = {
        .geometryType = VK_GEOMETRY_TYPE_AABBS_KHR,
        .geometry.aabbs = {.data.deviceAddress = 0x1234000, .stride = 24}};
    VkAccelerationStructureBuildGeometryInfoKHR info = {.geometryCount = 1,
                                                        .pGeometries = &geometry};
    VkAccelerationStructureBuildRangeInfoKHR range = {.primitiveCount = 5};
    const VkAccelerationStructureBuildRangeInfoKHR *ranges = &range;
    cmd.vkCmdBuildAccelerationStructuresKHR.infoCount = 1;
    cmd.vkCmdBuildAccelerationStructuresKHR.pInfos = &info;
    cmd.vkCmdBuildAccelerationStructuresKHR.ppBuildRangeInfos = &ranges;
    assert_contains(print(PV_COMMAND_vkCmdBuildAccelerationStructuresKHR),
                    "geometryType = VK_GEOMETRY_TYPE_AABBS_KHR, geometry = {aabbs = {data = "
                    "0x1234000, stride = 24}}, flags = 0}]");
    assert_contains(text, "ppBuildRangeInfos = [[{primitiveCount = 5, primitiveOffset = 0, "
                          "firstVertex = 0, transformOffset = 0}]])");
    geometry.geometryType = (VkGeometryTypeKHR)99;
    assert_contains(print(PV_COMMAND_vkCmdBuildAccelerationStructuresKHR), "geometry = ?, ");
}

static void prints_no_more_results_than_there_is_room(void **state)
{
    (void)state;
    uint32_t count = 1000;
    VkPhysicalDevice handles[2] = {0};
    const uint64_t ids[2] = {5, 6};
    cmd.vkEnumeratePhysicalDevices.pPhysicalDeviceCount = &count;
    cmd.vkEnumeratePhysicalDevices.pPhysicalDevices = handles;
    cmd.vkEnumeratePhysicalDevices.pPhysicalDevices_ids = ids;
    cmd.vkEnumeratePhysicalDevices.pPhysicalDevices_count = 2;
    assert_contains(print_reply(PV_COMMAND_vkEnumeratePhysicalDevices), "-> [5, 6]");
}

static void cuts_a_line_that_does_not_fit(void **state)
{
    (void)state;
    const size_t full = strlen(print(PV_COMMAND_vkCmdDraw));
    for (size_t size = 4; size <= full + 1; size++) {
        char *small = malloc(size); // exactly as much as there is room
        assert_non_null(small);
        struct pv_text out = pv_text_over(small, size);
        pv_print_request(&out, PV_COMMAND_vkCmdDraw, &cmd);
        assert_int_equal(strlen(small), size - 1);
        assert_int_equal(out.cut, size <= full);
        if (out.cut) {
            assert_memory_equal(small + size - 4, "...", 4);
            assert_memory_equal(small, text, size - 4);
        } else {
            assert_string_equal(small, text);
        }
        free(small);
    }
}

static void writes_to_files(void **state)
{
    (void)state;
    char written[256] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    struct pv_text out = pv_text_to(file, 100);
    pv_print_request(&out, PV_COMMAND_vkCmdDraw, &cmd);
    assert_false(out.cut);
    out = pv_text_to(file, 9);
    pv_print_request(&out, PV_COMMAND_vkCmdDraw, &cmd);
    assert_true(out.cut);
    rewind(file);
    written[fread(written, 1, sizeof(written) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(written, "vkCmdDraw(commandBuffer = 0, vertexCount = 0, instanceCount = 0, "
                                 "firstVertex = 0, firstInstance = 0)vkCmdDraw...");
}

static void stops_at_what_cannot_be_decoded(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    bytes_u32(&bytes, PV_COMMAND_vkCmdSetLineWidth), bytes_u32(&bytes, 0);
    bytes_u64(&bytes, 33), bytes_u32(&bytes, 0x3fc00000);
    bytes_u32(&bytes, 195), bytes_u32(&bytes, 0);
    struct decoding d;
    decoding_begin(&d, &bytes, NULL);
    struct pv_text out = pv_text_over(text, sizeof(text));
    assert_true(pv_print_next(&out, &d.decoder));
    assert_string_equal(text, "vkCmdSetLineWidth(commandBuffer = 33, lineWidth = 1.5)");
    out = pv_text_over(text, sizeof(text));
    assert_false(pv_print_next(&out, &d.decoder));
    assert_string_equal(text, "");
    assert_string_equal(decoding_error(&d), "this build does not know the command");
    assert_int_equal(d.decoder.reader.error_value, 195);
    decoding_end(&d);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(prints_every_command),
        CASE(prints_numbers_that_do_not_exist),
        CASE(elides_long_arrays),
        CASE(elides_long_blobs),
        CASE(escapes_and_elides_strings),
        CASE(names_flags_and_what_is_left),
        CASE(names_flags_of_several_bits),
        CASE(prints_wide_flags),
        CASE(names_results),
        CASE(prints_the_selected_member_of_a_union),
        CASE(prints_no_more_results_than_there_is_room),
        CASE(cuts_a_line_that_does_not_fit),
        CASE(writes_to_files),
        CASE(stops_at_what_cannot_be_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

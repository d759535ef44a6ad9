// Handle types that buffers and images declare.
#include "blob/declare.h"

#include "mock_device.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define HOST   VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT
#define DMABUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
#define OPAQUE VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT

struct fixture {
    struct mock_device mock;
    struct pv_blob_choice choice;
    struct pv_blob_device *device;
};

static void open_fixture(struct fixture *fixture, const struct pv_blob_policy *policy,
                         void (*change)(struct mock_vk_config *config))
{
    mock_device_open(&fixture->mock, change);
    pv_blob_choose(&fixture->mock.facts.memory, policy, &fixture->choice);
    fixture->device = pv_blob_device_create(&(struct pv_blob_device_params){
        .device = fixture->mock.handle,
        .physical_device = fixture->mock.physical_device,
        .vk = &fixture->mock.vk,
        .instance_vk = &fixture->mock.instance.vk,
        .facts = &fixture->mock.facts,
        .choice = &fixture->choice,
    });
    assert_non_null(fixture->device);
}

static void close_fixture(struct fixture *fixture)
{
    pv_blob_device_unref(fixture->device);
    mock_device_close(&fixture->mock);
}

static const struct pv_blob_policy by_descriptor = {.fd_only = true};
static const struct pv_blob_policy in_process = {.fd_only = false};

static VkBufferCreateInfo plain_buffer(void)
{
    return (VkBufferCreateInfo){
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 1024,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
    };
}

static VkImageCreateInfo plain_image(VkImageTiling tiling)
{
    return (VkImageCreateInfo){
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {16, 16, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_SAMPLED_BIT,
    };
}

static void adds_host_allocations_to_buffers(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, NULL);
    VkBufferCreateInfo info = plain_buffer();
    assert_int_equal(pv_blob_buffer_handle_types(fixture.device, &info), HOST);
    info.flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT;
    assert_int_equal(pv_blob_buffer_handle_types(fixture.device, &info), 0);
    close_fixture(&fixture);
}

static void adds_only_what_is_compatible(void **state)
{
    (void)state;
    struct fixture fixture;
    // Host pointers for some types, opaque descriptors for another: the mock lets nobody
    // declare both.
    open_fixture(&fixture, &in_process, NULL);
    assert_int_equal(fixture.choice.map[2], PV_MEMORY_HOST_POINTER);
    assert_int_equal(fixture.choice.map[4], PV_MEMORY_OPAQUE_FD);
    const VkBufferCreateInfo info = plain_buffer();
    assert_int_equal(pv_blob_buffer_handle_types(fixture.device, &info), HOST);
    close_fixture(&fixture);

    const struct pv_declare_facts facts = {
        .compatible = {HOST | OPAQUE, DMABUF | OPAQUE, HOST | DMABUF | OPAQUE}};
    assert_int_equal(pv_declare_compatible(&facts, HOST | OPAQUE, 0), HOST | OPAQUE);
    assert_int_equal(pv_declare_compatible(&facts, HOST | DMABUF, 0), HOST);
    assert_int_equal(pv_declare_compatible(&facts, HOST | OPAQUE, DMABUF), DMABUF | OPAQUE);
    assert_int_equal(pv_declare_compatible(&facts, 0, DMABUF), DMABUF);
    // One-sided agreement is none.
    const struct pv_declare_facts lopsided = {.compatible = {HOST | OPAQUE, DMABUF, OPAQUE}};
    assert_int_equal(pv_declare_compatible(&lopsided, OPAQUE, HOST), HOST);
    assert_int_equal(pv_declare_compatible(&lopsided, HOST, OPAQUE), OPAQUE);
}

static void translates_dmabufs_to_what_stands_in_for_them(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, NULL);
    assert_int_equal(pv_blob_translate_handle_types(&fixture.choice, DMABUF), HOST);
    assert_int_equal(pv_blob_translate_handle_types(&fixture.choice, OPAQUE), OPAQUE);
    assert_int_equal(pv_blob_translate_handle_types(&fixture.choice, 0), 0);
    VkBufferCreateInfo info = plain_buffer();
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO, .handleTypes = DMABUF};
    info.pNext = &external;
    assert_int_equal(pv_blob_buffer_handle_types(fixture.device, &info), HOST);
    close_fixture(&fixture);
}

static void offer_dmabuf(struct mock_vk_config *config)
{
    config->device_extensions[0] = "VK_KHR_external_memory_fd";
    config->device_extensions[1] = "VK_EXT_external_memory_dma_buf";
    config->device_extensions[2] = "VK_EXT_external_memory_host";
    config->device_extensions[3] = NULL;
    config->buffer_handle_types |= DMABUF;
    config->dmabuf_types = 0x1e;
}

static void keeps_real_dmabufs(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, offer_dmabuf);
    assert_int_equal(pv_blob_translate_handle_types(&fixture.choice, DMABUF), DMABUF);
    close_fixture(&fixture);
}

static void have_host_memory_only(struct mock_vk_config *config)
{
    config->memory.memoryTypeCount = 1;
    config->memory.memoryTypes[0].propertyFlags =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    config->host_pointer_types = 1;
    config->opaque_fd_types = 1;
}

static void leaves_optimal_images_alone_in_device_memory(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, NULL); // type 1 is the device's own
    VkImageCreateInfo info = plain_image(VK_IMAGE_TILING_OPTIMAL);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);
    info = plain_image(VK_IMAGE_TILING_LINEAR);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    close_fixture(&fixture);
}

static void asks_the_driver_about_each_image(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, have_host_memory_only);
    VkImageCreateInfo info = plain_image(VK_IMAGE_TILING_OPTIMAL);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    info.tiling = VK_IMAGE_TILING_LINEAR;
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    info.mipLevels = 2; // the mock allows one in linear images
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);

    info = plain_image(VK_IMAGE_TILING_OPTIMAL);
    info.initialLayout = VK_IMAGE_LAYOUT_PREINITIALIZED;
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);
    info = plain_image(VK_IMAGE_TILING_OPTIMAL);
    info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);

    info = plain_image(VK_IMAGE_TILING_OPTIMAL);
    info.usage |= VK_IMAGE_USAGE_STORAGE_BIT; // not asked before
    mock_vk_fail("vkGetPhysicalDeviceImageFormatProperties2", 1, VK_ERROR_FORMAT_NOT_SUPPORTED);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);
    close_fixture(&fixture);
}

static void refuse_images(struct mock_vk_config *config)
{
    config->image_handle_types = 0;
}

static void asks_nothing_when_the_probe_said_no(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, refuse_images);
    const uint32_t before = mock_vk_call_count("vkGetPhysicalDeviceImageFormatProperties2");
    const VkImageCreateInfo info = plain_image(VK_IMAGE_TILING_LINEAR);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);
    assert_int_equal(mock_vk_call_count("vkGetPhysicalDeviceImageFormatProperties2"), before);
    close_fixture(&fixture);
}

static void asks_once_about_images_that_are_alike(void **state)
{
    (void)state;
    static const char query[] = "vkGetPhysicalDeviceImageFormatProperties2";
    struct fixture fixture;
    open_fixture(&fixture, &by_descriptor, have_host_memory_only);
    VkImageCreateInfo info = plain_image(VK_IMAGE_TILING_LINEAR);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    const uint32_t asked = mock_vk_call_count(query);
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    assert_int_equal(mock_vk_call_count(query), asked);
    // The size is compared with the answer.
    info.mipLevels = 2;
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), 0);
    assert_int_equal(mock_vk_call_count(query), asked);
    // What differs in more is another question.
    info.mipLevels = 1;
    info.usage |= VK_IMAGE_USAGE_STORAGE_BIT;
    assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    assert_int_equal(mock_vk_call_count(query), asked + 1);
    // However many there are, all are answered.
    for (uint32_t usage = 1; usage < 1000; usage++) {
        info.usage = usage;
        assert_int_equal(pv_blob_image_handle_types(fixture.device, &info), HOST);
    }
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_host_allocations_to_buffers),
        cmocka_unit_test(adds_only_what_is_compatible),
        cmocka_unit_test(translates_dmabufs_to_what_stands_in_for_them),
        cmocka_unit_test(keeps_real_dmabufs),
        cmocka_unit_test(leaves_optimal_images_alone_in_device_memory),
        cmocka_unit_test(asks_the_driver_about_each_image),
        cmocka_unit_test(asks_nothing_when_the_probe_said_no),
        cmocka_unit_test(asks_once_about_images_that_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Host image copies and descriptors written to memory: the driver gets as many bytes as it touches,
// or nothing.
#include "guest.h"

#ifdef VK_EXT_host_image_copy

#define IMAGE 100

static const char *const extensions[] = {
    VK_EXT_HOST_IMAGE_COPY_EXTENSION_NAME,
#ifdef VK_EXT_descriptor_heap
    VK_EXT_DESCRIPTOR_HEAP_EXTENSION_NAME,
#endif
};

static void open_device(struct guest *g, bool enabled)
{
    guest_open(g, NULL);
    write_create_instance(g, INSTANCE, false);
    write_enumerate(g, 1, (uint64_t[]){PHYSICAL_DEVICE});
    submit_well(g);
    write_create_device(g, DEVICE, (struct queues[]){{0, 1}}, 1, extensions,
                        enabled ? sizeof(extensions) / sizeof(extensions[0]) : 0);
    submit_well(g);
}

struct image {
    uint32_t type, format, width, height, depth, mips, layers;
};

static void write_image(struct guest *g, const struct image *image, uint32_t samples)
{
    begin(g, PV_COMMAND_vkCreateImage, false);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO);
    put_u32(g, 0);
    put_u32(g, image->type);
    put_u32(g, image->format);
    put_u32(g, image->width);
    put_u32(g, image->height);
    put_u32(g, image->depth);
    put_u32(g, image->mips);
    put_u32(g, image->layers);
    put_u32(g, samples);
    put_u32(g, VK_IMAGE_TILING_OPTIMAL);
    put_u32(g, VK_IMAGE_USAGE_HOST_TRANSFER_BIT_EXT);
    put_u32(g, VK_SHARING_MODE_EXCLUSIVE);
    put_u32(g, 0);
    put_null(g);
    put_u32(g, VK_IMAGE_LAYOUT_UNDEFINED);
    put_new(g, IMAGE);
}

struct region {
    uint32_t row_length, image_height;
    uint32_t aspect, mip, base_layer, layers;
    int32_t x, y, z;
    uint32_t width, height, depth;
};

static void put_region(struct guest *g, const struct region *region)
{
    put_u32(g, region->row_length);
    put_u32(g, region->image_height);
    put_u32(g, region->aspect);
    put_u32(g, region->mip);
    put_u32(g, region->base_layer);
    put_u32(g, region->layers);
    put_u32(g, (uint32_t)region->x);
    put_u32(g, (uint32_t)region->y);
    put_u32(g, (uint32_t)region->z);
    put_u32(g, region->width);
    put_u32(g, region->height);
    put_u32(g, region->depth);
}

static void write_to_memory(struct guest *g, const struct region *region, uint32_t flags,
                            uint64_t size)
{
    begin(g, PV_COMMAND_vkCopyImageToMemoryMESA, true);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, 1000384008);
    put_u32(g, flags);
    put_u64(g, IMAGE);
    put_u32(g, VK_IMAGE_LAYOUT_GENERAL);
    put_region(g, region);
    put_u64(g, size);
    put_u64(g, size);
}

static void write_to_image(struct guest *g, const struct region *region, uint32_t count,
                           uint32_t flags, uint64_t size)
{
    begin(g, PV_COMMAND_vkCopyMemoryToImageMESA, true);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, 1000384010);
    put_u32(g, flags);
    put_u64(g, IMAGE);
    put_u32(g, VK_IMAGE_LAYOUT_GENERAL);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_stype(g, 1000384009);
        put_u64(g, size);
        put_u64(g, size);
        for (uint64_t k = 0; k < (size + 3) / 4; k++) {
            put_u32(g, 0x61626364);
        }
        put_region(g, region);
    }
}

#define COLOR   VK_IMAGE_ASPECT_COLOR_BIT
#define DEPTH   VK_IMAGE_ASPECT_DEPTH_BIT
#define STENCIL VK_IMAGE_ASPECT_STENCIL_BIT
#define PLANE_0 VK_IMAGE_ASPECT_PLANE_0_BIT
#define PLANE_1 VK_IMAGE_ASPECT_PLANE_1_BIT

static const struct image rgba = {VK_IMAGE_TYPE_2D, VK_FORMAT_R8G8B8A8_UNORM, 64, 32, 1, 3, 4};
static const struct image volume = {VK_IMAGE_TYPE_3D, VK_FORMAT_R16_SFLOAT, 16, 16, 8, 1, 1};
static const struct image bc1 = {VK_IMAGE_TYPE_2D, VK_FORMAT_BC1_RGB_UNORM_BLOCK, 30, 18, 1, 1, 2};
static const struct image d24s8 = {VK_IMAGE_TYPE_2D, VK_FORMAT_D24_UNORM_S8_UINT, 8, 8, 1, 1, 1};
static const struct image d32s8 = {VK_IMAGE_TYPE_2D, VK_FORMAT_D32_SFLOAT_S8_UINT, 8, 8, 1, 1, 1};
static const struct image d16 = {VK_IMAGE_TYPE_2D, VK_FORMAT_D16_UNORM, 8, 8, 1, 1, 1};
static const struct image nv12 = {
    VK_IMAGE_TYPE_2D, VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, 16, 8, 1, 1, 1};
static const struct image yuyv = {VK_IMAGE_TYPE_2D, VK_FORMAT_G8B8G8R8_422_UNORM, 16, 4, 1, 1, 1};

static const struct {
    const struct image *image;
    struct region region;
    uint64_t size;
} fits[] = {
    {&rgba, {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 64, 32, 1}, 64 * 32 * 4},
    {&rgba, {0, 0, COLOR, 0, 0, 4, 0, 0, 0, 64, 32, 1}, 4 * 64 * 32 * 4},
    {&rgba, {0, 0, COLOR, 0, 1, VK_REMAINING_ARRAY_LAYERS, 0, 0, 0, 1, 1, 1}, 3 * 4},
    {&rgba, {0, 0, COLOR, 2, 3, 1, 0, 0, 0, 16, 8, 1}, 16 * 8 * 4},
    {&rgba, {0, 0, COLOR, 0, 0, 1, 63, 31, 0, 1, 1, 1}, 4},
    {&rgba, {100, 0, COLOR, 0, 0, 1, 0, 0, 0, 10, 3, 1}, (2 * 100 + 10) * 4},
    {&rgba, {100, 50, COLOR, 0, 0, 2, 0, 0, 0, 10, 3, 1}, ((50 + 2) * 100 + 10) * 4},
    {&volume, {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 16, 16, 8}, 16 * 16 * 8 * 2},
    {&volume, {20, 17, COLOR, 0, 0, 1, 4, 4, 2, 3, 2, 5}, ((4 * 17 + 1) * 20 + 3) * 2},
    {&bc1, {0, 0, COLOR, 0, 0, 2, 0, 0, 0, 30, 18, 1}, 2 * 8 * 5 * 8},
    {&bc1, {0, 0, COLOR, 0, 0, 1, 28, 16, 0, 2, 2, 1}, 8},
    {&bc1, {64, 0, COLOR, 0, 0, 1, 4, 4, 0, 8, 8, 1}, (16 + 2) * 8},
    {&d24s8, {0, 0, DEPTH, 0, 0, 1, 0, 0, 0, 8, 8, 1}, 8 * 8 * 4},
    {&d24s8, {0, 0, STENCIL, 0, 0, 1, 0, 0, 0, 8, 8, 1}, 8 * 8},
    {&d32s8, {0, 0, DEPTH, 0, 0, 1, 0, 0, 0, 8, 8, 1}, 8 * 8 * 4},
    {&d32s8, {0, 0, STENCIL, 0, 0, 1, 0, 0, 0, 8, 8, 1}, 8 * 8},
    {&d16, {0, 0, DEPTH, 0, 0, 1, 0, 0, 0, 8, 8, 1}, 8 * 8 * 2},
    {&nv12, {0, 0, PLANE_0, 0, 0, 1, 0, 0, 0, 16, 8, 1}, 16 * 8},
    {&nv12, {0, 0, PLANE_1, 0, 0, 1, 0, 0, 0, 8, 4, 1}, 8 * 4 * 2},
    {&yuyv, {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 16, 4, 1}, 8 * 4 * 4},
};

// Writes all that a driver may.
static void write_all(void *user, void *const *args)
{
    const VkCopyImageToMemoryInfoEXT *info = *(const VkCopyImageToMemoryInfoEXT *const *)args[1];
    assert_int_equal(info->regionCount, 1);
    assert_int_equal(info->srcImageLayout, VK_IMAGE_LAYOUT_GENERAL);
    memset(info->pRegions[0].pHostPointer, 0x5a, *(const uint64_t *)user);
}

static void regions_that_fit_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_device(&g, true);
        write_image(&g, fits[i].image, VK_SAMPLE_COUNT_1_BIT);
        uint64_t size = fits[i].size;
        mock_vk_set_hook("vkCopyImageToMemoryEXT", write_all, &size);
        write_to_memory(&g, &fits[i].region, 0, size);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkCopyImageToMemoryMESA), VK_SUCCESS);
        assert_int_equal(get_u64(&g), size);
        for (uint64_t k = 0; k < size; k++) {
            assert_int_equal(g.memory[REPLY_AT + g.read + k], 0x5a);
        }
        guest_close(&g);
    }
}

static void data_shorter_than_its_region_ends_the_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_device(&g, true);
        write_image(&g, fits[i].image, VK_SAMPLE_COUNT_1_BIT);
        write_to_memory(&g, &fits[i].region, 0, fits[i].size - 1);
        submit_badly(&g, "shorter than its region");
        assert_int_equal(mock_vk_call_count("vkCopyImageToMemoryEXT"), 0);
        guest_close(&g);

        open_device(&g, true);
        write_image(&g, fits[i].image, VK_SAMPLE_COUNT_1_BIT);
        write_to_image(&g, &fits[i].region, 2, 0, fits[i].size - 1);
        submit_badly(&g, "shorter than its region");
        assert_int_equal(mock_vk_call_count("vkCopyMemoryToImageEXT"), 0);
        guest_close(&g);
    }
}

static void read_all(void *user, void *const *args)
{
    const VkCopyMemoryToImageInfoEXT *info = *(const VkCopyMemoryToImageInfoEXT *const *)args[1];
    assert_int_equal(info->regionCount, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *data = info->pRegions[i].pHostPointer;
        for (uint64_t k = 0; k < *(const uint64_t *)user; k++) {
            assert_in_range(data[k], 0x61, 0x64);
        }
    }
}

static void regions_that_fit_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        mock_vk_reset();
        struct guest g;
        open_device(&g, true);
        write_image(&g, fits[i].image, VK_SAMPLE_COUNT_1_BIT);
        uint64_t size = fits[i].size;
        mock_vk_set_hook("vkCopyMemoryToImageEXT", read_all, &size);
        write_to_image(&g, &fits[i].region, 2, 0, size);
        submit_well(&g);
        assert_int_equal(get_result(&g, PV_COMMAND_vkCopyMemoryToImageMESA), VK_SUCCESS);
        assert_int_equal(mock_vk_call_count("vkCopyMemoryToImageEXT"), 1);
        guest_close(&g);
    }
}

static void bad_region(const struct image *image, const struct region *region, uint32_t flags,
                       uint32_t samples)
{
    mock_vk_reset();
    struct guest g;
    open_device(&g, true);
    write_image(&g, image, samples);
    write_to_memory(&g, region, flags, 60000);
    submit_badly(&g, "cop");
    assert_int_equal(mock_vk_call_count("vkCopyImageToMemoryEXT"), 0);
    guest_close(&g);
}

static void regions_outside_of_the_image_end_the_context(void **state)
{
    (void)state;
    static const struct region bad[] = {
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 65, 1, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 1, 33, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 1, 1, 2},
        {0, 0, COLOR, 0, 0, 1, 64, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 0, 1, -1, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 0, 1, 0, INT32_MIN, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 0, 1, 1, 0, 0, UINT32_MAX, 1, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 0, 1, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 1, 1, 0},
        {0, 0, COLOR, 1, 0, 1, 0, 0, 0, 33, 1, 1},
        {0, 0, COLOR, 3, 0, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, UINT32_MAX, 0, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 0, 5, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 4, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 4, VK_REMAINING_ARRAY_LAYERS, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, UINT32_MAX, 2, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR, 0, 0, 0, 0, 0, 0, 1, 1, 1},
        {0, 0, DEPTH, 0, 0, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, PLANE_0, 0, 0, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1},
        {0, 0, COLOR | DEPTH, 0, 0, 1, 0, 0, 0, 1, 1, 1},
        {2, 0, COLOR, 0, 0, 1, 0, 0, 0, 3, 1, 1},
        {0, 2, COLOR, 0, 0, 1, 0, 0, 0, 1, 3, 1},
        {UINT32_MAX, UINT32_MAX, COLOR, 0, 0, 4, 0, 0, 0, 64, 32, 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bad_region(&rgba, &bad[i], 0, VK_SAMPLE_COUNT_1_BIT);
    }
    static const struct region broken_blocks[] = {
        {0, 0, COLOR, 0, 0, 1, 2, 0, 0, 4, 4, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 6, 4, 1},
        {10, 0, COLOR, 0, 0, 1, 0, 0, 0, 8, 4, 1},
        {0, 0, COLOR, 0, 0, 1, 0, 0, 0, 32, 18, 1},
    };
    for (size_t i = 0; i < sizeof(broken_blocks) / sizeof(broken_blocks[0]); i++) {
        bad_region(&bc1, &broken_blocks[i], 0, VK_SAMPLE_COUNT_1_BIT);
    }
    bad_region(&nv12, &(struct region){0, 0, PLANE_1, 0, 0, 1, 0, 0, 0, 9, 4, 1}, 0,
               VK_SAMPLE_COUNT_1_BIT);
    const struct image unknown = {VK_IMAGE_TYPE_2D, 0x7ffffffe, 64, 32, 1, 1, 1};
    bad_region(&unknown, &fits[0].region, 0, VK_SAMPLE_COUNT_1_BIT);
    bad_region(&rgba, &fits[0].region, 0, VK_SAMPLE_COUNT_4_BIT);
    bad_region(&rgba, &fits[0].region, 2, VK_SAMPLE_COUNT_1_BIT);
}

// -- with the driver's own layout
// --------------------------------------------------------------------

static void tell_size(void *user, void *const *args)
{
    const VkImageSubresource2EXT *subresource = *(const VkImageSubresource2EXT *const *)args[2];
    const VkSubresourceLayout2EXT *layout = *(VkSubresourceLayout2EXT *const *)args[3];
    VkSubresourceHostMemcpySizeEXT *size = layout->pNext;
    assert_int_equal(size->sType, VK_STRUCTURE_TYPE_SUBRESOURCE_HOST_MEMCPY_SIZE_EXT);
    size->size = *(const uint64_t *)user + subresource->imageSubresource.arrayLayer;
}

static void copies_of_the_drivers_bytes_take_the_size_it_tells(void **state)
{
    (void)state;
    const struct region region = {0, 0, COLOR, 0, 1, 3, 0, 0, 0, 64, 32, 1};
    const uint32_t memcpy_flag = VK_HOST_IMAGE_COPY_MEMCPY_EXT;
    for (uint64_t less = 0; less < 2; less++) {
        mock_vk_reset();
        struct guest g;
        open_device(&g, true);
        write_image(&g, &rgba, VK_SAMPLE_COUNT_1_BIT);
        uint64_t layer = 9000;
        mock_vk_set_hook("vkGetImageSubresourceLayout2EXT", tell_size, &layer);
        write_to_memory(&g, &region, memcpy_flag, 3 * 9000 + 1 + 2 + 3 - less);
        if (less) {
            submit_badly(&g, "shorter than its region");
        } else {
            submit_well(&g);
            assert_int_equal(get_result(&g, PV_COMMAND_vkCopyImageToMemoryMESA), VK_SUCCESS);
        }
        assert_int_equal(mock_vk_call_count("vkCopyImageToMemoryEXT"), 1 - less);
        guest_close(&g);
    }
    // Parts cannot be copied so, and a driver that tells no size is not asked to.
    bad_region(&rgba, &(struct region){0, 0, COLOR, 0, 0, 1, 0, 0, 0, 64, 31, 1}, memcpy_flag,
               VK_SAMPLE_COUNT_1_BIT);
    bad_region(&rgba, &(struct region){64, 0, COLOR, 0, 0, 1, 0, 0, 0, 64, 32, 1}, memcpy_flag,
               VK_SAMPLE_COUNT_1_BIT);
    bad_region(&rgba, &region, memcpy_flag, VK_SAMPLE_COUNT_1_BIT);
}

static void copies_need_the_extension(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g, false);
    write_image(&g, &rgba, VK_SAMPLE_COUNT_1_BIT);
    write_to_memory(&g, &fits[0].region, 0, fits[0].size);
    submit_badly(&g, "created without what this command needs");
    guest_close(&g);
}

static void copies_of_refused_images_fail(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g, true);
    mock_vk_fail("vkCreateImage", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    write_image(&g, &rgba, VK_SAMPLE_COUNT_1_BIT);
    write_to_memory(&g, &fits[0].region, 0, fits[0].size);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkCopyImageToMemoryMESA),
                     VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(get_u64(&g), fits[0].size);
    guest_close(&g);
}

// -- descriptors ------------------------------------------------------------------------------

#ifdef VK_EXT_descriptor_heap

static void write_resource_descriptor(struct guest *g, uint64_t size)
{
    begin(g, PV_COMMAND_vkWriteResourceDescriptorMESA, true);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_RESOURCE_DESCRIPTOR_INFO_EXT);
    put_u32(g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER);
    put_u32(g, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER);
    put_present(g);
    put_u64(g, 0x10000);
    put_u64(g, 256);
    put_u64(g, size);
    put_u64(g, size);
}

static void write_sampler_descriptor(struct guest *g, uint64_t size)
{
    begin(g, PV_COMMAND_vkWriteSamplerDescriptorMESA, true);
    put_u64(g, DEVICE);
    put_present(g);
    put_stype(g, VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO);
    for (int i = 0; i < 16; i++) {
        put_u32(g, 0);
    }
    put_u64(g, size);
    put_u64(g, size);
}

static void fill_descriptor(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(const uint32_t *)args[1], 1);
    const VkHostAddressRangeEXT *range = *(const VkHostAddressRangeEXT *const *)args[3];
    memset(range->address, 0x7e, range->size);
}

static void descriptors_fit_or_end_the_context(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        uint32_t command;
        void (*write)(struct guest *g, uint64_t size);
    } kinds[] = {
        {"vkWriteResourceDescriptorsEXT", PV_COMMAND_vkWriteResourceDescriptorMESA,
         write_resource_descriptor},
        {"vkWriteSamplerDescriptorsEXT", PV_COMMAND_vkWriteSamplerDescriptorMESA,
         write_sampler_descriptor},
    };
    for (size_t i = 0; i < 2; i++) {
        mock_vk_reset();
        struct guest g;
        open_device(&g, true);
        mock_vk_set_hook(kinds[i].function, fill_descriptor, NULL);
        kinds[i].write(&g, 32);
        submit_well(&g);
        assert_int_equal(get_result(&g, kinds[i].command), VK_SUCCESS);
        assert_int_equal(get_u64(&g), 32);
        assert_int_equal(get_u32(&g), 0x7e7e7e7e);
        kinds[i].write(&g, 31);
        submit_badly(&g, "does not fit into its data");
        assert_int_equal(mock_vk_call_count(kinds[i].function), 1);
        guest_close(&g);

        open_device(&g, false);
        kinds[i].write(&g, 32);
        submit_badly(&g, "created without what this command needs");
        guest_close(&g);
    }
}

static void write_capture_images(struct guest *g, uint64_t second_size)
{
    begin(g, PV_COMMAND_vkGetImageOpaqueCaptureDataEXT, true);
    put_u64(g, DEVICE);
    put_u32(g, 2);
    put_u64(g, 2);
    put_u64(g, IMAGE);
    put_u64(g, IMAGE);
    put_u64(g, 2);
    for (int i = 0; i < 2; i++) {
        const uint64_t size = i == 0 ? 12 : second_size;
        put_u64(g, size);
        put_u64(g, size);
    }
}

static void fill_captured(void *user, void *const *args)
{
    (void)user;
    assert_int_equal(*(const uint32_t *)args[1], 2);
    const VkHostAddressRangeEXT *ranges = *(const VkHostAddressRangeEXT *const *)args[3];
    memset(ranges[0].address, 0x11, 12);
    memset(ranges[1].address, 0x22, 12);
}

static void captured_images_fit_or_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    open_device(&g, true);
    mock_vk_set_hook("vkGetImageOpaqueCaptureDataEXT", fill_captured, NULL);
    write_image(&g, &rgba, VK_SAMPLE_COUNT_1_BIT);
    write_capture_images(&g, 16);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkGetImageOpaqueCaptureDataEXT), VK_SUCCESS);
    assert_int_equal(get_u64(&g), 2);
    assert_int_equal(get_u64(&g), 12);
    assert_int_equal(get_u64(&g), 12);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get_u32(&g), 0x11111111);
    }
    // What the driver did not write is not the host's old memory.
    assert_int_equal(get_u64(&g), 16);
    assert_int_equal(get_u64(&g), 16);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(get_u32(&g), i < 3 ? 0x22222222 : 0);
    }
    write_capture_images(&g, 8);
    submit_badly(&g, "an image's captured data does not fit");
    assert_int_equal(mock_vk_call_count("vkGetImageOpaqueCaptureDataEXT"), 1);
    guest_close(&g);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(regions_that_fit_are_read),
        CASE(data_shorter_than_its_region_ends_the_context),
        CASE(regions_that_fit_are_written),
        CASE(regions_outside_of_the_image_end_the_context),
        CASE(copies_of_the_drivers_bytes_take_the_size_it_tells),
        CASE(copies_need_the_extension),
        CASE(copies_of_refused_images_fail),
#ifdef VK_EXT_descriptor_heap
        CASE(descriptors_fit_or_end_the_context),
        CASE(captured_images_fit_or_end_the_context),
#endif
    };
    return cmocka_run_group_tests_name("host_copy", tests, NULL, NULL);
}

#else

static void copies_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_image(&g, 100, false);
    begin(&g, PV_COMMAND_vkCopyImageToMemoryMESA, true);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, 1000384008);
    put_u32(&g, 0);
    put_u64(&g, 100);
    put_u32(&g, VK_IMAGE_LAYOUT_GENERAL);
    for (int i = 0; i < 12; i++) {
        put_u32(&g, 1);
    }
    put_u64(&g, 4);
    put_u64(&g, 4);
    submit_badly(&g, "this build does not know host image copies");
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(copies_end_the_context)};
    return cmocka_run_group_tests_name("host_copy", tests, NULL, NULL);
}

#endif

// Copies between images and memory that the host's CPU does (VK_EXT_host_image_copy), and writing
// descriptors to memory (VK_EXT_descriptor_heap): private commands with the data inline.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

struct pv_image *pv_image_new(struct pv_stream *stream, uint64_t id, const VkImageCreateInfo *info,
                              struct pv_object *device)
{
    struct pv_image *image =
        pv_object_new(stream, sizeof(*image), VK_OBJECT_TYPE_IMAGE, id, 0, device);
    if (image) {
        image->format = info->format;
        image->type = info->imageType;
        image->extent = info->extent;
        image->mip_levels = info->mipLevels;
        image->array_layers = info->arrayLayers;
        image->samples = info->samples;
        image->tiling = info->tiling;
    }
    return image;
}

static void refuse(struct pv_stream *s)
{
    pv_stream_fail(s, "the device was created without what this command needs");
}

void pv_handle_vkCopyImageToMemoryMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyImageToMemoryMESA *cmd)
{
    (void)cmd;
    refuse(s);
}

void pv_handle_vkCopyMemoryToImageMESA(struct pv_stream *s,
                                       struct pv_cmd_vkCopyMemoryToImageMESA *cmd)
{
    (void)cmd;
    refuse(s);
}

void pv_handle_vkWriteSamplerDescriptorMESA(struct pv_stream *s,
                                            struct pv_cmd_vkWriteSamplerDescriptorMESA *cmd)
{
    (void)cmd;
    refuse(s);
}

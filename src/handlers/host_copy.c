// Copies between images and memory that the host's CPU does (VK_EXT_host_image_copy), and writing
// descriptors to memory (VK_EXT_descriptor_heap): private commands with the data inline.
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

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

// Render passes and framebuffers remember how much they hold: drivers take as many image views as a
// pass has attachments, and the subpass that a pipeline names (protocol/check.c).
#include "handlers/dispatch.h"
#include "handlers/handlers.h"

static struct pv_render_pass *new_render_pass(struct pv_stream *s, struct pv_object *device,
                                              uint64_t id, uint32_t attachment_count,
                                              uint32_t subpass_count)
{
    struct pv_render_pass *pass =
        pv_object_new(s, sizeof(*pass), VK_OBJECT_TYPE_RENDER_PASS, id, 0, device);
    if (pass) {
        pass->attachment_count = attachment_count;
        pass->subpass_count = subpass_count;
    }
    return pass;
}

void pv_handle_vkCreateRenderPass(struct pv_stream *s, struct pv_cmd_vkCreateRenderPass *cmd)
{
    struct pv_render_pass *pass =
        new_render_pass(s, cmd->device_obj, cmd->pRenderPass_id, cmd->pCreateInfo->attachmentCount,
                        cmd->pCreateInfo->subpassCount);
    if (!pass) {
        return;
    }
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateRenderPass(cmd->device, cmd->pCreateInfo, NULL, cmd->pRenderPass);
    pv_stream_created_object(s, &pass->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pRenderPass : 0,
                             cmd->device_obj);
}

void pv_handle_vkCreateRenderPass2(struct pv_stream *s, struct pv_cmd_vkCreateRenderPass2 *cmd)
{
    const struct pv_device_functions *vk = pv_device_functions_of(cmd->device_obj);
    if (!vk->vkCreateRenderPass2) {
        pv_stream_fail_missing(s);
        return;
    }
    struct pv_render_pass *pass =
        new_render_pass(s, cmd->device_obj, cmd->pRenderPass_id, cmd->pCreateInfo->attachmentCount,
                        cmd->pCreateInfo->subpassCount);
    if (!pass) {
        return;
    }
    cmd->ret = vk->vkCreateRenderPass2(cmd->device, cmd->pCreateInfo, NULL, cmd->pRenderPass);
    pv_stream_created_object(s, &pass->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pRenderPass : 0,
                             cmd->device_obj);
}

void pv_handle_vkCreateFramebuffer(struct pv_stream *s, struct pv_cmd_vkCreateFramebuffer *cmd)
{
    const VkFramebufferCreateInfo *info = cmd->pCreateInfo;
    struct pv_framebuffer *framebuffer =
        pv_object_new(s, sizeof(*framebuffer), VK_OBJECT_TYPE_FRAMEBUFFER, cmd->pFramebuffer_id, 0,
                      cmd->device_obj);
    if (!framebuffer) {
        return;
    }
    framebuffer->imageless = info->flags & VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT;
    if (!framebuffer->imageless && info->pAttachments) {
        framebuffer->attachment_count = info->attachmentCount;
    }
    cmd->ret = pv_device_functions_of(cmd->device_obj)
                   ->vkCreateFramebuffer(cmd->device, info, NULL, cmd->pFramebuffer);
    pv_stream_created_object(s, &framebuffer->base,
                             cmd->ret == VK_SUCCESS ? (uint64_t)(uintptr_t)*cmd->pFramebuffer : 0,
                             cmd->device_obj);
}

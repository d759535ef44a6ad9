// Shaders, descriptor sets, render targets and pipelines for the cases.

#include "harness.h"

#include <string.h>

VkShaderModule e2e_module(struct e2e *t, struct e2e_code code)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code.size,
        .pCode = code.words,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    OK(vkCreateShaderModule(t->device, &info, NULL, &module));
    return module;
}

// -- descriptors --

struct e2e_binding e2e_bind_storage(const struct e2e_buffer *buffer)
{
    return (struct e2e_binding){
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .buffer = {buffer->handle, 0, VK_WHOLE_SIZE},
    };
}

struct e2e_binding e2e_bind_uniform(const struct e2e_buffer *buffer)
{
    return (struct e2e_binding){
        .type = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        .buffer = {buffer->handle, 0, VK_WHOLE_SIZE},
    };
}

struct e2e_binding e2e_bind_sampled(VkImageView view, VkSampler sampler)
{
    return (struct e2e_binding){
        .type = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
        .image = {sampler, view, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL},
    };
}

struct e2e_binding e2e_bind_image(VkImageView view)
{
    return (struct e2e_binding){
        .type = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
        .image = {VK_NULL_HANDLE, view, VK_IMAGE_LAYOUT_GENERAL},
    };
}

void e2e_set_write(struct e2e *t, VkDescriptorSet set, uint32_t binding, uint32_t element,
                   const struct e2e_binding *value)
{
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .dstArrayElement = element,
        .descriptorCount = 1,
        .descriptorType = value->type,
        .pBufferInfo = &value->buffer,
        .pImageInfo = &value->image,
        .pTexelBufferView = &value->texel,
    };
    vkUpdateDescriptorSets(t->device, 1, &write, 0, NULL);
}

VkDescriptorSetLayout e2e_set_layout(struct e2e *t, const VkDescriptorSetLayoutBinding *bindings,
                                     uint32_t count, VkDescriptorSetLayoutCreateFlags flags,
                                     const void *next)
{
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .pNext = next,
        .flags = flags,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout layout = VK_NULL_HANDLE;
    OK(vkCreateDescriptorSetLayout(t->device, &info, NULL, &layout));
    KEEP(t, DESCRIPTOR_SET_LAYOUT, layout);
    return layout;
}

VkPipelineLayout e2e_pipeline_layout(struct e2e *t, VkDescriptorSetLayout set_layout,
                                     VkShaderStageFlags stages, uint32_t push_size)
{
    const VkPushConstantRange push = {stages, 0, push_size};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = set_layout ? 1 : 0,
        .pSetLayouts = &set_layout,
        .pushConstantRangeCount = push_size ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    VkPipelineLayout layout = VK_NULL_HANDLE;
    OK(vkCreatePipelineLayout(t->device, &info, NULL, &layout));
    KEEP(t, PIPELINE_LAYOUT, layout);
    return layout;
}

VkDescriptorPool e2e_pool(struct e2e *t, uint32_t sets, const VkDescriptorPoolSize *sizes,
                          uint32_t count, VkDescriptorPoolCreateFlags flags, const void *next)
{
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .pNext = next,
        .flags = flags,
        .maxSets = sets,
        .poolSizeCount = count,
        .pPoolSizes = sizes,
    };
    VkDescriptorPool pool = VK_NULL_HANDLE;
    OK(vkCreateDescriptorPool(t->device, &info, NULL, &pool));
    KEEP(t, DESCRIPTOR_POOL, pool);
    return pool;
}

struct e2e_set e2e_set(struct e2e *t, const struct e2e_binding *bindings, uint32_t count,
                       VkShaderStageFlags stages, uint32_t push_size)
{
    VkDescriptorSetLayoutBinding layout_bindings[16];
    VkDescriptorPoolSize sizes[16];
    struct e2e_set set = {0};
    CHECK(count <= COUNT(sizes), "too many bindings");
    for (uint32_t i = 0; i < count; i++) {
        layout_bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = bindings[i].type,
            .descriptorCount = 1,
            .stageFlags = stages,
        };
        sizes[i] = (VkDescriptorPoolSize){bindings[i].type, 1};
    }
    if (count > 0) {
        set.set_layout = e2e_set_layout(t, layout_bindings, count, 0, NULL);
        const VkDescriptorSetAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = e2e_pool(t, 1, sizes, count, 0, NULL),
            .descriptorSetCount = 1,
            .pSetLayouts = &set.set_layout,
        };
        OK(vkAllocateDescriptorSets(t->device, &allocate, &set.set));
    }
    for (uint32_t i = 0; i < count; i++) {
        e2e_set_write(t, set.set, i, 0, &bindings[i]);
    }
    set.layout = e2e_pipeline_layout(t, set.set_layout, stages, push_size);
    return set;
}

VkPipeline e2e_compute(struct e2e *t, struct e2e_code code, VkPipelineLayout layout,
                       const VkSpecializationInfo *constants)
{
    const VkShaderModule module = e2e_module(t, code);
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = constants,
            },
        .layout = layout,
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    KEEP(t, PIPELINE, pipeline);
    vkDestroyShaderModule(t->device, module, NULL);
    return pipeline;
}

void e2e_use(VkCommandBuffer commands, VkPipeline pipeline, const struct e2e_set *set)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    if (set->set) {
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, set->layout, 0, 1,
                                &set->set, 0, NULL);
    }
}

// -- render targets --

static VkImageUsageFlags target_usage(VkFormat format, bool last)
{
    const VkImageUsageFlags attach = e2e_format_aspect(format) == VK_IMAGE_ASPECT_COLOR_BIT
                                         ? VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT
                                         : VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT;
    return attach | (last ? VK_IMAGE_USAGE_TRANSFER_SRC_BIT : 0u);
}

static struct e2e_image target_image(struct e2e *t, const struct e2e_target *target,
                                     VkFormat format, VkSampleCountFlagBits samples)
{
    return e2e_image(t, &(struct e2e_image_params){
                            .format = format,
                            .extent = {target->extent.width, target->extent.height, 1},
                            .layers = target->layers,
                            .samples = samples,
                            .usage = target_usage(format, samples == VK_SAMPLE_COUNT_1_BIT),
                        });
}

static VkAttachmentDescription attachment(VkFormat format, VkSampleCountFlagBits samples,
                                          VkImageLayout final)
{
    return (VkAttachmentDescription){
        .format = format,
        .samples = samples,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_STORE,
        .finalLayout = final,
    };
}

// Attachments in this order: colours, depth, resolved.
static void make_pass(struct e2e *t, struct e2e_target *target, uint32_t view_mask)
{
    const VkImageLayout colour_layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
    const VkImageLayout depth_layout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL;
    const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
    const bool many = target->samples != VK_SAMPLE_COUNT_1_BIT;
    VkAttachmentDescription attachments[6];
    VkAttachmentReference colours[4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < target->colour_count; i++) {
        colours[i] = (VkAttachmentReference){count, colour_layout};
        attachments[count++] =
            attachment(target->colour[i].format, target->samples, many ? colour_layout : source);
    }
    const VkAttachmentReference depth = {count, depth_layout};
    if (target->depth.handle) {
        attachments[count++] =
            attachment(target->depth.format, target->samples, many ? depth_layout : source);
    }
    VkAttachmentReference resolve[4] = {{count, colour_layout}};
    for (uint32_t i = 1; i < COUNT(resolve); i++) {
        resolve[i].attachment = VK_ATTACHMENT_UNUSED;
    }
    if (many) {
        attachments[count] = attachment(target->resolved.format, VK_SAMPLE_COUNT_1_BIT, source);
        attachments[count++].loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
    }
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = target->colour_count,
        .pColorAttachments = colours,
        .pResolveAttachments = many ? resolve : NULL,
        .pDepthStencilAttachment = target->depth.handle ? &depth : NULL,
    };
    const VkSubpassDependency dependency = {
        .srcSubpass = 0,
        .dstSubpass = VK_SUBPASS_EXTERNAL,
        .srcStageMask = VK_PIPELINE_STAGE_ALL_GRAPHICS_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
    };
    const VkRenderPassMultiviewCreateInfo multiview = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_MULTIVIEW_CREATE_INFO,
        .subpassCount = 1,
        .pViewMasks = &view_mask,
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .pNext = view_mask ? &multiview : NULL,
        .attachmentCount = count,
        .pAttachments = attachments,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 1,
        .pDependencies = &dependency,
    };
    OK(vkCreateRenderPass(t->device, &info, NULL, &target->pass));
    KEEP(t, RENDER_PASS, target->pass);
}

struct e2e_target e2e_target(struct e2e *t, const struct e2e_target_params *params)
{
    struct e2e_target target = {
        .extent = {params->width, params->height},
        .layers = params->layers ? params->layers : 1,
        .samples = params->samples ? params->samples : VK_SAMPLE_COUNT_1_BIT,
    };
    VkImageView views[6];
    uint32_t count = 0;
    while (target.colour_count < COUNT(params->formats) && params->formats[target.colour_count]) {
        const uint32_t i = target.colour_count++;
        target.colour[i] = target_image(t, &target, params->formats[i], target.samples);
        views[count++] = target.colour[i].view;
    }
    if (params->depth) {
        target.depth = target_image(t, &target, params->depth, target.samples);
        views[count++] = target.depth.view;
    }
    if (target.samples != VK_SAMPLE_COUNT_1_BIT) {
        target.resolved = target_image(t, &target, params->formats[0], VK_SAMPLE_COUNT_1_BIT);
        views[count++] = target.resolved.view;
    }
    make_pass(t, &target, params->view_mask);
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = target.pass,
        .attachmentCount = count,
        .pAttachments = views,
        .width = params->width,
        .height = params->height,
        .layers = params->view_mask ? 1 : target.layers,
    };
    OK(vkCreateFramebuffer(t->device, &info, NULL, &target.framebuffer));
    KEEP(t, FRAMEBUFFER, target.framebuffer);
    return target;
}

void e2e_target_begin(VkCommandBuffer commands, const struct e2e_target *target,
                      VkSubpassContents contents)
{
    VkClearValue clear[6];
    memset(clear, 0, sizeof(clear));
    uint32_t count = target->colour_count;
    if (target->depth.handle) {
        clear[count++].depthStencil.depth = 1.0f;
    }
    const VkRenderPassBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = target->pass,
        .framebuffer = target->framebuffer,
        .renderArea = {.extent = target->extent},
        .clearValueCount = count,
        .pClearValues = clear,
    };
    vkCmdBeginRenderPass(commands, &info, contents);
}

struct e2e_buffer e2e_target_read(struct e2e *t, const struct e2e_target *target, const char *label)
{
    const struct e2e_image *image =
        target->samples == VK_SAMPLE_COUNT_1_BIT ? &target->colour[0] : &target->resolved;
    const struct e2e_buffer picture = e2e_read(t, image, 0, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    e2e_digest(label, picture.map, picture.size);
    return picture;
}

uint32_t e2e_pixel(const struct e2e_buffer *picture, const struct e2e_target *target, uint32_t x,
                   uint32_t y)
{
    uint32_t pixel;
    memcpy(&pixel, (const char *)picture->map + ((size_t)y * target->extent.width + x) * 4,
           sizeof(pixel));
    return pixel;
}

// -- graphics pipelines --

// The states the caller left out, in one place so that the create info can point to them.
struct defaults {
    VkPipelineVertexInputStateCreateInfo vertices;
    VkPipelineInputAssemblyStateCreateInfo assembly;
    VkPipelineTessellationStateCreateInfo tessellation;
    VkViewport viewport_area;
    VkRect2D scissor;
    VkPipelineViewportStateCreateInfo viewport;
    VkPipelineRasterizationStateCreateInfo raster;
    VkPipelineMultisampleStateCreateInfo multisample;
    VkPipelineDepthStencilStateCreateInfo depth;
    VkPipelineColorBlendAttachmentState attachments[4];
    VkPipelineColorBlendStateCreateInfo blend;
    VkPipelineDynamicStateCreateInfo dynamic;
};

static void fill_input(struct defaults *d, const struct e2e_pipeline_params *params)
{
    d->vertices = (VkPipelineVertexInputStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
        .vertexBindingDescriptionCount = params->binding_count,
        .pVertexBindingDescriptions = params->bindings,
        .vertexAttributeDescriptionCount = params->attribute_count,
        .pVertexAttributeDescriptions = params->attributes,
    };
    d->assembly = (VkPipelineInputAssemblyStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
        .topology = params->assembled ? params->topology : VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
        .primitiveRestartEnable = params->restart,
    };
    d->tessellation = (VkPipelineTessellationStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_TESSELLATION_STATE_CREATE_INFO,
        .patchControlPoints = 3,
    };
}

static void fill_output(struct defaults *d, const struct e2e_target *target, VkExtent2D extent)
{
    const uint32_t colours = target ? target->colour_count : 1;
    d->viewport_area = (VkViewport){0, 0, (float)extent.width, (float)extent.height, 0.0f, 1.0f};
    d->scissor = (VkRect2D){.extent = extent};
    d->viewport = (VkPipelineViewportStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .pViewports = &d->viewport_area,
        .scissorCount = 1,
        .pScissors = &d->scissor,
    };
    d->raster = (VkPipelineRasterizationStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .lineWidth = 1.0f,
    };
    d->multisample = (VkPipelineMultisampleStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = target ? target->samples : VK_SAMPLE_COUNT_1_BIT,
    };
    d->depth = (VkPipelineDepthStencilStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
    };
    for (uint32_t i = 0; i < COUNT(d->attachments); i++) {
        d->attachments[i].colorWriteMask = E2E_ALL_CHANNELS;
    }
    d->blend = (VkPipelineColorBlendStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
        .attachmentCount = colours,
        .pAttachments = d->attachments,
        .blendConstants = {0.25f, 0.5f, 0.75f, 1.0f},
    };
}

static uint32_t fill_stages(struct e2e *t, VkPipelineShaderStageCreateInfo *stages,
                            const struct e2e_pipeline_params *params)
{
    const struct {
        VkShaderStageFlagBits stage;
        struct e2e_code code;
    } list[] = {
        {VK_SHADER_STAGE_VERTEX_BIT, params->vertex},
        {VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT, params->control},
        {VK_SHADER_STAGE_TESSELLATION_EVALUATION_BIT, params->evaluation},
        {VK_SHADER_STAGE_GEOMETRY_BIT, params->geometry},
        {VK_SHADER_STAGE_TASK_BIT_EXT, params->task},
        {VK_SHADER_STAGE_MESH_BIT_EXT, params->mesh},
        {VK_SHADER_STAGE_FRAGMENT_BIT, params->fragment},
    };
    uint32_t count = 0;
    for (size_t i = 0; i < COUNT(list); i++) {
        if (list[i].code.words) {
            const bool fragment = list[i].stage == VK_SHADER_STAGE_FRAGMENT_BIT;
            stages[count++] = (VkPipelineShaderStageCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = list[i].stage,
                .module = e2e_module(t, list[i].code),
                .pName = "main",
                .pSpecializationInfo = fragment ? params->constants : NULL,
            };
        }
    }
    return count;
}

VkPipeline e2e_graphics(struct e2e *t, const struct e2e_target *target,
                        const struct e2e_pipeline_params *params)
{
    struct defaults d = {0};
    VkPipelineShaderStageCreateInfo stages[7];
    const VkExtent2D extent = target ? target->extent : (VkExtent2D){64, 64};
    fill_input(&d, params);
    fill_output(&d, target, extent);
    if (params->no_viewports) {
        d.viewport.viewportCount = 0;
        d.viewport.scissorCount = 0;
    }
    if (params->blend) {
        d.blend.pAttachments = params->blend;
    }
    d.multisample.pNext = params->multisample_next;
    d.dynamic = (VkPipelineDynamicStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
        .dynamicStateCount = params->dynamic_count,
        .pDynamicStates = params->dynamic,
    };
    const uint32_t stage_count = fill_stages(t, stages, params);
    const VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .pNext = params->next,
        .flags = params->flags,
        .stageCount = stage_count,
        .pStages = stages,
        .pVertexInputState = &d.vertices,
        .pInputAssemblyState = &d.assembly,
        .pTessellationState = params->control.words ? &d.tessellation : NULL,
        .pViewportState = &d.viewport,
        .pRasterizationState = params->raster ? params->raster : &d.raster,
        .pMultisampleState = &d.multisample,
        .pDepthStencilState = params->depth ? params->depth : &d.depth,
        .pColorBlendState = &d.blend,
        .pDynamicState = params->dynamic_count ? &d.dynamic : NULL,
        .layout = params->layout,
        .renderPass = target ? target->pass : VK_NULL_HANDLE,
        .subpass = params->subpass,
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(vkCreateGraphicsPipelines(t->device, params->cache, 1, &info, NULL, &pipeline));
    KEEP(t, PIPELINE, pipeline);
    for (uint32_t i = 0; i < stage_count; i++) {
        vkDestroyShaderModule(t->device, stages[i].module, NULL);
    }
    return pipeline;
}

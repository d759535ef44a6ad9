// Lengths that must agree without the registry saying so. Decoding checks every length against the
// member it is the length of; these stand in other structures, and drivers trust them as well.
// generator/policy.toml lists the structures and commands. Each fails the reader, or completes the
// array where a correct program may send a shorter one.
#ifndef PV_PROTOCOL_CHECK_H
#define PV_PROTOCOL_CHECK_H

#include "protocol/commands.h"
#include "protocol/decoder.h"

void pv_check_vkCmdBindDescriptorSets(struct pv_decoder *d,
                                      const struct pv_cmd_vkCmdBindDescriptorSets *cmd);
void pv_check_vkCmdBeginRenderPass(struct pv_decoder *d,
                                   const struct pv_cmd_vkCmdBeginRenderPass *cmd);
void pv_check_vkCmdBeginRenderPass2(struct pv_decoder *d,
                                    const struct pv_cmd_vkCmdBeginRenderPass2 *cmd);
void pv_check_vkCmdNextSubpass(struct pv_decoder *d, const struct pv_cmd_vkCmdNextSubpass *cmd);
void pv_check_vkCmdNextSubpass2(struct pv_decoder *d, const struct pv_cmd_vkCmdNextSubpass2 *cmd);
#ifdef VK_KHR_maintenance6
void pv_check_VkBindDescriptorSetsInfo(struct pv_decoder *d,
                                       const VkBindDescriptorSetsInfoKHR *info);
#define pv_check_VkBindDescriptorSetsInfoKHR pv_check_VkBindDescriptorSetsInfo // before 1.4
#endif
void pv_check_VkBindSparseInfo(struct pv_decoder *d, const VkBindSparseInfo *info);
void pv_check_VkCommandBufferBeginInfo(struct pv_decoder *d, const VkCommandBufferBeginInfo *info);
void pv_check_VkDescriptorSetAllocateInfo(struct pv_decoder *d,
                                          const VkDescriptorSetAllocateInfo *info);
void pv_check_VkDescriptorSetLayoutCreateInfo(struct pv_decoder *d,
                                              const VkDescriptorSetLayoutCreateInfo *info);
void pv_check_VkGraphicsPipelineCreateInfo(struct pv_decoder *d,
                                           const VkGraphicsPipelineCreateInfo *info);
void pv_check_VkRayTracingPipelineCreateInfoKHR(struct pv_decoder *d,
                                                const VkRayTracingPipelineCreateInfoKHR *info);
void pv_check_VkRenderPassBeginInfo(struct pv_decoder *d, const VkRenderPassBeginInfo *info);
void pv_check_VkRenderPassCreateInfo(struct pv_decoder *d, const VkRenderPassCreateInfo *info);
void pv_check_VkRenderPassCreateInfo2(struct pv_decoder *d, const VkRenderPassCreateInfo2 *info);
void pv_check_VkSpecializationInfo(struct pv_decoder *d, const VkSpecializationInfo *info);
void pv_check_VkSubmitInfo(struct pv_decoder *d, const VkSubmitInfo *info);

#endif

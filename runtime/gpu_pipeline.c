#include "runtime/gpu.h"

#include <string.h>

int gpu_layout_create(VkDevice vk, VkDescriptorSetLayout *ret_set, VkPipelineLayout *ret)
{
	int r = 0;
	VkDescriptorSetLayoutBinding bindings[KERNEL_BUFS_MAX];
	for (u32 i = 0; i < KERNEL_BUFS_MAX; i++)
		bindings[i] = (VkDescriptorSetLayoutBinding){ .binding = i,
			.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
			.descriptorCount = 1,
			.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
	const VkDescriptorSetLayoutCreateInfo set = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = KERNEL_BUFS_MAX,
		.pBindings = bindings
	};
	GPU_CHECK(vkCreateDescriptorSetLayout(vk, &set, NULL, ret_set));
	const VkPushConstantRange push = { VK_SHADER_STAGE_COMPUTE_BIT, 0, KERNEL_PUSH_MAX };
	const VkPipelineLayoutCreateInfo layout = { .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = ret_set,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &push };
	GPU_CHECK(vkCreatePipelineLayout(vk, &layout, NULL, ret));
error:
	return r;
}

int gpu_pipeline_create(VkDevice vk, VkPipelineLayout layout, const struct pipeline_row *row,
	VkPipelineCreateFlags flags, VkPipeline *ret)
{
	int r = 0;
	VkShaderModule module = VK_NULL_HANDLE;
	static const VkSpecializationMapEntry entries[] = { { 0, 0, 4 }, { 1, 4, 4 }, { 2, 8, 4 },
		{ 3, 12, 4 }, { 4, 16, 4 } };
	const VkSpecializationInfo spec = { .mapEntryCount = row->n_spec,
		.pMapEntries = entries,
		.dataSize = 4ul * row->n_spec,
		.pData = row->spec };
	const VkShaderModuleCreateInfo code = { .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = row->spirv_bytes,
		.pCode = row->spirv };
	GPU_CHECK(vkCreateShaderModule(vk, &code, NULL, &module));
	const VkComputePipelineCreateInfo info = { .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.module = module,
			.pName = "main",
			.pSpecializationInfo = &spec },
		.flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT | flags,
		.layout = layout };
	GPU_CHECK(vkCreateComputePipelines(vk, VK_NULL_HANDLE, 1, &info, NULL, ret));
error:
	vkDestroyShaderModule(vk, module, NULL);
	return r;
}

/* The pipelines for one column and for several, which may be one. */
static int two_create(
	struct gpu *g, const struct pipeline_row *const chosen[2], bool experts, struct gpu_pipeline *p)
{
	for (u32 i = 0; i < 2; i++)
		p[i].row = pipeline_row_resolve(chosen[i], &g->found.caps, experts);
	int r = gpu_pipeline_create(g->vk, g->layout, &p[0].row, 0, &p[0].vk);
	if (r == 0 && chosen[1] != chosen[0])
		return gpu_pipeline_create(g->vk, g->layout, &p[1].row, 0, &p[1].vk);
	p[1].vk = p[0].vk;
	return r;
}

/* The same for products of experts, or the same ones. */
static int experts_create(struct gpu *g, const struct pipeline_row *const chosen[2], struct gpu_pipeline *p)
{
	if (pipeline_experts_apart(&g->found.caps))
		return two_create(g, chosen, true, p + GPU_EXPERTS);
	memcpy(p + GPU_EXPERTS, p, 2 * sizeof(*p));
	return 0;
}

int gpu_pipelines_create(struct gpu *g, const struct pipeline_row *rows, u32 n)
{
	int r = gpu_layout_create(g->vk, &g->set_layout, &g->layout);
	for (u32 k = 0; k < KERNELS_N && r == 0; k++) {
		const struct pipeline_row *chosen[2];
		pipeline_rows_choose(rows, n, &g->found.caps, k, chosen);
		struct gpu_pipeline *p = g->pipelines[k];
		r = two_create(g, chosen, false, p);
		if (r == 0 && chosen[0]->experts && chosen[1]->experts)
			r = experts_create(g, chosen, p);
	}
	return r;
}

static void two_destroy(struct gpu *g, struct gpu_pipeline *p)
{
	if (p[1].vk != p[0].vk)
		vkDestroyPipeline(g->vk, p[1].vk, NULL);
	vkDestroyPipeline(g->vk, p[0].vk, NULL);
}

void gpu_pipelines_destroy(struct gpu *g)
{
	for (u32 k = 0; k < KERNELS_N; k++) {
		struct gpu_pipeline *p = g->pipelines[k];
		if (p[GPU_EXPERTS].vk != p[0].vk)
			two_destroy(g, p + GPU_EXPERTS);
		two_destroy(g, p);
	}
	vkDestroyPipelineLayout(g->vk, g->layout, NULL);
	vkDestroyDescriptorSetLayout(g->vk, g->set_layout, NULL);
}

/* Recording and running. Calls are recorded in order into one command buffer; a barrier stands before a call that touches what an earlier
 * one since the last barrier wrote, or writes what one read. Descriptor sets come from a fixed stock; when a recording has used all, it runs
 * what it has and goes on. */
#include "runtime/gpu.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int gpu_run(struct gpu *g, VkCommandBuffer cmd, VkFence fence)
{
	int r = 0;
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cmd
	};
	pthread_mutex_lock(&g->queue_lock);
	VkResult v = g->lost ? VK_ERROR_DEVICE_LOST : vkQueueSubmit(g->queue, 1, &submit, fence);
	pthread_mutex_unlock(&g->queue_lock);
	GPU_CHECK(v);
	GPU_CHECK(vkWaitForFences(g->vk, 1, &fence, VK_TRUE, GPU_TIMEOUT_NS));
	GPU_CHECK(vkResetFences(g->vk, 1, &fence));
	return 0;
error:
	pthread_mutex_lock(&g->queue_lock);
	g->lost =
		true; /* what was submitted may still run or never end: nothing more is asked of this device */
	pthread_mutex_unlock(&g->queue_lock);
	return r;
}

int gpu_begin(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	int r = 0;
	const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
	if (g->lost)
		return err_origin(-EIO);
	GPU_CHECK(vkResetCommandPool(g->vk, g->pool, 0));
	GPU_CHECK(vkBeginCommandBuffer(g->cmd, &begin));
	g->recording = true;
	g->n_sets = 0;
	g->n_hazards = 0;
	return 0;
error:
	g->lost = true;
	return r;
}

int gpu_submit(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	int r = 0;
	const VkMemoryBarrier to_host = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT };
	if (!g->recording)
		return err_origin(-EIO); /* rt_begin failed, or a submission in the middle did */
	g->recording = false;
	vkCmdPipelineBarrier(g->cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
		&to_host, 0, NULL, 0, NULL);
	GPU_CHECK(vkEndCommandBuffer(g->cmd));
	return gpu_run(g, g->cmd, g->fence);
error:
	g->lost = true;
	return r;
}

static bool overlaps(const struct gpu_hazard *a, const struct gpu_hazard *b)
{
	return a->buf == b->buf && a->first < b->end && b->first < a->end;
}

/* Remembers the operands of a call; true when it must wait for an earlier one. */
static bool depends(struct gpu *g, const struct rt_call *c)
{
	const struct kernel_ref *k = &kernel_refs[c->kernel];
	struct gpu_hazard mine[KERNEL_BUFS_MAX];
	bool wait = g->n_hazards + k->n_bufs > GPU_HAZARDS;
	for (u32 i = 0; i < k->n_bufs; i++) {
		mine[i] = (struct gpu_hazard){ .buf = c->view[i].buf,
			.first = c->view[i].offset,
			.end = c->view[i].offset + c->bytes[i],
			.written = k->writes >> i & 1 };
		for (u32 h = 0; h < g->n_hazards; h++)
			wait |= (mine[i].written || g->hazards[h].written) &&
				overlaps(&mine[i], &g->hazards[h]);
	}
	g->n_hazards = wait ? 0 : g->n_hazards;
	for (u32 i = 0; i < k->n_bufs; i++)
		if (c->view[i].buf->kind != RT_BUF_WEIGHTS) /* no call writes them */
			g->hazards[g->n_hazards++] = mine[i];
	return wait;
}

static void barrier(struct gpu *g)
{
	const VkMemoryBarrier b = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
	vkCmdPipelineBarrier(g->cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
		VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &b, 0, NULL, 0, NULL);
}

/* Shows the call's operands in the next set. A set that already shows them from an earlier step is left as it is. Bindings that the kernel lacks
 * show staging memory: lavapipe 22.3 takes references to every binding of a set, also to what has been freed since. */
static void bind(struct gpu *g, const struct rt_call *c)
{
	struct gpu_shown now;
	VkDescriptorBufferInfo infos[KERNEL_BUFS_MAX];
	VkDescriptorSet set = g->sets[g->n_sets];
	const VkWriteDescriptorSet write = { .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.dstSet = set,
		.descriptorCount = KERNEL_BUFS_MAX,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
		.pBufferInfo = infos };
	for (u32 i = 0; i < KERNEL_BUFS_MAX; i++) {
		bool used = i < kernel_refs[c->kernel].n_bufs;
		const struct gpu_buf *b = (const struct gpu_buf *)(used ? c->view[i].buf : g->stage_buf);
		u64 range = used ? ALIGN_UP(c->bytes[i], 4) + 4
				 : 4; /* kernels read whole words, some one beyond */
		now.serial[i] = b->serial;
		now.offset[i] = used ? c->view[i].offset : 0;
		now.range[i] = MIN(range, b->alloc_bytes - now.offset[i]);
		infos[i] = (VkDescriptorBufferInfo){ b->vk, now.offset[i], now.range[i] };
	}
	if (memcmp(&now, &g->shown[g->n_sets], sizeof(now))) {
		vkUpdateDescriptorSets(g->vk, 1, &write, 0, NULL);
		g->shown[g->n_sets] = now;
	}
	vkCmdBindDescriptorSets(g->cmd, VK_PIPELINE_BIND_POINT_COMPUTE, g->layout, 0, 1, &set, 0, NULL);
	g->n_sets++;
}

static void dispatch(struct gpu *g, const struct rt_call *c)
{
	const struct gpu_pipeline *p = &g->pipelines[c->kernel][c->work_y > 1];
	u32 groups = DIV_UP(c->work_x, p->row.items_x), z = DIV_UP(groups, g->found.groups_max);
	vkCmdBindPipeline(g->cmd, VK_PIPELINE_BIND_POINT_COMPUTE, p->vk);
	vkCmdPushConstants(g->cmd, g->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
		kernel_refs[c->kernel].push_bytes, c->push);
	vkCmdDispatch(g->cmd, DIV_UP(groups, z), DIV_UP(c->work_y, p->row.items_y), z);
}

int gpu_call(struct rt_device *d, const struct rt_call *c)
{
	struct gpu *g = gpu_of(d);
	if (g->n_sets == GPU_SETS && g->recording) {
		int r = gpu_submit(d);
		r = r < 0 ? r : gpu_begin(d);
		if (r < 0)
			return r;
	}
	if (!g->recording)
		return err_origin(-EIO);
	if (depends(g, c))
		barrier(g);
	bind(g, c);
	dispatch(g, c);
	return 0;
}

static int sets_create(struct gpu *g)
{
	int r = 0;
	VkDescriptorSetLayout *layouts = calloc(GPU_SETS, sizeof(VkDescriptorSetLayout));
	g->shown = calloc(GPU_SETS, sizeof(*g->shown));
	if (!g->shown || !layouts) {
		r = err_origin(-ENOMEM);
		goto error;
	}
	for (u32 i = 0; i < GPU_SETS; i++)
		layouts[i] = g->set_layout;
	const VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_SETS * KERNEL_BUFS_MAX };
	const VkDescriptorPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = GPU_SETS,
		.poolSizeCount = 1,
		.pPoolSizes = &size };
	GPU_CHECK(vkCreateDescriptorPool(g->vk, &pool, NULL, &g->set_pool));
	const VkDescriptorSetAllocateInfo alloc = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = g->set_pool,
		.descriptorSetCount = GPU_SETS,
		.pSetLayouts = layouts };
	GPU_CHECK(vkAllocateDescriptorSets(g->vk, &alloc, g->sets));
error:
	free(layouts);
	return r;
}

int gpu_cmds_create(struct gpu *g)
{
	const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = g->found.family };
	const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	int r = sets_create(g);
	if (r < 0)
		return r;
	GPU_CHECK(vkCreateCommandPool(g->vk, &pool, NULL, &g->pool));
	const VkCommandBufferAllocateInfo cmd = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = g->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1 };
	GPU_CHECK(vkAllocateCommandBuffers(g->vk, &cmd, &g->cmd));
	GPU_CHECK(vkCreateFence(g->vk, &fence, NULL, &g->fence));
error:
	return r;
}

void gpu_cmds_destroy(struct gpu *g)
{
	vkDestroyFence(g->vk, g->fence, NULL);
	vkDestroyCommandPool(g->vk, g->pool, NULL);
	vkDestroyDescriptorPool(g->vk, g->set_pool, NULL);
	free(g->shown);
}

/* Recording and running. What is called between begin and submit is first only noted. Cut into parts, it is compared with the parts that were recorded
 * before: one that is equal is submitted again as it stands, so that a step which only differs in what its inputs hold records nothing. Else
 * the part that was longest not used is recorded anew: calls in order, a barrier before a call that touches what an earlier one since the last
 * barrier wrote, or writes what one read. A part ends after GPU_CALLS calls or GPU_COST_MAX multiplications, so no submission runs long enough for
 * a driver to take it for hung. */
#include "runtime/gpu.h"

#include "base/err.h"
#include "shaders/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int queue(struct gpu *g, VkCommandBuffer cmd, VkFence fence)
{
	int r = 0;
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cmd
	};
	pthread_mutex_lock(&g->queue_lock);
	VkResult v = g->lost ? VK_ERROR_DEVICE_LOST : vkQueueSubmit(g->queue, 1, &submit, fence);
	pthread_mutex_unlock(&g->queue_lock);
	GPU_CHECK(v);
error:
	return r;
}

static int wait(struct gpu *g, const VkFence *fences, u32 n)
{
	int r = 0;
	GPU_CHECK(vkWaitForFences(g->vk, n, fences, VK_TRUE, GPU_TIMEOUT_NS));
	GPU_CHECK(vkResetFences(g->vk, n, fences));
error:
	return r;
}

/* What was submitted may still run or never end: nothing more is asked of this device. */
static int lose(struct gpu *g, int r)
{
	pthread_mutex_lock(&g->queue_lock);
	g->lost = true;
	pthread_mutex_unlock(&g->queue_lock);
	return r;
}

int gpu_run(struct gpu *g, VkCommandBuffer cmd, VkFence fence)
{
	int r = queue(g, cmd, fence);
	r = r < 0 ? r : wait(g, &fence, 1);
	return r < 0 ? lose(g, r) : 0;
}

/* ---- parts that run ---- */

int gpu_finish(struct gpu *g)
{
	VkFence fences[GPU_PARTS];
	u32 n = 0;
	for (u32 i = 0; i < GPU_PARTS; i++)
		if (g->parts[i].runs)
			fences[n++] = g->parts[i].fence;
	int r = n ? wait(g, fences, n) : 0;
	for (u32 i = 0; i < GPU_PARTS; i++)
		g->parts[i].runs = false;
	return r;
}

static int start(struct gpu *g, struct gpu_part *p)
{
	int r = queue(g, p->cmd, p->fence);
	p->runs = r == 0;
	p->used = ++g->parts_used;
	return r;
}

/* ---- recording a part ---- */

static bool overlaps(const struct gpu_hazard *a, const struct gpu_hazard *b)
{
	return a->buf == b->buf && a->first < b->end && b->first < a->end;
}

/* Remembers the operands of a call; true when it must wait for an earlier one. */
static bool depends(struct gpu *g, const struct gpu_noted *c)
{
	const struct kernel_ref *k = &kernel_refs[c->is.kernel];
	struct gpu_hazard mine[KERNEL_BUFS_MAX];
	bool wait = g->n_hazards + k->n_bufs > GPU_HAZARDS;
	for (u32 i = 0; i < k->n_bufs; i++) {
		u64 first = (u64)c->is.at[i] * RT_ALIGN;
		mine[i] = (struct gpu_hazard){ .buf = &c->buf[i]->b,
			.first = first,
			.end = first + 4ull * c->is.words[i],
			.written = k->writes >> i & 1 };
		for (u32 h = 0; h < g->n_hazards; h++)
			wait |= (mine[i].written || g->hazards[h].written) &&
				overlaps(&mine[i], &g->hazards[h]);
	}
	g->n_hazards = wait ? 0 : g->n_hazards;
	for (u32 i = 0; i < k->n_bufs; i++)
		if (c->buf[i]->b.kind != RT_BUF_WEIGHTS) /* no call writes them */
			g->hazards[g->n_hazards++] = mine[i];
	return wait;
}

static void barrier(VkCommandBuffer cmd, VkPipelineStageFlags to, VkAccessFlags access)
{
	const VkMemoryBarrier b = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = access };
	vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, to, 0, 1, &b, 0, NULL, 0, NULL);
}

static void compute_barrier(VkCommandBuffer cmd)
{
	barrier(cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
		VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void dispatch(struct gpu *g, VkCommandBuffer cmd, const struct gpu_said *c)
{
	const struct gpu_pipeline *p = &g->pipelines[c->kernel][c->way];
	u32 groups = DIV_UP(c->work_x, p->row.items_x), z = DIV_UP(groups, g->found.groups_max);
	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, p->vk);
	vkCmdPushConstants(
		cmd, g->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kernel_refs[c->kernel].push_bytes, c->push);
	/* the synchronisation validation of Debian's layers does not look at vkCmdDispatchBase */
	if (c->first_y == 0)
		vkCmdDispatch(cmd, DIV_UP(groups, z), c->groups_y, z);
	else
		vkCmdDispatchBase(cmd, 0, c->first_y, 0, DIV_UP(groups, z), c->groups_y, z);
}

static int record(struct gpu *g, struct gpu_part *p)
{
	int r = 0;
	const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
	if (g->n_sets + g->n_noted > GPU_SETS)
		gpu_parts_forget(g);
	p->n = 0;
	g->n_hazards = 0;
	GPU_CHECK(vkResetCommandPool(g->vk, p->pool, 0));
	GPU_CHECK(vkBeginCommandBuffer(p->cmd, &begin));
	compute_barrier(p->cmd); /* the part before may still run */
	for (u32 i = 0; i < g->n_noted; i++) {
		const struct gpu_noted *c = &g->noted[i];
		VkDescriptorSet set = gpu_set_of(g, c);
		if (depends(g, c))
			compute_barrier(p->cmd);
		vkCmdBindDescriptorSets(
			p->cmd, VK_PIPELINE_BIND_POINT_COMPUTE, g->layout, 0, 1, &set, 0, NULL);
		dispatch(g, p->cmd, &c->is);
		p->calls[i] = c->is;
	}
	barrier(p->cmd, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
	GPU_CHECK(vkEndCommandBuffer(p->cmd));
	p->n = g->n_noted;
	g->parts_recorded++;
error:
	return r;
}

static bool same(const struct gpu *g, const struct gpu_part *p)
{
	bool same = p->n == g->n_noted;
	for (u32 i = 0; same && i < p->n; i++)
		same = !memcmp(&p->calls[i], &g->noted[i].is, sizeof(p->calls[i]));
	return same;
}

/* The part that is what has been noted, recorded where none is. */
static int part_of(struct gpu *g, struct gpu_part **ret)
{
	struct gpu_part *oldest = &g->parts[0];
	for (u32 i = 0; i < GPU_PARTS; i++) {
		if (same(g, &g->parts[i])) {
			*ret = &g->parts[i];
			return g->parts[i].runs ? gpu_finish(g) : 0;
		}
		if (g->parts[i].used < oldest->used)
			oldest = &g->parts[i];
	}
	int r = oldest->runs || g->n_sets + g->n_noted > GPU_SETS ? gpu_finish(g) : 0;
	*ret = oldest;
	return r < 0 ? r : record(g, oldest);
}

/* Starts what has been noted. */
static int play(struct gpu *g)
{
	struct gpu_part *p = NULL;
	if (g->n_noted == 0)
		return 0;
	int r = part_of(g, &p);
	r = r < 0 ? r : start(g, p);
	g->n_noted = 0;
	g->cost = 0;
	if (r < 0)
		g->recording = false;
	return r < 0 ? lose(g, r) : 0;
}

void gpu_parts_forget(struct gpu *g)
{
	for (u32 i = 0; i < GPU_PARTS; i++)
		g->parts[i].n = 0;
	gpu_sets_forget(g);
}

/* ---- the device's functions ---- */

int gpu_begin(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	if (g->lost)
		return err_origin(-EIO);
	int r = gpu_finish(g); /* of a recording that was thrown away */
	if (r < 0)
		return lose(g, r);
	g->recording = true;
	g->n_noted = 0;
	g->cost = 0;
	return 0;
}

int gpu_start(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	if (!g->recording)
		return err_origin(-EIO); /* rt_begin failed, or a submission in the middle did */
	int r = play(g);
	g->recording = false;
	return r;
}

int gpu_wait(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	int r = gpu_finish(g);
	return r < 0 ? lose(g, r) : 0;
}

/* For several columns: of a product of experts where these have more than one each. */
static u32 way_of(const struct rt_call *c)
{
	return (c->work_y > MAX(c->experts, 1u) ? GPU_SEVERAL : 0) | (c->experts ? GPU_EXPERTS : 0);
}

/* How many workgroups along y: of a product of experts as many as there may be tiles, however the columns fall to them. */
static u32 groups_along_y(const struct rt_call *c, u32 width)
{
	return c->experts ? group_tiles_max(c->work_y, c->experts, width) : DIV_UP(c->work_y, width);
}

static void note(struct gpu *g, const struct rt_call *c, u32 first_y, u32 groups_y)
{
	struct gpu_noted *to = &g->noted[g->n_noted++];
	*to = (struct gpu_noted){ .is = { .kernel = c->kernel,
					  .way = way_of(c),
					  .work_x = c->work_x,
					  .first_y = first_y,
					  .groups_y = groups_y } };
	for (u32 i = 0; i < kernel_refs[c->kernel].n_bufs; i++) {
		to->buf[i] = (const struct gpu_buf *)c->view[i].buf;
		to->is.serial[i] = to->buf[i]->serial;
		to->is.at[i] = (u32)(c->view[i].offset / RT_ALIGN);
		to->is.words[i] = (u32)DIV_UP(c->bytes[i], 4);
	}
	memcpy(to->is.push, c->push, kernel_refs[c->kernel].push_bytes);
}

/* A call that costs more than a submission may is cut along y, whose items know nothing of each other. */
int gpu_call(struct rt_device *d, const struct rt_call *c)
{
	struct gpu *g = gpu_of(d);
	const struct gpu_pipeline *p = &g->pipelines[c->kernel][way_of(c)];
	assert(p->vk);
	u32 groups = groups_along_y(c, p->row.items_y);
	u64 cuts = MIN(DIV_UP(c->cost, GPU_COST_MAX) + (c->cost == 0), (u64)groups);
	u32 most = (u32)DIV_UP((u64)groups, cuts);
	for (u32 y = 0; y < groups; y += most) {
		if (g->recording && (g->n_noted == GPU_CALLS || g->cost + c->cost / cuts > GPU_COST_MAX)) {
			int r = play(g);
			if (r < 0)
				return r;
		}
		if (!g->recording)
			return err_origin(-EIO);
		note(g, c, y, MIN(most, groups - y));
		g->cost += c->cost / cuts;
	}
	return 0;
}

static int part_create(struct gpu *g, struct gpu_part *p)
{
	int r = 0;
	const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = g->found.family };
	const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	p->calls = calloc(GPU_CALLS, sizeof(*p->calls));
	if (!p->calls)
		return err_origin(-ENOMEM);
	GPU_CHECK(vkCreateCommandPool(g->vk, &pool, NULL, &p->pool));
	const VkCommandBufferAllocateInfo cmd = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = p->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1 };
	GPU_CHECK(vkAllocateCommandBuffers(g->vk, &cmd, &p->cmd));
	GPU_CHECK(vkCreateFence(g->vk, &fence, NULL, &p->fence));
error:
	return r;
}

int gpu_cmds_create(struct gpu *g)
{
	int r = gpu_sets_create(g);
	g->noted = calloc(GPU_CALLS, sizeof(*g->noted));
	if (r == 0 && !g->noted)
		r = err_origin(-ENOMEM);
	for (u32 i = 0; i < GPU_PARTS && r == 0; i++)
		r = part_create(g, &g->parts[i]);
	return r;
}

void gpu_cmds_destroy(struct gpu *g)
{
	for (u32 i = 0; i < GPU_PARTS; i++) {
		vkDestroyFence(g->vk, g->parts[i].fence, NULL);
		vkDestroyCommandPool(g->vk, g->parts[i].pool, NULL);
		free(g->parts[i].calls);
	}
	gpu_sets_destroy(g);
	free(g->noted);
}

/* Memory of a Vulkan device, and the staging pieces through which weights arrive. */
#include "runtime/gpu.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Memory types wanted for a kind: all of `must`, and as many of `like` as there are. */
static const struct {
	VkMemoryPropertyFlags must, like;
} memory_of[] = {
	[RT_BUF_WEIGHTS] = { 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT },
	[RT_BUF_WORK] = { 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT },
	[RT_BUF_INPUT] = { VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, 0 },
	[RT_BUF_OUTPUT] = { VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
		VK_MEMORY_PROPERTY_HOST_CACHED_BIT },
};

static bool find_memory_type(const struct gpu *g, u32 allowed, enum rt_buf_kind kind, u32 *ret)
{
	bool found = false;
	for (u32 i = 0; i < g->memory.memoryTypeCount; i++) {
		VkMemoryPropertyFlags f = g->memory.memoryTypes[i].propertyFlags;
		if (!(allowed & 1u << i) || (f & memory_of[kind].must) != memory_of[kind].must)
			continue;
		bool liked = (f & memory_of[kind].like) == memory_of[kind].like;
		if (!found || liked)
			*ret = i;
		found = true;
		if (liked)
			break;
	}
	return found;
}

static int memory_bind(struct gpu *g, struct gpu_buf *b)
{
	int r = 0;
	VkMemoryRequirements need;
	VkMemoryAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
	vkGetBufferMemoryRequirements(g->vk, b->vk, &need);
	if (!find_memory_type(g, need.memoryTypeBits, b->b.kind, &info.memoryTypeIndex))
		return err_origin(-ENOMEM);
	info.allocationSize = need.size;
	GPU_CHECK(vkAllocateMemory(g->vk, &info, NULL, &b->mem));
	GPU_CHECK(vkBindBufferMemory(g->vk, b->vk, b->mem, 0));
	if (memory_of[b->b.kind].must & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
		GPU_CHECK(vkMapMemory(g->vk, b->mem, 0, VK_WHOLE_SIZE, 0, &b->b.host));
error:
	return r;
}

static void *stage_take(struct gpu *g, u32 *ret_i)
{
	pthread_mutex_lock(&g->stage_lock);
	while (g->stages_free == 0)
		pthread_cond_wait(&g->stage_free, &g->stage_lock);
	u32 i = (u32)__builtin_ctz(g->stages_free);
	g->stages_free &= ~(1u << i);
	pthread_mutex_unlock(&g->stage_lock);
	*ret_i = i;
	return (u8 *)g->stage_buf->host + (size_t)i * RT_STAGE_BYTES;
}

static void stage_give(struct gpu *g, u32 i)
{
	pthread_mutex_lock(&g->stage_lock);
	assert(!(g->stages_free & 1u << i));
	g->stages_free |= 1u << i;
	pthread_cond_signal(&g->stage_free);
	pthread_mutex_unlock(&g->stage_lock);
}

/* The stage's command buffer does one transfer; everything before and after it on the queue is ordered against it. */
static int stage_begin(struct gpu *g, struct gpu_stage *s)
{
	int r = 0;
	const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
	GPU_CHECK(vkResetCommandPool(g->vk, s->pool, 0));
	GPU_CHECK(vkBeginCommandBuffer(s->cmd, &begin));
error:
	return r;
}

static int stage_end(struct gpu *g, struct gpu_stage *s)
{
	int r = 0;
	const VkMemoryBarrier after = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
				 VK_ACCESS_TRANSFER_WRITE_BIT };
	vkCmdPipelineBarrier(s->cmd, VK_PIPELINE_STAGE_TRANSFER_BIT,
		VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &after, 0, NULL,
		0, NULL);
	GPU_CHECK(vkEndCommandBuffer(s->cmd));
	r = gpu_run(g, s->cmd, s->fence);
error:
	return r;
}

static int buf_zero(struct gpu *g, struct gpu_buf *b)
{
	u32 i;
	if (b->b.host) {
		explicit_bzero(b->b.host, b->alloc_bytes);
		return 0;
	}
	stage_take(g, &i);
	struct gpu_stage *s = &g->stages[i];
	int r = stage_begin(g, s);
	if (r == 0) {
		vkCmdFillBuffer(s->cmd, b->vk, 0, VK_WHOLE_SIZE, 0);
		r = stage_end(g, s);
	}
	stage_give(g, i);
	return r;
}

static void buf_free(struct gpu *g, struct gpu_buf *b)
{
	vkDestroyBuffer(g->vk, b->vk, NULL);
	vkFreeMemory(g->vk, b->mem, NULL); /* unmaps */
	free(b);
}

static int buf_alloc(struct gpu *g, enum rt_buf_kind kind, u64 bytes, const char *tag, struct gpu_buf **ret)
{
	int r = 0;
	struct gpu_buf *b = calloc(1, sizeof(*b));
	if (!b)
		return err_origin(-ENOMEM);
	b->b.kind = kind;
	b->b.bytes = bytes;
	b->serial = ++g->bufs_made;
	b->alloc_bytes = ALIGN_UP(bytes, GPU_BUF_PAD) + GPU_BUF_PAD;
	snprintf(b->b.tag, sizeof(b->b.tag), "%s", tag);
	const VkBufferCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = b->alloc_bytes,
		.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
			 VK_BUFFER_USAGE_TRANSFER_SRC_BIT };
	GPU_CHECK(vkCreateBuffer(g->vk, &info, NULL, &b->vk));
	r = memory_bind(g, b);
	if (r < 0)
		goto error;
	*ret = b;
	return 0;
error:
	buf_free(g, b);
	return r;
}

int gpu_buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	struct gpu *g = gpu_of(d);
	struct gpu_buf *b;
	int r = buf_alloc(g, kind, bytes, tag, &b);
	if (r < 0)
		return r;
	r = buf_zero(g, b);
	if (r < 0) {
		buf_free(g, b);
		return r;
	}
	*ret = &b->b;
	return 0;
}

struct rt_buf *gpu_buf_destroy(struct rt_device *d, struct rt_buf *buf)
{
	struct gpu *g = gpu_of(d);
	struct gpu_buf *b = (struct gpu_buf *)buf;
	if (!g->lost)
		(void)gpu_finish(g); /* a recording that was given up may have begun to run */
	if (!g->lost)
		(void)buf_zero(g, b); /* on failure the device is lost, and its memory with it */
	buf_free(g, b);
	return NULL;
}

void *gpu_stage_get(struct rt_device *d)
{
	u32 i;
	return stage_take(gpu_of(d), &i);
}

int gpu_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len)
{
	struct gpu *g = gpu_of(d);
	u32 i = (u32)((size_t)((u8 *)stage - (u8 *)g->stage_buf->host) / RT_STAGE_BYTES);
	assert(i < GPU_STAGES);
	int r = 0;
	if (dst.buf && len > 0) {
		struct gpu_stage *s = &g->stages[i];
		const VkBufferCopy copy = { .srcOffset = (u64)i * RT_STAGE_BYTES + stage_offset,
			.dstOffset = dst.offset,
			.size = len };
		r = stage_begin(g, s);
		if (r == 0) {
			vkCmdCopyBuffer(s->cmd, ((struct gpu_buf *)g->stage_buf)->vk,
				((struct gpu_buf *)dst.buf)->vk, 1, &copy);
			r = stage_end(g, s);
		}
	}
	stage_give(g, i);
	return r;
}

static int stage_create(struct gpu *g, struct gpu_stage *s)
{
	int r = 0;
	const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
		.queueFamilyIndex = g->found.family };
	const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	GPU_CHECK(vkCreateCommandPool(g->vk, &pool, NULL, &s->pool));
	const VkCommandBufferAllocateInfo cmd = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = s->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1 };
	GPU_CHECK(vkAllocateCommandBuffers(g->vk, &cmd, &s->cmd));
	GPU_CHECK(vkCreateFence(g->vk, &fence, NULL, &s->fence));
error:
	return r;
}

int gpu_stages_create(struct gpu *g)
{
	struct gpu_buf *b;
	/* OUTPUT memory is host-cached: hashing what lies there is cheap */
	int r = buf_alloc(g, RT_BUF_OUTPUT, (u64)GPU_STAGES * RT_STAGE_BYTES, "staging", &b);
	if (r < 0)
		return r;
	g->stage_buf = &b->b;
	for (u32 i = 0; i < GPU_STAGES && r == 0; i++)
		r = stage_create(g, &g->stages[i]);
	g->stages_free = (1u << GPU_STAGES) - 1;
	return r;
}

void gpu_stages_destroy(struct gpu *g)
{
	for (u32 i = 0; i < GPU_STAGES; i++) {
		vkDestroyFence(g->vk, g->stages[i].fence, NULL);
		vkDestroyCommandPool(g->vk, g->stages[i].pool, NULL);
	}
	if (g->stage_buf) {
		explicit_bzero(g->stage_buf->host, g->stage_buf->bytes);
		buf_free(g, (struct gpu_buf *)g->stage_buf);
	}
}

/* Descriptor sets. A set shows the operands of a call, and is written once for all calls that have the same: they are found by what they show. A stock
 * of GPU_SETS is made at the start; when it is used up, all is forgotten and begun again. */
#include "runtime/gpu.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * GPU_SETS) /* of the hash table: a power of two */
static_assert((SLOTS & (SLOTS - 1)) == 0 && GPU_SETS < UINT16_MAX, "slots hold the number of a set, and one");
static_assert(GPU_CALLS <= GPU_SETS, "a part fits");

static struct gpu_shown shown_of(const struct gpu_noted *c)
{
	struct gpu_shown s = { 0 };
	memcpy(s.serial, c->is.serial, sizeof(s.serial));
	memcpy(s.at, c->is.at, sizeof(s.at));
	memcpy(s.words, c->is.words, sizeof(s.words));
	return s;
}

static u32 slot_of(const struct gpu_shown *s)
{
	const u32 *w = (const u32 *)s;
	u32 h = 2166136261u;
	for (u32 i = 0; i < sizeof(*s) / 4; i++)
		h = (h ^ w[i]) * 16777619u;
	return (h ^ h >> 15) & (SLOTS - 1);
}

/* Bindings that the kernel lacks show staging memory: lavapipe 22.3 takes references to every binding of a set, also to what has been freed since. */
static void write(struct gpu *g, VkDescriptorSet set, const struct gpu_noted *c)
{
	VkDescriptorBufferInfo infos[KERNEL_BUFS_MAX];
	const VkWriteDescriptorSet write = { .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.dstSet = set,
		.descriptorCount = KERNEL_BUFS_MAX,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
		.pBufferInfo = infos };
	for (u32 i = 0; i < KERNEL_BUFS_MAX; i++) {
		const struct gpu_buf *b = c->buf[i] ? c->buf[i] : (const struct gpu_buf *)g->stage_buf;
		u64 offset = (u64)c->is.at[i] * RT_ALIGN;
		/* kernels read whole words, of weights some one beyond, or the other half of one of 64 bits: no call writes those, but elsewhere
		 * that word is what others may write meanwhile */
		bool weights = c->buf[i] && b->b.kind == RT_BUF_WEIGHTS;
		u64 range = 4ull * (MAX(c->is.words[i], 1u) + weights);
		infos[i] = (VkDescriptorBufferInfo){ b->vk, offset, MIN(range, b->alloc_bytes - offset) };
	}
	vkUpdateDescriptorSets(g->vk, 1, &write, 0, NULL);
}

VkDescriptorSet gpu_set_of(struct gpu *g, const struct gpu_noted *c)
{
	const struct gpu_shown s = shown_of(c);
	u32 slot = slot_of(&s);
	while (g->set_slots[slot]) {
		u32 i = g->set_slots[slot] - 1u;
		if (!memcmp(&g->shown[i], &s, sizeof(s)))
			return g->sets[i];
		slot = (slot + 1) & (SLOTS - 1);
	}
	assert(g->n_sets < GPU_SETS);
	u32 i = g->n_sets++;
	g->set_slots[slot] = (u16)(i + 1);
	g->shown[i] = s;
	write(g, g->sets[i], c);
	return g->sets[i];
}

void gpu_sets_forget(struct gpu *g)
{
	memset(g->set_slots, 0, SLOTS * sizeof(*g->set_slots));
	g->n_sets = 0;
}

int gpu_sets_create(struct gpu *g)
{
	int r = 0;
	VkDescriptorSetLayout *layouts = calloc(GPU_SETS, sizeof(VkDescriptorSetLayout));
	g->shown = calloc(GPU_SETS, sizeof(*g->shown));
	g->set_slots = calloc(SLOTS, sizeof(*g->set_slots));
	if (!g->shown || !g->set_slots || !layouts) {
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

void gpu_sets_destroy(struct gpu *g)
{
	vkDestroyDescriptorPool(g->vk, g->set_pool, NULL);
	free(g->shown);
	free(g->set_slots);
}

/* Ops of the Vulkan device with a fault of how they are called, for the validation layer to find (validated.sh):
 *   with_fault none       nothing is wrong
 *   with_fault barrier    no barrier is recorded
 *   with_fault binding    every binding is shown with half its size
 * The functions of Vulkan's that stand here come before the loader's. 77: no Vulkan driver on the CPU is here. */
#include "runtime/gpu.h"
#include "runtime/op_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_barrier, half;
static PFN_vkCmdPipelineBarrier next_barrier;
static PFN_vkUpdateDescriptorSets next_update;

/* Both are called for one device alone, which is found when it is first heard of. */
static void find_next(VkDevice d)
{
	next_barrier = (PFN_vkCmdPipelineBarrier)vkGetDeviceProcAddr(d, "vkCmdPipelineBarrier");
	next_update = (PFN_vkUpdateDescriptorSets)vkGetDeviceProcAddr(d, "vkUpdateDescriptorSets");
	assert(next_barrier && next_update);
}

VKAPI_ATTR void VKAPI_CALL vkGetDeviceQueue(VkDevice d, uint32_t family, uint32_t index, VkQueue *ret)
{
	find_next(d);
	((PFN_vkGetDeviceQueue)vkGetDeviceProcAddr(d, "vkGetDeviceQueue"))(d, family, index, ret);
}

VKAPI_ATTR void VKAPI_CALL vkCmdPipelineBarrier(VkCommandBuffer cmd, VkPipelineStageFlags from,
	VkPipelineStageFlags to, VkDependencyFlags flags, uint32_t n_memory, const VkMemoryBarrier *memory,
	uint32_t n_buffers, const VkBufferMemoryBarrier *buffers, uint32_t n_images,
	const VkImageMemoryBarrier *images)
{
	if (!no_barrier)
		next_barrier(cmd, from, to, flags, n_memory, memory, n_buffers, buffers, n_images, images);
}

VKAPI_ATTR void VKAPI_CALL vkUpdateDescriptorSets(VkDevice d, uint32_t n_writes,
	const VkWriteDescriptorSet *writes, uint32_t n_copies, const VkCopyDescriptorSet *copies)
{
	VkDescriptorBufferInfo infos[KERNEL_BUFS_MAX];
	VkWriteDescriptorSet w = writes[0];
	assert(n_writes == 1 && w.descriptorCount <= KERNEL_BUFS_MAX);
	memcpy(infos, w.pBufferInfo, w.descriptorCount * sizeof(*infos));
	for (u32 i = 0; half && i < w.descriptorCount; i++)
		infos[i].range = (infos[i].range + 1) / 2;
	w.pBufferInfo = infos;
	next_update(d, 1, &w, n_copies, copies);
}

/* Reads one half of a buffer and writes the other, which are neighbours: nothing to wait for, and nothing to be said of. */
static int neighbours(struct rt_device *d)
{
	struct rt_buf *all[2] = { 0 };
	int r = rt_buf_create(d, RT_BUF_WORK, 2 * RT_ALIGN, "halves", &all[0]);
	r = r < 0 ? r : rt_buf_create(d, RT_BUF_WORK, RT_ALIGN, "other", &all[1]);
	r = r < 0 ? r : rt_begin(d);
	r = r < 0 ? r : op_add(d, (struct rt_view){ all[1], 0 }, (struct rt_view){ all[0], 0 }, RT_ALIGN / 4);
	r = r < 0 ? r
		  : op_add(d, (struct rt_view){ all[0], RT_ALIGN }, (struct rt_view){ all[0], RT_ALIGN },
			    RT_ALIGN / 4);
	r = r < 0 ? r : rt_submit(d);
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			rt_buf_destroy(d, all[i]);
	return r;
}

/* The rows, with the code of `add` for kernels that no case here calls: instrumenting them all takes half a minute. */
static struct pipeline_row *rows_used(void)
{
	static const enum kernel used[] = { KERNEL_RMS_NORM, KERNEL_QUANTIZE_32, KERNEL_MUL_MAT_Q8_0,
		KERNEL_ADD };
	struct pipeline_row *rows = malloc(pipeline_rows_n * sizeof(*rows));
	const struct pipeline_row *add[2];
	assert(rows);
	memcpy(rows, pipeline_rows, pipeline_rows_n * sizeof(*rows));
	pipeline_rows_choose(
		pipeline_rows, pipeline_rows_n, &(struct pipeline_caps){ .cpu = true }, KERNEL_ADD, add);
	for (u32 i = 0; i < pipeline_rows_n; i++) {
		bool keep = false;
		for (u32 k = 0; k < ARRAY_LEN(used); k++)
			keep = keep || rows[i].kernel == used[k];
		if (!keep) {
			rows[i].spirv = add[0]->spirv;
			rows[i].spirv_bytes = add[0]->spirv_bytes;
			rows[i].n_spec = 0;
			rows[i].experts = 0;
		}
	}
	return rows;
}

int main(int argc, char **argv)
{
	static const struct op_case cases[] = {
		{ CASE_RMS_NORM, .rows = 3, .k = 512 },
		{ CASE_MUL_MAT, TENSOR_Q8_0, .rows = 2, .k = 256, .n_out = 40 },
	};
	const char *fault = argc > 1 ? argv[1] : "none", *why;
	struct pipeline_row *rows = rows_used();
	const struct gpu_params p = { .name = "llvmpipe", .rows = rows, .n_rows = pipeline_rows_n };
	struct rt_device *d;
	int r = gpu_open_with(&p, &d, &why);
	if (r != 0) {
		printf("skipped: no Vulkan driver on the CPU\n");
		return r == 1 ? 77 : 1;
	}
	no_barrier = !strcmp(fault, "barrier");
	half = !strcmp(fault, "binding");
	for (u32 i = 0; i < ARRAY_LEN(cases) && r == 0; i++) {
		void *out = NULL;
		size_t len;
		r = op_case_run(d, &cases[i], &out, &len);
		free(out);
	}
	if (r == 0)
		r = neighbours(d);
	rt_device_close(d);
	free(rows);
	return r != 0;
}

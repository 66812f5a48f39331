#include "tests/budget/stats.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATS_MAX 64u

/* How drivers name what struct stats holds. Figures that several names make up are sums. */
#define OF(field) offsetof(struct stats, field)
static const struct {
	const char *name;
	size_t at;
} names[] = {
	/* RADV */
	{ "VGPRs", OF(registers) },
	{ "Spilled VGPRs", OF(spills) },
	{ "Spilled SGPRs", OF(spills) },
	{ "Scratch size", OF(scratch) },
	{ "LDS size", OF(shared) },
	{ "Subgroups per SIMD", OF(occupancy) },
	{ "Instructions", OF(code) }, /* Honeykrisp too */
	{ "Inverse Throughput", OF(cost) },
	/* NVK */
	{ "Number of GPRs", OF(registers) },
	{ "Spills to memory", OF(spills) },
	{ "Fills from memory", OF(spills) },
	{ "SLM size", OF(scratch) },
	{ "Max warps/SM", OF(occupancy) },
	{ "Instruction count", OF(code) },
	{ "Static cycle count", OF(cost) },
	/* Turnip: its cost is instructions and the cycles that they wait */
	{ "Registers used", OF(registers) },
	{ "STP Count", OF(spills) },
	{ "LDP Count", OF(spills) },
	{ "Max Waves Per Core", OF(occupancy) },
	{ "Instruction Count", OF(code) },
	{ "Instruction Count", OF(cost) },
	{ "Estimated cycles stalled on SS", OF(cost) },
	{ "Estimated cycles stalled on SY", OF(cost) },
	/* Honeykrisp: its cost is what takes longest of three counts */
	{ "GPRs", OF(registers) },
	{ "Spills", OF(spills) },
	{ "Fills", OF(spills) },
	{ "Scratch", OF(scratch) },
	{ "Threads", OF(occupancy) },
	{ "ALU", OF(cost) },
};

static int device_create(struct stats_device *d)
{
	const VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR tell = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
		.pipelineExecutableInfo = VK_TRUE
	};
	int r = gpu_vk_create(d->found, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, &tell, &d->vk);
	return r < 0 ? r : gpu_layout_create(d->vk, &d->set_layout, &d->layout);
}

int stats_open(struct stats_device *ret, const char **ret_why)
{
	struct stats_device d = { 0 };
	*ret_why = "no device here compiles for hardware and tells what it made";
	int r = gpu_instance_create(false, &d.instance);
	for (u32 i = 0; r == 0 && i < d.instance->n_found && !d.found; i++) {
		const struct gpu_found *f = &d.instance->found[i];
		if (!f->unfit && !f->caps.cpu &&
			gpu_has_extension(f->phys, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME))
			d.found = f;
	}
	if (r == 0)
		r = d.found ? device_create(&d) : 1;
	if (r != 0) {
		stats_close(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void stats_close(struct stats_device *d)
{
	if (d->vk) {
		vkDestroyPipelineLayout(d->vk, d->layout, NULL);
		vkDestroyDescriptorSetLayout(d->vk, d->set_layout, NULL);
		vkDestroyDevice(d->vk, NULL);
	}
	gpu_instance_destroy(d->instance);
}

static u64 value_of(const VkPipelineExecutableStatisticKHR *s)
{
	switch (s->format) {
	case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
		return s->value.b32;
	case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
		return (u64)s->value.i64;
	case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
		return (u64)s->value.f64;
	default:
		return s->value.u64;
	}
}

static int read_stats(
	const struct stats_device *d, VkPipeline p, VkPipelineExecutableStatisticKHR *ret, u32 *ret_n)
{
	int r = 0;
	PFN_vkGetPipelineExecutableStatisticsKHR get =
		(PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(
			d->vk, "vkGetPipelineExecutableStatisticsKHR");
	const VkPipelineExecutableInfoKHR info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
		.pipeline = p };
	*ret_n = STATS_MAX;
	for (u32 i = 0; i < STATS_MAX; i++)
		ret[i] = (VkPipelineExecutableStatisticKHR){
			.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR
		};
	GPU_CHECK(get(d->vk, &info, ret_n, ret));
error:
	return r;
}

static struct stats sum_up(const VkPipelineExecutableStatisticKHR *all, u32 n)
{
	struct stats s = { 0 };
	for (u32 i = 0; i < n; i++)
		for (u32 k = 0; k < ARRAY_LEN(names); k++)
			if (!strcmp(all[i].name, names[k].name))
				*(u32 *)(void *)((u8 *)&s + names[k].at) += (u32)value_of(&all[i]);
	if (s.cost == 0)
		s.cost = s.code; /* NVK before Mesa 25.1 counts no cycles */
	return s;
}

static int read_texts(const struct stats_device *d, VkPipeline p, struct stats *ret)
{
	int r = 0;
	PFN_vkGetPipelineExecutableInternalRepresentationsKHR get =
		(PFN_vkGetPipelineExecutableInternalRepresentationsKHR)vkGetDeviceProcAddr(
			d->vk, "vkGetPipelineExecutableInternalRepresentationsKHR");
	const VkPipelineExecutableInfoKHR info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
		.pipeline = p };
	VkPipelineExecutableInternalRepresentationKHR all[STATS_TEXTS_MAX];
	u32 n = STATS_TEXTS_MAX;
	for (u32 i = 0; i < n; i++)
		all[i] = (VkPipelineExecutableInternalRepresentationKHR){
			.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR
		};
	GPU_CHECK(get(d->vk, &info, &n, all));
	for (u32 i = 0; i < n; i++) {
		snprintf(ret->text[i].name, sizeof(ret->text[i].name), "%s", all[i].name);
		ret->text[i].text = all[i].pData = calloc(1, all[i].dataSize + 1);
		if (!all[i].pData)
			return err_origin(-ENOMEM);
	}
	if (n > 0)
		GPU_CHECK(get(d->vk, &info, &n, all));
error:
	return r;
}

int stats_of(const struct stats_device *d, const struct pipeline_row *row, struct stats *ret)
{
	VkPipelineExecutableStatisticKHR all[STATS_MAX];
	VkPipeline p;
	u32 n = 0;
	int r = gpu_pipeline_create(d->vk, d->layout, row,
		VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
			VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
		&p);
	if (r < 0)
		return r;
	r = read_stats(d, p, all, &n);
	*ret = sum_up(all, n);
	if (r == 0)
		r = read_texts(d, p, ret);
	vkDestroyPipeline(d->vk, p, NULL);
	return r;
}

void stats_free(struct stats *s)
{
	for (u32 i = 0; i < STATS_TEXTS_MAX; i++)
		free(s->text[i].text);
}

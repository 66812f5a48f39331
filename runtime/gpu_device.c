#include "runtime/gpu.h"
#include "runtime/op.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

static struct rt_device *gpu_close(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	if (g->vk) {
		if (!g->lost)
			vkDeviceWaitIdle(g->vk);
		gpu_stages_destroy(g);
		gpu_cmds_destroy(g);
		gpu_pipelines_destroy(g);
		vkDestroyDevice(g->vk, NULL);
	}
	gpu_instance_destroy(g->instance);
	free(g);
	return NULL;
}

static const struct rt_device_fns gpu_fns = {
	.close = gpu_close,
	.buf_create = gpu_buf_create,
	.buf_destroy = gpu_buf_destroy,
	.stage_get = gpu_stage_get,
	.stage_put = gpu_stage_put,
	.begin = gpu_begin,
	.start = gpu_start,
	.wait = gpu_wait,
	.call = gpu_call,
};

int gpu_vk_create(const struct gpu_found *f, const char *extension, const void *next, VkDevice *ret)
{
	int r = 0;
	static const f32 priority = 1;
	VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
		.pNext = (void *)(uintptr_t)next,
		.shaderIntegerDotProduct = VK_TRUE
	};
	const char *extensions[3] = { extension };
	u32 n = extension != NULL;
	if (f->caps.int_dot)
		next = &dot;
	if (f->caps.int_dot && f->int_dot_ext)
		extensions[n++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
	if (f->caps.tile.m) {
		next = gpu_coopmat_enable(next);
		extensions[n++] = gpu_coopmat_extension;
	}
	const VkPhysicalDeviceFeatures features = { .shaderInt64 = f->caps.uniform };
	const VkDeviceQueueCreateInfo queue = { .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = f->family,
		.queueCount = 1,
		.pQueuePriorities = &priority };
	const VkDeviceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = next,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.pEnabledFeatures = &features,
		.enabledExtensionCount = n,
		.ppEnabledExtensionNames = extensions };
	GPU_CHECK(vkCreateDevice(f->phys, &info, NULL, ret));
error:
	return r;
}

static int vk_create(struct gpu *g)
{
	int r = gpu_vk_create(&g->found, NULL, NULL, &g->vk);
	if (r < 0)
		return r;
	vkGetDeviceQueue(g->vk, g->found.family, 0, &g->queue);
	vkGetPhysicalDeviceMemoryProperties(g->found.phys, &g->memory);
	return 0;
}

/* One call of a small kernel: drivers that compile or open files late do it now. */
static int throw_away_dispatch(struct rt_device *d)
{
	struct rt_buf *b = NULL;
	int r = rt_buf_create(d, RT_BUF_WORK, 2 * RT_ALIGN, "throw-away", &b);
	if (r == 0)
		r = rt_begin(d);
	if (r == 0)
		r = op_add(d, (struct rt_view){ b, 0 }, (struct rt_view){ b, RT_ALIGN }, RT_ALIGN / 4);
	if (r == 0)
		r = rt_submit(d);
	rt_buf_destroy(d, b);
	return r;
}

int gpu_open_with(const struct gpu_params *p, struct rt_device **ret, const char **ret_why)
{
	const struct pipeline_row *rows = p->rows ? p->rows : pipeline_rows;
	const struct gpu_found *found;
	u32 n_rows = p->rows ? p->n_rows : pipeline_rows_n;
	struct gpu *g = calloc(1, sizeof(*g));
	if (!g)
		return err_origin(-ENOMEM);
	g->d.fns = &gpu_fns;
	pthread_mutex_init(&g->queue_lock, NULL);
	pthread_mutex_init(&g->stage_lock, NULL);
	pthread_cond_init(&g->stage_free, NULL);
	int r = gpu_instance_create(p->validate, &g->instance);
	if (r == 0)
		r = gpu_instance_find(g->instance, p->name, &found, ret_why);
	if (r == 0 && p->hardware && found->type == VK_PHYSICAL_DEVICE_TYPE_CPU) {
		*ret_why = "no GPU";
		r = 1;
	}
	if (r != 0)
		goto error;
	g->found = *found;
	g->found.caps.only = p->only;
	g->d.info = found->info;
	pipeline_rows_digest(rows, n_rows, &g->found.caps, g->d.info.kernel_set);
	r = vk_create(g);
	if (r == 0)
		r = gpu_pipelines_create(g, rows, n_rows);
	if (r == 0)
		r = gpu_stages_create(g);
	if (r == 0)
		r = gpu_cmds_create(g);
	if (r == 0)
		r = throw_away_dispatch(&g->d);
	if (r < 0)
		goto error;
	*ret = &g->d;
	return 0;
error:
	gpu_close(&g->d);
	return r;
}

int gpu_open(const char *name, struct rt_device **ret, const char **ret_why)
{
	return gpu_open_with(&(struct gpu_params){ .name = name, .hardware = !name }, ret, ret_why);
}

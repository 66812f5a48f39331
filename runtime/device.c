#define _GNU_SOURCE /* strcasestr */
#include "runtime/cpu.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct rt_device_info rt_device_info(const struct rt_device *d)
{
	return d->info;
}

static bool names_native(const char *name)
{
	struct rt_device_info info;
	cpu_info(cpu_level_best(), &info);
	return !strcasecmp(name, info.kind) || !strcasecmp(name, info.name);
}

int rt_device_open(const char *name, struct rt_device **ret, const char **ret_why)
{
	if (name && !strcasecmp(name, "reference"))
		return dev_ref_open(ret);
	if (name && names_native(name))
		return dev_native_open(ret);
	int r = gpu_open(name, ret, ret_why);
	if (r != 1 || (name && strlen(name) < 3))
		return r;
	/* without a name the native CPU is the last choice; a part of their names finds it and the reference when no Vulkan device has that */
	if (!name || strcasestr(CPU_NAME, name))
		return dev_native_open(ret);
	return strncasecmp(name, "reference", strlen(name)) ? r : dev_ref_open(ret);
}

struct rt_device *rt_device_close(struct rt_device *d)
{
	if (!d)
		return NULL;
	rt_buf_destroy(d, d->grids);
	return d->fns->close(d);
}

int rt_buf_create(struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	if (bytes == 0)
		return err_origin(-EINVAL);
	if (bytes > d->info.buf_bytes_max)
		return err_origin(-ENOMEM);
	int r = d->fns->buf_create(d, kind, bytes, tag, ret);
	if (!r)
		(*ret)->d = d;
	return r;
}

struct rt_buf *rt_buf_destroy(struct rt_device *d, struct rt_buf *b)
{
	return b ? d->fns->buf_destroy(d, b) : NULL;
}

u64 rt_buf_bytes(const struct rt_buf *b)
{
	return b->bytes;
}

struct rt_device *rt_buf_device(const struct rt_buf *b)
{
	return b->d;
}

void *rt_host_ptr(struct rt_buf *b)
{
	assert(b->kind == RT_BUF_INPUT || b->kind == RT_BUF_OUTPUT);
	return b->host;
}

void *rt_stage_get(struct rt_device *d)
{
	return d->fns->stage_get(d);
}

int rt_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len)
{
	if (dst.buf) {
		assert(dst.buf->kind == RT_BUF_WEIGHTS);
		assert(stage_offset <= RT_STAGE_BYTES && len <= RT_STAGE_BYTES - stage_offset);
		assert(dst.offset <= dst.buf->bytes && len <= dst.buf->bytes - dst.offset);
	}
	return d->fns->stage_put(d, stage, dst, stage_offset, len);
}

void rt_weights_ready(struct rt_device *d, struct rt_view w, u32 type, u32 k, u32 n_out)
{
	assert(w.buf->kind == RT_BUF_WEIGHTS && n_out > 0);
	if (d->fns->weights_ready)
		d->fns->weights_ready(d, w, type, k, n_out);
}

int rt_begin(struct rt_device *d)
{
	return d->fns->begin(d);
}

int rt_start(struct rt_device *d)
{
	return d->fns->start(d);
}

int rt_wait(struct rt_device *d)
{
	return d->fns->wait(d);
}

int rt_submit(struct rt_device *d)
{
	int r = rt_start(d);
	return r ? r : rt_wait(d);
}

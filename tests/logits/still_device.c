#include "tests/logits/still_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct still {
	struct rt_device d;
	u64 calls, submits;
	bool runs;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static int buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	struct rt_buf *b = must(calloc(1, sizeof *b));
	*b = (struct rt_buf){ .kind = kind, .bytes = bytes, .host = must(calloc(1, bytes)) };
	snprintf(b->tag, sizeof b->tag, "%s", tag);
	*ret = b;
	return 0;
}

static struct rt_buf *buf_destroy(struct rt_device *d, struct rt_buf *b)
{
	free(b->host);
	free(b);
	return NULL;
}

static void *stage_get(struct rt_device *d)
{
	return must(calloc(1, RT_STAGE_BYTES));
}

static int stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len)
{
	if (dst.buf)
		memcpy((u8 *)dst.buf->host + dst.offset, (u8 *)stage + stage_offset, len);
	free(stage);
	return 0;
}

static int nothing(struct rt_device *d)
{
	return 0;
}

static int start(struct rt_device *d)
{
	((struct still *)d)->runs = true;
	((struct still *)d)->submits++;
	return 0;
}

static int wait(struct rt_device *d)
{
	((struct still *)d)->runs = false;
	return 0;
}

static int call(struct rt_device *d, const struct rt_call *c)
{
	((struct still *)d)->calls++;
	return 0;
}

static struct rt_device *still_close(struct rt_device *d)
{
	free(d);
	return NULL;
}

static const struct rt_device_fns fns = { .close = still_close,
	.buf_create = buf_create,
	.buf_destroy = buf_destroy,
	.stage_get = stage_get,
	.stage_put = stage_put,
	.begin = nothing,
	.start = start,
	.wait = wait,
	.call = call };

struct rt_device *still_open(void)
{
	struct still *s = must(calloc(1, sizeof *s));
	s->d = (struct rt_device){ .fns = &fns,
		.info = { .name = "still",
			.driver = "computes nothing",
			.kind = "still",
			.buf_bytes_max = 1ull << 40,
			.range_bytes_max = 1ull << 40 } };
	return &s->d;
}

u64 still_calls(const struct rt_device *d)
{
	return ((const struct still *)d)->calls;
}

bool still_runs(const struct rt_device *d)
{
	return ((const struct still *)d)->runs;
}

u64 still_submits(const struct rt_device *d)
{
	return ((const struct still *)d)->submits;
}

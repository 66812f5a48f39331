/* The reference device: the scalar references of shaders/, run at once by a few threads that share the items of a call. Which
 * thread computes an item changes no bit. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "runtime/dev.h"

#include "base/err.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define THREADS_MAX	  16u
#define STAGES		  8u
#define COST_INLINE	  32768u /* multiplications below which waking a thread costs more than it saves */
#define SHARES_PER_THREAD 4u

struct job {
	const struct kernel_ref *ref;
	const void *push;
	void *buf[KERNEL_BUFS_MAX];
	u32 work, step, next; /* items, items of a share, first item that nobody has taken */
};

struct ref_device {
	struct rt_device d;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	pthread_t threads[THREADS_MAX];
	u32 n_threads, busy;
	bool stop;
	struct job job;

	pthread_mutex_t stage_lock;
	pthread_cond_t stage_free;
	u8 *stages;
	u32 stages_free; /* bit i: piece i is free */
};

static struct ref_device *ref_of(struct rt_device *d)
{
	return (struct ref_device *)d;
}

/* Take and run shares until none is left. The lock is held on entry and on return. */
static void job_run(struct ref_device *r)
{
	while (r->job.next < r->job.work) {
		struct job j = r->job;
		u32 end = MIN(j.work - j.next, j.step) + j.next;
		r->job.next = end;
		r->busy++;
		pthread_mutex_unlock(&r->lock);
		j.ref->run(j.push, j.buf, j.next, end);
		pthread_mutex_lock(&r->lock);
		if (--r->busy == 0 && r->job.next == r->job.work)
			pthread_cond_signal(&r->idle);
	}
}

static void *thread_main(void *arg)
{
	struct ref_device *r = arg;
	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		job_run(r);
		if (!r->stop)
			pthread_cond_wait(&r->work, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static int ref_call(struct rt_device *d, const struct rt_call *c)
{
	struct ref_device *r = ref_of(d);
	struct job j = { .ref = &kernel_refs[c->kernel], .push = c->push, .work = c->work_x };
	for (u32 i = 0; i < j.ref->n_bufs; i++)
		j.buf[i] = (u8 *)c->view[i].buf->host + c->view[i].offset;
	if (c->cost < COST_INLINE || r->n_threads == 0) {
		j.ref->run(j.push, j.buf, 0, j.work);
		return 0;
	}
	j.step = MAX(1u, j.work / ((r->n_threads + 1) * SHARES_PER_THREAD));
	pthread_mutex_lock(&r->lock);
	r->job = j;
	pthread_cond_broadcast(&r->work);
	job_run(r);
	while (r->busy > 0)
		pthread_cond_wait(&r->idle, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void *pages_alloc(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static int ref_buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	struct rt_buf *b = calloc(1, sizeof(*b));
	if (!b)
		return err_origin(-ENOMEM);
	*b = (struct rt_buf){ .kind = kind, .bytes = bytes, .host = pages_alloc(bytes) };
	if (!b->host) {
		free(b);
		return err_origin(-ENOMEM);
	}
	strncpy(b->tag, tag, sizeof(b->tag) - 1);
	*ret = b;
	return 0;
}

static struct rt_buf *ref_buf_destroy(struct rt_device *d, struct rt_buf *b)
{
	explicit_bzero(b->host, b->bytes);
	munmap(b->host, b->bytes);
	free(b);
	return NULL;
}

static void *ref_stage_get(struct rt_device *d)
{
	struct ref_device *r = ref_of(d);
	pthread_mutex_lock(&r->stage_lock);
	while (r->stages_free == 0)
		pthread_cond_wait(&r->stage_free, &r->stage_lock);
	u32 i = (u32)__builtin_ctz(r->stages_free);
	r->stages_free &= ~(1u << i);
	pthread_mutex_unlock(&r->stage_lock);
	return r->stages + (size_t)i * RT_STAGE_BYTES;
}

static int ref_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len)
{
	struct ref_device *r = ref_of(d);
	size_t i = (size_t)((u8 *)stage - r->stages) / RT_STAGE_BYTES;
	assert(i < STAGES);
	if (dst.buf)
		memcpy((u8 *)dst.buf->host + dst.offset, (u8 *)stage + stage_offset, len);
	pthread_mutex_lock(&r->stage_lock);
	assert(!(r->stages_free & 1u << i));
	r->stages_free |= 1u << i;
	pthread_cond_signal(&r->stage_free);
	pthread_mutex_unlock(&r->stage_lock);
	return 0;
}

static int ref_nothing(struct rt_device *d)
{
	return 0; /* calls have run when they return */
}

static struct rt_device *ref_close(struct rt_device *d)
{
	struct ref_device *r = ref_of(d);
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	for (u32 i = 0; i < r->n_threads; i++)
		pthread_join(r->threads[i], NULL);
	if (r->stages) {
		explicit_bzero(r->stages, STAGES * (size_t)RT_STAGE_BYTES);
		munmap(r->stages, STAGES * (size_t)RT_STAGE_BYTES);
	}
	free(r);
	return NULL;
}

static const struct rt_device_fns ref_fns = {
	.close = ref_close,
	.buf_create = ref_buf_create,
	.buf_destroy = ref_buf_destroy,
	.stage_get = ref_stage_get,
	.stage_put = ref_stage_put,
	.begin = ref_nothing,
	.start = ref_nothing,
	.wait = ref_nothing,
	.call = ref_call,
};

static void threads_start(struct ref_device *r)
{
	cpu_set_t set;
	u32 n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (u32)CPU_COUNT(&set) : 1;
	n = MIN(n, THREADS_MAX) - 1; /* the caller works too */
	for (u32 i = 0; i < n; i++) {
		if (pthread_create(&r->threads[i], NULL, thread_main, r) != 0)
			return; /* fewer threads, same bits */
		r->n_threads++;
	}
}

int dev_ref_open(struct rt_device **ret)
{
	struct ref_device *r = calloc(1, sizeof(*r));
	if (!r)
		return err_origin(-ENOMEM);
	*r = (struct ref_device){ .d.fns = &ref_fns,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.work = PTHREAD_COND_INITIALIZER,
		.idle = PTHREAD_COND_INITIALIZER,
		.stage_lock = PTHREAD_MUTEX_INITIALIZER,
		.stage_free = PTHREAD_COND_INITIALIZER,
		.stages = pages_alloc(STAGES * (u64)RT_STAGE_BYTES),
		.stages_free = (1u << STAGES) - 1 };
	if (!r->stages) {
		ref_close(&r->d);
		return err_origin(-ENOMEM);
	}
	r->d.info = (struct rt_device_info){ .name = "reference",
		.driver = "scalar references of Keep",
		.kind = "reference",
		.buf_bytes_max = 1ull << 46,
		.range_bytes_max = 2ull << 30 };
	kernel_refs_digest(r->d.info.kernel_set);
	threads_start(r);
	*ret = &r->d;
	return 0;
}

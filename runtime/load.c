#define _GNU_SOURCE
#include "runtime/load.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(RT_STAGE_BYTES == SEGMENT_BYTES, "a piece of staging holds one segment");

struct load {
	struct load_params p;
	u32 *order; /* tensors by (file, offset) */
	pthread_t threads[LOAD_THREADS_MAX];
	u32 n_threads;
	atomic_uint running;
	atomic_ullong next, done;
	atomic_bool stop;
	pthread_mutex_t lock; /* the verdict */
	int r;		      /* 0; 1: failed; -ECANCELED */
	struct proto_load_failed failed;
};

/* ---- what is where --------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b, void *arg)
{
	const struct layout_tensor *t = arg, *x = &t[*(const u32 *)a], *y = &t[*(const u32 *)b];
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int fail(struct proto_load_failed *f, u32 reason, u32 file, u64 offset)
{
	f->reason = reason;
	f->file = file;
	f->offset = offset;
	return 1;
}

/* Tensors in the order of the files, without overlap. */
static int sort_tensors(struct load *l, struct proto_load_failed *f)
{
	u32 n = l->p.layout.h->n_tensors;
	const struct layout_tensor *t = l->p.layout.tensors;
	l->order = calloc(MAX(n, 1u), sizeof *l->order);
	if (!l->order)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < n; i++)
		l->order[i] = i;
	qsort_r(l->order, n, sizeof *l->order, by_place, (void *)(uintptr_t)t);
	for (u32 i = 1; i < n; i++) {
		const struct layout_tensor *a = &t[l->order[i - 1]], *b = &t[l->order[i]];
		if (a->file == b->file && b->offset - a->offset < a->bytes) {
			snprintf(f->text, sizeof f->text, "tensors %s and %s overlap", a->name, b->name);
			return fail(f, LOAD_LAYOUT, b->file, b->offset);
		}
	}
	return 0;
}

static int check_sizes(const struct load_params *p, struct proto_load_failed *f)
{
	for (u32 i = 0; i < p->segs.h->n_files; i++) {
		u64 size = 0;
		int r = fd_regular_size(p->files[i], &size);
		if (r < 0)
			return r;
		if (r || size != p->segs.files[i].bytes) {
			snprintf(f->text, sizeof f->text, "%.150s: has %llu bytes, %llu were admitted",
				p->segs.files[i].path, (unsigned long long)size,
				(unsigned long long)p->segs.files[i].bytes);
			return fail(f, LOAD_SEGMENT, i, 0);
		}
	}
	return 0;
}

/* ---- one segment ------------------------------------------------------------------------------------------------------ */

struct segment {
	u32 file;
	u64 offset, len; /* in the file */
	const u8 *digest;
};

static struct segment segment_at(const struct segments *s, u64 i)
{
	u32 lo = 0, hi = s->h->n_files - 1; /* the last file whose first segment is at most i */
	while (lo < hi) {
		u32 mid = lo + (hi - lo + 1) / 2;
		if (s->files[mid].first <= i)
			lo = mid;
		else
			hi = mid - 1;
	}
	const struct segments_file *f = &s->files[lo];
	u64 offset = (i - f->first) * SEGMENT_BYTES;
	return (struct segment){ lo, offset, MIN(SEGMENT_BYTES, f->bytes - offset), s->digests[i] };
}

/* The part of a tensor that lies in a segment. */
struct part {
	u32 tensor;
	u64 in_segment, in_tensor, len;
};

/* The first place in the order whose tensor ends behind the segment's start. */
static u32 first_tensor(const struct load *l, const struct segment *s)
{
	const struct layout_tensor *t = l->p.layout.tensors;
	u32 lo = 0, hi = l->p.layout.h->n_tensors;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		const struct layout_tensor *x = &t[l->order[mid]];
		if (x->file < s->file || (x->file == s->file && x->offset + x->bytes <= s->offset))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool part_at(const struct load *l, const struct segment *s, u32 at, struct part *ret)
{
	if (at >= l->p.layout.h->n_tensors)
		return false;
	const struct layout_tensor *t = &l->p.layout.tensors[l->order[at]];
	if (t->file != s->file || t->offset >= s->offset + s->len)
		return false;
	u64 from = MAX(t->offset, s->offset), to = MIN(t->offset + t->bytes, s->offset + s->len);
	*ret = (struct part){ l->order[at], from - s->offset, from - t->offset, to - from };
	return true;
}

static void report(struct load *l, const struct segment *s, u32 reason, const char *what)
{
	pthread_mutex_lock(&l->lock);
	if (l->r != 1) {
		l->r = fail(&l->failed, reason, s->file, s->offset);
		snprintf(l->failed.text, sizeof l->failed.text, "%.100s: segment at offset %llu %.120s",
			l->p.segs.files[s->file].path, (unsigned long long)s->offset, what);
	}
	pthread_mutex_unlock(&l->lock);
	atomic_store(&l->stop, true);
}

static bool numbers_ok(struct load *l, const struct segment *s, const u8 *data)
{
	struct part p;
	for (u32 at = first_tensor(l, s); part_at(l, s, at, &p); at++) {
		const struct layout_tensor *t = &l->p.layout.tensors[p.tensor];
		if (l->p.places[p.tensor]
				.host) /* the host's arithmetic holds more, and whoever asked for it checks */
			continue;
		if (load_numbers_ok(t->type, p.in_tensor, data + p.in_segment, p.len))
			continue;
		char what[TENSOR_NAME_LEN_MAX + 64];
		snprintf(what, sizeof what, "holds a number of tensor %s that is not finite or beyond 2^40",
			t->name);
		report(l, s, LOAD_UNSUPPORTED, what);
		return false;
	}
	return true;
}

/* Whose staging a segment is read into: that of the device that its first part goes to. */
static struct rt_device *device_of(const struct load *l, const struct segment *s)
{
	struct part p;
	for (u32 at = first_tensor(l, s); part_at(l, s, at, &p); at++)
		if (l->p.places[p.tensor].view.buf)
			return rt_buf_device(l->p.places[p.tensor].view.buf);
	return l->p.d;
}

/* Copy the parts to their places. The piece of staging goes back with the first part that goes to a device, which is its own; where a segment
 * holds parts of several tensors, the others come from a copy of the hashed memory. */
static int place_parts(struct load *l, struct rt_device *d, const struct segment *s, u8 *stage, u8 *copy)
{
	struct part p, first = { .tensor = LAYOUT_NONE };
	u32 start = first_tensor(l, s), n = 0;
	for (u32 at = start; part_at(l, s, at, &p); at++) {
		const struct load_place *to = &l->p.places[p.tensor];
		if (to->host)
			memcpy(to->host + p.in_tensor, stage + p.in_segment, p.len);
		else if (to->view.buf && n++ == 0)
			first = p;
	}
	if (n > 1)
		memcpy(copy, stage, s->len);
	if (n == 0)
		return rt_stage_put(d, stage, (struct rt_view){ 0 }, 0, 0);
	struct rt_view v = l->p.places[first.tensor].view;
	v.offset += first.in_tensor;
	int r = rt_stage_put(d, stage, v, first.in_segment, first.len);
	for (u32 at = start; n > 1 && !r && part_at(l, s, at, &p); at++) {
		v = l->p.places[p.tensor].view;
		if (!v.buf || p.tensor == first.tensor)
			continue;
		d = rt_buf_device(v.buf);
		stage = rt_stage_get(d);
		memcpy(stage, copy + p.in_segment, p.len);
		v.offset += p.in_tensor;
		r = rt_stage_put(d, stage, v, 0, p.len);
	}
	return r;
}

static void one_segment(struct load *l, const struct segment *s, u8 *copy)
{
	struct rt_device *d = device_of(l, s);
	u8 *stage = rt_stage_get(d), digest[SHA256_BYTES];
	int r = fd_pread_all(l->p.files[s->file], stage, s->len, s->offset);
	if (r)
		report(l, s, r == -ENODATA ? LOAD_SEGMENT : LOAD_IO,
			r == -ENODATA ? "is cut short" : "cannot be read");
	if (!r) {
		sha256_of(stage, s->len, digest);
		r = memcmp(digest, s->digest, SHA256_BYTES) != 0;
		if (r)
			report(l, s, LOAD_SEGMENT, "differs from what was admitted");
	}
	if (r || !numbers_ok(l, s, stage)) {
		if (rt_stage_put(d, stage, (struct rt_view){ 0 }, 0, 0))
			report(l, s, LOAD_DEVICE, "cannot be given back");
		return;
	}
	if (place_parts(l, d, s, stage, copy))
		report(l, s, LOAD_DEVICE, "could not be copied to the device");
	atomic_fetch_add(&l->done, s->len);
}

/* ---- threads ------------------------------------------------------------------------------------------------------------ */

static void *work(void *arg)
{
	struct load *l = arg;
	u8 *copy = malloc(SEGMENT_BYTES);
	struct segment none = { 0 };
	if (!copy)
		report(l, &none, LOAD_MEMORY, "found no memory");
	while (!atomic_load(&l->stop)) {
		u64 i = atomic_fetch_add(&l->next, 1);
		if (i >= l->p.segs.h->n_segments)
			break;
		struct segment s = segment_at(&l->p.segs, i);
		one_segment(l, &s, copy);
	}
	free(copy);
	u64 one = 1;
	if (atomic_fetch_sub(&l->running, 1) == 1 && l->p.wake >= 0)
		(void)!write(l->p.wake, &one, sizeof one);
	return NULL;
}

static u32 threads_wanted(u32 asked)
{
	cpu_set_t set;
	u32 n = asked;
	if (!n)
		n = sched_getaffinity(0, sizeof set, &set) == 0 ? (u32)CPU_COUNT(&set) : 1;
	return MAX(MIN(n, LOAD_THREADS_MAX), 1u);
}

static void join(struct load *l)
{
	for (u32 i = 0; i < l->n_threads; i++)
		pthread_join(l->threads[i], NULL);
	l->n_threads = 0;
}

static void load_free(struct load *l)
{
	pthread_mutex_destroy(&l->lock);
	free(l->order);
	free(l);
}

int load_start(const struct load_params *p, struct load **ret, struct proto_load_failed *ret_failed)
{
	struct load *l = calloc(1, sizeof *l);
	if (!l)
		return err_origin(-ENOMEM);
	l->p = *p;
	l->failed.file = LAYOUT_NONE;
	pthread_mutex_init(&l->lock, NULL);
	int r = check_sizes(p, &l->failed);
	if (!r)
		r = sort_tensors(l, &l->failed);
	if (r) {
		*ret_failed = l->failed;
		load_free(l);
		return r;
	}
	u32 n = threads_wanted(p->threads);
	atomic_store(&l->running, n);
	for (u32 i = 0; i < n; i++) {
		int e = pthread_create(&l->threads[i], NULL, work, l);
		if (e) {
			l->p.wake = -1;
			atomic_store(&l->stop, true);
			join(l);
			load_free(l);
			return err_origin(-e);
		}
		l->n_threads++;
	}
	*ret = l;
	return 0;
}

u64 load_done_bytes(const struct load *l)
{
	return atomic_load(&((struct load *)(uintptr_t)l)->done);
}

bool load_ended(const struct load *l)
{
	return atomic_load(&((struct load *)(uintptr_t)l)->running) == 0;
}

void load_stop(struct load *l)
{
	pthread_mutex_lock(&l->lock);
	if (!l->r && !load_ended(l))
		l->r = -ECANCELED;
	pthread_mutex_unlock(&l->lock);
	atomic_store(&l->stop, true);
}

int load_end(struct load *l, struct proto_load_failed *ret_failed)
{
	join(l);
	int r = l->r;
	if (r == 1)
		*ret_failed = l->failed;
	load_free(l);
	return r;
}

/* The native device: host memory, calls that run at once on the pool. A matrix of quantised weights is packed in place when a product first
 * names it (or when rt_weights_ready does); what else reads it later goes by cpu_packed_block, or finds it unpacked again. */
#include "runtime/cpu.h"

#include "base/err.h"
#include "base/layout.h"
#include "base/sha256.h"
#include "shaders/blocks_ref.h"
#include "shaders/embed.h"
#include "shaders/plan.h"
#include "shaders/mul_mat_f.h"
#include "shaders/mul_mat_q.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STAGES	    8u
#define COST_INLINE (256u << 10) /* multiplications below which sharing costs more than it saves */
#define SHARES	    8u		 /* of a call for each thread */

/* A matrix that a product has named. */
struct matrix {
	u64 offset, bytes;
	u32 type, k, n_out;
	bool packed;
};

struct cpu_buf {
	struct rt_buf b;
	struct matrix *matrices; /* by offset, none overlaps another */
	u32 n_matrices, cap;
};

struct cpu_device {
	struct rt_device d;
	enum cpu_level level;
	struct cpu_pool *pool;
	u32 *tiles;
	size_t tiles_used; /* bytes that hold activations */
	pthread_mutex_t stage_lock;
	pthread_cond_t stage_free;
	u8 *stages;
	u32 stages_free; /* bit i: piece i is free */
};

static struct cpu_device *cpu_of(struct rt_device *d)
{
	return (struct cpu_device *)d;
}

static struct cpu_buf *buf_of(struct rt_buf *b)
{
	return (struct cpu_buf *)b;
}

static void *pages_alloc(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

/* ---- buffers ---- */

static int cpu_buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	struct cpu_buf *b = calloc(1, sizeof(*b));
	if (!b)
		return err_origin(-ENOMEM);
	b->b = (struct rt_buf){ .kind = kind, .bytes = bytes, .host = pages_alloc(bytes) };
	if (!b->b.host) {
		free(b);
		return err_origin(-ENOMEM);
	}
	strncpy(b->b.tag, tag, sizeof(b->b.tag) - 1);
	*ret = &b->b;
	return 0;
}

static struct rt_buf *cpu_buf_destroy(struct rt_device *d, struct rt_buf *b)
{
	struct cpu_device *c = cpu_of(d);
	if (b->kind == RT_BUF_WEIGHTS) { /* a model goes, and what was laid out of its activations */
		explicit_bzero(c->tiles, c->tiles_used);
		c->tiles_used = 0;
	}
	explicit_bzero(b->host, b->bytes);
	munmap(b->host, b->bytes);
	free(buf_of(b)->matrices);
	free(b);
	return NULL;
}

static void *cpu_stage_get(struct rt_device *d)
{
	struct cpu_device *c = cpu_of(d);
	pthread_mutex_lock(&c->stage_lock);
	while (c->stages_free == 0)
		pthread_cond_wait(&c->stage_free, &c->stage_lock);
	u32 i = (u32)__builtin_ctz(c->stages_free);
	c->stages_free &= ~(1u << i);
	pthread_mutex_unlock(&c->stage_lock);
	return c->stages + (size_t)i * RT_STAGE_BYTES;
}

static int cpu_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len)
{
	struct cpu_device *c = cpu_of(d);
	size_t i = (size_t)((u8 *)stage - c->stages) / RT_STAGE_BYTES;
	assert(i < STAGES);
	if (dst.buf) {
		assert(buf_of(dst.buf)->n_matrices == 0); /* written at load, before any product */
		memcpy((u8 *)dst.buf->host + dst.offset, (u8 *)stage + stage_offset, len);
	}
	pthread_mutex_lock(&c->stage_lock);
	assert(!(c->stages_free & 1u << i));
	c->stages_free |= 1u << i;
	pthread_cond_signal(&c->stage_free);
	pthread_mutex_unlock(&c->stage_lock);
	return 0;
}

/* ---- packed matrices ---- */

struct packing {
	const struct matrix *m;
	u8 *w, *scratch;
	size_t scratch_bytes; /* of a thread */
	bool pack;
};

static void packing_run(const void *arg, u32 thread, u32 first, u32 end)
{
	const struct packing *p = arg;
	u8 *scratch = p->scratch + thread * p->scratch_bytes;
	if (p->pack)
		cpu_pack_panels(p->m->type, p->m->k, p->w, first, end, scratch);
	else
		cpu_unpack_panels(p->m->type, p->m->k, p->w, first, end, scratch);
}

/* Packs or unpacks. 0; -ENOMEM: it stays as it is. */
static int matrix_convert(struct cpu_device *c, struct rt_buf *b, struct matrix *m, bool pack)
{
	size_t panel = CPU_PANEL * (m->bytes / m->n_out);
	struct packing p = { .m = m, .w = (u8 *)b->host + m->offset, .scratch_bytes = panel, .pack = pack };
	p.scratch = malloc(panel * cpu_pool_threads(c->pool));
	if (!p.scratch)
		return err_origin(-ENOMEM);
	cpu_pool_run(c->pool, packing_run, &p, m->n_out / CPU_PANEL, 1);
	explicit_bzero(p.scratch, panel * cpu_pool_threads(c->pool));
	free(p.scratch);
	m->packed = pack;
	return 0;
}

/* The first matrix that ends behind offset: an index, n_matrices when there is none. */
static u32 matrix_at(const struct cpu_buf *b, u64 offset)
{
	u32 lo = 0, hi = b->n_matrices;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		if (b->matrices[mid].offset + b->matrices[mid].bytes <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int matrix_insert(struct cpu_buf *b, u32 at, const struct matrix *m)
{
	if (b->n_matrices == b->cap) {
		u32 cap = b->cap ? 2 * b->cap : 64;
		struct matrix *grown = realloc(b->matrices, cap * sizeof(*grown));
		if (!grown)
			return err_origin(-ENOMEM);
		b->matrices = grown;
		b->cap = cap;
	}
	memmove(b->matrices + at + 1, b->matrices + at, (b->n_matrices - at) * sizeof(*m));
	b->matrices[at] = *m;
	b->n_matrices++;
	return 0;
}

/* Makes bytes of a buffer stand as in the file again, for who reads them otherwise. 0; -ENOMEM. */
static int make_plain(struct cpu_device *c, struct rt_view v, u64 bytes)
{
	struct cpu_buf *b = buf_of(v.buf);
	for (u32 i = matrix_at(b, v.offset); i < b->n_matrices; i++) {
		struct matrix *m = &b->matrices[i];
		if (m->offset >= v.offset + bytes)
			break;
		int r = m->packed ? matrix_convert(c, v.buf, m, false) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Is the matrix at v packed (after packing it, when it is new)? 1; 0: it stands as in the file; -ENOMEM. */
static int matrix_packed(struct cpu_device *c, struct rt_view v, const struct matrix *want)
{
	struct cpu_buf *b = buf_of(v.buf);
	u32 at = matrix_at(b, v.offset);
	struct matrix *m = at < b->n_matrices ? &b->matrices[at] : NULL;
	if (m && m->offset == want->offset && m->type == want->type && m->k == want->k &&
		m->n_out == want->n_out)
		return m->packed;
	if (m &&
		m->offset < want->offset + want->bytes) /* the same bytes as another matrix: as in the file */
		return make_plain(c, v, want->bytes);
	int r = matrix_insert(b, at, want);
	if (r < 0)
		return r;
	if (want->n_out >= CPU_PANEL)
		(void)matrix_convert(c, v.buf, &b->matrices[at], true); /* no memory: slower, the same bits */
	return b->matrices[at].packed;
}

/* ---- calls ---- */

struct plain_call {
	kernel_ref_fn *run;
	const void *push;
	void *buf[KERNEL_BUFS_MAX];
};

static void plain_run(const void *arg, u32 thread, u32 first, u32 end)
{
	const struct plain_call *p = arg;
	p->run(p->push, (void *const *)p->buf, first, end);
}

static u8 *host_of(struct rt_view v)
{
	return (u8 *)v.buf->host + v.offset;
}

static int call_plain(struct cpu_device *c, const struct rt_call *call)
{
	const struct kernel_ref *ref = &kernel_refs[call->kernel];
	kernel_ref_fn *rows = cpu_rows_kernel(c->level, call->kernel),
		      *attention = cpu_attention_kernel(c->level, call->kernel);
	struct plain_call p = { .run = rows ? rows : attention ? attention : ref->run, .push = call->push };
	u32 items = attention ? cpu_attention_items(call->push) : call->work_x;
	for (u32 i = 0; i < ref->n_bufs; i++) {
		if (call->view[i].buf->kind == RT_BUF_WEIGHTS) {
			int r = make_plain(c, call->view[i], call->bytes[i]);
			if (r < 0)
				return r;
		}
		p.buf[i] = host_of(call->view[i]);
	}
	u32 step = call->cost < COST_INLINE ? items : MAX(1u, items / (cpu_pool_threads(c->pool) * SHARES));
	cpu_pool_run(c->pool, plain_run, &p, items, MIN(step, 1u << 20));
	return 0;
}

static const struct cpu_tile_kernel *tile_kernels(enum cpu_level level, u32 type)
{
	const struct cpu_tile_kernel *k = NULL;
	switch (level) {
	case CPU_AVX2:
		k = cpu_q_avx2(type);
		return k ? k : cpu_block_avx2(type);
	case CPU_AVX512:
		k = cpu_q_avx512(type);
		return k ? k : cpu_block_avx512(type);
	case CPU_NEON:
		k = cpu_q_neon(type);
		return k ? k : cpu_block_neon(type);
	default:
		return NULL;
	}
}

static void reference_run(const void *arg, u32 thread, u32 first, u32 end)
{
	cpu_mul_reference(arg, first, end);
}

/* Columns g of a product of the matrix at w, which begins in its buffer where its expert's does. */
static int mul_columns(
	struct cpu_device *c, struct rt_view w, struct cpu_mul *m, const struct group_columns *g)
{
	struct matrix want = { .type = m->type, .k = m->k, .n_out = m->n_out };
	want.bytes = (u64)m->n_out * (m->k / block_len_of(m->type)) * block_bytes_of(m->type);
	want.offset = w.offset + g->expert * want.bytes;
	const struct rt_view at = { w.buf, want.offset };
	int packed = cpu_packs(m->type) ? matrix_packed(c, at, &want) : make_plain(c, at, want.bytes);
	if (packed < 0)
		return packed;
	m->w = host_of(at);
	m->first = g->first;
	m->cols = g->n;
	if (!packed && cpu_packs(m->type)) {
		cpu_pool_run(c->pool, reference_run, m, m->n_out,
			MAX(1u, m->n_out / (cpu_pool_threads(c->pool) * SHARES)));
		return 0;
	}
	size_t used = cpu_mul_run(c->pool, m);
	c->tiles_used = MAX(c->tiles_used, used);
	return 0;
}

static const u32 *plan_of(const struct rt_call *call)
{
	return (const u32 *)(const void *)host_of(call->view[kernel_refs[call->kernel].n_bufs - 1]);
}

static int call_mul_mat(struct cpu_device *c, const struct rt_call *call, u32 type)
{
	const struct push_mul_mat_q *p = (const void *)call->push;
	struct cpu_mul m = { .kernels = tile_kernels(c->level, type),
		.type = type,
		.k = p->k,
		.n_out = p->n_out,
		.rows = p->cols,
		.act = host_of(call->view[1]),
		.y = (f32 *)(void *)host_of(call->view[2]),
		.tiles = c->tiles };
	const struct rt_view w = { call->view[0].buf, call->view[0].offset + p->base };
	bool whole =
		p->first == 0 && p->count == MAX(p->experts, 1u) * p->n_out && w.buf->kind == RT_BUF_WEIGHTS;
	if (!m.kernels || !whole)
		return call_plain(c, call);
	int r = 0;
	for (u32 i = 0; i < group_columns_n(p->experts, plan_of(call)) && r == 0; i++) {
		const struct group_columns g =
			group_columns_at(p->experts, p->cols, p->n_out, 0, plan_of(call), i);
		r = mul_columns(c, w, &m, &g);
	}
	return r;
}

/* A product of float weights, whose kernels know one matrix: expert by expert. */
static int call_floats(struct cpu_device *c, const struct rt_call *call, u32 type)
{
	const struct push_mul_mat_f *p = (const void *)call->push;
	u64 bytes = (u64)p->n_out * p->k * block_bytes_of(type);
	int r = 0;
	if (!p->experts)
		return call_plain(c, call);
	assert(p->first == 0 && p->count == p->experts * p->n_out); /* nothing is split here */
	for (u32 i = 0; i < plan_of(call)[0] && r == 0; i++) {
		const struct group_columns g =
			group_columns_at(p->experts, p->cols, p->n_out, 0, plan_of(call), i);
		const struct push_mul_mat_f one = {
			.k = p->k, .n_out = p->n_out, .cols = g.n, .count = p->n_out, .base = p->base
		};
		struct rt_call part = *call;
		part.view[0].offset += g.expert * bytes;
		part.view[1].offset += 4ull * g.first * p->k;
		part.view[2].offset += 4ull * g.first * p->n_out;
		part.bytes[0] = p->base + bytes;
		part.cost = (u64)p->n_out * p->k * g.n;
		memcpy(part.push, &one, sizeof(one));
		r = call_plain(c, &part);
	}
	return r;
}

static void cpu_weights_ready(struct rt_device *d, struct rt_view w, u32 type, u32 k, u32 n_out)
{
	struct cpu_device *c = cpu_of(d);
	if (!tile_kernels(c->level, type) || !cpu_packs(type))
		return;
	const struct matrix m = { .offset = w.offset,
		.bytes = (u64)n_out * (k / block_len_of(type)) * block_bytes_of(type),
		.type = type,
		.k = k,
		.n_out = n_out };
	(void)matrix_packed(c, w, &m); /* no memory: slower, the same bits */
}

/* ---- embedding from a packed matrix, which also is the head ---- */

struct embed_call {
	const struct push_embed *p;
	const u8 *w;
	const u32 *ids;
	f32 *y;
	u32 type;
};

static void embed_row(const struct embed_call *e, u32 row)
{
	const struct push_embed *p = e->p;
	u32 id = e->ids[row], len = block_len_of(e->type), term = block_term_of(e->type);
	f32 *y = e->y + (size_t)row * p->dim;
	if (id >= p->vocab) {
		memset(y, 0, p->dim * sizeof(f32));
		return;
	}
	for (u32 b = 0; b < p->dim / len; b++) {
		u8 block[256];
		struct block_ints ints;
		cpu_packed_block(e->type, p->dim, e->w, p->vocab, id, b, block);
		for (u32 i = 0; i < len; i++) {
			if (i % term == 0)
				block_unpack(e->type, block, i / term, &ints);
			y[b * len + i] = block_ints_value(e->type, &ints, i % term);
		}
	}
}

static void embed_rows(const void *arg, u32 thread, u32 first, u32 end)
{
	for (u32 i = first; i < end; i++)
		embed_row(arg, i);
}

static int call_embed(struct cpu_device *c, const struct rt_call *call, u32 type)
{
	const struct push_embed *p = (const void *)call->push;
	struct cpu_buf *b = buf_of(call->view[0].buf);
	u64 offset = call->view[0].offset + p->base;
	u32 at = matrix_at(b, offset);
	const struct matrix *m = at < b->n_matrices ? &b->matrices[at] : NULL;
	if (!m || !m->packed || m->offset != offset || m->type != type || m->k != p->dim ||
		m->n_out != p->vocab || p->first != 0 || p->count != p->vocab)
		return call_plain(c, call);
	const struct embed_call e = { .p = p,
		.w = host_of(call->view[0]) + p->base,
		.ids = (const u32 *)(const void *)host_of(call->view[1]),
		.y = (f32 *)(void *)host_of(call->view[2]),
		.type = type };
	cpu_pool_run(c->pool, embed_rows, &e, p->n, 4);
	return 0;
}

static int cpu_call(struct rt_device *d, const struct rt_call *call)
{
	u32 type = kernel_type_of(call->kernel);
	if (!block_term_of(type) && kernel_is_mul_mat(call->kernel))
		return call_floats(cpu_of(d), call, type);
	if (!block_term_of(type))
		return call_plain(cpu_of(d), call);
	if (kernel_is_mul_mat(call->kernel))
		return call_mul_mat(cpu_of(d), call, type);
	return call_embed(cpu_of(d), call, type);
}

static int cpu_nothing(struct rt_device *d)
{
	return 0; /* calls have run when they return */
}

/* ---- open and close ---- */

static struct rt_device *cpu_close(struct rt_device *d)
{
	struct cpu_device *c = cpu_of(d);
	cpu_pool_destroy(c->pool);
	if (c->stages) {
		explicit_bzero(c->stages, STAGES * (size_t)RT_STAGE_BYTES);
		munmap(c->stages, STAGES * (size_t)RT_STAGE_BYTES);
	}
	if (c->tiles)
		munmap(c->tiles, CPU_TILES_BYTES);
	free(c);
	return NULL;
}

static const struct rt_device_fns cpu_fns = {
	.close = cpu_close,
	.buf_create = cpu_buf_create,
	.buf_destroy = cpu_buf_destroy,
	.stage_get = cpu_stage_get,
	.stage_put = cpu_stage_put,
	.weights_ready = cpu_weights_ready,
	.begin = cpu_nothing,
	.start = cpu_nothing,
	.wait = cpu_nothing,
	.call = cpu_call,
};

/* What runs kernel k at that level: "reference", or the level. */
static const char *variant_of(enum cpu_level level, enum kernel k)
{
	bool native = cpu_rows_kernel(level, k) || cpu_attention_kernel(level, k) ||
		      (kernel_is_mul_mat(k) && tile_kernels(level, kernel_type_of(k)));
	return native ? cpu_level_name(level) : "reference";
}

static void kernel_set(enum cpu_level level, u8 ret[32])
{
	static const char head[] = "keep native kernels, version 1, numerics 1\n";
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, head, sizeof(head) - 1);
	for (u32 k = 0; k < KERNELS_N; k++) {
		const char *variant = variant_of(level, k);
		sha256_update(&s, kernel_refs[k].name, strlen(kernel_refs[k].name));
		sha256_update(&s, " ", 1);
		sha256_update(&s, variant, strlen(variant));
		sha256_update(&s, "\n", 1);
	}
	sha256_final(&s, ret);
}

void cpu_info(enum cpu_level level, struct rt_device_info *ret)
{
	char model[64];
	*ret = (struct rt_device_info){
		.kind = "native", .buf_bytes_max = 1ull << 46, .range_bytes_max = 1ull << 46
	};
	cpu_model_name(model, sizeof(model));
	snprintf(ret->name, sizeof(ret->name), CPU_NAME ": %s", model);
	snprintf(ret->driver, sizeof(ret->driver), "native kernels of Keep, %s", cpu_level_name(level));
	kernel_set(level, ret->kernel_set);
}

int cpu_open_with(const struct cpu_params *p, struct rt_device **ret)
{
	struct cpu_device *c = calloc(1, sizeof(*c));
	if (!c)
		return err_origin(-ENOMEM);
	*c = (struct cpu_device){ .d.fns = &cpu_fns,
		.level = p->level,
		.tiles = pages_alloc(CPU_TILES_BYTES),
		.stage_lock = PTHREAD_MUTEX_INITIALIZER,
		.stage_free = PTHREAD_COND_INITIALIZER,
		.stages = pages_alloc(STAGES * (u64)RT_STAGE_BYTES),
		.stages_free = (1u << STAGES) - 1 };
	int r = c->stages && c->tiles ? 0 : err_origin(-ENOMEM);
	u32 threads = p->threads ? p->threads : cpu_threads_of_machine();
	if (r == 0)
		r = cpu_pool_create(threads, &c->pool);
	if (r < 0) {
		cpu_close(&c->d);
		return r;
	}
	cpu_info(p->level, &c->d.info);
	*ret = &c->d;
	return 0;
}

int dev_native_open(struct rt_device **ret)
{
	return cpu_open_with(&(struct cpu_params){ .level = cpu_level_best() }, ret);
}

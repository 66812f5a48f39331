/* Products of packed weights: the activations laid out in tiles of columns once a call, then panels of rows shared among the threads. */
#include "runtime/cpu.h"

#include "base/layout.h"
#include "shaders/act.h"
#include "shaders/blocks_ref.h"
#include "shaders/plan.h"
#include "shaders/mul_mat_q.h"

#define SHARES	    8u /* shares that a thread takes of a call: the last ones even out what a slow core left */
#define SHARE_BYTES (16u << 10) /* of weights, at least: a share costs an atomic addition */
#define GROUP_BYTES \
	(512u << 10) /* of weights that one tile after the other goes over: a part of the second cache */
#define LAY_COST (1u << 16) /* values of activations that are laid out by one thread */

struct part {
	const struct cpu_mul *m;
	u32 first, cols;	 /* columns of this part */
	u32 len, blocks, record; /* elements of a term, terms of a row, words of a record and column */
	u32 widest;		 /* columns of a full tile */
	struct block_kind kind;
	size_t row_bytes, panel_bytes;
};

/* Columns first .. first + cols of a part, computed together. All tiles are as wide as the widest kernel but the last. */
struct tile {
	const struct cpu_tile_kernel *kernel;
	u32 first, cols;
	u32 *x;
};

static u32 widest(const struct cpu_tile_kernel *list)
{
	while (list[1].width)
		list++;
	return list->width;
}

/* The tile that holds column c. */
static struct tile tile_of(const struct part *p, u32 c)
{
	const struct cpu_tile_kernel *kernel = p->m->kernels;
	u32 first = c / p->widest * p->widest, left = p->cols - first;
	while (kernel->width < left && kernel[1].width)
		kernel++;
	return (struct tile){ .kernel = kernel,
		.first = first,
		.cols = MIN(left, kernel->width),
		.x = p->m->tiles + (size_t)first * p->record * p->blocks };
}

static i32 sum_16(const i8 *q)
{
	i32 s = 0;
	for (u32 i = 0; i < 16; i++)
		s += q[i];
	return s;
}

static u32 pair(i32 a, i32 b)
{
	return ((u32)a & 0xffff) | (u32)b << 16;
}

/* The words of a record that follow the quantised values: of a block of 32; of 256 with sums of 32 or 16 as pairs; of 256 with a correction each
 * for the bias of 32 or 16 values. */
static void corrections_32(const struct part *p, i32 sum, u32 *x)
{
	f32 s = (f32)sum;
	if (p->kind.min_len)
		memcpy(x, &s, 4);
	else
		x[0] = (u32)sum * -cpu_weights_bias(p->m->type);
}

static void corrections_halves(const struct part *p, const i8 *q, u32 *x, u32 width)
{
	for (u32 i = 0; i < 2; i++)
		x[(size_t)i * width] = (u32)sum_16(q + 16 * i) * -cpu_weights_bias(p->m->type);
}

static void corrections_pairs(const struct part *p, const i8 *q, const i32 *sums, u32 *x, u32 width)
{
	u32 n = p->kind.min_len == 32 ? 4 : 8;
	for (u32 i = 0; i < n; i++) {
		u32 j = i / 2 * 4 + i % 2;
		x[(size_t)i * width] = n == 4 ? pair(sums[j], sums[j + 2])
					      : pair(sum_16(q + 16 * j), sum_16(q + 16 * (j + 2)));
	}
	for (u32 i = n; n == 8 && i < 16; i++)
		x[(size_t)i * width] = 0;
}

static void corrections_bias(const struct part *p, const i8 *q, const i32 *sums, u32 *x, u32 width)
{
	u32 bias = cpu_weights_bias(p->m->type);
	bool wide = p->m->type == TENSOR_IQ4_XS;
	for (u32 i = 0; i < 16; i++) {
		i32 s = !wide ? sum_16(q + 16 * i) : i < 8 ? sums[i] : 0;
		x[(size_t)i * width] = (u32)s * -bias;
	}
}

static void corrections(const struct part *p, const i8 *q, const i32 *sums, u32 *x, u32 width)
{
	if (p->m->type == TENSOR_NVFP4)
		corrections_halves(p, q, x, width);
	else if (p->len == 32)
		corrections_32(p, sums[0], x);
	else if (p->kind.min_len)
		corrections_pairs(p, q, sums, x, width);
	else
		corrections_bias(p, q, sums, x, width);
}

/* Column c of the part into place i of a tile that is width wide. */
static void column_lay(const struct part *p, u32 c, u32 *x, u32 width)
{
	const struct cpu_mul *m = p->m;
	size_t row = m->first + p->first + c;
	const i8 *q = (const i8 *)m->act + row * m->k;
	const f32 *scale = (const f32 *)m->act + act_scale_at(m->rows, m->k) + row * p->blocks;
	const i32 *sums = (const i32 *)m->act + act_sum_at(m->rows, m->k, p->len) + row * (m->k / 32);
	u32 words = p->len / 4;
	for (u32 b = 0; b < p->blocks; b++, x += (size_t)p->record * width) {
		for (u32 i = 0; i < words; i++)
			memcpy(x + (size_t)i * width, q + (size_t)b * p->len + 4 * i, 4);
		corrections(p, q + (size_t)b * p->len, sums + b * (p->len / 32), x + (size_t)words * width,
			width);
		memcpy(x + (size_t)(p->record - 1) * width, scale + b, 4);
	}
}

static void lay(const void *arg, u32 thread, u32 first, u32 end)
{
	const struct part *p = arg;
	for (u32 c = first; c < end; c++) {
		struct tile t = tile_of(p, c);
		column_lay(p, c, t.x + (c - t.first), t.kernel->width);
	}
}

static void panel_run(const struct part *p, const struct tile *tile, u32 panel)
{
	const struct cpu_mul *m = p->m;
	const struct cpu_tile t = { .panel = m->w + panel * p->panel_bytes,
		.x = tile->x,
		.y = m->y + (size_t)(m->first + p->first + tile->first) * m->n_out +
		     (size_t)panel * CPU_PANEL,
		.stride = m->n_out,
		.type = m->type,
		.blocks = p->blocks,
		.cols = tile->cols };
	tile->kernel->run(&t);
}

/* Panels first .. end, few enough that the second cache keeps them from one tile to the next. */
static void group_run(const struct part *p, u32 first, u32 end)
{
	struct tile tile;
	for (u32 c = 0; c < p->cols; c += tile.cols) {
		tile = tile_of(p, c);
		for (u32 i = first; i < end; i++)
			panel_run(p, &tile, i);
	}
}

static kernel_ref_fn *reference_of(u32 type)
{
	enum kernel k;
	bool known = kernel_mul_mat_of(type, &k);
	assert(known);
	return kernel_refs[k].run;
}

/* As the one expert of a plan, whose columns need not be all. */
void cpu_mul_reference(const struct cpu_mul *m, u32 first, u32 end)
{
	const struct push_mul_mat_q push = { .k = m->k,
		.n_out = m->n_out,
		.cols = m->rows,
		.count = m->n_out,
		.row_bytes = (u32)(m->k / block_len_of(m->type) * block_bytes_of(m->type)),
		.experts = 1 };
	u32 plan[10] = { 1 };
	static_assert(sizeof(plan) == sizeof(u32) * (GROUP_HEAD + 2), "a list of one tile");
	plan[GROUP_HEAD] = m->first;
	plan[GROUP_HEAD + 1] = m->cols << GROUP_ID_BITS;
	void *const buf[5] = { (void *)(uintptr_t)m->w, (void *)(uintptr_t)m->act, m->y, NULL, plan };
	reference_of(m->type)(&push, buf, first, end);
}

/* The rows beyond the last whole panel, which are as in the file; all columns of the call. */
static void rest_run(const struct part *p)
{
	cpu_mul_reference(p->m, p->m->n_out / CPU_PANEL * CPU_PANEL, p->m->n_out);
}

static void panels(const void *arg, u32 thread, u32 first, u32 end)
{
	const struct part *p = arg;
	u32 n = p->m->n_out / CPU_PANEL, step = MAX((u32)(GROUP_BYTES / p->panel_bytes), 1u);
	for (u32 i = first; i < MIN(end, n); i += step)
		group_run(p, i, MIN(i + step, MIN(end, n)));
	if (end > n)
		rest_run(p);
}

static u32 record_words(u32 type)
{
	if (block_term_of(type) == 32)
		return 8 + (type == TENSOR_NVFP4 ? 2 : 1) + 1;
	return block_kind_of(type).min_len == 32 ? 64 + 4 + 1 : 64 + 16 + 1;
}

/* Panels of a share. */
static u32 share_of(const struct part *p, u32 threads)
{
	size_t panel_work = p->panel_bytes * DIV_UP(p->cols, 4u);
	u32 n = p->m->n_out / CPU_PANEL, few = (u32)(SHARE_BYTES / panel_work);
	return MAX(MAX(n / (threads * SHARES), few), 1u);
}

static void part_run(struct cpu_pool *pool, const struct part *p)
{
	const struct cpu_mul *m = p->m;
	u32 n = m->n_out / CPU_PANEL, lay_step = p->cols;
	if ((u64)p->cols * m->k > LAY_COST)
		lay_step = MAX(LAY_COST / m->k, 1u);
	cpu_pool_run(pool, lay, p, p->cols, lay_step);
	bool rest = p->first == 0 && m->n_out % CPU_PANEL; /* once a call */
	cpu_pool_run(pool, panels, p, n + rest, share_of(p, cpu_pool_threads(pool)));
}

size_t cpu_mul_run(struct cpu_pool *pool, const struct cpu_mul *m)
{
	struct part p = { .m = m,
		.len = block_term_of(m->type),
		.record = record_words(m->type),
		.kind = block_kind_of(m->type),
		.widest = widest(m->kernels) };
	p.blocks = m->k / p.len;
	p.row_bytes = (size_t)m->k / block_len_of(m->type) * block_bytes_of(m->type);
	p.panel_bytes = CPU_PANEL * p.row_bytes;
	u32 most = (u32)(CPU_TILES_BYTES / 4 / ((size_t)p.record * p.blocks)) / p.widest * p.widest;
	assert(most > 0);
	for (; p.first < m->cols; p.first += p.cols) {
		p.cols = MIN(m->cols - p.first, most);
		part_run(pool, &p);
	}
	size_t column = 4 * (size_t)p.record * p.blocks;
	return MIN(ALIGN_UP((size_t)m->cols, p.widest) * column, (size_t)CPU_TILES_BYTES);
}

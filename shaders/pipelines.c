#include "shaders/pipelines.h"

#include "base/sha256.h"

#include <string.h>

#include "shaders/modules.h" /* spv_<module>, of each row of shader_modules in meson.build */

/* clang-format off */
#define CODE(m) .spirv = spv_##m, .spirv_bytes = sizeof(spv_##m)
/* One workgroup does n items of x. */
#define BASE(k, m, n) { .kernel = KERNEL_##k, .variant = "base", CODE(m), .items_x = (n), .items_y = 1 }
/* Float weights: eight rows a workgroup, one or eight columns. */
#define MUL_MAT_F(k, m) \
	{ .kernel = KERNEL_##k, .variant = "base", CODE(m), .items_x = 8, .items_y = 1, .n_spec = 2, .spec = { 1 }, .experts = 1 }, \
	{ .kernel = KERNEL_##k, .variant = "base8", CODE(m), .items_x = 8, .items_y = 8, .n_spec = 2, .spec = { 8 }, .experts = 1 }
/* Quantised weights: a lane per row or 16 lanes per row; one or several columns (eight take long to compile on a CPU); with and without the
 * packed dot product. Tiles of 256 rows and one or 8 columns are for drivers on a CPU that load once what all lanes read alike. In 10^9 multiplications
 * a second of a core, Mesa 26.2.6, Q4_0: one column 7.7 (lane 3.9), 64 columns 15.6; Q4_K 12.4, Q8_0 10.9; printed by BUILD/tests/ops/bench_ops. 22.3.6 is
 * slower with tiles. */
#define MUL_MAT_Q_ROW(k, name, m, lanes, cols, n) \
	{ .kernel = KERNEL_##k, .variant = name, CODE(m), .items_x = 64 / (lanes), .items_y = (cols), .n_spec = 3, \
	  .spec = { (cols), (lanes) }, .experts = 2, .needs = (n) }
#define MUL_MAT_TILE_ROW(k, name, m, cols) \
	{ .kernel = KERNEL_##k, .variant = name, CODE(m##_tile), .items_x = 256, .items_y = (cols), .n_spec = 2, .spec = { (cols) }, \
	  .experts = 1, .needs = PIPELINE_ON_CPU | PIPELINE_UNIFORM }
#define MUL_MAT_Q(k, m) \
	MUL_MAT_Q_ROW(k, "lane", m, 1, 1, PIPELINE_ON_CPU), \
	MUL_MAT_Q_ROW(k, "lane4", m, 1, 4, PIPELINE_ON_CPU), \
	MUL_MAT_Q_ROW(k, "wide", m, 16, 1, PIPELINE_ON_GPU), \
	MUL_MAT_Q_ROW(k, "wide8", m, 16, 8, PIPELINE_ON_GPU), \
	MUL_MAT_Q_ROW(k, "dot.lane", m##_dot, 1, 1, PIPELINE_ON_CPU | PIPELINE_INT_DOT), \
	MUL_MAT_Q_ROW(k, "dot.lane4", m##_dot, 1, 4, PIPELINE_ON_CPU | PIPELINE_INT_DOT), \
	MUL_MAT_TILE_ROW(k, "tile", m, 1), \
	MUL_MAT_TILE_ROW(k, "tile8", m, 8), \
	MUL_MAT_Q_ROW(k, "dot.wide", m##_dot, 16, 1, PIPELINE_ON_GPU | PIPELINE_INT_DOT), \
	MUL_MAT_Q_ROW(k, "dot.wide8", m##_dot, 16, 8, PIPELINE_ON_GPU | PIPELINE_INT_DOT)
/* Tokens of a head a workgroup, for the same drivers. */
#define ATTENTION_TILE(k, m, tokens) \
	{ .kernel = KERNEL_##k, .variant = "tile", CODE(m), .items_x = 1, .items_y = (tokens), .needs = PIPELINE_ON_CPU | PIPELINE_UNIFORM }
/* Tiles of both, on matrix units; the device fills in constants and items. */
#define MUL_MAT_CM(k, m, n) \
	{ .kernel = KERNEL_##k, .variant = "cm", CODE(m##_cm), .items_x = 8, .items_y = 8, .n_spec = 5, .experts = 4, \
	  .needs = PIPELINE_ON_GPU | PIPELINE_COOPMAT | (n) }

/* The rows of a weight type. */
#define EMBED(name, c, ...)	      BASE(EMBED_##name, embed_##c, 256),
#define MUL_MAT_FLOATS(name, c, ...) MUL_MAT_F(MUL_MAT_##name, mul_mat_##c),
#define MUL_MAT_BLOCKS(name, c, ...) MUL_MAT_Q(MUL_MAT_##name, mul_mat_##c),
#define MUL_MAT_TILES(name, c, number, block, bytes, group, scale, min) \
	MUL_MAT_CM(MUL_MAT_##name, mul_mat_##c, (scale) == 16 ? PIPELINE_K_16 : 0),

const struct pipeline_row pipeline_rows[] = {
	TENSOR_FLOATS(EMBED) TENSOR_BLOCKS(EMBED)
	TENSOR_FLOATS(MUL_MAT_FLOATS) TENSOR_BLOCKS(MUL_MAT_BLOCKS)
	BASE(RMS_NORM, rms_norm, 1),
	BASE(QUANTIZE_32, quantize_32, 64),
	BASE(QUANTIZE_256, quantize_256, 2),
	BASE(ROPE, rope, 256),
	BASE(KV_STORE_F32, kv_store_f32, 256),
	BASE(KV_STORE_INT8, kv_store_int8, 1),
	BASE(KV_STORE_F16, kv_store_f16, 256),
	BASE(ATTENTION_F32, attention_f32, 1),
	BASE(ATTENTION_INT8, attention_int8, 1),
	BASE(ATTENTION_F16, attention_f16, 1),
	ATTENTION_TILE(ATTENTION_F32, attention_tile_f32, 16),
	ATTENTION_TILE(ATTENTION_F16, attention_tile_f16, 16),
	BASE(SWIGLU, swiglu, 256),
	BASE(ADD, add, 256),
	BASE(ROWS, rows, 256),
	BASE(LAYER_NORM, layer_norm, 1),
	BASE(BIAS, bias, 256),
	BASE(ROW_SCALE, row_scale, 256),
	BASE(MAP, map, 256),
	BASE(GEGLU, geglu, 256),
	BASE(SWIGLU_OAI, swiglu_oai, 256),
	BASE(COMBINE, combine, 256),
	BASE(ATTENTION_PART_F32, attention_part_f32, 1),
	BASE(ATTENTION_PART_INT8, attention_part_int8, 1),
	BASE(ATTENTION_PART_F16, attention_part_f16, 1),
	BASE(ATTENTION_JOIN, attention_join, 1),
	ATTENTION_TILE(ATTENTION_PART_F32, attention_part_tile_f32, 1),
	ATTENTION_TILE(ATTENTION_PART_INT8, attention_part_tile_int8, 1),
	ATTENTION_TILE(ATTENTION_PART_F16, attention_part_tile_f16, 1),
	ATTENTION_TILE(ATTENTION_JOIN, attention_join_tile, 1),
	BASE(BLOCK_MAX, block_max, 64),
	BASE(TOP_BLOCKS, top_blocks, 1),
	BASE(ROUTE, route, 1),
	BASE(GROUP, group, 1),
#ifdef KEEP_COOPMAT
	TENSOR_BLOCKS(MUL_MAT_TILES)
#endif
};
/* clang-format on */
const u32 pipeline_rows_n = ARRAY_LEN(pipeline_rows);

bool pipeline_row_runs(const struct pipeline_row *row, const struct pipeline_caps *caps)
{
	if (row->needs & PIPELINE_COOPMAT && caps->tile.m == 0)
		return false;
	if (row->needs & PIPELINE_K_16 && caps->tile.k > 16)
		return false;
	if (row->needs & PIPELINE_UNIFORM && !caps->uniform)
		return false;
	return caps->int_dot || !(row->needs & PIPELINE_INT_DOT);
}

bool pipeline_tile_fits(const struct pipeline_tile *t)
{
	bool power = t->n > 0 && (t->n & (t->n - 1)) == 0; /* plans have lists of tiles of such widths */
	return power && t->m <= 32 && t->n <= 32 && t->m * t->n <= 256 &&
	       (t->k == 8 || t->k == 16 || t->k == 32) && t->lanes > 0 && t->lanes <= 256 &&
	       t->m * t->n >= t->lanes && t->m * t->n % t->lanes == 0 && t->m * t->n / t->lanes <= 32;
}

bool pipeline_experts_apart(const struct pipeline_caps *caps)
{
	return !caps->cpu || caps->only;
}

struct pipeline_row pipeline_row_resolve(
	const struct pipeline_row *row, const struct pipeline_caps *caps, bool experts)
{
	struct pipeline_row r = *row;
	const struct pipeline_tile *t = &caps->tile;
	if (r.needs & PIPELINE_COOPMAT) {
		r.items_x = t->m;
		r.items_y = t->n;
		memcpy(r.spec, (const u32[4]){ t->lanes, t->m, t->n, t->k }, sizeof(u32[4]));
	}
	if (r.experts && (experts || !pipeline_experts_apart(caps)))
		r.spec[r.experts] = 1;
	return r;
}

static bool wanted(const struct pipeline_row *row, const struct pipeline_caps *caps)
{
	return !(row->needs & (caps->cpu ? PIPELINE_ON_GPU : PIPELINE_ON_CPU));
}

/* The variant less the number of its columns (a digit) is exactly `only`. */
static bool named(const struct pipeline_row *row, const char *only)
{
	size_t n = strlen(only);
	return !strncmp(row->variant, only, n) && strlen(row->variant + n) <= 1;
}

static int rank(const struct pipeline_row *row, const struct pipeline_caps *caps)
{
	if (!pipeline_row_runs(row, caps))
		return 0;
	if (caps->only && named(row, caps->only))
		return 3;
	return wanted(row, caps) ? 2 : 1;
}

void pipeline_rows_choose(const struct pipeline_row *rows, u32 n, const struct pipeline_caps *caps,
	enum kernel kernel, const struct pipeline_row *ret[2])
{
	int best[2] = { 0, 0 };
	ret[0] = ret[1] = NULL;
	for (u32 i = 0; i < n; i++) {
		u32 many = rows[i].items_y > 1;
		int r = rank(&rows[i], caps);
		if (rows[i].kernel != kernel || r == 0 || r < best[many])
			continue;
		best[many] = r;
		ret[many] = &rows[i];
	}
	ret[1] = ret[1] ? ret[1] : ret[0];
	assert(ret[0]);
}

static void digest_row(struct sha256 *s, const struct pipeline_row *row)
{
	const char *name = kernel_refs[row->kernel].name;
	sha256_update(s, name, strlen(name) + 1);
	sha256_update(s, row->variant, strlen(row->variant) + 1);
	sha256_update(s, row->spec, sizeof(row->spec));
	sha256_update(s, row->spirv, row->spirv_bytes);
}

void pipeline_rows_digest(
	const struct pipeline_row *rows, u32 n, const struct pipeline_caps *caps, u8 ret[32])
{
	struct sha256 s;
	sha256_init(&s);
	for (u32 k = 0; k < KERNELS_N; k++) {
		const struct pipeline_row *chosen[2];
		pipeline_rows_choose(rows, n, caps, k, chosen);
		for (u32 i = 0; i < (chosen[1] == chosen[0] ? 1 : 2); i++) {
			const struct pipeline_row row = pipeline_row_resolve(chosen[i], caps, false);
			digest_row(&s, &row);
		}
	}
	sha256_final(&s, ret);
}

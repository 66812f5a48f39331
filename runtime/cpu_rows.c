/* The ops on rows of floats, written so that a compiler turns them into vectors: the same text for each instruction set. */
#include "runtime/cpu.h"

#include "shaders/act.h"
#include "shaders/add.h"
#include "shaders/bias.h"
#include "shaders/combine.h"
#include "shaders/exact.h"
#include "shaders/geglu.h"
#include "shaders/layer_norm.h"
#include "shaders/map.h"
#include "shaders/mul_mat_f.h"
#include "shaders/quantize.h"
#include "shaders/rms_norm.h"
#include "shaders/rope.h"
#include "shaders/row_scale.h"
#include "shaders/rows.h"
#include "shaders/swiglu.h"
#include "shaders/swiglu_oai.h"

#include <string.h>

#define BODY static inline __attribute__((always_inline))

/* ---- rms_norm ---- */

BODY void squares_add(const f32 *x, u32 n, f32 *lane)
{
	for (u32 l = 0; l < n; l++) {
		f32 v = exact_window(x[l]);
		f32 sq = v * v;
		lane[l] = lane[l] + sq;
	}
}

BODY f32 norm_factor(const struct push_rms_norm *p, const f32 *x)
{
	f32 lane[RMS_NORM_LANES] = { 0 };
	u32 i = 0;
	for (; i + RMS_NORM_LANES <= p->dim; i += RMS_NORM_LANES)
		squares_add(x + i, RMS_NORM_LANES, lane);
	squares_add(x + i, p->dim - i, lane);
	for (u32 h = RMS_NORM_LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	f32 mean = lane[0] * u2f(p->inv_dim_bits);
	return exact_rsqrt(mean + u2f(p->eps_bits));
}

/* y may be x. */
BODY void norm_values(const f32 *x, const f32 *w, f32 m, u32 n, f32 *y)
{
	f32 t[64];
	for (u32 i = 0; i < n; i++) {
		f32 v = exact_window(exact_window(x[i]) * m);
		t[i] = exact_window(v * exact_window(w[i]));
	}
	memcpy(y, t, n * sizeof(f32));
}

BODY void rms_norm(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rms_norm *p = push;
	const f32 *w = buf[1];
	for (u32 r = first; r < end; r++) {
		const f32 *x = (const f32 *)buf[0] + (size_t)r * p->dim;
		f32 *y = (f32 *)buf[2] + (size_t)r * p->dim;
		f32 m = norm_factor(p, x);
		u32 i = 0;
		for (; i + 64 <= p->dim; i += 64)
			norm_values(x + i, w + i, m, 64, y + i);
		norm_values(x + i, w + i, m, p->dim - i, y + i);
	}
}

/* ---- layer_norm ---- */

BODY f32 lanes_tree(f32 *lane)
{
	for (u32 h = LAYER_NORM_LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	return lane[0];
}

BODY void layer_norm_row(const struct push_layer_norm *p, const f32 *x, const f32 *w, f32 *y)
{
	f32 sum[LAYER_NORM_LANES] = { 0 }, squares[LAYER_NORM_LANES] = { 0 };
	for (u32 i = 0; i < p->dim; i += LAYER_NORM_LANES)
		for (u32 l = 0, n = MIN(LAYER_NORM_LANES, p->dim - i); l < n; l++)
			sum[l] = sum[l] + exact_window(x[i + l]);
	f32 mean = exact_window(lanes_tree(sum) * u2f(p->inv_dim_bits));
	for (u32 i = 0; i < p->dim; i += LAYER_NORM_LANES)
		for (u32 l = 0, n = MIN(LAYER_NORM_LANES, p->dim - i); l < n; l++) {
			f32 d = exact_window(exact_window(x[i + l]) - mean), sq = d * d;
			squares[l] = squares[l] + sq;
		}
	f32 v = lanes_tree(squares) * u2f(p->inv_dim_bits);
	f32 m = exact_rsqrt(v + u2f(p->eps_bits));
	for (u32 i = 0; i < p->dim; i++) {
		f32 d = exact_window(exact_window(x[i]) - mean);
		y[i] = exact_window(exact_window(d * m) * exact_window(w[i]));
	}
}

BODY void layer_norm(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_layer_norm *p = push;
	for (u32 r = first; r < end; r++) {
		size_t at = (size_t)r * p->dim;
		layer_norm_row(p, (const f32 *)buf[0] + at, buf[1], (f32 *)buf[2] + at);
	}
}

/* ---- quantize ---- */

BODY f32 group_max(const f32 *x, const u32 n)
{
	u32 lane[16] = { 0 }, m = 0;
	for (u32 i = 0; i < n; i += 16)
		for (u32 l = 0; l < 16; l++) {
			u32 u = exact_window_bits(f2u(x[i + l])) & 0x7fffffffu;
			lane[l] = MAX(lane[l], u);
		}
	for (u32 l = 0; l < 16; l++)
		m = MAX(m, lane[l]);
	return u2f(m);
}

BODY i32 quantize_32_values(const f32 *restrict x, f32 inv, i8 *restrict q)
{
	i32 total = 0, v[32];
	for (u32 i = 0; i < 32; i++) {
		i32 r = exact_round(exact_window(x[i]) * inv);
		v[i] = MIN(MAX(r, -127), 127);
		total += v[i];
	}
	for (u32 i = 0; i < 32; i++)
		q[i] = (i8)v[i];
	return total;
}

#define AT_ONCE 16u /* groups whose reciprocals stand side by side */

/* Groups first .. first + n, n at most AT_ONCE. */
BODY void quantize_groups(const u32 group, const f32 *x, u32 first, u32 n, i8 *q, f32 *scale, i32 *sum)
{
	f32 m[AT_ONCE] = { 0 }, inv[AT_ONCE];
	for (u32 g = 0; g < n; g++)
		m[g] = group_max(x + (size_t)(first + g) * group, group);
	for (u32 g = 0; g < AT_ONCE; g++) {
		f32 r = exact_recip(m[g]) * 127.0f;
		inv[g] = m[g] == 0 ? 0 : r;
	}
	for (u32 g = 0; g < n; g++) {
		size_t at = (size_t)(first + g) * group;
		scale[first + g] = m[g] * QUANTIZE_INV_127;
		for (u32 s = 0; s < group; s += 32)
			sum[(at + s) / 32] = quantize_32_values(x + at + s, inv[g], q + at + s);
	}
}

BODY void quantize(const u32 group, const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_quantize *p = push;
	i8 *q = buf[1];
	f32 *scale = (f32 *)buf[1] + act_scale_at(p->rows, p->k);
	i32 *sum = (i32 *)buf[1] + act_sum_at(p->rows, p->k, group);
	for (u32 g = first; g < end; g += AT_ONCE)
		quantize_groups(group, buf[0], g, MIN(AT_ONCE, end - g), q, scale, sum);
}

BODY void quantize_32(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(32, push, buf, first, end);
}

BODY void quantize_256(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(256, push, buf, first, end);
}

/* ---- products of gate and up; element by element; rows ---- */

enum glu { GLU_SILU, GLU_GELU, GLU_OAI };

/* y may be gate or up. */
BODY void glu_values(enum glu kind, const f32 *gate, const f32 *up, u32 n, f32 *y)
{
	f32 t[64];
	for (u32 i = 0; i < n; i++) {
		f32 g = exact_window(gate[i]);
		if (kind == GLU_OAI) {
			t[i] = swiglu_oai(g, exact_window(up[i]));
			continue;
		}
		f32 s = exact_window(kind == GLU_GELU ? exact_gelu(g) : exact_silu(g));
		t[i] = exact_window(s * exact_window(up[i]));
	}
	memcpy(y, t, n * sizeof(f32));
}

BODY void glu(enum glu kind, void *const buf[], u32 first, u32 end)
{
	for (u32 i = first; i < end; i += 64)
		glu_values(kind, (const f32 *)buf[0] + i, (const f32 *)buf[1] + i, MIN(64u, end - i),
			(f32 *)buf[2] + i);
}

BODY void swiglu(const void *push, void *const buf[], u32 first, u32 end)
{
	glu(GLU_SILU, buf, first, end);
}

BODY void geglu(const void *push, void *const buf[], u32 first, u32 end)
{
	glu(GLU_GELU, buf, first, end);
}

BODY void swiglu_oai_all(const void *push, void *const buf[], u32 first, u32 end)
{
	glu(GLU_OAI, buf, first, end);
}

/* Elements of one row at a time: as many sums side by side, one expert after the other. */
BODY void combine(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_combine *p = push;
	const f32 *x = buf[0], *w = buf[2];
	const u32 *slot = buf[1];
	f32 sum[64];
	for (u32 i = first, n; i < end; i += n) {
		u32 row = i / p->dim * p->used, e = i % p->dim;
		n = MIN(MIN(p->dim - e, end - i), 64u);
		for (u32 k = 0; k < n; k++)
			sum[k] = 0;
		for (u32 j = 0; j < p->used; j++) {
			const f32 *from = x + (size_t)slot[row + j] * p->dim + e;
			f32 weight = exact_window(w[row + j]);
			for (u32 k = 0; k < n; k++) {
				f32 t = exact_window(from[k]) * weight;
				sum[k] = sum[k] + t;
			}
		}
		for (u32 k = 0; k < n; k++)
			((f32 *)buf[3])[i + k] = exact_window(sum[k]);
	}
}

BODY void map(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_map *p = push;
	f32 a = u2f(p->a_bits), b = u2f(p->b_bits), c = u2f(p->c_bits), d = u2f(p->d_bits), *x = buf[0];
	if (p->kind == MAP_SCALE)
		for (u32 i = first; i < end; i++)
			x[i] = exact_window(exact_window(x[i]) * a);
	else if (p->kind == MAP_SOFTCAP)
		for (u32 i = first; i < end; i++)
			x[i] = map_softcap(exact_window(x[i]), a, b);
	else
		for (u32 i = first; i < end; i++)
			x[i] = map_xielu(exact_window(x[i]), a, b, c, d);
}

/* Elements first..end of rows of dim: those of one row at a time. */
BODY void bias(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_bias *p = push;
	f32 *restrict x = buf[0];
	const f32 *restrict b = (const f32 *)buf[1] + p->base;
	for (u32 i = first, n; i < end; i += n) {
		u32 e = i % p->dim;
		n = MIN(p->dim - e, end - i);
		for (u32 j = 0; j < n; j++)
			x[i + j] = exact_window(exact_window(x[i + j]) + exact_window(b[e + j]));
	}
}

BODY void row_scale(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_row_scale *p = push;
	f32 *x = buf[0];
	const u32 *pos = buf[1];
	for (u32 i = first, n; i < end; i += n) {
		f32 t = exact_window(((const f32 *)buf[2])[pos[i / p->dim]]);
		n = MIN(p->dim - i % p->dim, end - i);
		for (u32 j = 0; j < n; j++)
			x[i + j] = exact_window(exact_window(x[i + j]) * t);
	}
}

BODY void rope(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rope *p = push;
	const u32 *pos = buf[1];
	u32 half = p->rope_dim / 2, step = p->halves ? 1 : 2, other = p->halves ? half : 1;
	for (u32 i = first, n; i < end; i += n) {
		u32 j = i % half, head = i / half, t = pos[head / p->heads];
		n = MIN(half - j, end - i);
		if (t < p->first || t - p->first >= p->count)
			continue;
		f32 *x = (f32 *)buf[0] + (size_t)head * p->head_dim;
		const f32 *cs = (const f32 *)buf[2] + p->base + (size_t)(t - p->first) * half * 2;
		for (u32 k = j; k < j + n; k++) {
			f32 x0 = exact_window(x[step * k]), x1 = exact_window(x[step * k + other]);
			f32 c = exact_window(cs[2 * k]), s = exact_window(cs[2 * k + 1]);
			f32 a = x0 * c, b = x1 * s, e = x0 * s, d = x1 * c;
			x[step * k] = exact_window(a - b);
			x[step * k + other] = exact_window(e + d);
		}
	}
}

BODY void add(const void *push, void *const buf[], u32 first, u32 end)
{
	f32 *x = buf[0];
	const f32 *y = buf[1];
	for (u32 i = first; i < end; i++)
		x[i] = exact_window(exact_window(x[i]) + exact_window(y[i]));
}

BODY void rows(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rows *p = push;
	const u32 *x = buf[0], *from = buf[1];
	for (u32 i = first, n; i < end; i += n) {
		u32 e = i % p->dim;
		n = MIN(p->dim - e, end - i);
		memcpy((u32 *)buf[2] + i, x + (size_t)from[i / p->dim] * p->dim + e, 4ul * n);
	}
}

/* ---- products with float weights ---- */

#define LANES	   MUL_MAT_F_LANES
#define F_COLS_MAX 8u /* columns that share one reading of the weights */
#define UNROLL	   CPU_UNROLL(16)

enum float_type { F_32, F_16, F_BF16 };
typedef f32 f32x16 __attribute__((vector_size(64), aligned(4), may_alias));

/* 16 weights, or fewer and zeros. Every float16 lies in the window but for -0, and sums that begin at 0 do not see the sign of a zero. */
BODY void weights_load(enum float_type type, const u8 *w, u32 n, f32 *restrict ret)
{
	u32 u[16] = { 0 };
	u16 h[16] = { 0 };
	if (type == F_32)
		memcpy(u, w, n == 16 ? sizeof(u) : 4 * (size_t)n);
	else
		memcpy(h, w, n == 16 ? sizeof(h) : 2 * (size_t)n);
	for (u32 l = 0; l < 16; l++) {
		if (type == F_BF16)
			u[l] = (u32)h[l] << 16;
		ret[l] = type == F_16 ? exact_from_half(h[l]) : u2f(exact_window_bits(u[l]));
	}
}

BODY f32 tree(f32 *lane)
{
	for (u32 h = LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	return exact_window(lane[0]);
}

/* The elements from e on, fewer than all lanes. */
BODY void rest_add(enum float_type type, const u8 *row, const f32 *x, u32 n, f32 *lane)
{
	f32 w[LANES];
	u32 size = type == F_32 ? 4 : 2;
	weights_load(type, row, MIN(n, 16u), w);
	weights_load(type, row + 16 * size, n > 16 ? n - 16 : 0, w + 16);
	for (u32 l = 0; l < n; l++) {
		f32 t = w[l] * x[l];
		lane[l] = lane[l] + t;
	}
}

/* One row of weights times `cols` columns, a constant where it is called. */
BODY void row_tile(
	enum float_type type, const u8 *row, const f32 *x, u32 k, const u32 cols, f32 *y, size_t stride)
{
	const u32 size = type == F_32 ? 4 : 2;
	f32x16 acc[F_COLS_MAX][2];
	u32 e = 0;
	UNROLL for (u32 c = 0; c < cols; c++) acc[c][0] = acc[c][1] = (f32x16){ 0 };
	for (; e + LANES <= k; e += LANES)
		UNROLL for (u32 i = 0; i < 2; i++)
		{
			f32x16 w;
			weights_load(type, row + (size_t)(e + 16 * i) * size, 16, (f32 *)&w);
			UNROLL for (u32 c = 0; c < cols; c++)
			{
				f32x16 t = w * *(const f32x16 *)(x + (size_t)c * k + e + 16 * i);
				acc[c][i] = acc[c][i] + t;
			}
		}
	UNROLL for (u32 c = 0; c < cols; c++)
	{
		f32 lane[LANES];
		memcpy(lane, acc[c], sizeof(lane));
		if (e < k)
			rest_add(type, row + (size_t)e * size, x + (size_t)c * k + e, k - e, lane);
		y[c * stride] = tree(lane);
	}
}

/* Rows first..end of the weights with `most` columns at a time: those that registers hold. The columns outside, so that they stay near. */
BODY void mul_mat(
	enum float_type type, const u32 most, const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_mul_mat_f *p = push;
	size_t row_bytes = (size_t)p->k * (type == F_32 ? 4 : 2);
	const u8 *w = (const u8 *)buf[0] + p->base;
	for (u32 c = 0, n; c < p->cols; c += n) {
		const f32 *x = (const f32 *)buf[1] + (size_t)c * p->k;
		f32 *y = (f32 *)buf[2] + (size_t)c * p->n_out + p->first;
		n = p->cols - c >= most ? most : 1;
		for (u32 o = first; o < end; o++) {
			if (n == most)
				row_tile(type, w + o * row_bytes, x, p->k, most, y + o, p->n_out);
			else
				row_tile(type, w + o * row_bytes, x, p->k, 1, y + o, p->n_out);
		}
	}
}

BODY void mul_mat_f32(const u32 most, const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(F_32, most, push, buf, first, end);
}

BODY void mul_mat_f16(const u32 most, const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(F_16, most, push, buf, first, end);
}

BODY void mul_mat_bf16(const u32 most, const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(F_BF16, most, push, buf, first, end);
}

/* ---- one set of them for each instruction set ---- */

#define KERNEL(name, isa, attr)                                                                \
	static attr void name##_##isa(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                      \
		name(push, buf, first, end);                                                   \
	}
#define KERNEL_F(name, isa, attr, cols)                                                        \
	static attr void name##_##isa(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                      \
		name(cols, push, buf, first, end);                                             \
	}
#define KERNELS(isa, attr, cols)                                                                     \
	KERNEL(rms_norm, isa, attr)                                                                  \
	KERNEL(quantize_32, isa, attr)                                                               \
	KERNEL(quantize_256, isa, attr)                                                              \
	KERNEL(swiglu, isa, attr)                                                                    \
	KERNEL(geglu, isa, attr)                                                                     \
	KERNEL(swiglu_oai_all, isa, attr)                                                            \
	KERNEL(combine, isa, attr)                                                                   \
	KERNEL(layer_norm, isa, attr)                                                                \
	KERNEL(map, isa, attr)                                                                       \
	KERNEL(bias, isa, attr)                                                                      \
	KERNEL(row_scale, isa, attr)                                                                 \
	KERNEL(rope, isa, attr)                                                                      \
	KERNEL(add, isa, attr)                                                                       \
	KERNEL(rows, isa, attr)                                                                      \
	KERNEL_F(mul_mat_f32, isa, attr, cols)                                                       \
	KERNEL_F(mul_mat_f16, isa, attr, cols)                                                       \
	KERNEL_F(mul_mat_bf16, isa, attr, cols)                                                      \
	static kernel_ref_fn *const kernels_##isa[KERNELS_N] = { [KERNEL_RMS_NORM] = rms_norm_##isa, \
		[KERNEL_QUANTIZE_32] = quantize_32_##isa,                                            \
		[KERNEL_QUANTIZE_256] = quantize_256_##isa,                                          \
		[KERNEL_SWIGLU] = swiglu_##isa,                                                      \
		[KERNEL_GEGLU] = geglu_##isa,                                                        \
		[KERNEL_SWIGLU_OAI] = swiglu_oai_all_##isa,                                          \
		[KERNEL_COMBINE] = combine_##isa,                                                    \
		[KERNEL_LAYER_NORM] = layer_norm_##isa,                                              \
		[KERNEL_MAP] = map_##isa,                                                            \
		[KERNEL_BIAS] = bias_##isa,                                                          \
		[KERNEL_ROW_SCALE] = row_scale_##isa,                                                \
		[KERNEL_ROPE] = rope_##isa,                                                          \
		[KERNEL_ADD] = add_##isa,                                                            \
		[KERNEL_ROWS] = rows_##isa,                                                          \
		[KERNEL_MUL_MAT_F32] = mul_mat_f32_##isa,                                            \
		[KERNEL_MUL_MAT_F16] = mul_mat_f16_##isa,                                            \
		[KERNEL_MUL_MAT_BF16] = mul_mat_bf16_##isa };

KERNELS(portable, , 2)
#ifdef __x86_64__
KERNELS(avx2, CPU_ATTR_AVX2, 2)
KERNELS(avx512, CPU_ATTR_AVX512, 8)
#endif

kernel_ref_fn *cpu_rows_kernel(enum cpu_level level, enum kernel k)
{
#ifdef __x86_64__
	if (level == CPU_AVX2)
		return kernels_avx2[k];
	if (level == CPU_AVX512)
		return cpu_f_avx512(k)	    ? cpu_f_avx512(k)
		       : cpu_rows_avx512(k) ? cpu_rows_avx512(k)
					    : kernels_avx512[k];
#endif
	return kernels_portable[k];
}

#include "shaders/mul_mat_f.h"
#include "shaders/exact.h"
#include "shaders/plan.h"

#include "base/layout.h"

#define LANES MUL_MAT_F_LANES
#define TILE  8u   /* columns that share one reading of the weights */
#define CHUNK 256u /* elements of a row that are decoded at once; a multiple of LANES */

/* Elements e .. e + n of a row, in the window. */
static inline void weights_load(u32 type, const u8 *row, u32 e, u32 n, f32 *ret)
{
	u32 u[CHUNK];
	u16 h[CHUNK];
	if (type == TENSOR_F32) {
		memcpy(u, row + 4 * (size_t)e, 4 * (size_t)n);
	} else {
		memcpy(h, row + 2 * (size_t)e, 2 * (size_t)n);
		for (u32 i = 0; i < n; i++)
			u[i] = type == TENSOR_F16 ? f2u(exact_from_half(h[i])) : (u32)h[i] << 16;
	}
	for (u32 i = 0; i < n; i++)
		ret[i] = u2f(exact_window_bits(u[i]));
}

/* Adds the products of n elements to the lanes; n is at most CHUNK, and element 0 belongs to lane 0. */
static inline void lanes_add(f32 *lane, const f32 *restrict w, const f32 *restrict x, u32 n)
{
	f32 acc[LANES];
	u32 i = 0;
	memcpy(acc, lane, sizeof(acc));
	for (; i + LANES <= n; i += LANES)
		for (u32 l = 0; l < LANES; l++) {
			f32 t = w[i + l] * x[i + l];
			acc[l] = acc[l] + t;
		}
	for (u32 l = 0; i + l < n; l++) {
		f32 t = w[i + l] * x[i + l];
		acc[l] = acc[l] + t;
	}
	memcpy(lane, acc, sizeof(acc));
}

static inline void row_times_cols(
	u32 type, const u8 *row, const f32 *x, u32 k, u32 cols, f32 lane[TILE][LANES])
{
	memset(lane, 0, sizeof(f32) * cols * LANES);
	for (u32 e = 0; e < k; e += CHUNK) {
		u32 n = MIN(CHUNK, k - e);
		f32 w[CHUNK];
		weights_load(type, row, e, n, w);
		for (u32 c = 0; c < cols; c++)
			lanes_add(lane[c], w, x + (size_t)c * k + e, n);
	}
}

static f32 tree(f32 *lane)
{
	for (u32 h = LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	return exact_window(lane[0]);
}

static inline void mul_mat(u32 type, const struct push_mul_mat_f *p, void *const buf[], u32 first, u32 end)
{
	size_t row_bytes = (size_t)p->k * (type == TENSOR_F32 ? 4 : 2);
	const f32 *x = buf[1];
	f32 *y = buf[2];
	for (u32 t = 0; t < group_columns_n(p->experts, buf[3]); t++) {
		const struct group_columns g =
			group_columns_at(p->experts, p->cols, p->n_out, p->first, buf[3], t);
		for (u32 o = first; o < end; o++) {
			u32 held = o + g.held_from;
			if (held >= p->count)
				continue;
			const u8 *row = (const u8 *)buf[0] + p->base + held * row_bytes;
			for (u32 c = g.first; c < g.first + g.n; c += TILE) {
				f32 lane[TILE][LANES];
				u32 n = MIN(TILE, g.first + g.n - c);
				row_times_cols(type, row, x + (size_t)c * p->k, p->k, n, lane);
				for (u32 i = 0; i < n; i++)
					y[(size_t)(c + i) * p->n_out + g.row_from + o] = tree(lane[i]);
			}
		}
	}
}

void ref_mul_mat_f32(const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(TENSOR_F32, push, buf, first, end);
}

void ref_mul_mat_f16(const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(TENSOR_F16, push, buf, first, end);
}

void ref_mul_mat_bf16(const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(TENSOR_BF16, push, buf, first, end);
}

#version 450
#ifdef DOT
#extension GL_EXT_spirv_intrinsics : require
#endif
#include "common.glsl"
#include "types.glsl"
#include "act.h"
#include "mul_mat_q.h"
#include "grids.h"

/* -DTYPE=a quantised type of types.glsl; -DDOT: with the packed dot product of SPV_KHR_integer_dot_product.
 *
 * LANES lanes share a row: lane l computes the terms of blocks l, l + LANES, …, and lane c adds those of column c in order.
 * LANES = 1 (drivers that run on a CPU) keeps the sum in a register and has no barrier. COLS columns share one unpacking. */
layout(local_size_x = 64) in;
layout(constant_id = 0) const u32 COLS = 1u;
layout(constant_id = 1) const u32 LANES = 1u;
layout(constant_id = 2) const u32 EXPERTS = 0u;
BUF_IN(0, w);
BUF_IN(1, act);
BUF_OUT(2, y);
BUF_IN(3, grids);
BUF_IN(4, plan);

#define COLS_MAX 8u
#define ROWS	 (64u / LANES)
shared float terms[COLS_MAX * 64u];

#include "blocks.glsl"
#include "columns.glsl"

#ifdef DOT
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int dot_packed(int a, int b, spirv_literal int format);
#define DOT4(a, b) dot_packed(toi(a), toi(b), 0)
#else
int dot_bytes(u32 ua, u32 ub)
{
	int a = toi(ua);
	int b = toi(ub);
	return bitfieldExtract(a, 0, 8) * bitfieldExtract(b, 0, 8) +
	       bitfieldExtract(a, 8, 8) * bitfieldExtract(b, 8, 8) +
	       bitfieldExtract(a, 16, 8) * bitfieldExtract(b, 16, 8) + (a >> 24) * (b >> 24);
}
#define DOT4(a, b) dot_bytes(a, b)
#endif

int dot_words(u32 word[8], u32 at, u32 from, u32 to)
{
	int s = 0;
	for (u32 i = from; i < to; i++)
		s += DOT4(word[i], act[at + i]);
	return s;
}

#if MIN_LEN == 16
int sum_words(u32 at, u32 from, u32 to)
{
	int s = 0;
	for (u32 i = from; i < to; i++)
		s += DOT4(0x01010101u, act[at + i]);
	return s;
}
#endif

/* Terms of one block for all columns. */
void block_terms(u32 row, u32 block, out float t[COLS_MAX])
{
	u32 at = term_at(p.base + row * p.row_bytes, block);
	u32 scale_at = act_scale_at(p.cols, p.k);
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN);
	int i1[COLS_MAX];
	int i2[COLS_MAX];
	for (u32 c = 0u; c < COLS; c++) {
		i1[c] = 0;
		i2[c] = 0;
	}
	ROLLED for (u32 j = 0u; j < TERM_LEN / 32u; j++) {
		u32 word[8];
		for (u32 i = 0u; i < 8u; i++)
			word[i] = block_word(at, j, i);
#if SCALE_LEN == 32
		int sc = block_scale(at, j);
#elif SCALE_LEN == 16
		int sc0 = block_scale(at, 2u * j);
		int sc1 = block_scale(at, 2u * j + 1u);
#endif
#if MIN_LEN == 32
		int mn = block_min(at, j);
#elif MIN_LEN == 16
		int mn0 = block_min(at, 2u * j);
		int mn1 = block_min(at, 2u * j + 1u);
#endif
		for (u32 c = 0u; c < COLS; c++) {
			u32 col = col0 + c;
			if (col >= col_end)
				continue;
			u32 q_at = col * (p.k / 4u) + block * (TERM_LEN / 4u) + 8u * j;
#if TYPE == NVFP4
			i1[c] += dot_words(word, q_at, 0u, 4u);
			i2[c] -= dot_words(word, q_at, 4u, 8u);
#elif SCALE_LEN == 32
			i1[c] += sc * dot_words(word, q_at, 0u, 8u);
#elif SCALE_LEN == 16
			i1[c] += sc0 * dot_words(word, q_at, 0u, 4u) + sc1 * dot_words(word, q_at, 4u, 8u);
#else
			i1[c] += dot_words(word, q_at, 0u, 8u);
#endif
#if TYPE == Q4_0
			i1[c] -= 8 * toi(act[sum_at + col * (p.k / 32u) + block]);
#elif MIN_LEN == 32
			i2[c] += mn * toi(act[sum_at + col * (p.k / 32u) + block * 8u + j]);
#elif MIN_LEN == ONE
			i2[c] += toi(act[sum_at + col * (p.k / 32u) + block]);
#elif MIN_LEN == 16
			i2[c] += mn0 * sum_words(q_at, 0u, 4u) + mn1 * sum_words(q_at, 4u, 8u);
#endif
		}
	}
	f32 d = block_d(at);
#if MIN_LEN != 0 || TYPE == NVFP4
	f32 dmin = block_dmin(at);
#endif
	for (u32 c = 0u; c < COLS; c++) {
		u32 col = min(col0 + c, col_end - 1u); /* columns beyond are not stored */
		f32 a = u2f(act[scale_at + col * (p.k / TERM_LEN) + block]);
		f32 v = exact_from_int(i1[c]) * d;
#if MIN_LEN != 0 || TYPE == NVFP4
		f32 o = exact_from_int(i2[c]) * dmin;
		v = v - o;
#endif
		v = v * a;
		t[c] = v;
	}
}

void add_own_terms(u32 row, u32 blocks)
{
	f32 acc[COLS_MAX];
	for (u32 c = 0u; c < COLS; c++)
		acc[c] = 0.0f;
	ROLLED for (u32 block = 0u; block < blocks; block++) {
		float t[COLS_MAX];
		block_terms(row_held(row), block, t);
		for (u32 c = 0u; c < COLS; c++) {
			f32 s = acc[c] + t[c];
			acc[c] = s;
		}
	}
	for (u32 c = 0u; c < COLS; c++)
		if (row_here(row) && col0 + c < col_end)
			y[(col0 + c) * p.n_out + row_from + row] = exact_window_bits(f2u(acc[c]));
}

void add_shared_terms(u32 row, u32 blocks)
{
	u32 lane = LANE % LANES;
	f32 acc = 0.0f;
	ROLLED for (u32 block0 = 0u; block0 < blocks; block0 += LANES) {
		float t[COLS_MAX];
		block_terms(row_held(row), min(block0 + lane, blocks - 1u), t);
		for (u32 c = 0u; c < COLS; c++)
			terms[c * 64u + LANE] = t[c];
		barrier();
		if (lane < COLS) {
			u32 n = min(LANES, blocks - block0);
			ROLLED for (u32 l = 0u; l < n; l++)
				acc = acc + terms[lane * 64u + LANE - lane + l];
		}
		barrier();
	}
	if (row_here(row) && lane < COLS && col0 + lane < col_end)
		y[(col0 + lane) * p.n_out + row_from + row] = exact_window_bits(f2u(acc));
}

void main()
{
	u32 row = GROUP_X * ROWS + LANE / LANES;
	if (!columns_find(COLS))
		return;
	if (LANES == 1u)
		add_own_terms(row, p.k / TERM_LEN);
	else
		add_shared_terms(row, p.k / TERM_LEN);
}

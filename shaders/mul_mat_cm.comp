#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "common.glsl"
#include "types.glsl"
#include "act.h"
#include "mul_mat_q.h"
#include "grids.h"

/* mul_mat_q with the integer sums on int8 cooperative matrices. -DTYPE=a quantised type of types.glsl.
 *
 * One subgroup computes a tile of TM rows by TN columns: for every 16 or 32 elements that share a scale, both sides go to shared memory, the
 * matrix units give int32 sums, and lanes scale and add their own elements of the tile as mul_mat_q.h says. */
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const u32 LANES = 32u; /* of the subgroup */
layout(constant_id = 1) const u32 TM = 8u;
layout(constant_id = 2) const u32 TN = 8u;
layout(constant_id = 3) const u32 TK = 8u; /* at most STEP */
layout(constant_id = 4) const u32 EXPERTS = 0u;
BUF_IN(0, w);
BUF_IN(1, act);
BUF_OUT(2, y);
BUF_IN(3, grids);
BUF_IN(4, plan);

#include "blocks.glsl"
#include "columns.glsl"

#if SCALE_LEN == 16 || TYPE == NVFP4
#define STEP 16u /* elements that share an integer scale */
#else
#define STEP 32u
#endif
#define WORDS	 (STEP / 4u)
#define TILE_MAX 256u /* TM * TN */
#define OWN_MAX	 32u  /* elements of the tile that one lane owns */

shared u32 left[32u * WORDS];  /* TM <= 32 */
shared u32 right[32u * WORDS]; /* TN <= 32 */
shared int sums[TILE_MAX];

#define MATRIX(t, r, c, use) coopmat<t, gl_ScopeSubgroup, r, c, use>

void stage(u32 row0, u32 block, u32 step)
{
	for (u32 i = LANE; i < TM * WORDS; i += LANES) {
		u32 row = row_held(row0 + i / WORDS);
		u32 word = step * WORDS + i % WORDS; /* of the block */
		left[i] = block_word(term_at(p.base + row * p.row_bytes, block), word / 8u, word % 8u);
	}
	for (u32 i = LANE; i < TN * WORDS; i += LANES) {
		u32 col = min(col0 + i / WORDS, col_end - 1u);
		right[i] = act[col * (p.k / 4u) + block * (TERM_LEN / 4u) + step * WORDS + i % WORDS];
	}
}

void multiply()
{
	MATRIX(int, TM, TN, gl_MatrixUseAccumulator) s = MATRIX(int, TM, TN, gl_MatrixUseAccumulator)(0);
	for (u32 k = 0u; k < WORDS; k += TK / 4u) {
		MATRIX(int8_t, TM, TK, gl_MatrixUseA) a;
		MATRIX(int8_t, TK, TN, gl_MatrixUseB) b;
		coopMatLoad(a, left, k, WORDS, gl_CooperativeMatrixLayoutRowMajor);
		coopMatLoad(b, right, k, WORDS, gl_CooperativeMatrixLayoutColumnMajor);
		s = coopMatMulAdd(a, b, s);
	}
	coopMatStore(s, sums, 0, TN, gl_CooperativeMatrixLayoutRowMajor);
}

#if MIN_LEN == 16
/* The sum of the activations of column c of the tile that are in shared memory. */
int sum_staged(u32 c)
{
	int s = 0;
	for (u32 i = 0u; i < WORDS; i++) {
		int x = toi(right[c * WORDS + i]);
		s += bitfieldExtract(x, 0, 8) + bitfieldExtract(x, 8, 8) + bitfieldExtract(x, 16, 8) + (x >> 24);
	}
	return s;
}
#endif

void main()
{
	u32 row0 = GROUP_X * TM;
	if (!columns_find(TN))
		return;
	u32 own = TM * TN / LANES;
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN);
	u32 scale_at = act_scale_at(p.cols, p.k);
	float acc[OWN_MAX];
	for (u32 e = 0u; e < own; e++)
		acc[e] = 0.0f;
	ROLLED for (u32 block = 0u; block < p.k / TERM_LEN; block++) {
		int i1[OWN_MAX];
		int i2[OWN_MAX];
		for (u32 e = 0u; e < own; e++) {
			i1[e] = 0;
			i2[e] = 0;
		}
		ROLLED for (u32 j = 0u; j < TERM_LEN / STEP; j++) {
			stage(row0, block, j);
			barrier();
			multiply();
			barrier();
			for (u32 e = 0u; e < own; e++) {
				u32 i = e * LANES + LANE;
				u32 at = term_at(p.base + row_held(row0 + i / TN) * p.row_bytes, block);
				u32 col = min(col0 + i % TN, col_end - 1u);
#if TYPE == NVFP4
				if (j == 0u)
					i1[e] = sums[i];
				else
					i2[e] = -sums[i];
#elif SCALE_LEN != 0
				i1[e] += block_scale(at, j) * sums[i];
#else
				i1[e] += sums[i];
#endif
#if TYPE == Q4_0
				i1[e] -= 8 * toi(act[sum_at + col * (p.k / 32u) + block]);
#elif MIN_LEN == 32
				i2[e] += block_min(at, j) * toi(act[sum_at + col * (p.k / 32u) + block * 8u + j]);
#elif MIN_LEN == ONE
				i2[e] = toi(act[sum_at + col * (p.k / 32u) + block]);
#elif MIN_LEN == 16
				i2[e] += block_min(at, j) * sum_staged(i % TN);
#endif
			}
			barrier();
		}
		for (u32 e = 0u; e < own; e++) {
			u32 i = e * LANES + LANE;
			u32 at = term_at(p.base + row_held(row0 + i / TN) * p.row_bytes, block);
			u32 col = min(col0 + i % TN, col_end - 1u);
			f32 a = u2f(act[scale_at + col * (p.k / TERM_LEN) + block]);
			f32 d = block_d(at);
			f32 v = exact_from_int(i1[e]) * d;
#if MIN_LEN != 0 || TYPE == NVFP4
			f32 dmin = block_dmin(at);
			f32 o = exact_from_int(i2[e]) * dmin;
			v = v - o;
#endif
			f32 t = v * a;
			f32 s = acc[e] + t;
			acc[e] = s;
		}
	}
	for (u32 e = 0u; e < own; e++) {
		u32 i = e * LANES + LANE;
		u32 row = row0 + i / TN;
		u32 col = col0 + i % TN;
		if (row_here(row) && col < col_end)
			y[col * p.n_out + row_from + row] = exact_window_bits(f2u(acc[e]));
	}
}

#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "common.glsl"
#include "types.glsl"
#include "act.h"
#include "mul_mat_q.h"

/* mul_mat_q with the integer sums on int8 cooperative matrices. -DTYPE=Q8_0, Q4_0, Q4_K, Q5_K or Q6_K.
 *
 * One subgroup computes a tile of TM rows by TN columns: for every 16 or 32 elements that share a scale, both sides go to shared memory, the
 * matrix units give int32 sums, and lanes scale and add their own elements of the tile as mul_mat_q.h says. */
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const u32 LANES = 32u; /* of the subgroup */
layout(constant_id = 1) const u32 TM = 8u;
layout(constant_id = 2) const u32 TN = 8u;
layout(constant_id = 3) const u32 TK = 8u; /* at most STEP */
BUF_IN(0, w);
BUF_IN(1, act);
BUF_OUT(2, y);

#include "blocks.glsl"

#if TYPE == Q6_K
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

void stage(u32 row0, u32 col0, u32 block, u32 step)
{
	for (u32 i = LANE; i < TM * WORDS; i += LANES) {
		u32 row = min(row0 + i / WORDS, p.count - 1u);
		u32 word = step * WORDS + i % WORDS; /* of the block */
		left[i] = block_word(p.base + row * p.row_bytes + block * BLOCK_BYTES, word / 8u, word % 8u);
	}
	for (u32 i = LANE; i < TN * WORDS; i += LANES) {
		u32 col = min(col0 + i / WORDS, p.cols - 1u);
		right[i] = act[col * (p.k / 4u) + block * (BLOCK_LEN / 4u) + step * WORDS + i % WORDS];
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

void main()
{
	u32 row0 = GROUP_X * TM;
	u32 col0 = gl_WorkGroupID.y * TN;
	u32 own = TM * TN / LANES;
	u32 sum_at = act_sum_at(p.cols, p.k, BLOCK_LEN);
	u32 scale_at = act_scale_at(p.cols, p.k);
	float acc[OWN_MAX];
	for (u32 e = 0u; e < own; e++)
		acc[e] = 0.0f;
	ROLLED for (u32 block = 0u; block < p.k / BLOCK_LEN; block++) {
		int i1[OWN_MAX];
		int i2[OWN_MAX];
		for (u32 e = 0u; e < own; e++) {
			i1[e] = 0;
			i2[e] = 0;
		}
		ROLLED for (u32 j = 0u; j < BLOCK_LEN / STEP; j++) {
			stage(row0, col0, block, j);
			barrier();
			multiply();
			barrier();
			for (u32 e = 0u; e < own; e++) {
				u32 i = e * LANES + LANE;
				u32 at = p.base + min(row0 + i / TN, p.count - 1u) * p.row_bytes + block * BLOCK_BYTES;
				u32 col = min(col0 + i % TN, p.cols - 1u);
#if TYPE == Q8_0 || TYPE == MXFP4
				i1[e] = sums[i];
#elif TYPE == Q4_0
				i1[e] = sums[i] - 8 * toi(act[sum_at + col * (p.k / 32u) + block]);
#elif TYPE == Q6_K
				i1[e] += block_scale_16(at, j) * sums[i];
#else
				u32 sm = block_scale_min(at, j);
				i1[e] += toi(sm & 255u) * sums[i];
				i2[e] += toi(sm >> 8) * toi(act[sum_at + col * (p.k / 32u) + block * 8u + j]);
#endif
			}
			barrier();
		}
		for (u32 e = 0u; e < own; e++) {
			u32 i = e * LANES + LANE;
			u32 at = p.base + min(row0 + i / TN, p.count - 1u) * p.row_bytes + block * BLOCK_BYTES;
			u32 col = min(col0 + i % TN, p.cols - 1u);
			f32 a = u2f(act[scale_at + col * (p.k / BLOCK_LEN) + block]);
			f32 d = block_d(at);
			f32 v = exact_from_int(i1[e]) * d;
#if TYPE == Q4_K || TYPE == Q5_K
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
		if (row < p.count && col < p.cols)
			y[col * p.n_out + p.first + row] = exact_window_bits(f2u(acc[e]));
	}
}

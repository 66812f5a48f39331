#version 450
#include "common.glsl"
#include "types.glsl"
#include "act.h"
#include "mul_mat_q.h"
#include "grids.h"

/* -DTYPE=a quantised type of types.glsl. Several columns on drivers that run on a CPU, where a lane is a lane of a vector register and what all lanes
 * read alike is one load: a lane has ROWS rows of weights, which share the loads of activations, and COLS columns share one unpacking.
 *
 * There is no packed dot product there, so two products are had of one multiplication: (w0 + w2 * 2^16) * (x2 + x0 * 2^16) holds w0 x0 + w2 x2 in its
 * upper half, and as many such are added as fit before the upper half is taken. The workgroup lays the activations out in such pairs first. */
layout(local_size_x = 64) in;
layout(constant_id = 0) const u32 COLS = 1u;
BUF_IN(0, w);
BUF_IN(1, act);
BUF_OUT(2, y);
BUF_IN(3, grids);

#define ROWS	 4u
#define COLS_MAX 8u
#define SPAN	 256u /* elements that are laid out at a time */
#define WORDS	 (SPAN / 4u)
#define HALF	 0x8000 /* so that the lower half, of either sign, rounds away */

shared int pairs[COLS_MAX * WORDS * 2u]; /* of word i of column c: bytes 0 and 2, bytes 1 and 3 */

#include "blocks.glsl"

/* Words whose products are added before the upper half is taken: |q| * 127 * 4 * SUM_WORDS < 2^15; 0: half a word. */
#if TYPE == Q8_0 || TYPE == IQ4_NL || TYPE == IQ4_XS
#define SUM_WORDS 0
#elif TYPE == IQ2_XXS || TYPE == IQ2_XS || TYPE == IQ2_S || TYPE == IQ3_XXS
#define SUM_WORDS 1
#elif TYPE == Q5_0 || TYPE == Q5_1 || TYPE == Q5_K || TYPE == Q6_K
#define SUM_WORDS 2
#else
#define SUM_WORDS 4
#endif

/* Bytes 0 and 2 of v, signed, as one number: byte 0 + byte 2 * 2^16. */
int pair_of(u32 v)
{
	return toi(((v & 0x00ff00ffu) ^ 0x00800080u) - 0x00800080u);
}

/* The same of the weights, whose bytes are 0..127 in some types. */
int weights_pair(u32 v)
{
#if TYPE == Q4_0 || TYPE == Q4_1 || TYPE == Q5_1 || TYPE == Q4_K || TYPE == Q5_K || TYPE == Q2_K
	return toi(v & 0x00ff00ffu);
#else
	return pair_of(v);
#endif
}

/* Elements first .. first + SPAN of all columns; columns and elements beyond the last are those of the last. */
void lay_out(u32 col0, u32 first)
{
	u32 words = p.k / 4u;
	ROLLED for (u32 i = LANE; i < COLS * WORDS; i += 64u) {
		u32 col = min(col0 + i / WORDS, p.cols - 1u);
		u32 x = act[col * words + min(first / 4u + i % WORDS, words - 1u)];
		x = x >> 16 | x << 16;
		pairs[2u * i] = pair_of(x);
		pairs[2u * i + 1u] = pair_of(x >> 8);
	}
}

/* The dot product of four words of weights with eight pairs. */
int dot_half(int even[4], int odd[4], int x[8])
{
	int s = 0;
#if SUM_WORDS == 0
	for (u32 i = 0u; i < 4u; i++) {
		s += (even[i] * x[2u * i] + HALF) >> 16;
		s += (odd[i] * x[2u * i + 1u] + HALF) >> 16;
	}
#else
	for (u32 i0 = 0u; i0 < 4u; i0 += SUM_WORDS) {
		int t = HALF;
		for (u32 i = i0; i < i0 + SUM_WORDS; i++)
			t += even[i] * x[2u * i] + odd[i] * x[2u * i + 1u];
		s += t >> 16;
	}
#endif
	return s;
}

#if MIN_LEN == 16
/* The sum of the activations in eight pairs. */
int sum_half(int x[8])
{
	int s = 0;
	for (u32 i = 0u; i < 8u; i++)
		s += x[i];
	return bitfieldExtract(s, 0, 16) + ((s + HALF) >> 16);
}
#endif

int i1[ROWS * COLS_MAX];
int i2[ROWS * COLS_MAX];

/* Adds the products of 16 elements of all rows and columns, which begin at word `x_at` of the span; at: the terms of the rows. */
void add_half(u32 at[ROWS], u32 half_block, u32 x_at)
{
	int even[ROWS][4];
	int odd[ROWS][4];
	int sc[ROWS];
	int mn[ROWS];
	for (u32 r = 0u; r < ROWS; r++) {
		for (u32 i = 0u; i < 4u; i++) {
			u32 word = block_word(at[r], half_block / 2u, 4u * (half_block & 1u) + i);
			even[r][i] = weights_pair(word);
			odd[r][i] = weights_pair(word >> 8);
		}
#if SCALE_LEN == 32
		sc[r] = block_scale(at[r], half_block / 2u);
#elif SCALE_LEN == 16
		sc[r] = block_scale(at[r], half_block);
#endif
#if MIN_LEN == 16
		mn[r] = block_min(at[r], half_block);
#endif
	}
	for (u32 c = 0u; c < COLS; c++) {
		int x[8];
		for (u32 i = 0u; i < 8u; i++)
			x[i] = pairs[2u * (c * WORDS + x_at) + i];
#if MIN_LEN == 16
		int sum = sum_half(x);
#endif
		for (u32 r = 0u; r < ROWS; r++) {
			u32 n = r * COLS_MAX + c;
			int s = dot_half(even[r], odd[r], x);
#if TYPE == NVFP4
			i1[n] += half_block == 0u ? s : 0;
			i2[n] -= half_block == 0u ? 0 : s;
#elif SCALE_LEN == 0
			i1[n] += s;
#else
			i1[n] += sc[r] * s;
#endif
#if MIN_LEN == 16
			i2[n] += mn[r] * sum;
#endif
		}
	}
}

#if MIN_LEN == 32
void add_minima(u32 at[ROWS], u32 col0, u32 block)
{
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN) + block * 8u;
	ROLLED for (u32 j = 0u; j < 8u; j++)
		for (u32 c = 0u; c < COLS; c++) {
			int sum = toi(act[sum_at + min(col0 + c, p.cols - 1u) * (p.k / 32u) + j]);
			for (u32 r = 0u; r < ROWS; r++)
				i2[r * COLS_MAX + c] += block_min(at[r], j) * sum;
		}
}
#endif

float acc[ROWS * COLS_MAX];

/* Adds the terms `block` of all rows and columns. */
void add_terms(u32 at[ROWS], u32 col0, u32 block)
{
	u32 scale_at = act_scale_at(p.cols, p.k);
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN);
	float d[ROWS];
	float dmin[ROWS];
	for (u32 r = 0u; r < ROWS; r++) {
		d[r] = block_d(at[r]);
#if MIN_LEN != 0 || TYPE == NVFP4
		dmin[r] = block_dmin(at[r]);
#endif
	}
	for (u32 c = 0u; c < COLS; c++) {
		u32 col = min(col0 + c, p.cols - 1u);
		f32 a = u2f(act[scale_at + col * (p.k / TERM_LEN) + block]);
#if TYPE == Q4_0 || MIN_LEN == ONE
		int sum = toi(act[sum_at + col * (p.k / 32u) + block]);
#endif
		for (u32 r = 0u; r < ROWS; r++) {
			u32 n = r * COLS_MAX + c;
#if TYPE == Q4_0
			i1[n] -= 8 * sum;
#elif MIN_LEN == ONE
			i2[n] = sum;
#endif
			f32 v = exact_from_int(i1[n]) * d[r];
#if MIN_LEN != 0 || TYPE == NVFP4
			f32 o = exact_from_int(i2[n]) * dmin[r];
			v = v - o;
#endif
			v = v * a;
			f32 s = acc[n] + v;
			acc[n] = s;
			i1[n] = 0;
			i2[n] = 0;
		}
	}
}

/* Where the rows' terms `block` are; rows beyond the last are the last. */
void find_terms(u32 row0, u32 block, out u32 at[ROWS])
{
	for (u32 r = 0u; r < ROWS; r++)
		at[r] = term_at(p.base + min(row0 + r * 64u, p.count - 1u) * p.row_bytes, block);
}

void main()
{
	u32 row0 = GROUP_X * 64u * ROWS + LANE;
	u32 col0 = gl_WorkGroupID.y * COLS;
	for (u32 n = 0u; n < ROWS * COLS_MAX; n++) {
		acc[n] = 0.0f;
		i1[n] = 0;
		i2[n] = 0;
	}
	ROLLED for (u32 first = 0u; first < p.k; first += SPAN) {
		barrier(); /* before what was laid out is overwritten */
		lay_out(col0, first);
		barrier();
		u32 n = min(SPAN, p.k - first) / TERM_LEN;
		ROLLED for (u32 b = 0u; b < n; b++) {
			u32 at[ROWS];
			find_terms(row0, first / TERM_LEN + b, at);
			ROLLED for (u32 h = 0u; h < TERM_LEN / 16u; h++)
				add_half(at, h, b * (TERM_LEN / 4u) + 4u * h);
#if MIN_LEN == 32
			add_minima(at, col0, first / TERM_LEN + b);
#endif
			add_terms(at, col0, first / TERM_LEN + b);
		}
	}
	for (u32 r = 0u; r < ROWS; r++) {
		u32 row = row0 + 64u * r;
		for (u32 c = 0u; c < COLS; c++)
			if (row < p.count && col0 + c < p.cols)
				y[(col0 + c) * p.n_out + p.first + row] = exact_window_bits(f2u(acc[r * COLS_MAX + c]));
	}
}

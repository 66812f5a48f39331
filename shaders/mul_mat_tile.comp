#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#include "common.glsl"
#include "types.glsl"
#include "act.h"
#include "mul_mat_q.h"
#include "grids.h"

/* -DTYPE=a quantised type of types.glsl. For drivers that run on a CPU, where a lane is a lane of a vector register and what all lanes read alike is
 * one load and scalar arithmetic: a lane has ROWS rows of weights, which share the activations, and COLS columns share one unpacking. Nothing is shared
 * between lanes and there is no barrier, because such drivers save all registers at one.
 *
 * There is no packed dot product there, so two products are had of one multiplication: (w0 + w2 * 2^16) * (x2 + x0 * 2^16) holds w0 x0 + w2 x2 in its
 * upper half, and as many such are added as fit before the upper half is taken. */
layout(local_size_x = 64) in;
layout(constant_id = 0) const u32 COLS = 1u;
layout(constant_id = 1) const u32 EXPERTS = 0u;
BUF_IN(1, act);
BUF_OUT(2, y);
BUF_IN(3, grids);
BUF_IN(4, plan);

#define ROWS	 4u
#define COLS_MAX 8u
#define HALF	 0x8000 /* so that the lower half, of either sign, rounds away */

#include "blocks_tile.glsl"
#include "columns.glsl"

/* Words whose products are added before the upper half is taken: |q| * 127 * 4 * SUM_WORDS < 2^15; 0: half a word. */
#if TYPE == Q8_0 || TYPE == IQ4_NL || TYPE == IQ4_XS
#define SUM_WORDS 0
#elif TYPE == IQ2_XXS || TYPE == IQ2_XS || TYPE == IQ2_S || TYPE == IQ3_XXS
#define SUM_WORDS 1
#elif TYPE == Q5_0 || TYPE == Q5_1 || TYPE == Q5_K || TYPE == Q6_K
#define SUM_WORDS 2
#elif TYPE == Q4_0 /* |q| <= 8: the 8 is taken off here */
#define SUM_WORDS 8
#else
#define SUM_WORDS 4
#endif

/* Words of a row that are unpacked at a time: more are no faster where every product takes a shift. */
#if SUM_WORDS == 0
#define WORDS 4u
#else
#define WORDS 8u
#endif

/* Bytes 0 and 2 of v, signed, as one number: byte 0 + byte 2 * 2^16. */
int pair_of(u32 v)
{
	return toi(((v & 0x00ff00ffu) ^ 0x00800080u) - 0x00800080u);
}

/* The same of the weights, whose bytes are 0..127 in some types. */
int weights_pair(u32 v)
{
#if TYPE == Q4_0
	return toi((v & 0x00ff00ffu) - 0x00080008u);
#elif TYPE == Q4_1 || TYPE == Q5_1 || TYPE == Q4_K || TYPE == Q5_K || TYPE == Q2_K
	return toi(v & 0x00ff00ffu);
#else
	return pair_of(v);
#endif
}

/* The dot product of the pairs from .. to of weights and activations. */
int dot_pairs(int q[2u * WORDS], int x[2u * WORDS], u32 from, u32 to)
{
	int s = 0;
#if SUM_WORDS == 0
	for (u32 i = from; i < to; i++)
		s += (q[i] * x[i] + HALF) >> 16;
#else
	for (u32 i0 = from; i0 < to; i0 += 2u * SUM_WORDS) {
		int t = HALF;
		for (u32 i = i0; i < min(i0 + 2u * SUM_WORDS, to); i++)
			t += q[i] * x[i];
		s += t >> 16;
	}
#endif
	return s;
}

#if MIN_LEN == 16
/* The sum of the activations in the pairs from .. to. */
int sum_pairs(int x[2u * WORDS], u32 from, u32 to)
{
	int s = 0;
	for (u32 i = from; i < to; i++)
		s += x[i];
	return bitfieldExtract(s, 0, 16) + ((s + HALF) >> 16);
}
#endif

int i1[ROWS * COLS_MAX];
int i2[ROWS * COLS_MAX];

/* Adds the products of words w0 .. w0 + WORDS - 1 of group g of piece n of the terms `block` of all rows and columns. */
void add_products(u32 block, u32 n_piece, u32 g, u32 w0)
{
	u32 j = n_piece * GROUPS + g; /* of the term's 32 elements */
	int q[ROWS][2u * WORDS];
	for (u32 r = 0u; r < ROWS; r++)
		for (u32 i = 0u; i < WORDS; i++) {
			u32 word = piece_word(r, n_piece, g, w0 + i);
			q[r][2u * i] = weights_pair(word);
			q[r][2u * i + 1u] = weights_pair(word >> 8);
		}
#if SCALE_LEN == 32
	int sc[ROWS];
	for (u32 r = 0u; r < ROWS; r++)
		sc[r] = piece_scale(r, n_piece, g, 0u);
#elif SCALE_LEN == 16
	int sc[ROWS][2];
	for (u32 r = 0u; r < ROWS; r++)
		for (u32 h = 0u; h < 2u; h++)
			sc[r][h] = piece_scale(r, n_piece, g, h);
#endif
#if MIN_LEN == 32
	int mn[ROWS];
	for (u32 r = 0u; r < ROWS; r++)
		mn[r] = piece_min(r, n_piece, g, 0u);
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN) + block * 8u + j;
#elif MIN_LEN == 16
	int mn[ROWS][2];
	for (u32 r = 0u; r < ROWS; r++)
		for (u32 h = 0u; h < 2u; h++)
			mn[r][h] = piece_min(r, n_piece, g, h);
#endif
	for (u32 c = 0u; c < COLS; c++) {
		u32 col = min(col0 + c, col_end - 1u); /* columns beyond are not stored */
		u32 x_at = col * (p.k / 4u) + block * (TERM_LEN / 4u) + 8u * j + w0;
		int x[2u * WORDS];
		for (u32 i = 0u; i < WORDS; i++) {
			u32 word = act[x_at + i];
			word = word >> 16 | word << 16;
			x[2u * i] = pair_of(word);
			x[2u * i + 1u] = pair_of(word >> 8);
		}
#if MIN_LEN == 32
		int sum = toi(act[sum_at + col * (p.k / 32u)]);
#elif MIN_LEN == 16
		int sum0 = sum_pairs(x, 0u, 8u);
		int sum1 = sum_pairs(x, 8u, 16u);
#endif
		for (u32 r = 0u; r < ROWS; r++) {
			u32 n = r * COLS_MAX + c;
#if TYPE == NVFP4
			i1[n] += dot_pairs(q[r], x, 0u, 8u);
			i2[n] -= dot_pairs(q[r], x, 8u, 16u);
#elif SCALE_LEN == 32
			i1[n] += sc[r] * dot_pairs(q[r], x, 0u, 2u * WORDS);
#elif SCALE_LEN == 16
			i1[n] += sc[r][0] * dot_pairs(q[r], x, 0u, 8u) + sc[r][1] * dot_pairs(q[r], x, 8u, 16u);
#else
			i1[n] += dot_pairs(q[r], x, 0u, 2u * WORDS);
#endif
#if MIN_LEN == 32
			i2[n] += mn[r] * sum;
#elif MIN_LEN == 16
			i2[n] += mn[r][0] * sum0 + mn[r][1] * sum1;
#endif
		}
	}
}

/* exact_from_int; of a term of 32 elements i is below 2^24, where one conversion is exact. */
f32 from_int(int i)
{
	f32 r = TERM_LEN == 32u ? tof(i) : exact_from_int(i);
	return r;
}

float acc[ROWS * COLS_MAX];

/* Adds the terms `block` of all rows and columns. */
void add_terms(u32 block)
{
	u32 scale_at = act_scale_at(p.cols, p.k);
	u32 sum_at = act_sum_at(p.cols, p.k, TERM_LEN);
	float d[ROWS];
	float dmin[ROWS];
	for (u32 r = 0u; r < ROWS; r++) {
		d[r] = block_d(term_of(r));
#if MIN_LEN != 0 || TYPE == NVFP4
		dmin[r] = block_dmin(term_of(r));
#endif
	}
	for (u32 c = 0u; c < COLS; c++) {
		u32 col = min(col0 + c, col_end - 1u);
		f32 a = u2f(act[scale_at + col * (p.k / TERM_LEN) + block]);
#if MIN_LEN == ONE
		int sum = toi(act[sum_at + col * (p.k / 32u) + block]);
#endif
		for (u32 r = 0u; r < ROWS; r++) {
			u32 n = r * COLS_MAX + c;
#if MIN_LEN == ONE
			i2[n] = sum;
#endif
			f32 v = from_int(i1[n]) * d[r];
#if MIN_LEN != 0 || TYPE == NVFP4
			f32 o = from_int(i2[n]) * dmin[r];
			v = v - o;
#endif
			v = v * a;
			f32 s = acc[n] + v;
			acc[n] = s;
		}
	}
}

/* Where the rows' terms `block` are; rows beyond the last are the last. */
void find_terms(u32 row0, u32 block, out u32 at[ROWS])
{
	for (u32 r = 0u; r < ROWS; r++)
		at[r] = term_at(p.base + row_held(row0 + r * 64u) * p.row_bytes, block);
}

/* All of piece n of the terms `block`, which are at `at`. */
void add_piece(u32 at[ROWS], u32 block, u32 n)
{
	fetch_piece(at, n);
	ROLLED for (u32 g = 0u; g < GROUPS; g++)
		if (WORDS == 8u) /* a rolled loop's words stand in no registers */
			add_products(block, n, g, 0u);
		else
			ROLLED for (u32 w0 = 0u; w0 < 8u; w0 += WORDS)
				add_products(block, n, g, w0);
}

void main()
{
	u32 row0 = GROUP_X * 64u * ROWS + LANE;
	if (!columns_find(COLS))
		return;
	for (u32 n = 0u; n < ROWS * COLS_MAX; n++)
		acc[n] = 0.0f;
	ROLLED for (u32 block = 0u; block < p.k / TERM_LEN; block++) {
		u32 at[ROWS];
		find_terms(row0, block, at);
		for (u32 n = 0u; n < ROWS * COLS_MAX; n++) {
			i1[n] = 0;
			i2[n] = 0;
		}
		fetch_term(at);
		if (TERM_LEN == 32u)
			for (u32 w0 = 0u; w0 < 8u; w0 += WORDS)
				add_products(block, 0u, 0u, w0);
		else
			ROLLED for (u32 n = 0u; n < 8u / GROUPS; n++)
				add_piece(at, block, n);
		add_terms(block);
	}
	for (u32 r = 0u; r < ROWS; r++) {
		u32 row = row0 + 64u * r;
		for (u32 c = 0u; c < COLS; c++)
			if (row_here(row) && col0 + c < col_end)
				y[(col0 + c) * p.n_out + row_from + row] = exact_window_bits(f2u(acc[r * COLS_MAX + c]));
	}
}

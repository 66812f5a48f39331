/* Blocks as mul_mat_tile reads them. Where every lane loads from an address of its own, a driver on the CPU pays for each load of each lane, hardly for its width. So what a lane
 * needs of a term is loaded in words of 64 bits, each once, into `piece`, and all else is cut out of that: of a term of 32 elements the block; of one of 256 its head, which all of
 * it needs, and then a piece of GROUPS groups of 32 elements at a time. TYPE as in blocks.glsl, which reads `piece` here. Types with codebooks look up more than they load: they
 * have no pieces, and blocks.glsl reads w.
 *
 *   fetch_term, fetch_piece   of row r, whose term begins at byte `at`: its head; its piece n
 *   term_of                   what finds the term's d and dmin in blocks.glsl
 *   piece_word                elements 4i..4i+3 of group g of piece n, as block_word
 *   piece_scale, piece_min    of that group, or of its half h, as block_scale and block_min */

#if TYPE == Q8_0 || TYPE == Q4_0 || TYPE == Q4_1 || TYPE == Q5_0 || TYPE == Q5_1
#define GROUPS	    1u
#define PIECE_WORDS ((BLOCK_BYTES + 3u) / 4u)
#define WHOLE /* the head is the block */
#define HEAD_AT	    0u
#elif TYPE == Q4_K
#define GROUPS	    2u
#define PIECE_WORDS 12u
#define HEAD_AT	    0u
#elif TYPE == Q5_K
#define GROUPS	    2u
#define PIECE_WORDS 20u
#define HEAD_AT	    0u
#elif TYPE == Q6_K
#define GROUPS	    4u
#define PIECE_WORDS 29u
#define HEAD_AT	    192u
#elif TYPE == Q2_K
#define GROUPS	    4u
#define PIECE_WORDS 13u
#define HEAD_AT	    80u
#elif TYPE == Q3_K
#define GROUPS	    4u
#define PIECE_WORDS 20u
#define HEAD_AT	    96u
#else
#define GROUPS 1u
#endif

#ifndef PIECE_WORDS
BUF_IN(0, w);
u32 term_at_byte[ROWS];
#include "blocks.glsl"

void fetch_term(u32 at[ROWS])
{
	term_at_byte = at;
}

void fetch_piece(u32 at[ROWS], u32 n) {}

u32 term_of(u32 r)
{
	return term_at_byte[r];
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	return block_word(term_at_byte[r], n, i);
}

#if SCALE_LEN != 0
int piece_scale(u32 r, u32 n, u32 g, u32 h)
{
	return block_scale(term_at_byte[r], n * (32u / SCALE_LEN) + h);
}
#endif

#else
layout(std430, set = 0, binding = 0) readonly buffer buf_w
{
	uint64_t w64[];
};
u32 piece[ROWS * PIECE_WORDS]; /* of each row: the head, then the piece */
#define w piece
#include "blocks.glsl"
#define PIECE(r, i) piece[(r)*PIECE_WORDS + (i)]

#define FETCH_MAX 64u /* bytes */
/* How far a word of 64 bits may begin before what is asked for. */
const u32 BEFORE = BLOCK_BYTES % 8u == 0u ? 0u : BLOCK_BYTES % 4u == 0u ? 4u : 6u;

/* `bytes` bytes from byte at[r] + `from` of w to words `to` and on of every row r. Words of all rows in turn: so many lines of memory are on their way at once. */
void fetch(u32 at[ROWS], u32 to, u32 from, const u32 bytes)
{
	u32 got[ROWS][FETCH_MAX / 4u + 4u];
	u32 n = (bytes + BEFORE + 7u) / 8u;
	for (u32 i = 0u; i < n; i++)
		for (u32 r = 0u; r < ROWS; r++) {
			u32 begin = at[r] + from;
			u32 last = ((begin & 7u) + bytes - 1u) >> 3;
			uvec2 two = unpack32(w64[(begin >> 3) + (8u * i < bytes ? i : min(i, last))]);
			got[r][2u * i] = two.x;
			got[r][2u * i + 1u] = two.y;
		}
	for (u32 r = 0u; r < ROWS; r++) {
		bool odd4 = BEFORE >= 4u && ((at[r] + from) & 4u) != 0u;
		bool odd2 = BEFORE >= 6u && ((at[r] + from) & 2u) != 0u;
		got[r][2u * n] = 0u;
		for (u32 i = 0u; i < 2u * n; i++)
			got[r][i] = odd4 ? got[r][i + 1u] : got[r][i];
		for (u32 i = 0u; i < (bytes + 3u) / 4u; i++)
			PIECE(r, to + i) = odd2 ? got[r][i] >> 16 | got[r][i + 1u] << 16 : got[r][i];
	}
}

u32 term_of(u32 r)
{
	return 4u * r * PIECE_WORDS - HEAD_AT;
}

#ifdef WHOLE
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 0u, BLOCK_BYTES);
}

void fetch_piece(u32 at[ROWS], u32 n) {}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	return block_word(term_of(r), 0u, i);
}

#elif TYPE == Q4_K
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 0u, 16u);
}

void fetch_piece(u32 at[ROWS], u32 n)
{
	fetch(at, 4u, 16u + 32u * n, 32u);
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	return (PIECE(r, 4u + i) >> (4u * g)) & 0x0f0f0f0fu;
}

#elif TYPE == Q5_K
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 0u, 48u);
}

void fetch_piece(u32 at[ROWS], u32 n)
{
	fetch(at, 12u, 48u + 32u * n, 32u);
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	u32 high = (PIECE(r, 4u + i) >> (2u * n + g)) & 0x01010101u;
	return (PIECE(r, 12u + i) >> (4u * g)) & 0x0f0f0f0fu | high << 4;
}

#elif TYPE == Q6_K
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 192u, 18u);
}

void fetch_piece(u32 at[ROWS], u32 n)
{
	fetch(at, 5u, 64u * n, 64u);
	fetch(at, 21u, 128u + 32u * n, 32u);
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	u32 low = (g & 1u) == 0u ? PIECE(r, 5u + i) : PIECE(r, 13u + i);
	u32 high = (PIECE(r, 21u + i) >> (2u * g)) & 0x03030303u;
	return bytes_less((low >> (2u * (g & 2u))) & 0x0f0f0f0fu | high << 4, 0x20202020u);
}

int piece_scale(u32 r, u32 n, u32 g, u32 h)
{
	u32 four = n == 0u ? (g < 2u ? PIECE(r, 0u) : PIECE(r, 1u)) : (g < 2u ? PIECE(r, 2u) : PIECE(r, 3u));
	return bitfieldExtract(toi(four), toi(8u * (2u * (g & 1u) + h)), 8);
}

#elif TYPE == Q2_K
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 80u, 4u);
	fetch(at, 1u, 0u, 16u);
}

void fetch_piece(u32 at[ROWS], u32 n)
{
	fetch(at, 5u, 16u + 32u * n, 32u);
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	return (PIECE(r, 5u + i) >> (2u * g)) & 0x03030303u;
}

u32 piece_scale_min(u32 r, u32 n, u32 g, u32 h)
{
	u32 four = n == 0u ? (g < 2u ? PIECE(r, 1u) : PIECE(r, 2u)) : (g < 2u ? PIECE(r, 3u) : PIECE(r, 4u));
	return (four >> (8u * (2u * (g & 1u) + h))) & 255u;
}

int piece_scale(u32 r, u32 n, u32 g, u32 h)
{
	return toi(piece_scale_min(r, n, g, h) & 15u);
}

int piece_min(u32 r, u32 n, u32 g, u32 h)
{
	return toi(piece_scale_min(r, n, g, h) >> 4);
}

#elif TYPE == Q3_K
void fetch_term(u32 at[ROWS])
{
	fetch(at, 0u, 96u, 14u);
	fetch(at, 4u, 0u, 32u);
}

void fetch_piece(u32 at[ROWS], u32 n)
{
	fetch(at, 12u, 32u + 32u * n, 32u);
}

u32 piece_word(u32 r, u32 n, u32 g, u32 i)
{
	u32 low = (PIECE(r, 12u + i) >> (2u * g)) & 0x03030303u;
	u32 high = (PIECE(r, 4u + i) >> (4u * n + g)) & 0x01010101u;
	return bytes_less(low | high << 2, 0x04040404u);
}

int piece_scale(u32 r, u32 n, u32 g, u32 h)
{
	u32 byte = 8u * (2u * (g & 1u) + h);
	u32 low = ((g < 2u ? PIECE(r, 0u) : PIECE(r, 1u)) >> (byte + 4u * n)) & 15u;
	u32 high = (PIECE(r, 2u) >> (byte + 4u * n + 2u * (g >> 1))) & 3u;
	return toi(low | high << 4) - 32;
}
#endif

#if TYPE == Q4_K || TYPE == Q5_K
int piece_scale(u32 r, u32 n, u32 g, u32 h)
{
	u32 at = 8u * (2u * (n & 1u) + g);
	u32 low = (PIECE(r, 1u) >> at) & 63u;
	u32 high = ((PIECE(r, 3u) >> at) & 15u) | ((PIECE(r, 1u) >> at >> 6) & 3u) << 4;
	return toi(n < 2u ? low : high);
}

int piece_min(u32 r, u32 n, u32 g, u32 h)
{
	u32 at = 8u * (2u * (n & 1u) + g);
	u32 low = (PIECE(r, 2u) >> at) & 63u;
	u32 high = ((PIECE(r, 3u) >> at >> 4) & 15u) | ((PIECE(r, 2u) >> at >> 6) & 3u) << 4;
	return toi(n < 2u ? low : high);
}
#endif
#endif

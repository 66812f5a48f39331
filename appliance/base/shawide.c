/* SHA-256 of sixteen messages side by side. Every round is plain arithmetic of FIPS 180-4, 6.2.2, on vectors of sixteen words; only the way in
 * is not: blocks lie one behind the other in memory, and a round wants the same word of all of them. */
#include "base/shawide.h"
#include "base/shani.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE   __attribute__((target("avx512f,avx512bw")))
#define INLINE static inline __attribute__((always_inline))

typedef __m512i vec;

WIDE INLINE vec xor3(vec a, vec b, vec c)
{
	return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

WIDE INLINE vec choose(vec e, vec f, vec g)
{
	return _mm512_ternarylogic_epi32(e, f, g, 0xca);
}

WIDE INLINE vec majority(vec a, vec b, vec c)
{
	return _mm512_ternarylogic_epi32(a, b, c, 0xe8);
}

WIDE INLINE vec add(vec a, vec b)
{
	return _mm512_add_epi32(a, b);
}

/* v[i] holds sixteen words of message i; then word i of all messages. In two steps: the four by four words within each quarter of four rows,
 * then the quarters. */
WIDE INLINE void transpose(vec v[16])
{
	vec t[16];
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) {
		vec ab = _mm512_unpacklo_epi32(v[i], v[i + 1]),
		    cd = _mm512_unpacklo_epi32(v[i + 2], v[i + 3]);
		vec AB = _mm512_unpackhi_epi32(v[i], v[i + 1]),
		    CD = _mm512_unpackhi_epi32(v[i + 2], v[i + 3]);
		t[i] = _mm512_unpacklo_epi64(ab, cd);
		t[i + 1] = _mm512_unpackhi_epi64(ab, cd);
		t[i + 2] = _mm512_unpacklo_epi64(AB, CD);
		t[i + 3] = _mm512_unpackhi_epi64(AB, CD);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		vec low = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88),
		    LOW = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
		vec high = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd),
		    HIGH = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
		v[i] = _mm512_shuffle_i32x4(low, LOW, 0x88);
		v[i + 4] = _mm512_shuffle_i32x4(high, HIGH, 0x88);
		v[i + 8] = _mm512_shuffle_i32x4(low, LOW, 0xdd);
		v[i + 12] = _mm512_shuffle_i32x4(high, HIGH, 0xdd);
	}
}

/* The words of one block of each message, as numbers. */
WIDE INLINE void words(vec w[16], const u8 *const p[SHAWIDE_LANES], size_t at)
{
	const vec swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++)
		w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(p[i] + at), swap);
	transpose(w);
}

/* Word t of the schedule in the place of word t - 16; t is a constant after unrolling. */
WIDE INLINE void schedule(vec w[16], int t)
{
	vec a = w[(t + 1) & 15], b = w[(t + 14) & 15];
	vec s0 = xor3(_mm512_ror_epi32(a, 7), _mm512_ror_epi32(a, 18), _mm512_srli_epi32(a, 3));
	vec s1 = xor3(_mm512_ror_epi32(b, 17), _mm512_ror_epi32(b, 19), _mm512_srli_epi32(b, 10));
	w[t & 15] = add(add(w[t & 15], s0), add(w[(t + 9) & 15], s1));
}

/* Round t. Nothing moves from register to register: what is called a in one round is called b in the next. */
WIDE INLINE void round_at(vec s[8], vec w[16], int t)
{
	vec *a = &s[(64 - t) & 7], *b = &s[(65 - t) & 7], *c = &s[(66 - t) & 7], *d = &s[(67 - t) & 7],
	    *e = &s[(68 - t) & 7], *f = &s[(69 - t) & 7], *g = &s[(70 - t) & 7], *h = &s[(71 - t) & 7];
	vec sum1 = xor3(_mm512_ror_epi32(*e, 6), _mm512_ror_epi32(*e, 11), _mm512_ror_epi32(*e, 25));
	vec sum0 = xor3(_mm512_ror_epi32(*a, 2), _mm512_ror_epi32(*a, 13), _mm512_ror_epi32(*a, 22));
	vec t1 = add(
		add(*h, add(w[t & 15], _mm512_set1_epi32((int)shani_k[t]))), add(sum1, choose(*e, *f, *g)));
	*d = add(*d, t1);
	*h = add(t1, add(sum0, majority(*a, *b, *c)));
}

WIDE void shawide_blocks(u32 state[8][SHAWIDE_LANES], const u8 *const p[SHAWIDE_LANES], size_t n)
{
	vec s[8], w[16];
	for (int i = 0; i < 8; i++)
		s[i] = _mm512_loadu_si512(state[i]);
	for (size_t at = 0; at < 64 * n; at += 64) {
		words(w, p, at);
#pragma GCC unroll 64
		for (int t = 0; t < 64; t++) {
			if (t >= 16)
				schedule(w, t);
			round_at(s, w, t);
		}
		for (int i = 0; i < 8; i++) {
			s[i] = add(s[i], _mm512_loadu_si512(state[i]));
			_mm512_storeu_si512(state[i], s[i]);
		}
	}
}

bool shawide_here(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#else
void shawide_blocks(u32 state[8][SHAWIDE_LANES], const u8 *const p[SHAWIDE_LANES], size_t n)
{
	assert(!"no AVX-512");
}
bool shawide_here(void)
{
	return false;
}
#endif

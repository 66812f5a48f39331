/* SHA-256 compression by the processor's SHA extensions, of one message or of two at once. A round waits for the one before it, so
 * one message leaves the unit idle half of the time: a second, independent one costs little more. OpenSSL has no call for two. */
#include "base/shani.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define SHANI __attribute__((target("sha,sse4.1,ssse3")))

const _Alignas(16) u32 shani_k[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb,
	0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624,
	0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb,
	0xbef9a3f7, 0xc67178f2 };

/* One message: the state as the instructions want it, and the 16 words of the schedule that are alive. */
struct lane {
	__m128i abef, cdgh, m[4];
};

SHANI static inline __attribute__((always_inline)) void lane_load(struct lane *l, const u32 state[8])
{
	__m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const void *)state), 0xb1);	    /* C D A B */
	__m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(state + 4)), 0x1b); /* E F G H */
	l->abef = _mm_alignr_epi8(dcba, hgfe, 8);
	l->cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
}

SHANI static inline __attribute__((always_inline)) void lane_store(const struct lane *l, u32 state[8])
{
	__m128i feba = _mm_shuffle_epi32(l->abef, 0x1b), dchg = _mm_shuffle_epi32(l->cdgh, 0xb1);
	_mm_storeu_si128((void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4 g to 4 g + 3 of the block at p; g is a constant after unrolling. */
SHANI static inline __attribute__((always_inline)) void lane_rounds(struct lane *l, const u8 *p, int g)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i *m = l->m;
	if (g < 4) {
		m[g] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 16 * g)), swap);
	} else {
		__m128i w = _mm_add_epi32(_mm_sha256msg1_epu32(m[g & 3], m[(g + 1) & 3]),
			_mm_alignr_epi8(m[(g + 3) & 3], m[(g + 2) & 3], 4));
		m[g & 3] = _mm_sha256msg2_epu32(w, m[(g + 3) & 3]);
	}
	__m128i wk = _mm_add_epi32(m[g & 3], _mm_load_si128((const void *)(shani_k + 4 * g)));
	l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, wk);
	l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

SHANI void shani_blocks(u32 state[8], const u8 *p, size_t n)
{
	struct lane l;
	lane_load(&l, state);
	for (; n; n--, p += 64) {
		const __m128i abef = l.abef, cdgh = l.cdgh;
#pragma GCC unroll 16
		for (int g = 0; g < 16; g++)
			lane_rounds(&l, p, g);
		l.abef = _mm_add_epi32(l.abef, abef);
		l.cdgh = _mm_add_epi32(l.cdgh, cdgh);
	}
	lane_store(&l, state);
}

SHANI void shani_blocks2(u32 state_a[8], const u8 *a, u32 state_b[8], const u8 *b, size_t n)
{
	struct lane x, y;
	lane_load(&x, state_a);
	lane_load(&y, state_b);
	for (; n; n--, a += 64, b += 64) {
		const __m128i xa = x.abef, xc = x.cdgh, ya = y.abef, yc = y.cdgh;
#pragma GCC unroll 16
		for (int g = 0; g < 16; g++) {
			lane_rounds(&x, a, g);
			lane_rounds(&y, b, g);
		}
		x.abef = _mm_add_epi32(x.abef, xa);
		x.cdgh = _mm_add_epi32(x.cdgh, xc);
		y.abef = _mm_add_epi32(y.abef, ya);
		y.cdgh = _mm_add_epi32(y.cdgh, yc);
	}
	lane_store(&x, state_a);
	lane_store(&y, state_b);
}

bool shani_here(void)
{
	unsigned a, b, c, d;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & 1u << 29;
}

#else
void shani_blocks(u32 state[8], const u8 *p, size_t n)
{
	assert(!"no SHA extensions");
}
void shani_blocks2(u32 state_a[8], const u8 *a, u32 state_b[8], const u8 *b, size_t n)
{
	assert(!"no SHA extensions");
}
bool shani_here(void)
{
	return false;
}
#endif

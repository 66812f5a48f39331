/* The float functions of Keep, one text for C and GLSL: built of +, - and * alone, each rounded once to nearest even, none contracted.
 * They give the same bits on every device; how far they are from the true value is stated here and held by tests/unit/shaders.
 *
 * The window. Every float that an op reads or writes is 0 or has a magnitude in [2^-40, 2^40]. Products of two such values and the
 * differences of such products stay far from float32's denormals, whose treatment devices do not share, and sums stay far
 * from overflow, so neither denormals, infinities nor NaN ever take part in a result. */
#ifndef KEEP_SHADERS_EXACT_H
#define KEEP_SHADERS_EXACT_H

#include "lang.h"

#define EXACT_WINDOW_MIN 0x2b800000u /* 2^-40: magnitudes below become +0 */
#define EXACT_WINDOW_MAX \
	0x53800000u /* 2^40: magnitudes above, infinities and NaN become 2^40 with their sign */

FUNC u32 exact_window_bits(u32 u)
{
	u32 m = u & 0x7fffffffu;
	u32 top = (u & 0x80000000u) | EXACT_WINDOW_MAX;
	return m < EXACT_WINDOW_MIN ? 0u : (m > EXACT_WINDOW_MAX ? top : u);
}

FUNC f32 exact_window(f32_in x)
{
	f32 r = u2f(exact_window_bits(f2u(x)));
	return r;
}

/* int32 to float, nearest even, for all int32: both halves are exact, so only the sum rounds. */
FUNC f32 exact_from_int(i32 i)
{
	f32 hi = tof(i >> 12);
	f32 lo = tof(i & 4095);
	f32 r = hi * 4096.0f + lo;
	return r;
}

/* Nearest integer, half to even, as int; |x| < 2^22. */
FUNC i32 exact_round(f32_in x)
{
	f32 t = x + 12582912.0f;
	return f2i(t) - 0x4b400000;
}

/* (e^r - 1 - r) / r^2 for |r| <= 0.35. */
FUNC f32 exact_exp_q(f32_in r)
{
	f32 q = 1.9875691500e-4f;
	q = q * r + 1.3981999507e-3f;
	q = q * r + 8.3334519073e-3f;
	q = q * r + 4.1665795894e-2f;
	q = q * r + 1.6666665459e-1f;
	q = q * r + 5.0000001201e-1f;
	return q;
}

/* e^x for x <= 0, relative error below 1e-7 from -86 on; 0 for x < -86; exactly 1 for 0. For |x| < 2^-60 a product may underflow, flushed or not: the
 * sum that it enters rounds it away. Below -86 it computes with -86.5: what is not taken meets no denormals, which are slow. */
FUNC f32 exact_exp(f32_in x)
{
	u32 m = f2u(x) & 0x7fffffffu;
	f32 v = -u2f(m > 0x42ad0000u ? 0x42ad0000u : m);
	f32 t = v * 1.44269504f;
	t = t + 12582912.0f;
	i32 ki = isub(f2i(t), 0x4b400000);
	f32 k = t - 12582912.0f;
	f32 r = v - k * 0.693359375f;
	r = r - k * -2.12194440e-4f;
	f32 q = exact_exp_q(r);
	f32 y = q * (r * r) + r;
	y = y + 1.0f;
	y = y * i2f((ki + 127) << 23);
	return x < -86.0f ? 0.0f : y;
}

/* 1 / sqrt(x) for x in [2^-120, 2^120], relative error below 1.2e-7; finite for 0. */
FUNC f32 exact_rsqrt(f32_in x)
{
	f32 h = x * 0.5f;
	f32 y = i2f(0x5f375a86 - (f2i(x) >> 1));
	y = y * (1.5f - (h * y) * y);
	y = y * (1.5f - (h * y) * y);
	f32 e = 0.5f - (h * y) * y;
	y = y + y * e;
	return y;
}

/* 1 / x for x in [2^-100, 2^100], relative error below 1e-7. */
FUNC f32 exact_recip(f32_in x)
{
	f32 y = i2f(0x7ef311c7 - f2i(x));
	f32 e = 1.0f - x * y;
	y = y + y * e;
	e = 1.0f - x * y;
	y = y + y * e;
	e = 1.0f - x * y;
	y = y + y * e;
	return y;
}

/* 1 / (1 + e^-x) for x in the window, relative error below 3e-7 for x >= -86; 0 below. */
FUNC f32 exact_sigmoid(f32_in x)
{
	f32 a = u2f(f2u(x) & 0x7fffffffu);
	f32 e = exact_exp(-a);
	f32 d = 1.0f + e;
	f32 r = exact_recip(d);
	f32 er = e * r;
	f32 s = x >= 0.0f ? r : er;
	return s;
}

/* x / (1 + e^-x) for x in the window, relative error below 3e-7 for x >= -86; 0 below. */
FUNC f32 exact_silu(f32_in x)
{
	f32 s = exact_sigmoid(x);
	f32 y = x * s;
	return y;
}

/* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) for x in the window, as x / (1 + e^-2u); relative error below 4e-6
 * for x >= -5, absolute error below 1e-6 beyond. */
FUNC f32 exact_gelu(f32_in x)
{
	f32 sq = x * x;
	f32 c = 1.0f + 0.044715f * sq;
	f32 u = x * c;
	u = u * 1.59576912f;
	u = exact_window(u);
	f32 s = exact_sigmoid(u);
	f32 y = x * s;
	return y;
}

/* tanh(x) for x in the window, relative error below 2e-7: a polynomial up to 0.625, else 1 - 2 / (1 + e^2|x|) with its sign. */
FUNC f32 exact_tanh(f32_in x)
{
	f32 a = u2f(f2u(x) & 0x7fffffffu);
	f32 z = a < 0.625f ? x * x : 0.0f;
	f32 p = -5.704986397e-3f;
	p = p * z + 2.063908614e-2f;
	p = p * z + -5.373971537e-2f;
	p = p * z + 1.333144158e-1f;
	p = p * z + -3.333328068e-1f;
	f32 low = x + (x * z) * p;
	f32 e = exact_exp(-2.0f * a);
	f32 d = 1.0f + e;
	f32 r = exact_recip(d);
	f32 h = (1.0f - e) * r;
	f32 high = x > 0.0f ? h : -h;
	f32 y = a < 0.625f ? low : high;
	return y;
}

/* e^x - 1 - x for x <= 0 in the window, relative error below 1e-6. */
FUNC f32 exact_exp_rest(f32_in x)
{
	f32 t = x > -0.34375f ? x : 0.0f;
	f32 q = exact_exp_q(t);
	f32 low = q * (t * t);
	f32 e = exact_exp(x);
	f32 m = e - 1.0f;
	f32 high = m - x;
	f32 y = x > -0.34375f ? low : high;
	return y;
}

/* float16 bits (low 16 of h) to float, exact, denormals included. The exponent of infinities and NaN is taken as one more
 * ordinary exponent (65536 to 131008), so that no input gives anything but a finite value. */
FUNC f32 exact_from_half(u32 h)
{
	u32 u = h & 0x7fffu;
	u32 s = (h & 0x8000u) << 16;
	f32 d = tof(toi(u)) * 5.9604644775390625e-8f;
	u32 r = u < 0x400u ? f2u(d) : (u << 13) + 0x38000000u;
	f32 y = u2f(r | s);
	return y;
}

/* 2^(e - 128), of the 8 bits of an E8M0 scale of MXFP4, whose halved values are integers; in the window. */
FUNC f32 exact_from_e8m0_half(u32 e)
{
	u32 u = e == 0u ? 0u : (e - 1u) << 23;
	f32 y = u2f(exact_window_bits(u));
	return y;
}

/* float to float16 bits, nearest even, denormals included; magnitudes from 65520 on become 65504, never infinity. */
FUNC u32 exact_to_half(f32_in x)
{
	u32 b = f2u(x);
	u32 s = (b >> 16) & 0x8000u;
	u32 u = b & 0x7fffffffu;
	if (u >= 0x477ff000u)
		return s | 0x7bffu;
	if (u <= 0x33000000u)
		return s;
	if (u < 0x38800000u) {
		u32 shift = 126u - (u >> 23);
		u32 m = (u & 0x7fffffu) | 0x800000u;
		u32 q = m >> shift;
		u32 rest = m & ((1u << shift) - 1u);
		u32 half_way = 1u << (shift - 1u);
		u32 up = (rest > half_way || (rest == half_way && (q & 1u) == 1u)) ? 1u : 0u;
		return s | (q + up);
	}
	u32 v = u - 0x38000000u;
	v = v + 0xfffu + ((v >> 13) & 1u);
	return s | (v >> 13);
}

#endif

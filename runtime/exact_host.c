/* What the host computes for the devices and for the sampler, in double precision by +, -, *, / alone: no libm, so the same bits on every
 * machine. Accurate to about 1e-15 relative, far below the float32 that is stored. */
#include "runtime/op.h"

#include "shaders/exact.h"

#define LN2    0.693147180559945309417232121458
#define PI_2_A 1.57079632673412561417e+00 /* the first 33 bits of pi / 2 */
#define PI_2_B 6.07710050630396597660e-11 /* the next 33 */
#define PI_2_C 2.02226624879595063154e-21 /* the rest */

static f64 power_of_two(i32 e)
{
	u64 u = (u64)(e + 1023) << 52;
	f64 x;
	memcpy(&x, &u, 8);
	return x;
}

/* Natural logarithm of a normal positive x. */
static f64 ln(f64 x)
{
	u64 u;
	memcpy(&u, &x, 8);
	i32 e = (i32)(u >> 52) - 1023;
	u = (u & 0xfffffffffffffull) | 0x3ff0000000000000ull;
	f64 m;
	memcpy(&m, &u, 8);
	if (m > 1.41421356237309504880) {
		m = m * 0.5;
		e = e + 1;
	}
	f64 s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
	for (i32 k = 23; k > 1; k -= 2)
		sum = (sum + 1.0 / k) * s2;
	return e * LN2 + (2 * s + 2 * s * sum);
}

/* e^x for |x| < 700. */
static f64 e_to(f64 x)
{
	f64 t = x * (1 / LN2);
	i32 k = (i32)(t < 0 ? t - 0.5 : t + 0.5);
	f64 r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10, sum = 1;
	for (i32 n = 20; n > 0; n--)
		sum = 1 + sum * r / n;
	return sum * power_of_two(k);
}

/* cos and sin of x >= 0, x < 2^30. */
static void cos_sin(f64 x, f64 *ret_cos, f64 *ret_sin)
{
	i64 n = (i64)(x / (PI_2_A + PI_2_B) + 0.5);
	f64 r = ((x - (f64)n * PI_2_A) - (f64)n * PI_2_B) - (f64)n * PI_2_C;
	f64 r2 = r * r, c = 1, s = 1;
	for (i32 k = 18; k > 0; k -= 2)
		c = 1 - c * r2 / (k * (k - 1));
	for (i32 k = 19; k > 1; k -= 2)
		s = 1 - s * r2 / (k * (k - 1));
	s = s * r;
	const f64 cs[4] = { c, -s, -c, s }, sn[4] = { s, c, -s, -c };
	*ret_cos = cs[n & 3];
	*ret_sin = sn[n & 3];
}

void rt_rope_table(f32 *out, u32 ctx, u32 rope_dim, f32 base, f32 scale, const f32 *factors)
{
	u32 half = rope_dim / 2;
	f64 log_base = ln(base);
	for (u32 j = 0; j < half; j++) {
		f64 freq = e_to(-(2.0 * j / rope_dim) * log_base) / (factors ? (f64)factors[j] : 1.0) /
			   (f64)scale;
		for (u32 p = 0; p < ctx; p++) {
			f64 c, s;
			cos_sin(p * freq, &c, &s);
			out[((size_t)p * half + j) * 2] = exact_window((f32)c);
			out[((size_t)p * half + j) * 2 + 1] = exact_window((f32)s);
		}
	}
}

f32 rt_exp(f32 x)
{
	return exact_exp(x);
}

f32 rt_recip(f32 x)
{
	return exact_recip(x);
}

f32 rt_log(f32 x)
{
	return (f32)ln(x);
}

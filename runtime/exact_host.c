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

/* ---- tables of positions ---- */

#define TWO_PI 6.28318530717958647692

static f64 floor_of(f64 x) /* |x| < 2^31 */
{
	f64 t = (f64)(i32)x;
	return t > x ? t - 1 : t;
}

/* The pair, as a real number, whose period fits `turns` times into ctx positions. */
static f64 yarn_pair(const struct rt_rope *p, f64 turns)
{
	f64 d = p->rope_dim * ln(p->yarn_ctx / (turns * TWO_PI)) / (2 * ln(p->base));
	return d > 1e6 ? 1e6 : d < -1e6 ? -1e6 : d;
}

/* How much of pair j keeps its own frequency: from 1 for the fast ones to 0. */
static f64 yarn_ramp(const struct rt_rope *p, u32 j)
{
	f64 lo = yarn_pair(p, p->yarn_beta_fast), hi = yarn_pair(p, p->yarn_beta_slow);
	lo = p->yarn_exact ? lo : floor_of(lo);
	hi = p->yarn_exact ? hi : -floor_of(-hi);
	lo = lo < 0 ? 0 : lo;
	hi = hi > p->rope_dim - 1.0 ? p->rope_dim - 1.0 : hi;
	f64 width = hi - lo < 0.001 ? 0.001 : hi - lo, y = (j - lo) / width;
	return 1 - (y < 0 ? 0 : y > 1 ? 1 : y);
}

static f64 yarn_grown(f64 scale, f64 m)
{
	return scale <= 1 ? 1 : 0.1 * m * ln(scale) + 1;
}

static f64 magnitude_of(const struct rt_rope *p)
{
	f64 m = p->magnitude > 0 ? (f64)p->magnitude : 1;
	if (!(p->yarn_ext > 0))
		return m;
	m = m * yarn_grown(p->scale, 1);
	return p->yarn_log_multiplier > 0 ? m / yarn_grown(p->scale, p->yarn_log_multiplier) : m;
}

static f64 theta_of(const struct rt_rope *p, u32 j, f64 log_base)
{
	f64 own = e_to(-(2.0 * j / p->rope_dim) * log_base) / (p->factors ? (f64)p->factors[j] : 1.0);
	f64 slow = own / (f64)p->scale;
	if (!(p->yarn_ext > 0))
		return slow;
	f64 m = yarn_ramp(p, j) * (f64)p->yarn_ext;
	return slow * (1 - m) + own * m;
}

void rt_rope_table(f32 *out, const struct rt_rope *p)
{
	u32 half = p->rope_dim / 2;
	f64 log_base = ln(p->base), m = magnitude_of(p);
	for (u32 j = 0; j < half; j++) {
		f64 theta = theta_of(p, j, log_base);
		for (u32 t = 0; t < p->ctx; t++) {
			f64 c, s;
			cos_sin(t * theta, &c, &s);
			out[((size_t)t * half + j) * 2] = exact_window((f32)(c * m));
			out[((size_t)t * half + j) * 2 + 1] = exact_window((f32)(s * m));
		}
	}
}

void rt_temperature_table(f32 *out, u32 ctx, const struct rt_temperature *p)
{
	for (u32 t = 0; t < ctx; t++)
		out[t] = exact_window((f32)(1 + (f64)p->b * ln(1.0 + (t + p->from) / p->period)));
}

f32 rt_softplus(f32 x)
{
	if (x > 600)
		return x;
	return x < -600 ? 0 : (f32)ln(1 + e_to(x));
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

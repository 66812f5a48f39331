/* The float functions against double, over many arguments, with the bounds that exact.h states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "runtime/op.h"
#include "shaders/exact.h"
#include "shaders/swiglu_oai.h"

#include <math.h>
#include <stdlib.h>

#define ARGUMENTS 1000000u

static u64 state = 88172645463325252ull;

static u64 next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static f64 uniform(void)
{
	return (f64)(next() >> 11) / 9007199254740992.0;
}

/* Magnitudes spread evenly over the exponents low..high. */
static f32 spread(i32 low, i32 high)
{
	return (f32)ldexp(1 + uniform(), low + (i32)(next() % (u32)(high - low)));
}

static f64 relative(f64 have, f64 want)
{
	return fabs(have - want) / fabs(want);
}

static void exp_is_close_on_its_range(void **s)
{
	f64 worst = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = (f32)(i % 8 ? -86 * uniform() : -1e-3 * uniform());
		worst = fmax(worst, relative(exact_exp(x), exp(x)));
	}
	print_message("exp: %.3g\n", worst);
	assert_true(worst < 1e-7);
	assert_true(exact_exp(0) == 1);
	assert_true(exact_exp(-0.0f) == 1);
	assert_true(exact_exp(-86.0f) > 0);
	assert_true(exact_exp(nextafterf(-86, -87)) == 0);
	assert_true(exact_exp(-1e12f) == 0);
}

static void rsqrt_and_recip_are_close(void **s)
{
	f64 worst_r = 0, worst_q = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = spread(-120, 120), y = spread(-100, 100);
		worst_q = fmax(worst_q, relative(exact_rsqrt(x), 1 / sqrt(x)));
		worst_r = fmax(worst_r, relative(exact_recip(y), 1 / (f64)y));
	}
	print_message("rsqrt: %.3g  recip: %.3g\n", worst_q, worst_r);
	assert_true(worst_q < 1.2e-7);
	assert_true(worst_r < 1e-7);
	assert_true(isfinite(exact_rsqrt(0)));
	assert_true(exact_recip(1) == 1);
}

static void silu_is_close(void **s)
{
	f64 worst = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = (f32)((uniform() - 0.5) * (i % 2 ? 170 : 8));
		f64 want = x / (1 + exp(-(f64)x));
		if (want != 0)
			worst = fmax(worst, relative(exact_silu(x), want));
	}
	print_message("silu: %.3g\n", worst);
	assert_true(worst < 3e-7);
	assert_true(exact_silu(-87) == 0);
	assert_true(exact_silu(1e12f) == 1e12f);
}

static void sigmoid_is_close(void **s)
{
	f64 worst = 0, oai = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = (f32)((uniform() - 0.5) * (i % 2 ? 170 : 8)), y = (f32)((uniform() - 0.5) * 30);
		worst = fmax(worst, relative(exact_sigmoid(x), 1 / (1 + exp(-(f64)x))));
		f64 g = fmin(x, 7), want = g / (1 + exp(-1.702 * g)) * (fmax(fmin(y, 7), -7) + 1);
		oai = fmax(oai, fabs(swiglu_oai(x, y) - want) / (1 + fabs(want)));
	}
	print_message("sigmoid: %.3g, swiglu_oai: %.3g of 1 + its size\n", worst, oai);
	assert_true(worst < 3e-7);
	assert_true(oai < 1e-6);
	assert_true(exact_sigmoid(0x1p40f) == 1 && exact_sigmoid(-0x1p40f) == 0);
	assert_true(swiglu_oai(100, 100) == swiglu_oai(7, 7) && swiglu_oai(1, -100) == swiglu_oai(1, -7));
}

static void integers_round_to_nearest_even(void **s)
{
	for (u32 i = 0; i < ARGUMENTS; i++) {
		i32 v = (i32)next() >> next() % 32;
		assert_true(exact_from_int(v) == (f32)v);
		f32 x = (f32)((uniform() - 0.5) * (1 << next() % 22));
		assert_int_equal(exact_round(x), (i32)nearbyintf(x));
	}
	for (i32 v = -4; v < 4; v++) /* ties */
		assert_int_equal(exact_round((f32)v + 0.5f), (i32)nearbyintf((f32)v + 0.5f));
	assert_true(exact_from_int(INT32_MAX) == 2147483648.0f);
	assert_true(exact_from_int(INT32_MIN) == -2147483648.0f);
}

/* By definition: sign, exponent, fraction. */
static f64 half_value(u32 h)
{
	i32 e = (i32)(h >> 10 & 31), f = (i32)(h & 1023);
	f64 v = e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
	return h & 0x8000 ? -v : v;
}

/* Nearest multiple of the spacing of halves at x, ties to even. */
static f64 half_nearest(f64 x)
{
	i32 e;
	frexp(x, &e);
	f64 unit = ldexp(1, MAX(e - 11, -24)), r = nearbyint(x / unit) * unit;
	return fabs(r) > 65504 ? copysign(65504, x) : r;
}

static void all_halves_decode(void **s)
{
	for (u32 h = 0; h < 65536; h++) {
		assert_true(exact_from_half(h) == half_value(h));
		if ((h & 0x7c00) != 0x7c00)
			assert_int_equal(exact_to_half(exact_from_half(h)), h);
		assert_int_equal(f2u(exact_from_half(h)), f2u(exact_from_half(h | 0xabcd0000u)));
	}
}

static void floats_encode_to_the_nearest_half(void **s)
{
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = spread(-28, 18) * (i % 2 ? 1.0f : -1.0f);
		if (i % 4 == 0) /* ties and their neighbours */
			x = (f32)(half_value((u32)next() & 0x7bff) +
				  half_value(((u32)next() & 0x3ff) | 1) / 2);
		assert_true(half_value(exact_to_half(x)) == half_nearest(x));
	}
	assert_int_equal(exact_to_half(65519.996f), 0x7bff);
	assert_int_equal(exact_to_half(65520.0f), 0x7bff);
	assert_int_equal(exact_to_half(-1e30f), 0xfbff);
	assert_int_equal(exact_to_half(u2f(0x33000000)), 0); /* 2^-25, a tie to even */
	assert_int_equal(exact_to_half(u2f(0x33000001)), 1);
}

static void gelu_is_close(void **s)
{
	f64 worst = 0, beyond = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = (f32)((uniform() - 0.5) * (i % 2 ? 40 : 10));
		f64 u = 0.79788456080286535588 * (x + 0.044715 * (f64)x * x * x),
		    want = x * (0.5 + 0.5 * tanh(u));
		if (x >= -5)
			worst = fmax(
				worst, fabs(x) < 1e-30f ? 0 : relative(exact_gelu(x), x / (1 + exp(-2 * u))));
		else
			beyond = fmax(beyond, fabs(exact_gelu(x) - want));
	}
	print_message("gelu: %.3g, absolute below -5: %.3g\n", worst, beyond);
	assert_true(worst < 4e-6);
	assert_true(beyond < 1e-9);
	assert_true(exact_gelu(0) == 0);
	assert_true(exact_gelu(0x1p40f) == 0x1p40f);
	assert_true(exact_gelu(-0x1p40f) == 0);
}

static void tanh_is_close(void **s)
{
	f64 worst = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = i % 2 ? spread(-40, 5) : (f32)((uniform() - 0.5) * 4);
		x = i % 3 ? x : -x;
		worst = fmax(worst, relative(exact_tanh(x), tanh(x)));
	}
	print_message("tanh: %.3g\n", worst);
	assert_true(worst < 2e-7);
	assert_true(exact_tanh(0) == 0);
	assert_true(exact_tanh(0x1p40f) == 1 && exact_tanh(-0x1p40f) == -1);
}

static void exp_rest_is_close(void **s)
{
	f64 worst = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = -(i % 2 ? spread(-20, 6) : (f32)(uniform() * 2));
		f64 want = fabs(x) < 0.01f
				   ? (f64)x * x * (0.5 + x * (1.0 / 6 + x * (1.0 / 24 + (f64)x / 120)))
				   : expm1(x) - (f64)x;
		worst = fmax(worst, relative(exact_exp_rest(x), want));
	}
	print_message("e^x - 1 - x: %.3g\n", worst);
	assert_true(worst < 1e-6);
	assert_true(exact_exp_rest(0) == 0);
	assert_true(exact_exp_rest(-0x1p40f) == 0x1p40f);
}

static void the_window_keeps_what_is_inside(void **s)
{
	assert_int_equal(exact_window_bits(0x80000000u), 0);
	assert_int_equal(exact_window_bits(1), 0);
	assert_int_equal(exact_window_bits(0x2b7fffffu), 0);
	assert_int_equal(exact_window_bits(0xab800000u), 0xab800000u);
	assert_int_equal(exact_window_bits(0x53800000u), 0x53800000u);
	assert_int_equal(exact_window_bits(0x53800001u), 0x53800000u);
	assert_int_equal(exact_window_bits(0xff800000u), 0xd3800000u);
	assert_int_equal(exact_window_bits(0x7fc00000u), 0x53800000u);
	assert_true(exact_window(1.5f) == 1.5f);
}

static void rope_angles_are_right_far_out(void **s)
{
	enum { HALF = 3, FAR = 1000000 };
	f32 *t = malloc(8ul * HALF * (FAR + 1)), factors[HALF];
	assert_non_null(t);
	for (u32 j = 0; j < HALF; j++)
		factors[j] = 1.0f + (f32)j / 4;
	const struct rt_rope angles = {
		.ctx = FAR + 1, .rope_dim = 2 * HALF, .base = 500000, .scale = 2, .factors = factors
	};
	rt_rope_table(t, &angles);
	f64 worst = 0;
	for (u32 p = FAR - 2000; p <= FAR; p++)
		for (u32 j = 0; j < HALF; j++) {
			f64 a = p * (pow(500000.0, -2.0 * j / (2 * HALF)) / (f64)factors[j] / 2.0);
			const f32 *cs = t + ((size_t)p * HALF + j) * 2;
			worst = fmax(worst, fmax(fabs(cs[0] - cos(a)), fabs(cs[1] - sin(a))));
		}
	print_message("rope at position 10^6: %.3g\n", worst);
	assert_true(worst < 4e-8); /* half a unit of float32 near 1 is 3e-8 */
	assert_true(t[0] == 1 && t[1] == 0);
	free(t);
}

/* YaRN, in libm: what theta of pair j is, and the magnitude. */
static f64 yarn_theta(const struct rt_rope *p, u32 j)
{
	f64 own = pow(p->base, -2.0 * j / p->rope_dim);
	f64 lo = p->rope_dim * log(p->yarn_ctx / (p->yarn_beta_fast * 2 * M_PI)) / (2 * log(p->base));
	f64 hi = p->rope_dim * log(p->yarn_ctx / (p->yarn_beta_slow * 2 * M_PI)) / (2 * log(p->base));
	lo = p->yarn_exact ? lo : floor(lo);
	hi = p->yarn_exact ? hi : ceil(hi);
	f64 ramp = (j - fmax(lo, 0)) / fmax(0.001, fmin(hi, p->rope_dim - 1) - fmax(lo, 0));
	f64 keep = 1 - fmin(1, fmax(0, ramp));
	return own / p->scale * (1 - keep) + own * keep;
}

static void yarn_angles_are_right(void **s)
{
	enum { HALF = 64, FAR = 40000 };
	static f32 t[FAR + 1][HALF][2];
	struct rt_rope p = { .ctx = FAR + 1,
		.rope_dim = 2 * HALF,
		.base = 1e6f,
		.scale = 4,
		.yarn_ext = 1,
		.yarn_beta_fast = 32,
		.yarn_beta_slow = 1,
		.yarn_ctx = 8192 };
	f64 worst = 0, size = 1 + 0.1 * log(4);
	for (u32 exact = 0; exact < 2; exact++) {
		p.yarn_exact = exact;
		rt_rope_table(&t[0][0][0], &p);
		for (u32 j = 0; j < HALF; j++) {
			f64 theta = yarn_theta(&p, j);
			for (u32 at = FAR - 50; at <= FAR; at++)
				worst = fmax(worst, fmax(fabs(t[at][j][0] - size * cos(at * theta)),
							    fabs(t[at][j][1] - size * sin(at * theta))));
		}
	}
	print_message("yarn at position %u: %.3g\n", FAR, worst);
	assert_true(worst < 7e-8); /* half a unit of float32 near 1.14 is 6e-8 */
	struct rt_rope one = p;
	one.yarn_log_multiplier = 1; /* the magnitude goes into the scores' scale instead */
	rt_rope_table(&t[0][0][0], &one);
	assert_true(t[0][0][0] == 1);
}

static void tables_of_positions_are_right(void **s)
{
	static f32 t[1000];
	const struct rt_temperature warm = { .b = 0.1f, .period = 16 };
	const struct rt_temperature next_one = { .b = 0.1f, .period = 16, .from = 1 };
	rt_temperature_table(t, 1000, &next_one);
	for (u32 p = 0; p < 1000; p++)
		assert_true(fabs(t[p] - (1 + (f64)0.1f * log(1 + (p + 1) / 16))) < 1e-7);
	rt_temperature_table(t, 1000, &warm);
	for (u32 p = 0; p < 1000; p++)
		assert_true(fabs(t[p] - (1 + (f64)0.1f * log(1 + p / 16))) < 1e-7);
	assert_true(t[15] == 1 && t[16] > 1 && t[31] == t[16]);
	for (f32 x = -50; x < 50; x += 0.37f)
		assert_true(relative(rt_softplus(x), log1p(exp((f64)x))) < 1.2e-7 || x < -20);
	assert_true(rt_softplus(1000) == 1000 && rt_softplus(-1000) == 0);
	/* a factor of 1e30 holds a pair still */
	const f32 still[] = { 1, 1e30f };
	const struct rt_rope rope = {
		.ctx = 100, .rope_dim = 4, .base = 10000, .scale = 1, .factors = still
	};
	rt_rope_table(t, &rope);
	assert_true(t[99 * 4 + 2] == 1 && t[99 * 4 + 3] == 0 && t[99 * 4] != 1);
}

static void log_is_close(void **s)
{
	f64 worst = 0;
	for (u32 i = 0; i < ARGUMENTS; i++) {
		f32 x = i % 2 ? spread(-125, 125) : (f32)(1 + (uniform() - 0.5) / 8);
		if (x != 1)
			worst = fmax(worst, relative(rt_log(x), log(x)));
	}
	print_message("log: %.3g\n", worst);
	assert_true(worst < 6.1e-8);
	assert_true(rt_log(1) == 0);
	assert_true(rt_exp(-1) == exact_exp(-1) && rt_recip(3) == exact_recip(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exp_is_close_on_its_range),
		cmocka_unit_test(rsqrt_and_recip_are_close),
		cmocka_unit_test(silu_is_close),
		cmocka_unit_test(sigmoid_is_close),
		cmocka_unit_test(gelu_is_close),
		cmocka_unit_test(tanh_is_close),
		cmocka_unit_test(exp_rest_is_close),
		cmocka_unit_test(integers_round_to_nearest_even),
		cmocka_unit_test(all_halves_decode),
		cmocka_unit_test(floats_encode_to_the_nearest_half),
		cmocka_unit_test(the_window_keeps_what_is_inside),
		cmocka_unit_test(rope_angles_are_right_far_out),
		cmocka_unit_test(yarn_angles_are_right),
		cmocka_unit_test(tables_of_positions_are_right),
		cmocka_unit_test(log_is_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

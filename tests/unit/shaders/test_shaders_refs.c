#define _GNU_SOURCE /* cpu_set_t */
/* The references: against float64 with decoders written a second time, element by element from the formats' definition; and the same bits
 * whether the processor flushes denormals or not, with any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "runtime/dev.h"
#include "runtime/selftest.h"
#include "shaders/act.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"
#include "shaders/quantize.h"
#include "shaders/selftest.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_FLOATS(TYPE) TENSOR_BLOCKS(TYPE) };

/* ---- the second decoder ---- */

static f64 half(const u8 *p)
{
	u32 h = p[0] + 256u * p[1];
	f64 v = (h >> 10 & 31) ? ldexp(1024.0 + (h & 1023), (i32)(h >> 10 & 31) - 25) : ldexp(h & 1023, -24);
	return h & 0x8000 ? -v : v;
}

static u32 nibble(const u8 *p, u32 i) /* low half of byte i, or with i >= 256 the high half of byte i - 256 */
{
	return i < 256 ? p[i] % 16 : p[i - 256] / 16;
}

/* The 6-bit numbers of K-quant scales as one string of bits: number j of `which` (0 scales, 1 minima). */
static u32 six_bits(const u8 *b, u32 j, u32 which)
{
	if (j < 4)
		return b[j + 4 * which] % 64;
	return nibble(b, j + 4 + 256 * which) + 16 * (b[j - 4 + 4 * which] / 64);
}

static f64 decode(u32 type, const u8 *row, u32 e)
{
	const u8 *b;
	u32 i;
	f32 f;
	u32 u;
	switch (type) {
	case TENSOR_F32:
		memcpy(&f, row + 4 * e, 4);
		return f;
	case TENSOR_BF16:
		u = (row[2 * e] + 256u * row[2 * e + 1]) << 16;
		memcpy(&f, &u, 4);
		return f;
	case TENSOR_F16:
		return half(row + 2 * e);
	case TENSOR_Q8_0:
		b = row + e / 32 * 34;
		return half(b) * (i8)b[2 + e % 32];
	case TENSOR_Q4_0:
		b = row + e / 32 * 18;
		i = e % 32;
		return half(b) * ((i32)nibble(b + 2, i % 16 + 256 * (i / 16)) - 8);
	case TENSOR_MXFP4: /* sign, two bits of exponent, one of mantissa, as in IEEE 754; times a power of two */
		b = row + e / 32 * 17;
		i = e % 32;
		u = nibble(b + 1, i % 16 + 256 * (i / 16));
		return ldexp((u & 8 ? -1 : 1) * (u >> 1 & 3 ? ldexp(1 + (u & 1) / 2.0, (i32)(u >> 1 & 3) - 1)
							    : (u & 1) / 2.0),
			b[0] - 127);
	case TENSOR_Q4_K:
	case TENSOR_Q5_K:
		b = row + (size_t)(e / 256) * (type == TENSOR_Q4_K ? 144 : 176);
		i = e % 256;
		u = nibble(b + (type == TENSOR_Q4_K ? 16 : 48), i / 64 * 32 + i % 32 + 256 * (i / 32 % 2));
		if (type == TENSOR_Q5_K)
			u += 16 * (b[16 + i % 32] >> (i / 32) & 1u);
		return half(b) * six_bits(b + 4, i / 32, 0) * u - half(b + 2) * six_bits(b + 4, i / 32, 1);
	case TENSOR_Q6_K:
		b = row + (size_t)(e / 256) * 210;
		i = e % 256;
		u = nibble(b, i / 128 * 64 + i % 64 + 256 * (i / 64 % 2)) +
		    16 * (b[128 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4)) & 3u);
		return half(b + 208) * (i8)b[192 + i / 16] * ((i32)u - 32);
	}
	/* tests/quants has the second decoder of the others: what embed makes of them is their definition here */
	struct block_ints ints;
	u32 len = block_len_of(type), term = block_term_of(type);
	block_unpack(type, row + (size_t)(e / len) * block_bytes_of(type), e % len / term, &ints);
	return block_ints_value(type, &ints, e % term);
}

static void *run(const struct op_case *c)
{
	struct rt_device *d;
	void *out;
	size_t len;
	assert_int_equal(dev_ref_open(&d), 0);
	assert_int_equal(op_case_run(d, c, &out, &len), 0);
	rt_device_close(d);
	return out;
}

static u8 *weights(const struct op_case *c)
{
	u8 *w = malloc(4ul * c->n_out * c->k);
	assert_non_null(w);
	op_case_weights(c->type, c->n_out, c->k, c->fill, 1, w);
	return w;
}

static size_t row_bytes(u32 type, u32 k)
{
	const struct tensor_type_info *t = tensor_type_info(type);
	return (size_t)(k / t->block) * t->bytes;
}

static void embed_decodes_every_type(void **s)
{
	for (u32 t = 0; t < ARRAY_LEN(types); t++) {
		const struct op_case c = { CASE_EMBED, types[t], .rows = 3, .k = 1024, .n_out = 3 };
		f32 *y = run(&c);
		u8 *w = weights(&c);
		for (u32 i = 0; i < c.rows * c.k; i++) {
			u32 id = i / c.k * 7919 % c.n_out;
			f64 want = decode(c.type, w + id * row_bytes(c.type, c.k), i % c.k);
			/* d * sc * q and dmin * m round once each: magnitudes below 2^10 */
			assert_true(fabs(y[i] - want) <= fabs(want) * 1.2e-7 + 3e-5);
		}
		free(y);
		free(w);
	}
}

/* Error of a product: the activations' rounding (half a step each), and that of float32 sums. */
static void products_are_near_float64(void **s)
{
	for (u32 t = 0; t < ARRAY_LEN(types); t++) {
		const struct op_case c = { CASE_MUL_MAT, types[t], .rows = 3, .k = 1024, .n_out = 50 };
		enum op_act_kind kind = op_act_kind(c.type);
		u32 group = kind == OP_ACT_Q8_32 ? 32 : 256;
		f32 *y = run(&c), x[3 * 1024];
		u8 *w = weights(&c);
		f64 worst = 0;
		op_case_floats(x, 3 * 1024, c.fill, 2);
		for (u32 r = 0; r < c.rows; r++)
			for (u32 o = 0; o < c.n_out; o++) {
				f64 sum = 0, all = 0, step = 0;
				for (u32 e = 0; e < c.k; e++) {
					f64 v = decode(c.type, w + o * row_bytes(c.type, c.k), e), top = 0;
					for (u32 g = e / group * group; g < e / group * group + group; g++)
						top = fmax(top, fabs(x[r * c.k + g]));
					sum += v * x[r * c.k + e];
					all += fabs(v * x[r * c.k + e]);
					step += kind == OP_ACT_F32 ? 0 : fabs(v) * top / 127 * 0.50001;
				}
				f64 error = fabs(y[r * c.n_out + o] - sum);
				assert_true(error <= step + 1e-5 * all);
				worst = fmax(worst, error / all);
			}
		print_message("%-7s worst error %.2g of the sum of magnitudes\n",
			tensor_type_info(c.type)->name, worst);
		free(y);
		free(w);
	}
}

static void quantised_activations_are_near(void **s)
{
	const struct op_case c = { CASE_QUANTIZE, TENSOR_Q4_K, .rows = 3, .k = 1024, .fill = FILL_OUTLIER };
	i8 *q = run(&c);
	const f32 *scale = (const f32 *)(const void *)q + act_scale_at(c.rows, c.k);
	const i32 *sum = (const i32 *)(const void *)q + act_sum_at(c.rows, c.k, 256);
	f32 x[3 * 1024];
	op_case_floats(x, 3 * 1024, c.fill, 3);
	for (u32 i = 0; i < 3 * 1024; i++) {
		f64 step = scale[i / 256];
		assert_true(fabs(x[i] - q[i] * step) <= step * 0.50001);
	}
	for (u32 g = 0; g < 3 * 32; g++) {
		i32 want = 0;
		for (u32 i = 0; i < 32; i++)
			want += q[32 * g + i];
		assert_int_equal(sum[g], want);
	}
	free(q);
}

static void attention_is_near_float64(void **s)
{
	const struct op_case c = { CASE_ATTENTION, 1 /* KV_F32 */, .rows = 2, .n_out = 2, .heads = 4,
		.kv_heads = 2, .head_dim = 64, .pos = 100 };
	enum { D = 64, T = 101 };
	f32 *y = run(&c), *k = malloc(4ul * 2 * T * 2 * D), *v = malloc(4ul * 2 * T * 2 * D), q[2 * 4 * D];
	assert_true(k && v);
	op_case_floats(k, 2ul * T * 2 * D, c.fill, 7);
	op_case_floats(v, 2ul * T * 2 * D, c.fill, 8);
	op_case_floats(q, 2ul * 4 * D, c.fill, 9);
	for (u32 i = 0; i < 2; i++)
		for (u32 h = 0; h < 4; h++) {
			u32 last = i == 0 ? c.pos : 7919 % (c.pos + 1);
			f64 p[T], top = -1e9, sum = 0;
			for (u32 t = 0; t <= last; t++) {
				p[t] = 0;
				for (u32 d = 0; d < D; d++)
					p[t] += (f64)q[(i * 4 + h) * D + d] *
						k[((t * 2 + i) * 2 + h / 2) * D + d] * 0.125;
				top = fmax(top, p[t]);
			}
			for (u32 t = 0; t <= last; t++)
				sum += p[t] = exp(p[t] - top);
			for (u32 d = 0; d < D; d++) {
				f64 want = 0;
				for (u32 t = 0; t <= last; t++)
					want += p[t] / sum * v[((t * 2 + i) * 2 + h / 2) * D + d];
				assert_true(fabs(y[(i * 4 + h) * D + d] - want) < 2e-6);
			}
		}
	free(y);
	free(k);
	free(v);
}

static void check_digests(void)
{
	struct rt_device *d;
	assert_int_equal(dev_ref_open(&d), 0);
	for (u32 i = 0; i < selftest_cases_n; i++) {
		u8 digest[32];
		assert_int_equal(selftest_digest(d, &selftest_cases[i].c, digest), 0);
		assert_memory_equal(digest, selftest_digests[i], 32);
	}
	rt_device_close(d);
}

static void flushing_denormals_changes_no_bit(void **s)
{
	check_digests();
#if defined(__x86_64__)
	_mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero; new threads inherit it */
	volatile f32 tiny = 1e-40f;
	assert_true(tiny * 1.0f == 0); /* it is really on */
	check_digests();
	_mm_setcsr(_mm_getcsr() & ~0x8040u);
#else
	print_message("no flush mode tried on this processor\n");
#endif
}

static void one_thread_gives_the_same_bits(void **s)
{
	cpu_set_t all, one;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (u32 i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	check_digests();
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(embed_decodes_every_type),
		cmocka_unit_test(products_are_near_float64),
		cmocka_unit_test(quantised_activations_are_near),
		cmocka_unit_test(attention_is_near_float64),
		cmocka_unit_test(flushing_denormals_changes_no_bit),
		cmocka_unit_test(one_thread_gives_the_same_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

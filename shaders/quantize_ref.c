#include "shaders/quantize.h"
#include "shaders/exact.h"

static f32 group_max(const f32 *x, u32 n)
{
	u32 m = 0;
	for (u32 i = 0; i < n; i++) {
		u32 u = exact_window_bits(f2u(x[i])) & 0x7fffffffu;
		m = MAX(m, u);
	}
	return u2f(m);
}

static void quantize(const struct push_quantize *p, void *const buf[], u32 group, u32 first, u32 end)
{
	const f32 *x = buf[0];
	i8 *q = buf[1];
	f32 *scale = (f32 *)buf[1] + act_scale_at(p->rows, p->k);
	i32 *sum = (i32 *)buf[1] + act_sum_at(p->rows, p->k, group);
	for (u32 g = first; g < end; g++) {
		size_t at = (size_t)g * group;
		f32 m = group_max(x + at, group);
		f32 inv = m == 0 ? 0 : exact_recip(m) * 127.0f;
		scale[g] = m * QUANTIZE_INV_127;
		for (u32 s = 0; s < group / 32; s++) {
			i32 total = 0;
			for (u32 i = 32 * s; i < 32 * s + 32; i++) {
				i32 v = exact_round(exact_window(x[at + i]) * inv);
				v = MIN(MAX(v, -127), 127);
				q[at + i] = (i8)v;
				total += v;
			}
			sum[at / 32 + s] = total;
		}
	}
}

void ref_quantize_32(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(push, buf, 32, first, end);
}

void ref_quantize_256(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(push, buf, 256, first, end);
}

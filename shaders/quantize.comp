#version 450
#include "common.glsl"
#include "quantize.h"

/* -DGROUP=32 or 256. Every lane holds 32 / LANES_PER_32 elements of a group. */
#if GROUP == 32
#define LANES_PER_32 1u /* a lane has the whole group to itself */
#else
#define LANES_PER_32 4u
#endif
#define ELEMENTS    (32u / LANES_PER_32)
#define GROUP_LANES (GROUP / ELEMENTS)

layout(local_size_x = 64) in;
BUF_IN(0, x);
BUF_OUT(1, act);

shared u32 maxima[64];
shared int sums[64];

void main()
{
	u32 group = GROUP_X * (64u / GROUP_LANES) + LANE / GROUP_LANES;
	u32 groups = p.rows * (p.k / GROUP);
	bool in_range = group < groups;
	group = in_range ? group : groups - 1u;
	u32 at = group * GROUP + (LANE % GROUP_LANES) * ELEMENTS;

	u32 m = 0u;
	for (u32 i = 0u; i < ELEMENTS; i++)
		m = max(m, exact_window_bits(x[at + i]) & 0x7fffffffu);
	maxima[LANE] = m;
	barrier();
	u32 lane0 = LANE / GROUP_LANES * GROUP_LANES;
	for (u32 l = 0u; l < GROUP_LANES; l++)
		m = max(m, maxima[lane0 + l]);

	f32 top = u2f(m);
	f32 inv = exact_recip(top) * 127.0f;
	inv = m == 0u ? 0.0f : inv;
	int sum = 0;
	for (u32 i = 0u; i < ELEMENTS; i += 4u) {
		u32 word = 0u;
		for (u32 j = 0u; j < 4u; j++) {
			f32 v = WINDOWED(x[at + i + j]);
			f32 t = v * inv;
			int q = clamp(exact_round(t), -127, 127);
			sum += q;
			word |= (tou(q) & 255u) << (8u * j);
		}
		if (in_range)
			act[(at + i) / 4u] = word;
	}
	sums[LANE] = sum;
	barrier();
	if (!in_range)
		return;
	if (LANE % LANES_PER_32 == 0u) {
		for (u32 l = 1u; l < LANES_PER_32; l++)
			sum += sums[LANE + l];
		act[act_sum_at(p.rows, p.k, GROUP) + at / 32u] = tou(sum);
	}
	if (LANE == lane0) {
		f32 scale = top * QUANTIZE_INV_127;
		act[act_scale_at(p.rows, p.k) + group] = f2u(scale);
	}
}

/* What the NEON kernels of products share: four rows of the panel are lanes, the panel is four quarters. Values stay signed, as in the references. */
#pragma once

#include "runtime/cpu.h"

/* clang before 16 has the intrinsics only where all of the build may use them */
#if defined(__aarch64__) && (defined(__ARM_FEATURE_DOTPROD) || !defined(__clang__) || __clang_major__ >= 16)
#define CPU_HAS_NEON 1

#include <arm_neon.h>

#ifdef __clang__
#define ISA target("dotprod")
#else
#define ISA target("arch=armv8.2-a+dotprod")
#endif
#define FN	static inline __attribute__((always_inline, ISA))
#define C_MAX	4u
#define EACH(c) CPU_UNROLL(4) for (u32 c = 0; c < C; c++)
#define UNROLL	CPU_UNROLL(16)

/* Word i of the quarter that p points into. */
FN uint32x4_t word(const u8 *p, u32 i)
{
	return vreinterpretq_u32_u8(vld1q_u8(p + (size_t)i * 64));
}

FN uint32x4_t and (uint32x4_t a, u32 mask)
{
	return vandq_u32(a, vdupq_n_u32(mask));
}

FN uint32x4_t right(uint32x4_t a, i32 n)
{
	return vshlq_u32(a, vdupq_n_s32(-n));
}

FN int32x4_t dot(int32x4_t s, uint32x4_t w, u32 x)
{
	return vdotq_s32(s, vreinterpretq_s8_u32(w), vreinterpretq_s8_u32(vdupq_n_u32(x)));
}

/* exact_from_half of the low 16 bits of every lane, the others 0 */
FN float32x4_t from_half(uint32x4_t h)
{
	uint32x4_t u = and(h, 0x7fff), s = vshlq_n_u32(and(h, 0x8000), 16);
	float32x4_t d = vmulq_n_f32(vcvtq_f32_u32(u), 5.9604644775390625e-8f);
	uint32x4_t n = vaddq_u32(vshlq_n_u32(u, 13), vdupq_n_u32(0x38000000));
	uint32x4_t small = vcltq_u32(u, vdupq_n_u32(0x400));
	return vreinterpretq_f32_u32(vorrq_u32(vbslq_u32(small, vreinterpretq_u32_f32(d), n), s));
}

FN float32x4_t halves(const u8 *p)
{
	return from_half(vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))));
}

FN float32x4_t window(float32x4_t x)
{
	uint32x4_t u = vreinterpretq_u32_f32(x), m = and(u, 0x7fffffff);
	uint32x4_t top = vorrq_u32(and(u, 0x80000000), vdupq_n_u32(0x53800000));
	u = vbslq_u32(vcgtq_u32(m, vdupq_n_u32(0x53800000)), top, u);
	return vreinterpretq_f32_u32(vbicq_u32(u, vcltq_u32(m, vdupq_n_u32(0x2b800000))));
}

FN void put(const struct cpu_tile *t, u32 quarter, const float32x4_t *acc, const u32 C)
{
	EACH(c)
	if (c < t->cols)
		vst1q_f32(t->y + c * t->stride + 4 * quarter, window(acc[c]));
}

FN float32x4_t scaled(float32x4_t v, const u32 *scale)
{
	return vmulq_f32(v, vreinterpretq_f32_u32(vdupq_n_u32(*scale)));
}

/* ---- lists of kernels ---- */

#define KERNEL(name, quarter, type, C)                                        \
	static __attribute__((ISA)) void name##_##C(const struct cpu_tile *t) \
	{                                                                     \
		for (u32 i = 0; i < 4; i++)                                   \
			quarter(t, type, i, C);                               \
	}
#define KERNELS(name, quarter, type)                                                            \
	KERNEL(name, quarter, type, 1)                                                          \
	KERNEL(name, quarter, type, 2)                                                          \
	KERNEL(name, quarter, type, 4)                                                          \
	static const struct cpu_tile_kernel name##_list[] = { { 1, name##_1 }, { 2, name##_2 }, \
		{ 4, name##_4 }, { 0, NULL } };

#endif

/* Words that mean the same in C and in GLSL, so that contracts, push constants and the exact functions are one text.
 * In GLSL every f32 is precise: no expression that it holds may be contracted or reordered. */
#ifndef KEEP_SHADERS_LANG_H
#define KEEP_SHADERS_LANG_H

#ifdef VULKAN /* glslc defines it */

#define u32	   uint
#define i32	   int
#define f32	   precise float
#define f32_in	   float /* a parameter; precise has no effect on it */
#define FUNC		 /* a function of a shared header */
#define f2u(x)	   floatBitsToUint(x)
#define u2f(x)	   uintBitsToFloat(x)
#define f2i(x)	   floatBitsToInt(x)
#define i2f(x)	   intBitsToFloat(x)
#define tof(i)	   float(i) /* int32 to float, |i| <= 2^24: exact */
#define toi(u)	   int(u)
#define tou(i)	   uint(i)
#define isub(a, b) ((a) - (b)) /* wraps */
#define PUSH(n)	   layout(push_constant) uniform push_##n
#define PUSH_END   p;

#else

#include <string.h>
#include "base/types.h"

#define FUNC	 static inline
#define f32_in	 f32
#define tof(i)	 ((f32)(i32)(i))
#define toi(u)	 ((i32)(u))
#define tou(i)	 ((u32)(i))
#define PUSH(n)	 struct push_##n
#define PUSH_END ;

static inline u32 f2u(f32 x)
{
	u32 u;
	memcpy(&u, &x, 4);
	return u;
}

static inline f32 u2f(u32 u)
{
	f32 x;
	memcpy(&x, &u, 4);
	return x;
}

static inline i32 f2i(f32 x)
{
	return (i32)f2u(x);
}

static inline i32 isub(i32 a, i32 b)
{
	return (i32)((u32)a - (u32)b);
}

static inline f32 i2f(i32 i)
{
	return u2f((u32)i);
}

#endif
#endif

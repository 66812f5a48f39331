/* quantize: float activations to int8 with one scale per G elements (G = 32 or 256) and the sums per 32: act.h is the form.
 *
 * buffers: 0 x [rows, k] f32; 1 act (written)
 * work:    x = rows * k / G, the groups
 *
 * In a group: m = max |x|;  scale = m * (1 / 127 rounded to float);  inv = exact_recip(m) * 127, 0 when m is 0;
 * q = round half to even (x * inv), held to -127..127.  x passes the window when read. */
#ifndef KEEP_SHADERS_QUANTIZE_H
#define KEEP_SHADERS_QUANTIZE_H
#include "act.h"
#include "lang.h"

PUSH(quantize)
{
	u32 rows, k;
}
PUSH_END

#ifndef VULKAN
void ref_quantize_32(const void *push, void *const buf[], u32 first, u32 end);
void ref_quantize_256(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif

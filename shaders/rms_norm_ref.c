#include "shaders/rms_norm.h"
#include "shaders/exact.h"

static f32 row_factor(const struct push_rms_norm *p, const f32 *x)
{
	f32 lane[RMS_NORM_LANES] = { 0 };
	for (u32 i = 0; i < p->dim; i++) {
		f32 v = exact_window(x[i]);
		f32 sq = v * v;
		lane[i % RMS_NORM_LANES] += sq;
	}
	for (u32 h = RMS_NORM_LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	f32 mean = lane[0] * u2f(p->inv_dim_bits);
	return exact_rsqrt(mean + u2f(p->eps_bits));
}

void ref_rms_norm(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rms_norm *p = push;
	const f32 *w = buf[1];
	for (u32 r = first; r < end; r++) {
		const f32 *x = (const f32 *)buf[0] + (size_t)r * p->dim;
		f32 *y = (f32 *)buf[2] + (size_t)r * p->dim;
		f32 m = row_factor(p, x);
		for (u32 i = 0; i < p->dim; i++) {
			f32 t = exact_window(exact_window(x[i]) * m);
			y[i] = exact_window(t * exact_window(w[i]));
		}
	}
}

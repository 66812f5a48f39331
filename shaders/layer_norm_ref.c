#include "shaders/layer_norm.h"
#include "shaders/exact.h"

static f32 tree(f32 *lane)
{
	for (u32 h = LAYER_NORM_LANES / 2; h > 0; h /= 2)
		for (u32 l = 0; l < h; l++)
			lane[l] = lane[l] + lane[l + h];
	return lane[0];
}

static f32 row_mean(const struct push_layer_norm *p, const f32 *x)
{
	f32 lane[LAYER_NORM_LANES] = { 0 };
	for (u32 i = 0; i < p->dim; i++)
		lane[i % LAYER_NORM_LANES] += exact_window(x[i]);
	return exact_window(tree(lane) * u2f(p->inv_dim_bits));
}

static f32 row_factor(const struct push_layer_norm *p, const f32 *x, f32 mean)
{
	f32 lane[LAYER_NORM_LANES] = { 0 };
	for (u32 i = 0; i < p->dim; i++) {
		f32 d = exact_window(exact_window(x[i]) - mean);
		f32 sq = d * d;
		lane[i % LAYER_NORM_LANES] += sq;
	}
	f32 v = tree(lane) * u2f(p->inv_dim_bits);
	return exact_rsqrt(v + u2f(p->eps_bits));
}

void ref_layer_norm(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_layer_norm *p = push;
	const f32 *w = buf[1];
	for (u32 r = first; r < end; r++) {
		const f32 *x = (const f32 *)buf[0] + (size_t)r * p->dim;
		f32 *y = (f32 *)buf[2] + (size_t)r * p->dim;
		f32 mean = row_mean(p, x), m = row_factor(p, x, mean);
		for (u32 i = 0; i < p->dim; i++) {
			f32 d = exact_window(exact_window(x[i]) - mean);
			y[i] = exact_window(exact_window(d * m) * exact_window(w[i]));
		}
	}
}

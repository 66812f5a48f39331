/* The third pick is another one. */
#include "runtime/sampler.h"

int __real_sampler_pick(struct sampler *s, const struct sampler_params *p, const f32 *logits, const u32 *ids,
	u32 n_ids, u32 *ret_id);
int __wrap_sampler_pick(struct sampler *s, const struct sampler_params *p, const f32 *logits, const u32 *ids,
	u32 n_ids, u32 *ret_id);

int __wrap_sampler_pick(struct sampler *s, const struct sampler_params *p, const f32 *logits, const u32 *ids,
	u32 n_ids, u32 *ret_id)
{
	static u32 picks;
	int r = __real_sampler_pick(s, p, logits, ids, n_ids, ret_id);
	if (r == 0 && ++picks == 3)
		*ret_id ^= 1;
	return r;
}

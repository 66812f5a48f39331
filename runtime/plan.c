#include "runtime/plan.h"
#include "base/err.h"
#include "runtime/sched.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#define CTX_REMEDY_MIN 256u /* a context below that is no remedy */
#define DRIVER_SHARE   32u  /* one part in so many of a device's memory is left to its driver */

/* What trying out needs. */
struct trial {
	const struct layout *l;
	const struct model *m;
	const struct plan_want *w;
	u64 *layer_bytes; /* [n_layers] of weights */
	u64 first_bytes, last_bytes;
};

_printf_(2, 3) static int refuse(struct plan *p, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(p->p.text, sizeof p->p.text, format, ap);
	va_end(ap);
	return 1;
}

u64 plan_memory(const struct rt_device_info *info)
{
	struct sysinfo si;
	u64 bytes = info->memory_bytes;
	if (!bytes && sysinfo(&si) == 0)
		bytes = (u64)si.totalram * si.mem_unit;
	return bytes - bytes / DRIVER_SHARE;
}

/* Pages for the tails of layers with a window. 0: none less than other layers have. */
static u32 tail_pages(const struct model *m, const struct plan_want *w, const struct plan *p)
{
	const struct sched_params sp = { .chunk = w->chunk };
	const struct kv_span span = sched_span(m, &sp);
	u32 one = DIV_UP(p->p.ctx_tokens, RT_KV_PAGE),
	    n = MIN(w->tails ? w->tails : KV_TAILS, w->batch ? w->batch : BATCH_REQUESTS_MAX);
	u64 pages = span.window ? (u64)n * kv_span_pages(&span, one) : 0;
	return pages < p->kv_pages ? (u32)pages : 0;
}

struct model_work_params plan_work_params(const struct model *m, const struct plan_want *w,
	const struct plan *p, u32 part, const struct rt_device_info *info)
{
	const struct sched_params sp = {
		.ctx_tokens = p->p.ctx_tokens, .chunk = w->chunk, .batch = w->batch
	};
	struct model_work_params wp = sched_work_params(m, &sp, info->range_bytes_max);
	wp.kv_mode = p->p.kv_mode;
	wp.kv_pages = p->kv_pages;
	wp.tail_pages = tail_pages(m, w, p);
	wp.tops = info->tops;
	wp.first = p->p.part[part].first;
	wp.end = p->p.part[part].end;
	return wp;
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

static int count_weights(struct trial *t, struct plan *p)
{
	u32 n = t->l->h->n_tensors;
	p->layer_of = calloc(MAX(n, 1u), sizeof *p->layer_of);
	t->layer_bytes = calloc(t->m->n_layers, sizeof *t->layer_bytes);
	if (!p->layer_of || !t->layer_bytes)
		return err_origin(-ENOMEM);
	model_layers_of(t->m, n, p->layer_of);
	for (u32 i = 0; i < n; i++) {
		u64 bytes = ALIGN_UP(t->l->tensors[i].bytes, (u64)RT_ALIGN);
		u32 layer = p->layer_of[i];
		*(layer == MODEL_FIRST	      ? &t->first_bytes
			: layer == MODEL_LAST ? &t->last_bytes
					      : &t->layer_bytes[layer]) += bytes;
	}
	return 0;
}

/* Fill in what part `at` takes on its device with its layers. false: some buffer is larger than that device has any. */
static bool measure(const struct trial *t, struct plan *p, u32 at)
{
	const struct rt_device_info *info = &t->w->devices[p->device[at]];
	struct proto_plan_part *q = &p->p.part[at];
	struct model_work_params wp = plan_work_params(t->m, t->w, p, at, info);
	q->weights = (q->first == 0 ? t->first_bytes : 0) + (q->end == t->m->n_layers ? t->last_bytes : 0);
	for (u32 i = q->first; i < q->end; i++)
		q->weights += t->layer_bytes[i];
	return wp.out_max > 0 && model_work_measure(info, t->m, &wp, &q->kv, &q->work) == 0;
}

static bool fits(const struct proto_plan_part *q)
{
	return q->weights + q->kv + q->work + q->taken <= q->have;
}

/* Pages that the cache may have at most: K or V of a layer is one operand of a kernel. */
static u32 pages_max(const struct trial *t, const struct plan *p)
{
	u64 page = op_kv_bytes(p->p.kv_mode, 1, t->m->n_kv_heads, t->m->head_dim),
	    most = UINT32_MAX / RT_KV_PAGE;
	for (u32 i = 0; i < t->w->n_devices; i++)
		most = MIN(
			most, MIN(t->w->devices[i].range_bytes_max, t->w->devices[i].buf_bytes_max) / page);
	return (u32)most;
}

/* ---- layers to devices -------------------------------------------------------------------------------------------------- */

static void begin_part(const struct trial *t, struct plan *p, u32 device, u32 first)
{
	const struct rt_device_info *info = &t->w->devices[device];
	struct proto_plan_part *q = &p->p.part[p->p.n_parts];
	*q = (struct proto_plan_part){ .have = plan_memory(info),
		.taken = t->w->taken ? t->w->taken[device] : 0,
		.first = first,
		.end = first };
	memcpy(q->device, info->name, sizeof q->device);
	p->device[p->p.n_parts] = device;
}

/* The most layers from q->first on that fit there: sets q->end. false: not one does. */
static bool fill(const struct trial *t, struct plan *p)
{
	struct proto_plan_part *q = &p->p.part[p->p.n_parts];
	const char *why;
	u32 most = q->first;
	for (u32 end = q->first + 1; end <= t->m->n_layers; end++) {
		if (end < t->m->n_layers && !model_cut_ok(t->m, end, &why))
			continue;
		q->end = end;
		if (measure(t, p, p->p.n_parts) && fits(q))
			most = end;
		else if (end <
			 t->m->n_layers) /* with the last layer may come the head: see whether fewer do */
			break;
	}
	q->end = most;
	return most > q->first && measure(t, p, p->p.n_parts);
}

/* Fill one device after the other. true: every layer has its place. */
static bool spread(const struct trial *t, struct plan *p)
{
	u32 first = 0;
	p->p.n_parts = 0;
	for (u32 d = 0; d < t->w->n_devices && first < t->m->n_layers; d++) {
		begin_part(t, p, d, first);
		if (!fill(t, p))
			continue;
		first = p->p.part[p->p.n_parts++].end;
	}
	return first == t->m->n_layers;
}

/* As w->split says. */
static bool divide(const struct trial *t, struct plan *p)
{
	u32 first = 0;
	bool ok = true;
	p->p.n_parts = 0;
	for (u32 d = 0; d < t->w->n_devices; d++) {
		if (!t->w->split[d])
			continue;
		begin_part(t, p, d, first);
		first = p->p.part[p->p.n_parts].end = first + t->w->split[d];
		ok = measure(t, p, p->p.n_parts) && fits(&p->p.part[p->p.n_parts]) && ok;
		p->p.n_parts++;
	}
	return ok;
}

static bool split_given(const struct plan_want *w)
{
	u32 n = 0;
	for (u32 d = 0; d < w->n_devices; d++)
		n += w->split[d];
	return n;
}

static bool place(const struct trial *t, struct plan *p)
{
	return split_given(t->w) ? divide(t, p) : spread(t, p);
}

/* Full contexts for as many requests as memory allows, but on no more devices than one of them needs. */
static bool place_pages(const struct trial *t, struct plan *p)
{
	u32 one = DIV_UP(p->p.ctx_tokens, RT_KV_PAGE), most = pages_max(t, p), parts;
	p->kv_pages = t->w->kv_pages ? MIN(t->w->kv_pages, most) : one;
	if (p->kv_pages == 0 || (!t->w->kv_pages && one > most))
		return false;
	if (!place(t, p))
		return false;
	parts = p->p.n_parts;
	for (u32 n = KV_CONTEXTS; n > 1 && !t->w->kv_pages; n--) {
		p->kv_pages = MIN(n * one, most);
		if (place(t, p) && p->p.n_parts == parts)
			return true;
		p->kv_pages = one;
	}
	return place(t, p);
}

/* All contexts of the cache together take no more than half of what the weights leave: another model finds room beside this one. */
static bool roomy(const struct trial *t, struct plan *p)
{
	bool ok = place_pages(t, p) && p->kv_pages >= KV_CONTEXTS * DIV_UP(p->p.ctx_tokens, RT_KV_PAGE);
	for (u32 i = 0; ok && i < p->p.n_parts; i++) {
		const struct proto_plan_part *q = &p->p.part[i];
		ok = q->kv <= (q->have - q->weights - q->taken) / 2;
	}
	return ok;
}

/* Nobody says how long the context is: as long as leaves room, on no more devices than CTX_TOKENS_DEFAULT needs. */
static void settle_ctx(const struct trial *t, struct plan *p)
{
	u32 most = p->p.ctx_tokens, least = MIN(most, CTX_TOKENS_DEFAULT);
	if (t->w->ctx_tokens || t->w->ctx_usual)
		return;
	p->p.ctx_tokens = least;
	if (t->w->kv_pages || !place_pages(t, p))
		return;
	u32 parts = p->p.n_parts;
	for (u32 c = most; c > least; c /= 2) {
		p->p.ctx_tokens = c;
		if (roomy(t, p) && p->p.n_parts == parts)
			return;
	}
	p->p.ctx_tokens = least;
}

/* ---- what does not fit -------------------------------------------------------------------------------------------------- */

/* Everything on the devices all the same, so that it can be seen by how much it is too much: the last has what is left. */
static void show_anyway(const struct trial *t, struct plan *p)
{
	u32 n = t->m->n_layers;
	if (split_given(t->w))
		return;
	if (p->p.n_parts && p->p.part[p->p.n_parts - 1].end < n) {
		u32 last = p->p.n_parts - 1, d = p->device[last];
		if (d + 1 < t->w->n_devices) {
			begin_part(t, p, d + 1, p->p.part[last].end);
			last = p->p.n_parts++;
		}
		p->p.part[last].end = n;
		(void)measure(t, p, last);
	} else if (!p->p.n_parts) {
		begin_part(t, p, 0, 0);
		p->p.part[0].end = n;
		(void)measure(t, p, p->p.n_parts++);
	}
}

static void try_remedy(const struct trial *t, const struct plan *p, u32 kv_mode, u32 ctx, struct plan *found)
{
	struct plan other = { .layer_of = p->layer_of };
	struct proto_plan *q = &found->p;
	other.p.kv_mode = kv_mode;
	other.p.ctx_tokens = ctx;
	if (q->n_remedies < PLAN_REMEDIES_MAX && place_pages(t, &other))
		q->remedy[q->n_remedies++] = (struct proto_plan_remedy){ kv_mode, ctx };
}

/* The same cache smaller, the same context smaller, both: the first that fits of each. */
static void find_remedies(const struct trial *t, struct plan *p)
{
	u32 ctx = p->p.ctx_tokens, kv = p->p.kv_mode;
	if (kv == KV_F32)
		try_remedy(t, p, KV_F16, ctx, p);
	if (kv != KV_INT8)
		try_remedy(t, p, KV_INT8, ctx, p);
	for (u32 c = ctx / 2, n = p->p.n_remedies; c >= CTX_REMEDY_MIN && p->p.n_remedies == n; c /= 2)
		try_remedy(t, p, kv, c, p);
	for (u32 c = ctx / 2, n = p->p.n_remedies;
		kv != KV_INT8 && c >= CTX_REMEDY_MIN && p->p.n_remedies == n; c /= 2)
		try_remedy(t, p, KV_INT8, c, p);
}

static void say_what_does_not_fit(const struct trial *t, struct plan *p)
{
	u32 one = DIV_UP(p->p.ctx_tokens, RT_KV_PAGE), worst = 0;
	u64 over = 0;
	for (u32 i = 0; i < p->p.n_parts; i++) {
		const struct proto_plan_part *q = &p->p.part[i];
		u64 need = q->weights + q->kv + q->work + q->taken;
		if (need > q->have && need - q->have > over) {
			over = need - q->have;
			worst = i;
		}
	}
	const struct proto_plan_part *q = &p->p.part[worst];
	if (over)
		refuse(p,
			"%llu MiB of weights, %llu of cache for one context of %u tokens and %llu of work do "
			"not fit: of the %llu MiB of %.60s %llu are missing",
			(unsigned long long)(q->weights >> 20), (unsigned long long)(q->kv >> 20),
			p->p.ctx_tokens, (unsigned long long)(q->work >> 20),
			(unsigned long long)(q->have >> 20), q->device,
			(unsigned long long)DIV_UP(over, 1ull << 20));
	else if (one > pages_max(t, p))
		refuse(p, "one context of %u tokens is larger than a buffer of %.60s", p->p.ctx_tokens,
			q->device);
	else
		refuse(p, "a buffer of %.60s is smaller than the model needs", q->device);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

/* The longest context that every device could compute every layer of. Rows of products are shorter than OP_COUNTED_K_MAX in any published model;
 * the op itself refuses longer ones. */
static u32 reach_of(const struct trial *t)
{
	u32 reach = UINT32_MAX;
	for (u32 d = 0; d < t->w->n_devices; d++)
		for (u32 i = 0; i < t->m->n_layers; i++) {
			const struct layout_layer *l = &t->m->layers[i].is;
			u32 most = op_attention_reach(&t->w->devices[d], l->head_dim);
			if (!l->window || l->window > most - RT_KV_PAGE)
				reach = MIN(reach, most);
		}
	return reach;
}

static int choose(const struct trial *t, struct plan *p)
{
	const struct plan_want *w = t->w;
	u32 train = t->m->ctx_train;
	p->p.n_layers = t->m->n_layers;
	p->p.ctx_train = train;
	u32 reach = reach_of(t);
	u32 usual = w->ctx_usual ? w->ctx_usual : CTX_TOKENS_USUAL;
	if (!w->ctx_usual &&
		t->m->rope_scaling == ROPE_LONG) /* what it computes must not depend on our memory */
		usual = MIN(usual, t->m->rope_ctx);
	p->p.ctx_tokens = w->ctx_tokens ? w->ctx_tokens : MIN(MIN(train, usual), reach);
	p->p.kv_mode = w->kv_mode;
	if (p->p.kv_mode == KV_DEFAULT)
		p->p.kv_mode = t->m->all_f32 ? KV_F32 : KV_F16;
	if (p->p.ctx_tokens > train)
		return refuse(p, "a context of %u tokens is asked for, the model was trained on %u",
			p->p.ctx_tokens, train);
	if (p->p.ctx_tokens > reach)
		return refuse(p,
			"a context of %u tokens is asked for: one of the devices is a driver that counts the "
			"rounds of loops, and computes at most %u rightly",
			p->p.ctx_tokens, reach);
	if (p->p.kv_mode > KV_INT8)
		return refuse(p, "unknown attention mode %u", p->p.kv_mode);
	return 0;
}

static int check_split(const struct trial *t, struct plan *p)
{
	const char *why;
	u32 at = 0;
	for (u32 d = 0; d < t->w->n_devices && split_given(t->w); d++) {
		if (at && t->w->split[d] && at < t->m->n_layers && !model_cut_ok(t->m, at, &why))
			return refuse(p, "it cannot be split before layer %u: %s", at, why);
		at += t->w->split[d];
	}
	if (at && at != t->m->n_layers)
		return refuse(p, "the split is of %u layers, the model has %u", at, t->m->n_layers);
	return 0;
}

/* No single tensor may be larger than a buffer of its device. */
static int check_tensors(const struct trial *t, struct plan *p)
{
	for (u32 i = 0; i < t->l->h->n_tensors; i++) {
		const struct proto_plan_part *q = &p->p.part[plan_part_of(p, i)];
		u64 most = t->w->devices[p->device[plan_part_of(p, i)]].buf_bytes_max;
		if (t->l->tensors[i].bytes > most)
			return refuse(p, "tensor %s has %llu bytes, a buffer of %.60s at most %llu",
				t->l->tensors[i].name, (unsigned long long)t->l->tensors[i].bytes, q->device,
				(unsigned long long)most);
	}
	return 0;
}

int plan_make(const struct layout *l, const struct model *m, const struct plan_want *w, struct plan *ret)
{
	struct trial t = { .l = l, .m = m, .w = w };
	struct plan p = { 0 };
	assert(w->n_devices >= 1 && w->n_devices <= RUNTIME_DEVICES_MAX);
	int r = choose(&t, &p);
	if (!r)
		r = check_split(&t, &p);
	if (!r)
		r = count_weights(&t, &p);
	if (!r)
		settle_ctx(&t, &p);
	if (!r)
		p.p.fits = place_pages(&t, &p);
	if (!r && !p.p.fits) {
		show_anyway(&t, &p);
		say_what_does_not_fit(&t, &p);
		find_remedies(&t, &p);
	}
	if (!r && p.p.fits && check_tensors(&t, &p))
		p.p.fits = 0;
	p.p.kv_tokens = p.kv_pages * RT_KV_PAGE;
	p.p.window = m->window;
	p.p.tail_tokens = tail_pages(m, w, &p) * RT_KV_PAGE;
	free(t.layer_bytes);
	*ret = p;
	if (r)
		plan_fini(ret);
	return r;
}

void plan_fini(struct plan *p)
{
	free(p->layer_of);
	p->layer_of = NULL;
}

u32 plan_part_of(const struct plan *p, u32 t)
{
	u32 layer = p->layer_of[t];
	if (layer == MODEL_FIRST)
		return 0;
	for (u32 i = 0; i < p->p.n_parts; i++)
		if (layer >= p->p.part[i].first && layer < p->p.part[i].end)
			return i;
	return p->p.n_parts - 1;
}

void plan_devices(const struct proto_plan *p, char *ret, size_t len)
{
	size_t n = 0;
	for (u32 i = 0; i < p->n_parts && n < len; i++) {
		const struct proto_plan_part *q = &p->part[i];
		int k = p->n_parts == 1 ? snprintf(ret, len, "%s", q->device)
					: snprintf(ret + n, len - n, "%s%.*s layers %u-%u", i ? "; " : "",
						  (int)MAX(len / p->n_parts, 20u) - 18, q->device, q->first,
						  q->end - 1);
		n += k > 0 ? (size_t)k : 0;
	}
}

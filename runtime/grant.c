#include "runtime/grant.h"
#include "base/err.h"
#include "runtime/draft_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WEIGHT_BUF_BYTES (1ull << 30) /* tensors share buffers of this size; a larger one has its own */

u64 clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

_printf_(3, 4) static int refuse(struct proto_load_failed *f, u32 reason, const char *format, ...)
{
	va_list ap;
	*f = (struct proto_load_failed){ .reason = reason, .file = LAYOUT_NONE };
	va_start(ap, format);
	vsnprintf(f->text, sizeof f->text, format, ap);
	va_end(ap);
	return 1;
}

/* ---- the tables --------------------------------------------------------------------------------------------------------- */

static int map_table(int fd, const u8 digest[SHA256_BYTES], const char *name, struct fd_map *ret,
	struct proto_load_failed *f)
{
	u8 found[SHA256_BYTES];
	int r = fd_map_sealed(fd, MAX(LAYOUT_BYTES_MAX, SEGMENTS_BYTES_MAX), ret);
	if (r < 0)
		return r;
	if (r)
		return refuse(f, LOAD_LAYOUT, "%s: not a sealed memory file within the limits", name);
	sha256_of(ret->data, ret->len, found);
	if (memcmp(found, digest, SHA256_BYTES) != 0)
		return refuse(
			f, LOAD_LAYOUT, "%s: its digest differs from the one recorded at acceptance", name);
	return 0;
}

/* segs NULL: no tensor is compared with the size of its file */
static int open_layout(struct grant *g, const struct segments *segs, struct proto_load_failed *f)
{
	const char *why;
	int r = map_table(g->layout_fd, g->want.layout, "layout", &g->layout_map, f);
	if (r)
		return r;
	if (layout_open(g->layout_map.data, g->layout_map.len, segs, &g->layout, &why))
		return refuse(f, LOAD_LAYOUT, "layout: %s", why);
	return 0;
}

static int open_tables(struct grant *g, struct proto_load_failed *f)
{
	const char *why;
	int r = map_table(g->segments_fd, g->want.segments, "segments", &g->segments_map, f);
	if (r)
		return r;
	if (segments_open(g->segments_map.data, g->segments_map.len, &g->segs, &why))
		return refuse(f, LOAD_LAYOUT, "segments: %s", why);
	r = open_layout(g, &g->segs, f);
	if (r)
		return r;
	if (g->segs.h->n_files != g->n_files || g->layout.h->n_files != g->n_files)
		return refuse(f, LOAD_LAYOUT, "%u files came, the tables name %u and %u", g->n_files,
			g->segs.h->n_files, g->layout.h->n_files);
	return 0;
}

static int bind(struct grant *g, struct proto_load_failed *f)
{
	const char *why;
	int r = model_bind(&g->layout, &g->model, &why);
	return r > 0 ? refuse(f, LOAD_UNSUPPORTED, "%s", why) : r;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

static void take_devices(struct grant *g, struct rt_device *d, const struct grant_params *p)
{
	g->devices[0] = d;
	for (u32 i = 0; i < p->n_others; i++)
		g->devices[1 + i] = p->others[i];
	g->n_devices = 1 + p->n_others;
}

static struct plan_want wanted(
	const struct grant *g, const struct grant_params *p, struct rt_device_info *infos)
{
	struct plan_want w = { .devices = infos,
		.n_devices = g->n_devices,
		.taken = p->taken,
		.kv_mode = g->want.kv_mode,
		.ctx_tokens = g->want.ctx_tokens,
		.ctx_usual = p->ctx_usual,
		.kv_pages = p->kv_pages,
		.tails = p->tails,
		.chunk = p->chunk,
		.batch = p->batch };
	if (g->target) /* as many as the target may say, or what it was trained on; on any device */
		w.ctx_usual = g->target->ctx_tokens;
	else
		memcpy(w.split, p->split, sizeof w.split);
	for (u32 i = 0; i < g->n_devices; i++)
		infos[i] = rt_device_info(g->devices[i]);
	return w;
}

static int make_plan(struct grant *g, const struct grant_params *p, struct proto_load_failed *f)
{
	struct rt_device_info infos[RUNTIME_DEVICES_MAX];
	const struct plan_want w = wanted(g, p, infos);
	int r = plan_make(&g->layout, &g->model, &w, &g->plan);
	if (r > 0)
		return refuse(f, LOAD_UNSUPPORTED, "%s", g->plan.p.text);
	g->ctx_tokens = g->plan.p.ctx_tokens;
	g->kv_mode = g->plan.p.kv_mode;
	return r;
}

u64 grant_bytes(const struct grant *g, const struct rt_device *d)
{
	u64 bytes = 0;
	for (u32 i = 0; i < g->plan.p.n_parts; i++)
		if (g->devices[g->plan.device[i]] == d)
			bytes += g->plan.p.part[i].weights + g->plan.p.part[i].kv + g->plan.p.part[i].work;
	return bytes;
}

static int add_buf(struct grant *g, struct rt_device *d, u64 bytes)
{
	int r = rt_buf_create(d, RT_BUF_WEIGHTS, bytes, "weights", &g->weights[g->n_weights]);
	if (!r)
		g->n_weights++;
	return r;
}

/* Give every tensor of a part its place: first count, then fill buffers in the order of the layout. A tensor never spans two buffers. */
static int place_part(struct grant *g, u32 part, struct proto_load_failed *f)
{
	struct rt_device *d = g->devices[g->plan.device[part]];
	u32 n = g->layout.h->n_tensors, first = 0;
	u64 fill = 0, cap = MIN(rt_device_info(d).buf_bytes_max, WEIGHT_BUF_BYTES);
	for (u32 i = 0; i <= n; i++) {
		u64 bytes = i < n ? ALIGN_UP(g->layout.tensors[i].bytes, RT_ALIGN) : 0;
		if (i < n && plan_part_of(&g->plan, i) != part)
			continue;
		if (fill && (i == n || fill + bytes > cap)) {
			int r = add_buf(g, d, fill);
			if (r == -ENOMEM)
				return refuse(f, LOAD_MEMORY, "no memory for weights on %s",
					rt_device_info(d).name);
			if (r)
				return r;
			for (; first < i; first++)
				if (plan_part_of(&g->plan, first) == part)
					g->places[first].view.buf = g->weights[g->n_weights - 1];
			fill = 0;
		}
		if (i < n)
			g->places[i].view.offset = fill;
		fill += bytes;
		g->weight_bytes += bytes;
	}
	return 0;
}

static int place_weights(struct grant *g, struct proto_load_failed *f)
{
	u32 n = MAX(g->layout.h->n_tensors, 1u);
	int r = 0;
	g->places = calloc(n, sizeof *g->places);
	g->weights = calloc(n, sizeof(struct rt_buf *));
	if (!g->places || !g->weights)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < g->plan.p.n_parts && !r; i++)
		r = place_part(g, i, f);
	return r;
}

/* Factors of the rotation stay on the host: they only enter its table. */
static int place_factors(struct grant *g)
{
	u32 t = model_rope_factors(&g->model, g->ctx_tokens);
	if (t == LAYOUT_NONE)
		return 0;
	g->rope_factors = calloc(1, g->layout.tensors[t].bytes);
	if (!g->rope_factors)
		return err_origin(-ENOMEM);
	g->places[t] = (struct load_place){ .host = (u8 *)g->rope_factors };
	return 0;
}

static bool same_token(const struct layout *a, const struct layout *b, u32 id)
{
	const struct layout_token *x = &a->vocab[id], *y = &b->vocab[id];
	return x->type == y->type && x->text.len == y->text.len &&
	       !memcmp(a->strings + x->text.off, b->strings + y->text.off, x->text.len);
}

/* Equal ids must be equal tokens, of the same kind of vocabulary. One may have more of them: those are never guessed, or end the guessing. */
static int same_vocabulary(const struct grant *g, struct proto_load_failed *f)
{
	const struct layout *a = &g->layout, *b = &g->target->layout;
	u32 n = MIN(a->h->n_vocab, b->h->n_vocab);
	if (a->h->tok_model != b->h->tok_model)
		return refuse(f, LOAD_UNSUPPORTED,
			"its vocabulary is of another kind than that of the model that it would guess for");
	for (u32 i = 0; i < n; i++)
		if (!same_token(a, b, i))
			return refuse(f, LOAD_UNSUPPORTED,
				"token %u is another one in the model that it would guess for: their "
				"vocabularies differ",
				i);
	return 0;
}

static int check_target(const struct grant *g, struct proto_load_failed *f)
{
	if (!g->want.drafts_for)
		return 0;
	if (!g->target)
		return refuse(f, LOAD_UNSUPPORTED, "the model that it would guess for is not loaded");
	if (g->target->sched.drafts)
		return refuse(f, LOAD_UNSUPPORTED, "another model guesses for that one already");
	return same_vocabulary(g, f);
}

/* What the gate wants, of a layout and of segments that are one model's. */
static int open_wanted(struct grant *g, struct proto_load_failed *f)
{
	int r = open_tables(g, f);
	if (!r)
		r = check_target(g, f);
	return r ? r : bind(g, f);
}

int grant_plan(struct grant *g, struct rt_device *d, const struct grant_params *p,
	struct proto_load_failed *ret_failed)
{
	take_devices(g, d, p);
	int r = open_layout(g, NULL, ret_failed);
	if (!r)
		r = bind(g, ret_failed);
	return r ? r : make_plan(g, p, ret_failed);
}

int grant_load(struct grant *g, struct rt_device *d, const struct grant_params *p,
	struct proto_load_failed *ret_failed)
{
	g->started_ns = clock_ns();
	take_devices(g, d, p);
	int r = open_wanted(g, ret_failed);
	if (!r)
		r = make_plan(g, p, ret_failed);
	if (!r && !g->plan.p.fits)
		r = refuse(ret_failed, LOAD_MEMORY, "%s", g->plan.p.text);
	if (!r)
		r = place_weights(g, ret_failed);
	if (!r)
		r = place_factors(g);
	if (r)
		return r;
	struct load_params lp = { .d = d,
		.segs = g->segs,
		.layout = g->layout,
		.files = g->files,
		.places = g->places,
		.threads = p->load_threads,
		.wake = p->wake };
	r = load_start(&lp, &g->load, ret_failed);
	if (!r)
		g->state = GRANT_LOADING;
	return r;
}

/* ---- ready -------------------------------------------------------------------------------------------------------------- */

/* The buffers of every part, in a chain. */
static int make_parts(struct grant *g, const struct grant_params *p)
{
	struct rt_device_info infos[RUNTIME_DEVICES_MAX];
	const struct plan_want want = wanted(g, p, infos);
	struct model_work *before = NULL;
	for (u32 i = 0; i < g->plan.p.n_parts; i++) {
		struct model_work *w = i ? &g->more[i - 1] : &g->work;
		struct model_work_params wp =
			plan_work_params(&g->model, &want, &g->plan, i, &infos[g->plan.device[i]]);
		wp.rope_factors = g->rope_factors;
		int r = model_work_create(g->devices[g->plan.device[i]], &g->model, &wp, w);
		if (r)
			return r;
		if (before)
			before->next = w;
		before = w;
	}
	return 0;
}

static int make_work(struct grant *g, const struct grant_params *p, struct proto_load_failed *f)
{
	const struct sched_params sp = { .ctx_tokens = g->ctx_tokens,
		.chunk = p->chunk,
		.batch = p->batch,
		.no_cache = p->no_cache,
		.no_draft = p->no_draft || g->target,
		.drafts = g->target,
		.draft = p->draft };
	int r = make_parts(g, p);
	if (!r)
		r = sched_create(g->work.d, &g->model, &g->work, &sp, &g->sched);
	if (!r)
		r = sampler_create(g->model.n_vocab, &g->sampler);
	if (r == -ENOMEM)
		return refuse(f, LOAD_MEMORY, "no memory for activations and a context of %u tokens on %s",
			g->ctx_tokens, g->plan.p.part[0].device);
	return r;
}

static int check_factors(const struct grant *g, struct proto_load_failed *f)
{
	for (u32 i = 0; g->rope_factors && i < g->model.rope_dim / 2; i++)
		if (!(g->rope_factors[i] >= 0x1p-20f && g->rope_factors[i] <= 0x1p100f))
			return refuse(f, LOAD_UNSUPPORTED, "factor %u of the rotation is out of range", i);
	return 0;
}

/* Which kernels: those of its device, or of all of its devices in the order of the layers. */
static void kernel_set_of(const struct grant *g, u8 ret[SHA256_BYTES])
{
	struct sha256 all;
	sha256_init(&all);
	for (u32 i = 0; i < g->plan.p.n_parts; i++) {
		struct rt_device_info info = rt_device_info(g->devices[g->plan.device[i]]);
		sha256_update(&all, info.kernel_set, sizeof info.kernel_set);
		memcpy(ret, info.kernel_set, sizeof info.kernel_set);
	}
	if (g->plan.p.n_parts > 1)
		sha256_final(&all, ret);
}

static void fill_ready(struct grant *g)
{
	const struct rt_device_info first = rt_device_info(g->work.d);
	size_t at = 0;
	g->ready = (struct proto_ready){ .numerics = RT_NUMERICS,
		.kv_mode = g->kv_mode,
		.ctx_tokens = g->ctx_tokens,
		.n_vocab = g->model.n_vocab,
		.weight_bytes = g->weight_bytes,
		.load_ns = clock_ns() - g->started_ns };
	for (const struct model_work *w = &g->work; w; w = w->next) {
		g->ready.kv_bytes += w->kv_bytes;
		g->ready.work_bytes += w->work_bytes;
	}
	plan_devices(&g->plan.p, g->ready.device, sizeof g->ready.device);
	snprintf(g->ready.driver, sizeof g->ready.driver, "%s", first.driver);
	for (const struct model_work *w = g->work.next; w && at < sizeof g->ready.driver; w = w->next) {
		at = strlen(g->ready.driver);
		snprintf(g->ready.driver + at, sizeof g->ready.driver - at, "; %s",
			rt_device_info(w->d).driver);
	}
	kernel_set_of(g, g->ready.kernel_set);
}

/* Text is its target's. */
static int make_tok(struct grant *g, struct proto_load_failed *f)
{
	const char *why;
	int r = g->target ? 0 : tok_create(&g->layout, &g->tok, &why);
	if (r > 0)
		return refuse(f, LOAD_UNSUPPORTED, "vocabulary: %s", why);
	return r || g->target ? r : mask_trie_create(g->tok, &g->trie);
}

int grant_ready(struct grant *g, const struct grant_params *p, struct proto_load_failed *ret_failed)
{
	int r = load_end(g->load, ret_failed);
	g->load = NULL;
	for (u32 i = 0; i < g->n_files; i++)
		fd_close(&g->files[i]);
	if (r)
		return r;
	struct rt_view *at = calloc(MAX(g->layout.h->n_tensors, 1u), sizeof *at);
	if (!at)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < g->layout.h->n_tensors; i++)
		at[i] = g->places[i].view;
	model_place(&g->model, at);
	free(at);
	model_ready(&g->model);
	if (g->want.drafts_for && !g->target)
		return refuse(ret_failed, LOAD_UNSUPPORTED, "the model that it would guess for was unloaded");
	r = make_tok(g, ret_failed);
	if (!r)
		r = check_factors(g, ret_failed);
	if (!r)
		r = make_work(g, p, ret_failed);
	if (r)
		return r;
	fill_ready(g);
	g->state = GRANT_READY;
	return 0;
}

void grant_attach(struct grant *g)
{
	if (g->target && !g->target->sched.drafts)
		draft_model_attach(&g->target->sched, &g->sched);
}

void grant_detach(struct grant *g)
{
	if (g->target && g->target->sched.drafts == &g->sched)
		draft_model_detach(&g->target->sched);
	g->target = NULL;
}

void grant_fini(struct grant *g)
{
	struct proto_load_failed ignored;
	if (g->load) {
		load_stop(g->load);
		(void)!load_end(g->load, &ignored);
	}
	if (g->sched.kv.pages)
		sched_fini(&g->sched);
	sampler_fini(&g->sampler);
	for (u32 i = 0; i < ARRAY_LEN(g->more); i++)
		if (g->more[i].rows_max)
			model_work_fini(g->more[i].d, &g->model, &g->more[i]);
	if (g->work.rows_max)
		model_work_fini(g->work.d, &g->model, &g->work);
	mask_trie_fini(&g->trie);
	g->tok = tok_destroy(g->tok);
	for (u32 i = 0; i < g->n_weights; i++)
		rt_buf_destroy(rt_buf_device(g->weights[i]), g->weights[i]);
	free(g->weights);
	free(g->places);
	free(g->rope_factors);
	model_fini(&g->model);
	plan_fini(&g->plan);
	for (u32 i = 0; i < g->n_files; i++)
		fd_close(&g->files[i]);
	free(g->files);
	fd_close(&g->layout_fd);
	fd_close(&g->segments_fd);
	fd_unmap(&g->layout_map);
	fd_unmap(&g->segments_map);
	*g = (struct grant){ .layout_fd = -1, .segments_fd = -1 };
}

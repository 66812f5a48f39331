#include "runtime/grant.h"
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
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

static int open_tables(struct grant *g, struct proto_load_failed *f)
{
	const char *why;
	int r = map_table(g->segments_fd, g->want.segments, "segments", &g->segments_map, f);
	if (!r)
		r = map_table(g->layout_fd, g->want.layout, "layout", &g->layout_map, f);
	if (r)
		return r;
	if (segments_open(g->segments_map.data, g->segments_map.len, &g->segs, &why))
		return refuse(f, LOAD_LAYOUT, "segments: %s", why);
	if (layout_open(g->layout_map.data, g->layout_map.len, &g->segs, &g->layout, &why))
		return refuse(f, LOAD_LAYOUT, "layout: %s", why);
	if (g->segs.h->n_files != g->n_files || g->layout.h->n_files != g->n_files)
		return refuse(f, LOAD_LAYOUT, "%u files came, the tables name %u and %u", g->n_files,
			g->segs.h->n_files, g->layout.h->n_files);
	r = model_bind(&g->layout, &g->model, &why);
	if (r > 0)
		return refuse(f, LOAD_UNSUPPORTED, "%s", why);
	return r;
}

static int choose(struct grant *g, struct proto_load_failed *f)
{
	u32 train = g->model.ctx_train;
	g->ctx_tokens = g->want.ctx_tokens ? g->want.ctx_tokens : MIN(train, CTX_TOKENS_DEFAULT);
	if (g->ctx_tokens > train)
		return refuse(f, LOAD_UNSUPPORTED,
			"a context of %u tokens is asked for, the model was trained on %u", g->ctx_tokens,
			train);
	g->kv_mode = g->want.kv_mode;
	if (g->kv_mode == KV_DEFAULT)
		g->kv_mode = g->model.all_f32 ? KV_F32 : KV_F16;
	if (g->kv_mode > KV_INT8)
		return refuse(f, LOAD_UNSUPPORTED, "unknown attention mode %u", g->kv_mode);
	return 0;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

static u64 memory_of(struct rt_device *d)
{
	struct sysinfo si;
	u64 bytes = rt_device_info(d).memory_bytes;
	if (bytes || sysinfo(&si) < 0)
		return bytes;
	return (u64)si.totalram * si.mem_unit;
}

static int add_buf(struct grant *g, u64 bytes)
{
	int r = rt_buf_create(g->d, RT_BUF_WEIGHTS, bytes, "weights", &g->weights[g->n_weights]);
	if (!r)
		g->n_weights++;
	return r;
}

/* Give every tensor its place: first count, then fill buffers in the order of the layout. A tensor never spans two buffers. */
static int place_weights(struct grant *g, struct proto_load_failed *f)
{
	u32 n = g->layout.h->n_tensors, first = 0;
	u64 fill = 0, cap = rt_device_info(g->d).buf_bytes_max;
	g->places = calloc(MAX(n, 1u), sizeof *g->places);
	g->weights = calloc(MAX(n, 1u), sizeof(struct rt_buf *));
	if (!g->places || !g->weights)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i <= n; i++) {
		u64 bytes = i < n ? ALIGN_UP(g->layout.tensors[i].bytes, RT_ALIGN) : 0;
		if (bytes > cap)
			return refuse(f, LOAD_MEMORY,
				"tensor %s has %llu bytes, a buffer of this device at most %llu",
				g->layout.tensors[i].name, (unsigned long long)bytes,
				(unsigned long long)cap);
		if (fill && (i == n || fill + bytes > MIN(cap, WEIGHT_BUF_BYTES))) {
			int r = add_buf(g, fill);
			if (r == -ENOMEM)
				return refuse(f, LOAD_MEMORY, "no memory for weights on %s",
					rt_device_info(g->d).name);
			if (r)
				return r;
			for (; first < i; first++)
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

/* The biases of the choice of experts: only the host chooses. */
static void place_choices(struct grant *g)
{
	for (u32 i = 0; i < g->model.n_layers; i++) {
		u32 t = model_choice_bias(&g->model, i);
		if (t != LAYOUT_NONE)
			g->places[t] = (struct load_place){ .host = (u8 *)g->model.layers[i].choice };
	}
}

static int check_memory(struct grant *g, struct proto_load_failed *f)
{
	u64 have = memory_of(g->d), need = 0;
	for (u32 i = 0; i < g->layout.h->n_tensors; i++)
		need += ALIGN_UP(g->layout.tensors[i].bytes, RT_ALIGN);
	u64 kv = model_kv_bytes(&g->model, g->kv_mode, DIV_UP(g->ctx_tokens, RT_KV_PAGE));
	if (have && need + kv > have)
		return refuse(f, LOAD_MEMORY,
			"%llu MiB of weights and %llu MiB for one context of %u tokens do not fit into the "
			"%llu MiB of %s",
			(unsigned long long)(need >> 20), (unsigned long long)(kv >> 20), g->ctx_tokens,
			(unsigned long long)(have >> 20), rt_device_info(g->d).name);
	return 0;
}

int grant_load(struct grant *g, struct rt_device *d, const struct grant_params *p,
	struct proto_load_failed *ret_failed)
{
	g->d = d;
	g->started_ns = clock_ns();
	int r = open_tables(g, ret_failed);
	if (!r)
		r = choose(g, ret_failed);
	if (!r)
		r = check_memory(g, ret_failed);
	if (!r)
		r = place_weights(g, ret_failed);
	if (!r)
		r = place_factors(g);
	if (r)
		return r;
	place_choices(g);
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

/* As many pages as KV_CONTEXTS full contexts need, or as fit, but at least one context. */
static u32 choose_pages(const struct grant *g, const struct grant_params *p)
{
	struct rt_device_info info = rt_device_info(g->d);
	u32 one = DIV_UP(g->ctx_tokens, RT_KV_PAGE);
	u64 page = op_kv_bytes(g->kv_mode, 1, g->model.n_kv_heads, g->model.head_dim);
	u64 pages = p->kv_pages ? p->kv_pages : (u64)one * KV_CONTEXTS, have = memory_of(g->d);
	pages = MIN(pages, info.range_bytes_max / page);
	if (have > g->weight_bytes) {
		u64 fit = (have - g->weight_bytes) / 2 / model_kv_bytes(&g->model, g->kv_mode, 1);
		pages = MIN(pages, MAX(fit, one));
	}
	return (u32)MAX(pages, 1u);
}

static int make_work(struct grant *g, const struct grant_params *p, struct proto_load_failed *f)
{
	struct sched_params sp = {
		.ctx_tokens = g->ctx_tokens, .chunk = p->chunk, .batch = p->batch, .no_cache = p->no_cache
	};
	struct model_work_params wp = sched_work_params(&g->model, &sp, rt_device_info(g->d).range_bytes_max);
	wp.kv_mode = g->kv_mode;
	wp.kv_pages = choose_pages(g, p);
	wp.rope_factors = g->rope_factors;
	if (!wp.out_max || (!p->kv_pages && wp.kv_pages < DIV_UP(g->ctx_tokens, RT_KV_PAGE)))
		return refuse(f, LOAD_MEMORY, "one context of %u tokens does not fit into a buffer of %s",
			g->ctx_tokens, rt_device_info(g->d).name);
	int r = model_work_create(g->d, &g->model, &wp, &g->work);
	if (!r)
		r = sched_create(g->d, &g->model, &g->work, &sp, &g->sched);
	if (!r)
		r = sampler_create(g->model.n_vocab, &g->sampler);
	if (r == -ENOMEM)
		return refuse(f, LOAD_MEMORY, "no memory for activations and a context of %u tokens on %s",
			g->ctx_tokens, rt_device_info(g->d).name);
	return r;
}

static int check_factors(const struct grant *g, struct proto_load_failed *f)
{
	for (u32 i = 0; g->rope_factors && i < g->model.rope_dim / 2; i++)
		if (!(g->rope_factors[i] >= 0x1p-20f && g->rope_factors[i] <= 0x1p100f))
			return refuse(f, LOAD_UNSUPPORTED, "factor %u of the rotation is out of range", i);
	return 0;
}

static int check_choices(const struct grant *g, struct proto_load_failed *f)
{
	u32 n = g->model.routing.n_experts;
	for (u32 i = 0; i < g->model.n_layers; i++)
		for (u32 k = 0; k < n && g->model.layers[i].choice; k++)
			if (!(g->model.layers[i].choice[k] >= -0x1p40f &&
				    g->model.layers[i].choice[k] <= 0x1p40f))
				return refuse(f, LOAD_UNSUPPORTED,
					"layer %u: the bias of the choice of expert %u is not finite or "
					"beyond 2^40",
					i, k);
	return 0;
}

static void fill_ready(struct grant *g)
{
	struct rt_device_info info = rt_device_info(g->d);
	g->ready = (struct proto_ready){ .numerics = RT_NUMERICS,
		.kv_mode = g->kv_mode,
		.ctx_tokens = g->ctx_tokens,
		.n_vocab = g->model.n_vocab,
		.weight_bytes = g->weight_bytes,
		.kv_bytes = g->work.kv_bytes,
		.work_bytes = g->work.work_bytes,
		.load_ns = clock_ns() - g->started_ns };
	snprintf(g->ready.device, sizeof g->ready.device, "%s", info.name);
	snprintf(g->ready.driver, sizeof g->ready.driver, "%s", info.driver);
	memcpy(g->ready.kernel_set, info.kernel_set, sizeof g->ready.kernel_set);
}

int grant_ready(struct grant *g, const struct grant_params *p, struct proto_load_failed *ret_failed)
{
	const char *why;
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
	model_ready(g->d, &g->model);
	r = tok_create(&g->layout, &g->tok, &why);
	if (r > 0)
		return refuse(ret_failed, LOAD_UNSUPPORTED, "vocabulary: %s", why);
	if (!r)
		r = mask_trie_create(g->tok, &g->trie);
	if (!r)
		r = check_factors(g, ret_failed);
	if (!r)
		r = check_choices(g, ret_failed);
	if (!r)
		r = make_work(g, p, ret_failed);
	if (r)
		return r;
	fill_ready(g);
	g->state = GRANT_READY;
	return 0;
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
	if (g->work.rows_max)
		model_work_fini(g->d, &g->model, &g->work);
	mask_trie_fini(&g->trie);
	g->tok = tok_destroy(g->tok);
	for (u32 i = 0; i < g->n_weights; i++)
		rt_buf_destroy(g->d, g->weights[i]);
	free(g->weights);
	free(g->places);
	free(g->rope_factors);
	model_fini(&g->model);
	for (u32 i = 0; i < g->n_files; i++)
		fd_close(&g->files[i]);
	free(g->files);
	fd_close(&g->layout_fd);
	fd_close(&g->segments_fd);
	fd_unmap(&g->layout_map);
	fd_unmap(&g->segments_map);
	*g = (struct grant){ .layout_fd = -1, .segments_fd = -1 };
}

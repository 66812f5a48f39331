#include "made.h"

#include "runtime/cpu.h"
#include "runtime/op_case.h"
#include "shaders/blocks_ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what)
{
	fprintf(stderr, "the made-up model: %s\n", what);
	exit(1);
}

/* The first MiB repeats: packing and products do not look at values. */
static void put(struct made *b, u32 type, u32 rows, u32 k, u64 bytes)
{
	u64 row = bytes / rows, len = MIN((u64)RT_STAGE_BYTES, bytes) / row * row;
	if (b->some_type != type + 1 || rows == 1)
		op_case_weights(type, (u32)(len / row), k, FILL_PLAIN, 1, b->some);
	b->some_type = rows == 1 ? 0 : type + 1;
	for (u64 at = 0; at < bytes; at += len) {
		u64 n = MIN(len, bytes - at);
		void *stage = rt_stage_get(b->d);
		memcpy(stage, b->some, n);
		if (rt_stage_put(b->d, stage, (struct rt_view){ b->weights, b->at + at }, 0, n) < 0)
			stop("weights cannot be placed");
	}
}

static void weight(struct made *b, struct model_weight *w, u32 type, u32 n_out, u32 k, bool read)
{
	u64 bytes = (u64)n_out * (k / block_len_of(type)) * block_bytes_of(type);
	*w = (struct model_weight){
		.type = type, .k = k, .n_out = n_out, .n = 1, .at = { b->weights, b->at }
	};
	if (b->weights)
		put(b, type, n_out, k, bytes);
	b->at += ALIGN_UP(bytes, (u64)RT_ALIGN);
	b->read += read ? bytes : 0;
}

/* Q4_K_M gives Q6_K to the head, and to half of the matrices that it thinks matter most. */
static u32 type_of(const char *file, u32 layer, u32 layers, bool matters)
{
	bool more = layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
	if (strcmp(file, "Q4_K_M") == 0)
		return matters && more ? TENSOR_Q6_K : TENSOR_Q4_K;
	static const u32 types[] = { TENSOR_Q4_0, TENSOR_Q8_0, TENSOR_F16, TENSOR_BF16, TENSOR_F32 };
	for (u32 i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(file, tensor_type_info(types[i])->name) == 0)
			return types[i];
	stop("no such type");
	return 0;
}

static void place_all(struct made *b, const char *file)
{
	struct model *m = &b->m;
	u32 q_dim = m->n_heads * m->head_dim, kv_dim = m->n_kv_heads * m->head_dim, n = m->n_layers;
	u32 plain = type_of(file, n / 8, n, false);
	bool q6 = plain == TENSOR_Q4_0 || plain == TENSOR_Q4_K;
	b->at = b->read = 0;
	weight(b, &m->embed, plain, m->n_vocab, m->dim, false);
	weight(b, &m->output_norm, TENSOR_F32, 1, m->dim, true);
	weight(b, &m->head, q6 ? TENSOR_Q6_K : plain, m->n_vocab, m->dim, true);
	for (u32 i = 0; i < n; i++) {
		struct model_layer *l = &m->layers[i];
		u32 more = type_of(file, i, n, true);
		weight(b, &l->attn_norm, TENSOR_F32, 1, m->dim, true);
		weight(b, &l->q, plain, q_dim, m->dim, true);
		weight(b, &l->k, plain, kv_dim, m->dim, true);
		weight(b, &l->v, more, kv_dim, m->dim, true);
		weight(b, &l->output, plain, m->dim, q_dim, true);
		weight(b, &l->ffn_norm, TENSOR_F32, 1, m->dim, true);
		weight(b, &l->gate, plain, m->ffn_dim, m->dim, true);
		weight(b, &l->up, plain, m->ffn_dim, m->dim, true);
		weight(b, &l->down, more, m->dim, m->ffn_dim, true);
	}
	b->bytes = b->at;
}

static void ready(struct made *b, const struct model_weight *w, u32 n_out, u32 k)
{
	rt_weights_ready(b->d, w->at, w->type, k, n_out);
}

static void ready_all(struct made *b)
{
	const struct model *m = &b->m;
	u32 q_dim = m->n_heads * m->head_dim, kv_dim = m->n_kv_heads * m->head_dim;
	ready(b, &m->head, m->n_vocab, m->dim);
	for (u32 i = 0; i < m->n_layers; i++) {
		const struct model_layer *l = &m->layers[i];
		ready(b, &l->q, q_dim, m->dim);
		ready(b, &l->k, kv_dim, m->dim);
		ready(b, &l->v, kv_dim, m->dim);
		ready(b, &l->output, m->dim, q_dim);
		ready(b, &l->gate, m->ffn_dim, m->dim);
		ready(b, &l->up, m->ffn_dim, m->dim);
		ready(b, &l->down, m->dim, m->ffn_dim);
	}
}

void made_create(struct made *b, const char *file, const char *size, u32 ctx)
{
	bool big = strcmp(size, "1.2b") == 0;
	if (!big && strcmp(size, "0.5b") != 0)
		stop("SIZE is 0.5b or 1.2b");
	const struct layout_layer plain = { .n_heads = big ? 32 : 20,
		.n_kv_heads = big ? 8 : 5,
		.head_dim = 64,
		.rope_dim = 64,
		.ffn_dim = big ? 5632 : 3584 };
	b->m = (struct model){ .arch = arch_of(LAYOUT_ARCH_LLAMA),
		.n_layers = 24,
		.head_dim = 64,
		.rope_dim = 64,
		.n_vocab = 32000,
		.ctx_train = ctx,
		.rms_eps = 1e-5f,
		.rope[0] = { .rope_dim = 64, .base = 10000, .scale = 1 },
		.dim = big ? 2048 : 1280,
		.ffn_dim = plain.ffn_dim,
		.n_heads = plain.n_heads,
		.n_kv_heads = plain.n_kv_heads };
	b->m.layers = calloc(b->m.n_layers, sizeof(*b->m.layers));
	for (u32 i = 0; b->m.layers && i < b->m.n_layers; i++) {
		b->m.layers[i].is = plain;
		b->m.layers[i].is.kv_layer = i;
	}
	b->some = malloc(RT_STAGE_BYTES);
	if (!b->m.layers || !b->some)
		stop("no memory");
	place_all(b, file);
	if (rt_buf_create(b->d, RT_BUF_WEIGHTS, b->bytes, "weights", &b->weights) < 0)
		stop("no memory");
	place_all(b, file);
	ready_all(b);
}

void made_fini(struct made *b)
{
	rt_buf_destroy(b->d, b->weights);
	free(b->m.layers);
	free(b->some);
}

struct rt_device *made_device(const char *name, bool *ret_native)
{
	struct rt_device *d;
	const char *why;
	struct cpu_params p = { .level = cpu_level_best() };
	*ret_native = !name || strcmp(name, "native") == 0;
	for (u32 i = 0; i < CPU_LEVELS_N && !*ret_native; i++)
		if (strcmp(name, cpu_level_name(i)) == 0 && cpu_level_runs(i)) {
			p.level = i;
			*ret_native = true;
		}
	if (*ret_native ? cpu_open_with(&p, &d) < 0 : rt_device_open(name, &d, &why) != 0)
		stop("no such device, or level on this machine");
	return d;
}

void made_work(struct made *b, u32 rows, u32 ctx, u32 kv_mode, struct model_work *ret)
{
	const struct model_work_params p = { .rows_max = rows,
		.out_max = 1,
		.n_slots = 1,
		.ctx_tokens = ctx,
		.kv_mode = kv_mode,
		.kv_pages = ctx / RT_KV_PAGE };
	if (model_work_create(b->d, &b->m, &p, ret) < 0)
		stop("no memory");
	for (u32 i = 0; i < ctx / RT_KV_PAGE; i++)
		((u32 *)rt_host_ptr(ret->tables))[i] = i;
}

static void rows_at(const struct model_work *w, u32 first, u32 n)
{
	u32 *seq = rt_host_ptr(w->seq), *pos = rt_host_ptr(w->pos);
	for (u32 i = 0; i < n; i++) {
		seq[i] = 0;
		pos[i] = first + i;
	}
}

void made_step(struct made *b, const struct model_work *w, u32 first, u32 n)
{
	u32 *ids = rt_host_ptr(w->ids);
	rows_at(w, first, n);
	for (u32 i = 0; i < n; i++)
		ids[i] = (first + i) * 7919 % b->m.n_vocab;
	*(u32 *)rt_host_ptr(w->out_rows) = n - 1;
	const struct model_step s = { .n = n, .n_out = 1, .pos_max = first + n - 1 };
	if (rt_begin(b->d) < 0 || model_forward(b->d, &b->m, w, &s) < 0 || rt_submit(b->d) < 0)
		stop("a step failed");
}

void made_behind(struct made *b, const struct model_work *w, u32 n)
{
	for (u32 at = 0; at < n; at += w->rows_max) {
		u32 rows = MIN(w->rows_max, n - at);
		rows_at(w, at, rows);
		if (rt_begin(b->d) < 0 || model_scrub(b->d, &b->m, w, w->tables, rows) < 0 ||
			rt_submit(b->d) < 0)
			stop("the cache cannot be written");
	}
}

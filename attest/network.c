/* The network's hyper-parameters, with the defaults that llama.cpp has for absent keys. A key that would change the computation and that
 * Keep does not honour for that architecture is refused, never ignored. */
#include "attest/network.h"
#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *network_key(struct reader *r, const char *suffix)
{
	snprintf(r->key, sizeof r->key, "%s.%s", r->arch->name, suffix);
	return r->key;
}

static int out_of_range(struct reader *r, const char *range, const char *value)
{
	attest_reject(r->report, ATTEST_GGUF_HYPERPARAMETER, r->key, "%s: %s is %s, not %s", r->g->name,
		r->key, value, range);
	attest_expected(r->report, range, value);
	return 1;
}

int network_missing(struct reader *r)
{
	return attest_reject(
		r->report, ATTEST_GGUF_MISSING_KEY, r->key, "%s lacks the key %s", r->g->name, r->key);
}

int network_contradiction(struct reader *r, const char *suffix, const char *why)
{
	const char *key = network_key(r, suffix);
	return attest_reject(r->report, ATTEST_GGUF_HYPERPARAMETER, key, "%s: %s %s", r->g->name, key, why);
}

/* The number of layer i: an array's, or the one of all. 0; 1 rejected; 2 absent. */
static int u32_of_layer(struct reader *r, const char *suffix, u32 i, u32 *ret)
{
	const struct gguf_kv *kv = gguf_find(r->g, network_key(r, suffix));
	if (!kv || kv->type != GGUF_ARRAY || !(r->arch->keys & KEY_LAYERS))
		return gguf_get_u32(r->g, r->key, ret, r->report);
	if ((kv->elem != GGUF_U32 && kv->elem != GGUF_I32) || kv->n != r->h->n_layers)
		return network_contradiction(r, suffix, "is not one number for each layer");
	*ret = bytes_u32le(kv->value + 4ul * i);
	return 0;
}

/* The largest of all layers. */
static int u32_of_layers(struct reader *r, const char *suffix, u32 *ret)
{
	u32 most = 0, one = 0;
	for (u32 i = 0; i < r->h->n_layers; i++) {
		int e = u32_of_layer(r, suffix, i, &one);
		if (e)
			return e;
		most = MAX(most, one);
	}
	*ret = most;
	return 0;
}

int network_ints(struct reader *r, const struct int_row *rows, size_t n)
{
	char range[64], value[24];
	for (size_t i = 0; i < n; i++) {
		const struct int_row *row = &rows[i];
		int e = row->layers ? u32_of_layers(r, row->key, row->at)
				    : gguf_get_u32(r->g, network_key(r, row->key), row->at, r->report);
		if (e == 1)
			return 1;
		if (e == 2 && row->required)
			return network_missing(r);
		snprintf(range, sizeof range, "%u to %u", row->lo, row->hi);
		snprintf(value, sizeof value, "%u", *row->at);
		if (*row->at < row->lo || *row->at > row->hi)
			return out_of_range(r, range, value);
	}
	return 0;
}

int network_floats(struct reader *r, const struct float_row *rows, size_t n)
{
	char range[64], value[32];
	for (size_t i = 0; i < n; i++) {
		const struct float_row *row = &rows[i];
		int e = gguf_get_f32(r->g, network_key(r, row->key), row->at, r->report);
		if (e == 1)
			return 1;
		if (e == 2 && row->required)
			return network_missing(r);
		if (e == 2 || (*row->at >= row->lo && *row->at <= row->hi) || (row->zero && *row->at == 0))
			continue;
		snprintf(range, sizeof range, "%g to %g", (double)row->lo, (double)row->hi);
		snprintf(value, sizeof value, "%g", (double)*row->at);
		return out_of_range(r, range, value);
	}
	return 0;
}

/* ---- heads ------------------------------------------------------------------------------------------------------------------ */

static int heads_read(struct reader *r)
{
	struct layout_header *h = r->h;
	const struct int_row heads = { "attention.head_count", &h->n_heads, 1, HEADS_MAX, true };
	int e = network_ints(r, &heads, 1);
	if (e)
		return e;
	h->n_kv_heads = h->n_heads;
	h->head_dim = h->dim / h->n_heads;
	bool has_head_dim = gguf_find(r->g, network_key(r, "attention.key_length")) != NULL;
	if (!has_head_dim && h->dim % h->n_heads)
		return network_contradiction(
			r, "attention.head_count", "does not divide the embedding length");
	if (!has_head_dim && (h->head_dim < 1 || h->head_dim > HEAD_DIM_MAX))
		return network_contradiction(r, "attention.head_count", "makes heads of an impossible size");
	u32 value_length = 0;
	const struct int_row rows[] = {
		{ "attention.head_count_kv", &h->n_kv_heads, 1, h->n_heads, false, true },
		{ "attention.key_length", &h->head_dim, 1, HEAD_DIM_MAX, false },
		{ "attention.value_length", &value_length, 0, HEAD_DIM_MAX, false },
	};
	e = network_ints(r, rows, ARRAY_LEN(rows));
	if (e)
		return e;
	if (h->n_heads % h->n_kv_heads)
		return network_contradiction(
			r, "attention.head_count_kv", "does not divide the number of heads");
	if (value_length ? value_length != h->head_dim : has_head_dim && h->head_dim * h->n_heads != h->dim)
		return network_contradiction(r, "attention.value_length", "differs from the key length");
	if (h->n_heads * h->head_dim > DIM_MAX)
		return network_contradiction(
			r, "attention.head_count", "times the head size is wider than a row may be");
	h->rope_dim = h->head_dim;
	const struct int_row rope = { "rope.dimension_count", &h->rope_dim, 2, h->head_dim, false };
	e = network_ints(r, &rope, 1);
	if (!e && h->rope_dim % 2)
		return network_contradiction(r, "rope.dimension_count", "is odd");
	return e;
}

/* ---- positions -------------------------------------------------------------------------------------------------------------- */

static int scaling_type_read(struct reader *r, bool *ret_none)
{
	static const struct {
		const char *name;
		u32 scaling;
	} types[] = { { "none", ROPE_LINEAR }, { "linear", ROPE_LINEAR }, { "yarn", ROPE_YARN },
		{ "longrope", ROPE_LONG } };
	const char *type = "linear";
	size_t len = 6;
	if (gguf_get_string(r->g, network_key(r, "rope.scaling.type"), &type, &len, r->report) == 1)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (len == strlen(types[i].name) && !memcmp(type, types[i].name, len)) {
			r->h->rope_scaling = types[i].scaling;
			*ret_none = i == 0;
			if (types[i].scaling == ROPE_LINEAR || r->arch->keys & KEY_ROPE_SCALING)
				return 0;
		}
	return attest_reject(r->report, ATTEST_GGUF_HYPERPARAMETER, r->key,
		"%s scales positions by \"%.*s\", which Keep does not compute for %s", r->g->name,
		(int)MIN(len, (size_t)40), type, r->arch->name);
}

/* rope.scale_linear is the older name of the factor. */
static int scaling_numbers_read(struct reader *r, f32 *ret_factor, f32 *ret_yarn_magnitude)
{
	struct layout_header *h = r->h;
	h->rope_ctx = h->ctx_train;
	h->rope_magnitude = 1;
	h->yarn_ext_factor = -1;
	h->yarn_beta_fast = 32;
	h->yarn_beta_slow = 1;
	bool old = !gguf_find(r->g, network_key(r, "rope.scaling.factor"));
	const struct float_row rows[] = {
		{ old ? "rope.scale_linear" : "rope.scaling.factor", ret_factor, 1e-6f, 1e6f, false, true },
		{ "rope.scaling.attn_factor", &h->rope_magnitude, 1e-3f, 1e3f, false, false },
		{ "rope.scaling.yarn_attn_factor", ret_yarn_magnitude, 1e-3f, 1e3f, false, false },
		{ "rope.scaling.yarn_ext_factor", &h->yarn_ext_factor, -1, 1, false, false },
		{ "rope.scaling.yarn_beta_fast", &h->yarn_beta_fast, 1e-3f, 1e6f, false, false },
		{ "rope.scaling.yarn_beta_slow", &h->yarn_beta_slow, 1e-3f, 1e6f, false, false },
		{ "rope.scaling.yarn_log_multiplier", &h->yarn_log_multiplier, 1e-6f, 1e3f, false, true },
	};
	const struct int_row ctx = { "rope.scaling.original_context_length", &h->rope_ctx, 1, INT32_MAX,
		false };
	int e = network_floats(r, rows, ARRAY_LEN(rows));
	return e ? e : network_ints(r, &ctx, 1);
}

static int scaling_switches_read(struct reader *r)
{
	struct layout_header *h = r->h;
	bool finetuned = true, truncated = true;
	if (gguf_get_bool(r->g, network_key(r, "rope.scaling.finetuned"), &finetuned, r->report) == 1)
		return 1;
	if (gguf_get_bool(r->g, network_key(r, "rope.scaling.yarn_truncate"), &truncated, r->report) == 1)
		return 1;
	if (!truncated && h->rope_scaling == ROPE_YARN)
		h->switches |= SWITCH_YARN_EXACT;
	if (!finetuned && (h->arch == LAYOUT_ARCH_GRANITE || h->arch == LAYOUT_ARCH_GRANITEMOE))
		return network_contradiction(
			r, "rope.scaling.finetuned", "is false: a granite without positions");
	return 0;
}

static int scaling_read(struct reader *r)
{
	struct layout_header *h = r->h;
	bool none = false;
	f32 factor = 0, yarn_magnitude = 1;
	int e = scaling_type_read(r, &none);
	e = e ? e : scaling_numbers_read(r, &factor, &yarn_magnitude);
	if (e)
		return e;
	h->rope_ctx = MIN(h->rope_ctx, CTX_TOKENS_MAX);
	h->rope_scale = factor == 0 || none ? 1.0f : factor;
	if (h->yarn_ext_factor < 0)
		h->yarn_ext_factor = h->rope_scaling == ROPE_YARN ? 1 : 0;
	if (h->rope_scaling != ROPE_YARN && h->yarn_ext_factor > 0)
		return network_contradiction(
			r, "rope.scaling.yarn_ext_factor", "is set, and the scaling is not yarn");
	if (yarn_magnitude != 1)
		return network_contradiction(
			r, "rope.scaling.yarn_attn_factor", "is not 1, which Keep does not compute");
	if (h->rope_magnitude != 1 && h->rope_scaling == ROPE_LINEAR && !(r->arch->may & PART_ROPE_FACTORS))
		return network_contradiction(
			r, "rope.scaling.attn_factor", "is not 1, which Keep does not compute");
	return scaling_switches_read(r);
}

/* Sections of the rotated pairs, in turn, turn by one coordinate of a position each: in a text the first three are all the position, the fourth is nothing.
 * So all that such a file says of texts is that its pairs are halves. */
static int sections_read(struct reader *r)
{
	const struct gguf_kv *kv = gguf_find(r->g, network_key(r, "rope.dimension_sections"));
	u32 n[4] = { 0 };
	if (!kv || !(r->arch->keys & KEY_SECTIONS))
		return 0;
	bool words = kv->type == GGUF_ARRAY && (kv->elem == GGUF_U32 || kv->elem == GGUF_I32);
	if (!words || kv->n < 3 || kv->n > ARRAY_LEN(n))
		return network_contradiction(r, "rope.dimension_sections", "is not three or four numbers");
	for (u32 i = 0; i < kv->n; i++)
		n[i] = bytes_u32le(kv->value + 4ul * i);
	if (!n[0] && !n[1] && !n[2] && !n[3])
		return 0;
	if (!n[0] || !n[1] || (n[3] && (u64)n[0] + n[1] + n[2] < r->h->rope_dim / 2))
		return network_contradiction(r, "rope.dimension_sections",
			"has pairs that a text does not turn, which Keep does not compute");
	r->h->switches |= SWITCH_ROPE_HALVES;
	return 0;
}

/* ---- layers ------------------------------------------------------------------------------------------------------------------ */

int network_layers_make(struct reader *r)
{
	if (r->layers)
		return 0;
	r->layers = arena_alloc(r->arena, r->h->n_layers * sizeof *r->layers);
	if (!r->layers)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < r->h->n_layers; i++)
		r->layers[i] = layout_layer_at(&(struct layout){ .h = r->h }, i);
	return 0;
}

/* Which layers have a window: an array of one truth per layer, a period, or the architecture's own. */
static int window_pattern(struct reader *r, u32 i, bool *ret)
{
	const struct gguf_kv *kv = gguf_find(r->g, network_key(r, "attention.sliding_window_pattern"));
	u32 period = r->arch->window_period;
	if (kv && kv->type == GGUF_ARRAY) {
		bool words = kv->elem == GGUF_U32 || kv->elem == GGUF_I32;
		if ((kv->elem != GGUF_BOOL && !words) || kv->n != r->h->n_layers)
			return network_contradiction(
				r, "attention.sliding_window_pattern", "is not one truth for each layer");
		*ret = words ? bytes_u32le(kv->value + 4ul * i) : kv->value[i];
		return 0;
	}
	if (kv && gguf_get_u32(r->g, r->key, &period, r->report) == 1)
		return 1;
	*ret = period == 0 || i % period != period - 1;
	return 0;
}

static int windows_read(struct reader *r)
{
	struct layout_header *h = r->h;
	u32 window = r->arch->chunk;
	const struct int_row row = { "attention.sliding_window", &window, 0, INT32_MAX, false };
	int e = network_ints(r, &row, 1);
	if (e || !window || !(r->arch->keys & KEY_WINDOW))
		return e;
	f32 base = r->arch->rope_base_window > 0 ? r->arch->rope_base_window : h->rope_base;
	const struct float_row second = { "rope.freq_base_swa", &base, 1.0f, 1e12f, false, false };
	e = network_floats(r, &second, 1);
	e = e ? e : network_layers_make(r);
	for (u32 i = 0; i < h->n_layers && !e; i++) {
		bool has = false;
		e = window_pattern(r, i, &has);
		if (has) {
			r->layers[i].window = MIN(window, CTX_TOKENS_MAX);
			r->layers[i].rope = r->arch->rope_base_window > 0;
		} else if (r->arch->window_no_rope) {
			r->layers[i].rope_dim = 0;
		}
	}
	if (r->arch->chunk) {
		h->switches |= SWITCH_PIECES | SWITCH_TEMPERATURE_1;
		h->temperature = r->arch->chunk_temperature;
		h->temperature_ctx = r->arch->chunk;
	}
	if (r->arch->rope_base_window > 0) {
		h->rope_base_2 = base;
		h->rope_scale_2 = 1;
		h->rope_dim_2 = h->rope_dim;
	}
	return e;
}

/* ---- layers that differ ------------------------------------------------------------------------------------------------------ */

/* Layers with a window have heads of their own size. */
static int window_heads_read(struct reader *r)
{
	struct layout_header *h = r->h;
	u32 key = h->head_dim, value = h->head_dim;
	const struct int_row rows[] = {
		{ "attention.key_length_swa", &key, 1, HEAD_DIM_MAX, false },
		{ "attention.value_length_swa", &value, 1, HEAD_DIM_MAX, false },
	};
	int e = network_ints(r, rows, ARRAY_LEN(rows));
	if (e)
		return e;
	if (key != value)
		return network_contradiction(r, "attention.value_length_swa", "differs from the key length");
	if (h->n_heads * key > DIM_MAX)
		return network_contradiction(r, "attention.key_length_swa", "makes rows that are too wide");
	h->rope_dim_2 = key;
	const struct int_row rope = { "rope.dimension_count_swa", &h->rope_dim_2, 2, key, false };
	e = network_ints(r, &rope, 1);
	if (!e && h->rope_dim_2 % 2)
		return network_contradiction(r, "rope.dimension_count_swa", "is odd");
	for (u32 i = 0; i < h->n_layers && !e; i++)
		if (r->layers[i].rope) {
			r->layers[i].head_dim = key;
			r->layers[i].rope_dim = h->rope_dim_2;
		}
	return e;
}

/* The last `shared` layers read the keys and values of the last one before them that is of their kind. */
static int share_keys(struct reader *r, u32 shared)
{
	u32 own = r->h->n_layers - shared;
	for (u32 i = own; i < r->h->n_layers; i++) {
		u32 from = own;
		while (from > 0 && !r->layers[from - 1].window != !r->layers[i].window)
			from--;
		if (from == 0)
			return network_contradiction(
				r, "attention.shared_kv_layers", "leaves no layer to share with");
		r->layers[i].kv_layer = from - 1;
		r->layers[i].n_kv_heads = r->layers[from - 1].n_kv_heads;
	}
	return 0;
}

static int layers_read(struct reader *r)
{
	struct layout_header *h = r->h;
	u32 shared = 0;
	if (!(r->arch->keys & KEY_LAYERS))
		return 0;
	const struct int_row rows[] = {
		{ "attention.shared_kv_layers", &shared, 0, h->n_layers - 1, false },
		{ "embedding_length_per_layer_input", &h->per_layer_dim, 0, DIM_MAX / h->n_layers, false },
	};
	int e = network_ints(r, rows, ARRAY_LEN(rows));
	e = e ? e : network_layers_make(r);
	for (u32 i = 0; i < h->n_layers && !e; i++) {
		struct layout_layer *y = &r->layers[i];
		if (u32_of_layer(r, "feed_forward_length", i, &y->ffn_dim) == 1 ||
			u32_of_layer(r, "attention.head_count_kv", i, &y->n_kv_heads) == 1)
			return 1;
		if (!y->ffn_dim || !y->n_kv_heads || y->n_heads % y->n_kv_heads)
			return network_contradiction(r, "attention.head_count_kv",
				"or feed_forward_length is 0 or no divisor in a layer");
	}
	e = e ? e : window_heads_read(r);
	return e ? e : share_keys(r, shared);
}

/* One number for all layers, or an array of one for each. */
static int xielu_read(struct reader *r, const char *key, u32 which)
{
	const struct gguf_kv *kv = gguf_find(r->g, key);
	f32 f = 0;
	snprintf(r->key, sizeof r->key, "%s", key);
	if (!kv)
		return network_missing(r);
	bool many = kv->type == GGUF_ARRAY;
	if (many ? kv->elem != GGUF_F32 || kv->n < r->h->n_layers : gguf_get_f32(r->g, key, &f, r->report))
		return attest_reject(r->report, ATTEST_GGUF_HYPERPARAMETER, key,
			"%s: %s is not one number for each layer", r->g->name, key);
	for (u32 i = 0; i < r->h->n_layers; i++) {
		if (many)
			memcpy(&f, kv->value + 4ul * i, sizeof f);
		if (!(f >= -1e4f && f <= 1e4f)) {
			char value[32];
			snprintf(value, sizeof value, "%g", (double)f);
			return out_of_range(r, "-10000 to 10000", value);
		}
		r->layers[i].xielu[which] = f;
	}
	return 0;
}

static int activation_read(struct reader *r)
{
	static const char *const keys[] = { "xielu.alpha_p", "xielu.alpha_n", "xielu.beta", "xielu.eps" };
	if (r->arch->act != ARCH_ACT_XIELU)
		return 0;
	int e = network_layers_make(r);
	for (u32 i = 0; i < ARRAY_LEN(keys) && !e; i++)
		e = xielu_read(r, keys[i], i);
	return e;
}

/* ---- scales ------------------------------------------------------------------------------------------------------------------- */

static int scales_read(struct reader *r)
{
	struct layout_header *h = r->h;
	bool logits = r->arch->keys & KEY_LOGIT_SCALE;
	const struct {
		u32 key;
		struct float_row row;
	} rows[] = {
		{ KEY_ATTN_SCALE, { "attention.scale", &h->attn_scale, 1e-6f, 1e3f, false, true } },
		{ KEY_EMBED_SCALE, { "embedding_scale", &h->embed_scale, 1e-6f, 1e6f, false, true } },
		{ KEY_RESIDUAL_SCALE, { "residual_scale", &h->residual_scale, 1e-6f, 1e6f, false, true } },
		{ KEY_LOGIT_SCALE, { "logit_scale", &h->logit_scale, 1e-6f, 1e6f, logits, false } },
		{ KEY_LOGIT_SOFTCAP,
			{ "final_logit_softcapping", &h->logit_softcap, 1e-3f, 1e6f, false, true } },
		{ KEY_TEMPERATURE,
			{ "attention.temperature_scale", &h->temperature, 1e-6f, 100, false, true } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int e = r->arch->keys & rows[i].key ? network_floats(r, &rows[i].row, 1) : 0;
		if (e)
			return e;
	}
	if (r->arch->logit_divide)
		h->logit_scale = 1.0f / h->logit_scale;
	if (r->arch->attn_scale > 0)
		h->attn_scale = r->arch->attn_scale;
	if (r->arch->embed_sqrt)

		h->embed_scale = (f32)sqrt((f64)h->dim);
	if (h->arch == LAYOUT_ARCH_GEMMA3 && h->n_layers == 62) /* 27B says so by nothing else */
		h->attn_scale = (f32)(1.0 / sqrt((f64)h->dim / h->n_heads));
	if (r->arch->keys & KEY_TEMPERATURE)
		h->temperature_ctx = h->temperature > 0 ? h->rope_ctx : 0;
	return 0;
}

/* ---- what Keep does not compute ------------------------------------------------------------------------------------------------ */

/* Is that key's number other than 0? *ret stays when it is absent. 0, or 1 rejected. */
int network_is_set(struct reader *r, const char *suffix, bool *ret)
{
	f32 f = 0;
	u32 u = 0;
	const struct gguf_kv *kv = gguf_find(r->g, network_key(r, suffix));
	if (!kv)
		return 0;
	if (kv->type == GGUF_ARRAY) {
		*ret = true;
		return 0;
	}
	bool real = kv->type == GGUF_F32 || kv->type == GGUF_F64;
	int e = real ? gguf_get_f32(r->g, r->key, &f, r->report) : gguf_get_u32(r->g, r->key, &u, r->report);
	*ret = f != 0 || u != 0;
	return e;
}

static int others_check(struct reader *r)
{
	static const struct {
		const char *key;
		u32 unless; /* enum arch_key */
	} rows[] = { { "attention.sliding_window", KEY_WINDOW }, { "attention.clamp_kqv", 0 },
		{ "attention.max_alibi_bias", 0 }, { "attention.scale", KEY_ATTN_SCALE },
		{ "attention.output_scale", 0 }, { "attention.value_scale", 0 },
		{ "attention.temperature_scale", KEY_TEMPERATURE },
		{ "attention.shared_kv_layers", KEY_LAYERS }, { "attention.kv_lora_rank", 0 },
		{ "attention.q_lora_rank", 0 }, { "logit_scale", KEY_LOGIT_SCALE },
		{ "residual_scale", KEY_RESIDUAL_SCALE }, { "embedding_scale", KEY_EMBED_SCALE },
		{ "attn_logit_softcapping", 0 }, { "final_logit_softcapping", KEY_LOGIT_SOFTCAP },
		{ "embedding_length_per_layer_input", KEY_LAYERS }, { "nextn_predict_layers", KEY_NEXTN },
		{ "leading_dense_block_count", KEY_DENSE_FIRST },
		{ "interleave_moe_layer_step", KEY_DENSE_BETWEEN },
		{ "expert_shared_count", KEY_SHARED_COUNT },
		{ "expert_shared_feed_forward_length", KEY_SHARED_WIDTH }, { "expert_group_scale", 0 },
		{ "expert_latent_length", 0 }, { "moe_latent_size", 0 }, { "moe_every_n_layers", 0 },
		{ "experts_per_group", 0 }, { "expert_chunk_feed_forward_length", 0 },
		{ "rope.dimension_sections", KEY_SECTIONS } };
	bool causal = true;
	if (gguf_get_bool(r->g, network_key(r, "attention.causal"), &causal, r->report) == 1)
		return 1;
	if (!causal)
		return network_contradiction(r, "attention.causal", "is false; Keep computes causal models");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool set = false;
		if (r->arch->keys & rows[i].unless)
			continue;
		if (network_is_set(r, rows[i].key, &set))
			return 1;
		if (set)
			return network_contradiction(r, rows[i].key, "is set, which Keep does not compute");
	}
	return 0;
}

/* Named before anything else that may be wrong with such a file. */
static int experts_known(struct reader *r)
{
	u32 n = 0;
	bool has = (r->arch->must | r->arch->may) & PART_EXPERTS;
	if (gguf_get_u32(r->g, network_key(r, "expert_count"), &n, r->report) == 1)
		return 1;
	if (n > EXPERTS_MAX && has)
		return attest_reject(r->report, ATTEST_GGUF_EXPERTS, r->key, "%s has %u experts, at most %u",
			r->g->name, n, EXPERTS_MAX);
	if (!n || has)
		return 0;
	return attest_reject(r->report, ATTEST_GGUF_EXPERTS, r->key,
		"%s is a mixture of %u experts; Keep computes dense %s models", r->g->name, n, r->arch->name);
}

static int basics_read(struct reader *r)
{
	struct layout_header *h = r->h;
	const struct int_row rows[] = {
		{ "block_count", &h->n_layers, 1, LAYERS_MAX, true },
		{ "embedding_length", &h->dim, 1, DIM_MAX, true },
		{ "feed_forward_length", &h->ffn_dim, 1, DIM_MAX, true, true },
		{ "context_length", &h->ctx_train, 1, INT32_MAX, true },
	};
	bool layer_norm = r->arch->norm == ARCH_NORM_LAYER;
	const struct float_row floats[] = {
		{ layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
			&h->rms_eps, 1e-12f, 1e-1f, true, false },
		{ "rope.freq_base", &h->rope_base, 1.0f, 1e12f, false, false },
	};
	int e = network_ints(r, rows, ARRAY_LEN(rows));
	e = e ? e : heads_read(r);
	if (e)
		return e;
	h->ctx_train = MIN(h->ctx_train, CTX_TOKENS_MAX);
	return network_floats(r, floats, ARRAY_LEN(floats));
}

int network_read(const struct gguf *g, struct arena *a, struct layout_header *h,
	struct layout_layer **ret_layers, struct attest_report *report)
{
	struct reader r = { .g = g, .arch = arch_of(h->arch), .h = h, .arena = a, .report = report };
	h->rope_base = 10000.0f;
	int e = experts_known(&r);
	e = e ? e : others_check(&r);
	e = e ? e : basics_read(&r);
	e = e ? e : network_experts(&r);
	e = e ? e : scaling_read(&r);
	e = e ? e : sections_read(&r);
	e = e ? e : windows_read(&r);
	e = e ? e : layers_read(&r);
	e = e ? e : activation_read(&r);
	e = e ? e : scales_read(&r);
	if (!e)
		*ret_layers = r.layers;
	return e;
}

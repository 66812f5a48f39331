/* The llama architecture's hyper-parameters, with the defaults that llama.cpp has for absent keys. A key that would change the computation
 * and that Keep does not honour is refused, never ignored. */
#include "attest/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int out_of_range(
	const struct gguf *g, const char *key, u64 found, u64 lo, u64 hi, struct attest_report *report)
{
	char range[64], value[24];
	snprintf(range, sizeof range, "%llu to %llu", (unsigned long long)lo, (unsigned long long)hi);
	snprintf(value, sizeof value, "%llu", (unsigned long long)found);
	attest_reject(
		report, ATTEST_GGUF_HYPERPARAMETER, key, "%s: %s is %s, not %s", g->name, key, value, range);
	attest_expected(report, range, value);
	return 1;
}

struct int_row {
	const char *key;
	u32 *at;
	u32 lo, hi;
	bool required; /* else *at holds the default */
};

static int ints_read(const struct gguf *g, const struct int_row *rows, size_t n, struct attest_report *report)
{
	for (size_t i = 0; i < n; i++) {
		const struct int_row *row = &rows[i];
		int r = gguf_get_u32(g, row->key, row->at, report);
		if (r == 1)
			return 1;
		if (r == 2 && row->required)
			return attest_reject(report, ATTEST_GGUF_MISSING_KEY, row->key, "%s lacks the key %s",
				g->name, row->key);
		if (*row->at < row->lo || *row->at > row->hi)
			return out_of_range(g, row->key, *row->at, row->lo, row->hi, report);
	}
	return 0;
}

static int contradiction(const struct gguf *g, const char *key, const char *why, struct attest_report *report)
{
	return attest_reject(report, ATTEST_GGUF_HYPERPARAMETER, key, "%s: %s %s", g->name, key, why);
}

/* ---- heads ------------------------------------------------------------------------------------------------------------------ */

static int heads_read(const struct gguf *g, struct layout_header *h, struct attest_report *report)
{
	const struct int_row heads = { "llama.attention.head_count", &h->n_heads, 1, HEADS_MAX, true };
	int r = ints_read(g, &heads, 1, report);
	if (r)
		return r;
	h->n_kv_heads = h->n_heads;
	h->head_dim = h->dim / h->n_heads;
	bool has_head_dim = gguf_find(g, "llama.attention.key_length") != NULL;
	if (!has_head_dim && h->dim % h->n_heads)
		return contradiction(
			g, "llama.attention.head_count", "does not divide the embedding length", report);
	if (!has_head_dim && (h->head_dim < 1 || h->head_dim > HEAD_DIM_MAX))
		return contradiction(
			g, "llama.attention.head_count", "makes heads of an impossible size", report);
	u32 value_length = 0;
	const struct int_row rows[] = {
		{ "llama.attention.head_count_kv", &h->n_kv_heads, 1, h->n_heads, false },
		{ "llama.attention.key_length", &h->head_dim, 1, HEAD_DIM_MAX, false },
		{ "llama.attention.value_length", &value_length, 0, HEAD_DIM_MAX, false },
	};
	r = ints_read(g, rows, ARRAY_LEN(rows), report);
	if (r)
		return r;
	if (h->n_heads % h->n_kv_heads)
		return contradiction(
			g, "llama.attention.head_count_kv", "does not divide the number of heads", report);
	if (value_length ? value_length != h->head_dim : has_head_dim && h->head_dim * h->n_heads != h->dim)
		return contradiction(
			g, "llama.attention.value_length", "differs from the key length", report);
	if (h->n_heads * h->head_dim > DIM_MAX)
		return contradiction(g, "llama.attention.head_count",
			"times the head size is wider than a row may be", report);
	h->rope_dim = h->head_dim;
	const struct int_row rope = { "llama.rope.dimension_count", &h->rope_dim, 2, h->head_dim, false };
	r = ints_read(g, &rope, 1, report);
	if (!r && h->rope_dim % 2)
		return contradiction(g, "llama.rope.dimension_count", "is odd", report);
	return r;
}

/* ---- floats ----------------------------------------------------------------------------------------------------------------- */

static int float_read(
	const struct gguf *g, const char *key, f32 lo, f32 hi, f32 *at, struct attest_report *report)
{
	int r = gguf_get_f32(g, key, at, report);
	if (r)
		return r;
	if (*at >= lo && *at <= hi)
		return 0;
	char range[64], value[32];
	snprintf(range, sizeof range, "%g to %g", (double)lo, (double)hi);
	snprintf(value, sizeof value, "%g", (double)*at);
	attest_reject(
		report, ATTEST_GGUF_HYPERPARAMETER, key, "%s: %s is %s, not %s", g->name, key, value, range);
	attest_expected(report, range, value);
	return 1;
}

static bool text_is(const char *s, size_t len, const char *want)
{
	return len == strlen(want) && !memcmp(s, want, len);
}

/* Scaling of positions: none or linear. rope.scale_linear is the older name of the factor. */
static int scaling_read(const struct gguf *g, struct layout_header *h, struct attest_report *report)
{
	const char *type = "linear";
	size_t len = 6;
	f32 factor = 0;
	int r = gguf_get_string(g, "llama.rope.scaling.type", &type, &len, report);
	if (r == 1)
		return 1;
	if (!text_is(type, len, "none") && !text_is(type, len, "linear"))
		return attest_reject(report, ATTEST_GGUF_HYPERPARAMETER, "llama.rope.scaling.type",
			"%s scales positions by \"%.*s\"; Keep has none and linear", g->name,
			(int)MIN(len, (size_t)40), type);
	r = float_read(g, "llama.rope.scaling.factor", 0.0f, 1e6f, &factor, report);
	if (r == 2)
		r = float_read(g, "llama.rope.scale_linear", 0.0f, 1e6f, &factor, report);
	if (r == 1)
		return 1;
	if (factor != 0 && factor < 1e-6f)
		return contradiction(g, "llama.rope.scaling.factor", "is too small", report);
	h->rope_scale = factor == 0 || text_is(type, len, "none") ? 1.0f : factor;
	f32 attn_factor = 1;
	if (gguf_get_f32(g, "llama.rope.scaling.attn_factor", &attn_factor, report) == 1)
		return 1;
	if (attn_factor != 1.0f)
		return contradiction(
			g, "llama.rope.scaling.attn_factor", "is not 1, which Keep does not compute", report);
	return 0;
}

/* ---- what Keep does not compute ------------------------------------------------------------------------------------------------ */

static int experts_check(const struct gguf *g, struct attest_report *report)
{
	u32 n = 0;
	int r = gguf_get_u32(g, "llama.expert_count", &n, report);
	if (r == 1)
		return 1;
	if (n)
		return attest_reject(report, ATTEST_GGUF_EXPERTS, "llama.expert_count",
			"%s is a mixture of %u experts; Keep computes dense llama models", g->name, n);
	return 0;
}

static int causal_check(const struct gguf *g, struct attest_report *report)
{
	bool causal = true;
	if (gguf_get_bool(g, "llama.attention.causal", &causal, report) == 1)
		return 1;
	if (!causal)
		return contradiction(
			g, "llama.attention.causal", "is false; Keep computes causal models", report);
	static const char *const unknown[] = { "llama.attention.sliding_window", "llama.attention.clamp_kqv",
		"llama.attention.max_alibi_bias", "llama.attention.scale", "llama.logit_scale",
		"llama.residual_scale", "llama.embedding_scale", "llama.attn_logit_softcapping",
		"llama.final_logit_softcapping" };
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		f32 f = 0;
		u32 u = 0;
		const struct gguf_kv *kv = gguf_find(g, unknown[i]);
		if (!kv)
			continue;
		bool real = kv->type == GGUF_F32 || kv->type == GGUF_F64;
		int r = real ? gguf_get_f32(g, unknown[i], &f, report)
			     : gguf_get_u32(g, unknown[i], &u, report);
		if (r == 1)
			return 1;
		if (f != 0 || u != 0)
			return contradiction(g, unknown[i], "is set, which Keep does not compute", report);
	}
	return 0;
}

int llama_network(const struct gguf *g, struct layout_header *h, struct attest_report *report)
{
	h->arch = LAYOUT_ARCH_LLAMA;
	h->rope_base = 10000.0f;
	const struct int_row rows[] = {
		{ "llama.block_count", &h->n_layers, 1, LAYERS_MAX, true },
		{ "llama.embedding_length", &h->dim, 1, DIM_MAX, true },
		{ "llama.feed_forward_length", &h->ffn_dim, 1, DIM_MAX, true },
		{ "llama.context_length", &h->ctx_train, 1, INT32_MAX, true },
	};
	int r = experts_check(g, report);
	r = r ? r : causal_check(g, report);
	r = r ? r : ints_read(g, rows, ARRAY_LEN(rows), report);
	r = r ? r : heads_read(g, h, report);
	if (r)
		return r;
	h->ctx_train = MIN(h->ctx_train, CTX_TOKENS_MAX);
	r = float_read(g, "llama.attention.layer_norm_rms_epsilon", 1e-12f, 1e-1f, &h->rms_eps, report);
	if (r == 2)
		return attest_reject(report, ATTEST_GGUF_MISSING_KEY,
			"llama.attention.layer_norm_rms_epsilon", "%s lacks the key %s", g->name,
			"llama.attention.layer_norm_rms_epsilon");
	r = r ? r : float_read(g, "llama.rope.freq_base", 1.0f, 1e12f, &h->rope_base, report);
	return r == 1 ? 1 : scaling_read(g, h, report);
}

#define _GNU_SOURCE
#include "tests/logits/tiny_model.h"
#include "base/bytes.h"
#include "shaders/blocks_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MUST(x)                                                                               \
	do {                                                                                  \
		if (!(x)) {                                                                   \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #x); \
			abort();                                                              \
		}                                                                             \
	} while (0)

enum {
	DIM = 256,
	FFN = 512,
	HEADS = 4,
	KV_HEADS = 2,
	HEAD_DIM = 64,
	LAYERS = 2,
	LAYERS_MOST = 8,
	VOCAB = TINY_VOCAB
};
#define JUNK_BYTES    \
	((1u << 20) + \
		4096u) /* in front of the tensors, as a header would be: segments begin inside tensors */

u64 tiny_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void tiny_ids(u32 *ret, size_t n, u64 *state)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (u32)(tiny_random(state) % TINY_VOCAB);
}

static f32 uniform(u64 *state) /* in [-1, 1) */
{
	return (f32)(i32)(tiny_random(state) >> 40) * 0x1p-23f - 1.0f;
}

static u16 to_half(f32 x) /* positive or negative, below 65504; truncated */
{
	u32 u;
	memcpy(&u, &x, sizeof u);
	u32 sign = u >> 16 & 0x8000u, e = u >> 23 & 255u;
	f32 m = x < 0 ? -x : x;
	if (e < 113)
		return (u16)(sign | (u32)(m * 0x1p24f));
	return (u16)(sign | (e - 112) << 10 | (u >> 13 & 0x3ffu));
}

static void put_half(u8 *p, f32 x)
{
	u16 h = to_half(x);
	memcpy(p, &h, sizeof h);
}

/* What random bits of a type are when its float16 d is 1: their size, and with a second float16 what that is to d, so that the mean is 0. */
static const struct {
	u32 type;
	f32 size, second;
} sizes[] = {
	{ TENSOR_Q4_0, 4.6f, 0 },
	{ TENSOR_Q8_0, 73.0f, 0 },
	{ TENSOR_Q6_K, 73.0f * 18.5f, 0 },
	{ TENSOR_Q4_K, 37.0f * 4.6f, 7.5f },
	{ TENSOR_Q5_K, 37.0f * 9.2f, 15.5f },
	{ TENSOR_Q4_1, 4.6f, -7.5f },
	{ TENSOR_Q5_0, 9.2f, 0 },
	{ TENSOR_Q5_1, 9.2f, -15.5f },
	{ TENSOR_Q2_K, 13.9f, 1.5f },
	{ TENSOR_Q3_K, 43.0f, 0 },
	{ TENSOR_IQ4_NL, 66.0f, 0 },
	{ TENSOR_IQ4_XS, 66.0f * 18.5f, 0 },
	{ TENSOR_IQ2_XXS, 60.0f, 0 },
	{ TENSOR_IQ2_XS, 60.0f, 0 },
	{ TENSOR_IQ2_S, 60.0f, 0 },
	{ TENSOR_IQ3_XXS, 162.0f, 0 },
	{ TENSOR_IQ3_S, 166.0f, 0 },
	{ TENSOR_IQ1_S, 7.5f, 0 },
	{ TENSOR_IQ1_M, 7.5f, 0 },
	{ TENSOR_TQ1_0, 0.8f, 0 },
	{ TENSOR_TQ2_0, 1.2f, 0 },
	{ TENSOR_NVFP4, 6.0f, 0 },
	{ TENSOR_MXFP4, 5.9f, 0 },
};

/* Quants are random bits; scales give them the size s, or d, which is about that. */
static void fill_block(u8 *p, u32 type, f32 s, f32 d, u64 *state)
{
	u32 at[2], n = block_halves_of(type, at), i = 0;
	for (u32 b = 0; b < tensor_type_info(type)->bytes; b++)
		p[b] = (u8)tiny_random(state);
	while (i < ARRAY_LEN(sizes) && sizes[i].type != type)
		i++;
	MUST(i < ARRAY_LEN(sizes));
	f32 first = d / sizes[i].size;
	if (n > 0)
		put_half(p + at[0], first);
	if (n > 1)
		put_half(p + at[1], d * sizes[i].second / sizes[i].size);
	if (type == TENSOR_IQ1_M)
		for (u32 j = 0; j < 4; j++)
			p[49 + 2 * j] = (u8)((p[49 + 2 * j] & 15) | (to_half(first) >> (4 * j) & 15) << 4);
	if (type == TENSOR_MXFP4) /* 2^(e - 128) */
		p[0] = s < 0.05f ? 120 : s < 0.1f ? 121 : 124;
	/* UE4M3, halved: below 2^-7 a multiple of 2^-10 */
	for (u32 j = 0; type == TENSOR_NVFP4 && j < 4; j++)
		p[j] = (u8)MIN((u32)(first * 0x1p10f) + (p[j] & 1), 15u);
}

/* n elements of standard deviation s. */
static void fill(u8 *p, u32 type, u64 n, f32 s, u64 *state)
{
	const struct tensor_type_info *info = tensor_type_info(type);
	for (u64 b = 0; b < n / info->block; b++, p += info->bytes) {
		f32 x = uniform(state) * s * 1.7320508f;
		f32 d = s * (1.0f + 0.25f * uniform(state));
		u32 u;
		memcpy(&u, &x, sizeof u);
		if (type == TENSOR_F32) {
			memcpy(p, &u, 4);
			continue;
		}
		if (type == TENSOR_F16 || type == TENSOR_BF16) {
			u16 h = type == TENSOR_F16 ? to_half(x) : (u16)(u >> 16);
			memcpy(p, &h, 2);
			continue;
		}
		fill_block(p, type, s, d, state);
	}
}

/* ---- strings and vocabulary ---------------------------------------------------------------------------------------------- */

struct maker {
	struct layout_header h;
	struct layout_layer layers[LAYERS_MOST];
	bool differ; /* layers do */
	struct layout_tensor tensors[128];
	struct layout_token vocab[VOCAB];
	char strings[16384];
};

static struct layout_str text(struct maker *m, const char *s)
{
	struct layout_str at = { m->h.strings_bytes, (u32)strlen(s) };
	MUST(at.off + at.len < sizeof m->strings);
	memcpy(m->strings + at.off, s, at.len);
	m->h.strings_bytes += at.len;
	return at;
}

static void token(struct maker *m, const char *s, u32 type)
{
	u32 id = m->h.n_vocab++;
	m->vocab[id] = (struct layout_token){ text(m, s), -(f32)id, type };
}

static void make_vocab(struct maker *m)
{
	char s[16];
	token(m, "<unk>", TOK_UNKNOWN);
	token(m, "<s>", TOK_CONTROL);
	token(m, "</s>", TOK_CONTROL);
	for (u32 i = 0; i < 256; i++) {
		snprintf(s, sizeof s, "<0x%02X>", i);
		token(m, s, TOK_BYTE);
	}
	token(m, "\xe2\x96\x81", TOK_NORMAL);
	for (char c = 'a'; c <= 'z'; c++) {
		snprintf(s, sizeof s, "%c", c);
		token(m, s, TOK_NORMAL);
	}
	token(m, "\xe2\x82\xac", TOK_NORMAL); /* a euro sign: three bytes, one character */
	while (m->h.n_vocab < VOCAB) {
		snprintf(s, sizeof s, "q%c", 'a' + (int)(m->h.n_vocab % 26));
		if (m->h.n_vocab >= 300)
			snprintf(s, sizeof s, "z%c%c", 'a' + (int)(m->h.n_vocab % 26),
				'a' + (int)(m->h.n_vocab / 26));
		token(m, s, TOK_NORMAL);
	}
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------- */

static const u32 types[] = { TENSOR_Q4_K, TENSOR_Q6_K, TENSOR_Q8_0, TENSOR_F16, TENSOR_Q4_0, TENSOR_BF16,
	TENSOR_Q5_K, TENSOR_F32 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct layout_tensor *)a)->name, ((const struct layout_tensor *)b)->name);
}

static struct layout_tensor *tensor_add(struct maker *m, const struct layout_want *w, u32 type, u64 at)
{
	const struct tensor_type_info *info = tensor_type_info(type);
	MUST(m->h.n_tensors < ARRAY_LEN(m->tensors));
	struct layout_tensor *t = &m->tensors[m->h.n_tensors++];
	*t = (struct layout_tensor){ .offset = at,
		.bytes = (u64)w->ne[0] / info->block * info->bytes * w->ne[1] * w->ne[2],
		.type = type,
		.n_dims = w->ne[2] > 1	  ? 3
			  : w->ne[1] == 1 ? 1
					  : 2,
		.ne = { w->ne[0], w->ne[1], w->ne[2], 1 } };
	memcpy(t->name, w->name, sizeof t->name);
	return t;
}

/* In the order of the architecture in the file, by name in the table. */
static u64 make_tensors(struct maker *m, const struct tiny_spec *spec)
{
	u64 at = JUNK_BYTES;
	struct layout l = { .h = &m->h, .layers = m->differ ? m->layers : NULL };
	for (u32 i = 0, nth = 0, n = layout_want_count(&l); i < n; i++) {
		struct layout_want w, s;
		if (!layout_want_at(&l, i, &w))
			continue;
		u32 type = spec->type == TINY_MIXED ? types[nth++ % ARRAY_LEN(types)] : spec->type;
		at = ALIGN_UP(at + tensor_add(m, &w, w.f32_only ? TENSOR_F32 : type, at)->bytes, 32u);
		if (spec->scales && layout_want_scale(&w, &s))
			at = ALIGN_UP(at + tensor_add(m, &s, TENSOR_F32, at)->bytes, 32u);
	}
	return at;
}

static f32 vector_element(const char *name, u64 j, u64 *state)
{
	if (strncmp(name, "rope_f", 6) == 0)
		return 1.0f + (f32)(j % 8);
	f32 x = 0.2f * uniform(state);
	return strstr(name, ".bias") ? x : 1.0f + x;
}

static void fill_file(struct maker *m, u8 *file, u64 seed)
{
	for (u64 i = 0, s = seed ^ 77; i < JUNK_BYTES; i += 8) {
		u64 r = tiny_random(&s);
		memcpy(file + i, &r, 8);
	}
	for (u32 i = 0; i < m->h.n_tensors; i++) {
		const struct layout_tensor *t = &m->tensors[i];
		u64 state = seed + i * 1000003u, n = (u64)t->ne[0] * t->ne[1] * t->ne[2];
		bool vector = t->ne[1] == 1 || strstr(t->name, ".bias");
		f32 inv = t->ne[0] >= FFN ? 0.0442f : 0.0625f;
		if (strcmp(t->name, "token_embd.weight") == 0)
			inv = 0.5f;
		if (!vector)
			fill(file + t->offset, t->type, n, inv, &state);
		for (u64 j = 0; vector && j < n; j++) {
			f32 x = vector_element(t->name, j, &state);
			memcpy(file + t->offset + 4 * j, &x, 4);
		}
	}
}

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static void make_layout(struct maker *m, struct tiny *ret)
{
	struct layout_header *h = &m->h;
	qsort(m->tensors, h->n_tensors, sizeof m->tensors[0], by_name);
	memcpy(h->magic, LAYOUT_MAGIC, 8);
	h->off_tensors = sizeof *h;
	h->off_vocab = h->off_tensors + h->n_tensors * sizeof m->tensors[0];
	h->off_merges = h->off_vocab + h->n_vocab * sizeof m->vocab[0];
	h->off_strings = h->off_merges;
	h->bytes = ALIGN_UP(h->off_strings + h->strings_bytes, 8u);
	if (m->differ) {
		h->off_layers = h->bytes;
		h->bytes += h->n_layers * sizeof m->layers[0];
	}
	ret->layout_len = h->bytes;
	MUST(ret->layout = calloc(1, h->bytes));
	memcpy(ret->layout, h, sizeof *h);
	memcpy(ret->layout + h->off_tensors, m->tensors, h->n_tensors * sizeof m->tensors[0]);
	memcpy(ret->layout + h->off_vocab, m->vocab, h->n_vocab * sizeof m->vocab[0]);
	memcpy(ret->layout + h->off_strings, m->strings, h->strings_bytes);
	if (m->differ)
		memcpy(ret->layout + h->off_layers, m->layers, h->n_layers * sizeof m->layers[0]);
}

static void make_segments(struct tiny *t, const u8 *const data[TINY_FILES])
{
	static const char *const names[TINY_FILES] = { "model.gguf", "LICENSE" };
	struct segments_header h = { .segment_bytes = SEGMENT_BYTES, .n_files = TINY_FILES };
	struct segments_file f[TINY_FILES] = { 0 };
	memcpy(h.magic, SEGMENTS_MAGIC, 8);
	for (u32 i = 0; i < TINY_FILES; i++) {
		f[i].bytes = t->bytes[i];
		f[i].first = h.n_segments;
		f[i].count = DIV_UP(t->bytes[i], SEGMENT_BYTES);
		sha256_of(data[i], t->bytes[i], f[i].digest);
		MUST(bytes_put_str(f[i].path, sizeof f[i].path, names[i]) == 0);
		h.n_segments += f[i].count;
		h.bytes += f[i].bytes;
	}
	t->segments_len = sizeof h + sizeof f + h.n_segments * SHA256_BYTES;
	MUST(t->segments = calloc(1, t->segments_len));
	memcpy(t->segments, &h, sizeof h);
	memcpy(t->segments + sizeof h, f, sizeof f);
	u8 *digest = t->segments + sizeof h + sizeof f;
	for (u32 i = 0; i < TINY_FILES; i++)
		for (u64 at = 0; at < t->bytes[i]; at += SEGMENT_BYTES, digest += SHA256_BYTES)
			sha256_of(data[i] + at, MIN(SEGMENT_BYTES, t->bytes[i] - at), digest);
}

static int file_of(const u8 *data, u64 len)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("tiny", MFD_CLOEXEC);
	MUST(fd >= 0 && fd_write_all(fd, data, len) == 0);
	return fd;
}

/* ---- families --------------------------------------------------------------------------------------------------------------- */

static void make_layers(struct maker *m, const struct arch *a)
{
	struct layout_layer plain = layout_layer_at(&(struct layout){ .h = &m->h }, 0);
	m->differ = a->keys & (KEY_WINDOW | KEY_LAYERS | KEY_DENSE_FIRST | KEY_DENSE_BETWEEN) ||
		    a->act == ARCH_ACT_XIELU;
	for (u32 i = 0; i < m->h.n_layers; i++) {
		bool window = a->keys & KEY_WINDOW && (i == 0 || !a->window_period);
		m->layers[i] = plain;
		m->layers[i].kv_layer = i;
		m->layers[i].window = window ? 40 : 0; /* over a page, not a whole number of them */
		m->layers[i].rope = window && a->rope_base_window > 0;
		if (!window && a->window_no_rope)
			m->layers[i].rope_dim = 0;
		if (i == 0 && a->keys & (KEY_DENSE_FIRST | KEY_DENSE_BETWEEN))
			m->layers[i].tensors &= ~(u32)LAYER_EXPERTS;
		for (u32 k = 0; k < 4 && a->act == ARCH_ACT_XIELU; k++)
			m->layers[i].xielu[k] = k == 3 ? -1e-6f : 0.25f + 0.25f * (f32)(i + k);
	}
}

/* Gemma 4: layer 0 has a window, heads of half the size and values of its own; layer 1 has neither, and its values are its keys;
 * layer 2 reads those of layer 1, and has a matrix for keys that nobody reads. */
static void make_gemma4(struct maker *m)
{
	m->h.per_layer_dim = 256;
	m->h.n_layers = 3;
	m->layers[2] = m->layers[1];
	m->layers[0].head_dim = HEAD_DIM / 2;
	m->layers[0].rope_dim = m->h.rope_dim_2 = HEAD_DIM / 2;
	m->layers[0].ffn_dim = FFN / 2;
	m->layers[1].tensors = m->layers[2].tensors = LAYER_KEYS;
	m->layers[1].n_kv_heads = m->layers[2].n_kv_heads = 1;
	m->layers[2].kv_layer = 1;
}

/* Some experts, of which a token has half: so few that most groups of a prompt have several tokens, and of a single token one. */
static void make_experts(struct layout_header *h, const struct arch *a)
{
	h->n_experts = 6;
	h->n_experts_used = a->routing_input ? 1 : 3;
	h->expert_dim = FFN / 2;
	h->shared_dim = h->parts & PART_SHARED ? FFN : 0;
	h->routing = a->routing;
	h->expert_scale = a->keys & KEY_EXPERT_SCALE ? 1.5f : 0;
	h->switches = a->routing_norm != ARCH_ROUTE_NORM_NEVER ? SWITCH_ROUTING_NORM : 0;
	if (a->unit_qk_unless)
		h->switches |= SWITCH_UNIT_QK;
	if (a->chunk)
		h->switches |= SWITCH_PIECES | SWITCH_TEMPERATURE_1;
	if (a->chunk)
		h->temperature = a->chunk_temperature;
}

/* Everything that the architecture's row allows. */
static void make_family(struct maker *m, u32 arch)
{
	const struct arch *a = arch_of(arch);
	struct layout_header *h = &m->h;
	h->arch = arch;
	h->parts = a->must | a->may;
	if (a->may & PART_QKV_FUSED)
		h->parts &= ~(u32)(PART_QKV | PART_QKV_BIAS);
	h->attn_scale = a->keys & KEY_ATTN_SCALE ? 0.11f : a->attn_scale / 8; /* 1 suits trained norms only */
	h->embed_scale = a->keys & KEY_EMBED_SCALE ? 3 : a->embed_sqrt ? 16 : 0;
	h->residual_scale = a->keys & KEY_RESIDUAL_SCALE ? 0.4f : 0;
	h->logit_scale = a->keys & KEY_LOGIT_SCALE ? 0.3f : 0;
	h->logit_softcap = a->keys & KEY_LOGIT_SOFTCAP ? 5 : 0;
	h->temperature = a->keys & KEY_TEMPERATURE ? 0.1f : 0;
	if (h->parts & PART_EXPERTS)
		make_experts(h, a);
	h->temperature_ctx = h->temperature > 0 ? 16 : 0;
	h->rope_base_2 = a->rope_base_window;
	h->rope_scale_2 = a->rope_base_window > 0 ? 1 : 0;
	h->rope_dim_2 = a->rope_base_window > 0 ? HEAD_DIM : 0;
	h->rope_ctx = 32;
	if (h->parts & PART_ROPE_FACTORS) {
		h->rope_scaling = ROPE_LONG;
		h->rope_magnitude = 1.2f;
	} else if (a->keys & KEY_ROPE_SCALING) {
		h->rope_scaling = ROPE_YARN;
		h->rope_scale = 4;
		h->yarn_ext_factor = 1;
		h->yarn_beta_fast = 32;
		h->yarn_beta_slow = 1;
	}
	if (arch == LAYOUT_ARCH_GLM4)
		h->rope_dim = HEAD_DIM / 2;
	make_layers(m, a);
	if (a->keys & KEY_LAYERS)
		make_gemma4(m);
}

void tiny_make(const struct tiny_spec *spec, struct tiny *ret)
{
	struct maker *m = calloc(1, sizeof *m);
	MUST(m);
	const struct arch *arch = arch_of(LAYOUT_ARCH_LLAMA);
	m->h = (struct layout_header){ .arch = LAYOUT_ARCH_LLAMA,
		.parts = arch->must | (spec->untied ? PART_HEAD : 0) | (spec->factors ? PART_ROPE_FREQS : 0),
		.n_files = TINY_FILES,
		.n_layers = spec->layers ? spec->layers : LAYERS,
		.dim = DIM,
		.ffn_dim = spec->ffn ? spec->ffn : FFN,
		.n_heads = HEADS,
		.n_kv_heads = KV_HEADS,
		.head_dim = HEAD_DIM,
		.rope_dim = HEAD_DIM,
		.ctx_train = spec->ctx ? spec->ctx : 256,
		.rms_eps = 1e-5f,
		.rope_base = 10000.0f,
		.rope_scale = 1.0f,
		.tok_model = LAYOUT_TOK_SPM,
		.tok_flags = LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX,
		.bos = 1,
		.eos = 2,
		.eot = LAYOUT_NONE,
		.unk = 0,
		.pad = LAYOUT_NONE };
	if (spec->arch)
		make_family(m, spec->arch);
	m->h.name = text(m, "tiny");
	make_vocab(m);
	struct tiny t = { .bytes = { make_tensors(m, spec), 12 } };
	u8 *file = calloc(1, t.bytes[0]);
	MUST(file);
	fill_file(m, file, spec->seed);
	const u8 *data[TINY_FILES] = { file, (const u8 *)"no licence.\n" };
	make_layout(m, &t);
	make_segments(&t, data);
	for (u32 i = 0; i < TINY_FILES; i++)
		t.files[i] = file_of(data[i], t.bytes[i]);
	free(file);
	free(m);
	*ret = t;
}

void tiny_fini(struct tiny *t)
{
	free(t->layout);
	free(t->segments);
	for (u32 i = 0; i < TINY_FILES; i++)
		fd_close(&t->files[i]);
	*t = (struct tiny){ .files = { -1, -1 } };
}

u64 tiny_offset(const struct tiny *t, const char *tensor)
{
	struct layout l;
	const char *why;
	MUST(layout_open(t->layout, t->layout_len, NULL, &l, &why) == 0);
	const struct layout_tensor *x = layout_tensor_find(&l, tensor);
	MUST(x);
	return x->offset;
}

struct proto_grant tiny_wants(const struct tiny *t, u32 kv_mode, u32 ctx_tokens)
{
	struct proto_grant g = { .n_files = TINY_FILES, .kv_mode = kv_mode, .ctx_tokens = ctx_tokens };
	sha256_of(t->layout, t->layout_len, g.layout);
	sha256_of(t->segments, t->segments_len, g.segments);
	memset(g.model, 0x5a, sizeof g.model);
	return g;
}

void tiny_collect(const struct tiny *t, u32 kv_mode, u32 ctx_tokens, struct grant *ret)
{
	struct grant g = { .state = GRANT_COLLECTING, .id = 1, .want = tiny_wants(t, kv_mode, ctx_tokens) };
	MUST(fd_memfd_sealed("layout", t->layout, t->layout_len, &g.layout_fd) == 0);
	MUST(fd_memfd_sealed("segments", t->segments, t->segments_len, &g.segments_fd) == 0);
	MUST(g.files = malloc(TINY_FILES * sizeof *g.files));
	for (u32 i = 0; i < TINY_FILES; i++)
		MUST((g.files[g.n_files++] = fcntl(t->files[i], F_DUPFD_CLOEXEC, 3)) >= 0);
	*ret = g;
}

u32 tiny_ctx_train(const struct tiny *t)
{
	return ((const struct layout_header *)(const void *)t->layout)->ctx_train;
}

void tiny_load(const struct tiny *t, struct rt_device *d, const struct grant_params *p, u32 kv_mode,
	struct grant *ret)
{
	struct proto_load_failed f = { 0 };
	struct grant_params all = *p;
	if (!all.ctx_usual)
		all.ctx_usual = tiny_ctx_train(t);
	tiny_collect(t, kv_mode, 0, ret);
	int r = grant_load(ret, d, &all, &f);
	if (!r)
		r = grant_ready(ret, &all, &f);
	if (r)
		fprintf(stderr, "tiny model: %s (%d)\n", f.text, r);
	MUST(r == 0);
}

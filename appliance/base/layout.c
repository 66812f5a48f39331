#include "base/layout.h"
#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#define REFUSE(text)               \
	do {                       \
		*ret_why = (text); \
		return 1;          \
	} while (0)

/* ---- segments ---------------------------------------------------------------------------------------------------------- */

/* Relative, '/', UTF-8, no empty part, no "." or "..", nothing behind the 0 byte. */
static bool path_field_ok(const char *field, size_t size)
{
	if (!bytes_str_ok(field, size) || !field[0] || !bytes_utf8_ok(field, strlen(field)))
		return false;
	for (const char *p = field;;) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

static int segments_files_check(const struct segments *s, const char **ret_why)
{
	u64 next = 0, bytes = 0;
	for (u32 i = 0; i < s->h->n_files; i++) {
		const struct segments_file *f = &s->files[i];
		if (f->bytes > MODEL_BYTES_MAX || bytes + f->bytes > MODEL_BYTES_MAX)
			REFUSE("the files are larger than a model may be");
		if (f->first != next || f->count != DIV_UP(f->bytes, (u64)SEGMENT_BYTES))
			REFUSE("a file's segments do not follow its size");
		if (!path_field_ok(f->path, sizeof f->path))
			REFUSE("a file's path is not relative and plain");
		for (u32 j = 0; j < i; j++)
			if (!strcmp(f->path, s->files[j].path))
				REFUSE("two files have one path");
		next += f->count;
		bytes += f->bytes;
	}
	if (next != s->h->n_segments || bytes != s->h->bytes)
		REFUSE("the totals differ from the files");
	return 0;
}

int segments_open(const void *data, size_t len, struct segments *ret, const char **ret_why)
{
	struct bytes b = bytes_of(data, len);
	struct segments s = { .h = (const void *)bytes_get(&b, sizeof *s.h) };
	if (!s.h)
		REFUSE("shorter than its header");
	if ((uintptr_t)data % 8)
		REFUSE("not aligned");
	if (memcmp(s.h->magic, SEGMENTS_MAGIC, sizeof s.h->magic))
		REFUSE("not a segment table");
	if (s.h->segment_bytes != SEGMENT_BYTES)
		REFUSE("another segment size");
	if (s.h->n_files == 0 || s.h->n_files > MODEL_FILES_MAX)
		REFUSE("number of files out of range");
	if (s.h->n_segments > MODEL_BYTES_MAX / SEGMENT_BYTES + MODEL_FILES_MAX)
		REFUSE("number of segments out of range");
	s.files = (const void *)bytes_get(&b, s.h->n_files * sizeof *s.files);
	s.digests = (const void *)bytes_get(&b, s.h->n_segments * SHA256_BYTES);
	if (b.bad || bytes_left(&b))
		REFUSE("length differs from the counts");
	int r = segments_files_check(&s, ret_why);
	if (r)
		return r;
	*ret = s;
	return 0;
}

/* ---- types --------------------------------------------------------------------------------------------------------------- */

int layout_tensor_bytes(u32 type, const u32 ne[4], u64 *ret_bytes)
{
	const struct tensor_type_info *t = tensor_type_info(type);
	if (!t || ne[0] % t->block)
		return 1;
	u64 n = (u64)(ne[0] / t->block) * t->bytes;
	for (u32 i = 0; i < 4; i++)
		if (ne[i] == 0)
			return 1;
	for (u32 i = 1; i < 4; i++)
		if (__builtin_mul_overflow(n, (u64)ne[i], &n))
			return 1;
	*ret_bytes = n;
	return 0;
}

/* ---- what a model is made of --------------------------------------------------------------------------------------------- */

struct layout_layer layout_layer_at(const struct layout *l, u32 i)
{
	const struct layout_header *h = l->h;
	assert(i < h->n_layers);
	if (l->layers)
		return l->layers[i];
	return (struct layout_layer){ .n_heads = h->n_heads,
		.n_kv_heads = h->n_kv_heads,
		.head_dim = h->head_dim,
		.rope_dim = h->rope_dim,
		.ffn_dim = h->ffn_dim,
		.kv_layer = i,
		.tensors = LAYER_KEYS | LAYER_VALUES | (h->n_experts ? LAYER_EXPERTS : 0) };
}

bool layout_parts_ok(u32 arch, u32 parts)
{
	const struct arch *a = arch_of(arch);
	u32 qkv = parts & (PART_QKV | PART_QKV_FUSED);
	if (!a || (parts & a->must) != a->must || parts & ~(a->must | a->may))
		return false;
	if (parts & PART_QKV_BIAS && !(parts & PART_QKV))
		return false;
	if (parts & PART_QKV_FUSED_BIAS && !(parts & PART_QKV_FUSED))
		return false;
	return qkv == PART_QKV || qkv == PART_QKV_FUSED;
}

u32 layout_want_count(const struct layout *l)
{
	return arch_model_tensors_n + l->h->n_layers * arch_layer_tensors_n;
}

static u32 want_dim(const struct layout_header *h, const struct layout_layer *l, u8 dim)
{
	u32 kv = l->n_kv_heads * l->head_dim, q = l->n_heads * l->head_dim;
	switch (dim) {
	case DIM_MODEL:
		return h->dim;
	case DIM_VOCAB:
		return h->n_vocab;
	case DIM_FFN:
		return l->ffn_dim;
	case DIM_FFN_2:
		return 2 * l->ffn_dim;
	case DIM_Q:
		return q;
	case DIM_KV:
		return kv;
	case DIM_QKV:
		return q + 2 * kv;
	case DIM_HEAD:
		return l->head_dim;
	case DIM_ROPE_HALF:
		return h->rope_dim / 2;
	case DIM_PER_LAYER:
		return h->per_layer_dim;
	case DIM_PER_LAYER_ALL:
		return h->per_layer_dim * h->n_layers;
	case DIM_HEADS:
		return l->n_heads;
	case DIM_EXPERTS:
		return h->n_experts;
	case DIM_EXPERT:
		return h->expert_dim;
	case DIM_SHARED:
		return h->shared_dim;
	default:
		return 1;
	}
}

static bool is_in(u8 when, u32 tensors)
{
	switch (when) {
	case IN_KEYS:
		return tensors & LAYER_KEYS;
	case IN_VALUES:
		return tensors & LAYER_VALUES;
	case IN_EXPERTS:
		return tensors & LAYER_EXPERTS;
	case IN_DENSE:
		return !(tensors & LAYER_EXPERTS);
	}
	return true;
}

bool layout_want_at(const struct layout *l, u32 i, struct layout_want *ret)
{
	u32 in_layers = l->h->n_layers * arch_layer_tensors_n, first = arch_model_first_n;
	assert(i < layout_want_count(l));
	const struct arch_tensor *t;
	struct layout_layer of = layout_layer_at(l, 0);
	*ret = (struct layout_want){ 0 };
	if (i >= first && i - first < in_layers) {
		u32 layer = (i - first) / arch_layer_tensors_n;
		t = &arch_layer_tensors[(i - first) % arch_layer_tensors_n];
		of = layout_layer_at(l, layer);
		snprintf(ret->name, sizeof ret->name, "blk.%u.%s", layer, t->name);
	} else {
		t = &arch_model_tensors[i < first ? i : i - in_layers];
		snprintf(ret->name, sizeof ret->name, "%s", t->name);
	}
	ret->ne[0] = want_dim(l->h, &of, t->ne0);
	ret->ne[1] = want_dim(l->h, &of, t->ne1);
	ret->ne[2] = want_dim(l->h, &of, t->ne2);
	ret->f32_only = t->f32_only;
	ret->part = t->part;
	ret->scaled = arch_tensor_scaled(t);
	return is_in(t->when, of.tensors) && t->part & l->h->parts;
}

bool layout_want_scale(const struct layout_want *w, struct layout_want *ret)
{
	static const char weight[] = ".weight", scale[] = ".scale";
	size_t stem = strlen(w->name) - (sizeof weight - 1);
	if (!w->scaled)
		return false;
	assert(!strcmp(w->name + stem, weight));
	*ret = (struct layout_want){ .ne = { w->ne[2], 1, 1 }, .f32_only = true, .part = w->part };
	memcpy(ret->name, w->name, stem);
	memcpy(ret->name + stem, scale, sizeof scale);
	return true;
}

/* ---- layout -------------------------------------------------------------------------------------------------------------- */

static bool in_range(u32 v, u32 lo, u32 hi)
{
	return v >= lo && v <= hi;
}

/* False for NaN too. */
static bool in_range_f(f32 v, f32 lo, f32 hi)
{
	return v >= lo && v <= hi;
}

static int heads_check(const struct layout_layer *l, const char **ret_why)
{
	if (!in_range(l->n_heads, 1, HEADS_MAX) || !in_range(l->n_kv_heads, 1, l->n_heads) ||
		l->n_heads % l->n_kv_heads || !in_range(l->head_dim, 1, HEAD_DIM_MAX) ||
		l->n_heads * l->head_dim > DIM_MAX)
		REFUSE("attention heads out of range");
	if (l->rope_dim > l->head_dim || l->rope_dim % 2)
		REFUSE("rotated dimensions out of range");
	if (l->tensors & ~(u32)(LAYER_KEYS | LAYER_VALUES | LAYER_EXPERTS))
		REFUSE("unknown tensors of a layer");
	if (!in_range(l->ffn_dim, 1, DIM_MAX) || l->window > CTX_TOKENS_MAX || l->rope > 1)
		REFUSE("feed-forward, window or rotation of a layer out of range");
	for (u32 i = 0; i < 4; i++)
		if (!in_range_f(l->xielu[i], -1e4f, 1e4f))
			REFUSE("an activation's parameter out of range");
	for (u32 i = 0; i < ARRAY_LEN(l->reserved); i++)
		if (l->reserved[i])
			REFUSE("reserved words of a layer are not zero");
	return 0;
}

/* 0, or from lo to hi. */
static bool none_or_f(f32 v, f32 lo, f32 hi)
{
	return v == 0 || in_range_f(v, lo, hi);
}

static int rope_check(const struct layout_header *h, const char **ret_why)
{
	if (!in_range_f(h->rope_base, 1.0f, 1e12f) || !in_range_f(h->rope_scale, 1e-6f, 1e6f) ||
		!none_or_f(h->rope_base_2, 1.0f, 1e12f) || !none_or_f(h->rope_scale_2, 1e-6f, 1e6f))
		REFUSE("rotation base or position scale out of range");
	if (h->rope_scaling > ROPE_LONG || !none_or_f(h->rope_magnitude, 1e-3f, 1e3f) ||
		!in_range_f(h->yarn_ext_factor, 0, 1) || !none_or_f(h->yarn_beta_fast, 1e-3f, 1e6f) ||
		!none_or_f(h->yarn_beta_slow, 1e-3f, 1e6f) ||
		!none_or_f(h->yarn_log_multiplier, 1e-6f, 1e3f) || h->rope_ctx > CTX_TOKENS_MAX)
		REFUSE("scaling of positions out of range");
	if (h->rope_scaling == ROPE_YARN && !(h->rope_ctx && h->yarn_beta_fast > 0 && h->yarn_beta_slow > 0))
		REFUSE("YaRN without what it is computed from");
	if ((h->rope_scaling == ROPE_LONG) != !!(h->parts & PART_ROPE_FACTORS) ||
		(h->rope_scaling == ROPE_LONG && !h->rope_ctx))
		REFUSE("LongRoPE without its factors, or they without it");
	return 0;
}

static int scales_check(const struct layout_header *h, const char **ret_why)
{
	const f32 scales[] = { h->attn_scale, h->embed_scale, h->residual_scale, h->logit_scale,
		h->logit_softcap };
	for (size_t i = 0; i < ARRAY_LEN(scales); i++)
		if (!none_or_f(scales[i], 1e-6f, 1e6f))
			REFUSE("a scale out of range");
	if (!in_range_f(h->temperature, 0, 100) || h->temperature_ctx > CTX_TOKENS_MAX ||
		(h->temperature > 0 && !h->temperature_ctx))
		REFUSE("temperature of attention out of range");
	return 0;
}

static int experts_check(const struct layout_header *h, const char **ret_why)
{
	const u32 known = SWITCH_ROUTING_NORM | SWITCH_UNIT_QK | SWITCH_YARN_EXACT | SWITCH_PIECES |
			  SWITCH_TEMPERATURE_1 | SWITCH_ROPE_HALVES;
	if (h->n_drafts > LAYERS_MAX || h->switches & ~known)
		REFUSE("unknown switches, or layers for drafts out of range");
	if (!!h->n_experts != !!(h->parts & PART_EXPERTS) || !!h->shared_dim != !!(h->parts & PART_SHARED))
		REFUSE("numbers of experts without their tensors, or these without numbers");
	if (!h->n_experts)
		return 0;
	if (!in_range(h->n_experts, 1, EXPERTS_MAX) ||
		!in_range(h->n_experts_used, 1, MIN(h->n_experts, EXPERTS_USED_MAX)) ||
		!in_range(h->expert_dim, 1, DIM_MAX) || h->shared_dim > DIM_MAX ||
		!in_range(h->routing, ARCH_ROUTE_SOFTMAX, ARCH_ROUTE_CHOSEN) ||
		!none_or_f(h->expert_scale, 1e-6f, 1e6f))
		REFUSE("experts, their width or their weights out of range");
	if (h->expert_dim % EXPERT_DIM_STEP || h->dim % EXPERT_DIM_STEP)
		REFUSE("rows of experts are not whole steps");
	return 0;
}

static int network_check(const struct layout_header *h, const char **ret_why)
{
	if (!arch_of(h->arch))
		REFUSE("an unknown architecture");
	if (!layout_parts_ok(h->arch, h->parts))
		REFUSE("parts that its architecture does not have, or lacks");
	if (!in_range(h->n_layers, 1, LAYERS_MAX) || !in_range(h->dim, 1, DIM_MAX) ||
		!in_range(h->ffn_dim, 1, DIM_MAX) || !in_range(h->ctx_train, 1, CTX_TOKENS_MAX))
		REFUSE("layers, width or context out of range");
	if (!in_range(h->rope_dim, 2, h->head_dim) || !in_range_f(h->rms_eps, 1e-12f, 1e-1f))
		REFUSE("rotated dimensions or epsilon out of range");
	if (h->rope_dim_2 > HEAD_DIM_MAX || h->rope_dim_2 % 2 ||
		!!h->per_layer_dim != !!(h->parts & PART_PER_LAYER) ||
		(u64)h->per_layer_dim * h->n_layers > DIM_MAX)
		REFUSE("rotated dimensions or the layers' own embeddings out of range");
	int r = rope_check(h, ret_why);
	r = r ? r : scales_check(h, ret_why);
	r = r ? r : experts_check(h, ret_why);
	if (r)
		return r;
	const struct layout_layer plain = layout_layer_at(&(struct layout){ .h = h }, 0);
	return heads_check(&plain, ret_why);
}

/* Against the model, and the layer whose keys and values it reads. */
static int layer_check(const struct layout *l, u32 i, const char **ret_why)
{
	const struct layout_header *h = l->h;
	const struct layout_layer *y = &l->layers[i], *from;
	if (y->rope_dim && y->rope_dim != (y->rope ? h->rope_dim_2 : h->rope_dim))
		REFUSE("a layer with a rotation that the model does not have");
	if (y->rope && !(h->rope_base_2 > 0 && h->rope_scale_2 > 0))
		REFUSE("a layer with a rotation that the model does not have");
	if (y->kv_layer > i)
		REFUSE("a layer reads the keys of a later one");
	from = &l->layers[y->kv_layer];
	if (from->kv_layer != y->kv_layer || !(from->tensors & LAYER_KEYS) ||
		(!(from->tensors & LAYER_VALUES) && !arch_of(h->arch)->value_norm))
		REFUSE("a layer reads keys and values that are not there");
	if (from->n_kv_heads != y->n_kv_heads || from->head_dim != y->head_dim)
		REFUSE("a layer reads keys of another shape");
	if (y->tensors & LAYER_EXPERTS && !h->n_experts)
		REFUSE("a layer of experts in a model that has none");
	return 0;
}

static int layers_check(const struct layout *l, const char **ret_why)
{
	for (u32 i = 0; l->layers && i < l->h->n_layers; i++) {
		int r = heads_check(&l->layers[i], ret_why);
		if (r)
			return r;
		r = layer_check(l, i, ret_why);
		if (r)
			return r;
	}
	return 0;
}

static bool token_ok(u32 id, u32 n_vocab)
{
	return id == LAYOUT_NONE || id < n_vocab;
}

static int tokenizer_check(const struct layout_header *h, const char **ret_why)
{
	if (!in_range(h->tok_model, LAYOUT_TOK_SPM, LAYOUT_TOK_BPE_TEXT))
		REFUSE("an unknown tokenizer");
	if (h->tok_pre >= LAYOUT_PRE_COUNT)
		REFUSE("an unknown pre-tokenizer");
	if (h->tok_flags & ~(u32)LAYOUT_TOK_FLAGS)
		REFUSE("unknown tokenizer flags");
	if (h->tok_model != LAYOUT_TOK_BPE && h->tok_model != LAYOUT_TOK_BPE_TEXT && h->n_merges)
		REFUSE("merges without byte-pair encoding");
	const u32 ids[] = { h->bos, h->eos, h->eot, h->unk, h->pad };
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (!token_ok(ids[i], h->n_vocab))
			REFUSE("a special token beyond the vocabulary");
	return 0;
}

static int areas_check(const struct layout_header *h, size_t len, const char **ret_why)
{
	static const u8 zero[sizeof h->reserved];
	if (memcmp(h->magic, LAYOUT_MAGIC, sizeof h->magic))
		REFUSE("not a layout");
	if (h->bytes != len || h->bytes > LAYOUT_BYTES_MAX)
		REFUSE("length differs from the header");
	if (h->reserved0 || memcmp(h->reserved, zero, sizeof zero))
		REFUSE("reserved bytes are not zero");
	if (!in_range(h->n_files, 1, MODEL_FILES_MAX) || !in_range(h->n_tensors, 1, TENSORS_MAX) ||
		!in_range(h->n_vocab, 1, VOCAB_MAX) || h->n_merges > GGUF_ARRAY_LEN_MAX)
		REFUSE("a count out of range");
	u64 at = sizeof *h;
	const struct {
		u64 off, bytes;
	} areas[] = {
		{ h->off_tensors, (u64)h->n_tensors * sizeof(struct layout_tensor) },
		{ h->off_vocab, (u64)h->n_vocab * sizeof(struct layout_token) },
		{ h->off_merges, (u64)h->n_merges * sizeof(struct layout_merge) },
		{ h->off_strings, h->strings_bytes },
		{ h->off_layers, (u64)h->n_layers * sizeof(struct layout_layer) },
	};
	for (size_t i = 0; i < ARRAY_LEN(areas) - !h->off_layers; i++) {
		if (areas[i].off % 8 || areas[i].off < at || areas[i].off > len ||
			areas[i].bytes > len - areas[i].off)
			REFUSE("an area outside the layout");
		at = areas[i].off + areas[i].bytes;
	}
	return 0;
}

static bool span_ok(const struct layout_header *h, struct layout_str s, u32 max)
{
	return s.len <= max && s.off <= h->strings_bytes && s.len <= h->strings_bytes - s.off;
}

static int strings_check(const struct layout *l, const char **ret_why)
{
	const struct layout_header *h = l->h;
	if (!span_ok(h, h->name, GGUF_STRING_BYTES_MAX) || !span_ok(h, h->license, GGUF_STRING_BYTES_MAX) ||
		!span_ok(h, h->chat_template, TEMPLATE_BYTES_MAX) ||
		!span_ok(h, h->charsmap, CHARSMAP_BYTES_MAX))
		REFUSE("a text outside the string area");
	for (u32 i = 0; i < h->n_vocab; i++) {
		const struct layout_token *t = &l->vocab[i];
		if (!span_ok(h, t->text, TOKEN_BYTES_MAX) || t->text.len == 0)
			REFUSE("a token outside the string area, empty or too long");
		if (!in_range(t->type, TOK_NORMAL, TOK_BYTE))
			REFUSE("an unknown token type");
		if (!in_range_f(t->score, -1e30f, 1e30f))
			REFUSE("a token score out of range");
	}
	for (u32 i = 0; i < h->n_merges; i++) {
		const struct layout_merge *m = &l->merges[i];
		if (!span_ok(h, m->left, TOKEN_BYTES_MAX) || !span_ok(h, m->right, TOKEN_BYTES_MAX) ||
			m->left.len == 0 || m->right.len == 0)
			REFUSE("a merge outside the string area, empty or too long");
	}
	return 0;
}

static int tensor_check(const struct layout *l, u32 i, const struct segments *segs, const char **ret_why)
{
	const struct layout_tensor *t = &l->tensors[i];
	u64 bytes, end;
	if (!bytes_str_ok(t->name, sizeof t->name) || !t->name[0] || t->reserved)
		REFUSE("a tensor without a proper name");
	if (i && strcmp(l->tensors[i - 1].name, t->name) >= 0)
		REFUSE("tensors are not sorted by name, or one comes twice");
	if (!in_range(t->n_dims, 1, 4))
		REFUSE("a tensor's number of dimensions is out of range");
	for (u32 d = t->n_dims; d < 4; d++)
		if (t->ne[d] != 1)
			REFUSE("a tensor has more dimensions than it says");
	if (layout_tensor_bytes(t->type, t->ne, &bytes) || bytes != t->bytes)
		REFUSE("a tensor's type, shape and size disagree");
	if (t->file >= l->h->n_files || __builtin_add_overflow(t->offset, bytes, &end) ||
		end > MODEL_BYTES_MAX || t->offset % 4)
		REFUSE("a tensor lies nowhere");
	if (segs && end > segs->files[t->file].bytes)
		REFUSE("a tensor reaches beyond its file");
	return 0;
}

static int want_check(const struct layout_want *w, const struct layout_tensor *t, const char **ret_why)
{
	if (memcmp(t->ne, w->ne, sizeof w->ne) || t->ne[3] != 1)
		REFUSE("a tensor's shape is not the architecture's");
	if (w->f32_only && t->type != TENSOR_F32)
		REFUSE("a norm is not F32");
	return 0;
}

/* Every tensor of the architecture with its shape, scales where there are some, and none beside them. */
static int wants_check(const struct layout *l, const char **ret_why)
{
	u32 found = 0;
	for (u32 i = 0, n = layout_want_count(l); i < n; i++) {
		struct layout_want w;
		if (!layout_want_at(l, i, &w))
			continue;
		const struct layout_tensor *t = layout_tensor_find(l, w.name);
		if (!t)
			REFUSE("a tensor of the architecture is missing");
		struct layout_want s;
		const struct layout_tensor *scale =
			layout_want_scale(&w, &s) ? layout_tensor_find(l, s.name) : NULL;
		int r = want_check(&w, t, ret_why);
		r = r || !scale ? r : want_check(&s, scale, ret_why);
		if (r)
			return r;
		found += scale ? 2 : 1;
	}
	if (found != l->h->n_tensors)
		REFUSE("a tensor that the architecture does not have");
	return 0;
}

int layout_open(
	const void *data, size_t len, const struct segments *segs, struct layout *ret, const char **ret_why)
{
	const u8 *p = data;
	struct layout l = { .h = data };
	if (len < sizeof *l.h || (uintptr_t)data % 8)
		REFUSE("shorter than its header, or not aligned");
	int r = areas_check(l.h, len, ret_why);
	r = r ? r : network_check(l.h, ret_why);
	r = r ? r : tokenizer_check(l.h, ret_why);
	if (r)
		return r;
	if (segs && l.h->n_files != segs->h->n_files)
		REFUSE("another number of files than the segment table");
	l.tensors = (const void *)(p + l.h->off_tensors);
	l.vocab = (const void *)(p + l.h->off_vocab);
	l.merges = (const void *)(p + l.h->off_merges);
	l.strings = (const void *)(p + l.h->off_strings);
	l.layers = l.h->off_layers ? (const void *)(p + l.h->off_layers) : NULL;
	r = layers_check(&l, ret_why);
	if (r)
		return r;
	for (u32 i = 0; i < l.h->n_tensors; i++) {
		r = tensor_check(&l, i, segs, ret_why);
		if (r)
			return r;
	}
	r = strings_check(&l, ret_why);
	r = r ? r : wants_check(&l, ret_why);
	if (r)
		return r;
	*ret = l;
	return 0;
}

const struct layout_tensor *layout_tensor_find(const struct layout *l, const char *name)
{
	size_t lo = 0, hi = l->h->n_tensors;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, l->tensors[mid].name);
		if (c == 0)
			return &l->tensors[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

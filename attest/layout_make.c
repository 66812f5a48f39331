/* From GGUF headers to the layout: which files form the model, what the first one says of the network and the tokenizer, every
 * tensor against the list of the architecture (base/layout.h), and one flat table out of it. What was written is opened with
 * layout_open, the runtime's own check, before anybody gets it. */
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One .gguf file of the model. */
struct part {
	struct gguf gguf;
	u32 file; /* index in the segment table */
};

struct making {
	const struct attest_layout_params *p;
	struct attest_report *report;
	struct part *parts; /* by split.no once split_check has passed */
	u32 n_parts;
	struct layout_header h;
	struct layout_layer *layers; /* NULL: all are alike */
	struct layout_tensor *tensors;
	struct vocab vocab;
	struct strings strings;
	struct arena arena;
};

int strings_add(struct strings *s, const void *data, size_t len, struct layout_str *ret)
{
	if (len > LAYOUT_BYTES_MAX || s->len > LAYOUT_BYTES_MAX - len)
		return 1;
	if (s->len + len > s->cap) {
		size_t cap = MAX(s->len + len, s->cap ? 2 * s->cap : (size_t)65536);
		u8 *more = realloc(s->p, cap);
		if (!more)
			return err_origin(-ENOMEM);
		s->p = more;
		s->cap = cap;
	}
	if (len)
		memcpy(s->p + s->len, data, len);
	*ret = (struct layout_str){ (u32)s->len, (u32)len };
	s->len += len;
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------------------- */

static bool is_gguf(const char *path)
{
	size_t n = strlen(path);
	return n > 5 && !strcmp(path + n - 5, ".gguf");
}

static const struct attest_source *source_find(const struct making *mk, const char *path)
{
	for (u32 i = 0; i < mk->p->n_files; i++)
		if (!strcmp(mk->p->files[i].path, path))
			return &mk->p->files[i];
	return NULL;
}

static int sources_check(struct making *mk)
{
	const struct segments *s = mk->p->segments;
	for (u32 i = 0; i < s->h->n_files; i++)
		if (!source_find(mk, s->files[i].path))
			return attest_reject(mk->report, ATTEST_MISSING_FILE, s->files[i].path,
				"%s is in the segment table and is not there", s->files[i].path);
	if (mk->p->n_files != s->h->n_files)
		return attest_reject(mk->report, ATTEST_EXTRA_FILE, "model",
			"there are more files than in the segment table");
	return 0;
}

static int part_open(struct making *mk, u32 file)
{
	const struct segments_file *f = &mk->p->segments->files[file];
	const struct attest_source *s = source_find(mk, f->path);
	u64 size;
	int r = fd_regular_size(s->fd, &size);
	if (r == 1)
		return attest_reject(
			mk->report, ATTEST_SPECIAL_FILE, f->path, "%s is not a regular file", f->path);
	if (r < 0)
		return r;
	if (size != f->bytes) {
		attest_reject(mk->report, ATTEST_CHANGED, f->path,
			"%s has another size than when it was verified", f->path);
		attest_expected_u64(mk->report, f->bytes, size);
		return 1;
	}
	struct gguf_source src = {
		.name = f->path, .fd = s->fd, .bytes = size, .digests = &mk->p->segments->digests[f->first]
	};
	struct part *part = &mk->parts[mk->n_parts++];
	part->file = file;
	return gguf_open(&src, &part->gguf, mk->report);
}

static int parts_open(struct making *mk)
{
	const struct segments *s = mk->p->segments;
	mk->parts = arena_alloc(&mk->arena, s->h->n_files * sizeof *mk->parts);
	if (!mk->parts)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < s->h->n_files; i++) {
		int r = is_gguf(s->files[i].path) ? part_open(mk, i) : 0;
		if (r)
			return r;
	}
	if (mk->n_parts == 0)
		return attest_reject(mk->report, ATTEST_GGUF_NONE, "model", "the model holds no .gguf file");
	return 0;
}

/* ---- the set ------------------------------------------------------------------------------------------------------------------ */

static int split_refuse(struct making *mk, const struct gguf *g, const char *why)
{
	return attest_reject(mk->report, ATTEST_GGUF_SPLIT, g->name, "%s: %s", g->name, why);
}

static int split_read(struct making *mk, const struct gguf *g, u32 *ret_no, u32 *ret_count, u32 *ret_tensors)
{
	*ret_no = 0;
	*ret_count = 1;
	*ret_tensors = LAYOUT_NONE;
	if (gguf_get_u32(g, "split.no", ret_no, mk->report) == 1 ||
		gguf_get_u32(g, "split.count", ret_count, mk->report) == 1 ||
		gguf_get_u32(g, "split.tensors.count", ret_tensors, mk->report) == 1)
		return 1;
	if (*ret_count == 0)
		*ret_count = 1;
	if (*ret_no >= *ret_count)
		return split_refuse(mk, g, "split.no is not below split.count");
	return 0;
}

/* Put the parts in the order of split.no: every number once, all of one count. */
static int split_order(struct making *mk, u32 *ret_total)
{
	u32 count, no, tensors, total = 0, stated = LAYOUT_NONE;
	struct part *ordered = arena_alloc(&mk->arena, mk->n_parts * sizeof *ordered);
	bool *seen = arena_alloc(&mk->arena, mk->n_parts);
	if (!ordered || !seen)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < mk->n_parts; i++) {
		const struct gguf *g = &mk->parts[i].gguf;
		if (split_read(mk, g, &no, &count, &tensors))
			return 1;
		if (count != mk->n_parts) {
			split_refuse(mk, g, "the set has another number of .gguf files");
			attest_expected_u64(mk->report, count, mk->n_parts);
			return 1;
		}
		if (seen[no])
			return split_refuse(mk, g, "another file has the same split.no");
		if (i && tensors != stated)
			return split_refuse(mk, g, "split.tensors.count differs between the files");
		stated = tensors;
		total += g->n_tensors;
		seen[no] = true;
		ordered[no] = mk->parts[i];
	}
	memcpy(mk->parts, ordered, mk->n_parts * sizeof *ordered);
	if (total > TENSORS_MAX || (mk->n_parts > 1 && stated == LAYOUT_NONE) ||
		(stated != LAYOUT_NONE && stated != total)) {
		split_refuse(mk, &mk->parts[0].gguf, "split.tensors.count is not the number of tensors");
		attest_expected_u64(mk->report, stated, total);
		return 1;
	}
	*ret_total = total;
	return 0;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct layout_tensor *)a)->name, ((const struct layout_tensor *)b)->name);
}

/* Of a layer that only drafts? */
static bool is_draft(const struct layout_header *h, const char *name)
{
	u32 layer = 0, n = 0;
	if (!h->n_drafts || strncmp(name, "blk.", 4))
		return false;
	for (name += 4; *name >= '0' && *name <= '9' && n < 4; name++, n++)
		layer = 10 * layer + (u32)(*name - '0');
	return n && *name == '.' && layer >= h->n_layers && layer < h->n_layers + h->n_drafts;
}

static int parts_read_tensors(struct making *mk)
{
	for (u32 i = 0; i < mk->n_parts; i++) {
		int r = gguf_read_tensors(&mk->parts[i].gguf, mk->report);
		if (r)
			return r;
	}
	return 0;
}

static int tensors_gather(struct making *mk, u32 total)
{
	if (total == 0)
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_MISSING, "token_embd.weight",
			"the model has no tensors");
	mk->tensors = arena_alloc(&mk->arena, total * sizeof *mk->tensors);
	if (!mk->tensors)
		return err_origin(-ENOMEM);
	u32 at = 0;
	for (u32 i = 0; i < mk->n_parts; i++) {
		for (u32 k = 0; k < mk->parts[i].gguf.n_tensors; k++) {
			const struct gguf_tensor *t = &mk->parts[i].gguf.tensors[k];
			if (is_draft(&mk->h, t->name))
				continue;
			struct layout_tensor *out = &mk->tensors[at++];
			*out = (struct layout_tensor){ .offset = t->offset,
				.bytes = t->bytes,
				.file = mk->parts[i].file,
				.type = t->type,
				.n_dims = t->n_dims };
			memcpy(out->ne, t->ne, sizeof out->ne);
			memcpy(out->name, t->name, sizeof out->name);
		}
	}
	qsort(mk->tensors, at, sizeof *mk->tensors, by_name);
	for (u32 i = 1; i < at; i++)
		if (!by_name(&mk->tensors[i - 1], &mk->tensors[i]))
			return attest_reject(mk->report, ATTEST_GGUF_TENSOR_NAME, mk->tensors[i].name,
				"the tensor %s is there twice", mk->tensors[i].name);
	mk->h.n_tensors = at;
	return 0;
}

static int want_check(struct making *mk, const struct layout_want *w, const struct layout_tensor *t)
{
	if (memcmp(t->ne, w->ne, sizeof w->ne) || t->ne[3] != 1) {
		char want[64], found[64];
		if (w->ne[2] > 1)
			snprintf(want, sizeof want, "%u x %u x %u", w->ne[0], w->ne[1], w->ne[2]);
		else
			snprintf(want, sizeof want, "%u x %u", w->ne[0], w->ne[1]);
		snprintf(found, sizeof found, "%u x %u x %u x %u", t->ne[0], t->ne[1], t->ne[2], t->ne[3]);
		attest_reject(mk->report, ATTEST_GGUF_TENSOR_SHAPE, t->name,
			"%s has another shape than the hyper-parameters give it", t->name);
		attest_expected(mk->report, want, found);
		return 1;
	}
	if (w->f32_only && t->type != TENSOR_F32) {
		attest_reject(mk->report, ATTEST_GGUF_TENSOR_TYPE, t->name, "%s must be F32", t->name);
		attest_expected(mk->report, "F32", tensor_type_info(t->type)->name);
		return 1;
	}
	return 0;
}

static const struct layout_tensor *tensor_find(const struct making *mk, const char *name)
{
	struct layout_tensor key = { 0 };
	snprintf(key.name, sizeof key.name, "%s", name);
	return bsearch(&key, mk->tensors, mk->h.n_tensors, sizeof *mk->tensors, by_name);
}

/* Which layers have matrices for keys and values: all, but where the architecture says that they may lack them. */
static void layer_tensors_find(struct making *mk)
{
	bool free_values = arch_of(mk->h.arch)->value_norm;
	char name[TENSOR_NAME_LEN_MAX + 1];
	for (u32 i = 0; mk->layers && i < mk->h.n_layers; i++) {
		struct layout_layer *y = &mk->layers[i];
		snprintf(name, sizeof name, "blk.%u.attn_k.weight", i);
		if (y->kv_layer != i && !tensor_find(mk, name))
			y->tensors &= ~(u32)LAYER_KEYS;
		snprintf(name, sizeof name, "blk.%u.attn_v.weight", i);
		if ((free_values || y->kv_layer != i) && !tensor_find(mk, name))
			y->tensors &= ~(u32)LAYER_VALUES;
	}
}

/* Which of the parts that the architecture may have are there: those of which there is a tensor. */
static int parts_find(struct making *mk)
{
	struct layout_header *h = &mk->h;
	const struct arch *a = arch_of(h->arch);
	struct layout l = { .h = h, .layers = mk->layers };
	h->parts = a->must | a->may;
	u32 found = a->must;
	for (u32 i = 0, n = layout_want_count(&l); i < n; i++) {
		struct layout_want w;
		if (layout_want_at(&l, i, &w) && tensor_find(mk, w.name))
			found |= w.part & a->may;
	}
	if (!(found & (PART_QKV | PART_QKV_FUSED)))
		found |= PART_QKV; /* so that one of them is named as missing */
	/* what the header counts is wanted, so that it is named when it is missing */
	found |= (h->n_experts ? PART_EXPERTS : 0) | (h->shared_dim ? PART_SHARED : 0);
	h->parts = found;
	layer_tensors_find(mk);
	if (found & PART_SHARED && !h->shared_dim)
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_EXTRA, "ffn_up_shexp.weight",
			"layers have a shared expert, of which the header knows nothing");
	if (found & PART_PER_LAYER && !h->per_layer_dim)
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_EXTRA, "per_layer_token_embd.weight",
			"layers have embeddings of their own, of which the header knows nothing");
	if (!(found & PART_PER_LAYER) && h->per_layer_dim)
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_MISSING, "per_layer_token_embd.weight",
			"the tensor %s is missing", "per_layer_token_embd.weight");
	if (found & PART_ROPE_FACTORS)
		h->rope_scaling = ROPE_LONG;
	if (!layout_parts_ok(h->arch, found))
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_EXTRA, "blk.0.attn_qkv.weight",
			"queries, keys and values have matrices or biases both of their own and in one");
	if (h->rope_scaling == ROPE_LONG && !(found & PART_ROPE_FACTORS))
		return attest_reject(mk->report, ATTEST_GGUF_TENSOR_MISSING, "rope_factors_long.weight",
			"positions are scaled by LongRoPE, and the tensor %s is missing",
			"rope_factors_long.weight");
	return 0;
}

enum known { UNKNOWN, KNOWN, UNUSED };

/* The scale of a matrix, and that of its input, which some quantisations of activations are made with: Keep's are not. */
static int scales_check(struct making *mk, const struct layout_want *w, u8 *known)
{
	struct layout_want s;
	if (!layout_want_scale(w, &s))
		return 0;
	const struct layout_tensor *t = tensor_find(mk, s.name);
	if (t)
		known[t - mk->tensors] = KNOWN;
	if (t && want_check(mk, &s, t))
		return 1;
	char name[sizeof s.name + 8];
	snprintf(name, sizeof name, "%.*s.input_scale", (int)(strlen(s.name) - strlen(".scale")), s.name);
	t = tensor_find(mk, name);
	if (t)
		known[t - mk->tensors] = UNUSED;
	return t ? want_check(mk, &s, t) : 0;
}

static int extra_refuse(struct making *mk, const char *name)
{
	return attest_reject(mk->report, ATTEST_GGUF_TENSOR_EXTRA, name,
		"the %s architecture, as Keep computes it, has no tensor %s", arch_of(mk->h.arch)->name,
		name);
}

/* Refuses what nothing knows, and leaves out what nothing reads. */
static int others_drop(struct making *mk, const u8 *known)
{
	u32 at = 0;
	for (u32 i = 0; i < mk->h.n_tensors; i++) {
		if (known[i] == UNKNOWN)
			return extra_refuse(mk, mk->tensors[i].name);
		if (known[i] == KNOWN)
			mk->tensors[at++] = mk->tensors[i];
	}
	mk->h.n_tensors = at;
	return 0;
}

/* All that the architecture wants, and nothing else. */
static int tensors_check(struct making *mk)
{
	u8 *known = arena_alloc(&mk->arena, mk->h.n_tensors * sizeof *known);
	struct layout l = { .h = &mk->h, .layers = mk->layers };
	if (!known)
		return err_origin(-ENOMEM);
	for (u32 i = 0, wants = layout_want_count(&l); i < wants; i++) {
		struct layout_want w;
		if (!layout_want_at(&l, i, &w))
			continue;
		const struct layout_tensor *t = tensor_find(mk, w.name);
		if (!t)
			return attest_reject(mk->report, ATTEST_GGUF_TENSOR_MISSING, w.name,
				"the tensor %s is missing", w.name);
		int r = want_check(mk, &w, t);
		r = r ? r : scales_check(mk, &w, known);
		if (r)
			return r;
		known[t - mk->tensors] = KNOWN;
	}
	return others_drop(mk, known);
}

/* ---- what the first file says --------------------------------------------------------------------------------------------------- */

static int architecture_check(struct making *mk)
{
	const struct gguf *g = &mk->parts[0].gguf;
	const char *s = NULL;
	size_t len = 0;
	int r = gguf_get_string(g, "general.architecture", &s, &len, mk->report);
	if (r == 2)
		return attest_reject(mk->report, ATTEST_GGUF_MISSING_KEY, "general.architecture",
			"%s lacks the key %s", g->name, "general.architecture");
	if (r)
		return r;
	mk->h.arch = arch_find(s, len);
	if (mk->h.arch)
		return 0;
	char found[64];
	snprintf(found, sizeof found, "%.*s", (int)MIN(len, (size_t)60), s);
	attest_reject(mk->report, ATTEST_GGUF_ARCHITECTURE, "general.architecture",
		"%s is of the architecture \"%s\", which Keep does not compute", g->name, found);
	attest_expected(mk->report, "one of the architectures of keep-import(1)", found);
	return 1;
}

static int type_check(struct making *mk)
{
	const struct gguf *g = &mk->parts[0].gguf;
	const char *s = "model";
	size_t len = 5;
	if (gguf_get_string(g, "general.type", &s, &len, mk->report) == 1)
		return 1;
	if (len == 5 && !memcmp(s, "model", 5))
		return 0;
	return attest_reject(mk->report, ATTEST_GGUF_ARCHITECTURE, "general.type",
		"%s is a \"%.*s\", not a model", g->name, (int)MIN(len, (size_t)60), s);
}

static int text_read(struct making *mk, const char *key, u32 reason, size_t max, struct layout_str *ret)
{
	const char *s = "";
	size_t len = 0;
	const struct gguf *g = &mk->parts[0].gguf;
	int r = gguf_get_string(g, key, &s, &len, mk->report);
	if (r == 1 && reason == ATTEST_GGUF_TEMPLATE)
		return attest_reject(
			mk->report, reason, key, "%s: the chat template is not text in UTF-8", g->name);
	if (r == 1)
		return 1;
	if (len > max)
		return attest_reject(
			mk->report, reason, key, "%s: %s has %zu bytes, at most %zu", g->name, key, len, max);
	r = strings_add(&mk->strings, s, len, ret);
	return r == 1 ? attest_reject(mk->report, ATTEST_GGUF_LIMIT, key,
				"the texts are longer than a layout may be")
		      : r;
}

static int meaning_read(struct making *mk)
{
	struct layout_header *h = &mk->h;
	int r = architecture_check(mk);
	r = r ? r : type_check(mk);
	r = r ? r : network_read(&mk->parts[0].gguf, &mk->arena, h, &mk->layers, mk->report);
	r = r ? r : vocab_read(&mk->parts[0].gguf, &mk->arena, &mk->strings, h, &mk->vocab, mk->report);
	r = r ? r : text_read(mk, "general.name", ATTEST_GGUF_LIMIT, 4096, &h->name);
	r = r ? r : text_read(mk, "general.license", ATTEST_GGUF_LIMIT, 65536, &h->license);
	return r ? r
		 : text_read(mk, "tokenizer.chat_template", ATTEST_GGUF_TEMPLATE, TEMPLATE_BYTES_MAX,
			   &h->chat_template);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */

static void areas_place(struct layout_header *h, bool has_layers)
{
	h->off_tensors = sizeof *h;
	h->off_vocab = h->off_tensors + (u64)h->n_tensors * sizeof(struct layout_tensor);
	h->off_merges = h->off_vocab + (u64)h->n_vocab * sizeof(struct layout_token);
	h->off_strings = h->off_merges + (u64)h->n_merges * sizeof(struct layout_merge);
	h->bytes = h->off_strings + h->strings_bytes;
	if (has_layers) {
		h->off_layers = ALIGN_UP(h->bytes, (u64)8);
		h->bytes = h->off_layers + h->n_layers * sizeof(struct layout_layer);
	}
}
static_assert(sizeof(struct layout_tensor) % 8 == 0 && sizeof(struct layout_token) % 8 == 0 &&
		      sizeof(struct layout_merge) % 8 == 0,
	"areas follow each other at multiples of 8");

static void area_put(u8 *data, u64 off, const void *from, size_t n, size_t size)
{
	if (n)
		memcpy(data + off, from, n * size);
}

static int layout_write(struct making *mk, struct attest_blob *ret)
{
	struct layout_header *h = &mk->h;
	memcpy(h->magic, LAYOUT_MAGIC, sizeof h->magic);
	h->n_files = mk->p->segments->h->n_files;
	h->strings_bytes = (u32)mk->strings.len;
	areas_place(h, mk->layers);
	if (h->bytes > LAYOUT_BYTES_MAX)
		return attest_reject(mk->report, ATTEST_GGUF_LIMIT, "layout",
			"the layout would be longer than %u bytes", LAYOUT_BYTES_MAX);
	_cleanup_free_ u8 *data = calloc(1, h->bytes);
	if (!data)
		return err_origin(-ENOMEM);
	memcpy(data, h, sizeof *h);
	area_put(data, h->off_tensors, mk->tensors, h->n_tensors, sizeof *mk->tensors);
	area_put(data, h->off_vocab, mk->vocab.tokens, h->n_vocab, sizeof *mk->vocab.tokens);
	area_put(data, h->off_merges, mk->vocab.merges, h->n_merges, sizeof *mk->vocab.merges);
	area_put(data, h->off_strings, mk->strings.p, mk->strings.len, 1);
	if (mk->layers)
		area_put(data, h->off_layers, mk->layers, h->n_layers, sizeof *mk->layers);
	struct layout l;
	const char *why = "";
	if (layout_open(data, h->bytes, mk->p->segments, &l, &why))
		return attest_reject(mk->report, ATTEST_GGUF_HYPERPARAMETER, "layout",
			"the header fits together no better than this: %s", why);
	*ret = (struct attest_blob){ data, h->bytes };
	data = NULL;
	return 0;
}

static int make(struct making *mk, struct attest_blob *ret)
{
	u32 total = 0;
	int r = sources_check(mk);
	r = r ? r : parts_open(mk);
	r = r ? r : split_order(mk, &total);
	r = r ? r : meaning_read(mk);
	r = r ? r : parts_read_tensors(mk);
	r = r ? r : tensors_gather(mk, total);
	r = r ? r : parts_find(mk);
	r = r ? r : tensors_check(mk);
	return r ? r : layout_write(mk, ret);
}

int attest_layout_make(
	const struct attest_layout_params *p, struct attest_blob *ret_layout, struct attest_report *report)
{
	attest_report_init(report);
	struct making mk = { .p = p, .report = report };
	int r = make(&mk, ret_layout);
	for (u32 i = 0; i < mk.n_parts; i++)
		gguf_fini(&mk.parts[i].gguf);
	free(mk.strings.p);
	arena_fini(&mk.arena);
	if (r)
		return r;
	report->n_files = p->segments->h->n_files;
	report->bytes = p->segments->h->bytes;
	sha256_of(ret_layout->data, ret_layout->len, report->result);
	return 0;
}

/* GGUF version 3, one file's header:
 *
 *   "GGUF" u32 version=3  u64 n_tensors  u64 n_kv
 *   n_kv ×      string key, u32 type, value          string = u64 length, bytes; array = u32 type, u64 count, values
 *   n_tensors × string name, u32 n_dims, n_dims × u64, u32 type, u64 offset
 *   padding to general.alignment (32), then the data, offsets counted from here
 *
 * Rules: 1. every count and length is compared with its limit and with the bytes that remain before anything is done with it;
 * 2. products and sums are checked for overflow; 3. keys and names are unique; 4. arrays hold no arrays; 5. dimensions are at least
 * 1, rows whole blocks, types known; 6. offsets are aligned, tensors lie within the file and share no byte.
 *
 * Only the header is read, segment by segment, each compared with its digest before a byte of it is used. It is read into one reserved
 * range of addresses, so that pointers into it stay valid while it grows; untouched pages cost nothing. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT_DEFAULT 32u
#define ALIGNMENT_MAX	  (1u << 20)

struct reader {
	const struct gguf_source *src;
	struct gguf *g;
	struct attest_report *report;
};

/* ---- bytes ----------------------------------------------------------------------------------------------------------------- */

static int segment_check(struct reader *rd, u64 index, const u8 *p, size_t len)
{
	u8 digest[SHA256_BYTES];
	if (!rd->src->digests)
		return 0;
	sha256_of(p, len, digest);
	if (!memcmp(digest, rd->src->digests[index], SHA256_BYTES))
		return 0;
	attest_reject(rd->report, ATTEST_DIGEST, rd->src->name, "%s changed at %llu since it was verified",
		rd->src->name, (unsigned long long)(index * SEGMENT_BYTES));
	attest_expected_hex(rd->report, rd->src->digests[index], digest);
	return 1;
}

/* Read on until `want` bytes are there. */
static int fill(struct reader *rd, size_t want)
{
	while (rd->g->have < want) {
		u8 *p = rd->g->map + rd->g->have;
		size_t n = (size_t)MIN(rd->src->bytes - rd->g->have, (u64)SEGMENT_BYTES);
		int r = fd_pread_all(rd->src->fd, p, n, rd->g->have);
		if (r == -ENODATA)
			return attest_reject(rd->report, ATTEST_CHANGED, rd->src->name, "%s became shorter",
				rd->src->name);
		r = r ? r : segment_check(rd, rd->g->have / SEGMENT_BYTES, p, n);
		if (r)
			return r;
		rd->g->have += n;
	}
	return 0;
}

/* The next n bytes. */
static int take(struct reader *rd, u64 n, const u8 **ret)
{
	if (n > rd->src->bytes - rd->g->at)
		return attest_reject(rd->report, ATTEST_GGUF_TRUNCATED, rd->src->name,
			"%s ends within its header at %zu", rd->src->name, rd->g->at);
	if (n > rd->g->map_bytes - rd->g->at)
		return attest_reject(rd->report, ATTEST_GGUF_LIMIT, rd->src->name,
			"the header is longer than %u bytes", GGUF_HEADER_BYTES_MAX);
	int r = fill(rd, rd->g->at + (size_t)n);
	if (r)
		return r;
	*ret = rd->g->map + rd->g->at;
	rd->g->at += (size_t)n;
	return 0;
}

static int take_u32(struct reader *rd, u32 *ret)
{
	const u8 *p;
	int r = take(rd, 4, &p);
	if (!r)
		*ret = bytes_u32le(p);
	return r;
}

static int take_u64(struct reader *rd, u64 *ret)
{
	const u8 *p;
	int r = take(rd, 8, &p);
	if (!r)
		*ret = bytes_u64le(p);
	return r;
}

static int limit(struct reader *rd, const char *what, u64 found, u64 max)
{
	attest_reject(rd->report, ATTEST_GGUF_LIMIT, rd->src->name, "%s: %s is %llu, at most %llu",
		rd->src->name, what, (unsigned long long)found, (unsigned long long)max);
	attest_expected_u64(rd->report, max, found);
	return 1;
}

static int take_string(struct reader *rd, const char *what, u64 max, const u8 **ret, u64 *ret_len)
{
	u64 len;
	int r = take_u64(rd, &len);
	if (r)
		return r;
	if (len > max)
		return limit(rd, what, len, max);
	*ret_len = len;
	return take(rd, len, ret);
}

/* ---- metadata -------------------------------------------------------------------------------------------------------------- */

/* Bytes of a scalar; 0 for strings, arrays and unknown types. */
static u32 scalar_bytes(u32 type)
{
	static const u8 bytes[GGUF_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	return type < GGUF_TYPES ? bytes[type] : 0;
}

static bool ascii_ok(const u8 *p, u64 len)
{
	for (u64 i = 0; i < len; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f)
			return false;
	return len > 0;
}

static int value_error(struct reader *rd, const struct gguf_kv *kv, const char *why)
{
	char key[GGUF_KEY_LEN_MAX + 1];
	snprintf(key, sizeof key, "%.*s", (int)kv->key_len, kv->key);
	return attest_reject(rd->report, ATTEST_GGUF_VALUE, key, "%s: %s %s", rd->src->name, key, why);
}

static int bool_check(struct reader *rd, const struct gguf_kv *kv, const u8 *p, u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (p[i] > 1)
			return value_error(rd, kv, "is a boolean that is neither 0 nor 1");
	return 0;
}

static int array_read(struct reader *rd, struct gguf_kv *kv)
{
	int r = take_u32(rd, &kv->elem);
	r = r ? r : take_u64(rd, &kv->n);
	if (r)
		return r;
	if (kv->elem == GGUF_ARRAY)
		return value_error(rd, kv, "is an array of arrays");
	if (kv->elem >= GGUF_TYPES)
		return value_error(rd, kv, "is an array of an unknown type");
	if (kv->n > GGUF_ARRAY_LEN_MAX)
		return limit(rd, "an array's length", kv->n, GGUF_ARRAY_LEN_MAX);
	if (kv->elem != GGUF_STRING) {
		r = take(rd, kv->n * scalar_bytes(kv->elem), &kv->value);
		return r || kv->elem != GGUF_BOOL ? r : bool_check(rd, kv, kv->value, kv->n);
	}
	kv->value = rd->g->map + rd->g->at;
	for (u64 i = 0; i < kv->n; i++) {
		const u8 *s;
		u64 len;
		r = take_string(rd, "a string's length", GGUF_STRING_BYTES_MAX, &s, &len);
		if (r)
			return r;
	}
	return 0;
}

static int value_read(struct reader *rd, struct gguf_kv *kv)
{
	if (kv->type == GGUF_STRING)
		return take_string(rd, "a string's length", GGUF_STRING_BYTES_MAX, &kv->value, &kv->n);
	if (kv->type == GGUF_ARRAY)
		return array_read(rd, kv);
	if (kv->type >= GGUF_TYPES)
		return value_error(rd, kv, "has an unknown type");
	int r = take(rd, scalar_bytes(kv->type), &kv->value);
	return r || kv->type != GGUF_BOOL ? r : bool_check(rd, kv, kv->value, 1);
}

static int kv_read(struct reader *rd, struct gguf_kv *kv)
{
	const u8 *key;
	u64 len;
	int r = take_u64(rd, &len);
	if (r)
		return r;
	if (len == 0 || len > GGUF_KEY_LEN_MAX)
		return attest_reject(rd->report, ATTEST_GGUF_KEY, rd->src->name,
			"%s: a metadata key has %llu bytes; 1 to %u are read", rd->src->name,
			(unsigned long long)len, GGUF_KEY_LEN_MAX);
	r = take(rd, len, &key);
	if (r)
		return r;
	if (!ascii_ok(key, len))
		return attest_reject(rd->report, ATTEST_GGUF_KEY, rd->src->name,
			"%s: a metadata key is not plain ASCII", rd->src->name);
	kv->key = (const char *)key;
	kv->key_len = (u32)len;
	r = take_u32(rd, &kv->type);
	return r ? r : value_read(rd, kv);
}

int gguf_key_compare(const char *a, u32 a_len, const char *b, u32 b_len)
{
	int c = memcmp(a, b, MIN(a_len, b_len));
	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

static int by_key(const void *a, const void *b)
{
	const struct gguf_kv *x = a, *y = b;
	return gguf_key_compare(x->key, x->key_len, y->key, y->key_len);
}

static int kvs_read(struct reader *rd)
{
	struct gguf *g = rd->g;
	for (u32 i = 0; i < g->n_kv; i++) {
		int r = kv_read(rd, &g->kv[i]);
		if (r)
			return r;
	}
	qsort(g->kv, g->n_kv, sizeof *g->kv, by_key);
	for (u32 i = 1; i < g->n_kv; i++) {
		if (by_key(&g->kv[i - 1], &g->kv[i]))
			continue;
		char key[GGUF_KEY_LEN_MAX + 1];
		snprintf(key, sizeof key, "%.*s", (int)g->kv[i].key_len, g->kv[i].key);
		return attest_reject(rd->report, ATTEST_GGUF_KEY, key,
			"%s: the metadata key %s is there twice", rd->src->name, key);
	}
	return 0;
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------- */

const char *gguf_type_name(u32 type)
{
	static const char *const names[] = { [0] = "F32",
		[1] = "F16",
		[2] = "Q4_0",
		[3] = "Q4_1",
		[4] = "Q4_2 (removed)",
		[5] = "Q4_3 (removed)",
		[6] = "Q5_0",
		[7] = "Q5_1",
		[8] = "Q8_0",
		[9] = "Q8_1",
		[10] = "Q2_K",
		[11] = "Q3_K",
		[12] = "Q4_K",
		[13] = "Q5_K",
		[14] = "Q6_K",
		[15] = "Q8_K",
		[16] = "IQ2_XXS",
		[17] = "IQ2_XS",
		[18] = "IQ3_XXS",
		[19] = "IQ1_S",
		[20] = "IQ4_NL",
		[21] = "IQ3_S",
		[22] = "IQ2_S",
		[23] = "IQ4_XS",
		[24] = "I8",
		[25] = "I16",
		[26] = "I32",
		[27] = "I64",
		[28] = "F64",
		[29] = "IQ1_M",
		[30] = "BF16",
		[31] = "Q4_0_4_4 (removed)",
		[32] = "Q4_0_4_8 (removed)",
		[33] = "Q4_0_8_8 (removed)",
		[34] = "TQ1_0",
		[35] = "TQ2_0",
		[36] = "IQ4_NL_4_4 (removed)",
		[37] = "IQ4_NL_4_8 (removed)",
		[38] = "IQ4_NL_8_8 (removed)",
		[39] = "MXFP4",
		[40] = "NVFP4",
		[41] = "Q1_0",
		[42] = "Q2_0" };
	/* written by one fork only (ik_llama.cpp) */
	static const struct {
		u32 type;
		const char *name;
	} forks[] = { { 97, "Q8_0_X4" }, { 98, "Q8_1_X4" }, { 99, "Q8_2_X4" }, { 133, "Q6_0" },
		{ 134, "IQ1_BN" }, { 135, "IQ2_BN" }, { 136, "Q8_K64" }, { 137, "IQ2_K" }, { 138, "IQ3_K" },
		{ 139, "IQ4_K" }, { 140, "IQ5_K" }, { 141, "IQ6_K" }, { 144, "IQ4_KS" }, { 145, "IQ2_KS" },
		{ 146, "IQ4_KSS" }, { 147, "Q8_K16" }, { 148, "Q8_K32" }, { 149, "Q8_KR8" },
		{ 150, "Q8_K128" }, { 151, "Q8_KV" }, { 152, "IQ5_KS" }, { 153, "IQ2_KT" }, { 154, "IQ3_KT" },
		{ 155, "IQ4_KT" }, { 156, "IQ3_KS" }, { 157, "IQ2_KL" }, { 158, "IQ1_KT" },
		{ 202, "Q4_0_R8" }, { 206, "Q5_0_R4" }, { 208, "Q8_0_R8" }, { 210, "Q2_K_R4" },
		{ 211, "Q3_K_R4" }, { 212, "Q4_K_R4" }, { 213, "Q5_K_R4" }, { 214, "Q6_K_R4" },
		{ 216, "IQ2_XXS_R4" }, { 217, "IQ2_XS_R4" }, { 218, "IQ3_XXS_R4" }, { 219, "IQ1_S_R4" },
		{ 220, "IQ4_NL_R4" }, { 221, "IQ3_S_R4" }, { 222, "IQ2_S_R4" }, { 223, "IQ4_XS_R8" },
		{ 229, "IQ1_M_R4" }, { 230, "BF16_R16" }, { 233, "Q6_0_R4" }, { 335, "IQ2_BN_R4" },
		{ 337, "IQ2_K_R4" }, { 338, "IQ3_K_R4" }, { 339, "IQ4_K_R4" }, { 340, "IQ5_K_R4" },
		{ 344, "IQ4_KS_R4" }, { 352, "IQ5_KS_R4" }, { 398, "Q8_KV_R8" }, { 399, "Q8_K_R8" } };
	if (type < ARRAY_LEN(names))
		return names[type];
	for (size_t i = 0; i < ARRAY_LEN(forks); i++)
		if (forks[i].type == type)
			return forks[i].name;
	return NULL;
}

static int type_refuse(struct reader *rd, const struct gguf_tensor *t)
{
	const char *name = gguf_type_name(t->type);
	if (!name)
		attest_reject(rd->report, ATTEST_GGUF_TENSOR_TYPE, t->name, "%s has the unknown type %u",
			t->name, t->type);
	else
		attest_reject(rd->report, ATTEST_GGUF_TENSOR_TYPE, t->name,
			"%s is %s%s, which Keep does not compute with", t->name, name,
			t->type >= 97 ? " of ik_llama.cpp" : "");
	char found[32];
	snprintf(found, sizeof found, "%s%s%u%s", name ? name : "", name ? " (" : "", t->type,
		name ? ")" : "");
	attest_expected(rd->report, "one of the types of keep-import(1)", found);
	return 1;
}

static int shape_refuse(struct reader *rd, const struct gguf_tensor *t, const char *why)
{
	return attest_reject(rd->report, ATTEST_GGUF_TENSOR_SHAPE, t->name, "%s: %s", t->name, why);
}

static int tensor_name_read(struct reader *rd, struct gguf_tensor *t)
{
	const u8 *name;
	u64 len;
	int r = take_u64(rd, &len);
	if (r)
		return r;
	if (len == 0 || len > TENSOR_NAME_LEN_MAX)
		return attest_reject(rd->report, ATTEST_GGUF_TENSOR_NAME, rd->src->name,
			"%s: a tensor's name has %llu bytes; 1 to %u are read", rd->src->name,
			(unsigned long long)len, TENSOR_NAME_LEN_MAX);
	r = take(rd, len, &name);
	if (r)
		return r;
	if (!ascii_ok(name, len))
		return attest_reject(rd->report, ATTEST_GGUF_TENSOR_NAME, rd->src->name,
			"%s: a tensor's name is not plain ASCII", rd->src->name);
	memcpy(t->name, name, len);
	return 0;
}

static int dims_read(struct reader *rd, struct gguf_tensor *t)
{
	int r = take_u32(rd, &t->n_dims);
	if (r)
		return r;
	if (t->n_dims < 1 || t->n_dims > 4)
		return shape_refuse(rd, t, "a tensor has 1 to 4 dimensions");
	for (u32 i = 0; i < 4; i++)
		t->ne[i] = 1;
	for (u32 i = 0; i < t->n_dims; i++) {
		u64 ne;
		r = take_u64(rd, &ne);
		if (r)
			return r;
		if (ne == 0 || ne > UINT32_MAX)
			return shape_refuse(rd, t, "a dimension is 0 or over 4294967295");
		t->ne[i] = (u32)ne;
	}
	return 0;
}

/* The offset is still counted from the start of the data. */
static int tensor_read(struct reader *rd, struct gguf_tensor *t)
{
	int r = tensor_name_read(rd, t);
	r = r ? r : dims_read(rd, t);
	r = r ? r : take_u32(rd, &t->type);
	r = r ? r : take_u64(rd, &t->offset);
	if (r)
		return r;
	if (!tensor_type_info(t->type))
		return type_refuse(rd, t);
	if (layout_tensor_bytes(t->type, t->ne, &t->bytes))
		return shape_refuse(
			rd, t, "its rows are not whole blocks of its type, or its size overflows");
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a,
				 *y = *(const struct gguf_tensor *const *)b;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int overlap_check(struct reader *rd)
{
	struct gguf *g = rd->g;
	const struct gguf_tensor **sorted = arena_alloc(&g->arena, g->n_tensors * sizeof *sorted);
	if (!sorted)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < g->n_tensors; i++)
		sorted[i] = &g->tensors[i];
	qsort(sorted, g->n_tensors, sizeof *sorted, by_offset);
	for (u32 i = 1; i < g->n_tensors; i++)
		if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset)
			return attest_reject(rd->report, ATTEST_GGUF_OVERLAP, sorted[i]->name,
				"%s shares bytes with %s", sorted[i]->name, sorted[i - 1]->name);
	return 0;
}

static int alignment_read(struct reader *rd, u32 *ret)
{
	u32 a = ALIGNMENT_DEFAULT;
	int r = gguf_get_u32(rd->g, "general.alignment", &a, rd->report);
	if (r == 1)
		return 1;
	if (a < 8 || a > ALIGNMENT_MAX || a & (a - 1))
		return attest_reject(rd->report, ATTEST_GGUF_ALIGNMENT, "general.alignment",
			"%s: the alignment is %u, not a power of two from 8 to %u", rd->src->name, a,
			ALIGNMENT_MAX);
	*ret = a;
	return 0;
}

static int offsets_check(struct reader *rd, u32 alignment)
{
	struct gguf *g = rd->g;
	g->header_bytes = rd->g->at;
	g->data_offset = ALIGN_UP((u64)rd->g->at, (u64)alignment);
	for (u32 i = 0; i < g->n_tensors; i++) {
		struct gguf_tensor *t = &g->tensors[i];
		u64 end;
		if (t->offset % alignment)
			return attest_reject(rd->report, ATTEST_GGUF_ALIGNMENT, t->name,
				"%s begins at %llu, no multiple of %u", t->name,
				(unsigned long long)t->offset, alignment);
		if (__builtin_add_overflow(t->offset, g->data_offset, &t->offset) ||
			__builtin_add_overflow(t->offset, t->bytes, &end) || end > rd->src->bytes) {
			attest_reject(rd->report, ATTEST_GGUF_OFFSET, t->name,
				"%s reaches beyond the end of %s", t->name, rd->src->name);
			attest_expected_u64(rd->report, rd->src->bytes, t->bytes);
			return 1;
		}
	}
	return overlap_check(rd);
}

static int tensors_read(struct reader *rd)
{
	u32 alignment = 0;
	int r = alignment_read(rd, &alignment);
	for (u32 i = 0; i < rd->g->n_tensors && !r; i++)
		r = tensor_read(rd, &rd->g->tensors[i]);
	return r ? r : offsets_check(rd, alignment);
}

/* ---- all ------------------------------------------------------------------------------------------------------------------- */

static int head_read(struct reader *rd)
{
	const u8 *p;
	u64 n_tensors, n_kv;
	int r = take(rd, 4, &p);
	if (r)
		return r;
	if (memcmp(p, "GGUF", 4))
		return attest_reject(rd->report, ATTEST_GGUF_MAGIC, rd->src->name,
			"%s does not begin with GGUF", rd->src->name);
	u32 version;
	r = take_u32(rd, &version);
	if (r)
		return r;
	if (version != 3) {
		attest_reject(rd->report, ATTEST_GGUF_VERSION, rd->src->name, "%s is version %u%s",
			rd->src->name, version, version && !(version & 0xffff) ? " (big-endian)" : "");
		attest_expected_u64(rd->report, 3, version);
		return 1;
	}
	r = take_u64(rd, &n_tensors);
	r = r ? r : take_u64(rd, &n_kv);
	if (r)
		return r;
	if (n_tensors > TENSORS_MAX)
		return limit(rd, "the number of tensors", n_tensors, TENSORS_MAX);
	if (n_kv > GGUF_KV_MAX)
		return limit(rd, "the number of metadata entries", n_kv, GGUF_KV_MAX);
	/* the smallest entry and tensor have 13 and 33 bytes: a count that cannot fit is not allocated for */
	if (n_kv * 13 + n_tensors * 33 > rd->src->bytes)
		return attest_reject(rd->report, ATTEST_GGUF_TRUNCATED, rd->src->name,
			"%s is too short for its counts", rd->src->name);
	rd->g->n_tensors = (u32)n_tensors;
	rd->g->n_kv = (u32)n_kv;
	return 0;
}

static int tables_alloc(struct gguf *g)
{
	g->kv = arena_alloc(&g->arena, g->n_kv * sizeof *g->kv);
	g->tensors = arena_alloc(&g->arena, g->n_tensors * sizeof *g->tensors);
	return g->kv && g->tensors ? 0 : err_origin(-ENOMEM);
}

int gguf_open(const struct gguf_source *src, struct gguf *ret, struct attest_report *report)
{
	*ret = (struct gguf){ .name = src->name, .src = *src };
	ret->map_bytes = (size_t)MIN(src->bytes, (u64)GGUF_HEADER_BYTES_MAX);
	if (ret->map_bytes == 0)
		return attest_reject(report, ATTEST_GGUF_TRUNCATED, src->name, "%s is empty", src->name);
	void *map = mmap(NULL, ret->map_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return err_errno();
	ret->map = map;
	struct reader rd = { .src = src, .g = ret, .report = report };
	int r = head_read(&rd);
	r = r ? r : tables_alloc(ret);
	return r ? r : kvs_read(&rd);
}

int gguf_read_tensors(struct gguf *g, struct attest_report *report)
{
	struct reader rd = { .src = &g->src, .g = g, .report = report };
	return tensors_read(&rd);
}

void gguf_fini(struct gguf *g)
{
	if (g->map)
		munmap(g->map, g->map_bytes);
	arena_fini(&g->arena);
	*g = (struct gguf){ 0 };
}

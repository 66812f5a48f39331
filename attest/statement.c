/* The statement (in-toto v1, predicate https://model_signing/signature/v1.0), read after its signature held and no less strictly:
 *
 *   { "_type", "subject": [ {"name", "digest": {"sha256"}} ], "predicateType",
 *     "predicate": { "serialization": { "method", "hash_type", "allow_symlinks", "shard_size"?, "ignore_paths"? },
 *                    "resources": [ {"name", "algorithm", "digest"}, … ] } }
 *
 * Unknown fields are refused where the schema of OMS v1.0 refuses them, and ignored in subject and resources, where it does not.
 * The order of the resources is the signer's (some sort by path component, some by code point, shards also by number); the root
 * digest is taken in that order. allow_symlinks may say either: our trees never hold a link, so nothing follows from it. */
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void json_put(json_t **j)
{
	json_decref(*j);
}

bool path_ok(const char *path, size_t len)
{
	if (len == 0 || len > PATH_LEN_MAX || !bytes_utf8_ok(path, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((u8)path[i] < 0x20 || path[i] == 0x7f)
			return false;
	for (size_t i = 0; i <= len;) {
		size_t n = 0;
		while (i + n < len && path[i + n] != '/')
			n++;
		if (n == 0 || (n == 1 && path[i] == '.') || (n == 2 && path[i] == '.' && path[i + 1] == '.'))
			return false;
		i += n + 1;
	}
	return true;
}

/* One listed resource. */
struct item {
	const char *path; /* of the arena */
	u64 start, end;	  /* shards */
	u32 listed;	  /* its place in the statement */
	u8 digest[HASH_BYTES_MAX];
};

struct reading {
	struct attest_report *report;
	struct attest_manifest *m;
	struct arena *arena;
	struct item *items;
	u32 n_items;
	bool shards;
	u32 digest_bytes;
	u8 root[SHA256_BYTES]; /* as the subject says */
};

/* ---- head ----------------------------------------------------------------------------------------------------------------- */

static int string_is(
	json_t *object, const char *key, const char *want, u32 reason, struct attest_report *report)
{
	json_t *v = json_field(object, "the statement", key, JSON_STRING, report);
	if (!v)
		return 1;
	if (!strcmp(json_string_value(v), want))
		return 0;
	attest_reject(report, reason, key, "\"%s\" of the statement is not the one of model signatures", key);
	attest_expected(report, want, json_string_value(v));
	return 1;
}

static bool hex_ok(json_t *v, u32 bytes, u8 *ret)
{
	return json_is_string(v) && json_string_length(v) == 2 * (size_t)bytes &&
	       !bytes_unhex(json_string_value(v), bytes, ret);
}

static int subject_read(struct reading *rd, json_t *statement)
{
	json_t *list = json_field(statement, "the statement", "subject", JSON_ARRAY, rd->report);
	if (!list)
		return 1;
	json_t *s = json_array_get(list, 0), *name = json_object_get(s, "name"),
	       *digest = json_object_get(s, "digest");
	if (json_array_size(list) != 1 || !json_is_string(name) || json_string_length(name) == 0 ||
		!json_is_object(digest))
		return attest_reject(rd->report, ATTEST_SUBJECT, "subject",
			"there must be exactly one subject with name and digest");
	if (!hex_ok(json_object_get(digest, "sha256"), SHA256_BYTES, rd->root))
		return attest_reject(rd->report, ATTEST_SUBJECT, "subject",
			"the subject has no SHA-256 in lower-case hexadecimal");
	rd->m->name = arena_dup(rd->arena, json_string_value(name), json_string_length(name));
	return rd->m->name ? 0 : err_origin(-ENOMEM);
}

/* ---- serialization -------------------------------------------------------------------------------------------------------- */

/* A whole number of bytes; Python writes 256.0. */
static bool shard_size_of(json_t *v, u64 *ret)
{
	if (json_is_integer(v) && json_integer_value(v) > 0 &&
		(u64)json_integer_value(v) <= SHARD_BYTES_MAX) {
		*ret = (u64)json_integer_value(v);
		return true;
	}
	f64 d = json_is_real(v) ? json_real_value(v) : 0;
	if (!(d >= 1 && d <= (f64)SHARD_BYTES_MAX && floor(d) == d))
		return false;
	*ret = (u64)d;
	return true;
}

static int ignore_read(struct reading *rd, json_t *list)
{
	if (!list)
		return 0;
	size_t n = json_array_size(list);
	if (!json_is_array(list) || n > IGNORE_PATHS_MAX)
		return attest_reject(rd->report, ATTEST_IGNORE_PATH, "ignore_paths",
			"ignore_paths is not a list of at most %u", IGNORE_PATHS_MAX);
	const char **out = arena_alloc(rd->arena, n * sizeof *out);
	if (!out)
		return err_origin(-ENOMEM);
	for (size_t i = 0; i < n; i++) {
		json_t *v = json_array_get(list, i);
		const char *s = json_is_string(v) ? json_string_value(v) : "";
		if (!path_ok(s, json_string_length(v)) || strpbrk(s, "*?["))
			return attest_reject(rd->report, ATTEST_IGNORE_PATH, s,
				"an ignored path must be relative, without pattern and without \"..\"");
		out[i] = arena_dup(rd->arena, s, json_string_length(v));
		if (!out[i])
			return err_origin(-ENOMEM);
	}
	rd->m->ignore = out;
	rd->m->n_ignore = (u32)n;
	return 0;
}

static int method_read(struct reading *rd, json_t *s, const char *method)
{
	json_t *size = json_object_get(s, "shard_size");
	rd->shards = !strcmp(method, "shards");
	if (!rd->shards && strcmp(method, "files"))
		return attest_reject(rd->report, ATTEST_SERIALIZATION, "method",
			"the method is \"%.60s\", not files or shards", method);
	if (!rd->shards && size)
		return attest_reject(
			rd->report, ATTEST_SERIALIZATION, "shard_size", "method files has no shard_size");
	if (rd->shards && (!size || !shard_size_of(size, &rd->m->shard_bytes)))
		return attest_reject(rd->report, ATTEST_SERIALIZATION, "shard_size",
			"method shards needs a shard_size: a whole number of bytes from 1 to %llu",
			SHARD_BYTES_MAX);
	return 0;
}

static int hash_read(struct reading *rd, const char *name)
{
	bool known = !attest_hash_of_name(name, &rd->m->hash);
	if (known && hash_available(rd->m->hash)) {
		rd->digest_bytes = hash_bytes(rd->m->hash);
		return 0;
	}
	attest_reject(rd->report, ATTEST_HASH_TYPE, "hash_type",
		known ? "the files were hashed with %.60s, which this build cannot compute"
		      : "the files were hashed with \"%.60s\", which is not sha256, blake2b or blake3",
		name);
	attest_expected(rd->report,
		hash_available(HASH_BLAKE3) ? "sha256, blake2b or blake3" : "sha256 or blake2b", name);
	return 1;
}

static int serialization_read(struct reading *rd, json_t *predicate)
{
	static const char *const known[] = { "method", "hash_type", "allow_symlinks", "shard_size",
		"ignore_paths", NULL };
	json_t *s = json_field(predicate, "the predicate", "serialization", JSON_OBJECT, rd->report);
	if (!s || json_only(s, "serialization", known, rd->report))
		return 1;
	json_t *method = json_field(s, "serialization", "method", JSON_STRING, rd->report);
	json_t *hash = method ? json_field(s, "serialization", "hash_type", JSON_STRING, rd->report) : NULL;
	if (!hash || !json_field(s, "serialization", "allow_symlinks", JSON_TRUE, rd->report))
		return 1;
	int r = hash_read(rd, json_string_value(hash));
	r = r ? r : method_read(rd, s, json_string_value(method));
	return r ? r : ignore_read(rd, json_object_get(s, "ignore_paths"));
}

/* ---- resources ------------------------------------------------------------------------------------------------------------ */

static bool size_read(const char *s, size_t len, u64 *ret)
{
	return !bytes_decimal(s, len, ret) && *ret <= MODEL_BYTES_MAX;
}

/* "path:start:end", the last two numbers; len becomes the path's. */
static bool range_split(const char *name, size_t *len, struct item *it)
{
	size_t at[2], n = *len;
	for (int k = 0; k < 2; k++) {
		while (n && name[n - 1] != ':')
			n--;
		if (n == 0)
			return false;
		at[k] = n--;
	}
	bool ok = size_read(name + at[0], *len - at[0], &it->end) &&
		  size_read(name + at[1], at[0] - 1 - at[1], &it->start);
	*len = n;
	return ok && it->start < it->end;
}

static bool algorithm_ok(const struct reading *rd, const char *a)
{
	char sharded[64];
	const char *hash = hash_name(rd->m->hash);
	snprintf(sharded, sizeof sharded, "%s-sharded-%llu", hash, (unsigned long long)rd->m->shard_bytes);
	return !strcmp(a, hash) || (rd->shards && !strcmp(a, sharded));
}

static int item_read(struct reading *rd, json_t *v, struct item *it)
{
	json_t *name = json_object_get(v, "name"), *algorithm = json_object_get(v, "algorithm");
	if (!json_is_object(v) || !json_is_string(name) || !json_is_string(algorithm) ||
		!hex_ok(json_object_get(v, "digest"), rd->digest_bytes, it->digest))
		return attest_reject(rd->report, ATTEST_RESOURCE,
			json_is_string(name) ? json_string_value(name) : "resources",
			"an entry needs name, algorithm and a digest of %u bytes in lower-case hexadecimal",
			rd->digest_bytes);
	const char *s = json_string_value(name);
	size_t len = json_string_length(name);
	if (!algorithm_ok(rd, json_string_value(algorithm))) {
		attest_reject(rd->report, ATTEST_RESOURCE, s, "the entry's algorithm is not the statement's");
		attest_expected(rd->report, hash_name(rd->m->hash), json_string_value(algorithm));
		return 1;
	}
	if (rd->shards && !range_split(s, &len, it))
		return attest_reject(rd->report, ATTEST_SHARD, s,
			"a shard's name must end in :start:end, decimal, start below end");
	bool whole_model = len == 1 && s[0] == '.'; /* a model of one file, before v1.1 */
	if (!whole_model && !path_ok(s, len))
		return attest_reject(rd->report, ATTEST_PATH, s,
			"the name is not relative, plain UTF-8 of at most %u bytes", PATH_LEN_MAX);
	it->path = arena_dup(rd->arena, s, len);
	return it->path ? 0 : err_origin(-ENOMEM);
}

static int resources_read(struct reading *rd, json_t *predicate)
{
	json_t *list = json_field(predicate, "the predicate", "resources", JSON_ARRAY, rd->report);
	if (!list)
		return 1;
	size_t n = json_array_size(list);
	if (n == 0)
		return attest_reject(
			rd->report, ATTEST_EMPTY_MODEL, "resources", "the statement lists no file");
	if (n > (rd->shards ? SHARDS_MAX : MODEL_FILES_MAX))
		return attest_reject(
			rd->report, ATTEST_FILE_LIMIT, "resources", "the statement lists %zu entries", n);
	rd->items = arena_alloc(rd->arena, n * sizeof *rd->items);
	if (!rd->items)
		return err_origin(-ENOMEM);
	for (size_t i = 0; i < n; i++) {
		rd->items[i].listed = (u32)i;
		int r = item_read(rd, json_array_get(list, i), &rd->items[i]);
		if (r)
			return r;
	}
	rd->n_items = (u32)n;
	return 0;
}

static int root_check(struct reading *rd)
{
	struct sha256 h;
	u8 root[SHA256_BYTES];
	sha256_init(&h);
	for (u32 i = 0; i < rd->n_items; i++)
		sha256_update(&h, rd->items[i].digest, rd->digest_bytes);
	sha256_final(&h, root);
	if (!memcmp(root, rd->root, sizeof root))
		return 0;
	attest_reject(rd->report, ATTEST_ROOT_DIGEST, "subject",
		"the subject's digest is not that of the listed digests");
	attest_expected_hex(rd->report, root, rd->root);
	return 1;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int c = strcmp(x->path, y->path);
	return c ? c : x->start != y->start ? (x->start < y->start ? -1 : 1) : 0;
}

/* The shards of one file, sorted by start, cover 0 .. end without gap or overlap, all full but the last. */
static int coverage_check(struct reading *rd, const struct item *it, u32 n)
{
	u64 at = 0;
	for (u32 i = 0; i < n; i++) {
		u64 len = it[i].end - it[i].start;
		if (i && it[i].start == it[i - 1].start)
			return attest_reject(rd->report, ATTEST_DUPLICATE_FILE, it[i].path,
				"the shard at %llu is listed twice", (unsigned long long)it[i].start);
		if (it[i].start != at || len > rd->m->shard_bytes ||
			(i + 1 < n && len != rd->m->shard_bytes)) {
			attest_reject(rd->report, ATTEST_SHARD, it[i].path,
				"the shards leave a gap, overlap or have a wrong length at %llu",
				(unsigned long long)it[i].start);
			attest_expected_u64(rd->report, at, it[i].start);
			return 1;
		}
		at = it[i].end;
	}
	return 0;
}

/* A run of items with one path. */
struct group {
	u32 first, n, listed; /* listed: its first place in the statement */
};

static int by_listed(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	return x->listed < y->listed ? -1 : 1;
}

static int groups_make(struct reading *rd, struct group *groups, u32 *ret_n)
{
	u32 n = 0;
	for (u32 i = 0; i < rd->n_items;) {
		struct group g = { .first = i, .n = 0, .listed = UINT32_MAX };
		for (; i < rd->n_items && !strcmp(rd->items[i].path, rd->items[g.first].path); i++, g.n++)
			g.listed = MIN(g.listed, rd->items[i].listed);
		if (!rd->shards && g.n > 1)
			return attest_reject(rd->report, ATTEST_DUPLICATE_FILE, rd->items[g.first].path,
				"the file is listed twice");
		int r = rd->shards ? coverage_check(rd, &rd->items[g.first], g.n) : 0;
		if (r)
			return r;
		if (n == MODEL_FILES_MAX)
			return attest_reject(rd->report, ATTEST_FILE_LIMIT, "resources",
				"the statement lists more than %u files", MODEL_FILES_MAX);
		groups[n++] = g;
	}
	qsort(groups, n, sizeof *groups, by_listed);
	*ret_n = n;
	return 0;
}

static int files_make(struct reading *rd)
{
	_cleanup_free_ struct group *groups = calloc(MODEL_FILES_MAX, sizeof *groups);
	if (!groups)
		return err_origin(-ENOMEM);
	u32 n = 0, at = 0;
	qsort(rd->items, rd->n_items, sizeof *rd->items, by_path);
	int r = groups_make(rd, groups, &n);
	if (r)
		return r;
	struct attest_file *files = arena_alloc(rd->arena, n * sizeof *files);
	u8 *digests = arena_alloc(rd->arena, (size_t)rd->n_items * rd->digest_bytes);
	if (!files || !digests)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < n; i++) {
		const struct item *it = &rd->items[groups[i].first];
		u32 count = groups[i].n;
		files[i] = (struct attest_file){ it->path, at, count,
			rd->shards ? it[count - 1].end : UINT64_MAX };
		if (!strcmp(it->path, ".") && n > 1)
			return attest_reject(rd->report, ATTEST_PATH, ".",
				"only a model of one file may leave it unnamed");
		for (u32 k = 0; k < count; k++)
			memcpy(digests + (size_t)at++ * rd->digest_bytes, it[k].digest, rd->digest_bytes);
	}
	rd->m->files = files;
	rd->m->n_files = n;
	rd->m->digests = digests;
	rd->m->n_digests = rd->n_items;
	return 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

static int statement_read(struct reading *rd, json_t *j)
{
	static const char *const known[] = { "_type", "subject", "predicateType", "predicate", NULL };
	static const char *const inner[] = { "serialization", "resources", NULL };
	int r = string_is(j, "_type", STATEMENT_TYPE, ATTEST_STATEMENT, rd->report);
	r = r ? r : string_is(j, "predicateType", PREDICATE_TYPE, ATTEST_PREDICATE_TYPE, rd->report);
	r = r ? r : json_only(j, "the statement", known, rd->report);
	r = r ? r : subject_read(rd, j);
	if (r)
		return r;
	json_t *p = json_field(j, "the statement", "predicate", JSON_OBJECT, rd->report);
	if (!p || json_only(p, "the predicate", inner, rd->report))
		return 1;
	r = serialization_read(rd, p);
	r = r ? r : resources_read(rd, p);
	r = r ? r : root_check(rd);
	return r ? r : files_make(rd);
}

int statement_parse(
	const void *payload, size_t len, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	int r = json_strict_load(payload, len, "statement", &j, report);
	if (r)
		return r;
	struct attest_manifest *m = calloc(1, sizeof *m);
	struct attest_manifest_priv *priv = calloc(1, sizeof *priv);
	if (!m || !priv) {
		free(m);
		free(priv);
		return err_origin(-ENOMEM);
	}
	m->priv = priv;
	struct reading rd = { .report = report, .m = m, .arena = &priv->arena };
	r = statement_read(&rd, j);
	if (r) {
		attest_manifest_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

struct attest_manifest *attest_manifest_free(struct attest_manifest *m)
{
	if (!m)
		return NULL;
	arena_fini(&m->priv->arena);
	attest_certs_free(m->priv->path);
	free(m->priv);
	free(m);
	return NULL;
}

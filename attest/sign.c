/* Signing (OMS v1.0, methods key and certificate), as model-transparency writes it since v1.1: the bundle names the key by its fingerprint
 * or brings the certificates, leaf first. Resources are sorted
 * by name in byte order, shards are "path:start:end" with algorithm sha256 and a whole shard_size, as the specification wants. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The list that is signed: one entry for each file, or for each shard. */
struct list {
	const struct attest_sign_params *p;
	u32 n, digest_bytes;
	u32 *first; /* of each file, its first entry; and n behind the last */
	u8 *digests;
};
/* One entry, when the list is sorted. */
struct line {
	char *name;
	const u8 *digest;
};
struct lines {
	struct line *at;
	u32 n;
};

static void list_fini(struct list *l)
{
	free(l->first);
	free(l->digests);
}

static void lines_fini(struct lines *l)
{
	for (u32 i = 0; i < l->n; i++)
		free(l->at[i].name);
	free(l->at);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static int list_make(const struct attest_sign_params *p, struct list *l, struct attest_report *report)
{
	const struct attest_tree *t = p->tree;
	*l = (struct list){ .p = p, .digest_bytes = hash_bytes(p->hash) };
	l->first = calloc(t->n_files + 1, sizeof *l->first);
	if (!l->first)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < t->n_files; i++) {
		const struct attest_source *s = &t->files[i];
		u64 n = p->shard_bytes ? DIV_UP(s->bytes, p->shard_bytes) : 1;
		if (n == 0)
			return attest_reject(report, ATTEST_EMPTY_FILE, s->path,
				"%s is empty: it has no shard, so its name would not be signed", s->path);
		if (p->shard_bytes && n > SHARDS_MAX - l->n)
			return attest_reject(report, ATTEST_FILE_LIMIT, s->path,
				"more than %u shards; choose larger ones", SHARDS_MAX);
		l->n += (u32)n;
		l->first[i + 1] = l->n;
	}
	l->digests = calloc(l->n, l->digest_bytes);
	return l->digests ? 0 : err_origin(-ENOMEM);
}

/* The file that an entry is of. */
static u32 file_of_entry(const struct list *l, u32 i)
{
	u32 lo = 0, hi = l->p->tree->n_files;
	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;
		if (l->first[mid] <= i)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static void task(void *ctx, u32 i, struct pass_task *ret)
{
	const struct list *l = ctx;
	u32 file = file_of_entry(l, i);
	const struct attest_source *s = &l->p->tree->files[file];
	u64 size = l->p->shard_bytes ? l->p->shard_bytes : s->bytes;
	u64 from = (i - l->first[file]) * size;
	*ret = (struct pass_task){ .source = s,
		.stage = -1,
		.from = from,
		.to = size < s->bytes - from ? from + size : s->bytes,
		.digests = l->digests + (size_t)i * l->digest_bytes };
}

static int task_done(void *ctx, u32 i, struct attest_report *report)
{
	return 0;
}

static int list_hash(struct list *l, struct attest_report *report)
{
	int r = pass_run(&(struct pass_params){ .n = l->n,
				 .hash = l->p->hash,
				 .total = l->p->tree->bytes,
				 .progress = l->p->progress,
				 .ctx = l,
				 .task = task,
				 .done = task_done },
		report);
	if (!r)
		report->bytes = l->p->tree->bytes;
	return r;
}

static int line_name(const struct list *l, u32 i, char **ret)
{
	struct pass_task t;
	task((void *)(uintptr_t)l, i, &t);
	int n = l->p->shard_bytes ? asprintf(ret, "%s:%llu:%llu", t.source->path, (unsigned long long)t.from,
					    (unsigned long long)t.to)
				  : asprintf(ret, "%s", t.source->path);
	return n < 0 ? err_origin(-ENOMEM) : 0;
}

static int lines_make(const struct list *l, struct lines *ret)
{
	ret->at = calloc(l->n, sizeof *ret->at);
	if (!ret->at)
		return err_origin(-ENOMEM);
	for (; ret->n < l->n; ret->n++) {
		struct line *line = &ret->at[ret->n];
		line->digest = l->digests + (size_t)ret->n * l->digest_bytes;
		int r = line_name(l, ret->n, &line->name);
		if (r)
			return r;
	}
	qsort(ret->at, ret->n, sizeof *ret->at, by_name);
	return 0;
}

/* ---- the statement --------------------------------------------------------------------------------------------------------- */

static void root_digest(const struct lines *l, u32 digest_bytes, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	for (u32 i = 0; i < l->n; i++)
		sha256_update(&h, l->at[i].digest, digest_bytes);
	sha256_final(&h, ret);
}

static void write_serialization(struct jsonw *w, const struct attest_sign_params *p)
{
	static const char *const git[] = { ".git", ".gitattributes", ".github", ".gitignore" };
	jsonw_key(w, "serialization");
	jsonw_object(w);
	jsonw_kv_str(w, "method", p->shard_bytes ? "shards" : "files");
	jsonw_kv_str(w, "hash_type", hash_name(p->hash));
	jsonw_kv_bool(w, "allow_symlinks", false);
	if (p->shard_bytes)
		jsonw_kv_u64(w, "shard_size", p->shard_bytes);
	jsonw_key(w, "ignore_paths");
	jsonw_array(w);
	for (size_t i = 0; i < ARRAY_LEN(git); i++)
		jsonw_str(w, git[i]);
	if (p->tree->bundle && !strpbrk(p->tree->bundle, "*?["))
		jsonw_str(w, p->tree->bundle);
	for (u32 i = 0; i < p->n_ignore; i++)
		jsonw_str(w, p->ignore[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static void write_statement(struct jsonw *w, const struct attest_sign_params *p, const struct lines *l)
{
	u8 root[SHA256_BYTES];
	root_digest(l, hash_bytes(p->hash), root);
	jsonw_object(w);
	jsonw_kv_str(w, "_type", STATEMENT_TYPE);
	jsonw_key(w, "subject");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_str(w, "name", p->tree->name);
	jsonw_key(w, "digest");
	jsonw_object(w);
	jsonw_kv_hex(w, "sha256", root, sizeof root);
	jsonw_object_end(w);
	jsonw_object_end(w);
	jsonw_array_end(w);
	jsonw_kv_str(w, "predicateType", PREDICATE_TYPE);
	jsonw_key(w, "predicate");
	jsonw_object(w);
	write_serialization(w, p);
	jsonw_key(w, "resources");
	jsonw_array(w);
	for (u32 i = 0; i < l->n; i++) {
		jsonw_object(w);
		jsonw_kv_str(w, "name", l->at[i].name);
		jsonw_kv_str(w, "algorithm", hash_name(p->hash));
		jsonw_kv_hex(w, "digest", l->at[i].digest, hash_bytes(p->hash));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

/* The writer's memory becomes the blob's. */
static int blob_of(struct jsonw *w, struct attest_blob *ret, struct attest_report *report)
{
	if (w->full) {
		jsonw_fini(w);
		return attest_reject(report, ATTEST_SIZE_LIMIT, "bundle",
			"the bundle would be longer than %u bytes", BUNDLE_BYTES_MAX);
	}
	*ret = (struct attest_blob){ (u8 *)w->buf, w->len };
	return 0;
}

int attest_statement_make(
	const struct attest_sign_params *p, struct attest_blob *ret_statement, struct attest_report *report)
{
	attest_report_init(report);
	if (p->shard_bytes > SHARD_BYTES_MAX)
		return attest_reject(
			report, ATTEST_SHARD, "shards", "a shard has at most %llu bytes", SHARD_BYTES_MAX);
	if (!hash_available(p->hash))
		return attest_reject(report, ATTEST_HASH_TYPE, "hash_type", "this build cannot compute %s",
			hash_name(p->hash));
	_cleanup_(list_fini) struct list list = { 0 };
	_cleanup_(lines_fini) struct lines lines = { 0 };
	int r = list_make(p, &list, report);
	r = r ? r : list_hash(&list, report);
	r = r ? r : lines_make(&list, &lines);
	if (r)
		return r;
	struct jsonw w;
	jsonw_init_grow(&w, BUNDLE_BYTES_MAX);
	write_statement(&w, p, &lines);
	report->n_files = p->tree->n_files;
	return blob_of(&w, ret_statement, report);
}

/* ---- the bundle ------------------------------------------------------------------------------------------------------------ */

/* Method certificate: the chain as it was given, leaf first. 0; -ENOMEM. */
static int write_chain(struct jsonw *w, const struct attest_certs *certs)
{
	jsonw_key(w, "x509CertificateChain");
	jsonw_object(w);
	jsonw_key(w, "certificates");
	jsonw_array(w);
	for (u32 i = 0; i < attest_certs_count(certs); i++) {
		_cleanup_free_ u8 *der = NULL;
		size_t len;
		int r = certs_der(certs, i, &der, &len);
		_cleanup_free_ char *text = r ? NULL : base64_encode(der, len);
		if (!text)
			return err_origin(-ENOMEM);
		jsonw_object(w);
		jsonw_kv_str(w, "rawBytes", text);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
	return 0;
}

static int write_bundle(struct jsonw *w, const char *payload, const char *sig, const struct proto_key *key,
	const struct attest_certs *certs)
{
	jsonw_object(w);
	jsonw_kv_str(w, "mediaType", MEDIA_TYPE);
	jsonw_key(w, "verificationMaterial");
	jsonw_object(w);
	if (certs) {
		int r = write_chain(w, certs);
		if (r)
			return r;
	} else {
		jsonw_key(w, "publicKey");
		jsonw_object(w);
		jsonw_kv_hex(w, "hint", key->id, sizeof key->id);
		jsonw_object_end(w);
	}
	jsonw_key(w, "tlogEntries");
	jsonw_array(w);
	jsonw_array_end(w);
	jsonw_object_end(w);
	jsonw_key(w, "dsseEnvelope");
	jsonw_object(w);
	jsonw_kv_str(w, "payload", payload);
	jsonw_kv_str(w, "payloadType", PAYLOAD_TYPE);
	jsonw_key(w, "signatures");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_str(w, "sig", sig);
	jsonw_kv_str(w, "keyid", "");
	jsonw_object_end(w);
	jsonw_array_end(w);
	jsonw_object_end(w);
	jsonw_object_end(w);
	jsonw_newline(w);
	return 0;
}

static int envelope_sign(const struct attest_sign_params *p, const struct attest_blob *statement,
	struct attest_blob *ret, struct proto_key *ret_key, struct attest_report *report)
{
	_cleanup_free_ u8 *pae = NULL, *sig = NULL;
	size_t pae_len, sig_len;
	int r = bundle_pae(statement->data, statement->len, &pae, &pae_len);
	if (r)
		return r;
	r = p->token ? token_sign(p->token, pae, pae_len, &sig, &sig_len, ret_key, report)
		     : key_sign(p->key_pem, p->key_len, pae, pae_len, &sig, &sig_len, ret_key, report);
	if (r)
		return r;
	_cleanup_free_ char *payload64 = base64_encode(statement->data, statement->len);
	_cleanup_free_ char *sig64 = base64_encode(sig, sig_len);
	if (!payload64 || !sig64)
		return err_origin(-ENOMEM);
	struct jsonw w;
	jsonw_init_grow(&w, BUNDLE_BYTES_MAX);
	r = write_bundle(&w, payload64, sig64, ret_key, p->certs);
	if (r) {
		jsonw_fini(&w);
		return r;
	}
	return blob_of(&w, ret, report);
}

int attest_sign(
	const struct attest_sign_params *p, struct attest_blob *ret_bundle, struct attest_report *report)
{
	_cleanup_(attest_blob_fini) struct attest_blob statement = { 0 }, bundle = { 0 };
	struct proto_key key;
	int r = attest_statement_make(p, &statement, report);
	u64 bytes = report->bytes;
	r = r ? r : envelope_sign(p, &statement, &bundle, &key, report);
	r = r ? r : bundle_read_back(bundle.data, bundle.len, &key, report);
	report->bytes = bytes;
	if (r)
		return r;
	*ret_bundle = bundle;
	bundle = (struct attest_blob){ 0 };
	return 0;
}

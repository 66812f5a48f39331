/* Signing (OMS v1.0, methods key and certificate), as model-transparency writes it since v1.1: the bundle names the key by its fingerprint
 * or brings the certificates, leaf first. Resources are sorted
 * by name in byte order, shards are "path:start:end" with algorithm sha256 and a whole shard_size, as the specification wants. */
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of the list. */
struct line {
	char *name;
	u8 digest[SHA256_BYTES];
};
struct lines {
	struct line *at;
	u32 n, cap;
};

static void lines_fini(struct lines *l)
{
	for (u32 i = 0; i < l->n; i++)
		free(l->at[i].name);
	free(l->at);
}

static int line_add(struct lines *l, const char *name, const u8 digest[SHA256_BYTES])
{
	if (l->n == l->cap) {
		u32 cap = l->cap ? 2 * l->cap : 64;
		struct line *more = reallocarray(l->at, cap, sizeof *more);
		if (!more)
			return err_origin(-ENOMEM);
		l->at = more;
		l->cap = cap;
	}
	char *copy = strdup(name);
	if (!copy)
		return err_origin(-ENOMEM);
	l->at[l->n].name = copy;
	memcpy(l->at[l->n++].digest, digest, SHA256_BYTES);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static int shards_add(
	struct lines *l, const struct attest_source *s, u64 shard_bytes, u8 (*digests)[SHA256_BYTES])
{
	char name[PATH_LEN_MAX + 48];
	u64 n = DIV_UP(s->bytes, shard_bytes);
	for (u64 i = 0; i < n; i++) {
		u64 start = i * shard_bytes, end = MIN(start + shard_bytes, s->bytes);
		snprintf(name, sizeof name, "%s:%llu:%llu", s->path, (unsigned long long)start,
			(unsigned long long)end);
		int r = line_add(l, name, digests[i]);
		if (r)
			return r;
	}
	return 0;
}

static int file_hash(const struct attest_sign_params *p, struct pass *pass, const struct attest_source *s,
	struct lines *l, struct attest_report *report)
{
	u64 shards = p->shard_bytes ? DIV_UP(s->bytes, p->shard_bytes) : 0;
	if (p->shard_bytes && s->bytes == 0)
		return attest_reject(report, ATTEST_EMPTY_FILE, s->path,
			"%s is empty: it has no shard, so its name would not be signed", s->path);
	if (shards > SHARDS_MAX - l->n)
		return attest_reject(report, ATTEST_FILE_LIMIT, s->path,
			"more than %u shards; choose larger ones", SHARDS_MAX);
	_cleanup_free_ u8(*segments)[SHA256_BYTES] =
		calloc(DIV_UP(s->bytes, (u64)SEGMENT_BYTES) + 1, SHA256_BYTES);
	_cleanup_free_ u8(*digests)[SHA256_BYTES] = calloc(shards + 1, SHA256_BYTES);
	if (!segments || !digests)
		return err_origin(-ENOMEM);
	struct pass_file f = { .source = s,
		.stage = -1,
		.shard_bytes = p->shard_bytes,
		.segments = segments,
		.shards = digests };
	int r = pass_run(pass, &f, report);
	if (r)
		return r;
	report->bytes += s->bytes;
	return p->shard_bytes ? shards_add(l, s, p->shard_bytes, digests) : line_add(l, s->path, f.digest);
}

static int files_hash(const struct attest_sign_params *p, struct lines *l, struct attest_report *report)
{
	struct pass *pass = NULL;
	int r = pass_create(p->tree->bytes, p->progress, &pass);
	for (u32 i = 0; i < p->tree->n_files && !r; i++)
		r = file_hash(p, pass, &p->tree->files[i], l, report);
	pass_destroy(pass);
	if (!r)
		qsort(l->at, l->n, sizeof *l->at, by_name);
	return r;
}

/* ---- the statement --------------------------------------------------------------------------------------------------------- */

static void root_digest(const struct lines *l, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	for (u32 i = 0; i < l->n; i++)
		sha256_update(&h, l->at[i].digest, SHA256_BYTES);
	sha256_final(&h, ret);
}

static void write_serialization(struct jsonw *w, const struct attest_sign_params *p)
{
	static const char *const git[] = { ".git", ".gitattributes", ".github", ".gitignore" };
	jsonw_key(w, "serialization");
	jsonw_object(w);
	jsonw_kv_str(w, "method", p->shard_bytes ? "shards" : "files");
	jsonw_kv_str(w, "hash_type", "sha256");
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
	root_digest(l, root);
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
		jsonw_kv_str(w, "algorithm", "sha256");
		jsonw_kv_hex(w, "digest", l->at[i].digest, SHA256_BYTES);
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
	_cleanup_(lines_fini) struct lines l = { 0 };
	int r = files_hash(p, &l, report);
	if (r)
		return r;
	struct jsonw w;
	jsonw_init_grow(&w, BUNDLE_BYTES_MAX);
	write_statement(&w, p, &l);
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
	r = r ? r : key_sign(p->key_pem, p->key_len, pae, pae_len, &sig, &sig_len, ret_key, report);
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

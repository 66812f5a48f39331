/* Entries of a transparency log (Rekor, both generations). Two questions, apart from each other:
 *
 * Is the entry in the log? Its body is a leaf of a tree whose root stands in a checkpoint that the log signed (checkpoint.c): always.
 * The first generation also promises, with a signature, to include the body, and says when it saw it: held where it is there, and
 * only then the time counts; integratedTime alone is text of whoever carries the bundle.
 *
 * Is the entry about this bundle (CVE-2026-22703, CVE-2022-36056)? The body's kinds and what of them must be ours:
 *
 *   dsse 0.0.1          payload hash, signature, certificate (PEM)
 *   intoto 0.0.2        payload hash and type, signature (base64 twice), certificate; the payload where the log kept it
 *   hashedrekord 0.0.2  digest of what is signed, signature, certificate (DER)
 *   dsse 0.0.2          payload hash, signature, certificate (DER) */
#include "attest/sigstore.h"
#include "base/bytes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void x509_free(X509 **c)
{
	X509_free(*c);
}
static void bio_free(BIO **b)
{
	BIO_free(*b);
}
static void bytes_free(u8 **p)
{
	OPENSSL_free(*p);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

/* A 64-bit number as JSON's protocol buffers write it: a string, decimal. Absent is 0 where may_lack. */
static int number_field(json_t *object, const char *where, const char *key, bool may_lack, u64 *ret,
	struct attest_report *report)
{
	*ret = 0;
	if (may_lack && !json_object_get(object, key))
		return 0;
	json_t *v = json_field(object, where, key, JSON_STRING, report);
	const char *s = json_string_value(v);
	if (!v)
		return 1;
	size_t n = strlen(s);
	if (n == 0 || n > 18 || strspn(s, "0123456789") != n || (n > 1 && s[0] == '0'))
		return attest_reject(
			report, ATTEST_FIELD, key, "\"%s\" in %s is not a decimal number", key, where);
	*ret = strtoull(s, NULL, 10);
	return 0;
}

static int digest_field(json_t *object, const char *where, const char *key, u8 ret[SHA256_BYTES],
	struct attest_report *report)
{
	_cleanup_free_ u8 *d = NULL;
	size_t n;
	int r = base64_field(object, where, key, &d, &n, report);
	if (r)
		return r;
	if (n != SHA256_BYTES)
		return attest_reject(report, ATTEST_FIELD, key, "\"%s\" in %s is no SHA-256", key, where);
	memcpy(ret, d, SHA256_BYTES);
	return 0;
}

static const struct trusted_log *log_find(
	const struct attest_trusted_root *root, const u8 id[SHA256_BYTES], i64 at)
{
	for (u32 i = 0; i < root->first_ct; i++) {
		const struct trusted_log *l = &root->logs[i];
		if (!memcmp(l->id, id, SHA256_BYTES) && at >= l->from && at <= l->to)
			return l;
	}
	return NULL;
}

/* ---- is it in the log? ------------------------------------------------------------------------------------------------------ */

struct reading {
	const struct trusted_log *log;
	json_t *entry;
	u64 index, time; /* of the entry; 0 where no time is said */
	u8 log_id[SHA256_BYTES];
	u8 *body;
	size_t body_len;
};

static void reading_fini(struct reading *rd)
{
	free(rd->body);
}

static int hashes_read(json_t *proof, u8 path[][SHA256_BYTES], u32 *ret_n, struct attest_report *report)
{
	json_t *list = json_object_get(proof, "hashes");
	if (list && !json_is_array(list))
		return attest_reject(report, ATTEST_FIELD, "hashes", "hashes is not an array");
	if (json_array_size(list) > LOG_PATH_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "hashes",
			"an inclusion proof has %zu digests; at most %u are read", json_array_size(list),
			LOG_PATH_MAX);
	for (*ret_n = 0; *ret_n < json_array_size(list); *ret_n += 1) {
		json_t *h = json_array_get(list, *ret_n);
		_cleanup_free_ u8 *d = NULL;
		size_t n = 0;
		int r = json_is_string(h) ? base64_decode(json_string_value(h), json_string_length(h), &d, &n)
					  : 1;
		if (r < 0)
			return r;
		if (r || n != SHA256_BYTES)
			return attest_reject(report, ATTEST_BASE64, "hashes",
				"a digest of the proof is not 32 bytes in base64");
		memcpy(path[*ret_n], d, SHA256_BYTES);
	}
	return 0;
}

static void leaf_hash(const struct reading *rd, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, "\0", 1);
	sha256_update(&h, rd->body, rd->body_len);
	sha256_final(&h, ret);
}

static int checkpoint_check(const struct reading *rd, json_t *proof, const struct inclusion *p,
	const u8 *root, struct attest_report *report)
{
	static const char *const known[] = { "envelope", NULL };
	u64 size;
	u8 signed_root[SHA256_BYTES];
	json_t *c = json_field(proof, "inclusionProof", "checkpoint", JSON_OBJECT, report);
	if (!c || json_only(c, "checkpoint", known, report))
		return 1;
	json_t *text = json_field(c, "checkpoint", "envelope", JSON_STRING, report);
	int r = text ? checkpoint_open(rd->log, json_string_value(text), &size, signed_root, report) : 1;
	if (r)
		return r;
	if (size != p->size || memcmp(root, signed_root, SHA256_BYTES))
		return attest_reject(report, ATTEST_LOG_PROOF, "inclusionProof",
			"the inclusion proof is of another tree than the checkpoint");
	if (!inclusion_holds(p, signed_root))
		return attest_reject(report, ATTEST_LOG_PROOF, "inclusionProof",
			"the log's checkpoint does not include the entry");
	return 0;
}

static int proof_check(const struct reading *rd, struct attest_report *report)
{
	static const char *const known[] = { "logIndex", "rootHash", "treeSize", "hashes", "checkpoint",
		NULL };
	u8 path[LOG_PATH_MAX][SHA256_BYTES], root[SHA256_BYTES];
	struct inclusion p = { .path = (const u8(*)[SHA256_BYTES])path };
	json_t *proof = json_object_get(rd->entry, "inclusionProof");
	if (!proof)
		return attest_reject(
			report, ATTEST_LOG_PROOF, "inclusionProof", "the log entry has no inclusion proof");
	if (!json_is_object(proof))
		return attest_reject(
			report, ATTEST_FIELD, "inclusionProof", "inclusionProof is not an object");
	int r = json_only(proof, "inclusionProof", known, report);
	r = r ? r : number_field(proof, "inclusionProof", "logIndex", true, &p.index, report);
	r = r ? r : number_field(proof, "inclusionProof", "treeSize", false, &p.size, report);
	r = r ? r : digest_field(proof, "inclusionProof", "rootHash", root, report);
	r = r ? r : hashes_read(proof, path, &p.n, report);
	if (r)
		return r;
	/* the second generation says no time and numbers within one tree; the first has numbers over all of its trees */
	if (!json_object_get(rd->entry, "integratedTime") && p.index != rd->index)
		return attest_reject(report, ATTEST_LOG_PROOF, "logIndex",
			"the entry's number is not that of the inclusion proof");
	leaf_hash(rd, p.leaf);
	return checkpoint_check(rd, proof, &p, root, report);
}

/* What the log signed when it promised: JSON in canonical form, of the body as text, the time, the log and the number. */
static int promise_text(const struct reading *rd, char **ret, size_t *ret_len)
{
	char hex[2 * SHA256_BYTES + 1];
	_cleanup_free_ char *body = base64_encode(rd->body, rd->body_len);
	size_t size = body ? strlen(body) + 256 : 0;
	char *text = body ? malloc(size) : NULL;
	if (!text)
		return err_origin(-ENOMEM);
	bytes_hex(rd->log_id, SHA256_BYTES, hex);
	int n = snprintf(text, size,
		"{\"body\":\"%s\",\"integratedTime\":%llu,\"logID\":\"%s\",\"logIndex\":%llu}", body,
		(unsigned long long)rd->time, hex, (unsigned long long)rd->index);
	assert(n > 0 && (size_t)n < size);
	*ret = text;
	*ret_len = (size_t)n;
	return 0;
}

static int promise_check(const struct reading *rd, json_t *promise, i64 now, struct signed_times *times,
	struct attest_report *report)
{
	static const char *const known[] = { "signedEntryTimestamp", NULL };
	_cleanup_free_ u8 *sig = NULL;
	_cleanup_free_ char *text = NULL;
	size_t n, len = 0;
	if (!json_is_object(promise))
		return attest_reject(
			report, ATTEST_FIELD, "inclusionPromise", "inclusionPromise is not an object");
	if (json_only(promise, "inclusionPromise", known, report))
		return 1;
	int r = base64_field(promise, "inclusionPromise", "signedEntryTimestamp", &sig, &n, report);
	r = r ? r : promise_text(rd, &text, &len);
	if (r)
		return r;
	r = log_verify(rd->log, text, len, sig, n);
	if (r == 1)
		return attest_reject(report, ATTEST_LOG_PROMISE, "signedEntryTimestamp",
			"the log did not sign the promise to include this entry at this time");
	return r ? r : times_add(times, (i64)rd->time, ATTEST_TIME_LOG, now, report);
}

static int entry_read(json_t *entry, struct reading *rd, struct attest_report *report)
{
	static const char *const known[] = { "logIndex", "logId", "kindVersion", "integratedTime",
		"inclusionPromise", "inclusionProof", "canonicalizedBody", NULL },
				 *const only_id[] = { "keyId", NULL };
	rd->entry = entry;
	if (!json_is_object(entry))
		return attest_reject(report, ATTEST_FIELD, "tlogEntries", "a log entry is not an object");
	if (json_only(entry, "the log entry", known, report))
		return 1;
	json_t *id = json_field(entry, "the log entry", "logId", JSON_OBJECT, report);
	if (!id || json_only(id, "logId", only_id, report))
		return 1;
	int r = digest_field(id, "logId", "keyId", rd->log_id, report);
	r = r ? r : number_field(entry, "the log entry", "logIndex", true, &rd->index, report);
	r = r ? r
	      : number_field(entry, "the log entry", "integratedTime",
			!json_object_get(entry, "inclusionPromise"), &rd->time, report);
	return r ? r
		 : base64_field(
			   entry, "the log entry", "canonicalizedBody", &rd->body, &rd->body_len, report);
}

/* The body is of the kind that the entry says. */
static int kind_check(const struct reading *rd, json_t *body, struct attest_report *report)
{
	static const char *const known[] = { "kind", "version", NULL };
	json_t *kv = json_field(rd->entry, "the log entry", "kindVersion", JSON_OBJECT, report);
	if (!kv || json_only(kv, "kindVersion", known, report))
		return 1;
	json_t *kind = json_field(kv, "kindVersion", "kind", JSON_STRING, report);
	json_t *version = kind ? json_field(kv, "kindVersion", "version", JSON_STRING, report) : NULL;
	json_t *k = version ? json_field(body, "the logged body", "kind", JSON_STRING, report) : NULL;
	json_t *v = k ? json_field(body, "the logged body", "apiVersion", JSON_STRING, report) : NULL;
	if (!v)
		return 1;
	if (!json_equal(kind, k) || !json_equal(version, v))
		return attest_reject(report, ATTEST_LOG_ENTRY, "kindVersion",
			"the log entry is said to be of another kind than it is");
	return 0;
}

int rekor_verify(const struct attest_trusted_root *root, json_t *entry, i64 now, struct log_entry *ret,
	struct signed_times *times, struct attest_report *report)
{
	_cleanup_(reading_fini) struct reading rd = { 0 };
	char hex[2 * SHA256_BYTES + 1];
	int r = entry_read(entry, &rd, report);
	if (r)
		return r;
	json_t *promise = json_object_get(entry, "inclusionPromise");
	/* without a promise the time is not signed: then the log must be trusted at another signed time, see keyless_times */
	rd.log = log_find(root, rd.log_id, promise ? (i64)rd.time : times->n ? times->at[0] : now);
	bytes_hex(rd.log_id, SHA256_BYTES, hex);
	if (!rd.log)
		return attest_reject(report, ATTEST_LOG_UNKNOWN, hex,
			"the entry is of a log that the trusted root does not hold, or not at that time");
	r = proof_check(&rd, report);
	if (!r && promise)
		r = promise_check(&rd, promise, now, times, report);
	json_t *body = NULL;
	r = r ? r : json_strict_load(rd.body, rd.body_len, "canonicalizedBody", &body, report);
	r = r ? r : kind_check(&rd, body, report);
	if (r) {
		json_decref(body);
		return r;
	}
	ret->body = body;
	return 0;
}

/* ---- is it about this bundle? ------------------------------------------------------------------------------------------------ */

static int differs(struct attest_report *report, const char *object, const char *what)
{
	return attest_reject(report, ATTEST_LOG_ENTRY, object, "the log's entry is about another %s", what);
}

/* A path of names into objects: "spec.payloadHash.value". NULL where it leads nowhere. */
static json_t *walk(json_t *j, const char *path)
{
	char name[64];
	while (j && *path) {
		size_t n = strcspn(path, ".");
		assert(n < sizeof name);
		memcpy(name, path, n);
		name[n] = 0;
		j = json_object_get(j, name);
		path += n + (path[n] == '.');
	}
	return j;
}

static bool text_is(json_t *j, const char *path, const char *want)
{
	const char *s = json_string_value(walk(j, path));
	return s && !strcmp(s, want);
}

/* Is it the base64 of these bytes, times over? */
static bool is_base64(json_t *v, const void *data, size_t len, u32 times)
{
	_cleanup_free_ char *text = base64_encode(data, len);
	if (times > 1 && text) {
		char *again = base64_encode(text, strlen(text));
		free(text);
		text = again;
	}
	return text && json_is_string(v) && json_string_length(v) == strlen(text) &&
	       !strcmp(json_string_value(v), text);
}

/* One certificate in PEM, in base64. */
static bool is_pem_of(json_t *v, X509 *leaf)
{
	_cleanup_free_ u8 *pem = NULL;
	size_t len;
	if (!json_is_string(v) || base64_decode(json_string_value(v), json_string_length(v), &pem, &len) ||
		len > CERTS_PEM_BYTES_MAX)
		return false;
	_cleanup_(bio_free) BIO *b = BIO_new_mem_buf(pem, (int)len);
	_cleanup_(x509_free) X509 *c = b ? PEM_read_bio_X509(b, NULL, NULL, "") : NULL;
	_cleanup_(x509_free) X509 *second = c ? PEM_read_bio_X509(b, NULL, NULL, "") : NULL;
	ERR_clear_error();
	return c && !second && X509_cmp(c, leaf) == 0;
}

static bool is_der_of(json_t *v, X509 *leaf)
{
	_cleanup_(bytes_free) u8 *der = NULL;
	int n = i2d_X509(leaf, &der);
	return n > 0 && is_base64(v, der, (size_t)n, 1);
}

/* The one element of an array of objects; NULL otherwise. */
static json_t *single(json_t *body, const char *path)
{
	json_t *list = walk(body, path);
	return json_array_size(list) == 1 ? json_array_get(list, 0) : NULL;
}

static bool hash_is_hex(json_t *body, const char *path, const struct bundle *b)
{
	u8 digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	json_t *h = walk(body, path);
	sha256_of(b->payload, b->payload_len, digest);
	bytes_hex(digest, sizeof digest, hex);
	return text_is(h, "algorithm", "sha256") && text_is(h, "value", hex);
}

/* { "algorithm": "SHA2_256", "digest": base64 } over data. */
static bool hash_is(json_t *h, const void *data, size_t len)
{
	static const struct {
		const char *name;
		const EVP_MD *(*md)(void);
	} kinds[] = { { "SHA2_256", EVP_sha256 }, { "SHA2_384", EVP_sha384 }, { "SHA2_512", EVP_sha512 } };
	u8 digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (text_is(h, "algorithm", kinds[i].name))
			return EVP_Digest(data, len, digest, &n, kinds[i].md(), NULL) == 1 &&
			       is_base64(json_object_get(h, "digest"), digest, n, 1);
	return false;
}

static int dsse_1(json_t *body, const struct bundle *b, X509 *leaf, struct attest_report *report)
{
	json_t *s = single(body, "spec.signatures");
	if (!hash_is_hex(body, "spec.payloadHash", b))
		return differs(report, "payloadHash", "statement");
	if (!is_base64(walk(s, "signature"), b->sig, b->sig_len, 1))
		return differs(report, "signatures", "signature");
	return is_pem_of(walk(s, "verifier"), leaf) ? 0 : differs(report, "verifier", "certificate");
}

static int intoto_2(json_t *body, const struct bundle *b, X509 *leaf, struct attest_report *report)
{
	json_t *s = single(body, "spec.content.envelope.signatures");
	json_t *kept = walk(body, "spec.content.envelope.payload");
	if (!hash_is_hex(body, "spec.content.payloadHash", b) ||
		!text_is(body, "spec.content.envelope.payloadType", PAYLOAD_TYPE) ||
		(kept && !is_base64(kept, b->payload, b->payload_len, 2)))
		return differs(report, "payloadHash", "statement");
	if (!is_base64(walk(s, "sig"), b->sig, b->sig_len, 2))
		return differs(report, "signatures", "signature");
	return is_pem_of(walk(s, "publicKey"), leaf) ? 0 : differs(report, "publicKey", "certificate");
}

static int signature_2(json_t *s, const struct bundle *b, X509 *leaf, struct attest_report *report)
{
	if (!is_base64(walk(s, "content"), b->sig, b->sig_len, 1))
		return differs(report, "signature", "signature");
	return is_der_of(walk(s, "verifier.x509Certificate.rawBytes"), leaf)
		       ? 0
		       : differs(report, "verifier", "certificate");
}

static int hashedrekord_2(json_t *body, const struct bundle *b, X509 *leaf, struct attest_report *report)
{
	_cleanup_free_ u8 *pae = NULL;
	size_t len;
	int r = bundle_pae(b->payload, b->payload_len, &pae, &len);
	if (r)
		return r;
	if (!hash_is(walk(body, "spec.hashedRekordV002.data"), pae, len))
		return differs(report, "data", "statement");
	return signature_2(walk(body, "spec.hashedRekordV002.signature"), b, leaf, report);
}

static int dsse_2(json_t *body, const struct bundle *b, X509 *leaf, struct attest_report *report)
{
	if (!hash_is(walk(body, "spec.dsseV002.payloadHash"), b->payload, b->payload_len))
		return differs(report, "payloadHash", "statement");
	return signature_2(single(body, "spec.dsseV002.signatures"), b, leaf, report);
}

int rekor_matches(const struct log_entry *e, const struct bundle *b, struct attest_report *report)
{
	static const struct {
		const char *kind, *version;
		int (*check)(json_t *body, const struct bundle *b, X509 *leaf, struct attest_report *report);
	} kinds[] = { { "dsse", "0.0.1", dsse_1 }, { "intoto", "0.0.2", intoto_2 },
		{ "hashedrekord", "0.0.2", hashedrekord_2 }, { "dsse", "0.0.2", dsse_2 } };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (text_is(e->body, "kind", kinds[i].kind) &&
			text_is(e->body, "apiVersion", kinds[i].version))
			return kinds[i].check(e->body, b, certs_at(b->chain, 0), report);
	return differs(report, "kindVersion", "kind of thing than a signed statement");
}

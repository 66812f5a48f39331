/* The bundle (OMS v1.0, Sigstore bundle v0.3):
 *
 *   { "mediaType", "verificationMaterial": { "publicKey": {"hint"} | "x509CertificateChain": {"certificates": [{"rawBytes"}…]},
 *                                            "tlogEntries": [] },
 *     "dsseEnvelope": { "payload": b64, "payloadType", "signatures": [ {"sig": b64, "keyid"?} ] } }
 *
 * Rules, in the order in which they are held: 1. at most BUNDLE_BYTES_MAX, UTF-8, at most JSON_DEPTH_MAX deep, one object, nothing
 * behind it, no key twice; 2. only known fields; 3. exactly one of the three methods, and it is `key`,
 * or `certificate` where roots are pinned; 4. exactly one signature;
 * 5. base64 canonical; 6. the key is a trusted one, named by its fingerprint (or, before v1.1, brought along as PEM: its
 * fingerprint is then computed and the trusted key of that fingerprint used, never the one in the bundle), or the leaf's, whose chain
 * leads to a pinned root (chain.c); 7. DER exact, signature
 * over PAE(type, payload) holds. Only then is the payload read (statement.c). */
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* What a well-formed bundle says; nothing of it is believed yet. */
struct envelope {
	u8 *payload, *sig;
	size_t payload_len, sig_len;
	u8 key_id[SHA256_BYTES];
	const char *key_details; /* before v1.1; borrowed */
	bool chains;		 /* may it bring a certificate chain? */
	struct attest_certs *chain;
};

static void envelope_fini(struct envelope *e)
{
	free(e->payload);
	free(e->sig);
	attest_certs_free(e->chain);
}

static void json_put(json_t **j)
{
	json_decref(*j);
}

static int media_type_check(json_t *bundle, struct attest_report *report)
{
	static const char *const known[] = { MEDIA_TYPE,
		"application/vnd.dev.sigstore.bundle+json;version=0.3",
		"application/vnd.dev.sigstore.bundle+json;version=0.2",
		"application/vnd.dev.sigstore.bundle+json;version=0.1" };
	json_t *v = json_field(bundle, "the bundle", "mediaType", JSON_STRING, report);
	if (!v)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i], json_string_value(v)))
			return 0;
	attest_reject(report, ATTEST_MEDIA_TYPE, "mediaType",
		"the bundle's media type is not that of a Sigstore bundle");
	attest_expected(report, MEDIA_TYPE, json_string_value(v));
	return 1;
}

/* The fingerprint of the signer's key: the hint of v1.1, or the digest of the PEM text that older bundles carry. */
static int fingerprint_read(json_t *public_key, struct envelope *e, struct attest_report *report)
{
	json_t *hint = json_object_get(public_key, "hint"), *raw = json_object_get(public_key, "rawBytes");
	json_t *details = json_object_get(public_key, "keyDetails");
	u8 of_raw[SHA256_BYTES];
	if (!hint && !raw)
		return attest_reject(report, ATTEST_MATERIAL, "publicKey",
			"the bundle names no key: neither hint nor rawBytes");
	if ((hint && !json_is_string(hint)) || (raw && !json_is_string(raw)) ||
		(details && !json_is_string(details)))
		return attest_reject(
			report, ATTEST_FIELD, "publicKey", "hint, rawBytes and keyDetails are strings");
	if (raw) {
		_cleanup_free_ u8 *pem = NULL;
		size_t len;
		int r = base64_decode(json_string_value(raw), json_string_length(raw), &pem, &len);
		if (r < 0)
			return r;
		if (r || len == 0)
			return attest_reject(report, ATTEST_BASE64, "rawBytes",
				"the key in the bundle is not canonical base64");
		sha256_of(pem, len, of_raw);
		memcpy(e->key_id, of_raw, sizeof of_raw);
	}
	if (hint) {
		if (json_string_length(hint) != 2 * SHA256_BYTES ||
			bytes_unhex(json_string_value(hint), SHA256_BYTES, e->key_id))
			return attest_reject(report, ATTEST_KEY_HINT, "hint",
				"the hint \"%.80s\" is not the SHA-256 of a key in lower-case hexadecimal",
				json_string_value(hint));
		if (raw && memcmp(of_raw, e->key_id, sizeof of_raw))
			return attest_reject(
				report, ATTEST_KEY_HINT, "hint", "hint and rawBytes name different keys");
	}
	e->key_details = details ? json_string_value(details) : NULL;
	return 0;
}

static int timestamps_check(json_t *material, struct attest_report *report)
{
	json_t *t = json_object_get(material, "timestampVerificationData");
	if (t && !json_is_object(t))
		return attest_reject(report, ATTEST_FIELD, "timestampVerificationData",
			"timestampVerificationData is not an object");
	return 0; /* carried, not read: an unchecked stamp says nothing about any time */
}

static int certificate_read(json_t *c, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "rawBytes", NULL };
	_cleanup_free_ u8 *der = NULL;
	size_t len;
	if (!json_is_object(c))
		return attest_reject(
			report, ATTEST_FIELD, "certificates", "an entry of certificates is not an object");
	if (json_only(c, "the certificate", known, report))
		return 1;
	json_t *raw = json_field(c, "the certificate", "rawBytes", JSON_STRING, report);
	if (!raw)
		return 1;
	int r = base64_decode(json_string_value(raw), json_string_length(raw), &der, &len);
	if (r < 0)
		return r;
	if (r || len == 0)
		return attest_reject(report, ATTEST_BASE64, "rawBytes",
			"a certificate in the bundle is not canonical base64");
	return certs_add_der(&e->chain, der, len, report);
}

static int chain_read(json_t *material, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "certificates", NULL };
	json_t *c = json_field(material, "verificationMaterial", "x509CertificateChain", JSON_OBJECT, report);
	if (!c || json_only(c, "x509CertificateChain", known, report))
		return 1;
	json_t *list = json_field(c, "x509CertificateChain", "certificates", JSON_ARRAY, report);
	if (!list)
		return 1;
	if (json_array_size(list) == 0)
		return attest_reject(
			report, ATTEST_MATERIAL, "certificates", "the bundle's certificate chain is empty");
	for (size_t i = 0; i < json_array_size(list); i++) {
		int r = certificate_read(json_array_get(list, i), e, report);
		if (r)
			return r;
	}
	return 0;
}

static int material_read(json_t *bundle, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "publicKey", "x509CertificateChain", "certificate",
		"tlogEntries", "timestampVerificationData", NULL };
	static const char *const methods[] = { "publicKey", "x509CertificateChain", "certificate" };
	json_t *m = json_field(bundle, "the bundle", "verificationMaterial", JSON_OBJECT, report);
	if (!m || json_only(m, "verificationMaterial", known, report))
		return 1;
	u32 n = 0;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		n += json_object_get(m, methods[i]) != NULL;
	if (n != 1)
		return attest_reject(report, ATTEST_MATERIAL, "verificationMaterial",
			"verificationMaterial must hold exactly one of publicKey, x509CertificateChain and "
			"certificate, not %u",
			n);
	bool chain = json_object_get(m, "x509CertificateChain");
	if (json_object_get(m, "certificate"))
		return attest_reject(report, ATTEST_METHOD, "verificationMaterial",
			"the bundle was signed by method sigstore, which this build does not verify");
	if (chain && !e->chains)
		return attest_reject(report, ATTEST_METHOD, "verificationMaterial",
			"the bundle was signed by method certificate, and no root is pinned here");
	json_t *entries = json_object_get(m, "tlogEntries");
	if (entries && !json_is_array(entries))
		return attest_reject(report, ATTEST_FIELD, "tlogEntries", "tlogEntries is not an array");
	if (json_array_size(entries))
		return attest_reject(report, ATTEST_MATERIAL, "tlogEntries",
			"method %s has no transparency log entries", chain ? "certificate" : "key");
	int r = timestamps_check(m, report);
	if (chain)
		return r ? r : chain_read(m, e, report);
	json_t *k = r ? NULL : json_field(m, "verificationMaterial", "publicKey", JSON_OBJECT, report);
	return k ? fingerprint_read(k, e, report) : 1;
}

static int base64_field(json_t *object, const char *where, const char *key, u8 **ret, size_t *ret_len,
	struct attest_report *report)
{
	json_t *v = json_field(object, where, key, JSON_STRING, report);
	if (!v)
		return 1;
	int r = base64_decode(json_string_value(v), json_string_length(v), ret, ret_len);
	if (r < 0)
		return r;
	if (r || *ret_len == 0)
		return attest_reject(report, ATTEST_BASE64, key,
			"\"%s\" in %s is empty or not canonical base64", key, where);
	return 0;
}

static int signature_read(json_t *envelope, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "sig", "keyid", NULL };
	json_t *list = json_field(envelope, "dsseEnvelope", "signatures", JSON_ARRAY, report);
	if (!list)
		return 1;
	if (json_array_size(list) != 1) {
		attest_reject(report, ATTEST_SIGNATURE_COUNT, "signatures", "the envelope has %zu signatures",
			json_array_size(list));
		attest_expected_u64(report, 1, json_array_size(list));
		return 1;
	}
	json_t *s = json_array_get(list, 0);
	if (!json_is_object(s))
		return attest_reject(report, ATTEST_FIELD, "signatures", "a signature is not an object");
	if (json_only(s, "the signature", known, report))
		return 1;
	json_t *keyid = json_object_get(s, "keyid");
	if (keyid && !json_is_null(keyid) && !(json_is_string(keyid) && json_string_length(keyid) == 0))
		return attest_reject(report, ATTEST_FIELD, "keyid",
			"keyid must be absent, empty or null: the key is named elsewhere");
	return base64_field(s, "the signature", "sig", &e->sig, &e->sig_len, report);
}

static int envelope_read(json_t *bundle, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "payload", "payloadType", "signatures", NULL };
	json_t *d = json_field(bundle, "the bundle", "dsseEnvelope", JSON_OBJECT, report);
	if (!d || json_only(d, "dsseEnvelope", known, report))
		return 1;
	json_t *type = json_field(d, "dsseEnvelope", "payloadType", JSON_STRING, report);
	if (!type)
		return 1;
	if (strcmp(json_string_value(type), PAYLOAD_TYPE)) {
		attest_reject(report, ATTEST_PAYLOAD_TYPE, "payloadType",
			"the envelope does not hold an in-toto statement");
		attest_expected(report, PAYLOAD_TYPE, json_string_value(type));
		return 1;
	}
	int r = signature_read(d, e, report);
	return r ? r : base64_field(d, "dsseEnvelope", "payload", &e->payload, &e->payload_len, report);
}

static int bundle_read(json_t *bundle, struct envelope *e, struct attest_report *report)
{
	static const char *const known[] = { "mediaType", "verificationMaterial", "dsseEnvelope", NULL };
	int r = json_only(bundle, "the bundle", known, report);
	r = r ? r : media_type_check(bundle, report);
	r = r ? r : material_read(bundle, e, report);
	return r ? r : envelope_read(bundle, e, report);
}

int bundle_pae(const void *payload, size_t len, u8 **ret, size_t *ret_len)
{
	char head[80];
	int n = snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", sizeof PAYLOAD_TYPE - 1, PAYLOAD_TYPE, len);
	assert(n > 0 && (size_t)n < sizeof head);
	u8 *p = malloc((size_t)n + len);
	if (!p)
		return err_origin(-ENOMEM);
	memcpy(p, head, (size_t)n);
	memcpy(p + n, payload, len);
	*ret_len = (size_t)n + len;
	*ret = p;
	return 0;
}

static const struct proto_key *key_find(const struct attest_bundle_params *p, const u8 id[SHA256_BYTES])
{
	for (u32 i = 0; i < p->n_keys; i++)
		if (!memcmp(p->keys[i].id, id, SHA256_BYTES))
			return &p->keys[i];
	return NULL;
}

static int details_check(const struct envelope *e, const struct proto_key *key, struct attest_report *report)
{
	const char *want = key->curve_bits == 256   ? "PKIX_ECDSA_P256_SHA_256"
			   : key->curve_bits == 384 ? "PKIX_ECDSA_P384_SHA_384"
						    : "PKIX_ECDSA_P521_SHA_512";
	if (!e->key_details || !strcmp(e->key_details, want))
		return 0;
	attest_reject(report, ATTEST_KEY_HINT, "keyDetails",
		"the bundle describes the key as something else than it is");
	attest_expected(report, want, e->key_details);
	return 1;
}

static int unknown_key(
	const struct attest_bundle_params *p, const struct envelope *e, struct attest_report *report)
{
	char found[2 * SHA256_BYTES + 1], expected[2 * SHA256_BYTES + 1] = "";
	bytes_hex(e->key_id, SHA256_BYTES, found);
	attest_reject(
		report, ATTEST_UNKNOWN_KEY, found, "the bundle was signed by a key that is not trusted");
	if (p->n_keys == 1)
		bytes_hex(p->keys[0].id, SHA256_BYTES, expected);
	attest_expected(report, expected, found);
	memcpy(report->key_id, e->key_id, SHA256_BYTES);
	return 1;
}

/* The key that the caller trusts: by its fingerprint, or as the leaf of a chain that leads to a pinned root. */
static int key_trusted(const struct attest_bundle_params *p, const struct envelope *e, struct proto_key *ret,
	struct attest_report *report)
{
	if (e->chain)
		return certs_verify(e->chain, p, ret, report);
	const struct proto_key *key = key_find(p, e->key_id);
	if (!key)
		return unknown_key(p, e, report);
	*ret = *key;
	memcpy(report->key_id, key->id, SHA256_BYTES);
	return details_check(e, key, report);
}

static int signature_verify(
	const struct proto_key *key, const struct envelope *e, struct attest_report *report)
{
	_cleanup_free_ u8 *pae = NULL;
	size_t len;
	memcpy(report->key_id, key->id, SHA256_BYTES);
	int r = bundle_pae(e->payload, e->payload_len, &pae, &len);
	return r ? r : key_verify(key, pae, len, e->sig, e->sig_len, report);
}

static int envelope_verify(
	const struct attest_bundle_params *p, const struct envelope *e, struct attest_report *report)
{
	struct proto_key key;
	int r = key_trusted(p, e, &key, report);
	r = r ? r : signature_verify(&key, e, report);
	if (r)
		return r;
	if (bytes_str_ok(key.name, sizeof key.name))
		memcpy(report->signer, key.name, sizeof report->signer);
	return 0;
}

static_assert(sizeof(((struct attest_report *)0)->signer) == sizeof(((struct proto_key *)0)->name), "signer");

static int statement_of(const struct envelope *e, struct attest_manifest **ret, struct attest_report *report)
{
	u8 model[MODEL_DIGEST_BYTES];
	unsigned n = 0;
	if (EVP_Digest(e->payload, e->payload_len, model, &n, EVP_sha384(), NULL) != 1 || n != sizeof model)
		return err_origin(-ENOMEM);
	memcpy(report->model, model, sizeof model);
	struct attest_manifest *m;
	int r = statement_parse(e->payload, e->payload_len, &m, report);
	if (r)
		return r;
	memcpy(m->model, model, sizeof model);
	report->n_files = m->n_files;
	*ret = m;
	return 0;
}

static int load(const void *data, size_t len, json_t **ret, struct envelope *e, struct attest_report *report)
{
	attest_report_init(report);
	if (len <= BUNDLE_BYTES_MAX)
		sha256_of(data, len, report->bundle);
	_cleanup_(json_put) json_t *j = NULL;
	int r = json_strict_load(data, len, "bundle", &j, report);
	r = r ? r : bundle_read(j, e, report);
	if (r)
		return r;
	*ret = j;
	j = NULL;
	return 0;
}

int attest_bundle_verify(
	const struct attest_bundle_params *p, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(envelope_fini) struct envelope e = { .chains = attest_certs_count(p->roots) > 0 };
	int r = load(p->data, p->len, &j, &e, report);
	r = r ? r : envelope_verify(p, &e, report);
	r = r ? r : statement_of(&e, ret, report);
	if (r)
		return r;
	(*ret)->verified = true;
	return 0;
}

int bundle_read_back(const void *data, size_t len, const struct proto_key *key, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(envelope_fini) struct envelope e = { .chains = true };
	struct attest_manifest *m = NULL;
	struct proto_key leaf = *key;
	int r = load(data, len, &j, &e, report);
	if (!r && e.chain)
		r = certs_leaf_key(e.chain, &leaf, report);
	if (!r && (memcmp(leaf.id, key->id, sizeof leaf.id) ||
			  (!e.chain && memcmp(e.key_id, key->id, sizeof leaf.id))))
		r = attest_reject(
			report, ATTEST_KEY, "key", "the bundle names another key than the signer's");
	r = r ? r : signature_verify(key, &e, report);
	r = r ? r : statement_of(&e, &m, report);
	attest_manifest_free(m);
	return r;
}

int attest_bundle_peek(
	const void *data, size_t len, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(envelope_fini) struct envelope e = { 0 };
	int r = load(data, len, &j, &e, report);
	r = r ? r : statement_of(&e, ret, report);
	memset(report->model, 0, sizeof report->model);
	return r;
}

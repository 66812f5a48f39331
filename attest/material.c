/* Verification material: what the bundle brings for judging its signature, read and not believed. Exactly one of
 *
 *   publicKey             method key: the fingerprint of a key (v1.1), or the key itself, of which only the fingerprint is used
 *   x509CertificateChain  method certificate: leaf first; with log entries, in bundles before v0.3, method sigstore
 *   certificate           method sigstore: the leaf alone, with at least one log entry
 *
 * and, with any of them, time stamps. What is in a log entry is read in rekor.c, what is in a stamp in timestamp.c. */
#include "attest/bundle.h"
#include "base/bytes.h"

#include <stdlib.h>

/* A string that is canonical base64 and not empty. */
int base64_field(json_t *object, const char *where, const char *key, u8 **ret, size_t *ret_len,
	struct attest_report *report)
{
	json_t *v = json_field(object, where, key, JSON_STRING, report);
	if (!v)
		return 1;
	int r = base64_decode(json_string_value(v), json_string_length(v), ret, ret_len);
	if (r < 0)
		return r;
	if (r || *ret_len == 0) {
		if (!r)
			free(*ret);
		*ret = NULL;
		return attest_reject(report, ATTEST_BASE64, key,
			"\"%s\" in %s is empty or not canonical base64", key, where);
	}
	return 0;
}

/* The fingerprint of the signer's key: the hint of v1.1, or the digest of the PEM text that older bundles carry. */
static int fingerprint_read(json_t *public_key, struct bundle *b, struct attest_report *report)
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
		int r = base64_field(public_key, "publicKey", "rawBytes", &pem, &len, report);
		if (r)
			return r;
		sha256_of(pem, len, of_raw);
		memcpy(b->key_id, of_raw, sizeof of_raw);
	}
	if (hint) {
		if (json_string_length(hint) != 2 * SHA256_BYTES ||
			bytes_unhex(json_string_value(hint), SHA256_BYTES, b->key_id))
			return attest_reject(report, ATTEST_KEY_HINT, "hint",
				"the hint \"%.80s\" is not the SHA-256 of a key in lower-case hexadecimal",
				json_string_value(hint));
		if (raw && memcmp(of_raw, b->key_id, sizeof of_raw))
			return attest_reject(
				report, ATTEST_KEY_HINT, "hint", "hint and rawBytes name different keys");
	}
	b->key_details = details ? json_string_value(details) : NULL;
	return 0;
}

/* ---- time stamps ------------------------------------------------------------------------------------------------------------ */

static int stamp_read(json_t *t, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { "signedTimestamp", NULL };
	struct bundle_stamp *s = &b->stamps[b->n_stamps];
	if (!json_is_object(t))
		return attest_reject(
			report, ATTEST_FIELD, "rfc3161Timestamps", "a time stamp is not an object");
	if (json_only(t, "the time stamp", known, report))
		return 1;
	int r = base64_field(t, "the time stamp", "signedTimestamp", &s->data, &s->len, report);
	if (r)
		return r;
	b->n_stamps++;
	if (s->len > STAMP_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "signedTimestamp",
			"a time stamp is %zu bytes long; at most %u are read", s->len, STAMP_BYTES_MAX);
	return 0;
}

static int stamps_read(json_t *material, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { "rfc3161Timestamps", NULL };
	json_t *t = json_object_get(material, "timestampVerificationData");
	if (!t)
		return 0;
	if (!json_is_object(t))
		return attest_reject(report, ATTEST_FIELD, "timestampVerificationData",
			"timestampVerificationData is not an object");
	json_t *list = json_object_get(t, "rfc3161Timestamps");
	if (json_only(t, "timestampVerificationData", known, report))
		return 1;
	if (list && !json_is_array(list))
		return attest_reject(
			report, ATTEST_FIELD, "rfc3161Timestamps", "rfc3161Timestamps is not an array");
	if (json_array_size(list) > STAMPS_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "rfc3161Timestamps",
			"there are %zu time stamps; at most %u are read", json_array_size(list), STAMPS_MAX);
	int r = 0;
	for (size_t i = 0; i < json_array_size(list) && !r; i++)
		r = stamp_read(json_array_get(list, i), b, report);
	return r;
}

/* ---- certificates ----------------------------------------------------------------------------------------------------------- */

static int certificate_read(json_t *c, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { "rawBytes", NULL };
	_cleanup_free_ u8 *der = NULL;
	size_t len;
	if (!json_is_object(c))
		return attest_reject(report, ATTEST_FIELD, "certificate", "a certificate is not an object");
	if (json_only(c, "the certificate", known, report))
		return 1;
	int r = base64_field(c, "the certificate", "rawBytes", &der, &len, report);
	return r ? r : certs_add_der(&b->chain, der, len, report);
}

static int chain_read(json_t *material, struct bundle *b, struct attest_report *report)
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
	int r = 0;
	for (size_t i = 0; i < json_array_size(list) && !r; i++)
		r = certificate_read(json_array_get(list, i), b, report);
	return r;
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

/* Which of the three? With entries of a log, a chain is that of an older keyless bundle. */
static int method_find(json_t *m, struct bundle *b, struct attest_report *report)
{
	static const char *const fields[] = { "publicKey", "x509CertificateChain", "certificate" };
	static const char *const names[] = { "key", "certificate", "sigstore" };
	u32 n = 0, found = 0;
	for (u32 i = 0; i < ARRAY_LEN(fields); i++)
		if (json_object_get(m, fields[i])) {
			found = i;
			n++;
		}
	if (n != 1)
		return attest_reject(report, ATTEST_MATERIAL, "verificationMaterial",
			"verificationMaterial must hold exactly one of publicKey, x509CertificateChain and "
			"certificate, not %u",
			n);
	json_t *entries = json_object_get(m, "tlogEntries");
	if (entries && !json_is_array(entries))
		return attest_reject(report, ATTEST_FIELD, "tlogEntries", "tlogEntries is not an array");
	b->entries = entries;
	if (found == BUNDLE_CERTIFICATE && json_array_size(entries))
		found = BUNDLE_SIGSTORE;
	b->method = (enum bundle_method)found;
	if (b->methods & 1u << found)
		return 0;
	return attest_reject(report, ATTEST_METHOD, "verificationMaterial",
		"the bundle was signed by method %s, and nothing to hold it against is pinned here",
		names[found]);
}

static int entries_check(json_t *m, const struct bundle *b, struct attest_report *report)
{
	size_t n = json_array_size(b->entries);
	if (b->method != BUNDLE_SIGSTORE && n)
		return attest_reject(report, ATTEST_MATERIAL, "tlogEntries",
			"method %s has no transparency log entries",
			b->method == BUNDLE_KEY ? "key" : "certificate");
	if (b->method != BUNDLE_SIGSTORE)
		return 0;
	if (n == 0)
		return attest_reject(report, ATTEST_MATERIAL, "tlogEntries",
			"method sigstore needs an entry of a transparency log, and there is none");
	if (n > LOG_ENTRIES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "tlogEntries",
			"there are %zu log entries; at most %u are read", n, LOG_ENTRIES_MAX);
	if (b->v03 && !json_object_get(m, "certificate"))
		return attest_reject(report, ATTEST_MATERIAL, "verificationMaterial",
			"a keyless bundle brings its leaf as certificate since version 0.3");
	return 0;
}

int material_read(json_t *bundle, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { "publicKey", "x509CertificateChain", "certificate",
		"tlogEntries", "timestampVerificationData", NULL };
	json_t *m = json_field(bundle, "the bundle", "verificationMaterial", JSON_OBJECT, report);
	if (!m || json_only(m, "verificationMaterial", known, report))
		return 1;
	int r = method_find(m, b, report);
	r = r ? r : entries_check(m, b, report);
	r = r ? r : stamps_read(m, b, report);
	if (r)
		return r;
	if (json_object_get(m, "x509CertificateChain"))
		return chain_read(m, b, report);
	if (b->method == BUNDLE_SIGSTORE)
		return certificate_read(json_object_get(m, "certificate"), b, report);
	json_t *k = json_field(m, "verificationMaterial", "publicKey", JSON_OBJECT, report);
	return k ? fingerprint_read(k, b, report) : 1;
}

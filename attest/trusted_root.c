/* The trusted-root file of method sigstore (trusted_root.json, versions 0.1 and 0.2, alone or within a client trust configuration):
 * certificate authorities, time stamp authorities, transparency logs and certificate logs, each with the time in which it is trusted.
 *
 * The caller brings the file and vouches for it; it is read as strictly as a bundle, so that what was meant is what is used: no key
 * twice, no unknown field, canonical base64, certificates in exact DER, times in UTC, and the number of each log is the digest of its key.
 * A log with a key that is neither ECDSA on our curves nor Ed25519 is left out: it vouches for nothing here. */
#include "attest/bundle.h"
#include "attest/sigstore.h"
#include "base/bytes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void json_put(json_t **j)
{
	json_decref(*j);
}

static int refuse(struct attest_report *report, const char *object, const char *why)
{
	return attest_reject(report, ATTEST_TRUSTED_ROOT, object, "the trusted root's %s %s", object, why);
}

struct attest_trusted_root *attest_trusted_root_free(struct attest_trusted_root *t)
{
	for (u32 i = 0; t && i < t->n_logs; i++)
		EVP_PKEY_free(t->logs[i].ed25519);
	for (u32 i = 0; t && i < t->n_cas; i++)
		certs_put(&t->cas[i].certs);
	for (u32 i = 0; t && i < t->n_tsas; i++)
		certs_put(&t->tsas[i].certs);
	free(t);
	return NULL;
}

static void root_put(struct attest_trusted_root **t)
{
	*t = attest_trusted_root_free(*t);
}

/* ---- time ------------------------------------------------------------------------------------------------------------------- */

/* RFC 3339 in UTC with nothing folded: 2026-01-14T00:00:00Z, and up to nine digits of a second, which are cut. */
static int time_parse(const char *s, i64 *ret)
{
	struct tm tm = { 0 };
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	for (size_t i = 0; i + 1 < sizeof form; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return 1;
	int y = atoi(s), mon = atoi(s + 5), d = atoi(s + 8), h = atoi(s + 11), min = atoi(s + 14),
	    sec = atoi(s + 17);
	s += sizeof form - 1;
	size_t digits = *s == '.' ? strspn(s + 1, "0123456789") : 0;
	if (*s == '.' && (digits < 1 || digits > 9))
		return 1;
	s += digits ? digits + 1 : 0;
	if (strcmp(s, "Z") || y < 1970 || mon < 1 || mon > 12 || d < 1 || d > 31 || h > 23 || min > 59 ||
		sec > 59)
		return 1;
	tm = (struct tm){ .tm_year = y - 1900,
		.tm_mon = mon - 1,
		.tm_mday = d,
		.tm_hour = h,
		.tm_min = min,
		.tm_sec = sec };
	*ret = (i64)timegm(&tm);
	return tm.tm_mday != d; /* the 31st of a month that has 30 days */
}

/* "validFor": { "start", "end" }; what is absent does not bound. */
static int window_read(json_t *object, i64 *ret_from, i64 *ret_to, struct attest_report *report)
{
	static const char *const known[] = { "start", "end", NULL };
	json_t *v = json_object_get(object, "validFor");
	i64 *at[] = { ret_from, ret_to };
	*ret_from = INT64_MIN;
	*ret_to = INT64_MAX;
	if (v && !json_is_object(v))
		return attest_reject(report, ATTEST_FIELD, "validFor", "validFor is not an object");
	if (v && json_only(v, "validFor", known, report))
		return 1;
	for (size_t i = 0; v && i < ARRAY_LEN(at); i++) {
		json_t *t = json_object_get(v, known[i]);
		if (t && (!json_is_string(t) || time_parse(json_string_value(t), at[i])))
			return refuse(report, "validFor", "is not two times in UTC");
	}
	return *ret_from <= *ret_to ? 0 : refuse(report, "validFor", "ends before it starts");
}

/* ---- logs ------------------------------------------------------------------------------------------------------------------- */

/* C2SP's number of an Ed25519 key: the digest of the log's name, its kind and the bare key. The name is the host of its address. */
static void note_id(const char *url, const u8 *der, size_t len, u8 ret[SHA256_BYTES])
{
	const char *host = strstr(url, "://");
	struct sha256 h;
	host = host ? host + 3 : url;
	sha256_init(&h);
	sha256_update(&h, host, strcspn(host, "/"));
	sha256_update(&h, "\n\x01", 2);
	sha256_update(&h, der + len - 32, 32);
	sha256_final(&h, ret);
}

static int digest_field(json_t *object, const char *where, const char *key, u8 ret[SHA256_BYTES],
	struct attest_report *report)
{
	static const char *const known[] = { "keyId", NULL };
	_cleanup_free_ u8 *id = NULL;
	size_t len;
	json_t *o = json_field(object, where, key, JSON_OBJECT, report);
	if (!o || json_only(o, key, known, report))
		return 1;
	int r = base64_field(o, key, "keyId", &id, &len, report);
	if (r)
		return r;
	if (len != SHA256_BYTES)
		return attest_reject(report, ATTEST_FIELD, "keyId", "a log's number is %zu bytes long", len);
	memcpy(ret, id, SHA256_BYTES);
	return 0;
}

/* The key of a kind that is used here. 0; 1 rejected; 2 of another kind. */
static int key_read(
	const char *details, const u8 *der, size_t len, struct trusted_log *ret, struct attest_report *report)
{
	static const struct {
		const char *name;
		u32 bits;
	} kinds[] = { { "PKIX_ECDSA_P256_SHA_256", 256 }, { "PKIX_ECDSA_P384_SHA_384", 384 },
		{ "PKIX_ECDSA_P521_SHA_512", 521 }, { "PKIX_ED25519", 0 } };
	size_t i = 0;
	while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].name, details))
		i++;
	if (i == ARRAY_LEN(kinds))
		return 2;
	const u8 *p = der;
	EVP_PKEY *k = d2i_PUBKEY(NULL, &p, (long)len);
	bool ok = k && p == der + len;
	if (ok && kinds[i].bits)
		ok = key_describe(k, &ret->key) == 0 && ret->key.curve_bits == kinds[i].bits &&
		     ret->key.der_len == len && !memcmp(ret->key.der, der, len);
	else if (ok)
		ok = EVP_PKEY_is_a(k, "ED25519") && len == 44;
	ERR_clear_error();
	if (ok && !kinds[i].bits)
		ret->ed25519 = k;
	else
		EVP_PKEY_free(k);
	return ok ? 0 : refuse(report, "publicKey", "is not of the kind that keyDetails says");
}

static int public_key_read(
	json_t *log, struct trusted_log *ret, u8 **ret_der, size_t *ret_len, struct attest_report *report)
{
	static const char *const known[] = { "rawBytes", "keyDetails", "validFor", NULL };
	json_t *k = json_field(log, "a log", "publicKey", JSON_OBJECT, report);
	if (!k || json_only(k, "publicKey", known, report))
		return 1;
	json_t *details = json_field(k, "publicKey", "keyDetails", JSON_STRING, report);
	if (!details)
		return 1;
	int r = base64_field(k, "publicKey", "rawBytes", ret_der, ret_len, report);
	r = r ? r : window_read(k, &ret->from, &ret->to, report);
	return r ? r : key_read(json_string_value(details), *ret_der, *ret_len, ret, report);
}

static int id_check(
	json_t *log, struct trusted_log *l, const u8 *der, size_t len, struct attest_report *report)
{
	u8 of_der[SHA256_BYTES], of_note[SHA256_BYTES], note[SHA256_BYTES];
	json_t *url = json_field(log, "a log", "baseUrl", JSON_STRING, report);
	int r = url ? digest_field(log, "a log", "logId", l->id, report) : 1;
	if (r)
		return r;
	sha256_of(der, len, of_der);
	memcpy(of_note, of_der, sizeof of_note);
	if (l->ed25519)
		note_id(json_string_value(url), der, len, of_note);
	bool ok = !memcmp(l->id, of_der, sizeof of_der) || !memcmp(l->id, of_note, sizeof of_note);
	memcpy(l->note, l->ed25519 ? of_note : of_der, sizeof l->note);
	if (json_object_get(log, "checkpointKeyId")) {
		r = digest_field(log, "a log", "checkpointKeyId", note, report);
		ok &= r || !memcmp(note, of_der, sizeof note) || !memcmp(note, of_note, sizeof note);
		memcpy(l->note, note, sizeof l->note);
	}
	return r ? r : ok ? 0 : refuse(report, "logId", "is not the digest of the log's key");
}

static int log_read(json_t *log, struct attest_trusted_root *t, struct attest_report *report)
{
	static const char *const known[] = { "baseUrl", "hashAlgorithm", "publicKey", "logId",
		"checkpointKeyId", "operator", NULL };
	_cleanup_free_ u8 *der = NULL;
	size_t len;
	struct trusted_log *l = &t->logs[t->n_logs];
	if (!json_is_object(log))
		return attest_reject(report, ATTEST_FIELD, "tlogs", "a log is not an object");
	if (json_only(log, "a log", known, report))
		return 1;
	json_t *hash = json_field(log, "a log", "hashAlgorithm", JSON_STRING, report);
	if (!hash)
		return 1;
	int r = public_key_read(log, l, &der, &len, report);
	bool other = r == 2 || strcmp(json_string_value(hash), "SHA2_256") != 0;
	r = r && r != 2 ? r : other ? 0 : id_check(log, l, der, len, report);
	if (r || other) {
		EVP_PKEY_free(l->ed25519);
		memset(l, 0, sizeof *l);
		return r;
	}
	t->n_logs++;
	return 0;
}

/* ---- authorities ------------------------------------------------------------------------------------------------------------ */

static int certificates_read(json_t *chain, struct attest_certs **certs, struct attest_report *report)
{
	static const char *const only_list[] = { "certificates", NULL }, *const only_raw[] = { "rawBytes",
		NULL };
	if (json_only(chain, "certChain", only_list, report))
		return 1;
	json_t *list = json_field(chain, "certChain", "certificates", JSON_ARRAY, report);
	int r = list ? 0 : 1;
	for (size_t i = 0; i < json_array_size(list) && !r; i++) {
		json_t *c = json_array_get(list, i);
		_cleanup_free_ u8 *der = NULL;
		size_t len;
		if (!json_is_object(c))
			return attest_reject(
				report, ATTEST_FIELD, "certificates", "a certificate is not an object");
		r = json_only(c, "a certificate", only_raw, report);
		r = r ? r : base64_field(c, "a certificate", "rawBytes", &der, &len, report);
		r = r ? r : certs_add_der(certs, der, len, report);
	}
	return r || *certs ? r : refuse(report, "certChain", "is empty");
}

static int authority_read(json_t *a, struct trusted_ca *list, u32 *n, struct attest_report *report)
{
	static const char *const known[] = { "subject", "uri", "certChain", "validFor", "operator", NULL };
	struct trusted_ca *ca = &list[*n];
	if (!json_is_object(a))
		return attest_reject(
			report, ATTEST_FIELD, "certificateAuthorities", "an authority is not an object");
	if (json_only(a, "an authority", known, report))
		return 1;
	json_t *chain = json_field(a, "an authority", "certChain", JSON_OBJECT, report);
	int r = chain ? window_read(a, &ca->from, &ca->to, report) : 1;
	if (r)
		return r;
	*n += 1; /* frees what follows */
	return certificates_read(chain, &ca->certs, report);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

/* *ret is NULL where there is no list. */
static int list_field(json_t *root, const char *key, json_t **ret, struct attest_report *report)
{
	*ret = json_object_get(root, key);
	if (*ret && !json_is_array(*ret))
		return attest_reject(report, ATTEST_FIELD, key, "%s is not an array", key);
	if (json_array_size(*ret) > TRUSTED_ENTRIES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, key,
			"%s has %zu entries; at most %u are read", key, json_array_size(*ret),
			TRUSTED_ENTRIES_MAX);
	return 0;
}

static int lists_read(json_t *root, struct attest_trusted_root *t, struct attest_report *report)
{
	json_t *logs, *ct, *cas, *tsas;
	int r = list_field(root, "tlogs", &logs, report);
	r = r ? r : list_field(root, "ctlogs", &ct, report);
	r = r ? r : list_field(root, "certificateAuthorities", &cas, report);
	r = r ? r : list_field(root, "timestampAuthorities", &tsas, report);
	for (size_t i = 0; !r && i < json_array_size(logs); i++)
		r = log_read(json_array_get(logs, i), t, report);
	t->first_ct = t->n_logs;
	for (size_t i = 0; !r && i < json_array_size(ct); i++)
		r = log_read(json_array_get(ct, i), t, report);
	t->wants_sct = !r && json_array_size(ct);
	for (size_t i = 0; !r && i < json_array_size(cas); i++)
		r = authority_read(json_array_get(cas, i), t->cas, &t->n_cas, report);
	for (size_t i = 0; !r && i < json_array_size(tsas); i++)
		r = authority_read(json_array_get(tsas, i), t->tsas, &t->n_tsas, report);
	if (r)
		return r;
	if (!t->first_ct)
		return refuse(report, "tlogs", "hold no log with a key that Keep can use");
	return t->n_cas ? 0 : refuse(report, "certificateAuthorities", "are empty");
}

static bool media_type(json_t *object, const char *const *known)
{
	const char *v = json_string_value(json_object_get(object, "mediaType"));
	for (; v && *known; known++)
		if (!strcmp(*known, v))
			return true;
	return false;
}

/* The document itself, or the one inside a client trust configuration. NULL and the report filled for anything else. */
static json_t *root_find(json_t *j, struct attest_report *report)
{
	static const char *const roots[] = { "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"application/vnd.dev.sigstore.trustedroot+json;version=0.2",
		"application/vnd.dev.sigstore.trustedroot.v0.1+json",
		"application/vnd.dev.sigstore.trustedroot.v0.2+json", NULL };
	static const char *const configs[] = { "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
		NULL };
	static const char *const in_root[] = { "mediaType", "tlogs", "certificateAuthorities", "ctlogs",
		"timestampAuthorities", NULL };
	static const char *const in_config[] = { "mediaType", "trustedRoot", "signingConfig",
		"signing_config", NULL };
	if (media_type(j, configs)) {
		if (json_only(j, "the trust configuration", in_config, report))
			return NULL;
		j = json_field(j, "the trust configuration", "trustedRoot", JSON_OBJECT, report);
	}
	if (!j)
		return NULL;
	if (!media_type(j, roots)) {
		refuse(report, "mediaType", "is not that of a trusted root");
		return NULL;
	}
	return json_only(j, "the trusted root", in_root, report) ? NULL : j;
}

int attest_trusted_root_parse(
	const void *data, size_t len, struct attest_trusted_root **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	attest_report_init(report);
	if (len > TRUSTED_ROOT_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "trusted-root",
			"the trusted root is %zu bytes long; at most %u are read", len,
			TRUSTED_ROOT_BYTES_MAX);
	int r = json_strict_load(data, len, "trusted-root", &j, report);
	json_t *root = r ? NULL : root_find(j, report);
	if (!root)
		return r ? r : 1;
	_cleanup_(root_put) struct attest_trusted_root *t = calloc(1, sizeof *t);
	if (!t)
		return err_origin(-ENOMEM);
	r = lists_read(root, t, report);
	if (r)
		return r;
	*ret = t;
	t = NULL;
	return 0;
}

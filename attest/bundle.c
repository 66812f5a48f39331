/* The bundle (OMS v1.0, Sigstore bundle v0.3):
 *
 *   { "mediaType", "verificationMaterial": { "publicKey": {"hint"} | "x509CertificateChain": {"certificates": [{"rawBytes"}…]},
 *                                            "tlogEntries": [] },
 *     "dsseEnvelope": { "payload": b64, "payloadType", "signatures": [ {"sig": b64, "keyid"?} ] } }
 *
 * Rules, in the order in which they are held: 1. at most BUNDLE_BYTES_MAX, UTF-8, at most JSON_DEPTH_MAX deep, one object, nothing
 * behind it, no key twice; 2. only known fields; 3. exactly one of the three methods (material.c), and one for which the caller brought
 * something: keys, roots, or a trusted root; 4. exactly one signature; 5. base64 canonical; 6. the key is a trusted one, named by its
 * fingerprint (or, before v1.1, brought along as PEM: its fingerprint is then computed and the trusted key of that fingerprint used, never
 * the one in the bundle), or the leaf's, whose chain leads to a pinned root at every time that somebody who is pinned signed (timestamp.c,
 * sigstore.c), else now, and names the pinned identity; 7. DER exact, signature over PAE(type, payload) holds, and a log's entry is about
 * it. Only then is the payload read (statement.c). */
#include "attest/sigstore.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

static void bundle_fini(struct bundle *b)
{
	free(b->payload);
	free(b->sig);
	attest_certs_free(b->chain);
	for (u32 i = 0; i < b->n_stamps; i++)
		free(b->stamps[i].data);
}

static void json_put(json_t **j)
{
	json_decref(*j);
}

static int media_type_check(json_t *bundle, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { MEDIA_TYPE,
		"application/vnd.dev.sigstore.bundle+json;version=0.3",
		"application/vnd.dev.sigstore.bundle+json;version=0.2",
		"application/vnd.dev.sigstore.bundle+json;version=0.1" };
	json_t *v = json_field(bundle, "the bundle", "mediaType", JSON_STRING, report);
	if (!v)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i], json_string_value(v))) {
			b->v03 = i < 2;
			return 0;
		}
	attest_reject(report, ATTEST_MEDIA_TYPE, "mediaType",
		"the bundle's media type is not that of a Sigstore bundle");
	attest_expected(report, MEDIA_TYPE, json_string_value(v));
	return 1;
}

static int signature_read(json_t *envelope, struct bundle *b, struct attest_report *report)
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
	return base64_field(s, "the signature", "sig", &b->sig, &b->sig_len, report);
}

static int envelope_read(json_t *bundle, struct bundle *b, struct attest_report *report)
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
	int r = signature_read(d, b, report);
	return r ? r : base64_field(d, "dsseEnvelope", "payload", &b->payload, &b->payload_len, report);
}

static int bundle_read(json_t *bundle, struct bundle *b, struct attest_report *report)
{
	static const char *const known[] = { "mediaType", "verificationMaterial", "dsseEnvelope", NULL };
	int r = json_only(bundle, "the bundle", known, report);
	r = r ? r : media_type_check(bundle, b, report);
	r = r ? r : material_read(bundle, b, report);
	return r ? r : envelope_read(bundle, b, report);
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

static int details_check(const struct bundle *b, const struct proto_key *key, struct attest_report *report)
{
	const char *want = key->curve_bits == 256   ? "PKIX_ECDSA_P256_SHA_256"
			   : key->curve_bits == 384 ? "PKIX_ECDSA_P384_SHA_384"
						    : "PKIX_ECDSA_P521_SHA_512";
	if (!b->key_details || !strcmp(b->key_details, want))
		return 0;
	attest_reject(report, ATTEST_KEY_HINT, "keyDetails",
		"the bundle describes the key as something else than it is");
	attest_expected(report, want, b->key_details);
	return 1;
}

static int unknown_key(
	const struct attest_bundle_params *p, const struct bundle *b, struct attest_report *report)
{
	char found[2 * SHA256_BYTES + 1], expected[2 * SHA256_BYTES + 1] = "";
	bytes_hex(b->key_id, SHA256_BYTES, found);
	attest_reject(
		report, ATTEST_UNKNOWN_KEY, found, "the bundle was signed by a key that is not trusted");
	if (p->n_keys == 1)
		bytes_hex(p->keys[0].id, SHA256_BYTES, expected);
	attest_expected(report, expected, found);
	memcpy(report->key_id, b->key_id, SHA256_BYTES);
	return 1;
}

/* ---- whom to believe -------------------------------------------------------------------------------------------------------- */

/* Method key: the trusted key of that fingerprint. */
static int key_trusted(const struct attest_bundle_params *p, const struct bundle *b, struct proto_key *ret,
	struct attest_report *report)
{
	const struct proto_key *key = key_find(p, b->key_id);
	if (!key)
		return unknown_key(p, b, report);
	*ret = *key;
	memcpy(report->key_id, key->id, SHA256_BYTES);
	return details_check(b, key, report);
}

static void judged_at(struct attest_report *report, i64 at, u32 source)
{
	report->time_judged = (u64)at;
	report->time_source = source;
}

/* The authorities that the caller pins and, for a keyless bundle, those of the trusted root. */
static int stamps_judge(const struct attest_bundle_params *p, const struct bundle *b,
	struct signed_times *times, struct attest_report *report)
{
	struct stamp_authority all[TRUSTED_ENTRIES_MAX + 1];
	struct stamps_params s = {
		.bundle = b, .authorities = all, .policy = p->tsa_policy, .crls = p->crls, .now = p->at
	};
	if (attest_certs_count(p->tsa))
		all[s.n_authorities++] = (struct stamp_authority){ p->tsa, INT64_MIN, INT64_MAX };
	if (b->method == BUNDLE_SIGSTORE)
		s.n_authorities += keyless_authorities(p->trusted_root, all + s.n_authorities);
	int r = stamps_verify(&s, times, report);
	if (!r && p->needs_stamp && !times->n)
		return attest_reject(report, ATTEST_TIMESTAMP, "timestampVerificationData",
			"the bundle has no time stamp of a pinned authority");
	return r;
}

static int path_at(const struct attest_bundle_params *p, const struct bundle *b, i64 at,
	struct attest_certs **path, struct attest_report *report)
{
	struct chain_params c = { .leaf = certs_at(b->chain, 0),
		.roots = p->roots,
		.others = b->chain,
		.crls = p->crls,
		.at = at,
		.now = p->at };
	certs_put(path);
	return b->method == BUNDLE_SIGSTORE ? keyless_path(p, b, at, path, report)
					    : chain_verify(&c, path, report);
}

/* The leaf of a chain that leads to a pinned root at every signed time or, where there is none, now. */
static int leaf_trusted(const struct attest_bundle_params *p, const struct bundle *b,
	const struct signed_times *times, struct attest_certs **path, struct proto_key *ret,
	struct attest_report *report)
{
	int r = 0;
	if (!times->n)
		judged_at(report, p->at, ATTEST_TIME_GIVEN);
	for (u32 i = 0; i < MAX(times->n, 1u) && !r; i++)
		r = path_at(p, b, times->n ? times->at[i] : p->at, path, report);
	return r ? r : certs_leaf_key(b->chain, ret, report);
}

/* When, and by whom? Nothing of it rests on the payload. */
static int times_find(const struct attest_bundle_params *p, const struct bundle *b, struct keyless *keyless,
	struct signed_times *times, struct attest_report *report)
{
	int r = stamps_judge(p, b, times, report);
	if (!r && b->method == BUNDLE_SIGSTORE)
		r = keyless_times(p, b, keyless, times, report);
	for (u32 i = 0; i < times->n && !r; i++)
		if (times->at[i] > (i64)report->time_judged)
			judged_at(report, times->at[i], times->source[i]);
	return r;
}

static int identity_trusted(const struct attest_bundle_params *p, const struct bundle *b,
	const struct attest_certs *path, struct attest_report *report)
{
	if (b->method == BUNDLE_SIGSTORE && !identity_keyless_ok(p->identity))
		return attest_reject(report, ATTEST_IDENTITY, "identity",
			"a keyless bundle needs a pinned name and provider, or a leaf: its authority signs "
			"for everybody");
	if (!p->identity)
		return 0;
	if (!attest_identity_ok(p->identity))
		return err_origin(-EINVAL);
	if (!path)
		return attest_reject(report, ATTEST_IDENTITY, "identity",
			"an identity is pinned, and the bundle was signed with a plain key");
	return identity_check(p->identity, certs_stack(path), report);
}

static int signature_verify(const struct proto_key *key, const struct bundle *b, struct attest_report *report)
{
	_cleanup_free_ u8 *pae = NULL;
	size_t len;
	memcpy(report->key_id, key->id, SHA256_BYTES);
	int r = bundle_pae(b->payload, b->payload_len, &pae, &len);
	return r ? r : key_verify(key, pae, len, b->sig, b->sig_len, report);
}

static void signer_say(
	const struct proto_key *key, const struct attest_certs *path, struct attest_report *report)
{
	if (path)
		identity_say(certs_at(path, 0), report->signer, sizeof report->signer);
	else if (bytes_str_ok(key->name, sizeof key->name))
		memcpy(report->signer, key->name, sizeof report->signer);
}

/* path is filled, and the caller's to free, as soon as there is one. */
static int envelope_verify(const struct attest_bundle_params *p, const struct bundle *b,
	struct attest_certs **path, struct attest_report *report)
{
	struct proto_key key;
	struct signed_times times = { 0 };
	_cleanup_(keyless_fini) struct keyless keyless = { 0 };
	int r = b->method == BUNDLE_KEY ? key_trusted(p, b, &key, report) : 0;
	r = r ? r : times_find(p, b, &keyless, &times, report);
	if (!r && b->method != BUNDLE_KEY)
		r = leaf_trusted(p, b, &times, path, &key, report);
	r = r ? r : identity_trusted(p, b, *path, report);
	r = r ? r : signature_verify(&key, b, report);
	r = r ? r : keyless_matches(&keyless, b, report);
	if (r)
		return r;
	signer_say(&key, *path, report);
	return 0;
}

static_assert(sizeof(((struct attest_report *)0)->signer) == sizeof(((struct proto_key *)0)->name), "signer");

static int statement_of(const struct bundle *b, struct attest_manifest **ret, struct attest_report *report)
{
	u8 model[MODEL_DIGEST_BYTES];
	unsigned n = 0;
	if (EVP_Digest(b->payload, b->payload_len, model, &n, EVP_sha384(), NULL) != 1 || n != sizeof model)
		return err_origin(-ENOMEM);
	memcpy(report->model, model, sizeof model);
	struct attest_manifest *m;
	int r = statement_parse(b->payload, b->payload_len, &m, report);
	if (r)
		return r;
	memcpy(m->model, model, sizeof model);
	report->n_files = m->n_files;
	*ret = m;
	return 0;
}

static int load(const void *data, size_t len, json_t **ret, struct bundle *b, struct attest_report *report)
{
	attest_report_init(report);
	if (len <= BUNDLE_BYTES_MAX)
		sha256_of(data, len, report->bundle);
	_cleanup_(json_put) json_t *j = NULL;
	int r = json_strict_load(data, len, "bundle", &j, report);
	r = r ? r : bundle_read(j, b, report);
	if (r)
		return r;
	*ret = j;
	j = NULL;
	return 0;
}

/* The methods that the caller brought something for; a key that nobody trusts is a matter of trust, not of method. */
static u32 methods_of(const struct attest_bundle_params *p)
{
	return 1u << BUNDLE_KEY | (attest_certs_count(p->roots) ? 1u << BUNDLE_CERTIFICATE : 0) |
	       (p->trusted_root ? 1u << BUNDLE_SIGSTORE : 0);
}

int attest_bundle_verify(
	const struct attest_bundle_params *p, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(bundle_fini) struct bundle b = { .methods = methods_of(p) };
	_cleanup_(certs_put) struct attest_certs *path = NULL;
	int r = load(p->data, p->len, &j, &b, report);
	r = r ? r : envelope_verify(p, &b, &path, report);
	r = r ? r : statement_of(&b, ret, report);
	if (r)
		return r;
	(*ret)->verified = true;
	(*ret)->priv->path = path;
	path = NULL;
	return 0;
}

int bundle_read_back(const void *data, size_t len, const struct proto_key *key, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(bundle_fini) struct bundle b = { .methods = 1u << BUNDLE_KEY | 1u << BUNDLE_CERTIFICATE };
	struct attest_manifest *m = NULL;
	struct proto_key leaf = *key;
	int r = load(data, len, &j, &b, report);
	if (!r && b.chain)
		r = certs_leaf_key(b.chain, &leaf, report);
	if (!r && (memcmp(leaf.id, key->id, sizeof leaf.id) ||
			  (!b.chain && memcmp(b.key_id, key->id, sizeof leaf.id))))
		r = attest_reject(
			report, ATTEST_KEY, "key", "the bundle names another key than the signer's");
	r = r ? r : signature_verify(key, &b, report);
	r = r ? r : statement_of(&b, &m, report);
	attest_manifest_free(m);
	return r;
}

int attest_bundle_peek(
	const void *data, size_t len, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(json_put) json_t *j = NULL;
	_cleanup_(bundle_fini) struct bundle b = { .methods = BUNDLE_ANY_METHOD };
	int r = load(data, len, &j, &b, report);
	r = r ? r : statement_of(&b, ret, report);
	memset(report->model, 0, sizeof report->model);
	return r;
}

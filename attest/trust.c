#include "attest/trust.h"
#include "attest/internal.h"
#include "attest/bundle.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct proto_trust what;
	u8 *data;
	size_t len;
};

struct attest_trust {
	struct proto_key keys[TRUST_KEYS_MAX];
	struct entry entries[TRUST_KEYS_MAX];
	u32 n_keys, n_entries;
};

struct attest_trust *attest_trust_free(struct attest_trust *t)
{
	for (u32 i = 0; t && i < t->n_entries; i++)
		free(t->entries[i].data);
	free(t);
	return NULL;
}

int attest_trust_create(struct attest_trust **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : err_origin(-ENOMEM);
}

static int too_many(struct attest_report *report)
{
	return attest_reject(
		report, ATTEST_SIZE_LIMIT, "trust", "there are more than %u trust roots", TRUST_KEYS_MAX);
}

int attest_trust_add_key(struct attest_trust *t, const struct proto_key *key, struct attest_report *report)
{
	if (t->n_keys == TRUST_KEYS_MAX)
		return too_many(report);
	t->keys[t->n_keys++] = *key;
	return 0;
}

/* ---- what is one trust root ---------------------------------------------------------------------------------------------------- */

static void certs_free(struct attest_certs **c)
{
	*c = attest_certs_free(*c);
}
static void crls_free(struct attest_crls **c)
{
	*c = attest_crls_free(*c);
}

static void trusted_root_free(struct attest_trusted_root **t)
{
	*t = attest_trusted_root_free(*t);
}

static bool is_zero(const void *p, size_t n)
{
	const u8 *b = p;
	while (n && !*b)
		b++, n--;
	return n == 0;
}

static int entry_parse(const struct entry *e, struct attest_report *report)
{
	_cleanup_(certs_free) struct attest_certs *certs = NULL;
	_cleanup_(crls_free) struct attest_crls *crls = NULL;
	_cleanup_(trusted_root_free) struct attest_trusted_root *trusted = NULL;
	switch (e->what.kind) {
	case TRUST_ROOT:
	case TRUST_TSA:
	case TRUST_CLIENTS:
		return attest_certs_add(&certs, e->data, e->len, report);
	case TRUST_CRL:
		return attest_crls_add(&crls, e->data, e->len, report);
	case TRUST_SIGSTORE:
		return attest_trusted_root_parse(e->data, e->len, &trusted, report);
	default:
		return attest_reject(report, ATTEST_TRUST_ROOT, e->what.name,
			"trust roots of kind %u are unknown here", e->what.kind);
	}
}

static int identity_fits(const struct proto_trust *w, struct attest_report *report)
{
	bool none = is_zero(&w->identity, sizeof w->identity);
	bool leads = w->kind == TRUST_ROOT || w->kind == TRUST_SIGSTORE;
	if (!leads && !none)
		return attest_reject(report, ATTEST_TRUST_ROOT, w->name,
			"only a root has an identity: lists and stamps vouch for nobody");
	if (leads && !attest_identity_ok(&w->identity))
		return attest_reject(report, ATTEST_TRUST_ROOT, w->name,
			"a root needs an identity: a CA signs for more people than the one who is meant");
	if (w->kind == TRUST_SIGSTORE && !identity_keyless_ok(&w->identity))
		return attest_reject(report, ATTEST_TRUST_ROOT, w->name,
			"a keyless signer is a name and who told it: both are needed, or the leaf");
	return 0;
}

int attest_trust_add(struct attest_trust *t, const struct proto_trust *what, const void *data, size_t len,
	struct attest_report *report)
{
	attest_report_init(report);
	if (t->n_entries == TRUST_KEYS_MAX)
		return too_many(report);
	int r = identity_fits(what, report);
	struct entry e = { .what = *what, .data = r ? NULL : malloc(len + 1), .len = len };
	if (r)
		return r;
	if (!e.data)
		return err_origin(-ENOMEM);
	memcpy(e.data, data, len);
	r = entry_parse(&e, report);
	if (r) {
		free(e.data);
		return r;
	}
	t->entries[t->n_entries++] = e;
	return 0;
}

/* ---- who vouches ------------------------------------------------------------------------------------------------------------------ */

/* What judges a bundle under one root: the root itself, and every list and stamp that serves it. */
struct judging {
	struct attest_certs *roots, *stamps;
	struct attest_crls *crls;
	struct attest_trusted_root *trusted;
};

static void judging_fini(struct judging *g)
{
	attest_certs_free(g->roots);
	attest_certs_free(g->stamps);
	attest_crls_free(g->crls);
	attest_trusted_root_free(g->trusted);
}

static bool serves(const struct proto_trust *w, const char *root)
{
	return !w->serves[0] || !strcmp(w->serves, root);
}

/* root: NULL, for keys: the stamps that serve every root. 0; 1; -errno. What was added parsed then, so a refusal is a limit of all
 * together. */
static int judging_make(const struct attest_trust *t, const struct entry *root, struct judging *g,
	struct attest_report *report)
{
	const char *name = root ? root->what.name : "";
	int r = 0;
	if (root && root->what.kind == TRUST_SIGSTORE)
		r = attest_trusted_root_parse(root->data, root->len, &g->trusted, report);
	else if (root)
		r = attest_certs_add(&g->roots, root->data, root->len, report);
	for (u32 i = 0; i < t->n_entries && !r; i++) {
		const struct entry *e = &t->entries[i];
		if (root && e->what.kind == TRUST_CRL && serves(&e->what, name))
			r = attest_crls_add(&g->crls, e->data, e->len, report);
		else if (e->what.kind == TRUST_TSA && serves(&e->what, name))
			r = attest_certs_add(&g->stamps, e->data, e->len, report);
	}
	return r;
}

static int judge_by_root(const struct attest_trust *t, const struct attest_trust_question *q,
	const struct entry *root, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_(judging_fini) struct judging g = { 0 };
	int r = judging_make(t, root, &g, report);
	if (r)
		return r;
	struct attest_bundle_params p = { .data = q->data,
		.len = q->len,
		.roots = g.roots,
		.crls = g.crls,
		.tsa = g.stamps,
		.trusted_root = g.trusted,
		.identity = &root->what.identity,
		.at = q->at };
	return attest_bundle_verify(&p, ret, report);
}

/* Of two refusals the one that says more: a root that the chain does not lead to has little to say. */
static bool says_more(const struct attest_report *a, const struct attest_report *b)
{
	return (b->reason == ATTEST_METHOD || b->reason == ATTEST_CHAIN) && a->reason != b->reason &&
	       a->reason != ATTEST_METHOD;
}

static int judge_by_roots(const struct attest_trust *t, const struct attest_trust_question *q,
	struct attest_manifest **ret, const struct entry **ret_root, struct attest_report *report)
{
	for (u32 i = 0; i < t->n_entries; i++) {
		struct attest_report one;
		if (t->entries[i].what.kind != TRUST_ROOT && t->entries[i].what.kind != TRUST_SIGSTORE)
			continue;
		attest_report_init(&one);
		int r = judge_by_root(t, q, &t->entries[i], ret, &one);
		if (r <= 0 || says_more(&one, report))
			*report = one;
		if (r <= 0) {
			*ret_root = &t->entries[i];
			return r;
		}
	}
	return 1;
}

/* ---- who that is ------------------------------------------------------------------------------------------------------------------ */

/* The leaf's first name that can be read, else its subject. */
static void identity_text(X509 *leaf, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool done = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !done; i++) {
		int type;
		const void *v = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != GEN_EMAIL && type != GEN_URI && type != GEN_DNS)
			continue;
		attest_text(out, size, (const char *)ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v));
		done = true;
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (!done)
		cert_subject(leaf, out, size);
}

static void serial_text(const X509 *leaf, char *out, size_t size)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = n ? BN_bn2hex(n) : NULL;
	size_t at = 0;
	for (const char *p = hex ? hex + strspn(hex, "0") : ""; *p && at + 1 < size; p++)
		out[at++] = *p >= 'A' && *p <= 'F' ? (char)(*p + ('a' - 'A')) : *p;
	if (hex && !at)
		out[at++] = '0';
	OPENSSL_free(hex);
	BN_free(n);
}

static int signer_of(const struct attest_manifest *m, const char *name, const char *models,
	const struct attest_report *report, struct attest_signer *ret)
{
	struct attest_signer s = { .models = models };
	struct proto_signer *f = &s.facts;
	memcpy(f->name, name, sizeof f->name);
	memcpy(f->key_id, report->key_id, sizeof f->key_id);
	memcpy(f->model, report->model, sizeof f->model);
	memcpy(f->bundle, report->bundle, sizeof f->bundle);
	f->time = report->time_judged;
	f->time_source = report->time_source;
	if (m->priv->path) {
		X509 *leaf = certs_at(m->priv->path, 0);
		unsigned n = 0;
		if (X509_digest(leaf, EVP_sha256(), f->leaf, &n) != 1 || n != sizeof f->leaf)
			return err_origin(-ENOMEM);
		identity_text(leaf, f->identity, sizeof f->identity);
		serial_text(leaf, f->serial, sizeof f->serial);
	}
	*ret = s;
	return 0;
}

static const struct proto_key *key_of(const struct attest_trust *t, const u8 *id)
{
	for (u32 i = 0; i < t->n_keys; i++)
		if (!memcmp(t->keys[i].id, id, SHA256_BYTES))
			return &t->keys[i];
	return NULL;
}

int attest_trust_judge(const struct attest_trust *t, const struct attest_trust_question *q,
	struct attest_manifest **ret_manifest, struct attest_signer *ret_signer, struct attest_report *report)
{
	struct attest_manifest *m = NULL;
	const struct entry *root = NULL;
	_cleanup_(judging_fini) struct judging g = { 0 };
	int r = judging_make(t, NULL, &g, report);
	if (r)
		return r;
	struct attest_bundle_params p = { .data = q->data,
		.len = q->len,
		.keys = t->keys,
		.n_keys = t->n_keys,
		.tsa = g.stamps,
		.at = q->at };
	r = attest_bundle_verify(&p, &m, report);
	if (r == 1 && report->reason == ATTEST_METHOD)
		r = judge_by_roots(t, q, &m, &root, report);
	if (r)
		return r;
	const struct proto_key *key = root ? NULL : key_of(t, report->key_id);
	assert(root || key);
	const char *name = root ? root->what.name : key->name;
	r = signer_of(m, name, root ? root->what.models : key->models, report, ret_signer);
	if (r) {
		attest_manifest_free(m);
		return r;
	}
	memcpy(report->signer, name, sizeof report->signer);
	*ret_manifest = m;
	return 0;
}
static_assert(
	sizeof(((struct attest_report *)0)->signer) == sizeof(((struct proto_trust *)0)->name), "signer");

/* ---- several bundles ------------------------------------------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b)
{
	const struct attest_file *const *x = a, *const *y = b;
	return strcmp((*x)->path, (*y)->path);
}

static const struct attest_file **sorted(const struct attest_manifest *m)
{
	const struct attest_file **v = calloc(m->n_files, sizeof *v);
	for (u32 i = 0; v && i < m->n_files; i++)
		v[i] = &m->files[i];
	if (v)
		qsort(v, m->n_files, sizeof *v, by_path);
	return v;
}

static int differ(struct attest_report *report, const char *object, const char *how)
{
	return attest_reject(report, ATTEST_COSIGNED, object,
		"the bundles do not sign the same files: %.80s %s", object, how);
}

int attest_manifests_equal(
	const struct attest_manifest *a, const struct attest_manifest *b, struct attest_report *report)
{
	if (a->shard_bytes != b->shard_bytes || a->hash != b->hash)
		return differ(
			report, "serialization", "differs: whole files or shards, their size or their hash");
	if (a->n_files != b->n_files)
		return differ(report, "files", "are not as many in one as in the other");
	_cleanup_free_ const struct attest_file **x = sorted(a), **y = sorted(b);
	if (!x || !y)
		return err_origin(-ENOMEM);
	size_t bytes = hash_bytes(a->hash);
	for (u32 i = 0; i < a->n_files; i++) {
		if (strcmp(x[i]->path, y[i]->path))
			return differ(report, x[i]->path, "is not in both");
		if (x[i]->n != y[i]->n || x[i]->bytes != y[i]->bytes ||
			memcmp(a->digests + x[i]->first * bytes, b->digests + y[i]->first * bytes,
				x[i]->n * bytes))
			return differ(report, x[i]->path, "is another file in each");
	}
	return 0;
}

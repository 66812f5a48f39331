#define _GNU_SOURCE
#include "gateway/tls_clients.h"
#include "base/bytes.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOTS_MAX  64u			    /* as many trust roots as keepd has */
#define AUTH_LEVEL 3			    /* OpenSSL's word for 128 bits: RSA 3072, P-256, SHA-256 */
#define DEPTH_MAX  8			    /* CAs between leaf and root */
#define OID_UPN	   "1.3.6.1.4.1.311.20.2.3" /* the name that smart cards of Windows domains carry */
#define NAME_FLAGS (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)

struct root {
	char name[NAME_LEN_MAX + 8];
	X509_STORE *store;
	STACK_OF(X509_NAME) * subjects;
	STACK_OF(X509_CRL) * lists;
};
struct tls_clients {
	u64 generation;
	u32 n;
	struct root roots[ROOTS_MAX];
};

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

struct tls_clients *tls_clients_free(struct tls_clients *c)
{
	for (u32 i = 0; c && i < c->n; i++) {
		X509_STORE_free(c->roots[i].store);
		sk_X509_NAME_pop_free(c->roots[i].subjects, X509_NAME_free);
		sk_X509_CRL_pop_free(c->roots[i].lists, X509_CRL_free);
	}
	free(c);
	return NULL;
}

u64 tls_clients_generation(const struct tls_clients *c)
{
	return c->generation;
}

u32 tls_clients_count(const struct tls_clients *c)
{
	return c->n;
}

STACK_OF(X509_NAME) * tls_clients_names(const struct tls_clients *c)
{
	STACK_OF(X509_NAME) *all = sk_X509_NAME_new_null();
	for (u32 i = 0; all && i < c->n; i++)
		for (int k = 0; k < sk_X509_NAME_num(c->roots[i].subjects); k++) {
			X509_NAME *copy = X509_NAME_dup(sk_X509_NAME_value(c->roots[i].subjects, k));
			if (!copy || !sk_X509_NAME_push(all, copy))
				X509_NAME_free(copy);
		}
	return all;
}

/* Seconds of UTC; 0 where it is none. */
static u64 seconds(const ASN1_TIME *t)
{
	struct tm tm;
	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	time_t s = timegm(&tm);
	return s > 0 ? (u64)s : 0;
}

static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

static int root_add_cert(struct root *r, X509 *c)
{
	X509_NAME *subject = X509_NAME_dup(X509_get_subject_name(c));
	if (!subject || !sk_X509_NAME_push(r->subjects, subject)) {
		X509_NAME_free(subject);
		return -ENOMEM;
	}
	return X509_STORE_add_cert(r->store, c) == 1 ? 0 : -ENOMEM;
}

/* A list over less than SHA-256 is none, so that what needs one is refused. */
static int root_add_list(struct root *r, X509_CRL *l)
{
	int hash = NID_undef;
	bool known = OBJ_find_sigid_algs(X509_CRL_get_signature_nid(l), &hash, NULL) == 1 &&
		     (hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512 || hash == NID_undef);
	X509_STORE_set_flags(r->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	if (!known)
		return 0;
	if (!sk_X509_CRL_push(r->lists, l))
		return -ENOMEM;
	X509_CRL_up_ref(l);
	return X509_STORE_add_crl(r->store, l) == 1 ? 0 : -ENOMEM;
}

/* Certificates and lists, in any order. 0; 1 malformed; -ENOMEM. */
static int root_fill(struct root *r, const u8 *pem, size_t len)
{
	BIO *b = BIO_new_mem_buf(pem, (int)len);
	STACK_OF(X509_INFO) *all = b ? PEM_X509_INFO_read_bio(b, NULL, no_password, NULL) : NULL;
	int e = b && all ? 0 : b ? 1 : -ENOMEM;
	u32 n = 0;
	for (int i = 0; !e && i < sk_X509_INFO_num(all); i++) {
		X509_INFO *info = sk_X509_INFO_value(all, i);
		if (info->x509)
			e = root_add_cert(r, info->x509);
		if (!e && info->crl)
			e = root_add_list(r, info->crl);
		n += info->x509 != NULL;
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(b);
	ERR_clear_error();
	return e ? e : n ? 0 : 1;
}

static int root_read(struct bytes *b, struct tls_clients *c)
{
	struct proto_client_root head;
	const u8 *p = bytes_get(b, sizeof head);
	if (!p || c->n == ROOTS_MAX)
		return 1;
	memcpy(&head, p, sizeof head);
	const u8 *pem = bytes_get(b, head.bytes);
	if (!pem || !bytes_str_ok(head.name, sizeof head.name) || head.bytes > INT32_MAX)
		return 1;
	struct root *r = &c->roots[c->n++];
	*r = (struct root){ .store = X509_STORE_new(),
		.subjects = sk_X509_NAME_new_null(),
		.lists = sk_X509_CRL_new_null() };
	memcpy(r->name, head.name, sizeof r->name);
	return r->store && r->subjects && r->lists ? root_fill(r, pem, head.bytes) : -ENOMEM;
}

int tls_clients_read(const void *data, size_t len, struct tls_clients **ret)
{
	struct bytes b = bytes_of(data, len);
	const u8 *head = bytes_get(&b, sizeof(struct proto_clients));
	struct tls_clients *c = calloc(1, sizeof *c);
	int r = !c ? -ENOMEM : head ? 0 : 1;
	if (!r)
		c->generation = bytes_u64le(head);
	while (!r && bytes_left(&b))
		r = root_read(&b, c);
	if (r)
		c = tls_clients_free(c);
	if (r >= 0)
		*ret = c;
	return r;
}

/* ---- judging --------------------------------------------------------------------------------------------------------------- */

/* When the newest list about a certificate is stale; UINT64_MAX: there is none, and none is needed. */
static u64 list_until(const struct root *r, const X509 *c)
{
	u64 until = 0;
	for (int i = 0; i < sk_X509_CRL_num(r->lists); i++) {
		const X509_CRL *l = sk_X509_CRL_value(r->lists, i);
		if (!X509_NAME_cmp(X509_CRL_get_issuer(l), X509_get_issuer_name(c)))
			until = MAX(until, seconds(X509_CRL_get0_nextUpdate(l)));
	}
	return until ? until : UINT64_MAX;
}

/* 0 the path holds; otherwise OpenSSL's error. Of path and lists *ret_until_s is the first end. */
static int path_judge(
	const struct root *r, const struct tls_shown *s, STACK_OF(X509) * *ret_path, u64 *ret_until_s)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;
	if (x && X509_STORE_CTX_init(x, r->store, s->leaf, s->chain) == 1) {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(x);
		X509_STORE_CTX_set_default(x, "ssl_client");
		X509_VERIFY_PARAM_set_time(p, (time_t)s->now_s);
		X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
		X509_VERIFY_PARAM_set_auth_level(p, AUTH_LEVEL);
		bool ok = X509_verify_cert(x) == 1;
		error = X509_STORE_CTX_get_error(x);
		if (!ok && error == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
	}
	if (error == X509_V_OK)
		*ret_path = X509_STORE_CTX_get1_chain(x);
	X509_STORE_CTX_free(x);
	ERR_clear_error();
	*ret_until_s = UINT64_MAX;
	for (int i = 0; error == X509_V_OK && i < sk_X509_num(*ret_path); i++) {
		const X509 *c = sk_X509_value(*ret_path, i);
		*ret_until_s = MIN(*ret_until_s, MIN(seconds(X509_get0_notAfter(c)), list_until(r, c)));
	}
	return error;
}

/* ---- what the leaf says ---------------------------------------------------------------------------------------------------- */

/* Visible ASCII and nothing else: a name with a zero byte, or in letters that look like others, is nobody's. 0; 1 there are too many. */
static int name_put(struct proto_prove_cert *c, const char *kind, const ASN1_STRING *s)
{
	const u8 *text = ASN1_STRING_get0_data(s);
	size_t len = (size_t)ASN1_STRING_length(s), n = strlen(kind);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return 0;
	if (!len || n + len > ACCESS_NAME_LEN_MAX)
		return 0;
	if (c->n_names == ACCESS_NAMES_MAX)
		return 1;
	char *to = c->names[c->n_names++];
	memcpy(to, kind, n);
	memcpy(to + n, text, len);
	return 0;
}

static int name_read(const GENERAL_NAME *name, struct proto_prove_cert *c)
{
	char oid[64];
	ASN1_OBJECT *type;
	ASN1_TYPE *other;
	int kind;
	const void *value = GENERAL_NAME_get0_value(name, &kind);
	if (kind == GEN_EMAIL)
		return name_put(c, "email:", value);
	if (kind == GEN_DNS)
		return name_put(c, "dns:", value);
	if (kind == GEN_URI)
		return name_put(c, "uri:", value);
	if (kind == GEN_OTHERNAME && GENERAL_NAME_get0_otherName(name, &type, &other) == 1 &&
		OBJ_obj2txt(oid, (int)sizeof oid, type, 1) > 0 && !strcmp(oid, OID_UPN) &&
		other->type == V_ASN1_UTF8STRING)
		return name_put(c, "upn:", other->value.utf8string);
	return 0;
}

static int names_read(X509 *leaf, struct proto_prove_cert *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int r = 0;
	for (int i = 0; !r && i < sk_GENERAL_NAME_num(names); i++)
		r = name_read(sk_GENERAL_NAME_value(names, i), c);
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return r;
}

/* Does a CA of the path withhold it? */
static bool withheld(X509 *ca, const ASN1_OBJECT *want)
{
	CERTIFICATEPOLICIES *all = X509_get_ext_d2i(ca, NID_certificate_policies, NULL, NULL);
	bool states = false;
	for (int i = 0; i < sk_POLICYINFO_num(all); i++) {
		const ASN1_OBJECT *o = sk_POLICYINFO_value(all, i)->policyid;
		states |= OBJ_cmp(o, want) == 0 || OBJ_obj2nid(o) == NID_any_policy;
	}
	CERTIFICATEPOLICIES_free(all);
	return !states;
}

static void policies_read(STACK_OF(X509) * path, struct proto_prove_cert *c)
{
	X509 *leaf = sk_X509_value(path, 0);
	CERTIFICATEPOLICIES *all = X509_get_ext_d2i(leaf, NID_certificate_policies, NULL, NULL);
	for (int i = 0; i < sk_POLICYINFO_num(all) && c->n_policies < ACCESS_POLICIES_MAX; i++) {
		char text[ACCESS_OID_LEN_MAX + 1];
		const ASN1_OBJECT *o = sk_POLICYINFO_value(all, i)->policyid;
		bool held = OBJ_obj2nid(o) == NID_any_policy;
		for (int k = 1; k + 1 < sk_X509_num(path); k++)
			held |= withheld(sk_X509_value(path, k), o);
		int n = held ? -1 : OBJ_obj2txt(text, (int)sizeof text, o, 1);
		if (n > 0 && (size_t)n < sizeof text)
			memcpy(c->policies[c->n_policies++], text, (size_t)n);
	}
	CERTIFICATEPOLICIES_free(all);
	ERR_clear_error();
}

/* NULL; otherwise why it cannot be used. */
static const char *leaf_read(STACK_OF(X509) * path, struct proto_prove_cert *c)
{
	X509 *leaf = sk_X509_value(path, 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	unsigned n = 0;
	long len = b && X509_NAME_print_ex(b, X509_get_issuer_name(leaf), 0, NAME_FLAGS) >= 0
			   ? BIO_get_mem_data(b, &text)
			   : -1;
	bool whole = len >= 0 && (size_t)len <= ACCESS_NAME_LEN_MAX && !memchr(text, 0, (size_t)len);
	if (whole)
		memcpy(c->issuer, text, (size_t)len);
	BIO_free(b);
	if (!whole)
		return "its issuer's name is too long";
	if (X509_digest(leaf, EVP_sha256(), c->leaf, &n) != 1 || n != sizeof c->leaf)
		return "out of memory";
	if (names_read(leaf, c))
		return "it has too many alternative names";
	policies_read(path, c);
	return NULL;
}

int tls_clients_judge(const struct tls_clients *c, const struct tls_shown *s, struct proto_prove_cert *ret,
	const char **ret_why)
{
	static const int dull[] = { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
		X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT };
	*ret_why = c->n ? "it does not lead to a CA that vouches for clients"
			: "no CA is trusted to vouch for clients";
	for (u32 i = 0; i < c->n; i++) {
		STACK_OF(X509) *path = NULL;
		struct proto_prove_cert cert = { .generation = c->generation };
		int error = path_judge(&c->roots[i], s, &path, &cert.until_s);
		bool says = error != X509_V_OK;
		for (size_t k = 0; k < ARRAY_LEN(dull); k++)
			says &= error != dull[k];
		if (says)
			*ret_why = X509_verify_cert_error_string(error);
		if (error != X509_V_OK)
			continue;
		memcpy(cert.ca, c->roots[i].name, sizeof cert.ca);
		const char *why = leaf_read(path, &cert);
		sk_X509_pop_free(path, X509_free);
		if (why) {
			*ret_why = why;
			return 2;
		}
		*ret = cert;
		return 0;
	}
	return 2;
}

/* A signing key that never leaves its token: PKCS #11 through p11-kit, which reads the URI (RFC 7512), knows the modules that the system
 * has configured and is in both Debians; OpenSSL 3.0 itself has no token store. The token makes ECDSA over a digest that we computed;
 * its r and s become DER here, and attest_sign verifies the result with the public half before anybody gets it. */
#define _GNU_SOURCE
#include "attest/internal.h"

#include <stdlib.h>
#include <string.h>

#if !HAVE_PKCS11
int attest_token_open(
	const struct attest_token_params *p, struct attest_token **ret, struct attest_report *report)
{
	attest_report_init(report);
	return attest_reject(
		report, ATTEST_KEY, "key", "this build has no PKCS #11: it was made without p11-kit");
}
struct attest_token *attest_token_close(struct attest_token *t)
{
	return NULL;
}
int token_sign(struct attest_token *t, const void *data, size_t len, u8 **ret_sig, size_t *ret_sig_len,
	struct proto_key *ret_key, struct attest_report *report)
{
	assert(!"no token is ever opened");
	return -EINVAL;
}
#else
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <sys/mman.h>

#define SLOTS_MAX    64u
#define EC_BYTES_MAX 160u /* an uncompressed P-521 point in its OCTET STRING takes 136 */

struct attest_token {
	P11KitUri *uri;
	CK_FUNCTION_LIST **modules; /* NULL-terminated; of the system, or the one that the URI names */
	CK_FUNCTION_LIST *own[2];   /* that one */
	CK_FUNCTION_LIST *m;	    /* the one with the key */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	struct proto_key key;
	bool open, always_asks;
	char *pin; /* PIN_BYTES_MAX + 1 bytes of locked memory */
	size_t pin_len;
};

static int refuse(struct attest_report *report, const char *what, CK_RV rv)
{
	return attest_reject(report, ATTEST_KEY, "key", "%s: %s", what, p11_kit_strerror(rv));
}

static void pin_forget(struct attest_token *t)
{
	if (!t->pin)
		return;
	explicit_bzero(t->pin, PIN_BYTES_MAX + 1);
	munmap(t->pin, PIN_BYTES_MAX + 1);
	t->pin = NULL;
}

struct attest_token *attest_token_close(struct attest_token *t)
{
	if (!t)
		return NULL;
	if (t->open)
		t->m->C_CloseSession(t->session); /* the last one logs out */
	if (t->own[0]) {
		p11_kit_module_finalize(t->own[0]);
		p11_kit_module_release(t->own[0]);
	} else if (t->modules) {
		p11_kit_modules_finalize_and_release(t->modules);
	}
	p11_kit_uri_free(t->uri);
	pin_forget(t);
	free(t);
	return NULL;
}

/* ---- the URI ---------------------------------------------------------------------------------------------------------------- */

static int uri_read(struct attest_token *t, const char *text, struct attest_report *report)
{
	t->uri = p11_kit_uri_new();
	if (!t->uri)
		return err_origin(-ENOMEM);
	int r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, t->uri);
	if (r == P11_KIT_URI_NO_MEMORY)
		return err_origin(-ENOMEM);
	if (r != P11_KIT_URI_OK)
		return attest_reject(
			report, ATTEST_KEY, "key", "the PKCS #11 URI: %s", p11_kit_uri_message(r));
	if (p11_kit_uri_any_unrecognized(t->uri))
		return attest_reject(report, ATTEST_KEY, "key",
			"the PKCS #11 URI has an attribute that p11-kit does not know; it might have meant "
			"another key");
	if (p11_kit_uri_get_pin_value(t->uri))
		return attest_reject(report, ATTEST_KEY, "key",
			"the PKCS #11 URI holds a PIN, which every user of this machine can see; use "
			"pin-source");
	return 0;
}

static int modules_load(struct attest_token *t, struct attest_report *report)
{
	const char *path = p11_kit_uri_get_module_path(t->uri);
	if (!path) {
		t->modules = p11_kit_modules_load_and_initialize(0);
		return t->modules
			       ? 0
			       : attest_reject(report, ATTEST_KEY, "key", "PKCS #11: %s", p11_kit_message());
	}
	t->own[0] = p11_kit_module_load(path, 0);
	if (!t->own[0])
		return attest_reject(report, ATTEST_KEY, "key", "%s: %s", path, p11_kit_message());
	CK_RV rv = p11_kit_module_initialize(t->own[0]);
	if (rv != CKR_OK) {
		p11_kit_module_release(t->own[0]);
		t->own[0] = NULL;
		return refuse(report, path, rv);
	}
	t->modules = t->own;
	return 0;
}

/* ---- the slot --------------------------------------------------------------------------------------------------------------- */

static bool slot_matches(struct attest_token *t, CK_FUNCTION_LIST *m, CK_SLOT_ID slot, CK_TOKEN_INFO *ret)
{
	CK_INFO info;
	CK_SLOT_INFO s;
	CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(t->uri);
	return m->C_GetInfo(&info) == CKR_OK && p11_kit_uri_match_module_info(t->uri, &info) == 1 &&
	       m->C_GetSlotInfo(slot, &s) == CKR_OK && p11_kit_uri_match_slot_info(t->uri, &s) == 1 &&
	       (wanted == (CK_SLOT_ID)-1 || wanted == slot) && m->C_GetTokenInfo(slot, ret) == CKR_OK &&
	       ret->flags & CKF_TOKEN_INITIALIZED && p11_kit_uri_match_token_info(t->uri, ret) == 1;
}

/* Of all slots of all modules exactly one may have the token; a key that is in two places is not one. */
static int slot_find(
	struct attest_token *t, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info, struct attest_report *report)
{
	u32 found = 0;
	for (CK_FUNCTION_LIST **m = t->modules; *m; m++) {
		CK_SLOT_ID slots[SLOTS_MAX];
		CK_ULONG n = SLOTS_MAX;
		if ((*m)->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
			continue;
		for (CK_ULONG i = 0; i < n; i++) {
			CK_TOKEN_INFO info;
			if (!slot_matches(t, *m, slots[i], &info))
				continue;
			found++;
			t->m = *m;
			*ret_slot = slots[i];
			*ret_info = info;
		}
	}
	if (found == 1)
		return 0;
	return attest_reject(report, ATTEST_KEY, "key",
		found ? "the PKCS #11 URI fits more than one token; name it (token=, serial=)"
		      : "no token that is present fits the PKCS #11 URI");
}

static int login(struct attest_token *t, const struct attest_token_params *p, CK_USER_TYPE user,
	const CK_TOKEN_INFO *info, struct attest_report *report)
{
	bool own_pad = info && info->flags & CKF_PROTECTED_AUTHENTICATION_PATH;
	if (info && info->flags & CKF_USER_PIN_LOCKED)
		return attest_reject(report, ATTEST_KEY, "key", "the token's PIN is locked");
	if (!own_pad && !t->pin_len) {
		const char *source = p11_kit_uri_get_pin_source(t->uri);
		char label[33] = "";
		if (info)
			attest_text(label, sizeof label, (const char *)info->label,
				p11_kit_space_strlen(info->label, sizeof info->label));
		int r = p->pin(p->ctx, source, label, t->pin, &t->pin_len);
		if (r < 0)
			return r;
		if (r)
			return attest_reject(report, ATTEST_KEY, "key", "no PIN was given for the token");
	}
	assert(t->pin_len <= PIN_BYTES_MAX);
	/* once: another attempt with the same PIN would only bring the token nearer to its lock */
	CK_RV rv = t->m->C_Login(
		t->session, user, own_pad ? NULL : (CK_UTF8CHAR *)t->pin, own_pad ? 0 : t->pin_len);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : refuse(report, "the token's PIN", rv);
}

/* ---- the key ---------------------------------------------------------------------------------------------------------------- */

/* The one object of that class with these attributes. */
static int object_find(struct attest_token *t, CK_OBJECT_CLASS class, const CK_ATTRIBUTE *also,
	CK_ULONG n_also, CK_OBJECT_HANDLE *ret, struct attest_report *report)
{
	CK_ATTRIBUTE a[16] = { { CKA_CLASS, &class, sizeof class } };
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 1, n_found = 0;
	for (CK_ULONG i = 0; i < n_also && n < ARRAY_LEN(a); i++)
		if (also[i].type != CKA_CLASS)
			a[n++] = also[i];
	CK_RV rv = t->m->C_FindObjectsInit(t->session, a, n);
	if (rv == CKR_OK) {
		rv = t->m->C_FindObjects(t->session, found, 2, &n_found);
		t->m->C_FindObjectsFinal(t->session);
	}
	const char *what = class == CKO_PRIVATE_KEY ? "private" : "public";
	if (rv != CKR_OK)
		return refuse(report, "looking for the key", rv);
	if (n_found != 1)
		return attest_reject(report, ATTEST_KEY, "key",
			n_found ? "the token has more than one %s key that fits; name it (object=, id=)"
				: "the token has no %s key that fits",
			what);
	*ret = found[0];
	return 0;
}

static const char *group_of(const u8 *oid, size_t len)
{
	static const struct {
		const char *group;
		u8 len, der[10];
	} known[] = { { "prime256v1", 10, { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 } },
		{ "secp384r1", 7, { 6, 5, 0x2b, 0x81, 4, 0, 0x22 } },
		{ "secp521r1", 7, { 6, 5, 0x2b, 0x81, 4, 0, 0x23 } } };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (len == known[i].len && !memcmp(oid, known[i].der, len))
			return known[i].group;
	return NULL;
}

/* The point as CKA_EC_POINT has it: an OCTET STRING around 04 x y. */
static const u8 *point_of(const u8 *der, size_t len, size_t *ret_len)
{
	size_t head = len > 2 && der[1] == 0x81 ? 3 : 2;
	if (len < 4 || der[0] != 4 || der[head - 1] != len - head || der[head] != 4)
		return NULL;
	*ret_len = len - head;
	return der + head;
}

static int describe(const char *group, const u8 *point, size_t len, struct proto_key *ret)
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point, len),
		OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *k = NULL;
	int r = 1;
	if (c && EVP_PKEY_fromdata_init(c) == 1 && EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params) == 1)
		r = key_describe(k, ret);
	EVP_PKEY_free(k);
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return r;
}

/* The public half, of the object that has the private one's id. */
static int public_read(struct attest_token *t, struct attest_report *report)
{
	u8 id[256], oid[EC_BYTES_MAX], ec[EC_BYTES_MAX];
	CK_ATTRIBUTE of_private[] = { { CKA_ID, id, sizeof id } };
	CK_ATTRIBUTE a[] = { { CKA_EC_PARAMS, oid, sizeof oid }, { CKA_EC_POINT, ec, sizeof ec } };
	CK_OBJECT_HANDLE object;
	CK_RV rv = t->m->C_GetAttributeValue(t->session, t->object, of_private, 1);
	if (rv != CKR_OK)
		return refuse(report, "the key's id", rv);
	int r = object_find(t, CKO_PUBLIC_KEY, of_private, 1, &object, report);
	if (r)
		return r;
	rv = t->m->C_GetAttributeValue(t->session, object, a, ARRAY_LEN(a));
	const char *group = rv == CKR_OK ? group_of(oid, a[0].ulValueLen) : NULL;
	size_t len = 0;
	const u8 *point = group ? point_of(ec, a[1].ulValueLen, &len) : NULL;
	r = point ? describe(group, point, len, &t->key) : 1;
	return r == 1 ? attest_reject(report, ATTEST_KEY, "key",
				"the token's key is not ECDSA on P-256, P-384 or P-521 with a named curve")
		      : r;
}

static int private_find(struct attest_token *t, struct attest_report *report)
{
	CK_ULONG n = 0;
	CK_BBOOL asks = CK_FALSE;
	CK_ATTRIBUTE a = { CKA_ALWAYS_AUTHENTICATE, &asks, sizeof asks };
	const CK_ATTRIBUTE *of_uri = p11_kit_uri_get_attributes(t->uri, &n);
	int r = object_find(t, CKO_PRIVATE_KEY, of_uri, n, &t->object, report);
	if (r)
		return r;
	t->always_asks = t->m->C_GetAttributeValue(t->session, t->object, &a, 1) == CKR_OK && asks;
	return public_read(t, report);
}

static int token_open(
	struct attest_token *t, const struct attest_token_params *p, struct attest_report *report)
{
	CK_SLOT_ID slot = 0;
	CK_TOKEN_INFO info;
	int r = uri_read(t, p->uri, report);
	r = r ? r : modules_load(t, report);
	r = r ? r : slot_find(t, &slot, &info, report);
	if (r)
		return r;
	t->pin = mmap(NULL, PIN_BYTES_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->pin == MAP_FAILED) {
		t->pin = NULL;
		return err_errno();
	}
	(void)mlock(t->pin, PIN_BYTES_MAX + 1); /* allowed to fail: then it may be paged out */
	CK_RV rv = t->m->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session);
	if (rv != CKR_OK)
		return refuse(report, "the token", rv);
	t->open = true;
	r = info.flags & CKF_LOGIN_REQUIRED ? login(t, p, CKU_USER, &info, report) : 0;
	r = r ? r : private_find(t, report);
	if (!t->always_asks)
		pin_forget(t);
	return r;
}

int attest_token_open(
	const struct attest_token_params *p, struct attest_token **ret, struct attest_report *report)
{
	attest_report_init(report);
	struct attest_token *t = calloc(1, sizeof *t);
	if (!t)
		return err_origin(-ENOMEM);
	int r = token_open(t, p, report);
	if (r) {
		attest_token_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* ---- signing ---------------------------------------------------------------------------------------------------------------- */

/* r and s, each half of raw, as the DER that a verifier wants. */
static int to_der(const u8 *raw, size_t len, u8 **ret, size_t *ret_len)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	BIGNUM *x = BN_bin2bn(raw, (int)(len / 2), NULL), *y = BN_bin2bn(raw + len / 2, (int)(len / 2), NULL);
	u8 *der = NULL;
	int n = -1;
	if (s && x && y && ECDSA_SIG_set0(s, x, y) == 1) {
		x = y = NULL; /* the signature's now */
		n = i2d_ECDSA_SIG(s, &der);
	}
	BN_free(x);
	BN_free(y);
	ECDSA_SIG_free(s);
	u8 *copy = n > 0 ? malloc((size_t)n) : NULL;
	if (copy)
		memcpy(copy, der, (size_t)n);
	OPENSSL_free(der);
	if (!copy)
		return err_origin(-ENOMEM);
	*ret = copy;
	*ret_len = (size_t)n;
	return 0;
}

int token_sign(struct attest_token *t, const void *data, size_t len, u8 **ret_sig, size_t *ret_sig_len,
	struct proto_key *ret_key, struct attest_report *report)
{
	u8 digest[64], raw[EC_BYTES_MAX];
	unsigned n = 0;
	u32 bits = t->key.curve_bits;
	const EVP_MD *md = bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
	if (EVP_Digest(data, len, digest, &n, md, NULL) != 1)
		return err_origin(-ENOMEM);
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_ULONG raw_len = sizeof raw;
	CK_RV rv = t->m->C_SignInit(t->session, &mechanism, t->object);
	if (rv == CKR_OK && t->always_asks)
		rv = t->m->C_Login(t->session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)t->pin, t->pin_len);
	if (rv == CKR_OK)
		rv = t->m->C_Sign(t->session, digest, n, raw, &raw_len);
	if (rv != CKR_OK)
		return refuse(report, "the token does not sign", rv);
	if (raw_len != 2 * (size_t)((bits + 7) / 8))
		return attest_reject(
			report, ATTEST_KEY, "key", "the token's signature has %lu bytes", raw_len);
	*ret_key = t->key;
	return to_der(raw, raw_len, ret_sig, ret_sig_len);
}
#endif

/* Keys: ECDSA on P-256, P-384, P-521, hash by curve, named curves only. The identity of a key is the SHA-256 of its PEM text as
 * OpenSSL writes it, never of the file that it came in. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/fd.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const struct curve {
	u32 bits;
	const char *group;
	const EVP_MD *(*md)(void);
	int der_len; /* of a SubjectPublicKeyInfo with the curve's name and the point uncompressed: any other is refused */
} curves[] = {
	{ 256, "prime256v1", EVP_sha256, 91 },
	{ 384, "secp384r1", EVP_sha384, 120 },
	{ 521, "secp521r1", EVP_sha512, 158 },
};

static const struct curve *curve_of_bits(u32 bits)
{
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (curves[i].bits == bits)
			return &curves[i];
	return NULL;
}

static const struct curve *curve_of(EVP_PKEY *k)
{
	char group[64];
	if (!EVP_PKEY_is_a(k, "EC") || !EVP_PKEY_get_group_name(k, group, sizeof group, NULL))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (!strcmp(group, curves[i].group))
			return &curves[i];
	return NULL;
}

static void pkey_free(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}
static void bio_free(BIO **b)
{
	BIO_free(*b);
}
static void md_ctx_free(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}
static void openssl_free(u8 **p)
{
	OPENSSL_free(*p);
}
static void ecdsa_sig_free(ECDSA_SIG **s)
{
	ECDSA_SIG_free(*s);
}

int attest_prepare(void)
{
	size_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return err_errno();
	json_object_seed(seed ? seed : 1);
	u8 digest[SHA256_BYTES];
	sha256_of("", 0, digest);
	struct hash h;
	for (u32 i = 0; i < HASH_TYPES; i++) {
		if (!hash_available(i))
			continue;
		hash_init(&h, i);
		hash_fini(&h);
	}
	/* decoders and the provider's ECDSA are fetched on first use; use them once */
	_cleanup_(pkey_free) EVP_PKEY *k = EVP_EC_gen("P-256");
	struct proto_key key;
	struct attest_report report;
	char *pem = NULL;
	if (!k || key_describe(k, &key) || attest_key_pem(&key, &pem))
		return err_origin(-EIO);
	int r = attest_key_parse(pem, strlen(pem), &key, &report);
	free(pem);
	static const u8 sig[8] = { 0x30, 6, 2, 1, 1, 2, 1, 1 };
	if (r || key_verify(&key, "", 0, sig, sizeof sig, &report) != 1)
		return err_origin(-EIO);
	ERR_clear_error();
	return 0;
}

/* The PEM text of a public key in memory of the BIO. */
static int pem_of(EVP_PKEY *k, BIO **ret_bio, char **ret_text, size_t *ret_len)
{
	BIO *b = BIO_new(BIO_s_mem());
	if (!b || PEM_write_bio_PUBKEY(b, k) != 1) {
		BIO_free(b);
		return err_origin(-ENOMEM);
	}
	long n = BIO_get_mem_data(b, ret_text);
	*ret_len = (size_t)n;
	*ret_bio = b;
	return 0;
}

int key_describe(EVP_PKEY *k, struct proto_key *ret)
{
	const struct curve *c = curve_of(k);
	if (!c)
		return 1;
	struct proto_key key = { .curve_bits = c->bits };
	_cleanup_(openssl_free) u8 *der = NULL;
	int n = i2d_PUBKEY(k, &der);
	if (n <= 0)
		return err_origin(-ENOMEM);
	if (n != c->der_len)
		return 1;
	memcpy(key.der, der, (size_t)n);
	key.der_len = (u32)n;
	_cleanup_(bio_free) BIO *b = NULL;
	char *text;
	size_t len;
	int r = pem_of(k, &b, &text, &len);
	if (r)
		return r;
	sha256_of(text, len, key.id);
	*ret = key;
	return 0;
}

/* From SubjectPublicKeyInfo; NULL when it is none, or has bytes behind it. */
static EVP_PKEY *pkey_of_der(const u8 *der, size_t len)
{
	const u8 *p = der;
	EVP_PKEY *k = d2i_PUBKEY(NULL, &p, (long)len);
	if (k && p != der + len) {
		EVP_PKEY_free(k);
		k = NULL;
	}
	return k;
}

/* An encrypted file is refused; OpenSSL would ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

int attest_key_parse(const void *pem, size_t len, struct proto_key *ret, struct attest_report *report)
{
	attest_report_init(report);
	if (len > KEY_PEM_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "key",
			"the key file is %zu bytes long; at most %u are read", len, KEY_PEM_BYTES_MAX);
	if (memmem(pem, len, "PRIVATE KEY-----", 16))
		return attest_reject(report, ATTEST_KEY, "key",
			"the file holds a private key; only the public half belongs here");
	_cleanup_(bio_free) BIO *b = BIO_new_mem_buf(pem, (int)len);
	if (!b)
		return err_origin(-ENOMEM);
	_cleanup_(pkey_free) EVP_PKEY *k = PEM_read_bio_PUBKEY(b, NULL, no_password, NULL);
	ERR_clear_error();
	if (!k)
		return attest_reject(report, ATTEST_KEY, "key", "the file holds no PEM public key");
	_cleanup_(pkey_free) EVP_PKEY *second = PEM_read_bio_PUBKEY(b, NULL, no_password, NULL);
	ERR_clear_error();
	if (second)
		return attest_reject(report, ATTEST_KEY, "key", "the file holds more than one key");
	struct proto_key key;
	int r = key_describe(k, &key);
	if (r < 0)
		return r;
	if (r || !attest_key_ok(&key))
		return attest_reject(report, ATTEST_KEY, "key",
			"the key is not ECDSA on P-256, P-384 or P-521 with a named curve");
	memcpy(report->key_id, key.id, sizeof key.id);
	*ret = key;
	return 0;
}

bool attest_key_ok(const struct proto_key *key)
{
	static const u8 zero[KEY_DER_BYTES_MAX];
	if (key->der_len == 0 || key->der_len > KEY_DER_BYTES_MAX ||
		memcmp(key->der + key->der_len, zero, KEY_DER_BYTES_MAX - key->der_len))
		return false;
	_cleanup_(pkey_free) EVP_PKEY *k = pkey_of_der(key->der, key->der_len);
	ERR_clear_error();
	struct proto_key again;
	if (!k || key_describe(k, &again))
		return false;
	return again.der_len == key->der_len && !memcmp(again.der, key->der, key->der_len) &&
	       again.curve_bits == key->curve_bits && !memcmp(again.id, key->id, sizeof key->id);
}

int attest_key_pem(const struct proto_key *key, char **ret_pem)
{
	_cleanup_(pkey_free) EVP_PKEY *k = pkey_of_der(key->der, MIN(key->der_len, KEY_DER_BYTES_MAX));
	ERR_clear_error();
	if (!k)
		return err_origin(-EINVAL);
	_cleanup_(bio_free) BIO *b = NULL;
	char *text;
	size_t len;
	int r = pem_of(k, &b, &text, &len);
	if (r)
		return r;
	char *copy = strndup(text, len);
	if (!copy)
		return err_origin(-ENOMEM);
	*ret_pem = copy;
	return 0;
}

/* Exactly the DER that an encoder writes for these two numbers. */
static bool sig_is_der(const u8 *sig, size_t len)
{
	const u8 *p = sig;
	_cleanup_(ecdsa_sig_free) ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);
	ERR_clear_error();
	if (!s || p != sig + len)
		return false;
	_cleanup_(openssl_free) u8 *again = NULL;
	int n = i2d_ECDSA_SIG(s, &again);
	return n > 0 && (size_t)n == len && !memcmp(again, sig, len);
}

int key_verify(const struct proto_key *key, const void *data, size_t len, const void *sig, size_t sig_len,
	struct attest_report *report)
{
	const struct curve *c = curve_of_bits(key->curve_bits);
	_cleanup_(pkey_free) EVP_PKEY *k = pkey_of_der(key->der, key->der_len);
	_cleanup_(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!c || !k)
		return err_origin(-EINVAL);
	if (sig_len > 256 || !sig_is_der(sig, sig_len))
		return attest_reject(
			report, ATTEST_SIGNATURE_DER, "signature", "the signature is not exact DER");
	if (!ctx || EVP_DigestVerifyInit(ctx, NULL, c->md(), NULL, k) != 1)
		return err_origin(-ENOMEM);
	int ok = EVP_DigestVerify(ctx, sig, sig_len, data, len);
	ERR_clear_error();
	if (ok != 1)
		return attest_reject(report, ATTEST_SIGNATURE, "signature",
			"the signature does not fit the key and the statement: one of them was altered");
	return 0;
}

int key_sign(const void *pem, size_t pem_len, const void *data, size_t len, u8 **ret_sig, size_t *ret_sig_len,
	struct proto_key *ret_key, struct attest_report *report)
{
	if (pem_len > KEY_PEM_BYTES_MAX)
		return attest_reject(
			report, ATTEST_KEY, "key", "the key file is longer than %u bytes", KEY_PEM_BYTES_MAX);
	_cleanup_(bio_free) BIO *b = BIO_new_mem_buf(pem, (int)pem_len);
	if (!b)
		return err_origin(-ENOMEM);
	_cleanup_(pkey_free) EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
	ERR_clear_error();
	if (!k)
		return attest_reject(report, ATTEST_KEY, "key",
			"the file holds no private key in PEM, or an encrypted one");
	struct proto_key key;
	int r = key_describe(k, &key);
	if (r < 0)
		return r;
	if (r)
		return attest_reject(
			report, ATTEST_KEY, "key", "the key is not ECDSA on P-256, P-384 or P-521");
	const struct curve *c = curve_of_bits(key.curve_bits);
	_cleanup_(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 0;
	if (!ctx || EVP_DigestSignInit(ctx, NULL, c->md(), NULL, k) != 1 ||
		EVP_DigestSign(ctx, NULL, &n, data, len) != 1)
		return err_origin(-EIO);
	_cleanup_free_ u8 *sig = malloc(n);
	if (!sig)
		return err_origin(-ENOMEM);
	if (EVP_DigestSign(ctx, sig, &n, data, len) != 1)
		return err_origin(-EIO);
	*ret_sig_len = n;
	*ret_sig = sig;
	sig = NULL;
	*ret_key = key;
	return 0;
}

/* ---- keygen --------------------------------------------------------------------------------------------------------------- */

/* A new file beside an existing name is never written over; what could not be written whole is taken away again. */
static int write_new(const char *path, mode_t mode, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno();
	int r = fd_write_all(fd, data, len);
	if (!r && fsync(fd) < 0)
		r = err_errno();
	if (r)
		unlink(path);
	return r;
}

static int write_pair(const char *prefix, const char *private_pem, size_t private_len, const char *public_pem,
	size_t public_len)
{
	_cleanup_free_ char *private_path = NULL, *public_path = NULL;
	if (asprintf(&private_path, "%s.key.pem", prefix) < 0 ||
		asprintf(&public_path, "%s.pub.pem", prefix) < 0)
		return err_origin(-ENOMEM);
	if (access(public_path, F_OK) == 0)
		return -EEXIST;
	int r = write_new(private_path, 0600, private_pem, private_len);
	if (r)
		return r;
	r = write_new(public_path, 0644, public_pem, public_len);
	if (r)
		unlink(private_path);
	return r;
}

int attest_keygen(const char *prefix, u32 curve_bits, struct proto_key *ret_key)
{
	const struct curve *c = curve_of_bits(curve_bits);
	if (!c)
		return -EINVAL;
	_cleanup_(pkey_free) EVP_PKEY *k = EVP_EC_gen(c->group);
	_cleanup_(bio_free) BIO *secret = BIO_new(BIO_s_secmem());
	_cleanup_(bio_free) BIO *public = NULL;
	struct proto_key key;
	char *private_text, *public_text;
	size_t public_len;
	if (!k || !secret || PEM_write_bio_PKCS8PrivateKey(secret, k, NULL, NULL, 0, NULL, NULL) != 1 ||
		key_describe(k, &key))
		return err_origin(-EIO);
	long private_len = BIO_get_mem_data(secret, &private_text);
	int r = pem_of(k, &public, &public_text, &public_len);
	r = r ? r : write_pair(prefix, private_text, (size_t)private_len, public_text, public_len);
	OPENSSL_cleanse(private_text, (size_t)private_len);
	if (!r)
		*ret_key = key;
	return r;
}

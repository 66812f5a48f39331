#define _GNU_SOURCE
#include "cli/tls_files.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES_MAX 65536u

int tls_dir_open(const struct app *a, int *ret_dir)
{
	char path[PATH_MAX + 8];
	snprintf(path, sizeof path, "%s/tls", a->root);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(-errno));
	*ret_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a link, where ROOT is in /run */
	return *ret_dir < 0 ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(-errno)) : 0;
}

/* A file must not ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

int tls_key_read(int dir, const char *name, EVP_PKEY **ret)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	if (fd < 0)
		return errno == ENOENT ? 1 : out_fail(CLI_UNDECIDED, "tls/%s: %s", name, out_reason(-errno));
	if (fd_read_file(fd, KEY_BYTES_MAX, &data, &len))
		return out_fail(CLI_UNDECIDED, "tls/%s: cannot be read", name);
	BIO *b = BIO_new_mem_buf(data, (int)len);
	*ret = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	BIO_free(b);
	explicit_bzero(data, len);
	ERR_clear_error();
	return *ret ? 0 : out_fail(CLI_UNDECIDED, "tls/%s: not a private key", name);
}

int tls_file_put(int dir, const char *name, BIO *text)
{
	char temp[64];
	char *data = NULL;
	long len = text ? BIO_get_mem_data(text, &data) : 0;
	snprintf(temp, sizeof temp, ".%.40s.%d", name, (int)getpid());
	_cleanup_fd_ int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : len <= 0 ? -EIO : fd_write_all(fd, data, (size_t)len);
	if (!r && (fsync(fd) < 0 || renameat(dir, temp, dir, name) < 0 || fsync(dir) < 0))
		r = -errno;
	if (r && fd >= 0)
		unlinkat(dir, temp, 0);
	return r ? out_fail(CLI_UNDECIDED, "tls/%s: %s", name, out_reason(r)) : 0;
}

int tls_key_put(int dir, const char *name, const EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_secmem());
	int r = b && PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1
			? tls_file_put(dir, name, b)
			: out_fail(CLI_UNDECIDED, "tls/%s: out of memory", name);
	BIO_free(b);
	return r;
}

STACK_OF(X509) * tls_certs_read(const char *path)
{
	BIO *b = BIO_new_file(path, "re");
	STACK_OF(X509) *all = b ? sk_X509_new_null() : NULL;
	for (X509 *c; all && (c = PEM_read_bio_X509(b, NULL, no_password, NULL));)
		if (!sk_X509_push(all, c))
			X509_free(c);
	BIO_free(b);
	ERR_clear_error();
	if (all && sk_X509_num(all))
		return all;
	sk_X509_free(all);
	out_say("%s: %s", path, b ? "holds no certificate in PEM" : "cannot be opened");
	return NULL;
}

/* ---- judging --------------------------------------------------------------------------------------------------------------- */

/* The leaf alone. NULL; otherwise why not. */
static const char *leaf_bad(X509 *c, const struct tls_judged *j)
{
	time_t now = (time_t)j->now_s;
	if (X509_check_private_key(c, j->key) != 1)
		return "is not of the key that waits in ROOT/tls: keep tls csr made that";
	if (X509_cmp_time(X509_get0_notAfter(c), &now) <= 0)
		return "has expired";
	if (X509_cmp_time(X509_get0_notBefore(c), &now) >= 0)
		return "is not valid yet";
	if (X509_check_purpose(c, X509_PURPOSE_SSL_SERVER, 0) != 1)
		return "is not for TLS servers";
	if (X509_get_ext_by_NID(c, NID_subject_alt_name, -1) < 0)
		return "has no alternative name: clients look at nothing else";
	return NULL;
}

static bool leads_to(const struct tls_judged *j)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	for (int i = 0; store && i < sk_X509_num(j->roots); i++)
		X509_STORE_add_cert(store, sk_X509_value(j->roots, i));
	bool ok = store && x && X509_STORE_CTX_init(x, store, sk_X509_value(j->chain, 0), j->chain) == 1;
	if (ok) {
		X509_STORE_CTX_set_default(x, "ssl_server");
		X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(x), (time_t)j->now_s);
		ok = X509_verify_cert(x) == 1;
	}
	X509_STORE_CTX_free(x);
	X509_STORE_free(store);
	ERR_clear_error();
	return ok;
}

int tls_certs_judge(const char *path, const struct tls_judged *j)
{
	const char *bad = leaf_bad(sk_X509_value(j->chain, 0), j);
	ERR_clear_error();
	if (bad)
		return out_fail(CLI_REFUSED, "%s: the certificate %s", path, bad);
	for (int i = 0; i + 1 < sk_X509_num(j->chain); i++)
		if (X509_check_issued(sk_X509_value(j->chain, i + 1), sk_X509_value(j->chain, i)) !=
			X509_V_OK)
			return out_fail(CLI_REFUSED, "%s: certificate %d is not issued by the one behind it",
				path, i + 1);
	if (j->roots && !leads_to(j))
		return out_fail(CLI_REFUSED, "%s: the certificate does not lead to that root", path);
	return 0;
}

/* ---- facts ----------------------------------------------------------------------------------------------------------------- */

static void name_text(const X509_NAME *name, char *ret, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0 ? BIO_get_mem_data(b, &text) : 0;
	size_t len = MIN(n > 0 ? (size_t)n : 0, size - 1);
	memset(ret, 0, size);
	for (size_t i = 0; i < len; i++)
		ret[i] = (u8)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	BIO_free(b);
}

static u64 seconds(const ASN1_TIME *t)
{
	struct tm tm;
	return ASN1_TIME_to_tm(t, &tm) == 1 ? (u64)MAX(timegm(&tm), 0) : 0;
}

void tls_facts(X509 *leaf, struct proto_tls *ret)
{
	unsigned n = 0;
	*ret = (struct proto_tls){ .from_s = seconds(X509_get0_notBefore(leaf)),
		.until_s = seconds(X509_get0_notAfter(leaf)) };
	if (X509_digest(leaf, EVP_sha256(), ret->leaf, &n) != 1)
		memset(ret->leaf, 0, sizeof ret->leaf);
	name_text(X509_get_subject_name(leaf), ret->subject, sizeof ret->subject);
	name_text(X509_get_issuer_name(leaf), ret->issuer, sizeof ret->issuer);
}

/* tls: the gateway's certificate on a network without a CA that answers by itself. A request goes out by hand, a certificate comes back. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/fd.h"
#include "cli/look.h"
#include "cli/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_S	  86400u
#define WARN_DAYS 30u

/* ---- csr ------------------------------------------------------------------------------------------------------------------- */

/* The key that waits for its certificate: the one of an earlier request, or a new one. */
static int key_wanted(int dir, EVP_PKEY **ret)
{
	int r = tls_key_read(dir, TLS_KEY_NEW, ret);
	if (r != 1)
		return r;
	*ret = EVP_EC_gen("P-256");
	return *ret ? tls_key_put(dir, TLS_KEY_NEW, *ret) : out_fail(CLI_UNDECIDED, "no key could be made");
}

/* "DNS:a,IP:b"; nothing that could say more than names. 0; otherwise an exit status, said. */
static int sans_join(const struct cli *c, const struct opt_list *l, char *ret, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++) {
		const char *v = l->v[i];
		bool kind = !strncmp(v, "DNS:", 4) || !strncmp(v, "IP:", 3);
		if (!kind || strpbrk(v, ",;\n\\ ") || !strchr(v, ':')[1])
			return out_usage(c, "--san: DNS:host or IP:address");
		n += (size_t)snprintf(ret + n, n < size ? size - n : 0, "%s%s", i ? "," : "", v);
		if (n >= size)
			return out_fail(CLI_USAGE, "--san: too many names");
	}
	return l->n ? 0 : out_usage(c, "--san is needed: what clients call this machine");
}

static bool extension_add(STACK_OF(X509_EXTENSION) * all, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	if (e && sk_X509_EXTENSION_push(all, e))
		return true;
	X509_EXTENSION_free(e);
	return false;
}

static X509_REQ *request_make(EVP_PKEY *key, const char *cn, const char *sans)
{
	X509_REQ *q = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	bool ok = q && all && X509_REQ_set_version(q, X509_REQ_VERSION_1) == 1 &&
		  X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(q), NID_commonName, MBSTRING_UTF8,
			  (const u8 *)cn, -1, -1, 0) == 1 &&
		  extension_add(all, NID_subject_alt_name, sans) &&
		  extension_add(all, NID_key_usage, "critical,digitalSignature") &&
		  extension_add(all, NID_ext_key_usage, "serverAuth") &&
		  X509_REQ_add_extensions(q, all) == 1 && X509_REQ_set_pubkey(q, key) == 1 &&
		  X509_REQ_sign(q, key, EVP_sha256()) > 0;
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	ERR_clear_error();
	if (ok)
		return q;
	X509_REQ_free(q);
	return NULL;
}

static int request_write(const X509_REQ *q, const char *path)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *data = NULL;
	long n = b && PEM_write_bio_X509_REQ(b, q) == 1 ? BIO_get_mem_data(b, &data) : 0;
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : n <= 0 ? -EIO : fd_write_all(fd, data, (size_t)n);
	BIO_free(b);
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

static int csr(struct cli *c, int argc, char **argv)
{
	struct opt_list sans = { .n = 0 };
	const char *subject = NULL, *out = NULL;
	char joined[1024];
	int n;
	_cleanup_fd_ int dir = -1;
	_cleanup_app_ struct app a = { .run_fd = -1 };
	EVP_PKEY *key = NULL;
	const struct opt opts[] = { { "--san", OPT_LIST, &sans, NULL },
		{ "--subject", OPT_STR, &subject, NULL }, { "--out", OPT_STR, &out, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	int r = sans_join(c, &sans, joined, sizeof joined);
	if (!r && !out)
		r = out_usage(c, "--out is needed: the request's file");
	r = r ? r : app_open(c, &a);
	r = r ? r : tls_dir_open(&a, &dir);
	r = r ? r : key_wanted(dir, &key);
	X509_REQ *q = r ? NULL : request_make(key, subject ? subject : strchr(sans.v[0], ':') + 1, joined);
	if (!r)
		r = q ? request_write(q, out)
		      : out_fail(CLI_USAGE, "a name is not one that a certificate can have");
	X509_REQ_free(q);
	EVP_PKEY_free(key);
	if (!r) {
		out_say("%s: to be signed by your CA; the key stays in %s/tls", out, a.root);
		out_next("keep tls install CERT.pem --root CA.pem");
	}
	return r;
}

/* ---- install --------------------------------------------------------------------------------------------------------------- */

/* The key that the certificate is of: the one that waits, else the one in use (a renewal). */
static int key_of(int dir, X509 *leaf, EVP_PKEY **ret, bool *ret_new)
{
	int r = tls_key_read(dir, TLS_KEY_NEW, ret);
	*ret_new = r == 0;
	if (r > 1 || (r == 0 && X509_check_private_key(leaf, *ret) == 1))
		return r;
	ERR_clear_error();
	EVP_PKEY *old = NULL;
	int o = tls_key_read(dir, TLS_KEY, &old);
	if (o == 0 && (r == 1 || X509_check_private_key(leaf, old) == 1)) {
		EVP_PKEY_free(*ret);
		*ret = old;
		*ret_new = false;
		return 0;
	}
	ERR_clear_error();
	EVP_PKEY_free(old);
	return r == 1 ? out_fail(CLI_REFUSED, "there is no key in ROOT/tls: keep tls csr makes one") : r;
}

static int chain_put(int dir, STACK_OF(X509) * chain)
{
	BIO *b = BIO_new(BIO_s_mem());
	bool ok = b != NULL;
	for (int i = 0; ok && i < sk_X509_num(chain); i++)
		ok = PEM_write_bio_X509(b, sk_X509_value(chain, i)) == 1;
	int r = ok ? tls_file_put(dir, TLS_CERT, b) : out_fail(CLI_UNDECIDED, "out of memory");
	BIO_free(b);
	return r;
}

/* First the record, then the files: what the gateway shows stands in the log. */
static int record(struct cli *c, X509 *leaf, u64 *ret_index)
{
	struct proto_tls t;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer answer = CTL_ANSWER_NONE;
	tls_facts(leaf, &t);
	int r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, CTL_TLS_SET, &t, sizeof t, -1, &answer);
	if (!r)
		*ret_index = answer.end.index;
	return r;
}

static int install_chain(
	struct cli *c, int dir, const char *path, STACK_OF(X509) * chain, STACK_OF(X509) * roots)
{
	EVP_PKEY *key = NULL;
	bool fresh = false;
	u64 index = 0;
	X509 *leaf = sk_X509_value(chain, 0);
	int r = key_of(dir, leaf, &key, &fresh);
	r = r ? r : tls_certs_judge(path, &(struct tls_judged){ chain, roots, key, (u64)time(NULL) });
	r = r ? r : record(c, leaf, &index);
	if (!r && fresh)
		r = tls_key_put(dir, TLS_KEY, key);
	r = r ? r : chain_put(dir, chain);
	if (!r && fresh && unlinkat(dir, TLS_KEY_NEW, 0) < 0)
		r = out_fail(CLI_UNDECIDED, "tls/%s: %s", TLS_KEY_NEW, out_reason(-errno));
	EVP_PKEY_free(key);
	if (!r)
		out_say("%s: record %llu; the gateway shows it when it next starts", path,
			(unsigned long long)index);
	return r;
}

static int install(struct cli *c, int argc, char **argv)
{
	const char *root = NULL;
	int n;
	_cleanup_fd_ int dir = -1;
	_cleanup_app_ struct app a = { .run_fd = -1 };
	const struct opt opts[] = { { "--root", OPT_STR, &root, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	int r = app_open(c, &a);
	r = r ? r : tls_dir_open(&a, &dir);
	STACK_OF(X509) *chain = r ? NULL : tls_certs_read(argv[0]),
		       *roots = root && chain ? tls_certs_read(root) : NULL;
	if (!r && (!chain || (root && !roots)))
		r = CLI_REFUSED;
	r = r ? r : install_chain(c, dir, argv[0], chain, roots);
	sk_X509_pop_free(chain, X509_free);
	sk_X509_pop_free(roots, X509_free);
	return r;
}

/* ---- status ---------------------------------------------------------------------------------------------------------------- */

static void date_text(u64 s, char ret[24])
{
	time_t t = (time_t)s;
	struct tm tm;
	ret[0] = 0;
	if (gmtime_r(&t, &tm))
		strftime(ret, 24, "%Y-%m-%d %H:%M UTC", &tm);
}

static int status(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	char until[24];
	if (!look_open(&(struct look_verb){ c, argc, argv, QUERY_STATUS, LOOK_ALONE }, &l))
		return l.status;
	json_t *j = look_next(&l), *tls = json_object_get(j, "tls");
	if (!tls)
		return out_fail(CLI_REFUSED, "the gateway has no certificate: keep tls csr");
	if (l.json) {
		json_dumpf(tls, stdout, JSON_COMPACT);
		putchar('\n');
		return l.status;
	}
	u64 left = lines_u64(tls, "left_s");
	date_text(lines_u64(tls, "until_s"), until);
	printf("subject  %s\nissuer   %s\nleaf     %s\nuntil    %s, %llu days\nrecord   %s\n",
		lines_cell(tls, "subject").s, lines_cell(tls, "issuer").s, lines_cell(tls, "leaf").s, until,
		(unsigned long long)(left / DAY_S), lines_cell(tls, "index").s);
	if (left < WARN_DAYS * DAY_S)
		out_say("the certificate %s: keep tls csr", left ? "ends soon" : "has ended");
	return left ? l.status : CLI_REFUSED;
}

int cmd_tls(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "csr", csr }, { "install", install }, { "status", status } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

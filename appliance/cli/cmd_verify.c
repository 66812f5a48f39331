#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/fd.h"
#include "cli/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PUB_PEM_BYTES_MAX 65536u	  /* a public key's PEM text with any preamble */
#define AT_MAX		  253402300799ull /* seconds: the last that a certificate can name */

/* A whole file that the verdict depends on. 0; otherwise an exit status, said: with --json as a verdict. */
static int read_file(const char *path, u64 max, u8 **ret, size_t *ret_len, bool json)
{
	struct attest_report rep;
	if (!json)
		return model_read_file(path, max, ret, ret_len);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = fd < 0 ? -errno : fd_read_file(fd, max, ret, ret_len);
	if (r == 0)
		return 0;
	attest_report_init(&rep);
	if (r < 0)
		return model_say_result(r, &rep, path, json);
	rep.verdict = ATTEST_REJECTED;
	rep.reason = r == 1 ? ATTEST_SPECIAL_FILE : ATTEST_SIZE_LIMIT;
	snprintf(rep.code, sizeof rep.code, "%s", attest_reason_code(rep.reason));
	snprintf(rep.object, sizeof rep.object, "%s", path);
	snprintf(rep.detail, sizeof rep.detail, "%s", attest_reason_text(rep.reason));
	return model_say_verdict(&rep, path, json, UINT64_MAX);
}

/* The publisher's key, named after its file. 0; otherwise an exit status, said. */
static int read_key(const char *path, struct proto_key *ret, bool json)
{
	_cleanup_free_ u8 *pem = NULL;
	struct attest_report rep;
	size_t len;
	int r = read_file(path, PUB_PEM_BYTES_MAX, &pem, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_key_parse(pem, len, ret, &rep);
	if (r)
		return model_say_result(r, &rep, path, json);
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	memset(ret->name, 0, sizeof ret->name);
	memcpy(ret->name, base, MIN(strlen(base), (size_t)NAME_LEN_MAX));
	return 0;
}

static void certs_put(struct attest_certs **c)
{
	*c = attest_certs_free(*c);
}

/* Append the certificates of a file. 0; otherwise an exit status, said. */
static int read_certs(const char *path, struct attest_certs **certs, bool json)
{
	_cleanup_free_ u8 *pem = NULL;
	struct attest_report rep;
	size_t len;
	int r = read_file(path, CERTS_PEM_BYTES_MAX, &pem, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_certs_add(certs, pem, len, &rep);
	return r ? model_say_result(r, &rep, path, json) : 0;
}

/* The signature held: what it said about the model belongs into whatever is said about its files. */
static void keep_signer(const struct attest_report *bundle, struct attest_report *rep)
{
	memcpy(rep->model, bundle->model, sizeof rep->model);
	memcpy(rep->bundle, bundle->bundle, sizeof rep->bundle);
	memcpy(rep->key_id, bundle->key_id, sizeof rep->key_id);
	memcpy(rep->signer, bundle->signer, sizeof rep->signer);
}

/* The names in the tree, then its bytes. Returns as attest does. */
static int judge_files(
	const char *model, const char *bundle, const struct attest_manifest *m, struct attest_report *rep)
{
	struct attest_tree tree = { 0 };
	struct attest_blob segments = { 0 };
	int r = attest_tree_open(
		&(struct attest_tree_params){ .path = model, .bundle_path = bundle, .listed = m }, &tree,
		rep);
	if (r == 0)
		r = attest_model_verify(&(struct attest_model_params){ .manifest = m,
						.files = tree.files,
						.n_files = tree.n_files,
						.progress = &model_progress },
			&segments, rep);
	attest_blob_fini(&segments);
	attest_tree_fini(&tree);
	return r;
}

static int judge(const char *model, const char *bundle, const struct attest_bundle_params *b,
	struct attest_report *rep)
{
	struct attest_manifest *m = NULL;
	int r = attest_bundle_verify(b, &m, rep);
	if (r)
		return r;
	const struct attest_report signature = *rep;
	attest_report_init(rep);
	r = judge_files(model, bundle, m, rep);
	keep_signer(&signature, rep);
	attest_manifest_free(m);
	return r;
}

int cmd_verify(struct cli *c, int argc, char **argv)
{
	const char *bundle = NULL, *key_path = NULL;
	struct opt_list roots = { 0 };
	u64 at = 0;
	bool json = false, at_given = false;
	int n;
	const struct opt opts[] = { { "--bundle", OPT_STR, &bundle, NULL },
		{ "--key", OPT_STR, &key_path, NULL }, { "--root", OPT_LIST, &roots, NULL },
		{ "--at", OPT_U64, &at, &at_given }, { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 + (int)OPT_LIST_MAX },
		    &n))
		return n;
	if (n > 1 && !roots.n)
		return out_usage(c, "too many arguments, from \"%s\" on", argv[1]);
	if (!bundle)
		return out_usage(c, "--bundle F is needed");
	if (!key_path == !roots.n)
		return out_usage(c, "one of --key and --root is needed");
	if (at > AT_MAX)
		return out_usage(c, "--at: at most %llu, the end of the year 9999", AT_MAX);
	struct proto_key key;
	struct attest_report rep;
	_cleanup_free_ u8 *data = NULL;
	_cleanup_(certs_put) struct attest_certs *certs = NULL;
	size_t len;
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	for (size_t i = 0; i < roots.n; i++)
		if ((r = read_certs(roots.v[i], &certs, json)))
			return r;
	for (int i = 1; i < n; i++) /* --root A.pem B.pem */
		if ((r = read_certs(argv[i], &certs, json)))
			return r;
	if (key_path && (r = read_key(key_path, &key, json)))
		return r;
	if ((r = read_file(bundle, BUNDLE_BYTES_MAX, &data, &len, json)))
		return r;
	attest_report_init(&rep);
	r = judge(argv[0], bundle,
		&(struct attest_bundle_params){ .data = data,
			.len = len,
			.keys = &key,
			.n_keys = key_path ? 1 : 0,
			.roots = certs,
			.at = at_given ? (i64)at : (i64)time(NULL) },
		&rep);
	return model_say_result(r, &rep, argv[0], json);
}

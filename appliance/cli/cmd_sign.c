#define _GNU_SOURCE
#include "base/fd.h"
#include "cli/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_PEM_BYTES_MAX 65536u /* a key's PEM text; P-521 with every preamble has a few kB */

static void wipe(u8 **p, size_t n)
{
	if (*p)
		explicit_bzero(*p, n);
	free(*p);
	*p = NULL;
}

/* Read everything, sign it, write the bundle. tree and key are there already. */
static int sign(const struct attest_sign_params *p, const char *model, const char *out)
{
	struct attest_report rep;
	struct attest_blob b = { 0 };
	attest_report_init(&rep);
	int r = attest_sign(p, &b, &rep);
	out_progress_end();
	r = r ? model_say_result(r, &rep, model, false) : model_write_file(out, 0644, b.data, b.len);
	attest_blob_fini(&b);
	return r;
}

int cmd_sign(struct cli *c, int argc, char **argv)
{
	const char *key = NULL, *out = NULL, *cert = NULL;
	struct opt_list chain = { 0 };
	char path[PATH_MAX];
	u64 shards = 0;
	bool sharded = false;
	int n;
	const struct opt opts[] = { { "--key", OPT_STR, &key, NULL }, { "--cert", OPT_STR, &cert, NULL },
		{ "--chain", OPT_LIST, &chain, NULL }, { "--out", OPT_STR, &out, NULL },
		{ "--shards", OPT_U64, &shards, &sharded } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!key)
		return out_usage(c, "--key KEY.pem is needed");
	if (sharded && !shards)
		return out_usage(c, "--shards: at least 1 byte");
	if (chain.n && !cert)
		return out_usage(c, "--chain is for --cert");
	const char *model = argv[0];
	struct stat st;
	size_t len = strlen(model);
	while (len > 1 && model[len - 1] == '/')
		len--;
	if (!out) {
		bool dir = stat(model, &st) == 0 && S_ISDIR(st.st_mode);
		if (snprintf(path, sizeof path, "%.*s%s", (int)len, model, dir ? "/model.sig" : ".sig") >=
			(int)sizeof path)
			return out_fail(CLI_UNDECIDED, "%s: the name is too long", model);
		out = path;
	}
	struct attest_tree tree = { 0 };
	struct attest_report rep;
	u8 *pem = NULL;
	size_t pem_len = 0;
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	_cleanup_(model_certs_free) struct attest_certs *certs = NULL;
	if (cert && (r = model_read_roots(cert, &certs, false)))
		return r;
	for (size_t i = 0; i < chain.n; i++)
		if ((r = model_read_roots(chain.v[i], &certs, false)))
			return r;
	if ((r = model_read_file(key, KEY_PEM_BYTES_MAX, &pem, &pem_len)))
		return r;
	attest_report_init(&rep);
	r = attest_tree_open(&(struct attest_tree_params){ .path = model, .bundle_path = out }, &tree, &rep);
	if (r) {
		r = model_say_result(r, &rep, model, false);
	} else {
		r = sign(&(struct attest_sign_params){ .tree = &tree,
				 .key_pem = pem,
				 .key_len = pem_len,
				 .shard_bytes = shards,
				 .certs = certs,
				 .progress = &model_progress },
			model, out);
		if (r == 0)
			out_say("%s: signs %u files, %s", out, tree.n_files, out_size(tree.bytes).s);
	}
	wipe(&pem, pem_len);
	attest_tree_fini(&tree);
	if (r == 0)
		out_next("keep verify %s --bundle %s --%s.pem", model, out, cert ? "root CA" : "key PUB");
	return r;
}

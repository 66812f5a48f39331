#define _GNU_SOURCE
#include "base/fd.h"
#include "base/limits.h"
#include "cli/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The key's certificates, leaf first. 0; otherwise an exit status, said. */
static int read_chain(const struct model_sign_params *p, struct attest_certs **certs)
{
	int r = p->cert ? model_read_roots(p->cert, certs, false) : 0;
	for (size_t i = 0; i < p->chain.n && !r; i++)
		r = model_read_roots(p->chain.v[i], certs, false);
	return r;
}

int model_sign(const struct model_sign_params *p)
{
	struct attest_tree tree = { 0 };
	struct attest_report rep;
	_cleanup_(model_certs_free) struct attest_certs *certs = NULL;
	u8 *pem = NULL;
	size_t pem_len = 0;
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	r = read_chain(p, &certs);
	r = r ? r : model_read_file(p->key, KEY_PEM_BYTES_MAX, &pem, &pem_len);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_tree_open(&(struct attest_tree_params){ .path = p->model,
				     .bundle_path = p->out,
				     .ignore = p->ignore,
				     .n_ignore = p->n_ignore },
		&tree, &rep);
	if (r) {
		r = model_say_result(r, &rep, p->model, false);
	} else {
		r = sign(&(struct attest_sign_params){ .tree = &tree,
				 .key_pem = pem,
				 .key_len = pem_len,
				 .shard_bytes = p->shards,
				 .certs = certs,
				 .ignore = p->ignore,
				 .n_ignore = p->n_ignore,
				 .progress = &model_progress },
			p->model, p->out);
		if (r == 0)
			out_say("%s: signs %u files, %s", p->out, tree.n_files, out_size(tree.bytes).s);
	}
	wipe(&pem, pem_len);
	attest_tree_fini(&tree);
	return r;
}

int cmd_sign(struct cli *c, int argc, char **argv)
{
	struct model_sign_params p = { 0 };
	char path[PATH_MAX];
	bool sharded = false;
	int n;
	const struct opt opts[] = { { "--key", OPT_STR, &p.key, NULL }, { "--cert", OPT_STR, &p.cert, NULL },
		{ "--chain", OPT_LIST, &p.chain, NULL }, { "--out", OPT_STR, &p.out, NULL },
		{ "--shards", OPT_U64, &p.shards, &sharded } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!p.key)
		return out_usage(c, "--key KEY.pem is needed");
	if (sharded && !p.shards)
		return out_usage(c, "--shards: at least 1 byte");
	if (p.chain.n && !p.cert)
		return out_usage(c, "--chain is for --cert");
	p.model = argv[0];
	struct stat st;
	size_t len = strlen(p.model);
	while (len > 1 && p.model[len - 1] == '/')
		len--;
	if (!p.out) {
		bool dir = stat(p.model, &st) == 0 && S_ISDIR(st.st_mode);
		if (snprintf(path, sizeof path, "%.*s%s", (int)len, p.model, dir ? "/model.sig" : ".sig") >=
			(int)sizeof path)
			return out_fail(CLI_UNDECIDED, "%s: the name is too long", p.model);
		p.out = path;
	}
	int r = model_sign(&p);
	if (r == 0)
		out_next("keep verify %s --bundle %s --%s.pem", p.model, p.out,
			p.cert ? "root CA" : "key PUB");
	return r;
}

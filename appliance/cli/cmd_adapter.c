/* verify-model and sign-model: the same work in the words of the public conformance suite's adapter protocol, so that its cases can
 * be run against keep. Paths are absolute there; an ignored one may lie outside of the model, where it has no effect. */
#define _GNU_SOURCE
#include "cli/model.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum method { METHOD_KEY, METHOD_CERTIFICATE, METHOD_SIGSTORE, METHOD_NONE };

static enum method method_of(const char *name)
{
	static const char *const names[] = { "key", "certificate", "sigstore" };
	for (u32 i = 0; name && i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i], name))
			return (enum method)i;
	return METHOD_NONE;
}

/* ---- ignored paths --------------------------------------------------------------------------------------------------------- */

struct ignored {
	char *paths[OPT_LIST_MAX]; /* relative to the model */
	u32 n;
};

static void ignored_free(struct ignored *ig)
{
	for (u32 i = 0; i < ig->n; i++)
		free(ig->paths[i]);
}

/* The last part of a path need not exist. NULL when what is above it does not either: then nothing lies there. */
static char *real_place(const char *path)
{
	char *out = NULL;
	_cleanup_free_ char *copy = strdup(path), *again = strdup(path);
	_cleanup_free_ char *dir = copy ? realpath(dirname(copy), NULL) : NULL;
	if (!dir || !again || asprintf(&out, "%s/%s", strcmp(dir, "/") ? dir : "", basename(again)) < 0)
		return NULL;
	return out;
}

/* 0; otherwise an exit status, said. */
static int ignored_read(
	const struct cli *c, const char *model, const struct opt_list *list, struct ignored *ret)
{
	_cleanup_free_ char *top = realpath(model, NULL);
	size_t n = top ? strlen(top) : 0;
	for (size_t i = 0; top && i < list->n; i++) {
		_cleanup_free_ char *place = real_place(list->v[i]);
		if (list->v[i][0] != '/')
			return out_usage(c, "--ignore-paths %s: an absolute path is needed", list->v[i]);
		if (!place || strncmp(place, top, n) || place[n] != '/')
			continue;
		if (strpbrk(place + n, "*?["))
			return out_usage(c, "--ignore-paths %s: patterns are not signed", list->v[i]);
		ret->paths[ret->n] = strdup(place + n + 1);
		if (!ret->paths[ret->n])
			return out_fail(CLI_UNDECIDED, "out of memory");
		ret->n++;
	}
	return 0;
}

/* ---- verify-model ----------------------------------------------------------------------------------------------------------- */

struct verify_args {
	const char *method, *model, *bundle, *key, *identity, *provider, *trusted_root;
	struct opt_list roots, ignore;
	bool only_listed;
};

static void root_free(struct attest_trusted_root **t)
{
	*t = attest_trusted_root_free(*t);
}

static int verify(const struct cli *c, const struct verify_args *a, const struct ignored *ig)
{
	_cleanup_(model_certs_free) struct attest_certs *roots = NULL;
	_cleanup_(root_free) struct attest_trusted_root *trusted_root = NULL;
	const struct model_pins pins = { .san = a->identity, .provider = a->provider };
	struct proto_identity identity;
	_cleanup_free_ u8 *data = NULL;
	struct proto_key key;
	struct attest_report rep;
	size_t len;
	int r = model_read_pins(c, &pins, &identity);
	if (a->key && !r)
		r = model_read_key(a->key, &key, false);
	if (a->trusted_root && !r)
		r = model_read_trusted_root(a->trusted_root, &trusted_root, false);
	for (size_t i = 0; i < a->roots.n && !r; i++)
		r = model_read_roots(a->roots.v[i], &roots, false);
	r = r ? r : model_read_judged(a->bundle, BUNDLE_BYTES_MAX, &data, &len, false);
	if (r)
		return r;
	attest_report_init(&rep);
	r = model_judge(&(struct model_judge_params){ .model = a->model,
				.bundle = a->bundle,
				.only_listed = a->only_listed,
				.ignore = (const char *const *)ig->paths,
				.n_ignore = ig->n,
				.trust = { .data = data,
					.len = len,
					.keys = &key,
					.n_keys = a->key ? 1 : 0,
					.roots = roots,
					.trusted_root = trusted_root,
					.identity = a->identity ? &identity : NULL,
					.at = model_now() } },
		&rep);
	return model_say_result(r, &rep, a->model, false);
}

int cmd_verify_model(struct cli *c, int argc, char **argv)
{
	struct verify_args a = { 0 };
	const struct opt opts[] = { { "--method", OPT_STR, &a.method, NULL },
		{ "--model-path", OPT_STR, &a.model, NULL }, { "--bundle", OPT_STR, &a.bundle, NULL },
		{ "--public-key", OPT_STR, &a.key, NULL }, { "--cert-chain", OPT_LIST, &a.roots, NULL },
		{ "--ignore-paths", OPT_LIST, &a.ignore, NULL },
		{ "--ignore-unsigned-files", OPT_FLAG, &a.only_listed, NULL },
		{ "--identity", OPT_STR, &a.identity, NULL },
		{ "--identity-provider", OPT_STR, &a.provider, NULL },
		{ "--trusted-root", OPT_STR, &a.trusted_root, NULL } };
	int n;
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	enum method m = method_of(a.method);
	if (m == METHOD_NONE)
		return out_usage(c, "--method is key, certificate or sigstore");
	if (!a.model || !a.bundle)
		return out_usage(c, "--model-path and --bundle are needed");
	if (m == METHOD_SIGSTORE && !(a.identity && a.provider && a.trusted_root))
		return out_usage(
			c, "method sigstore needs --identity, --identity-provider and --trusted-root");
	if (m != METHOD_SIGSTORE && (a.identity || a.provider || a.trusted_root))
		return out_usage(
			c, "--identity, --identity-provider and --trusted-root are for method sigstore");
	if ((m == METHOD_KEY) != (a.key != NULL) || (m == METHOD_CERTIFICATE) != (a.roots.n > 0))
		return out_usage(
			c, "method key needs --public-key, method certificate --cert-chain, and no other");
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	_cleanup_(ignored_free) struct ignored ig = { 0 };
	r = ignored_read(c, a.model, &a.ignore, &ig);
	return r ? r : verify(c, &a, &ig);
}

/* ---- sign-model ------------------------------------------------------------------------------------------------------------- */

int cmd_sign_model(struct cli *c, int argc, char **argv)
{
	const char *method = NULL;
	struct model_sign_params p = { 0 };
	struct opt_list ignore = { 0 };
	const struct opt opts[] = { { "--method", OPT_STR, &method, NULL },
		{ "--model-path", OPT_STR, &p.model, NULL }, { "--output-bundle", OPT_STR, &p.out, NULL },
		{ "--private-key", OPT_STR, &p.key, NULL }, { "--signing-cert", OPT_STR, &p.cert, NULL },
		{ "--cert-chain", OPT_LIST, &p.chain, NULL }, { "--ignore-paths", OPT_LIST, &ignore, NULL } };
	int n;
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	enum method m = method_of(method);
	if (m == METHOD_NONE)
		return out_usage(c, "--method is key or certificate");
	if (m == METHOD_SIGSTORE)
		return out_fail(
			CLI_REFUSED, "method sigstore needs a network; keep signs by key and certificate");
	if (!p.model || !p.out || !p.key)
		return out_usage(c, "--model-path, --output-bundle and --private-key are needed");
	if ((m == METHOD_CERTIFICATE) != (p.cert != NULL) || (p.chain.n && !p.cert))
		return out_usage(
			c, "--signing-cert is for method certificate, which needs it; --cert-chain too");
	_cleanup_(ignored_free) struct ignored ig = { 0 };
	int r = ignored_read(c, p.model, &ignore, &ig);
	p.ignore = (const char *const *)ig.paths;
	p.n_ignore = ig.n;
	return r ? r : model_sign(&p);
}

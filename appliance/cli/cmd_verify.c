#include "attest/transfer.h"
#include "base/fd.h"
#include "cli/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#define AT_MAX 253402300799ull /* seconds: the last that a certificate can name */

/* What was typed. */
struct args {
	const char *bundle, *key, *trusted_root, *tsa_policy;
	struct opt_list roots, crls, tsas;
	struct model_pins pins;
	u64 at;
	bool json, at_given, only_listed;
};

/* What was read: the bundle, and whom to believe. */
struct trust {
	u8 *data;
	size_t len;
	struct proto_key key;
	struct proto_identity identity;
	struct attest_certs *roots, *tsas;
	struct attest_crls *crls;
	struct attest_trusted_root *trusted_root;
};

static void trust_fini(struct trust *t)
{
	free(t->data);
	model_certs_free(&t->roots);
	model_certs_free(&t->tsas);
	model_crls_free(&t->crls);
	attest_trusted_root_free(t->trusted_root);
}

/* Open, if it is one; else -1. */
static int transfer_file(const char *model)
{
	int fd = open(model, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && !attest_transfer_is(fd))
		fd_close(&fd);
	return fd;
}

static int args_check(const struct cli *c, const struct args *a, const char *model)
{
	_cleanup_fd_ int transfer = a->bundle ? -1 : transfer_file(model);
	if (!a->bundle && transfer < 0)
		return out_usage(c, "--bundle F is needed");
	if ((a->key != NULL) + (a->roots.n > 0) + (a->trusted_root != NULL) != 1)
		return out_usage(c, "one of --key, --root and --trusted-root is needed");
	if (a->crls.n && !a->roots.n)
		return out_usage(c, "--crl is for --root");
	if (a->tsa_policy && !a->tsas.n)
		return out_usage(c, "--tsa-policy is for --tsa");
	if (a->key && model_pins_any(&a->pins))
		return out_usage(c, "a plain key has no identity: pins are for --root and --trusted-root");
	if (a->trusted_root && !a->pins.leaf && !(a->pins.san && a->pins.provider))
		return out_usage(c, "--trusted-root needs --identity and --identity-provider, or --leaf: its "
				    "authorities sign for everybody");
	if (a->at > AT_MAX)
		return out_usage(c, "--at: at most %llu, the end of the year 9999", AT_MAX);
	return 0;
}

/* The bundle, or the first one that a transfer brings. */
static int bundle_read(const struct args *a, const char *model, struct trust *t)
{
	struct attest_transfer tr;
	struct attest_report rep;
	if (a->bundle)
		return model_read_judged(a->bundle, BUNDLE_BYTES_MAX, &t->data, &t->len, a->json);
	_cleanup_fd_ int fd = transfer_file(model);
	attest_report_init(&rep);
	int r = fd < 0 ? -errno : attest_transfer_read(fd, &tr, &rep);
	if (r)
		return model_say_result(r, &rep, model, a->json);
	r = attest_transfer_bundle(fd, &tr, 0, &t->data, &t->len);
	attest_transfer_fini(&tr);
	return r ? model_say_result(r, &rep, model, a->json) : 0;
}

/* Everything that is trusted, then the bundle. 0; otherwise an exit status, said. */
static int trust_read(const struct cli *c, const struct args *a, char **argv, int n_more, struct trust *t)
{
	char **more = argv + 1;
	int r = model_read_pins(c, &a->pins, &t->identity);
	for (size_t i = 0; i < a->roots.n && !r; i++)
		r = model_read_roots(a->roots.v[i], &t->roots, a->json);
	for (int i = 0; i < n_more && !r; i++) /* --root A.pem B.pem */
		r = model_read_roots(more[i], &t->roots, a->json);
	for (size_t i = 0; i < a->crls.n && !r; i++)
		r = model_read_crls(a->crls.v[i], &t->crls, a->json);
	for (size_t i = 0; i < a->tsas.n && !r; i++)
		r = model_read_roots(a->tsas.v[i], &t->tsas, a->json);
	if (a->trusted_root && !r)
		r = model_read_trusted_root(a->trusted_root, &t->trusted_root, a->json);
	if (a->key && !r)
		r = model_read_key(a->key, &t->key, a->json);
	return r ? r : bundle_read(a, argv[0], t);
}

static int verify(const struct args *a, const struct trust *t, const char *model)
{
	struct attest_report rep;
	attest_report_init(&rep);
	int r = model_judge(&(struct model_judge_params){ .model = model,
				    .bundle = a->bundle,
				    .only_listed = a->only_listed,
				    .trust = { .data = t->data,
					    .len = t->len,
					    .keys = &t->key,
					    .n_keys = a->key ? 1 : 0,
					    .roots = t->roots,
					    .crls = t->crls,
					    .identity = model_pins_any(&a->pins) ? &t->identity : NULL,
					    .trusted_root = t->trusted_root,
					    .tsa = t->tsas,
					    .tsa_policy = a->tsa_policy,
					    .needs_stamp = a->tsas.n > 0,
					    .at = a->at_given ? (i64)a->at : model_now() } },
		&rep);
	return model_say_result(r, &rep, model, a->json);
}

int cmd_verify(struct cli *c, int argc, char **argv)
{
	struct args a = { 0 };
	_cleanup_(trust_fini) struct trust t = { 0 };
	int n;
	const struct opt opts[] = { { "--bundle", OPT_STR, &a.bundle, NULL },
		{ "--key", OPT_STR, &a.key, NULL }, { "--root", OPT_LIST, &a.roots, NULL },
		{ "--trusted-root", OPT_STR, &a.trusted_root, NULL },
		{ "--identity", OPT_STR, &a.pins.san, NULL },
		{ "--identity-provider", OPT_STR, &a.pins.provider, NULL },
		{ "--leaf", OPT_STR, &a.pins.leaf, NULL }, { "--issuer", OPT_STR, &a.pins.issuer, NULL },
		{ "--policy-oid", OPT_STR, &a.pins.policy_oid, NULL }, { "--crl", OPT_LIST, &a.crls, NULL },
		{ "--tsa", OPT_LIST, &a.tsas, NULL }, { "--tsa-policy", OPT_STR, &a.tsa_policy, NULL },
		{ "--ignore-unsigned-files", OPT_FLAG, &a.only_listed, NULL },
		{ "--at", OPT_U64, &a.at, &a.at_given }, { "--json", OPT_FLAG, &a.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 + (int)OPT_LIST_MAX },
		    &n))
		return n;
	if (n > 1 && !a.roots.n)
		return out_usage(c, "too many arguments, from \"%s\" on", argv[1]);
	int r = args_check(c, &a, argv[0]);
	if (r)
		return r;
	r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	r = trust_read(c, &a, argv, n - 1, &t);
	return r ? r : verify(&a, &t, argv[0]);
}

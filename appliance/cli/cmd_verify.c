#include "cli/model.h"

#include <time.h>

#define AT_MAX 253402300799ull /* seconds: the last that a certificate can name */

int cmd_verify(struct cli *c, int argc, char **argv)
{
	const char *bundle = NULL, *key_path = NULL;
	struct opt_list roots = { 0 }, crl_files = { 0 };
	u64 at = 0;
	bool json = false, at_given = false, only_listed = false;
	int n;
	const struct opt opts[] = { { "--bundle", OPT_STR, &bundle, NULL },
		{ "--key", OPT_STR, &key_path, NULL }, { "--root", OPT_LIST, &roots, NULL },
		{ "--crl", OPT_LIST, &crl_files, NULL },
		{ "--ignore-unsigned-files", OPT_FLAG, &only_listed, NULL },
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
	if (crl_files.n && !roots.n)
		return out_usage(c, "--crl is for --root");
	if (at > AT_MAX)
		return out_usage(c, "--at: at most %llu, the end of the year 9999", AT_MAX);
	struct proto_key key;
	struct attest_report rep;
	_cleanup_free_ u8 *data = NULL;
	_cleanup_(model_certs_free) struct attest_certs *certs = NULL;
	_cleanup_(model_crls_free) struct attest_crls *crls = NULL;
	size_t len;
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	for (size_t i = 0; i < roots.n; i++)
		if ((r = model_read_roots(roots.v[i], &certs, json)))
			return r;
	for (int i = 1; i < n; i++) /* --root A.pem B.pem */
		if ((r = model_read_roots(argv[i], &certs, json)))
			return r;
	for (size_t i = 0; i < crl_files.n; i++)
		if ((r = model_read_crls(crl_files.v[i], &crls, json)))
			return r;
	if (key_path && (r = model_read_key(key_path, &key, json)))
		return r;
	if ((r = model_read_judged(bundle, BUNDLE_BYTES_MAX, &data, &len, json)))
		return r;
	attest_report_init(&rep);
	r = model_judge(&(struct model_judge_params){ .model = argv[0],
				.bundle = bundle,
				.only_listed = only_listed,
				.trust = { .data = data,
					.len = len,
					.keys = &key,
					.n_keys = key_path ? 1 : 0,
					.roots = certs,
					.crls = crls,
					.at = at_given ? (i64)at : (i64)time(NULL) } },
		&rep);
	return model_say_result(r, &rep, argv[0], json);
}

#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int add(struct cli *c, int argc, char **argv)
{
	const char *key = NULL;
	int n;
	const struct opt opts[] = { { "--key", OPT_STR, &key, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!key)
		return out_usage(c, "--key PUB.pem is needed");
	struct proto_name b = { 0 };
	if (!bytes_name_ok(argv[0]) || bytes_put_str(b.name, sizeof b.name, argv[0]))
		return out_fail(CLI_USAGE,
			"%s: a name is 1 to %u of a-z 0-9 . _ - and does not start with . or -", argv[0],
			NAME_LEN_MAX);
	_cleanup_fd_ int fd = open(key, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	u64 size;
	int r = fd < 0 ? -errno : fd_regular_size(fd, &size);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", key,
			r > 0 ? "not a file" : out_reason(r));
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, CTL_TRUST_ADD, &b, sizeof b, fd, &a);
	if (r)
		return r;
	out_say("%s: trusted, record %llu", argv[0], (unsigned long long)a.end.index);
	out_next("keep import PATH");
	return CLI_DONE;
}

static int ls(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_query(&k, &(struct ctl_query){ .what = QUERY_TRUST }, &a);
	if (r)
		return r;
	if (json) {
		lines_print(&a.data);
		return CLI_DONE;
	}
	struct lines l = lines_of(&a.data);
	struct out_table t = { .n_cols = 4 };
	out_table_row(&t, "NAME", "CURVE", "KEY", "RECORD", NULL);
	json_t *j;
	for (n = 0; (j = lines_next(&l, &bad)); n++) {
		struct cell curve = lines_cell(j, "curve_bits");
		char p[600];
		snprintf(p, sizeof p, "p%s", curve.s);
		out_table_row(&t, lines_cell(j, "name").s, p, lines_cell(j, "key_id").s,
			lines_cell(j, "index").s, NULL);
		json_decref(j);
	}
	out_table_print(&t);
	if (!n)
		out_next("keep trust add NAME --key PUB.pem");
	return bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : CLI_DONE;
}

static int rm(struct cli *c, int argc, char **argv)
{
	const char *reason = "";
	int n;
	const struct opt opts[] = { { "--reason", OPT_STR, &reason, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_name b = { 0 };
	if (bytes_put_str(b.name, sizeof b.name, argv[0]) || bytes_put_str(b.text, sizeof b.text, reason))
		return out_fail(CLI_USAGE, "%s: name or reason is too long", argv[0]);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, CTL_TRUST_RM, &b, sizeof b, -1, &a);
	if (r)
		return r;
	out_say("%s: no longer trusted, record %llu; models that it vouched for stay until they are revoked",
		argv[0], (unsigned long long)a.end.index);
	return CLI_DONE;
}

int cmd_trust(struct cli *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*func)(struct cli *, int, char **);
	} subs[] = { { "add", add }, { "ls", ls }, { "rm", rm } };
	for (size_t i = 0; argc && i < ARRAY_LEN(subs); i++)
		if (!strcmp(argv[0], subs[i].name))
			return subs[i].func(c, argc - 1, argv + 1);
	int n;
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 0, INT_MAX }, &n))
		return n;
	return out_usage(c, argc ? "%s: add, ls or rm" : "what?%.0s", argc ? argv[0] : "");
}

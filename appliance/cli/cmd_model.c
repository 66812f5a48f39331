/* ls, show, revoke, rm: what is done with models that are here. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/look.h"

#include <stdio.h>
#include <string.h>

int cmd_ls(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_MODELS, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 5 };
	out_table_row(&t, "NAME", "STATE", "SIZE", "SIGNER", "DIGEST", NULL);
	for (json_t *j; (j = look_next(&l));)
		out_table_row(&t, lines_cell(j, "name").s, lines_cell(j, "status").s,
			out_size(lines_u64(j, "bytes")).s, lines_cell(j, "signer").s,
			lines_short(j, "model").s, NULL);
	out_table_print(&t);
	if (!l.n)
		out_next("keep import PATH");
	return l.status;
}

int cmd_show(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	return look_ask(&(struct look_verb){ c, argc, argv, QUERY_MODEL, LOOK_NAME }, &l) ? look_print(&l)
											  : l.status;
}

/* revoke and rm: a name, perhaps a reason, and what to say when it is done. */
static int act(struct cli *c, int argc, char **argv, u32 type, const char *done)
{
	const char *reason = "";
	int n;
	const struct opt opts[] = { { "--reason", OPT_STR, &reason, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_name b = { 0 };
	if (bytes_put_str(b.name, sizeof b.name, argv[0]))
		return out_fail(CLI_USAGE, "%s: a name has at most %u characters", argv[0], NAME_LEN_MAX);
	if (bytes_put_str(b.text, sizeof b.text, reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, type, &b, sizeof b, -1, &a);
	if (r)
		return r;
	out_say("%s: %s, record %llu", argv[0], done, (unsigned long long)a.end.index);
	return CLI_DONE;
}

int cmd_revoke(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, CTL_REVOKE, "revoked; it will not be served again");
}

int cmd_rm(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, CTL_REMOVE, "removed");
}

/* audit: ls, show, verify. Reviews are in cmd_audit_review.c, sign-offs in cmd_audit_sign.c, replay in cmd_replay.c; what leaves with a
 * proof, and witnesses, in cmd_audit_proofs.c. */
#define _GNU_SOURCE
#include "cli/evidence.h"
#include "cli/filter.h"
#include "cli/archive.h"
#include "cli/look.h"
#include "cli/proofs.h"
#include "cli/replay.h"
#include "cli/review.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

/* ---- ls ---- */

struct listing {
	struct out_table t;
	bool json, bad;
};

static int list_page(void *arg, const struct fd_map *data)
{
	struct listing *l = arg;
	struct lines lines = lines_of(data);
	if (l->json)
		lines_print(data);
	for (json_t *j; !l->json && (j = lines_next(&lines, &l->bad)); json_decref(j)) {
		char what[512];
		facts_line(j, what, sizeof what);
		out_table_row(&l->t, lines_cell(j, "index").s, lines_time(j, "time_ns").s,
			json_object_get(j, "pruned") ? "(pruned)" : lines_cell(j, "event").s, what, NULL);
	}
	return l->bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : 0;
}

static int ls(struct cli *c, int argc, char **argv)
{
	struct filter f = FILTER_NONE;
	struct proto_look q;
	struct listing l = { .t = { .n_cols = 4 } };
	int n;
	const struct opt opts[] = { FILTER_OPTS(&f), { "--count", OPT_U64, &f.count, NULL },
		{ "--last", OPT_U64, &f.last, &f.last_given }, { "--json", OPT_FLAG, &l.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	int r = filter_read(c, &f, &q);
	if (r)
		return r;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	r = ctl_open(c, &k);
	out_table_row(&l.t, "INDEX", "TIME", "EVENT", "WHAT", NULL);
	r = r ? r
	      : filter_each(&k, &q, &(struct filter_pages){ &f, "", l.json ? 10000 : 512, list_page, &l });
	if (!l.json && r == 0)
		out_table_print(&l.t);
	out_table_fini(&l.t);
	return r;
}

static int show(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (text_wanted(argc, argv))
		return text_show(c, argc, argv);
	return look_ask(&(struct look_verb){ c, argc, argv, QUERY_RECORD, LOOK_INDEX }, &l) ? look_print(&l)
											    : l.status;
}

static int verify(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_VERIFY, LOOK_ALONE }, &l))
		return l.status;
	if (look_print(&l) == CLI_DONE)
		out_say("the log is whole");
	return l.status;
}

/* The catalogue: everything that the log can say. */
static int events(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_EVENTS, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 5 };
	out_table_row(&t, "NUMBER", "EVENT", "KIND", "MESSAGE ID", "WHAT", NULL);
	for (json_t *j; (j = look_next(&l));)
		out_table_row(&t, lines_cell(j, "number").s, lines_cell(j, "event").s,
			lines_cell(j, "kind").s, lines_cell(j, "message_id").s, lines_cell(j, "what").s,
			NULL);
	out_table_print(&t);
	return l.status;
}

int cmd_audit(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "ls", ls }, { "show", show }, { "events", events },
		{ "summary", review_summary }, { "orphans", review_orphans }, { "diff", review_diff },
		{ "sign-off", review_sign_off }, { "evidence", evidence_run }, { "verify", verify },
		{ "checkpoint", proofs_checkpoint }, { "export", proofs_export },
		{ "receipt", proofs_receipt }, { "witnesses", proofs_witnesses }, { "cosign", proofs_cosign },
		{ "archive", archive_run }, { "prune", archive_prune }, { "replay", replay_run } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

/* audit summary, orphans, diff: what the records add up to, what never came to an end, and what happened between two checkpoints. */
#include "audit/tlog/witness.h"
#include "cli/file.h"
#include "cli/filter.h"
#include "cli/head.h"
#include "cli/look.h"
#include "cli/review.h"

#include <inttypes.h>
#include <string.h>

/* ---- summary ---- */

static int summary_table(const struct fd_map *data, bool names)
{
	struct lines l = lines_of(data);
	struct out_table t = { .n_cols = 8 };
	bool bad = false;
	out_table_row(&t, "WHOSE", names ? "NAME" : "", "RECORDS", "REQUESTS", "FAILED", "PROMPT",
		"GENERATED", "LAST", NULL);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j)) {
		struct cell key = lines_cell(j, "key");
		if (strlen(key.s) > 32)
			key = lines_short(j, "key");
		out_table_row(&t, key.s[0] ? key.s : "-", lines_cell(j, "name").s, lines_cell(j, "records").s,
			lines_cell(j, "requests").s, lines_cell(j, "failed").s,
			lines_cell(j, "prompt_tokens").s, lines_cell(j, "generated_tokens").s,
			lines_time(j, "last_ns").s, NULL);
	}
	out_table_print(&t);
	return bad ? head_malformed() : CLI_DONE;
}

int review_summary(struct cli *c, int argc, char **argv)
{
	static const char *const names[] = {
		[LOOK_BY_ACTOR] = "actor", [LOOK_BY_MODEL] = "model", [LOOK_BY_EVENT] = "event"
	};
	struct filter f = FILTER_NONE;
	struct proto_look q;
	const char *by = "actor";
	bool json = false;
	int n;
	const struct opt opts[] = { FILTER_OPTS(&f), { "--by", OPT_STR, &by, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	int r = filter_read(c, &f, &q);
	if (r)
		return r;
	for (q.what = LOOK_BY_ACTOR; q.what < ARRAY_LEN(names) && strcmp(by, names[q.what]);)
		q.what++;
	if (q.what == ARRAY_LEN(names))
		return out_usage(c, "--by: actor, model or event");
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, CTL_LOOK, &q, sizeof q, -1, &a);
	if (r)
		return r;
	if (!json)
		return summary_table(&a.data, q.what == LOOK_BY_MODEL);
	lines_print(&a.data);
	return CLI_DONE;
}

/* ---- orphans ---- */

struct orphans {
	struct out_table t;
	bool json, bad;
	u64 n;
};

static int orphan_page(void *arg, const struct fd_map *data)
{
	struct orphans *o = arg;
	struct lines l = lines_of(data);
	for (json_t *j; (j = lines_next(&l, &o->bad)); json_decref(j), o->n++)
		if (!o->json)
			out_table_row(&o->t, lines_cell(j, "intent").s, lines_cell(j, "of").s,
				lines_cell(j, "index").s, lines_time(j, "time_ns").s, lines_cell(j, "why").s,
				NULL);
	if (o->json)
		lines_print(data);
	return o->bad ? head_malformed() : 0;
}

/* What is still under way. */
static int open_now(struct ctl *k, struct orphans *o)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_query(k, &(struct ctl_query){ .what = QUERY_OPEN }, &a);
	if (r)
		return r;
	struct lines l = lines_of(&a.data);
	for (json_t *j; !o->json && (j = lines_next(&l, &o->bad)); json_decref(j))
		out_table_row(&o->t, lines_cell(j, "intent").s, lines_cell(j, "event").s, "-", "",
			"not answered yet", NULL);
	if (o->json)
		lines_print(&a.data);
	return o->bad ? head_malformed() : 0;
}

int review_orphans(struct cli *c, int argc, char **argv)
{
	struct filter f = FILTER_NONE;
	struct proto_look q;
	struct orphans o = { .t = { .n_cols = 5 } };
	int n;
	const struct opt opts[] = { FILTER_OPTS(&f), { "--json", OPT_FLAG, &o.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (f.events.n || f.acts)
		return out_usage(c, "%s: orphans are events of one kind", f.acts ? "--acts" : "--event");
	f.events = (struct opt_list){ .v = { "orphan" }, .n = 1 };
	int r = filter_read(c, &f, &q);
	if (r)
		return r;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	r = ctl_open(c, &k);
	out_table_row(&o.t, "INTENT", "OF", "FOUND BY", "TIME", "WHY", NULL);
	r = r ? r : filter_each(&k, &q, &(struct filter_pages){ &f, "orphans", 10000, orphan_page, &o });
	r = r ? r : open_now(&k, &o);
	if (r == 0 && !o.json)
		out_table_print(&o.t);
	out_table_fini(&o.t);
	return r;
}

/* ---- diff ---- */

/* One end of the difference: a checkpoint that somebody kept, or a number of records. */
struct end {
	u64 size;
	bool has_root;
	struct merkle_hash root;
};

static int end_read(const struct cli *c, const char *arg, const struct head *h, struct end *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct checkpoint cp;
	char why[512];
	if (opt_u64(arg, UINT64_MAX - 1, &ret->size) == 0)
		return 0;
	int r = file_read(arg, NOTE_BYTES_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	struct note n;
	if (tlog_note_parse(text, len, &n) || tlog_checkpoint_read(n.text, n.text_len, &cp))
		return out_fail(CLI_REFUSED, "%s: not a checkpoint", arg);
	if (strcmp(cp.origin, h->cp.origin))
		return out_fail(CLI_REFUSED, "%s: of another log, %s", arg, cp.origin);
	if (head_opens(h, text, len, &cp) == 2)
		return out_fail(CLI_REFUSED, "%s: this log did not sign it", arg);
	*ret = (struct end){ cp.size, true, cp.root };
	return 0;
}

/* Is what was signed then still the beginning of this log? */
static int end_check(struct ctl *k, const char *arg, const struct head *h, const struct end *e)
{
	_cleanup_json_ json_t *j = NULL;
	struct witness_request q;
	struct checkpoint cp;
	size_t len, text_len;
	if (e->size > h->cp.size)
		return out_fail(CLI_REFUSED, "%s: %" PRIu64 " records, and the log has %" PRIu64 "%s", arg,
			e->size, h->cp.size, e->has_root ? ": it was rolled back" : "");
	if (!e->has_root || e->size == 0)
		return 0;
	int r = head_one(k, &(struct ctl_query){ .what = QUERY_REQUEST, .first = e->size }, &j);
	if (r)
		return r;
	const char *text = head_text(j, "text", &len);
	if (!text || tlog_witness_read(text, len, &q) || q.old != e->size ||
		tlog_note_open(q.checkpoint, q.checkpoint_len, &h->key, 1, &text_len) ||
		tlog_checkpoint_read(q.checkpoint, text_len, &cp))
		return head_malformed();
	struct merkle_consistent p = { e->size, cp.size, &e->root, &cp.root, q.proof, q.n_proof };
	return tlog_merkle_consistency_check(&p)
		       ? out_fail(CLI_REFUSED, "%s: this log is not the one it was: it was written anew", arg)
		       : 0;
}

struct acts {
	struct out_table t;
	bool json, bad;
};

static int act_page(void *arg, const struct fd_map *data)
{
	struct acts *a = arg;
	struct lines l = lines_of(data);
	if (a->json)
		lines_print(data);
	for (json_t *j; !a->json && (j = lines_next(&l, &a->bad)); json_decref(j)) {
		char what[512];
		facts_line(j, what, sizeof what);
		out_table_row(&a->t, lines_cell(j, "index").s, lines_time(j, "time_ns").s,
			lines_cell(j, "event").s, what, NULL);
	}
	return a->bad ? head_malformed() : 0;
}

/* How many of each event, then the acts, one by one. With --json the acts only: records as they are. */
static int between(struct ctl *k, const struct cli *c, const struct end e[2], bool json)
{
	struct filter f = FILTER_NONE;
	struct proto_look q;
	struct acts a = { .t = { .n_cols = 4 }, .json = json };
	_cleanup_answer_ struct ctl_answer sum = CTL_ANSWER_NONE;
	f.from = e[0].size;
	f.to = e[1].size;
	f.to_given = f.acts = true;
	int r = filter_read(c, &f, &q);
	struct proto_look all = { .what = LOOK_BY_EVENT, .from = f.from, .to = f.to, .until_ns = UINT64_MAX };
	if (!r && !json) {
		r = ctl_ask(k, CTL_LOOK, &all, sizeof all, -1, &sum);
		printf("%" PRIu64 " records, from %" PRIu64 " to %" PRIu64 "\n", f.to - f.from, f.from,
			f.to - 1);
		r = r ? r : summary_table(&sum.data, false);
		putchar('\n');
	}
	out_table_row(&a.t, "INDEX", "TIME", "EVENT", "WHAT", NULL);
	r = r ? r : filter_each(k, &q, &(struct filter_pages){ &f, "diff", 10000, act_page, &a });
	if (!r && !json)
		out_table_print(&a.t);
	out_table_fini(&a.t);
	return r;
}

int review_diff(struct cli *c, int argc, char **argv)
{
	bool json = false;
	int n;
	struct end e[2] = { { 0 } };
	_cleanup_head_ struct head h = { 0 };
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 2 }, &n))
		return n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : head_ask(&k, &h);
	e[1].size = h.cp.size;
	for (int i = 0; !r && i < n; i++)
		r = end_read(c, argv[i], &h, &e[i]);
	for (int i = 0; !r && i < n; i++)
		r = end_check(&k, argv[i], &h, &e[i]);
	if (r)
		return r;
	if (e[0].size > e[1].size)
		return out_usage(c, "%s is the later one", argv[0]);
	if (e[0].size == e[1].size) {
		out_say("nothing happened in between");
		return CLI_DONE;
	}
	return between(&k, c, e, json);
}

/* audit: ls, show, verify. Replay is in cmd_replay.c; what leaves with a proof, and witnesses, in cmd_audit_proofs.c. */
#define _GNU_SOURCE
#include "cli/proofs.h"
#include "cli/replay.h"

#include <stdio.h>
#include <string.h>

#define PAGE_RECORDS 512u /* records of one query */

/* What a record is about, in one line: the members that matter, by event. */
static const struct {
	const char *event,
		*keys; /* "label=key" or "key"; a leading '#' shortens a digest, '+' quotes nothing but the value */
} facts[] = {
	{ "init", "vkey" },
	{ "start", "version single_user" },
	{ "stop", "open" },
	{ "trust-add", "+name #key_id" },
	{ "trust-remove", "+name reason" },
	{ "import-intent", "+name n_files bytes" },
	{ "import-verdict", "+name +verdict +code object #model signer" },
	{ "model-remove", "+name #model reason" },
	{ "revoke", "+name #model reason sessions" },
	{ "quarantine", "+name path offset +reason" },
	{ "grant", "+name #model kv_mode ctx_tokens" },
	{ "load", "intent +result +text device" },
	{ "unload", "grant why" },
	{ "session", "+name grant" },
	{ "session-end", "session why" },
	{ "request", "+name #digest replay_of" },
	{ "outcome", "intent +finish n_prompt n_generated #tokens +why" },
	{ "orphan", "intent of +why" },
	{ "log-read", "+what" },
	{ "runtime-lost", "+why requests sessions" },
	{ "witnesses", "witnesses #policy reason" },
	{ "cosign", "size witnesses quorum" },
	{ "contradiction", "size #root" },
};

static void add_fact(char *buf, size_t size, const json_t *o, const char *word, size_t len)
{
	char key[64];
	bool shorten = *word == '#', bare = *word == '+';
	size_t at = strlen(buf);
	snprintf(key, sizeof key, "%.*s", (int)(len - (shorten || bare)), word + (shorten || bare));
	struct cell c = shorten ? lines_short(o, key) : lines_cell(o, key);
	if (c.s[0])
		snprintf(buf + at, size - at, "%s%s%s%.80s", at ? "  " : "", bare ? "" : key, bare ? "" : " ",
			c.s);
}

static void describe(const json_t *o, char *buf, size_t size)
{
	struct cell event = lines_cell(o, "event");
	buf[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (strcmp(facts[i].event, event.s))
			continue;
		for (const char *p = facts[i].keys; *p; p += strspn(p, " ")) {
			size_t n = strcspn(p, " ");
			add_fact(buf, size, o, p, n);
			p += n;
		}
	}
}

static int ls(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	u64 from = 0, count = UINT64_MAX;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL }, { "--from", OPT_U64, &from, NULL },
		{ "--count", OPT_U64, &count, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	int r = ctl_open(c, &k);
	if (r)
		return r;
	struct out_table t = { .n_cols = 4 };
	out_table_row(&t, "INDEX", "TIME", "EVENT", "WHAT", NULL);
	for (u64 got = 1; r == 0 && got && count && !bad;) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		struct ctl_query q = {
			.what = QUERY_RECORDS, .first = from, .count = MIN(count, PAGE_RECORDS)
		};
		r = ctl_query(&k, &q, &a);
		if (r)
			break;
		struct lines l = lines_of(&a.data);
		got = 0;
		for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j), got++) {
			char what[512];
			describe(j, what, sizeof what);
			if (!json)
				out_table_row(&t, lines_cell(j, "index").s, lines_time(j, "time_ns").s,
					lines_cell(j, "event").s, what, NULL);
		}
		if (json)
			lines_print(&a.data);
		from += got;
		count -= MIN(count, got);
		if (got < q.count)
			break;
	}
	if (!json && r == 0)
		out_table_print(&t);
	out_table_fini(&t);
	return bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : r;
}

static int show(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	u64 index;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &index))
		return out_usage(c, "%s: not the index of a record", argv[0]);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r
	      : ctl_query(&k, &(struct ctl_query){ .what = QUERY_RECORD, .first = index, .count = 1 }, &a);
	if (r)
		return r;
	if (json) {
		lines_print(&a.data);
		return CLI_DONE;
	}
	struct lines l = lines_of(&a.data);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j))
		lines_print_object(j, 0);
	return bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : CLI_DONE;
}

static int verify(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_query(&k, &(struct ctl_query){ .what = QUERY_VERIFY }, &a);
	if (json) {
		lines_print(&a.data);
		return r;
	}
	struct lines l = lines_of(&a.data);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j))
		lines_print_object(j, 0);
	if (r == 0)
		out_say("%sthe log is whole%s", "", "");
	return r;
}

int cmd_audit(struct cli *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*func)(struct cli *, int, char **);
	} subs[] = { { "ls", ls }, { "show", show }, { "verify", verify },
		{ "checkpoint", proofs_checkpoint }, { "export", proofs_export },
		{ "receipt", proofs_receipt }, { "witnesses", proofs_witnesses }, { "cosign", proofs_cosign },
		{ "replay", replay_run } };
	for (size_t i = 0; argc && i < ARRAY_LEN(subs); i++)
		if (!strcmp(argv[0], subs[i].name))
			return subs[i].func(c, argc - 1, argv + 1);
	int n;
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 0, INT_MAX }, &n))
		return n;
	return argc ? out_usage(c, "%s: no such question", argv[0]) : out_usage(c, "which question?");
}

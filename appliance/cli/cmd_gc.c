/* gc: what room the stored models take, which of them nobody needs, and their removal, each a record of its own. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/lines.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define DAY_S	     86400u
#define NAMED_DIGITS 64u /* of a digest: as many as a name may have characters */

/* What was typed. */
struct args {
	u64 days;
	bool unused, withdrawn, remove, json;
};

struct sweep {
	const struct args *a;
	struct ctl *k;
	u64 now;	    /* seconds of UTC */
	u64 stored, chosen; /* bytes */
	int status;
	struct out_table t;
};

/* Why a model is chosen, or NULL. What is in use never is. */
static const char *reason_of(const struct sweep *s, json_t *j)
{
	u64 used = lines_u64(j, "used_s");
	if (lines_u64(j, "sessions"))
		return NULL;
	if (strcmp(lines_cell(j, "status").s, "accepted"))
		return s->a->withdrawn ? "cannot be served" : NULL;
	return s->a->unused && s->now >= used && (s->now - used) / DAY_S >= s->a->days ? "not used" : NULL;
}

/* The index of the record; UINT64_MAX: refused, said. */
static u64 remove_model(struct sweep *s, json_t *j, const char *why)
{
	struct proto_name b = { 0 };
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	snprintf(b.name, sizeof b.name, "%.*s", (int)NAMED_DIGITS, lines_cell(j, "model").s);
	snprintf(b.text, sizeof b.text, "gc: %s", why);
	int r = ctl_ask(s->k, CTL_REMOVE, &b, sizeof b, -1, &a);
	s->status = r ? r : s->status;
	return r ? UINT64_MAX : a.end.index;
}

static void say(struct sweep *s, json_t *j, const char *why, u64 index)
{
	char used[32] = "", removed[32] = "";
	time_t at = (time_t)lines_u64(j, "used_s");
	struct tm tm;
	if (localtime_r(&at, &tm))
		strftime(used, sizeof used, "%Y-%m-%d", &tm);
	if (index != UINT64_MAX)
		snprintf(removed, sizeof removed, "%" PRIu64, index);
	if (!s->a->json) {
		out_table_row(&s->t, lines_cell(j, "name").s, lines_cell(j, "status").s,
			out_size(lines_u64(j, "bytes")).s, used, why ? why : "", removed, NULL);
		return;
	}
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s?}", "name", lines_cell(j, "name").s, "model",
		lines_cell(j, "model").s, "status", lines_cell(j, "status").s, "bytes",
		(json_int_t)lines_u64(j, "bytes"), "used_s", (json_int_t)at, "why", why);
	if (o && index != UINT64_MAX)
		json_object_set_new(o, "index", json_integer((json_int_t)index));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static int sweep(struct sweep *s)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	bool bad = false;
	int r = ctl_query(s->k, &(struct ctl_query){ .what = QUERY_MODELS }, &a);
	if (r)
		return r;
	struct lines l = lines_of(&a.data);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j)) {
		if (!json_is_true(json_object_get(j, "stored")))
			continue;
		const char *why = reason_of(s, j);
		s->stored += lines_u64(j, "bytes");
		s->chosen += why ? lines_u64(j, "bytes") : 0;
		say(s, j, why, why && s->a->remove ? remove_model(s, j, why) : UINT64_MAX);
	}
	return bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : s->status;
}

int cmd_gc(struct cli *c, int argc, char **argv)
{
	struct args a = { 0 };
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	int n;
	const struct opt opts[] = { { "--unused", OPT_U64, &a.days, &a.unused },
		{ "--withdrawn", OPT_FLAG, &a.withdrawn, NULL }, { "--remove", OPT_FLAG, &a.remove, NULL },
		{ "--json", OPT_FLAG, &a.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (a.remove && !a.unused && !a.withdrawn)
		return out_usage(c, "--remove: of which models? --unused DAYS, --withdrawn or both");
	int r = ctl_open(c, &k);
	if (r)
		return r;
	struct sweep s = { .a = &a, .k = &k, .now = (u64)time(NULL), .t = { .n_cols = 6 } };
	out_table_row(
		&s.t, "NAME", "STATE", "SIZE", "USED", a.remove ? "CHOSEN" : "WOULD GO", "RECORD", NULL);
	r = sweep(&s);
	if (a.json || !s.stored)
		out_table_fini(&s.t);
	else
		out_table_print(&s.t);
	if (!a.json)
		out_say("%s in the store; %s %s", out_size(s.stored).s, out_size(s.chosen).s,
			a.remove ? "were chosen" : "would go with --remove");
	return r;
}

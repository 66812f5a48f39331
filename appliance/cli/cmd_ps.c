/* ps, stop: what is loaded and who uses it; ending it. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/look.h"

#include <inttypes.h>
#include <string.h>

/* How many guesses at next tokens were right: who watches the machine is told. Of a draft model: for which model it guesses. */
static struct cell guesses(const json_t *grants, const json_t *g)
{
	struct cell c = { "-" };
	struct cell target = lines_drafts_for(grants, g);
	if (target.s[0])
		snprintf(c.s, sizeof c.s, "for %.100s", target.s);
	else if (json_object_get(g, "drafted_tokens"))
		snprintf(c.s, sizeof c.s, "%" PRIu64 " of %" PRIu64, lines_u64(g, "accepted_tokens"),
			lines_u64(g, "drafted_tokens"));
	return c;
}

/* How many run, and how many of the open ones wait, if any do. */
static struct cell under_way(const json_t *j)
{
	struct cell c = { "-" };
	u64 waiting = lines_u64(j, "requests_waiting");
	if (json_object_get(j, "requests_running"))
		snprintf(c.s, sizeof c.s, "%" PRIu64, lines_u64(j, "requests_running"));
	if (waiting)
		snprintf(c.s, sizeof c.s, "%" PRIu64 ", %" PRIu64 " wait", lines_u64(j, "requests_running"),
			waiting);
	return c;
}

static struct cell speed(const json_t *j)
{
	struct cell c = { "-" };
	double v = json_number_value(json_object_get(j, "generated_tokens_s"));
	if (v > 0)
		snprintf(c.s, sizeof c.s, "%.1f", v);
	return c;
}

static void print_grants(json_t *grants)
{
	struct out_table t = { .n_cols = 9 };
	json_t *g;
	size_t i;
	out_table_row(&t, "MODEL", "STATE", "DEVICE", "CONTEXT", "MEMORY", "SESSIONS", "REQUESTS", "TOKENS/S",
		"GUESSES", NULL);
	json_array_foreach(grants, i, g)
	{
		u64 bytes =
			lines_u64(g, "weight_bytes") + lines_u64(g, "kv_bytes") + lines_u64(g, "work_bytes");
		out_table_row(&t, lines_cell(g, "name").s, lines_cell(g, "state").s,
			lines_cell(g, "device").s, lines_cell(g, "ctx_tokens").s, out_size(bytes).s,
			lines_cell(g, "sessions").s, under_way(g).s, speed(g).s, guesses(grants, g).s, NULL);
	}
	out_table_print(&t);
}

static void print_sessions(json_t *sessions)
{
	struct out_table t = { .n_cols = 6 };
	json_t *s;
	size_t i;
	if (!json_array_size(sessions))
		return;
	putchar('\n');
	out_table_row(&t, "SESSION", "MODEL", "FOR", "PID", "REQUESTS", "TOKENS/S", NULL);
	json_array_foreach(sessions, i, s) out_table_row(&t, lines_cell(s, "session").s,
		lines_cell(s, "name").s, lines_cell(s, "principal").s, lines_cell(s, "pid").s, under_way(s).s,
		speed(s).s, NULL);
	out_table_print(&t);
}

int cmd_ps(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	json_t *j;
	if (!look_open(&(struct look_verb){ c, argc, argv, QUERY_STATUS, LOOK_ALONE }, &l) ||
		!(j = look_next(&l)))
		return l.status;
	json_t *grants = json_object_get(j, "grants"), *sessions = json_object_get(j, "sessions");
	if (l.json) {
		json_t *o = json_pack("{s:O, s:O}", "grants", grants, "sessions", sessions);
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (!json_array_size(grants)) {
		out_say("nothing is loaded");
	} else {
		print_grants(grants);
		print_sessions(sessions);
	}
	return l.status;
}

int cmd_stop(struct cli *c, int argc, char **argv)
{
	const char *reason = "";
	struct proto_name b = { 0 };
	int n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	const struct opt opts[] = { { "--reason", OPT_STR, &reason, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (bytes_put_str(b.name, sizeof b.name, argv[0]))
		return out_fail(CLI_USAGE, "%s: a name has at most %u characters", argv[0], NAME_LEN_MAX);
	if (bytes_put_str(b.text, sizeof b.text, reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	int r = ctl_open(c, &k);
	r = r ? r : ctl_ask(&k, CTL_STOP, &b, sizeof b, -1, &a);
	if (!r)
		out_say("%s, record %" PRIu64, a.end.text, a.end.index);
	return r;
}

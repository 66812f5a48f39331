#define _GNU_SOURCE
#include "attest/policy.h"
#include "cli/look.h"

#include <inttypes.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400u
/* After so long a witnessed checkpoint is too old to keep quiet about. */
#define WITNESS_OLD_S (7 * DAY_S)
/* Before a certificate's end, when keepd records that too. */
#define TLS_SOON_S (30 * DAY_S)

static void row(const char *name, const char *fmt, ...) _printf_(2, 3);
static void row(const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printf("  %s%-9s%s ", out_style(1, OUT_DIM), name, out_style(1, OUT_PLAIN));
	out_text(1, text, strlen(text));
	putchar('\n');
}

static void print_clock(const json_t *j)
{
	char judged[24], behind[80] = "";
	attest_time_text(lines_u64(j, "judged_s"), judged);
	if (lines_u64(j, "behind_s"))
		snprintf(behind, sizeof behind, "; the wall clock is %llu s behind the floor clock",
			(unsigned long long)lines_u64(j, "behind_s"));
	row("time", "%s, by the %s clock%s", judged, lines_cell(j, "by").s, behind);
}

static void print_gate(const json_t *j)
{
	struct cell why = lines_cell(j, "why");
	row("gate", "%s%s%s", lines_cell(j, "gate").s, why.s[0] ? ": " : "", why.s);
	row("users", "%s",
		json_is_true(json_object_get(j, "single_user")) ? "one, who has all roles"
								: "by group and enrolment (keep role ls)");
	if (lines_u64(j, "pending"))
		row("pending", "%s proposals wait for a second person (keep pending)",
			lines_cell(j, "pending").s);
}

static void print_log(const json_t *j)
{
	row("log", "%s records, root %.24s...", lines_cell(j, "log_size").s, lines_cell(j, "log_root").s);
	u64 age = lines_u64(j, "witnessed_age_s");
	if (lines_u64(j, "witnesses") == 0)
		row("witness",
			"none: nobody else could tell that the log was rolled back (keep audit witnesses)");
	else if (!json_object_get(j, "witnessed_age_s"))
		row("witness",
			"no checkpoint is witnessed yet: keep audit checkpoint --old 0, keep audit cosign");
	else
		row("witness", "%s of the records were seen %" PRIu64 " days ago%s",
			lines_cell(j, "witnessed_size").s, age / DAY_S,
			age > WITNESS_OLD_S ? ": carry a newer checkpoint to the witnesses" : "");
	row("disk", "%s free of %s, %s kept for the log; %s in reserve%s",
		out_size(lines_u64(j, "disk_free")).s, out_size(lines_u64(j, "disk_total")).s,
		out_size(lines_u64(j, "disk_kept")).s, out_size(lines_u64(j, "disk_reserve")).s,
		lines_u64(j, "disk_mark") >= 95	  ? ": almost full, make room now"
		: lines_u64(j, "disk_mark") >= 75 ? ": three quarters full"
						  : "");
}

static void print_trust(const json_t *j)
{
	json_t *tls = json_object_get(j, "tls");
	if (tls)
		row("tls", "certificate of %s, %" PRIu64 " days%s", lines_cell(tls, "subject").s,
			lines_u64(tls, "left_s") / DAY_S,
			lines_u64(tls, "left_s") < TLS_SOON_S ? ": ends soon (keep tls csr)" : "");
	row("policy", "%s",
		lines_cell(j, "policy").s[0] ? lines_cell(j, "policy").s
					     : "none was set: any trusted signer is enough");
	row("models", "%s; trusted keys %s", lines_cell(j, "models").s, lines_cell(j, "trusted_keys").s);
}

static void print_use(const json_t *j)
{
	row("runtime", "%s",
		json_is_true(json_object_get(j, "runtime")) ? "connected"
							    : "not connected; the first request does that");
	size_t i;
	json_t *g;
	json_array_foreach(json_object_get(j, "grants"), i, g)
	{
		struct cell target = lines_drafts_for(json_object_get(j, "grants"), g);
		row("grant", "%s: %s on %s, %s cache, %s positions, %s%s", lines_cell(g, "name").s,
			lines_cell(g, "state").s, lines_cell(g, "device").s, lines_cell(g, "kv_mode").s,
			lines_cell(g, "ctx_tokens").s,
			target.s[0] ? "guesses for " : lines_cell(g, "sessions").s,
			target.s[0] ? target.s : " sessions");
	}
	json_array_foreach(json_object_get(j, "sessions"), i, g)
		row("session", "%s: user %s, process %s, %s requests open", lines_cell(g, "name").s,
			lines_cell(g, "uid").s, lines_cell(g, "pid").s, lines_cell(g, "requests_open").s);
	if (json_is_true(json_object_get(j, "importing")))
		row("import", "one is being verified");
}

static void print_all(const json_t *j)
{
	print_gate(j);
	print_log(j);
	print_clock(json_object_get(j, "clock"));
	print_trust(j);
	print_use(j);
}

int cmd_status(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_STATUS, LOOK_ALONE }, &l))
		return l.status;
	bool up = l.k.hold < 0;
	printf("%s%s%s at %s\n", out_style(1, up ? OUT_GOOD : OUT_WARN), up ? "up" : "not up",
		out_style(1, OUT_PLAIN), l.k.app.root);
	for (json_t *j; (j = look_next(&l));)
		print_all(j);
	if (!up)
		out_next("keep up");
	return l.status;
}

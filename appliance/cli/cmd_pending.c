/* propose, pending, approve, reject: what needs two people. */
#define _GNU_SOURCE
#include "attest/policy.h"
#include "base/bytes.h"
#include "cli/look.h"
#include "cli/person.h"

#include <string.h>

static const struct act {
	const char *name;
	u32 type;
	bool model; /* it is about a model */
} acts[] = { { "lift", CTL_LIFT, true }, { "serve", CTL_SERVE, true }, { "rotate", CTL_ROTATE, false } };

int cmd_propose(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	const struct act *a = NULL;
	struct proto_name p = { 0 };
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 2 }, &n))
		return n;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (!strcmp(argv[0], acts[i].name))
			a = &acts[i];
	if (!a || n != (a->model ? 2 : 1))
		return a ? out_usage(c, a->model ? "%s: which model?" : "%s: takes no name", a->name)
			 : out_usage(c, "%s: lift, serve or rotate", argv[0]);
	if (bytes_put_str(p.name, sizeof p.name, a->model ? argv[1] : "") ||
		bytes_put_str(p.text, sizeof p.text, o.reason))
		return out_fail(CLI_USAGE, "%s: name or reason is too long", argv[0]);
	return person_ask(c, &o, &(struct person_command){ a->type, &p, sizeof p, -1 });
}

/* What exactly waits: all that its index, act and object do not say. */
static void exactly(const json_t *j)
{
	const json_t *detail = json_object_get(j, "detail");
	struct cell file = lines_cell(j, "file");
	if (!json_object_size(detail) && !file.s[0])
		return;
	printf("\n%s %s %s\n", lines_cell(j, "index").s, lines_cell(j, "act").s, lines_cell(j, "object").s);
	if (file.s[0])
		printf("    file, %s bytes: SHA-256 %s\n", lines_cell(j, "file_bytes").s, file.s);
	lines_print_object(detail, 4);
}

int cmd_pending(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_PENDING, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 6 };
	out_table_row(&t, "INDEX", "ACT", "ABOUT", "BY", "UNTIL", "REASON", NULL);
	for (json_t *j; (j = look_next(&l));) {
		char until[24];
		struct cell person = lines_cell(j, "person"), uid = lines_cell(j, "uid");
		attest_time_text(lines_u64(j, "expires_s"), until);
		out_table_row(&t, lines_cell(j, "index").s, lines_cell(j, "act").s, lines_cell(j, "object").s,
			person.s[0] ? person.s : uid.s, until, lines_cell(j, "reason").s, NULL);
	}
	out_table_print(&t);
	l.l = lines_of(&l.a.data);
	for (json_t *j; (j = look_next(&l));)
		exactly(j);
	if (!l.n)
		out_say("nothing waits for a second person");
	return l.status;
}

/* The digest of the proposal as keepd lists it now: what is signed is what was there to be read. */
static int listed(struct ctl *k, u64 index, bool json, struct proto_decide *d)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_query(k, &(struct ctl_query){ .what = QUERY_PENDING }, &a);
	if (r)
		return r;
	bool bad = false, found = false;
	struct lines l = lines_of(&a.data);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j))
		if (lines_u64(j, "index") == index) {
			struct cell digest = lines_cell(j, "act_digest");
			found = strlen(digest.s) == 2 * sizeof d->digest &&
				bytes_unhex(digest.s, sizeof d->digest, d->digest) == 0;
			out_say("%s %s, proposed by %s: %s", lines_cell(j, "act").s,
				lines_cell(j, "object").s,
				lines_cell(j, lines_cell(j, "person").s[0] ? "person" : "uid").s,
				lines_cell(j, "reason").s);
			if (!json)
				exactly(j);
		}
	if (bad)
		return out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
	return found ? 0
		     : out_fail(CLI_REFUSED, "proposal %llu: none waits under that index",
			       (unsigned long long)index);
}

static int decide(struct cli *c, int argc, char **argv, bool approve)
{
	struct person_opts o = PERSON_OPTS_NONE;
	struct proto_decide d = { .approve = approve };
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &d.index))
		return out_usage(c, "%s: not the index of a record", argv[0]);
	if (bytes_put_str(d.text, sizeof d.text, o.reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : listed(&k, d.index, o.json, &d);
	r = r ? r : person_sign(&k, o.key, &(struct person_command){ CTL_DECIDE, &d, sizeof d, -1 });
	r = r ? r : ctl_ask(&k, CTL_DECIDE, &d, sizeof d, -1, &a);
	if (!r && o.json)
		printf("{\"index\":%llu}\n", (unsigned long long)a.end.index);
	else if (!r)
		out_say("%s", a.end.text);
	return r;
}

int cmd_approve(struct cli *c, int argc, char **argv)
{
	return decide(c, argc, argv, true);
}

int cmd_reject(struct cli *c, int argc, char **argv)
{
	return decide(c, argc, argv, false);
}

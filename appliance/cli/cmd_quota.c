/* quota check, set, show, ls. The first needs no appliance. */
#define _GNU_SOURCE
#include "base/quota.h"
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/look.h"
#include "cli/model.h"
#include "cli/person.h"

#include <stdio.h>
#include <string.h>

/* ---- check ----------------------------------------------------------------------------------------------------------------- */

static int check_json(const char *path, const struct quota *q, const struct quota_error *e)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "path", path);
	jsonw_kv_bool(&w, "ok", !e->text[0]);
	jsonw_kv_u64(&w, "sections", q->n);
	if (e->text[0]) {
		jsonw_kv_u64(&w, "line", e->line);
		jsonw_kv_str(&w, "text", e->text);
	}
	return out_json(&w);
}

/* Read and parse; what is wrong is said. 0; otherwise an exit status. */
static int check_file(const char *path, bool json, bool say_good)
{
	static struct quota q;
	struct quota_error e = { 0 };
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = model_read_file(path, QUOTA_FILE_BYTES_MAX, &data, &len);
	if (r)
		return r;
	if (!len)
		e = (struct quota_error){ 1, "the file is empty" };
	r = !len || quota_parse((const char *)data, len, &q, &e);
	int said = CLI_DONE;
	if (json && (say_good || r))
		said = check_json(path, &q, &e);
	else if (r)
		out_say("%s:%u: %s", path, e.line, e.text);
	else if (say_good)
		printf("%s: good, %u sections\n", path, q.n);
	return said ? said : r ? CLI_REFUSED : CLI_DONE;
}

static int check(struct cli *c, int argc, char **argv)
{
	bool json = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	return check_file(argv[0], json, true);
}

/* ---- set ------------------------------------------------------------------------------------------------------------------- */

static int check_to_set(const char *path, bool json)
{
	return check_file(path, json, false);
}

static int set(struct cli *c, int argc, char **argv)
{
	return person_install(c, argc, argv,
		&(struct person_file){ CTL_QUOTA_SET, check_to_set, "the quotas from now on" });
}

/* ---- show, ls -------------------------------------------------------------------------------------------------------------- */

static int show(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_QUOTA, LOOK_ALONE }, &l))
		return l.status;
	const json_t *j = look_next(&l);
	const char *text = json_string_value(json_object_get(j, "text"));
	if (!text)
		return l.status ? l.status : out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
	if (json_is_true(json_object_get(j, "set")))
		out_text(1, text, strlen(text));
	else
		out_say("none were set: everybody who may use models uses them without limits");
	return CLI_DONE;
}

/* "12/500", "12" where nothing limits it. */
struct used {
	char s[48];
};
static struct used used(const json_t *j, const char *key, const char *limit)
{
	struct used u;
	if (json_object_get(j, limit))
		snprintf(u.s, sizeof u.s, "%llu/%llu", (unsigned long long)lines_u64(j, key),
			(unsigned long long)lines_u64(j, limit));
	else
		snprintf(u.s, sizeof u.s, "%llu", (unsigned long long)lines_u64(j, key));
	return u;
}

static int ls(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_USAGE, LOOK_ALONE }, &l))
		return l.status;
	printf("%-28s %5s %9s %12s %14s %18s\n", "PRINCIPAL", "LINE", "RUNNING", "REQUESTS/MIN", "TOKENS/MIN",
		"TOKENS/DAY");
	for (json_t *j; (j = look_next(&l));)
		printf("%-28s %5s %9s %12s %14s %18s\n", lines_cell(j, "principal").s,
			lines_u64(j, "line") ? lines_cell(j, "line").s : "-",
			used(j, "running", "parallel").s, used(j, "minute_requests", "requests_per_minute").s,
			used(j, "minute_tokens", "tokens_per_minute").s,
			used(j, "day_tokens", "tokens_per_day").s);
	return l.status;
}

int cmd_quota(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "check", check }, { "set", set }, { "show", show },
		{ "ls", ls } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

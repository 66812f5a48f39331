/* policy check, show, set, explain. The first needs no appliance. */
#define _GNU_SOURCE
#include "attest/policy.h"
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/look.h"
#include "cli/person.h"
#include "cli/model.h"

#include <stdio.h>
#include <string.h>

static void policy_free(struct attest_policy **p)
{
	*p = attest_policy_free(*p);
}

/* ---- check -------------------------------------------------------------------------------------------------------------------- */

static void check_people(const char *path, const struct attest_policy_errors *e)
{
	for (u32 i = 0; i < e->n; i++)
		out_say("%s:%u: %s", path, e->v[i].line, e->v[i].text);
	if (e->more)
		out_say("%s: %u more errors", path, e->more);
}

static int check_json(const char *path, const struct attest_policy *p, const struct attest_policy_errors *e)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "path", path);
	jsonw_kv_bool(&w, "ok", p != NULL);
	jsonw_kv_hex(&w, "policy", p ? attest_policy_digest(p) : (const u8 *)"", p ? SHA256_BYTES : 0);
	jsonw_key(&w, "errors");
	jsonw_array(&w);
	for (u32 i = 0; i < e->n; i++) {
		jsonw_object(&w);
		jsonw_kv_u64(&w, "line", e->v[i].line);
		jsonw_kv_str(&w, "text", e->v[i].text);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_kv_u64(&w, "more", e->more);
	return out_json(&w);
}

/* Read and parse; what is wrong is said. 0; otherwise an exit status. */
static int check_file(const char *path, bool json, bool say_good)
{
	_cleanup_(policy_free) struct attest_policy *p = NULL;
	_cleanup_free_ u8 *data = NULL;
	struct attest_policy_errors e;
	size_t len;
	int r = model_read_file(path, POLICY_FILE_BYTES_MAX, &data, &len);
	if (r)
		return r;
	r = attest_policy_parse(data, len, &p, &e);
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	int said = CLI_DONE;
	if (json && (say_good || r))
		said = check_json(path, p, &e);
	else if (!json)
		check_people(path, &e);
	if (said || r)
		return said ? said : CLI_REFUSED;
	char hex[2 * SHA256_BYTES + 1];
	bytes_hex(attest_policy_digest(p), SHA256_BYTES, hex);
	if (say_good && !json)
		printf("%s: good, SHA-256 %s\n", path, hex);
	return CLI_DONE;
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

/* ---- show, set ------------------------------------------------------------------------------------------------------------------ */

static int show_default_json(void)
{
	struct jsonw w;
	u8 digest[SHA256_BYTES];
	sha256_of(attest_policy_default, strlen(attest_policy_default), digest);
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_bool(&w, "set", false);
	jsonw_kv_hex(&w, "policy", digest, sizeof digest);
	jsonw_kv_str(&w, "text", attest_policy_default);
	return out_json(&w);
}

static int show(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_open(&(struct look_verb){ c, argc, argv, QUERY_POLICY, LOOK_ALONE }, &l))
		return l.status;
	const json_t *j = look_next(&l);
	const char *text = json_string_value(json_object_get(j, "text"));
	if (!text)
		return l.status ? l.status : out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
	bool set = json_is_true(json_object_get(j, "set"));
	if (l.json && set)
		lines_print(&l.a.data);
	else if (l.json)
		return show_default_json();
	else
		out_text(1, set ? text : attest_policy_default, strlen(set ? text : attest_policy_default));
	if (!l.json && !set)
		out_say("none was set; this is what holds then");
	return CLI_DONE;
}

static int check_to_set(const char *path, bool json)
{
	return check_file(path, json, false);
}

static int set(struct cli *c, int argc, char **argv)
{
	return person_install(c, argc, argv,
		&(struct person_file){
			CTL_POLICY_SET, check_to_set, "the policy from now on; models that are here stay" });
}

/* ---- explain -------------------------------------------------------------------------------------------------------------------- */

static int explain(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_name b = { 0 };
	if (bytes_put_str(b.name, sizeof b.name, argv[0]))
		return out_fail(CLI_USAGE, "%s: a name has at most %u characters", argv[0], NAME_LEN_MAX);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer stored = CTL_ANSWER_NONE, a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_query(&k, &(struct ctl_query){ .what = QUERY_MODEL, .name = argv[0] }, &stored);
	r = r ? r : ctl_send(&k, CTL_EXPLAIN, 0, &b, sizeof b, -1);
	r = r ? r : ctl_finish(&k, &a);
	if (r)
		return r;
	if (!a.has_verdict) {
		out_say("%s", a.end.text[0] ? a.end.text : "refused");
		return (int)a.end.status;
	}
	struct lines l = lines_of(&stored.data);
	_cleanup_json_ json_t *j = lines_next(&l, &bad);
	if (!json) {
		printf("%s: %s by record %s, under policy %.12s...; today it would be %s\n", argv[0],
			lines_cell(j, "status").s, lines_cell(j, "index").s, lines_cell(j, "policy").s,
			a.verdict.verdict == ATTEST_ACCEPTED ? "accepted" : "refused");
	}
	struct model_grounds g = { a.signers, a.rules, a.n_signers, a.n_rules };
	return model_say_grounded(&a.verdict, &g, argv[0], json, UINT64_MAX);
}

int cmd_policy(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "check", check }, { "show", show }, { "set", set },
		{ "explain", explain } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

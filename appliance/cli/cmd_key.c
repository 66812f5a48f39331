/* key, access: ways in over the network, by API key and by certificate. */
#define _GNU_SOURCE
#include "base/access.h"
#include "base/bytes.h"
#include "cli/look.h"
#include "cli/person.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define DAYS_DEFAULT 365u

/* What the options of both said. */
struct adding {
	const char *principal, *role, *models, *reason, *sign;
	const char *ca, *san, *issuer, *policy_oid;
	struct opt_list uses;
	u32 days;
	bool json;
};

/* 0; otherwise an exit status, said. */
static int put(char *field, size_t size, const char *option, const char *value)
{
	if (value && bytes_put_str(field, size, value))
		return out_fail(CLI_USAGE, "%s: at most %zu bytes", option, size - 1);
	return 0;
}

static int role_put(const char *word, struct proto_access *a)
{
	static const struct {
		const char *word;
		u32 role;
	} roles[] = { { "user", ROLE_USER }, { "operator", ROLE_OPERATOR }, { "officer", ROLE_OFFICER },
		{ "auditor", ROLE_AUDITOR } };
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (!strcmp(word, roles[i].word))
			a->role = roles[i].role;
	return a->role ? 0 : out_fail(CLI_USAGE, "--role: user, operator, officer or auditor");
}

static int uses_put(const struct opt_list *l, struct proto_access *a)
{
	for (size_t i = 0; i < l->n; i++) {
		u32 bit = USE_CONSOLE;
		while (bit && strcmp(l->v[i], access_use_name(bit)))
			bit >>= 1;
		if (!bit)
			return out_fail(CLI_USAGE, "--use: generate, count, list or console");
		a->uses |= bit;
	}
	if (!l->n)
		a->uses = USE_ALL;
	return 0;
}

/* The frame but for what a key is. 0; otherwise an exit status, said. */
static int fill(const char *name, const struct adding *o, u32 kind, struct proto_access *a)
{
	a->kind = kind;
	int r = put(a->name, NAME_LEN_MAX + 1, "NAME", name);
	r = r ? r : put(a->principal, NAME_LEN_MAX + 1, "--for", o->principal);
	r = r ? r : put(a->models, NAME_LEN_MAX + 1, "--models", o->models);
	r = r ? r : put(a->text, sizeof a->text, "--reason", o->reason);
	r = r ? r : put(a->ca, NAME_LEN_MAX + 1, "--ca", o->ca);
	r = r ? r : put(a->san, sizeof a->san, "--san", o->san);
	r = r ? r : put(a->issuer, sizeof a->issuer, "--issuer", o->issuer);
	r = r ? r : put(a->policy_oid, sizeof a->policy_oid, "--policy-oid", o->policy_oid);
	r = r ? r : role_put(o->role, a);
	return r ? r : uses_put(&o->uses, a);
}

/* Ask keepd for it; *ret_waits: a second person must say so first. An exit status. */
static int send(struct cli *c, const char *sign, const struct proto_access *a, struct ctl_answer *ret,
	bool *ret_waits)
{
	const char *bad = access_check(a);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	if (bad)
		return out_fail(CLI_USAGE, "%s: %s", a->name, bad);
	int r = ctl_open(c, &k);
	r = r ? r : person_sign(&k, sign, &(struct person_command){ CTL_ACCESS_ADD, a, sizeof *a, -1 });
	r = r ? r : ctl_ask(&k, CTL_ACCESS_ADD, a, sizeof *a, -1, ret);
	*ret_waits = !r && person_proposed(ret);
	return r;
}

/* ---- keys ---- */

static void key_print(const struct adding *o, const struct proto_access *a, const char *text, u64 index)
{
	if (!o->json) {
		printf("%s\n", text);
		return;
	}
	printf("{\"name\":\"%s\",\"principal\":\"%s\",\"expires_s\":%llu,\"index\":%llu,\"key\":\"%s\"}\n",
		a->name, a->principal, (unsigned long long)a->expires_s, (unsigned long long)index, text);
}

static int key_make(struct cli *c, const struct adding *o, struct proto_access *a)
{
	u8 secret[ACCESS_SECRET_BYTES], proof[SHA256_BYTES];
	char text[ACCESS_KEY_TEXT_SIZE];
	bool waits = false;
	_cleanup_answer_ struct ctl_answer answer = CTL_ANSWER_NONE;
	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return out_fail(CLI_UNDECIDED, "no random numbers: %s", out_reason(-errno));
	access_key_proof(secret, proof);
	access_key_hash(proof, a->hash);
	a->expires_s = (u64)time(NULL) + o->days * 86400ull;
	int r = send(c, o->sign, a, &answer, &waits);
	if (!r) {
		access_key_text(a->name, secret, text);
		key_print(o, a, text, answer.end.index);
		r = fflush(stdout) ? CLI_UNDECIDED : CLI_DONE;
		out_say("%s: a key of %s%s; it is shown this once", a->name, a->principal,
			waits ? ", when a second person has approved it" : "");
	}
	explicit_bzero(secret, sizeof secret);
	explicit_bzero(proof, sizeof proof);
	explicit_bzero(text, sizeof text);
	return r;
}

static int key_add(struct cli *c, int argc, char **argv)
{
	struct adding o = { .role = "user", .days = DAYS_DEFAULT };
	struct proto_access a = { 0 };
	int n;
	const struct opt opts[] = { { "--for", OPT_STR, &o.principal, NULL },
		{ "--role", OPT_STR, &o.role, NULL }, { "--days", OPT_U32, &o.days, NULL },
		{ "--models", OPT_STR, &o.models, NULL }, { "--use", OPT_LIST, &o.uses, NULL },
		{ "--reason", OPT_STR, &o.reason, NULL }, { "--sign-with", OPT_STR, &o.sign, NULL },
		{ "--json", OPT_FLAG, &o.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!o.principal)
		return out_usage(c, "--for is needed: whose key it is");
	if (!o.days || o.days > ACCESS_KEY_DAYS_MAX)
		return out_fail(CLI_USAGE, "--days: 1 to %u", ACCESS_KEY_DAYS_MAX);
	int r = fill(argv[0], &o, ACCESS_KEY, &a);
	return r ? r : key_make(c, &o, &a);
}

/* ---- certificates ---- */

static int cert_add(struct cli *c, int argc, char **argv)
{
	struct adding o = { .role = "user" };
	struct proto_access a = { 0 };
	bool waits = false;
	int n;
	const struct opt opts[] = { { "--ca", OPT_STR, &o.ca, NULL }, { "--san", OPT_STR, &o.san, NULL },
		{ "--issuer", OPT_STR, &o.issuer, NULL }, { "--policy-oid", OPT_STR, &o.policy_oid, NULL },
		{ "--for", OPT_STR, &o.principal, NULL }, { "--role", OPT_STR, &o.role, NULL },
		{ "--models", OPT_STR, &o.models, NULL }, { "--use", OPT_LIST, &o.uses, NULL },
		{ "--reason", OPT_STR, &o.reason, NULL }, { "--sign-with", OPT_STR, &o.sign, NULL } };
	_cleanup_answer_ struct ctl_answer answer = CTL_ANSWER_NONE;
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!o.ca)
		return out_usage(c, "--ca is needed: the trust root that vouches for the certificate");
	int r = fill(argv[0], &o, ACCESS_CERT, &a);
	r = r ? r : send(c, o.sign, &a, &answer, &waits);
	if (!r && !waits)
		out_say("%s: record %llu", argv[0], (unsigned long long)answer.end.index);
	return r;
}

/* ---- both ---- */

static int rm(struct cli *c, int argc, char **argv)
{
	return person_named(c, argc, argv, CTL_ACCESS_RM);
}

static struct cell uses_of(const json_t *j)
{
	struct cell c = { "" };
	size_t i, n = 0;
	json_t *use;
	json_array_foreach(json_object_get(j, "uses"), i, use) if (n < sizeof c.s && json_is_string(use)) n +=
		(size_t)snprintf(c.s + n, sizeof c.s - n, "%s%.20s", n ? ", " : "", json_string_value(use));
	return c;
}

static struct cell until_of(const json_t *j)
{
	struct cell c = { "" };
	time_t t = (time_t)lines_u64(j, "expires_s");
	struct tm tm;
	if (!t || !gmtime_r(&t, &tm))
		return c;
	strftime(c.s, sizeof c.s, "%Y-%m-%d", &tm);
	if (json_is_true(json_object_get(j, "expired")))
		strcat(c.s, " (over)");
	return c;
}

static int list(struct cli *c, int argc, char **argv, const char *kind)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	bool key = !strcmp(kind, "key");
	if (!look_open(&(struct look_verb){ c, argc, argv, QUERY_ACCESS, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 7 };
	out_table_row(&t, "NAME", "PRINCIPAL", "ROLE", "MODELS", "USE", key ? "UNTIL" : "CERTIFICATE",
		"RECORD", NULL);
	u64 n = 0;
	for (json_t *j; (j = look_next(&l));) {
		if (strcmp(lines_cell(j, "kind").s, kind))
			continue;
		n++;
		if (l.json) {
			json_dumpf(j, stdout, JSON_COMPACT);
			putchar('\n');
			continue;
		}
		char cert[512];
		struct cell san = lines_cell(j, "san"), issuer = lines_cell(j, "issuer"),
			    oid = lines_cell(j, "policy_oid");
		snprintf(cert, sizeof cert, "%.64s%s%.120s%s%.120s%s%.64s", lines_cell(j, "ca").s,
			san.s[0] ? ", " : "", san.s, issuer.s[0] ? ", issuer " : "", issuer.s,
			oid.s[0] ? ", policy " : "", oid.s);
		struct cell models = lines_cell(j, "models"), who = lines_cell(j, "principal");
		out_table_row(&t, lines_cell(j, "name").s, who.s[0] ? who.s : "the name",
			lines_cell(j, "person_role").s, models.s[0] ? models.s : "*", uses_of(j).s,
			key ? until_of(j).s : cert, lines_cell(j, "index").s, NULL);
	}
	if (l.json)
		out_table_fini(&t);
	else
		out_table_print(&t);
	if (!n)
		out_next(key ? "keep key add NAME --for PRINCIPAL"
			     : "keep access add NAME --ca ROOT --san KIND:NAME");
	return l.status;
}

static int key_ls(struct cli *c, int argc, char **argv)
{
	return list(c, argc, argv, "key");
}

static int cert_ls(struct cli *c, int argc, char **argv)
{
	return list(c, argc, argv, "rule");
}

int cmd_key(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "add", key_add }, { "ls", key_ls }, { "revoke", rm } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

int cmd_access(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "add", cert_add }, { "ls", cert_ls }, { "rm", rm } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

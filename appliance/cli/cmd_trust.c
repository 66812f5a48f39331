#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/look.h"
#include "cli/person.h"
#include "cli/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the options of "trust add" said. */
struct adding {
	const char *files[TRUST_CLIENTS + 1]; /* by enum trust_kind */
	struct model_pins pins;
	const char *models, *serves;
	bool replace;
};

/* 0; otherwise an exit status, said. */
static int field_put(char *field, size_t size, const char *option, const char *value)
{
	if (value && bytes_put_str(field, size, value))
		return out_fail(CLI_USAGE, "%s: at most %zu bytes", option, size - 1);
	return 0;
}

/* The frame, and which file goes with it. 0; otherwise an exit status, said. */
static int adding_read(const struct cli *c, const struct adding *a, const char *name, struct proto_trust *t,
	const char **ret_file)
{
	for (u32 kind = TRUST_KEY; kind <= TRUST_CLIENTS; kind++) {
		if (!a->files[kind])
			continue;
		if (t->kind)
			return out_usage(c,
				"one of --key, --root, --trusted-root, --crl, --tsa and --clients at a time");
		t->kind = kind;
		*ret_file = a->files[kind];
	}
	if (!t->kind)
		return out_usage(c, "--key, --root, --trusted-root, --crl, --tsa or --clients is needed");
	bool pins = model_pins_any(&a->pins);
	bool leads = t->kind == TRUST_ROOT || t->kind == TRUST_SIGSTORE;
	if (pins != leads)
		return out_usage(c, leads ? "a root needs a pin: --identity, --identity-provider, --issuer, "
					    "--policy-oid or --leaf"
					  : "only roots take pins");
	if (a->serves && t->kind != TRUST_CRL && t->kind != TRUST_TSA)
		return out_usage(c, "--for is for --crl and --tsa");
	if (!bytes_name_ok(name) || bytes_put_str(t->name, sizeof t->name, name))
		return out_fail(CLI_USAGE,
			"%s: a name is 1 to %u of a-z 0-9 . _ - and does not start with . or -", name,
			NAME_LEN_MAX);
	if (a->models && a->models[strspn(a->models, "abcdefghijklmnopqrstuvwxyz0123456789._-*?")])
		return out_fail(CLI_USAGE, "--models: a pattern is made of a-z 0-9 . _ - * ?");
	t->replace = a->replace;
	int r = field_put(t->models, NAME_LEN_MAX + 1, "--models", a->models);
	r = r ? r : field_put(t->serves, NAME_LEN_MAX + 1, "--for", a->serves);
	return r ? r : model_read_pins(c, &a->pins, &t->identity);
}

static int add(struct cli *c, int argc, char **argv)
{
	struct adding a = { 0 };
	const char *file = NULL, *sign = NULL;
	int n;
	const struct opt opts[] = { { "--sign-with", OPT_STR, &sign, NULL },
		{ "--key", OPT_STR, &a.files[TRUST_KEY], NULL },
		{ "--root", OPT_STR, &a.files[TRUST_ROOT], NULL },
		{ "--trusted-root", OPT_STR, &a.files[TRUST_SIGSTORE], NULL },
		{ "--crl", OPT_STR, &a.files[TRUST_CRL], NULL },
		{ "--tsa", OPT_STR, &a.files[TRUST_TSA], NULL },
		{ "--clients", OPT_STR, &a.files[TRUST_CLIENTS], NULL },
		{ "--identity", OPT_STR, &a.pins.san, NULL },
		{ "--identity-provider", OPT_STR, &a.pins.provider, NULL },
		{ "--issuer", OPT_STR, &a.pins.issuer, NULL },
		{ "--policy-oid", OPT_STR, &a.pins.policy_oid, NULL },
		{ "--leaf", OPT_STR, &a.pins.leaf, NULL }, { "--models", OPT_STR, &a.models, NULL },
		{ "--for", OPT_STR, &a.serves, NULL }, { "--replace", OPT_FLAG, &a.replace, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_trust t = { 0 };
	int r = adding_read(c, &a, argv[0], &t, &file);
	if (r)
		return r;
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	u64 size;
	r = fd < 0 ? -errno : fd_regular_size(fd, &size);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", file,
			r > 0 ? "not a file" : out_reason(r));
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer answer = CTL_ANSWER_NONE;
	r = ctl_open(c, &k);
	r = r ? r : person_sign(&k, sign, &(struct person_command){ CTL_TRUST_ADD, &t, sizeof t, fd });
	r = r ? r : ctl_ask(&k, CTL_TRUST_ADD, &t, sizeof t, fd, &answer);
	if (r || person_proposed(&answer))
		return r;
	out_say("%s: trusted, record %llu", argv[0], (unsigned long long)answer.end.index);
	out_next(t.kind == TRUST_CLIENTS ? "keep access add NAME --ca %s --san ..." : "keep import PATH",
		argv[0]);
	return CLI_DONE;
}

/* What somebody must show who comes by a root; of lists and stamps, whom they serve. */
static struct cell vouches(const json_t *j)
{
	struct cell c = { "" }, models = lines_cell(j, "models"), serves = lines_cell(j, "serves");
	static const char *const pins[] = { "identity", "provider", "issuer", "policy_oid", "leaf" };
	const char *kind = json_string_value(json_object_get(j, "kind"));
	size_t n = 0;
	if (kind && (!strcmp(kind, "crl") || !strcmp(kind, "tsa"))) {
		snprintf(c.s, sizeof c.s, "serves %.80s", serves.s[0] ? serves.s : "every root");
		return c;
	}
	if (kind && !strcmp(kind, "clients")) {
		snprintf(c.s, sizeof c.s, "clients (keep access)");
		return c;
	}
	n = (size_t)snprintf(c.s, sizeof c.s, "%.80s", models.s[0] ? models.s : "*");
	for (size_t i = 0; i < ARRAY_LEN(pins) && n < sizeof c.s; i++) {
		struct cell pin = lines_cell(j, pins[i]);
		if (pin.s[0])
			n += (size_t)snprintf(c.s + n, sizeof c.s - n, ", %s %.100s", pins[i], pin.s);
	}
	return c;
}

static int ls(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_TRUST, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 5 };
	out_table_row(&t, "NAME", "KIND", "DIGEST", "VOUCHES FOR", "RECORD", NULL);
	for (json_t *j; (j = look_next(&l));)
		out_table_row(&t, lines_cell(j, "name").s, lines_cell(j, "kind").s,
			lines_short(j, "key_id").s, vouches(j).s, lines_cell(j, "index").s, NULL);
	out_table_print(&t);
	if (!l.n)
		out_next("keep trust add NAME --key PUB.pem");
	return l.status;
}

static int rm(struct cli *c, int argc, char **argv)
{
	const char *reason = "", *sign = NULL;
	int n;
	const struct opt opts[] = { { "--reason", OPT_STR, &reason, NULL },
		{ "--sign-with", OPT_STR, &sign, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_name b = { 0 };
	if (bytes_put_str(b.name, sizeof b.name, argv[0]) || bytes_put_str(b.text, sizeof b.text, reason))
		return out_fail(CLI_USAGE, "%s: name or reason is too long", argv[0]);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : person_sign(&k, sign, &(struct person_command){ CTL_TRUST_RM, &b, sizeof b, -1 });
	r = r ? r : ctl_ask(&k, CTL_TRUST_RM, &b, sizeof b, -1, &a);
	if (r || person_proposed(&a))
		return r;
	out_say("%s: no longer trusted, record %llu; models that it vouched for stay until they are revoked",
		argv[0], (unsigned long long)a.end.index);
	return CLI_DONE;
}

int cmd_trust(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "add", add }, { "ls", ls }, { "rm", rm } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

/* role: who may do what. */
#define _GNU_SOURCE
#include "audit/tlog/note.h"
#include "base/bytes.h"
#include "cli/look.h"
#include "cli/person.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	u32 role;
} words[] = { { "user", ROLE_USER }, { "operator", ROLE_OPERATOR }, { "officer", ROLE_OFFICER },
	{ "auditor", ROLE_AUDITOR } };

/* 0 where one of the words is none. */
static u32 roles_of(const struct opt_list *l)
{
	u32 mask = 0;
	for (size_t i = 0; i < l->n; i++) {
		u32 bit = 0;
		for (size_t j = 0; j < ARRAY_LEN(words); j++)
			if (!strcmp(l->v[i], words[j].name))
				bit = words[j].role;
		if (!bit)
			return 0;
		mask |= bit;
	}
	return mask;
}

static int add(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	const char *vkey = "";
	struct opt_list roles = { .n = 0 };
	struct proto_role p = { 0 };
	bool has_uid = false;
	int n;
	const struct opt opts[] = { { "--uid", OPT_U32, &p.uid, &has_uid },
		{ "--role", OPT_LIST, &roles, NULL }, { "--vkey", OPT_STR, &vkey, NULL }, PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	p.roles = roles_of(&roles);
	if (!has_uid || !p.roles)
		return out_usage(c, "%s is needed: %s", has_uid ? "--role" : "--uid",
			has_uid ? "user, operator, officer or auditor" : "the number of the person's user");
	if (bytes_put_str(p.name, sizeof p.name, argv[0]) || bytes_put_str(p.vkey, sizeof p.vkey, vkey) ||
		bytes_put_str(p.text, sizeof p.text, o.reason))
		return out_fail(CLI_USAGE, "%s: name, vkey or reason is too long", argv[0]);
	return person_ask(c, &o, &(struct person_command){ CTL_ROLE_ADD, &p, sizeof p, -1 });
}

static int rm(struct cli *c, int argc, char **argv)
{
	return person_named(c, argc, argv, CTL_ROLE_RM);
}

static struct cell list_of(const json_t *j)
{
	struct cell c = { "" };
	size_t i, n = 0;
	json_t *role;
	json_array_foreach(json_object_get(j, "roles"), i, role) if (n < sizeof c.s && json_is_string(role))
		n +=
		(size_t)snprintf(c.s + n, sizeof c.s - n, "%s%.20s", n ? ", " : "", json_string_value(role));
	return c;
}

static int ls(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_ROLES, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 5 };
	out_table_row(&t, "WHO", "NUMBER", "ROLES", "KEY", "RECORD", NULL);
	for (json_t *j; (j = look_next(&l));) {
		bool person = json_object_get(j, "name");
		char who[96];
		snprintf(who, sizeof who, "%s%.72s", person ? "" : "group ",
			lines_cell(j, person ? "name" : "group").s);
		out_table_row(&t, who, lines_cell(j, person ? "uid" : "gid").s, list_of(j).s,
			lines_cell(j, "vkey").s, lines_cell(j, "index").s, NULL);
	}
	out_table_print(&t);
	if (!l.n)
		out_say("one user has all roles, or nobody has any: there is neither a group of Keep nor a "
			"person");
	return l.status;
}

/* A key file that nothing overwrites. 0; otherwise an exit status, said. */
static int put_key(const char *path, const struct note_key *k)
{
	char text[NOTE_VKEY_MAX + 2];
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return out_fail(errno == EEXIST ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", path,
			errno == EEXIST ? "there already; a key is never overwritten" : out_reason(-errno));
	tlog_note_key_secret_text(k, text, sizeof text - 1);
	strcat(text, "\n");
	int r = fd_write_all(fd, text, strlen(text));
	if (!r && fsync(fd) < 0)
		r = -errno;
	sodium_memzero(text, sizeof text);
	if (r)
		unlink(path); /* it is ours, and would stand in the way of the next try */
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

static int key(struct cli *c, int argc, char **argv)
{
	const char *out = NULL;
	struct note_key k;
	char vkey[NOTE_VKEY_MAX];
	int n;
	const struct opt opts[] = { { "--out", OPT_STR, &out, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!out)
		return out_usage(c, "--out FILE is needed");
	if (sodium_init() < 0 || !bytes_name_ok(argv[0]) || tlog_note_key_make(argv[0], NOTE_ED25519, &k))
		return out_fail(CLI_USAGE, "%s: not a person's name", argv[0]);
	int r = put_key(out, &k);
	tlog_note_vkey(&k, vkey, sizeof vkey);
	sodium_memzero(&k, sizeof k);
	if (r)
		return r;
	printf("%s\n", vkey);
	out_say("%s: secret; whoever has it acts in your name. The line above is its public half", out);
	out_next("keep role add %s --uid N --role ROLE --vkey VKEY", argv[0]);
	return fflush(stdout) ? CLI_UNDECIDED : CLI_DONE;
}

int cmd_role(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "ls", ls }, { "add", add }, { "rm", rm }, { "key", key } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

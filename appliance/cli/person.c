#include "cli/person.h"
#include "audit/tlog/command.h"
#include "base/bytes.h"
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* 0; otherwise an exit status, said. */
static int read_key(const char *path, struct note_key *ret)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	u8 *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : fd_read_file(fd, NOTE_VKEY_MAX, &text, &len);
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	if (!r)
		r = tlog_note_key_from_secret((const char *)text, ret) || ret->type != NOTE_ED25519;
	if (text)
		sodium_memzero(text, len);
	free(text);
	return r ? out_fail(CLI_REFUSED, "%s: not a person's key; keep role key makes one", path) : 0;
}

static int file_digest(int fd, u8 ret[SHA256_BYTES])
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = fd_read_file(fd, TRUST_FILE_BYTES_MAX, &data, &len);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "the file to sign: %s",
			r > 0 ? "not a file, or too long" : out_reason(r));
	sha256_of(data, len, ret);
	return 0;
}

/* The origin of the log, which every signature names. */
static int origin(struct ctl *k, struct cell *ret)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_query(k, &(struct ctl_query){ .what = QUERY_CHECKPOINT }, &a);
	if (r)
		return r;
	bool bad = false;
	struct lines l = lines_of(&a.data);
	_cleanup_json_ json_t *j = lines_next(&l, &bad);
	*ret = lines_cell(j, "origin");
	return j && ret->s[0] ? 0 : out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
}

int person_sign(struct ctl *k, const char *key, const struct person_command *p)
{
	struct proto_sign s = { 0 };
	struct note_key secret;
	struct cell log;
	u8 digest[SHA256_BYTES];
	if (!key)
		return 0;
	int r = origin(k, &log);
	r = r || p->file_fd < 0 ? r : file_digest(p->file_fd, s.file);
	r = r ? r : read_key(key, &secret);
	if (r)
		return r;
	tlog_command_digest(p->type, p->body, p->len, s.file, digest);
	tlog_command_sign(&secret, log.s, digest, s.signature);
	sodium_memzero(&secret, sizeof secret);
	return ctl_send(k, CTL_SIGN, 0, &s, sizeof s, -1);
}

bool person_proposed(const struct ctl_answer *a)
{
	if (a->end.text[0])
		out_say("%s", a->end.text);
	return a->end.text[0];
}

void person_told(const struct person_opts *o, const struct ctl_answer *a, const char *done)
{
	const unsigned long long index = a->end.index;
	if (o->json)
		printf("{\"index\":%llu,\"proposed\":%s}\n", index, a->end.text[0] ? "true" : "false");
	else if (!person_proposed(a))
		out_say("%s, record %llu", done, index);
}

int person_ask(struct cli *c, const struct person_opts *o, const struct person_command *p)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : person_sign(&k, o->key, p);
	r = r ? r : ctl_ask(&k, p->type, p->body, p->len, p->file_fd, &a);
	if (!r)
		person_told(o, &a, "done");
	return r;
}

int person_named(struct cli *c, int argc, char **argv, u32 type)
{
	struct person_opts o = PERSON_OPTS_NONE;
	struct proto_name p = { 0 };
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (bytes_put_str(p.name, sizeof p.name, argv[0]) || bytes_put_str(p.text, sizeof p.text, o.reason))
		return out_fail(CLI_USAGE, "%s: name or reason is too long", argv[0]);
	return person_ask(c, &o, &(struct person_command){ type, &p, sizeof p, -1 });
}

static int install_open(const struct person_file *p, const char *path, bool json, int *ret)
{
	int r = p->check(path, json);
	if (r)
		return r;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(errno));
	*ret = fd;
	return 0;
}

int person_install(struct cli *c, int argc, char **argv, const struct person_file *p)
{
	struct person_opts o = PERSON_OPTS_NONE;
	char done[512];
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	struct proto_name b = { 0 };
	if (bytes_put_str(b.text, sizeof b.text, o.reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	_cleanup_fd_ int fd = -1;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = install_open(p, argv[0], o.json, &fd);
	r = r ? r : ctl_open(c, &k);
	r = r ? r : person_sign(&k, o.key, &(struct person_command){ p->type, &b, sizeof b, fd });
	r = r ? r : ctl_ask(&k, p->type, &b, sizeof b, fd, &a);
	if (r)
		return r;
	snprintf(done, sizeof done, "%.400s: %s", argv[0], p->is);
	person_told(&o, &a, done);
	return CLI_DONE;
}

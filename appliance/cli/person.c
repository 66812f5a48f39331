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

int person_ask(struct cli *c, const char *key, const struct person_command *p)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : person_sign(&k, key, p);
	r = r ? r : ctl_ask(&k, p->type, p->body, p->len, p->file_fd, &a);
	if (!r && !person_proposed(&a))
		out_say("done, record %llu", (unsigned long long)a.end.index);
	return r;
}

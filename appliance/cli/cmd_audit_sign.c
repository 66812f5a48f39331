/* audit sign-off: an auditor's word on a range of records, by a key that only the auditor has; here, or on another machine. */
#include "audit/tlog/review.h"
#include "cli/excerpt.h"
#include "cli/file.h"
#include "cli/filter.h"
#include "cli/review.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sign_off {
	const char *key, *vkey, *remark, *out, *in, *sign;
	struct opt_list questions;
	bool json;
	struct note_key with;
};

static int read_key(const char *path, struct note_key *ret)
{
	_cleanup_free_ char *text = NULL;
	char why[512];
	size_t len;
	int r = file_read(path, NOTE_VKEY_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	r = strlen(text) != len || tlog_note_key_from_secret(text, ret) || ret->type != NOTE_ED25519;
	sodium_memzero(text, len);
	return r ? out_fail(CLI_REFUSED, "%s: not a person's key; keep role key makes one", path) : 0;
}

/* ---- the text ---- */

/* Every record of the range is read and proven; then the text says which log that was. */
static int draft(struct ctl *k, const struct sign_off *o, u64 from, u64 to, char **ret)
{
	_cleanup_excerpt_ struct excerpt e = { 0 };
	struct tlog_review v = { .from = from, .to = to, .key = o->with, .time = (u64)time(NULL) };
	int r = excerpt_read(
		k, &(struct excerpt_params){ .from = from, .to = to, .purpose = "sign-off" }, &e);
	if (r)
		return r;
	strcpy(v.origin, e.cp.origin);
	v.root = e.root_to;
	v.remark = (struct tlog_line){ o->remark, strlen(o->remark) };
	v.n_questions = (u32)o->questions.n;
	for (u32 i = 0; i < v.n_questions; i++)
		v.question[i] = (struct tlog_line){ o->questions.v[i], strlen(o->questions.v[i]) };
	r = tlog_review_text(&v, ret);
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s", out_reason(r));
	return r ? out_fail(CLI_REFUSED, "--remark and --question: one line each, at most %u bytes",
			   REVIEW_LINE_MAX)
		 : 0;
}

static int sign_text(const char *text, const struct note_key *key, char **ret)
{
	size_t cap = strlen(text) + NOTE_SIGNATURE_MAX + 2;
	*ret = malloc(cap);
	if (!*ret)
		return out_fail(CLI_UNDECIDED, "out of memory");
	if (tlog_note_sign(key, text, *ret, cap) || strlen(*ret) > REVIEW_BYTES_MAX)
		return out_fail(CLI_REFUSED, "the sign-off is longer than %u bytes", REVIEW_BYTES_MAX);
	return 0;
}

/* ---- carrying it ---- */

static int bring(struct ctl *k, const char *note, size_t len, bool json)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	_cleanup_fd_ int fd = -1;
	int r = fd_memfd_sealed("keep-file", note, len, &fd);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s", out_reason(r));
	r = ctl_ask(k, CTL_REVIEW, NULL, 0, fd, &a);
	if (json)
		printf("{\"ok\":%s,\"index\":%" PRIu64 "}\n", r ? "false" : "true",
			a.end.index == UINT64_MAX ? 0 : a.end.index);
	else if (r == CLI_DONE)
		out_say("%s; record %" PRIu64, a.end.text, a.end.index);
	return r;
}

/* A signed one comes home. */
static int take_in(struct cli *c, const struct sign_off *o)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_free_ char *note = NULL;
	char why[512];
	size_t len;
	int r = file_read(o->in, REVIEW_BYTES_MAX, &note, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	r = ctl_open(c, &k);
	k.about = o->in;
	return r ? r : bring(&k, note, len, o->json);
}

/* On the auditor's own machine: what is signed is shown, and nothing but a sign-off with this key is. */
static int sign_here(const struct sign_off *o)
{
	_cleanup_free_ char *text = NULL, *note = NULL;
	struct tlog_review v;
	char why[512];
	size_t len;
	int r = file_read(o->sign, REVIEW_BYTES_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	if (strlen(text) != len || tlog_review_read(text, len, &v))
		return out_fail(CLI_REFUSED, "%s: not a sign-off to be signed", o->sign);
	if (memcmp(v.key.public_key, o->with.public_key, sizeof v.key.public_key) != 0 ||
		!tlog_note_key_same(&v.key, &o->with))
		return out_fail(CLI_REFUSED, "%s: is to be signed with %s", o->sign, v.key.name);
	r = sign_text(text, &o->with, &note);
	if (r)
		return r;
	out_text(2, text, len);
	return file_write(o->out, note, strlen(note));
}

/* ---- the verb ---- */

static int of_range(struct cli *c, const struct sign_off *o, u64 from, u64 to)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_free_ char *text = NULL, *note = NULL;
	int r = ctl_open(c, &k);
	r = r ? r : draft(&k, o, from, to, &text);
	if (!r && !o->key)
		return file_write(o->out, text, strlen(text));
	r = r ? r : sign_text(text, &o->with, &note);
	return r ? r : bring(&k, note, strlen(note), o->json);
}

static int keys(const struct cli *c, struct sign_off *o)
{
	if (o->key)
		return read_key(o->key, &o->with);
	if (!o->vkey)
		return out_usage(c, "--key, or --vkey and --out, is missing");
	if (tlog_note_key_from_vkey(o->vkey, strlen(o->vkey), &o->with) || o->with.type != NOTE_ED25519)
		return out_fail(CLI_REFUSED, "%s: not the verifier key of an Ed25519 note key", o->vkey);
	return 0;
}

int review_sign_off(struct cli *c, int argc, char **argv)
{
	struct sign_off o = { 0 };
	u64 from = 0, to = 0;
	int n;
	const struct opt opts[] = { { "--key", OPT_STR, &o.key, NULL }, { "--vkey", OPT_STR, &o.vkey, NULL },
		{ "--remark", OPT_STR, &o.remark, NULL }, { "--question", OPT_LIST, &o.questions, NULL },
		{ "--out", OPT_STR, &o.out, NULL }, { "--sign", OPT_STR, &o.sign, NULL },
		{ "--in", OPT_STR, &o.in, NULL }, { "--json", OPT_FLAG, &o.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 1 }, &n))
		return n;
	if (n + (o.in != NULL) + (o.sign != NULL) != 1)
		return out_usage(c, "FROM..TO, --sign F or --in F");
	if (n && filter_range(argv[0], &from, &to))
		return out_usage(c, "%s: not a range of records like 0..120", argv[0]);
	if (n && !o.remark)
		return out_usage(c, "--remark is missing");
	if (o.sign && !(o.key && o.out))
		return out_usage(c, "--sign needs --key and --out");
	if (n && !o.key && !o.out)
		return out_usage(c, "--key, or --vkey and --out, is missing");
	if (sodium_init() < 0)
		return out_fail(CLI_UNDECIDED, "libsodium does not start");
	int r = o.in ? 0 : keys(c, &o);
	if (!r)
		r = o.in ? take_in(c, &o) : o.sign ? sign_here(&o) : of_range(c, &o, from, to);
	sodium_memzero(&o.with, sizeof o.with);
	return r;
}

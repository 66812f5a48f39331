/* witness: this Keep signs the checkpoints of other people's logs, after a proof that nothing in them was rolled back or written anew.
 * Its directory is ROOT/witness, or --state; no process of the appliance runs for it. What it does is audit/tlog/witness.h. */
#include "audit/tlog/witness.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/jsonw.h"
#include "cli/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct common {
	const char *state, *name;
	bool json;
	char dir[PATH_MAX];
};

static int open_witness(struct cli *c, struct common *o, bool create, struct witness *ret)
{
	char why[512];
	if (o->state)
		snprintf(o->dir, sizeof o->dir, "%s", o->state);
	else if (c->root)
		snprintf(o->dir, sizeof o->dir, "%s/witness", c->root);
	else
		return out_usage(c, "--state is missing, and nothing says where the appliance is");
	int r = tlog_witness_open(&(struct witness_open){ o->dir, o->name, create }, ret, why, sizeof why);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s", why);
	return CLI_DONE;
}

static int show_key(const struct witness *w, const struct common *o)
{
	char vkey[NOTE_VKEY_MAX];
	struct jsonw j;
	int r = CLI_DONE;
	tlog_note_vkey(&w->key, vkey, sizeof vkey);
	jsonw_init_grow(&j, 2 * (WITNESS_LOGS_MAX + 1) * NOTE_VKEY_MAX);
	jsonw_object(&j);
	jsonw_kv_str(&j, "vkey", vkey);
	jsonw_key(&j, "logs");
	jsonw_array(&j);
	if (!o->json)
		puts(vkey);
	for (size_t i = 0; !r && i < w->n_logs; i++) {
		_cleanup_free_ char *note = NULL;
		struct witness_seen seen;
		size_t len;
		int seen_r = tlog_witness_newest(w, w->logs[i].name, &note, &len, &seen);
		tlog_note_vkey(&w->logs[i], vkey, sizeof vkey);
		if (seen_r == 2 || seen_r < 0)
			r = out_fail(CLI_UNDECIDED, "%s: what was stored of it is damaged", w->logs[i].name);
		else if (!o->json)
			printf("%s  seen: %" PRIu64 " records\n", vkey, seen.size);
		jsonw_object(&j);
		jsonw_kv_str(&j, "vkey", vkey);
		jsonw_kv_u64(&j, "size", seen.size);
		jsonw_object_end(&j);
	}
	jsonw_array_end(&j);
	r = r || !o->json ? r : out_json(&j);
	jsonw_fini(&j);
	return r;
}

static int init(struct cli *c, int argc, char **argv)
{
	struct common o = { 0 };
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	int n;
	const struct opt opts[] = { { "--state", OPT_STR, &o.state, NULL },
		{ "--name", OPT_STR, &o.name, NULL }, { "--json", OPT_FLAG, &o.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	int r = open_witness(c, &o, true, &w);
	return r ? r : show_key(&w, &o);
}

static int show(struct cli *c, int argc, char **argv)
{
	struct common o = { 0 };
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	int n;
	const struct opt opts[] = { { "--state", OPT_STR, &o.state, NULL },
		{ "--json", OPT_FLAG, &o.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	int r = open_witness(c, &o, false, &w);
	return r ? r : show_key(&w, &o);
}

static int add(struct cli *c, int argc, char **argv)
{
	struct common o = { 0 };
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	struct note_key k;
	int n;
	const struct opt opts[] = { { "--state", OPT_STR, &o.state, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (tlog_note_key_from_vkey(argv[0], strlen(argv[0]), &k))
		return out_fail(CLI_REFUSED, "%s: not a verifier key", argv[0]);
	int r = open_witness(c, &o, false, &w);
	if (r)
		return r;
	r = tlog_witness_add_log(&w, &k, true);
	if (r)
		return r > 0 ? out_fail(CLI_REFUSED, "%s: not a key that signs a log, or one too many",
				       argv[0])
			     : out_fail(CLI_UNDECIDED, "%s: %s", o.dir, out_reason(r));
	return CLI_DONE;
}

/* ---- sign ---- */

/* A bare checkpoint becomes a request from what was seen, with the hashes of a file. 0, *text and *len replaced; or an exit status. */
static int to_request(struct witness *w, const char *proof_file, char **text, size_t *len)
{
	struct witness_request q;
	struct merkle_proof proof = { 0 };
	struct witness_seen seen;
	struct note n;
	struct checkpoint cp;
	_cleanup_free_ char *newest = NULL, *hashes = NULL;
	char why[512], *out;
	size_t newest_len, hashes_len = 0;
	if (tlog_witness_read(*text, *len, &q) == 0 || tlog_note_parse(*text, *len, &n) ||
		tlog_checkpoint_read(n.text, n.text_len, &cp))
		return CLI_DONE; /* a request already, or nothing that can be one: that is for the answer to say */
	int r = tlog_witness_newest(w, cp.origin, &newest, &newest_len, &seen);
	if (r < 0 || r == 2)
		return out_fail(CLI_UNDECIDED, "%s: what was stored of it is damaged", cp.origin);
	if (proof_file) {
		r = file_read(proof_file, WITNESS_BYTES_MAX, &hashes, &hashes_len, why, sizeof why);
		if (r)
			return out_fail(r, "%s", why);
		struct tlog_text t = tlog_text(hashes, hashes_len);
		for (struct tlog_line l; t.p < t.end; proof.n++)
			if (proof.n == WITNESS_PROOF_MAX || tlog_text_line(&t, &l) ||
				tlog_hash(l.s, l.len, &proof.h[proof.n]))
				return out_fail(CLI_REFUSED, "%s: not a list of hashes", proof_file);
	}
	r = tlog_witness_write(seen.size, &proof, *text, *len, &out, len);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s", out_reason(r));
	free(*text);
	*text = out;
	return CLI_DONE;
}

/* Why it was not signed, for people. */
static int refused(
	struct witness *w, const struct witness_answer *a, const char *path, const char *text, size_t len)
{
	struct witness_request q;
	struct witness_seen seen = { 0 };
	_cleanup_free_ char *newest = NULL;
	size_t newest_len;
	bool read = tlog_witness_read(text, len, &q) == 0;
	if (read)
		(void)!tlog_witness_newest(w, q.cp.origin, &newest, &newest_len, &seen);
	if (read && (a->status == 409 || a->status == 400) && q.cp.size < seen.size)
		return out_fail(CLI_REFUSED,
			"%s: the log was rolled back: %" PRIu64 " records were seen, now it has %" PRIu64,
			q.cp.origin, seen.size, q.cp.size);
	if (a->status == 409)
		return out_fail(CLI_REFUSED,
			"%s: %" PRIu64 " records were seen; the request must begin there (keep audit "
			"checkpoint --old %" PRIu64 ")",
			q.cp.origin, seen.size, seen.size);
	if (a->status == 422)
		return out_fail(CLI_REFUSED,
			"%s: the proof from the %" PRIu64 " records that were seen does not hold: another "
			"log, or a proof for another checkpoint",
			q.cp.origin, seen.size);
	return out_fail(CLI_REFUSED, "%s: %.*s", path, (int)strcspn(a->body, "\n"), a->body);
}

/* What was signed last may have been lost on its way, on a disk that was full: the same checkpoint gets the same signature again, out of what
 * is stored. False: it is another one. */
static bool again(struct witness *w, const char *text, size_t len, bool lines, const char *out, int *ret)
{
	struct witness_request q;
	struct witness_seen seen;
	struct note n;
	struct tlog_line line;
	_cleanup_free_ char *newest = NULL;
	size_t newest_len, at = 0;
	if (tlog_witness_read(text, len, &q) ||
		tlog_witness_newest(w, q.cp.origin, &newest, &newest_len, &seen) || seen.size != q.cp.size ||
		memcmp(seen.root.b, q.cp.root.b, sizeof seen.root.b) != 0 ||
		tlog_note_parse(newest, newest_len, &n) || tlog_note_line_of(&n, &w->key, &at, &line))
		return false;
	*ret = lines ? file_write(out, line.s, line.len) : file_write(out, newest, newest_len);
	return true;
}

/* The line alone, or behind the checkpoint of the request. */
static int give(const struct witness_answer *a, const char *text, size_t len, bool lines, const char *out)
{
	struct witness_request q;
	size_t body = strlen(a->body);
	if (lines || tlog_witness_read(text, len, &q))
		return file_write(out, a->body, body);
	_cleanup_free_ char *note = malloc(q.checkpoint_len + body);
	if (!note)
		return out_fail(CLI_UNDECIDED, "%s", strerror(ENOMEM));
	memcpy(note, q.checkpoint, q.checkpoint_len);
	memcpy(note + q.checkpoint_len, a->body, body);
	return file_write(out, note, q.checkpoint_len + body);
}

static int sign(struct cli *c, int argc, char **argv)
{
	struct common o = { 0 };
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	_cleanup_free_ char *text = NULL;
	const char *proof = NULL, *out = "-";
	struct witness_answer a;
	char why[512];
	bool lines = false;
	size_t len;
	int n;
	const struct opt opts[] = { { "--state", OPT_STR, &o.state, NULL },
		{ "--proof", OPT_STR, &proof, NULL }, { "--out", OPT_STR, &out, NULL },
		{ "--lines", OPT_FLAG, &lines, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	int r = file_read_parts(argv[0], WITNESS_BYTES_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	r = open_witness(c, &o, false, &w);
	r = r ? r : to_request(&w, proof, &text, &len);
	if (r)
		return r;
	r = tlog_witness_answer(&w, text, len, (u64)time(NULL), &a);
	if (r)
		return out_fail(
			CLI_UNDECIDED, "%s: %s", o.dir, r < 0 ? out_reason(r) : "what was stored is damaged");
	if (a.status == 409 && again(&w, text, len, lines, out, &r))
		return r;
	if (a.status != 200)
		return refused(&w, &a, argv[0], text, len);
	return give(&a, text, len, lines, out);
}

int cmd_witness(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "init", init }, { "show", show }, { "add", add },
		{ "sign", sign } };
	if (sodium_init() < 0)
		return out_fail(CLI_UNDECIDED, "libsodium does not start");
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

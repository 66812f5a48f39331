/* tlog: the formats of transparency logs, one question each. Needs no appliance, and believes nothing but what it is given.
 *
 * Every form ends with 0 for yes and 1 for no, which is also the answer to whatever is malformed; a witness answers as HTTP would, and
 * ends with 0 whatever it says. */
#include "audit/tlog/proof.h"
#include "audit/tlog/tiles.h"
#include "audit/tlog/witness.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/jsonw.h"
#include "cli/file.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A question with what came for it, and its answer: members for programs, or lines for people. */
struct say {
	char **argv; /* arguments, n of them */
	int n;
	const char *policy, *state, *name;
	struct opt_list vkeys, older;
	bool json;
	struct jsonw w;
};

/* It is so: print the members, or the line. */
static int yes(struct say *s, const char *fmt, ...) _printf_(2, 3);
static int yes(struct say *s, const char *fmt, ...)
{
	va_list ap;
	jsonw_kv_bool(&s->w, "ok", true);
	if (s->json)
		return out_json(&s->w);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return CLI_DONE;
}

/* It is not: status is CLI_REFUSED, or CLI_UNDECIDED where nobody can say. */
static int no(struct say *s, int status, const char *fmt, ...) _printf_(3, 4);
static int no(struct say *s, int status, const char *fmt, ...)
{
	char why[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	jsonw_kv_bool(&s->w, "ok", false);
	jsonw_kv_str(&s->w, "reason", why);
	int r = s->json ? out_json(&s->w) : CLI_DONE;
	return out_fail(r ? r : status, "%s", why);
}

/* ---- what arguments say ---- */

static int read_arg(struct say *s, const char *path, u64 max, char **ret, size_t *ret_len)
{
	char why[512];
	int r = file_read(path, max, ret, ret_len, why, sizeof why);
	return r ? no(s, r, "%s", why) : 0;
}

struct keys {
	struct note_key k[OPT_LIST_MAX];
	size_t n;
};

/* Keys of --vkey, each once. 0, or an exit status. */
static int keys_arg(struct say *s, struct keys *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < s->vkeys.n; i++) {
		struct note_key *k = &ret->k[ret->n];
		bool twice = false;
		if (tlog_note_key_from_vkey(s->vkeys.v[i], strlen(s->vkeys.v[i]), k))
			return no(s, CLI_REFUSED, "%s: not a verifier key", s->vkeys.v[i]);
		for (size_t j = 0; j < ret->n; j++)
			twice |= tlog_note_key_same(k, &ret->k[j]);
		ret->n += !twice;
	}
	return 0;
}

/* The policy of --policy. */
static int policy_arg(struct say *s, const char *path, struct tlog_policy **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	char why[160];
	int r = read_arg(s, path, POLICY_BYTES_MAX, &text, &len);
	if (r)
		return r;
	r = tlog_policy_read(text, len, ret, why, sizeof why);
	if (r < 0)
		return no(s, CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	return r ? no(s, CLI_REFUSED, "%s: %s", path, why) : 0;
}

static int hash_arg(struct say *s, const char *hex, struct merkle_hash *ret)
{
	if (strlen(hex) != 2 * sizeof ret->b || bytes_unhex(hex, sizeof ret->b, ret->b))
		return no(s, CLI_REFUSED, "%s: not a hash of 64 lower-case hexadecimal digits", hex);
	return 0;
}

static int number_arg(struct say *s, const char *text, u64 *ret)
{
	return bytes_decimal(text, strlen(text), ret) ? no(s, CLI_REFUSED, "%s: not a decimal number", text)
						      : 0;
}

/* "hex,hex,…" or "-". */
static int proof_arg(struct say *s, const char *list, struct merkle_proof *ret)
{
	ret->n = 0;
	if (!strcmp(list, "-"))
		return 0;
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ",");
		if (ret->n == MERKLE_PROOF_MAX || n != 2 * SHA256_BYTES ||
			bytes_unhex(p, SHA256_BYTES, ret->h[ret->n].b))
			return no(s, CLI_REFUSED, "the proof is not a list of at most %u hashes",
				MERKLE_PROOF_MAX);
		ret->n++;
		p += n;
		if (!*p)
			return 0;
	}
}

static const char *type_name(const struct note_key *k)
{
	return k->type == NOTE_ED25519	     ? "ed25519"
	       : k->type == NOTE_COSIGNATURE ? "ed25519-cosignature"
					     : "ml-dsa-44-cosignature";
}

static const char *judged(int r)
{
	return r == 1	? "not a signed note"
	       : r == 2 ? "a signature of a known key is wrong"
			: "no known key signed it";
}

/* ---- notes ---- */

static int vkey(struct say *s)
{
	struct note_key k;
	char id[9];
	if (tlog_note_key_from_vkey(s->argv[0], strlen(s->argv[0]), &k))
		return no(s, CLI_REFUSED, "%s: not a verifier key", s->argv[0]);
	bytes_hex(k.id, sizeof k.id, id);
	jsonw_kv_str(&s->w, "name", k.name);
	jsonw_kv_str(&s->w, "id", id);
	jsonw_kv_str(&s->w, "type", type_name(&k));
	jsonw_kv_bool(&s->w, "verifies", k.type != NOTE_MLDSA44);
	return yes(s, "%s %s %s", k.name, id, type_name(&k));
}

/* A note, or (cp) a checkpoint: who of --vkey signed it. */
static int note_arg(struct say *s, struct checkpoint *cp)
{
	struct keys keys;
	struct note note;
	struct note_signed sigs[OPT_LIST_MAX];
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = keys_arg(s, &keys);
	r = r ? r : read_arg(s, s->argv[0], NOTE_BYTES_MAX, &text, &len);
	if (r)
		return r;
	r = tlog_note_parse(text, len, &note) ? 1 : 0;
	if (!r && cp && tlog_checkpoint_read(note.text, note.text_len, cp))
		return no(s, CLI_REFUSED, "%s: not a checkpoint", s->argv[0]);
	r = r ? r : tlog_note_judge(&note, keys.k, keys.n, sigs);
	if (r)
		return no(s, CLI_REFUSED, "%s: %s", s->argv[0], judged(r));
	u64 good = 0, time = 0;
	for (size_t i = 0; i < keys.n; i++) {
		good += sigs[i].good;
		time = MAX(time, sigs[i].time);
	}
	if (cp) {
		jsonw_kv_str(&s->w, "origin", cp->origin);
		jsonw_kv_u64(&s->w, "size", cp->size);
		jsonw_kv_hex(&s->w, "root", cp->root.b, sizeof cp->root.b);
	}
	jsonw_kv_u64(&s->w, "verified", good);
	if (!cp)
		jsonw_kv_u64(&s->w, "signatures", note.n_lines);
	else if (time)
		jsonw_kv_u64(&s->w, "cosigned", time);
	return yes(s, "%" PRIu64, cp ? cp->size : good);
}

static int note_verify(struct say *s)
{
	return note_arg(s, NULL);
}

static int checkpoint(struct say *s)
{
	struct checkpoint cp;
	return note_arg(s, &cp);
}

static int policy(struct say *s)
{
	_cleanup_policy_ struct tlog_policy *p = NULL;
	int r = policy_arg(s, s->argv[0], &p);
	if (r)
		return r;
	const struct policy_node *q = p->quorum == POLICY_NONE ? NULL : &p->nodes[p->quorum];
	u32 groups = p->n_nodes - p->n_witnesses;
	jsonw_kv_u64(&s->w, "logs", p->n_logs);
	jsonw_kv_u64(&s->w, "witnesses", p->n_witnesses);
	jsonw_kv_u64(&s->w, "groups", groups);
	jsonw_key(&s->w, "quorum");
	jsonw_strn(&s->w, q ? q->name : "none", q ? MIN(q->len, 1024u) : 4);
	return yes(s, "%u logs, %u witnesses, %u groups", p->n_logs, p->n_witnesses, groups);
}

/* ---- proofs ---- */

static int proof_verify(struct say *s)
{
	const char *why;
	_cleanup_policy_ struct tlog_policy *p = NULL;
	_cleanup_free_ char *proof = NULL, *entry = NULL;
	size_t proof_len, entry_len;
	struct tlog_proof_verdict v;
	int r = policy_arg(s, s->policy, &p);
	r = r ? r : read_arg(s, s->argv[0], PROOF_BYTES_MAX, &proof, &proof_len);
	r = r ? r : read_arg(s, s->argv[1], TLOG_ENTRY_BYTES_MAX, &entry, &entry_len);
	if (r)
		return r;
	struct merkle_hash leaf = tlog_merkle_leaf(entry, entry_len);
	if (tlog_proof_verify(p, proof, proof_len, &leaf, &v, &why))
		return no(s, CLI_REFUSED, "%s: %s", s->argv[0], why);
	const struct checkpoint *cp = &v.checkpoint.checkpoint;
	jsonw_kv_str(&s->w, "origin", cp->origin);
	jsonw_kv_u64(&s->w, "index", v.proof.index);
	jsonw_kv_u64(&s->w, "size", cp->size);
	jsonw_kv_u64(&s->w, "witnesses", v.checkpoint.n_witnesses);
	return yes(s, "entry %" PRIu64 " of %" PRIu64 " in %s, %u witnesses", v.proof.index, cp->size,
		cp->origin, v.checkpoint.n_witnesses);
}

/* Two numbers, two hashes and a proof: what both kinds of question are made of. */
struct raw {
	u64 number[2];
	struct merkle_hash hash[2];
	struct merkle_proof proof;
};
static int raw_args(struct say *s, struct raw *ret)
{
	int r = number_arg(s, s->argv[0], &ret->number[0]);
	r = r ? r : number_arg(s, s->argv[1], &ret->number[1]);
	r = r ? r : hash_arg(s, s->argv[2], &ret->hash[0]);
	r = r ? r : hash_arg(s, s->argv[3], &ret->hash[1]);
	return r ? r : proof_arg(s, s->argv[4], &ret->proof);
}

static int inclusion(struct say *s)
{
	struct raw a;
	int r = raw_args(s, &a);
	if (r)
		return r;
	struct merkle_included in = { a.number[0], a.number[1], &a.hash[0], &a.hash[1], a.proof.h,
		a.proof.n };
	return tlog_merkle_inclusion_check(&in) ? no(s, CLI_REFUSED, "the proof does not hold")
						: yes(s, "included");
}

static int consistency(struct say *s)
{
	struct raw a;
	int r = raw_args(s, &a);
	if (r)
		return r;
	struct merkle_consistent q = { a.number[0], a.number[1], &a.hash[0], &a.hash[1], a.proof.h,
		a.proof.n };
	return tlog_merkle_consistency_check(&q) ? no(s, CLI_REFUSED, "the proof does not hold")
						 : yes(s, "consistent");
}

static int root(struct say *s)
{
	struct merkle m = { 0 };
	char hex[2 * SHA256_BYTES + 1];
	for (int i = 0; i < s->n; i++) {
		_cleanup_free_ char *data = NULL;
		size_t len;
		int r = read_arg(s, s->argv[i], TLOG_ENTRY_BYTES_MAX, &data, &len);
		if (r)
			return r;
		struct merkle_hash leaf = tlog_merkle_leaf(data, len);
		tlog_merkle_add(&m, &leaf);
	}
	struct merkle_hash h = tlog_merkle_root(&m);
	bytes_hex(h.b, sizeof h.b, hex);
	jsonw_kv_u64(&s->w, "size", m.size);
	jsonw_kv_str(&s->w, "root", hex);
	return yes(s, "%s", hex);
}

/* ---- a log of files ---- */

static void progress(u64 done, u64 total)
{
	out_progress("entries", done, total);
}

struct older {
	struct fsck_older o[OPT_LIST_MAX];
	char *text[OPT_LIST_MAX];
};
static void older_free(struct older *o)
{
	for (size_t i = 0; i < ARRAY_LEN(o->text); i++)
		free(o->text[i]);
}

static int fsck_told(struct say *s, const struct fsck_result *res)
{
	const struct checkpoint *cp = &res->checkpoint.checkpoint;
	jsonw_kv_str(&s->w, "origin", cp->origin);
	jsonw_kv_u64(&s->w, "size", cp->size);
	jsonw_kv_hex(&s->w, "root", cp->root.b, sizeof cp->root.b);
	jsonw_kv_u64(&s->w, "witnesses", res->checkpoint.n_witnesses);
	jsonw_kv_u64(&s->w, "tiles", res->n_tiles);
	jsonw_kv_u64(&s->w, "bundles", res->n_bundles);
	jsonw_kv_u64(&s->w, "beyond", res->n_beyond);
	jsonw_kv_u64(&s->w, "older", s->older.n);
	jsonw_kv_bool(&s->w, "archive", res->archive);
	jsonw_kv_u64(&s->w, "from", res->from);
	jsonw_kv_u64(&s->w, "to", res->to);
	if (res->archive)
		return yes(s, "whole: an archive of entries %" PRIu64 "..%" PRIu64 " of %" PRIu64, res->from,
			res->to, cp->size);
	return yes(s, "whole: %" PRIu64 " entries", cp->size);
}

static int fsck(struct say *s)
{
	_cleanup_(older_free) struct older older = { 0 };
	_cleanup_policy_ struct tlog_policy *p = NULL;
	_cleanup_free_ struct fsck_result *res = calloc(1, sizeof *res);
	int r = res ? policy_arg(s, s->policy, &p) : no(s, CLI_UNDECIDED, "out of memory");
	for (size_t i = 0; !r && i < s->older.n; i++) {
		older.o[i].name = s->older.v[i];
		r = read_arg(s, s->older.v[i], NOTE_BYTES_MAX, &older.text[i], &older.o[i].len);
		older.o[i].note = older.text[i];
	}
	if (r)
		return r;
	r = tlog_fsck(&(struct fsck_params){ s->argv[0], p, older.o, s->older.n, progress }, res);
	out_progress_end();
	if (r)
		return r < 0 ? no(s, CLI_UNDECIDED, "%s: %s", s->argv[0], out_reason(r))
			     : no(s, CLI_REFUSED, "%s: %s", s->argv[0], res->why);
	return fsck_told(s, res);
}

/* ---- a witness ---- */

static int witness(struct say *s)
{
	struct keys keys;
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	_cleanup_free_ char *body = NULL;
	struct witness_answer a;
	char why[512];
	size_t len;
	int r = keys_arg(s, &keys);
	if (r)
		return r;
	/* a body that is too long is malformed like any other */
	int cut = file_read("-", WITNESS_BYTES_MAX, &body, &len, why, sizeof why);
	if (cut == CLI_UNDECIDED)
		return no(s, cut, "%s", why);
	r = tlog_witness_open(&(struct witness_open){ s->state, s->name, true }, &w, why, sizeof why);
	if (r)
		return no(s, r < 0 && !err_is_path(-r) ? CLI_UNDECIDED : CLI_REFUSED, "%s", why);
	for (size_t i = 0; i < keys.n; i++)
		if ((r = tlog_witness_add_log(&w, &keys.k[i], false)))
			return no(s, CLI_REFUSED, "%s: not a key that signs a log", s->vkeys.v[i]);
	r = tlog_witness_answer(&w, cut ? "" : body, cut ? 0 : len, (u64)time(NULL), &a);
	if (r)
		return no(s, CLI_UNDECIDED, "%s: %s", s->state,
			r < 0 ? out_reason(r) : "the stored checkpoint is damaged");
	if (s->json) {
		jsonw_kv_u64(&s->w, "status", a.status);
		jsonw_kv_str(&s->w, "body", a.body);
		return yes(s, "%s", "");
	}
	printf("%u\n%s", a.status, a.body);
	return CLI_DONE;
}

/* ---- the forms ---- */

enum { VKEY = 1, POLICY = 2, OLDER = 4, STATE = 8, NAME = 16 };

static const struct form {
	const char *name;
	u32 takes, needs; /* options, as bits */
	int min_args, max_args;
	int (*func)(struct say *s);
} forms[] = {
	{ "vkey", 0, 0, 1, 1, vkey },
	{ "note-verify", VKEY, 0, 1, 1, note_verify },
	{ "checkpoint", VKEY, 0, 1, 1, checkpoint },
	{ "policy", 0, 0, 1, 1, policy },
	{ "proof-verify", POLICY, POLICY, 2, 2, proof_verify },
	{ "inclusion", 0, 0, 5, 5, inclusion },
	{ "consistency", 0, 0, 5, 5, consistency },
	{ "root", 0, 0, 1, INT_MAX, root },
	{ "fsck", POLICY | OLDER, POLICY, 1, 1, fsck },
	{ "witness", VKEY | STATE | NAME, VKEY | STATE, 0, 0, witness },
};

static int answer(struct cli *c, const struct form *f, int argc, char **argv)
{
	struct say s = { .argv = argv };
	const struct {
		u32 bit;
		struct opt opt;
	} all[] = { { 0, { "--json", OPT_FLAG, &s.json, NULL } },
		{ STATE, { "--state", OPT_STR, &s.state, NULL } },
		{ VKEY, { "--vkey", OPT_LIST, &s.vkeys, NULL } },
		{ POLICY, { "--policy", OPT_STR, &s.policy, NULL } },
		{ OLDER, { "--older", OPT_LIST, &s.older, NULL } },
		{ NAME, { "--name", OPT_STR, &s.name, NULL } } };
	struct opt opts[ARRAY_LEN(all)];
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!all[i].bit || (f->takes & all[i].bit))
			opts[n++] = all[i].opt;
	if (opt_parse(c, &(struct opt_params){ opts, n, argc, argv, f->min_args, f->max_args }, &s.n))
		return s.n;
	u32 have = (s.state ? STATE : 0) | (s.vkeys.n ? VKEY : 0) | (s.policy ? POLICY : 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (f->needs & ~have & all[i].bit)
			return out_usage(c, "%s is missing", all[i].opt.name);
	jsonw_init_grow(&s.w, 65536);
	jsonw_object(&s.w);
	int r = f->func(&s);
	jsonw_fini(&s.w);
	return r;
}

int cmd_tlog(struct cli *c, int argc, char **argv)
{
	int n;
	if (sodium_init() < 0)
		return out_fail(CLI_UNDECIDED, "libsodium does not start");
	for (size_t i = 0; argc && i < ARRAY_LEN(forms); i++)
		if (!strcmp(argv[0], forms[i].name))
			return answer(opt_form(c, argv[0]), &forms[i], argc - 1, argv + 1);
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 0, INT_MAX }, &n))
		return n;
	return argc ? out_usage(c, "%s: no such question", argv[0]) : out_usage(c, "which question?");
}

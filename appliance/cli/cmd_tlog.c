/* tlog: the formats of transparency logs, one question each. Needs no appliance, and believes nothing but what it is given.
 *
 * Every form ends with 0 for yes and 1 for no, which is also the answer to whatever is malformed; a witness answers as HTTP would, and
 * ends with 0 whatever it says. */
#include "audit/tlog/proof.h"
#include "audit/tlog/tiles.h"
#include "audit/tlog/witness.h"
#include "base/bytes.h"
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

/* An answer: members for programs, or lines for people. */
struct say {
	bool json;
	struct jsonw w;
	char buf[8192];
};

static void say_begin(struct say *s, bool json)
{
	s->json = json;
	jsonw_init(&s->w, s->buf, sizeof s->buf);
	jsonw_object(&s->w);
}

/* It is so: print the members, or the line. */
static int yes(struct say *s, const char *fmt, ...) _printf_(2, 3);
static int yes(struct say *s, const char *fmt, ...)
{
	va_list ap;
	jsonw_kv_bool(&s->w, "ok", true);
	jsonw_object_end(&s->w);
	if (s->json) {
		puts(s->buf);
		return CLI_DONE;
	}
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
	jsonw_object_end(&s->w);
	if (s->json)
		puts(s->buf);
	return out_fail(status, "%s", why);
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
static int keys_arg(struct say *s, const struct opt_list *l, struct keys *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct note_key *k = &ret->k[ret->n];
		bool twice = false;
		if (tlog_note_key_from_vkey(l->v[i], strlen(l->v[i]), k))
			return no(s, CLI_REFUSED, "%s: not a verifier key", l->v[i]);
		for (size_t j = 0; j < ret->n; j++)
			twice |= tlog_note_key_same(k, &ret->k[j]);
		ret->n += !twice;
	}
	return 0;
}

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
	return tlog_decimal(text, strlen(text), ret) ? no(s, CLI_REFUSED, "%s: not a decimal number", text)
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

static int vkey(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct note_key k;
	char id[9];
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	say_begin(&s, json);
	if (tlog_note_key_from_vkey(argv[0], strlen(argv[0]), &k))
		return no(&s, CLI_REFUSED, "%s: not a verifier key", argv[0]);
	bytes_hex(k.id, sizeof k.id, id);
	jsonw_kv_str(&s.w, "name", k.name);
	jsonw_kv_str(&s.w, "id", id);
	jsonw_kv_str(&s.w, "type", type_name(&k));
	jsonw_kv_bool(&s.w, "verifies", k.type != NOTE_MLDSA44);
	return yes(&s, "%s %s %s", k.name, id, type_name(&k));
}

static int note_verify(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct opt_list vkeys = { 0 };
	struct keys keys;
	struct note note;
	struct note_signed sigs[OPT_LIST_MAX];
	_cleanup_free_ char *text = NULL;
	size_t len;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL },
		{ "--vkey", OPT_LIST, &vkeys, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	say_begin(&s, json);
	int r = keys_arg(&s, &vkeys, &keys);
	r = r ? r : read_arg(&s, argv[0], NOTE_BYTES_MAX, &text, &len);
	if (r)
		return r;
	r = tlog_note_parse(text, len, &note) ? 1 : 0;
	r = r ? r : tlog_note_judge(&note, keys.k, keys.n, sigs);
	if (r)
		return no(&s, CLI_REFUSED, "%s: %s", argv[0], judged(r));
	u64 good = 0;
	for (size_t i = 0; i < keys.n; i++)
		good += sigs[i].good;
	jsonw_kv_u64(&s.w, "verified", good);
	jsonw_kv_u64(&s.w, "signatures", note.n_lines);
	return yes(&s, "%" PRIu64, good);
}

static int checkpoint(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct opt_list vkeys = { 0 };
	struct keys keys;
	struct note note;
	struct note_signed sigs[OPT_LIST_MAX];
	struct checkpoint cp;
	_cleanup_free_ char *text = NULL;
	size_t len;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL },
		{ "--vkey", OPT_LIST, &vkeys, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	say_begin(&s, json);
	int r = keys_arg(&s, &vkeys, &keys);
	r = r ? r : read_arg(&s, argv[0], NOTE_BYTES_MAX, &text, &len);
	if (r)
		return r;
	r = tlog_note_parse(text, len, &note) ? 1 : 0;
	if (!r && tlog_checkpoint_read(note.text, note.text_len, &cp))
		return no(&s, CLI_REFUSED, "%s: not a checkpoint", argv[0]);
	r = r ? r : tlog_note_judge(&note, keys.k, keys.n, sigs);
	if (r)
		return no(&s, CLI_REFUSED, "%s: %s", argv[0], judged(r));
	u64 good = 0, time = 0;
	for (size_t i = 0; i < keys.n; i++) {
		good += sigs[i].good;
		time = MAX(time, sigs[i].time);
	}
	jsonw_kv_str(&s.w, "origin", cp.origin);
	jsonw_kv_u64(&s.w, "size", cp.size);
	jsonw_kv_hex(&s.w, "root", cp.root.b, sizeof cp.root.b);
	jsonw_kv_u64(&s.w, "verified", good);
	if (time)
		jsonw_kv_u64(&s.w, "cosigned", time);
	return yes(&s, "%" PRIu64, cp.size);
}

static int policy(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	_cleanup_policy_ struct tlog_policy *p = NULL;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	say_begin(&s, json);
	int r = policy_arg(&s, argv[0], &p);
	if (r)
		return r;
	const struct policy_node *q = p->quorum == POLICY_NONE ? NULL : &p->nodes[p->quorum];
	u32 groups = p->n_nodes - p->n_witnesses;
	jsonw_kv_u64(&s.w, "logs", p->n_logs);
	jsonw_kv_u64(&s.w, "witnesses", p->n_witnesses);
	jsonw_kv_u64(&s.w, "groups", groups);
	jsonw_key(&s.w, "quorum");
	jsonw_strn(&s.w, q ? q->name : "none", q ? MIN(q->len, 1024u) : 4);
	return yes(&s, "%u logs, %u witnesses, %u groups", p->n_logs, p->n_witnesses, groups);
}

/* ---- proofs ---- */

static int proof_verify(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	const char *path = NULL, *why;
	_cleanup_policy_ struct tlog_policy *p = NULL;
	_cleanup_free_ char *proof = NULL, *entry = NULL;
	size_t proof_len, entry_len;
	struct tlog_proof_verdict v;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL },
		{ "--policy", OPT_STR, &path, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 2, 2 }, &n))
		return n;
	if (!path)
		return out_usage(c, "--policy is missing");
	say_begin(&s, json);
	int r = policy_arg(&s, path, &p);
	r = r ? r : read_arg(&s, argv[0], PROOF_BYTES_MAX, &proof, &proof_len);
	r = r ? r : read_arg(&s, argv[1], TLOG_ENTRY_BYTES_MAX, &entry, &entry_len);
	if (r)
		return r;
	struct merkle_hash leaf = tlog_merkle_leaf(entry, entry_len);
	if (tlog_proof_verify(p, proof, proof_len, &leaf, &v, &why))
		return no(&s, CLI_REFUSED, "%s: %s", argv[0], why);
	const struct checkpoint *cp = &v.checkpoint.checkpoint;
	jsonw_kv_str(&s.w, "origin", cp->origin);
	jsonw_kv_u64(&s.w, "index", v.proof.index);
	jsonw_kv_u64(&s.w, "size", cp->size);
	jsonw_kv_u64(&s.w, "witnesses", v.checkpoint.n_witnesses);
	return yes(&s, "entry %" PRIu64 " of %" PRIu64 " in %s, %u witnesses", v.proof.index, cp->size,
		cp->origin, v.checkpoint.n_witnesses);
}

static int inclusion(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct merkle_hash leaf, root;
	struct merkle_proof proof;
	struct merkle_included in = { .leaf = &leaf, .root = &root, .proof = proof.h };
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 5, 5 }, &n))
		return n;
	say_begin(&s, json);
	int r = number_arg(&s, argv[0], &in.index);
	r = r ? r : number_arg(&s, argv[1], &in.size);
	r = r ? r : hash_arg(&s, argv[2], &leaf);
	r = r ? r : hash_arg(&s, argv[3], &root);
	r = r ? r : proof_arg(&s, argv[4], &proof);
	if (r)
		return r;
	in.n_proof = proof.n;
	if (tlog_merkle_inclusion_check(&in))
		return no(&s, CLI_REFUSED, "the proof does not hold");
	return yes(&s, "included");
}

static int consistency(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct merkle_hash root1, root2;
	struct merkle_proof proof;
	struct merkle_consistent q = { .root1 = &root1, .root2 = &root2, .proof = proof.h };
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 5, 5 }, &n))
		return n;
	say_begin(&s, json);
	int r = number_arg(&s, argv[0], &q.size1);
	r = r ? r : number_arg(&s, argv[1], &q.size2);
	r = r ? r : hash_arg(&s, argv[2], &root1);
	r = r ? r : hash_arg(&s, argv[3], &root2);
	r = r ? r : proof_arg(&s, argv[4], &proof);
	if (r)
		return r;
	q.n_proof = proof.n;
	if (tlog_merkle_consistency_check(&q))
		return no(&s, CLI_REFUSED, "the proof does not hold");
	return yes(&s, "consistent");
}

static int root(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	struct merkle m = { 0 };
	char hex[2 * SHA256_BYTES + 1];
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, INT_MAX }, &n))
		return n;
	say_begin(&s, json);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *data = NULL;
		size_t len;
		int r = read_arg(&s, argv[i], TLOG_ENTRY_BYTES_MAX, &data, &len);
		if (r)
			return r;
		struct merkle_hash leaf = tlog_merkle_leaf(data, len);
		tlog_merkle_add(&m, &leaf);
	}
	struct merkle_hash h = tlog_merkle_root(&m);
	bytes_hex(h.b, sizeof h.b, hex);
	jsonw_kv_u64(&s.w, "size", m.size);
	jsonw_kv_str(&s.w, "root", hex);
	return yes(&s, "%s", hex);
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

static int fsck(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	const char *path = NULL;
	struct opt_list names = { 0 };
	_cleanup_(older_free) struct older older = { 0 };
	_cleanup_policy_ struct tlog_policy *p = NULL;
	_cleanup_free_ struct fsck_result *res = calloc(1, sizeof *res);
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL }, { "--policy", OPT_STR, &path, NULL },
		{ "--older", OPT_LIST, &names, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!path)
		return out_usage(c, "--policy is missing");
	say_begin(&s, json);
	int r = res ? policy_arg(&s, path, &p) : no(&s, CLI_UNDECIDED, "out of memory");
	for (size_t i = 0; !r && i < names.n; i++) {
		older.o[i].name = names.v[i];
		r = read_arg(&s, names.v[i], NOTE_BYTES_MAX, &older.text[i], &older.o[i].len);
		older.o[i].note = older.text[i];
	}
	if (r)
		return r;
	struct fsck_params q = { argv[0], p, older.o, names.n, progress };
	r = tlog_fsck(&q, res);
	out_progress_end();
	const struct checkpoint *cp = &res->checkpoint.checkpoint;
	if (r < 0)
		return no(&s, CLI_UNDECIDED, "%s: %s", argv[0], out_reason(r));
	if (r)
		return no(&s, CLI_REFUSED, "%s: %s", argv[0], res->why);
	jsonw_kv_str(&s.w, "origin", cp->origin);
	jsonw_kv_u64(&s.w, "size", cp->size);
	jsonw_kv_hex(&s.w, "root", cp->root.b, sizeof cp->root.b);
	jsonw_kv_u64(&s.w, "witnesses", res->checkpoint.n_witnesses);
	jsonw_kv_u64(&s.w, "tiles", res->n_tiles);
	jsonw_kv_u64(&s.w, "bundles", res->n_bundles);
	jsonw_kv_u64(&s.w, "beyond", res->n_beyond);
	jsonw_kv_u64(&s.w, "older", names.n);
	return yes(&s, "whole: %" PRIu64 " entries", cp->size);
}

/* ---- a witness ---- */

static int witness(struct cli *c, int argc, char **argv)
{
	struct say s;
	bool json = false;
	int n;
	const char *name = NULL, *dir = NULL;
	struct opt_list vkeys = { 0 };
	struct keys keys;
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	_cleanup_free_ char *body = NULL;
	struct witness_answer a;
	char why[512];
	size_t len;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL }, { "--vkey", OPT_LIST, &vkeys, NULL },
		{ "--state", OPT_STR, &dir, NULL }, { "--name", OPT_STR, &name, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!dir || !vkeys.n)
		return out_usage(c, "--%s is missing", dir ? "vkey" : "state");
	say_begin(&s, json);
	int r = keys_arg(&s, &vkeys, &keys);
	if (r)
		return r;
	/* a body that is too long is malformed like any other */
	int cut = file_read("-", WITNESS_BYTES_MAX, &body, &len, why, sizeof why);
	if (cut == CLI_UNDECIDED)
		return no(&s, cut, "%s", why);
	r = tlog_witness_open(&(struct witness_open){ dir, name, true }, &w, why, sizeof why);
	if (r)
		return no(&s, r < 0 ? CLI_UNDECIDED : CLI_REFUSED, "%s", why);
	for (size_t i = 0; i < keys.n; i++)
		if ((r = tlog_witness_add_log(&w, &keys.k[i], false)))
			return no(&s, CLI_REFUSED, "%s: not a key that signs a log", vkeys.v[i]);
	r = tlog_witness_answer(&w, cut ? "" : body, cut ? 0 : len, (u64)time(NULL), &a);
	if (r)
		return no(&s, CLI_UNDECIDED, "%s: %s", dir,
			r < 0 ? out_reason(r) : "the stored checkpoint is damaged");
	if (json) {
		jsonw_kv_u64(&s.w, "status", a.status);
		jsonw_kv_str(&s.w, "body", a.body);
		return yes(&s, "%s", "");
	}
	printf("%u\n%s", a.status, a.body);
	return CLI_DONE;
}

int cmd_tlog(struct cli *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*func)(struct cli *, int, char **);
	} subs[] = { { "vkey", vkey }, { "note-verify", note_verify }, { "checkpoint", checkpoint },
		{ "policy", policy }, { "proof-verify", proof_verify }, { "inclusion", inclusion },
		{ "consistency", consistency }, { "root", root }, { "fsck", fsck }, { "witness", witness } };
	if (sodium_init() < 0)
		return out_fail(CLI_UNDECIDED, "libsodium does not start");
	for (size_t i = 0; argc && i < ARRAY_LEN(subs); i++)
		if (!strcmp(argv[0], subs[i].name))
			return subs[i].func(c, argc - 1, argv + 1);
	int n;
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 0, INT_MAX }, &n))
		return n;
	return argc ? out_usage(c, "%s: no such question", argv[0]) : out_usage(c, "which question?");
}

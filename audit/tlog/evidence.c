#define _GNU_SOURCE
#include "audit/tlog/evidence.h"
#include "audit/tlog/evidence_priv.h"
#include "audit/tlog/proof.h"
#include "audit/tlog/range.h"
#include "audit/tlog/review.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int evidence_bad(struct evidence *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->ret->why, sizeof e->ret->why, fmt, ap);
	va_end(ap);
	return 1;
}

int evidence_load(struct evidence *e, const char *path, u64 max, struct evidence_file *ret)
{
	_cleanup_fd_ int fd = openat(e->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? evidence_bad(e, "%s: missing", path)
			       : err_errno();
	int r = fd_read_file(fd, max, &ret->data, &ret->len);
	return r > 0 ? evidence_bad(e, "%s: not a regular file of at most %" PRIu64 " bytes", path, max) : r;
}

void evidence_file_free(struct evidence_file *f)
{
	free_ptr(&f->data);
}

static bool there(const struct evidence *e, const char *path)
{
	return faccessat(e->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- whom to believe ---- */

/* The log's key, and with the witnesses that the log named, as a policy. */
static int read_policy(struct evidence *e)
{
	_cleanup_evidence_file_ struct evidence_file vkey = { 0 }, text = { 0 };
	char why[160], line[NOTE_VKEY_MAX + 8];
	int r = evidence_load(e, EVIDENCE_KEY, NOTE_VKEY_MAX, &vkey);
	if (r)
		return r;
	size_t len = vkey.len && vkey.data[vkey.len - 1] == '\n' ? vkey.len - 1 : vkey.len;
	if (len != vkey.len - 1 || tlog_note_key_from_vkey((const char *)vkey.data, len, &e->key) ||
		e->key.type != NOTE_ED25519)
		return evidence_bad(e, EVIDENCE_KEY ": not the verifier key of a log");
	if (e->p->key &&
		(!tlog_note_key_same(e->p->key, &e->key) ||
			memcmp(e->p->key->public_key, e->key.public_key, sizeof e->key.public_key) != 0))
		return evidence_bad(e, EVIDENCE_KEY ": another key than the one that you gave");
	e->ret->witness_policy = there(e, EVIDENCE_WITNESSES);
	if (e->ret->witness_policy)
		r = evidence_load(e, EVIDENCE_WITNESSES, POLICY_BYTES_MAX - sizeof line, &text);
	if (r)
		return r;
	/* a policy that names logs must name this one; one that names none is about this one */
	bool names = text.len && (!memcmp(text.data, "log ", MIN(text.len, 4u)) ||
					 memmem(text.data, text.len, "\nlog ", 5));
	char *whole = NULL;
	int n = asprintf(&whole, "%s%.*s%s%.*s%s", names ? "" : "log ", names ? 0 : (int)len,
		(const char *)vkey.data, names ? "" : "\n", (int)text.len,
		text.data ? (const char *)text.data : "", e->ret->witness_policy ? "" : "quorum none\n");
	if (n < 0)
		return err_origin(-ENOMEM);
	r = tlog_policy_read(whole, (size_t)n, &e->policy, why, sizeof why);
	free(whole);
	if (r > 0)
		return evidence_bad(e, EVIDENCE_WITNESSES ": %s", why);
	sha256_of(text.data ? text.data : (const u8 *)"", text.len, e->witnesses_digest);
	return r;
}

/* A checkpoint of this log: signed by it, and cosigned unless that may be missing. */
static int judge(struct evidence *e, const char *path, const char *note, size_t len, bool unwitnessed,
	struct policy_verdict *ret)
{
	enum policy_judged j = tlog_policy_judge(e->policy, note, len, ret);
	if (j == POLICY_NO_QUORUM && unwitnessed)
		j = POLICY_VALID;
	if (j != POLICY_VALID)
		return evidence_bad(e, "%s: its checkpoint: %s", path, tlog_policy_words(j));
	if (!tlog_note_key_same(&e->policy->logs[ret->log], &e->key))
		return evidence_bad(e, "%s: its checkpoint is of another log", path);
	return 0;
}

/* ---- records ---- */

/* What of a record is looked at. 0; 1 it does not begin as record `index`. */
static int record_read(const char *line, size_t len, u64 index, struct evidence_record *ret)
{
	struct evidence_record r = { .intent = UINT64_MAX };
	char head[48];
	int n = snprintf(head, sizeof head, "{\"v\":1,\"index\":%" PRIu64 ",", index);
	if (len < (size_t)n || memcmp(line, head, (size_t)n) != 0 || line[len - 1] != '}')
		return 1;
	const char *actor = memmem(line, len, ",\"actor\":{", 10);
	const char *event = memmem(line, len, ",\"event\":\"", 10);
	if (!actor || !event || event > actor)
		return 1;
	const char *end = memchr(event + 10, '"', (size_t)(actor - event) - 10);
	if (!end || (size_t)(end - event) - 10 >= sizeof r.event)
		return 1;
	memcpy(r.event, event + 10, (size_t)(end - event) - 10);
	const char *intent = memmem(end, (size_t)(actor - end), ",\"intent\":", 10);
	if (intent && bytes_decimal(intent + 10, (size_t)(actor - intent) - 10, &r.intent))
		return 1;
	r.fields = actor;
	r.len = (size_t)(line + len - actor);
	*ret = r;
	return 0;
}

bool evidence_has_hex(const struct evidence_record *r, const char *key, const u8 digest[SHA256_BYTES])
{
	char want[64 + 2 * SHA256_BYTES];
	int n = snprintf(want, sizeof want, ",\"%s\":\"", key);
	bytes_hex(digest, SHA256_BYTES, want + n);
	n += 2 * (int)SHA256_BYTES;
	want[n++] = '"';
	return memmem(r->fields, r->len, want, (size_t)n) != NULL;
}

static bool names_key(const struct evidence *e, const struct evidence_record *r)
{
	char vkey[NOTE_VKEY_MAX], want[NOTE_VKEY_MAX + 16];
	tlog_note_vkey(&e->key, vkey, sizeof vkey);
	int n = snprintf(want, sizeof want, ",\"vkey\":\"%s\"", vkey);
	return memmem(r->fields, r->len, want, (size_t)n) != NULL;
}

/* Does a record name the log's key or set a policy, and is it the one that lies here? The newest such record counts. */
static void note_grounds(struct evidence *e, const struct evidence_record *r, u64 index)
{
	struct {
		bool is, fits;
		struct evidence_named *to;
	} all[] = {
		{ !strcmp(r->event, "init") || !strcmp(r->event, "key"), names_key(e, r), &e->key_named },
		{ !strcmp(r->event, "policy-set"), evidence_has_hex(r, "policy", e->policy_digest),
			&e->policy_named },
		{ !strcmp(r->event, "witnesses"), evidence_has_hex(r, "policy", e->witnesses_digest),
			&e->witnesses_named },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].is && index >= all[i].to->index)
			*all[i].to = (struct evidence_named){ index, all[i].fits };
}

/* A record with a C2SP proof of its own, path without its ending. */
static int proven(struct evidence *e, const char *path, bool unwitnessed, u64 *ret_index,
	struct evidence_file *ret, struct evidence_record *ret_record)
{
	_cleanup_evidence_file_ struct evidence_file proof = { 0 };
	char name[300];
	struct tlog_proof p;
	struct policy_verdict v;
	snprintf(name, sizeof name, "%s.json", path);
	int r = evidence_load(e, name, RECORD_BYTES_MAX, ret);
	snprintf(name, sizeof name, "%s.tlog-proof", path);
	r = r ? r : evidence_load(e, name, PROOF_BYTES_MAX, &proof);
	if (r)
		return r;
	if (tlog_proof_read(proof.data, proof.len, &p))
		return evidence_bad(e, "%s: not a tlog-proof", name);
	r = judge(e, name, p.note, p.note_len, unwitnessed, &v);
	if (r)
		return r;
	const struct checkpoint *c = &v.checkpoint;
	struct merkle_hash leaf = tlog_merkle_leaf(ret->data, ret->len);
	if (tlog_merkle_inclusion_check(
		    &(struct merkle_included){ p.index, c->size, &leaf, &c->root, p.path.h, p.path.n }))
		return evidence_bad(e, "%s: does not prove the record beside it", name);
	if (record_read((const char *)ret->data, ret->len, p.index, ret_record))
		return evidence_bad(e, "%s.json: not record %" PRIu64, path, p.index);
	*ret_index = p.index;
	return 0;
}

/* ---- the excerpt ---- */

struct walk {
	struct merkle tree;
	u64 *open; /* intents not yet answered, rising */
	size_t n_open, cap;
};

static int open_note(struct walk *w, const struct evidence_record *r, u64 index)
{
	static const char *const opens[] = { "request", "grant", "import-intent", "propose" };
	for (size_t i = w->n_open; r->intent != UINT64_MAX && i-- > 0;) {
		if (w->open[i] != r->intent)
			continue;
		memmove(&w->open[i], &w->open[i + 1], (w->n_open - i - 1) * sizeof *w->open);
		w->n_open--;
		break;
	}
	bool is = false;
	for (size_t i = 0; i < ARRAY_LEN(opens); i++)
		is |= !strcmp(r->event, opens[i]);
	if (is && w->n_open == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 256;
		u64 *p = realloc(w->open, cap * sizeof *p);
		if (!p)
			return err_origin(-ENOMEM);
		w->open = p;
		w->cap = cap;
	}
	if (is)
		w->open[w->n_open++] = index;
	return 0;
}

static int entries_walk(struct evidence *e, struct walk *w, const struct evidence_file *f)
{
	struct tlog_text t = tlog_text(f->data, f->len);
	struct tlog_line l;
	struct evidence_record rec;
	int r = 0;
	while (!r && t.p < t.end) {
		u64 index = w->tree.size;
		if (tlog_text_line(&t, &l) || record_read(l.s, l.len, index, &rec))
			return evidence_bad(e,
				EVIDENCE_ENTRIES ": record %" PRIu64 " does not stand where it should",
				index);
		if (rec.intent != UINT64_MAX && rec.intent >= index)
			return evidence_bad(
				e, EVIDENCE_ENTRIES ": record %" PRIu64 " answers a later one", index);
		struct merkle_hash leaf = tlog_merkle_leaf(l.s, l.len);
		tlog_merkle_add(&w->tree, &leaf);
		note_grounds(e, &rec, index);
		r = open_note(w, &rec, index);
		if (!r && !strcmp(rec.event, "review"))
			r = evidence_review_add(e, &rec, index);
	}
	return r;
}

static int entries(struct evidence *e)
{
	_cleanup_evidence_file_ struct evidence_file f = { 0 }, range = { 0 };
	struct walk w = { .open = NULL };
	struct policy_verdict v;
	struct tlog_range p;
	int r = evidence_load(e, EVIDENCE_RANGE, PROOF_BYTES_MAX, &range);
	r = r ? r : evidence_load(e, EVIDENCE_ENTRIES, SIZE_MAX / 2, &f);
	if (r)
		return r;
	if (tlog_range_read(range.data, range.len, &p) || tlog_range_begin(&p, &w.tree))
		return evidence_bad(e, EVIDENCE_RANGE ": malformed");
	r = judge(e, EVIDENCE_RANGE, p.note, p.note_len, e->p->unwitnessed, &v);
	if (r)
		return r;
	e->ret->checkpoint = v.checkpoint;
	e->ret->n_witnesses = v.n_witnesses;
	e->ret->from = p.from;
	e->ret->to = p.to;
	const struct merkle before = w.tree;
	r = entries_walk(e, &w, &f);
	e->ret->n_open = w.n_open;
	free(w.open);
	if (r)
		return r;
	if (w.tree.size != p.to || tlog_range_end(&p, v.checkpoint.size, &w.tree))
		return evidence_bad(
			e, EVIDENCE_ENTRIES ": not records %" PRIu64 " to %" PRIu64, p.from, p.to - 1);
	struct merkle_hash root = tlog_merkle_root(&w.tree);
	if (memcmp(root.b, v.checkpoint.root.b, sizeof root.b) != 0)
		return evidence_bad(e, EVIDENCE_ENTRIES ": these are not the records that the log signed");
	return evidence_reviews_judge(e, &before, &f);
}

/* ---- what it rests on ---- */

static int context_one(struct evidence *e, const char *name)
{
	_cleanup_evidence_file_ struct evidence_file f = { 0 };
	struct evidence_record rec;
	char path[280];
	u64 index, said;
	const char *dot = strrchr(name, '.');
	if (!dot || strcmp(dot, ".json") || bytes_decimal(name, (size_t)(dot - name), &said))
		return dot && !strcmp(dot, ".tlog-proof")
			       ? 0
			       : evidence_bad(e, EVIDENCE_CONTEXT "/%s: no such file belongs here", name);
	snprintf(path, sizeof path, EVIDENCE_CONTEXT "/%.*s", (int)(dot - name), name);
	int r = proven(e, path, true, &index, &f, &rec);
	if (r)
		return r;
	if (index != said)
		return evidence_bad(e, "%s.json: is record %" PRIu64, path, index);
	e->ret->n_context++;
	note_grounds(e, &rec, index);
	return 0;
}

/* Before the entries: they may set another policy later. */
static int context(struct evidence *e)
{
	int fd = openat(e->dir, EVIDENCE_CONTEXT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return evidence_bad(e, EVIDENCE_CONTEXT ": missing");
	}
	for (struct dirent *de; !r && (errno = 0, de = readdir(d));)
		if (de->d_name[0] != '.')
			r = context_one(e, de->d_name);
	closedir(d);
	if (!r && !there(e, EVIDENCE_CONTEXT "/0.json"))
		return evidence_bad(e, EVIDENCE_CONTEXT "/0.json: missing");
	return r;
}

static int policies(struct evidence *e)
{
	_cleanup_evidence_file_ struct evidence_file f = { 0 };
	e->ret->policy = there(e, EVIDENCE_POLICY);
	int r = e->ret->policy ? evidence_load(e, EVIDENCE_POLICY, POLICY_FILE_BYTES_MAX, &f) : 0;
	if (!r && e->ret->policy)
		sha256_of(f.data, f.len, e->policy_digest);
	return r;
}

static int taken(struct evidence *e, const u8 sums[SHA256_BYTES])
{
	_cleanup_evidence_file_ struct evidence_file f = { 0 };
	struct evidence_record rec;
	char want[96];
	u64 index;
	int r = proven(e, "taken", true, &index, &f, &rec);
	if (r)
		return r;
	int n = snprintf(want, sizeof want, ",\"what\":\"evidence\",\"first\":%" PRIu64 ",\"count\":%" PRIu64,
		e->ret->from, e->ret->to - e->ret->from);
	if (strcmp(rec.event, "log-read") || !memmem(rec.fields, rec.len, want, (size_t)n))
		return evidence_bad(e, EVIDENCE_TAKEN ": not the record that this excerpt was taken");
	return evidence_has_hex(&rec, "manifest", sums)
		       ? 0
		       : evidence_bad(e, EVIDENCE_SUMS ": not the one that the log recorded");
}

/* ---- the whole ---- */

int tlog_evidence_judge(const struct evidence_params *p, struct evidence_result *ret)
{
	*ret = (struct evidence_result){ .from = UINT64_MAX };
	u8 sums[SHA256_BYTES];
	struct evidence e = { .p = p, .ret = ret };
	e.dir = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e.dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? evidence_bad(&e, "not a directory")
							   : err_errno();
	int r = evidence_sums_judge(&e, sums);
	r = r ? r : read_policy(&e);
	r = r ? r : policies(&e);
	r = r ? r : context(&e);
	r = r ? r : entries(&e);
	if (!r && !e.key_named.fits)
		r = evidence_bad(
			&e, EVIDENCE_KEY ": not the key that record %" PRIu64 " names", e.key_named.index);
	if (!r && ret->policy && !e.policy_named.fits)
		r = evidence_bad(&e, EVIDENCE_POLICY ": no record that is proven here set it");
	if (!r && ret->witness_policy && !e.witnesses_named.fits)
		r = evidence_bad(&e, EVIDENCE_WITNESSES ": no record that is proven here installed it");
	r = r ? r : taken(&e, sums);
	close(e.dir);
	tlog_policy_free(&e.policy);
	free(e.reviews);
	return r;
}

/* Witnesses: others who sign our checkpoints, so that a log that was rolled back or written anew is found out.
 *
 * The policy (C2SP tlog-policy) says whose signatures count and how many; an officer installs it. A checkpoint leaves with a proof from the
 * size that a witness has seen, comes back with cosignatures, and is held here against this log: its root must be ours at that size.
 * One that is larger than the log, or has another root, means that this log is not the one that the witness saw, and is recorded as that.
 *
 * Policies and cosigned checkpoints are blobs; the last record of each kind names the digest of the one that counts, and the check
 * wants it to be there. Nothing else about witnesses is state. */
#define _GNU_SOURCE
#include "audit/dual.h"
#include "audit/tlog/proof.h"
#include "audit/tlog/range.h"
#include "audit/tlog/witness.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the log holds ---- */

struct want {
	const char *key;
	u8 digest[SHA256_BYTES];
	bool found;
};

static int on_line(void *arg, u64 index, const char *line, size_t len)
{
	struct want *w = arg;
	char mark[32];
	int n = snprintf(mark, sizeof mark, ",\"%s\":\"", w->key);
	const char *at = memmem(line, len, mark, (size_t)n);
	w->found = at && (size_t)(line + len - at) > (size_t)n + 2 * SHA256_BYTES &&
		   bytes_unhex(at + n, SHA256_BYTES, w->digest) == 0;
	return 1;
}

int audit_witness_blob(struct audit_log *log, u64 index, const char *key, u8 **ret, size_t *ret_len)
{
	struct want w = { .key = key };
	int r = audit_log_lines(log, index, 1, on_line, &w);
	if (r < 0)
		return r;
	return w.found ? audit_log_blob(log, w.digest, ret, ret_len) : 1;
}

static void witnessed_free(struct witnessed *w)
{
	free(w->note);
	*w = (struct witnessed){ 0 };
}

void witness_free(struct keepd *k)
{
	tlog_policy_free(&k->witness.policy);
	free_ptr(&k->witness.text);
	witnessed_free(&k->witness.newest);
	witnessed_free(&k->witness.pending);
}

/* Who of the policy signed it, and is that enough? Takes the note. */
static struct witnessed judge(const struct tlog_policy *p, char *note, size_t len)
{
	struct witnessed w = { .note = note, .len = len };
	struct note_signed s[POLICY_WITNESSES_MAX] = { 0 };
	struct checkpoint cp;
	struct note n;
	if (tlog_note_parse(note, len, &n) || tlog_checkpoint_read(n.text, n.text_len, &cp))
		return w;
	w.size = cp.size;
	w.root = cp.root;
	if (!p || tlog_note_judge(&n, p->witnesses, p->n_witnesses, s))
		return w;
	for (u32 i = 0; i < p->n_witnesses; i++) {
		if (!s[i].good)
			continue;
		w.time = w.n ? MIN(w.time, s[i].time) : s[i].time;
		w.n++;
	}
	w.quorum = tlog_policy_quorum(p, s);
	return w;
}

static int load_note(struct keepd *k, u64 index, struct witnessed *ret)
{
	u8 *data;
	size_t len;
	int r = index == INTENT_NONE ? 1 : audit_witness_blob(k->log, index, "note", &data, &len);
	if (r == 0)
		*ret = judge(k->witness.policy, (char *)data, len);
	return MIN(r, 0);
}

/* The policy as it was installed: archives carry it. */
static void keep_text(struct keepd *k, u8 **text, size_t len)
{
	free(k->witness.text);
	k->witness.text = (char *)*text;
	k->witness.text_len = len;
	*text = NULL;
}

int witness_cosigned(struct keepd *k, u64 index, struct witnessed *ret)
{
	*ret = (struct witnessed){ 0 };
	int r = load_note(k, index, ret);
	return r ? r : ret->note ? 0 : 1;
}

int witness_load(struct keepd *k, const struct audit_check *c)
{
	_cleanup_free_ u8 *policy = NULL;
	size_t len;
	char why[160];
	int r = c->tail.witnesses_index == INTENT_NONE
			? 1
			: audit_witness_blob(k->log, c->tail.witnesses_index, "policy", &policy, &len);
	if (r == 0)
		r = tlog_policy_read(policy, len, &k->witness.policy, why, sizeof why);
	if (r == 0)
		keep_text(k, &policy, len);
	r = MIN(r, 0);
	r = r ? r : load_note(k, c->tail.cosigned_index, &k->witness.newest);
	if (!r && c->tail.cosign_index != c->tail.cosigned_index)
		r = load_note(k, c->tail.cosign_index, &k->witness.pending);
	return r;
}

/* ---- installing a policy ---- */

static bool names_this_log(const struct keepd *k, const struct tlog_policy *p)
{
	for (u32 i = 0; i < p->n_logs; i++)
		if (tlog_note_key_same(&p->logs[i], audit_log_key(k->log)))
			return true;
	return p->n_logs == 0;
}

static void judge_again(struct keepd *k, struct witnessed *w)
{
	char *note = w->note;
	if (note)
		*w = judge(k->witness.policy, note, w->len);
}

/* 0, *ret; 1 it cannot be this log's, why; -errno. */
static int policy_of(
	const struct keepd *k, const void *data, size_t len, struct tlog_policy **ret, char why[160])
{
	struct tlog_policy *p;
	int r = tlog_policy_read(data, len, &p, why, 160);
	if (r)
		return r;
	if (names_this_log(k, p)) {
		*ret = p;
		return 0;
	}
	snprintf(why, 160, "it names logs, and not this one");
	tlog_policy_free(&p);
	return 1;
}

/* At approval the file is stored: the log may have another key by then. */
bool witnesses_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	_cleanup_free_ u8 *data = NULL;
	struct tlog_policy *p = NULL;
	char text[160] = "it could not be read";
	size_t len;
	if (audit_log_blob(k->log, row->file, &data, &len))
		return false; /* it is being proposed, and was looked at by who proposes it */
	int r = policy_of(k, data, len, &p, text);
	if (r)
		snprintf(why, REASON_LEN_MAX + 1, "witness policy: %s", text);
	tlog_policy_free(&p);
	return r != 0;
}

int witnesses_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct tlog_policy *p;
	struct audit_record rec;
	u8 digest[SHA256_BYTES];
	char why[160];
	memcpy(&n, d->row->body, sizeof n);
	u8 *text = malloc(d->file_len);
	int r = text ? policy_of(k, d->file, d->file_len, &p, why) : err_origin(-ENOMEM);
	if (r) { /* it was looked at a moment ago */
		free(text);
		audit_log_fail(k->log, "witness policy: %s", r > 0 ? why : strerror(-r));
		return r < 0 ? r : -EIO;
	}
	memcpy(text, d->file, d->file_len);
	sha256_of(d->file, d->file_len, digest);
	audit_log_record(k->log, &rec, EVENT_WITNESSES, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	jsonw_kv_hex(&rec.w, "policy", digest, sizeof digest);
	jsonw_kv_u64(&rec.w, "bytes", d->file_len);
	jsonw_kv_u64(&rec.w, "witnesses", p->n_witnesses);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	r = audit_log_append(k->log, &rec, NULL);
	r = r ? r : audit_log_put_blob(k->log, digest, d->file, d->file_len);
	tlog_policy_free(&k->witness.policy);
	k->witness.policy = p;
	keep_text(k, &text, d->file_len);
	judge_again(k, &k->witness.newest);
	judge_again(k, &k->witness.pending);
	return r;
}

/* Who counts as a witness decides what a proof is worth: two people, where trust takes two. */
static void witnesses_set(struct conn *c, u64 id, const struct proto_name *n, const u8 *data, size_t len)
{
	struct keepd *k = c->k;
	struct dual_row row = { .type = CTL_WITNESSES, .len = sizeof *n };
	struct dual_doing d = { .row = &row, .file = data, .file_len = len, .who = conn_actor(c) };
	u64 index;
	if (dual_wanted(k, CTL_WITNESSES)) {
		dual_propose(c, id,
			&(struct dual_proposal){ .type = CTL_WITNESSES,
				.body = n,
				.len = sizeof *n,
				.file = data,
				.file_len = len,
				.object = "witness policy",
				.reason = n->text });
		return;
	}
	memcpy(row.body, n, sizeof *n);
	if (witnesses_run(k, &d, &index) == 0)
		client_end(c, id, END_DONE, index, "%u witnesses", k->witness.policy->n_witnesses);
}

int witnesses_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	struct tlog_policy *p = NULL;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	char why[160];
	if (client_name(f, &n) || n.name[0])
		return -EPROTO;
	if (client_refused(c, f->h.id, 0) ||
		trust_read_file(c, f->h.id, f, "witness policy", POLICY_BYTES_MAX, &data, &len))
		return 0;
	int r = policy_of(c->k, data, len, &p, why);
	tlog_policy_free(&p);
	if (r)
		client_end(c, f->h.id, r < 0 ? END_UNDECIDED : END_REFUSED, UINT64_MAX, "witness policy: %s",
			r < 0 ? strerror(-r) : why);
	else
		witnesses_set(c, f->h.id, &n, data, len);
	return 0;
}

/* ---- cosignatures come home ---- */

/* The text, our own signature, and each witness's newest line of both notes. 0, *ret to be freed; -ENOMEM. */
static int merge(const struct keepd *k, const struct note *fresh, const struct witnessed *old, char **ret,
	size_t *ret_len)
{
	const struct tlog_policy *p = k->witness.policy;
	char line[NOTE_SIGNATURE_MAX];
	struct note was = { 0 };
	struct tlog_line l;
	FILE *f = open_memstream(ret, ret_len);
	if (!f)
		return -ENOMEM;
	if (old->note && tlog_note_parse(old->note, old->len, &was))
		was = (struct note){ 0 };
	tlog_note_line(audit_log_key(k->log), fresh->text, fresh->text_len, 0, line);
	fprintf(f, "%.*s\n%s", (int)fresh->text_len, fresh->text, line);
	for (u32 i = 0; i < p->n_witnesses; i++) {
		size_t at = 0;
		if (tlog_note_line_of(fresh, &p->witnesses[i], &at, &l) == 0 ||
			(was.text && tlog_note_line_of(&was, &p->witnesses[i], &at, &l) == 0))
			fprintf(f, "%.*s", (int)l.len, l.s);
	}
	return fclose(f) ? -ENOMEM : 0;
}

/* What is wrong with the checkpoint before this log is asked, or NULL. */
static const char *form(
	const struct keepd *k, const u8 *data, size_t len, struct note *n, struct checkpoint *cp)
{
	struct note_signed s[POLICY_WITNESSES_MAX];
	if (!k->witness.policy)
		return "no witness policy is installed; keep audit witnesses does that";
	if (tlog_note_parse((const char *)data, len, n) || tlog_checkpoint_read(n->text, n->text_len, cp))
		return "it is not a checkpoint with signatures";
	if (strcmp(cp->origin, audit_log_key(k->log)->name) != 0 || cp->n_extensions)
		return "it is not of this log";
	int r = tlog_note_judge(n, k->witness.policy->witnesses, k->witness.policy->n_witnesses, s);
	return r == 2 ? "a cosignature is wrong" : r ? "no witness of the policy cosigned it" : NULL;
}

/* Is it this log that the witness saw? 0 yes; 1 no; -errno. */
static int fits(struct keepd *k, const struct checkpoint *cp)
{
	struct merkle_source s = audit_log_hashes(k->log);
	struct merkle_hash root;
	if (cp->size > audit_log_size(k->log))
		return 1;
	int r = tlog_merkle_root_at(&s, cp->size, &root);
	return r ? r : memcmp(root.b, cp->root.b, sizeof root.b) != 0;
}

static int put_record(
	struct conn *c, const struct checkpoint *cp, const struct witnessed *w, bool same, u64 *ret_index)
{
	struct keepd *k = c->k;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	u8 digest[SHA256_BYTES];
	sha256_of(w->note, w->len, digest);
	audit_log_record(k->log, &rec, same ? EVENT_COSIGN : EVENT_CONTRADICTION, INTENT_NONE, &who);
	jsonw_kv_u64(&rec.w, "size", cp->size);
	jsonw_kv_hex(&rec.w, "root", cp->root.b, sizeof cp->root.b);
	jsonw_kv_u64(&rec.w, "witnesses", w->n);
	if (same)
		jsonw_kv_bool(&rec.w, "quorum", w->quorum);
	jsonw_kv_hex(&rec.w, "note", digest, sizeof digest);
	int r = audit_log_append(k->log, &rec, NULL);
	*ret_index = rec.index;
	return r ? r : audit_log_put_blob(k->log, digest, w->note, w->len);
}

static void accept(struct keepd *k, struct witnessed *w)
{
	struct witnessed *to = w->quorum ? &k->witness.newest : &k->witness.pending;
	if (w->quorum && k->witness.pending.size <= w->size)
		witnessed_free(&k->witness.pending);
	witnessed_free(to);
	*to = *w;
	*w = (struct witnessed){ 0 };
}

/* What is kept of it: its lines and those that an older note of the same size has, or it as it came when another log was seen.
 * 0 it is of this log; 1 it is not; -errno. */
static int to_keep(
	struct keepd *k, const struct checkpoint *cp, const struct note *n, size_t len, struct witnessed *ret)
{
	const struct witness_state *s = &k->witness;
	const struct witnessed none = { 0 }, *old = cp->size == s->newest.size	  ? &s->newest
						    : cp->size == s->pending.size ? &s->pending
										  : &none;
	int other = fits(k, cp);
	if (other == 0)
		return merge(k, n, old, &ret->note, &ret->len);
	if (other < 0)
		return other;
	ret->note = malloc(len);
	if (!ret->note)
		return err_origin(-ENOMEM);
	memcpy(ret->note, n->text, len);
	ret->len = len;
	return 1;
}

static void cosigned(struct conn *c, u64 id, const struct checkpoint *cp, struct witnessed *w, bool same)
{
	u64 index;
	if (put_record(c, cp, w, same, &index))
		return;
	if (!same) {
		client_end(c, id, END_REFUSED, index,
			"a witness saw another log: %" PRIu64
			" records, root %02x%02x%02x%02x...; this one was "
			"rolled back or written anew",
			cp->size, cp->root.b[0], cp->root.b[1], cp->root.b[2], cp->root.b[3]);
		return;
	}
	client_end(c, id, END_DONE, index, "%u witnesses saw %" PRIu64 " records%s", w->n, cp->size,
		w->quorum ? "" : "; the quorum needs more");
	accept(c->k, w);
}

int cosign_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct checkpoint cp;
	struct note n;
	struct witnessed w = { 0 };
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	if (client_refused(c, f->h.id, 0) ||
		trust_read_file(c, f->h.id, f, "cosigned checkpoint", NOTE_BYTES_MAX, &data, &len))
		return 0;
	const char *why = form(k, data, len, &n, &cp);
	if (!why && cp.size < k->witness.newest.size)
		why = "it is older than the newest that is witnessed";
	if (why) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "cosigned checkpoint: %s", why);
		return 0;
	}
	int other = to_keep(k, &cp, &n, len, &w);
	if (other < 0) {
		client_end(
			c, f->h.id, END_UNDECIDED, UINT64_MAX, "cosigned checkpoint: %s", strerror(-other));
		return 0;
	}
	w = judge(k->witness.policy, w.note, w.len);
	cosigned(c, f->h.id, &cp, &w, other == 0);
	free(w.note);
	return 0;
}

/* ---- what leaves ---- */

void witness_status(const struct keepd *k, struct jsonw *w)
{
	const struct witness_state *s = &k->witness;
	jsonw_kv_u64(w, "witnesses", s->policy ? s->policy->n_witnesses : 0);
	jsonw_kv_u64(w, "witnessed_size", s->newest.quorum ? s->newest.size : 0);
	jsonw_kv_u64(w, "witnessed_time_s", s->newest.quorum ? s->newest.time : 0);
	time_t now = time(NULL);
	if (s->newest.quorum)
		jsonw_kv_u64(w, "witnessed_age_s", (u64)now > s->newest.time ? (u64)now - s->newest.time : 0);
}

/* The checkpoint that a proof of record `index` is made for: the newest witnessed one that covers it, else the newest. */
static const char *best_note(const struct keepd *k, u64 index, bool newest, size_t *ret_len)
{
	const struct witnessed *w = &k->witness.newest;
	if (!newest && w->quorum && index < w->size) {
		*ret_len = w->len;
		return w->note;
	}
	const char *note = audit_log_note(k->log);
	*ret_len = strlen(note);
	return note;
}

static int read_note(const char *note, size_t len, struct checkpoint *ret)
{
	struct note n;
	return tlog_note_parse(note, len, &n) || tlog_checkpoint_read(n.text, n.text_len, ret);
}

int witness_receipt(struct keepd *k, u64 index, bool newest, struct witness_out *ret)
{
	struct tlog_proof p = { .index = index };
	struct checkpoint cp;
	struct merkle_source s = audit_log_hashes(k->log);
	p.note = best_note(k, index, newest, &p.note_len);
	if (read_note(p.note, p.note_len, &cp))
		return -EIO;
	if (index >= cp.size)
		return 1;
	int r = tlog_merkle_inclusion(&s, index, cp.size, &p.path);
	if (r)
		return r < 0 ? r : -EIO;
	ret->size = cp.size;
	ret->witnessed = p.note == k->witness.newest.note;
	return tlog_proof_write(&p, &ret->text, &ret->len);
}

int witness_range(struct keepd *k, u64 from, u64 to, bool newest, struct witness_out *ret)
{
	struct merkle_source s = audit_log_hashes(k->log);
	struct checkpoint cp;
	struct tlog_range p;
	size_t len;
	const char *note = best_note(k, to - 1, newest, &len);
	if (read_note(note, len, &cp))
		return -EIO;
	int r = tlog_range_make(&s, from, to, cp.size, &p);
	if (r)
		return r;
	p.note = note;
	p.note_len = len;
	ret->size = cp.size;
	ret->witnessed = note == k->witness.newest.note;
	return tlog_range_write(&p, &ret->text, &ret->len);
}

int witness_request(struct keepd *k, u64 old, struct witness_out *ret)
{
	const char *note = audit_log_note(k->log);
	struct merkle_source s = audit_log_hashes(k->log);
	struct merkle_proof p = { 0 };
	struct checkpoint cp;
	if (read_note(note, strlen(note), &cp))
		return -EIO;
	if (old > cp.size)
		return 1;
	int r = old == 0 ? 0 : tlog_merkle_consistency(&s, old, cp.size, &p);
	if (r)
		return r < 0 ? r : -EIO;
	ret->size = cp.size;
	return tlog_witness_write(old, &p, note, strlen(note), &ret->text, &ret->len);
}

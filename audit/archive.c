/* Archives and pruning.
 *
 * The command line writes an archive, verifies it as it lies on the medium, and says so here with the digest of its SHA256SUMS; what was
 * archived is known by the index of that record. Pruning takes the texts of the records of one archive whose class is due; their leaf hashes stay,
 * so every proof, every later record and every check goes on.
 *
 * How old a record is, no clock of this machine may say: one that was set back when the record was written, or forward now, would make
 * young records old. It is as old as the first checkpoint over it that a quorum of witnesses cosigned, by their clocks; and now is the floor clock, or the
 * newest such cosignature. */
#include "audit/keeping.h"
#include "audit/log_retain.h"
#include "audit/tlog/tiles.h"
#include "base/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- archives ---- */

/* 0 the log has that root at that size; 1 not; -errno. */
static int root_fits(struct keepd *k, u64 size, const u8 root[SHA256_BYTES])
{
	struct merkle_source s = audit_log_hashes(k->log);
	struct merkle_hash is;
	if (size == 0 || size > audit_log_size(k->log))
		return 1;
	int r = tlog_merkle_root_at(&s, size, &is);
	return r ? r : memcmp(is.b, root, sizeof is.b) != 0;
}

static const char *archive_refused(const struct keepd *k, const struct proto_archive *p)
{
	if (p->from >= p->to || p->to > p->size)
		return "its range is none";
	if (p->to - p->from > ARCHIVE_RECORDS_MAX)
		return "it has too many records for one archive";
	if (audit_archive_overlap(&k->state.retain, p->from, p->to))
		return "records of its range are pruned already";
	return k->state.retain.n_archives == ARCHIVES_MAX ? "there are too many archives already" : NULL;
}

int archived_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_archive p;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	memcpy(&p, f->body, sizeof p);
	if (!bytes_str_ok(p.label, sizeof p.label))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	const char *why = archive_refused(k, &p);
	int r = why ? 0 : root_fits(k, p.size, p.root);
	if (why || r) {
		client_end(c, f->h.id, r < 0 ? END_UNDECIDED : END_REFUSED, UINT64_MAX,
			"archive of %" PRIu64 "..%" PRIu64 ": %s", p.from, p.to,
			why	? why
			: r < 0 ? strerror(-r)
				: "its checkpoint is not one of this log");
		return 0;
	}
	audit_log_record(k->log, &rec, EVENT_ARCHIVE, INTENT_NONE, &who);
	struct archive_row row = { .index = rec.index, .from = p.from, .to = p.to, .size = p.size };
	memcpy(row.digest, p.digest, sizeof row.digest);
	memcpy(row.label, p.label, sizeof row.label);
	jsonw_kv_u64(&rec.w, "from", row.from);
	jsonw_kv_u64(&rec.w, "to", row.to);
	jsonw_kv_u64(&rec.w, "size", row.size);
	jsonw_kv_hex(&rec.w, "root", p.root, sizeof p.root);
	jsonw_kv_hex(&rec.w, "digest", row.digest, sizeof row.digest);
	audit_record_str(&rec, "label", row.label, sizeof row.label);
	r = audit_archive_put(&k->state.retain, &row);
	assert(r == 0);
	if (audit_log_append(k->log, &rec, &k->state) == 0 &&
		audit_log_put_archives(k->log, &k->state.retain) == 0)
		client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}

/* ---- what is due ---- */

/* Seconds of UTC when witnesses first saw the records up to `to`, their quorum; 0: they never did. 0; -errno. */
static int first_seen(struct keepd *k, u64 to, u64 *ret)
{
	u64 at = to;
	for (*ret = 0; *ret == 0;) {
		struct witnessed w;
		u64 index;
		int r = audit_log_next(k->log, at, EVENT_COSIGN, &index);
		if (r)
			return MIN(r, 0);
		r = witness_cosigned(k, index, &w);
		if (r < 0)
			return r;
		if (r == 0 && w.quorum && w.size >= to)
			*ret = w.time;
		free(w.note);
		at = index + 1;
	}
	return 0;
}

static u64 now_s(const struct keepd *k)
{
	struct clock_reading now = audit_clock_read(audit_log_boot(k->log));
	u64 floor = audit_clock_floor(&k->state.clock, &now) / 1000000000u;
	return k->witness.newest.quorum ? MAX(floor, k->witness.newest.time) : floor;
}

/* The classes that are due for records seen then. */
static u32 classes_due(const struct keepd *k, u64 seen_s)
{
	u64 now = now_s(k), days = now > seen_s ? (now - seen_s) / 86400u : 0;
	u32 classes = 0;
	for (u32 i = 0; i < RETAIN_CLASSES; i++) {
		u32 want = k->state.retain.set.days[i];
		if (want && days >= MAX(want, RETAIN_DAYS_MIN))
			classes |= 1u << i;
	}
	return classes;
}

struct prune {
	struct archive_row *archive;
	u64 to; /* whole bundles of the archive */
	u64 seen_s;
	struct prune_plan plan;
};

/* What forbids it, or NULL. */
static const char *forbidden(struct keepd *k, struct prune *p, char text[REASON_LEN_MAX + 1])
{
	const struct archive_row *a = p->archive;
	const struct hold_row *h = audit_hold_on_range(&k->state.retain, a->from, a->to);
	if (h) {
		snprintf(text, REASON_LEN_MAX + 1, "the hold %s (record %" PRIu64 ") keeps its records",
			h->name, h->index);
		return text;
	}
	if (audit_log_unread_in(
		    k->log, a->from, a->to)) /* the columns that say what is due may be anybody's */
		return "its records are still being read again since the start: wait, and see log_unread in "
		       "keep status";
	if (p->to <= a->from)
		return "it holds no whole bundle of 256 records";
	const struct archive_row *other = audit_archive_overlap(&k->state.retain, a->from, p->to);
	if (other && other != a) {
		snprintf(text, REASON_LEN_MAX + 1,
			"archive %" PRIu64 " holds some of its records too, and was pruned", other->index);
		return text;
	}
	int r = first_seen(k, p->to, &p->seen_s);
	if (r)
		return "its witnesses could not be looked up";
	return p->seen_s ? NULL : "no quorum of witnesses has cosigned a checkpoint over it";
}

/* 0 something is due; 1 refused, why; -errno. */
static int prune_plan(struct keepd *k, u64 archive, struct prune *p, char why[REASON_LEN_MAX + 1])
{
	char text[REASON_LEN_MAX + 1];
	*p = (struct prune){ .archive = audit_archive_find(&k->state.retain, archive) };
	const char *no = p->archive ? NULL : "there is none";
	u32 classes = 0;
	if (p->archive) {
		p->to = p->archive->to - p->archive->to % TILE_WIDTH;
		no = forbidden(k, p, text);
	}
	if (!no && !(classes = classes_due(k, p->seen_s)))
		no = "nothing in it is due: younger than its class is kept, or kept for ever";
	int r = no ? 1
		   : audit_prune_plan(k->log,
			     &(struct prune_want){
				     .from = p->archive->from, .to = p->to, .classes = classes },
			     &p->plan);
	if (!r && p->plan.n_due == 0) {
		audit_prune_fini(&p->plan);
		no = "nothing in it is due";
		r = 1;
	}
	if (r > 0)
		snprintf(why, REASON_LEN_MAX + 1, "archive %" PRIu64 ": %.200s", archive, no);
	return r;
}

bool prune_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	const struct proto_prune *w = (const void *)row->body;
	struct prune p;
	int r = prune_plan(k, w->archive, &p, why);
	audit_prune_fini(&p.plan);
	if (r < 0)
		snprintf(why, REASON_LEN_MAX + 1, "archive %" PRIu64 ": %s", w->archive, strerror(-r));
	return r != 0;
}

static void record_prune(struct audit_record *rec, const struct prune *p)
{
	jsonw_kv_u64(&rec->w, "archive", p->archive->index);
	jsonw_kv_u64(&rec->w, "from", p->archive->from);
	jsonw_kv_u64(&rec->w, "to", p->to);
	jsonw_kv_u64(&rec->w, "records", p->plan.n_due);
	jsonw_kv_u64(&rec->w, "pruned", p->plan.n);
	jsonw_kv_hex(&rec->w, "set", p->plan.set, sizeof p->plan.set);
	jsonw_kv_hex(&rec->w, "digest", p->archive->digest, sizeof p->archive->digest);
	jsonw_kv_u64(&rec->w, "seen_s", p->seen_s);
}

int prune_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	const struct proto_prune *w = (const void *)d->row->body;
	char why[REASON_LEN_MAX + 1];
	struct prune p;
	struct audit_record rec;
	int r = prune_plan(k, w->archive, &p, why);
	if (r) { /* it was looked at a moment ago */
		audit_log_fail(k->log, "prune: %s", r > 0 ? why : strerror(-r));
		return r < 0 ? r : -EIO;
	}
	audit_log_record(k->log, &rec, EVENT_PRUNE, INTENT_NONE, &d->who);
	p.archive->pruned = rec.index;
	p.archive->n_pruned = p.plan.n;
	memcpy(p.archive->set, p.plan.set, sizeof p.archive->set);
	record_prune(&rec, &p);
	audit_record_str(&rec, "reason", d->row->reason, sizeof d->row->reason);
	r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_archives(k->log, &k->state.retain);
	r = r ? r : audit_prune_do(k->log, &p.plan);
	audit_prune_fini(&p.plan);
	keepd_effect(k, EFFECT_PRUNE, NULL, NULL);
	*ret_index = rec.index;
	return r;
}

int prune_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_prune p;
	char object[32];
	memcpy(&p, f->body, sizeof p);
	if (!bytes_str_ok(p.text, sizeof p.text))
		return -EPROTO;
	snprintf(object, sizeof object, "archive %" PRIu64, p.archive);
	dual_propose(c, f->h.id,
		&(struct dual_proposal){
			.type = f->h.type, .body = &p, .len = sizeof p, .object = object, .reason = p.text });
	return 0;
}

int prune_effect(struct keepd *k)
{
	int r = audit_log_commit(k->log); /* of what other effects of this turn found to record */
	return r ? r : audit_log_scrub(k->log);
}

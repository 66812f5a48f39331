/* The setting of retention, holds, and questions. */
#include "audit/keeping.h"
#include "audit/log_retain.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEPING_BYTES_MAX (1u << 20) /* bytes of one answer: 256 archives and 64 holds */

/* ---- the setting ---- */

int retain_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_retain p;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	memcpy(&p, f->body, sizeof p);
	if (p.texts > TEXTS_CONTENT || p.reserved || !bytes_str_ok(p.reason, sizeof p.reason))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	for (u32 i = 0; i < RETAIN_CLASSES; i++) {
		if (p.days[i] == 0 || p.days[i] >= RETAIN_DAYS_MIN)
			continue;
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX,
			"retention: records of the class %s are kept for ever or at least %u days, not %u",
			audit_retain_name(i), RETAIN_DAYS_MIN, p.days[i]);
		return 0;
	}
	audit_log_record(k->log, &rec, EVENT_RETENTION, INTENT_NONE, &who);
	struct retain_row row = { .texts = p.texts, .index = rec.index };
	memcpy(row.days, p.days, sizeof row.days);
	jsonw_kv_str(&rec.w, "texts", audit_texts_name(row.texts));
	jsonw_kv_u64(&rec.w, "use_days", row.days[RETAIN_USE]);
	jsonw_kv_u64(&rec.w, "operate_days", row.days[RETAIN_OPERATE]);
	audit_record_str(&rec, "reason", p.reason, sizeof p.reason);
	k->state.retain.set = row;
	if (audit_log_append(k->log, &rec, &k->state) == 0 &&
		audit_log_put_retain(k->log, &k->state.retain) == 0)
		client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}

/* ---- holds ---- */

static const char *hold_refused(const struct keepd *k, const struct hold_row *h)
{
	if (!bytes_name_ok(h->name))
		return "a name has 1 to 64 of a-z, 0-9, dot, dash and underscore";
	if (h->subject[0] && !audit_subject_name_ok(h->subject))
		return "its subject is none";
	if (h->from >= h->to)
		return "its range is empty";
	if (audit_hold_find((struct retain_state *)&k->state.retain, h->name))
		return "there is one of that name";
	return k->state.retain.n_holds == HOLDS_MAX ? "there are too many holds already" : NULL;
}

static void put_hold(struct jsonw *w, const struct hold_row *h)
{
	jsonw_kv_str(w, "name", h->name);
	jsonw_kv_str(w, "subject", h->subject);
	jsonw_kv_u64(w, "from", h->from);
	if (h->to != UINT64_MAX)
		jsonw_kv_u64(w, "to", h->to);
}

int hold_add_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_hold p;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	struct hold_row row = { 0 };
	memcpy(&p, f->body, sizeof p);
	if (!bytes_str_ok(p.name, sizeof p.name) || !bytes_str_ok(p.subject, sizeof p.subject) ||
		!bytes_str_ok(p.reason, sizeof p.reason))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	memcpy(row.name, p.name, sizeof row.name);
	memcpy(row.subject, p.subject, sizeof row.subject);
	memcpy(row.reason, p.reason, sizeof row.reason);
	row.from = p.from;
	row.to = p.to;
	const char *why = hold_refused(k, &row);
	if (why) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "hold %s: %s", row.name, why);
		return 0;
	}
	audit_log_record(k->log, &rec, EVENT_HOLD_ADD, INTENT_NONE, &who);
	row.index = rec.index;
	put_hold(&rec.w, &row);
	audit_record_str(&rec, "reason", row.reason, sizeof row.reason);
	int r = audit_hold_put(&k->state.retain, &row);
	assert(r == 0);
	if (audit_log_append(k->log, &rec, &k->state) == 0 &&
		audit_log_put_holds(k->log, &k->state.retain) == 0)
		client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}

bool hold_rm_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	const struct proto_name *n = (const void *)row->body;
	bool none = !audit_hold_find(&k->state.retain, n->name);
	if (none)
		snprintf(why, REASON_LEN_MAX + 1, "hold %s: there is none", n->name);
	return none;
}

int hold_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	const struct proto_name *n = (const void *)d->row->body;
	struct hold_row *h = audit_hold_find(&k->state.retain, n->name);
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_HOLD_REMOVE, INTENT_NONE, &d->who);
	put_hold(&rec.w, h);
	jsonw_kv_u64(&rec.w, "made", h->index);
	audit_record_str(&rec, "reason", d->row->reason, sizeof d->row->reason);
	audit_hold_drop(&k->state.retain, n->name);
	int r = audit_log_append(k->log, &rec, &k->state);
	*ret_index = rec.index;
	return r ? r : audit_log_put_holds(k->log, &k->state.retain);
}

/* ---- questions ---- */

static void put_archive(struct jsonw *w, const struct archive_row *a)
{
	jsonw_object(w);
	jsonw_kv_u64(w, "archive", a->index);
	jsonw_kv_u64(w, "from", a->from);
	jsonw_kv_u64(w, "to", a->to);
	jsonw_kv_u64(w, "size", a->size);
	jsonw_kv_hex(w, "digest", a->digest, sizeof a->digest);
	jsonw_kv_str(w, "label", a->label);
	jsonw_kv_u64(w, "records_pruned", a->n_pruned);
	if (a->pruned)
		jsonw_kv_u64(w, "pruned", a->pruned);
	jsonw_object_end(w);
}

void keeping_put_pruned(const struct keepd *k, struct jsonw *w)
{
	const struct retain_state *s = &k->state.retain;
	jsonw_key(w, "pruned");
	jsonw_array(w);
	for (u32 i = 0; i < s->n_archives; i++)
		if (s->archives[i].pruned)
			put_archive(w, &s->archives[i]);
	jsonw_array_end(w);
}

static void put_setting(struct jsonw *w, const struct retain_row *set)
{
	jsonw_kv_str(w, "texts", audit_texts_name(set->texts));
	jsonw_kv_u64(w, "use_days", set->days[RETAIN_USE]);
	jsonw_kv_u64(w, "operate_days", set->days[RETAIN_OPERATE]);
	jsonw_kv_u64(w, "floor_days", RETAIN_DAYS_MIN);
	jsonw_kv_bool(w, "set", set->index > 0);
	jsonw_kv_u64(w, "index", set->index);
}

static void put_subjects(struct jsonw *w, const struct subjects *s)
{
	jsonw_key(w, "subjects");
	jsonw_array(w);
	for (u32 i = 0; i < s->n; i++) {
		if (!s->v[i].name[0])
			continue;
		jsonw_object(w);
		jsonw_kv_str(w, "subject", s->v[i].name);
		jsonw_kv_u64(w, "made", s->v[i].made);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_kv_u64(w, "subjects_damaged", s->n_damaged);
}

static int retention(struct conn *c, u64 id)
{
	const struct retain_state *s = &c->k->state.retain;
	struct texts_count n;
	struct jsonw w;
	int r = audit_log_texts(c->k->log, NULL, &n);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "retention: %s", strerror(-r));
		return 0;
	}
	jsonw_init_grow(&w, KEEPING_BYTES_MAX);
	jsonw_object(&w);
	put_setting(&w, &s->set);
	jsonw_kv_u64(&w, "texts_kept", n.n);
	jsonw_kv_u64(&w, "texts_bytes", n.bytes);
	put_subjects(&w, &c->k->subjects);
	jsonw_key(&w, "holds");
	jsonw_array(&w);
	for (u32 i = 0; i < s->n_holds; i++) {
		jsonw_object(&w);
		put_hold(&w, &s->holds[i]);
		jsonw_kv_u64(&w, "index", s->holds[i].index);
		jsonw_kv_str(&w, "reason", s->holds[i].reason);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "archives");
	jsonw_array(&w);
	for (u32 i = 0; i < s->n_archives; i++)
		put_archive(&w, &s->archives[i]);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

/* The newest checkpoint that witnesses cosigned, and whom to believe. */
static int witnessed(struct conn *c, u64 id)
{
	struct keepd *k = c->k;
	const struct witnessed *n = &k->witness.newest;
	char vkey[NOTE_VKEY_MAX];
	struct jsonw w;
	tlog_note_vkey(audit_log_key(k->log), vkey, sizeof vkey);
	jsonw_init_grow(&w, KEEPING_BYTES_MAX + POLICY_BYTES_MAX + NOTE_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_str(&w, "vkey", vkey);
	jsonw_kv_u64(&w, "size", n->quorum ? n->size : 0);
	jsonw_key(&w, "note");
	jsonw_strn(&w, n->quorum ? n->note : "", n->quorum ? n->len : 0);
	jsonw_key(&w, "policy");
	jsonw_strn(&w, k->witness.text ? k->witness.text : "", k->witness.text_len);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

/* Hashes of `level`, first to first + count - 1, as they are. */
static int hashes(struct conn *c, const struct proto_query *q, u64 id, u32 level)
{
	struct merkle_source s = audit_log_hashes(c->k->log);
	u64 size = audit_log_size(c->k->log) >> level;
	if (q->count == 0 || q->count > HASHES_PER_QUERY || q->first >= size || q->count > size - q->first) {
		client_end(c, id, END_REFUSED, UINT64_MAX,
			"hashes: the log has %" PRIu64 ", and one answer %u", size, HASHES_PER_QUERY);
		return 0;
	}
	struct merkle_hash *h = malloc(q->count * sizeof *h);
	int r = h ? 0 : err_origin(-ENOMEM);
	for (u64 at = 0; !r && at < q->count; at += MERKLE_ROW_MAX)
		r = s.row(s.arg, level, q->first + at, (u32)MIN(q->count - at, MERKLE_ROW_MAX), h + at);
	if (!r)
		r = client_data(c, id, h, q->count * sizeof *h);
	free(h);
	if (r)
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "hashes: %s", strerror(-r));
	else
		client_end(c, id, END_DONE, UINT64_MAX, "%s", "");
	return 0;
}

/* name: how many records each stands for, as a power of 256: "1" (and ""), "2", "3", "4". */
static int subtrees(struct conn *c, const struct proto_query *q, u64 id)
{
	const char *s = q->name;
	if (s[0] && (s[0] < '1' || s[0] > '4' || s[1]))
		return -EPROTO;
	return hashes(c, q, id, s[0] ? 8 * (u32)(s[0] - '0') : 8);
}

int keeping_query(struct conn *c, const struct proto_query *q, u64 id)
{
	switch (q->what) {
	case QUERY_RETAIN:
		return retention(c, id);
	case QUERY_WITNESSED:
		return witnessed(c, id);
	case QUERY_LEAVES:
		return hashes(c, q, id, 0);
	case QUERY_SUBTREES:
		return subtrees(c, q, id);
	default:
		return -EPROTO;
	}
}
